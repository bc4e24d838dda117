"""Two workers of one config whose models differ at one feedback offset are an alarm, and nothing else is."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from tocsin.streams.monitor.metrics import Metrics
from tocsin.streams.monitor.overview import overview
from tocsin.streams.monitor.record_counts import DeadLetterCounts
from tocsin.streams.monitor.snapshot_digests import SNAPSHOTS, ToldSnapshots
from tocsin.streams.monitor.view import View
from tocsin.streams.monitor.workers import SILENT_SECONDS, Workers

from .support import milliseconds, parsed, telemetry

ONE, OTHER = "1" * 64, "2" * 64


class Group:
    """Workers that report, as the monitor counts them."""

    def __init__(self) -> None:
        self.metrics = Metrics()
        self.workers = Workers(self.metrics)
        self._now = milliseconds()

    def tell(self, worker: str, offset: int | None, sha256: str | None, **more: Any) -> None:
        self._now += 1
        report = {"time": self._now, "snapshot_offset": offset, "snapshot_sha256": sha256, **more}
        self.workers.count(parsed(telemetry(worker, **report)))

    def disagreements(self, later: float = 0.0) -> float:
        now = self._now / 1000 + later
        self.workers.refresh(now)
        [family] = [family for family in self.metrics.registry.collect() if family.name == "tocsin_models_disagree"]
        [sample] = family.samples
        assert sample.value == self.metrics.get("tocsin_models_disagree")
        return sample.value

    def page(self) -> str:
        now = self._now / 1000
        return overview("tocsin", list(self.workers.active(now)), now)

    def terminal(self, is_terminal: bool) -> str:
        shown = io.StringIO()
        console = Console(file=shown, force_terminal=is_terminal, width=300, color_system=None)
        with View("tocsin", "address", console) as view:
            view.show(self.workers, DeadLetterCounts(self.metrics), self.metrics, self._now / 1000)
        return shown.getvalue()


def test_two_models_at_one_offset_are_told_and_named() -> None:
    group = Group()
    group.tell("w1", 20, ONE)
    group.tell("w2", 20, ONE)
    assert group.disagreements() == 0
    assert 'class="warning"' not in group.page()
    group.tell("w3", 20, OTHER)
    assert group.disagreements() == 1
    for shown in (group.page(), group.terminal(True), group.terminal(False)):
        assert "w1, w2 (111111111111) and w3 (222222222222) differ at feedback offset 20" in shown


def test_a_worker_that_comes_to_an_offset_later_is_compared_there() -> None:
    group = Group()
    for offset in (20, 40, 60):
        group.tell("w1", offset, f"{offset}" * 32)
    group.tell("w2", 20, "20" * 32)
    group.tell("w2", 40, OTHER)
    assert group.disagreements() == 1
    group.tell("w2", 60, OTHER)
    assert group.disagreements() == 2
    assert "offset 60" in group.page()


@pytest.mark.parametrize(
    ("offset", "more"),
    [(40, {}), (20, {"config": "another"}), (None, {})],
    ids=["another offset", "another config", "an older worker, or one without a snapshot"],
)
def test_models_that_need_not_be_equal_are_no_alarm(offset: int | None, more: dict[str, Any]) -> None:
    group = Group()
    group.tell("w1", 20, ONE)
    group.tell("w2", offset, None if offset is None else OTHER, **more)
    assert group.disagreements() == 0


def test_the_alarm_ends_when_the_worker_has_its_model_folded_anew_or_is_gone() -> None:
    group = Group()
    group.tell("w1", 20, ONE)
    group.tell("w2", 20, OTHER)
    assert group.disagreements() == 1
    assert group.disagreements(later=SILENT_SECONDS + 5) == 0
    group.tell("w2", None, None, started_at=2_000)
    assert group.disagreements() == 0
    group.tell("w2", 20, OTHER, started_at=2_000)  # it went on from the snapshot that is wrong
    assert group.disagreements() == 1
    group.tell("w2", 20, ONE, started_at=3_000)
    assert group.disagreements() == 0


def test_reports_that_are_read_again_raise_no_alarm() -> None:
    group = Group()
    group.tell("w1", 20, ONE)
    group.tell("w2", 20, OTHER, started_at=1_000)
    group.tell("w2", 20, ONE, started_at=2_000)
    group.tell("w2", 20, OTHER, started_at=1_000, time=milliseconds() - 60_000)
    assert group.disagreements() == 0


def test_no_number_of_snapshots_fills_the_memory_and_no_name_is_markup() -> None:
    told = ToldSnapshots()
    for offset in range(10 * SNAPSHOTS):
        told.note(parsed(telemetry(snapshot_offset=offset, snapshot_sha256="x" * 10_000)))
    assert len(told.by_place) == SNAPSHOTS
    assert max(map(len, told.by_place.values())) <= 64
    group = Group()
    for i in range(50):
        group.tell(f"<b>\x1b{i}" + "w" * 1_000, 20, f"{i}<i>\u202e")
    page = group.page()
    assert group.disagreements() == 1
    assert "47 more" in page
    assert "<b>" not in page
    assert "<i>" not in page
    warning = page.partition('<p class="warning">')[2].partition("</p>")[0]
    assert warning.isprintable()
    assert len(warning) < 1_000
