"""A table of changes of the config, and a service whose topics and state stay while its config changes."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tocsin.streams.transport.memory import MemoryTransport
from tocsin.streams.worker.worker import Worker

from ...support import START, Service, drain, settings

EVENTS, UNLABELLED, PROBES = 240, 20, 30
"""Events before the change; the last of them, whose labels come after it; and events that are judged then."""
A, C = {"name": "a"}, {"name": "c", "kind": "category"}
LINEAR, BAYES, LAST = {"kind": "linear"}, {"kind": "naive-bayes"}, {"kind": "persistence", "by": "subject"}
BEFORE: dict[str, Any] = {
    "schema": {"features": [A, C]},
    "classes": ["x", "y", "z"],
    "experts": [LINEAR, BAYES, LAST],
    "abstention": {"cold_start": 5},
}


NOTHING: Mapping[str, Any] = {}


class Change(NamedTuple):
    """One change of the config, and what it makes of the feedback."""

    values: Mapping[str, Any]
    """Settings that differ from `BEFORE`."""
    anew: bool = True
    """Whether events that were decided before are scored anew."""
    passed_over: Mapping[str, int] = NOTHING
    kinds: Mapping[str, Callable[[Any], Any]] = NOTHING
    """By feature, what events say of it after the change."""


def features(*some: dict[str, Any]) -> dict[str, Any]:
    return {"schema": {"features": list(some)}}


def experts(*some: dict[str, Any]) -> dict[str, Any]:
    return {"experts": list(some)}


OF_CLASS = (EVENTS - UNLABELLED) // 3
CHANGES: dict[str, Change] = {
    "nothing": Change({}, anew=False),
    "a title": Change({"topics": {"partitions": 9}, "explanation": {"level": "full"}}, anew=False),
    "a default written out": Change({"seed": 0, "fusion": {"rule": "cumulative"}}, anew=False),
    "a path": Change({**features({**A, "path": "features.a"}, {**C, "required": False})}, anew=False),
    "early risk": Change({"early_risk": {"classes": ["x"], "policy": "fused"}}, anew=False),
    "a budget": Change({"abstention": {"cold_start": 5, "budget": 1_000}}, anew=False),
    "classes in another order": Change({"classes": ["y", "z", "x"]}),
    "a class put first": Change({"classes": ["w", "x", "y", "z"]}),
    "a class removed": Change({"classes": ["x", "y"]}, passed_over={"unknown-class": OF_CLASS}),
    "classes no longer named": Change({"classes": []}),
    "too many classes": Change({"classes": [], "bounds": {"classes": 2}}, passed_over={"too-many-classes": OF_CLASS}),
    "a class renamed": Change({"classes": ["X", "y", "z"], "class_map": {"x": "X"}}),
    "an expert removed": Change(experts(LINEAR, LAST)),
    "an expert added": Change(experts({"kind": "neighbours"}, LINEAR, BAYES, LAST)),
    "experts in another order": Change(experts(LAST, BAYES, LINEAR)),
    "an expert renamed": Change(experts({**LINEAR, "name": "slope"}, BAYES, LAST)),
    "an expert of another kind": Change(experts({"kind": "neighbours", "name": "linear"}, BAYES, LAST)),
    "other parameters": Change(experts({**LINEAR, "buckets": 7, "step": 0.1}, BAYES, LAST)),
    "a longer history": Change(experts(LINEAR, BAYES, LAST, {"kind": "tree", "history": 3})),
    "features in another order": Change(features(C, A)),
    "a feature added": Change(features({"name": "b", "required": False}, A, C)),
    "a feature removed": Change(features(A)),
    "a number a category": Change(
        features({**A, "kind": "category"}, C),
        passed_over={"unfit-value": EVENTS - UNLABELLED},
        kinds={"a": lambda value: f"about {value:.0f}"},
    ),
    "a category a number": Change(
        features(A, {"name": "c"}), passed_over={"unfit-value": EVENTS - UNLABELLED}, kinds={"c": len}
    ),
    "a number a boolean": Change(
        features({**A, "kind": "boolean"}, C),
        passed_over={"unfit-value": EVENTS - UNLABELLED},
        kinds={"a": lambda value: value > 1},
    ),
    "text on": Change(
        {"schema": {"text": "text", "features": [A, C]}, **experts(LINEAR, BAYES, {"kind": "linear-text", "bits": 8})}
    ),
    "another router": Change({"router": {"kind": "skill"}}),
    "another rule": Change({"fusion": {"rule": "cautious", "contextual": True}}),
    "another seed": Change({"seed": 3}),
    "costs": Change({"abstention": {"cold_start": 5, "controls": "cost", "costs": {"x": {"y": 3.0}}}}),
    "thresholds of classes": Change({"abstention": {"cold_start": 5, "per_class": True}}),
    "class priors": Change({"prior_shift": {"enabled": True}}),
}


def truth(i: int) -> str:
    return "xyz"[i % 3]


def event(i: int, kinds: Mapping[str, Callable[[Any], Any]]) -> dict[str, Any]:
    k = truth(i)
    found: dict[str, Any] = {"a": "xyz".index(k) + random.Random(i).gauss(0, 0.1), "c": "cat-" + k, "b": 1.0}
    said = {name: kinds.get(name, lambda v: v)(value) for name, value in found.items()}
    return {"id": f"e{i}", "subject": f"s{i % 3}", "time": START + i, "features": said, "text": f"it is {k}"}


def label(i: int) -> dict[str, Any]:
    return {"event": f"e{i}", "label": truth(i), "time": START + i}


def copied(learnt: tuple[Service, Path], directory: Path, change: Change) -> Service:
    """The same topics, state and offsets under another config."""
    before, home = learnt
    shutil.copytree(home, directory)
    service = Service(settings(directory, **{**BEFORE, **change.values}))
    service.broker.identify(before.broker.topic_ids(list(before.topics.names())))
    producer = MemoryTransport(service.broker)
    for topic in before.topics.names():
        for record in before.records(topic):
            producer.produce(topic, record.key, record.value or b"", record.headers)
    for partition, offset in before.broker.committed(before.settings.group).items():
        member = MemoryTransport(service.broker, shared=(partition.topic,), group=service.settings.group)
        member.poll(1, 0)
        member.commit({partition: offset})
        member.close()
    return service


def ask(service: Service, worker: Worker, change: Change) -> Iterator[tuple[str, dict[str, Any]]]:
    """The decisions of events that come after the change, each with what is true of it."""
    service.send(*[event(i, change.kinds) for i in range(EVENTS, EVENTS + PROBES)])
    drain(worker)
    for i, decision in enumerate(service.decisions[-PROBES:], EVENTS):
        yield service.settings.class_map.get(truth(i), truth(i)), decision
