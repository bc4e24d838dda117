"""A budget of alerts: never more than it, nearly all of it, on the surest, through drift, whoever reads and however."""

from __future__ import annotations

import math
import shutil
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.config.alert.budget import rate_of
from tocsin.models.data.batch import Bools, Floats
from tocsin.streams.replay.in_process import InProcess
from tocsin.streams.replay.past_event import PastEvent
from tocsin.streams.state.store import State
from tocsin.streams.wire.records import Alert, Decision
from tocsin.streams.worker.deciding.alert_budget import AlertBudget, Numbered, Shared, alert_budget, place_of
from tocsin.streams.worker.deciding.event_alerts import EventAlerts
from tocsin.streams.worker.deciding.review_budget import share

from ..support import START, Service, crash, drain, running, stream
from ..support import settings as service_settings
from .taught_workers import run_through

DAY, HOUR = 86_400_000, 3_600_000
OFFERS = st.lists(st.tuples(st.integers(0, 3 * HOUR), st.floats(0, 1)), max_size=200)


def scores(n: int, rng: np.random.Generator, shift: float = 0.0) -> tuple[Floats, Bools]:
    """Probabilities, and which events are of the rare class, which they tell of without being calibrated."""
    rare = rng.random(n) < 0.01
    return 1 / (1 + np.exp(5 - shift - rng.normal(0, 1.5, n) - 3 * rare)), rare


@settings(max_examples=100, deadline=None)
@given(OFFERS, st.integers(0, 12))
def test_no_period_sees_more_than_the_budget(offers: list[tuple[int, float]], most: int) -> None:
    made = Numbered(HOUR)
    raised = Counter(time // HOUR for time, p in offers if made.offer(most, time, p) is not None)
    assert max(raised.values(), default=0) <= most


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0, 1), max_size=300), st.sampled_from([0.005, 0.1, 0.5, 1.0]))
def test_of_the_first_events_never_more_than_the_share(probabilities: list[float], part: float) -> None:
    made, raised = Shared(part), 0
    for n, p in enumerate(probabilities, 1):
        raised += made.offer(0, 0, p) is not None
        assert raised <= n * part


@pytest.mark.parametrize(("a_day", "most"), [(5_000, 50), (900, 200), (20_000, 200)])
def test_a_day_spends_nearly_all_of_it_on_the_surest_while_scores_and_traffic_drift(a_day: int, most: int) -> None:
    rng, made, days = np.random.default_rng(0), Numbered(DAY), 12
    spent, hits, best = [], 0, 0
    for day in range(days):
        late = day > days // 2
        n = int(a_day * (1.5 if day % 7 > 4 else 1.0) * (1.5 if late else 1.0))
        p, rare = scores(n, rng, 2.0 * late)
        times = (day + np.sort(rng.beta(3, 2, n))) * DAY  # hardly anything comes at night
        raised = np.array([made.offer(most, int(t), q) is not None for t, q in zip(times, p.tolist(), strict=True)])
        spent.append(int(raised.sum()))
        hits, best = hits + int(rare[raised].sum()), best + int(rare[np.argsort(-p)[:most]].sum())
    assert all(0.97 * most <= one <= most for one in spent)
    assert hits >= 0.9 * best


@pytest.mark.parametrize("times_a_day", [1, 24])
def test_coarse_times_spend_it_too(times_a_day: int) -> None:
    """Events with a date alone come at one instant: as many were expected to come as before, and nothing was spent."""
    rng, budget, spent = np.random.default_rng(5), Numbered(DAY), []
    for day in range(8):
        p, rare = scores(1_000, rng)
        times = day * DAY + np.arange(1_000) * times_a_day // 1_000 * (DAY // times_a_day)
        raised = np.array([budget.offer(20, int(t), float(one)) is not None for t, one in zip(times, p, strict=True)])
        spent.append(int(raised.sum()))
        if day >= 2:
            assert rare[raised].sum() >= 0.5 * rare[np.argsort(-p)[:20]].sum()
    assert min(spent[1:]) >= 18, spent
    assert max(spent) <= 20


