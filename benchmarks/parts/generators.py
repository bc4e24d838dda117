"""Drifting streams with fixed definitions: the same events for every model, from a stream's name, a seed and a length.

SEA (Street and Kim 2001), LED (Breiman et al. 1984, with drift by swapped attributes as in MOA) and RandomRBF with
moving centroids (MOA's RandomRBFGeneratorDrift), as DriftMoE (arXiv 2507.18464) set them up, but for its fault of
replaying one seed in every concept: here every concept draws its own events.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Rng = np.random.Generator

ELECTRICITY = Path(__file__).parents[2] / "config" / "presets" / "data" / "electricity.csv.gz"
NOISE = 0.1


class Stream(NamedTuple):
    """Events in their order."""

    X: Floats
    """[B, F]"""
    y: Ints
    """[B], 0 .. classes - 1"""
    classes: int
    drifts: tuple[int, ...]
    """Where the concept changes (the middle of a gradual change); empty where it never rests."""


def rng(seed: int, *part: int) -> Rng:
    """A generator of its own for each part of each stream."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, *part])))


# ------------------------------------------------------------ SEA

SEA_THRESHOLDS = (8.0, 9.0, 7.0, 9.5)
SEA_CONCEPTS = (0, 1, 3, 0)


def sea(events: int, concept: int, draw: Rng) -> tuple[Floats, Ints]:
    """Three features in 0 .. 10, the third of no use; the first two add up to more than a threshold, or do not."""
    X = draw.uniform(0.0, 10.0, (events, 3))
    y = (X[:, 0] + X[:, 1] > SEA_THRESHOLDS[SEA_CONCEPTS[concept]]).astype(np.int64)
    return X, y ^ (draw.random(events) < NOISE)


# ------------------------------------------------------------ LED

SEGMENTS = np.array(
    [
        [1, 1, 1, 0, 1, 1, 1],
        [0, 0, 1, 0, 0, 1, 0],
        [1, 0, 1, 1, 1, 0, 1],
        [1, 0, 1, 1, 0, 1, 1],
        [0, 1, 1, 1, 0, 1, 0],
        [1, 1, 0, 1, 0, 1, 1],
        [1, 1, 0, 1, 1, 1, 1],
        [1, 0, 1, 0, 0, 1, 0],
        [1, 1, 1, 1, 1, 1, 1],
        [1, 1, 1, 1, 0, 1, 1],
    ]
)
LED_SWAPPED = (1, 3, 5, 7)
LED_FEATURES = 24


def led(events: int, concept: int, draw: Rng) -> tuple[Floats, Ints]:
    """A digit's seven segments, each inverted in one of ten, among 17 random bits; some segments change places."""
    y = draw.integers(0, 10, events)
    X = draw.integers(0, 2, (events, LED_FEATURES))
    X[:, :7] = SEGMENTS[y] ^ (draw.random((events, 7)) < NOISE)
    places = np.arange(LED_FEATURES)
    swapped = np.arange(LED_SWAPPED[concept])
    places[swapped], places[swapped + 7] = swapped + 7, swapped
    return X[:, places].astype(np.float64), y


# ------------------------------------------------------------ concepts that follow one another


