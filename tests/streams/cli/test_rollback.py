"""`tocsin rollback`: what is asked, what is written, and what is printed."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import Result
from typer.testing import CliRunner

from tocsin.config.kafka import KafkaSettings
from tocsin.config.schema import SchemaSettings
from tocsin.config.settings import Settings
from tocsin.streams.cli.app import app
from tocsin.streams.transport import topics
from tocsin.streams.transport.base import Partition
from tocsin.streams.transport.kafka import KafkaTransport
from tocsin.streams.wire.packed.control import is_control, read_control

from ..support import Service, drain, event, label, running, settings

CONFIG = "schema: {text: text}\n"


def run(*arguments: str, answer: str | None = None) -> Result:
    return CliRunner().invoke(app, ["rollback", *arguments], input=answer)


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG)
    return str(path)


def test_without_a_place_to_go_back_to_it_says_what_to_name(config: str) -> None:
    result = run(config)
    assert result.exit_code == 1
    assert "--to" in result.stderr


def test_a_source_alone_and_a_place_that_is_none_are_refused(config: str) -> None:
    assert run(config, "--without-source", "x").exit_code == 2
    assert run(config, "--to", "yesterday").exit_code == 2


@pytest.mark.broker
def test_it_asks_and_writes_one_record_which_the_feedback_command_prints(apache: str, tmp_path: Path) -> None:
    mark = uuid.uuid4().hex[:8]
    names: dict[str, Any] = {"feedback": f"feedback-{mark}"}
    made = Settings(
        kafka=KafkaSettings(bootstrap=apache), topics=names, schema=SchemaSettings(text="text"), name=f"test-{mark}"
    )
    topics.create(made)
    transport = KafkaTransport(made.kafka, group=made.group, client_id="test")
    for value in packed(tmp_path / "service"):
        transport.produce(names["feedback"], None, value)
    transport.flush()
    path = tmp_path / "config.yaml"
    tree = {"schema": {"text": "text"}, "kafka": {"bootstrap": apache}, "topics": names, "name": made.name}
    path.write_text(yaml.safe_dump(tree))

    refused = run(str(path), "--to", "1", answer="n\n")
    assert refused.exit_code == 1
    assert f"2 records of {names['feedback']} from offset 1 to 2 would be left out: 1 of no source" in refused.stderr
    assert transport.end_offsets(names["feedback"]) == {Partition(names["feedback"], 0): 3}

    told = run(str(path), "--to", "1", "--without-source", "scraper", "--yes", "--report", "json")
    assert told.exit_code == 0, told.stderr
    assert json.loads(told.stdout) == {
        "first": 1, "end": 3, "records": 1, "sources": [{"source": "scraper", "records": 1}], "offset": 3,
    }  # fmt: skip
    again = run(str(path), "--to", "2000-01-01T00:00Z", "--without-source", "scraper", answer="y\n")
    assert again.exit_code == 0, again.stderr
    assert "nothing from offset 0 on is learnt that could be left out" in again.stdout

    misspelt = run(str(path), "--to", "0", "--without-source", "scrapper", "--yes")
    assert misspelt.exit_code == 1
    assert "is of the source 'scrapper'; the sources since then are: '', 'scraper'" in misspelt.stderr
    for future in ("9999", "2999-01-01T00:00Z"):
        late = run(str(path), "--to", future, "--yes")
        assert late.exit_code == 1, future
        assert not late.stdout
    assert "--to 2999-01-01T00:00Z is in the future" in late.stderr

    asked = run(str(path), "--to", "0", answer="y\n")
    assert asked.exit_code == 0, asked.stderr
    assert f"written at offset 4 of {names['feedback']}" in asked.stdout
    records = list(transport.read(Partition(names["feedback"], 0), 0, 5))
    transport.close()
    controls = [read_control(record.value or b"") for record in records if is_control(record.value)]
    assert (controls[0].first, controls[0].end, controls[0].source) == (1, 3, "scraper")
    assert (controls[1].first, controls[1].end, controls[1].reason) == (0, 4, "rollback")
    assert all(one.by and one.time for one in controls)
    printed = CliRunner().invoke(app, ["feedback", str(path)])
    lines = [json.loads(line) for line in printed.stdout.splitlines()]
    assert [line.get("kind") for line in lines] == [None, None, None, "leave-out", "leave-out"]


def packed(directory: Path) -> list[bytes]:
    """Three feedback records, one of them of the source `scraper`."""
    service = Service(settings(directory))
    with running(service) as worker:
        for identity, more in (("e0", {}), ("e1", {"source": "scraper"}), ("e2", {})):
            service.send(event(identity))
            service.tell(label(identity, **more))
        drain(worker)
    return [record.value or b"" for record in service.records("feedback")]
