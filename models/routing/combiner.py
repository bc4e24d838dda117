"""From the experts' answers to one belief: discount by class, reliability, engagement, fusion, inverse temperature."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tocsin.config.model import ModelSettings
from tocsin.kernels.fusion import Fused, fuse
from tocsin.kernels.fusion.interface import Rule
from tocsin.kernels.fusion.settled import settled
from tocsin.kernels.routing.inverse_temperature import raise_rows
from tocsin.models.data.batch import Bools, Floats, Ints
from tocsin.models.data.belief import masses, pignistic
from tocsin.models.routing.base import Lessons, Questions, routed
from tocsin.models.routing.class_discount import class_discount
from tocsin.models.routing.registry import build_router


class Combined(NamedTuple):
    """What the experts' answers to B events amount to."""

    evidence: Floats
    """[B, E, K], what is fused: the answers, discounted class by class where the config asks for it."""
    reliability: Floats
    """[B, E]"""
    engaged: Bools
    """[B, E]"""
    fused: Fused
    betp: Floats
    """[B, K], the pignistic probability (BetP) raised to the inverse temperature."""
    inverse_temperature: Floats
    """[B]"""


class Learnt(NamedTuple):
    """What held just before each of B records was learnt."""

    evidence: Floats
    """[B, E, K], discounted as `Combined.evidence` is."""
    reliability: Floats
    """[B, E]"""
    inverse_temperature: Floats
    """[B]"""


class Combiner:
    """The router, the class discount and the fusion rule of one model, for E experts."""

    def __init__(self, settings: ModelSettings, experts: int, features: int, backend: str) -> None:
        self.router = build_router(settings, experts, features)
        self.class_discount = class_discount(settings.fusion, experts)
        self.rule: Rule = settings.fusion.rule
        self._configured_prior = settings.fusion.prior
        self._backend = backend
        self._settles = (
            settings.router.kind == "skill"
            and settings.router.top_p >= 1.0
            and not settings.fusion.contextual
            and not settings.prior_shift.enabled
        )
        self._most = np.array([expert.strength for expert in settings.experts])
        self._classes = 0
        self._categories: Ints = np.zeros(0, np.int64)

    def resize(self, nominal: Sequence[bool], classes: int) -> None:
        """Make room for more columns, of which `nominal` are categories, or for more classes. Never shrinks."""
        self._classes = classes
        self._categories = np.flatnonzero(nominal)
        self.router.resize(len(nominal))
        self.class_discount.resize(classes)

    @property
    def classes(self) -> int:
        """K"""
        return self._classes

    @property
    def categories(self) -> Ints:
        """The columns of categories. The router does not see them, because their codes are no quantities."""
        return self._categories

    @property
    def prior(self) -> float:
        """The prior weight s of an opinion: the number of classes K, where the config names none."""
        return float(self._classes) if self._configured_prior is None else self._configured_prior

    def forget(self, e: int) -> None:
        """Forget what the word of expert e was worth for each class: it begins anew."""
        self.class_discount.forget(e)

    def settled(self, answers: Floats, rest: Bools) -> Bools:
        """Which decisions [B] stay the same whatever the `rest` [E] of the experts will say.

        That is known where reliabilities depend on no answer (`router.kind: skill`) and nothing is discounted by class.
        """
        if not self._settles:
            return np.zeros(len(answers), np.bool_)
        reliability = self.router.reliability(answers[:, :, 0], answers)
        return settled(answers, reliability, rest, self._most, self.rule, self.prior)

    def combine(self, X: Floats, answers: Floats, active: Bools) -> Combined:
        """The belief about B events from X [B, F] and the answers [B, E, K] of the experts that are active and were
        asked: [E], or [B, E] where that differs from event to event."""
        evidence = self.class_discount.discount(answers, self.prior)
        reliability = np.where(active, self.router.reliability(self.quantities(X), evidence), 0.0)
        engaged, fused = self.fuse(evidence, reliability, active)
        temperatures = self._temperatures(len(X))
        return Combined(evidence, reliability, engaged, fused, self.betp(fused, temperatures), temperatures)

    def learn(self, X: Floats, answers: Floats, y: Ints, weight: Floats, delay: Ints) -> Learnt:
        """Learn whom to trust from B labels y and the answers [B, E, K] that were given at each event's own time.

        `delay` [B] is how many records were learnt between an event's decision and its label.
        """
        evidence = self.class_discount.learn(answers, y, self.prior)
        return Learnt(evidence, *self.router.learn(self.quantities(X), evidence, y, weight, delay))

    def ask_and_learn(self, questions: Questions, lessons: Lessons, active: Bools) -> tuple[Combined, Learnt]:
        """`combine` for n events in turns with `learn` for m others; returns what both give."""
        (X, answers, ahead), prior = questions, self.prior
        evidence, learnt = self.class_discount.ask_and_learn(answers, ahead, lessons.answers, lessons.y, prior)
        asked = Questions(self.quantities(X), evidence, ahead)
        taught = lessons._replace(X=self.quantities(lessons.X), answers=learnt)
        said, before = routed(self.router, asked, taught)
        reliability = np.where(active, said.reliability, 0.0)
        engaged, fused = self.fuse(evidence, reliability, active)
        betp = self.betp(fused, said.inverse_temperature)
        combined = Combined(evidence, reliability, engaged, fused, betp, said.inverse_temperature)
        return combined, Learnt(learnt, *before)

    def quantities(self, X: Floats) -> Floats:
        """X [B, F] with NaN in the place of categories."""
        if not len(self._categories):
            return X
        seen = X.copy()
        seen[:, self._categories] = np.nan
        return seen

    def engaged(self, evidence: Floats, reliability: Floats, active: Bools) -> Bools:
        """[B, E], the active experts that the router engages."""
        return self.router.engaged(reliability, evidence, self.prior) & active

    def fuse(self, evidence: Floats, reliability: Floats, active: Bools) -> tuple[Bools, Fused]:
        """Who is engaged [B, E], and what their evidence [B, E, K] amounts to."""
        engaged = self.engaged(evidence, reliability, active)
        fused = fuse(evidence, reliability, engaged, rule=self.rule, prior=self.prior, backend=self._backend)
        return engaged, fused

    @staticmethod
    def betp(fused: Fused, inverse_temperature: Floats) -> Floats:
        """The pignistic probabilities [B, K] of fused beliefs, each row raised to its inverse temperature [B]."""
        return _raised(pignistic(fused.belief, fused.uncertainty), inverse_temperature)

    @staticmethod
    def with_betp(fused: Fused, betp: Floats, moved: Bools, inverse_temperature: Floats) -> Fused:
        """The masses whose BetP, raised to its inverse temperature [B], is `betp` [B, K], where it has `moved` [B]."""
        plain = _raised(betp, 1.0 / inverse_temperature)
        belief, uncertainty = masses(plain, fused.uncertainty)
        return fused._replace(
            belief=np.where(moved[:, None], belief, fused.belief),
            uncertainty=np.where(moved, uncertainty, fused.uncertainty),
        )

    def _temperatures(self, rows: int) -> Floats:
        return np.full(rows, self.router.inverse_temperature)


def _raised(betp: Floats, inverse_temperature: Floats) -> Floats:
    result = np.empty_like(betp)
    raise_rows(betp, inverse_temperature, result)
    return result
