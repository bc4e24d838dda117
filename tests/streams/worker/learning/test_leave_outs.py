"""Which feedback records control records name."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tocsin.streams.wire.packed.control import Control
from tocsin.streams.worker.learning.leave_outs import LeaveOuts, LeftOutFeedback, first_named, named_below

from ...support import record
from ..left_out_logs import rollback

CONTROLS = st.builds(
    Control,
    kind=st.just("leave-out"),
    reason=st.just("rollback"),
    time=st.just(0),
    first=st.integers(0, 12),
    end=st.integers(0, 12),
    offsets=st.lists(st.integers(0, 12), max_size=3),
)


@given(CONTROLS, st.integers(0, 12))
def test_a_control_record_names_only_what_stands_before_it(control: Control, at: int) -> None:
    left_out = LeftOutFeedback({at: control})
    named = [offset for offset in range(20) if left_out.names(offset, None)]
    assert named == [o for o in range(at) if o in control.offsets or control.first <= o < control.end]
    assert first_named(control, at) == min(named, default=at)
    held = [o for first, end in named_below(control, at) for o in range(first, end)]
    assert [o for o in held if left_out.may_name(o)] == named
    assert held == sorted(set(held))
    assert all(o < at for o in held)
    assert left_out.has_all_of(control, at)


def test_what_is_scattered_is_read_in_few_ranges() -> None:
    """A person has thousands of records, and each range that is read is a question to the broker."""
    control = Control(kind="leave-out", reason="forgotten", time=0, offsets=[*range(0, 90_000, 90), 500_000])
    assert named_below(control, 600_000) == [(0, 89_911), (500_000, 500_001)]


@given(st.dictionaries(st.integers(0, 12), CONTROLS, max_size=4), CONTROLS, st.integers(0, 12))
def test_what_is_said_to_be_left_out_already_is(before: dict[int, Control], control: Control, at: int) -> None:
    left_out = LeftOutFeedback(before)
    if left_out.has_all_of(control, at):
        new = LeftOutFeedback({at: control})
        assert all(left_out.names(offset, None) for offset in range(at) if new.names(offset, None))


def test_a_range_of_one_source_holds_no_other_one() -> None:
    left_out = LeftOutFeedback({10: rollback(0, 10, source="bad"), 11: rollback(5, 6, source=None)})
    assert [left_out.names(5, source) for source in ("bad", "good", None)] == [True, False, True]
    assert left_out.names(4, None) is False
    assert left_out.has_all_of(rollback(2, 4, source="bad"), 20)
    assert not left_out.has_all_of(rollback(2, 4), 20)
    assert not left_out.has_all_of(rollback(2, 4, source=None), 20)
    assert LeftOutFeedback({10: rollback(0, 10)}).has_all_of(rollback(2, 4, source="bad"), 20)


def test_ahead_are_those_behind_an_offset_that_name_what_stands_before_it() -> None:
    leave_outs = LeaveOuts()
    leave_outs.see([record(b"", offset=offset) for offset in range(5)])
    for at, control in ((5, rollback(1, 3)), (8, rollback(7, 8)), (20, rollback(2, 4))):
        leave_outs._controls[at] = control
        leave_outs._places.append(at)
    assert leave_outs.ahead(2, 30) == [5]
    assert leave_outs.ahead(3, 30) == [5, 20]
    assert leave_outs.ahead(3, 20) == [5]
    assert leave_outs.ahead(6, 30) == [20]
    assert leave_outs.ahead(8, 30) == [8, 20]
    assert leave_outs.ahead(21, 30) == []
