"""A lagged pass of the whole mixture: events are scored and late labels are learnt in turns.

Where events are replayed, the label of event i is known to be learnt once event i + d is scored. Then a thousand events
can be handed over at once, and each part of the model passes over all of them before the next part does: what a part
says of event i depends on the parts before it and on what it has learnt by then, and on nothing else. The scores and
what is learnt are the same bits as with one event after the other (`Mixture.score`, `Mixture.learn`), which is what the
tests compare it with.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from tocsin.models.data.batch import Batch, Bools, Floats, Ints
from tocsin.models.decision.abstention import COLD_START
from tocsin.models.decision.judge import ToJudge, ToLearn
from tocsin.models.decision.mixture import Mixture
from tocsin.models.decision.novelty import support
from tocsin.models.decision.prior_shift import NoPriorShift
from tocsin.models.decision.traffic.recent import RecentTraffic
from tocsin.models.inputs.rarity import Rarity
from tocsin.models.routing.base import Lessons, Questions
from tocsin.models.routing.combiner import Combined, Learnt


class LaggedScores(NamedTuple):
    """What the model said of n events, each as it stood at that event, with K classes; see `Scores` for each column."""

    classes: tuple[str, ...]
    belief: Floats
    """[n, K]"""
    uncertainty: Floats
    conflict: Floats
    betp: Floats
    """[n, K]"""
    label: Ints
    decided: Bools
    reasons: Sequence[str | None]
    sets: Bools
    """[n, K]"""
    traffic: RecentTraffic | None = None
    """The traffic of their stream after them, where traffic is compared."""


class TaughtRows(NamedTuple):
    """m labels to be learnt, in their order."""

    place: Ints
    """[m], the row of each event in the ledger."""
    y: Ints
    weight: Floats


@dataclass
class Ledger:
    """N events, with what was predicted of each at its own time until its label is learnt.

    The columns are those of `tocsin.models.data.feedback.Contexts`, with room for the K classes of today.
    """

    batch: Batch
    """The events as they came; the label history is that of each one's own time."""
    classes: Ints
    """[N], how many classes were known."""
    evidence: Floats
    """[N, E, K]"""
    betp: Floats
    """[N, K]"""
    threshold: Floats
    learnt: Ints
    limits: Floats
    """[N, K]"""
    nonconformity: Floats
    """[N, 2 or 3]"""

    @classmethod
    def empty(cls, batch: Batch, experts: int, classes: int, scores: int = 2) -> Ledger:
        """Room for these events, of which nothing was predicted yet."""
        N = len(batch)
        return cls(
            batch=batch,
            classes=np.zeros(N, np.int64),
            evidence=np.zeros((N, experts, classes)),
            betp=np.zeros((N, classes)),
            threshold=np.full(N, math.inf),
            learnt=np.zeros(N, np.int64),
            limits=np.full((N, classes), math.inf),
            nonconformity=np.full((N, scores), np.nan),
        )

    def before(self, stop: int) -> Ledger:
        """The first events, as a view."""
        if stop == len(self.batch):
            return self
        columns = (getattr(self, name)[:stop] for name in _COLUMNS)
        return Ledger(self.batch.rows(0, stop), *columns)

    def latest(self, kept: int) -> Ledger:
        """The latest events alone."""
        N = len(self.batch)
        columns = (getattr(self, name)[N - kept :].copy() for name in _COLUMNS)
        return Ledger(self.batch.rows(N - kept, N), *columns)

    def followed_by(self, other: Ledger) -> Ledger:
        """These events and then others, of as many experts and classes."""
        columns = (np.concatenate([getattr(self, name), getattr(other, name)]) for name in _COLUMNS)
        return Ledger(together(self.batch, other.batch), *columns)

    def widen(self, classes: int) -> None:
        """Make room for more classes, which were not known before."""
        more = classes - self.betp.shape[1]
        if more > 0:
            self.evidence = np.pad(self.evidence, ((0, 0), (0, 0), (0, more)))
            self.betp = np.pad(self.betp, ((0, 0), (0, more)))
            self.limits = np.pad(self.limits, ((0, 0), (0, more)), constant_values=math.inf)


