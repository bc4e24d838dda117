"""Many texts learnt in one call are texts learnt one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.config.experts.ss3 import SS3Settings
from tocsin.kernels import text as kernel
from tocsin.models.data.batch import Batch, Floats
from tocsin.models.experts.evidence import capped
from tocsin.models.experts.ss3 import SS3Expert
from tocsin.models.ss3.explanation import strongest_of
from tocsin.models.ss3.model import ALL, SS3
from tocsin.models.ss3.reading import recognise

WORDS = [*"abcdefghij", "win", "a prize", "home. now", "ΑΣ", "it's", "3", "12.5", "中国", "\ud800"]
STRENGTH = 8.0
lessons = st.lists(
    st.tuples(
        st.lists(st.sampled_from(WORDS), max_size=9).map(" ".join),
        st.integers(0, 2),
        st.sampled_from([0.0, 0.5, 1.0, 3.0]),
    ),
    max_size=25,
)
shapes = st.fixed_dictionaries(
    {
        "ngrams": st.integers(1, 3),
        "characters": st.booleans(),
        "mode": st.sampled_from(["xai", "paper"]),
        "max_vocabulary": st.sampled_from([1, 4, 12, 1000]),
    }
)


def one_by_one(model: SS3, texts: list[str], labels: list[int], weights: list[float]) -> tuple[Floats, Floats]:
    """The evidence of each text before it was learnt, and the logarithms of the scale after all, by the plain way."""
    log_scale, fitted, said = np.zeros(3), 0, np.zeros((len(texts), 3))
    for b, (text, label, weight) in enumerate(zip(texts, labels, weights, strict=True)):
        confidence = model.confidence(text)
        if confidence.any():
            said[b] = capped(confidence[None] * np.exp(log_scale), STRENGTH)[0]
            log_scale = kernel.reference_fitted_scale(said[b], label, weight, STRENGTH, fitted, log_scale)
            fitted += 1
        model.learn(text, str(label), weight)
    return said, log_scale


def state(model: SS3) -> dict[str, Any]:
    return {name: value.tolist() for name, value in model.state_dict().items()}


@settings(max_examples=150, deadline=None)
@given(found=lessons, shape=shapes, cut=st.integers(0, 25))
def test_a_batch_of_texts_is_learnt_as_one_after_the_other(
    found: list[tuple[str, int, float]], shape: dict[str, Any], cut: int
) -> None:
    texts, labels, weights = (list(column) for column in zip(*found, strict=True)) if found else ([], [], [])
    plain = SS3(classes=("0", "1", "2"), **shape)
    said, log_scale = one_by_one(plain, texts, labels, weights)
    expert = SS3Expert(SS3Settings(strength=STRENGTH))
    expert.model = SS3(classes=("0", "1", "2"), **shape)
    expert.resize(0, 3)
    pieces = [
        expert.predict_then_learn(
            Batch.of(np.zeros((len(texts[part]), 0)), texts=texts[part]),
            np.array(labels[part], np.int64),
            np.array(weights[part], np.float64),
        )
        for part in (slice(0, cut), slice(cut, None))
    ]
    rows = [row for row, text in enumerate(texts) if text]  # an event whose text is empty says nothing
    assert np.concatenate(pieces)[rows] == pytest.approx(said[rows], rel=1e-9, abs=1e-12)
    assert np.log(expert.scale) == pytest.approx(log_scale, rel=1e-9, abs=1e-12)
    assert state(expert.model) == state(plain)


@settings(max_examples=100, deadline=None)
@given(found=lessons, shape=shapes, most=st.integers(1, 4))
def test_the_strongest_words_of_many_texts_are_those_of_each(
    found: list[tuple[str, int, float]], shape: dict[str, Any], most: int
) -> None:
    model = SS3(classes=("0", "1", "2"), **shape)
    for text, label, weight in found:
        model.learn(text, str(label), weight)
    texts, scale = [text for text, _, _ in found], np.array([0.5, 2.0, 1.0])
    told = model.strongest_words(texts, most, scale)
    expected = [strongest_of(recognise(text, model._reading, model._state(ALL)), most, scale) for text in texts]
    assert [[(word, values.tolist()) for word, values in one] for one in told] == [
        [(word, values.tolist()) for word, values in one] for one in expected
    ]


@settings(max_examples=100, deadline=None)
@given(
    counts=st.lists(st.tuples(*[st.integers(0, 6000)] * 3), min_size=1, max_size=60),
    mode=st.sampled_from(["xai", "paper"]),
    s=st.sampled_from([0.2, 0.45, 1.0]),
    l=st.sampled_from([0.0, 0.5, 1.5]),
)
def test_no_candidate_is_left_out_that_has_the_largest_value(
    counts: list[tuple[int, int, int]],
    mode: Any,
    s: float,
    l: float,  # noqa: E741 - SS3's own name
) -> None:
    model = SS3(s=s, l=l, mode=mode, classes=("0", "1", "2"))
    for number, row in enumerate(counts):
        for c, count in enumerate(row):
            for _ in range(2 if count else 0):  # an n-gram is admitted at its second occurrence
                model.learn(f"word{chr(97 + number // 26)}{chr(97 + number % 26)}", str(c), count / 2)
    table, top = model._vocabulary._table, model._vocabulary._top
    out, scratch = np.empty(3), np.empty((3, 3))
    largest = np.zeros((1, 3))
    for number in range(len(model)):
        kernel.global_values(table.counts[number], top[0], model._rule, scratch, out)
        largest = np.maximum(largest, out)
    for _ in range(2):  # the second time candidates are known
        model._vocabulary.counts_changed()
        assert model._vocabulary.largest_values(model._rule).tolist() == largest.tolist()


def test_one_text_with_a_sigma_does_not_change_how_the_others_are_read() -> None:
    texts = ["win a prize", "ΟΔΟΣ ΣΑΣ", "ﬁne. home", "", "ok"]
    found = kernel.tokenise(texts, sentences=True)
    alone = [kernel.tokenise([text], sentences=True) for text in texts]
    assert found.keys.tolist() == [key for one in alone for key in one.keys.tolist()]
    assert found.before.tolist() == [mark for one in alone for mark in one.before.tolist()]
    assert np.diff(found.bounds).tolist() == [len(one.keys) for one in alone]
    firsts = np.arange(len(found.keys))
    spelt = found.all_spelt(firsts, np.ones(len(firsts), np.int64))
    assert spelt == [one.spelt(t, t + 1) for one in alone for t in range(len(one.keys))]
