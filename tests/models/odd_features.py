"""Features as Python, numpy and pandas hand them over, for every model of named features."""

from __future__ import annotations

import datetime
import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest

from .face_case import FaceCase

MISSING = [None, math.nan, np.float64("nan"), pd.NA, pd.NaT, np.ma.masked, Decimal("NaN"), np.datetime64("NaT")]
SPELLINGS: list[tuple[Any, float]] = [
    (True, 1.0),
    (np.bool_(True), 1.0),
    (np.float32(0.5), 0.5),
    (np.int64(-1), -1.0),
    (np.uint8(1), 1.0),
    (Decimal("0.25"), 0.25),
    (Fraction(1, 2), 0.5),
    (10**18, 1e18),
    ("0.5", 0.5),
    (" -1e0 ", -1.0),
]
"""Values of a number, and the float that each is."""
NO_FEATURES = [
    math.inf,
    -math.inf,
    "inf",
    10**400,
    Decimal("1e400"),
    1j,
    b"red",
    datetime.datetime(2026, 1, 1),
    datetime.date(2026, 1, 1),
    pd.Timestamp(0),
    np.datetime64("2026-01-01"),
    np.timedelta64(1, "s"),
    [1.0],
    (1.0,),
    {"b": 1.0},
    ...,
]
"""Values that no feature can have."""


