"""A rollback, and labels that are taken back, while three workers are under load: one offset, and nothing is lost."""

from __future__ import annotations

import time
from pathlib import Path

import orjson
import pytest

from tocsin.config.settings import Settings
from tocsin.streams.transport import topics
from tocsin.streams.wire.packed.control import is_control, read_control

from ..brokers import ApacheKafka
from ..streams.worker.left_out_logs import folded
from .exactly_once import WORKERS, Count, Feeder, Group, Storm, check_exactly_once, records_of

WORK = Storm(events=8_000, labels=6_000, kills=0, broker_kills=0, batch=50)
CHUNK = 100
ROLLED_BACK, TAKEN_BACK = 1_000, range(3_000, 3_040)
pytestmark = pytest.mark.broker


@pytest.mark.acceptance
@pytest.mark.timeout(300, func_only=True)
def test_a_rollback_under_load_takes_all_workers_back_at_one_offset_and_loses_nothing(
    own_apache: ApacheKafka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = Group(own_apache.bootstrap, tmp_path, WORK.batch, TOCSIN_STATE__SNAPSHOT_EVERY="400")
    settings = group.settings(monkeypatch)
    topics.create(settings)
    feeder = Feeder(settings, WORK)
    feedback, decisions = Count(settings, settings.topics.feedback), Count(settings, settings.topics.decisions)
    with group.running():
        feeder.feed(0, WORK.events // 2)
        feeder.flush()
        feedback.wait_for(WORK.labels // 4, group, WORK.seconds)
        asked = group.ask("rollback", "--to", str(ROLLED_BACK), "--yes", "--report", "json")
        for start in range(WORK.events // 2, WORK.events, CHUNK):
            feeder.feed(start, start + CHUNK)
            time.sleep(0.1)
        told = orjson.loads(asked.communicate(timeout=60)[0])
        feeder.flush()
        decisions.wait_for(WORK.events, group, WORK.seconds)
        feedback.wait_for(WORK.labels + 1, group, WORK.seconds)
        feeder.take_back(TAKEN_BACK)
        feeder.flush()
        feedback.wait_for(WORK.labels + 1 + len(TAKEN_BACK), group, WORK.seconds)
        learn_to_the_end(settings, group)
        assert group.interrupt_all() == [0] * WORKERS
        logs = [group.log(number).read_text() for number in range(WORKERS)]
        digests = group.digests()
    for count in (feedback, decisions):
        count.close()
    check_exactly_once(settings, WORK)

    records = list(records_of(settings, settings.topics.feedback))
    controls = {one.offset: read_control(one.value or b"") for one in records if is_control(one.value)}
    assert min(controls) == told["offset"]
    assert sorted(control.reason for control in controls.values()) == ["rollback"] + ["taken-back"] * len(TAKEN_BACK)
    for log in logs:
        assert f"offset {told['offset']}: the model went back to feedback offset" in log
    gone = {offset for control in controls.values() for offset in control.offsets}
    gone |= {record.offset for record in records if ROLLED_BACK <= record.offset < told["end"]}
    kept = [record for record in records if record.offset not in gone and not is_control(record.value)]
    assert 0 < len(kept) <= WORK.labels - told["records"]
    assert len(digests) == 1
    state = settings.state.model_copy(update={"directory": tmp_path / "folded"})
    assert {sha256 for _, sha256 in digests} == {folded(kept, settings.model_copy(update={"state": state}))}


def learn_to_the_end(settings: Settings, group: Group) -> None:
    """Wait until every worker says that it has learnt the feedback to its end."""
    end = max(record.offset for record in records_of(settings, settings.topics.feedback))
    deadline = time.monotonic() + WORK.seconds
    while True:
        told = [orjson.loads(record.value or b"") for record in records_of(settings, settings.topics.telemetry)]
        last = {one["worker"]: one["feedback_offset"] for one in told}
        if len(last) == WORKERS and min(last.values()) > end:
            return
        group.check_alive()
        assert time.monotonic() < deadline, (last, end)
        time.sleep(1)
