"""A lagged pass of the linear text expert, each text by itself."""

from __future__ import annotations

import numpy as np

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.experts.arow import SKETCH, Labels, Linear, Posts, SubjectTexts, learn, read
from tocsin.kernels.lagged.turns import Floats, Ints, due


@kernel
def ask_and_learn(
    model: Linear,
    fit: Floats,
    posts: Posts,
    labels: Labels,
    rates: tuple[float, float],
    questions: Posts,
    ahead: Ints,
    out: Floats,
) -> None:
    """The evidence for each text of `questions` into `out` [n, K]; see `tocsin.kernels.experts.arow`.

    `labels` are those of `posts`, one each. `rates` are r and the bound on the strength.
    """
    r, most = rates
    K, done = model.weights.shape[1], 0
    nobody, subject, counts = np.empty((0, 0)), np.zeros(1, np.int64), np.zeros((1, 2), np.int64)
    sums, sketches = np.zeros((1, 2, K)), np.zeros((1, SKETCH // 8), np.uint8)
    none, zeros = np.empty(0, np.int64), np.zeros(2, np.int64)
    after = SubjectTexts(np.empty((0, 2, K)), np.empty((0, 2), np.int64), np.empty((0, SKETCH // 8), np.uint8))
    for i in range(len(ahead) + 1):
        stop = due(ahead, i, len(labels.y))
        for j in range(done, stop):
            start, end = posts.bounds[j], posts.bounds[j + 1]
            one = Posts(posts.listed[start:end], posts.bounds[j : j + 2] - start, none, zeros, 0.0)
            these = Labels(np.arange(2), labels.y[j : j + 1], labels.weight[j : j + 1])
            learn(model, one, these, r, most, fit, nobody)
        done = max(done, stop)
        if i < len(ahead):
            sums[:], counts[:], sketches[:] = 0.0, 0, 0
            start, end = questions.bounds[i], questions.bounds[i + 1]
            asked = Posts(questions.listed[start:end], questions.bounds[i : i + 2] - start, none, zeros, 0.0)
            out[i] = read(model.weights, fit, asked, subject, SubjectTexts(sums, counts, sketches), after, nobody)[0]
