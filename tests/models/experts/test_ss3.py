"""SS3 as an expert of the pool."""

import numpy as np
import pytest

from tocsin.config.experts.ss3 import SS3Settings
from tocsin.models.data.batch import Batch
from tocsin.models.experts.base import SnapshotError
from tocsin.models.experts.ss3 import SS3Expert

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 2, 400)
TEXTS = [
    " ".join(RNG.choice(["red", "warm", "fire", "the"] if y else ["blue", "cold", "ice", "the"], 4)) for y in LABELS
]


def batch(texts: list[str | None]) -> Batch:
    return Batch.of(np.zeros((len(texts), 0)), texts=texts)


def expert(**settings: float) -> SS3Expert:
    made = SS3Expert(SS3Settings(**settings))  # type: ignore[arg-type]
    made.resize(0, 2)
    return made


def taught(step: int = 400, **settings: float) -> SS3Expert:
    made = expert(**settings)
    for lo in range(0, len(TEXTS), step):
        made.learn(batch([*TEXTS[lo : lo + step]]), LABELS[lo : lo + step], np.ones(len(TEXTS[lo : lo + step])))
    return made


def test_what_is_not_known_is_no_evidence() -> None:
    made = taught()
    assert made.evidence(batch([None, "", "unheard of", "the"])).tolist() == [[0.0, 0.0]] * 4


def test_evidence_points_at_the_class_and_stays_within_the_strength() -> None:
    evidence = taught(strength=4.0).evidence(batch(["fire fire fire fire red warm", "ice"]))
    assert evidence.argmax(axis=1).tolist() == [1, 0]
    assert evidence.sum(axis=1).max() <= 4.0 + 1e-9


def test_the_scale_grows_while_the_texts_are_right() -> None:
    assert (taught().scale > 3.0).all()


def test_the_scale_shrinks_where_the_texts_are_wrong() -> None:
    made = expert()
    labels = np.arange(400) % 2
    noise = [" ".join(np.random.default_rng(i // 2).choice(list("abcdefgh"), 3)) for i in range(400)]
    made.learn(batch([*noise]), labels, np.ones(400))
    assert made.scale.min() < taught().scale.min()


@pytest.mark.parametrize("step", [1, 7, 400])
def test_the_state_does_not_depend_on_how_batches_were_cut(step: int) -> None:
    one, other = taught().state_dict(), taught(step).state_dict()
    assert all(np.array_equal(one[name], other[name]) for name in one)


def test_a_new_class_gets_a_column() -> None:
    made = taught()
    before = made.evidence(batch(["fire"]))
    made.resize(0, 3)
    assert made.evidence(batch(["fire"])).shape == (1, 3)
    assert before.argmax() == made.evidence(batch(["fire"])).argmax()
    made.learn(batch(["grass grass"]), np.array([2]), np.ones(1))
    assert made.evidence(batch(["grass"])).argmax() == 2


def test_a_restored_expert_goes_on_alike() -> None:
    made, twin = taught(), SS3Expert(SS3Settings())
    twin.load_state_dict(made.state_dict())
    for each in (made, twin):
        each.learn(batch(["red blue"]), np.array([1]), np.ones(1))
    texts = batch([*TEXTS[:20]])
    assert np.array_equal(made.evidence(texts), twin.evidence(texts))
    with pytest.raises(SnapshotError):
        SS3Expert(SS3Settings()).load_state_dict({})


def test_words_say_what_the_evidence_is_made_of() -> None:
    made = taught(strength=1000.0)
    told = made.words("the fire unheard")
    assert [word for word, _ in told] == ["fire"]
    assert told[0][1] == pytest.approx(made.evidence(batch(["the fire unheard"]))[0])


def test_a_text_over_the_bound_is_cut() -> None:
    made = SS3Expert(SS3Settings(), max_text=8)
    made.resize(0, 2)
    made.learn(batch(["red red blue"]), np.array([0]), np.ones(1))
    assert made.evidence(batch(["red red xxxxxxxx"])).shape == (1, 2)
