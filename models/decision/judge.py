"""From belief to decision: class priors, novelty and abstention of one model, and what they learn from labels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, Protocol

import numpy as np

from tocsin.config.model import ModelSettings
from tocsin.models.data.batch import Batch, Bools, Floats, Ints
from tocsin.models.data.belief import doubts
from tocsin.models.data.feedback import Contexts
from tocsin.models.decision.abstention import COLD_START, Abstention, JudgedBy, LateLabels, Standing, Today
from tocsin.models.decision.novelty import AskedAt, LearntAt, Novelty, beyond, support
from tocsin.models.decision.operating_point import OperatingPoint, Raised, raised
from tocsin.models.decision.prior_shift import prior_shift
from tocsin.models.decision.promise.answers import Answer
from tocsin.models.decision.promise.draws import draw_of
from tocsin.models.decision.streams import Streams
from tocsin.models.decision.traffic.recent import RecentTraffic


class Verdict(NamedTuple):
    """What is decided of B events."""

    label: Ints
    """[B], the class to decide for."""
    decided: Bools
    """[B]"""
    reasons: Sequence[str | None]
    """Why an event was abstained from; None where it was decided."""
    sets: Bools
    """[B, K], the prediction sets."""
    raised_at: Floats
    """[B], the probability from which on the event's rare class is decided for, which it reached; NaN where the most
    probable class, or that of least cost, is the label."""
    nonconformity: Floats | None
    """[B, 2 or 3], see `tocsin.models.decision.novelty`; None where abstention is off."""
    traffic: Mapping[int, RecentTraffic] = MappingProxyType({})
    """By stream, its traffic after these events; empty where traffic is not compared."""


class _Limits(NamedTuple):
    """The thresholds by which an event is judged."""

    threshold: float
    limits: Sequence[float] | None
    learnt: int

    def limit(self, label: int) -> float:
        return self.limits[label] if self.limits is not None else math.inf


class Findings(NamedTuple):
    """What was found of B events that are to be judged."""

    evidence: Floats
    """[B, E, K]"""
    engaged: Bools
    """[B, E]"""
    betp: Floats
    """[B, K]"""
    conflict: Floats
    """[B]"""
    distance: Floats | None = None
    """[B], see `tocsin.models.decision.novelty`; None where nobody has asked yet."""


class ToJudge(NamedTuple):
    """n events to be judged while labels are learnt."""

    batch: Batch
    """n events"""
    support: Floats
    """[n], see `tocsin.models.decision.novelty.support`."""
    betp: Floats
    """[n, K]"""
    conflict: Floats
    """[n]"""
    classes: Sequence[str]
    ahead: Ints
    """[n], how many labels are learnt before each is judged; it never falls."""
    traffic: RecentTraffic | None = None
    """That of their stream, where traffic is compared."""


class ToLearn(NamedTuple):
    """m late labels, in their order."""

    batch: Batch
    """Their m events."""
    y: Ints
    betp: Floats
    """[m, K], of each event's own time."""
    place: Ints
    """[m], the row of each event in the ledger."""
    learnt: Ints
    """[m], how many labels the model had learnt at each event's own time."""
    delay: Ints
    """[m], how many it has learnt since."""


class Judged(Protocol):
    """What N events were judged by at their own time; it is filled as they are judged."""

    threshold: Floats
    """[N]"""
    limits: Floats
    """[N, K], the threshold of each class; infinite where it had none of its own."""
    nonconformity: Floats
    """[N, 2 or 3], NaN where it is not known."""


