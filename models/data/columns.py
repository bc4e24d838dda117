"""The columns of X: their names and kinds, and how one event as a dictionary becomes a row."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from tocsin.config.schema import FeatureSettings
from tocsin.models.data.batch import Batch, Floats, Ints
from tocsin.models.data.features import category_code
from tocsin.models.data.frames import Table, is_missing
from tocsin.models.data.times.columns import TimeColumns
from tocsin.models.data.values import as_category, as_number, as_text, check_event, read_table

MAX_CATEGORY_NAMES = 10_000
"""Names of category codes kept for explanations, for all columns together."""
TEXT = "text"
"""The feature that is the event's text, where a model reads texts."""


class Columns:
    """The columns that a model knows, in their order.

    A feature is a number, a boolean or a string (a category), see `tocsin.models.data.values`. A model with text takes
    the text itself, or a dictionary with the key `text`.
    """

    def __init__(
        self,
        names: Sequence[str],
        nominal: Sequence[bool],
        fixed: bool,
        reads_text: bool,
        features: Sequence[FeatureSettings] = (),
    ) -> None:
        """`features` are those that a config names."""
        self.times = TimeColumns(features)
        self.names = list(names)
        self.nominal = list(nominal)
        """Which columns are categories."""
        self.fixed = fixed
        """Whether a config named the columns; else new ones are added as they come."""
        self.reads_text = reads_text
        self.category_names: dict[int, str] = dict(self.times.category_names)
        """The names behind category codes, for explanations."""
        self._places = dict(self.times.features) or {name: i for i, name in enumerate(self.names)}
        """The place of each feature."""

    def extend(self, names: Sequence[str], nominal: Sequence[bool]) -> None:
        """Take these columns for the ones that are known; the first of them are those that are known already."""
        for i in range(len(self.names), len(names)):
            self._places[names[i]] = i
        self.names, self.nominal = list(names), list(nominal)

    @property
    def features(self) -> int:
        """How many features a row of an event has, before times become several columns."""
        return len(self._places)

    def is_category(self, name: Hashable) -> bool | None:
        """Whether a feature's column holds categories; None where there is no such column."""
        place = self._places.get(str(name))
        return None if place is None else self.nominal[place]

    # One event

    def check(self, x: Mapping[Hashable, Any] | str) -> None:
        """Raises ValueError, which names the feature, where an event cannot be learnt as it is."""
        self.batch(x)
        if not self.fixed and not isinstance(x, str):
            for name, value in x.items():
                if self._is_new(str(name)) and not is_missing(value):
                    (as_category if isinstance(value, str) else as_number)(name, value)

    def _is_new(self, name: str) -> bool:
        return name not in self._places and not (self.reads_text and name == TEXT)

    def discover(self, x: Mapping[Hashable, Any] | str) -> tuple[list[str], list[bool]] | None:
        """All names and kinds with those that x is the first to have; None where it brings nothing new."""
        if self.fixed or isinstance(x, str):
            return None
        # A value that is missing does not tell a number from a category: its column waits for one that is not.
        new = {str(n): isinstance(v, str) for n, v in x.items() if self._is_new(str(n)) and not is_missing(v)}
        if not new:
            return None
        # Sorted, so that the order in which a dictionary was filled leaves no trace.
        order = sorted(new)
        return [*self.names, *order], [*self.nominal, *(new[name] for name in order)]

    def batch(self, x: Mapping[Hashable, Any] | str) -> Batch:
        """A batch of one event; what there is no column for is left out.

        Raises ValueError, which names the feature, for a value that does not fit its column.
        """
        X, names = np.full((1, self.features), np.nan), dict[int, str]()
        if isinstance(x, str):
            if not self.reads_text:
                raise ValueError("x: is a text, which this model does not read; its settings can ask for `text`")
            return Batch.of(X, texts=[str(x)])
        check_event(x)
        text = None
        for name, value in x.items():
            place = self._places.get(str(name))
            if self.reads_text and name == TEXT:
                text = as_text(value)
            elif place is not None and self.times.is_time(place):
                X[0, place] = self.times.read(name, place, value)
            elif place is not None and not is_missing(value):
                X[0, place] = _coded(name, value, names) if self.nominal[place] else as_number(name, value)
        return Batch.of(X, texts=[text], categories=[names])

    # Many events

    def read(self, table: Table, learning: bool) -> Table:
        """The table as `starts` and `batch_of` take it: numbers, and categories as texts.

        Raises ValueError as `tocsin.models.data.values.read_table` does. When it is `learning`, columns that are not
        known yet stay in it.
        """
        texts = {i for i, name in enumerate(table.names) if self.reads_text and name == TEXT}
        times = {i: place for i, name in enumerate(table.names) if (place := self._time_at(name)) is not None}
        rest = [i for i in range(len(table.names)) if i not in texts and i not in times]
        features = Table([table.names[i] for i in rest], [table.columns[i] for i in rest], table.rows)
        found = read_table(features, self.is_category, learning and not self.fixed)
        columns = [_texts(table.columns[i].tolist()) for i in texts]
        instants = [self._instants(table.names[i], place, table.columns[i].tolist()) for i, place in times.items()]
        names = [*found.names, *(TEXT for _ in texts), *(table.names[i] for i in times)]
        return Table(names, [*found.columns, *columns, *instants], table.rows)

    def _time_at(self, name: Hashable) -> int | None:
        """The place of a feature that is a time; None for any other."""
        place = self._places.get(str(name))
        return place if place is not None and self.times.is_time(place) else None

    def _instants(self, name: Hashable, place: int, values: list[Any]) -> Floats:
        """Times [B] as epoch milliseconds, NaN for one that is missing. Raises ValueError, which names the row."""
        out = np.full(len(values), np.nan)
        for row, value in enumerate(values):
            try:
                out[row] = self.times.read(name, place, value)
            except ValueError as error:
                raise ValueError(f"X: {error}, in row {row}") from None
        return out

    def starts(self, table: Table) -> set[int]:
        """The rows of a table that are the first to have a value in a column that is not known yet."""
        if self.fixed:
            return set()
        new = [i for i, name in enumerate(table.names) if self._is_new(str(name))]
        return {row for i in new for row in np.flatnonzero(table.known(i))[:1].tolist()}

    def batch_of(self, table: Table) -> Batch:
        """The events of a table that `read` gave, each as `batch` reads it."""
        X = np.full((len(table), self.features), np.nan)
        texts: list[str | None] = [None] * len(table)
        names: list[dict[int, str]] = [{} for _ in range(len(table))]
        for name, values in zip(map(str, table.names), table.columns, strict=True):
            place = self._places.get(name)
            if self.reads_text and name == TEXT:
                texts = values.tolist()
            elif place is not None and self.nominal[place] and not self.times.is_time(place):
                for row, value in enumerate(values.tolist()):
                    if value is not None:
                        X[row, place] = _coded(name, value, names[row])
            elif place is not None:
                X[:, place] = values
        return Batch.of(X, texts=texts, categories=names)

    def remember(self, batch: Batch) -> None:
        """Keep the names of the categories of labelled events."""
        remember_names(self.category_names, batch, np.arange(len(batch)))


def remember_names(category_names: dict[int, str], batch: Batch, rows: Ints) -> None:
    """Keep the names of the categories of some events of a batch, while there is room."""
    if not batch.categories:
        return
    for i in rows.tolist():
        if len(category_names) < MAX_CATEGORY_NAMES:
            category_names.update(batch.categories[i])


def _coded(name: Hashable, value: Any, names: dict[int, str]) -> float:
    """The code of a category, whose name is put into `names`."""
    category = as_category(name, value)
    code = category_code(category)
    names[code] = category
    return float(code)


def _texts(values: list[Any]) -> np.ndarray[Any, Any]:
    """Texts [B] as objects, None for one that is missing. Raises ValueError, which names the row."""
    out = np.full(len(values), None, object)
    for row, value in enumerate(values):
        try:
            out[row] = as_text(value)
        except ValueError as error:
            raise ValueError(f"X: {error}, in row {row}") from None
    return out
