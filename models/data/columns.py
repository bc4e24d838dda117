"""The columns of X: their names and kinds, and how one event as a dictionary becomes a row."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from tocsin.models.data.batch import Batch
from tocsin.models.data.features import category_code
from tocsin.models.data.frames import Table

MAX_CATEGORY_NAMES = 10_000
"""Names of category codes kept for explanations, for all columns together."""


class Columns:
    """The columns that a model knows, in their order.

    A feature is a number, a boolean or a string (a category); None and NaN are not known. A model with text takes the
    text itself, or a dictionary with the key `text`.
    """

    def __init__(self, names: Sequence[str], nominal: Sequence[bool], fixed: bool, reads_text: bool) -> None:
        self.names = list(names)
        self.nominal = list(nominal)
        """Which columns are categories."""
        self.fixed = fixed
        """Whether a config named the columns; else new ones are added as they come."""
        self.reads_text = reads_text
        self.category_names: dict[int, str] = {}
        """The names behind category codes, for explanations."""

    def discover(self, x: Mapping[Hashable, Any] | str) -> tuple[list[str], list[bool]] | None:
        """All names and kinds with those that x is the first to have; None where it brings nothing new."""
        if self.fixed or isinstance(x, str):
            return None
        # A value that is not known does not tell a number from a category: its column waits for one that is.
        names = set(self.names)
        new = {str(n): isinstance(v, str) for n, v in x.items() if str(n) not in names and is_known(v)}
        if self.reads_text:
            new.pop("text", None)
        if not new:
            return None
        # Sorted, so that the order in which a dictionary was filled leaves no trace.
        order = sorted(new)
        return [*self.names, *order], [*self.nominal, *(new[name] for name in order)]

    def batch(self, x: Mapping[Hashable, Any] | str) -> Batch:
        """A batch of one event; what there is no column for is left out."""
        if isinstance(x, str):
            return Batch.of(np.full((1, len(self.names)), np.nan), texts=[x])
        known = {str(name): value for name, value in x.items()}
        names: dict[int, str] = {}
        row = [_number(known.get(c), n, names) for c, n in zip(self.names, self.nominal, strict=True)]
        text = known.get("text") if self.reads_text else None
        return Batch.of(np.array([row], np.float64).reshape(1, -1), texts=[text], categories=[names])

    def starts(self, table: Table) -> set[int]:
        """The rows of a table that are the first to have a value in a column that is not known yet."""
        if self.fixed:
            return set()
        known = {*self.names, "text"} if self.reads_text else set(self.names)
        new = [i for i, name in enumerate(table.names) if str(name) not in known]
        return {row for i in new for row in np.flatnonzero(table.known(i))[:1].tolist()}

    def batch_of(self, table: Table) -> Batch:
        """The events of a table, each as `batch` reads it."""
        X = np.full((len(table), len(self.names)), np.nan)
        texts: list[str | None] = [None] * len(table)
        names: list[dict[int, str]] = [{} for _ in range(len(table))]
        places = {name: i for i, name in enumerate(self.names)}
        for name, values in zip(map(str, table.names), table.columns, strict=True):
            if self.reads_text and name == "text":
                texts = values.tolist()
            elif name in places:
                column = places[name]
                nominal = self.nominal[column]
                if nominal or values.dtype.kind == "O":
                    X[:, column] = [_number(v, nominal, n) for v, n in zip(values.tolist(), names, strict=True)]
                else:
                    X[:, column] = values
        return Batch.of(X, texts=texts, categories=names)

    def remember(self, batch: Batch) -> None:
        """Keep the names of the categories of labelled events."""
        for names in batch.categories:
            if len(self.category_names) < MAX_CATEGORY_NAMES:
                self.category_names.update(names)


def is_known(value: Any) -> bool:
    """Whether a value is neither None nor NaN, which is not equal to itself."""
    return value is not None and value == value


def _number(value: Any, nominal: bool, names: dict[int, str]) -> float:
    if not is_known(value):
        return np.nan
    if nominal or isinstance(value, str):
        code = category_code(str(value))
        names[code] = str(value)
        return float(code)
    return float(value)
