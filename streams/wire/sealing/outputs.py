"""What a worker sends, sealed: by its topic, because each kind of record quotes events in its own way."""

from __future__ import annotations

from collections.abc import Callable

from tocsin.config.settings import Settings
from tocsin.streams.wire.encode import REASON_HEADERS, Output
from tocsin.streams.wire.packed.control import is_control
from tocsin.streams.wire.packed.feedback import sealed_feedback
from tocsin.streams.wire.sealing.json_records import ALERT, DECISION, REVIEW, sealed_decision, sealed_record
from tocsin.streams.wire.sealing.sealed import Seals

_PUT_ON = 512
"""Bytes that sealing adds to a record at the most, beside what base 64 makes longer."""
_MESSAGE = REASON_HEADERS - 1
"""The place of a dead letter's message among the headers that give its reason."""
_INVALID = b"invalid"
_REPEATING = frozenset({_INVALID, b"not-json"})
"""The kinds of dead letters whose message may repeat a value."""
_UNSAID = b"not repeated here: erasure.enabled is set, and the original lies at the place that the headers name"


class SealedOutputs:
    """Seals outputs of one service."""

    def __init__(self, settings: Settings) -> None:
        topics = settings.topics
        self._kinds = {topics.decisions: DECISION, topics.alerts: ALERT, topics.review: REVIEW}
        self._feedback, self._letters = topics.feedback, topics.dead_letters
        self._topics = frozenset({*self._kinds, self._feedback, self._letters})

    def room(self, topic: str, limit: int) -> int:
        """Of the bytes that a topic takes, those that a record may have before it is sealed: base 64 makes four of
        three."""
        if topic == self._feedback:
            return max(limit - _PUT_ON, 0)
        return max(limit * 3 // 4 - _PUT_ON, 0) if topic in self._kinds else limit

    def __call__(self, output: Output, seals: Callable[[], Seals]) -> Output:
        """An output as it is to be produced; `seals` gives what seals, and is called only where there is something.

        Raises ErasureError, StateError.
        """
        if output.topic not in self._topics:
            return output
        if output.topic == self._letters:
            return _placed(output)
        if output.topic == self._feedback:
            return output if is_control(output.value) else self._feedback_of(output, seals())
        topic, key, value, headers, origin = output
        subject, kind = (key or b"").decode(), self._kinds[topic]
        if kind is DECISION:
            return Output(topic, key, sealed_decision(value, subject, seals()), headers, origin)
        return Output(topic, key, sealed_record(value, kind, subject, seals()), headers, origin)

    def _feedback_of(self, output: Output, seals: Seals) -> Output:
        topic, key, value, headers, origin = output
        subject = (key or b"").decode()
        sealed = sealed_feedback(value, subject, seals)
        return Output(topic, seals.feedback_key(subject), sealed, headers, origin)


def _placed(letter: Output) -> Output:
    """A dead letter that holds the place of the original instead of its bytes, its key and its headers.

    The reason may repeat a value where the record does not fit the schema: then only the field's name is left of it.
    """
    headers = list(letter.headers)
    while headers[-1][0].startswith("__tocsin."):  # what `Fit` says of what it left out
        headers.pop()
    reasons = headers[-REASON_HEADERS:]
    name, message = reasons[_MESSAGE]
    if (kind := reasons[_MESSAGE - 1][1]) in _REPEATING:
        field, colon, _ = message.partition(b": ")
        reasons[_MESSAGE] = name, (field + colon if kind == _INVALID else b"") + _UNSAID
    return letter._replace(key=None, value=b"", headers=reasons)
