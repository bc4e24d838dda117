"""A replay in process with labels of whole subjects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from tocsin.config import Settings
from tocsin.streams.replay import in_process
from tocsin.streams.replay.in_process import InProcess, SubjectReplayReport
from tocsin.streams.replay.past_event import PastEvent

from ...support import START

EIGHT_LINES: dict[str, Any] = {
    "name": "users",
    "schema": {"text": "text"},
    "classes": ["calm", "risk"],
    "early_risk": {"classes": ["risk"]},
}


def users(count: int, posts: int = 6, at_once: int = 5) -> list[PastEvent]:
    """Posts of users, some of whom write at a time; the risky ones say so from their third post on."""
    rng, found = np.random.default_rng(5), list[PastEvent]()
    for first in range(0, count, at_once):
        for k in range(posts):
            for u in range(first, first + at_once):
                risky = u % 3 == 0
                words = ["sad", "alone", "dark"] if risky and k > 1 else ["lunch", "game", "rain", "alone"]
                event = {
                    "id": f"u{u}/{k}", "subject": f"u{u}", "time": START + 1_000 * len(found),
                    "text": " ".join(rng.choice(words, 4)),
                }  # fmt: skip
                label = "risk" if risky else "calm"
                found.append(PastEvent(event["id"], event["subject"], event["time"], orjson.dumps(event), label))
    return found


def replayed(posts: list[PastEvent], delay: int = 1, **changes: Any) -> tuple[SubjectReplayReport, dict[str, int]]:
    replay = InProcess(Settings(**EIGHT_LINES, **changes), delay)
    report = replay.run(posts)
    assert replay.subjects is not None
    assert isinstance(report, SubjectReplayReport)
    return report, replay.subjects.delays()


def test_alerts_of_a_config_of_eight_lines_beat_those_of_who_always_raises_one() -> None:
    report, delays = replayed(users(120))
    told = report.early_risk
    assert told["labels_of"] == "subjects"
    assert told["f_latency"] > told["always"]["f_latency"] + 0.2
    assert told["erde50"] < told["always"]["erde50"]
    assert told["auc"]["5"] > told["auc"]["1"]
    late = [delays[f"u{u}"] for u in range(60, 120, 3)]
    assert set(late) <= {3, 4, 5}  # first posts say nothing, and the prior alone raises no alert
    assert report.events == 720
    assert report.dead_letters == 0


def test_texts_whose_classes_are_found_in_labels_are_decided() -> None:
    """While no class was known, the first event of all stopped the worker for ever."""
    replay = InProcess(Settings(**{**EIGHT_LINES, "classes": []}), 1)
    report = replay.run(users(30))
    assert report.events == 180
    assert report.dead_letters == 0


def test_the_promise_and_the_rival_are_told_too() -> None:
    """Events that were decided together were not counted, and the rival never heard of a label."""
    abstention = {"controls": "error", "cold_start": 5, "error": 0.3}
    replay = InProcess(Settings(**EIGHT_LINES, abstention=abstention), 1, rival=True)
    report = replay.run(users(60))
    assert report.promise is not None
    shares = [report.promise[state] for state in ("kept", "at_risk", "cannot_be_kept")]
    assert sum(share for share in shares if isinstance(share, float)) == pytest.approx(1.0)
    assert report.baselines["hoeffding_tree"] > 0.3


def test_events_between_labels_are_decided_together_as_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    together, delays = replayed(users(30))
    monkeypatch.setattr(in_process, "_TOGETHER", 1)
    alone, same = replayed(users(30))
    assert delays == same
    assert alone.early_risk == together.early_risk
    assert (alone.accuracy, alone.f1_macro) == (together.accuracy, together.f1_macro)


def test_a_label_of_a_subject_is_learnt_once() -> None:
    replay = InProcess(Settings(**EIGHT_LINES), 0)
    replay.run(users(20))
    assert replay.classifier is not None
    assert replay.classifier.learnt == 20


def test_labels_of_events_are_learnt_one_by_one_and_judged_by_subject(tmp_path: Path) -> None:
    posts = [one._replace(label="calm" if i % 2 else one.label) for i, one in enumerate(users(30))]
    report, _ = replayed(posts)
    assert report.early_risk["labels_of"] == "events"
    assert report.early_risk["positive"] > 0


def test_without_early_risk_nothing_is_told_of_subjects() -> None:
    report = InProcess(Settings(**{**EIGHT_LINES, "early_risk": {}}), 1).run(users(10))
    assert not isinstance(report, SubjectReplayReport)
