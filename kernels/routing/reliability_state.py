"""The state of the reliability router: its network, its rates and its counters."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.fusion.log_domain import DEMPSTER
from tocsin.kernels.hoeffding.forest import adwin
from tocsin.kernels.routing.inverse_temperature import STATE

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MAX_RELIABILITY = 0.999
CLIP = 5.0
"""Standardised inputs are clipped at so many standard deviations."""
LOGIT = 6.0
"""Logits end here, whichever way: an expert at the bottom still gets gradient towards the top, so none starves."""
LEAK = 0.05
"""The slope of a hidden unit below 0, so that none is dead for good after a drift."""

DRIFT_DELTA = 0.002
"""ADWIN's confidence that the fused decision has not become worse."""

RECORDS, PENDING, STEPS, SPEED, IN_WINDOW, DELAYS, DRIFTS = range(7)
"""What `Router.counters` holds: records learnt, gradients since the last step, steps taken, by how much steps are
faster than usual (it fades), records in the current window of the load, the sum of the delays of the labels since the
last step, and how often the fused decision has become worse."""
COUNTERS = 7

FULL_STEP_DELAY = 100.0
"""Up to so many records of delay steps are whole; beyond it they shrink as its inverse. A gradient that is D records
old answers to weights D steps ago: the product of step and delay is what keeps such a loop stable."""


class Sizes(NamedTuple):
    """F features, E experts, H hidden units."""

    features: int
    experts: int
    hidden: int

    @property
    def inputs(self) -> int:
        """D: for each expert its record, its confidence and its support of the pool's favourite; the features."""
        return 3 * self.experts + self.features

    @property
    def weights(self) -> int:
        """Length of the flat weights: inner [D, H], its bias [H], outer [H, E + 1], its bias [E + 1]."""
        return self.inputs * self.hidden + self.hidden + (self.hidden + 1) * (self.experts + 1)


class Router(NamedTuple):
    """The state of one router, changed in place. All float64."""

    weights: Floats
    """Flat, see `Sizes.weights`. The last of the E + 1 outputs is the null slot: the trust that goes to nobody."""
    squares: Floats
    """The running means of squared gradients, as `weights`."""
    gradient: Floats
    """The sum of the gradients since the last step, as `weights`."""
    rows: Floats
    """[F], [F], [F]: rows, mean and variance of every feature, see `tocsin.models.data.features.Standardiser`."""
    mean: Floats
    square: Floats
    skill: Floats
    """[E], faded prequential accuracy of the answers each expert gave."""
    answers: Floats
    """[E], how many answers `skill` rests on."""
    load: Floats
    """[2, E]: each expert's part in the decisions of the current window so far (a sum), and in the last (a mean)."""
    counters: Floats
    """[COUNTERS]"""
    inverse_temperature: Floats
    """See `tocsin.kernels.routing.inverse_temperature`."""
    drift: adwin.Windows
    """WINDOW [1], on the error of the fused decision."""


class Rates(NamedTuple):
    """How fast a router learns and forgets."""

    step: float
    every: float
    """A step each so many records, counted from the first."""
    memory: float
    """How much of the mean squared gradient a step keeps."""
    fade: float
    """How much of an expert's record an answer keeps."""
    scaler_memory: float
    balance: float
    """Weight of the load balance beside the loss."""
    window: float
    """Records over which the load is taken."""
    boost: float
    """By how much steps are faster at the start and after a drift."""
    calm: float
    """How much of that is left after each record."""
    prior: float
    """The prior weight s of an opinion; 0 stands for K."""
    rule: int = DEMPSTER
    """The rule of fusion that is learnt through, by its code in `tocsin.kernels.fusion.log_domain`."""
    sharpen: float = 0.0
    """The step of the decision's inverse_temperature, one each record; at 0 it stays 1."""
    some_asked: bool = False
    """Whether some experts are asked about some events only. The load balance then covers the trust that goes to
    nobody, and leaves those as they are that said nothing of an event."""


class Records(NamedTuple):
    """B feedback records, in the order in which they are learnt."""

    X: Floats
    """[B, F]"""
    evidence: Floats
    """[B, E, K], each expert's evidence at the event's own time."""
    y: Ints
    """[B], classes."""
    weight: Floats
    """[B]"""
    delay: Ints
    """[B], how many records were learnt between the event's decision and its label."""


class RouterOutput(NamedTuple):
    """What the router answered just before each of B records was learnt."""

    reliability: Floats
    """[B, E]"""
    inverse_temperature: Floats
    """[B]"""


def new(sizes: Sizes, seed: int, start: float, boost: float) -> Router:
    """A router that has learnt nothing: every expert's reliability is that of the logit `start`, whatever the event.

    The inner weights come from a counter-based generator, so they are the same everywhere; the outer ones are 0.
    """
    F, E, H = sizes
    narrow = Sizes(0, E, H)
    weights = np.zeros(narrow.weights)
    draws = np.random.Generator(np.random.Philox(seed)).uniform(-1.0, 1.0, (3 * E, H))
    weights[: 3 * E * H] = (draws / math.sqrt(3 * E)).ravel()
    counters = np.zeros(COUNTERS)
    counters[SPEED] = boost
    router = Router(
        weights=weights,
        squares=np.zeros(narrow.weights),
        gradient=np.zeros(narrow.weights),
        rows=np.zeros(0),
        mean=np.zeros(0),
        square=np.zeros(0),
        skill=np.full(E, 0.5),
        answers=np.zeros(E),
        load=np.zeros((2, E)),
        counters=counters,
        inverse_temperature=np.zeros(STATE),
        drift=adwin.new_windows(1),
    )
    bias = 3 * E * H + H + H * (E + 1)
    router.weights[bias : bias + E] = start
    router.weights[bias + E] = -LOGIT / 2.0
    return widened(router, narrow, F, seed)


def widened(router: Router, sizes: Sizes, features: int, seed: int) -> Router:
    """The router with room for more features. A feature's first weights depend on its number and the seed alone."""
    more = features - sizes.features
    if more <= 0:
        return router
    at = sizes.inputs * sizes.hidden
    scale = 1.0 / math.sqrt(3 * sizes.experts + 10.0)
    fresh = [
        np.random.Generator(np.random.Philox(key=[seed, 1 + f])).uniform(-scale, scale, sizes.hidden)
        for f in range(sizes.features, features)
    ]
    empty = np.zeros(more * sizes.hidden)
    # The running squares of the other inputs: from 0 the first steps would be some thirty times the usual ones.
    squares = np.tile(router.squares[:at].reshape(sizes.inputs, sizes.hidden).mean(axis=0), more)
    return router._replace(
        weights=np.insert(router.weights, at, np.concatenate(fresh)),
        squares=np.insert(router.squares, at, squares),
        gradient=np.insert(router.gradient, at, empty),
        rows=np.concatenate([router.rows, np.zeros(more)]),
        mean=np.concatenate([router.mean, np.zeros(more)]),
        square=np.concatenate([router.square, np.zeros(more)]),
    )


# ------------------------------------------------------------ one event


def unpacked(weights: Floats, F: int, E: int, H: int) -> tuple[Any, Any, Any, Any]:
    """Views of flat weights: inner [D, H], its bias [H], outer [H, E + 1], its bias [E + 1]."""
    D = 3 * E + F
    inner, bias, outer, outer_bias = np.split(weights, np.cumsum([D * H, H, H * (E + 1)]))
    return inner.reshape(D, H), bias, outer.reshape(H, E + 1), outer_bias
