"""A budget of reviews: never more than it, spent on what is doubted most, the same whoever reads and however."""

from __future__ import annotations

import math
import shutil
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.streams.state.store import State
from tocsin.streams.wire.records import Decision, ModelVersion, Review
from tocsin.streams.worker.deciding.review_budget import (
    HOUR,
    MINUTE,
    ROWS,
    Budget,
    decidable,
    doubt_of,
    reviewable,
    share,
)

from ..support import START, Service, crash, drain, event, running, stream
from ..support import settings as service_settings
from .taught_workers import run_through

TIMES = st.integers(0, 4 * HOUR * MINUTE)
DOUBTS = st.one_of(st.floats(0, 1), st.just(math.inf))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(TIMES, DOUBTS), max_size=150), st.integers(0, 12))
def test_no_hour_sees_more_than_the_budget(events: list[tuple[int, float]], most: int) -> None:
    made = Budget()
    reviewed = sorted(time for time, doubt in events if made.spend(most, time, doubt))
    for i in range(len(reviewed) - most):
        assert reviewed[i + most] - reviewed[i] >= HOUR * MINUTE


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(TIMES, DOUBTS), max_size=150), st.integers(0, 12))
def test_no_day_sees_more_than_the_budget_of_a_day(events: list[tuple[int, float]], most: int) -> None:
    made = Budget(period=24 * HOUR * MINUTE)
    reviewed = sorted(24 * time for time, doubt in events if made.spend(most, 24 * time, doubt))
    for i in range(len(reviewed) - most):
        assert reviewed[i + most] - reviewed[i] >= 24 * HOUR * MINUTE


@pytest.mark.parametrize("budget", [4, "4", "4/hour", "96/day"])
def test_a_budget_has_one_spelling_and_a_number_alone_is_one_an_hour(tmp_path: Path, budget: int | str) -> None:
    made = service(tmp_path, budget)  # type: ignore[arg-type]
    run_through(made, 40)
    with running(made) as worker:
        made.send(*events(600, 100))
        drain(worker)
    reviews = len(made.values(made.topics.review))
    assert (reviews > 4 * 6) if budget == "96/day" else (4 < reviews <= 4 * 6)


def test_a_share_is_no_budget_of_reviews(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is no number in a time"):
        service(tmp_path, "1%")  # type: ignore[arg-type]


def test_all_are_reviewed_while_there_is_room() -> None:
    made = Budget()
    assert all(made.spend(20, i * 5 * MINUTE, doubt) for i, doubt in enumerate([0.1, 0.9, 0.4, math.inf] * 5))


@pytest.mark.parametrize("shape", [(2, 5), (9, 2), (1, 1)])
def test_the_budget_goes_to_what_is_doubted_most(shape: tuple[int, int]) -> None:
    rng, made, most, hours = np.random.default_rng(0), Budget(), 60, 20
    doubt = rng.beta(*shape, 1_000 * hours)
    reviewed = np.array([made.spend(most, int(i * 3_600), d) for i, d in enumerate(doubt)])
    later = slice(2_000, None)  # the first hour learns how much there is to doubt
    assert 0.8 * most <= reviewed[later].sum() / (hours - 2) <= most
    best = np.sort(doubt[later])[-int(reviewed[later].sum()) :].mean()
    assert doubt[later].mean() + 0.8 * (best - doubt[later].mean()) < doubt[later][reviewed[later]].mean()


def test_events_of_one_doubt_use_the_budget_up_and_no_more() -> None:
    made = Budget()
    reviewed = [made.spend(60, i * 3_600, 0.4) for i in range(10_000)]
    assert 9 * 60 <= sum(reviewed) <= 10 * 60


def test_a_clock_that_is_wrong_does_not_stop_reviews() -> None:
    made = Budget()
    assert made.spend(2, START + 10**12, 0.5)
    assert [made.spend(2, START + i, 0.5) for i in range(3)] == [True, True, False]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10**10), DOUBTS), max_size=200), st.integers(0, 199))
