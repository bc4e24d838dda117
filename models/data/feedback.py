"""Labelled events, as a model learns them: columns, what scoring saw of each at its own time, and in which turns."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tocsin.models.data.batch import Batch, Bools, Floats, Ints, PredictionContext


@dataclass(frozen=True, slots=True)
class Contexts:
    """The prediction contexts of B events, with E experts and K classes; see `PredictionContext` for what each is.

    `classes` int64 [B] says how many of the K classes were known at each event's time. Behind them stand zeros, and
    infinite limits.
    """

    classes: Ints
    history: Ints
    """[B, H]"""
    subject_label: Ints
    evidence: Floats
    """[B, E, K]"""
    betp: Floats
    """[B, K]"""
    threshold: Floats
    learnt: Ints
    limits: Floats | None = None
    """[B, K], infinite for a class that had none of its own."""
    nonconformity: Floats | None = None
    """[B, 2 or 3], NaN where it is not known."""
    plain: Floats | None = None
    """[B, K], NaN for an event whose class priors were not followed."""
    ratio: Floats | None = None
    """[B, K], NaN for an event whose class priors were not followed."""

    def __len__(self) -> int:
        return len(self.learnt)

    def rows(self, piece: slice) -> Contexts:
        """Those of some of the events."""
        if piece.start == 0 and piece.stop == len(self):
            return self

        def cut(column: Floats | None) -> Floats | None:
            return None if column is None else column[piece]

        return Contexts(
            self.classes[piece],
            self.history[piece],
            self.subject_label[piece],
            self.evidence[piece],
            self.betp[piece],
            self.threshold[piece],
            self.learnt[piece],
            cut(self.limits),
            cut(self.nonconformity),
            cut(self.plain),
            cut(self.ratio),
        )

    def unpadded(self) -> list[PredictionContext]:
        """The same as objects, one for each event."""
        return [self._one(i) for i in range(len(self))]

    def _one(self, i: int) -> PredictionContext:
        K = int(self.classes[i])
        ratio = None if self.ratio is None or np.isnan(self.ratio[i]).any() else self.ratio[i, :K]
        limits, nonconformity = self.limits, self.nonconformity
        return PredictionContext(
            history=self.history[i].tolist(),
            subject_label=int(self.subject_label[i]),
            evidence=self.evidence[i, :, :K],
            betp=self.betp[i, :K],
            threshold=float(self.threshold[i]),
            learnt=int(self.learnt[i]),
            limits=None if limits is None else limits[i, :K].tolist(),
            nonconformity=None if nonconformity is None else nonconformity[i].tolist(),
            plain=None if ratio is None or self.plain is None else self.plain[i, :K],
            ratio=ratio,
        )

    @classmethod
    def of(cls, contexts: Sequence[PredictionContext]) -> Contexts:
        """The columns of contexts that are objects."""
        B, K = len(contexts), max((len(context.betp) for context in contexts), default=0)
        experts = max((context.evidence.shape[0] for context in contexts), default=0)
        evidence, betp = np.zeros((B, experts, K)), np.zeros((B, K))
        limits = np.full((B, K), math.inf) if any(context.limits is not None for context in contexts) else None
        scores = max((len(context.nonconformity or ()) for context in contexts), default=0)
        nonconformity = np.full((B, scores), np.nan) if scores else None
        followed = any(context.ratio is not None for context in contexts)
        plain, ratio = (np.full((B, K), np.nan), np.full((B, K), np.nan)) if followed else (None, None)
        for i, context in enumerate(contexts):
            k = len(context.betp)
            evidence[i, : len(context.evidence), :k], betp[i, :k] = context.evidence, context.betp
            if limits is not None and context.limits is not None:
                limits[i, : len(context.limits)] = context.limits
            if nonconformity is not None and context.nonconformity is not None:
                nonconformity[i, : len(context.nonconformity)] = context.nonconformity
            if plain is not None and ratio is not None and context.ratio is not None and context.plain is not None:
                plain[i, :k], ratio[i, :k] = context.plain, context.ratio
                plain[i, k:], ratio[i, k:] = 0.0, 1.0
        return cls(
            classes=np.array([len(context.betp) for context in contexts], np.int64),
            history=np.array([list(context.history) for context in contexts], np.int64).reshape(B, -1),
            subject_label=np.array([context.subject_label for context in contexts], np.int64),
            evidence=evidence,
            betp=betp,
            threshold=np.array([context.threshold for context in contexts]),
            learnt=np.array([context.learnt for context in contexts], np.int64),
            limits=limits,
            nonconformity=nonconformity,
            plain=plain,
            ratio=ratio,
        )


@dataclass(frozen=True, slots=True)
class FeedbackBatch:
    """Feedback records as columns, in the order of their log."""

    batch: Batch
    labels: Sequence[str]
    weight: Floats
    contexts: Sequence[PredictionContext | None] | Contexts
    """None where the event was not scored at its time, because its label brought the features along."""
    posts: Sequence[Sequence[str]]
    """Earlier texts of the same subject that a label of the subject speaks of as well."""
    strings: Mapping[str, Sequence[str | None]] = field(default_factory=dict)
    """By the name of a key that has rates (`tocsin.models.profiles.label_rates`), its value in each event."""

    @property
    def scored(self) -> Bools:
        """[B], which events were scored at their time."""
        if isinstance(self.contexts, Contexts):
            return np.ones(len(self.contexts), np.bool_)
        return np.array([context is not None for context in self.contexts], np.bool_)

    def contexts_of(self, start: int, stop: int) -> Contexts | None:
        """The contexts of the events from start up to stop, which were all scored at their time or all not."""
        if isinstance(self.contexts, Contexts):
            return self.contexts.rows(slice(start, stop))
        there = [context for context in self.contexts[start:stop] if context is not None]
        return Contexts.of(there) if there else None


Rows = Callable[[int, int], None]
"""Does something with the rows from a start up to a stop."""


def runs(ahead: Ints) -> Iterator[tuple[int, int]]:
    """Where runs of equal numbers in `ahead` [n] begin and end.

    >>> list(runs(np.array([0, 0, 1, 4])))
    [(0, 2), (2, 3), (3, 4)]
    """
    ends = [*(np.flatnonzero(np.diff(ahead)) + 1).tolist(), len(ahead)] if len(ahead) else []
    yield from zip([0, *ends[:-1]], ends, strict=bool(ends))


def in_turns(ahead: Ints, learnt: int, ask: Rows, learn: Rows) -> None:
    """Ask about n events and learn so many others, as `ahead` [n] says: how many are learnt before each is asked about.

    `ahead` never falls. What is left is learnt after the last question.

    >>> in_turns(np.array([0, 2]), 3, lambda *rows: print("ask", rows), lambda *rows: print("learn", rows))
    ask (0, 1)
    learn (0, 2)
    ask (1, 2)
    learn (2, 3)
    """
    done = 0
    for start, stop in runs(ahead):
        due = int(ahead[start])
        if due > done:
            learn(done, due)
            done = due
        ask(start, stop)
    if learnt > done:
        learn(done, learnt)
