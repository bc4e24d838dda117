"""Label-free prior shift: decisions follow how frequent classes have become before labels tell.

What is *usual* is what the model said of the latest labelled events, before their labels came: if no more than the
frequencies of classes has moved since, the difference to what it says now is the shift, and a class is as much likelier
as it is more frequent. Where the classes themselves have moved, that inference is wrong; so late labels also judge it,
event by event, against what would have been said without it, and it has a say as far as they bear it out.

Sources: the idea of test-agnostic recognition by what models say of unlabelled data, Zhang et al. 2022 (SADE); Saerens
et al. 2002 (see `tocsin.kernels.decision.prior_shift`); Alexandari et al. 2020 for priors taken from a model's own
means; the trust is Bayes' rule for two forecasters with forgetting (Herbster & Warmuth 1998).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.config.prior_shift import PriorShiftSettings
from tocsin.kernels.decision.prior_shift import LEAST, follow
from tocsin.models.data.batch import Floats, Ints
from tocsin.models.data.feedback import Contexts
from tocsin.models.decision.streams import Streams

ENOUGH = 500
"""Fewer labelled events do not tell what is usual; or the whole window, if that is less."""
RAREST = 1e-4
"""No class is rarer than this by what is usual: one that was never said could not come back."""
TRUST = 3.0
"""The log odds of the followed priors against the usual ones before any label tells: 0.95."""
SWAY, FIRMEST = 0.3, 12.0
"""The most that one label moves these odds by, and how far they go."""


class Followed(NamedTuple):
    """Probabilities that follow the class priors of late."""

    betp: Floats
    """[B, K]"""
    ratio: Floats | None = None
    """[B, K], how much more frequent than usual each class is by now; None where priors are not followed."""
    states: Mapping[int, bytes] = {}
    """By stream, the state of its `RecentPriors` after these events, for `Streams` of the next batch."""


class PriorShift:
    """What is usual, and how far priors that are followed can be trusted: a fold over the feedback.

    >>> shift = PriorShift(PriorShiftSettings(window=100))
    >>> shift.resize(2)
    >>> for _ in range(100):
    ...     shift.learn(np.array([0.7, 0.3]), None, 0, 2_000)
    >>> shift.usual.round(2).tolist()
    [0.7, 0.3]
    """

    def __init__(self, settings: PriorShiftSettings) -> None:
        self._settings = settings
        self._said: Floats = np.zeros((settings.window, 0))
        self._count = 0
        self._odds = TRUST
        self._usual: Floats | None = None

    def resize(self, classes: int) -> None:
        """Make room for more classes, of which nothing was said before."""
        more = classes - self._said.shape[1]
        if more > 0:
            self._said = np.pad(self._said, ((0, 0), (0, more)))
            self._usual = None

    @property
    def usual(self) -> Floats | None:
        """How frequent the model takes each class to be, [K]; None while too few labelled events tell."""
        if self._count < min(ENOUGH, self._settings.window):
            return None
        if self._usual is None:
            mean = np.maximum(self._said[: self._count].mean(axis=0), RAREST)
            self._usual = mean / mean.sum()
        return self._usual

    @property
    def trust(self) -> float:
        """How far priors that are followed can be trusted, in (0, 1)."""
        return 1.0 / (1.0 + math.exp(-self._odds))

    def learn(self, plain: Floats, ratio: Floats | None, label: int, learnt: int) -> None:
        """One late label.

        `plain` [K] is BetP as it was said without regard to priors, `ratio` [K] what they were followed by, None where
        they were not, `label` the true class, by its place, and `learnt` how many labels the model had learnt.
        """
        self._odds = TRUST + (1.0 - 1.0 / self._settings.window) * (self._odds - TRUST)
        if ratio is not None and label < len(plain):
            followed = max(float(plain[label] * ratio[label] / (plain @ ratio)), LEAST)
            gain = math.log(followed) - math.log(max(float(plain[label]), LEAST))
            self._odds = min(max(self._odds + min(max(gain, -SWAY), SWAY), -FIRMEST), FIRMEST)
        if learnt >= self._settings.mature:
            row = self._said[self._count % len(self._said)]
            row[:] = 0.0
            row[: len(plain)] = plain
            self._count += 1
            self._usual = None

    def learn_late(self, y: Ints, contexts: Contexts) -> None:
        """`learn` B late labels."""
        for label, context in zip(y.tolist(), contexts.unpadded(), strict=True):
            self.learn(context.betp if context.plain is None else context.plain, context.ratio, label, context.learnt)

    def follow(self, betp: Floats, streams: Streams | None) -> Followed:
        """BetP [B, K] by the class priors of late, as far as these are trusted; nothing changes."""
        usual = self.usual
        if streams is None or usual is None:
            return Followed(betp)
        if streams.ratio is not None:
            return Followed(self.applied(betp, streams.ratio), streams.ratio)
        ratio, states = np.empty_like(betp), {}
        for index in np.unique(streams.partition).tolist():
            recent, rows = RecentPriors(self._settings, streams.priors.get(index)), streams.partition == index
            ratio[rows] = recent.ratios(betp[rows], usual)
            states[index] = recent.state()
        return Followed(self.applied(betp, ratio), ratio, states)

    def applied(self, betp: Floats, ratio: Floats) -> Floats:
        """Probabilities [B, K] by ratios [B, K], as far as these are trusted; where they are 1, as they were."""
        scaled = betp * ratio
        scaled /= scaled.sum(axis=1, keepdims=True)
        trust = self.trust
        return np.where((ratio == 1.0).all(axis=1, keepdims=True), betp, trust * scaled + (1.0 - trust) * betp)

    def warm_up(self, classes: int) -> None:
        """Compile what scoring needs."""
        common = np.full(classes, 1.0 / classes)
        RecentPriors(self._settings).ratios(common[None], common)

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """See `tocsin.models.experts.base.Expert`."""
        return {"said": self._said.copy(), "count": np.array(self._count), "odds": np.array(self._odds)}

    def load_state_dict(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over a state that `state_dict` gave."""
        self._said = np.array(arrays["said"], np.float64)
        self._count, self._odds = int(arrays["count"]), float(arrays["odds"])
        self._usual = None


