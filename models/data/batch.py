"""The events a model sees, as columns."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.models.data.subject_text import SubjectText

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


class Views(NamedTuple):
    """What `tocsin.models.inputs.preparation` makes of the features of B events."""

    filled: Floats
    """[B, F], see `Batch.filled`."""
    ranked: Floats
    """[B, F], see `Batch.ranked`."""
    given: Floats
    """[B, F], see `Batch.given`."""
    gaps: Floats | None = None
    """[B, F], see `Batch.gaps`."""
    rates: Floats | None = None
    """[B, C R], see `Batch.rates`."""
    plain: Floats | None = None
    """[B, F], see `Batch.plain`."""

    def rows(self, some: slice | Ints) -> Views:
        """Those of some of the events."""
        gaps = None if self.gaps is None else self.gaps[some]
        rates = None if self.rates is None else self.rates[some]
        plain = None if self.plain is None else self.plain[some]
        return Views(self.filled[some], self.ranked[some], self.given[some], gaps, rates, plain)


@dataclass(frozen=True, slots=True)
class Batch:
    """B events as columns.

    `X` is float64 [B, F]: a number as it is, a boolean as 0 or 1, a category as the code that
    `tocsin.models.data.features.category_code` gives it, and NaN for what is not known. `times` is int64 [B], epoch
    milliseconds. `history` is int64 [B, H]: the stream's last H known labels as they were known at the event's
    own time, latest first, -1 for none; `subject_label` is int64 [B]: the subject's last known label, -1 for none.
    """

    ids: Sequence[str]
    subjects: Sequence[str]
    times: Ints
    X: Floats
    texts: Sequence[str | None]
    history: Ints
    subject_label: Ints
    categories: Sequence[dict[int, str]] = field(default=())
    """For each event the names behind its category codes, by column; empty where no feature is a category."""
    subject_texts: Mapping[tuple[str, str], SubjectText] = field(default_factory=dict)
    """The subject text states before the first of these events, by expert and subject."""
    views: Views | None = None
    """What was made of the features; None where nothing was, and all see `X`."""
    said: Floats | None = None
    """[B, E, K], the evidence of the experts before the one that is asked; None for those that do not hear others."""

    @property
    def filled(self) -> Floats:
        """[B, F], the features with guesses in place of numbers that are not known."""
        return self.X if self.views is None else self.views.filled

    @property
    def plain(self) -> Floats:
        """[B, F], `filled` with 0 in columns that tell nothing of the class, and no column by rank: for experts that
        compare values with those of before, between which ranks have no distance."""
        return self.filled if self.views is None or self.views.plain is None else self.views.plain

    @property
    def ranked(self) -> Floats:
        """[B, F], the features for experts that standardise them: `filled`, columns of heavy tails by rank, and 0 in
        those that tell nothing of the class."""
        return self.X if self.views is None else self.views.ranked

    @property
    def given(self) -> Floats:
        """[B, F], the features as they came: extreme values are not clipped. Declared rules speak of these."""
        return self.X if self.views is None else self.views.given

    @property
    def gaps(self) -> Floats | None:
        """[B, F], 1 where a value is not known and says something by that, else 0; None where there is none."""
        return None if self.views is None else self.views.gaps

    @property
    def rates(self) -> Floats | None:
        """[B, C R], for each of C categories how often each of R classes came with it, as log odds; None where that is
        not known. See `tocsin.models.inputs.categories`."""
        return None if self.views is None else self.views.rates

    @property
    def ranked_where_known(self) -> Floats:
        """[B, F], `ranked` without the guesses: NaN where a number is not known."""
        unknown = np.isnan(self.X)
        return np.where(unknown, np.nan, self.ranked) if unknown.any() else self.ranked

    def __len__(self) -> int:
        return len(self.ids)

    def rows(self, start: int, stop: int) -> Batch:
        """The events from start up to stop."""
        if (start, stop) == (0, len(self)):
            return self
        return Batch(
            ids=self.ids[start:stop],
            subjects=self.subjects[start:stop],
            times=self.times[start:stop],
            X=self.X[start:stop],
            texts=self.texts[start:stop],
            history=self.history[start:stop],
            subject_label=self.subject_label[start:stop],
            categories=self.categories[start:stop],
            subject_texts=self.subject_texts,
            views=None if self.views is None else self.views.rows(slice(start, stop)),
            said=None if self.said is None else self.said[start:stop],
        )

    def take(self, rows: Ints) -> Batch:
        """The events of these rows."""
        places = rows.tolist()
        return Batch(
            ids=[self.ids[i] for i in places],
            subjects=[self.subjects[i] for i in places],
            times=self.times[rows],
            X=self.X[rows],
            texts=[self.texts[i] for i in places],
            history=self.history[rows],
            subject_label=self.subject_label[rows],
            categories=[self.categories[i] for i in places] if self.categories else (),
            subject_texts=self.subject_texts,
            views=None if self.views is None else self.views.rows(rows),
            said=None if self.said is None else self.said[rows],
        )

    @classmethod
    def of(
        cls,
        X: Floats,
        texts: Sequence[str | None] | None = None,
        subjects: Sequence[str] | None = None,
        **columns: Any,
    ) -> Batch:
        """A batch from arrays alone, for notebooks and tests: ids are row numbers, times 0, history unknown.

        >>> import numpy as np
        >>> len(Batch.of(np.zeros((3, 2))))
        3
        """
        rows = X.shape[0]
        return cls(
            ids=columns.get("ids") or [str(i) for i in range(rows)],
            subjects=subjects or [""] * rows,
            times=columns.get("times", np.zeros(rows, np.int64)),
            X=X,
            texts=texts or [None] * rows,
            history=columns.get("history", np.full((rows, 0), -1, np.int64)),
            subject_label=columns.get("subject_label", np.full(rows, -1, np.int64)),
            categories=columns.get("categories", ()),
            subject_texts=columns.get("subject_texts", {}),
        )


@dataclass(frozen=True, slots=True)
class PredictionContext:
    """What scoring saw of one event. It is kept with the event until its label comes, so that learning sees the
    same."""

    history: Sequence[int]
    """The stream's last known labels at the event's time, [H], -1 for none."""
    subject_label: int
    evidence: Floats
    """[E, K] with the K of that time."""
    betp: Floats
    """Pignistic probability of each class, [K] with the K of that time."""
    threshold: float
    """The conformal threshold that judged the event; infinite while there was none."""
    learnt: int
    """Feedback records that the model had learnt."""
    limits: Sequence[float] | None = None
    """The threshold of each class, [K] with the K of that time; None where they have none of their own."""
    nonconformity: Sequence[float] | None = None
    """The nonconformity of the event, [2 or 3], see `tocsin.models.decision.novelty`; None where abstention is off."""
    plain: Floats | None = None
    """BetP [K] before class priors were followed; None where they were not, and `betp` is that."""
    ratio: Floats | None = None
    """How much more frequent than usual each class was taken to be, [K]; None where priors were not followed."""

    def limit(self, label: int) -> float:
        """The threshold that a class had of its own; infinite where it had none."""
        return self.limits[label] if self.limits is not None and label < len(self.limits) else math.inf
