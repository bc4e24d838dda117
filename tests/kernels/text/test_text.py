"""Each text kernel against the plain code beside it."""

import math
import re
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tocsin.kernels import text as kernel
from tocsin.kernels.text.tokeniser.ascii import new_portion, read_portion
from tocsin.kernels.text.tokeniser.to_ascii import Flat, replacement

Keys = NDArray[np.uint64]
AWKWARD = "abcCfFxyz0123459 ..,,-/\\$%##'\n\t!_:?éÉßÂ°½²中国がกั๓〇。，ΑΣσςΩ٣…ﬁ\u0301\u2028"
texts = st.one_of(st.text(AWKWARD, max_size=40), st.text(max_size=30))


def by_kernel(batch: list[str], **how: bool) -> list[list[tuple[str, int]]]:
    found = kernel.tokenise(batch, **how)
    bounds = found.bounds.tolist()
    return [[(found.spelt(t, t + 1), int(found.before[t])) for t in range(lo, hi)] for lo, hi in pairwise(bounds)]


def by_blocks(flat: Flat, sentences: bool) -> tuple[Keys, NDArray[np.uint8], NDArray[np.int64]]:
    """The words of flat texts by the fast path: their keys, the marks before them, and where each text's words end."""
    into = new_portion(len(flat.letters), len(flat.ends))
    count = read_portion(flat.letters, flat.ends, 0, len(flat.ends), sentences, into) if len(flat.ends) else 0
    return into.keys[:count], into.before[:count], into.bounds


@pytest.mark.parametrize("sentences", [False, True])
@pytest.mark.parametrize("characters", [False, True])
@settings(max_examples=300, deadline=None)
@given(batch=st.lists(texts, max_size=4))
def test_kernel_finds_the_words_of_the_reference(sentences: bool, characters: bool, batch: list[str]) -> None:
    how = {"sentences": sentences, "characters": characters}
    assert by_kernel(batch, **how) == [kernel.words(text, **how) for text in batch]


@settings(max_examples=200, deadline=None)
@given(text=texts)
def test_words_and_breaks_are_those_of_pyss3(text: str) -> None:
    preprocessed = pytest.importorskip("pyss3.util").Preproc.clean_and_ready(text)
    expected: list[tuple[str, int]] = []
    before = kernel.BREAK | kernel.SENTENCE
    for piece in re.findall(r"\w+(?:'\w+)?|[^\s]+", preprocessed):
        if re.match(r"\w", piece):
            for part in kernel.parted(piece):  # pyss3 takes a stretch of Chinese for one word
                expected.append((part, before))
                before = 0
        else:
            before |= kernel.BREAK
    assert kernel.words(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("20C. 20 c, 20 cats", ["nnbrrt", "nnbrrt", "nnbrr", "cats"]),
        ("1/2/2020 1-2 1.5-2-3", ["nnbrrd", "nnbrr", "nnbrr", "nnbrrd"]),
        ("$5 $ 5.50 5% 5 %", ["mnnbrr", "mnnbrr", "nnbrrp", "nnbrrp"]),
        ("1.2.5 c 3-1.2.5 c", ["nnbrr", "nnbrrt", "nnbrr", "nnbrr", "nnbrrt"]),
        ("a1b ٣ can't İstanbul", ["annbrrb", "nnbrr", "cant", "istanbul"]),
        ("ΟΔΟΣ ΣΑΣ", ["οδος", "σας"]),
    ],
)
def test_numbers_and_case(text: str, expected: list[str]) -> None:
    assert [word for word, _ in kernel.words(text)] == expected
    assert [word for word, _ in by_kernel([text])[0]] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("我爱北京，5月3日", ["我", "爱", "北", "京", "nnbrr", "月", "nnbrr", "日"]),
        ("wifi密码 wifi", ["wifi", "密", "码", "wifi"]),
        ("ガギ東京タワーへ", ["カ", "キ", "東", "京", "タ", "ワ", "ー", "へ"]),
        ("สวัสดีครับ", ["ส", "ว", "ส", "ด", "ค", "ร", "บ"]),
        ("한국 사람", ["\u1112\u1161\u11ab\u1100\u116e\u11a8", "\u1109\u1161\u1105\u1161\u11b7"]),
        ("Привет мир, γεια", ["привет", "мир", "γεια"]),
    ],
)
def test_a_text_without_spaces_is_not_one_word(text: str, expected: list[str]) -> None:
    """But Korean, which writes spaces, and every other script with words, is read as before."""
    assert [word for word, _ in kernel.words(text)] == expected
    assert [word for word, _ in by_kernel([text])[0]] == expected


