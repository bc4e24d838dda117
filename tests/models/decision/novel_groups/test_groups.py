"""Groups of novel events: one a novelty, whatever its spread, by the order of events alone, never more than may be."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from tocsin.models.data.batch import Floats
from tocsin.models.decision.novel_groups.groups import EXAMPLES, LONGEST, KeptGroup, NovelEvent, NovelGroups

WIDTHS = [1, 2, 5, 10, 24, 100]


def drawn(clouds: Sequence[tuple[float, float]], numbers: int, rows: int = 400, seed: int = 0) -> Floats:
    """Events [rows, numbers], in turn of clouds with a centre and a spread."""
    rng = np.random.default_rng(seed)
    which = np.arange(rows) % len(clouds)
    centre, spread = np.array(clouds)[which].T
    return centre[:, None] + spread[:, None] * rng.normal(size=(rows, numbers))


def joined(
    X: Floats, most: int = 16, far: float = 0.0, groups: NovelGroups | None = None, start: int = 0
) -> NovelGroups:
    made = NovelGroups(most, X.shape[1]) if groups is None else groups
    for i, x in enumerate(X, start):
        made.add(x, NovelEvent(f"0-{i}", f"e{i}", i, far))
    return made


def sizes(groups: NovelGroups) -> list[int]:
    return sorted((group.events for group in groups.groups), reverse=True)


@pytest.mark.parametrize("numbers", WIDTHS)
@pytest.mark.parametrize("spread", [0.1, 0.4])
def test_two_novelties_that_lie_apart_are_two_groups(numbers: int, spread: float) -> None:
    groups = joined(drawn([(2.0, spread), (-2.0, spread)], numbers))
    assert len(groups.groups) == 2
    for group in groups.groups:  # each holds every second event
        ids = [int(name[1:]) % 2 for name in group.examples]
        assert len(set(ids)) == 1
        assert group.events == 200


@pytest.mark.parametrize("numbers", WIDTHS)
@pytest.mark.parametrize("seed", range(3))
def test_a_broad_novelty_does_not_shatter(numbers: int, seed: int) -> None:
    among_the_known = sizes(joined(drawn([(0.0, 0.8)], numbers, seed=seed)))
    far_out = sizes(joined(drawn([(8.0, 3.0)], numbers, seed=seed), far=36.0 * numbers))
    assert among_the_known[0] > 0.9 * 400
    assert far_out[0] > 0.9 * 400


@pytest.mark.parametrize("numbers", [3, 10, 30])
def test_novelties_that_differ_in_a_third_of_the_numbers_are_two_groups(numbers: int) -> None:
    X = drawn([(0.0, 0.3)], numbers)
    X[::2, : numbers // 3] += 3.0
    assert sizes(joined(X))[:2] == [200, 200]


def test_a_number_that_tells_nothing_brings_no_groups_together() -> None:
    X = np.concatenate([drawn([(2.0, 0.1), (-2.0, 0.1)], 2), np.zeros((400, 40))], axis=1)
    assert sizes(joined(X)) == [200, 200]


def test_what_was_written_goes_on_with_the_same_bits() -> None:
    X = drawn([(1.0, 0.8), (-1.0, 0.8), (3.0, 0.1)], 3)
    whole, cut = joined(X), NovelGroups(16, 3)
    for start in range(0, 400, 7):
        cut = joined(X[start : start + 7], groups=cut, start=start)
        read = NovelGroups(16, 3)
        read.restore(cut.state())
        cut = read
    assert cut.state() == whole.state()


def test_there_are_never_more_than_may_be_and_the_least_recent_makes_room() -> None:
    groups = NovelGroups(3, 1)
    for i, x in enumerate([-9.0, -3.0, 3.0, -9.0, 9.0]):
        groups.add(np.array([x]), NovelEvent(f"0-{i}", f"e{i}", i, 0.0))
        assert len(groups.groups) <= 3
    assert [group.name for group in groups.groups] == ["0-0", "0-2", "0-4"]
    fewer = NovelGroups(2, 1)
    fewer.restore(groups.state())
    assert [group.name for group in fewer.groups] == ["0-0", "0-4"]
    assert fewer._centre.ravel().tolist() == [-9.0, 9.0]
    assert len(joined(drawn([(0.0, 5.0)], 30), most=1).groups) == 1


def test_an_event_infinitely_far_out_makes_no_group_of_all_that_follow() -> None:
    groups = joined(np.array([[10.0, 10.0]]), far=np.inf)
    joined(drawn([(10.0, 0.1)], 2, 20), groups=groups)
    assert np.isfinite(groups._centre).all()
    joined(drawn([(-10.0, 0.1)], 2, 20), groups=groups)
    assert sizes(groups) == [21, 20]


def test_groups_without_a_gap_between_them_become_one_that_has_all_of_both() -> None:
    groups = NovelGroups(8, 1)
    names = []
    rng = np.random.default_rng(0)
    for i in range(200):  # at first at both ends, then in between
        x = rng.choice([-1.5, 1.5]) if i < 20 else rng.uniform(-1.2, 1.2)
        names.append(groups.add(np.array([x]), NovelEvent(f"0-{i}", f"e{i}", 1_000 - i, 0.0)).name)
    assert len(set(names[:20])) == 2
    (group,) = groups.groups
    assert (group.name, group.events, group.first, group.last) == ("0-0", 200, 801, 1_000)
    assert group.examples == [f"e{i}" for i in range(195, 200)]


def test_a_group_names_its_latest_events_and_no_id_that_is_too_long() -> None:
    groups = NovelGroups(2, 1)
    for i in range(9):
        group = groups.add(np.array([1.0]), NovelEvent("g", f"e{i}", i, 0.0))
    assert group.examples == ["e4", "e5", "e6", "e7", "e8"]
    assert len(group.examples) == EXAMPLES
    assert groups.add(np.array([1.0]), NovelEvent("g", "x" * (LONGEST + 1), 9, 0.0)).examples == group.examples
    assert groups.add(np.array([-9.0]), NovelEvent("h", "x" * (LONGEST + 1), 9, 0.0)).examples == []


def test_a_person_is_asked_at_the_least_and_whenever_there_are_twice_as_many() -> None:
    group, asked = KeptGroup("g", 0, 1.0, 0, 0, 0, 0, []), []
    for n in range(1, 50):
        group.events = n
        if group.due(5):
            asked.append(n)
            group.asked = n
    assert asked == [5, 10, 20, 40]


@pytest.mark.parametrize("wrong", [b"", b"\x00", b"{}", NovelGroups(4, 2).state()[:-1]])
def test_a_damaged_state_is_refused(wrong: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - as documented
        NovelGroups(4, 2).restore(wrong)


def test_the_state_of_other_numbers_is_refused() -> None:
    with pytest.raises(ValueError, match="other events"):
        NovelGroups(4, 3).restore(joined(np.ones((3, 2))).state())
