"""The rivals of the early-risk benchmark: a batch model that rescans every thread, and pyss3."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import normalize

from parts.early_risk_measures import Floats
from parts.threads import HOUR, OTHER, RUMOUR, Split, Subject

LENGTHS = (1, 3, 8, 20, 50, 100)
PYSS3 = "0.6.5"


class Batch(NamedTuple):
    """Logistic regression on binary hashed character 1-3-grams of joined posts, of unit length."""

    weights: Floats
    bias: float


GRAMS = HashingVectorizer(
    analyzer="char", ngram_range=(1, 3), binary=True, alternate_sign=False, norm=None, n_features=2**18
)


def fit_batch(known: Sequence[Subject]) -> Batch:
    texts = ["\n".join(subject.texts[:k]) for subject in known for k in LENGTHS]
    labels = [subject.rumour for subject in known for _ in LENGTHS]
    model = LogisticRegression(C=30, max_iter=300).fit(normalize(GRAMS.transform(texts)), labels)
    return Batch(model.coef_[0], float(model.intercept_[0]))


def batch_scores(model: Batch, some: Sequence[Subject]) -> list[Floats]:
    """The log odds after each post: what rescanning the joined text would give, without doing it."""
    scores = []
    for subject in some:
        tail, new = "", []
        for k, text in enumerate(subject.texts):
            new.append(tail + ("\n" if k else "") + text)
            tail = new[-1][-2:]
        grams, have, total, one = GRAMS.transform(new), set(), 0.0, []
        for k in range(len(new)):
            for gram in grams.indices[grams.indptr[k] : grams.indptr[k + 1]].tolist():
                if gram not in have:
                    have.add(gram)
                    total += model.weights[gram]
            one.append(model.bias + total / np.sqrt(max(len(have), 1)))
        scores.append(np.array(one))
    return scores


def rescan_seconds(model: Batch, some: Sequence[Subject]) -> float:
    """Per post, where each is answered by scanning its thread again, as a batch model must."""
    start, posts = time.perf_counter(), 0
    for subject in some:
        for k in range(1, len(subject.texts) + 1):
            normalize(GRAMS.transform(["\n".join(subject.texts[:k])])) @ model.weights
            posts += 1
    return (time.perf_counter() - start) / posts


def refitted_scores(parts: Split, hours: float, every: int) -> list[Floats]:
    """The batch model fitted again whenever so many subjects more have come, with the labels that ours had by then."""
    scores: list[Floats] = []
    for start in range(0, len(parts.new), every):
        now = parts.new[start].times[0]
        labelled = [s for s in parts.new[:start] if s.times[-1] + hours * HOUR <= now]
        scores += batch_scores(fit_batch([*parts.known, *labelled]), parts.new[start : start + every])
    return scores


def pyss3_taught(known: Sequence[Subject]) -> Any:
    import pyss3

    model = pyss3.SS3()
    for subject in known:
        for text in subject.texts:
            model.learn(" ".join(text), RUMOUR if subject.rumour else OTHER, update=False)
    model.update_values(force=True)
    return model


def pyss3_excess(model: Any, some: Sequence[Subject]) -> list[Floats]:
    rumour = model.get_categories().index(RUMOUR)
    excess = []
    for subject in some:
        values = np.array([model.classify(" ".join(text), sort=False) for text in subject.texts])
        excess.append(np.cumsum(2 * values[:, rumour] - values.sum(axis=1)))
    return excess
