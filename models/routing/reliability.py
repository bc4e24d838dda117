"""The router of reliabilities learnt through the fused decision: what `tocsin.kernels.routing.reliability` does, as a
model."""

from __future__ import annotations

import math
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from tocsin.config.fusion import FusionSettings
from tocsin.config.model import ModelSettings
from tocsin.config.routing import ReliabilitySettings
from tocsin.kernels.fusion.log_domain import CODES
from tocsin.kernels.hoeffding.forest import adwin
from tocsin.kernels.lagged import routing as lagged
from tocsin.kernels.lagged import turns
from tocsin.kernels.routing import reliability as kernel
from tocsin.kernels.routing.inverse_temperature import LOG
from tocsin.kernels.routing.inverse_temperature import STATE as STATE_OF_INVERSE_TEMPERATURE
from tocsin.kernels.routing.reliability_state import RouterOutput
from tocsin.models.data.batch import Bools, Floats, Ints
from tocsin.models.data.snapshot import with_prefix, without_prefix
from tocsin.models.experts.base import Arrays
from tocsin.models.routing.base import Lessons, Questions

SQUARES_MEMORY = 0.999
SCALER_MEMORY = 10_000.0
CALM = 0.995
START = -1.0
"""The first logit of every expert: a reliability of a quarter, since experts repeat one another."""
MINIMUM = 1e-6
"""Less than any expert is ever trusted."""
LABELS_MEMORY = 10_000.0
"""Labels over which the shares of classes are taken."""
MOST_RARE = 10.0
"""No label counts more than so many times."""
STATE = (
    "weights",
    "squares",
    "gradient",
    "rows",
    "mean",
    "square",
    "skill",
    "answers",
    "load",
    "counters",
    "inverse_temperature",
)


