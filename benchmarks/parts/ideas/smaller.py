"""Ideas that make a pool smaller: a student taught by the pool, and leaves whose statistics have fewer bits.

A student (knowledge concentration; OneS, arXiv 2201.10890) is for cold workers and for the overload mode: one small
expert in place of the pool. Quantised leaves are after MC-MoE (arXiv 2410.06270) and M-SMoE (arXiv 2310.01334).
"""

from __future__ import annotations

import time
from typing import NamedTuple

import numpy as np

from parts.generators import Floats
from parts.ideas.heard import PASS, Heard, told
from parts.ideas.removal import accuracy
from tocsin.config.experts import ExpertSettings
from tocsin.config.experts.forest import ForestSettings
from tocsin.config.experts.linear import LinearSettings
from tocsin.config.experts.linear_text import LinearTextSettings
from tocsin.config.experts.tree import TreeSettings
from tocsin.config.model import ModelSettings
from tocsin.models import Classifier
from tocsin.models.data.batch import Batch
from tocsin.models.experts import registry

STATISTICS = ("class_weight", "pair_mean", "pair_squares", "pair_lowest", "pair_highest", "weight_first")
"""What the leaves of a forest hold of the events they saw, by its name in a snapshot."""
FAINT = 0.02
"""A class of less probability teaches a student nothing."""
TABULAR: dict[str, ExpertSettings] = {
    "linear": LinearSettings(step=0.02, strength=100.0),
    "tree": TreeSettings(strength=100.0),
    "forest of 5": ForestSettings(trees=5, grace_period=200.0, warning_delta=0.3, drift_delta=0.1, strength=100.0),
}
TEXT: dict[str, ExpertSettings] = {"linear-text": LinearTextSettings()}


class Student(NamedTuple):
    """How accurate a small expert is by who taught it, percent, and what an event costs to score."""

    name: str
    by_labels: float
    by_belief: float
    """Taught by the pool's belief just before the label, each class with its probability as its weight."""
    by_both: float
    """Half of the weight is the label's."""
    microseconds: float


def students(heard: Heard) -> list[Student]:
    """What each small expert makes of the labels and of the pool's belief."""
    belief, K = heard.fused(), heard.source.classes
    labels = np.eye(K)[heard.y]
    result = []
    for name, settings in (TEXT if heard.source.model.text else TABULAR).items():
        figures = [taught(heard, settings, target) for target in (labels, belief, 0.5 * (labels + belief))]
        result.append(Student(name, *figures, scoring(heard, (settings,))))
    return result


def taught(heard: Heard, settings: ExpertSettings, target: Floats) -> float:
    """The prequential accuracy of an expert that learns each event once for each class, by weight target [T, K]."""
    row, label = np.nonzero(target >= FAINT)
    _, first = np.unique(row, return_index=True)
    batch = heard.source.batch
    texts = [batch.texts[i] for i in row.tolist()] if heard.source.model.text else None
    said = told(settings, heard.X[row], label.astype(np.int64), heard.source.classes, texts, target[row, label])
    return accuracy(said[first], heard.y)


def scoring(heard: Heard, experts: tuple[ExpertSettings, ...]) -> float:
    """CPU microseconds an event that a model of these experts takes to score 1,000 events at once, after 5,000."""
    source = heard.source
    model = Classifier(source.model.model_copy(update={"experts": experts}))
    columns = source.batch.X.shape[1]
    model.widen([str(f) for f in range(columns)], [False] * columns, [str(k) for k in range(source.classes)])
    head = min(5 * PASS, len(source.y) - 500)
    for start in range(0, head, PASS):
        stop = min(start + PASS, head)
        model.learn_at_once(source.batch.rows(start, stop), source.y[start:stop], np.ones(stop - start))
    rows, best = source.batch.rows(head, min(head + PASS, len(source.y))), float("inf")
    for _ in range(3):
        began = time.process_time()
        model.score(rows)
        best = min(best, time.process_time() - began)
    return 1e6 * best / len(rows)


class Leaves(NamedTuple):
    """A forest whose leaf statistics are rounded after every 1,000 events, as if its state were kept in so few bits."""

    bits: int
    accuracy: float
    kilobytes: float
    """Of the statistics of its leaves at the end."""
    share: float
    """Of the whole snapshot of the forest, were they float64: what fewer bits can save."""


def leaves(heard: Heard) -> list[Leaves]:
    """The pool's forest by itself, with 64, 32, 16 and 8 bits a number."""
    return [_with_bits(heard, bits) for bits in (64, 32, 16, 8)]


def _with_bits(heard: Heard, bits: int) -> Leaves:
    (settings,) = [expert for expert in heard.source.model.experts if expert.kind == "forest"]
    X, y = heard.X, heard.y
    names = [f"x{f}" for f in range(X.shape[1])]
    forest = registry.build(ModelSettings(experts=(settings,)), names, [False] * len(names))[0]
    forest.resize(X.shape[1], heard.source.classes)
    said, numbers, whole = [], 0, 0
    for start in range(0, len(y), PASS):
        stop = min(start + PASS, len(y))
        said.append(forest.predict_then_learn(Batch.of(X[start:stop]), y[start:stop], np.ones(stop - start)))
        state = {name: np.array(array) for name, array in forest.state_dict().items()}
        kept = [name for name in state if name.partition(".")[2] in STATISTICS]
        numbers, whole = sum(state[name].size for name in kept), sum(array.nbytes for array in state.values())
        if bits < 64:
            forest.load_state_dict(state | {name: rounded(state[name], bits) for name in kept})
    return Leaves(bits, accuracy(np.concatenate(said), y), numbers * bits / 8e3, 8 * numbers / whole)


def rounded(values: Floats, bits: int) -> Floats:
    """The values as they come back from so many bits: float32, float16, or 8 bits of a logarithmic scale with a sign.

    Of 8 bits one is the sign, and the others are steps between the smallest and the largest size that there is.
    """
    if bits == 32:
        return values.astype(np.float32).astype(np.float64)
    known = np.isfinite(values) & (values != 0.0)
    if bits == 16:
        half = np.clip(values, -65_504.0, 65_504.0).astype(np.float16).astype(np.float64)
        result: Floats = np.where(known, half, values)
        return result
    if not known.any():
        return values
    size = np.log(np.abs(np.where(known, values, 1.0)))
    low, high = size[known].min(), size[known].max()
    step = max((high - low) / 127.0, 1e-12)
    rough: Floats = np.sign(values) * np.exp(low + step * np.round((size - low) / step))
    return np.where(known, rough, values)
