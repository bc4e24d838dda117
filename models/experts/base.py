"""What every expert of a pool is: evidence out, labels in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from tocsin.models.data.batch import Batch, Floats, Ints
from tocsin.models.data.subject_text import SubjectText

Arrays = Mapping[str, NDArray[Any]]


class SnapshotError(Exception):
    """A model's state cannot be written as arrays, or arrays do not hold what this model needs."""


class Expert(Protocol):
    """One kind of classifier in the pool.

    An expert is fed feedback in one order and its state is a function of that order alone: never of how a batch
    was cut, of time, or of a generator that other code draws from.
    """

    name: str

    def resize(self, features: int, classes: int) -> None:
        """Make room for more columns or classes than before. Never shrinks."""
        ...

    def evidence(self, batch: Batch) -> Floats:
        """Pseudo-counts [B, K], all >= 0; a row of zeros is "I do not know"."""
        ...

    def learn(self, batch: Batch, y: Ints, weight: Floats) -> None:
        """Learn B labelled events, in order; y [B] are class indices below K, weight [B] is > 0."""
        ...

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """The whole state as arrays of plain dtypes (numbers, booleans, fixed-width text). Raises SnapshotError."""
        ...

    def load_state_dict(self, arrays: Arrays) -> None:
        """Take over a state that `state_dict` gave. Raises SnapshotError."""
        ...


@runtime_checkable
class Prequential(Protocol):
    """An expert that can do both in one pass, which spares half the work where labels come at once."""

    def predict_then_learn(self, batch: Batch, y: Ints, weight: Floats) -> Floats:
        """Learn B events in order; returns the evidence [B, K] for each as it was just before that event."""
        ...


@runtime_checkable
class Mergeable(Protocol):
    """An expert that can take in what another of its kind learnt; of others, the one that is chosen more stays."""

    def merge(self, other: Any, share: float) -> None:
        """Become the mean of both, in which `other`, of the same class and columns, has `share` in [0, 1]."""
        ...


@runtime_checkable
class Reader(Protocol):
    """An expert that reads texts: a label of a subject teaches it from the subject's earlier texts as well."""

    name: str
    whole_subject: bool
    """Whether its evidence is of all that a subject wrote, rather than of the event's own text."""

    def recall(self, batch: Batch, posts: Sequence[Sequence[str]]) -> Floats:
        """The evidence [B, K] for events whose subjects had written `posts` before."""
        ...

    def learn_posts(self, batch: Batch, y: Ints, weight: Floats, posts: Sequence[Sequence[str]]) -> None:
        """`Expert.learn` of events whose labels hold of the subject's earlier texts, too."""
        ...

    def words(self, text: str) -> list[tuple[str, Floats]]:
        """The n-grams that moved the evidence of a text, each with what it adds to each class [K]."""
        ...


@runtime_checkable
class Follower(Reader, Protocol):
    """A reader of whole subjects: what they wrote before comes with the batch, and what to keep of it goes out."""

    def follow(self, batch: Batch) -> tuple[Floats, list[SubjectText], Floats]:
        """The evidence [B, K] of B events in order, the thread after each, and by how much each moved it [B, K]."""
        ...


def predict_then_learn(expert: Expert, batch: Batch, y: Ints, weight: Floats) -> Floats:
    """`Prequential.predict_then_learn` of any expert, event by event where it has no pass of its own."""
    if isinstance(expert, Prequential):
        return expert.predict_then_learn(batch, y, weight)
    said = []
    for i in range(len(batch)):
        event = batch.rows(i, i + 1)
        said.append(expert.evidence(event))
        expert.learn(event, y[i : i + 1], weight[i : i + 1])
    return np.concatenate(said)