class ReliabilityRouter:
    """Reliabilities [B, E] from inputs and evidence, learnt from the evidence seen at each event's own time."""

    def __init__(
        self, settings: ReliabilitySettings, experts: int, features: int, seed: int, fusion: FusionSettings
    ) -> None:
        self._settings = settings
        self._seed = seed
        self._sizes = kernel.Sizes(features, experts, settings.hidden)
        self._router = kernel.new(self._sizes, seed, START, settings.boost)
        self._rates = kernel.Rates(
            step=settings.step,
            every=float(settings.every),
            memory=SQUARES_MEMORY,
            fade=settings.fading_factor,
            scaler_memory=SCALER_MEMORY,
            balance=settings.balance,
            window=float(settings.window),
            boost=settings.boost,
            calm=CALM,
            prior=fusion.prior or 0.0,
            rule=CODES[fusion.rule],
            sharpen=settings.inverse_temperature_step,
            some_asked=settings.engage < 1.0,
        )

        self._labels = np.zeros(0)
        """Labels of each class, faded; one of each to begin with."""

    @classmethod
    def from_settings(cls, settings: ModelSettings, experts: int, features: int) -> ReliabilityRouter:
        """The router of a model with E experts and F features."""
        router = settings.router
        assert isinstance(router, ReliabilitySettings)
        return cls(router, experts, features, settings.seed, settings.fusion)

    @property
    def count(self) -> int:
        """Feedback records learnt."""
        return int(self._router.counters[kernel.RECORDS])

    @property
    def skill(self) -> Floats:
        """Prequential accuracy of each expert, [E], over the events on which it gave evidence."""
        return self._router.skill

    @property
    def answers(self) -> Floats:
        """How many answers `skill` rests on, [E]."""
        return self._router.answers

    @property
    def load(self) -> Floats:
        """Each expert's mean part in the decisions of the last whole window, [E]; zeros before there was one."""
        return cast(Floats, self._router.load[1])

    @property
    def drifts(self) -> int:
        """How often the error of the fused decision rose, by ADWIN."""
        return int(self._router.counters[kernel.DRIFTS])

    @property
    def inverse_temperature(self) -> float:
        """The power of BetP that decisions are made by, see `tocsin.kernels.routing.inverse_temperature`."""
        return math.exp(self._router.inverse_temperature[LOG])

    @property
    def state(self) -> kernel.Router:
        """Its arrays, which learning changes in place."""
        return self._router

    @property
    def hidden(self) -> int:
        """Hidden units."""
        return self._settings.hidden

    @property
    def top_p(self) -> float:
        """See `tocsin.config.routing.ReliabilitySettings.top_p`."""
        return self._settings.top_p

    def resize(self, features: int) -> None:
        """Make room for more columns. A column counts as being at its mean until it is known, so answers do not
        change."""
        self._router = kernel.widened(self._router, self._sizes, features, self._seed)
        self._sizes = self._sizes._replace(features=max(features, self._sizes.features))

    def forget(self, expert: int) -> None:
        """See `Router`: the outer weights, the accuracy and the load of the expert are those of a new one."""
        for flat in (self._router.weights, self._router.gradient):
            *_, outer, bias = kernel.unpacked(flat, *self._sizes)
            outer[:, expert] = bias[expert] = 0.0
        # With squared gradients of 0 the first step would be some thirty times too long: take the mean of the others.
        *_, outer, bias = kernel.unpacked(self._router.squares, *self._sizes)
        others = [o for o in range(self._sizes.experts) if o != expert] or [self._sizes.experts]
        outer[:, expert], bias[expert] = outer[:, others].mean(axis=1), bias[others].mean()
        kernel.unpacked(self._router.weights, *self._sizes)[3][expert] = START
        self._router.skill[expert], self._router.answers[expert] = 0.5, 0.0
        self._router.load[:, expert] = 0.0

    def inherit(self, stays: int, trust: tuple[float, float]) -> None:
        """See `Router`: two agreeing experts of reliability rho and rho' leave the uncertainty (1 - rho) (1 - rho')."""
        own, other = (min(max(rho, MINIMUM), kernel.MAX_RELIABILITY) for rho in trust)
        both = min(1.0 - (1.0 - own) * (1.0 - other), kernel.MAX_RELIABILITY)
        gain = math.log(both / (1.0 - both)) - math.log(own / (1.0 - own))
        kernel.unpacked(self._router.weights, *self._sizes)[3][stays] += gain

    def reliability(self, X: Floats, evidence: Floats) -> Floats:
        """[B, E], at most 0.999; X [B, F], evidence [B, E, K]."""
        out = np.empty(evidence.shape[:2])
        kernel.reliability_rows(self._router, _row_major(X), _row_major(evidence), self._sizes.hidden, out)
        return out

    def engaged(self, reliability: Floats, evidence: Floats, prior: float) -> Bools:
        """Top-p engagement: the fewest experts that hold the share `top_p` of what all can add to log P.

        No expert is engaged where none has anything to add: the null slot has taken all trust, or all evidence is
        vacuous.
        """
        if self._settings.top_p >= 1.0:
            return np.ones(reliability.shape, np.bool_)
        total = evidence.sum(axis=2) + prior
        gain = np.log1p(reliability * evidence.max(axis=2) / (total - reliability * (total - prior)))
        order = np.argsort(-gain, axis=1, kind="stable")
        ranked = np.take_along_axis(gain, order, axis=1)
        before = ranked.cumsum(axis=1) - ranked
        result: Bools = np.empty(gain.shape, np.bool_)
        np.put_along_axis(result, order, before < self._settings.top_p * ranked.sum(axis=1, keepdims=True), axis=1)
        return result

    def learn(self, X: Floats, evidence: Floats, y: Ints, weight: Floats, delay: Ints) -> RouterOutput:
        """Learn B feedback records in order: X [B, F], the evidence [B, E, K] seen at each event's time, y, weight [B].

        `delay` [B] is how many records were learnt between an event's decision and its label: steps shrink with it.
        """
        records = self._records(X, evidence, y, weight, delay)
        before = RouterOutput(np.empty(evidence.shape[:2]), np.empty(len(evidence)))
        kernel.learn_rows(self._router, records, self._sizes.hidden, self._rates, before)
        return before

    def ask_and_learn(self, questions: Questions, lessons: Lessons) -> tuple[RouterOutput, RouterOutput]:
        """`reliability` and `inverse_temperature` for n events, in turns with `learn` for m others; returns what both
        give."""
        records = self._records(*lessons)
        evidence = _row_major(questions.answers)
        said = RouterOutput(np.empty(evidence.shape[:2]), np.empty(len(evidence)))
        before = RouterOutput(np.empty(records.evidence.shape[:2]), np.empty(len(records.y)))
        asked = turns.asked(questions.X, questions.ahead)
        lagged.ask_and_learn(self._router, records, self._settings.hidden, self._rates, before, asked, evidence, said)
        temperatures = [math.exp(log) for log in said.inverse_temperature.tolist()]
        return said._replace(inverse_temperature=np.array(temperatures)), before

    def _records(self, X: Floats, evidence: Floats, y: Ints, weight: Floats, delay: Ints) -> kernel.Records:
        """Feedback records as the kernels take them."""
        return kernel.Records(
            _row_major(X),
            _row_major(evidence),
            np.ascontiguousarray(y, np.int64),
            np.ascontiguousarray(self._weighed(y, weight, evidence.shape[2]), np.float64),
            np.ascontiguousarray(delay, np.int64),
        )

    def _weighed(self, y: Ints, weight: Floats, classes: int) -> Floats:
        """The weights [B] of labels in order, with those of rare classes raised as `rare_class_power` says."""
        if not self._settings.rare_class_power:
            return weight
        self._labels = np.pad(self._labels, (0, max(classes - len(self._labels), 0)), constant_values=1.0)
        result = weight.copy()
        for i, k in enumerate(y.tolist()):
            self._labels *= 1.0 - 1.0 / LABELS_MEMORY
            self._labels[k] += 1.0
            mean = self._labels.sum() / len(self._labels)
            result[i] *= min((mean / self._labels[k]) ** self._settings.rare_class_power, MOST_RARE)
        return result

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """See `Expert`."""
        state: dict[str, NDArray[Any]] = {name: getattr(self._router, name).copy() for name in STATE}
        state["labels"] = self._labels.copy()
        return state | with_prefix("drift.", adwin.state_dict(self._router.drift))

    def load_state_dict(self, arrays: Arrays) -> None:
        """See `Expert`. Raises KeyError or ValueError where arrays do not fit."""
        state = {name: np.array(arrays[name], np.float64) for name in STATE}
        drift = adwin.load_state_dict(without_prefix("drift.", arrays))
        sizes = self._sizes._replace(features=len(state["mean"]))
        if state["weights"].shape != (sizes.weights,) or state["load"].shape != (2, sizes.experts):
            raise ValueError(f"weights {state['weights'].shape} are not those of {sizes}")
        if state["inverse_temperature"].shape != (STATE_OF_INVERSE_TEMPERATURE,):
            raise ValueError(
                f"inverse_temperature {state['inverse_temperature'].shape} is not ({STATE_OF_INVERSE_TEMPERATURE},)"
            )
        if state["counters"].shape != (kernel.COUNTERS,):
            raise ValueError(f"counters {state['counters'].shape} are not ({kernel.COUNTERS},)")
        self._labels = np.array(arrays["labels"], np.float64)
        self._router = kernel.Router(drift=drift, **state)
        self._sizes = sizes


def _row_major(values: Floats) -> Floats:
    return np.ascontiguousarray(values, np.float64)
