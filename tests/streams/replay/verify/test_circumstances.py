"""What decisions rest on beside their events and the feedback is carried in their records, so that all are made again.

Each case decides a stream in which that thing moves decisions, with a restart in the midst, and verifies it from an
empty directory. `told` names the member of a decision that must have been there, or the case would prove nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from tocsin.streams.wire.records import Shed

from ...support import START, Service, drain, running, settings, text_settings
from .verifying import all_good, verify

Pair = tuple[dict[str, Any], dict[str, Any] | None]
HOUR = 3_600_000


class Case(NamedTuple):
    """A config, how many events of which stream it decides, and what must come of it."""

    changes: dict[str, Any]
    stream: str
    events: int
    told: str | None
    labelled: float = 1.0
    partitions: int = 1


SCHEMA: dict[str, Any] = {
    "features": [{"name": "a"}, {"name": "kind", "kind": "category", "required": False}],
    "profiles": [
        {"key": "subject", "windows": ["1h", "1d", "5 events"], "distinct": ["shop"], "share": ["kind"]},
        {"key": "shop", "path": "shop.id", "windows": ["1d"], "say": ["count", "sum"], "rate": ["yes"]},
    ],
}
MIXED: dict[str, Any] = {
    "features": [
        {"name": "a"},
        {"name": "kind", "kind": "category", "required": False},
        {"name": "seen", "kind": "time", "required": False},
        {"name": "on", "kind": "boolean", "required": False},
    ],
}
ONE = {"features": [{"name": "a"}]}
READERS = [
    {"kind": "ss3", "name": "ss3"},
    {"kind": "linear-text", "bits": 12},
    {"kind": "linear-text", "name": "thread", "bits": 12, "scope": "subject"},
]
SHIFT = {"enabled": True, "window": 200, "mature": 50, "memory": 50, "least_gain": 0.03}
TRAFFIC = {"novelty_by": "traffic", "novelty_traffic": 200, "novelty": 0.05, "abstain_novel": True, "cold_start": 5}
RISK = {"classes": ["spam"], "minimum_posts": 2}


def at_risk(policy: str, experts: Any = READERS, **changes: Any) -> dict[str, Any]:
    return {"early_risk": {**RISK, "policy": policy, **changes}, "experts": experts}


CASES: dict[str, Case] = {
    "class priors": Case(
        {"schema": ONE, "experts": [{"kind": "linear"}], "prior_shift": SHIFT}, "shift", 700, "priors"
    ),
    "traffic": Case({"experts": [{"kind": "naive-bayes"}], "abstention": TRAFFIC}, "clouds", 1_600, "traffic_ratio"),
    "profiles": Case({"schema": SCHEMA}, "shops", 300, "profiles"),
    "profiles of two partitions": Case({"schema": SCHEMA}, "shops", 300, "profiles", partitions=2),
    "a budget of reviews": Case({"abstention": {"cold_start": 5, "budget": 4}}, "noise", 400, "over_budget"),
    "a budget of alerts": Case({"alert": {"class": "yes", "budget": "5/hour"}}, "noise", 400, "alert"),
    "a share of alerts": Case({"alert": {"class": "yes", "budget": "5%"}}, "noise", 400, "alert"),
    "risk accumulated": Case(at_risk("accumulated"), "posts", 300, "risk"),
    "risk that fades": Case(at_risk("accumulated", half_life_hours=2.0), "posts", 300, "risk"),
    "risk of peers": Case(at_risk("peer-baseline", minimum_subjects=2, gamma=1.0), "posts", 300, "risk"),
    "risk fused": Case(at_risk("fused", threshold=0.6, confirmations=2), "posts", 300, "risk"),
    "risk learnt": Case(at_risk("learnt"), "posts", 300, "risk", partitions=2),
    "texts alone": Case({"experts": READERS[:2], "early_risk": {}}, "posts", 200, None),
    "categories, times, missing values": Case(
        {"schema": MIXED, "experts": [{"kind": "naive-bayes"}, {"kind": "neighbours"}]}, "mixed", 300, None
    ),
    "classes found in labels": Case({"classes": [], "schema": ONE, "experts": [{"kind": "linear"}]}, "many", 200, None),
    "an error promised": Case({"abstention": {"cold_start": 5, "controls": "error", "error": 0.2}}, "noise", 400, None),
    "few experts asked": Case({"router": {"engage": 0.7}}, "noise", 300, None, labelled=0.5),
}


def noise(rng: np.random.Generator, i: int) -> Pair:
    a, b = rng.normal(size=2).tolist()
    truth = "yes" if a + rng.normal() > b else "no"
    return event(i, {"a": a, "b": None if i % 9 == 0 else b}), label(i, truth)


def shift(rng: np.random.Generator, i: int) -> Pair:
    yes = bool(rng.random() < (0.2 if i < 400 else 0.9))
    told = label(i, "yes" if yes else "no") if i < 400 else None
    return event(i, {"a": float(rng.normal() + (0.8 if yes else -0.8))}), told


def clouds(rng: np.random.Generator, i: int) -> Pair:
    unseen, yes = i >= 800 and i % 5 == 0, bool(rng.random() < 0.5)
    centre = 0.0 if unseen else 1.5 if yes else -1.5
    a, b = (float(v) for v in rng.normal(centre, 0.1 if unseen else 1.0, 2))
    return event(i, {"a": a, "b": b}), None if unseen or i % 2 else label(i, "yes" if yes else "no")


def shops(rng: np.random.Generator, i: int) -> Pair:
    a, shop = float(rng.normal()), int(rng.integers(0, 4))
    kind = ["red", "blue", None][int(rng.integers(0, 3))]
    raw = event(i, {"a": a, "kind": kind}, time=START - 30 * HOUR + i * HOUR // 10 - (2 * HOUR if i % 10 == 3 else 0))
    if shop:
        raw["shop"] = {"id": f"shop {shop}"}
    return raw, label(i, "yes" if a + rng.normal() > 0 else "no")


def posts(rng: np.random.Generator, i: int) -> Pair:
    bad = i % 6 < 2
    words = ["win", "prize", "cash"] if bad else ["see", "you", "lunch"]
    text = " ".join(words[int(k)] for k in rng.integers(0, 3, 4)) + f" {rng.integers(0, 50)}"
    raw = {"id": f"e{i}", "subject": f"s{i % 6}", "time": START + i * HOUR // 5, "text": text}
    return raw, {"event": f"e{i}", "label": "spam" if bad else "ham", "time": START + i * HOUR // 5 + HOUR}


def mixed(rng: np.random.Generator, i: int) -> Pair:
    a = float(rng.normal())
    features: dict[str, Any] = {"a": a}
    if i % 3:
        features |= {"kind": ["red", "blue"][i % 2], "seen": START + i * HOUR}
    if i % 4:
        features["on"] = bool(i % 8 > 3)
    return event(i, features), label(i, "yes" if a > 0 else "no")


def many(rng: np.random.Generator, i: int) -> Pair:
    a = float(rng.normal())
    return event(i, {"a": a}), label(i, f"class {int(a > 0) + int(a > 1)}")


STREAMS = {f.__name__: f for f in (noise, shift, clouds, shops, posts, mixed, many)}


def event(i: int, features: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": f"e{i}", "subject": f"s{i % 5}", "time": START + i * 60_000, "features": features, **more}


def label(i: int, truth: str) -> dict[str, Any]:
    return {"event": f"e{i}", "label": truth, "time": START + i * 60_000 + HOUR}


def pairs(case: Case) -> Iterator[Pair]:
    rng, made = np.random.default_rng(3), STREAMS[case.stream]
    for i in range(case.events):
        raw, told = made(rng, i)
        yield raw, told if rng.random() < case.labelled else None


def service_of(case: Case, directory: Path) -> Service:
    made = text_settings if case.stream == "posts" else settings
    return Service(made(directory, **case.changes), partitions=case.partitions)


def run_through(service: Service, found: list[Pair], shed: Shed | None = None) -> None:
    """Two workers, one after the other, decide it portion by portion, with the labels of each a portion late."""
    late: list[dict[str, Any]] = []
    for half in (found[: len(found) // 2], found[len(found) // 2 :]):
        with running(service) as worker:
            for n, start in enumerate(range(0, len(half), 25)):
                portion = half[start : start + 25]
                worker._model.decide.shed = shed if n % 2 else None
                service.send(*(raw for raw, _ in portion))
                drain(worker)
                service.tell(*late)
                drain(worker)
                service.clock.move(0.5)
                late = [told for _, told in portion if told is not None]


@pytest.mark.parametrize("name", CASES)
def test_every_decision_is_made_again(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    service = service_of(case, tmp_path / "one")
    run_through(service, list(pairs(case)))
    decisions = service.decisions
    if case.told is not None:
        assert sum(decision.get(case.told) is not None for decision in decisions) > 5
    assert sum(decision["status"] == "decided" for decision in decisions) > 20
    report = verify(service, tmp_path / "other")
    assert all_good(report, case.events)


@pytest.mark.parametrize("shed", ["explanations", "experts"])
def test_what_was_given_up_is_given_up_again(shed: Shed, tmp_path: Path) -> None:
    experts = [{"kind": "linear"}, {"kind": "naive-bayes"}, {"kind": "persistence", "by": "subject"}]
    case = Case({"experts": experts}, "noise", 300, "shed")
    service = service_of(case, tmp_path / "one")
    run_through(service, list(pairs(case)), shed)
    assert {decision.get("shed") for decision in service.decisions} == {None, shed}
    assert all_good(verify(service, tmp_path / "other"), 300)


def test_a_subject_that_was_forgotten_begins_anew(tmp_path: Path) -> None:
    few = {"bounds": {"subjects": 2}, "batching": {"max_events": 1}}
    case = Case({**at_risk("accumulated"), **few}, "posts", 120, "risk")
    service = service_of(case, tmp_path / "one")
    run_through(service, list(pairs(case)))
    assert {decision["risk"]["posts"] for decision in service.decisions} == {1}
    assert all_good(verify(service, tmp_path / "other"), 120)
