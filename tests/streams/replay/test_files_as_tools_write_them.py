"""`tocsin replay --in-process` on files as tools write them: each is replayed, or the reason is told and it fails."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from tocsin.config import load
from tocsin.config.settings import Settings
from tocsin.streams.replay.in_process import InProcess
from tocsin.streams.replay.past_event import PastEvent, label_record
from tocsin.streams.replay.source import read_source
from tocsin.streams.transport.memory import MemoryBroker, MemoryTransport
from tocsin.streams.wire.decode import Decoder
from tocsin.streams.wire.schema import EventSchema

from ..cli.test_commands import tocsin
from ..support import START, record, settings

CONFIG = """
schema: {features: [{name: a}]}
classes: [%s]
experts: [{kind: persistence}]
replay: {label: y}
"""
ROWS = [(i % 2, i % 2) for i in range(60)]


def no_transport() -> Any:
    raise AssertionError


def replayed(tmp_path: Path, config: str, name: str, data: bytes) -> tuple[Result, dict[str, Any]]:
    (tmp_path / "c.yaml").write_text(config)
    (tmp_path / name).write_bytes(data)
    result = tocsin("replay", tmp_path / "c.yaml", tmp_path / name, "--in-process", "--report", "json")
    return result, json.loads(result.stdout.splitlines()[-1])


def csv(label: Any, a: Any = lambda i, value: value) -> bytes:
    rows = "".join(f"{a(i, value)},{label(i, truth)}\n" for i, (value, truth) in enumerate(ROWS))
    return f"a,y\n{rows}".encode()


@pytest.mark.parametrize(
    ("classes", "label"),
    [
        ("0, 1", lambda i, y: y), ("0, 1", lambda i, y: float(y)), ("0, 1", lambda i, y: bool(y)),
        ("'true', 'false'", lambda i, y: bool(y)), ("'true', 'false'", lambda i, y: y), ("0.0, 1.0", lambda i, y: y),
    ],
    ids=["digits", "floats", "booleans as digits", "booleans", "digits as booleans", "classes as floats"],
)  # fmt: skip
def test_a_label_is_one_class_however_a_table_spells_it(tmp_path: Path, classes: str, label: Any) -> None:
    result, report = replayed(tmp_path, CONFIG % classes, "a.csv", csv(label))
    assert result.exit_code == 0, result.output
    assert report["events"] == 60
    assert report["dead_letters"] == 0
    assert report["accuracy"] is not None
    plain, expected = replayed(tmp_path, CONFIG % "0, 1", "b.csv", csv(lambda i, y: y))
    assert plain.exit_code == 0
    assert report["accuracy"] == expected["accuracy"]


def test_labels_that_are_no_class_are_told_and_the_command_fails(tmp_path: Path) -> None:
    result, report = replayed(tmp_path, CONFIG % "good, bad", "a.csv", csv(lambda i, y: y))
    assert result.exit_code == 1
    assert "nothing fitted: 60 events and labels became dead letters" in result.stderr
    assert "'0' is not one of the classes bad, good" in result.stderr
    assert report["events"] == 0


def test_events_that_do_not_fit_are_told_and_the_command_fails_only_where_none_does(tmp_path: Path) -> None:
    result, _ = replayed(tmp_path, CONFIG % "0, 1", "a.csv", csv(lambda i, y: y, lambda i, a: "low"))
    assert result.exit_code == 1
    assert "features.a: must be a number, found the string 'low'" in result.stderr
    result, report = replayed(tmp_path, CONFIG % "0, 1", "b.csv", csv(lambda i, y: y, lambda i, a: a if i else "low"))
    assert result.exit_code == 0
    assert "because of: features.a: must be a number" in result.stderr
    assert report["events"] == 59


def test_the_usual_marks_for_a_missing_number_are_no_number(tmp_path: Path) -> None:
    marks = ["?", "NA", "", "NaN", "null", "None", "N/A"]
    result, report = replayed(tmp_path, CONFIG % "0, 1", "a.csv", csv(lambda i, y: y, lambda i, a: marks[i % 7]))
    assert result.exit_code == 0, result.output
    assert report["dead_letters"] == 0


JSON = """
schema: {subject: user.id, time: "@timestamp", features: [{name: a, path: %s}]}
classes: [g, b]
experts: [{kind: persistence}]
replay: {label: y}
"""
LINES = [
    {"id": f"e{i}", "user.id": "s", "@timestamp": START + i, "event.amount": i % 2, "items": [{"price": i % 2}],
     "y": "gb"[i % 2]}
    for i in range(40)
]  # fmt: skip


@pytest.mark.parametrize("path", ["event.amount", r"event\.amount", "items.0.price"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "with a mark"])
def test_lines_of_any_json_are_replayed(tmp_path: Path, path: str, mark: bytes) -> None:
    data = mark + "\r\n".join(json.dumps(line) for line in LINES).encode()
    result, report = replayed(tmp_path, JSON % path, "a.jsonl", data)
    assert result.exit_code == 0, result.output
    assert (report["events"], report["dead_letters"]) == (40, 0)


def test_a_cut_last_line_is_one_dead_letter_and_told(tmp_path: Path) -> None:
    data = "\n".join(json.dumps(line) for line in LINES).encode()[:-9]
    result, report = replayed(tmp_path, JSON % "event.amount", "a.jsonl", data)
    assert result.exit_code == 0
    assert (report["events"], report["dead_letters"]) == (39, 1)
    assert "the record is not JSON in UTF-8" in result.stderr


def test_a_table_takes_the_schemas_paths_as_names_of_columns(tmp_path: Path) -> None:
    config = settings(
        tmp_path,
        schema={
            "id": "meta.id", "subject": "user", "time": "at",
            "features": [{"name": "a", "path": "event.amount"}, {"name": "b"}],
        },
    )  # fmt: skip
    path = tmp_path / "a.csv"
    path.write_text(f"meta.id,user,at,event.amount,features.b,label\ne7,u,{START},1.5,2,yes\n")
    [past] = read_source(config, str(path), no_transport)
    event = Decoder(EventSchema(config)).event(record(past.event))
    assert (event.id, event.subject, event.time) == ("e7", "u", START)
    assert event.features == {"a": 1.5, "b": 2.0}


@pytest.mark.parametrize("unit", ["auto", "seconds", "milliseconds", "microseconds", "nanoseconds"])
def test_what_a_replay_writes_is_read_in_the_schemas_unit(tmp_path: Path, unit: str) -> None:
    config = settings(tmp_path, schema={"features": [{"name": "a"}], "time_unit": unit})
    path = tmp_path / "a.csv"
    path.write_text("a,label\n1,yes\n")
    lines = tmp_path / "a.jsonl"
    lines.write_text('{"id": "e", "subject": "s", "features": {"a": 1}, "label": "yes"}\n')
    decoder = Decoder(EventSchema(config))
    for source in (path, lines):
        [past] = read_source(config, str(source), no_transport)
        assert decoder.event(record(past.event)).time == past.time
        assert decoder.label(record(label_record(config, past))).time == past.time


def preset_rows(limit: int) -> tuple[Settings, list[PastEvent]]:
    presets = Path(__file__).resolve().parents[3] / "config" / "presets"
    config = load(presets / "electricity.yaml")
    source = read_source(config, str(presets / "data" / "electricity.csv.gz"), no_transport)
    return config, [past for past, _ in zip(source, range(limit), strict=False)]


def test_a_source_without_subjects_gives_every_partition_its_share() -> None:
    config, rows = preset_rows(400)
    broker = MemoryBroker()
    for topic in ("events", "labels"):
        broker.create(topic, 4)
    transport = MemoryTransport(broker)
    for past in rows:
        transport.produce("events", past.key, past.event)
        transport.produce("labels", past.key, label_record(config, past))
    for topic in ("events", "labels"):
        shares = transport.end_offsets(topic).values()
        assert min(shares) > 60, shares


def test_events_of_a_subject_keep_together() -> None:
    keys = Counter(PastEvent(f"e{i}", "u1", START, b"", None).key for i in range(5))
    assert keys == {b"u1": 5}


def test_baselines_learn_as_late_as_the_service(tmp_path: Path) -> None:
    truths = [("no", "yes")[i // 10 % 2] for i in range(40)]
    config = settings(tmp_path, experts=[{"kind": "persistence"}], schema={"features": [{"name": "a"}]})
    path = tmp_path / "a.csv"
    path.write_text("a,label\n" + "".join(f"1,{truth}\n" for truth in truths))
    for delay in (0, 1, 7):
        rows = list(read_source(config, str(path), no_transport))
        report = InProcess(config, delay).run(rows)
        late = [truths[i] == truths[i - delay - 1] for i in range(delay + 1, 40)]
        assert report.before_first_label == delay + 1
        assert report.baselines["no_change"] == sum(late) / (40 - report.before_first_label)
        assert report.accuracy == report.baselines["no_change"]  # the only expert repeats the last label it was told
