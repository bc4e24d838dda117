"""Many events at a time are decided as a worker decides them one by one: the same decisions, report and model."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from tocsin.config import Settings
from tocsin.config.inputs import InputsSettings
from tocsin.models.classifier import Classifier
from tocsin.models.data import snapshot
from tocsin.streams.replay import in_chunks
from tocsin.streams.replay.evaluation import PrequentialEvaluation
from tocsin.streams.replay.in_process import InProcess
from tocsin.streams.replay.past_event import PastEvent
from tocsin.streams.wire.records import Decision

from ..support import START, settings

WORDS = ("prize", "win", "home", "see", "you", "call", "now", "later")
FEATURES = [{"name": "a"}, {"name": "b", "required": False}, {"name": "colour", "kind": "category", "required": False}]
TABULAR: list[dict[str, Any]] = [
    {"kind": "linear", "step": 0.05},
    {"kind": "neighbours", "window": 40, "k": 3},
    {"kind": "tree", "grace_period": 20, "history": 1},
    {"kind": "forest", "trees": 3, "grace_period": 20},
    {"kind": "persistence", "by": "subject"},
    {"kind": "naive-bayes"},
    {"kind": "logistic"},
    {"kind": "moving-averages"},
    {"kind": "moving-clusters"},
    {"kind": "river", "name": "river", "parameters": {"grace_period": 20}},
]
TEXT: list[dict[str, Any]] = [{"kind": "ss3"}, {"kind": "linear-text", "bits": 10}, {"kind": "stack"}]
COMMON: dict[str, Any] = {
    "lifecycle": {"window": 100, "minimum_age": 100, "patience": 1, "probation": 1, "starved": 0.5},
    "classes": ["no", "yes", "odd"],
}


class Watched(PrequentialEvaluation):
    """Notes what it judges, without what an instant or a directory makes of it."""

    def begin(self) -> None:
        super().begin()
        self.judged: list[Any] = []

    def add(self, decision: Decision, truth: str) -> bool:
        d = decision
        said = (d.status, d.label, d.belief, d.uncertainty, d.conflict, d.reason, d.set)
        self.judged.append((d.event, d.subject, d.time, *said, d.model.feedback_offset, d.model.config, truth))
        return super().add(decision, truth)


def stream(n: int, label: str = "label", text: bool = False, features: bool = True) -> list[PastEvent]:
    """Numbers with gaps and outliers, a category and a text; labels by all of them, with drift; a rare class."""
    rng = np.random.default_rng(7)
    made = []
    for i in range(n):
        a, b, colour = rng.normal(), rng.normal(), str(rng.choice(["red", "green", "blue"]))
        truth = "yes" if (a + b > 0) != (i > n // 2) else "no"
        if i % 40 == 39:
            a, truth = a + 6.0, "odd"
        values: dict[str, Any] = {"a": 1e9 if i % 97 == 96 else a}
        if rng.random() < 0.8:
            values["b"] = b
        if rng.random() < 0.9:
            values["colour"] = colour
        first = {"no": 0, "yes": 2, "odd": 4}[truth]
        raw: dict[str, Any] = {"id": f"e{i}", "subject": f"s{i % 5}", "time": START + i * 1_000}
        raw |= {"features": values} if features else {}
        raw |= {"text": " ".join(rng.choice(WORDS[first : first + 4], 3))} if text else {}
        made.append(PastEvent(raw["id"], raw["subject"], raw["time"], orjson.dumps(raw), truth))
    return made


def spoilt(past: Sequence[PastEvent]) -> list[PastEvent]:
    """The same with labels missing, labels that are no class, and events that are none."""
    made = list(past)
    for i in range(0, len(made), 11):
        made[i] = made[i]._replace(label=None)
    for i in range(5, len(made), 53):
        made[i] = made[i]._replace(label="maybe")
    for i in range(9, len(made), 61):
        made[i] = made[i]._replace(event=b"{")
    return made


class InChunksAlone(InProcess):
    """A replay that must not go back to one event at a time."""

    def _run_one_by_one(self, *_: Any) -> Any:
        raise AssertionError("it went one by one")


def replayed(replay: InProcess, source: Sequence[PastEvent]) -> dict[str, Any]:
    """All that a replay leaves behind."""
    replay.evaluation = watched = Watched()
    report = dataclasses.asdict(replay.run(source))
    del report["events_per_second"]
    assert replay.classifier is not None
    manifest, arrays = replay.classifier.to_snapshot()
    return {
        "judged": watched.judged,
        "report": report,
        "refused": dict(replay.refused),
        "counts": (replay.without_label, replay.nothing_fitted),
        "manifest": manifest,
        "digest": snapshot.digest(arrays),
    }


def same_both_ways(
    config: Settings, delay: int, source: Sequence[PastEvent], kind: type[InProcess] = InChunksAlone
) -> dict[str, Any]:
    """What a replay leaves behind in chunks, which is what it leaves behind one by one."""
    many, one = replayed(kind(config, delay), source), replayed(InProcess(config, delay, many_at_once=False), source)
    for name in one:
        assert many[name] == one[name], name
    return many


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_chunks, "CHUNK", 60)


def config(directory: Path, experts: list[dict[str, Any]], text: bool = False, **more: Any) -> Settings:
    schema: dict[str, Any] = {"features": FEATURES if experts != TEXT else []} | ({"text": "text"} if text else {})
    return settings(directory, **{"schema": schema, "experts": experts, **COMMON, **more})


@pytest.mark.parametrize("delay", [0, 1, 7, 1_000])
def test_numbers_and_categories(tmp_path: Path, delay: int) -> None:
    left = same_both_ways(config(tmp_path, TABULAR), delay, spoilt(stream(400)))
    assert left["report"]["dead_letters"] > 5
    assert len(left["judged"]) > 300
    assert delay > 500 or {status for _, _, _, status, *_ in left["judged"]} == {"decided", "abstained"}


@pytest.mark.parametrize("delay", [0, 3])
def test_texts(tmp_path: Path, delay: int) -> None:
    same_both_ways(config(tmp_path, TEXT, text=True), delay, spoilt(stream(250, text=True, features=False)))


def test_times(tmp_path: Path) -> None:
    features = [
        {"name": "at", "kind": "time", "path": "time", "parts": ["hour", "weekday", "days"]},
        *FEATURES,
        {"name": "opened", "kind": "time", "zone": "Asia/Kolkata", "required": False},
    ]
    source = []
    for i, past in enumerate(stream(400)):
        raw = orjson.loads(past.event)
        if i % 7:
            raw["features"]["opened"] = START - (i * 37 % 101) * 40_000_000
        source.append(past._replace(event=orjson.dumps(raw)))
    found = same_both_ways(config(tmp_path, TABULAR, schema={"features": features}), 7, source)
    assert found["manifest"]["columns"][:4] == ["hour of day of at", "a", "b", "colour"]


def test_texts_beside_numbers(tmp_path: Path) -> None:
    experts = [*TABULAR[:3], *TEXT]
    both = config(tmp_path, experts, text=True)
    same_both_ways(both, 2, spoilt(stream(250, text=True)))


@pytest.mark.parametrize("delay", [0, 4])
def test_classes_that_are_found_in_labels(tmp_path: Path, delay: int) -> None:
    left = same_both_ways(config(tmp_path, TABULAR[:7], classes=[]), delay, stream(200))
    assert set(left["manifest"]["classes"]) == {"no", "yes", "odd"}


OTHER: dict[str, dict[str, Any]] = {
    "a threshold for each class": {"abstention": {"cold_start": 5, "per_class": True, "error": 0.3}},
    "a threshold for each class, once one is rare": {"abstention": {"cold_start": 5, "per_class": "auto"}},
    "costs are controlled": {"abstention": {"cold_start": 5, "controls": "cost", "costs": {"no": {"yes": 0.3}}}},
    "no abstention": {"abstention": {"enabled": False}},
    "novel events are abstained from": {"abstention": {"cold_start": 5, "abstain_novel": True, "novelty": 0.2}},
    "traffic is compared": {
        "abstention": {
            "cold_start": 5,
            "abstain_novel": True,
            "novelty": 0.2,
            "novelty_by": "traffic",
            "novelty_traffic": 200,
        }
    },
    "a rare class": {"abstention": {"cold_start": 5, "rare_share": 0.5}},
    "steered by pid": {"abstention": {"cold_start": 5, "steering": "pid"}},
    "discounts by class": {"fusion": {"contextual": True}},
    "few experts are engaged": {"router": {"kind": "reliability", "top_p": 0.5, "rare_class_power": 0.5}},
    "a router by skill": {"router": {"kind": "skill"}},
    "inputs as they are": {"inputs": {name: {"enabled": False} for name in InputsSettings.model_fields}},
}


@pytest.mark.parametrize("what", OTHER)
def test_other_settings(tmp_path: Path, what: str) -> None:
    n = 1_400 if what in ("a rare class", "traffic is compared") or "once" in what else 300
    left = same_both_ways(config(tmp_path, TABULAR[:5], **OTHER[what]), 2, stream(n))
    assert len(left["judged"]) == n


def test_classes_come_to_have_thresholds_of_their_own_once_one_is_rare(tmp_path: Path) -> None:
    replay = InProcess(config(tmp_path, TABULAR[:3], abstention={"cold_start": 5}), 2)
    replay.run(stream(900))
    assert replay.classifier is not None
    assert not replay.classifier.abstention.per_class
    replay.run(stream(1_400))
    assert replay.classifier.abstention.per_class


@pytest.mark.parametrize("delay", [0, 9])
def test_profiles(tmp_path: Path, delay: int) -> None:
    profiles = [
        {"key": "subject", "windows": ["1m", "10 events"], "rate": ["odd", "yes"], "distinct": ["colour"]},
        {"key": "colour", "windows": ["1m"], "of": ["a"], "share": ["place"], "rate": ["odd"]},
        {"key": "place", "windows": ["5m"], "rate": ["no"]},
    ]
    schema = {"features": FEATURES, "profiles": profiles}
    made = [
        past._replace(event=orjson.dumps({**orjson.loads(past.event), "place": f"p{i % 3}"}))
        for i, past in enumerate(stream(400))
    ]
    some = {"schema": {**schema, "profiles": [*profiles[:2], {**profiles[2], "path": "place"}]}}
    left = same_both_ways(config(tmp_path, TABULAR[:3], **some), delay, spoilt(made))
    assert len(left["manifest"]["columns"]) > 30
    assert len(left["judged"]) > 300


def test_times_beside_profiles_of_a_key_that_no_model_sees(tmp_path: Path) -> None:
    """The worker stopped at the first event: what it packs was as wide as the parts of the time."""
    made = [
        past._replace(event=orjson.dumps({**orjson.loads(past.event), "place": f"p{i % 3}"}))
        for i, past in enumerate(stream(300))
    ]
    features = [{"name": "at", "kind": "time", "path": "time", "parts": ["hour", "weekday"]}, *FEATURES]
    profiles = [{"key": "place", "path": "place", "windows": ["5m"], "of": ["a"], "rate": ["odd"]}]
    schema = {"features": features, "profiles": profiles}
    left = same_both_ways(config(tmp_path, TABULAR[:3], schema=schema), 5, made)
    assert len(left["judged"]) == 300


@pytest.mark.parametrize("delay", [0, 9])
def test_a_rare_class(tmp_path: Path, delay: int) -> None:
    source = stream(700)
    some = config(tmp_path, [*TABULAR[:3], {"kind": "rare-class"}])
    same_both_ways(some, delay, spoilt(source))
    replay = InProcess(some, delay)
    replay.run(source)
    assert replay.classifier is not None
    assert replay.classifier.mixture.rare.rare.tolist() == [False, False, True]


def test_what_needs_the_service_is_left_to_it(tmp_path: Path) -> None:
    budget = config(tmp_path, TABULAR[:2], abstention={"cold_start": 5, "budget": 10})
    followed = config(tmp_path, TABULAR[:2], prior_shift={"enabled": True})
    promised = config(tmp_path, TABULAR[:2], abstention={"cold_start": 5, "controls": "error"})
    whole = config(tmp_path, [{"kind": "linear-text", "scope": "subject"}], text=True)
    plain = config(tmp_path, TABULAR[:2])
    every = (budget, followed, promised, whole, plain)
    go = [in_chunks.goes_in_chunks(one, Classifier.from_config(one), 1) for one in every]
    assert go == [False, False, False, False, True]


def test_labels_that_find_their_events_gone_are_left_to_the_service(tmp_path: Path) -> None:
    kept = config(tmp_path, TABULAR[:2], bounds={"pending_events": 100})
    go = [in_chunks.goes_in_chunks(kept, Classifier.from_config(kept), delay) for delay in (99, 100)]
    assert go == [True, False]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda past: [*past, past[3]], "'e3' comes twice"),
        (lambda past: [*past, past[3]._replace(event=past[4].event)], "'e4' comes twice"),
        (lambda past: [past[0]._replace(event=b"{"), *past], "'e0'"),
        (lambda past: [past[0]._replace(id="other"), *past[1:]], "'other'"),
    ],
)
def test_what_only_the_service_can_handle_makes_it_begin_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, change: Any, why: str
) -> None:
    caplog.set_level(logging.INFO)
    same_both_ways(config(tmp_path, TABULAR[:2]), 1, change(stream(150)), InProcess)
    [said] = [r.getMessage() for r in caplog.records if "begins anew" in r.getMessage()]
    assert why in said


def test_a_source_that_can_be_read_once_only_is_not_tried_in_chunks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any) -> None:
        raise AssertionError

    monkeypatch.setattr("tocsin.streams.replay.in_process.Chunks", refuse)
    assert InProcess(config(tmp_path, TABULAR[:2]), 1).run(iter(stream(5))).events == 5
