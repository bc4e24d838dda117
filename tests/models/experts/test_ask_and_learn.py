"""A lagged pass gives what asking about events and learning others one after the other gives, bit for bit."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from tocsin.config.experts.base import ExpertSettings
from tocsin.config.experts.boosted import BoostedSettings
from tocsin.config.experts.forest import ForestSettings
from tocsin.config.experts.linear import LinearSettings
from tocsin.config.experts.linear_text import LinearTextSettings
from tocsin.config.experts.logistic import LogisticSettings, MovingAveragesSettings, SeasonalSettings, StackSettings
from tocsin.config.experts.moving_clusters import MovingClustersSettings
from tocsin.config.experts.naive_bayes import NaiveBayesSettings
from tocsin.config.experts.neighbours import NeighboursSettings
from tocsin.config.experts.persistence import PersistenceSettings
from tocsin.config.experts.rare_class import RareClassSettings
from tocsin.config.experts.river import RiverSettings
from tocsin.config.experts.rules import RulesSettings
from tocsin.config.experts.ss3 import SS3Settings
from tocsin.config.experts.tree import TreeSettings
from tocsin.config.inputs import InputsSettings
from tocsin.config.model import ModelSettings
from tocsin.config.schema import FeatureSettings
from tocsin.models.data.batch import Batch
from tocsin.models.experts import registry
from tocsin.models.experts.base import Expert
from tocsin.models.inputs.preparation import Preparation

from .fold_behaviour import bits

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
N, K, HISTORY = 420, 3, 3
NAMES = ("a", "b", "flat", "colour")
FEATURES = tuple(FeatureSettings(name=name, kind="category" if name == "colour" else "number") for name in NAMES)
WORDS = ("prize", "win", "home", "see", "you", "call", "now", "later")
SETTINGS: dict[str, ExpertSettings] = {
    "boosted": BoostedSettings(window=200, every=50, lag=10, trees=3),
    "forest": ForestSettings(trees=5, grace_period=20, history=2),
    "linear": LinearSettings(step=0.3),
    "linear that sees gaps": LinearSettings(step=0.01),
    "linear-text": LinearTextSettings(bits=10),
    "logistic": LogisticSettings(),
    "moving-averages": MovingAveragesSettings(),
    "moving-clusters": MovingClustersSettings(),
    "naive-bayes": NaiveBayesSettings(),
    "neighbours": NeighboursSettings(window=50, k=3),
    "persistence": PersistenceSettings(by="subject"),
    "rare-class": RareClassSettings(),
    "river": RiverSettings(name="river", parameters={"grace_period": 20}),
    "rules": RulesSettings(rules=[{"name": "high", "when": "a > 1", "class": "c1", "confidence": 0.7}]),
    "seasonal": SeasonalSettings(),
    "ss3": SS3Settings(),
    "stack": StackSettings(),
    "tree": TreeSettings(grace_period=20, history=2),
    "trees of one class against the rest": TreeSettings(grace_period=20, one_vs_rest=True),
}


def events() -> tuple[Batch, Ints]:
    """A season of 24, numbers and a category with values missing, texts, and labels by all of them; a rare class."""
    rng = np.random.default_rng(5)
    wave = np.sin(2.0 * np.pi * np.arange(N) / 24.0)
    X = np.column_stack([rng.normal(size=N) + 3.0 * wave, rng.normal(size=N), np.full(N, 7.0), rng.integers(0, 4, N)])
    y = (X[:, 0] + X[:, 1] > 0).astype(np.int64) + (X[:, 3] > 2)
    y[(y == 2) & (np.arange(N) % 4 > 0)] = 1  # the last class is rare
    X[rng.random(X.shape) < 0.05] = np.nan
    X[:, 1][(y == 1) & (rng.random(N) < 0.6)] = np.nan  # a gap that tells something
    texts = [" ".join(rng.choice(WORDS[label : label + 6], 4)) if i % 9 else None for i, label in enumerate(y)]
    history = np.column_stack([np.concatenate([np.full(back, -1), y[: N - back]]) for back in range(1, HISTORY + 1)])
    subject_label = np.where(rng.random(N) < 0.5, np.roll(y, 3), -1)
    return Batch.of(X, texts=texts, history=history, subject_label=subject_label), y


def new(settings: ExpertSettings) -> Expert:
    model = ModelSettings(
        features=FEATURES, classes=tuple(f"c{k}" for k in range(K)), text=settings.reads_text, experts=(settings,)
    )
    expert = registry.build_one(model, 0, NAMES, [False, False, False, True])
    expert.resize(len(NAMES), K)
    return expert


def prepared(batch: Batch, y: Ints) -> Batch:
    inputs = Preparation(InputsSettings())
    inputs.resize([False, False, False, True], K)
    return inputs.learn(batch, y, np.zeros(len(batch), np.int64))


def schedules() -> Iterator[tuple[str, Ints]]:
    """How many of N events are learnt before each of N is asked about."""
    place = np.arange(N)
    yield "at once", place
    yield "one late", np.maximum(place - 1, 0)
    yield "fifty late", np.maximum(place - 50, 0)
    yield "in heaps", place // 100 * 100
    yield "nothing before the end", np.zeros(N, np.int64)
    yield "all before the first", np.full(N, N)


def passes(expert: Expert, ahead: Ints, poll: int, by_hand: bool) -> Floats:
    """The answers to all events, learnt in pieces of `poll`; `by_hand` as the base class does it."""
    batch, y = events()
    batch, weight = prepared(batch, y), np.linspace(0.5, 2.0, N)
    answers = []
    for start in range(0, N, poll):
        stop = min(start + poll, N)
        last = stop == N
        rows = np.flatnonzero((ahead >= start) & ((ahead < stop) | last))
        asked, done = batch.take(rows), ahead[rows] - start
        ask = Expert.ask_and_learn if by_hand else type(expert).ask_and_learn
        answers.append(ask(expert, asked, done, batch.rows(start, stop), y[start:stop], weight[start:stop]))
    return np.concatenate(answers)


def test_every_kind_with_a_pass_of_its_own_is_here() -> None:
    own = {kind for kind in registry.KINDS if registry.expert_class(kind).ask_and_learn is not Expert.ask_and_learn}
    assert len(own) > 8
    assert own <= {settings.kind for settings in SETTINGS.values()}


@pytest.mark.parametrize("kind", SETTINGS)
@pytest.mark.parametrize("poll", [N, 70])
def test_a_lagged_pass_is_asking_and_learning_in_turn(kind: str, poll: int) -> None:
    for name, ahead in schedules():
        quick, plain = new(SETTINGS[kind]), new(SETTINGS[kind])
        own_pass = type(quick).ask_and_learn is not Expert.ask_and_learn
        if name != "fifty late" and (poll < N or not own_pass):
            continue  # one schedule tells whether pieces may be cut anywhere
        one = passes(quick, ahead, poll, by_hand=False)
        other = passes(plain, ahead, N, by_hand=True)
        assert one.tobytes() == other.tobytes(), name
        assert bits(quick) == bits(plain), name
        assert one.shape == (N, K)
        assert name == "nothing before the end" or one.any()
