"""`tocsin feedback`: what the models learn from, for people."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from typer.testing import CliRunner

from tocsin.config.kafka import KafkaSettings
from tocsin.config.schema import SchemaSettings
from tocsin.config.settings import Settings
from tocsin.streams.cli.app import app
from tocsin.streams.cli.commands.feedback import json_lines
from tocsin.streams.cli.console import print_result
from tocsin.streams.transport import topics
from tocsin.streams.transport.base import Partition
from tocsin.streams.transport.kafka import KafkaTransport
from tocsin.streams.transport.memory import MemoryBroker, MemoryTransport
from tocsin.streams.wire.packed.feedback import MARK

from ..support import Service, drain, event, label, running, settings

OLDER = (Path(__file__).parents[1] / "older" / "feedback_0_1_0.jsonl").read_bytes().splitlines()
GARBAGE = [b"", b"no json", MARK + b"\x00", MARK, b"\xff" * 9, b"[" * 5_000, None]


def packed(tmp_path: Path, *ids: str) -> list[bytes]:
    """Feedback as this release writes it."""
    service = Service(settings(tmp_path))
    with running(service) as worker:
        for identity in ids:
            service.send(event(identity))
            service.tell(label(identity))
        drain(worker)
    return [record.value or b"" for record in service.records("feedback")]


def log_of(values: Sequence[bytes | None]) -> MemoryTransport:
    broker = MemoryBroker()
    broker.create("feedback")
    for value in values:
        broker.append("feedback", None, value, ())
    return MemoryTransport(broker)


def test_a_log_that_two_releases_wrote_is_printed_whole_and_in_order(tmp_path: Path) -> None:
    new = packed(tmp_path, "e0", "e1")
    assert all(value.startswith(MARK) for value in new)
    lines = [json.loads(line) for line in json_lines(log_of([*OLDER[:2], *new]), "feedback", 0)]
    older = [orjson.loads(line)["event"]["id"] for line in OLDER[:2]]
    assert [line["event"]["id"] for line in lines] == [*older, "e0", "e1"]
    assert all(line["decision"]["model"]["config"] and line["context"] for line in lines)
    assert lines[2]["event"]["features"] == {"a": 1.0, "b": 2.0}


def test_what_is_no_feedback_is_named_with_its_offset_and_hides_nothing_behind_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    [good] = packed(tmp_path, "good")
    transport = log_of([good, *GARBAGE, good[:-3], good])
    assert [json.loads(line)["event"]["id"] for line in json_lines(transport, "feedback", 0)] == ["good", "good"]
    named = capsys.readouterr().err.splitlines()
    assert len(named) == len(GARBAGE) + 1
    for offset, line in enumerate(named, 1):
        assert line.startswith(f"feedback-0, offset {offset} is no feedback record: ")
        assert line.isprintable()


def test_an_offset_that_is_deleted_starts_with_the_first_that_is_there(tmp_path: Path) -> None:
    broker = MemoryBroker()
    broker.create("feedback")
    for value in packed(tmp_path, "e0", "e1", "e2"):
        broker.append("feedback", None, value, ())
    broker.expire(Partition("feedback", 0), 1)
    transport = MemoryTransport(broker)
    for start, expected in ((0, ["e1", "e2"]), (2, ["e2"]), (3, []), (99, [])):
        assert [json.loads(line)["event"]["id"] for line in json_lines(transport, "feedback", start)] == expected


def test_no_id_steers_the_terminal_and_each_record_stays_one_line_of_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hostile = "\x1b[31m\x9b2J\u202e\u2028\n[/x]漢"
    for line in json_lines(log_of(packed(tmp_path, hostile)), "feedback", 0):
        print_result(line)
    shown = capsys.readouterr().out
    assert shown.count("\n") == 1
    assert shown.rstrip("\n").isprintable()
    assert json.loads(shown)["event"]["id"] == hostile


@pytest.mark.broker
def test_the_command_prints_a_part_of_the_topic(apache: str, tmp_path: Path) -> None:
    mark = uuid.uuid4().hex[:8]
    names: dict[str, Any] = {"feedback": f"feedback-{mark}"}
    config = Settings(
        kafka=KafkaSettings(bootstrap=apache), topics=names, schema=SchemaSettings(text="text"), name=f"test-{mark}"
    )
    topics.create(config)
    transport = KafkaTransport(config.kafka, group=config.group, client_id="test")
    for value in (*packed(tmp_path, "e0", "e1"), b"garbage", *packed(tmp_path / "more", "e2", "e3")):
        transport.produce(f"feedback-{mark}", None, value)
    transport.flush()
    transport.close()
    path = tmp_path / "config.yaml"
    tree = {"schema": {"text": "text"}, "kafka": {"bootstrap": apache}, "topics": names, "name": config.name}
    path.write_text(yaml.safe_dump(tree))
    result = CliRunner().invoke(app, ["feedback", str(path), "--from", "1", "--limit", "2"])
    assert result.exit_code == 0, result.stderr
    assert [json.loads(line)["event"]["id"] for line in result.stdout.splitlines()] == ["e1", "e2"]
    assert f"feedback-{mark}-0, offset 2 is no feedback record" in result.stderr
    path.write_text(yaml.safe_dump({**tree, "topics": {"feedback": f"none-{mark}"}}))
    result = CliRunner().invoke(app, ["feedback", str(path)])
    assert result.exit_code == 1
    assert f"none-{mark}" in result.stderr
