from __future__ import annotations

import msgspec
import numpy as np
import pytest

from tocsin.models.data import subject_text
from tocsin.models.early_risk.policies import SubjectRisk
from tocsin.streams.wire.encode import encode
from tocsin.streams.wire.records import SubjectState
from tocsin.streams.wire.subject_state import risk_from_wire, state_to_wire, text_from_wire, text_to_wire

FULL = SubjectRisk(
    posts=3,
    risk={"risk": 1.5},
    alerts={"other": 2},
    time=7,
    faded=2.5,
    odds={"risk": 0.1},
    confirmed={"risk": 1},
    mattered={"risk": [{"event": "e", "post": 1, "gain": 0.5}]},
)


def test_a_state_comes_back_from_the_wire() -> None:
    for risk in (FULL, SubjectRisk()):
        state = state_to_wire(risk, {})
        again = msgspec.json.decode(encode(state), type=SubjectState)
        assert again == state
        assert risk_from_wire(again) == risk


def test_what_comes_back_may_be_changed_without_changing_the_state() -> None:
    state = state_to_wire(FULL, {})
    before = encode(state)
    risk = risk_from_wire(state)
    risk.risk["risk"] = 9.0
    risk.mattered["risk"].clear()
    assert encode(state) == before


def test_what_is_empty_is_not_written() -> None:
    assert encode(state_to_wire(SubjectRisk(faded=float("0")), {})) == b'{"posts":0,"risk":{},"alerts":{}}'


def test_a_subjects_text_comes_back_and_keeps_its_key_on_the_wire() -> None:
    text = subject_text.SubjectText(np.array([[0.1, 0.2], [0.3, 0.4]]), np.array([3, 2]))
    text.sketch[1] = 255
    state = state_to_wire(SubjectRisk(), {"thread": text_to_wire(text, "r")})
    assert b'"threads":{"thread":{"sums":[0.1,0.2,0.3,0.4],"sketch":"' in encode(state)
    again = text_from_wire(msgspec.json.decode(encode(state), type=SubjectState).texts["thread"])
    assert again.plain() == text.plain()


def test_a_text_of_the_former_format_is_read_and_means_nothing_any_more() -> None:
    """Its expert's digest is another one since, so that no reader of today takes it for its own."""
    kept = (
        b'{"posts":3,"risk":{},"alerts":{"risk":2},"threads":{"t":{"sums":[0.5],"ngrams":7,"sketch":"0","reader":"r"}}}'
    )
    state = msgspec.json.decode(kept, type=SubjectState)
    assert (state.posts, state.alerts, state.texts["t"].reader) == (3, {"risk": 2}, "r")
    with pytest.raises(ValueError, match="sketch"):
        text_from_wire(state.texts["t"])