_COLUMNS = ("classes", "evidence", "betp", "threshold", "learnt", "limits", "nonconformity")


def together(one: Batch, other: Batch) -> Batch:
    """The events of two batches, without what was made of their features."""
    return Batch(
        ids=[*one.ids, *other.ids],
        subjects=[*one.subjects, *other.subjects],
        times=np.concatenate([one.times, other.times]),
        X=np.concatenate([one.X, other.X]),
        texts=[*one.texts, *other.texts],
        history=np.concatenate([one.history, other.history]),
        subject_label=np.concatenate([one.subject_label, other.subject_label]),
        categories=[*one.categories, *other.categories],
    )


def can_pass(mixture: Mixture) -> bool:
    """Whether a mixture has no part that must see one event after the other: class priors that are followed, events
    that are scored anew when their labels come, experts of whole subjects, and a gate."""
    judge, pool = mixture.judge, mixture.pool
    stays = isinstance(judge.prior_shift, NoPriorShift) and not judge.rescores
    return stays and not pool.whole_subject and not mixture.gate.learns


def score_and_learn(
    mixture: Mixture,
    ledger: Ledger,
    ahead: Ints,
    taught: TaughtRows,
    classes: Sequence[str],
    traffic: RecentTraffic | None = None,
) -> LaggedScores:
    """Score the last n events of a ledger in turns with learning m labels of its events, all in one window.

    `ahead` [n], which never falls, is how many labels are learnt before each event is scored; a label comes after its
    own event. At most as many labels are learnt as the window of the lifecycle has room for (`Lifecycle.left`), and
    where it becomes full, no event may come after the last label. What is predicted is entered in the ledger.
    """
    N, n = len(ledger.batch), len(ahead)
    own, place = slice(N - n, N), taught.place
    ledger.learnt[own] = mixture.learnt + ahead
    ledger.classes[own] = len(classes)
    _recall(mixture, ledger, ahead, taught)
    if not classes:
        return _before_any_class(n)._replace(traffic=traffic)
    active = mixture.lifecycle.active.copy()  # a review at the end of the window changes it
    rare = mixture.rare.learn(taught.y)
    heard = _ask_experts(mixture, ledger, ahead, taught, active, rare)
    combined, before = _combine(mixture, ledger, ahead, taught, heard, active, rare)
    questions = _questions(heard, combined, classes, ahead, traffic)
    verdict = mixture.judge.ask_and_learn(questions, _labels(ledger, taught, heard), ledger)
    mixture.learnt += len(place)
    if len(place):
        engaged = mixture.combiner.engaged(before.evidence, before.reliability, active)
        decided = np.where(ledger.classes[place] > 0, ledger.betp[place].argmax(axis=1), -1)
        mixture.observe(before.evidence, before.reliability, engaged, taught.y, decided)
    fused = combined.fused
    return LaggedScores(
        tuple(classes),
        fused.belief,
        fused.uncertainty,
        fused.conflict,
        combined.betp,
        verdict.label,
        verdict.decided,
        verdict.reasons,
        verdict.sets,
        verdict.traffic.get(0),
    )


class _Heard(NamedTuple):
    """What the experts said of n events, and m events as they learnt them."""

    asked: Batch
    """The n events as the experts saw them."""
    answers: Floats
    """[n, E, K]"""
    learnt: Batch
    """The m events as the experts saw them."""
    delay: Ints
    """[m], how many labels were learnt since each was scored."""


