"""The values beside words are parts of what they are said to be parts of."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from tocsin.config.experts.linear_text import LinearTextSettings
from tocsin.config.experts.ss3 import SS3Settings
from tocsin.explain.explanation import Word
from tocsin.explain.words import words
from tocsin.kernels.experts.arow import BIAS
from tocsin.models.data.batch import Batch, Floats
from tocsin.models.experts.linear_text import LinearTextExpert
from tocsin.models.experts.ss3 import SS3Expert

CLASSES = ("ham", "spam", "eggs")
SAID = (["home", "dinner", "see"], ["win", "prize", "cash"], ["yolk", "white", "pan"])


def texts(rows: int, seed: int) -> tuple[list[str], np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, rows)
    return [" ".join(rng.choice([*SAID[k], "you", "the"], 5)) for k in y], y


def batch(found: list[str]) -> Batch:
    return Batch.of(np.zeros((len(found), 0)), texts=found)


def summed(found: list[Word]) -> Floats:
    return np.array([sum(word.values.get(c, 0.0) for word in found) for c in CLASSES])


def test_the_words_of_ss3_add_up_to_its_evidence_below_the_cap() -> None:
    expert = SS3Expert(SS3Settings())
    expert.resize(0, 3)
    seen, y = texts(200, 0)
    expert.learn(batch(seen), y, np.ones(200))
    expert._strength = 1e9  # nothing is capped
    assert words(expert, "win a prize", CLASSES, None)
    for text in texts(30, 1)[0]:
        found = words(expert, text, CLASSES, None)
        assert {(word.expert, word.part_of) for word in found} <= {(expert.name, "evidence")}
        assert summed(found) == pytest.approx(expert.evidence(batch([text]))[0], rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("scope", ["post", "subject"])
def test_the_words_of_linear_text_add_up_to_the_log_odds_of_the_text_alone(scope: str) -> None:
    expert = LinearTextExpert(LinearTextSettings(scope=scope, words=1, characters=0))  # type: ignore[arg-type]
    expert.resize(0, 3)
    seen, y = texts(200, 0)
    expert.learn(batch(seen), y, np.ones(200))
    bias = expert.slope * BIAS * expert._model.weights[-1]
    for text in texts(30, 1)[0]:
        found = words(expert, text, CLASSES, None)
        assert {(word.expert, word.part_of) for word in found} == {(expert.name, "log-odds")}
        logs = np.log(expert.evidence(batch([text]))[0])  # of one post of a new subject
        assert summed(found) + (bias - bias.mean()) == pytest.approx(logs - logs.mean(), abs=1e-4)


def test_a_brief_explanation_tells_the_words_that_did_most() -> None:
    expert = LinearTextExpert(LinearTextSettings(words=1, characters=0))
    expert.resize(0, 3)
    seen, y = texts(200, 0)
    expert.learn(batch(seen), y, np.ones(200))
    every, few = words(expert, "win a prize the", CLASSES, None), words(expert, "win a prize the", CLASSES, 2)
    assert few == every[:2]
    assert {word.word for word in few} == {"win", "prize"}
    assert [max(word.values.values()) for word in every] == sorted(
        [max(word.values.values()) for word in every], reverse=True
    )


def test_a_word_that_an_earlier_release_wrote_is_read() -> None:
    old = msgspec.json.decode(b'{"word":"win","values":{"spam":0.52}}', type=Word)
    assert old.expert is old.part_of is None