def test_chained_hashtags_are_apart() -> None:
    breaks = [before & kernel.BREAK for _, before in by_kernel(["#one #two three #four"])[0]]
    assert breaks == [1, 1, 0, 0]


@given(word=st.text("abcxyzéд", min_size=1, max_size=12))
def test_a_word_has_one_key(word: str) -> None:
    found = kernel.tokenise([word.lower(), f"x {word}"])
    spelt = [found.spelt(t, t + 1) for t in range(len(found.keys))]
    assert [kernel.word_key(w) for w in spelt] == found.keys.tolist()


def test_an_ngrams_key_tells_order_and_repetition() -> None:
    keys = {kernel.ngram_key(gram) for gram in (["a", "b"], ["b", "a"], ["a", "a"], ["b", "b"], ["ab"], ["a"])}
    assert len(keys) == 6


def test_every_letter_stays_a_letter_in_lower_case() -> None:
    """The kernel lowers each letter alone: right but for İ (decomposed) and Σ (left to the reference)."""
    flags, lower = kernel.alphabet()
    longer = [i for i in range(0x110000) if len(chr(i).lower()) != 1]
    assert longer == [0x130]
    changed = np.flatnonzero(lower != np.arange(0x110000))
    assert (flags[changed] & 1 == flags[lower[changed]] & 1).all()


counts = st.lists(st.integers(0, 60).map(float), min_size=1, max_size=6)


