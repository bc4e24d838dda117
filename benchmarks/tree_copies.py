"""What does it cost that copies of trees on a device follow what is learnt?

The trees of the default pool (two trees and a forest of 15) learn a stream that turns every 4,000 events, beside twins
that learn the same. The forms follow these trees, or their twins: so learning is timed with and without a form that
watches it, and all that else goes on between two batches, which empties a processor's caches, is the same. The best of
a few runs counts, in CPU seconds of this thread, for the machine may be shared.
"""

from __future__ import annotations

import argparse
from time import thread_time
from typing import Any, NamedTuple

import numpy as np

from tocsin.config.experts.forest import ForestSettings
from tocsin.config.experts.pool import DEFAULT_EXPERTS
from tocsin.config.experts.tree import TreeSettings
from tocsin.kernels.device.mirror import Mirror
from tocsin.kernels.device.place import place
from tocsin.models.data.batch import Batch
from tocsin.models.device.forms.form import Copies
from tocsin.models.device.forms.trees import ForestForm, TreeForm, TreesForm
from tocsin.models.experts.trees.forest import ForestExpert
from tocsin.models.experts.trees.tree import TreeExpert

RUNS = 3


class Cost(NamedTuple):
    """CPU seconds and bytes of one run."""

    learning: float
    following: float
    sending: float
    sent: int
    taken: int


def events(n: int, features: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, features))
    turn = np.where(np.arange(n) // 4_000 % 2 == 0, 1.0, -1.0)
    return X, (X[:, 0] * turn + X[:, 1] ** 2 > 0.8).astype(np.int64)


def pool(features: int) -> list[TreeExpert | ForestExpert]:
    experts: list[TreeExpert | ForestExpert] = []
    for settings in DEFAULT_EXPERTS:
        if isinstance(settings, TreeSettings):
            experts.append(TreeExpert(settings, [False] * features))
        elif isinstance(settings, ForestSettings):
            experts.append(ForestExpert(settings, [False] * features))
    for expert in experts:
        expert.resize(features, 2)
    return experts


def run(X: Any, y: Any, size: int, device: str, watched: bool) -> Cost:
    """Learn in batches of one size, and follow after each of them: what is timed, or its twins."""
    experts, twins = pool(X.shape[1]), pool(X.shape[1])
    mirror, forms = Mirror(place(device)), list[TreesForm]()
    for expert in experts if watched else twins:
        copies = Copies(mirror, f"{expert.name}/")
        forms.append(TreeForm(expert, copies) if isinstance(expert, TreeExpert) else ForestForm(expert, copies))
    times = np.zeros(4)
    for begin in range(0, len(X), size):
        batch, labels = Batch.of(X[begin : begin + size]), y[begin : begin + size]
        marks = [thread_time()]
        for expert in experts:
            expert.learn(batch, labels, np.ones(len(labels)))
        marks.append(thread_time())
        for expert in twins:
            expert.learn(batch, labels, np.ones(len(labels)))
        marks.append(thread_time())
        for form in forms:
            form.follow()
        marks.append(thread_time())
        mirror.send()
        times += np.diff([*marks, thread_time()])
    learning, _, following, sending = times
    return Cost(learning, following, sending, mirror.sent, sum(form.bytes_needed() for form in forms))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--features", type=int, default=8)
    parser.add_argument("--device", default="torch-cpu", help="torch-cpu, cuda or cuda:N")
    options = parser.parse_args()
    print((__doc__ or "").splitlines()[0])
    print(f"{options.events} events, {options.features} features, 2 classes, {options.device}; microseconds a batch\n")
    print("labels  learn  watched  ratio  follow  send  bytes a label  bytes of the copies")
    X, y = events(options.events, options.features)
    for size in (1, 10, 100):
        short = slice(0, 2_000 * size)
        run(X[:200], y[:200], size, options.device, True)  # compiles
        plain, watched = list[Cost](), list[Cost]()
        for _ in range(RUNS):
            plain.append(run(X[short], y[short], size, options.device, False))
            watched.append(run(X[short], y[short], size, options.device, True))
        labels = min(len(X), 2_000 * size)
        unit = 1e6 * size / labels
        learn, noted, follow, send = (
            min(getattr(cost, name) for cost in costs) * unit
            for costs, name in (
                (plain, "learning"),
                (watched, "learning"),
                (watched, "following"),
                (watched, "sending"),
            )
        )
        print(
            f"{size:6} {learn:6.0f} {noted:8.0f} {noted / learn:6.2f} {follow:7.0f} {send:5.0f} "
            f"{watched[0].sent / labels:14,.0f} {watched[0].taken:20,}"
        )


if __name__ == "__main__":
    main()
