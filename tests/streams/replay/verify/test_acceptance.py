"""Fifty thousand decisions across snapshots, a drift, another config and a crash: all are made again, to the last one.

It takes about half a minute on two cores.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tocsin.config.settings import Settings
from tocsin.streams.replay.past.span import Span
from tocsin.streams.worker.worker import Worker

from ...support import START, Service, drain, running, settings
from .verifying import TamperedTransport, WatchedTransport, all_good, crash_before_commit, verify

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(900)]

EVENTS, AT_ONCE, DRIFT, CHANGE, CRASH = 50_000, 500, 20_000, 30_000, 40_000
SCHEMA: dict[str, Any] = {
    "features": [{"name": "a"}, {"name": "b", "required": False}],
    "profiles": [{"key": "subject", "windows": ["1h", "20 events"], "rate": ["yes"]}],
}
EXPERTS = [
    {"kind": "linear"},
    {"kind": "naive-bayes"},
    {"kind": "tree"},
    {"kind": "persistence", "by": "subject"},
]


def config(directory: Path, shared: Path, **changes: Any) -> Settings:
    values: dict[str, Any] = {
        "schema": SCHEMA,
        "experts": EXPERTS,
        "prior_shift": {"enabled": True, "window": 1_000, "mature": 500},
        "abstention": {"cold_start": 50, "budget": "200/day"},
        "alert": {"class": "yes", "budget": "1%"},
        "early_risk": {"classes": ["yes"]},
        "batching": {"max_events": AT_ONCE},
        "state": {"directory": directory, "snapshot_every": 10_000, "snapshots": str(shared)},
    }
    return settings(directory, **{**values, **changes})


def pairs(start: int, n: int) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Events whose classes change places at `DRIFT`, and of which ever more are `yes`."""
    rng = np.random.default_rng(start)
    for i in range(start, start + n):
        a, b = rng.normal(size=2).tolist()
        yes = (a + 0.5 * rng.normal() > b + 1.0 - i / EVENTS) != (i >= DRIFT)
        subject = f"s{rng.integers(0, 300)}"
        raw = {"id": f"e{i}", "subject": subject, "time": START + i * 10_000}
        raw["features"] = {"a": a, "b": None if i % 13 == 0 else b}
        truth = {"event": f"e{i}", "label": "yes" if yes else "no", "time": START + i * 10_000 + 60_000}
        yield raw, truth | {"subject": subject}


def go_on(service: Service, worker: Worker, start: int, stop: int) -> None:
    """Events in portions, with the labels of each one portion late; snapshots are shared meanwhile."""
    late: list[dict[str, Any]] = []
    for first in range(start, stop, AT_ONCE):
        portion = list(pairs(first, AT_ONCE))
        service.send(*(raw for raw, _ in portion))
        service.tell(*late)
        drain(worker)
        late = [told for _, told in portion]
        service.clock.move(2)
    service.tell(*late)
    drain(worker)
    for _ in range(3):
        service.clock.move(2)
        time.sleep(0.2)
        drain(worker)


def test_fifty_thousand_decisions_are_made_again_and_one_byte_is_found(tmp_path: Path) -> None:
    one = config(tmp_path / "one", tmp_path / "shared")
    service = Service(one, partitions=3)
    with running(service) as worker:
        go_on(service, worker, 0, CHANGE)
    other = config(tmp_path / "two", tmp_path / "shared", experts=[*EXPERTS, {"kind": "neighbours"}], seed=4)
    service.settings = other
    with running(service) as worker:
        go_on(service, worker, CHANGE, CRASH)
    crash_before_commit(service, AT_ONCE, start=EVENTS)
    service.clock.move(1)
    with running(service) as worker:
        go_on(service, worker, CRASH, EVENTS)
    decisions = service.records("decisions")
    assert len({record.value for record in decisions}) == len(decisions) == EVENTS + 2 * AT_ONCE

    report = verify(service, tmp_path / "empty")
    assert all_good(report, EVENTS + 2 * AT_ONCE)
    assert (report.chain.begun, report.chain.links) == (3, EVENTS + 2 * AT_ONCE - 3)

    span, watched = Span(first_offset=45_000), WatchedTransport(service)
    assert verify(service, tmp_path / "empty", span, watched).good
    assert min(watched.offsets) >= 40_000  # the fold began at a snapshot of the store

    target = decisions[len(decisions) // 2]
    value = target.value or b""
    at = value.index(b'"conflict":') + 14
    changed = value[:at] + bytes([value[at] ^ 1]) + value[at + 1 :]
    reader = TamperedTransport(service, lambda record: changed if record.value == value else record.value)
    found = verify(service, tmp_path / "empty", span, reader)
    assert [place.record for place in found.chain.places] == [f"decisions-{target.partition}, offset {target.offset}"]