@settings(max_examples=400, deadline=None)
@given(
    counts=counts,
    tops=st.lists(st.integers(60, 5_000).map(float), min_size=6, max_size=6),
    s=st.sampled_from([0.1, 0.32, 0.45, 0.5, 1.0]),
    l=st.sampled_from([0.0, 0.5, 1.24]),
    p=st.sampled_from([0.0, 0.5, 1.0, 2.0]),
    xai=st.booleans(),
)
def test_global_values_are_the_references(
    counts: list[float],
    tops: list[float],
    s: float,
    l: float,  # noqa: E741
    p: float,
    xai: bool,
) -> None:
    top = np.array(tops[: len(counts)])
    out = np.empty(len(counts))
    rule = kernel.rule(s, l, p, 0.0, xai)
    kernel.global_values(np.array(counts), top, rule, np.empty((3, len(counts))), out)
    expected = kernel.reference_global_values(counts, top.tolist(), s, l, p, xai)
    assert out == pytest.approx(expected, abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_the_largest_values_are_exact_while_counts_change(data: st.DataObject) -> None:
    classes, size = data.draw(st.integers(2, 3)), data.draw(st.integers(1, 300))
    rng = np.random.default_rng(data.draw(st.integers(0, 9)))
    room = size
    table = kernel.NgramTable(
        np.full(1024, -1, np.int32),
        np.arange(room, dtype=np.uint64),
        np.ones(room, np.uint8),
        np.floor(rng.pareto(0.7, (room, classes)).clip(0, 900)),
    )
    rule = kernel.rule(0.45, 0.5, 1.0, 0.0, True)
    candidates = kernel.no_candidates(1, classes, room)
    for _ in range(5):
        top = np.maximum(table.counts.max(axis=0, keepdims=True), 1.0)
        found = kernel.largest_values(table, size, top, rule, candidates)
        every = [kernel.reference_global_values(row.tolist(), top[0].tolist(), 0.45, 0.5, 1.0) for row in table.counts]
        assert found[0] == pytest.approx(np.max(every, axis=0), abs=1e-12)
        raised = rng.integers(0, room, 3)
        table.counts[raised, rng.integers(0, classes, 3)] += rng.integers(1, 50, 3)
        for number in raised.tolist():  # as `count_text` does
            if not candidates.flags[number] and (table.counts[number] > candidates.floor[0]).any():
                candidates.flags[number] = 1
                candidates.ids[candidates.used[0]] = number
                candidates.used[0] += 1


def test_a_root_is_the_power() -> None:
    rule = kernel.rule(0.45, 0.5, 1.0, 0.0, True)
    for count in (0.0, 1.0, 2.5, 4_095.0, 4_096.0, 1e9):
        assert kernel.root(count, rule) == pytest.approx(math.pow(count, 0.45), rel=1e-14)


ODD = "abzAZ09.,!?'-_ \n\t\0\1\x7fé£…–ßſİKﬁⅧ中Σσ\u0301\u0323\u00a0\u2028\U0001d400\ud800한ａ．\uffff"


@pytest.mark.parametrize("sentences", [False, True])
@settings(max_examples=300, deadline=None)
@given(texts=st.lists(st.text(alphabet=ODD, max_size=12) | st.text(max_size=8), min_size=1, max_size=5))
def test_what_comes_to_ascii_has_the_words_of_the_text_itself(texts: list[str], sentences: bool) -> None:
    flat = kernel.flatten(texts, sentences)
    keys, _, bounds = by_blocks(flat, sentences)
    for b, text in enumerate(texts):
        if b in flat.foreign:
            assert not text.isascii()
            assert bounds[b] == bounds[b + 1]
            continue
        expected = [kernel.word_key(word) for word, _ in kernel.words(text, sentences)]
        assert keys[bounds[b] : bounds[b + 1]].tolist() == expected


def test_no_texts_are_no_words() -> None:
    flat = kernel.flatten([], False)
    assert (len(flat.ends), flat.longest, len(flat.foreign)) == (0, 0, 0)
    keys, _, bounds = by_blocks(flat, False)
    assert (len(keys), bounds.tolist()) == (0, [0])


@pytest.mark.parametrize("sentences", [False, True])
def test_every_character_has_room_for_its_replacement(sentences: bool) -> None:
    codes = [*range(0x20000), *range(0x20000, 0x110000, 97)]  # hardly any beyond is decomposed
    every = [chr(code) for code in codes]
    flat = kernel.flatten(every, sentences)
    expected = [replacement(character, sentences) if character >= "\x80" else character for character in every]
    assert flat.foreign.tolist() == [b for b, found in enumerate(expected) if found is None]
    written = bytes(flat.letters[: flat.ends[-1]]).decode("ascii")
    assert written.split("\0") == [found or "" for found in ["\1", *expected[1:]]]


ascii_texts = st.text("abcXYZfF_'0159 .,-/$%#\n\t\x01", max_size=90)


@pytest.mark.parametrize("sentences", [False, True])
@settings(max_examples=300, deadline=None)
@given(batch=st.lists(ascii_texts, min_size=1, max_size=5))
def test_reading_by_blocks_finds_the_words_of_the_reference(sentences: bool, batch: list[str]) -> None:
    keys, before, bounds = by_blocks(kernel.flatten(batch, sentences), sentences)
    every = [kernel.words(text, sentences) for text in batch]
    assert keys.tolist() == [kernel.word_key(word) for text in every for word, _ in text]
    assert np.diff(bounds).tolist() == [len(text) for text in every]
    if sentences:
        flags = [flag & kernel.SENTENCE for text in every for _, flag in text]
        assert (before & kernel.SENTENCE).tolist() == flags


@given(names=st.lists(st.lists(st.text("abé中", min_size=1, max_size=9), min_size=1, max_size=3), max_size=8))
def test_the_filter_holds_what_was_entered_and_its_prefixes(names: list[list[str]]) -> None:
    bits = kernel.empty_filter(8)
    kernel.enter_names(bits, [" ".join(name) for name in names])
    for name in names:
        for n in range(2, len(name) + 1):
            assert kernel.may_hold(bits, np.uint64(kernel.ngram_key(name[:n])))
