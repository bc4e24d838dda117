"""Counts of workers add up, whoever told them and in whatever order."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from tocsin.config.settings import Settings
from tocsin.streams.monitor.metrics import Metrics
from tocsin.streams.monitor.overview import overview
from tocsin.streams.monitor.shadow import shown
from tocsin.streams.monitor.shadow.contest import Contest
from tocsin.streams.monitor.shadow.figures import in_words, standings, verdict
from tocsin.streams.monitor.workers import Workers
from tocsin.streams.wire.kinds.shadow import ComparedEvents, Held

from ..support import milliseconds, parsed, samples, shadow, telemetry


def settings(**changes: Any) -> Settings:
    return Settings(schema={"text": "text"}, classes=("ham", "spam"), **changes)  # type: ignore[arg-type]


def told(*reports: dict[str, Any]) -> Contest:
    contest = Contest()
    for report in reports:
        contest.note(parsed(report))
    return contest


def test_counts_of_workers_add_up_in_whatever_order_they_are_told() -> None:
    reports = [
        telemetry("w1", time=1_000, shadow=shadow("one", both=700)),
        telemetry("w2", time=1_001, shadow=shadow("two", both=600)),
        telemetry("w1", time=900, shadow=shadow("one", both=650) | {"passed_over": 0}),
    ]
    reports[2]["shadow"]["compared"]["events"] = 900  # an earlier report of the first worker
    for order in itertools.permutations(reports):
        found = told(*order).compared()
        assert (found.events, found.right) == (2_000, Held(1_300, 80, 240))
        assert found.classes["spam"].labels == 400
        assert found.classes["spam"].found == Held(200, 0, 200)


def test_a_worker_that_starts_again_under_another_name_is_counted_once() -> None:
    contest = told(telemetry("host-1", shadow=shadow("one")), telemetry("host-2", shadow=shadow("one")))
    assert contest.compared().events == 1_000


def test_counts_of_other_configs_are_left_aside() -> None:
    contest = told(
        telemetry(time=1_000, shadow=shadow("one")),
        telemetry(time=2_000, shadow=shadow("two", second="c" * 16)),
        telemetry("late", time=1_500, shadow=shadow("three")),
    )
    assert contest.latest is not None
    assert (contest.latest.second, contest.compared().events) == ("c" * 16, 1_000)


def test_the_figures_are_those_of_the_counts_whoever_decides() -> None:
    compared = told(telemetry()).compared()
    for first_decides in (True, False):
        found = standings(compared, first_decides, settings())
        first, second = (found.decides, found.shadow) if first_decides else (found.shadow, found.decides)
        assert (first.accuracy, second.accuracy) == (0.74, 0.82)
        assert (first.coverage, second.coverage) == (0.7, 0.65)
        assert (first.wrong, second.wrong) == (0.05, 0.04)
        assert (first.error, second.error) == (pytest.approx(50 / 700), pytest.approx(40 / 650))
        assert first.balanced == pytest.approx((640 / 800 + 100 / 200) / 2)
        assert second.gmean == pytest.approx((620 / 800 * 200 / 200) ** 0.5)
        sign = 1.0 if first_decides else -1.0
        assert found.advantage["accuracy"].estimate == pytest.approx(sign * 0.08)
        assert found.advantage["wrong"].estimate == pytest.approx(sign * 0.01)
        assert found.advantage["coverage"].estimate == pytest.approx(-sign * 0.05)
        assert in_words(found.advantage["accuracy"]) == f"the shadow is {'better' if first_decides else 'worse'}"


@pytest.mark.parametrize(
    ("promotion", "first_decides", "may", "why"),
    [
        ({}, True, True, "the shadow is better by +0.0800"),
        ({}, False, False, "it is worse by more than promotion.margin, 0.01"),
        ({"margin": 0.5}, False, True, "the shadow is better by -0.0800"),
        ({"after": 1_001}, True, False, "promotion.after asks for 1,001 labelled events"),
        ({"measure": "coverage"}, True, False, "it is not shown yet that it is not worse by more than"),
        ({"measure": "wrong", "margin": "5%"}, True, True, "wrong on 1,000 labelled events: decides 0.0500"),
        ({"measure": "balanced", "margin": 0.2}, False, False, "balanced on 1,000 labelled events"),
    ],
)
def test_a_shadow_that_is_not_shown_to_be_good_enough_is_not_promoted(
    promotion: dict[str, Any], first_decides: bool, may: bool, why: str
) -> None:
    config = settings(promotion=promotion)
    said = verdict(standings(told(telemetry()).compared(), first_decides, config), config.promotion)
    assert (said.may, why in said.why) == (may, True), said.why


def test_without_a_label_nothing_is_said_and_nothing_may_be_promoted() -> None:
    empty = standings(ComparedEvents("t"), True, settings())
    assert empty.decides.accuracy is None
    assert not verdict(empty, settings(promotion={"after": 1}).promotion).may
    assert in_words(empty.advantage["accuracy"]) == "not told apart yet"


def test_the_page_and_the_metrics_show_both_side_by_side() -> None:
    metrics, now = Metrics(), milliseconds() / 1000
    workers, config = Workers(metrics), settings()
    workers.count(parsed(telemetry("w1", shadow=shadow("one"))))
    workers.count(parsed(telemetry("w2", shadow=shadow("two", state="given-up"))))
    for name, value, labels in shown.gauges(shown.found_in(workers.contest, config)):
        metrics.set(name, value, *labels)
    page = overview("s", list(workers.active(now)), now, (), shown.section(workers.contest, config))
    assert "Compared on the first labels of 2,000 events" in page
    assert "By accuracy, the shadow is better; it may be promoted" in page
    assert f'<td class="text">{"b" * 16}</td><td>0.820</td>' in page
    accuracy = {s.labels["role"]: s.value for s in samples(metrics, "tocsin_shadow_accuracy")}
    assert accuracy == {"decides": 0.74, "shadow": 0.82}
    assert metrics.get("tocsin_shadow_compared_events") == 2_000
    assert metrics.get("tocsin_shadow_advantage", "accuracy", "lower") > 0
    assert [metrics.get("tocsin_shadow_given_up", name) for name in ("w1", "w2")] == [0, 1]
    assert "Shadow" not in overview("s", list(workers.active(now)), now)


def test_nothing_of_a_shadow_is_left_in_the_metrics_of_a_service_without_one() -> None:
    assert all(value is None for _, value, _ in shown.gauges(shown.found_in(told(telemetry(shadow=None)), settings())))
