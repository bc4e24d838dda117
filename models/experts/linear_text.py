"""The linear text expert: hashed n-grams of a text, or of all that its subject wrote so far, as evidence."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.config.experts.linear_text import LinearTextSettings
from tocsin.kernels.experts import arow
from tocsin.kernels.lagged import text as lagged
from tocsin.kernels.text.ngrams import Ngrams, ngrams, spelt
from tocsin.models.data.batch import Batch, Floats, Ints
from tocsin.models.data.subject_text import SubjectText
from tocsin.models.experts.base import Arrays, Expert, PoolContext, SnapshotError

START = np.array([0.7, 1.0, 0.0])
"""log a, the strength and the labels seen (see `tocsin.kernels.experts.arow`) before anything was learnt."""
MAX_WORDS = 16
"""How many n-grams an explanation is given; the strongest."""


class LinearTextExpert(Expert):
    """Evidence N p: p from `tocsin.kernels.experts.arow`, N and the slope of p fitted online by how the answers fare.

    With scope `subject` an event's evidence is of everything that its subject wrote so far: the subject text state
    before the batch comes in `Batch.subject_texts`, and `follow` returns the state after each event. A label of a
    subject teaches it from the beginnings of all that the subject wrote. A text without an n-gram gives vacuous
    evidence.

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

    def _ngrams(self, texts: Sequence[str | None]) -> Ngrams:
        settings = self._settings
        return ngrams([self._cut(text) for text in texts], settings.words, settings.characters, settings.bits)

    def _cut(self, text: str | None) -> str:
        return (text or "")[: self._max_text]

    # Scoring

    def evidence(self, batch: Batch) -> Floats:
        """See `Expert`. A text longer than the bound is cut there."""
        return self.follow(batch)[0]

    def follow(self, batch: Batch) -> tuple[Floats, list[SubjectText], Floats]:
        """See `Expert`; with scope `post` each event stands for itself, and no state is returned."""
        found = self._ngrams(batch.texts)
        if not self.whole_subject:
            fresh = arow.empty_texts(len(batch), self.classes)
            evidence, _, gain = self._read(found, np.arange(len(batch)), fresh, False)
            return evidence, [], gain
        index: dict[str, int] = {}
        subject = np.array([index.setdefault(name, len(index)) for name in batch.subjects], np.int64)
        state = self._packed([batch.subject_texts.get((self.name, name)) or SubjectText() for name in index])
        evidence, after, gain = self._read(found, subject, state, True)
        rows = zip(after.sums, after.counts.tolist(), after.sketches, strict=True)
        return evidence, [SubjectText(*row) for row in rows], gain

    def _packed(self, states: Sequence[SubjectText]) -> arow.SubjectTexts:
        """Subject text states as arrays. A class that came later has 0 for what was read before."""
        packed = arow.empty_texts(len(states), self.classes)
        for t, state in enumerate(states):
            packed.sums[t, : len(state.sums)] = state.sums
            packed.counts[t], packed.sketches[t] = state.ngrams, state.sketch
        return packed

    def _read(
        self, found: Ngrams, subject: Ints, state: arow.SubjectTexts, keep: bool
    ) -> tuple[Floats, arow.SubjectTexts, Floats]:
        rows = len(subject) if keep else 0
        after, gain = arow.empty_texts(rows, self.classes), np.empty((rows, self.classes))
        posts = arow.Posts(found.buckets, found.bounds)
        evidence = arow.read(self._model.weights, self._fit, posts, subject, state, after, gain)
        return evidence, after, gain

    def recall(self, batch: Batch, posts: Sequence[Sequence[str]]) -> Floats:
        """See `Expert`."""
        if not self.whole_subject:
            return self.evidence(batch)
        texts, bounds = _texts_by_subject(batch, posts)
        subject = np.repeat(np.arange(len(batch)), np.diff(bounds))
        evidence, _, _ = self._read(self._ngrams(texts), subject, arow.empty_texts(len(batch), self.classes), False)
        return evidence[bounds[1:] - 1]

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
        found, settings = self._ngrams(texts), self._settings
        posts = arow.Posts(found.buckets, found.bounds)
        labels = arow.Labels(bounds, np.ascontiguousarray(y, np.int64), np.ascontiguousarray(weight, np.float64))
        arow.learn(self._model, posts, labels, settings.r, settings.strength, self._fit, answers)

    def ask_and_learn(self, asked: Batch, ahead: Ints, batch: Batch, y: Ints, weight: Floats) -> Floats:
        """See `Expert`."""
        if self.whole_subject:
            return super().ask_and_learn(asked, ahead, batch, y, weight)
        posts, questions = (arow.Posts(*self._ngrams(some.texts)) for some in (batch, asked))
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
        }

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
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise SnapshotError(f"not the arrays of a linear text expert: {error}") from error
        if fit.shape != START.shape:
            raise SnapshotError(f"fit has shape {fit.shape}")
        self._model, self._fit = model, fit


def _texts_by_subject(batch: Batch, posts: Sequence[Sequence[str]]) -> tuple[list[str | None], Ints]:
    """Each event's earlier posts and then its own text, flat, and where each event's begin [B + 1]."""
    lengths = [len(earlier) + 1 for earlier in posts]
    texts = [text for earlier, own in zip(posts, batch.texts, strict=True) for text in (*earlier, own)]
    return texts, np.array([0, *accumulate(lengths)], np.int64)
