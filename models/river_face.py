"""River's manners for the classifier: one event at a time, as a dictionary of whatever features it has."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

import numpy as np
from river import base

from tocsin.models.data.batch import Batch, FeedbackBatch
from tocsin.models.data.features import category_code

if TYPE_CHECKING:
    from tocsin.models.classifier import Classifier


class RiverFace(base.Classifier):
    """`learn_one`, `predict_proba_one`, `predict_one`; features and classes are discovered as they come.

    A feature is a number, a boolean or a string (a category); None and NaN are not known. A model with text takes
    the text itself, or a dictionary with the key `text`.
    """

    @property
    def _multiclass(self) -> bool:
        return True

    def _start_river_face(self) -> None:
        self._originals: dict[str, Hashable] = {}
        """The labels as the caller writes them, by class name."""

    def _plain_originals(self) -> dict[str, bool | int | float | str]:
        """The labels as the caller writes them, as far as JSON can."""
        plain = {n: v.item() if isinstance(v, np.generic) else v for n, v in self._originals.items()}
        return {n: v for n, v in plain.items() if isinstance(v, bool | int | float | str)}

    def learn_one(self: Classifier, x: dict[Hashable, Any] | str, y: Any, w: float = 1.0) -> None:  # type: ignore[misc]
        """Learn one labelled event. Raises UnknownClassError where the settings list the classes and y is none."""
        name = class_name(y)
        self._check_class(name, len(self.classes))
        self._discover(x)
        self._originals.setdefault(name, y)
        feedback = FeedbackBatch(self._one(x), [name], np.array([float(w)]), [None], [()])
        self.learn(feedback)
        self.feedback_offset += 1

    def predict_proba_one(self: Classifier, x: dict[Hashable, Any] | str) -> dict[Any, float]:  # type: ignore[misc,override]
        """The pignistic probability of every class known."""
        scores = self.score(self._one(x))
        p = scores.betp[0] / scores.betp[0].sum() if scores.classes else []
        return {self._originals.get(n, n): float(v) for n, v in zip(scores.classes, p, strict=True)}

    def _discover(self: Classifier, x: dict[Hashable, Any] | str) -> None:  # type: ignore[misc]
        """Add the columns that this event is the first to have, unless the settings name the features."""
        if self._model.features or isinstance(x, str):
            return
        # A value that is not known does not tell a number from a category: its column waits for one that is.
        new = {str(n): isinstance(v, str) for n, v in x.items() if str(n) not in self.columns and _known(v)}
        if self._model.text:
            new.pop("text", None)
        if not new:
            return
        # Sorted, so that the order in which a dictionary was filled leaves no trace.
        columns = [*self.columns, *sorted(new)]
        self.widen(columns, [*self.nominal, *(new[name] for name in sorted(new))], self.classes)

    def _one(self: Classifier, x: dict[Hashable, Any] | str) -> Batch:  # type: ignore[misc]
        """A batch of one; what the model has no column for is left out."""
        if isinstance(x, str):
            return Batch.of(np.full((1, len(self.columns)), np.nan), texts=[x])
        known = {str(name): value for name, value in x.items()}
        names: dict[int, str] = {}
        row = [_number(known.get(c), n, names) for c, n in zip(self.columns, self.nominal, strict=True)]
        text = known.get("text") if self._model.text else None
        return Batch.of(np.array([row], np.float64).reshape(1, -1), texts=[text], categories=[names])


def _known(value: Any) -> bool:
    return value is not None and value == value  # NaN is not itself


def _number(value: Any, nominal: bool, names: dict[int, str]) -> float:
    if not _known(value):
        return np.nan
    if nominal or isinstance(value, str):
        code = category_code(str(value))
        names[code] = str(value)
        return float(code)
    return float(value)


def class_name(label: Any) -> str:
    """How a class is named on the wire: a boolean as `true` or `false`, a number by its digits.

    >>> class_name(True), class_name(3), class_name("spam")
    ('true', '3', 'spam')
    """
    if isinstance(label, bool | np.bool_):
        return "true" if label else "false"
    return str(label)
