"""The linear text expert: hashed n-grams of a text, or of all that its subject wrote so far, as evidence."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.config.experts.linear_text import LinearTextSettings
from tocsin.kernels.decision import subject_threshold as alerts
from tocsin.kernels.experts import arow
from tocsin.kernels.lagged import text as lagged
from tocsin.kernels.text.ngrams import ngrams, spelt
from tocsin.models.data.batch import Batch, Floats, Ints
from tocsin.models.data.subject_text import SubjectStanding, SubjectText
from tocsin.models.experts.base import Arrays, Expert, PoolContext, SnapshotError

START = np.array([0.7, 1.0, 0.0])
"""log a, the strength and the labels seen (see `tocsin.kernels.experts.arow`) before anything was learnt."""
SHARE_OF_WORDS = 0.3
"""What n-grams of words have of the squared norm of all that a subject wrote, beside those of characters. (Measured on
users and threads: without them later posts hardly help, and with half of it first posts suffer.)"""
MAX_WORDS = 16
"""How many n-grams an explanation is given; the strongest."""


class LinearTextExpert(Expert):
    """Evidence N p: p from `tocsin.kernels.experts.arow`, N and the slope of p fitted online by how the answers fare.

    With scope `subject` an event's evidence is of everything that its subject wrote so far: the subject text state
    before the batch comes in `Batch.subject_texts`, and `follow` returns the state after each event. A label of a
    subject teaches it from the beginnings of all that the subject wrote. Of a subject each n-gram of characters counts
    once, and those of words by how many posts have them; of a single text every n-gram counts once. A text without an
    n-gram gives vacuous evidence.

    >>> import numpy as np
    >>> expert = LinearTextExpert(LinearTextSettings())
    >>> expert.resize(0, 2)
    >>> texts = ["win a prize", "see you at home", "win a prize", "see you at home"]
    >>> expert.learn(Batch.of(np.zeros((4, 0)), texts), np.array([0, 1, 0, 1]), np.ones(4))
    >>> expert.evidence(Batch.of(np.zeros((2, 0)), ["a prize", "at home"])).argmax(axis=1).tolist()
    [0, 1]
    """

    reads_text = True
    words_add_up_to = "log-odds"

    def __init__(self, settings: LinearTextSettings, max_text: int = 100_000) -> None:
        self.name = settings.name
        self.whole_subject = settings.scope == "subject"
        self._settings = settings
        self._max_text = max_text
        self._model = arow.new(1 << settings.bits, 0)
        self._fit = START.copy()
        self._record = alerts.empty(0)
        self._alerts: list[tuple[alerts.Calibration, float]] = []
        """By class, what margins are worth and the least odds of an alert; empty where they are to be worked out."""

    @classmethod
    def from_settings(cls, settings: LinearTextSettings, pool: PoolContext) -> LinearTextExpert:
        """See `Expert`."""
        return cls(settings, pool.max_text)

    @property
    def classes(self) -> int:
        """K."""
        return int(self._model.weights.shape[1])

    @property
    def slope(self) -> float:
        """How steeply probabilities follow margins."""
        return float(np.exp(self._fit[arow.LOG_SLOPE]))

    @property
    def strength(self) -> float:
        """The pseudo-counts that one answer is worth now; 0 before anything was learnt."""
        return float(self._fit[arow.STRENGTH]) if self._fit[arow.SEEN] else 0.0

    def resize(self, features: int, classes: int) -> None:
        """See `Expert`; the features are not looked at."""
        more = classes - self.classes
        if more > 0:
            new = arow.new(1 << self._settings.bits, more)
            old = self._model
            self._model = arow.Linear(np.hstack([old.weights, new.weights]), np.hstack([old.variances, new.variances]))
            self._record, self._alerts = alerts.widened(self._record, classes), []

    def _posts(self, texts: Sequence[str | None]) -> arow.Posts:
        """The n-grams of texts: those of words in a block of their own where they are of subjects."""
        settings, cut = self._settings, [self._cut(text) for text in texts]
        if not self.whole_subject:
            return arow.listed_posts(*ngrams(cut, settings.words, settings.characters, settings.bits))
        listed = ngrams(cut, 0, settings.characters, settings.bits)
        return arow.Posts(*listed, *ngrams(cut, settings.words, 0, settings.bits), self._share)

    @property
    def _share(self) -> float:
        """What the block of words has of the squared norm."""
        if not self.whole_subject or not self._settings.words:
            return 0.0
        return SHARE_OF_WORDS if self._settings.characters else 1.0

    def _cut(self, text: str | None) -> str:
        return (text or "")[: self._max_text]

    # Scoring

    def evidence(self, batch: Batch) -> Floats:
        """See `Expert`. A text longer than the bound is cut there."""
        return self.follow(batch)[0]

    def follow(self, batch: Batch) -> tuple[Floats, list[SubjectText], Floats]:
        """See `Expert`; with scope `post` each event stands for itself, and no state is returned."""
        found = self._posts(batch.texts)
        if not self.whole_subject:
            fresh = arow.empty_texts(len(batch), self.classes)
            evidence, _, gain = self._read(found, np.arange(len(batch)), fresh, False)
            return evidence, [], gain
        index: dict[str, int] = {}
        subject = np.array([index.setdefault(name, len(index)) for name in batch.subjects], np.int64)
        state = self._packed([batch.subject_texts.get((self.name, name)) or SubjectText() for name in index])
        evidence, after, gain = self._read(found, subject, state, True)
        rows = zip(after.sums, after.counts, after.sketches, strict=True)
        return evidence, [SubjectText(*row) for row in rows], gain

    def _packed(self, states: Sequence[SubjectText]) -> arow.SubjectTexts:
        """Subject text states as arrays. A class that came later has 0 for what was read before."""
        packed = arow.empty_texts(len(states), self.classes)
        for t, state in enumerate(states):
            packed.sums[t, :, : state.sums.shape[1]] = state.sums
            packed.counts[t], packed.sketches[t] = state.counts, state.sketch
        return packed

    def _read(
        self, posts: arow.Posts, subject: Ints, state: arow.SubjectTexts, keep: bool
    ) -> tuple[Floats, arow.SubjectTexts, Floats]:
        rows = len(subject) if keep else 0
        after, gain = arow.empty_texts(rows, self.classes), np.empty((rows, self.classes))
        evidence = arow.read(self._model.weights, self._fit, posts, subject, state, after, gain)
        return evidence, after, gain

    def recall(self, batch: Batch, posts: Sequence[Sequence[str]]) -> Floats:
        """See `Expert`."""
        if not self.whole_subject:
            return self.evidence(batch)
        texts, bounds = _texts_by_subject(batch, posts)
        subject = np.repeat(np.arange(len(batch)), np.diff(bounds))
        evidence, _, _ = self._read(self._posts(texts), subject, arow.empty_texts(len(batch), self.classes), False)
        return evidence[bounds[1:] - 1]

    def standing(self, text: SubjectText, posts: int) -> SubjectStanding | None:
        """See `Expert`; alerts are learnt from labelled subjects, so with scope `post` there are none."""
        if not self.whole_subject:
            return None
        if not self._alerts:
            known = [alerts.calibration(self._record, k) for k in range(self.classes)]
            self._alerts = [(one, alerts.threshold(self._record, k, one)) for k, one in enumerate(known)]
        state = self._packed([text])
        d = alerts.beyond_others(self._margins(state)[0])
        lift = np.array([alerts.lift(one, posts, x) for (one, _), x in zip(self._alerts, d.tolist(), strict=True)])
        prior = np.array([one.prior for one, _ in self._alerts])
        return SubjectStanding(lift, lift + prior, np.array([least for _, least in self._alerts]))

    def _margins(self, texts: arow.SubjectTexts) -> Floats:
        """The margins [T, K] of T subjects."""
        out = np.empty((len(texts.counts), self.classes))
        for t, row in enumerate(out):
            arow.margins(self._model.weights, texts.sums[t], texts.counts[t], self._share, row)
        return out

    # Learning

    def learn(self, batch: Batch, y: Ints, weight: Floats) -> None:
        """See `Expert`. Events without a text teach nothing."""
        self._learn(batch.texts, np.arange(len(batch) + 1), y, weight, np.empty((0, 0)))

    def predict_then_learn(self, batch: Batch, y: Ints, weight: Floats) -> Floats:
        """See `Expert`."""
        answers = np.empty((len(batch), self.classes))
        self._learn(batch.texts, np.arange(len(batch) + 1), y, weight, answers)
        return answers

    def learn_posts(self, batch: Batch, y: Ints, weight: Floats, posts: Sequence[Sequence[str]]) -> None:
        """See `Expert`: with scope `subject` the beginnings of all texts together, with scope `post` every text by
        itself."""
        texts, bounds = _texts_by_subject(batch, posts)
        if not self.whole_subject:
            lengths, bounds = np.diff(bounds), np.arange(len(texts) + 1)
            y, weight = np.repeat(y, lengths), np.repeat(weight, lengths)
        self._learn(texts, bounds, y, weight, np.empty((0, 0)))

    def _learn(self, texts: Sequence[str | None], bounds: Ints, y: Ints, weight: Floats, answers: Floats) -> None:
        if self.whole_subject and len(y) > 1:  # each is noted by what was learnt of those before it
            for t in range(len(y)):
                these = slice(t, t + 1)
                some = texts[bounds[t] : bounds[t + 1]]
                self._learn(some, bounds[t : t + 2] - bounds[t], y[these], weight[these], answers[these])
            return
        posts, settings = self._posts(texts), self._settings
        if self.whole_subject and len(y):
            self._note(posts, int(y[0]), float(weight[0]))
        labels = arow.Labels(bounds, np.ascontiguousarray(y, np.int64), np.ascontiguousarray(weight, np.float64))
        arow.learn(self._model, posts, labels, settings.r, settings.strength, self._fit, answers)

    def _note(self, posts: arow.Posts, y: int, weight: float) -> None:
        """Note how a labelled subject fared, before its label is learnt."""
        count = len(posts.bounds) - 1
        after, nobody = arow.empty_texts(count, self.classes), np.empty((0, self.classes))
        state = arow.empty_texts(1, self.classes)
        arow.read(self._model.weights, self._fit, posts, np.zeros(count, np.int64), state, after, nobody)
        if after.counts[-1].any():
            alerts.note(self._record, self._margins(after), y, weight)
            self._alerts = []

    def ask_and_learn(self, asked: Batch, ahead: Ints, batch: Batch, y: Ints, weight: Floats) -> Floats:
        """See `Expert`."""
        if self.whole_subject:
            return super().ask_and_learn(asked, ahead, batch, y, weight)
        posts, questions = (self._posts(some.texts) for some in (batch, asked))
        bounds, rates = np.arange(len(batch) + 1), (self._settings.r, self._settings.strength)
        labels = arow.Labels(bounds, np.ascontiguousarray(y, np.int64), np.ascontiguousarray(weight, np.float64))
        out = np.empty((len(asked), self.classes))
        lagged.ask_and_learn(
            self._model, self._fit, posts, labels, rates, questions, np.ascontiguousarray(ahead, np.int64), out
        )
        return out

    # Explaining

    def words(self, text: str) -> list[tuple[str, Floats]]:
        """The strongest n-grams of a text, each with what it adds to each class's log probability above the mean of all
        classes' [K], as if its subject had written nothing else."""
        buckets, spell = spelt(self._cut(text), self._settings.words, self._settings.characters, self._settings.bits)
        if not len(buckets) or not self.classes:
            return []
        weights = self._model.weights[buckets]
        lifts = self.slope * (weights - weights.mean(axis=1, keepdims=True)) / np.sqrt(len(buckets))
        most = lifts.max(axis=1)
        strongest = np.argsort(-most, kind="stable")[:MAX_WORDS]
        return [(spell(i), lifts[i]) for i in np.sort(strongest[most[strongest] > 0]).tolist()]

    # Snapshots

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """See `Expert`: the buckets that learnt anything, and their rows."""
        weights, variances = self._model
        learnt = np.flatnonzero((variances < 1.0).any(axis=1) | (weights != 0.0).any(axis=1))
        return {
            "layout": np.array([weights.shape[0], weights.shape[1]]),
            "rows": learnt,
            "weights": weights[learnt],
            "variances": variances[learnt],
            "fit": self._fit.copy(),
            **({f"record_{name}": part.copy() for name, part in self._noted().items()} if self.whole_subject else {}),
        }

    def _noted(self) -> dict[str, NDArray[Any]]:
        return self._record._asdict()

    def load_state_dict(self, arrays: Arrays) -> None:
        """See `Expert`."""
        try:
            rows, classes = (int(n) for n in arrays["layout"])
            model = arow.new(1 << self._settings.bits, classes)
            if rows != len(model.weights):
                raise SnapshotError(f"the snapshot has {rows - 1} buckets, these settings {len(model.weights) - 1}")
            learnt = np.array(arrays["rows"], np.int64)
            if not arrays["weights"].shape == arrays["variances"].shape == (len(learnt), classes):
                raise SnapshotError(f"{len(learnt)} rows for {classes} classes do not fit their weights or variances")
            model.weights[learnt], model.variances[learnt] = arrays["weights"], arrays["variances"]
            fit = np.array(arrays["fit"], np.float64)
            record = alerts.empty(classes)
            for name, part in record._asdict().items() if self.whole_subject else ():
                part[:] = np.asarray(arrays[f"record_{name}"]).reshape(part.shape)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise SnapshotError(f"not the arrays of a linear text expert: {error}") from error
        if fit.shape != START.shape:
            raise SnapshotError(f"fit has shape {fit.shape}")
        self._model, self._fit, self._record, self._alerts = model, fit, record, []


def _texts_by_subject(batch: Batch, posts: Sequence[Sequence[str]]) -> tuple[list[str | None], Ints]:
    """Each event's earlier posts and then its own text, flat, and where each event's begin [B + 1]."""
    lengths = [len(earlier) + 1 for earlier in posts]
    texts = [text for earlier, own in zip(posts, batch.texts, strict=True) for text in (*earlier, own)]
    return texts, np.array([0, *accumulate(lengths)], np.int64)
