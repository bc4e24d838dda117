"""What a verification found, for a person."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any

from rich.table import Table

from tocsin.streams.printable import printable
from tocsin.streams.replay.verify.report import Difference, VerifyReport

SHOWN = 20
"""Differences, and broken places of the chain, that are shown: JSON names more."""
MEMBERS = 3
"""Members of a difference whose values are shown."""
WIDEST = 40
"""Characters of a value that are shown."""
WHY = {
    "before-the-chain": "written by a release that kept no links",
    "config-unknown": "their config is not kept, or this release cannot use it",
    "erased": "a person was forgotten",
    "erased-feedback": "their model had learnt of a person who was forgotten since",
    "event-expired": "their event is in its topic no more",
    "feedback-gone": "feedback that their model learnt is deleted, and no snapshot stands for it",
    "feedback-unreadable": "the feedback holds what Tocsin did not write",
    "model-unknown": "their model went on from another one, or is computed otherwise by this release",
    "subject-expired": "the decision before on the same subject is in the topic no more",
}
"""What the reasons mean for which decisions cannot be checked."""


def tables(report: VerifyReport) -> Iterator[Table]:
    """The tables of a report."""
    yield _counts(report)
    if report.differences:
        shown = Table("event", "what differs", "in the record, and made again")
        for one in report.differences[:SHOWN]:
            shown.add_row(printable(one.event), printable(", ".join(one.what)), printable(_values(one)))
        yield shown
    if report.chain.places:
        shown = Table("the chain", "record", "event", "place of the event")
        for place in report.chain.places[:SHOWN]:
            at = "" if place.partition is None else f"partition {place.partition}, offset {place.offset}"
            what = "changed" if place.what == "changed" else "the one before is missing"
            shown.add_row(what, place.record, printable(place.event or ""), at)
        yield shown


def _values(one: Difference) -> str:
    """The first values that differ."""
    told = (f"{path}: {_short(said)}, {_short(again)}" for path, (said, again) in islice(one.values.items(), MEMBERS))
    return "; ".join(told)


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= WIDEST else f"{text[: WIDEST - 3]}..."


def no_success(report: VerifyReport, topic: str, event: str | None = None) -> str | None:
    """Why a verification of a topic, or of its decisions on one event, is no success; None where it is one."""
    if not (report.checked or report.not_checkable):
        on = "" if event is None else f" on the event {event!r}"
        return f"nothing was checked: {topic} has no decision{on} in this span"
    if not report.checked:
        reasons = "; ".join(f"{n:,}: {WHY.get(reason, reason)}" for reason, n in sorted(report.not_checkable.items()))
        return f"nothing was checked, because no decision could be made again: {reasons}"
    return None if report.good else "not everything is as it should be: see the report"


def no_heads(report: VerifyReport) -> str | None:
    """Why the heads of the chains are not to be kept; None where they may be."""
    chain, kept = report.chain, report.heads
    if not chain.whole:
        return "the chain is broken"
    if kept is not None and (kept.missing or kept.expired):
        gone = len(kept.missing) + kept.expired
        return f"{gone:,} of the heads of --heads are found no more, so that nothing ties these heads to those"
    return None if chain.links or chain.begun else "the chain has no head"


def _counts(report: VerifyReport) -> Table:
    shown, chain = Table(show_header=False), report.chain
    shown.add_row("decisions made again", f"{report.checked:,}")
    shown.add_row("reproduced", f"{report.reproduced:,}")
    shown.add_row("of these, to the byte", f"{report.to_the_byte:,}")
    shown.add_row("different", f"{report.different:,}")
    for reason, n in sorted(report.not_checkable.items()):
        shown.add_row(f"not checkable: {WHY.get(reason, reason)}", f"{n:,}")
    shown.add_row("links of the chain", f"{chain.links:,}")
    shown.add_row("beginnings of it", f"{chain.begun:,}")
    shown.add_row("decisions on an event that was decided before", f"{chain.again:,}")
    shown.add_row("links whose predecessor is missing", f"{chain.missing:,}")
    shown.add_row("records that were changed", f"{chain.changed:,}")
    if report.heads is not None:
        shown.add_row("heads kept elsewhere that are found", f"{report.heads.found:,}")
        shown.add_row("such heads that are missing", f"{len(report.heads.missing):,}")
        if report.heads.expired:
            shown.add_row("such heads that have expired", f"{report.heads.expired:,}")
    return shown
