"""One boosted model: how it is trained on a window, how it answers, and how it is kept as arrays."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.config.experts.boosted import BoostedSettings
from tocsin.models.data.batch import Bools, Floats, Ints
from tocsin.models.data.snapshot import Arrays, SnapshotError

MOST_CATEGORIES = 254
"""Categories of one feature that a model tells apart, the most frequent of its window; LightGBM has so many bins."""
LARGEST = 1e150
"""Values are clipped here: LightGBM takes what is infinite for a mistake."""


class Examples(NamedTuple):
    """The window that a model is trained on, oldest event first."""

    X: Floats
    """[N, C]"""
    y: Ints
    """[N]"""
    weight: Floats
    """[N]"""
    nominal: Bools
    """[C], which columns are categories."""


class Boosted:
    """A trained model. It answers from its text, so that a restored one answers to the same bits."""

    def __init__(self, text: bytes, labels: Ints, nominal: Bools, codes: Floats, counts: Ints) -> None:
        self._text = text
        self._labels = labels
        """The classes that it was trained on, ascending; with fewer than two there is no text, and it knows nothing."""
        self._nominal = nominal
        self._codes = codes
        """The category codes that it knows, column by column, ascending in each."""
        self._counts = counts
        """[C], how many of them each column has."""
        self._booster: Any = None

    def __getstate__(self) -> dict[str, Any]:
        """A copy makes its booster anew from the text."""
        return {**self.__dict__, "_booster": None}

    def probabilities(self, X: Floats, classes: int) -> Floats:
        """Class probabilities [B, K] of inputs X [B, C]; rows of zeros from a model that knows nothing."""
        result = np.zeros((len(X), classes))
        if not self._text or not len(X):
            return result
        p = self._load().predict(self._encoded(X), num_threads=1, validate_features=False)
        if len(self._labels) == 2:
            p = np.stack([1.0 - p, p], axis=1)
        result[:, self._labels] = p
        return result

    def _load(self) -> Any:
        """The booster that the text describes."""
        if self._booster is None:
            self._booster = lightgbm().Booster(model_str=self._text.decode())
        return self._booster

    def _encoded(self, X: Floats) -> Floats:
        """The inputs [B, C] with categories numbered by their places among those known; NaN for all others."""
        return _encoded(X[:, : len(self._nominal)], self._nominal, self._codes, self._counts)

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """See `tocsin.models.experts.base.Expert`."""
        text = np.frombuffer(self._text, np.uint8).copy()
        arrays = {"labels": self._labels, "nominal": self._nominal, "codes": self._codes, "counts": self._counts}
        return {"text": text, **{name: array.copy() for name, array in arrays.items()}}

    @classmethod
    def restored(cls, arrays: Arrays) -> Boosted:
        """The model that `state_dict` gave. Raises KeyError, ValueError or SnapshotError."""
        text = np.array(arrays["text"], np.uint8).tobytes()
        labels, counts = np.array(arrays["labels"], np.int64), np.array(arrays["counts"], np.int64)
        nominal, codes = np.array(arrays["nominal"], np.bool_), np.array(arrays["codes"], np.float64)
        if counts.shape != nominal.shape or counts.sum() != len(codes) or (len(labels) < 2) != (not text):
            raise SnapshotError("the arrays of a boosted model do not fit one another")
        model = cls(text, labels, nominal, codes, counts)
        if text:
            try:
                model._load()
            except lightgbm().basic.LightGBMError as error:
                raise SnapshotError(f"LightGBM cannot read the model: {error}") from None
        return model


class Training:
    """A model that is being trained, or that was. Copies and snapshots wait for it, so that no thread is seen."""

    def __init__(self, model: Boosted | Callable[[], Boosted], at: int) -> None:
        """`model` may be what trains it, which the thread for that then does."""
        self.at = at
        """Labelled events learnt when its window ended."""
        self._model = model
        self._process = os.getpid()
        self._future = None if isinstance(model, Boosted) else _thread(self._process).submit(model)

    def __getstate__(self) -> dict[str, Any]:
        """A copy has the model itself."""
        return {"at": self.at, "_model": self.result(), "_process": self._process, "_future": None}

    def result(self) -> Boosted:
        """The model, once it is trained."""
        if not isinstance(self._model, Boosted):
            # A process that was forked off meanwhile has no thread to wait for.
            own = self._future if self._process == os.getpid() else None
            self._model = self._model() if own is None else own.result()
        return self._model


def begin(examples: Examples, settings: BoostedSettings, at: int) -> Training:
    """Train a model in the thread for it; the arrays of the examples must not change any more."""
    return Training(partial(trained, examples, settings), at)


@cache
def _thread(process: int) -> ThreadPoolExecutor:
    """One thread for all boosted experts of a process; a fork of it has none, and needs its own."""
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="boosting")


@cache
def lightgbm() -> Any:
    """The library. Raises ModuleNotFoundError where it is not installed."""
    return importlib.import_module("lightgbm")


def trained(examples: Examples, settings: BoostedSettings) -> Boosted:
    """The model of a window: a function of the window and the settings alone."""
    labels, y = np.unique(examples.y, return_inverse=True)
    codes = [
        _codes(column) if is_code else np.empty(0)
        for column, is_code in zip(examples.X.T, examples.nominal, strict=True)
    ]
    counts = np.array([len(some) for some in codes], np.int64)
    joined = np.concatenate([np.empty(0), *codes])
    if len(labels) < 2 or not examples.X.shape[1] or not examples.weight.any():
        return Boosted(b"", labels[:1], examples.nominal, joined, counts)  # LightGBM refuses these
    library, parameters = lightgbm(), _parameters(settings, len(labels))
    data = library.Dataset(
        _encoded(examples.X, examples.nominal, joined, counts),
        y.reshape(-1),
        weight=examples.weight,
        categorical_feature=np.flatnonzero(counts > 0).tolist(),
        params=parameters,
    )
    rounds = settings.trees
    if len(labels) > 2:
        rounds = max(min(rounds, settings.most_trees // len(labels)), 1)
    text: str = library.train(parameters, data, num_boost_round=rounds).model_to_string()
    return Boosted(text.encode(), labels.astype(np.int64), examples.nominal, joined, counts)


def _parameters(settings: BoostedSettings, classes: int) -> dict[str, Any]:
    """LightGBM's parameters, under which it computes the same wherever and whenever it runs."""
    task = {"objective": "binary"} if classes == 2 else {"objective": "multiclass", "num_class": classes}
    return {
        **task,
        "num_leaves": settings.leaves,
        "min_data_in_leaf": settings.least_events,
        "learning_rate": settings.learning_rate,
        "max_bin": 255,
        "seed": 0,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        "verbosity": -1,
    }


def _codes(column: Floats) -> Floats:
    """The codes of the most frequent categories of a column, ascending; of equally frequent ones the smaller."""
    codes, counts = np.unique(column[np.isfinite(column)], return_counts=True)
    most_frequent = np.argsort(-counts, kind="stable")[:MOST_CATEGORIES]
    kept: Floats = np.sort(codes[most_frequent])
    return kept


def _encoded(X: Floats, nominal: Bools, codes: Floats, counts: Ints) -> Floats:
    """Inputs [B, C] as LightGBM takes them: a category is its place among the codes of its column, else NaN."""
    result = np.clip(X, -LARGEST, LARGEST)
    ends = counts.cumsum()
    for f in np.flatnonzero(nominal).tolist():
        known = codes[ends[f] - counts[f] : ends[f]]
        place = np.searchsorted(known, X[:, f])
        there = place < len(known)
        there[there] = known[place[there]] == X[there, f]
        result[:, f] = np.where(there, place, np.nan)
    return result
