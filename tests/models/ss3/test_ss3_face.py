"""SS3 does what every model does that users name, with texts for events."""

from __future__ import annotations

import copy
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tocsin.models import SS3

from ..face_behaviour import FaceBehaviour

WORDS = {"left": "harbour sea boat", "middle": "town street shop", "right": "hill wood deer"}


class TestSS3(FaceBehaviour):
    def make(self) -> Any:
        return SS3(ngrams=2)

    def events(self, n: int, seed: int = 0) -> tuple[list[Any], list[str]]:
        rng = np.random.default_rng(seed)
        y = rng.choice([*WORDS], n).tolist()
        texts = [" ".join(rng.choice([*WORDS[label].split(), "the", "a", "one"], 5)) for label in y]
        return [{"text": text, "sender": "anna"} for text in texts], y

    def array(self, xs: list[Any]) -> Any:
        return np.array([x["text"] for x in xs])

    def datasets(self) -> list[list[tuple[Any, Any]]]:
        xs, y = self.events(200)
        return [
            [({"text": x["text"]}, label) for x, label in zip(xs, y, strict=True)],
            [({"text": x["text"]}, np.bool_(label == "left")) for x, label in zip(xs, y, strict=True)],
        ]


@pytest.fixture
def model() -> SS3:
    model = SS3()
    for text, label in [("red fire", "hot"), ("red sun", "hot"), ("blue ice", "cold"), ("blue sea ice", "cold")]:
        model.learn(text, label)
    return model


def test_a_text_comes_alone_in_a_dictionary_a_series_or_a_frame(model: SS3) -> None:
    texts = ["red", "blue ice", "unheard of"]
    expected = [model.predict_proba_one(text) for text in texts]
    assert [model.predict_proba_one({"text": text, "sender": 3}) for text in texts] == expected
    frame = pd.DataFrame({"sender": [1, 2, 3], "text": texts}, index=[4, 5, 6])
    for X in (frame, frame["text"], frame["text"].astype(object), frame["text"].astype("category")):
        p = model.predict_proba_many(X)
        assert p.index.tolist() == [4, 5, 6]
        assert [dict(row) for _, row in p.iterrows()] == expected
    for many in (texts, tuple(texts), np.array(texts), np.array(texts, object)):
        assert model.predict_proba_many(many).tolist() == [list(p.values()) for p in expected]


@pytest.mark.parametrize("missing", [None, float("nan"), pd.NA])
def test_a_text_that_is_missing_is_an_empty_one(model: SS3, missing: Any) -> None:
    expected = model.predict_proba_one("")
    assert model.predict_proba_one({"text": missing}) == model.predict_proba_one({}) == expected
    assert model.predict_many(["red", missing]).tolist() == ["hot", model.predict_one("")]
    assert model.predict_many(pd.Series(["red", missing])).tolist() == ["hot", model.predict_one("")]
    before = model.confidence_many(["red", "blue ice"])
    model.learn_one({"text": missing}, "hot")
    assert np.array_equal(model.confidence_many(["red", "blue ice"]), before)


def test_what_is_no_text_is_refused(model: SS3) -> None:
    with pytest.raises(ValueError, match="no key 'text' for the text, only red, blue"):
        model.predict_one({"red": 1, "blue": 2})  # a bag of words
    with pytest.raises(ValueError, match="no column 'text'"):
        model.predict_many(pd.DataFrame({"body": ["red"]}))
    with pytest.raises(ValueError, match="a text is a str, not int"):
        model.learn_one({"text": 3}, "hot")
    with pytest.raises(ValueError, match="is one text"):
        model.predict_many("red")
    with pytest.raises(ValueError, match="max_text"):
        model.learn_many(["red", "x" * 100_001], ["hot", "new"])
    assert model.classes == ["hot", "cold"]


def test_a_text_of_unknown_words_has_the_shares_of_the_words_learnt(model: SS3) -> None:
    assert model.predict_proba_one("unheard of") == {"hot": 2 / 6, "cold": 4 / 6}
    assert model.predict_one("unheard of") == model.label("unheard of") == "cold"
    assert SS3(classes=("a", "b")).predict_proba_one("unheard of") == {"a": 0.5, "b": 0.5}


def test_classes_are_text_and_labels_stay_what_they_are(tmp_path: Path) -> None:
    model = SS3()
    for text, label in [("red red", True), ("blue blue", False), ("green green", 3)]:
        model.learn_one(text, label)
    assert model.classes == ["true", "false", "3"]
    model.save(tmp_path / "model")
    for each in (model, copy.copy(model), SS3.load(tmp_path / "model")):
        assert each.label("red") == "true"
        assert each.predict_one("red") is True
        assert each.predict_one("green") == 3
        assert list(each.predict_proba_one("red")) == [True, False, 3]


def test_settings_come_back_with_the_model(tmp_path: Path) -> None:
    model = SS3(0.3, 1.0, 2.0, 0.1, "paper", 3, classes=["b", "a"], max_vocabulary=7, max_text=9, characters=True)
    model.set_hyperparameters(s=0.4)
    model.learn("one", "c")
    model.save(tmp_path / "model")
    twin = SS3.load(tmp_path / "model")
    assert (
        repr(twin)
        == repr(model)
        == (
            "SS3(s=0.4, l=1.0, p=2.0, a=0.1, mode=\"paper\", ngrams=3, classes=['b', 'a'], max_vocabulary=7, "
            "max_text=9, characters=True, operators=('sum', 'sum', 'sum'))"
        )
    )
    assert twin.classes == ["b", "a", "c"]
    assert twin.clone().classes == ["b", "a"]


def test_copies_are_taken_between_two_texts_while_a_thread_learns() -> None:
    model, stop = SS3(ngrams=2, max_vocabulary=50), threading.Event()
    model.learn("red red", "a")

    def learn() -> None:
        i = 0
        while not stop.is_set():
            model.learn(f"red {chr(97 + i % 26)}{chr(97 + i // 26 % 26)} one one", "abc"[i % 3])
            i += 1

    thread = threading.Thread(target=learn)
    thread.start()
    try:
        for _ in range(20):
            twin = copy.copy(model)
            restored = SS3(ngrams=2, max_vocabulary=50)
            restored.load_state_dict(twin.state_dict())
            assert np.array_equal(twin.confidence_many(["red one"]), restored.confidence_many(["red one"]))
            assert set(model.predict_many(["red", "one"])) <= {"a", "b", "c"}
    finally:
        stop.set()
        thread.join()


def test_a_chinese_text_is_read_without_a_setting() -> None:
    model = SS3(ngrams=2)
    for _ in range(3):
        model.learn("恭喜您中奖了，请点击链接", "spam")
        model.learn("明天下午开会，请准时到", "ham")
    assert model.label("您中奖") == "spam"
    assert model.label("下午见") == "ham"
    assert model.value("中奖").argmax() == model.classes.index("spam")
    assert model.value("中奖").any()
