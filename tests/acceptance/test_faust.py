"""`tocsin run --transport faust` beside independent clients, on Apache Kafka."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import orjson
import pytest

from .service import ELECTRICITY, PRESET, Service, electricity, need_kcat, wait_for

pytestmark = [pytest.mark.acceptance, pytest.mark.broker, pytest.mark.timeout(400, func_only=True)]


@pytest.fixture(scope="module")
def compiled() -> None:
    """Every kernel of the preset compiled and cached: a service that compiles first takes minutes to be ready."""
    arguments = ["replay", str(PRESET), str(ELECTRICITY), "--in-process", "--limit", "1"]
    subprocess.run([sys.executable, "-m", "tocsin.streams.cli", *arguments], check=True, capture_output=True)


@pytest.fixture
def service(apache: str, compiled: None, tmp_path: Path) -> Iterator[Service]:
    need_kcat()
    service = Service(apache, f"t{uuid4().hex[:8]}", tmp_path, ["--transport", "faust"])
    yield service
    service.end()


def test_a_service_through_faust_that_is_killed_loses_no_event_and_no_label(service: Service) -> None:
    rows = list(electricity(40_000))
    service.start()
    assert "kafka.guarantee is at-least-once here" in service.log
    service.produce("labels", [(b"", label) for _, _, label in rows])
    events = [(orjson.loads(event)["subject"].encode(), event) for _, event, _ in rows]
    with service.keeps_coming("events", events):
        service.wait_for_first("decisions", 1_000, 60)
        service.kill()

    service.start()
    service.wait_for("feedback", len(rows), 180)
    learnt = 0

    def all_learnt() -> bool:
        nonlocal learnt
        learnt = max(record["feedback_offset"] for record in service.records("telemetry"))
        return learnt == len(rows)

    wait_for(all_learnt, 120, "all feedback to be learnt", service)
    assert service.interrupt(signal.SIGTERM) == 0

    decided = Counter(decision["event"] for decision in service.records("decisions"))
    assert set(decided) == {identity for identity, _, _ in rows}
    assert set(Counter(item["event"]["id"] for item in service.records("feedback")).values()) == {1}
    last = max(service.records("telemetry"), key=lambda record: int(record["time"]))
    assert last["counts"]["decided_twice"] == decided.total() - len(decided)
    assert "Traceback" not in service.log, service.log
    assert "stopping: the batch in hand is committed" in service.log
