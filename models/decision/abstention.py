"""When to abstain: adaptive conformal inference on the pignistic probability (BetP), fed by late labels.

An event's score for a class is 1 - BetP of the class. A class belongs to the prediction set when its score is at most
the threshold, a quantile of the scores that recent labelled events gave their true classes. The quantile's level
follows Gibbs & Candes 2021, alpha_{t+1} = alpha_t + gain (alpha - err_t), with err_t judged against the threshold
that judged the event itself, and with a gain that shrinks as labels come later: an integrator with dead time swings
(the measured traps are in `docs/architecture.md`). With `steering: pid` the level stays, and what is steered is the
threshold itself (`tocsin.models.decision.pid`).

What is controlled is a setting (`abstention.controls`): the coverage of the prediction sets; the error among what is
decided, by a threshold on the most probable class (see `tocsin.models.decision.promise.keeping`); or the expected cost
of a decision, by a matrix.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.config.abstention import AbstentionSettings
from tocsin.models.data.batch import Bools, Floats, Ints
from tocsin.models.data.belief import TIE, doubts
from tocsin.models.data.feedback import in_turns
from tocsin.models.data.snapshot import with_prefix, without_prefix
from tocsin.models.decision.costs import expected_costs
from tocsin.models.decision.per_class.unequal import Unequal
from tocsin.models.decision.pid import Pid
from tocsin.models.decision.promise.answers import Answer
from tocsin.models.decision.promise.keeping import Keeping, Outcome
from tocsin.models.decision.quantile import SlidingQuantile

FULL_GAIN_DELAY = 100
"""Up to this many feedback records between a decision and its label the gain is as configured."""
SLOW_DELAY, MOST_HASTE = 1_000, 2.0
"""Up to `SLOW_DELAY` the gain shrinks as 1 / delay. Beyond it the gain shrinks as 1 / sqrt(delay) only, until it is
`MOST_HASTE` times 100 / delay: there the quantile looks back so far that it follows changes less by itself."""
SPAN = 0.4
"""The quantile looks back on at least this share of the delay."""
DELAY_MEMORY = 100
"""Labels over which the delay is averaged."""
ALPHA = (-0.05, 0.5)
"""The level never leaves this range, so that no run of errors or of luck fixes the threshold at an extreme. A level
below 0 has the same sets as 0, and the errors that took it there must be balanced before sets become narrower again."""
UNCERTAIN, CONFLICT, NOVEL, COLD_START = "uncertain", "conflict", "novel", "cold-start"


class Today(NamedTuple):
    """What the model says of an event just before it learns its late label."""

    answer: Answer
    draw: float
    """The draw of the event, see `tocsin.models.decision.promise.draws`."""


class Standing(NamedTuple):
    """What B events are judged by; one row where it is the same for all."""

    cold: Bools
    """[B], whether too few labels were known to decide anything."""
    threshold: Floats
    """[B]"""
    thresholds: Floats
    """[B, K], the score up to which each class belongs to the set."""


class JudgedBy(NamedTuple):
    """What each of N events was judged by at its own time."""

    threshold: Floats
    """[N]"""
    limits: Floats
    """[N, K], the threshold of each class; infinite where it had none of its own."""


class LateLabels(NamedTuple):
    """m late labels, in the order in which they are learnt; see `Abstention.learn`."""

    place: Sequence[int]
    """Where the event of each stands among those of `JudgedBy`."""
    score: Sequence[float]
    delay: Sequence[int]
    doubt: Sequence[float]
    label: Sequence[int]


class Abstention:
    """The online threshold, and the rule by which an event is decided or abstained from."""

    def __init__(self, settings: AbstentionSettings) -> None:
        self._settings = settings
        longest = max(settings.window, settings.late_window)
        self._scores = SlidingQuantile(longest)
        self._by_class: list[SlidingQuantile] = []
        self._class_alphas: list[float] = []
        self._keeps_classes = settings.may_be_per_class
        """Whether the scores of each class are kept, so that it can have a threshold of its own."""
        self._unequal = Unequal(settings.error) if self._keeps_classes and settings.per_class == "auto" else None
        self.count = 0
        """Labelled events learnt."""
        self.delay = 0.0
        """Feedback records between a decision and its label, on the average of the latest."""
        self.alpha = settings.error
        self.promise = _promise(settings)
        """What decides where the error among decisions is controlled; None where something else is."""
        self._pid = Pid() if settings.steering == "pid" else None
        self._threshold: float | None = None

    @property
    def known(self) -> int:
        """Labels whose scores were ever added to the sliding window of the threshold."""
        return self._scores.count

    @property
    def cold(self) -> bool:
        """Whether too few labels are known to decide anything."""
        return self.promise.cold if self.promise is not None else self.known < max(self._settings.cold_start, 1)

    @property
    def per_class(self) -> bool:
        """Whether each class has a threshold of its own now."""
        return self._keeps_classes if self._unequal is None else self._unequal.found

    def threshold(self) -> float:
        """The score up to which a class belongs to the set; infinite while cold.

        Where the error among decided events is controlled, it is the greatest doubt (1 - BetP of the most probable
        class) that is decided; -1 if no event is.
        """
        if self.cold:
            return math.inf
        if self.promise is not None:
            return self.promise.threshold
        if self._threshold is None:
            self._threshold = self._quantile(self._scores, self.alpha)
            if self._pid is not None:
                self._threshold = min(max(self._threshold + self._pid.offset, 0.0), 1.0)
        return self._threshold

    def _quantile(self, scores: SlidingQuantile, alpha: float) -> float:
        """The quantile at 1 - alpha of as many of the latest scores as the delay asks for.

        The quantile is at most the greatest score. A level smaller than 1 / (n + 1) would give 1, which covers
        everything and which no later error could change.
        """
        span = min(max(self._settings.window, math.ceil(SPAN * self.delay)), len(scores.ring))
        least = (1.0 + 1e-6) / (min(scores.count, span) + 1)  # more than rounding can take back
        return scores.quantile(max(alpha, least) if least < self._settings.error else alpha, span)

    def thresholds(self, classes: int) -> Floats:
        """The score up to which each class belongs to the set, [K]; infinite while cold.

        Where classes have thresholds of their own (`per_class`), that of a class rests on the events of that class
        alone, once there are 1 / error of them.
        """
        if self.cold:
            return np.full(classes, np.inf)
        controls_error = self._settings.controls == "error"
        every = self._quantile(self._scores, self._settings.error) if controls_error else self.threshold()
        result = np.full(classes, every)
        for k, scores in enumerate(self._by_class[:classes] if self.per_class else ()):
            if (scores.count + 1) * self._settings.error >= 1.0:
                result[k] = self._quantile(scores, self._class_alphas[k])
        return result

    def limits(self, classes: int) -> list[float] | None:
        """`thresholds` where classes have their own, for the prediction context of an event; else None."""
        return self.thresholds(classes).tolist() if self.per_class and not self.cold else None

    def sets(self, betp: Floats) -> Bools:
        """The prediction sets [B, K]; the most probable class is always in, and all of them where several tie."""
        return _sets(betp, self.thresholds(betp.shape[1]))

    def labels(self, betp: Floats, classes: Sequence[str]) -> Ints:
        """The class to decide for [B]: the most probable, or that of least expected cost where costs are given."""
        costly = self._settings.controls == "cost"
        best: Ints = (-expected_costs(betp, classes, self._settings.costs) if costly else betp).argmax(axis=1)
        return best

    def judge(
        self, betp: Floats, conflict: Floats, novel: Bools, classes: Sequence[str] = ()
    ) -> tuple[Bools, list[str | None], Bools]:
        """Decide or abstain.

        Parameters: BetP [B, K]; conflict [B]; novel [B], see `tocsin.models.decision.novelty`; the names of the classes
        [K], which only costs need.
        Returns: decided [B]; the reason of each abstention, None where decided; the prediction sets [B, K].
        """
        return self.judged(betp, conflict, novel, classes, self.standing(betp.shape[1]))

    def standing(self, classes: int) -> Standing:
        """What an event is judged by now."""
        return Standing(np.array([self.cold]), np.array([self.threshold()]), self.thresholds(classes)[None])

    def judged(
        self, betp: Floats, conflict: Floats, novel: Bools, classes: Sequence[str], standing: Standing
    ) -> tuple[Bools, list[str | None], Bools]:
        """What `judge` gives where each event is judged by a standing of its own, or all by one."""
        sets = _sets(betp, standing.thresholds)
        if not self._settings.enabled:
            return np.ones(len(betp), np.bool_), [None] * len(betp), sets
        decided = self._decided(betp, sets, classes, standing.threshold) & ~standing.cold
        if self._settings.abstain_novel:
            decided &= ~novel
        reasons: list[str | None] = [None] * len(betp)
        cold = standing.cold.tolist()
        for i in np.flatnonzero(~decided).tolist():
            is_cold = cold[i if len(cold) > 1 else 0]
            reasons[i] = COLD_START if is_cold else self._reason(float(conflict[i]), bool(novel[i]))
        return decided, reasons, sets

    def standings_in_turns(self, ahead: Ints, labels: LateLabels, judged_by: JudgedBy) -> Standing:
        """The `standing` of n events, in turns with `learn` for m labels; `ahead` [n] is how many are learnt before
        each.

        `judged_by` is of all events that labels speak of; in its last n rows those of the n events are entered.
        """
        n, classes, own = len(ahead), judged_by.limits.shape[1], self._settings
        first = len(judged_by.threshold) - n
        cold, thresholds = np.empty(n, np.bool_), np.empty((n, classes))

        def ask(start: int, stop: int) -> None:
            threshold, is_cold, per_class = self.threshold(), self.cold, self.per_class
            one_for_all = not per_class and own.controls != "error"
            cold[start:stop] = is_cold
            thresholds[start:stop] = threshold if one_for_all else self.thresholds(classes)
            judged_by.threshold[first + start : first + stop] = threshold
            if per_class and not is_cold:
                judged_by.limits[first + start : first + stop] = thresholds[start:stop]

        def learn(start: int, stop: int) -> None:
            for i in range(start, stop):
                place, label = labels.place[i], labels.label[i]
                threshold, limit = float(judged_by.threshold[place]), float(judged_by.limits[place, label])
                self.learn(labels.score[i], threshold, labels.delay[i], labels.doubt[i], label, limit)

        in_turns(ahead, len(labels.score), ask, learn)
        return Standing(cold, judged_by.threshold[first:].copy(), thresholds)

    def _decided(self, betp: Floats, sets: Bools, classes: Sequence[str], threshold: Floats) -> Bools:
        """[B], whether the coverage, error or cost that is controlled allows a decision."""
        if self._settings.controls == "error":
            result: Bools = doubts(betp) <= threshold
            return result
        if self._settings.controls == "cost":
            costs = expected_costs(betp, classes, self._settings.costs)
            result = costs.min(axis=1, initial=np.inf) <= self._settings.abstain_cost
            return result
        if not self._settings.decides_by_class:
            sets = _sets(betp, threshold[:, None])
        single: Bools = sets.sum(axis=1) == 1
        return single

    def _reason(self, conflict: float, novel: bool) -> str:
        if novel:
            return NOVEL
        return CONFLICT if conflict >= self._settings.conflict else UNCERTAIN

    def learn(
        self,
        score: float,
        judged_by: float,
        delay: int,
        doubt: float = math.inf,
        label: int = 0,
        class_judged_by: float = math.inf,
        today: Today | None = None,
    ) -> None:
        """One late label.

        `score` is 1 - BetP of the true class as it was at the event's time, `judged_by` the threshold then (infinite
        if it was cold), `delay` the feedback records that came between, `doubt` as `doubts` gives it for that BetP,
        `label` the true class, by its place, and `class_judged_by` that class's own threshold then, if it had one.
        `today` is what the model says of the event just before it learns the label; None where it says the same.
        """
        self.delay += (delay - self.delay) / min(self.count + 1, DELAY_MEMORY)
        if self.promise is not None:
            said = Answer(doubt, score > doubt)
            decided = math.isfinite(judged_by) and doubt <= judged_by
            now, draw = (said, 1.0) if today is None else today
            self.promise.learn(Outcome(decided, said, now, delay, draw))
            self.alpha = self.promise.level
        elif math.isfinite(judged_by):
            self._steer(score, judged_by, delay)
        if self._keeps_classes:
            self._make_room(label)
            if math.isfinite(class_judged_by):
                self._steer_class(label, score > class_judged_by, delay)
        if self._tells(delay):
            self._keep(score, label)
        if self._unequal is not None:
            self._unequal.learn(label)
        self.count += 1
        self._threshold = None

    def _steer(self, score: float, judged_by: float, delay: int) -> None:
        """Move the level by the error of one event."""
        target, gain = self._settings.error, self._settings.gain * haste(delay)
        if self._pid is not None:
            self._pid.learn((score > judged_by) - target, haste(delay), self.threshold())
            return
        self.alpha = _kept(self.alpha + gain * (target - (score > judged_by)))

    def _steer_class(self, label: int, wrong: bool, delay: int) -> None:
        """Move the level of one class by the error of one of its events.

        The delay that counts is in labels of this class, because no others move this level.
        """
        share = self._by_class[label].count / max(self.known, 1)
        gain = self._settings.gain * haste(share * delay)
        self._class_alphas[label] = _kept(self._class_alphas[label] + gain * (self._settings.error - wrong))

    def _make_room(self, label: int) -> None:
        """Have a place for each class up to this one."""
        while len(self._by_class) <= label:
            self._by_class.append(SlidingQuantile(self._settings.window))
            self._class_alphas.append(self._settings.error)

    def _tells(self, delay: int) -> bool:
        """Whether an event's score says anything of today's model.

        A model that has learnt nothing gives all events the same score. Where labels are late, many such scores come in
        after the model has learnt, and the threshold would rest on them alone; so they are left out.
        """
        learnt = self.count - delay  # by the model that judged the event
        return learnt < 0 or learnt >= min(delay, self._settings.cold_start)

    def _keep(self, score: float, label: int) -> None:
        self._scores.add(score)
        if self._keeps_classes:
            self._by_class[label].add(score)

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """See `tocsin.models.experts.base.Expert`."""
        return {
            **({} if self._pid is None else {"pid": self._pid.array()}),
            **({} if self._unequal is None else with_prefix("unequal/", self._unequal.state_dict())),
            **({} if self.promise is None else with_prefix("promise/", self.promise.state_dict())),
            "scores": self._scores.ring,
            "known": np.array(self.known),
            "count": np.array(self.count),
            "alpha": np.array(self.alpha),
            "delay": np.array(self.delay),
            "class_alphas": np.array(self._class_alphas),
            "class_scores": np.array([s.ring for s in self._by_class]).reshape(-1, self._settings.window),
            "class_counts": np.array([scores.count for scores in self._by_class], np.int64),
        }

    def load_state_dict(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over a state that `state_dict` gave."""
        known = int(arrays["known"])
        self._scores = _restored(arrays["scores"], known)
        by_class = zip(arrays["class_scores"], arrays["class_counts"].tolist(), strict=True)
        self._by_class = [_restored(ring, count) for ring, count in by_class]
        self._class_alphas = [float(alpha) for alpha in arrays["class_alphas"]]
        self.count, self.alpha, self.delay = int(arrays["count"]), float(arrays["alpha"]), float(arrays["delay"])
        if self._pid is not None:
            self._pid.load_state_dict(arrays, "pid")
        if self._unequal is not None:
            self._unequal.load_state_dict(without_prefix("unequal/", arrays))
        if self.promise is not None:
            self.promise.load_state_dict(without_prefix("promise/", dict(arrays)))
        self._threshold = None


def _promise(settings: AbstentionSettings) -> Keeping | None:
    if settings.controls != "error" or not settings.enabled:
        return None
    quick = settings.quick_labels
    return Keeping(settings.error, settings.late_window, settings.cold_start, quick, settings.gain)


def haste(delay: float) -> float:
    """The share of the gain that is used for a label that comes `delay` feedback records late."""
    if delay <= FULL_GAIN_DELAY:
        return 1.0
    return FULL_GAIN_DELAY / delay * min(math.sqrt(max(delay / SLOW_DELAY, 1.0)), MOST_HASTE)


def _sets(betp: Floats, thresholds: Floats) -> Bools:
    """The prediction sets [B, K] by the thresholds of each event and class, [B, K], or of all events, [1, K] or [K]."""
    within = (1.0 - betp) <= thresholds
    result: Bools = within | (betp >= betp.max(axis=1, keepdims=True) - TIE)
    return result


def _kept(alpha: float) -> float:
    return min(max(alpha, ALPHA[0]), ALPHA[1])


def _restored(ring: NDArray[Any], count: int) -> SlidingQuantile:
    result = SlidingQuantile(0)
    result.ring, result.count = np.array(ring, np.float64), count
    return result
