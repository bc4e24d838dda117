"""Choosing who decides: what must hold before a `decide-by` record is written, and the record."""

from __future__ import annotations

import getpass
import socket
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from tocsin.config.settings import Settings
from tocsin.streams.monitor.shadow.contest import Contest
from tocsin.streams.monitor.shadow.figures import PromotionVerdict, Standings, in_figures, verdict
from tocsin.streams.monitor.shadow.shown import found_in
from tocsin.streams.monitor.workers import SILENT_RECORDS, SILENT_SECONDS
from tocsin.streams.printable import printable
from tocsin.streams.transport.base import Partition, Record, Transport
from tocsin.streams.wire.decode import UNREADABLE
from tocsin.streams.wire.kinds.shadow import ChosenConfig, ShadowTelemetry, chosen_by
from tocsin.streams.wire.packed.control import Control, Reason, is_control, packed_control, read_control
from tocsin.streams.wire.records import Telemetry

TAIL = 5_000
"""Telemetry records of each partition of their topic that are read, the last ones."""


class ChoiceRefusedError(Exception):
    """Who decides is not changed; the text says why, and what to do."""

    def __init__(self, why: str, found: Standings | None = None) -> None:
        """`found` are the figures by which it was refused, if it was by figures."""
        super().__init__(why)
        self.found = found


class ToldOfShadow(NamedTuple):
    """What the workers of a service tell of a shadow."""

    workers: dict[str, ShadowTelemetry | None]
    """By worker, the latest of those that were heard of lately; None where one knows of no shadow."""
    contest: Contest


class DecideByChoice(NamedTuple):
    """Who is to decide."""

    control: Control
    found: Standings | None
    """None where no worker told of a shadow of late."""
    verdict: PromotionVerdict


def told_by_workers(transport: Transport, settings: Settings, now: int) -> ToldOfShadow:
    """What the telemetry says by now (epoch ms). Raises TransportError."""
    latest: dict[str, Telemetry] = {}
    contest = Contest()
    for telemetry in sorted(_reports(transport, settings), key=lambda one: one.time):
        latest[telemetry.worker] = telemetry
        contest.note(telemetry)
    silent = 1000 * max(SILENT_SECONDS, SILENT_RECORDS * settings.monitor.interval_seconds)
    return ToldOfShadow({name: one.shadow for name, one in latest.items() if now - one.time <= silent}, contest)


def _reports(transport: Transport, settings: Settings) -> Iterable[Telemetry]:
    topic, decoder = settings.topics.telemetry, msgspec.json.Decoder(Telemetry)
    for partition, end in transport.end_offsets(topic).items():
        for record in transport.read(partition, max(0, end - TAIL), end):
            try:
                telemetry = decoder.decode(record.value or b"")
            except UNREADABLE:
                continue
            if telemetry.service == settings.name:
                yield telemetry


def promotion(settings: Settings, told: ToldOfShadow, now: int) -> DecideByChoice:
    """The promotion of the config that is the shadow now. Raises ChoiceRefusedError where it may not be."""
    current = _agreed(settings, told)
    if current.decides == current.second:
        raise ChoiceRefusedError(
            f"the config of the shadow, {current.second}, decides already; `tocsin rollback` goes back"
        )
    given_up = [name for name, one in told.workers.items() if one is not None and one.state == "given-up"]
    if given_up:
        why = next(one.why for one in told.workers.values() if one is not None and one.state == "given-up")
        raise ChoiceRefusedError(
            f"the shadow was given up in {_names(given_up)} ({printable(why)}): mend its config, and start these "
            "workers again"
        )
    found = found_in(told.contest, settings)
    assert found is not None  # workers told of it
    said = verdict(found, settings.promotion)
    control = _control(current.second, "promote", current.decides, now)
    if not said.may:
        raise ChoiceRefusedError(f"not promoted: {said.why}", found)
    return DecideByChoice(control, found, said)


def way_back(settings: Settings, told: ToldOfShadow, now: int, last: ChosenConfig | None = None) -> DecideByChoice:
    """Going back to the config that decided before the last promotion. Raises ChoiceRefusedError.

    `last` is what the last `decide-by` record of the feedback says (`last_choice`). The workers know both configs, so
    that it is nothing to them what was edited in the config file since they started.
    """
    current = _told_alike(told) if told.workers else None
    standing = _promotion_that_stands(current, last)
    found = found_in(told.contest, settings)
    why = f"going back from the promotion at feedback offset {standing.offset:,} to config {standing.before}"
    if found is not None:
        why = f"{why}. {in_figures(found, settings.promotion)}"
    if current is None:
        why = f"{why}. No worker was heard of lately: the record is obeyed when they start"
        shadow = settings.of_shadow
        if standing.before not in (settings.digest(), None if shadow is None else shadow.digest()):
            why = f"{why}, by those that have that config, which is neither that of this file nor its shadow's"
    control = _control(standing.before, "rollback", standing.config, now)
    return DecideByChoice(control, found, PromotionVerdict(True, why))


