"""Figures of the last hour come from the totals of workers, and nothing that a worker says breaks them."""

from __future__ import annotations

from typing import Any

import pytest

from tocsin.models.figures.ranking import COARSE
from tocsin.streams.monitor.judged.recent import MOMENTS, WINDOW_MS, RecentlyJudged
from tocsin.streams.monitor.metrics import OTHER, Metrics
from tocsin.streams.monitor.overview import overview
from tocsin.streams.monitor.workers import CLASSES, Workers

from ..support import milliseconds, parsed, samples, telemetry


def judged(n: int, **more: Any) -> dict[str, Any]:
    """n labels each of two classes, of which frauds are found three times in four, and half as many false alarms."""
    every, found = [0] * COARSE, [0] * COARSE
    every[10], every[40], found[40], found[10] = n, n, 3 * n // 4, n - 3 * n // 4
    return {
        "events": 2 * n,
        "classes": {
            "fraud": {"labels": n, "named": 3 * n // 2, "right": 3 * n // 4},
            "ok": {"labels": n, "named": n // 2, "right": n // 4},
        },
        "confusion": {"fraud": {"fraud": 3 * n // 4, "ok": n // 4}, "ok": {"fraud": 3 * n // 4, "ok": n // 4}},
        "cost": 2.5 * n,
        "rare": "fraud",
        "found": found,
        "every": every,
        "alerts": n // 2,
        "hits": n // 4,
    } | more


def noted(*reports: dict[str, Any]) -> RecentlyJudged:
    made = RecentlyJudged()
    for report in reports:
        made.note(parsed(report))
    return made


def test_the_figures_are_of_what_came_since_the_worker_started() -> None:
    recent = noted(telemetry(time=5_000, judged=judged(80))).figures()
    assert recent is not None
    assert recent.events == 160
    assert recent.classes["fraud"] == (80, 0.5, 0.75, 0.6)
    assert recent.gmean == pytest.approx((0.75 * 0.25) ** 0.5)
    assert recent.cost == 2.5 / 2
    assert recent.confusion["fraud"] == {"fraud": 60, "ok": 20}
    assert (recent.alerts, recent.alert_precision, recent.alert_recall) == (40, 0.5, 0.25)
    # 60 of the 80 surest are of the class, and so are 20 of the others.
    assert recent.auprc == pytest.approx((60 * 0.75 + 20 * 0.5) / 80)


def test_only_the_last_hour_counts_and_few_moments_are_kept() -> None:
    made = RecentlyJudged()
    for second in range(0, 3 * WINDOW_MS // 1_000, 20):
        made.note(parsed(telemetry(time=1_000 + second * 1_000, judged=judged(4 * second))))
    assert len(made._told) <= MOMENTS + 2
    recent = made.figures()
    assert recent is not None
    assert recent.events == pytest.approx(8 * WINDOW_MS / 1_000, rel=0.05)


def test_a_worker_that_starts_again_begins_anew() -> None:
    made = noted(telemetry(time=9_000, judged=judged(80)), telemetry(started_at=9_500, time=9_900, judged=judged(8)))
    recent = made.figures()
    assert recent is not None
    assert recent.events == 16


def test_a_worker_of_an_older_release_says_nothing() -> None:
    assert noted(telemetry(judged=None)).figures() is None


@pytest.mark.parametrize(
    "odd", [{"found": [1], "every": []}, {"found": [-5] * COARSE}, {"classes": {}, "alerts": -3}, {"rare": "gone"}]
)
def test_whatever_a_worker_says_figures_are_shares(odd: dict[str, Any]) -> None:
    recent = noted(telemetry(time=5_000, judged=judged(8)), telemetry(time=99_000, judged=judged(16, **odd))).figures()
    assert recent is not None
    shares = [recent.auprc, recent.alert_precision, recent.alert_recall]
    shares += [figure for one in recent.classes.values() for figure in one[1:]]
    assert all(figure is None or 0.0 <= figure <= 1.0 for figure in shares)


def test_metrics_and_page_have_them() -> None:
    metrics, now = Metrics(), milliseconds()
    workers = Workers(metrics)
    workers.count(parsed(telemetry(started_at=now - 60_000, time=now, judged=judged(80))))
    assert metrics.get("tocsin_judged_labels", "w1", "fraud") == 80
    assert metrics.get("tocsin_judged_right", "w1", "fraud") == 60
    assert metrics.get("tocsin_judged_alerts_right", "w1") == 20
    assert metrics.get("tocsin_class_recall", "w1", "fraud") == 0.75
    assert metrics.get("tocsin_class_precision", "w1", "fraud") == 0.5
    assert metrics.get("tocsin_alert_precision", "w1") == 0.5
    assert metrics.get("tocsin_rare_auprc", "w1") == pytest.approx(0.6875)
    page = overview("s", list(workers.active(now / 1_000)), now / 1_000)
    assert "<h2>Classes</h2>" in page
    assert "0.688" in page
    workers.count(parsed(telemetry(started_at=now - 60_000, time=now + 1, judged=judged(90))))
    assert metrics.get("tocsin_judged_labels", "w1", "fraud") == 90


def test_no_name_or_number_of_classes_fills_the_page_or_the_memory() -> None:
    metrics, now = Metrics(), milliseconds()
    workers = Workers(metrics)
    names = ["\x1b[2J<b>" + "x" * 500, *(f"c{i}" for i in range(500))]
    classes = {name: {"labels": 4, "named": 4, "right": 2} for name in names}
    some = judged(80, classes=classes, rare=names[0], confusion={name: dict.fromkeys(names, 1) for name in names})
    workers.count(parsed(telemetry(started_at=now - 60_000, time=now, judged=some)))
    assert len(samples(metrics, "tocsin_class_recall")) <= CLASSES
    told = {sample.labels["class"] for sample in samples(metrics, "tocsin_judged_labels_total")}
    assert len(told) <= CLASSES + 1
    assert OTHER in told
    page = overview("s", list(workers.active(now / 1_000)), now / 1_000)
    assert "\x1b" not in page
    assert "<b>" not in page
    assert len(page) < 30_000