def _ask_experts(
    mixture: Mixture, ledger: Ledger, ahead: Ints, taught: TaughtRows, active: Bools, rare: Bools
) -> _Heard:
    """Prepare the inputs, and ask and teach the experts."""
    N, n, place = len(ledger.batch), len(ahead), taught.place
    delay = mixture.learnt + np.arange(len(place)) - ledger.learnt[place]
    events, others = ledger.batch.rows(N - n, N), ledger.batch.take(place)
    rarity = Rarity.of(rare, taught.y)
    asked, learnt = mixture.inputs.ask_and_learn(events, ahead, others, taught.y, delay, rarity)
    unborn = mixture.lifecycle.unborn(ledger.learnt[place])

    def heard(said: Floats) -> Floats:
        """What the first experts had said of the m events, at the time of each."""
        e = said.shape[1]
        of_all = np.concatenate([ledger.evidence[: N - n, :e], known(said)])[place]
        of_all[unborn[:, :e]] = 0.0
        return of_all

    answers = mixture.pool.ask_and_learn(asked, ahead, learnt, taught.y, taught.weight, active, heard)
    ledger.evidence[N - n :] = known(answers)
    return _Heard(asked, answers, learnt, delay)


def _combine(
    mixture: Mixture, ledger: Ledger, ahead: Ints, taught: TaughtRows, heard: _Heard, active: Bools, rare: Bools
) -> tuple[Combined, Learnt]:
    """Discount, route and fuse what the experts said, and learn whom to trust."""
    said = ledger.evidence[taught.place]
    # An expert that has begun anew since is not judged by what the one before it answered.
    said[mixture.lifecycle.unborn(ledger.learnt[taught.place])] = 0.0
    lessons = Lessons(heard.learnt.ranked, said, taught.y, taught.weight, heard.delay)
    questions = Questions(heard.asked.ranked, heard.answers, ahead)
    combined, before = mixture.combiner.ask_and_learn(questions, lessons, active)
    read = mixture.rare.read(combined.betp, heard.answers, rare[ahead])
    if read.moved.any():
        fused = mixture.combiner.with_betp(combined.fused, read.betp, read.moved, combined.inverse_temperature)
        combined = combined._replace(fused=fused, betp=read.betp)
    ledger.betp[len(ledger.betp) - len(ahead) :] = known(combined.betp)
    return combined, before


def _questions(
    heard: _Heard, combined: Combined, classes: Sequence[str], ahead: Ints, traffic: RecentTraffic | None
) -> ToJudge:
    """The events to be judged."""
    backing, conflict = support(combined.evidence, combined.engaged), combined.fused.conflict
    return ToJudge(heard.asked, backing, combined.betp, conflict, classes, ahead, traffic)


def _labels(ledger: Ledger, taught: TaughtRows, heard: _Heard) -> ToLearn:
    """The labels from which thresholds are learnt."""
    place = taught.place
    return ToLearn(heard.learnt, taught.y, ledger.betp[place], place, ledger.learnt[place], heard.delay)


def known(values: Floats) -> Floats:
    """Numbers as they are kept until a label comes: what is not finite counts as not known."""
    return np.where(np.isfinite(values), values, np.nan)


def _recall(mixture: Mixture, ledger: Ledger, ahead: Ints, taught: TaughtRows) -> None:
    """Enter the label history of each event's own time, and remember the labels."""
    n, batch = len(ahead), ledger.batch
    first = len(batch) - n
    subjects = [batch.subjects[i] for i in taught.place.tolist()]
    history, labels = mixture.history.recall_and_remember(batch.rows(first, len(batch)), ahead, subjects, taught.y)
    if len(mixture.history):
        batch.history[first:], batch.subject_label[first:] = history, labels


def _before_any_class(n: int) -> LaggedScores:
    nothing, none = np.zeros((n, 0)), np.zeros(n, np.bool_)
    label, reasons, sets = np.full(n, -1, np.int64), [COLD_START] * n, np.zeros((n, 0), np.bool_)
    return LaggedScores((), nothing, np.ones(n), np.zeros(n), nothing, label, none, reasons, sets)


def with_history(batch: Batch, length: int) -> Batch:
    """A batch with room for a label history of this length."""
    rows = len(batch)
    return replace(
        batch, history=np.full((rows, length), -1, np.int64), subject_label=np.full(rows, -1, np.int64), views=None
    )
