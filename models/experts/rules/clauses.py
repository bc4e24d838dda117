"""What a rule consists of, evaluated over the columns of a whole batch, or for one event after the other.

Each part can do both, and says the same to the bit: columns are quicker for many events, plain floats for a few.

A value that is not known is NaN, and so is what is computed from it, or by a division by zero. A comparison with it is
false, whichever way it compares. `not` is plain: it holds where what follows does not, for whatever reason.
"""

from __future__ import annotations

import math
import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tocsin.models.data.batch import Bools, Floats

COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "%": operator.mod,
}
FEW = 8
"""Up to so many events are asked one after the other: a call of numpy costs as much as a rule does."""


class Operand(ABC):
    """Something that has a number for each event: a feature, a literal, or what is computed from them.

    A category is the number of its code.
    """

    category: bool = False
    """Whether the numbers are codes of categories."""

    @abstractmethod
    def values(self, X: Floats) -> Floats | np.float64:
        """The numbers of events with the features X [B, F]: [B], or one for all; NaN where it is not known."""

    @abstractmethod
    def value(self, x: Sequence[float]) -> float:
        """The number of one event with the features x [F]; NaN where it is not known."""


@dataclass(frozen=True, slots=True)
class Column(Operand):
    """A feature, by its column."""

    place: int
    category: bool

    def values(self, X: Floats) -> Floats | np.float64:
        """See `Operand`."""
        column: Floats = X[:, self.place]
        return column

    def value(self, x: Sequence[float]) -> float:
        """See `Operand`."""
        return x[self.place]


@dataclass(frozen=True, slots=True)
class Literal(Operand):
    """A number that stands in the rule, or the code of a category that does."""

    number: float

    def values(self, X: Floats) -> Floats | np.float64:
        """See `Operand`."""
        return np.float64(self.number)

    def value(self, x: Sequence[float]) -> float:
        """See `Operand`."""
        return self.number


@dataclass(frozen=True, slots=True)
class Computed(Operand):
    """Two numbers joined by one of `ARITHMETIC`."""

    operator: str
    left: Operand
    right: Operand

    def values(self, X: Floats) -> Floats | np.float64:
        """See `Operand`."""
        found = ARITHMETIC[self.operator](self.left.values(X), self.right.values(X))
        return np.where(np.isfinite(found), found, np.nan)

    def value(self, x: Sequence[float]) -> float:
        """See `Operand`."""
        try:
            found: float = ARITHMETIC[self.operator](self.left.value(x), self.right.value(x))
        except ZeroDivisionError:
            return math.nan
        return found if math.isfinite(found) else math.nan


class Clause(ABC):
    """Something that holds of an event or does not."""

    @abstractmethod
    def holds(self, X: Floats) -> Bools | np.bool_:
        """Whether it holds of events with the features X [B, F]: [B], or one answer for all."""

    @abstractmethod
    def holds_of(self, x: Sequence[float]) -> bool:
        """Whether it holds of one event with the features x [F]."""


@dataclass(frozen=True, slots=True)
class Comparison(Clause):
    """Two numbers, or two categories, joined by one of `COMPARISONS`."""

    operator: str
    left: Operand
    right: Operand

    def holds(self, X: Floats) -> Bools | np.bool_:
        """See `Clause`."""
        left, right = self.left.values(X), self.right.values(X)
        found: Bools | np.bool_ = COMPARISONS[self.operator](left, right)
        if self.operator == "!=":  # the one that NaN fulfils
            found = found & ~(np.isnan(left) | np.isnan(right))
        return found

    def holds_of(self, x: Sequence[float]) -> bool:
        """See `Clause`."""
        left, right = self.left.value(x), self.right.value(x)
        found: bool = COMPARISONS[self.operator](left, right)
        return found and left == left and right == right  # NaN alone differs from itself


@dataclass(frozen=True, slots=True)
class Among(Clause):
    """Whether a known value is one of several, or none of them."""

    operand: Operand
    choices: tuple[float, ...]
    inside: bool

    def holds(self, X: Floats) -> Bools | np.bool_:
        """See `Clause`."""
        values = self.operand.values(X)
        found: Bools | np.bool_ = np.isin(values, self.choices)
        return found if self.inside else ~found & ~np.isnan(values)

    def holds_of(self, x: Sequence[float]) -> bool:
        """See `Clause`."""
        value = self.operand.value(x)
        return value == value and (value in self.choices) == self.inside


@dataclass(frozen=True, slots=True)
class Known(Clause):
    """Whether a value is known, or is not."""

    operand: Operand
    known: bool

    def holds(self, X: Floats) -> Bools | np.bool_:
        """See `Clause`."""
        missing: Bools | np.bool_ = np.isnan(self.operand.values(X))
        return ~missing if self.known else missing

    def holds_of(self, x: Sequence[float]) -> bool:
        """See `Clause`."""
        return math.isnan(self.operand.value(x)) != self.known


@dataclass(frozen=True, slots=True)
class NotZero(Clause):
    """A number that stands for a condition, as a boolean feature does: whether it is known and not 0."""

    operand: Operand

    def holds(self, X: Floats) -> Bools | np.bool_:
        """See `Clause`."""
        values = self.operand.values(X)
        found: Bools | np.bool_ = (values != 0.0) & ~np.isnan(values)
        return found

    def holds_of(self, x: Sequence[float]) -> bool:
        """See `Clause`."""
        value = self.operand.value(x)
        return value != 0.0 and value == value


@dataclass(frozen=True, slots=True)
class Every(Clause):
    """Whether all parts hold."""

    parts: tuple[Clause, ...]

    def holds(self, X: Floats) -> Bools | np.bool_:
        """See `Clause`."""
        found = self.parts[0].holds(X)
        for part in self.parts[1:]:
            found = found & part.holds(X)
        return found

    def holds_of(self, x: Sequence[float]) -> bool:
        """See `Clause`."""
        return all(part.holds_of(x) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Some(Clause):
    """Whether at least one part holds."""

    parts: tuple[Clause, ...]

    def holds(self, X: Floats) -> Bools | np.bool_:
        """See `Clause`."""
        found = self.parts[0].holds(X)
        for part in self.parts[1:]:
            found = found | part.holds(X)
        return found

    def holds_of(self, x: Sequence[float]) -> bool:
        """See `Clause`."""
        return any(part.holds_of(x) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Not(Clause):
    """Whether a part does not hold."""

    part: Clause

    def holds(self, X: Floats) -> Bools | np.bool_:
        """See `Clause`."""
        return ~self.part.holds(X)

    def holds_of(self, x: Sequence[float]) -> bool:
        """See `Clause`."""
        return not self.part.holds_of(x)


def fired(clauses: tuple[Clause, ...], X: Floats) -> Bools:
    """Which of R clauses hold of each event, [B, R], from the features X [B, F]."""
    if len(X) <= FEW:
        rows = [[clause.holds_of(x) for clause in clauses] for x in X.tolist()]
        return np.array(rows, np.bool_).reshape(len(X), len(clauses))
    return fired_by_columns(clauses, X)


def fired_by_columns(clauses: tuple[Clause, ...], X: Floats) -> Bools:
    """What `fired` says, however few the events are."""
    result = np.empty((len(X), len(clauses)), np.bool_)
    with np.errstate(all="ignore"):  # what is not known compares with nothing, and divisions by zero are not known
        for r, clause in enumerate(clauses):
            result[:, r] = clause.holds(X)
    return result
