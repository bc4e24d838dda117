from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from rich.console import Console

from tocsin.explain.explanation import Condition, Explanation, FiredRule, TreePath, Vote, Word
from tocsin.streams.cli.commands.run import summary
from tocsin.streams.cli.render import REASONS, render
from tocsin.streams.wire.records import Decision, ModelVersion, Reason
from tocsin.streams.worker.reporting.counts import Counts

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
        assert "The words that moved " in render(decisions(service)[-1])


def explained(**parts: Any) -> str:
    """The words of a decision with this explanation."""
    names = ("path", "words", "opinions", "fused", "enough")
    none = dict.fromkeys(names) | {"level": "brief", "experts": [], "conflict": 0.0, "used": 1}
    decision = Decision(
        event="e",
        subject="s",
        time=0,
        decided_at=0,
        status="decided",
        label="yes",
        belief={"yes": 0.8, "no": 0.1},
        uncertainty=0.1,
        conflict=0.0,
        reason=None,
        set=["yes"],
        explanation=Explanation(**(none | parts)),
        model=ModelVersion(0, "", ""),
    )
    return render(decision)


def test_a_weight_is_not_sold_as_what_an_expert_moves() -> None:
    new, old = Vote("tree", "yes", 0.9, 0.8, 0.68, 0.11), Vote("tree", "yes", 0.9, 0.8, 0.68)
    assert "without it 11% of the probability would lie with other classes" in explained(experts=[new])
    assert "68%" not in explained(experts=[new])
    assert "its weight is 68% of all" in explained(experts=[old])


def test_declared_rules_are_told_by_their_names() -> None:
    rules = [FiredRule("big", "house", "yes", 0.751, "A large amount."), FiredRule("new", "house", "no", 0.5)]
    told = explained(rules=rules)
    assert "The rule big of house fired, which is right in 75% for yes: A large amount.\n" in told
    assert "The rule new of house fired, which is right in 50% for no.\n" in told


def test_a_condition_that_rounding_would_make_false_is_told_with_all_digits() -> None:
    near = Condition("x", ">", 0.123456, 0.1234561)
    assert "x > 0.123456 (is 0.1234561)" in explained(path=TreePath("tree", [near]))
    assert "x > 0.1235 (is 0.2)" in explained(path=TreePath("tree", [Condition("x", ">", 0.123456, 0.2)]))


def test_a_branch_that_an_event_only_followed_is_not_told_as_true_of_it() -> None:
    path = TreePath("tree", [Condition("x", "<=", 0.5, None), Condition("x", "<=", 0.25, None)])
    assert "In tree: x not known, taken as <= 0.25." in explained(path=path)


def test_every_category_that_a_path_rules_out_is_told() -> None:
    path = TreePath("tree", [Condition("colour", "!=", c, "blue") for c in ("red", "green")])
    assert "colour != red (is blue), and colour != green (is blue)" in explained(path=path)


def test_of_nested_bounds_the_tightest_is_told() -> None:
    path = TreePath("tree", [Condition("x", "<=", bound, 0.1) for bound in (3.0, 0.5)])
    assert "In tree: x <= 0.5 (is 0.1)." in explained(path=path)


def test_the_numbers_beside_words_say_of_what_they_are_parts() -> None:
    words = [
        Word("win", {"yes": 0.5, "no": -0.5}, "linear-text", "log-odds"),
        Word("win", {"yes": 3.0}, "ss3", "evidence"),
    ]
    told = explained(words=words)
    assert (
        "The words that moved linear-text, in log odds, which are not its evidence: 'win' (yes +0.50, no -0.50)."
        in told
    )
    assert "The words that moved ss3, in pseudo-counts of evidence before its bound: 'win' (yes +3.00)." in told
    assert "The words that moved it: 'win' (yes +1.00)." in explained(words=[Word("win", {"yes": 1.0})])


def test_the_beliefs_of_many_classes_that_are_told_add_up() -> None:
    decision = msgspec.structs.replace(
        msgspec.json.decode(DECISION, type=Decision), belief={f"c{k}": 0.1 for k in range(9)}, uncertainty=0.1
    )
    assert "c4: 10%, 4 others: 40%; not known: 10%" in render(decision)


DECISION = b"""{"event": "e", "subject": "s", "time": 0, "decided_at": 0, "status": "decided", "label": "c0",
"belief": {}, "uncertainty": 1.0, "conflict": 0.0, "reason": null, "set": [], "explanation": null,
"model": {"feedback_offset": 0, "config": "", "segment": ""}}"""


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


def test_what_a_worker_did_tells_of_records_that_it_never_saw() -> None:
    counts = Counts()
    counts.lost["events"] = 1_250
    shown = io.StringIO()
    Console(file=shown, width=80).print(summary(counts, 3.0))
    assert re.search(r"lost: events\s*│ 1,250", shown.getvalue())
