"""The arrays of rare classes, and which class is rare."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.compiled import kernel

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

VIEWS = 2
"""Numbers are seen as they are, and as sign(x) log(1 + |x|)."""
LATEST = 30
"""Examples of a class that are remembered one by one."""
LINEAR = (2, 4, 7, 10, 15, 30, 0)
QUADRATIC = (7, 15, 30, 0)
"""How many of the latest examples a discriminant is of; 0 for all, of which old ones fade."""
HEADS = VIEWS * (len(LINEAR) + len(QUADRATIC))
"""The discriminants of one class: those of the first view come first, the linear ones first of them."""
KEPT = (0.95, 0.998)
"""What the losses of voters keep at each label of the class, by memory: some 20 and 500 labels."""
BLENDS = ((0, 2.0), (0, 1.0), (0, 0.3), (0, 0.1), (1, 0.01))
"""The blends of voters: by which memory of their losses, and how sharply they are told apart."""
KEPT_BLENDS = 0.98
"""What the losses of blends keep."""
SCALE_VARIANCE = 0.0005
"""Prior variance of the slope and the shift of the vote."""
FAMILIES = (0.7, 0.1, 0.1, 0.1)
"""What each family of discriminants weighs at first, in their order: the simplest one the most."""
BLOCK = 50
"""Which class is rare is judged once in so many labels, counted from the first."""
FADE = 0.9975
"""What counts of labels keep at each block: some 20,000 labels are remembered."""
FEWEST = 200.0
"""Labels, old ones fading, before a class may be rare."""
EVEN = 0.25
"""A rare class has less than this part of an even share, 1 / K, too."""


class Shares(NamedTuple):
    """How frequent each of K classes is."""

    counts: Floats
    """[K], labels by the end of the last block, of which old ones fade."""
    now: Floats
    """[K], labels since."""
    rare: Bools
    """[K], whether the class was rare at the end of the last block."""
    seen: Ints
    """[1], labels learnt."""


class Common(NamedTuple):
    """The moments of all labelled events in D inputs, whatever their class."""

    rows: Floats
    """[1], events learnt, up to the memory."""
    mean: Floats
    """[VIEWS, D]"""
    covariance: Floats
    """[VIEWS, D, D]"""
    factor: Floats
    """[VIEWS, D, D], the lower Cholesky factor of the covariance at the end of the last block."""
    log_det: Floats
    """[VIEWS], the logarithm of its determinant."""


class Examples(NamedTuple):
    """The latest labelled events of each class, as offsets from the common mean of their time."""

    latest: Floats
    """[K, VIEWS, LATEST, D], rings."""
    seen: Ints
    """[K], examples so far."""
    weight: Floats
    """[K], of all examples, of which old ones fade."""
    mean: Floats
    """[K, VIEWS, D], of all of them."""
    scatter: Floats
    """[K, VIEWS, D, D], their weighted deviations from the mean, multiplied and summed."""


class Heads(NamedTuple):
    """The discriminants of each class."""

    slope: Floats
    """[K, VIEWS, linear, D]"""
    offset: Floats
    """[K, VIEWS, linear]"""
    centre: Floats
    """[K, VIEWS, quadratic, D]"""
    factor: Floats
    """[K, VIEWS, quadratic, D, D], lower Cholesky factors of their covariances."""
    log_det: Floats
    """[K, VIEWS, quadratic]"""
    log_weight: Floats
    """[K, HEADS]"""


class Vote(NamedTuple):
    """How far each voter is trusted about each class: E experts, and the Gaussians as the last one."""

    loss: Floats
    """[K, memories, E + 1]"""
    blend_loss: Floats
    """[K, blends]"""
    scale: Floats
    """[K, 2], the slope and the shift of the calibrated log odds."""
    spread: Floats
    """[K, 2, 2], their covariance."""
    fit: Floats
    """[2], the pseudo-counts that an answer is worth, and the labels that they were fitted to."""


class Model(NamedTuple):
    """The whole state, changed in place."""

    shares: Shares
    common: Common
    examples: Examples
    heads: Heads
    vote: Vote


class Rates(NamedTuple):
    """How it learns."""

    share: float
    """A class is rare below this share of the labels."""
    memory: float
    """Events after which older ones fade in the common moments."""
    eta: float
    """How fast the weights of voters and blends follow their losses: what each blend's own sharpness is times."""
    most: float
    """The bound on the pseudo-counts that an answer is worth."""


def first_weights() -> Floats:
    """The logarithm of what each discriminant weighs at first, [HEADS]."""
    sizes = np.array([len(LINEAR), len(QUADRATIC)] * VIEWS)
    weights: Floats = np.log(np.repeat(np.array(FAMILIES) / sizes, sizes))
    return weights


def new(inputs: int, classes: int, experts: int) -> Model:
    """Nothing is known yet."""
    D, K, V, L, Q = inputs, classes, VIEWS, len(LINEAR), len(QUADRATIC)
    voters = experts + 1
    spread = np.tile(np.diag([SCALE_VARIANCE] * 2), (K, 1, 1))
    return Model(
        Shares(np.zeros(K), np.zeros(K), np.zeros(K, np.bool_), np.zeros(1, np.int64)),
        Common(np.zeros(1), np.zeros((V, D)), np.zeros((V, D, D)), np.zeros((V, D, D)), np.zeros(V)),
        Examples(
            np.zeros((K, V, LATEST, D)),
            np.zeros(K, np.int64),
            np.zeros(K),
            np.zeros((K, V, D)),
            np.zeros((K, V, D, D)),
        ),
        Heads(
            np.zeros((K, V, L, D)),
            np.zeros((K, V, L)),
            np.zeros((K, V, Q, D)),
            np.zeros((K, V, Q, D, D)),
            np.zeros((K, V, Q)),
            np.tile(first_weights(), (K, 1)),
        ),
        Vote(
            np.zeros((K, len(KEPT), voters)),
            np.zeros((K, len(BLENDS))),
            np.tile([1.0, 0.0], (K, 1)),
            spread,
            np.array([1.0, 0.0]),
        ),
    )


@kernel
def count_label(shares: Shares, y: int, most: float) -> bool:
    """Count one label y; whether a block ends with it. A class is rare below the share `most`."""
    shares.now[y] += 1.0
    shares.seen[0] += 1
    if shares.seen[0] % BLOCK != 0:
        return False
    K = len(shares.counts)
    for k in range(K):
        shares.counts[k] = FADE * shares.counts[k] + shares.now[k]
        shares.now[k] = 0.0
    total = shares.counts.sum()
    bound = min(most, EVEN / K) * total
    for k in range(K):
        shares.rare[k] = K >= 2 and total >= FEWEST and shares.counts[k] < bound
    return True


@kernel
def prior_odds(shares: Shares, k: int) -> float:
    """The log odds of class k."""
    found = shares.counts[k] + 0.5
    return float(np.log(found / (shares.counts.sum() - shares.counts[k] + 0.5)))


@kernel
def count_labels(shares: Shares, y: Ints, most: float, before: Bools) -> None:
    """Count B labels y, in order; `before` [B + 1, K] is which classes were rare before each, and after all."""
    for i in range(len(y)):
        before[i] = shares.rare
        count_label(shares, y[i], most)
    before[len(y)] = shares.rare
