"""`tocsin run` and `tocsin forget` on Apache Kafka: nothing of a subject is left in topics, state and snapshots."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import orjson
import pytest

from tocsin.config import Settings, load
from tocsin.streams.transport.base import Record
from tocsin.streams.transport.kafka import KafkaTransport
from tocsin.streams.wire.sealing.secret import Secret

from ..brokers import ApacheKafka
from ..streams.worker.erasing.searching import SECRET, event_of, label_of, needles, traffic_of

SUBJECTS = ["bob", "carl", "anna", "dora"]
EVENTS = 60
CONFIG = """
name: forgetting
schema:
  features: [{{name: a}}, {{name: b, required: false}}, {{name: shop, kind: category}}]
  text: text
  profiles: [{{key: subject, windows: [3 events]}}]
classes: ["no", "yes"]
experts: [{{kind: linear}}, {{kind: neighbours, name: near}}, {{kind: ss3, name: words}}]
abstention: {{cold_start: 5}}
review: {{cold_start: true}}
early_risk: {{classes: ["yes"]}}
kafka: {{bootstrap: "{bootstrap}"}}
topics:
  partitions: 2
  options: {{keys: {{segment.ms: 1000, max.compaction.lag.ms: 1000, delete.retention.ms: 1000}}}}
state: {{directory: {directory}/state, snapshots: {directory}/shared, snapshot_every: 20}}
erasure: {{enabled: true}}
"""

pytestmark = [pytest.mark.broker, pytest.mark.acceptance]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[ApacheKafka]:
    (tmp_path / "kafka").mkdir()
    broker = ApacheKafka(tmp_path / "kafka", **{"log.cleaner.backoff.ms": 500, "log.segment.delete.delay.ms": 100})
    broker.start()
    yield broker
    broker.stop()


@contextmanager
def running(config: Path, log: Path) -> Iterator[None]:
    """`tocsin run`, until the block is over; then it stops cleanly."""
    with log.open("ab") as file:
        process = subprocess.Popen([sys.executable, "-m", "tocsin.streams.cli", "run", str(config)], stderr=file)
    try:
        wait(lambda: "ready:" in log.read_text(), 90, log)
        yield
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0, log.read_text()
    finally:
        process.kill()
        process.wait()


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    """A command that must succeed."""
    done = subprocess.run(
        [sys.executable, "-m", "tocsin.streams.cli", *arguments],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done


def wait(condition: Callable[[], bool], seconds: float, log: Path) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.3)


def records(settings: Settings, topic: str) -> list[Record]:
    with closing(KafkaTransport(settings.kafka, group="looks")) as transport:
        ends = transport.end_offsets(topic)
        return [record for partition, end in ends.items() for record in transport.read(partition, 0, end)]


def send(settings: Settings, topic: str, values: list[dict[str, object]]) -> None:
    with closing(KafkaTransport(settings.kafka, group="sends")) as transport:
        for value in values:
            transport.produce(topic, str(value.get("subject", value.get("event"))).encode(), orjson.dumps(value))
        transport.flush()


def found(settings: Settings, directory: Path) -> set[str]:
    """Where anything that `anna` sent is found in what the service wrote."""
    there = set()
    for topic in settings.topics.names():
        if topic not in (settings.topics.events, settings.topics.labels):
            for record in records(settings, topic):
                parts = [record.key or b"", record.value or b"", *(value for _, value in record.headers)]
                there |= {f"{what} in {topic}" for what, one in needles().items() if one in b"\0".join(parts)}
    for folder in ("state", "shared"):
        for path in (path for path in (directory / folder).rglob("*") if path.is_file()):
            content = path.read_bytes()
            there |= {f"{what} in {path}" for what, one in needles().items() if one in content}
    return there


@pytest.mark.timeout(300, func_only=True)
def test_forgetting_on_apache_kafka_leaves_nothing_and_the_key_is_compacted_away(
    broker: ApacheKafka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOCSIN_ERASURE__SECRET", SECRET)
    config, log = tmp_path / "c.yaml", tmp_path / "log"
    config.write_text(CONFIG.format(bootstrap=broker.bootstrap, directory=tmp_path))
    settings = load(config)
    events, labels = zip(*traffic_of(SUBJECTS, 0, EVENTS), strict=True)
    secret = Secret.of(settings)
    assert secret is not None
    owner = secret.index("anna").hex().encode()

    def keys() -> list[Record]:
        return [one for one in records(settings, "keys") if (one.key or b"").startswith(owner + b".") and one.value]

    with running(config, log):
        send(settings, "events", [*events, event_of("anna", 900)])
        send(settings, "labels", list(labels))
        wait(lambda: len(records(settings, "feedback")) >= EVENTS, 60, log)
        wait(lambda: any((tmp_path / "shared").rglob("manifest.json")), 30, log)
        assert found(settings, tmp_path) != set()  # snapshots and profiles
        assert len(keys()) >= 1
        explained = command("explain", str(config), "anna-2", "--json")
        assert orjson.loads(explained.stdout)["explanation"]["experts"]
        assert "zyzzyva" in command("feedback", str(config)).stdout
        done = command("forget", str(config), "--subject", "anna", "--yes", "--report", "json")
        told = orjson.loads(done.stdout.splitlines()[-1])
        assert told["feedback"] == EVENTS // len(SUBJECTS)
        assert told["keys"] >= 1
        explained = command("explain", str(config), "anna-2", "--json")
        assert orjson.loads(explained.stdout)["explanation"] is None
        assert "its subject was forgotten" in explained.stderr
        lines = [orjson.loads(line) for line in command("feedback", str(config)).stdout.splitlines()]
        assert sum(line.get("erased", False) for line in lines) == EVENTS // len(SUBJECTS)
        assert lines[-1]["reason"] == "forgotten"
        wait(lambda: "the file of the state was written anew" in log.read_text(), 30, log)
        wait(lambda: "the model went back to feedback offset" in log.read_text(), 30, log)
        # What is written behind the deletion lets the broker close the segment, and compact it.
        for i in range(3):
            time.sleep(1.2)
            send(settings, "events", [event_of(f"later{i}", 950 + i)])
        wait(lambda: not keys(), 60, log)
        send(settings, "labels", [label_of("bob", 0) | {"label": "no", "source": "other"}])
        time.sleep(2)
    assert found(settings, tmp_path) == set()
