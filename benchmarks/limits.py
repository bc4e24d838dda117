"""How accurate could anyone be on the streams of `streams.py`, who knew how each of them was made?

The exact Bayes decision by the generator's own densities: the concept's, or where concepts overlap their mixture at
that time, and the places of moving centroids. Nothing has to be learnt, so this is the limit for every model. There is
none for Electricity, whose events were not generated.

    python benchmarks/limits.py [--events 100000] [--seeds 1,2,3] [--streams LED_a,RBF_m]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from statistics import fmean

import numpy as np
from numpy.typing import NDArray
from parts.generators import (
    CENTROIDS,
    LED_FEATURES,
    LED_SWAPPED,
    NOISE,
    RBF_FEATURES,
    SEA_CONCEPTS,
    SEA_THRESHOLDS,
    SEGMENTS,
    STREAMS,
    rng,
)

Floats = NDArray[np.float64]
Likelihood = Callable[[Floats, int], Floats]
"""P(y | x), or anything proportional to it in the same event [B, K], of events X [B, F] in a concept."""


def shares(events: int, width: float) -> Floats:
    """How probable each of the four concepts is at each event, [B, 4]: a later one takes the place of those before."""
    t, left = np.arange(events), np.ones(events)
    out = np.zeros((events, 4))
    for number in (3, 2, 1):
        begun = 1.0 / (1.0 + np.exp(np.clip(-4.0 * (t - events * number // 4) / width, -500.0, 500.0)))
        out[:, number], left = left * begun, left * (1.0 - begun)
    out[:, 0] = left
    return out


def in_turn(likelihood: Likelihood, X: Floats, width: float) -> Floats:
    """The probabilities [B, K], up to a factor, where four concepts follow one another."""
    parts = [likelihood(X, concept) for concept in range(4)]
    return np.einsum("bc,cbk->bk", shares(len(X), width), np.stack(parts))


def sea(X: Floats, concept: int) -> Floats:
    """Of the two classes; one label in ten is wrong."""
    above = X[:, 0] + X[:, 1] > SEA_THRESHOLDS[SEA_CONCEPTS[concept]]
    right = np.where(above, 1.0 - NOISE, NOISE)
    return np.stack([1.0 - right, right], axis=1)


def led(X: Floats, concept: int) -> Floats:
    """Of the ten digits, by the seven segments wherever they stand; the other bits are tossed coins."""
    places = np.arange(LED_FEATURES)
    swapped = np.arange(LED_SWAPPED[concept])
    places[swapped], places[swapped + 7] = swapped + 7, swapped
    seen = np.empty_like(X)
    seen[:, places] = X
    wrong = (seen[:, None, :7] != SEGMENTS[None]).sum(axis=2)
    return NOISE**wrong * (1.0 - NOISE) ** (7 - wrong)


def clouds(X: Floats, speed: float, classes: int, seed: int, gaussian: bool) -> Floats:
    """Of the classes of clouds that move, by the density of each cloud where it is now."""
    model = rng(seed, 20 if gaussian else 10)
    centre = model.random((CENTROIDS, RBF_FEATURES))
    labels = np.concatenate([np.arange(classes), model.integers(0, classes, CENTROIDS - classes)])
    deviation, share = model.random(CENTROIDS), model.random(CENTROIDS)
    way = model.normal(size=centre.shape) if gaussian else model.random(centre.shape)
    way *= speed / np.linalg.norm(way, axis=1, keepdims=True)
    logs = np.empty((len(X), CENTROIDS))
    for c in range(CENTROIDS):
        away = X - (1.0 - np.abs(1.0 - (centre[c] + way[c] * np.arange(len(X))[:, None]) % 2.0))
        squares = (away**2).sum(axis=1)
        if gaussian:
            scale = deviation[c] / np.sqrt(RBF_FEATURES)
            logs[:, c] = -squares / (2.0 * scale**2) - RBF_FEATURES * np.log(scale)
        else:
            # The radius is a normal variable, and the direction that of a point in a cube, whose density on the
            # sphere goes with the greatest coordinate to the power of -d: together |x|_inf^-d |x|.
            logs[:, c] = -squares / (2.0 * deviation[c] ** 2) - np.log(deviation[c])
            logs[:, c] += 0.5 * np.log(squares) - RBF_FEATURES * np.log(np.abs(away).max(axis=1))
        logs[:, c] += np.log(share[c])
    p = np.exp(logs - logs.max(axis=1, keepdims=True))
    return p @ (labels[:, None] == np.arange(classes)).astype(np.float64)


LIMITS: dict[str, Callable[[Floats, int], Floats]] = {
    "LED_a": lambda X, seed: in_turn(led, X, 50.0),
    "LED_g": lambda X, seed: in_turn(led, X, 0.05 * len(X)),
    "SEA_a": lambda X, seed: in_turn(sea, X, 50.0),
    "SEA_g": lambda X, seed: in_turn(sea, X, 0.05 * len(X)),
    "RBF_m": lambda X, seed: clouds(X, 1e-4, 5, seed, gaussian=False),
    "RBF_f": lambda X, seed: clouds(X, 1e-3, 5, seed, gaussian=False),
    "RBF2_m": lambda X, seed: clouds(X, 1e-4, 2, seed, gaussian=False),
    "RBF2_f": lambda X, seed: clouds(X, 1e-3, 2, seed, gaussian=False),
    "Gauss_f": lambda X, seed: clouds(X, 1e-3, 5, seed, gaussian=True),
}


def limit(name: str, events: int, seed: int) -> float:
    """The accuracy of the Bayes decision, in percent."""
    stream = STREAMS[name](events, seed)
    said = LIMITS[name](stream.X, seed).argmax(axis=1)
    return 100.0 * float((said == stream.y).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--streams", default=",".join(LIMITS))
    given = parser.parse_args()
    seeds = [int(seed) for seed in given.seeds.split(",")]
    print(f"the exact Bayes decision, accuracy in percent; {given.events:,} events, mean of the seeds {given.seeds}")
    for name in given.streams.split(","):
        found = [limit(name, given.events, seed) for seed in seeds]
        print(f"{name:12}{fmean(found):8.2f}   {' '.join(f'{one:.2f}' for one in found)}")


if __name__ == "__main__":
    main()
