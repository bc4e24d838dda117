"""Telemetry says how decisions stand whose labels came, alike in every worker and however polls were cut."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tocsin.models.figures.ranking import COARSE, bins_of

from ...support import START, Service, drain, running, settings, stream


def taught(directory: Path, poll: int = 50, partitions: int = 1) -> tuple[Service, dict[str, Any]]:
    made = Service(
        settings(directory, alert={"class": "yes", "budget": "20%"}, batching={"max_events": poll}), partitions
    )
    with running(made) as worker:
        for start in range(0, 200, 50):
            events, labels = zip(*stream(50, start), strict=True)
            made.send(*events)
            drain(worker, most=2_000)
            made.tell(*labels)
            drain(worker, most=2_000)
        made.tell({"subject": "s1", "label": "no", "time": START, "source": "audit"})
        made.tell({"event": "e1", "label": "maybe", "time": START, "source": "audit"})
        drain(worker)
        worker._report(force=True)
    return made, made.values("telemetry")[-1]["judged"]


def test_the_counts_are_those_of_the_decisions_and_labels(tmp_path: Path) -> None:
    made, judged = taught(tmp_path)
    truths = {label["event"]: label["label"] for _, label in stream(200)}
    found: dict[str, Counter[str]] = {name: Counter() for name in ("labels", "named", "right")}
    alerts, probabilities, of_it = [], [], []
    for one in made.decisions:
        truth = truths[one["event"]]
        if one["belief"]:
            named = one["label"] or max(one["belief"], key=one["belief"].__getitem__)
            found["labels"][truth] += 1
            found["named"][named] += 1
            found["right"][truth] += named == truth
            probabilities.append(one["belief"]["yes"] + one["uncertainty"] / 2)
            of_it.append(truth == "yes")
        if "alert" in one:
            alerts.append(truth)
    assert judged["events"] == found["labels"].total() == 200
    for name, counts in judged["classes"].items():
        assert counts == {kind: found[kind][name] for kind in found}
    for truth, row in judged["confusion"].items():
        assert sum(row.values()) == found["labels"][truth]
        assert row[truth] == found["right"][truth]
    assert judged["cost"] is None
    assert (judged["rare"], judged["alerts"], judged["hits"]) == ("yes", len(alerts), alerts.count("yes"))
    assert len(alerts) > 10
    bins = bins_of(np.array(probabilities), COARSE)
    assert judged["every"] == np.bincount(bins, minlength=COARSE).tolist()
    assert judged["found"] == np.bincount(bins[np.array(of_it)], minlength=COARSE).tolist()


@pytest.mark.parametrize("poll", [1, 1_000])
def test_how_records_are_polled_changes_nothing(tmp_path: Path, poll: int) -> None:
    assert taught(tmp_path / "one")[1] == taught(tmp_path / "other", poll)[1]


def test_a_class_counts_under_its_name_of_today(tmp_path: Path) -> None:
    """Decisions of before had the old name: all their labels counted as wrong."""
    made = Service(settings(tmp_path, classes=["no", "ja", "maybe"], class_map={}), 1)
    events, labels = zip(*stream(100), strict=True)
    told = [{**label, "label": "ja" if label["label"] == "yes" else label["label"]} for label in labels]
    with running(made) as worker:
        made.send(*events[:60])
        drain(worker)
        made.tell(*told[:60])
        drain(worker)
        made.send(*events[60:])
        drain(worker)
    right = sum(
        one["belief"]["ja"] > 0.5 and t["label"] == "ja" for one, t in zip(made.decisions[60:], told[60:], strict=True)
    )
    changed = {
        "classes": ["no", "yes", "maybe"],
        "class_map": {"ja": "yes"},
        "alert": {"class": "yes", "budget": "20%"},
    }
    made.settings = settings(tmp_path, **changed)
    with running(made) as worker:
        made.tell(*told[60:])
        drain(worker)
        worker._report(force=True)
    judged = made.values("telemetry")[-1]["judged"]
    assert judged["classes"]["yes"]["right"] >= right > 5
    assert sum(judged["every"]) == judged["events"] >= 40


def test_a_worker_that_starts_again_counts_from_then_on(tmp_path: Path) -> None:
    made, _ = taught(tmp_path)
    with running(made) as worker:
        assert worker.counts.judged.told().events == 0


def test_what_decisions_cost_is_added_up(tmp_path: Path) -> None:
    costs = {"controls": "cost", "costs": {"yes": {"no": 50.0}}, "abstain_cost": 3.0, "cold_start": 5}
    made = Service(settings(tmp_path, abstention=costs))
    with running(made) as worker:
        for event, label in stream(60):
            made.send(event)
            made.tell(label)
            drain(worker)
        told = worker.counts.judged.told()
    truths, expected = {label["event"]: label["label"] for _, label in stream(60)}, 0.0
    for one in made.decisions:
        if one["belief"]:
            truth = truths[one["event"]]
            cost = {("yes", "no"): 50.0, ("no", "yes"): 1.0}.get((truth, one["label"]), 0.0)
            expected += 3.0 if one["label"] is None else cost
    assert told.cost == pytest.approx(expected)
    assert expected > 10


def test_without_a_class_that_raises_alerts_there_is_no_histogram(tmp_path: Path) -> None:
    made = Service(settings(tmp_path))
    with running(made) as worker:
        for event, label in stream(20):
            made.send(event)
            made.tell(label)
            drain(worker)
        told = worker.counts.judged.told()
    assert (told.rare, told.found, told.every) == (None, [], [])
    assert told.events == 20
