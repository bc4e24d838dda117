"""SS3 against pyss3 0.6.5 on real texts: every value, every label.

pyss3 joins the texts of a class when it trains on many at once, counts n-grams across the joins, and then
drops n-grams counted ten times or fewer. So it is taught one text at a time here, which keeps texts apart.
"""

import csv
import gzip
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tocsin.models.ss3.model import SS3

pyss3 = pytest.importorskip("pyss3")


def places(name: str) -> Path:
    """The file of this name among the presets' data, or in a folder `shared/data` above this test."""
    for folder in Path(__file__).resolve().parents:
        for place in (folder / "config/presets/data" / name, folder / "shared/data" / name):
            if place.exists():
                return place
    pytest.skip(f"{name} is not here")


@cache
def rows(source: str) -> list[tuple[str, str]]:
    if source == "sms":
        with gzip.open(places("sms_spam.tsv.gz"), "rt", encoding="utf-8", newline="\n") as lines:
            return [(text.rstrip("\n"), label) for label, text in (line.split("\t", 1) for line in lines)]
    with gzip.open(places("hate_speech.csv.gz"), "rt", encoding="utf-8", newline="") as lines:
        return [(row["tweet"], row["class"]) for row in csv.DictReader(lines)]


@cache
def taught(source: str, ngrams: int, mode: str = "xai") -> tuple[SS3, Any, list[tuple[str, str]]]:
    """Our model and pyss3's, taught the first 70% of the texts, and the rest."""
    pyss3.set_verbosity(0)
    known = rows(source)
    cut = int(0.7 * len(known)) if ngrams == 1 or source == "sms" else 5_000
    theirs = pyss3.SS3() if mode == "xai" else pyss3.SS3(cv_m="gv", sg_m="vanilla")
    for text, label in known[:cut]:
        theirs.learn(text, label, n_grams=ngrams, update=False)
    theirs.update_values(force=True)
    ours = SS3(ngrams=ngrams, mode="xai" if mode == "xai" else "paper", max_vocabulary=1_000_000)
    ours.learn_many([text for text, _ in known[:cut]], [label for _, label in known[:cut]])
    return ours, theirs, known[cut:] if ngrams == 1 or source == "sms" else known[cut : cut + 1_500]


def grams(theirs: Any) -> Iterator[tuple[list[int], str]]:
    """Every n-gram that pyss3 holds for some class."""
    seen: set[tuple[int, ...]] = set()

    def walk(node: dict[int, Any], before: tuple[int, ...]) -> None:
        for word, entry in node.items():
            seen.add((*before, word))
            walk(entry[0], (*before, word))

    for _, node in theirs.__categories__:
        walk(node, ())
    for gram in seen:
        yield list(gram), " ".join(theirs.get_word(word) for word in gram)


SOURCES = [("sms", 1), ("sms", 3), ("hate", 1), ("hate", 3)]


@pytest.mark.parametrize(("source", "ngrams"), SOURCES)
def test_every_value_is_pyss3s(source: str, ngrams: int) -> None:
    ours, theirs, _ = taught(source, ngrams)
    classes = range(len(ours.classes))
    assert ours.classes == [name for name, _ in theirs.__categories__]
    entries = list(grams(theirs))
    expected = np.array([[theirs.__cv__(gram, c) for c in classes] for gram, _ in entries], np.float64)
    worst = np.abs(np.array([ours.value(spelt) for _, spelt in entries]) - expected).max()
    assert len(entries) > 6_000
    assert worst <= 1e-9


@pytest.mark.parametrize(("source", "ngrams"), SOURCES)
def test_every_label_is_pyss3s(source: str, ngrams: int) -> None:
    ours, theirs, rest = taught(source, ngrams)
    texts = [text for text, _ in rest]
    assert [ours.label(text) for text in texts] == theirs.predict(texts, leave_pbar=False)


@pytest.mark.parametrize("source", ["sms", "hate"])
def test_confidence_vectors_of_recognised_ngrams_are_pyss3s(source: str) -> None:
    ours, theirs, rest = taught(source, 3)
    texts = [text for text, _ in rest if text.strip()]
    expected = np.array([theirs.classify(text, sort=False) for text in texts])
    assert np.abs(ours.confidence_many(texts) - expected).max() <= 1e-9


def test_the_papers_values_are_pyss3s() -> None:
    ours, theirs, _ = taught("sms", 1, "paper")
    for gram, spelt in grams(theirs):
        expected = [theirs.__gv__(gram, c) for c in range(2)]
        assert ours.value(spelt) == pytest.approx(expected, abs=1e-9)


def test_stop_words_are_pyss3s() -> None:
    """But for words seen once: they are worth nothing to either, and only pyss3 can list them."""
    ours, theirs, _ = taught("sms", 1)
    known = {word for word in theirs.get_stopwords() if theirs_count(theirs, word) > 1}
    assert set(ours.get_stopwords()) == known


def theirs_count(theirs: Any, word: str) -> int:
    index = theirs.get_word_index(word)
    return sum(node[index][1] for _, node in theirs.__categories__ if index in node)


def test_values_follow_learning_where_pyss3s_are_stale() -> None:
    pyss3.set_verbosity(0)
    theirs, ours = pyss3.SS3(), SS3()
    for text, label in rows("sms")[:400]:
        theirs.learn(text, label, update=False)
        ours.learn(text, label)
    theirs.update_values(force=True)
    before = ours.value("free")
    for text, label in rows("sms")[400:900]:
        theirs.learn(text, label, update=False)
        ours.learn(text, label)
        ours.confidence(text)
    stale = [theirs.cv("free", label) for label in ours.classes]
    theirs.update_values(force=True)
    fresh = [theirs.cv("free", label) for label in ours.classes]
    assert stale == pytest.approx(before.tolist())
    assert ours.value("free") == pytest.approx(fresh, abs=1e-9)
    assert fresh != pytest.approx(stale)
