"""What margins of subjects are worth, and the threshold that is learnt from them, against plain forms."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tocsin.kernels.decision import subject_threshold as s

RNG = np.random.default_rng(3)


def wrote(posts: int, shift: float, grows: bool = True) -> s.Floats:
    """The margins [posts, 2] of one subject: noise at first and, where it grows, ever more of the shift."""
    k = np.arange(1, posts + 1)
    d = shift * (np.minimum(k, 32) / 32 if grows else 1.0) + RNG.normal(0, 1, posts)
    return np.stack([-d / 2, d / 2], axis=1)


def noted(subjects: int, share: float, shift: float = 3.0, posts: int = 40, grows: bool = True) -> s.SubjectRecord:
    record = s.empty(2)
    for _ in range(subjects):
        y = int(RNG.random() < share)
        s.note(record, wrote(posts, shift if y else -shift, grows), y, 1.0)
    return record


def test_a_margin_is_worth_what_the_discriminant_of_two_normals_says() -> None:
    record, seen = s.empty(2), []
    for i in range(60):
        y = i % 3 == 0
        margins = wrote(8, 1.0 if y else -1.0)
        s.note(record, margins, int(y), 1.0)
        seen.append((margins, y, 0.5 ** ((59 - i) / s.HALF_LIFE)))
    known = s.calibration(record, 1)
    for j in range(4):
        kinds = [[(m[(1 << j) - 1, 1] - m[(1 << j) - 1, 0], w) for m, y, w in seen if y == kind] for kind in (0, 1)]
        means = [sum(d * w for d, w in kind) / sum(w for _, w in kind) for kind in kinds]
        total = sum(w for kind in kinds for _, w in kind)
        spread = sum(w * (d - mean) ** 2 for kind, mean in zip(kinds, means, strict=True) for d, w in kind)
        slope = max(means[1] - means[0], 0.0) / (spread / (total - 2))
        assert known.slopes[j] == pytest.approx(slope)
        assert s.lift(known, 1 << j, 0.7) == pytest.approx(slope * (0.7 - sum(means) / 2))
    assert known.slopes[4] == known.slopes[3]  # nobody wrote 16 posts


def test_between_numbers_of_posts_what_a_margin_is_worth_is_interpolated() -> None:
    known = s.Calibration(np.arange(7.0), np.zeros(7), 0.0)
    assert s.lift(known, 1, 2.0) == 0.0
    assert s.lift(known, 6, 1.0) == pytest.approx(math.log2(6))
    assert s.lift(known, 64, 1.0) == s.lift(known, 5_000, 1.0) == 6.0


def test_first_posts_that_say_nothing_are_worth_little() -> None:
    known = s.calibration(noted(300, 0.5), 1)
    assert known.slopes[0] < 0.3 < 2.0 < known.slopes[5]


def plain_threshold(record: s.SubjectRecord, k: int, known: s.Calibration) -> float:
    """Every labelled subject is read at each of `AT` posts, against each threshold, one after the other."""
    n = int(record.seen[0])
    weights = [0.5 ** ((n - 1 - i) / min(s.LATE, s.LATE_SHARE * n)) for i in range(n)]
    tried = [known.prior + s.EARNED + s.STEP * t for t in range(s.STEPS)]
    worth = []
    for least in tried:
        found = false = positive = late = cost5 = cost50 = 0.0
        own_share = sum(w for w, y in zip(weights, record.y, strict=False) if y == k) / sum(weights)
        for i, weight in enumerate(weights):
            delay = 0
            for q, posts in enumerate(s.AT.tolist()):
                d = record.margins[i, q, k] - record.margins[i, q, 1 - k]
                x = min(math.log2(posts), 6.0)
                slope, offset = (np.interp(x, range(7), values) for values in (known.slopes, known.offsets))
                if not delay and posts <= record.posts[i] and slope * d + offset + known.prior >= least:
                    delay = posts
            if record.y[i] == k:
                positive += weight
                found += weight * bool(delay)
                late += weight * (2 / (1 + math.exp(-0.0078 * (delay - 1))) - 1) * bool(delay)
                cost5 += weight * (1 - 1 / (1 + math.exp(min(delay - 5, 99))) if delay else 1.0)
                cost50 += weight * (1 - 1 / (1 + math.exp(min(delay - 50, 99))) if delay else 1.0)
            elif delay:
                false += weight
                cost5 += weight * own_share
                cost50 += weight * own_share
        f1 = 2 * found / max(found + false + positive, 1e-9)
        cost = (cost5 + cost50) / 2 / sum(weights) / own_share
        worth.append(f1 * (1 - late / max(found, 1e-9)) - cost)
    bell = [math.exp(-0.5 * (i / s.SMOOTH) ** 2) for i in range(-10, 11)]
    smooth = [
        sum(b * worth[min(max(t + i - 10, 0), s.STEPS - 1)] for i, b in enumerate(bell)) / sum(bell)
        for t in range(s.STEPS)
    ]
    return max(zip(smooth, tried, strict=True), key=lambda one: one[0] - s.PULL * one[1] ** 2)[1]


@pytest.mark.parametrize("share", [0.5, 0.2])
def test_the_threshold_is_that_by_which_labelled_subjects_would_have_fared_best(share: float) -> None:
    record = noted(60, share)
    known = s.calibration(record, 1)
    assert s.threshold(record, 1, known) == pytest.approx(plain_threshold(record, 1, known))


def test_the_odds_that_an_alert_takes_follow_the_share_of_the_class() -> None:
    record = noted(300, 0.5, shift=1.0, grows=False)
    before = s.calibration(record, 1)
    least = s.threshold(record, 1, before) - before.prior
    for _ in range(600):
        y = int(RNG.random() < 0.1)
        s.note(record, wrote(40, 1.0 if y else -1.0, grows=False), y, 1.0)
    after = s.calibration(record, 1)
    assert after.prior < before.prior - 1.0
    assert s.threshold(record, 1, after) - after.prior > least  # a rarer class takes more evidence


def test_nothing_is_lifted_before_enough_subjects_are_known() -> None:
    record = noted(2, 1.0)
    known = s.calibration(record, 1)
    assert s.lift(known, 3, 9.0) == 0.0
    assert s.threshold(record, 1, known) > known.prior


def test_the_window_forgets_the_oldest_subject_first() -> None:
    record = noted(s.WINDOW + 3, 0.5, posts=2)
    assert record.seen[0] == s.WINDOW + 3
    last = wrote(2, 1.0)
    s.note(record, last, 1, 1.0)
    np.testing.assert_array_equal(record.margins[3, 0], last[0])


def test_classes_that_come_later_leave_what_is_known_as_it_was() -> None:
    record = noted(40, 0.5)
    wide = s.widened(record, 3)
    np.testing.assert_array_equal(wide.moments[:2], record.moments)
    assert not wide.moments[2].any()


def test_each_class_is_compared_with_the_best_of_the_others() -> None:
    margins = RNG.normal(0, 1, (20, 4))
    plain = [[row[k] - max(x for j, x in enumerate(row) if j != k) for k in range(4)] for row in margins.tolist()]
    np.testing.assert_allclose(s.beyond_others(margins), plain)
