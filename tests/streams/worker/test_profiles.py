"""Profiles in a worker: what they say travels with its event, and a crash or a retry changes no bit of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import pytest

from tocsin.config.settings import Settings
from tocsin.streams.state.profiles import PROFILES
from tocsin.streams.state.store import DATABASES
from tocsin.streams.transport.base import BatchFailedError
from tocsin.streams.worker import rebuild
from tocsin.streams.worker.deciding import refold
from tocsin.streams.worker.worker import Worker

from ..support import START, Service, bits, crash, drain, running, settings

HOUR = 3_600_000
SCHEMA: dict[str, Any] = {
    "features": [{"name": "a"}, {"name": "kind", "kind": "category", "required": False}],
    "profiles": [
        {"key": "subject", "windows": ["1h", "1d", "5 events"], "distinct": ["shop"], "share": ["kind"]},
        {"key": "shop", "path": "shop.id", "windows": ["1d"], "say": ["count", "sum"], "rate": ["yes"]},
    ],
}
RATE, COUNT = "rate of yes of shop over 1d", "count of subject over 1d"


def config(directory: Path, **changes: Any) -> Settings:
    return settings(directory / "state", **{"schema": SCHEMA, **changes})


def events(n: int, start: int = 0) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Events with their labels, some of them late in time, some without a shop."""
    rng = np.random.default_rng(5)
    for i, (a, late, shop, kind) in enumerate(
        zip(
            rng.normal(size=500).tolist(),
            rng.random(500),
            rng.integers(0, 4, 500),
            rng.integers(0, 3, 500),
            strict=True,
        )
    ):
        if not start <= i < start + n:
            continue
        raw: dict[str, Any] = {
            "id": f"e{i}",
            "subject": f"s{i % 7}",
            "time": START - 30 * HOUR + i * HOUR // 10 - (2 * HOUR if late < 0.1 else 0),
            "features": {"a": a, "kind": ["red", "blue", None][kind]},
        }
        if shop:
            raw["shop"] = {"id": f"shop {shop}"}
        yield raw, {"event": f"e{i}", "label": "yes" if a > 0 else "no", "time": START, "subject": f"s{i % 7}"}


def feed(service: Service, worker: Worker, n: int, start: int = 0, labels: bool = True) -> None:
    """Events in polls of a few, with their labels ten events later."""
    made = list(events(n + 10, start - 10 if start else 0))[10 if start else 0 :]
    for i, (raw, _) in enumerate(made[:n]):
        service.send(raw)
        if labels and i >= 10:
            service.tell(made[i - 10][1])
        if i % 3 == 2:
            worker.step(0)
    drain(worker)


def kept(directory: Path) -> dict[bytes, bytes]:
    """Every bit of the profiles that a state has."""
    with lmdb.open(str(directory / "state" / "test" / "lmdb"), max_dbs=len(DATABASES), readonly=True) as env:
        database = env.open_db(PROFILES.encode(), create=False)
        with env.begin(db=database) as t, t.cursor() as cursor:
            return {bytes(key): bytes(value) for key, value in cursor.iternext()}


def said(service: Service) -> dict[str, dict[str, float | None]]:
    """What profiles said of each event, by its decision."""
    return {decision["event"]: decision["profiles"] for decision in service.decisions}


@pytest.fixture
def whole(tmp_path: Path) -> Service:
    """A service that was never interrupted."""
    service = Service(config(tmp_path / "whole"))
    with running(service) as worker:
        feed(service, worker, 60)
        feed(service, worker, 60, 60)
    return service


def test_what_profiles_say_travels_with_the_event_into_the_feedback(whole: Service) -> None:
    """A learner that asked the profile again would be told of what came after the event."""
    decisions = said(whole)
    assert len(decisions) == 120
    assert len(whole.feedback) > 90
    for item in whole.feedback:
        of_event = {name: item["event"]["features"][name] for name in decisions["e0"]}
        assert of_event == decisions[item["event"]["id"]] == item["decision"]["profiles"]
        assert item["event"]["features"]["shop"] is None or item["event"]["features"]["shop"].startswith("shop ")
    assert decisions["e0"][COUNT] == 0.0
    assert decisions["e35"][COUNT] == 5.0
    last = max(int(item["event"]["id"][1:]) for item in whole.feedback if item["event"]["features"]["shop"])
    assert decisions[f"e{last}"][RATE] is not None


def test_the_model_sees_what_profiles_say_and_not_their_keys(whole: Service) -> None:
    with running(whole) as worker:
        model = worker.classifier
        assert model.columns[:2] == ["a", "kind"]
        assert model.columns[2:] == list(whole.decisions[0]["profiles"])
        assert "shop" not in model.columns


def test_polls_of_any_size_say_the_same(whole: Service, tmp_path: Path) -> None:
    service = Service(config(tmp_path / "other"))
    with running(service) as worker:
        feed(service, worker, 120, labels=False)
    one_by_one = Service(config(tmp_path / "one"))
    with running(one_by_one) as worker:
        for raw, _ in events(120):
            one_by_one.send(raw)
            worker.step(0)
        drain(worker)
    assert said(service) == said(one_by_one)
    assert kept(tmp_path / "other") == kept(tmp_path / "one") == kept(tmp_path / "whole")


