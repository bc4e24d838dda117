"""Feeds a stream to the running service: events, their labels later, and judges the decisions that come back."""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Callable, Iterator

from tocsin.streams.cli.demo.stream import Stream
from tocsin.streams.replay.past_event import PastEvent, label_record
from tocsin.streams.transport.base import Transport, TransportError
from tocsin.streams.wire.decode import read_own
from tocsin.streams.wire.records import Decision

IN_FLIGHT = 16
"""Events that are sent and not decided yet, at most."""
LABEL_DELAY = 1
"""The label of an event is sent once so many later events are decided."""
DECISION_SECONDS = 60.0
"""Seconds without a decision after which the demonstration gives up."""


class Feeder:
    """Keeps `IN_FLIGHT` events under way. `transport` reads the stream's topic of decisions whole."""

    def __init__(self, stream: Stream, transport: Transport) -> None:
        self._stream = stream
        self._transport = transport
        self._undecided: dict[str, PastEvent] = {}
        self._late_guesses: dict[str, str | None] = {}
        """By event, what no-change would guess if it got its labels as late as the service: the last label sent."""
        self._last_label: str | None = None
        self._unlabelled: deque[PastEvent] = deque()
        """The decided events whose label is not sent yet."""

    def run(self, source: Iterator[PastEvent], advance: Callable[[], None]) -> None:
        """Send all events and labels. Raises TransportError where no decision comes."""
        started = None
        while self._send_events(source):
            self._transport.flush()
            self._take_decisions(advance)
            started = started or time.perf_counter()
        while self._unlabelled:
            self._send_label()
        self._stream.seconds = time.perf_counter() - (started or 0.0)

    def _send_events(self, source: Iterator[PastEvent]) -> bool:
        """Send events until enough are under way; returns whether any is."""
        for past in itertools.islice(source, IN_FLIGHT - len(self._undecided)):
            self._undecided[past.id] = past
            self._late_guesses[past.id] = self._last_label
            self._transport.produce(self._stream.settings.topics.events, past.key, past.event)
        return bool(self._undecided)

    def _take_decisions(self, advance: Callable[[], None]) -> None:
        deadline = time.monotonic() + DECISION_SECONDS
        while not (records := self._transport.poll(IN_FLIGHT, 1.0)):
            if time.monotonic() > deadline:
                raise TransportError(f"no decision came in {DECISION_SECONDS:.0f} s")
        for record in records:
            decision = read_own(record, Decision)
            past = self._undecided.pop(decision.event, None) if decision is not None else None
            if decision is None or past is None:
                continue
            self._judge(decision, past)
            advance()
            self._unlabelled.append(past)
            while len(self._unlabelled) > LABEL_DELAY:
                self._send_label()

    def _send_label(self) -> None:
        past = self._unlabelled.popleft()
        self._last_label = past.label
        settings = self._stream.settings
        self._transport.produce(settings.topics.labels, past.key, label_record(settings, past))

    def _judge(self, decision: Decision, past: PastEvent) -> None:
        """Count a decision, and keep it where it is one of the examples to show."""
        stream = self._stream
        if past.label is None:
            return
        stream.evaluation.add(decision, past.label)
        stream.evaluation.tell(past.label)
        stream.evaluation.add_rival("late_no_change", self._late_guesses.pop(past.id) == past.label)
        if decision.status == "abstained":
            stream.abstained += 1
            if decision.reason != "cold-start":
                stream.example_abstained = decision
        elif decision.label not in (None, stream.settings.classes[0]) and decision.label == past.label:
            stream.example_decided = decision
