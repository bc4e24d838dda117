"""Texts from fragments say what the plain form says, whatever stands in them."""

from __future__ import annotations

import json
import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tocsin.kernels.text.fragments import joined, reference_joined
from tocsin.kernels.text.json_texts import JsonTexts, stacked, where

texts = st.lists(st.binary(max_size=9), min_size=1, max_size=12)


@given(texts, st.data())
def test_joined_is_what_the_plain_form_gives(fragments: list[bytes], data: st.DataObject) -> None:
    rows = data.draw(st.lists(st.lists(st.integers(-1, len(fragments) - 1), min_size=3, max_size=3), max_size=5))
    parts = np.array(rows, np.int64).reshape(len(rows), 3)
    ends = np.cumsum([len(fragment) for fragment in fragments])
    bounds = np.stack([np.concatenate([[0], ends[:-1]]), ends], axis=1)
    blob = np.frombuffer(b"".join(fragments), np.uint8)
    assert joined(parts, bounds, blob) == reference_joined(parts, fragments)


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=9))
def test_a_number_reads_back_the_same_and_null_stands_for_what_is_not_finite(values: list[float]) -> None:
    made = JsonTexts()
    read = [json.loads(text) for text in made.join([made.numbers(np.array(values))], len(values))]
    assert read == [value if math.isfinite(value) else None for value in values]


@given(st.lists(st.text(alphabet=st.characters(exclude_categories=["Cs"])), max_size=9))
def test_a_string_reads_back_the_same_whatever_it_holds(values: list[str]) -> None:
    made = JsonTexts()
    assert [json.loads(text) for text in made.join([made.strings(values)], len(values))] == values


def test_the_same_fragment_has_one_number() -> None:
    made = JsonTexts()
    assert made.fragment(b"x") == made.fragment(b"x") != made.fragment(b"y")
    assert made.join([made.fragment(b"x"), made.fragments([b"1", b"2"])], 2) == [b"x1", b"x2"]


def test_columns_of_one_and_of_several_fragments_stand_side_by_side() -> None:
    wide = np.array([[1, 2], [3, -1]])
    assert stacked([0, wide, np.array([7, 8])], 2).tolist() == [[0, 1, 2, 7], [0, 3, -1, 8]]
    assert where(np.array([True, False]), wide).tolist() == [[1, 2], [-1, -1]]
    assert where(np.array([False, True]), 5).tolist() == [-1, 5]
