"""What does a label cost on its way to a device, by kind of expert, and what do all copies take there?

A model with the default pool, naive Bayes and the stack learns a stream of two classes, of which `--share` are the
second one. Then labels come one by one, and after each the forms follow. The device is the CPU as PyTorch sees it: what
is counted are the bytes that would travel, and the time that comparing and packing takes.

    python benchmarks/device_labels.py [--features 50] [--categories 0] [--share 0.5] [--labels 200]

Prints for each expert: the bytes that its copies take, the bytes a label sends in the middle and at the most, and the
microseconds for which the form follows a label, and looks at an expert that has not changed.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from tocsin.config.experts.logistic import StackSettings
from tocsin.config.experts.naive_bayes import NaiveBayesSettings
from tocsin.config.experts.pool import tabular_experts
from tocsin.config.experts.rare_class import RareClassSettings
from tocsin.config.model import ModelSettings
from tocsin.config.schema import FeatureSettings
from tocsin.kernels.device.mirror import Mirror
from tocsin.kernels.device.place import place
from tocsin.models.classifier import Classifier
from tocsin.models.data.batch import Batch
from tocsin.models.data.features import category_code
from tocsin.models.device.forms.form import Copies, form_of
from tocsin.models.device.forms.novelty import NoveltyDistances

WARM = 5_000
"""Labels that are learnt before anything is counted."""
SEASON = 24
"""Events after which one feature comes again, so that the seasonal expert has something to say."""


class Follower(NamedTuple):
    """A form, whatever it is of."""

    name: str
    follow: Callable[[], None]
    mirror: Mirror
    bytes_needed: Callable[[], int]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--features", type=int, default=50)
    parser.add_argument("--categories", type=int, default=0, help="how many of the features are categories")
    parser.add_argument("--share", type=float, default=0.5, help="of labels of the second class; rare below 0.05")
    parser.add_argument("--labels", type=int, default=200)
    options = parser.parse_args()
    model = learnt(options.features, options.categories, options.share)
    followers = followers_of(model)
    stream = np.random.default_rng(1)
    for follower in followers:
        follower.follow()
        follower.mirror.send()
    sent: dict[str, list[int]] = {follower.name: [] for follower in followers}
    followed: dict[str, list[float]] = {follower.name: [] for follower in followers}
    idle: dict[str, list[float]] = {follower.name: [] for follower in followers}
    for _ in range(options.labels):
        learn(model, stream, 1, options)
        for follower in followers:
            followed[follower.name].append(timed(follower.follow))
            sent[follower.name].append(follower.mirror.send())
            idle[follower.name].append(timed(follower.follow))
    print(f"{'expert':18} {'bytes there':>12} {'bytes a label':>14} {'most':>9} {'us a label':>11} {'us idle':>8}")
    for name, _, _, bytes_needed in followers:
        middle, most = np.median(sent[name]), max(sent[name])
        times = np.median(followed[name]) * 1e6, np.median(idle[name]) * 1e6
        print(f"{name:18} {bytes_needed():12,} {middle:14,.0f} {most:9,} {times[0]:11.0f} {times[1]:8.0f}")
    total = sum(np.array(sizes) for sizes in sent.values())
    print(f"{'all':18} {sum(f.bytes_needed() for f in followers):12,} {np.median(total):14,.0f} {total.max():9,}")


def learnt(features: int, categories: int, share: float) -> Classifier:
    """The model after `WARM` labels."""
    names = [FeatureSettings(name=str(f), kind="category" if f < categories else "number") for f in range(features)]
    experts = (
        *tabular_experts(features),
        NaiveBayesSettings(name="naive-bayes"),
        StackSettings(name="stack", traits=False),
        RareClassSettings(),
    )
    model = Classifier(ModelSettings(features=tuple(names), classes=("0", "1"), experts=experts))
    options = argparse.Namespace(features=features, categories=categories, share=share)
    learn(model, np.random.default_rng(0), WARM, options)
    return model


def learn(model: Classifier, rng: np.random.Generator, n: int, options: argparse.Namespace) -> None:
    """n labels come with their events."""
    y = (rng.random(n) < options.share).astype(np.int64)
    X = rng.normal(size=(n, options.features))
    X[:, : min(8, options.features)] += y[:, None]
    X[:, -1] += 3.0 * np.sin((model.learnt + np.arange(n)) * 2 * np.pi / SEASON)
    codes = np.array([category_code(str(code)) for code in range(20)], np.float64)
    X[:, : options.categories] = codes[rng.integers(0, 20, (n, options.categories))]
    model.learn_at_once(Batch.of(X), y, np.ones(n))


def followers_of(model: Classifier) -> list[Follower]:
    """The forms of all experts that have one, and that of novelty, each with a mirror of its own."""
    found = []
    for settings, expert in zip(model.settings.experts, model.experts, strict=True):
        mirror = Mirror(place("torch-cpu"))
        form = form_of(settings.kind, expert, Copies(mirror, ""))
        if form is not None:
            found.append(Follower(expert.name, form.follow, mirror, form.bytes_needed))
    mirror = Mirror(place("torch-cpu"))
    distances = NoveltyDistances(model.mixture.judge.novelty, Copies(mirror, ""))
    return [*found, Follower("novelty", distances.follow, mirror, distances.bytes_needed)]


def timed(call: Callable[[], None]) -> float:
    """Seconds."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
