"""Which label each subject of a source has, and when it comes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from tocsin.config import Settings
from tocsin.streams.replay.by_subject.plan import HOUR, DueSubjects, Plan, make_plan, subject_label
from tocsin.streams.replay.past_event import PastEvent

from ...support import text_settings


def config(directory: Path, **replay: Any) -> Settings:
    return text_settings(directory, early_risk={"classes": ["spam"]}, replay=replay)


def post(
    number: int, subject: str, label: str | None = "ham", at: int | None = None, told: int | None = None
) -> PastEvent:
    return PastEvent(f"e{number}", subject, HOUR * (number if at is None else at), b"{}", label, told)


def plan_of(settings: Settings, *posts: PastEvent) -> Plan:
    plan = make_plan(settings, list(posts))
    assert plan is not None
    return plan


def when(settings: Settings, plan: Plan, posts: list[PastEvent], delay: int = 1) -> dict[str, int]:
    """Before which event the label of each subject comes; after all the number of events."""
    due, found = DueSubjects(settings, plan, delay), dict[str, int]()
    for number, one in enumerate(posts):
        found |= dict.fromkeys(due.before(number, one.time), number)
        due.after(number)
    return found | dict.fromkeys(due.rest(), len(posts))


@pytest.mark.parametrize(("delay", "expected"), [(0, 3), (1, 4), (2, 5), (9, 6)])
def test_a_label_comes_so_many_events_after_the_last_of_its_subject(tmp_path: Path, delay: int, expected: int) -> None:
    posts = [post(i, name) for i, name in enumerate("uvuvvv")]
    plan = plan_of(config(tmp_path), *posts)
    assert not plan.of_events
    assert when(config(tmp_path), plan, posts, delay)["u"] == expected
    assert when(config(tmp_path), plan, posts, delay)["v"] == 6


def test_a_label_comes_so_many_hours_after_the_last_event(tmp_path: Path) -> None:
    settings = config(tmp_path, label_delay_hours=2.5)
    posts = [post(i, name) for i, name in enumerate("uuvvvvv")]
    assert when(settings, plan_of(settings, *posts), posts)["u"] == 4


@pytest.mark.parametrize(("told", "expected"), [(3 * HOUR, 3), (0, 2), (99 * HOUR, 5)])
def test_a_label_comes_at_its_own_time_but_not_before_the_last_event(tmp_path: Path, told: int, expected: int) -> None:
    posts = [post(0, "u", told=told), post(1, "u", told=told), post(2, "v"), post(3, "v"), post(4, "v")]
    plan = plan_of(config(tmp_path), *posts)
    assert when(config(tmp_path), plan, posts)["u"] == expected


def test_labels_that_differ_within_a_subject_are_those_of_events(tmp_path: Path) -> None:
    posts = [post(0, "u"), post(1, "u", "spam"), post(2, "u"), post(3, "v")]
    plan = plan_of(config(tmp_path), *posts)
    assert plan.of_events
    assert {name: one.label for name, one in plan.subjects.items()} == {"u": "spam", "v": "ham"}


def test_a_subject_without_a_label_is_never_labelled(tmp_path: Path) -> None:
    posts = [post(0, "u", None), post(1, "u", None), post(2, "v", None), post(3, "v")]
    plan = plan_of(config(tmp_path), *posts)
    assert when(config(tmp_path), plan, posts) == {"v": 4}


def test_a_class_goes_by_its_name_of_today(tmp_path: Path) -> None:
    settings = text_settings(tmp_path, early_risk={"classes": ["spam"]}, class_map={"junk": "spam"})
    plan = plan_of(settings, post(0, "u", "junk"), post(1, "u", "spam"))
    assert not plan.of_events
    assert plan.subjects["u"].label == "spam"


def test_where_no_subject_comes_twice_nothing_is_judged_by_subject(tmp_path: Path) -> None:
    assert make_plan(config(tmp_path), [post(0, "u"), post(1, "v")]) is None


def test_without_early_risk_nothing_is_judged_by_subject(tmp_path: Path) -> None:
    assert make_plan(text_settings(tmp_path, early_risk={}), [post(0, "u"), post(1, "u")]) is None


def test_a_source_that_can_be_read_once_is_not_read_for_a_plan(tmp_path: Path) -> None:
    source = iter([post(0, "u"), post(1, "u")])
    assert make_plan(config(tmp_path), source) is None
    assert len(list(source)) == 2


def test_a_label_of_a_subject_has_the_shape_that_the_schema_reads(tmp_path: Path) -> None:
    plan = plan_of(config(tmp_path), post(0, "u"), post(1, "u"))
    record = orjson.loads(subject_label(config(tmp_path), "u", plan.subjects["u"]))
    assert record == {"subject": "u", "label": "ham", "time": HOUR}
