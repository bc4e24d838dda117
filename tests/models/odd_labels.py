"""Labels and weights as Python, numpy and pandas hand them over, for every model that users name."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from .face_case import FaceCase

SPELLINGS: dict[str, list[Any]] = {
    "left": [0, 0.0, False, np.int64(0), "0", np.bool_(False), Decimal(0)],
    "right": [1, 1.0, True, np.int64(1), "1", np.bool_(True), Decimal(1)],
}
"""One label each, as different callers write it."""
NO_WEIGHTS = [-1.0, math.nan, math.inf, 1e300, 1_000_001, "heavy", None]


class OddLabels(FaceCase):
    """The tests of labels and weights that every such model passes."""

    def two_classes(self, n: int, seed: int = 0) -> tuple[list[Any], list[str]]:
        found = [(x, y) for x, y in zip(*self.events(n, seed), strict=True) if y in SPELLINGS]
        return [x for x, _ in found], [y for _, y in found]

    @pytest.mark.parametrize("first", range(len(SPELLINGS["left"])))
    def test_labels_that_are_equal_but_for_their_type_are_one_class(self, first: int) -> None:
        xs, y = self.two_classes(60)
        plain, by_one, by_many = self.make(), self.make(), self.make()
        labels = [SPELLINGS[name][(first + i) % len(SPELLINGS[name])] for i, name in enumerate(y)]
        for x, name, label in zip(xs, y, labels, strict=True):
            plain.learn_one(x, SPELLINGS[name][0])
            by_one.learn_one(x, label)
        by_many.learn_many(self.frame(xs), labels)
        # Booleans and numbers sort alike, and text sorts as digits do.
        expected = [list(p.values()) for p in self.answers(plain)]
        assert all(len(row) == 2 and sum(row) == pytest.approx(1.0) for row in expected)
        for model in (by_one, by_many):
            assert len(model.classes) == 2
            assert [sorted(p.values()) for p in self.answers(model)] == [sorted(row) for row in expected]

    def test_the_label_that_was_given_first_is_the_answer(self) -> None:
        xs, y = self.two_classes(60)
        for names in ({"left": "0", "right": "1"}, {"left": False, "right": True}, {"left": 0, "right": 1}):
            model = self.make()
            for i, (x, name) in enumerate(zip(xs, y, strict=True)):
                model.learn_one(x, names[name] if i < 30 else SPELLINGS[name][i % 7])
            found = model.predict_proba_one(xs[0])
            assert {(type(label), label) for label in found} == {(type(label), label) for label in names.values()}
            assert type(model.predict_one(xs[0])) is type(names["left"])

    def test_a_masked_label_teaches_nothing(self) -> None:
        model, (xs, _) = self.make(), self.events(3)
        labels = np.ma.array([1, 2, 1], mask=[False, False, True])
        with pytest.raises(ValueError, match=r"a label is missing .*, in row 2"):
            model.learn_many(self.frame(xs), labels)
        assert list(model.classes) == []

    @pytest.mark.parametrize("w", NO_WEIGHTS, ids=str)
    def test_a_weight_that_no_event_can_have_leaves_no_trace(self, w: Any) -> None:
        model, twin = self.taught(), self.taught()
        xs, y = self.events(3)
        with pytest.raises(ValueError, match="w: a weight"):
            model.learn_one(xs[0], y[0], w=w)
        with pytest.raises(ValueError, match="w: a weight"):
            model.learn_many(self.frame(xs), pd.Series(y), [1.0, 1.0, w])
        with pytest.raises(ValueError, match="w: a weight"):
            model.learn_one(xs[0], "never heard of", w=w)
        self.assert_alike(model, twin)

    def test_the_weights_that_are_allowed_break_nothing(self) -> None:
        model, (xs, y) = self.taught(), self.events(60)
        for x, label, w in zip(xs, y, [0.0, 1e-300, 1e6, 0.3] * 15, strict=True):
            model.learn_one(x, label, w=w)
        for p in self.answers(model):
            assert sum(p.values()) == pytest.approx(1.0)
