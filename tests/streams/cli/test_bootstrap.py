"""`tocsin bootstrap` as a command, on real brokers."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import orjson
import pytest

from tocsin.config import load
from tocsin.config.settings import Settings
from tocsin.streams.replay.bootstrap.bootstrap import Bootstrap, open_writer
from tocsin.streams.replay.bootstrap.history import History
from tocsin.streams.transport.base import Partition, Transport, TransportError
from tocsin.streams.transport.embedded import free_port
from tocsin.streams.transport.kafka import KafkaTransport
from tocsin.streams.wire.packed.feedback import read_feedback

from .test_commands import tocsin

CONFIG = """
name: {name}
schema: {{features: [{{name: a}}]}}
classes: [no, yes]
experts: [{{kind: persistence}}]
kafka: {{bootstrap: "{bootstrap}"}}
topics: {{{topics}}}
replay: {{label: y, id: key}}
state: {{directory: {state}}}
"""
ROLES = ("events", "labels", "decisions", "feedback", "alerts", "review", "dead_letters", "telemetry")


def service(bootstrap: str, tmp_path: Path) -> Path:
    """The config of a service with topics of its own."""
    mark = uuid.uuid4().hex[:8]
    topics = ", ".join(f"{role}: {role}-{mark}" for role in ROLES)
    path = tmp_path / "c.yaml"
    path.write_text(CONFIG.format(name=f"t{mark}", bootstrap=bootstrap, topics=topics, state=tmp_path / "state"))
    return path


def history(tmp_path: Path, n: int, name: str = "past.csv") -> Path:
    path = tmp_path / name
    path.write_text("key,a,y\n" + "".join(f"e{i},{i},{'yes' if i % 3 else 'no'}\n" for i in range(n)))
    return path


def feedback(config: Settings) -> list[str]:
    """The ids of the events in the topic of feedback."""
    transport = KafkaTransport(config.kafka, group=config.group)
    try:
        partition = Partition(config.topics.feedback, 0)
        end = transport.end_offsets(config.topics.feedback)[partition]
        return [read_feedback(record).event.id for record in transport.read(partition, 0, end)]
    finally:
        transport.close()


def bootstrapped(*arguments: object) -> tuple[Any, dict[str, Any]]:
    result = tocsin("bootstrap", *arguments, "--report", "json")
    return result, json.loads(result.stdout.splitlines()[-1]) if result.stdout else {}


@pytest.mark.broker
def test_a_service_starts_with_what_a_history_teaches(broker: str, tmp_path: Path) -> None:
    config, past = service(broker, tmp_path), history(tmp_path, 2_500)
    result, report = bootstrapped(config, past)
    assert result.exit_code == 0, result.stderr
    assert (report["events"], report["written"], report["dead_letters"]) == (2_500, 2_500, 0)
    assert report["events_per_second"] > 0
    assert feedback(load(config)) == [f"e{i}" for i in range(2_500)]
    again, report = bootstrapped(config, past)
    assert again.exit_code == 0, again.stderr
    assert (report["written"], report["there_already"]) == (0, 2_500)
    assert "holds all of this history already" in again.stderr
    command = [sys.executable, "-m", "tocsin.streams.cli", "run", str(config)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as worker:
        assert worker.stderr is not None
        log = []
        for line in worker.stderr:
            log.append(line)
            if "restored the model" in line:
                break
        worker.terminate()
        assert worker.wait(60) == 0, log
    assert "no snapshot and 2500 feedback records" in log[-1]
    other, _ = bootstrapped(config, history(tmp_path, 30, "other.csv"))
    assert other.exit_code == 1
    assert "1 other history" in other.stderr
    assert "--append" in other.stderr


@pytest.mark.broker
def test_a_range_of_a_topic_is_a_history_in_the_order_of_its_times(tansu: str, tmp_path: Path) -> None:
    path = service(tansu, tmp_path)
    config = load(path)
    assert tocsin("topics", "create", path).exit_code == 0
    transport = KafkaTransport(config.kafka, group=config.group)
    for i in range(40):  # over four partitions, which are read one after the other
        event = {"id": f"e{i}", "subject": f"s{i % 7}", "time": 1_700_000_000_000 + i, "features": {"a": i}}
        transport.produce(config.topics.events, f"s{i % 7}".encode(), orjson.dumps(event))
        if i % 4:
            transport.produce(config.topics.labels, None, orjson.dumps({"event": f"e{i}", "label": "yes"}))
    transport.flush()
    transport.close()
    source = f"kafka:{config.topics.events}?to=100"
    result, report = bootstrapped(path, source)
    assert result.exit_code == 0, result.stderr
    assert (report["events"], report["written"], report["unlabelled"]) == (40, 30, 10)
    assert feedback(config) == [f"e{i}" for i in range(40) if i % 4]
    again, report = bootstrapped(path, source)
    assert again.exit_code == 0, again.stderr
    assert (report["written"], report["there_already"]) == (0, 40)


@pytest.mark.broker
def test_of_two_runs_at_once_the_first_is_refused_and_nothing_is_doubled(apache: str, tmp_path: Path) -> None:
    path, past = service(apache, tmp_path), history(tmp_path, 3_000)
    config = load(path)
    assert tocsin("topics", "create", path).exit_code == 0

    def no_reader() -> Transport:
        raise AssertionError

    first = Bootstrap(config, lambda: open_writer(config))
    passed = 0

    def another() -> None:
        """In the middle of the first run, a second one does all the work."""
        nonlocal passed
        passed += 1
        if passed == 1_500:
            result, report = bootstrapped(path, past)
            assert result.exit_code == 0, result.stderr
            assert report["there_already"] + report["written"] == 3_000

    with pytest.raises(TransportError):
        first.run([History(config, str(past), no_reader)], progress=another)
    assert feedback(config) == [f"e{i}" for i in range(3_000)]


@pytest.mark.broker
def test_a_history_of_which_nothing_fits_fails(tansu: str, tmp_path: Path) -> None:
    config, past = service(tansu, tmp_path), tmp_path / "past.csv"
    past.write_text("key,a,y\ne1,much,yes\ne2,1,perhaps\n")
    result, report = bootstrapped(config, past)
    assert result.exit_code == 1
    assert (report["written"], report["dead_letters"]) == (0, 2)
    assert "must be a number" in result.stderr


def test_without_a_broker_it_says_so(tmp_path: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    result, _ = bootstrapped(service(address, tmp_path), history(tmp_path, 3))
    assert result.exit_code == 1
    assert address in result.stderr
    assert not result.stdout


def test_a_file_that_is_not_there_is_told_before_anything_is_done(tmp_path: Path) -> None:
    result, _ = bootstrapped(service("127.0.0.1:1", tmp_path), tmp_path / "none.csv")
    assert result.exit_code == 1
    assert "none.csv: no such file" in result.stderr
