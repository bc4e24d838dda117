from __future__ import annotations

from pathlib import Path
from typing import get_args

import msgspec
import pytest

from tocsin.streams.cli.render import REASONS, render
from tocsin.streams.wire.records import Decision, Reason

from ..support import Service, drain, event, running, settings, stream, text_settings


def decisions(service: Service) -> list[Decision]:
    return [msgspec.json.decode(record.value or b"", type=Decision) for record in service.records("decisions")]


@pytest.mark.parametrize("level", ["none", "brief", "full"])
@pytest.mark.parametrize("text", [False, True], ids=["features", "text"])
def test_every_decision_can_be_rendered_in_words(tmp_path: Path, level: str, text: bool) -> None:
    experts = [{"kind": "river", "name": "tree", "parameters": {"grace_period": 10}}, {"kind": "linear"}]
    config = (
        text_settings(tmp_path, explanation={"level": level})
        if text
        else settings(tmp_path, explanation={"level": level}, experts=experts)
    )
    service = Service(config)
    with running(service) as worker:
        for raw, truth in stream(80):
            raw["text"] = "win a prize" if truth["label"] == "yes" else "see you later"
            truth["label"] = config.classes[truth["label"] == "yes"]
            service.send(raw)
            service.tell(truth)
            worker.step(0)
        drain(worker)
    for decision in decisions(service):
        words = render(decision)
        assert decision.event in words
        assert (decision.label or REASONS[decision.reason or ""]) in words
        if level != "none":
            assert str(decision.model.feedback_offset) in words
            assert decision.explanation is not None
            assert all(vote.expert in words for vote in decision.explanation.experts)
    if text and level != "none":
        assert "The words that moved it" in render(decisions(service)[-1])


def test_every_reason_has_its_words() -> None:
    assert set(get_args(Reason)) == set(REASONS)


def test_a_decision_before_any_class_is_known_can_be_rendered(tmp_path: Path) -> None:
    service = Service(settings(tmp_path, classes=(), experts=[{"kind": "persistence"}]))
    with running(service) as worker:
        service.send(*[raw for raw, _ in stream(1)])
        drain(worker)
    words = render(decisions(service)[0])
    assert "too few labels" in words
    assert "Belief: none" in words


def test_an_outsiders_names_do_not_steer_the_terminal(tmp_path: Path) -> None:
    service = Service(settings(tmp_path))
    with running(service) as worker:
        service.send(event("\x1b[2Jid", subject="two\nlines\x07", a=1.0), event("é–漢🎉"))
        drain(worker)
    words = render(decisions(service)[0])
    assert "\\u001b[2Jid of two\\nlines\\u0007" in words
    assert words.isascii() or all(c.isprintable() or c == "\n" for c in words)
    assert "é–漢🎉" in render(decisions(service)[1])
