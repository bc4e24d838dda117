"""SS3: a text classifier that counts words, is exact at every moment, and can say why."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from threading import RLock
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tocsin.kernels import text as kernel
from tocsin.kernels.text import Operators as KernelOperators
from tocsin.kernels.text import ReadingState, Rule, Way
from tocsin.models.data.labels import Label, class_name, name_among, plain_label
from tocsin.models.data.snapshot import Arrays, SnapshotError, plain_labels
from tocsin.models.face import Face, checked_weights
from tocsin.models.ss3.counts import texts_from_arrays, texts_to_arrays
from tocsin.models.ss3.explanation import TextExplanation, take_all_apart
from tocsin.models.ss3.operators import SUMS, Operators, combined, numbers, paragraphs, paragraphs_matter
from tocsin.models.ss3.reading import Reading, recognise, strongest_of_all, vectors
from tocsin.models.ss3.texts import text_of, texts_of
from tocsin.models.ss3.vocabulary import Keys, ScaleFit, Vocabulary

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FORMAT = 2
ALL: Keys = np.empty(0, np.uint64)
"""The filter that holds every n-gram."""


class SS3(Face):
    """Burdisso's SS3 and t-SS3 with online counts.

    Only counts are kept, one row for each n-gram and one column for each class. Values are computed from the counts
    when they are read, so they never lag behind what was learnt. `s`, `l` and `p` are SS3's smoothness, significance
    and sanction; a value that is not above `a` counts as 0. Mode "xai" gives pyss3's default values (normalised, with
    its stop-word filters and the n-gram guard and bonus); "paper" gives the global value as published in 2019.

    N-grams of up to `ngrams` words never cross the border of a sentence or a text when they are learnt. An n-gram is
    admitted at its second occurrence. Until then it waits in a table of at most `4 * max_vocabulary` entries that
    forgets the oldest first. Above `max_vocabulary` admitted n-grams the rarest are dropped, the older of two equals
    first. A character of a script without spaces (Chinese, Japanese, Thai, Lao, Khmer, Burmese) is a word of its own;
    `ngrams` of 2 or 3 serve these best. With `characters` so is each word character outside ASCII.

    `operators` say how the values of n-grams become a sentence's, those of sentences a paragraph's (a line that is not
    blank), and those of paragraphs a text's. SS3's own operator is the sum for all three.

    A label may be text, a number or a boolean. `classes` names them as text, in the order in which they came. 1, 1.0,
    True and "1" are one label, and the answer is the one that was given first.

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
        of_words, of_sentences, _ = numbers(operators)
        sentences = ngrams > 1 or operators != SUMS  # sums of single words do not depend on sentences
        self._reading = Reading(sentences, characters, of_words, of_sentences)
        self.max_vocabulary, self.max_text, self.characters = max_vocabulary, max_text, characters
        self._given_classes = list(classes)  # not a tuple, which river takes for a class and its parameters
        self.classes: list[str] = list(classes)
        self._originals: dict[str, Label] = {}
        """The labels as the caller wrote them first, by class."""
        self._lock = RLock()
        self._rule = self._checked_rule(s, l, p, a)
        self._vocabulary = Vocabulary(ngrams, max_vocabulary, len(self.classes))

    def _checked_rule(self, s: float, l: float, p: float, a: float) -> Rule:  # noqa: E741
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
            self._rule = self._checked_rule(*new)
            self._vocabulary.forget_values()

    def __len__(self) -> int:
        return len(self._vocabulary)

    # Learning

    def learn(self, text: str, label: str, weight: float = 1.0) -> None:
        """Count the n-grams of one text for a class; a new label becomes a new class.

        A text of weight 0 counts nothing. Raises ValueError where the text is longer than `max_text` or the weight is
        negative, not finite or above a million.
        """
        self._learn_texts([text], [plain_label(label)], [weight])

    def learn_one(self, x: str | Mapping[Any, Any], y: Label, w: float = 1.0) -> None:
        """Learn a labelled event, given as its text or as a dictionary with the key `text`.

        Raises ValueError as `learn` does, and for a dictionary that has other keys but no text.
        """
        self._learn_texts([text_of(x)], [plain_label(y)], [w])

    def _rows(self, X: Any) -> list[str]:
        return texts_of(X)

    def _learn_rows(self, rows: list[str], y: NDArray[Any], w: Floats | None) -> None:
        self._learn_texts(rows, y.tolist(), np.ones(len(rows)) if w is None else w)

    def _learn_texts(self, texts: Sequence[str], labels: Sequence[Label], weights: ArrayLike) -> None:
        """Learn B texts in order. Raises ValueError, before anything is learnt, as `learn` does."""
        weighed = checked_weights(weights, len(texts)).tolist()
        self._check_lengths(texts)
        found = kernel.tokenise(texts, characters=self.characters)
        with self._lock:
            for b, (label, weight) in enumerate(zip(labels, weighed, strict=True)):
                column = self._column(self._class_of(label))
                if weight > 0.0:
                    self._vocabulary.count(found, b, column, weight)
            self._vocabulary.counts_changed()

    def read_then_learn(
        self, texts: Sequence[str], columns: Ints, weights: Floats, scale: ScaleFit, strength: float
    ) -> Floats:
        """Learn B texts of known classes in order, `columns` [B]; returns the evidence [B, K] of each just before.

        Evidence is the confidence times `scale`, at most `strength`, and `scale` is fitted by each text. The operators
        must be those that need no paragraphs. Raises ValueError where a text exceeds `max_text`.
        """
        self._check_lengths(texts)
        reading = self._reading
        counted = kernel.tokenise(texts, characters=self.characters)
        read = kernel.tokenise(texts, True, self.characters, spell=False) if reading.sentences else counted
        how = KernelOperators(reading.of_words, reading.of_sentences)
        with self._lock:
            way = Way(self._rule, how, reading.sentences, reading.stop, self.max_vocabulary, strength)
            return self._vocabulary.read_then_count(read, counted, columns, weights, way, scale)

    def _check_lengths(self, texts: Iterable[str]) -> None:
        longest = max(map(len, texts), default=0)
        if longest > self.max_text:
            raise ValueError(f"a text of {longest} characters exceeds max_text={self.max_text}")

    def _class_of(self, label: Label) -> str:
        """The class of a label, which is text; how the caller wrote the label first is remembered."""
        name = name_among(self.classes, class_name(label))
        self._originals.setdefault(name, label)
        return name

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
            if new:
                self.classes = [*self.classes, *new]
                self._vocabulary.widen(len(self.classes))

    # Reading

    def confidence(self, text: str) -> Floats:
        """The confidence vector of a text, float64 [K]; zeros where no word is known.

        Raises ValueError where the text exceeds `max_text`.
        """
        row: Floats = self.confidence_many([text])[0]
        return row

    def confidence_many(self, texts: Sequence[str]) -> Floats:
        """The confidence vectors of B texts, float64 [B, K]. Raises ValueError as `confidence` does."""
        self._check_lengths(texts)
        with self._lock:
            if not paragraphs_matter(self.operators):
                return self._vectors(texts)
            parts = [paragraphs(text) for text in texts]
            vectors = self._vectors([part for each in parts for part in each])
            return combined(self.operators[2], vectors, [len(each) for each in parts])

    def _vectors(self, texts: Sequence[str]) -> Floats:
        """The confidence vectors of texts, each read as one paragraph."""
        return vectors(texts, self._reading, self._state(self._vocabulary.known))

    def _state(self, known: Keys) -> ReadingState:
        return self._vocabulary.state(self._rule, known)

    def label(self, text: str) -> str | None:
        """The class of most confidence; where none has any, the one with most words; None before learning."""
        with self._lock:
            column = int(self._choices([text])[0])
            return self.classes[column] if column >= 0 else None

    def _choices(self, rows: list[str]) -> Ints:
        with self._lock:
            confidence = self.confidence_many(rows)
            if not confidence.shape[1]:
                return np.full(len(rows), -1, np.int64)
            choices: Ints = confidence.argmax(axis=1)
            unknown = ~confidence.any(axis=1)
            if unknown.any():
                words = self._vocabulary.words_of_classes()
                choices[unknown] = len(words) - 1 - int(words[::-1].argmax())  # of equals the last, as in pyss3
            return choices

    def predict_one(self, x: str | Mapping[Any, Any], **kwargs: Any) -> Label:
        """The label that `label` names, as it was learnt; None before learning."""
        found = self.label(text_of(x))
        return found if found is None else self._originals.get(found, found)

    def predict_proba_one(self, x: str | Mapping[Any, Any], **kwargs: Any) -> dict[Label, float]:
        """The share of each class in the confidence vector.

        Where no word is known, it is the share of each class in the words that were learnt.
        """
        with self._lock:
            p = self._probabilities([text_of(x)])[0].tolist()
            return dict(zip(self._labels_in_order(), p, strict=True))

    def predict_proba_many(self, X: Any) -> Any:
        """See `Face`; the probabilities are those of `predict_proba_one`."""
        with self._lock:
            return super().predict_proba_many(X)

    def predict_many(self, X: Any) -> Any:
        """See `Face`; the labels are those of `predict_one`."""
        with self._lock:
            return super().predict_many(X)

    def _probabilities(self, rows: list[str]) -> Floats:
        confidence = self.confidence_many(rows)
        unknown = ~confidence.any(axis=1)
        if unknown.any():
            words = self._vocabulary.words_of_classes()
            confidence[unknown] = words if words.any() else 1.0
        p: Floats = confidence / confidence.sum(axis=1, keepdims=True)
        return p

    def _labels_in_order(self) -> list[Label]:
        return [self._originals.get(name, name) for name in self.classes]

    def value(self, ngram: str) -> Floats:
        """The confidence value (cv) of one n-gram, words apart by spaces, for every class: float64 [K]."""
        with self._lock:
            return self._vocabulary.value(self._split(ngram), self._rule)

    def _split(self, ngram: str) -> list[str]:
        if self.characters:
            return [word for word, _ in kernel.words(ngram, characters=True)]
        return [part for word in ngram.lower().split() for part in kernel.parted(word)]

    # Explaining

    def explain(self, text: str, top: int | None = None) -> TextExplanation:
        """Take a text apart into paragraphs, sentences and recognised n-grams, each with its value for every class.

        Where only single words count, a text is one paragraph, and a sentence is what stands between two marks, commas
        included. With `top` only that many n-grams of largest value are listed (in the order of the text); sentence
        sums stay those of all. Raises ValueError where the text exceeds `max_text`.
        """
        reading = self._reading
        with self._lock:
            confidence, classes = self.confidence(text), tuple(self.classes)
            if not classes:
                return TextExplanation((), (), ())
            state = self._state(ALL)
            parts = [recognise(part, reading, state) for part in (paragraphs(text) if reading.sentences else [text])]
        told = take_all_apart(parts, top, reading.border, reading.of_words, reading.of_sentences)
        return TextExplanation(classes, told, tuple(confidence.tolist()))

    def words(self, text: str) -> list[tuple[str, Floats]]:
        """The n-grams of a text that moved its confidence, in order, with their values [K]."""
        self._check_lengths([text])
        with self._lock:
            found = recognise(text, self._reading, self._state(ALL))
        return [(found.ngram(i), row) for i, row in enumerate(found.values) if row.any()]

    def strongest_words(
        self, texts: Sequence[str], most: int, scale: Floats | None = None
    ) -> list[list[tuple[str, Floats]]]:
        """Of each text the `most` n-grams that moved its confidence most, in order, with their values [K].

        More of them where the last ones are worth the same. Values are multiplied by `scale` [K], where it is given.
        `words` gives all n-grams of one text.
        """
        self._check_lengths(texts)
        with self._lock:
            factor = np.ones(len(self.classes)) if scale is None else scale
            return strongest_of_all(texts, most, factor, self._reading, self._state(ALL))

    def get_stopwords(self, threshold: float = 0.01) -> list[str]:
        """The words whose significance is below the threshold in every class, most frequent first."""
        with self._lock:
            return self._vocabulary.stop_words(self._rule, threshold)

    # Copies and snapshots

    def __getstate__(self) -> dict[str, Any]:
        with self._lock:
            return copy.deepcopy({name: value for name, value in vars(self).items() if name != "_lock"})

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = RLock()

    def _parameters(self) -> dict[str, Any]:
        return super()._parameters() | {"classes": self._given_classes}

    @classmethod
    def _of_parameters(cls, parameters: dict[str, Any]) -> Self:
        return cls(**parameters | {name: tuple(parameters[name]) for name in ("classes", "operators")})

    def _manifest(self) -> dict[str, Any]:
        return super()._manifest() | {"originals": plain_labels(self._originals)}

    def to_snapshot(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """See `Face`."""
        with self._lock:
            return super().to_snapshot()

    def restore(self, manifest: Mapping[str, Any], arrays: Arrays) -> None:
        """See `Face`."""
        with self._lock:
            super().restore(manifest, arrays)
            self._originals = dict(manifest["originals"])

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """The whole state as arrays of numbers; texts are UTF-8 bytes with the offsets where each ends."""
        with self._lock:
            classes, class_ends = texts_to_arrays(self.classes)
            return {
                "format": np.array([FORMAT, self.ngrams, int(self.characters)]),
                "classes": classes,
                "class_ends": class_ends,
                **self._vocabulary.state_dict(),
            }

    def load_state_dict(self, arrays: Arrays) -> None:
        """Take over a state that `state_dict` gave. Raises SnapshotError where it does not fit this model."""
        try:
            layout = np.asarray(arrays["format"]).tolist()
            if layout != [FORMAT, self.ngrams, int(self.characters)]:
                raise SnapshotError(f"the snapshot has format, ngrams and characters {layout}")
            classes = texts_from_arrays(arrays["classes"], arrays["class_ends"])
            vocabulary = Vocabulary(self.ngrams, self.max_vocabulary, len(classes))
            vocabulary.load_state_dict(arrays)
        except (KeyError, ValueError, IndexError, TypeError) as error:
            raise SnapshotError(f"these are not the arrays of an SS3 model: {error}") from error
        with self._lock:
            self.classes, self._vocabulary = classes, vocabulary
