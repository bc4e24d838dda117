"""The linear text expert."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tocsin.config.experts.linear_text import LinearTextSettings
from tocsin.models.data.batch import Batch
from tocsin.models.data.subject_text import SubjectText
from tocsin.models.experts.base import SnapshotError
from tocsin.models.experts.linear_text import LinearTextExpert

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 2, 400)
TEXTS = [" ".join(RNG.choice(["warm", "fire", "the"] if y else ["cold", "ice", "the"], 4)) for y in LABELS]
POSTS = [["the", TEXTS[i][:9]] if i % 3 else [] for i in range(400)]


def batch(texts: list[str | None], subjects: list[str] | None = None, **more: Any) -> Batch:
    return Batch.of(np.zeros((len(texts), 0)), texts=texts, subjects=subjects, **more)


def expert(**settings: Any) -> LinearTextExpert:
    made = LinearTextExpert(LinearTextSettings(bits=14, **settings))
    made.resize(0, 2)
    return made


def taught(step: int = 400, **settings: Any) -> LinearTextExpert:
    made = expert(**settings)
    for lo in range(0, 400, step):
        some = slice(lo, lo + step)
        made.learn_posts(batch([*TEXTS[some]]), LABELS[some], np.ones(len(LABELS[some])), POSTS[some])
    return made


def same(one: LinearTextExpert, other: LinearTextExpert) -> bool:
    a, b = one.state_dict(), other.state_dict()
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


def test_it_is_all_that_its_callers_ask_for() -> None:
    assert expert().reads_text
    assert not expert().whole_subject
    assert expert(scope="subject").whole_subject


def test_what_words_tell_is_learnt() -> None:
    evidence = taught().evidence(batch(["the fire", "ice and ice"]))
    assert evidence.argmax(axis=1).tolist() == [1, 0]


def test_nothing_written_or_nothing_learnt_is_no_evidence() -> None:
    assert taught().evidence(batch([None, "", "  "])).tolist() == [[0.0, 0.0]] * 3
    assert expert().evidence(batch(["fire"])).tolist() == [[0.0, 0.0]]
    silent = expert()
    silent.learn(batch([None, ""]), np.array([0, 1]), np.ones(2))
    assert silent.evidence(batch(["fire"])).tolist() == [[0.0, 0.0]]


@pytest.mark.parametrize("scope", ["post", "subject"])
@pytest.mark.parametrize("step", [1, 7])
def test_the_state_does_not_depend_on_how_batches_were_cut(step: int, scope: str) -> None:
    assert same(taught(scope=scope), taught(step, scope=scope))


def test_it_is_worth_more_the_more_often_it_is_right() -> None:
    noise = expert()
    noise.learn(batch([f"{i // 2}" for i in range(400)]), np.arange(400) % 2, np.ones(400))
    assert taught().strength > 10.0 > 2.0 > noise.strength


def test_evidence_stays_within_the_strength() -> None:
    assert taught(strength=4.0).evidence(batch([*TEXTS])).sum(axis=1).max() <= 4.0 + 1e-9


def test_the_evidence_told_while_learning_is_that_of_just_before() -> None:
    made, twin = taught(), taught()
    said = made.predict_then_learn(batch([*TEXTS[:50]]), LABELS[:50], np.ones(50))
    one_by_one = []
    for i in range(50):
        one_by_one.append(twin.evidence(batch([TEXTS[i]]))[0])
        twin.learn(batch([TEXTS[i]]), LABELS[i : i + 1], np.ones(1))
    assert np.array_equal(said, np.array(one_by_one))
    assert same(made, twin)


def test_a_new_class_is_nobodys_choice_until_it_is_taught() -> None:
    made = taught()
    made.resize(0, 3)
    assert made.evidence(batch(["fire", "ice"])).argmax(axis=1).tolist() == [1, 0]
    made.learn(batch(["grass grass"] * 3), np.array([2, 2, 2]), np.ones(3))
    assert made.evidence(batch(["grass"])).argmax() == 2


def test_a_restored_expert_goes_on_alike() -> None:
    made, twin = taught(), expert()
    twin.load_state_dict(made.state_dict())
    for each in (made, twin):
        each.learn(batch(["fire ice"]), np.array([1]), np.ones(1))
    assert same(made, twin)
    assert np.array_equal(made.evidence(batch([*TEXTS[:20]])), twin.evidence(batch([*TEXTS[:20]])))


@pytest.mark.parametrize(
    "wrong",
    [{}, {"layout": np.array([9, 2])}, {"weights": np.zeros((1, 2))}, {"fit": np.zeros(2)}],
    ids=["empty", "layout", "weights", "fit"],
)
def test_arrays_that_do_not_fit_are_refused(wrong: dict[str, Any]) -> None:
    arrays = {**taught().state_dict(), **wrong} if wrong else {}
    with pytest.raises(SnapshotError):
        expert().load_state_dict(arrays)


def test_words_say_which_ngrams_speak_for_a_class() -> None:
    made = taught(characters=0)
    told = dict(made.words("the fire unheard"))
    assert told["fire"][1] > 0 > told["fire"][0]
    assert "unheard" not in told


def test_a_text_over_the_bound_is_cut() -> None:
    made = LinearTextExpert(LinearTextSettings(bits=14), max_text=8)
    made.resize(0, 2)
    made.learn(batch(["fire ice"]), np.array([0]), np.ones(1))
    assert np.array_equal(made.evidence(batch(["fire ice xxxxx"])), made.evidence(batch(["fire ice"])))


# Threads


def test_a_subject_is_read_on_from_what_was_kept() -> None:
    made = taught(scope="subject")
    posts = ["the", "fire and", "ice", "fire", "warm"]
    at_once, after, gain = made.follow(batch([*posts], ["s"] * 5))
    kept: dict[tuple[str, str], SubjectText] = {}
    for i, post in enumerate(posts):
        one, [thread], _ = made.follow(batch([post], ["s"], subject_texts=kept))
        assert np.array_equal(one[0], at_once[i])
        assert thread.plain() == after[i].plain()
        kept = {(made.name, "s"): SubjectText.of(thread.plain())}
    assert np.array_equal(made.recall(batch([posts[-1]]), [posts[:-1]])[0], at_once[-1])
    assert gain.shape == (5, 2)


def test_subjects_in_one_batch_are_kept_apart() -> None:
    made = taught(scope="subject")
    mixed = made.evidence(batch(["fire", "ice", "warm", "cold"], ["a", "b", "a", "b"]))
    assert np.array_equal(mixed[[0, 2]], made.evidence(batch(["fire", "warm"], ["a", "a"])))
    assert np.array_equal(mixed[[1, 3]], made.evidence(batch(["ice", "cold"], ["b", "b"])))


def test_a_class_that_comes_later_finds_a_thread_that_was_kept_before() -> None:
    made = taught(scope="subject")
    _, [thread], _ = made.follow(batch(["fire"], ["s"]))
    made.resize(0, 3)
    assert made.evidence(batch(["warm"], ["s"], subject_texts={(made.name, "s"): thread})).shape == (1, 3)


def test_what_is_kept_of_a_subject_does_not_grow() -> None:
    made = taught(scope="subject")
    posts = [" ".join(RNG.choice(list("abcdefghijklmnop"), 8)) for _ in range(500)]
    _, after, _ = made.follow(batch([*posts], ["s"] * 500))
    assert len(str(after[-1].plain())) < len(str(after[0].plain())) + 20


@pytest.mark.parametrize(
    "plain", [{}, {"sums": [], "counts": [0, 0], "sketch": "00"}, {"sums": [0.0], "counts": [0, 0]}]
)
def test_what_is_no_thread_is_refused(plain: dict[str, Any]) -> None:
    with pytest.raises((KeyError, ValueError)):
        SubjectText.of(plain)


def test_settings_with_nothing_to_read_are_refused() -> None:
    with pytest.raises(ValueError, match="nothing to read"):
        LinearTextSettings(words=0, characters=0)


# How subjects stand


@pytest.mark.parametrize("step", [1, 7])
def test_how_subjects_stand_depends_on_the_labels_alone(step: int) -> None:
    one, other = taught(step, scope="subject"), taught(scope="subject")
    assert same(one, other)
    for key, values in one.state_dict().items():
        np.testing.assert_array_equal(values, other.state_dict()[key], err_msg=key)


def test_what_a_subject_wrote_lifts_its_class() -> None:
    made = taught(scope="subject")
    _, [first, second], _ = made.follow(batch(["the", "fire warm fire"], ["s", "s"]))
    before, after = made.standing(first, 1), made.standing(second, 2)
    assert before is not None
    assert after is not None
    assert after.lift[1] > max(before.lift[1], 0.0) > after.lift[0]
    np.testing.assert_allclose(after.odds - after.lift, before.odds - before.lift)
    assert (after.least > after.odds - after.lift).all()


def test_how_subjects_stand_comes_back_from_a_snapshot() -> None:
    made, twin = taught(scope="subject"), expert(scope="subject")
    twin.load_state_dict(made.state_dict())
    _, [text], _ = made.follow(batch(["fire"], ["s"]))
    for one, other in zip(made.standing(text, 1) or (), twin.standing(text, 1) or (), strict=True):
        np.testing.assert_array_equal(one, other)
    assert "record_seen" not in taught().state_dict()


def test_of_single_posts_nothing_is_said_of_subjects() -> None:
    assert taught().standing(SubjectText(), 1) is None
