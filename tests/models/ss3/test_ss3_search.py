"""The search for SS3's hyperparameters."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score

from tocsin.models.ss3.model import SS3
from tocsin.models.ss3.search import search

RNG = np.random.default_rng(0)


def texts(n: int) -> tuple[list[str], list[str]]:
    labels = RNG.integers(0, 3, n)
    words = [["red", "warm", "fire"], ["blue", "cold", "ice"], ["green", "grass", "ice"]]
    common = list("abcdefgh")
    return [" ".join(RNG.choice([*words[y], *common], 5)) for y in labels], [str(y) for y in labels]


def test_every_setting_is_what_a_model_of_its_own_would_say() -> None:
    known, new = texts(300), texts(80)
    model = SS3()
    model.learn_many(*known)
    model.confidence("warm up")
    found = search(model, *new, s=(0.3, 0.6), l=(0.5, 1.5), p=(0.5, 2.0))
    assert len(found) == 8
    assert [f.macro_f1 for f in found] == sorted((f.macro_f1 for f in found), reverse=True)
    for setting in found:
        own = SS3(setting.s, setting.l, setting.p)
        own.learn_many(*known)
        said = [own.classes[k] for k in own.confidence_many(new[0]).argmax(axis=1)]
        assert setting.macro_f1 == pytest.approx(f1_score(new[1], said, average="macro"))
        assert setting.accuracy == pytest.approx(np.mean([a == b for a, b in zip(said, new[1], strict=True)]))


def test_the_model_is_left_as_it_was() -> None:
    model = SS3(0.4, 0.7, 1.2)
    model.learn_many(*texts(100))
    before = model.confidence_many(["red ice a"])
    search(model, ["red", "ice"], ["0", "1"])
    assert (model.s, model.l, model.p) == (0.4, 0.7, 1.2)
    assert np.array_equal(before, model.confidence_many(["red ice a"]))


def test_other_hyperparameters_are_those_of_a_model_made_with_them() -> None:
    known = texts(200)
    one, other = SS3(ngrams=2), SS3(0.3, 1.0, 2.0, 0.05, ngrams=2)
    for model in (one, other):
        model.learn_many(*known)
        model.confidence("red ice")
    one.set_hyperparameters(0.3, 1.0, 2.0, 0.05)
    assert np.array_equal(one.confidence_many(known[0]), other.confidence_many(known[0]))
    with pytest.raises(ValueError, match="s is in"):
        one.set_hyperparameters(s=2.0)
    assert (one.s, one.l) == (0.3, 1.0)


def test_what_cannot_be_judged_is_refused() -> None:
    model = SS3()
    model.learn("red", "0")
    with pytest.raises(ValueError, match="one length"):
        search(model, ["red"], [])
    with pytest.raises(ValueError, match="'9' is no class"):
        search(model, ["red"], ["9"])