@pytest.mark.parametrize("lost", ["nothing", "the state", "the batches since the state was kept"])
def test_profiles_are_the_same_bits_after_a_crash(
    whole: Service, tmp_path: Path, lost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Profiles that are off after a crash make decisions that nobody can explain."""
    monkeypatch.setattr(refold, "CHUNK", 7)
    service = Service(config(tmp_path / "crashed"))
    state = tmp_path / "crashed" / "state" / "test" / "lmdb"
    worker = service.worker()
    worker.__enter__()
    drain(worker)
    feed(service, worker, 30)
    if lost == "the batches since the state was kept":
        crash(worker)
        shutil.copytree(state, tmp_path / "older")
        worker = service.worker()
        worker.__enter__()
    feed(service, worker, 30, 30)
    crash(worker)
    if lost == "the state":
        shutil.rmtree(state)
    elif lost == "the batches since the state was kept":
        shutil.rmtree(state)
        shutil.copytree(tmp_path / "older", state)
    with running(service) as again:
        feed(service, again, 60, 60)
        assert {n: p[COUNT] for n, p in said(service).items()} == {n: p[COUNT] for n, p in said(whole).items()}
    assert kept(tmp_path / "crashed") == kept(tmp_path / "whole")


@pytest.mark.parametrize("lost", ["the state", "the batches since the state was kept"])
@pytest.mark.parametrize("bound", [1_000_000, 20])
def test_a_crash_while_profiles_are_read_back_counts_nothing_twice(
    whole: Service, tmp_path: Path, lost: str, bound: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was added before the crash stands in the state, and is read back once more."""
    bounded = config(tmp_path / "crashed", bounds={"pending_events": bound})
    service, state = Service(bounded), tmp_path / "crashed" / "state" / "test" / "lmdb"
    with running(service) as worker:
        feed(service, worker, 20)
    shutil.copytree(state, tmp_path / "older")
    with running(service) as worker:
        feed(service, worker, 100, 20)
    shutil.rmtree(state)
    if lost != "the state":
        shutil.copytree(tmp_path / "older", state)
    for at_once in (refold, rebuild):
        monkeypatch.setattr(at_once, "CHUNK", 7)
    fold, calls = refold.Refold.fold, 0

    def broken(self: refold.Refold, *arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls % 4 == 0:
            raise OSError("the machine is gone")
        return fold(self, *arguments)

    monkeypatch.setattr(refold.Refold, "fold", broken)
    for _ in range(3):
        with pytest.raises(OSError, match="the machine is gone"), running(service):
            pass
    monkeypatch.undo()
    with running(service):
        pass
    assert kept(tmp_path / "crashed") == kept(tmp_path / "whole")


def test_pending_events_that_are_read_back_have_what_was_said_of_them(tmp_path: Path) -> None:
    """What labels said at the time is in no log but the decisions."""
    service = Service(config(tmp_path))
    with running(service) as worker:
        feed(service, worker, 60)
    before = said(service)
    shutil.rmtree(tmp_path / "state")
    with running(service) as worker:
        for _, truth in events(60):
            service.tell(truth)
        drain(worker)
    rebuilt = [item for item in service.feedback if item["context"] is None]
    assert len(rebuilt) == 10
    for item in rebuilt:
        name = item["event"]["id"]
        assert {column: item["event"]["features"][column] for column in before[name]} == before[name]
        assert item["decision"]["profiles"] == before[name]


def test_a_label_is_not_seen_before_the_model_has_learnt_it(tmp_path: Path) -> None:
    """A rate that saw labels by their own times would see those that are late before they came."""
    told: list[dict[str, dict[str, float | None]]] = []
    for name, moved in (("soon", 0), ("early", -40 * HOUR), ("late", 400 * HOUR)):
        service = Service(config(tmp_path / name))
        with running(service) as worker:
            made = list(events(80))
            for i, (raw, _) in enumerate(made):
                service.send(raw)
                drain(worker)
                if i == 60:
                    for _, truth in made[:40]:
                        service.tell({**truth, "time": START + moved})
                    drain(worker)
        told.append(said(service))
    assert told[0] == told[1] == told[2]
    rates = [told[0][f"e{i}"][RATE] for i, (raw, _) in enumerate(events(80)) if "shop" in raw]
    before = sum("shop" in raw for raw, _ in events(61))
    assert rates[:before] == [None] * before
    assert None not in rates[before:]


def test_an_event_that_comes_twice_counts_once(tmp_path: Path) -> None:
    """One that is sent again after a lost answer would make its account look busy."""
    service = Service(config(tmp_path))
    with running(service) as worker:
        [(first, _), (other, _)] = events(2)
        second = {**other, "subject": first["subject"], "time": first["time"] + 1_000}
        service.send(first, first, b"no event", first)
        drain(worker)
        service.send(first, second)
        drain(worker)
    assert said(service)["e1"][COUNT] == 1.0


def test_a_batch_that_is_given_up_leaves_nothing_in_profiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes again, and its events would count twice."""
    service = Service(config(tmp_path), transactional=True)
    with running(service) as worker:
        service.send(next(events(1))[0])
        drain(worker)
        [_, (other, _)] = events(2)
        service.send({**other, "subject": "s0"})
        decide = worker._model.decide.__call__

        def broken(*arguments: Any) -> Any:
            decide(*arguments)
            raise BatchFailedError("the broker is gone")

        monkeypatch.setattr(worker._model, "decide", broken)
        with pytest.raises(BatchFailedError) as failed:
            worker.step(0)
        monkeypatch.undo()
        worker._start_over(failed.value)
        drain(worker)
    assert said(service)["e1"][COUNT] == 1.0


def test_other_profiles_are_made_anew_from_the_log(tmp_path: Path) -> None:
    """Without that a new window would begin empty, and be wrong until it is over."""
    service = Service(config(tmp_path))
    with running(service) as worker:
        feed(service, worker, 60)
    changed = {**SCHEMA, "profiles": [{"key": "subject", "windows": ["12h", "3 events"]}]}
    other, fresh = config(tmp_path, schema=changed), Service(config(tmp_path / "fresh", schema=changed))
    with running(service, other) as worker:
        feed(service, worker, 60, 60)
        assert worker.counts.scored_anew > 0
    with running(fresh) as worker:
        feed(fresh, worker, 120)
    later = [f"e{i}" for i in range(60, 120)]
    assert [said(service)[name] for name in later] == [said(fresh)[name] for name in later]
    assert kept(tmp_path) == kept(tmp_path / "fresh")


def test_each_partition_has_profiles_of_its_own(tmp_path: Path) -> None:
    """What two workers saw of one shop does not depend on which of them had which partition."""
    service = Service(config(tmp_path), partitions=3)
    with running(service) as worker:
        feed(service, worker, 60, labels=False)
    counts = [said(service)[f"e{i}"]["count of shop over 1d"] or 0.0 for i in range(60)]
    partitions: dict[str, int] = {r.key.decode(): r.partition for r in service.records("events") if r.key}
    seen: dict[tuple[int, str], int] = {}
    for i, (raw, _) in enumerate(events(60)):
        if "shop" in raw:
            key = partitions[raw["subject"]], raw["shop"]["id"]
            assert counts[i] <= seen.get(key, 0)
            seen[key] = seen.get(key, 0) + 1
    assert len({partition for partition, _ in seen}) > 1


def test_two_workers_hold_the_same_rates(tmp_path: Path) -> None:
    service = Service(config(tmp_path / "one"), partitions=2)
    with running(service) as one, running(service, config(tmp_path / "two")) as two:
        for i, (raw, truth) in enumerate(events(40)):
            service.send(raw)
            service.tell(truth)
            if i % 5 == 4:
                drain(one, two)
        drain(one, two)
        assert one.classifier.learnt == two.classifier.learnt == 40
        rates = [w.classifier.mixture.rates.state_dict() for w in (one, two)]
        assert {n: a.tobytes() for n, a in rates[0].items()} == {n: a.tobytes() for n, a in rates[1].items()}
        assert bits(one) == bits(two)


def test_a_model_that_begins_with_a_snapshot_holds_the_same_rates(whole: Service, tmp_path: Path) -> None:
    with running(whole) as worker:
        kept_rates = {n: a.tobytes() for n, a in worker.classifier.mixture.rates.state_dict().items()}
        assert worker._model.restored.snapshot == "local"
    with running(whole, config(tmp_path / "new")) as worker:
        folded = {n: a.tobytes() for n, a in worker.classifier.mixture.rates.state_dict().items()}
    assert folded == kept_rates


def test_a_label_that_brings_its_own_features_teaches_the_rate_of_its_key(tmp_path: Path) -> None:
    service = Service(config(tmp_path))
    with running(service) as worker:
        for i in range(4):
            brought = {"features": {"a": 1.0, "kind": None}, "shop": {"id": "shop 1"}}
            service.tell({"event": f"x{i}", "subject": "s", "label": "yes", "time": START, **brought})
        service.tell({"event": "y", "label": "no", "time": START, "subject": "s", "features": {"a": 0.0, "kind": None}})
        drain(worker)
        made = {"subject": "s0", "time": START, "features": {"a": 1.0}}
        service.send({**made, "id": "e1", "shop": {"id": "shop 1"}}, {**made, "id": "e2", "shop": {"id": "shop 2"}})
        service.send({**made, "id": "e3"})
        drain(worker)
    rates = {name: profiles[RATE] for name, profiles in said(service).items()}
    assert rates == {"e1": pytest.approx((4 + 0.8) / 5), "e2": pytest.approx(0.8), "e3": None}
    assert service.feedback[0]["event"]["features"][COUNT] is None
    assert service.feedback[0]["event"]["features"]["shop"] == "shop 1"
