"""Promote and roll back while three workers are at work on Apache Kafka: one offset, nothing lost or doubled."""

from __future__ import annotations

import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest

from tocsin.config.loading.file import load
from tocsin.config.settings import Settings
from tocsin.streams.transport import topics
from tocsin.streams.wire.packed.control import is_control, read_control
from tocsin.streams.wire.packed.feedback import read_feedback

from ..brokers import ApacheKafka
from .exactly_once import CONFIG, Count, Feeder, Group, Storm, records_of

STORM = Storm(events=30_000, labels=20_000, kills=0, broker_kills=0, batch=200)
SHADOW = "experts: [{kind: naive-bayes}, {kind: linear}]\nseed: 7\n"
NAMED = "shadow: other.yaml\npromotion: {margin: 0.5, after: 100}\n"

pytestmark = pytest.mark.broker


class GroupWithShadow(Group):
    """Workers whose config names a shadow."""

    def __init__(self, bootstrap: str, directory: Path) -> None:
        super().__init__(bootstrap, directory, STORM.batch)
        self._config.write_text(CONFIG + NAMED)
        self._config.with_name("other.yaml").write_text(SHADOW)

    def command(self, name: str, *more: str) -> Any:
        """What a command reports as JSON, once every worker has come to the choice before."""
        command, environment = self._command(0, name, *more, "--report", "json")
        deadline = time.monotonic() + 60
        while True:
            done = subprocess.run(command, env=environment, capture_output=True, timeout=120, check=False)
            if b"not come to the last choice yet" not in done.stderr or time.monotonic() > deadline:
                break
            time.sleep(1)
        assert done.returncode == 0, done.stderr.decode()
        return orjson.loads(done.stdout.splitlines()[-1])


@pytest.mark.acceptance
@pytest.mark.timeout(400, func_only=True)
def test_promote_and_rollback_under_load_change_all_workers_at_one_offset(
    own_apache: ApacheKafka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = GroupWithShadow(own_apache.bootstrap, tmp_path)
    settings = group.settings(monkeypatch)
    topics.create(settings)
    chosen = work(group, settings)
    check(settings, load(tmp_path / "once.yaml"), chosen)


def work(group: GroupWithShadow, settings: Settings) -> list[dict[str, Any]]:
    """Events and labels come all the time; returns what promote and rollback said."""
    feeder, chosen, topics_of = Feeder(settings, STORM), [], settings.topics
    with group.running():
        decisions, feedback = Count(settings, topics_of.decisions), Count(settings, topics_of.feedback)
        steps = [None, "promote", "rollback", "promote", None]
        for step, command in enumerate(steps):
            start, stop = (number * STORM.events // len(steps) for number in (step, step + 1))
            feeder.feed(start, stop)
            decisions.wait_for(start + 500, group, 120)
            if command is not None:
                feedback.wait_for(500, group, 120)
                chosen.append(group.command(command, "--yes"))
        feeder.flush()
        decisions.wait_for(STORM.events, group, STORM.seconds)
        feedback.wait_for(STORM.labels + len(chosen), group, STORM.seconds)
        wait_until_all_is_learnt(settings)
        assert group.interrupt_all() == [0, 0, 0]
        assert len(digests := group.digests()) == 1, digests
    return chosen


def wait_until_all_is_learnt(settings: Settings) -> None:
    """Until every worker, of both models, has learnt the last feedback record."""
    end = max(record.offset for record in records_of(settings, settings.topics.feedback)) + 1
    deadline = time.monotonic() + 120
    while True:
        reports = [orjson.loads(record.value or b"") for record in records_of(settings, settings.topics.telemetry)]
        latest = {one["worker"]: one for one in sorted(reports, key=lambda one: one["time"])}
        if {(one["feedback_offset"], one["shadow"]["feedback_offset"]) for one in latest.values()} == {(end, end)}:
            return
        assert time.monotonic() < deadline, latest
        time.sleep(1)


def check(settings: Settings, config: Settings, chosen: list[dict[str, Any]]) -> None:
    """Each event is decided once, by the config of its feedback offset; each label is learnt once."""
    assert config.of_shadow is not None
    first, second = config.digest(), config.of_shadow.digest()
    controls = {}
    learnt: Counter[str] = Counter()
    for record in records_of(settings, settings.topics.feedback):
        if is_control(record.value):
            controls[record.offset] = read_control(record.value or b"").config
        else:
            learnt[read_feedback(record).event.id] += 1
    assert controls == {one["offset"]: one["config"] for one in chosen}
    assert list(controls.values()) == [second, first, second]
    decided = [orjson.loads(record.value or b"") for record in records_of(settings, settings.topics.decisions)]
    times = Counter(one["event"] for one in decided)
    assert times == Counter(f"e{number}" for number in range(STORM.events))
    assert learnt == Counter(f"e{number}" for number in range(STORM.labels))
    by: Counter[str] = Counter()
    for one in decided:
        model = one["model"]
        wanted = [config for offset, config in [(-1, first), *controls.items()] if offset < model["feedback_offset"]]
        assert model["settings"] == wanted[-1], one["event"]
        by[model["settings"]] += 1
    assert min(by[first], by[second]) > 1_000
    assert list(records_of(settings, settings.topics.dead_letters)) == []
