"""Labelled events, as a model learns them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tocsin.models.data.batch import Batch, Bools, Floats, PredictionContext
from tocsin.models.data.contexts import Contexts


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
