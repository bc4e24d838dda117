"""A service that groups novel events, asks once whether they are a new class, and knows it from the first label on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from tocsin.streams.wire.records import Review
from tocsin.streams.worker.worker import Worker

from ..support import START, Service, crash, drain, reason, running, settings

CONFIG: dict[str, Any] = {
    "schema": {"features": [{"name": "a"}, {"name": "b"}]},
    "classes": (),
    "experts": [{"kind": "naive-bayes"}],
}
ABSTENTION = {"abstain_novel": True, "cold_start": 5, "novelty": 0.02, "novelty_window": 200}
CENTRES = {"yes": (1.5, 1.5), "no": (-1.5, -1.5), "new": (12.0, -12.0), "other": (-12.0, 12.0)}


def service(directory: Path, partitions: int = 1, abstention: dict[str, Any] | None = None, **changes: Any) -> Service:
    values = {**CONFIG, "abstention": {**ABSTENTION, **(abstention or {})}, **changes}
    return Service(settings(directory, **values), partitions)


def event(i: int, kind: str) -> dict[str, Any]:
    a, b = (float(v) for v in np.random.default_rng(i).normal(CENTRES[kind], 0.5))
    return {"id": f"{kind}{i}", "subject": f"s{i % 3}", "time": START + i, "features": {"a": a, "b": b}}


def label(i: int, kind: str, named: str | None = None) -> dict[str, Any]:
    return {"event": f"{kind}{i}", "label": named or kind, "time": START + i + 60_000}


def known(made: Service, worker: Worker, start: int = 0, n: int = 300) -> None:
    """Events of two classes, all of which get their label."""
    for first in range(start, start + n, 50):
        rows = [(i, "yes" if i % 2 else "no") for i in range(first, first + 50)]
        made.send(*[event(*row) for row in rows])
        drain(worker)
        made.tell(*[label(*row) for row in rows])
        drain(worker)


def unseen(made: Service, worker: Worker, start: int, n: int, kinds: tuple[str, ...] = ("new",), step: int = 7) -> None:
    """Events of classes that nobody has labelled, in turn."""
    rows = [(i, kinds[i % len(kinds)]) for i in range(start, start + n)]
    for first in range(0, n, step):
        made.send(*[event(*row) for row in rows[first : first + step]])
        drain(worker)


def said(made: Service, kind: str = "") -> list[dict[str, Any]]:
    """What reviews say of groups, of one kind of events, in the order of the partition."""
    reviews = made.values("review")
    for review in reviews:
        msgspec.convert(review, Review)
        assert ("novelty" in review) == (review["decision"]["reason"] == "novel")
    return [one["novelty"] for one in reviews if "novelty" in one and one["event"]["id"].startswith(kind)]


def test_one_review_asks_with_examples_and_a_class_that_is_then_named_is_known(tmp_path: Path) -> None:
    made = service(tmp_path)
    with running(made) as worker:
        known(made, worker)
        unseen(made, worker, 1_000, 8)
        groups = said(made, "new")
        assert [one["events"] for one in groups] == list(range(1, 9))
        (asked,) = [one for one in groups if one["ask"]]
        assert asked["examples"] == [f"new{i}" for i in range(1_000, 1_005)]
        assert (asked["first"], asked["last"]) == (START + 1_000, START + 1_004)
        assert {one["group"] for one in groups} == {"0-300"}
        assert worker.classifier.classes == ["no", "yes"]

        made.tell(*[label(i, "new", "brand new") for i in range(1_000, 1_008)])
        drain(worker)
        assert "brand new" in worker.classifier.classes
        unseen(made, worker, 2_000, 40)
    late = [one for one in made.decisions if one["event"].startswith("new2")]
    assert sum(one["label"] == "brand new" for one in late) > 30
    assert sum(one["ask"] for one in said(made, "new")) == 1


def test_one_label_is_enough_for_the_class_to_be_known(tmp_path: Path) -> None:
    made = service(tmp_path)
    with running(made) as worker:
        known(made, worker)
        unseen(made, worker, 1_000, 6)
        example = next(one for one in said(made, "new") if one["ask"])["examples"][0]
        made.tell({"event": example, "label": "brand new", "time": START + 90_000})
        drain(worker)
        assert worker.classifier.classes == ["no", "yes", "brand new"]
        unseen(made, worker, 2_000, 1)
    assert made.decisions[-1]["belief"].keys() == {"no", "yes", "brand new"}


def test_a_closed_list_of_classes_passes_the_label_over(tmp_path: Path) -> None:
    made = service(tmp_path, classes=["no", "yes"])
    with running(made) as worker:
        known(made, worker)
        unseen(made, worker, 1_000, 6)
        made.tell(label(1_000, "new"))
        drain(worker)
        assert worker.classifier.classes == ["no", "yes"]
    assert any(one["ask"] for one in said(made, "new"))
    assert {feedback["label"] for feedback in made.feedback} == {"no", "yes"}
    assert reason(made.records("dead-letters")[-1], "message") == "label: 'new' is not one of the classes no, yes"


def test_two_novelties_are_two_groups_of_which_each_is_asked_about(tmp_path: Path) -> None:
    made = service(tmp_path)
    with running(made) as worker:
        known(made, worker)
        unseen(made, worker, 1_000, 40, ("new", "other"))
    for kind in ("new", "other"):
        groups = said(made, kind)
        assert len({one["group"] for one in groups}) == 1
        assert [one["events"] for one in groups if one["ask"]] == [5, 10, 20]
    assert {one["group"] for one in said(made, "new")} != {one["group"] for one in said(made, "other")}


@pytest.mark.parametrize("step", [1, 1_000])
def test_how_polls_are_cut_changes_nothing(tmp_path: Path, step: int) -> None:
    found = []
    for name, cut in (("one", 7), ("other", step)):
        made = service(tmp_path / name)
        with running(made) as worker:
            known(made, worker)
            unseen(made, worker, 1_000, 60, ("new", "other", "new", "yes"), cut)
        found.append(said(made))
    assert found[0] == found[1]
    assert len(found[0]) > 40


@pytest.mark.parametrize("how", ["stops", "crashes"])
def test_the_groups_outlive_a_worker(tmp_path: Path, how: str) -> None:
    whole, parts = service(tmp_path / "whole"), service(tmp_path / "parts")
    with running(whole) as worker:
        known(whole, worker)
        unseen(whole, worker, 1_000, 30, ("new", "other"))
    worker = parts.worker().__enter__()
    drain(worker)
    known(parts, worker)
    unseen(parts, worker, 1_000, 14, ("new", "other"))
    crash(worker) if how == "crashes" else worker.__exit__(None, None, None)
    with running(parts) as worker:
        unseen(parts, worker, 1_014, 16, ("new", "other"))
    assert said(parts) == said(whole)


def test_a_worker_without_the_state_begins_anew_under_other_names(tmp_path: Path) -> None:
    made = service(tmp_path / "one")
    with running(made) as worker:
        known(made, worker)
        unseen(made, worker, 1_000, 10)
    elsewhere = service(tmp_path / "other").settings
    with running(made, elsewhere) as worker:
        unseen(made, worker, 1_010, 6)
    groups = said(made, "new")
    assert [one["events"] for one in groups] == [*range(1, 11), *range(1, 7)]
    assert [one["group"] for one in groups] == ["0-300"] * 10 + ["0-310"] * 6


def test_a_state_that_lags_behind_the_partition_begins_anew(tmp_path: Path) -> None:
    made = service(tmp_path / "one")
    with running(made) as worker:
        known(made, worker)
        unseen(made, worker, 1_000, 10)
    with running(made, service(tmp_path / "other").settings) as worker:
        unseen(made, worker, 1_010, 6)
    with running(made) as worker:  # its state knows nothing of the last six
        unseen(made, worker, 1_016, 5)
    assert [one["events"] for one in said(made, "new")] == [*range(1, 11), *range(1, 7), *range(1, 6)]
    assert {one["group"] for one in said(made, "new")[-5:]} == {"0-316"}


def test_the_groups_of_another_model_are_not_taken_for_those_of_this_one(tmp_path: Path) -> None:
    made = service(tmp_path)
    with running(made) as worker:
        known(made, worker)
        unseen(made, worker, 1_000, 6)
        keeper = worker._model.decide.novel_groups
        with worker._state.transaction() as t:
            kept = t.notes.novel_groups(0)
            assert kept is not None
            ours = sum(group.events for group in keeper._read(0, 2, t.notes).groups)
            assert ours >= 6
            for other in (b"0" * 16 + kept[16:], kept[:-1], b"", kept[:17]):
                t.notes.set_novel_groups(0, other)
                assert keeper._read(0, 2, t.notes).groups == []
            t.notes.set_novel_groups(0, kept)
            t.notes.forget_novel_groups(0)
            assert keeper._read(0, 2, t.notes).groups == []


def test_each_partition_has_groups_of_its_own(tmp_path: Path) -> None:
    made = service(tmp_path, partitions=3)
    with running(made) as worker:
        known(made, worker)
        unseen(made, worker, 1_000, 60)
        made.clock.move(10)
        drain(worker)
    by_partition = {one["group"].split("-")[0] for one in said(made, "new")}
    assert len(by_partition) > 1
    told = made.values("telemetry")[-1]["novel_groups"]
    assert told["groups"] >= len(by_partition)
    assert told["largest"] == max(one["events"] for one in said(made, "new")) < 60


def test_events_beyond_the_budget_of_reviews_leave_the_question_to_the_next_that_goes(tmp_path: Path) -> None:
    made = service(tmp_path, abstention={"budget": "4/hour"})
    with running(made) as worker:
        known(made, worker)
        unseen(made, worker, 3_600_000 * 2, 20)  # two hours later
        unseen(made, worker, 3_600_000 * 5, 4)
    groups = said(made, "new")
    assert 0 < len(groups) <= 8
    early = [one for one in groups if one["last"] < START + 3_600_000 * 3]
    assert [one["ask"] for one in early] == [False] * len(early)  # the budget was spent before the fifth event
    assert next(one for one in groups if one["ask"])["events"] > 20
    assert sum(one["ask"] for one in groups) == 1


@pytest.mark.parametrize("off", [{"novel_groups": 0}, {"novelty_columns": 1}, {"enabled": False}])
def test_nothing_is_said_where_events_are_not_grouped(tmp_path: Path, off: dict[str, Any]) -> None:
    made = service(tmp_path, abstention=off)
    with running(made) as worker:
        known(made, worker)
        unseen(made, worker, 1_000, 10)
    assert not any("novelty" in review for review in made.values("review"))
    told = made.values("telemetry")[-1]["novel_groups"]
    assert told == (None if "novelty_columns" not in off else {"groups": 0, "largest": 0})
