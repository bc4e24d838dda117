"""What the page and the terminal show."""

from __future__ import annotations

import io
import time

from rich.console import Console

from tocsin.streams.monitor.expert_table import COLUMNS, expert_rows, mean_engaged
from tocsin.streams.monitor.metrics import Metrics
from tocsin.streams.monitor.overview import overview
from tocsin.streams.monitor.record_counts import DeadLetterCounts
from tocsin.streams.monitor.view import View
from tocsin.streams.monitor.workers import Workers

from .support import parsed, record, samples, telemetry


class TestExperts:
    def test_an_expert_that_has_not_scored_is_no_zero(self) -> None:
        metrics = Metrics()
        workers = Workers(metrics)
        young = {"state": "active", "age": 0, "reliability": None}
        workers.count(parsed(telemetry(experts={"tree": young}, engaged=None)))
        assert metrics.get("tocsin_expert_active", "w1", "tree") == 1
        for name in ("reliability", "accuracy", "share", "nodes", "consistency"):
            assert not samples(metrics, f"tocsin_expert_{name}")
        assert not samples(metrics, "tocsin_engaged_experts")
        active = list(workers.active(time.time()))
        row = dict(zip(COLUMNS, expert_rows(active)[0], strict=True))
        assert {row[c] for c in ("reliability", "accuracy", "share", "engaged", "consistency")} == {"none yet"}
        assert row["nodes"] == "-"
        assert mean_engaged(active) == "none yet"

    def test_what_is_the_models_own_is_that_of_the_worker_that_learnt_most(self) -> None:
        workers = Workers(Metrics())
        for offset, reliability, state in ((5, 0.2, "active"), (9, 0.6, "retired")):
            report = {"reliability": reliability, "share": reliability, "state": state, "age": offset}
            workers.count(parsed(telemetry(f"w{offset}", experts={"tree": report}, feedback_offset=offset)))
        row = dict(zip(COLUMNS, expert_rows(list(workers.active(time.time())))[0], strict=True))
        assert (row["state"], row["age"], row["reliability"], row["share"]) == ("retired", "9", "-", "-")

    def test_figures_are_means_over_the_workers(self) -> None:
        workers = Workers(Metrics())
        for offset, reliability in ((5, 0.2), (9, 0.6)):
            report = {"reliability": reliability, "share": None, "age": offset}
            workers.count(parsed(telemetry(f"w{offset}", experts={"tree": report}, feedback_offset=offset)))
        row = dict(zip(COLUMNS, expert_rows(list(workers.active(time.time())))[0], strict=True))
        assert (row["reliability"], row["share"], row["age"]) == ("0.400", "none yet", "9")

    def test_the_page_shows_workers_and_experts_and_takes_no_name_for_markup(self) -> None:
        workers = Workers(Metrics())
        workers.count(parsed(telemetry("<script>w", experts={"<b>tree": telemetry()["experts"]["tree"]})))
        now = time.time()
        page = overview("tocsin", list(workers.active(now)), now)
        assert "&lt;script&gt;w" in page
        assert "&lt;b&gt;tree" in page
        assert "<script" not in page
        assert "<b>" not in page
        for shown in ("0.600", "0.850", "1,237", "2,345", "regrown 2", "on average: 1.5"):
            assert shown in page
        assert "No worker was heard of lately" in overview("tocsin", [], now)


def test_the_terminal_view_shows_everything_and_obeys_nobody() -> None:
    metrics = Metrics()
    workers, dead_letters = Workers(metrics), DeadLetterCounts(metrics)
    workers.count(parsed(telemetry("evil[red]\x1b[2J")))
    dead_letters.count(
        record({}, [("__streams.errors.exception", b"not-json"), ("__streams.errors.message", b"\x1b]0;x\x07 bad")])
    )
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=160, height=60, color_system=None)
    with View("tocsin", "http://127.0.0.1:1", console) as view:
        view.show(workers, dead_letters, metrics, time.time())
        view.show(workers, dead_letters, metrics, time.time())
    shown = screen.getvalue()
    assert "evil[red]\\u001b[2J" in shown
    assert "\x1b[2J" not in shown
    assert "\x1b]0" not in shown
    for expected in (
        "80.0%",
        "uncertain",
        "ham",
        "tree",
        "2,345",
        "regrown 2",
        "1.5 engaged",
        "not-json",
        "\\u001b]0;x\\u0007 bad",
    ):
        assert expected in shown
