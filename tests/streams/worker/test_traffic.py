"""A service that compares recent traffic with recent labelled events, and so finds a class that nobody has labelled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from tocsin.streams.wire.records import Decision, Feedback
from tocsin.streams.worker.worker import Worker

from ..support import START, Service, bits, crash, drain, running, settings

BY_TRAFFIC = {"novelty_by": "traffic", "novelty_traffic": 200, "novelty": 0.05, "abstain_novel": True, "cold_start": 5}

CONFIG: dict[str, Any] = {
    "schema": {"features": [{"name": "a"}, {"name": "b"}]},
    "experts": [{"kind": "naive-bayes"}],
    "abstention": BY_TRAFFIC,
}


def service(directory: Path, **changes: Any) -> Service:
    return Service(settings(directory, **CONFIG, **changes))


def events(start: int, n: int) -> list[tuple[dict[str, Any], dict[str, Any] | None]]:
    """Two known clouds, half of whose events are labelled, and from 1,000 on a third one between them, which nobody
    labels."""
    rng, found = np.random.default_rng(start), []
    for i in range(start, start + n):
        unseen, yes = i >= 1_000 and i % 5 == 0, bool(rng.random() < 0.5)
        centre = 0.0 if unseen else 1.5 if yes else -1.5
        a, b = (float(v) for v in rng.normal(centre, 0.1 if unseen else 1.0, 2))
        event = {"id": f"e{i}", "subject": f"s{i % 3}", "time": START + i, "features": {"a": a, "b": b}}
        label = {"event": f"e{i}", "label": "yes" if yes else "no", "time": START + i + 60_000}
        found.append((event, None if unseen or i % 2 else label))
    return found


def flow(made: Service, worker: Worker, start: int, stop: int, step: int = 50) -> None:
    """Events in polls, each with its labels behind it."""
    for first in range(start, stop, step):
        told = events(first, step)
        made.send(*[event for event, _ in told])
        drain(worker)
        made.tell(*[label for _, label in told if label is not None])
        drain(worker)


def said(made: Service, start: int = 0) -> list[float | None]:
    return [decision.get("traffic_ratio") for decision in made.decisions[start:]]


def test_a_class_that_nobody_labelled_is_told_novel_and_the_known_ones_hardly_ever(tmp_path: Path) -> None:
    made = service(tmp_path)
    with running(made) as worker:
        flow(made, worker, 0, 2_500)
    for decision in made.decisions:
        msgspec.convert(decision, Decision)
    late = made.decisions[1_800:2_500]
    novel = np.array([decision["reason"] == "novel" for decision in late])
    unseen = np.arange(1_800, 2_500) % 5 == 0
    assert novel[unseen].mean() > 0.6
    assert novel[~unseen].mean() < 0.1
    assert said(made)[0] is None
    assert None not in said(made, 1_800)


def test_the_events_of_that_class_are_one_group_whose_examples_are_of_it(tmp_path: Path) -> None:
    made = service(tmp_path)
    with running(made) as worker:
        flow(made, worker, 0, 2_500)
    found: dict[str, list[bool]] = {}
    examples: list[str] = []
    for review in made.values("review"):
        if (group := review.get("novelty")) is not None:
            number = int(review["event"]["id"][1:])
            found.setdefault(group["group"], []).append(number >= 1_000 and number % 5 == 0)
            examples += group["examples"] if group["ask"] and group["events"] >= 40 else []
    largest = max(found.values(), key=len)
    assert sum(largest) > 0.95 * sum(map(sum, found.values()))
    assert np.mean(largest) > 0.75
    numbers = np.array([int(name[1:]) for name in examples])
    assert len(numbers) >= 10
    assert ((numbers >= 1_000) & (numbers % 5 == 0)).mean() > 0.5


def test_telemetry_says_whether_anything_can_be_told(tmp_path: Path) -> None:
    made = service(tmp_path)
    with running(made) as worker:
        flow(made, worker, 0, 100)
    assert made.values("telemetry")[-1]["traffic"] == {"speaks": 0.0}
    with running(made) as worker:
        flow(made, worker, 100, 1_000)
    told = made.values("telemetry")[-1]["traffic"]
    assert told["speaks"] == 1.0
    assert told["labelled"] == pytest.approx(0.5, abs=0.05)


def test_what_is_learnt_of_the_ratio_is_what_travelled_with_the_event(tmp_path: Path) -> None:
    made = service(tmp_path)
    with running(made) as worker:
        flow(made, worker, 0, 1_200)
        here = bits(worker)
    feedback = made.feedback[-1]
    msgspec.convert(feedback, Feedback)
    assert feedback["context"]["nonconformity"][2] == feedback["decision"]["traffic_ratio"] is not None
    elsewhere = settings(tmp_path / "other", **CONFIG)
    with running(made, elsewhere) as worker:  # it saw none of the traffic, and folds the feedback alone
        assert bits(worker) == here


@pytest.mark.parametrize("how", ["stops", "crashes"])
def test_the_traffic_outlives_a_worker(tmp_path: Path, how: str) -> None:
    whole, parts = service(tmp_path / "whole"), service(tmp_path / "parts")
    with running(whole) as worker:
        flow(whole, worker, 0, 1_500)
    worker = parts.worker().__enter__()
    drain(worker)
    flow(parts, worker, 0, 1_050)
    crash(worker) if how == "crashes" else worker.__exit__(None, None, None)
    with running(parts) as worker:
        flow(parts, worker, 1_050, 1_500)
    assert said(parts) == said(whole)


def test_the_traffic_of_another_model_is_not_taken_for_that_of_this_one(tmp_path: Path) -> None:
    made = service(tmp_path)
    with running(made) as worker:
        flow(made, worker, 0, 300)
        keeper = worker._model.decide.traffic
        with worker._state.transaction() as t:
            assert keeper._of(0, t.notes).count == 300
            t.notes.set_traffic(0, "", b"0" * 16 + b" " + bytes(40))
            assert keeper._of(0, t.notes).count == 0
            t.notes.set_traffic(0, "", keeper._digest.encode() + b" " + np.array([900, 900, 1, 0, 0]).tobytes())
            assert keeper._of(0, t.notes).count == 0  # blocks that do not fit what the header says
            t.notes.forget_traffic(0)
            assert keeper._of(0, t.notes).seen == 0
