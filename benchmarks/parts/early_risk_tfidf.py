"""A rival of the early-risk benchmark: TF-IDF regression on the prefix of a subject, fitted once or again and again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import normalize

from parts.early_risk_measures import Floats, first_over, measure
from parts.threads import HOUR, Subject

LENGTHS = (1, 3, 8, 20, 50, 100)
"""Numbers of posts of the prefixes that it is fitted on."""
CHARACTERS = HashingVectorizer(analyzer="char", ngram_range=(1, 3), alternate_sign=False, norm=None, n_features=2**18)
WORDS = HashingVectorizer(analyzer="word", ngram_range=(1, 2), alternate_sign=False, norm=None, n_features=2**17)


class Regression(NamedTuple):
    """Logistic regression (C = 10) on the TF-IDF of character 1-3-grams and word 1-2-grams, of unit length."""

    idf: Floats
    weights: Floats
    bias: float


class Prefixes:
    """The sublinear term frequencies of every prefix of subjects."""

    def __init__(self, some: Sequence[Subject]) -> None:
        self._told = np.array([subject.rumour for subject in some])
        self._last = np.array([subject.times[-1] for subject in some])
        self._begin = np.array([subject.times[0] for subject in some])
        self._terms = [_terms(subject) for subject in some]

    def fit(self, these: Sequence[int]) -> Regression:
        rows = [self._row(i, length) for i in these for length in LENGTHS]
        ends = np.cumsum([0, *(len(columns) for columns, _ in rows)])
        values, columns = (np.concatenate([row[part] for row in rows]) for part in (1, 0))
        x = sparse.csr_matrix((values, columns, ends), shape=(len(rows), 2**18 + 2**17))
        often = np.bincount(x.indices, minlength=x.shape[1])
        idf = np.where(often < 2, 0.0, np.log((1 + x.shape[0]) / (1 + often)) + 1)
        x = normalize(x.multiply(idf).tocsr())
        model = LogisticRegression(C=10, max_iter=60, tol=1e-3).fit(x, np.repeat(self._told[list(these)], len(LENGTHS)))
        return Regression(idf, model.coef_[0], float(model.intercept_[0]))

    def _row(self, i: int, length: int) -> tuple[Any, Any]:
        columns, terms = self._terms[i]
        row = terms[min(length, len(terms)) - 1]
        there = np.flatnonzero(row)
        return columns[there], row[there]

    def scores(self, model: Regression, these: Sequence[int]) -> list[Floats]:
        """The log odds after each post."""
        found = []
        for i in these:
            columns, terms = self._terms[i]
            x = terms * model.idf[columns]
            found.append(model.bias + x @ model.weights[columns] / np.maximum(np.sqrt((x * x).sum(axis=1)), 1e-9))
        return found

    def threshold(self, known: int) -> float:
        """That of the best F-latency on the first `known` subjects, each scored by the other four of five folds."""
        folds = np.random.default_rng(0).integers(0, 5, known)
        scores: list[Floats] = [np.empty(0)] * known
        for fold in range(5):
            model = self.fit(np.flatnonzero(folds != fold).tolist())
            left_out = np.flatnonzero(folds == fold).tolist()
            for i, score in zip(left_out, self.scores(model, left_out), strict=True):
                scores[i] = score
        tried = np.quantile(np.concatenate(scores), np.linspace(0, 1, 201)).tolist()
        told = self._told[:known].tolist()
        by: Callable[[float], float] = lambda at: measure(first_over(scores, at), told).f_latency  # noqa: E731
        return max(tried, key=by)

    def refitted(self, known: int, hours: float, every: int) -> list[Floats]:
        """The scores of the subjects after the first `known`, by models fitted again every so many of them, with the
        labels that have come by then."""
        scores: list[Floats] = []
        for start in range(known, len(self._told), every):
            labelled = self._last[known:start] + hours * HOUR <= self._begin[start]
            model = self.fit([*range(known), *(known + np.flatnonzero(labelled)).tolist()])
            scores += self.scores(model, range(start, min(start + every, len(self._told))))
        return scores


def _terms(subject: Subject) -> tuple[Any, Any]:
    """The terms of a subject, and how often each was written until each post [n, terms]: 1 + its log, 0 for never."""
    texts = [("\n" if k else "") + text for k, text in enumerate(subject.texts)]
    counts = sparse.hstack([CHARACTERS.transform(texts), WORDS.transform(texts)]).tocsc()
    columns = np.flatnonzero(np.diff(counts.indptr))
    often = np.cumsum(np.asarray(counts[:, columns].todense()), axis=0)
    return columns, np.where(often > 0, 1 + np.log(np.maximum(often, 1)), 0).astype(np.float32)
