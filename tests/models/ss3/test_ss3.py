"""What SS3 promises besides pyss3's values."""

import threading
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.models.experts.base import SnapshotError
from tocsin.models.ss3.model import ALL, SS3
from tocsin.models.ss3.operators import SUMS, Operators
from tocsin.models.ss3.reading import tokenised_vectors

WORDS = ["red", "green", "blue", "one", "two", "café", "x1", "stop."]
sentences = st.lists(st.sampled_from(WORDS), max_size=8).map(" ".join)
lessons = st.lists(st.tuples(sentences, st.sampled_from(["a", "b", "c"])), max_size=25)


def learnt(entries: list[tuple[str, str]], **how: object) -> SS3:
    model = SS3(classes=("a", "b", "c"), **how)  # type: ignore[arg-type]
    for text, label in entries:
        model.learn(text, label)
    return model


def all_values(model: SS3) -> dict[str, list[float]]:
    singles = ["red", "green", "blue", "one", "two", "cafe", "xnnbrr", "stop"]
    pairs = [f"{a} {b}" for a in singles for b in singles]
    return {gram: model.value(gram).tolist() for gram in singles + pairs}


@settings(max_examples=60, deadline=None)
@given(entries=lessons, seed=st.randoms(use_true_random=False))
def test_the_order_of_learning_does_not_matter(entries: list[tuple[str, str]], seed: object) -> None:
    shuffled = list(entries)
    seed.shuffle(shuffled)  # type: ignore[attr-defined]
    assert all_values(learnt(entries, ngrams=2)) == all_values(learnt(shuffled, ngrams=2))


@settings(max_examples=60, deadline=None)
@given(entries=lessons, texts=st.lists(sentences, max_size=6), ngrams=st.integers(1, 3))
def test_many_are_one_by_one(entries: list[tuple[str, str]], texts: list[str], ngrams: int) -> None:
    model = learnt(entries, ngrams=ngrams)
    together = model.confidence_many(texts)
    assert together.shape == (len(texts), 3)
    assert together.dtype == np.float64
    for row, text in zip(together, texts, strict=True):
        assert row.tolist() == model.confidence(text).tolist()


@settings(max_examples=60, deadline=None)
@given(entries=lessons, later=lessons)
def test_a_restored_model_is_the_saved_one(entries: list[tuple[str, str]], later: list[tuple[str, str]]) -> None:
    model = learnt(entries, ngrams=2, max_vocabulary=20)
    arrays = model.state_dict()
    assert not [name for name, array in arrays.items() if array.dtype.hasobject]
    twin = SS3(ngrams=2, max_vocabulary=20)
    twin.load_state_dict(arrays)
    for text, label in later:
        model.learn(text, label)
        twin.learn(text, label)
    assert twin.classes == model.classes
    assert all_values(twin) == all_values(model)


def test_a_restored_model_forgets_and_evicts_at_the_same_text() -> None:
    model, rng = SS3(ngrams=2, max_vocabulary=30, classes=("a", "b")), np.random.default_rng(1)
    texts = [" ".join("w" + chr(97 + i) for i in rng.zipf(1.3, 9) % 26) for _ in range(400)]
    for i, text in enumerate(texts[:150]):
        model.learn(text, "ab"[i % 2])
    twin = SS3(ngrams=2, max_vocabulary=30)
    twin.load_state_dict(model.state_dict())
    for i, text in enumerate(texts[150:]):
        model.learn(text, "ab"[i % 2])
        twin.learn(text, "ab"[i % 2])
        assert model.confidence(text).tolist() == twin.confidence(text).tolist()
        assert len(model.state_dict()["young_keys"]) == len(twin.state_dict()["young_keys"])


@settings(max_examples=40, deadline=None)
@given(entries=lessons)
def test_learning_at_once_is_learning_in_turn(entries: list[tuple[str, str]]) -> None:
    together = SS3(ngrams=2, classes=("a", "b", "c"))
    together.learn_many([text for text, _ in entries], [label for _, label in entries])
    assert all_values(together) == all_values(learnt(entries, ngrams=2))


@settings(max_examples=40, deadline=None)
@given(entries=lessons, texts=st.lists(sentences, min_size=1, max_size=4))
def test_explanations_add_up(entries: list[tuple[str, str]], texts: list[str]) -> None:
    model = learnt(entries, ngrams=2)
    for text in texts:
        told = model.explain(text)
        rows = [word.values for sentence in told.sentences for word in sentence.words]
        assert np.array(rows).reshape(-1, 3).sum(axis=0) == pytest.approx(model.confidence(text), abs=1e-9)
        assert told.confidence == tuple(model.confidence(text))
        moved = [values for _, values in model.words(text)]
        assert np.array(moved).reshape(-1, 3).sum(axis=0) == pytest.approx(model.confidence(text), abs=1e-9)


