"""The gate as a part of a model: who is asked, how often at least, and what a label finds of it."""

from __future__ import annotations

import numpy as np
import pytest

from tocsin.config.experts.linear import LinearSettings
from tocsin.config.experts.logistic import StackSettings
from tocsin.config.experts.neighbours import NeighboursSettings
from tocsin.config.experts.persistence import PersistenceSettings
from tocsin.config.model import ModelSettings
from tocsin.config.routing import ReliabilitySettings
from tocsin.kernels.routing.gate import Labels
from tocsin.models.data.snapshot import SnapshotError
from tocsin.models.routing.gate import ONE_IN, UNASKED, EngagementGate, asked_in

EXPERTS = (
    LinearSettings(),
    NeighboursSettings(window=2_000),
    PersistenceSettings(),
    StackSettings(),
)
ACTIVE = np.ones(4, np.bool_)


def gate(engage: float = 0.9) -> EngagementGate:
    made = EngagementGate(ModelSettings(experts=EXPERTS, router=ReliabilitySettings(engage=engage)))
    made.resize(3, 2)
    return made


def taught(engage: float = 0.9, rows: int = 400, counted: bool = True, seed: int = 0) -> EngagementGate:
    """A gate of a pool in which the linear expert and the neighbours are right, and agree."""
    made, rng = gate(engage), np.random.default_rng(seed)
    y = rng.integers(0, 2, rows)
    answers = np.zeros((rows, 4, 2))
    for e in (0, 1):
        answers[np.arange(rows), e, y] = 50.0
    answers[np.arange(rows), 2, rng.integers(0, 2, rows)] = 1.0
    rho = np.full((rows, 4), 0.6)
    made.learn(rng.normal(size=(rows, 3)), answers, rho, Labels(y, y, np.full(rows, counted)), ACTIVE, 2.0)
    return made


def test_while_nothing_is_known_everyone_is_asked() -> None:
    assert gate().plan(0.9, ACTIVE) is None
    assert taught(rows=20).plan(0.9, ACTIVE) is None
    assert taught(counted=False).plan(0.9, ACTIVE) is None


def test_the_cheap_ones_that_suffice_are_asked_first() -> None:
    plan = taught().plan(0.9, ACTIVE)
    assert plan is not None
    assert plan.first.tolist() == [True, False, plan.first[2], False]
    assert plan.least < 0.9


def test_who_hears_others_is_never_asked_before_them() -> None:
    made = taught()
    for engage in (0.99, 0.9, 0.5, 0.01):
        plan = made.plan(engage, ACTIVE)
        assert plan is None or not plan.first[3]


def test_a_retired_expert_is_in_no_front() -> None:
    made, active = taught(), np.array([False, True, True, True])
    plan = made.plan(0.5, active)
    assert plan is None or not plan.first[0]


def test_failure_a_front_that_has_retired_asks_nobody() -> None:
    made = taught()
    plan = made.plan(0.9, ACTIVE)
    assert plan is not None
    active = ACTIVE.copy()
    active[plan.front] = False
    after = made.plan(0.9, active)
    assert after is None or (len(after.front) and active[after.front].all())


def test_every_event_is_drawn_or_not_by_its_id_alone() -> None:
    ids, made = [f"e{i}" for i in range(20_000)], gate()
    drawn = made.drawn(ids)
    assert abs(drawn.mean() - 1.0 / ONE_IN) < 0.01
    assert made.drawn(ids[::-1]).tolist() == drawn[::-1].tolist()
    assert gate(0.5).drawn(ids).tolist() == drawn.tolist()


def test_a_label_finds_who_was_asked_in_the_sign_of_zeros() -> None:
    answers = np.zeros((2, 3, 2))
    answers[0, 0] = UNASKED
    answers[1, 1] = [UNASKED, 3.0]
    assert asked_in(answers).tolist() == [[False, True, True], [True, True, True]]
    assert asked_in(np.frombuffer(answers.tobytes()).reshape(2, 3, 2)).tolist() == asked_in(answers).tolist()
    assert not answers.any(axis=2)[0].any(), "nothing else tells them apart"


def test_events_about_which_some_were_not_asked_are_not_counted() -> None:
    made, answers = gate(), np.ones((50, 4, 2))
    answers[:, 1] = UNASKED
    y = np.zeros(50, np.int64)
    made.learn(np.zeros((50, 3)), answers, np.ones((50, 4)), Labels(y, y, np.ones(50, np.bool_)), ACTIVE, 2.0)
    assert not made.state_dict()["counts"].any()
    known = made.known()
    assert known is not None
    assert known.missed.tolist() == [False, True, False, False]
    assert made.known() is None, "a new window begins"


def test_less_is_asked_where_less_must_be_as_if_all_were() -> None:
    made, rng = gate(), np.random.default_rng(1)
    rows = 2_000
    y = rng.integers(0, 2, rows)
    answers = np.zeros((rows, 4, 2))
    strong = rng.random(rows)
    wrong = rng.random(rows) < 0.3 * (strong < 0.6)
    answers[np.arange(rows), 0, np.where(wrong, 1 - y, y)] = 1.0 + 60.0 * strong
    answers[np.arange(rows), 1, y] = 90.0
    rho = np.full((rows, 4), 0.7)
    made.learn(np.zeros((rows, 3)), answers, rho, Labels(y, y, np.ones(rows, np.bool_)), ACTIVE, 2.0)
    plans = [made.plan(engage, ACTIVE) for engage in (0.98, 0.9, 0.5)]
    asked = [(int(plan.first.sum()), plan.least) for plan in plans if plan is not None]
    assert len(asked) == 3
    assert asked[0] > asked[1] > asked[2]


def test_fewer_who_speak_seem_to_know_as_much_as_all() -> None:
    made = taught()
    evidence = np.zeros((2, 4, 2))
    evidence[:, 0, 0], evidence[0, 1, 0], evidence[0, 2, 0] = 50.0, 50.0, 1.0
    asked = np.array([[True] * 4, [True, False, False, True]])
    scaled = made.scaled(evidence, asked).sum(axis=(1, 2))
    assert scaled == pytest.approx([101.0, 101.0])


def test_a_snapshot_brings_everything_back() -> None:
    one, other = taught(), gate()
    other.load_state_dict(one.state_dict())
    for name, array in one.state_dict().items():
        assert other.state_dict()[name].tobytes() == array.tobytes(), name
    plan, again = one.plan(0.9, ACTIVE), other.plan(0.9, ACTIVE)
    assert plan is not None
    assert again is not None
    assert (plan.first.tolist(), plan.least) == (again.first.tolist(), again.least)
    small = EngagementGate(ModelSettings(experts=EXPERTS[:2], router=ReliabilitySettings(engage=0.9)))
    with pytest.raises(SnapshotError, match="gate"):
        small.load_state_dict(one.state_dict())
