"""Partitions that stand still: those of which the workers tell, and those of which no worker tells any more."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Collection, Iterable, Iterator, Sequence

from confluent_kafka import Consumer, KafkaException, TopicPartition

from tocsin.config.settings import Settings
from tocsin.streams.monitor.shown_name import beginning
from tocsin.streams.transport import faults
from tocsin.streams.transport.base import Partition, Progress, TransportError
from tocsin.streams.transport.kafka import Terms
from tocsin.streams.transport.kafka.connection import Connection
from tocsin.streams.transport.kafka.options import reader_options
from tocsin.streams.transport.kafka.patient import raise_first
from tocsin.streams.wire.records import Telemetry
from tocsin.streams.worker.overload.stalls import Stalls

_log = logging.getLogger(__name__)

_GIVEN_UP = {"explanations": "explanations of what it decides", "experts": "explanations and some of the experts"}
NAMED = 3
"""Partitions that a sentence names."""
_LOOK_SECONDS = 5.0
"""Time between two looks at what the group has committed."""
_ANSWER_SECONDS = 5.0
_OLD_SECONDS = 30.0
"""After so long without an answer nothing is known of the group."""
_WARNING_SECONDS = 300.0
"""Time between two warnings that the group cannot be looked at."""
_UNATTENDED = "no worker tells of it: see whether one runs, and whether the ones that run are stuck"


def in_words(telemetry: Sequence[Telemetry], unattended: Collection[Partition]) -> Iterator[str]:
    """What the workers' last reports and the group tell of partitions that stand still, of what workers have given up,
    and of devices that failed, safe to show."""
    for report in telemetry:
        if report.shed is not None:
            yield (
                f"Worker {beginning(report.worker)} is about {report.behind_seconds:,.0f} s behind, and gives up "
                f"{_GIVEN_UP[report.shed]}."
            )
        scoring = report.scoring
        if scoring is not None and scoring.failures and scoring.place == "cpu":
            yield (
                f"Worker {beginning(report.worker)} scores events on the CPU since its device "
                f"({beginning(scoring.asked)}) failed: {beginning(scoring.reason)}."
            )
        stalled = [(topic, number, s) for topic, found in report.stalled.items() for number, s in found.items()]
        if stalled:
            named = [f"{beginning(topic)}-{beginning(number)} for {s:.0f} s" for topic, number, s in stalled]
            name = beginning(report.worker)
            yield f"Worker {name} stands still, although there is more to read: {_first(named)}."
    if unattended:
        names = [beginning(partition.name) for partition in sorted(unattended)]
        yield f"No worker tells of partitions that stand still, although there is more to read: {_first(names)}."


def attended(telemetry: Iterable[Telemetry], since: float) -> set[Partition]:
    """The partitions of which reports tell that were written since an instant (seconds since the epoch)."""
    found: set[Partition] = set()
    for report in telemetry:
        if report.time / 1000 >= since:
            for topic, lags in report.partition_lag.items():
                found.update(Partition(topic, int(number)) for number in lags if number.isdecimal())
    return found


class GroupWatch:
    """Looks at what the group of the workers has committed of events and labels, without being a member of it.

    A worker that hangs or is dead tells nothing of its partitions. What the group has committed tells it: a partition
    whose offset stands still, though it ends behind it, has nobody who works on it. Of partitions of which a worker
    tells, the worker knows better: an offset behind the last record may be that of a transaction's mark.
    """

    def __init__(self, settings: Settings) -> None:
        """Nothing is asked before `start`."""
        self._settings = settings
        self._stalls = Stalls(settings.monitor.stalled_seconds, _UNATTENDED)
        self._found: tuple[float, dict[Partition, Progress]] | None = None
        self._closed = threading.Event()
        self._warned_at: float | None = None

    def start(self) -> None:
        """Look every few seconds from now on, in a thread of its own, so that nobody waits for the broker."""
        threading.Thread(target=self._run, name="group watch", daemon=True).start()

    def close(self) -> None:
        """Look no more."""
        self._closed.set()

    def unattended(self, attended: Collection[Partition], now: float) -> dict[Partition, float] | None:
        """For how many seconds the stalled partitions have stood still that are not `attended`.

        None where it is not known, because the broker does not answer or a right is missing. `now` is in seconds of a
        clock that nobody sets back.
        """
        found = self._found
        if found is None or time.monotonic() - found[0] > _OLD_SECONDS:
            return None
        return self._stalls.see(found[1], round(1000 * now), attended)

    def _run(self) -> None:
        connection = Connection(self._settings.kafka, f"{self._settings.name}-watch", Terms(_ANSWER_SECONDS))
        # It never joins the group, and reads nothing.
        consumer = connection.consumer(reader_options(self._settings.kafka, self._settings.group))
        while not self._closed.is_set():
            try:
                self._found = (time.monotonic(), self._look(connection, consumer))
            except (KafkaException, TransportError) as error:
                self._fail(error)
            self._closed.wait(_LOOK_SECONDS)
        consumer.close()
        connection.close()

    def _look(self, connection: Connection, consumer: Consumer) -> dict[Partition, Progress]:
        """Ask once. Raises KafkaException, TransportError."""
        partitions = connection.partitions([self._settings.topics.events, self._settings.topics.labels])
        found: dict[Partition, Progress] = {}
        answer = consumer.committed([TopicPartition(p.topic, p.index) for p in partitions], _ANSWER_SECONDS)
        raise_first(answer)
        for committed in answer:
            first, end = _bounds(consumer, TopicPartition(committed.topic, committed.partition))
            position = committed.offset if committed.offset >= 0 else first
            found[Partition(committed.topic, committed.partition)] = Progress(position, end)
        return found

    def _fail(self, error: Exception) -> None:
        now = time.monotonic()
        if self._warned_at is None or now - self._warned_at > _WARNING_SECONDS:
            self._warned_at = now
            _log.warning(
                "the monitor cannot tell whether every partition has a worker, which needs Describe on group %s and on "
                "topics %s and %s: %s",
                self._settings.group,
                self._settings.topics.events,
                self._settings.topics.labels,
                error,
            )


def _bounds(consumer: Consumer, partition: TopicPartition) -> tuple[int, int | None]:
    """The first offset and the end of a partition; no end where it has no leader. Raises KafkaException."""
    try:
        return consumer.get_watermark_offsets(partition, _ANSWER_SECONDS)
    except KafkaException as error:
        if error.args[0].code() in faults.PASSING or error.args[0].retriable():
            return 0, None
        raise


def _first(names: Sequence[str]) -> str:
    """The first of many names, with how many more there are."""
    more = [f"{len(names) - NAMED} more"] if len(names) > NAMED else []
    return ", ".join([*names[:NAMED], *more])
