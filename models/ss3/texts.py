"""The texts of events as they may come: alone, in a dictionary, a list, an array, a Series or a DataFrame."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tocsin.models.data.frames import is_frame, is_series
from tocsin.models.data.values import as_text

KEY = "text"
"""The key of a dictionary, and the column of a DataFrame, that holds the text."""


def text_of(x: str | Mapping[Any, Any]) -> str:
    """The text of one event, given alone or in a dictionary under `text`; "" where it is missing.

    Raises ValueError for anything else, such as a bag of words: SS3 looks at the order of words and cuts texts itself.

    >>> text_of("win now"), text_of({"text": "win now", "sender": "anna"}), text_of({"text": None})
    ('win now', 'win now', '')
    """
    if isinstance(x, str):
        return str(x)
    if isinstance(x, Mapping):
        if x and KEY not in x:
            raise ValueError(f"x: has no key {KEY!r} for the text, only {', '.join(map(str, list(x)[:5]))}")
        return as_text(x.get(KEY)) or ""
    return as_text(x) or ""


def texts_of(X: Any) -> list[str]:
    """The texts of B events, "" where one is missing. Raises ValueError where one is no text."""
    if isinstance(X, str):
        raise ValueError("X: is one text, not a list of texts")
    if is_frame(X):
        if KEY not in X.columns:
            raise ValueError(f"X: has no column {KEY!r}")
        X = X[KEY]
    if is_series(X) or isinstance(X, np.ndarray):
        X = X.tolist()
    if all(type(text) is str for text in X):
        return list(X)
    texts = []
    for row, text in enumerate(X):
        try:
            texts.append(as_text(text) or "")
        except ValueError as error:
            raise ValueError(f"X: {error}, in row {row}") from None
    return texts