class NoPriorShift:
    """Probabilities as they are, where the config does not follow class priors."""

    def resize(self, classes: int) -> None:
        """Nothing to make room for."""

    def follow(self, betp: Floats, streams: Streams | None) -> Followed:
        """The probabilities themselves."""
        return Followed(betp)

    def learn(self, plain: Floats, ratio: Floats | None, label: int, learnt: int) -> None:
        """Nothing to learn."""

    def learn_late(self, y: Ints, contexts: Contexts) -> None:
        """Nothing to learn."""

    def warm_up(self, classes: int) -> None:
        """Nothing to compile."""

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """No state."""
        return {}

    def load_state_dict(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """No state."""


def prior_shift(settings: PriorShiftSettings) -> PriorShift | NoPriorShift:
    """What the config asks for."""
    return PriorShift(settings) if settings.enabled else NoPriorShift()


class RecentPriors:
    """How frequent classes have been of late among the events of one stream, labelled or not.

    It belongs to a stream of events and not to the model, which is a fold over the feedback and nothing else.
    """

    def __init__(self, settings: PriorShiftSettings, state: bytes | None = None) -> None:
        """`state` is that of an earlier one of the same model: classes are known by their places alone."""
        values = np.frombuffer(state, np.float64) if state else np.zeros(1)
        self._step, self._least = 1.0 / settings.memory, settings.least_gain
        self._gain, self._priors = values[:1].copy(), values[1:].copy()

    def state(self) -> bytes:
        """The state, for `RecentPriors(settings, state)`."""
        return np.concatenate([self._gain, self._priors]).tobytes()

    def ratios(self, betp: Floats, usual: Floats) -> Floats:
        """How much more frequent than `usual` [K] each class is by now, [B, K], from BetP [B, K].

        Events are taken one by one, so that how they are cut into calls makes no difference.
        """
        new = usual[len(self._priors) :]
        if len(new):
            self._priors = np.concatenate([self._priors * (1.0 - new.sum()), new])
        ratios = np.empty_like(betp)
        follow(np.ascontiguousarray(betp), usual, self._priors, self._gain, self._step, self._least, ratios)
        return ratios