def _promotion_that_stands(current: ShadowTelemetry | None, last: ChosenConfig | None) -> ChosenConfig:
    """The promotion that is in force, by what the workers tell and what the feedback says.

    Raises ChoiceRefusedError where there is none to go back from.
    """
    standing = None if current is None else current.standing
    if last is not None and (standing is None or standing.offset < last.offset):
        if current is not None and last.reason == "promote":
            raise ChoiceRefusedError("the workers have not come to the last choice yet: try again in a while")
        standing = last
    if standing is None:
        raise ChoiceRefusedError("there is no promotion to go back from: nobody has chosen who decides")
    if standing.reason != "promote":
        raise ChoiceRefusedError(
            f"there is no promotion to go back from: the last one was taken back at feedback offset "
            f"{standing.offset:,}, and config {standing.config} decides already"
        )
    if not standing.before:
        raise ChoiceRefusedError("nobody has noted which config decided before the last promotion")
    if current is not None and standing.before not in (current.first, current.second):
        raise ChoiceRefusedError(
            f"the config that decided before, {standing.before}, is neither that of the config file nor its shadow's: "
            "name it as `shadow`, and start the workers again"
        )
    if current is not None and standing.config != current.decides:
        raise ChoiceRefusedError(
            f"there is no promotion to go back from: no worker has the promoted config {standing.config} any more, and "
            f"config {current.decides} decides already"
        )
    return standing


def _told_alike(told: ToldOfShadow) -> ShadowTelemetry:
    """What all workers say of who decides. Raises ChoiceRefusedError where they do not agree among themselves."""
    if without := [name for name, one in told.workers.items() if one is None]:
        raise ChoiceRefusedError(f"{_names(without)} know of no shadow: start all workers again with one config")
    found = [one for one in told.workers.values() if one is not None]
    if len({(one.first, one.second) for one in found}) > 1:
        raise ChoiceRefusedError(
            f"{_names(told.workers)} do not run with the same two configs: start them all again with the same ones"
        )
    return _newest(told)


def last_choice(transport: Transport, settings: Settings) -> ChosenConfig | None:
    """What the last `decide-by` record of the feedback says, which is read whole; None where there is none.

    Raises TransportError.
    """
    last = None
    for partition, end in transport.end_offsets(settings.topics.feedback).items():
        for record in transport.read(partition, 0, end):
            if not is_control(record.value):
                continue
            try:
                control = read_control(record.value or b"")
            except UNREADABLE:
                continue
            if control.kind == "decide-by":
                last = chosen_by(control, record.offset)
    return last


def _agreed(settings: Settings, told: ToldOfShadow) -> ShadowTelemetry:
    """What all workers say of who decides. Raises ChoiceRefusedError where they do not agree with the config file."""
    if settings.of_shadow is None:
        raise ChoiceRefusedError("the config names no `shadow` that decides by other settings than itself")
    if not told.workers:
        raise ChoiceRefusedError("no worker was heard of lately: start the service, and let it compare both configs")
    pair = settings.digest(), settings.of_shadow.digest()
    if others := [name for name, one in told.workers.items() if not _knows(one, pair)]:
        raise ChoiceRefusedError(
            f"{_names(others)} run with other configs than this file and its shadow: start them again with these"
        )
    return _newest(told)


def _newest(told: ToldOfShadow) -> ShadowTelemetry:
    """What the worker says that has come farthest. Raises ChoiceRefusedError where another one has not come so far."""
    found = [one for one in told.workers.values() if one is not None]
    newest = max(found, key=lambda one: -1 if one.standing is None else one.standing.offset)
    if late := [name for name, one in told.workers.items() if one is not None and one.decides != newest.decides]:
        raise ChoiceRefusedError(f"{_names(late)} have not come to the last choice yet: try again in a while")
    return newest


def _knows(one: ShadowTelemetry | None, pair: tuple[str, str]) -> bool:
    """Whether a worker compares these two configs."""
    return one is not None and (one.first, one.second) == pair and one.decides in pair


def _names(workers: Iterable[str]) -> str:
    return ", ".join(printable(name) for name in workers)


def _control(config: str, reason: Reason, before: str, now: int) -> Control:
    return Control(kind="decide-by", reason=reason, time=now, by=_who(), config=config, before=before)


def _who() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a number in a container, which has no name
        user = "unknown"
    return f"{user}@{socket.gethostname()}"


def choose(transport: Transport, settings: Settings, control: Control) -> int:
    """Write the record; returns its offset in the feedback. Raises TransportError."""
    topic = settings.topics.feedback
    starts = transport.end_offsets(topic)
    transport.produce(topic, None, packed_control(control))
    transport.flush()
    for partition, end in transport.end_offsets(topic).items():
        for record in transport.read(partition, starts.get(Partition(topic, partition.index), 0), end):
            if _is(record, control):
                return record.offset
    raise AssertionError("what was flushed is not in its topic")


def _is(record: Record, control: Control) -> bool:
    return record.value is not None and is_control(record.value) and read_control(record.value) == control
