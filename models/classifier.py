"""The classifier: a pool of experts, a router, fusion and abstention as one model that learns from feedback."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import cast

import numpy as np

from tocsin.config.model import ModelSettings
from tocsin.config.settings import Settings
from tocsin.kernels import fusion
from tocsin.kernels.fusion import Fused, fuse
from tocsin.kernels.routing.inverse_temperature import raise_rows
from tocsin.models.classifier_snapshot import Snapshots
from tocsin.models.data.batch import (
    Batch,
    Bools,
    FeedbackBatch,
    Floats,
    Ints,
    PredictionContext,
)
from tocsin.models.data.subject_text import SubjectText
from tocsin.models.decision.abstention import (
    Abstention,
    doubts,
    masses,
    pignistic,
)
from tocsin.models.decision.novelty import Novelty, support
from tocsin.models.decision.prior_shift import PriorShift, RecentPriors, Shift
from tocsin.models.decision.scores import Scores
from tocsin.models.experts import registry
from tocsin.models.experts.base import (
    Expert,
    Follower,
    Reader,
    predict_then_learn,
)
from tocsin.models.experts.forest import ForestExpert
from tocsin.models.experts.tree import TreeExpert
from tocsin.models.river_face import RiverFace
from tocsin.models.routing.base import Router, build_router
from tocsin.models.routing.class_discount import ClassDiscount
from tocsin.models.routing.lifecycle import Lifecycle

MAX_CATEGORY_NAMES = 10_000
"""Names of category codes kept for explanations, for all columns together."""


class UnknownClassError(ValueError):
    """A label names a class that the config does not list, or one more than the bound on classes."""


class Classifier(Snapshots, RiverFace):
    """Scores events, learns from feedback; its state is a fold over the feedback in its order, and of nothing else.

    Parameters
    ----------
    settings
        What the model's state depends on; `Classifier.from_config` takes it from a service's settings. With no
        features and no classes named, both are discovered (river's way of using it).
    backend
        What fuses evidence, see `tocsin.kernels.common.backends`. Raises UnknownBackendError where it does not run
        here.

    Examples
    --------
    >>> from river import datasets
    >>> model, right = Classifier(), 0
    >>> for x, y in datasets.Phishing().take(300):
    ...     right += model.predict_one(x) == y
    ...     model.learn_one(x, y)
    >>> right > 220
    True
    """

    def __init__(self, settings: ModelSettings | None = None, backend: str = "auto") -> None:
        fusion.backend(backend)
        self.settings = settings
        self.backend = backend
        """What fuses evidence, as it was asked for."""
        self._model = settings or ModelSettings()
        self.columns: list[str] = [feature.name for feature in self._model.features]
        self.nominal: list[bool] = [feature.kind == "category" for feature in self._model.features]
        self.classes: list[str] = list(self._model.classes)
        self.experts = registry.build(self._model, self.columns, self.nominal)
        self.router: Router = build_router(self._model, len(self.experts), len(self.columns))
        self.contextual = self._new_contextual()
        self.lifecycle = Lifecycle(self._model.lifecycle, registry.kin(self._model))
        self.abstention = Abstention(self._model.abstention)
        self.novelty = Novelty(self._model.abstention)
        self.prior_shift = self._new_prior_shift()
        self.feedback_offset = 0
        """The next offset of the feedback log to learn from."""
        self.learnt = 0
        """Feedback records learnt."""
        self.category_names: dict[int, str] = {}
        self._history: list[int] = [-1] * registry.history_length(self._model)
        self._subjects: OrderedDict[str, int] = OrderedDict()
        self._follows_subjects = registry.follows_subjects(self._model)
        self._index = {name: i for i, name in enumerate(self.classes)}
        self._resize()
        self._start_river_face()

    @classmethod
    def from_config(cls, settings: Settings) -> Classifier:
        """The classifier of a service."""
        return cls(settings.model, settings.kernels.backend)

    @property
    def digest(self) -> str:
        """The hash of the settings, which decisions carry as `config`."""
        return self._model.digest()

    # Scoring

    def score(self, batch: Batch, shift: Shift | None = None) -> Scores:
        """Score B events. Pure: nothing of the model changes.

        `shift` tells of the events' stream how far class priors have moved; it is asked where `prior_shift` is enabled
        and enough is known.
        """
        if batch.history.shape[1] < len(self._history):
            batch = self._recall(batch)
        if not self.classes:
            return self._score_unknowing(batch)
        said, threads = self._hear(batch)
        evidence = said if self.contextual is None else self.contextual.discount(said, self._prior())
        reliability = np.where(self.lifecycle.active, self.router.reliability(batch.X, evidence), 0.0)
        engaged, fused = self._fuse(evidence, reliability)
        plain = betp = self._betp(fused, np.full(len(batch), self.router.inverse_temperature))
        ratio = self._priors_of_late(betp, shift)
        if ratio is not None and self.prior_shift is not None:
            betp = self.prior_shift.applied(plain, ratio)
            fused = self._as_decided(fused, betp, (ratio != 1.0).any(axis=1))
        nonconformity, novel = self._nonconformity(batch.X, evidence, engaged)
        decided, reasons, sets = self.abstention.judge(betp, fused.conflict, novel, self.classes)
        return Scores(
            batch=batch,
            classes=tuple(self.classes),
            said=said,
            evidence=evidence,
            reliability=reliability,
            engaged=engaged,
            belief=fused.belief,
            uncertainty=fused.uncertainty,
            conflict=fused.conflict,
            used=fused.used,
            betp=betp,
            label=self.abstention.labels(betp, self.classes),
            decided=decided,
            reasons=reasons,
            sets=sets,
            threshold=self.abstention.threshold(),
            learnt=self.learnt,
            limits=self.abstention.limits(len(self.classes)),
            nonconformity=nonconformity,
            plain=None if ratio is None else plain,
            ratio=ratio,
            threads=threads,
        )

    def _priors_of_late(self, betp: Floats, shift: Shift | None) -> Floats | None:
        """How much more frequent than usual each class is by now [B, K]; None where nobody asks or nobody knows."""
        if shift is None or self.prior_shift is None or self.prior_shift.usual is None:
            return None
        return shift(betp, self.prior_shift.usual)

    def _as_decided(self, fused: Fused, betp: Floats, moved: Bools) -> Fused:
        """The masses of which BetP [B, K] is the sharpened pignistic probability, where priors have `moved` [B]."""
        blunt = self._sharpened(betp, np.full(len(betp), 1.0 / self.router.inverse_temperature))
        belief, uncertainty = masses(blunt, fused.uncertainty)
        return fused._replace(
            belief=np.where(moved[:, None], belief, fused.belief),
            uncertainty=np.where(moved, uncertainty, fused.uncertainty),
        )

    @property
    def followers(self) -> list[Follower]:
        """The experts that read whole subjects: what they keep comes with a batch, see `Batch.threads`."""
        return [cast(Follower, expert) for expert in self.experts if getattr(expert, "whole_subject", False)]

    def _nonconformity(self, X: Floats, evidence: Floats, engaged: Bools) -> tuple[Floats | None, Bools]:
        """How strange events are [B, 2], and which are novel [B]."""
        if not self._model.abstention.enabled:
            return None, np.zeros(len(X), np.bool_)
        nonconformity = self.novelty.nonconformity(X, support(evidence, engaged))
        return nonconformity, self.novelty.novel(nonconformity)

    def _hear(self, batch: Batch) -> tuple[Floats, dict[str, list[SubjectText]]]:
        """The evidence of all experts [B, E, K], and what those who read whole subjects keep."""
        threads: dict[str, list[SubjectText]] = {}
        said: dict[str, Floats] = {}
        for follower in self.followers:  # the retired, too: what they keep must be whole when they come back
            said[follower.name], threads[follower.name], _ = follower.follow(batch)
        evidence = np.zeros((len(batch), len(self.experts), len(self.classes)))
        for e in np.flatnonzero(self.lifecycle.active).tolist():
            expert = self.experts[e]
            evidence[:, e] = said[expert.name] if expert.name in said else expert.evidence(batch)
        return evidence, threads

    def _fuse(self, evidence: Floats, reliability: Floats) -> tuple[Bools, Fused]:
        """Who is engaged [B, E], and what their evidence [B, E, K] amounts to."""
        engaged = self._engaged(evidence, reliability)
        rule, prior = self._model.fusion.rule, self._prior()
        return engaged, fuse(evidence, reliability, engaged, rule=rule, prior=prior, backend=self.backend)

    @classmethod
    def _betp(cls, fused: Fused, inverse_temperature: Floats) -> Floats:
        """The pignistic probabilities [B, K] of fused beliefs, as sharp [B] as was learnt."""
        return cls._sharpened(pignistic(fused.belief, fused.uncertainty), inverse_temperature)

    @staticmethod
    def _sharpened(betp: Floats, inverse_temperature: Floats) -> Floats:
        result = np.empty_like(betp)
        raise_rows(betp, inverse_temperature, result)
        return result

    def _engaged(self, evidence: Floats, reliability: Floats) -> Bools:
        """[B, E], the active experts that the router engages."""
        return self.router.engaged(reliability, evidence, self._prior()) & self.lifecycle.active

    def _prior(self) -> float:
        """The prior weight of an opinion."""
        prior = self._model.fusion.prior
        return float(len(self.classes)) if prior is None else prior

    def warm_up(self) -> None:
        """Have everything compiled and loaded before the first event and the first label, which would wait for it."""
        if not self.classes:
            return  # what an expert compiles depends on the number of classes, and there is none to know yet
        other = Classifier(self.settings, self.backend)  # what is learnt here is thrown away with it
        text = "warm up, 1 £" if self._model.text else None
        batch = Batch.of(np.zeros((1, len(other.columns))), texts=[text])
        for name in self.classes[:2]:
            seen = other.score(batch).seen(0) if other.classes else None
            other.learn(FeedbackBatch(batch, [name], np.ones(1), [seen], [()]))
        if other.prior_shift is not None and other.classes:
            common = np.full(len(other.classes), 1.0 / len(other.classes))
            RecentPriors(self._model.prior_shift).ratios(common[None], common)
        for expert in other.experts:  # what explanations ask for
            if isinstance(expert, TreeExpert):
                expert.path(batch, 0, 0, 1)
            elif isinstance(expert, ForestExpert):
                expert.path(batch, 0, 1)
        self.score(Batch.of(np.zeros((1, len(self.columns))), texts=[text]))

    def _score_unknowing(self, batch: Batch) -> Scores:
        """No class is known yet: all is uncertain."""
        rows, experts = len(batch), len(self.experts)
        none, silence = np.zeros((rows, 0)), np.zeros((rows, experts, 0))
        return Scores(
            batch=batch,
            classes=(),
            said=silence,
            evidence=silence,
            reliability=np.zeros((rows, experts)),
            engaged=np.zeros((rows, experts), np.bool_),
            belief=none,
            uncertainty=np.ones(rows),
            conflict=np.zeros(rows),
            used=np.zeros(rows, np.int64),
            betp=none,
            label=np.full(rows, -1, np.int64),
            decided=np.zeros(rows, np.bool_),
            reasons=["cold-start"] * rows,
            sets=np.zeros((rows, 0), np.bool_),
            threshold=math.inf,
            learnt=self.learnt,
        )

    def _recall(self, batch: Batch) -> Batch:
        """The batch with the label history as it is known now."""
        history = np.tile(np.array(self._history, np.int64), (len(batch), 1))
        labels = [self._subjects.get(subject, -1) for subject in batch.subjects]
        return replace(batch, history=history, subject_label=np.array(labels, np.int64))

    # Learning

    def learn(self, feedback: FeedbackBatch) -> None:
        """Learn feedback records in their order; how they are cut into batches makes no difference.

        Raises UnknownClassError, before anything is learnt, for a label that is no class of the config.
        """
        new = dict.fromkeys(label for label in feedback.labels if label not in self._index)
        for i, label in enumerate(new):
            self._check_class(label, len(self.classes) + i)
        for start, stop in self._runs(feedback):
            self._learn_run(feedback, start, stop)

    def _runs(self, feedback: FeedbackBatch) -> Iterator[tuple[int, int]]:
        """Stretches that can be learnt in one pass, whatever their length.

        A record opens one of its own where it brings a new class (all must make room first), and where it differs
        from those before it in whether anything was seen at its time.
        """
        start = 0
        for i, label in enumerate(feedback.labels):
            new_class = self._index.get(label, -1) < 0
            other_kind = (feedback.seen[i] is None) != (feedback.seen[start] is None)
            if (new_class or other_kind) and i > start:
                yield start, i
                start = i
            if new_class:
                self._index[label] = len(self.classes)
                self.classes.append(label)
                self._resize()
        if start < len(feedback.labels):
            yield start, len(feedback.labels)

    def _check_class(self, label: str, known: int) -> None:
        """Whether a label may be a class beside `known` others. Raises UnknownClassError."""
        if label in self._index:
            return
        if self._model.classes:
            raise UnknownClassError(f"label {label!r} is not one of the classes {', '.join(self.classes)}")
        if known >= self._model.max_classes:
            raise UnknownClassError(f"label {label!r} would be class {known + 1}: bounds.classes allows no more")

    def _learn_run(self, feedback: FeedbackBatch, start: int, stop: int) -> None:
        batch = feedback.batch.rows(start, stop)
        y = np.array([self._index[label] for label in feedback.labels[start:stop]], np.int64)
        weight = np.ascontiguousarray(feedback.weight[start:stop], np.float64)
        posts = feedback.posts[start:stop]
        seen = [s for s in feedback.seen[start:stop] if s is not None]
        if seen:
            self._learn_late(batch, seen, y, weight, posts)
        else:
            self.learn_at_once(batch, y, weight, posts)
        for names in batch.categories:
            if len(self.category_names) < MAX_CATEGORY_NAMES:
                self.category_names.update(names)

    def _learn_late(
        self, batch: Batch, seen: Sequence[PredictionContext], y: Ints, weight: Floats, posts: Sequence[Sequence[str]]
    ) -> None:
        """Learn labels of events that were scored before: router and abstention learn from what was said then."""
        batch = replace(
            batch,
            history=np.array([list(s.history) for s in seen], np.int64).reshape(len(seen), -1),
            subject_label=np.array([s.subject_label for s in seen], np.int64),
        )
        for piece in self.lifecycle.pieces(len(batch)):
            rows = batch.rows(piece.start, piece.stop)
            self._learn_late_piece(rows, seen[piece], y[piece], weight[piece], posts[piece])

    def _learn_late_piece(
        self, batch: Batch, seen: Sequence[PredictionContext], y: Ints, weight: Floats, posts: Sequence[Sequence[str]]
    ) -> None:
        has_posts = any(posts)
        for e in np.flatnonzero(self.lifecycle.active).tolist():
            expert = self.experts[e]
            if has_posts and isinstance(expert, Reader):
                expert.learn_posts(batch, y, weight, posts)
            else:
                expert.learn(batch, y, weight)
        evidence = np.zeros((len(seen), len(self.experts), len(self.classes)))
        for i, known in enumerate(seen):
            evidence[i, :, : known.evidence.shape[1]] = known.evidence
        # An expert that has begun anew since is not judged by what the one before it said.
        evidence[self.lifecycle.unborn([known.learnt for known in seen])] = 0.0
        evidence = self._learn_worth(evidence, y)
        delay = self.learnt + np.arange(len(seen)) - np.array([known.learnt for known in seen], np.int64)
        reliability, _ = self.router.learn(batch.X, evidence, y, weight, delay)
        said = np.zeros((len(seen), len(self.classes)))
        for i, known in enumerate(seen):
            said[i, : len(known.betp)] = known.betp
        scores, doubt = 1.0 - said[np.arange(len(y)), y], doubts(said)
        for i, (subject, label, known) in enumerate(zip(batch.subjects, y.tolist(), seen, strict=True)):
            late = self.learnt - known.learnt
            self.abstention.learn(float(scores[i]), known.threshold, late, float(doubt[i]), label, known.limit(label))
            if self.prior_shift is not None:
                plain = known.betp if known.plain is None else known.plain
                self.prior_shift.learn(plain, known.ratio, label, known.learnt)
            self._remember(subject, label)
            self.learnt += 1
        if self._model.abstention.enabled:
            self.novelty.learn(batch.X, [known.nonconformity for known in seen])
        decided = np.array([int(known.betp.argmax()) if len(known.betp) else -1 for known in seen], np.int64)
        self._live(evidence, reliability, self._engaged(evidence, reliability), y, decided)

    def _learn_worth(self, said: Floats, y: Ints) -> Floats:
        """The evidence [B, E, K] as it is fused just before each of B records, from which its worth is then learnt."""
        return said if self.contextual is None else self.contextual.learn(said, y, self._prior())

    def _live(self, evidence: Floats, reliability: Floats, engaged: Bools, y: Ints, decided: Ints) -> None:
        """Let the lifecycle see records of one of its pieces, and do what is due where they end a window."""
        if self.lifecycle.observe(evidence, reliability, engaged, y, decided, self._prior()):
            self.lifecycle.review(self.experts, self.router, self._fresh)

    def learn_at_once(
        self, batch: Batch, y: Ints, weight: Floats, posts: Sequence[Sequence[str]] | None = None
    ) -> Floats:
        """Learn B events of known classes whose labels came with them: scored and learnt one after the other.

        Returns BetP [B, K] of each event just before it was learnt. It is one pass through each expert, and the same
        bits however the events are cut into calls.
        """
        betp = np.empty((len(batch), len(self.classes)))
        for piece in self.lifecycle.pieces(len(batch)):
            rows = self._remember_all(batch.rows(piece.start, piece.stop), y[piece])
            said = posts[piece] if posts is not None else None
            betp[piece] = self._learn_piece_at_once(rows, y[piece], weight[piece], said)
        return betp

    def _learn_piece_at_once(
        self, batch: Batch, y: Ints, weight: Floats, posts: Sequence[Sequence[str]] | None
    ) -> Floats:
        evidence = np.zeros((len(batch), len(self.experts), len(self.classes)))
        for e in np.flatnonzero(self.lifecycle.active).tolist():
            expert = self.experts[e]
            if posts is not None and any(posts) and isinstance(expert, Reader):
                for i in range(len(batch)):
                    event, earlier = batch.rows(i, i + 1), posts[i : i + 1]
                    evidence[i, e] = expert.recall(event, earlier)[0]
                    expert.learn_posts(event, y[i : i + 1], weight[i : i + 1], earlier)
            else:
                evidence[:, e] = predict_then_learn(expert, batch, y, weight)
        evidence = self._learn_worth(evidence, y)
        reliability, inverse_temperature = self.router.learn(batch.X, evidence, y, weight, np.zeros(len(y), np.int64))
        engaged, fused = self._fuse(evidence, reliability)
        betp = self._betp(fused, inverse_temperature)
        if self._model.abstention.enabled:
            self.novelty.predict_then_learn(batch.X, support(evidence, engaged))
            true = betp[np.arange(len(y)), y]
            for p, doubt, label in zip(true.tolist(), doubts(betp).tolist(), y.tolist(), strict=True):
                limits = self.abstention.limits(len(self.classes))
                own = limits[label] if limits is not None else math.inf
                self.abstention.learn(1.0 - p, self.abstention.threshold(), 0, doubt, label, own)
        if self.prior_shift is not None:
            for i, label in enumerate(y.tolist()):
                self.prior_shift.learn(betp[i], None, label, self.learnt + i)
        self.learnt += len(batch)
        self._live(evidence, reliability, engaged, y, betp.argmax(axis=1))
        return betp

    def _remember_all(self, batch: Batch, y: Ints) -> Batch:
        """The batch with the label history as each event would have seen it; the history moves on past all of them."""
        rows, length = len(batch), len(self._history)
        history = np.empty((rows, length), np.int64)
        past = np.concatenate([np.array(self._history[::-1], np.int64), y])
        for back in range(length):
            history[:, back] = past[length - 1 - back : length - 1 - back + rows]
        self._history = past[len(past) - length :][::-1].tolist()
        subject_label = np.full(rows, -1, np.int64)
        if self._follows_subjects:
            for i, (subject, label) in enumerate(zip(batch.subjects, y.tolist(), strict=True)):
                subject_label[i] = self._subjects.get(subject, -1)
                self._remember_subject(subject, label)
        return replace(batch, history=history, subject_label=subject_label)

    def _remember(self, subject: str, y: int) -> None:
        if self._history:
            self._history = [y, *self._history[:-1]]
        if self._follows_subjects:
            self._remember_subject(subject, y)

    def _remember_subject(self, subject: str, y: int) -> None:
        self._subjects[subject] = y
        self._subjects.move_to_end(subject)
        if len(self._subjects) > self._model.max_subjects:
            self._subjects.popitem(last=False)

    def widen(self, columns: Sequence[str], nominal: Sequence[bool], classes: Sequence[str]) -> None:
        """Make room for more columns, of which `nominal` are categories, or more classes; both begin with the old."""
        if len(columns) > len(self.columns):
            self.columns, self.nominal = list(columns), list(nominal)
            for expert in self.experts:
                if hasattr(expert, "set_columns"):
                    expert.set_columns(self.columns, self.nominal)
                elif hasattr(expert, "set_nominal"):
                    expert.set_nominal(self.nominal)
        for name in classes[len(self.classes) :]:
            self._index[name] = len(self.classes)
            self.classes.append(name)
        self._resize()

    def _new_contextual(self) -> ClassDiscount | None:
        return ClassDiscount(len(self.experts), self._model.fusion.fade) if self._model.fusion.contextual else None

    def _new_prior_shift(self) -> PriorShift | None:
        return PriorShift(self._model.prior_shift) if self._model.prior_shift.enabled else None

    def _fresh(self, e: int) -> Expert:
        """Expert e as one that has learnt nothing, with room for what is known; the worth of its word is forgotten."""
        if self.contextual is not None:
            self.contextual.forget(e)
        expert = registry.fresh(self._model, e, self.columns, self.nominal)
        expert.resize(len(self.columns), len(self.classes))
        return expert

    def _resize(self) -> None:
        self.router.resize(len(self.columns))
        if self.contextual is not None:
            self.contextual.resize(len(self.classes))
        if self.prior_shift is not None:
            self.prior_shift.resize(len(self.classes))
        self.lifecycle.resize(len(self.classes))
        self.novelty.resize(self.nominal)
        for expert in self.experts:
            expert.resize(len(self.columns), len(self.classes))
