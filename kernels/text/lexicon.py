"""All that a text is read by: which n-grams are known, and what each is worth at this moment."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.text.counts import Once, Table
from tocsin.kernels.text.keys import Keys
from tocsin.kernels.text.memo import Memo
from tocsin.kernels.text.values import Rule, global_values

Floats = NDArray[np.float64]


class Lexicon(NamedTuple):
    """L is the longest n-gram, C classes."""

    young: Once
    """N-grams seen once."""
    old: Once
    """Those seen once longer ago."""
    known: Keys
    """The filter that holds the admitted n-grams of several words; where it is empty, all are looked for."""
    table: Table
    """The counts of the admitted n-grams."""
    top: Floats
    """The largest count by length and class, [L, C]."""
    best: Floats
    """The largest global value by length and class, [L, C]."""
    rule: Rule
    memo: Memo
    moment: int
    """The state of the counts that `best` is of; the memo holds what was valued at it."""


@kernel
def value_word(number: int, lexicon: Lexicon, scratch: Floats) -> None:
    """Value an admitted word in the memo; `scratch` is [3, C]."""
    memo, best, rule = lexicon.memo, lexicon.best, lexicon.rule
    memo.read[number] = lexicon.moment
    word, value = memo.words[number], memo.values[number]
    global_values(lexicon.table.counts[number], lexicon.top[0], rule, scratch, word)
    for c in range(len(word)):
        value[c] = word[c]
        if rule.xai:
            value[c] = word[c] / best[0, c] if best[0, c] > 0.0 else 0.0