def test_what_is_kept_goes_on_alike_and_is_bounded(events: list[tuple[int, float]], cut: int) -> None:
    made = Budget()
    for time, doubt in events[:cut]:
        made.spend(3, time, doubt)
    other = Budget(made.state())
    assert [made.spend(3, *e) for e in events[cut:]] == [other.spend(3, *e) for e in events[cut:]]
    assert made.state() == other.state()
    assert len(made.state()) <= ROWS * 34 * 8


@given(st.integers(0, 1_000), st.integers(1, 50))
def test_shares_add_up(budget: int, partitions: int) -> None:
    shares = [share(budget, partitions, i) for i in range(partitions)]
    assert sum(shares) == budget
    assert max(shares) - min(shares) <= 1


def test_what_nothing_can_decide_is_not_decided() -> None:
    assert decidable("uncertain", 0.4)
    assert not decidable("cold-start", 0.4)
    assert not decidable("uncertain", math.inf)
    assert doubt_of(decision({}, 1.0)) == math.inf
    assert doubt_of(decision({"a": 0.6, "b": 0.2}, 0.2)) == pytest.approx(0.3)


def decision(belief: dict[str, float], uncertainty: float) -> Decision:
    return Decision(
        event="e",
        subject="s",
        time=0,
        decided_at=0,
        status="abstained",
        label=None,
        belief=belief,
        uncertainty=uncertainty,
        conflict=0.0,
        reason="uncertain",
        set=[],
        explanation=None,
        model=ModelVersion(0, "", ""),
    )


# In the service


def service(directory: Path, budget: int | None = 4, partitions: int = 1, **changes: Any) -> Service:
    return Service(
        service_settings(
            directory,
            abstention={"cold_start": 5, "error": 0.02, "budget": budget},
            **changes,
        ),
        partitions,
    )


def events(n: int, start: int = 0) -> list[dict[str, Any]]:
    """A stream of half a minute an event."""
    return [{**raw, "time": START + i * 30_000} for i, (raw, _) in enumerate(stream(n, start), start)]


def plain(decisions: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(d["event"], d["status"], d["label"], d["reason"], d["over_budget"]) for d in decisions]


def test_beyond_the_budget_events_are_decided_and_say_so(tmp_path: Path) -> None:
    free, bound = service(tmp_path / "a", None), service(tmp_path / "b", 4)
    for made in (free, bound):
        run_through(made, 40)
        with running(made) as worker:
            made.send(*events(600, 100))
            drain(worker)
            assert worker.counts.over_budget == sum(d.get("over_budget") is not None for d in made.decisions[40:])
    one, other = free.decisions[40:], bound.decisions[40:]
    assert all("over_budget" not in d for d in one)
    abstained = [d["status"] == "abstained" for d in one]
    assert sum(abstained) > 100  # in five hours
    for a, b in zip(one, other, strict=True):
        msgspec.convert(b, Decision)
        if a["status"] == "decided" or b["status"] == "abstained":
            assert {**a, "model": 0} == {**{k: v for k, v in b.items() if k != "over_budget"}, "model": 0}
        else:
            assert (b["over_budget"], b["reason"]) == (a["reason"], None)
            assert b["label"] == max(b["belief"], key=b["belief"].__getitem__)
    reviewed = [msgspec.convert(r, Review).decision.event for r in bound.values(bound.topics.review)]
    assert reviewed[-1] == [b["event"] for b in other if b["status"] == "abstained"][-1]
    assert 4 < sum(b["status"] == "abstained" for b in other) <= 4 * 6


@pytest.mark.parametrize("budget", [None, 2])
def test_cold_starts_fill_no_review_and_spend_no_budget_unless_the_config_asks(
    tmp_path: Path, budget: int | None
) -> None:
    asks = service(tmp_path / "asks", budget, review={"cold_start": True})
    silent = service(tmp_path / "silent", budget)
    for made, reviewed in ((asks, ["0", "1", "2"][:budget]), (silent, [])):
        with running(made) as worker:
            made.send(*[event(str(i)) for i in range(3)])
            drain(worker)
            assert worker.counts.over_budget == (1 if made is asks and budget else 0)
        assert [(d["status"], d["reason"]) for d in made.decisions] == [("abstained", "cold-start")] * 3
        assert [r["event"]["id"] for r in made.values(made.topics.review)] == reviewed