@pytest.mark.parametrize("part", [0.005, 0.02])
def test_a_share_is_spent_on_the_surest_while_scores_drift(part: float) -> None:
    rng, made, n = np.random.default_rng(1), Shared(part), 60_000
    found = [scores(n // 2, rng, shift) for shift in (0.0, 2.0)]
    best = sum(int(rare[np.argsort(-p)[: int(part * n / 2)]].sum()) for p, rare in found)
    p, rare = (np.concatenate(both) for both in zip(*found, strict=True))
    raised = np.array([made.offer(0, 0, q) is not None for q in p.tolist()])
    assert 0.97 * part * n <= raised.sum() <= part * n
    assert rare[raised].sum() >= 0.85 * best


def test_equal_scores_spend_it_too() -> None:
    day = Numbered(DAY)
    assert [sum(day.offer(50, d * DAY + i * 86_400, 0.3) is not None for i in range(1_000)) for d in range(3)] == [
        50
    ] * 3
    part = Shared(0.01)
    assert 990 <= sum(part.offer(0, 0, 0.3) is not None for _ in range(100_000)) <= 1_000


def test_with_fewer_events_than_alerts_all_raise_one_once_that_is_known() -> None:
    day = Numbered(DAY)
    raised = [[day.offer(200, d * DAY + i * 864_000, 0.001) is not None for i in range(100)] for d in range(3)]
    assert sum(raised[0]) >= 60
    assert all(raised[2])


def test_an_event_of_a_day_that_is_forgotten_raises_none() -> None:
    day, late = Numbered(DAY), []
    for d in range(200):
        for i in range(40):
            day.offer(1, d * DAY + i * 60_000, i / 40)
        late.append(day.offer(1, d // 2 * DAY, 1.0))
    assert late[150:] == [None] * 50


BUDGETS = ["3/hour", "20/day", "3%"]


@settings(max_examples=30, deadline=None)
@given(OFFERS, st.integers(0, 199), st.sampled_from(BUDGETS))
def test_what_is_kept_goes_on_alike(offers: list[tuple[int, float]], cut: int, budget: str) -> None:
    def go(made: AlertBudget, some: list[tuple[int, float]]) -> list[float | None]:
        return [made.offer(3, *one) for one in some]

    made = alert_budget(rate_of(budget))
    raised = go(made, offers[:cut])
    other, again = alert_budget(rate_of(budget), made.state()), alert_budget(rate_of(budget))
    for one, threshold in zip(offers[:cut], raised, strict=True):
        again.recall(3, *one, threshold is not None)
    assert again.state() == made.state()
    assert go(made, offers[cut:]) == go(other, offers[cut:])
    assert made.state() == other.state()
    assert alert_budget(rate_of("9/hour" if budget != "3/hour" else "9/day"), made.state()).state() != made.state()


def test_places_tell_scores_apart_and_take_any() -> None:
    assert [place_of(p) for p in (0.0, 5e-324, 1.0)] == [0, 0, 560]
    assert place_of(0.001) < place_of(0.00108) < place_of(0.5) < place_of(math.nextafter(1, 0))


@pytest.mark.parametrize("text", ["0%", "101%", "-1/day", "200/week", "200", "", "1e9/day", "99999999999/day", "nan%"])
def test_what_is_no_budget_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"write `200/day`|above 0% and at most 100%"):
        rate_of(text)


@pytest.mark.parametrize(
    ("group", "wrong"),
    [
        ({"alert": {"class": "yes", "budget": 5}}, "'5' is no budget: write"),
        ({"alert": {"budget": "0.5%"}}, "name it"),
        ({"abstention": {"budget": "0.5%"}}, "no number in a time"),
        ({"abstention": {"budget": "5 percent"}}, "write `200/day` or `20/hour`"),
    ],
)
def test_a_budget_that_says_too_little_is_refused_by_what_it_lacks(
    tmp_path: Path, group: dict[str, Any], wrong: str
) -> None:
    with pytest.raises(ValueError, match=wrong):
        service_settings(tmp_path, **group)


# In the service


def service(directory: Path, budget: str = "4/hour", partitions: int = 1, **changes: Any) -> Service:
    alert = {"class": "yes", "budget": budget}
    return Service(service_settings(directory, alert=alert, **changes), partitions)


def events(n: int, start: int = 0) -> list[dict[str, Any]]:
    """A stream of half a minute an event."""
    return [{**raw, "time": START + i * 30_000} for i, (raw, _) in enumerate(stream(n, start), start)]


def plain(made: Service) -> list[tuple[Any, ...]]:
    return [(d["event"], d["belief"], d.get("alert")) for d in made.decisions]


@pytest.mark.parametrize("level", ["none", "brief"])
@pytest.mark.parametrize("budget", BUDGETS)
def test_the_surest_raise_alerts_whose_records_say_what_the_contract_says(
    tmp_path: Path, budget: str, level: str
) -> None:
    made = service(tmp_path, budget, explanation={"level": level})
    run_through(made, 40)
    with running(made) as worker:
        made.send(*events(1_000, 100))
        drain(worker)
        told = worker.counts.alerts
    alerts, decisions = made.values(made.topics.alerts), {d["event"]: d for d in made.decisions}
    assert told == len(alerts) == sum("alert" in d for d in decisions.values()) >= 3
    assert len({a["event"] for a in alerts}) == len(alerts)
    by_hour = Counter(a["time"] // HOUR for a in alerts)
    assert budget != "3/hour" or max(by_hour.values()) <= 3
    for alert in alerts:
        msgspec.convert(alert, Alert)
        decision = decisions[alert["event"]]
        p = decision["belief"]["yes"] + decision["uncertainty"] / 2
        assert (alert["kind"], alert["class"], alert["delay"], alert["risk"]) == ("event", "yes", None, p)
        assert (alert["subject"], alert["time"]) == (decision["subject"], decision["time"])
        assert p >= decision["alert"] * (1 - 1e-9)
        assert alert["explanation"] == decision["explanation"]
    said = [d["belief"]["yes"] + d["uncertainty"] / 2 for d in made.decisions[60:]]
    assert np.mean([a["risk"] for a in alerts]) > np.quantile(said, 0.9)


def test_a_cold_start_raises_none(tmp_path: Path) -> None:
    made = service(tmp_path, "100%")
    with running(made) as worker:
        made.send(*events(50))
        drain(worker)
    assert made.values(made.topics.alerts) == []


@pytest.mark.parametrize("budget", BUDGETS)
@pytest.mark.parametrize("poll", [1, 7, 1_000])
def test_how_events_are_polled_changes_nothing(tmp_path: Path, poll: int, budget: str) -> None:
    one = service(tmp_path / "one", budget, batching={"max_events": 50})
    other = service(tmp_path / "other", budget, batching={"max_events": poll})
    for made in (one, other):
        run_through(made, 40)
        with running(made) as worker:
            made.send(*events(200, 100))
            drain(worker, most=2_000)
    assert plain(one) == plain(other)
    assert any(alert is not None for *_, alert in plain(one))


@pytest.mark.parametrize("budget", ["3/hour", "3%"])
@pytest.mark.parametrize("how", ["restart", "crash", "loss"])
def test_what_was_spent_outlives_the_worker(tmp_path: Path, how: str, budget: str) -> None:
    whole, broken = service(tmp_path / "one", budget), service(tmp_path / "other", budget)
    for made in (whole, broken):
        run_through(made, 40)
    with running(whole) as worker:
        whole.send(*events(300, 100))
        drain(worker)
    first = broken.worker()
    first.__enter__()
    broken.send(*events(150, 100))
    drain(first)
    if how == "crash":
        crash(first)
    else:
        first.__exit__(None, None, None)
    if how == "loss":
        shutil.rmtree(broken.settings.state.directory)
    with running(broken) as worker:
        broken.send(*events(150, 250))
        drain(worker)
    assert plain(broken) == plain(whole)
    assert sum(alert is not None for *_, alert in plain(whole)) >= 4


def test_decisions_give_back_what_was_counted(tmp_path: Path) -> None:
    made = service(tmp_path)
    run_through(made, 40)
    with running(made) as worker:
        made.send(*events(300, 100))
        drain(worker)
    alerts = EventAlerts(made.settings)
    given_back = alerts.begun()
    for record, decision in zip(made.records("events"), made.decisions, strict=True):
        alerts.recall(given_back, msgspec.convert(decision, Decision), record.timestamp, 1, 0)
    directory = next(made.settings.state.directory.rglob("lmdb"))
    with closing(State(directory, made.settings.state.max_bytes)) as state, state.transaction() as transaction:
        assert transaction.notes.alerts(0) == given_back.state()


def test_partitions_share_a_number(tmp_path: Path) -> None:
    made = service(tmp_path, "5/hour", partitions=2)
    run_through(made, 40)
    with running(made) as worker:
        made.send(*events(600, 100))
        drain(worker)
    alerts: Counter[tuple[int, int]] = Counter()
    for record in made.records(made.topics.alerts):
        alerts[record.partition, msgspec.json.decode(record.value or b"", type=Alert).time // HOUR] += 1
    assert all(raised <= share(5, 2, partition) for (partition, _), raised in alerts.items())
    assert sum(alerts.values()) >= 12  # in five hours


class Watched(InProcess):
    """Notes which events raised an alert."""

    def __init__(self, *settings: Any, **more: Any) -> None:
        super().__init__(*settings, **more)
        self.told: list[float | None] = []

    def _judge(self, past: PastEvent, decision: Decision | None) -> None:
        self.told.append(None if decision is None else decision.alert)
        super()._judge(past, decision)


@pytest.mark.parametrize("budget", BUDGETS)
def test_a_replay_of_many_events_at_a_time_raises_the_same_alerts(tmp_path: Path, budget: str) -> None:
    made = service(tmp_path, budget)
    past = []
    for (_, truth), raw in zip(stream(800), events(800), strict=True):
        past.append(PastEvent(raw["id"], raw["subject"], raw["time"], msgspec.json.encode(raw), truth["label"]))
    raised = []
    for many in (True, False):
        replay = Watched(made.settings, 2, many_at_once=many)
        replay.run(past)
        raised.append(replay.told)
    assert raised[0] == raised[1]
    assert sum(one is not None for one in raised[0]) >= 5
