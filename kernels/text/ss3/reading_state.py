"""All that a text is read by: which n-grams are known, and what each is worth now."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.text.ss3.counts import NgramTable, SeenOnce
from tocsin.kernels.text.ss3.global_values import Rule, global_values
from tocsin.kernels.text.ss3.value_cache import ValueCache, confidence_value
from tocsin.kernels.text.tokeniser.hashing import Keys

Floats = NDArray[np.float64]


class ReadingState(NamedTuple):
    """What texts are read by; L is the length of the longest n-gram, C the number of classes."""

    young: SeenOnce
    """N-grams that were seen once."""
    old: SeenOnce
    """N-grams that were seen once longer ago."""
    known: Keys
    """The filter that holds the admitted n-grams of several words; where it is empty, all n-grams are looked for."""
    table: NgramTable
    """The counts of the admitted n-grams."""
    top: Floats
    """The largest count by length and class, [L, C]."""
    best: Floats
    """The largest global value by length and class, [L, C]."""
    rule: Rule
    cache: ValueCache
    version: int
    """The version of the counts; values of another version in the cache are void."""


@kernel
def value_word(number: int, state: ReadingState, scratch: Floats) -> None:
    """Value an admitted word in the cache; `scratch` is [3, C]."""
    cache, best, rule = state.cache, state.best, state.rule
    cache.versions[number] = state.version
    word, value = cache.word_values[number], cache.values[number]
    global_values(state.table.counts[number], state.top[0], rule, scratch, word)
    for c in range(len(word)):
        value[c] = word[c]
        if rule.xai:
            value[c] = word[c] / best[0, c] if best[0, c] > 0.0 else 0.0


@kernel
def value_ngram(number: int, parts: Floats, state: ReadingState, scratch: Floats) -> None:
    """Value an admitted n-gram in the cache, from the global values of its words, parts [n, C]; `scratch` is [3, C]."""
    n, cache = len(parts), state.cache
    cache.versions[number] = state.version
    counts, top, best = state.table.counts[number], state.top[n - 1], state.best[n - 1]
    confidence_value(counts, top, best, parts, n, state.rule, scratch, cache.values[number])