def in_turn(concept: Callable[[int, int, Rng], tuple[Floats, Ints]], events: int, width: float, seed: int) -> Stream:
    """Four concepts; the change at each quarter is a sigmoid of a width in events."""
    at = tuple(events * quarter // 4 for quarter in (1, 2, 3))
    draw, t = rng(seed, 0), np.arange(events)
    which = np.zeros(events, np.int64)
    for number, position in enumerate(at, start=1):
        slope = np.clip(-4.0 * (t - position) / width, -500.0, 500.0)
        which[draw.random(events) < 1.0 / (1.0 + np.exp(slope))] = number
    parts = [concept(events, number, rng(seed, 1 + number)) for number in range(4)]
    X = np.stack([X for X, _ in parts])[which, t]
    y = np.stack([y for _, y in parts])[which, t]
    return Stream(X, y, int(y.max()) + 1, at)


# ------------------------------------------------------------ RandomRBF

CENTROIDS, RBF_FEATURES = 50, 10


def rbf(events: int, speed: float, classes: int, seed: int) -> Stream:
    """Balls around centroids which all move, each along its own line, and turn back at the walls of the unit cube."""
    model, sample = rng(seed, 10), rng(seed, 11)
    centre = model.random((CENTROIDS, RBF_FEATURES))
    labels = np.concatenate([np.arange(classes), model.integers(0, classes, CENTROIDS - classes)])
    deviation, share = model.random(CENTROIDS), model.random(CENTROIDS)
    way = model.random((CENTROIDS, RBF_FEATURES))
    way *= speed / np.linalg.norm(way, axis=1, keepdims=True)
    which = sample.choice(CENTROIDS, events, p=share / share.sum())
    # A walk between two walls is a straight one, folded.
    walked = centre[which] + way[which] * np.arange(events)[:, None]
    now = 1.0 - np.abs(1.0 - walked % 2.0)
    direction = sample.uniform(-1.0, 1.0, (events, RBF_FEATURES))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    X = now + direction * (sample.standard_normal(events) * deviation[which])[:, None]
    return Stream(X, labels[which], classes, ())


# ------------------------------------------------------------ Gaussians that move


def gaussians(events: int, speed: float, classes: int, seed: int) -> Stream:
    """As `rbf`, with clouds that are truly Gaussian. The radii of RandomRBF are a normal variable, and its directions
    those of a cube, to which a model could be fitted."""
    model, sample = rng(seed, 20), rng(seed, 21)
    centre = model.random((CENTROIDS, RBF_FEATURES))
    labels = np.concatenate([np.arange(classes), model.integers(0, classes, CENTROIDS - classes)])
    deviation, share = model.random(CENTROIDS), model.random(CENTROIDS)
    way = model.normal(size=(CENTROIDS, RBF_FEATURES))
    way *= speed / np.linalg.norm(way, axis=1, keepdims=True)
    which = sample.choice(CENTROIDS, events, p=share / share.sum())
    walked = centre[which] + way[which] * np.arange(events)[:, None]
    now = 1.0 - np.abs(1.0 - walked % 2.0)
    scale = deviation[which] / np.sqrt(RBF_FEATURES)
    X = now + sample.standard_normal((events, RBF_FEATURES)) * scale[:, None]
    return Stream(X, labels[which], classes, ())


# ------------------------------------------------------------ by name


def electricity(events: int, seed: int) -> Stream:
    """New South Wales prices, up or down (Harries 1999), 45,312 half hours; the seed makes no difference."""
    with gzip.open(ELECTRICITY, "rt") as file:
        rows = list(csv.reader(file))[1 : 1 + events]
    names = sorted({row[-1] for row in rows})
    X = np.array([row[:-1] for row in rows], np.float64)
    return Stream(X, np.array([names.index(row[-1]) for row in rows]), 2, ())


STREAMS: dict[str, Callable[[int, int], Stream]] = {
    "LED_a": lambda events, seed: in_turn(led, events, 50.0, seed),
    "LED_g": lambda events, seed: in_turn(led, events, 0.05 * events, seed),
    "SEA_a": lambda events, seed: in_turn(sea, events, 50.0, seed),
    "SEA_g": lambda events, seed: in_turn(sea, events, 0.05 * events, seed),
    "RBF_m": lambda events, seed: rbf(events, 1e-4, 5, seed),
    "RBF_f": lambda events, seed: rbf(events, 1e-3, 5, seed),
    "Electricity": electricity,
    "RBF2_m": lambda events, seed: rbf(events, 1e-4, 2, seed),
    "RBF2_f": lambda events, seed: rbf(events, 1e-3, 2, seed),
    "Gauss_f": lambda events, seed: gaussians(events, 1e-3, 5, seed),
}
"""RBF2: two classes, as published. Absent, for they can be had from no package index: Airlines and CovType."""
