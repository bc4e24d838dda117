"""Hashed n-grams: the kernel finds what the plain form finds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.kernels.text.ngrams import ngrams, reference_ngrams, spelt

TEXTS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=40), max_size=5)


@settings(deadline=None)  # the first example compiles and reads the alphabet
@given(TEXTS, st.integers(0, 3), st.integers(0, 4), st.sampled_from([8, 18]))
def test_the_kernel_finds_what_the_reference_finds(texts: list[str], words: int, characters: int, bits: int) -> None:
    found = ngrams(texts, words, characters, bits)
    assert len(found.bounds) == len(texts) + 1
    for b, text in enumerate(texts):
        expected = reference_ngrams(text, words, characters, bits)
        assert found.buckets[found.bounds[b] : found.bounds[b + 1]].tolist() == list(expected.values())
        buckets, spell = spelt(text, words, characters, bits)
        assert [spell(i) for i in range(len(buckets))] == list(expected)


def test_an_ngram_counts_once_a_text_however_often_it_is_there() -> None:
    assert np.array_equal(ngrams(["ring ring ring"], 1, 0, 18).buckets, ngrams(["ring"], 1, 0, 18).buckets)


def test_no_ngram_of_words_crosses_a_break() -> None:
    assert list(reference_ngrams("red fire. ice", 2, 0, 18)) == ["red", "red fire", "fire", "ice"]


def test_characters_make_ngrams_where_there_are_no_spaces() -> None:
    assert list(reference_ngrams("紧急 扩散", 0, 2, 18))[:4] == ["'紧'", "'紧急'", "'急'", "'急 '"]


@pytest.mark.parametrize("written", ["now NOW", "  now  now\n"])
def test_case_and_white_space_make_no_difference(written: str) -> None:
    assert np.array_equal(ngrams([written], 2, 4, 18).buckets, ngrams(["now now"], 2, 4, 18).buckets)


def test_words_and_characters_do_not_share_hashes() -> None:
    assert not set(ngrams(["a"], 1, 0, 24).buckets) & set(ngrams(["a"], 0, 1, 24).buckets)
