"""What every expert of the default pool said of every event just before it was learnt, kept on disk.

Labels come with their events. The pool is the default one but for its lifecycle, which is off (whom it retires would
depend on the combination, and then no two ideas would hear the same experts say the same), and for the kind `stack`,
which is one of the ideas.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from parts import cards
from parts.generators import STREAMS, Floats, Ints
from parts.recording import PASS, Recording, replay
from parts.texts import Texts, hate, sms
from tocsin.config.experts import ExpertSettings
from tocsin.config.experts.pool import tabular_experts, text_experts
from tocsin.config.lifecycle import LifecycleSettings
from tocsin.config.model import ModelSettings
from tocsin.config.routing import ReliabilitySettings
from tocsin.kernels.routing.reliability_state import RouterOutput
from tocsin.models import Classifier
from tocsin.models.data.batch import Batch
from tocsin.models.experts import registry

CHOOSING, TELLING = (101, 102), (11, 12)
"""The seeds that an idea is chosen on, and those that its gain is told of."""
RARE = 0.5
"""A class with less than this share of an even share of the labels is rare."""


class Source(NamedTuple):
    """T events, and the pool that is asked about them."""

    batch: Batch
    y: Ints
    """[T]"""
    classes: int
    model: ModelSettings
    customers: Ints
    """[T], the subject of each event by number; empty where events have none."""


class Heard(NamedTuple):
    """T events, E experts, K classes."""

    X: Floats
    """[T, F], the features as the router sees them."""
    evidence: Floats
    """[T, E, K], of each event just before it was learnt."""
    y: Ints
    """[T]"""
    source: Source
    weighed: Floats
    """[T, E, K], the same of a pool whose rare labels weighed more; empty where no class is rare."""

    @property
    def experts(self) -> list[str]:
        """The names of the E experts."""
        return [expert.name for expert in self.source.model.experts]

    def recording(self, evidence: Floats | None = None, X: Floats | None = None) -> Recording:
        """What `parts.recording.replay` runs over, with other evidence or inputs of the router where they are given."""
        return Recording(
            X=self.X if X is None else X,
            evidence=self.evidence if evidence is None else evidence,
            y=self.y,
            drifts=np.zeros(0, np.int64),
            delay=0,
            prior=float(self.source.classes),
            seed=self.source.model.seed,
        )

    def fused(self, evidence: Floats | None = None, X: Floats | None = None, rare: float = 0.0) -> Floats:
        """What the pool would have said, [T, K], with the default rule of fusion.

        `rare` is the router's `rare_class_power`.
        """
        settings = ReliabilitySettings(rare_class_power=rare)
        return replay(self.recording(evidence, X), self.source.model.fusion.rule, settings).betp

    def shares(self) -> Floats:
        """[T, E, K], the experts' own probabilities: none is 0, and all are alike where an expert is silent."""
        K = self.source.classes
        p: Floats = (self.evidence + 1.0) / (self.evidence.sum(axis=2, keepdims=True) + K)
        return p


def _model(experts: tuple[ExpertSettings, ...], seed: int, text: bool = False) -> ModelSettings:
    return ModelSettings(text=text, experts=experts, lifecycle=LifecycleSettings(enabled=False), seed=seed)


def _of_stream(name: str) -> Callable[[int, int], Source]:
    def source(events: int, seed: int) -> Source:
        # The electricity market is one stream: ideas are chosen on its beginning and told of on its end.
        whole = name == "Electricity"
        X, y, classes, _ = STREAMS[name](1_000_000 if whole else events, seed)
        kept = slice(-events, None) if whole and seed in TELLING else slice(0, events)
        model = _model(tabular_experts(X.shape[1]), seed)
        return Source(Batch.of(X[kept]), np.asarray(y[kept], np.int64), classes, model, np.zeros(0, np.int64))

    return source


def _of_texts(read: Callable[[], Texts]) -> Callable[[int, int], Source]:
    def source(events: int, seed: int) -> Source:
        found = read()
        order = np.random.default_rng(seed).permutation(len(found.y))[:events]
        batch = Batch.of(np.zeros((len(order), 0)), [found.texts[i] for i in order])
        model = _model(tuple(expert for expert in text_experts() if expert.kind != "stack"), seed, text=True)
        return Source(batch, found.y[order], len(found.classes), model, np.zeros(0, np.int64))

    return source


