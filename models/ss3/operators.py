"""The operators by which values of n-grams become a sentence's, these a paragraph's, and those a text's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

Operator = Literal["sum", "max", "mean"]
OPERATORS: tuple[Operator, ...] = ("sum", "max", "mean")
"""The operators, in the order of their numbers in the kernel."""
LEVELS = ("n-grams to a sentence", "sentences to a paragraph", "paragraphs to a text")
Operators = tuple[Operator, Operator, Operator]
"""One operator for each level."""
SUMS: Operators = ("sum", "sum", "sum")
"""SS3's own operators: vectors are added up at every level."""


def numbers(operators: Operators) -> tuple[int, int, int]:
    """The kernel's number of each operator. Raises ValueError where they are not three of `OPERATORS`."""
    if len(operators) != len(LEVELS) or not set(operators) <= set(OPERATORS):
        raise ValueError(f"operators are three of {', '.join(OPERATORS)} (for {', '.join(LEVELS)}), not {operators!r}")
    of_words, of_sentences, of_paragraphs = (OPERATORS.index(operator) for operator in operators)
    return of_words, of_sentences, of_paragraphs


def paragraphs_matter(operators: Operators) -> bool:
    """Whether a text's vector depends on where its paragraphs end.

    It does not for a sum of sums or a maximum of maxima.
    """
    return operators[1] != operators[2] or operators[2] == "mean"


def paragraphs(text: str) -> list[str]:
    """The lines of a text that are not blank."""
    return [line for line in text.split("\n") if line.strip()]


def combined(operator: Operator, values: Floats, counts: Sequence[int]) -> Floats:
    """Combine vectors [P, C] to one for each of G groups, [G, C]; zeros for a group of none.

    The first counts[0] vectors are the first group, the next counts[1] the second, and so on.

    >>> combined("mean", np.array([[1.0, 0.0], [3.0, 1.0], [5.0, 5.0]]), [2, 0, 1]).tolist()
    [[2.0, 0.5], [0.0, 0.0], [5.0, 5.0]]
    """
    size = np.array(counts, np.int64)
    rows = np.repeat(np.arange(len(size)), size)
    out = np.zeros((len(size), values.shape[1]))
    if operator == "max":
        np.maximum.at(out, rows, values)
    else:
        np.add.at(out, rows, values)
    if operator == "mean":
        out /= np.maximum(size, 1)[:, None]
    return out
