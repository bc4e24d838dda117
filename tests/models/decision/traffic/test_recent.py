"""Recent traffic: the same however batches were cut, as far back as labels are late, silent where it cannot tell."""

from __future__ import annotations

import numpy as np
import pytest

from tocsin.models.data.batch import Floats, Ints
from tocsin.models.decision.traffic.counterpart import Counterpart, Labelled
from tocsin.models.decision.traffic.recent import RecentTraffic

HELD = 200


def labelled(start: int, stop: int, seed: int = 1) -> Counterpart:
    """Of events of one cloud that came from one time to another."""
    made, rng = Labelled(HELD, 10), np.random.default_rng(seed)
    made.resize([False, False])
    rows = np.linspace(start, stop, HELD).astype(np.int64)
    made.learn(rng.normal(size=(HELD, 2)), np.arange(HELD) % 2, rows)
    assert made.counterpart is not None
    return made.counterpart


def traffic(rows: int, unseen: bool, start: int = 0) -> tuple[Floats, Ints]:
    """Events of the same cloud, of which every third is of a narrow one nearby where there is an unseen class."""
    rng = np.random.default_rng(2)
    X = rng.normal(size=(rows, 2))
    if unseen:
        X[::3] = 0.7 + 0.1 * rng.normal(size=(len(X[::3]), 2))
    return X, start + np.arange(rows)


def asked(cut: int, rows: int = 3_000) -> tuple[Floats, RecentTraffic]:
    now, (X, times) = RecentTraffic(HELD, 2), traffic(rows, True)
    said = []
    for start in range(0, rows, cut):
        # The counterpart changes between two events that are the same for all.
        counterpart = None if start < 400 else labelled(0, 400) if start < 1_400 else labelled(800, 1_400, 3)
        part = slice(start, start + cut)
        answer, now = now.ask(X[part], times[part], counterpart)
        said.append(answer)
    return np.concatenate(said), now


@pytest.mark.parametrize("cut", [1, 25, 200])
def test_ratios_do_not_depend_on_how_batches_were_cut(cut: int) -> None:
    (one, first), (other, second) = asked(100), asked(cut)
    assert one.tobytes() == other.tobytes()
    assert first.header() == second.header()
    assert first.rows(0, first.count).tobytes() == second.rows(0, second.count).tobytes()


def test_an_unseen_class_among_the_known_ones_stands_out() -> None:
    (X, times), counterpart = traffic(900, True), labelled(0, 600)
    _, now = RecentTraffic(HELD, 2).ask(X[:600], times[:600], None)
    said, _ = now.ask(X[600:], times[600:], counterpart)
    unseen = np.arange(600, 900) % 3 == 0
    assert (said[unseen] > np.quantile(said[~unseen], 0.95)).mean() > 0.8


def test_asking_leaves_the_traffic_as_it_is() -> None:
    (X, times), counterpart = traffic(700, True), labelled(0, 600)
    _, before = RecentTraffic(HELD, 2).ask(X[:600], times[:600], None)
    header, rows = before.header(), before.rows(0, before.count).tobytes()
    once, one = before.ask(X[600:], times[600:], counterpart)
    again, other = before.ask(X[600:], times[600:], counterpart)
    assert once.tobytes() == again.tobytes()
    assert (before.header(), before.rows(0, before.count).tobytes()) == (header, rows)
    assert one.rows(0, one.count).tobytes() == other.rows(0, other.count).tobytes()


@pytest.mark.parametrize("written_at", [450, 1_000, 1_700])
def test_what_was_written_goes_on_with_the_same_bits(written_at: int) -> None:
    X, times = traffic(2_500, True)
    counterpart = labelled(0, 400)
    _, now = RecentTraffic(HELD, 2).ask(X[:written_at], times[:written_at], counterpart)
    read = RecentTraffic(HELD, 2)
    read.restore(now.header(), now.rows(0, now.count))
    for part in (slice(written_at, written_at + 30), slice(written_at + 30, 2_500)):
        a, now = now.ask(X[part], times[part], counterpart)
        b, read = read.ask(X[part], times[part], counterpart)
        assert a.tobytes() == b.tobytes()


def test_traffic_of_another_model_is_refused() -> None:
    _, now = RecentTraffic(HELD, 2).ask(*traffic(50, False), None)
    with pytest.raises(ValueError, match="another model"):
        RecentTraffic(HELD, 3).restore(now.header(), now.rows(0, now.count))
    with pytest.raises(ValueError, match="another model"):
        RecentTraffic(HELD, 2).restore(now.header(), now.rows(0, now.count - 1))


def test_traffic_reaches_back_as_far_as_labels_are_late() -> None:
    # Labels 6,000 events late, which is more than the buffer has room for.
    now, rows = RecentTraffic(HELD, 2), 20_000
    X, times = traffic(rows, False)
    for start in range(0, rows, 100):
        part = slice(start, start + 100)
        counterpart = labelled(start - 6_400, start - 6_000) if start >= 7_000 else None
        _, now = now.ask(X[part], times[part], counterpart)
    assert now.stride >= 8
    reached = now.rows(0, now.count)[:, 2]
    assert reached.min() <= rows - 6_400


def test_few_labels_leave_it_silent() -> None:
    (X, times), counterpart = traffic(1_000, True), labelled(0, 800)
    for least, speaks in ((0.2, True), (0.3, False)):
        _, now = RecentTraffic(HELD, 2, least).ask(X[:800], times[:800], None)
        said, now = now.ask(X[800:], times[800:], counterpart)
        assert now.speaks is speaks
        assert np.isnan(said).all() is np.bool_(not speaks)
        assert now.share == pytest.approx(0.25, abs=0.01)


def test_traffic_of_another_time_says_nothing() -> None:
    _, now = RecentTraffic(HELD, 2).ask(*traffic(800, True), None)
    said, _ = now.ask(*traffic(10, True, 800), labelled(10**9, 2 * 10**9))
    assert np.isnan(said).all()
