"""The n-grams that SS3 has met and their counts by class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels import text as kernel
from tocsin.kernels.text import Cut, Lesson, ReadingState, Rule, Run, Way, Words
from tocsin.models.data.snapshot import Arrays
from tocsin.models.ss3.counts import (
    empty_once,
    empty_table,
    enlarged,
    largest_counts,
    once_from_arrays,
    once_to_arrays,
    texts_from_arrays,
    texts_to_arrays,
)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Keys = NDArray[np.uint64]

LEAST_ROOM = 64
ADMITTED = 4_096
"""N-grams that one call of the kernel may admit, where no single text has more."""


@dataclass(slots=True)
class ScaleFit:
    """What one unit of confidence is worth as evidence, see `tocsin.kernels.text.ss3.lessons.scale_fit`."""

    log_scale: Floats
    """float64 [C], changed in place."""
    fitted: int
    """How many steps were taken."""


class Vocabulary:
    """Counts of n-grams, one row for each n-gram and one column for each of C classes.

    An n-gram is admitted at its second occurrence. Until then it waits in a table of at most `4 * max_size` entries
    that forgets the oldest first. Above `max_size` admitted n-grams the rarest are dropped, the older of two equals
    first.
    """

    def __init__(self, ngrams: int, max_size: int, classes: int) -> None:
        self._ngrams = ngrams
        self._max_size = max_size
        self._names: list[str] = []
        """The admitted n-grams, words apart by spaces."""
        self._table = empty_table(LEAST_ROOM, classes)
        self._top = np.ones((ngrams, classes))
        """The largest count by length and class, [L, C]."""
        self._young, self._old = empty_once(LEAST_ROOM), empty_once(1)
        """The n-grams that were seen once, and those that were seen once longer ago."""
        self._young_slots = self._young_waiting = 0
        self.known = kernel.empty_filter(LEAST_ROOM * ngrams)
        """The filter that holds the admitted n-grams; an empty one holds every n-gram."""
        self._entered = 0
        """How many entries have been made in the filter."""
        self._version = 0
        """The version of the counts; values of another version are void."""
        self.forget_values()

    def __len__(self) -> int:
        return len(self._names)

    @property
    def classes(self) -> int:
        """How many classes there are."""
        return int(self._table.counts.shape[1])

    # Values, which are computed from counts when they are read

    def forget_values(self) -> None:
        """Void every value, and what is known of the largest ones, after the rule or the rows of the table changed."""
        self.counts_changed()
        room = len(self._table.keys)
        self._cache = kernel.empty_cache(room, self.classes)
        self._candidates = kernel.no_candidates(self._ngrams, self.classes, room)

    def counts_changed(self) -> None:
        """Void every value that was read, since every value may have changed."""
        self._best: Floats | None = None
        self._version += 1

    def largest_values(self, rule: Rule) -> Floats:
        """The largest global values [L, C] for the counts as they are now."""
        if self._best is None:
            self._best = kernel.largest_values(self._table, len(self), self._top, rule, self._candidates)
        return self._best

    def state(self, rule: Rule, known: Keys) -> ReadingState:
        """What texts are read by now, of the n-grams in a filter such as `known`."""
        best = self.largest_values(rule)
        once, cache = (self._young, self._old), (self._cache, self._version)
        return ReadingState(*once, known, self._table, self._top, best, rule, *cache)

    def value(self, ngram: Sequence[str], rule: Rule) -> Floats:
        """The confidence value (cv) of an n-gram, given as its words, for every class: float64 [C]."""
        n, out = len(ngram), np.zeros(self.classes)
        if 1 <= n <= self._ngrams and self.classes:
            parts = np.stack([self._global_value([word], rule) for word in ngram])
            counts, top, best = self._counts(ngram), self._top[n - 1], self.largest_values(rule)[n - 1]
            kernel.confidence_value(counts, top, best, parts, n, rule, np.empty((3, self.classes)), out)
        return out

    def _global_value(self, ngram: Sequence[str], rule: Rule) -> Floats:
        out = np.zeros(self.classes)
        scratch = np.empty((3, self.classes))
        kernel.global_values(self._counts(ngram), self._top[len(ngram) - 1], rule, scratch, out)
        return out

    def _counts(self, ngram: Sequence[str]) -> Floats:
        counts = np.zeros(self.classes)
        kernel.look_up(self._table, self._young, self._old, np.uint64(kernel.ngram_key(ngram)), counts)
        return counts

    def stop_words(self, rule: Rule, threshold: float) -> list[str]:
        """The words whose significance is below the threshold in every class, most frequent first."""
        lv, ordered, significance = (np.empty(self.classes) for _ in range(3))
        found: list[tuple[float, str]] = []
        for number in self._words().tolist():
            counts = self._table.counts[number]
            kernel.local_values(counts, self._top[0], rule, lv)
            kernel.significance(lv, ordered, rule, counts, significance)
            if (significance < threshold).all():
                found.append((float(counts.sum()), self._names[number]))
        return [word for _, word in sorted(found, key=lambda entry: -entry[0])]

    def words_of_classes(self) -> Floats:
        """How often words were counted for each class, [C]."""
        total: Floats = self._table.counts[self._words()].sum(axis=0)
        return total

    def _words(self) -> NDArray[np.intp]:
        """The rows of the n-grams of one word."""
        return np.flatnonzero(self._table.lengths[: len(self)] == 1)

    # Learning

    def widen(self, classes: int) -> None:
        """Make room for more classes."""
        more = classes - self.classes
        counts = np.zeros((len(self._table.keys), classes))
        counts[:, : classes - more] = self._table.counts
        self._table = self._table._replace(counts=counts)
        self._top = np.hstack([self._top, np.ones((self._ngrams, more))])
        self.forget_values()

    def count(self, found: Words, b: int, column: int, weight: float) -> None:
        """Count the n-grams of text b for the class of a column. The caller then says `counts_changed`."""
        lo, hi = int(found.bounds[b]), int(found.bounds[b + 1])
        most = (hi - lo) * self._ngrams
        self._make_room(most)
        admitted = np.empty((most, 2), np.int64)
        old_size = len(self)
        size, filled, waiting = kernel.count_text(
            found.keys[lo:hi],
            found.before[lo:hi],
            column,
            weight,
            kernel.Vocabulary(self._table, self._young, self._old, self.known, self._top, self._candidates),
            old_size,
            admitted,
        )
        self._young_slots += filled
        self._young_waiting += waiting
        self._entered += self._ngrams * (size - old_size)
        for first, length in admitted[: size - old_size].tolist():
            self._names.append(found.spelt(lo + first, lo + first + length))
        if size > self._max_size:
            self._evict()

    def read_then_count(
        self, read: Words, found: Words, columns: Ints, weights: Floats, way: Way, scale: ScaleFit
    ) -> Floats:
        """Count B texts one after the other, each read just before it; returns the evidence of each then, [B, C].

        `read` has their words as they are read, `found` as they are counted, `columns` [B] their classes. It is `count`
        text by text, to the same bits, and `scale` is fitted on the way.
        """
        lengths = np.diff(found.bounds) * self._ngrams
        evidence = np.zeros((len(columns), self.classes))
        admitted = np.empty((max(ADMITTED, int(lengths.max(initial=0))), 2), np.int64)
        as_read, as_counted = (Cut(words.keys, words.before, words.bounds) for words in (read, found))
        lesson = Lesson(as_read, as_counted, columns, weights)
        b = 0
        while b < len(columns):
            if weights[b] > 0.0:
                self._make_room(int(lengths[b]))
            old_size = len(self)
            counters = np.array(
                [old_size, self._young_slots, self._young_waiting, self._entered, self._version, scale.fitted]
            )
            tables = kernel.Vocabulary(self._table, self._young, self._old, self.known, self._top, self._candidates)
            run = Run(counters, scale.log_scale, admitted)
            b = kernel.learn_texts(b, lesson, tables, self._cache, way, run, evidence)
            size, self._young_slots, self._young_waiting, self._entered, self._version, scale.fitted = counters.tolist()
            self._names += found.all_spelt(*admitted[: size - old_size].T)
            if size > self._max_size:
                self._evict()
        self.counts_changed()
        return evidence

    def _make_room(self, more: int) -> None:
        size = len(self)
        room = len(self._table.keys)
        if size + more > room:
            self._table = enlarged(self._table, size, max(2 * room, size + more))
            self.forget_values()
        if kernel.filled(self.known, self._entered + more * self._ngrams):
            self._renew_filter(2 * self._ngrams * (size + more))
        # The number of n-grams that wait decides, not how the table lies in memory: a restored model must forget at
        # the same text.
        if self._young_waiting >= 2 * self._max_size:
            self._old, self._young = self._young, empty_once(LEAST_ROOM)
            self._young_slots = self._young_waiting = 0
        if 2 * (self._young_slots + more) > len(self._young.keys):
            # Sized by what waits, not by the slots: these include n-grams that were admitted since, and a table sized
            # by them would grow for ever.
            fresh = empty_once(4 * (self._young_waiting + more))
            self._young_slots = kernel.copy_waiting(self._young, fresh)
            self._young = fresh

    def _renew_filter(self, room: int) -> None:
        """Enter what is admitted into a filter of this size; what was evicted is no longer in it."""
        self.known, self._entered = kernel.empty_filter(room), self._ngrams * len(self)
        kernel.enter_names(self.known, self._names)

    def _evict(self) -> None:
        """Keep the most frequent 15 of 16, so that this is rare."""
        size = len(self)
        total = self._table.counts[:size].sum(axis=1)
        by_rank = np.lexsort((np.arange(size), total))
        keep = np.sort(by_rank[size - max(1, self._max_size - self._max_size // 16) :])
        n = len(keep)
        self._names = [self._names[i] for i in keep.tolist()]
        table = empty_table(max(LEAST_ROOM, 2 * n), self.classes)
        table.keys[:n] = self._table.keys[keep]
        table.lengths[:n] = self._table.lengths[keep]
        table.counts[:n] = self._table.counts[keep]
        kernel.insert_all(table.slots, table.keys, n)
        self._table = table
        self._top = largest_counts(table, n, self._ngrams)
        self.forget_values()

    # Snapshots

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """The counts and what waits as arrays of numbers; n-grams are UTF-8 bytes with the offsets where each ends."""
        size = len(self)
        names, name_ends = texts_to_arrays(self._names)
        return {
            "vocabulary": names,
            "vocabulary_ends": name_ends,
            "keys": self._table.keys[:size].copy(),
            "lengths": self._table.lengths[:size].copy(),
            "counts": self._table.counts[:size].copy(),
            "top": self._top.copy(),
            **once_to_arrays("young", self._young),
            **once_to_arrays("old", self._old),
        }

    def load_state_dict(self, arrays: Arrays) -> None:
        """Take over what `state_dict` gave for as many classes. Raises KeyError, ValueError, IndexError, TypeError."""
        names = texts_from_arrays(arrays["vocabulary"], arrays["vocabulary_ends"])
        table = empty_table(max(LEAST_ROOM, 2 * len(names)), self.classes)
        table.keys[: len(names)] = arrays["keys"]
        table.lengths[: len(names)] = arrays["lengths"]
        table.counts[: len(names)] = arrays["counts"]
        top = np.array(arrays["top"], np.float64).reshape(self._ngrams, self.classes)
        young, old = (once_from_arrays(name, arrays, self.classes) for name in ("young", "old"))
        kernel.insert_all(table.slots, table.keys, len(names))
        self._names, self._table, self._top, self._young, self._old = names, table, top, young, old
        self._renew_filter(2 * self._ngrams * (len(names) + LEAST_ROOM))
        self._young_slots = self._young_waiting = int((young.classes >= 0).sum())
        self.forget_values()
