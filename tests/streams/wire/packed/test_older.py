"""Feedback that version 0.1.0 wrote is still read: its context was `saw`, its nonconformity `strangeness`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest

from tocsin.streams.wire.encode import encode
from tocsin.streams.wire.packed.context import context_from_wire
from tocsin.streams.wire.packed.feedback import UNREADABLE, read_feedback
from tocsin.streams.wire.records import Feedback

from ...support import record

LINES = (Path(__file__).parents[2] / "older" / "feedback_0_1_0.jsonl").read_bytes().splitlines()


def renamed(line: bytes) -> dict[str, Any]:
    """A record of 0.1.0 as this version would write it."""
    value: dict[str, Any] = orjson.loads(line)
    context = value.pop("saw")
    if context is not None and "strangeness" in context:
        context["nonconformity"] = context.pop("strangeness")
    return {**value, "context": context}


@pytest.mark.parametrize("line", LINES, ids=range(len(LINES)))
def test_what_was_written_then_is_what_would_be_written_now(line: bytes) -> None:
    feedback = read_feedback(record(line, "feedback"))
    assert orjson.loads(encode(feedback)) == renamed(line)
    same = msgspec.json.decode(orjson.dumps(renamed(line)), type=Feedback)
    assert feedback == same
    if feedback.context is not None and same.context is not None:
        assert repr(context_from_wire(feedback.context)) == repr(context_from_wire(same.context))


def test_all_that_a_context_can_hold_is_among_them() -> None:
    contexts = [read_feedback(record(line, "feedback")).context for line in LINES]
    assert None in contexts
    for part in ("limits", "nonconformity", "plain", "ratio"):
        assert any(context is not None and getattr(context, part) is not None for context in contexts)


def test_a_record_of_neither_version_is_refused_in_the_words_of_this_one() -> None:
    broken = {**renamed(LINES[0]), "label": 5}
    with pytest.raises(UNREADABLE, match="label"):
        read_feedback(record(broken, "feedback"))
    del broken["context"]
    with pytest.raises(UNREADABLE, match="label"):
        read_feedback(record(broken, "feedback"))