class OddFeatures(FaceCase):
    """The tests of features that every model of named features passes."""

    def words(self, absent: Any, n: int = 60) -> tuple[list[dict[str, Any]], list[str]]:
        """Events of one word, every second of which is absent, the first one, too."""
        xs = [{"colour": absent if i % 2 == 0 else ("red", "blue")[i // 2 % 2]} for i in range(n)]
        return xs, ["warm" if i % 4 == 1 else "cold" for i in range(n)]

    @pytest.mark.parametrize("absent", MISSING, ids=repr)
    def test_every_kind_of_missing_word_is_one_and_no_category(self, absent: Any) -> None:
        xs, y = self.words(absent)
        expected, by_one, by_many = self.make(), self.make(), self.make()
        for i, (x, label) in enumerate(zip(xs, y, strict=True)):
            expected.learn_one({} if i % 2 == 0 else x, label)
            by_one.learn_one(x, label)
        by_many.learn_many(pd.DataFrame({"colour": pd.Series([x["colour"] for x in xs], dtype=object)}), y)
        for model in (by_one, by_many):
            for x in ({"colour": "red"}, {}):
                assert model.predict_proba_one(x) == expected.predict_proba_one(x)
            assert model.predict_proba_one({"colour": absent}) == expected.predict_proba_one({})

    @pytest.mark.parametrize("absent", MISSING, ids=repr)
    def test_every_kind_of_missing_number_is_one(self, absent: Any) -> None:
        (xs, y), expected = self.events(60), self.make()
        holes = [x | {"a": absent} if i % 3 == 0 else x for i, x in enumerate(xs)]
        without = [{n: v for n, v in x.items() if n != "a" or i % 3} for i, x in enumerate(xs)]
        by_one, by_many, by_records = self.make(), self.make(), self.make()
        for x, hole, label in zip(without, holes, y, strict=True):
            expected.learn_one(x, label)
            by_one.learn_one(hole, label)
        by_many.learn_many(pd.DataFrame({n: pd.Series([x[n] for x in holes], dtype=object) for n in "abc"}), y)
        by_records.learn_many(holes, y)
        assert self.answers(by_one) == self.answers(expected)
        assert self.answers(by_many) == self.answers(by_records) == self.answers(expected)

    @pytest.mark.parametrize(("value", "number"), SPELLINGS, ids=repr)
    def test_a_number_is_the_same_in_every_form(self, value: Any, number: float) -> None:
        model, twin = self.taught(), self.taught()
        x, same = {"a": value, "b": 0.5, "c": 0.1}, {"a": number, "b": 0.5, "c": 0.1}
        frame = pd.DataFrame({n: pd.Series([v], dtype=object) for n, v in x.items()})
        assert model.predict_proba_one(x) == twin.predict_proba_one(same)
        np.testing.assert_array_equal(model.predict_proba_many(frame), twin.predict_proba_many(pd.DataFrame([same])))
        model.learn_one(x, "left")
        model.learn_many(frame, ["right"])
        for label in ("left", "right"):
            twin.learn_one(same, label)
        self.assert_alike(model, twin)

    def test_numbers_that_begin_to_come_as_text_stay_numbers(self) -> None:
        xs, y = self.events(120)
        plain, by_one, by_many = self.make(), self.make(), self.make()
        texts = [{n: str(v) if i % 2 else v for n, v in x.items()} for i, x in enumerate(xs)]
        for x, text, label in zip(xs, texts, y, strict=True):
            plain.learn_one(x, label)
            by_one.learn_one(text, label)
        by_many.learn_many(pd.DataFrame(texts), y)
        assert self.answers(by_one) == self.answers(by_many) == self.answers(plain)
        assert plain.predict_proba_one({"a": " ", "b": 1.0}) == plain.predict_proba_one({"b": 1.0})

    @pytest.mark.parametrize("value", [*NO_FEATURES, "red", "12,5"], ids=repr)
    def test_a_value_that_is_no_number_is_refused_by_name_and_leaves_no_trace(self, value: Any) -> None:
        model, twin, (xs, y) = self.taught(), self.taught(), self.events(3)
        wrong = xs[1] | {"b": value}
        frame = pd.DataFrame({n: pd.Series([x[n] for x in (xs[0], wrong)] + [None], dtype=object) for n in "abc"})
        with pytest.raises(ValueError, match="feature 'b'"):
            model.learn_one(wrong | {"new": 1.0}, "never heard of")
        with pytest.raises(ValueError, match="feature 'b'"):
            model.predict_proba_one(wrong)
        for X in (frame, [xs[0], wrong]):
            with pytest.raises(ValueError, match=r"feature 'b'.*, in row 1"):
                model.learn_many(X, y[: len(X)])
        with pytest.raises(ValueError, match=r"feature 'b'.*, in row 1"):
            model.predict_many(frame)
        self.assert_alike(model, twin)

    @pytest.mark.parametrize("value", NO_FEATURES, ids=repr)
    def test_a_value_that_no_feature_has_makes_no_column(self, value: Any) -> None:
        if value == "inf":
            return  # a text, and so a category where nothing says that it is a number
        model, twin = self.make(), self.make()
        with pytest.raises(ValueError, match="feature 'odd'"):
            model.learn_one({"a": 1.0, "odd": value}, "left")
        with pytest.raises(ValueError, match=r"feature 'odd'.*, in row 0"):
            model.learn_many(pd.DataFrame({"a": [1.0], "odd": pd.Series([value], dtype=object)}), ["left"])
        assert list(model.classes) == []
        self.assert_alike(model, twin)

    def test_an_array_with_a_value_that_is_no_number_is_refused_by_its_column(self) -> None:
        model, twin = self.taught(), self.taught()
        for value in (math.inf, "red", 1j, datetime.date(2026, 1, 1)):
            X = np.array([[1.0, 2.0, 3.0], [1.0, value, 3.0]], object)
            with pytest.raises(ValueError, match=r"X: feature 1 .*, in row 1"):
                model.learn_many(X, ["left", "right"])
        with pytest.raises(ValueError, match=r"X: feature 1 .*, in row 0"):
            model.predict_many(np.array([[1.0, -math.inf, 2.0]]))
        self.assert_alike(model, twin)

    def test_arrays_of_other_types_are_the_same_events(self) -> None:
        model, X = self.taught(), np.round(self.array(self.events(20, seed=9)[0]), 2)
        expected = model.predict_proba_many(X)
        with_holes = np.where(np.arange(60).reshape(20, 3) % 7 == 0, np.nan, X)
        masked = np.ma.array(X, mask=np.isnan(with_holes))
        holes = np.array([[None if v != v else v for v in row] for row in with_holes.tolist()], object)
        for same in (X.astype(object), X.astype(str), X.tolist(), np.asfortranarray(X)):
            np.testing.assert_array_equal(model.predict_proba_many(same), expected)
        for same in (masked, holes):
            np.testing.assert_array_equal(model.predict_proba_many(same), model.predict_proba_many(with_holes))

    def test_records_are_the_events_that_a_frame_is(self) -> None:
        xs, y = self.events(60)
        expected, by_records, by_fields = self.make(), self.make(), self.make()
        expected.learn_many(pd.DataFrame(xs), y)
        by_records.learn_many(xs, y)
        by_fields.learn_many(pd.DataFrame(xs).to_records(index=False), y)
        assert self.answers(by_records) == self.answers(by_fields) == self.answers(expected)
        fresh = self.events(5, seed=9)[0]
        np.testing.assert_array_equal(
            expected.predict_proba_many(fresh), expected.predict_proba_many(self.frame(fresh))
        )

    def test_types_may_change_from_batch_to_batch(self) -> None:
        xs, y = self.events(100)
        for x in xs:
            x["a"] = float(round(x["a"] * 4))
        plain, model, frame = self.make(), self.make(), pd.DataFrame(xs)
        kinds = [float, int, "Int64", object, str, "category", "int64[pyarrow]", "double[pyarrow]", "string[pyarrow]"]
        for i in range(0, 90, 10):
            plain.learn_many(frame[i : i + 10], y[i : i + 10])
            kind = kinds[i // 10]
            model.learn_many(frame[i : i + 10].astype({"a": kind}), y[i : i + 10])
            wanted = plain.predict_proba_many(frame[90:])
            pd.testing.assert_frame_equal(model.predict_proba_many(frame[90:].astype({"a": kind})), wanted)

    def test_a_column_that_is_not_known_is_passed_over_whatever_it_holds(self) -> None:
        model, x = self.taught(), self.events(1, seed=9)[0][0]
        expected = model.predict_proba_one(x)
        for value in NO_FEATURES:
            assert model.predict_proba_one(x | {"when": value}) == expected
            frame = pd.DataFrame([x]).assign(when=pd.Series([value], dtype=object))
            assert model.predict_proba_many(frame).to_dict("records") == [pytest.approx(expected, rel=1e-9)]

    def test_values_of_any_size_leave_a_model_that_answers(self) -> None:
        model, (xs, y) = self.taught(), self.events(60)
        for x, label, value in zip(xs, y, [1e308, -1e308, 1.7e308, 5e-324, 10**300, -0.0] * 10, strict=True):
            model.learn_one(x | {"a": value}, label)
        for x in [*xs, {"a": 1e308}, {"a": -1e308, "b": 1e308}]:
            p = model.predict_proba_one(x)
            assert all(math.isfinite(share) for share in p.values())
            assert sum(p.values()) == pytest.approx(1.0)

    def test_events_without_features_are_events(self) -> None:
        for X in (np.zeros((3, 0)), pd.DataFrame(index=range(3)), [{}, {}, {}]):
            model = self.make()
            model.learn_many(X, ["left", "left", "right"])
            p = np.asarray(model.predict_proba_many(X))
            assert p.shape == (3, 2)
            np.testing.assert_allclose(p.sum(axis=1), 1.0)

    @pytest.mark.parametrize("x", [None, 3.0, [1.0], "red"], ids=repr)
    def test_what_is_no_event_is_refused(self, x: Any) -> None:
        model, twin = self.taught(), self.taught()
        with pytest.raises(ValueError, match="x: is a"):
            model.learn_one(x, "left")
        with pytest.raises(ValueError, match="x: is a"):
            model.predict_proba_one(x)
        self.assert_alike(model, twin)