class Judge:
    """The parts that turn probabilities into a decision or an abstention, each with a state of its own."""

    def __init__(self, settings: ModelSettings) -> None:
        self._enabled = settings.abstention.enabled
        self._abstains_novel = settings.abstention.abstain_novel
        self._seed = settings.seed
        self.abstention = Abstention(settings.abstention)
        self.novelty = Novelty(settings.abstention)
        self.prior_shift = prior_shift(settings.prior_shift)
        one = settings.abstention
        applies = one.enabled and one.controls == "coverage" and not one.decides_by_class
        self.operating_point = OperatingPoint(one.rare_share if applies else 0.0)
        self._classes = 0

    def resize(self, nominal: Sequence[bool], classes: int) -> None:
        """Make room for more columns, of which `nominal` are categories, or more classes."""
        self._classes = classes
        self.prior_shift.resize(classes)
        self.operating_point.resize(classes)
        self.novelty.resize(nominal)

    def warm_up(self, classes: int) -> None:
        """Compile what is first needed long after the first event."""
        self.prior_shift.warm_up(classes)
        self.novelty.warm_up()

    @property
    def enabled(self) -> bool:
        """Whether it may abstain, so that it asks how far events are from what was labelled."""
        return self._enabled

    def judge(self, batch: Batch, found: Findings, classes: Sequence[str], streams: Streams | None = None) -> Verdict:
        """Decide B events by what was found of them."""
        evidence, engaged, betp, conflict, distance = found
        nonconformity, novel, after = None, np.zeros(len(batch), np.bool_), dict[int, RecentTraffic]()
        if self._enabled:
            ratio, after = self.novelty.ratios(batch.X, batch.times, streams)
            nonconformity = self.novelty.nonconformity(batch.X, support(evidence, engaged), ratio, distance)
            novel = self.novelty.novel(nonconformity)
        standing, points = self.abstention.standing(len(classes)), self.operating_point.thresholds()[None]
        verdict = self._verdict(betp, conflict, novel, classes, standing, points)
        return verdict._replace(nonconformity=nonconformity, traffic=after)

    def _verdict(
        self, betp: Floats, conflict: Floats, novel: Bools, classes: Sequence[str], standing: Standing, points: Floats
    ) -> Verdict:
        """What is decided of B events by a standing and by operating points [B, K] of their own, or by one for all."""
        decided, reasons, sets = self.abstention.judged(betp, conflict, novel, classes, standing)
        reached = raised(betp, self.abstention.labels(betp, classes), points)
        self._decide_raised(reached, novel, decided, reasons, sets)
        return Verdict(reached.label, decided, reasons, sets, reached.threshold, None)

    def ask_and_learn(self, questions: ToJudge, labels: ToLearn, ledger: Judged) -> Verdict:
        """`judge` for n events in turns with `learn_late` for m labels, where class priors are not followed.

        What the n events were judged by is entered in the last rows of `ledger`.
        """
        n, (taught, y, betp, place, learnt, delay) = len(questions.ahead), labels
        ahead, novel, traffic = questions.ahead, np.zeros(n, np.bool_), questions.traffic
        own = slice(len(ledger.nonconformity) - n, len(ledger.nonconformity))
        if self._enabled:
            scores = [self.novelty.distances_in_turns(questions.batch.X, ahead, taught.X), -questions.support]
            if traffic is not None:
                asked, lessons = AskedAt(questions.batch.X, questions.batch.times), LearntAt(taught.X, y, taught.times)
                ratio, traffic = self.novelty.ratios_in_turns(asked, ahead, lessons, traffic)
                scores.append(ratio)
            nonconformity = np.stack(scores, axis=1)
            # What is kept until a label comes counts as not known where it is not finite.
            ledger.nonconformity[own] = np.where(np.isfinite(nonconformity), nonconformity, np.nan)
            novel = beyond(nonconformity, self.novelty.limits_in_turns(ahead, ledger.nonconformity[place]))
        score, doubt = (1.0 - betp[np.arange(len(y)), y]).tolist(), doubts(betp).tolist()
        late = LateLabels(place.tolist(), score, delay.tolist(), doubt, y.tolist())
        standing = self.abstention.standings_in_turns(ahead, late, JudgedBy(ledger.threshold, ledger.limits))
        points = self.operating_point.thresholds_in_turns(ahead, betp, y, learnt)
        verdict = self._verdict(questions.betp, questions.conflict, novel, questions.classes, standing, points)
        after = {} if traffic is None else {0: traffic}
        return verdict._replace(nonconformity=ledger.nonconformity[own] if self._enabled else None, traffic=after)

    def _decide_raised(
        self, raised: Raised, novel: Bools, decided: Bools, reasons: list[str | None], sets: Bools
    ) -> None:
        """Decide the events whose rare class reached its operating point, though its set may hold another class."""
        for i in np.flatnonzero(raised.rows).tolist():
            sets[i, raised.label[i]] = True
            if reasons[i] not in (None, COLD_START) and not (self._abstains_novel and novel[i]):
                decided[i], reasons[i] = True, None

    def learn_at_once(self, batch: Batch, y: Ints, betp: Floats, evidence: Floats, engaged: Bools, learnt: int) -> None:
        """Learn B labels that came with their events, each judged by the thresholds of that very moment.

        `learnt` is how many records the model had learnt before the first of them; `betp` [B, K], `evidence` [B, E, K]
        and `engaged` [B, E] are of each event just before it was learnt.
        """
        if self._enabled:
            self.novelty.predict_then_learn(batch.X, support(evidence, engaged), y, batch.times)
            self._learn_thresholds(y, betp, learnt, None)
            self.operating_point.learn(betp, y, learnt + np.arange(len(y)))
        for i, label in enumerate(y.tolist()):
            self.prior_shift.learn(betp[i], None, label, learnt + i)

    @property
    def rescores(self) -> bool:
        """Whether it asks what the model of today says of an event just before its late label is learnt."""
        return self._enabled and self.abstention.promise is not None

    def learn_late(
        self, batch: Batch, y: Ints, betp: Floats, contexts: Contexts, learnt: int, rescored: Floats | None = None
    ) -> None:
        """Learn B late labels, each event judged by what its context says of its own time.

        `rescored` [B, K] is BetP as the model said it just before each label; None where it was not asked.
        """
        today = None if rescored is None else self._today(rescored, y, batch.ids)
        self._learn_thresholds(y, betp, learnt, contexts, today)
        self.operating_point.learn(betp, y, contexts.learnt)
        self.prior_shift.learn_late(y, contexts)
        if self._enabled and contexts.nonconformity is None:
            self.novelty.learn(batch.X, np.full((len(y), 2), np.nan), y, batch.times)
        elif self._enabled and contexts.nonconformity is not None:
            self.novelty.learn(batch.X, contexts.nonconformity, y, batch.times)

    def _learn_thresholds(
        self, y: Ints, betp: Floats, learnt: int, contexts: Contexts | None, today: list[Today] | None = None
    ) -> None:
        scores, doubt = (1.0 - betp[np.arange(len(y)), y]).tolist(), doubts(betp).tolist()
        if contexts is None:
            for i, label in enumerate(y.tolist()):
                now = self._now(learnt + i)
                self.abstention.learn(scores[i], now.threshold, 0, doubt[i], label, now.limit(label))
            return
        limits = np.full(len(y), math.inf)
        if contexts.limits is not None:
            there = np.flatnonzero(y < contexts.limits.shape[1])
            limits[there] = contexts.limits[there, y[there]]
        delays = (learnt + np.arange(len(y)) - contexts.learnt).tolist()
        limit, judged_by = limits.tolist(), contexts.threshold.tolist()
        said: Sequence[Today | None] = today or [None] * len(y)
        columns = zip(scores, judged_by, delays, doubt, y.tolist(), limit, said, strict=True)
        for column in columns:
            self.abstention.learn(*column)

    def _today(self, betp: Floats, y: Ints, ids: Sequence[str]) -> list[Today]:
        """What BetP [B, K] says of events of the classes y [B]."""
        doubt, score = doubts(betp).tolist(), (1.0 - betp[np.arange(len(y)), y]).tolist()
        answers = (Answer(d, s > d) for d, s in zip(doubt, score, strict=True))
        return [Today(answer, draw_of(self._seed, one)) for answer, one in zip(answers, ids, strict=True)]

    def _now(self, learnt: int) -> _Limits:
        return _Limits(self.abstention.threshold(), self.abstention.limits(self._classes), learnt)
