"""SS3: a text classifier of word counts, exact at every moment and able to say why."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from threading import RLock
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels import text as kernel
from tocsin.kernels.text import (
    Flat,
    Lexicon,
    Rule,
    Words,
)
from tocsin.models.experts.base import Arrays, SnapshotError
from tocsin.models.ss3.counts import (
    empty_table,
    grown,
    largest_counts,
    nothing_once,
    read,
    waited,
    waiting,
    written,
)
from tocsin.models.ss3.explanation import Paragraph as Paragraph
from tocsin.models.ss3.explanation import Sentence as Sentence
from tocsin.models.ss3.explanation import TextExplanation as TextExplanation
from tocsin.models.ss3.explanation import WordValue as WordValue
from tocsin.models.ss3.operators import (
    SUMS,
    Operators,
    combined,
    numbers,
    paragraphs,
    paragraphs_matter,
)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Listed = NDArray[np.bool_]

FORMAT = 2
_ALL = np.empty(0, np.uint64)
"""The filter that holds every n-gram."""


class SS3:
    """Burdisso's SS3 and t-SS3 with online counts.

    Only counts are kept, one row an n-gram and one column a class; values are computed from them when they
    are read, so no value is ever stale. `s`, `l`, `p` are SS3's smoothness, significance and sanction; a
    value not above `a` counts as 0. Mode "xai" gives pyss3's default values (normalised, with its stop-word
    filters and the n-gram guard and bonus); "paper" gives the global value as published in 2019.

    N-grams of up to `ngrams` words never cross a sentence's or a text's border when they are learnt. An
    n-gram is admitted at its second occurrence: until then it waits in a table of at most `4 *
    max_vocabulary` entries that forgets the oldest first. Above `max_vocabulary` admitted n-grams the rarest
    go, the older of two equals first. With `characters` each word character outside ASCII is a word of its
    own, for languages without spaces.

    `operators` say how the values of n-grams become a sentence's, those of sentences a paragraph's (a line that is not
    blank), and those of paragraphs a text's; SS3's own is the sum for all three.

    Every method holds one lock, so threads may read and learn at once; each call sees one state.

    Sources: Burdisso et al. 2019 (SS3) and 2020 (t-SS3), in `tocsin.kernels.text`.

    >>> model = SS3()
    >>> for text in ("win a prize now", "a prize to win", "claim a prize"):
    ...     model.learn(text, "spam")
    >>> for text in ("see you at home", "are you at home", "home now"):
    ...     model.learn(text, "ham")
    >>> model.classes
    ['spam', 'ham']
    >>> model.confidence("your prize").round(2).tolist()
    [1.0, 0.0]
    >>> model.label("you are home")
    'ham'
    """

    def __init__(
        self,
        s: float = 0.45,
        l: float = 0.5,  # noqa: E741 - SS3's own name
        p: float = 1.0,
        a: float = 0.0,
        mode: Literal["xai", "paper"] = "xai",
        ngrams: int = 1,
        *,
        classes: Sequence[str] = (),
        max_vocabulary: int = 200_000,
        max_text: int = 100_000,
        characters: bool = False,
        operators: Operators = SUMS,
    ) -> None:
        if mode not in ("xai", "paper"):
            raise ValueError(f"mode is 'xai' or 'paper', not {mode!r}")
        if not 1 <= ngrams <= 255:
            raise ValueError(f"ngrams is from 1 to 255, not {ngrams}")
        if max_vocabulary < 1 or max_text < 1:
            raise ValueError("max_vocabulary and max_text are at least 1")
        if len(set(classes)) != len(classes):
            raise ValueError("a class is given twice")
        self.mode, self.ngrams, self.operators = mode, ngrams, operators
        self._of_words, self._of_sentences, self._of_paragraphs = numbers(operators)
        self._sentences = ngrams > 1 or operators != SUMS  # sums of single words ask for no sentences
        self.max_vocabulary, self.max_text, self.characters = max_vocabulary, max_text, characters
        self.classes: list[str] = list(classes)
        self._lock = RLock()
        self._rule = self._ruled(s, l, p, a)
        self._clear(len(self.classes))

    def _ruled(self, s: float, l: float, p: float, a: float) -> Rule:  # noqa: E741
        if not (0 < s <= 1 and l >= 0 and p >= 0 and 0 <= a <= 1):
            raise ValueError(f"s is in (0, 1], l and p are at least 0, a is in [0, 1], not {s}, {l}, {p}, {a}")
        self.s, self.l, self.p, self.a = s, l, p, a
        return kernel.rule(float(s), float(l), float(p), float(a), self.mode == "xai")

    def set_hyperparameters(
        self,
        s: float | None = None,
        l: float | None = None,  # noqa: E741
        p: float | None = None,
        a: float | None = None,
    ) -> None:
        """Value the same counts by other hyperparameters, None for those that stay; nothing is learnt anew.

        Raises ValueError, and changes nothing, for one that is out of its range.
        """
        with self._lock:
            old = self.s, self.l, self.p, self.a
            new = [was if given is None else given for was, given in zip(old, (s, l, p, a), strict=True)]
            self._rule = self._ruled(*new)
            self._forget_lead()

    def _clear(self, classes: int) -> None:
        self._moment = 0
        self._names: list[str] = []
        self._known, self._entered = kernel.empty_filter(64 * self.ngrams), 0
        self._table = empty_table(64, classes)
        self._young, self._old = nothing_once(64), nothing_once(1)
        self._young_slots = self._young_waiting = 0
        self._top = np.ones((self.ngrams, classes))
        self._forget_lead()

    def _forget_lead(self) -> None:
        self._learnt()
        self._memo = kernel.memo(len(self._table.keys), len(self.classes))
        self._lead = kernel.lead(self.ngrams, len(self.classes), len(self._table.keys))

    def _learnt(self) -> None:
        """What was read is void: every value may be another now."""
        self._best: Floats | None = None
        self._moment += 1

    def __len__(self) -> int:
        return len(self._names)

    # ------------------------------------------------------------ learning

    def learn(self, text: str, label: str, weight: float = 1.0) -> None:
        """Count the n-grams of one text for a class; a new label becomes a new class.

        Raises ValueError where the text is longer than `max_text` or the weight is not above 0.
        """
        self.learn_many([text], [label], [weight])

    def learn_many(
        self, texts: Sequence[str], labels: Sequence[str], weights: Sequence[float] | Floats | None = None
    ) -> None:
        """Learn B texts in order; the same as B times `learn`. Raises ValueError and learns nothing then."""
        weighed = [1.0] * len(texts) if weights is None else [float(weight) for weight in weights]
        if not len(texts) == len(labels) == len(weighed):
            raise ValueError("texts, labels and weights have one length")
        for weight in weighed:
            if not (math.isfinite(weight) and weight > 0):
                raise ValueError(f"a weight is above 0, not {weight}")
        self._measure(texts)
        found = kernel.tokenise(texts, characters=self.characters)
        with self._lock:
            for b, (label, weight) in enumerate(zip(labels, weighed, strict=True)):
                self._count(found, b, self._column(label), weight)
            self._learnt()

    def _measure(self, texts: Iterable[str]) -> None:
        longest = max(map(len, texts), default=0)
        if longest > self.max_text:
            raise ValueError(f"a text of {longest} characters exceeds max_text={self.max_text}")

    def _column(self, label: str) -> int:
        try:
            return self.classes.index(label)
        except ValueError:
            self.widen([label])
            return len(self.classes) - 1

    def widen(self, classes: Sequence[str]) -> None:
        """Make room for more classes, in this order; those that are there already stay where they are."""
        with self._lock:
            new = [label for label in dict.fromkeys(classes) if label not in self.classes]
            if not new:
                return
            self.classes = [*self.classes, *new]
            counts = np.zeros((len(self._table.keys), len(self.classes)))
            counts[:, : -len(new)] = self._table.counts
            self._table = self._table._replace(counts=counts)
            self._top = np.hstack([self._top, np.ones((self.ngrams, len(new)))])
            self._forget_lead()

    def _count(self, found: Words, b: int, column: int, weight: float) -> None:
        lo, hi = int(found.bounds[b]), int(found.bounds[b + 1])
        most = (hi - lo) * self.ngrams
        self._make_room(most)
        admitted = np.empty((most, 2), np.int64)
        old_size = len(self._names)
        size, filled, waiting = kernel.count_text(
            found.keys[lo:hi],
            found.before[lo:hi],
            self.ngrams,
            column,
            weight,
            self._table,
            old_size,
            self._young,
            self._old,
            self._known,
            self._top,
            self._lead,
            admitted,
        )
        self._young_slots += filled
        self._young_waiting += waiting
        self._entered += self.ngrams * (size - old_size)
        for first, length in admitted[: size - old_size].tolist():
            self._names.append(found.spelt(lo + first, lo + first + length))
        if size > self.max_vocabulary:
            self._evict()

    def _make_room(self, more: int) -> None:
        size = len(self._names)
        room = len(self._table.keys)
        if size + more > room:
            self._table = grown(self._table, size, max(2 * room, size + more))
            self._forget_lead()
        if kernel.filled(self._known, self._entered + more * self.ngrams):
            self._filter(2 * self.ngrams * (size + more))
        # What waits decides, not how the table lies in memory: a restored model must forget at the same text.
        if self._young_waiting >= 2 * self.max_vocabulary:
            self._old, self._young = self._young, nothing_once(64)
            self._young_slots = self._young_waiting = 0
        if 2 * (self._young_slots + more) > len(self._young.keys):
            # By what waits, not by the slots: with those that have moved on the table would grow for ever.
            fresh = nothing_once(4 * (self._young_waiting + more))
            self._young_slots = kernel.refill(self._young, fresh)
            self._young = fresh

    def _filter(self, room: int) -> None:
        """Enter what is admitted into a filter of this size: of what was evicted since, nothing is left in it."""
        self._known, self._entered = kernel.empty_filter(room), self.ngrams * len(self._names)
        kernel.enter_names(self._known, self._names)

    def _evict(self) -> None:
        """Keep the most frequent 15 of 16, so that this is rare."""
        size = len(self._names)
        total = self._table.counts[:size].sum(axis=1)
        by_rank = np.lexsort((np.arange(size), total))
        keep = np.sort(by_rank[size - max(1, self.max_vocabulary - self.max_vocabulary // 16) :])
        self._keep(keep)

    def _keep(self, keep: NDArray[np.int64]) -> None:
        self._names = [self._names[i] for i in keep.tolist()]
        table = empty_table(max(64, 2 * len(keep)), len(self.classes))
        n = len(keep)
        table.keys[:n] = self._table.keys[keep]
        table.lengths[:n] = self._table.lengths[keep]
        table.counts[:n] = self._table.counts[keep]
        kernel.place_all(table.slots, table.keys, n)
        self._table = table
        self._top = largest_counts(table, n, self.ngrams)
        self._forget_lead()

    # ------------------------------------------------------------ reading

    def _strongest(self) -> Floats:
        """The largest global values [ngrams, C] of this moment."""
        if self._best is None:
            self._best = kernel.largest(self._table, len(self._names), self._top, self._rule, self._lead)
        return self._best

    def confidence(self, text: str) -> Floats:
        """The confidence vector of a text, float64 [K]; zeros where no word is known.

        Raises ValueError where the text exceeds `max_text`.
        """
        row: Floats = self.confidence_many([text])[0]
        return row

    def confidence_many(self, texts: Sequence[str]) -> Floats:
        """The confidence vectors of B texts, float64 [B, K]. Raises ValueError as `confidence` does."""
        self._measure(texts)
        with self._lock:
            if not paragraphs_matter(self.operators):
                return self._vectors(texts)
            parts = [paragraphs(text) for text in texts]
            vectors = self._vectors([part for each in parts for part in each])
            return combined(self.operators[2], vectors, [len(each) for each in parts])

    def _vectors(self, texts: Sequence[str]) -> Floats:
        """The confidence vectors of texts whose paragraphs do not matter, as of one paragraph each."""
        if self.characters or not texts:
            return self._confidence_of(texts)
        flat = kernel.flatten(texts, self._sentences)
        out = self._quickly(flat)
        if len(flat.foreign):
            out[flat.foreign] = self._confidence_of([texts[b] for b in flat.foreign.tolist()])
        return out

    def _quickly(self, flat: Flat) -> Floats:
        read = flat.letters, flat.ends, flat.longest, *kernel.alphabet(128), self._lexicon(self._known)
        out: Floats
        if self._sentences:
            out = kernel.quick_ngrams(*read, self._of_words, self._of_sentences)
        else:
            out = kernel.quick_words(*read)
        return out

    def _confidence_of(self, texts: Sequence[str]) -> Floats:
        found = kernel.tokenise(texts, self._sentences, self.characters, spell=False)
        lexicon = self._lexicon(self._known)
        out: Floats
        if self._sentences:
            operators = self._of_words, self._of_sentences
            out = kernel.confidence_of(found.keys, found.before, found.bounds, self._stop, lexicon, *operators)
        else:
            out = kernel.word_confidence_of(found.keys, found.bounds, lexicon)
        return out

    def _lexicon(self, known: NDArray[np.uint64]) -> Lexicon:
        """What texts are read by at this moment; `known` is the filter of admitted n-grams, or `_ALL`."""
        best = self._strongest()
        once, memo = (self._young, self._old), (self._memo, self._moment)
        return Lexicon(*once, known, self._table, self._top, best, self._rule, *memo)

    @property
    def _stop(self) -> int:
        return kernel.BREAK if self.characters else kernel.SENTENCE

    def label(self, text: str) -> str | None:
        """The class of most confidence; where none has any, the one with most words; None before learning."""
        confidence = self.confidence(text)
        with self._lock:
            if confidence.any():
                return self.classes[int(confidence.argmax())]
            return self._most_probable()

    def _most_probable(self) -> str | None:
        if not self.classes:
            return None
        size = len(self._names)
        counts = self._table.counts[:size][self._table.lengths[:size] == 1].sum(axis=0)
        return self.classes[len(counts) - 1 - int(counts[::-1].argmax())]

    def value(self, ngram: str) -> Floats:
        """The confidence value (cv) of one n-gram, words apart by spaces, for every class: float64 [K]."""
        spelt = self._split(ngram)
        with self._lock:
            if not 1 <= len(spelt) <= self.ngrams:
                return np.zeros(len(self.classes))
            parts = np.stack([self._global([word]) for word in spelt])
            counts, n, out = self._counts(spelt), len(spelt) - 1, np.zeros(len(self.classes))
            if len(out):
                scratch = np.empty((3, len(out)))
                best = self._strongest()[n]
                kernel.confidence_value(counts, self._top[n], best, parts, n + 1, self._rule, scratch, out)
            return out

    def _split(self, ngram: str) -> list[str]:
        if self.characters:
            return [word for word, _ in kernel.words(ngram, characters=True)]
        return ngram.lower().split()

    def _counts(self, spelt: Sequence[str]) -> Floats:
        counts = np.zeros(len(self.classes))
        kernel.look_up(self._table, self._young, self._old, np.uint64(kernel.ngram_key(spelt)), counts)
        return counts

    def _global(self, spelt: Sequence[str]) -> Floats:
        out = np.zeros(len(self.classes))
        if len(out):
            scratch = np.empty((3, len(out)))
            kernel.global_values(self._counts(spelt), self._top[len(spelt) - 1], self._rule, scratch, out)
        return out

    # ------------------------------------------------------------ explaining

    def explain(self, text: str, top: int | None = None) -> TextExplanation:
        """Take a text apart into paragraphs, sentences and recognised n-grams, each with its value for every class.

        Where only single words count, a text is one paragraph, and a sentence is what stands between two marks, commas
        included.
        With `top` only that many n-grams of largest value are listed (in the order of the text); sentence
        sums stay those of all. Raises ValueError where the text exceeds `max_text`.
        """
        self._measure([text])
        parts = paragraphs(text) if self._sentences else [text]
        with self._lock:
            confidence, classes = self.confidence(text), tuple(self.classes)
            if not classes:
                return TextExplanation((), (), ())
            read = [(found, *self._recognise(found)) for found in map(self._found, parts)]
        strength = np.concatenate([values.max(axis=1, initial=0.0) for *_, values in read] or [np.empty(0)])
        listed = np.zeros(len(strength), np.bool_)
        listed[np.argsort(-strength, kind="stable")[:top]] = True
        if top is not None:
            listed &= strength > 0
        told, begin = [], 0
        for found, firsts, lengths, values in read:
            told.append(self._taken_apart(found, firsts, lengths, values, listed[begin:]))
            begin += len(firsts)
        return TextExplanation(classes, tuple(told), tuple(confidence.tolist()))

    def _taken_apart(self, found: Words, firsts: Ints, lengths: Ints, values: Floats, listed: Listed) -> Paragraph:
        """One paragraph of recognised n-grams, of which those that are `listed` are told."""
        sentences: list[Sentence] = []
        border = kernel.SENTENCE if self._sentences else kernel.BREAK
        cuts = [i for i, first in enumerate(firsts.tolist()) if found.before[first] & border]
        for lo, hi in pairwise([*cuts, len(firsts)]):
            words = tuple(
                WordValue(found.spelt(int(firsts[i]), int(firsts[i] + lengths[i])), tuple(values[i].tolist()))
                for i in range(lo, hi)
                if listed[i]
            )
            total = kernel.reference_combined(self._of_words, values[lo:hi].tolist(), values.shape[1])
            sentences.append(Sentence(words, tuple(total)))
        rows = [sentence.values for sentence in sentences]
        return Paragraph(tuple(sentences), tuple(kernel.reference_combined(self._of_sentences, rows, values.shape[1])))

    def _found(self, text: str) -> Words:
        """The words that `confidence` sees: pyss3 cuts into sentences only where it looks for n-grams."""
        return kernel.tokenise([text], sentences=self._sentences, characters=self.characters)

    def _recognise(self, found: Words) -> tuple[Ints, Ints, Floats]:
        firsts, lengths, values = kernel.recognise(found.keys, found.before, self._stop, self._lexicon(_ALL))
        return firsts, lengths, values

    def words(self, text: str) -> list[tuple[str, Floats]]:
        """The n-grams of a text that moved its confidence, in order, with their values [K]."""
        self._measure([text])
        found = self._found(text)
        with self._lock:
            firsts, lengths, values = self._recognise(found)
        return [
            (found.spelt(first, first + length), row)
            for first, length, row in zip(firsts.tolist(), lengths.tolist(), values, strict=True)
            if row.any()
        ]

    def get_stopwords(self, threshold: float = 0.01) -> list[str]:
        """The words whose significance is below the threshold in every class, most frequent first."""
        with self._lock:
            size, C = len(self._names), len(self.classes)
            lv, ordered, sg = np.empty(C), np.empty(C), np.empty(C)
            found: list[tuple[float, str]] = []
            for number in np.flatnonzero(self._table.lengths[:size] == 1).tolist():
                counts = self._table.counts[number]
                kernel.local(counts, self._top[0], self._rule, lv)
                kernel.significance(lv, ordered, self._rule, counts, sg)
                if (sg < threshold).all():
                    found.append((float(counts.sum()), self._names[number]))
            return [word for _, word in sorted(found, key=lambda entry: -entry[0])]

    # ------------------------------------------------------------ snapshots

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """The whole state as arrays of numbers; texts are UTF-8 bytes with the offsets where each ends."""
        with self._lock:
            size = len(self._names)
            names, name_ends = written(self._names)
            classes, class_ends = written(self.classes)
            return {
                "format": np.array([FORMAT, self.ngrams, int(self.characters)]),
                "classes": classes,
                "class_ends": class_ends,
                "vocabulary": names,
                "vocabulary_ends": name_ends,
                "keys": self._table.keys[:size].copy(),
                "lengths": self._table.lengths[:size].copy(),
                "counts": self._table.counts[:size].copy(),
                "top": self._top.copy(),
                **waiting("young", self._young),
                **waiting("old", self._old),
            }

    def load_state_dict(self, arrays: Arrays) -> None:
        """Take over a state that `state_dict` gave. Raises SnapshotError where it does not fit this model."""
        try:
            layout = np.asarray(arrays["format"]).tolist()
            if layout != [FORMAT, self.ngrams, int(self.characters)]:
                raise SnapshotError(f"the snapshot has format, ngrams and characters {layout}")
            classes = read(arrays["classes"], arrays["class_ends"])
            names = read(arrays["vocabulary"], arrays["vocabulary_ends"])
            table = empty_table(max(64, 2 * len(names)), len(classes))
            table.keys[: len(names)] = arrays["keys"]
            table.lengths[: len(names)] = arrays["lengths"]
            table.counts[: len(names)] = arrays["counts"]
            top = np.array(arrays["top"], np.float64).reshape(self.ngrams, len(classes))
            young, old = waited("young", arrays, len(classes)), waited("old", arrays, len(classes))
        except (KeyError, ValueError, IndexError, TypeError) as error:
            raise SnapshotError(f"not the arrays of an SS3 model: {error}") from error
        kernel.place_all(table.slots, table.keys, len(names))
        with self._lock:
            self.classes, self._names, self._table, self._top = classes, names, table, top
            self._young, self._old = young, old
            self._filter(2 * self.ngrams * (len(names) + 64))
            self._young_slots = self._young_waiting = int((young.classes >= 0).sum())
            self._forget_lead()
