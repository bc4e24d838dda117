"""The mixture of experts: the pool, the router and the judge as one model on class indices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tocsin.config.model import ModelSettings
from tocsin.kernels.fusion import Fused
from tocsin.kernels.routing.gate import Labels as GateLabels
from tocsin.models.data.batch import Batch, Bools, Floats, Ints
from tocsin.models.data.feedback import Contexts
from tocsin.models.data.label_history import LabelHistory
from tocsin.models.data.snapshot import Stateful
from tocsin.models.data.times.columns import TimeColumns
from tocsin.models.decision.judge import Findings, Judge
from tocsin.models.decision.prior_shift import Followed
from tocsin.models.decision.rare_reading import RareReading, Read
from tocsin.models.decision.scores import Scores
from tocsin.models.decision.scoring.opinions import CpuScorer, Parts, Scorer
from tocsin.models.decision.streams import Streams
from tocsin.models.experts import registry
from tocsin.models.experts.base import Expert
from tocsin.models.experts.pool import ExpertPool, Posts
from tocsin.models.inputs.preparation import Preparation
from tocsin.models.inputs.rarity import Rarity
from tocsin.models.profiles.label_rates import LabelRates
from tocsin.models.routing.base import Lessons, Questions
from tocsin.models.routing.combiner import Combined, Combiner, Learnt
from tocsin.models.routing.gate import UNASKED, AskingPlan, EngagementGate, asked_in
from tocsin.models.routing.lifecycle import Lifecycle


class Mixture:
    """All parts of a classifier that learn. Classes are known by their indices, columns by their places."""

    def __init__(self, settings: ModelSettings, backend: str, names: Sequence[str], nominal: Sequence[bool]) -> None:
        self.times = TimeColumns(settings.features)
        """What makes all columns of the features that events have; a time becomes several."""
        self.inputs = Preparation(settings.inputs)
        self.pool = ExpertPool(settings, names, nominal)
        self.combiner = Combiner(settings, len(self.pool), len(names), backend)
        earn, stays = registry.must_earn(settings), registry.stays(settings)
        self.gate = EngagementGate(settings)
        self.lifecycle = Lifecycle(settings.lifecycle, registry.kin(settings), earn, stays)
        self.rare = RareReading(settings)
        self.judge = Judge(settings)
        self.history = LabelHistory(
            registry.history_length(settings), registry.follows_subjects(settings), settings.max_subjects
        )
        self.rates = LabelRates(settings.profiles, settings.max_profile_keys)
        self.learnt = 0
        """Feedback records learnt."""
        self._classes = 0
        self.scorer: Scorer = CpuScorer(self.scored_parts)
        """Who works out what the experts say of a batch."""

    @property
    def scored_parts(self) -> Parts:
        """What a scorer reads."""
        return Parts(self.pool, self.gate, self.combiner, self.rare, self.judge.novelty if self.judge.enabled else None)

    def score_by(self, scorer: Scorer) -> None:
        """Have batches scored from now on by a scorer like this one, which begins with the parts as they are."""
        self.scorer = scorer.anew(self.scored_parts)

    def resize(self, nominal: Sequence[bool], classes: int) -> None:
        """Make room for more columns, of which `nominal` are categories, or for more classes. Never shrinks."""
        self._classes = classes
        self.inputs.resize(nominal, classes)
        self.combiner.resize(nominal, classes)
        self.lifecycle.resize(classes)
        self.gate.resize(len(nominal), classes)
        self.rare.resize(classes)
        self.judge.resize(nominal, classes)
        self.pool.resize(classes)

    def parts(self) -> dict[str, Stateful]:
        """Everything that has a state, by its name in snapshots."""
        return {
            **self.inputs.parts(),
            "router": self.combiner.router,
            **({"gate": self.gate} if self.gate.learns else {}),
            "lifecycle": self.lifecycle,
            "rare": self.rare,
            **({"undersampling": self.pool.undersampling} if self.pool.undersampling.used else {}),
            "abstention": self.judge.abstention,
            "novelty": self.judge.novelty,
            "operating_point": self.judge.operating_point,
            "contextual": self.combiner.class_discount,
            "prior_shift": self.judge.prior_shift,
            **({"profiles": self.rates} if self.rates.width else {}),
            **{f"expert.{expert.name}": expert for expert in self.pool.experts},
        }

    def plan(self, share: float) -> AskingPlan | None:
        """Whom to ask, so that a share of the decisions is as if all were: `router.engage`, or less where `share` is.

        None asks all. While a class is rare all are heard, because what is believed of it rests on all; and while the
        gate has not learnt yet. A `share` below 1 then asks the fewest experts that hold it of the routing.
        """
        engage = min(self.gate.engage, share)
        if engage >= 1.0:
            return None
        rare = self.rare.reader is not None and bool(self.rare.rare.any())
        found = self.gate.plan(engage, self.lifecycle.active) if self.gate.learns and not rare else None
        if found is None and share < 1.0:
            return AskingPlan(self.fewest(share), np.zeros(0, np.int64), 0.0)
        return found

    def fewest(self, share: float) -> Bools:
        """The fewest active experts that hold this share of the routing, [E]; all where it is not known yet."""
        shares = np.array([health.share or 0.0 for health in self.lifecycle.health()]) * self.lifecycle.active
        if not shares.any():
            return self.lifecycle.active.copy()
        order = np.argsort(-shares, kind="stable")
        ranked = shares[order]
        asked = np.zeros(len(shares), np.bool_)
        asked[order[ranked.cumsum() - ranked < share * shares.sum()]] = True
        if self.rare.reader is not None:  # the probabilities of a rare class are its own, whatever its share
            asked[self.rare.reader] = True
        return asked & self.lifecycle.active

    def score(self, batch: Batch, classes: Sequence[str], streams: Streams | None, share: float = 1.0) -> Scores:
        """Score B events. Pure: nothing changes, and what must be kept stands in the result.

        With a `share` below 1 fewer experts are asked, see `plan`; the others say nothing.
        """
        batch = self.times.expand(batch)
        if batch.history.shape[1] < len(self.history):
            batch = self.history.recall(batch)
        if not classes:
            return Scores.before_any_class(batch, len(self.pool), self.learnt)
        batch = self.inputs.apply(batch, bool(self.rare.rare.any()))
        said = self.scorer.opinions(batch, self.lifecycle.active, self.learnt, plan := self.plan(share))
        combined, read = said.combined, said.read
        followed = self.judge.prior_shift.follow(read.betp, streams)
        fused = self._moved(combined, read, followed)
        backing = combined.evidence if plan is None else self.gate.scaled(combined.evidence, said.asked)
        found = Findings(backing, combined.engaged, followed.betp, fused.conflict, said.distance)
        verdict, abstention = self.judge.judge(batch, found, classes, streams), self.judge.abstention
        return Scores(
            batch=batch,
            given=batch.given,
            classes=tuple(classes),
            answers=said.answers,
            evidence=combined.evidence,
            reliability=combined.reliability,
            engaged=combined.engaged,
            belief=fused.belief,
            uncertainty=fused.uncertainty,
            conflict=fused.conflict,
            used=fused.used,
            betp=followed.betp,
            label=verdict.label,
            decided=verdict.decided,
            reasons=verdict.reasons,
            sets=verdict.sets,
            threshold=abstention.threshold(),
            learnt=self.learnt,
            limits=abstention.limits(len(classes)),
            raised_at=verdict.raised_at,
            nonconformity=verdict.nonconformity,
            plain=None if followed.ratio is None else read.betp,
            ratio=followed.ratio,
            priors=followed.states,
            traffic=verdict.traffic,
            subject_texts=said.subject_texts,
        )

    def _moved(self, combined: Combined, read: Read, followed: Followed) -> Fused:
        """The masses that agree with the probabilities after the reading of rare classes and the shift of priors."""
        moved = read.moved if followed.ratio is None else read.moved | (followed.ratio != 1.0).any(axis=1)
        if not moved.any():
            return combined.fused
        return self.combiner.with_betp(combined.fused, followed.betp, moved, combined.inverse_temperature)

    def learn(self, batch: Batch, y: Ints, weight: Floats, posts: Posts, contexts: Contexts | None) -> Floats:
        """Learn B labels y, in order; returns BetP [B, K] as it was just before each.

        `contexts` are what was predicted of the events at their own time; None where labels came with their events.
        It makes no difference how events are cut into calls. They are learnt in pieces that end where a window of the
        lifecycle does.
        """
        batch, betp = self.times.expand(batch), np.empty((len(batch), self._classes))
        for piece in self.lifecycle.pieces(len(batch)):
            rows = batch.rows(piece.start, piece.stop)
            known = None if contexts is None else contexts.rows(piece)
            betp[piece] = self._learn_piece(rows, y[piece], weight[piece], posts[piece], known)
        return betp

    def _learn_piece(self, batch: Batch, y: Ints, weight: Floats, posts: Posts, contexts: Contexts | None) -> Floats:
        active = self.lifecycle.active
        if contexts is not None and self.judge.rescores:
            return self._rescore_piece(batch, y, weight, posts, contexts)
        delay = np.zeros(len(y), np.int64)
        if contexts is not None:
            delay = self.learnt + np.arange(len(y)) - contexts.learnt
        rare = self.rare.learn(y)
        batch = self.inputs.learn(batch, y, delay, Rarity.of(rare, y))
        if contexts is None:
            batch = self.history.remember_all(batch, y)
            answers = self.pool.predict_then_learn(batch, y, weight, posts, active)
        else:
            batch = _as_predicted(batch, contexts)
            answers = self._answers_of(contexts)
            self.pool.learn(batch, y, weight, posts, active, answers)
        learnt = self.combiner.learn(batch.ranked, answers, y, weight, delay)
        if contexts is None:
            engaged, fused = self.combiner.fuse(learnt.evidence, learnt.reliability, active)
            betp = self.rare.read(self.combiner.betp(fused, learnt.inverse_temperature), answers, rare[:-1]).betp
            self.judge.learn_at_once(batch, y, betp, learnt.evidence, engaged, self.learnt)
            decided = betp.argmax(axis=1)
        else:
            asked = self.gate.asked(answers, active)
            engaged = self.combiner.engaged(learnt.evidence, learnt.reliability, asked)
            betp = self._betp_of(contexts)
            self.judge.learn_late(batch, y, betp, contexts, self.learnt)
            for subject, label in zip(batch.subjects, y.tolist(), strict=True):
                self.history.remember(subject, label)
            decided = np.where(contexts.classes > 0, betp.argmax(axis=1), -1)
        self.learnt += len(batch)
        self._learn_gate(batch, answers, learnt, (y, decided), contexts is not None)
        self.observe(learnt.evidence, learnt.reliability, engaged, y, decided)
        return betp

    def _rescore_piece(self, batch: Batch, y: Ints, weight: Floats, posts: Posts, contexts: Contexts) -> Floats:
        """Learn B late labels, each after its event was scored by the model of that very moment."""
        active, ahead = self.lifecycle.active, np.arange(len(y))
        delay = self.learnt + ahead - contexts.learnt
        # The labels before an event are those of its own time: with the very latest an expert would know too much.
        batch, answers = _as_predicted(batch, contexts), self._answers_of(contexts)
        rare = self.rare.learn(y)
        asked, batch = self.inputs.ask_and_learn(batch, ahead, batch, y, delay, Rarity.of(rare, y))
        said = self.pool.rescore_and_learn(asked, batch, y, weight, posts, active, answers)
        lessons = Lessons(batch.ranked, answers, y, weight, delay)
        combined, learnt = self.combiner.ask_and_learn(Questions(asked.ranked, said, ahead), lessons, active)
        rescored = self.rare.read(combined.betp, said, rare[:-1]).betp
        betp = self._betp_of(contexts)
        self.judge.learn_late(batch, y, betp, contexts, self.learnt, rescored)
        for subject, label in zip(batch.subjects, y.tolist(), strict=True):
            self.history.remember(subject, label)
        asked_then = self.gate.asked(answers, active)
        engaged = self.combiner.engaged(learnt.evidence, learnt.reliability, asked_then)
        decided = np.where(contexts.classes > 0, betp.argmax(axis=1), -1)
        self.learnt += len(batch)
        self._learn_gate(batch, answers, learnt, (y, decided), True)
        self.observe(learnt.evidence, learnt.reliability, engaged, y, decided)
        return betp

    def _learn_gate(self, batch: Batch, answers: Floats, learnt: Learnt, labels: tuple[Ints, Ints], late: bool) -> None:
        """Teach the gate the classes of B events and what was decided; all experts were asked if no label was late."""
        if self.gate.learns:
            counted = self.gate.drawn(batch.ids) if late else np.ones(len(batch), np.bool_)
            active, prior = self.lifecycle.active, self.combiner.prior
            seen = self.combiner.quantities(batch.ranked)
            self.gate.learn(seen, answers, learnt.reliability, GateLabels(*labels, counted), active, prior)

    def observe(self, evidence: Floats, reliability: Floats, engaged: Bools, y: Ints, decided: Ints) -> None:
        """Count B records for the lifecycle, see `Lifecycle.observe`, and review the pool where a window ends."""
        if self.lifecycle.observe(evidence, reliability, engaged, y, decided, self.combiner.prior):
            spared, known = self.pool.undersampling.spared(), self.gate.known()
            self.lifecycle.review(self.pool.experts, self.combiner.router, self._fresh, spared, known)

    def _answers_of(self, contexts: Contexts) -> Floats:
        """The evidence [B, E, K] of each event's own time; a class that came later had none."""
        answers = np.zeros((len(contexts), len(self.pool), self._classes))
        answers[:, :, : contexts.evidence.shape[2]] = contexts.evidence
        if contexts.evidence.shape[2]:
            answers[~asked_in(contexts.evidence)] = UNASKED  # of classes that came later, too
        # An expert that has begun anew since is not judged by what the one before it answered.
        answers[self.lifecycle.unborn(contexts.learnt)] = 0.0
        return answers

    def _betp_of(self, contexts: Contexts) -> Floats:
        """BetP [B, K] of each event's own time; 0 for a class that came later."""
        betp = np.zeros((len(contexts), self._classes))
        betp[:, : contexts.betp.shape[1]] = contexts.betp
        return betp

    def _fresh(self, e: int) -> Expert:
        """Expert e as one that has learnt nothing; what its word was worth is forgotten."""
        self.combiner.forget(e)
        self.gate.forget(e)
        return self.pool.fresh(e)


def _as_predicted(batch: Batch, contexts: Contexts) -> Batch:
    """The batch with the label history as it was when each event was scored."""
    return replace(batch, history=contexts.history, subject_label=contexts.subject_label)
