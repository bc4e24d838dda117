from __future__ import annotations

import random
from typing import Any

from tocsin.streams.replay.inference.leaks import LEAK, SUSPICIOUS, avoided
from tocsin.streams.replay.inference.reading.past_rows import ABSENT

N = 2_000


def labels(share: float = 0.1) -> list[str | None]:
    draw = random.Random(7)
    return ["rare" if draw.random() < share else "usual" for _ in range(N)]


def test_a_copy_of_the_label_under_other_names_avoids_all_errors() -> None:
    truth = labels()
    assert avoided([7 if label == "rare" else 3 for label in truth], truth) == 1.0
    assert avoided(list(truth), truth) == 1.0


def test_a_column_that_is_only_filled_once_the_label_is_known_is_a_leak() -> None:
    truth = labels(0.02)
    draw = random.Random(3)
    for gone in (None, ABSENT):
        for reason in (draw.random, lambda: f"case {draw.random()}"):
            reasons: list[Any] = [reason() if label == "rare" else gone for label in truth]
            assert avoided(reasons, truth) == 1.0


def test_a_number_that_parts_the_classes_is_one_and_a_useful_one_is_none() -> None:
    truth, draw = labels(0.3), random.Random(5)
    parting = [draw.random() + 2 * (label == "rare") for label in truth]
    useful = [draw.gauss(1.5 * (label == "rare"), 1) for label in truth]
    assert (avoided(parting, truth) or 0) >= LEAK
    assert 0 < (avoided(useful, truth) or 0) < SUSPICIOUS


def test_ids_and_noise_say_nothing_of_held_out_rows() -> None:
    truth, draw = labels(0.3), random.Random(5)
    assert (avoided([f"id-{i}" for i in range(N)], truth) or 0) <= 0
    assert abs(avoided([draw.choice("abc") for _ in range(N)], truth) or 0) < 0.05


def test_nothing_is_said_where_too_few_labels_are_known() -> None:
    truth: list[str | None] = ["usual"] * N
    assert avoided(list(range(N)), truth) is None
    assert avoided([], []) is None
    assert avoided([1, 2], ["a", None]) is None
    truth[10] = truth[11] = "rare"
    assert avoided(list(range(N)), truth) is None
