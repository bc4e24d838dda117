"""Texts learnt one after the other in one call: each is read by the counts before it, and then counted.

A run of texts ends before a text for which the tables have no room, and after one that made the vocabulary too large.
The caller makes room and goes on from there, so tables grow at the same texts however a batch was cut.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.text.ss3.bloom_filter import BITS
from tocsin.kernels.text.ss3.confidence import Operators, add_up, add_up_words
from tocsin.kernels.text.ss3.counts import Vocabulary, count_text
from tocsin.kernels.text.ss3.global_values import Rule
from tocsin.kernels.text.ss3.largest_values import largest_values
from tocsin.kernels.text.ss3.lessons.scale_fit import fit_scale, scale_confidence
from tocsin.kernels.text.ss3.reading_state import ReadingState
from tocsin.kernels.text.ss3.recognise import new_found, new_room, recognise_into
from tocsin.kernels.text.ss3.value_cache import ValueCache

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Keys = NDArray[np.uint64]
Flags = NDArray[np.uint8]

SIZE, SLOTS, WAITING, ENTERED, VERSION, FITTED = range(6)
"""Places in `Run.counters`: admitted n-grams, slots of `young` that were used, n-grams that wait there, entries of the
filter, the version of the counts, and steps of the scale."""


class Cut(NamedTuple):
    """The words of B texts, as `tokeniser.Words` has them."""

    keys: Keys
    before: Flags
    bounds: Ints


class Lesson(NamedTuple):
    """B texts with their classes."""

    read: Cut
    """Their words as they are read."""
    counted: Cut
    """Their words as they are counted."""
    labels: Ints
    """int64 [B]"""
    weights: Floats
    """float64 [B]"""


class Way(NamedTuple):
    """How texts are read and how far the vocabulary grows."""

    rule: Rule
    operators: Operators
    sentences: bool
    """Whether n-grams of several words, or sentences, count."""
    stop: int
    """The mark that ends an n-gram."""
    max_size: int
    strength: float


class Run(NamedTuple):
    """What learning changes, but for the tables."""

    counters: Ints
    """int64 [6], by the places above."""
    log_scale: Floats
    """float64 [C]"""
    admitted: Ints
    """int64 [.., 2]: the first word among all of `counted`, and the length, of each n-gram that is admitted."""


@kernel
def has_room(more: int, vocabulary: Vocabulary, max_size: int, counters: Ints) -> bool:
    """Whether a text of `more` n-grams can be counted in the tables as they are."""
    order = len(vocabulary.top)
    return bool(
        counters[SIZE] + more <= len(vocabulary.table.keys)
        and BITS * (counters[ENTERED] + more * order) <= 64 * len(vocabulary.known)
        and counters[WAITING] < 2 * max_size
        and 2 * (counters[SLOTS] + more) <= len(vocabulary.young.keys)
    )


@kernel
def read_one(cut: Cut, b: int, way: Way, state: ReadingState, out: Floats) -> None:
    """Write the confidence vector of text b to `out` [1, C], which is 0."""
    lo, hi = cut.bounds[b], cut.bounds[b + 1]
    keys, before, bounds = cut.keys[lo:hi], cut.before[lo:hi], np.array([0, hi - lo])
    if not way.sentences:
        add_up_words(keys, bounds, state, out)
        return
    order, C = state.top.shape
    found = new_found(hi - lo, C)
    m = recognise_into(keys, before, way.stop, state, new_room(hi - lo, order, C), hi - lo, found)
    add_up(before, bounds, m, found.firsts, found.values, way.operators, out)


@kernel
def count_one(
    counted: Cut, b: int, label: int, weight: float, vocabulary: Vocabulary, counters: Ints, admitted: Ints
) -> None:
    """Count the n-grams of text b; those that are admitted go to `admitted`, with their first word among all."""
    lo, hi = counted.bounds[b], counted.bounds[b + 1]
    old_size = counters[SIZE]
    size, slots, waiting = count_text(
        counted.keys[lo:hi], counted.before[lo:hi], label, weight, vocabulary, old_size, admitted
    )
    admitted[: size - old_size, 0] += lo
    counters[SIZE] = size
    counters[SLOTS] += slots
    counters[WAITING] += waiting
    counters[ENTERED] += len(vocabulary.top) * (size - old_size)


@kernel
def learn_texts(
    first: int, lesson: Lesson, vocabulary: Vocabulary, cache: ValueCache, way: Way, run: Run, evidence: Floats
) -> int:
    """Learn texts from `first` on; returns the text before which the caller has to act, or B.

    The evidence of each text just before it was learnt goes to `evidence` [B, C], which is 0. The n-grams that were
    admitted in this call stand at the beginning of `run.admitted`, in order.
    """
    read, counted, labels, weights = lesson
    counters, log_scale, admitted = run
    order, C = vocabulary.top.shape
    first_id = counters[SIZE]
    for b in range(first, len(labels)):
        more = (counted.bounds[b + 1] - counted.bounds[b]) * order
        taken = counters[SIZE] - first_id
        full = weights[b] > 0.0 and not has_room(more, vocabulary, way.max_size, counters)
        if full or taken + more > len(admitted):
            return b
        best = largest_values(vocabulary.table, counters[SIZE], vocabulary.top, way.rule, vocabulary.candidates)
        state = ReadingState(
            vocabulary.young, vocabulary.old, vocabulary.known, vocabulary.table, vocabulary.top, best, way.rule,
            cache, counters[VERSION],
        )  # fmt: skip
        confidence = np.zeros((1, C))
        read_one(read, b, way, state, confidence)
        if confidence.any():
            scale_confidence(confidence[0], log_scale, way.strength, evidence[b])
            fit_scale(evidence[b], labels[b], weights[b], way.strength, counters[FITTED], log_scale)
            counters[FITTED] += 1
        if weights[b] > 0.0:
            count_one(counted, b, labels[b], weights[b], vocabulary, counters, admitted[taken:])
        counters[VERSION] += 1
        if counters[SIZE] > way.max_size:
            return b + 1
    return len(labels)