def test_an_explanation_lists_the_strongest() -> None:
    model = learnt([("red one stop. red blue", "a"), ("green two", "b"), ("red green", "a"), ("two two", "b")])
    told = model.explain("red unheard. two two one", top=1)
    assert [[word.ngram for word in sentence.words] for sentence in told.sentences] == [["red"], []]
    assert told.sentences[0].values == tuple(model.value("red"))
    assert told.confidence == tuple(model.confidence("red unheard. two two one"))


def test_weights_scale_counts() -> None:
    twice, heavy = SS3(classes=("a", "b")), SS3(classes=("a", "b"))
    for _ in range(2):
        twice.learn("red red one", "a")
        twice.learn("green", "b")
    heavy.learn("red red one", "a", weight=2.0)
    heavy.learn("green", "b", weight=2.0)
    for word in ("red", "one", "green"):
        assert heavy.value(word).tolist() == twice.value(word).tolist()


@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf"), 1e300])
def test_a_weight_that_would_break_the_counts_is_refused(weight: float) -> None:
    model = SS3()
    with pytest.raises(ValueError, match="weight"):
        model.learn("red", "a", weight)
    assert model.classes == []


def test_a_text_of_weight_zero_counts_nothing() -> None:
    model, other = SS3(classes=("a", "b")), SS3(classes=("a", "b"))
    for each in (model, other):
        each.learn("red", "a")
        each.learn("green", "b")
    model.learn("red", "b", 0.0)
    assert model.value("red").tolist() == other.value("red").tolist()


def test_ngrams_do_not_cross_texts() -> None:
    model = SS3(ngrams=2, classes=("a", "b"))
    for _ in range(5):
        model.learn_many(["red green", "blue one"], ["a", "a"])
        model.learn("two two", "b")
    assert model.value("red green").any()
    assert not model.value("green blue").any()


def test_the_vocabulary_is_bounded_and_keeps_the_frequent() -> None:
    model = SS3(max_vocabulary=50, classes=("a", "b"))
    for i in range(2_000):
        word = "".join(chr(97 + int(d)) for d in str(i))
        model.learn(f"red {word} {word}", "a")
        model.learn("green", "b")
        assert len(model) <= 50
    assert model.value("red").tolist() == [1.0, 0.0]
    assert sum(array.nbytes for array in model.state_dict().values()) < 50_000


def test_eviction_is_deterministic() -> None:
    models = [SS3(max_vocabulary=10, ngrams=2, classes=("a", "b")) for _ in range(2)]
    rng = np.random.default_rng(0)
    texts = [" ".join("w" + chr(97 + i) for i in rng.integers(0, 26, 12)) for _ in range(60)]
    for text in texts:
        models[0].learn(text, "a")
    models[1].learn_many(texts, ["a"] * len(texts))
    first, second = (model.state_dict() for model in models)
    assert all((first[name] == second[name]).all() for name in first)


def test_a_text_over_the_bound_is_refused_and_named() -> None:
    model = SS3(max_text=10)
    for call in (model.confidence, model.explain, model.words, lambda text: model.learn(text, "a")):
        with pytest.raises(ValueError, match="max_text=10"):
            call("x" * 11)
    assert model.classes == []


def test_numeric_labels_stay_text_through_a_snapshot() -> None:
    """pyss3 gives back numbers for such labels, or loses them."""
    model = SS3()
    model.learn("red red", "0")
    model.learn("green green", "1")
    twin = SS3()
    twin.load_state_dict(model.state_dict())
    assert twin.classes == ["0", "1"]
    assert twin.label("green") == "1"


def test_a_snapshot_of_another_shape_is_refused() -> None:
    model = SS3()
    model.learn("red red", "a")
    with pytest.raises(SnapshotError):
        SS3(ngrams=2).load_state_dict(model.state_dict())
    with pytest.raises(SnapshotError):
        SS3().load_state_dict({name: array for name, array in model.state_dict().items() if name != "counts"})
    with pytest.raises(SnapshotError):
        SS3().load_state_dict(model.state_dict() | {"counts": np.zeros((7, 3))})


@pytest.mark.parametrize("classes", [(), ("a",)])
def test_no_class_or_one_is_no_error(classes: tuple[str, ...]) -> None:
    model = SS3(classes=classes)
    assert model.confidence("red").tolist() == [0.0] * len(classes)
    assert model.value("red").tolist() == [0.0] * len(classes)
    assert model.confidence_many([]).shape == (0, len(classes))
    assert model.words("red") == []
    model.explain("red")
    model.learn("", "a")
    assert model.classes == ["a"]


def test_an_unknown_text_is_the_most_probable_class() -> None:
    model = SS3()
    assert model.label("red") is None
    model.learn("red red", "a")
    model.learn("blue blue blue", "b")
    assert model.confidence("unheard").tolist() == [0.0, 0.0]
    assert model.label("unheard") == "b"