def test_a_cold_start_beyond_the_budget_goes_to_nobody(tmp_path: Path) -> None:
    made = service(tmp_path, 2, review={"cold_start": True})
    with running(made) as worker:
        made.send(*[event(str(i)) for i in range(5)])
        drain(worker)
    assert plain(made.decisions) == [
        (str(i), "abstained", None, "cold-start", "cold-start" if i > 1 else None) for i in range(5)
    ]
    assert len(made.values(made.topics.review)) == 2


@pytest.mark.parametrize("poll", [1, 7, 1_000])
def test_how_events_are_polled_changes_nothing(tmp_path: Path, poll: int) -> None:
    one = service(tmp_path / "one", batching={"max_events": 50})
    other = service(tmp_path / "other", batching={"max_events": poll})
    for made in (one, other):
        run_through(made, 40)
        with running(made) as worker:
            made.send(*events(200, 100))
            drain(worker, most=2_000)
    assert plain(one.decisions) == plain(other.decisions)


@pytest.mark.parametrize("how", ["restart", "crash", "loss"])
def test_what_was_spent_outlives_the_worker(tmp_path: Path, how: str) -> None:
    whole, broken = service(tmp_path / "one"), service(tmp_path / "other")
    for made in (whole, broken):
        run_through(made, 40)
    with running(whole) as worker:
        whole.send(*events(150, 100))
        drain(worker)
    made = broken.worker()
    made.__enter__()
    broken.send(*events(75, 100))
    drain(made)
    if how == "crash":
        crash(made)
    else:
        made.__exit__(None, None, None)
    if how == "loss":
        shutil.rmtree(broken.settings.state.directory)
    with running(broken) as worker:
        broken.send(*events(75, 175))
        drain(worker)
    assert plain(broken.decisions) == plain(whole.decisions)


def test_decisions_give_back_what_was_counted_however_sharp_they_were(tmp_path: Path) -> None:
    # A pool that is too sure of itself at first, so that the inverse temperature has much to make up for.
    experts = [{"kind": "tree", "delta": 1e-7}, {"kind": "linear"}, {"kind": "persistence"}]
    made = service(tmp_path, router={"inverse_temperature_step": 0.1}, experts=experts)
    run_through(made, 40)
    with running(made) as worker:
        assert abs(math.log(worker.classifier.router.inverse_temperature)) > 0.1
        made.send(*events(150, 100))
        drain(worker)
    given_back = Budget()
    for decision in made.decisions:
        if reviewable(decision["reason"], made.settings.review):
            given_back.recall(msgspec.convert(decision, Decision))
    directory = next(made.settings.state.directory.rglob("lmdb"))
    with closing(State(directory, made.settings.state.max_bytes)) as state, state.transaction() as transaction:
        assert transaction.notes.budget(0) == given_back.state()


def test_a_partition_takes_what_it_spent_along_to_its_new_owner(tmp_path: Path) -> None:
    single, pair = (service(tmp_path / name, 6, partitions=2) for name in ("single", "pair"))
    for made in (single, pair):
        run_through(made, 40)
    with running(single) as worker:
        single.send(*events(160, 100))
        drain(worker)
    elsewhere = pair.settings.model_copy(
        update={"state": pair.settings.state.model_copy(update={"directory": tmp_path / "second"})}
    )
    with running(pair) as first:
        pair.send(*events(80, 100))
        drain(first)
        with pair.worker(elsewhere) as second:
            drain(first, second)
            pair.send(*events(80, 180))
            drain(first, second)
            assert first.counts.events < 160 > second.counts.events > 0
    assert sorted(plain(pair.decisions)) == sorted(plain(single.decisions))