def _of_cards(events: int, seed: int) -> Source:
    X, y, customers = cards.payments(events, seed)
    subjects = [str(c) for c in customers.tolist()]
    return Source(Batch.of(X, subjects=subjects), y, 2, _model(tabular_experts(X.shape[1]), seed), customers)


SOURCES: dict[str, Callable[[int, int], Source]] = {
    "LED_a": _of_stream("LED_a"),
    "SEA_a": _of_stream("SEA_a"),
    "RBF_m": _of_stream("RBF_m"),
    "Electricity": _of_stream("Electricity"),
    "cards": _of_cards,
    "SMS": _of_texts(sms),
    "hate speech": _of_texts(hate),
}


def heard(name: str, seed: int, events: int, directory: Path) -> Heard:
    """What the pool said of a stream: from the directory, or recorded and kept there."""
    source = SOURCES[name](events, seed)
    path = directory / f"{name.replace(' ', '-')}-{seed}-{events}.npz"
    if not path.exists():
        directory.mkdir(parents=True, exist_ok=True)
        X, evidence = record(source, np.ones(len(source.y)))
        weighed = record(source, weights(source.y))[1] if rare_class(source.y) is not None else np.zeros((0, 0, 0))
        np.savez(path, X=X, evidence=evidence, weighed=weighed)
    with np.load(path) as file:
        return Heard(file["X"], file["evidence"], source.y, source, file["weighed"])


def record(source: Source, weight: Floats) -> tuple[Floats, Floats]:
    """The router's features [T, F] and the experts' evidence [T, E, K], where labels weigh `weight` [T]."""
    model, columns = Classifier(source.model), source.batch.X.shape[1]
    model.widen([str(f) for f in range(columns)], [False] * columns, [str(k) for k in range(source.classes)])
    inputs: list[Floats] = []
    answers: list[Floats] = []
    learn = model.router.learn

    def listen(X: Floats, evidence: Floats, y: Ints, weight: Floats, delay: Ints) -> RouterOutput:
        inputs.append(X.copy())
        answers.append(evidence.copy())
        return learn(X, evidence, y, weight, delay)

    model.router.learn = listen  # type: ignore[method-assign]
    for start in range(0, len(source.y), PASS):
        stop = min(start + PASS, len(source.y))
        model.learn_at_once(source.batch.rows(start, stop), source.y[start:stop], weight[start:stop])
    return np.concatenate(inputs), np.concatenate(answers)


def rare_class(y: Ints) -> int | None:
    """The rarest class, where it is rare."""
    shares = np.bincount(y) / len(y)
    return int(shares.argmin()) if shares.min() * len(shares) < RARE else None


def weights(y: Ints) -> Floats:
    """[T], what each label weighs so that classes weigh alike, by the labels up to it; at most 10."""
    counts = np.ones(int(y.max()) + 1)
    result = np.empty(len(y))
    for t, k in enumerate(y.tolist()):
        counts[k] += 1.0
        result[t] = min(counts.mean() / counts[k], 10.0)
    return result


def told(
    settings: ExpertSettings,
    X: Floats,
    y: Ints,
    classes: int,
    texts: Sequence[str | None] | None = None,
    weight: Floats | None = None,
) -> Floats:
    """What one more expert says of T events [T, K], each just before it is learnt with its weight; X [T, F]."""
    weight = np.ones(len(y)) if weight is None else weight
    names = [f"x{f}" for f in range(X.shape[1])]
    expert = registry.build(ModelSettings(experts=(settings,)), names, [False] * len(names))[0]
    expert.resize(X.shape[1], classes)
    batch, said = Batch.of(X, texts), []
    for start in range(0, len(y), PASS):
        stop = min(start + PASS, len(y))
        said.append(expert.predict_then_learn(batch.rows(start, stop), y[start:stop], weight[start:stop]))
    return np.concatenate(said)


def joined(evidence: Floats, *more: Floats) -> Floats:
    """Evidence [T, E, K] with that of more experts, [T, K] each."""
    return np.concatenate([evidence, *(one[:, None] for one in more)], axis=1)


def without(evidence: Floats, silent: NDArray[np.bool_], start: int = 0) -> Floats:
    """The evidence where the experts that `silent` [E] names say nothing from event `start` on."""
    result = evidence.copy()
    result[start:, silent] = 0.0
    return result