def test_characters_stand_for_words_where_there_are_no_spaces() -> None:
    model = SS3(ngrams=2, characters=True)
    for _ in range(3):
        model.learn("天气很好。abc好", "a")
        model.learn("谣言很多", "b")
    assert model.value("天气").argmax() == 0
    assert model.value("谣言").argmax() == 1
    assert not model.value("好abc").any()
    assert model.label("说谣言") == "b"
    assert [ngram for ngram, _ in model.words("说谣言")] == ["谣 言"]


def test_threads_may_read_while_one_learns() -> None:
    model = SS3(ngrams=2, max_vocabulary=200)
    model.learn("red red", "a")
    model.learn("green green", "b")
    failures: list[BaseException] = []

    def read() -> None:
        try:
            for _ in range(200):
                assert model.confidence("red one. green two").shape[0] >= 2
                model.words("red green")
        except BaseException as failure:
            failures.append(failure)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for i in range(300):
        model.learn(f"red {chr(97 + i % 26)}{chr(97 + i // 26)} one one", "abc"[i % 3])
    for reader in readers:
        reader.join()
    assert not failures


@pytest.mark.parametrize(
    "wrong",
    [
        {"s": 0.0},
        {"l": -1.0},
        {"mode": "other"},
        {"ngrams": 0},
        {"max_vocabulary": 0},
        {"classes": ("a", "a")},
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"."):
        SS3(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("operators", [each for each in product(("sum", "max", "mean"), repeat=3) if each != SUMS])
@pytest.mark.parametrize("ngrams", [1, 3])
def test_every_level_is_made_by_its_operator(operators: Operators, ngrams: int) -> None:
    plain, other = SS3(ngrams=ngrams), SS3(ngrams=ngrams, operators=operators)
    for model in (plain, other):
        for _ in range(3):
            model.learn("red fire. warm red sun", "hot")
            model.learn("blue ice. cold blue sea", "cold")
    text = "red ice. unheard of. fire fire blue. warm\n \n\nsea sea. ice\nred sun"
    of_words, of_sentences, of_paragraphs = ({"sum": sum, "max": max, "mean": np.mean}[each] for each in operators)
    told = other.explain(text)
    sentences = [
        [[of_words([word.values[c] for word in one.words]) for c in range(2)] for one in paragraph.sentences]
        for paragraph in told.paragraphs
    ]
    assert [len(each) for each in sentences] == [4, 2, 1]
    parts = [[of_sentences([one[c] for one in each]) for c in range(2)] for each in sentences]
    expected = [of_paragraphs([part[c] for part in parts]) for c in range(2)]
    np.testing.assert_allclose(other.confidence(text), expected, rtol=1e-12)
    assert not np.allclose(other.confidence(text), plain.confidence(text))
    assert [one.values for one in told.sentences] == [pytest.approx(one) for each in sentences for one in each]
    assert [paragraph.values for paragraph in told.paragraphs] == [pytest.approx(part) for part in parts]


@pytest.mark.parametrize("operators", [("max", "sum", "sum"), ("max", "max", "mean"), ("sum", "mean", "max")])
def test_a_text_of_no_paragraph_is_worth_nothing(operators: Operators) -> None:
    model = SS3(operators=operators)
    for _ in range(3):
        model.learn("red fire", "hot")
        model.learn("blue ice", "cold")
    alone = model.confidence("red")
    assert alone.any()
    np.testing.assert_array_equal(model.confidence_many(["", "red", "\n \n", "red\n"]), [[0, 0], alone, [0, 0], alone])
    assert model.explain("\n \n").paragraphs == ()


@pytest.mark.parametrize("operators", [("sum", "median", "sum"), ("sum", "sum")])
def test_operators_that_are_none_are_refused(operators: Any) -> None:
    with pytest.raises(ValueError, match="operators are three of sum, max, mean"):
        SS3(operators=operators)


@pytest.mark.parametrize("ngrams", [1, 3])
@pytest.mark.parametrize("max_vocabulary", [12, 1_000])
@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_the_fast_path_is_the_plain_one_to_the_bit(ngrams: int, max_vocabulary: int, data: st.DataObject) -> None:
    words = st.text("ab.,'5é\n ", max_size=24).map(lambda text: text.replace("5", " 5 "))
    model = SS3(ngrams=ngrams, max_vocabulary=max_vocabulary, classes=("x", "y"))
    for text, label in data.draw(st.lists(st.tuples(words, st.sampled_from("xy")), max_size=30)):
        model.learn(text, label)
    batch = data.draw(st.lists(words, min_size=1, max_size=5))
    # With the filter that holds all, nothing is left out.
    plain = tokenised_vectors(batch, model._reading, model._state(ALL))
    assert model.confidence_many(batch).tobytes() == plain.tobytes()
