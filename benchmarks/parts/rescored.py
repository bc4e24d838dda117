"""Recordings for the promise on errors: what was said of an event when it came, and again when its label came."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from parts.generators import Floats, Ints, Stream
from parts.turning import TURNING
from tocsin.config.abstention import AbstentionSettings
from tocsin.config.presets.driftmoe import tocsin
from tocsin.models import Classifier
from tocsin.models.data.batch import Batch, PredictionContext
from tocsin.models.data.belief import doubts
from tocsin.models.data.feedback import Contexts, FeedbackBatch

POLL = 50


class Rescored(NamedTuple):
    """What was said of N events. A score is 1 - BetP of the true class, a doubt that of the most probable one."""

    doubt: Floats
    score: Floats
    now_doubt: Floats
    """By the model that had learnt all labels before this one; NaN where the label never came."""
    now_score: Floats
    drifts: Ints


def record(name: str, seed: int, events: int, delay: int, directory: Path) -> Rescored:
    """The recording of a stream: from the directory, or made and kept there."""
    path = directory / f"{name}-{seed}-{events}-{delay}.npz"
    if path.exists():
        with np.load(path) as file:
            return Rescored(**file)
    made = _made(TURNING[name](events, seed), seed, delay)
    directory.mkdir(parents=True, exist_ok=True)
    np.savez(path, **made._asdict())
    return made


def _made(stream: Stream, seed: int, delay: int) -> Rescored:
    settings = tocsin("data", seed).model_copy(update={"abstention": AbstentionSettings(controls="error")})
    model, N = Classifier(settings), len(stream.y)
    names = [str(k) for k in range(stream.classes)]
    model.widen([str(f) for f in range(stream.X.shape[1])], [False] * stream.X.shape[1], names)
    said, now = np.full((N, stream.classes), np.nan), np.full((N, stream.classes), np.nan)
    judge, done = model.mixture.judge, 0

    def watch(batch: Batch, y: Ints, betp: Floats, contexts: Contexts, learnt: int, rescored: Floats) -> None:
        nonlocal done
        now[done : done + len(y)] = rescored
        done += len(y)

    judge.learn_late = watch  # type: ignore[method-assign, assignment]
    seen: list[PredictionContext | None] = []
    for start in range(0, N, POLL):
        stop = min(start + POLL, N)
        scores = model.score(Batch.of(stream.X[start:stop]))
        said[start:stop] = scores.betp
        seen += [scores.context(i) for i in range(stop - start)]
        past, until = max(start - delay, 0), max(stop - delay, 0)
        if until > past:
            labels, rows = [names[k] for k in stream.y[past:until]], until - past
            batch = Batch.of(stream.X[past:until])
            model.learn(FeedbackBatch(batch, labels, np.ones(rows), seen[past:until], [()] * rows))
            seen[past:until] = [None] * rows
    rows = np.arange(N)
    of = [array for betp in (said, now) for array in (doubts(betp), 1.0 - betp[rows, stream.y])]
    return Rescored(*of, np.array(stream.drifts, np.int64))
