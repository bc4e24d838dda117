"""`tocsin init`: the config that it writes passes `tocsin check` and replays the file that it was written from."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import random
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pyarrow
import pyarrow.parquet
import pytest
import yaml
from typer.testing import CliRunner, Result

from tocsin.config import load
from tocsin.config.kafka import KafkaSettings
from tocsin.config.settings import Settings
from tocsin.streams.cli.app import app
from tocsin.streams.transport import topics
from tocsin.streams.transport.kafka import KafkaTransport

CHEAP = {"TOCSIN_EXPERTS": '[{"kind": "persistence"}]'}
"""Experts that need no compiling: these tests are about what the config says of events."""
ROWS = 240


def tocsin(*arguments: object, **environment: str) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments], env={"COLUMNS": "200", **environment})


def payments(rows: int = ROWS, seed: int = 1) -> list[dict[str, Any]]:
    """Payments as a team has them, with what belongs into a model and what does not."""
    draw = random.Random(seed)
    found = []
    for i in range(rows):
        fraud = draw.random() < 0.25
        found.append(
            {
                "payment_id": f"p-{i:05d}",
                "customer_id": f"c{draw.randrange(30)}",
                "created_at": f"2024-03-{1 + i // 24:02d}T{i % 24:02d}:15:00Z",
                "amount": round(draw.gauss(80 + 60 * fraud, 30), 2),
                "country": draw.choice(["de", "fr", "no", "yes"]),
                "card present": draw.random() < 0.5,
                "currency": "EUR",
                "verdict": "fraud" if fraud else "good",
                "chargeback_at": f"2024-05-01T00:00:{i % 60:02d}Z" if fraud else None,
                "closing_status": "blocked" if fraud else "paid",
            }
        )
    return found


def as_csv(rows: list[dict[str, Any]], delimiter: str = ",") -> bytes:
    def cell(value: Any) -> str:
        return "" if value is None else str(value)

    lines = [delimiter.join(rows[0]), *(delimiter.join(map(cell, row.values())) for row in rows)]
    return ("\n".join(lines) + "\n").encode()


def as_json_lines(rows: list[dict[str, Any]]) -> bytes:
    """The same as nested JSON, with what a producer puts around it."""

    def nested(row: dict[str, Any]) -> dict[str, Any]:
        return {
            "payment_id": row["payment_id"],
            "customer": {"id": row["customer_id"], "tags": ["a", "b"]},
            "meta.created_at": row["created_at"],
            "payment": {"amount": row["amount"], "where": {"country": row["country"]}},
            "card present": row["card present"],
            "verdict": row["verdict"],
            "closing": {"status": row["closing_status"]},
        }

    return b"".join(orjson.dumps(nested(row)) + b"\n" for row in rows)


def as_parquet(rows: list[dict[str, Any]]) -> bytes:
    sink = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), sink)
    return sink.getvalue()


def written(tmp_path: Path, name: str, data: bytes, *options: object) -> tuple[Result, Path]:
    """What `tocsin init` says of a file, and where its config stands."""
    (tmp_path / name).write_bytes(data)
    result = tocsin("init", tmp_path / name, *options)
    config = tmp_path / "config.yaml"
    config.write_text(result.stdout)
    return result, config


def tree(config: Path) -> dict[str, Any]:
    """The config as its text says, without defaults."""
    found = yaml.safe_load(config.read_text())
    assert isinstance(found, dict)
    return found


def replayed(config: Path, source: Path, limit: int = ROWS) -> dict[str, Any]:
    """What `tocsin check` and `tocsin replay` make of the config as it stands, on the very same file."""
    checked = tocsin("check", config)
    assert checked.exit_code == 0, checked.stderr
    result = tocsin("replay", config, source, "--in-process", "--report", "json", "--limit", limit, **CHEAP)
    assert result.exit_code == 0, result.stderr
    report = json.loads(result.stdout.splitlines()[-1])
    assert isinstance(report, dict)
    return report


FORMS: dict[str, Callable[[list[dict[str, Any]]], bytes]] = {
    "payments.csv": as_csv,
    "payments.tsv": lambda rows: as_csv(rows, "\t"),
    "bars.csv": lambda rows: as_csv(rows, "|"),
    "semicolons.txt": lambda rows: as_csv(rows, ";"),
    "marked.csv": lambda rows: b"\xef\xbb\xbf" + as_csv(rows),
    "payments.csv.gz": lambda rows: gzip.compress(as_csv(rows)),
    "payments.csv.xz": lambda rows: lzma.compress(as_csv(rows)),
    "payments.csv.bz2": lambda rows: bz2.compress(as_csv(rows)),
    "payments.parquet": as_parquet,
    "payments.jsonl": as_json_lines,
    "payments.jsonl.gz": lambda rows: gzip.compress(as_json_lines(rows)),
}


@pytest.mark.parametrize("name", FORMS)
def test_the_config_replays_the_file_it_was_written_from_without_an_edit(tmp_path: Path, name: str) -> None:
    result, config = written(tmp_path, name, FORMS[name](payments()))
    assert result.exit_code == 0, result.stderr
    report = replayed(config, tmp_path / name)
    assert (report["events"], report["dead_letters"]) == (ROWS, 0)
    found = tree(config)
    assert set(found["classes"]) == {"fraud", "good"}
    kinds = {
        feature["name"].rpartition(".")[2]: feature.get("kind", "number") for feature in found["schema"]["features"]
    }
    assert kinds == {"amount": "number", "country": "category", "card present": "boolean"}
    assert "suspicious, it leaks the label" in result.stdout


def test_a_table_says_what_each_column_is_and_why_others_are_left_out(tmp_path: Path) -> None:
    result, config = written(tmp_path, "payments.csv", as_csv(payments()))
    assert tree(config)["replay"] == {
        "label": "verdict", "id": "payment_id", "subject": "customer_id", "time": "created_at",
    }  # fmt: skip
    left_out = result.stdout.split("# Left out:")[1]
    assert "currency: constant" in left_out
    assert "chargeback_at: a time that" in left_out
    assert "closing_status: suspicious, it leaks the label" in left_out
    frequency = sum(row["verdict"] == "fraud" for row in payments())
    assert f"fraud  # {frequency} of {ROWS}" in result.stdout
    assert "label 'verdict', id 'payment_id', subject 'customer_id', time 'created_at'" in result.stderr


def test_nested_json_is_mapped_by_dot_paths(tmp_path: Path) -> None:
    result, config = written(tmp_path, "payments.jsonl", as_json_lines(payments()))
    schema = tree(config)["schema"]
    assert schema["id"] == "payment_id"
    assert schema["subject"] == "customer.id"
    assert schema["time"] == r"meta\.created_at"
    assert {"name": "payment.amount", "path": "payment.amount"} in schema["features"]
    assert {"name": "payment.where.country", "kind": "category", "path": "payment.where.country"} in schema["features"]
    assert "customer.tags: it holds lists or objects" in result.stdout


def test_a_file_without_names_of_columns_and_with_a_text(tmp_path: Path) -> None:
    lines = [("spam" if i % 7 == 0 else "ham") + f"\tHello there, this is message {i} of many" for i in range(200)]
    result, config = written(tmp_path, "sms.tsv", "\n".join(lines).encode())
    assert result.exit_code == 0, result.stderr
    found = tree(config)
    assert found["replay"]["header"] == ["column-1", "column-2"]
    assert found["replay"]["label"] == "column-1"
    assert found["replay"]["text"] == "column-2"
    assert set(found["classes"]) == {"ham", "spam"}
    assert load(config).schema_.text == "text"


def test_json_without_ids_and_subjects_still_replays(tmp_path: Path) -> None:
    labels = random.Random(1).choices([b"true", b"false"], k=90)
    data = b"".join(b'{"a": %d, "id": 7, "label": %s}\n' % (i % 9, label) for i, label in enumerate(labels))
    result, config = written(tmp_path, "bare.jsonl", data)
    assert result.exit_code == 0, result.stderr
    assert "each event is a subject of its own" in result.stdout
    assert replayed(config, tmp_path / "bare.jsonl")["dead_letters"] == 0
    assert set(load(config).classes) == {"false", "true"}


def test_where_nothing_else_tells_the_label_what_leaks_it_is_kept_and_said(tmp_path: Path) -> None:
    data = "a,label\n" + "".join(f"{i},{'low' if i < 60 else 'high'}\n" for i in range(120))
    result, _ = written(tmp_path, "toy.csv", data.encode())
    assert result.exit_code == 0, result.stderr
    assert "{name: a}  # from 0 to 119, SUSPICIOUS: alone it avoids 100.0%" in result.stdout
    assert "Left out" not in result.stdout


def test_columns_called_as_tocsins_own_fields_are_not_taken_for_them(tmp_path: Path) -> None:
    """A column `time` that holds none ended the replay at its first row, and ids that repeat lost events."""
    lines = [
        "id,subject,time,a,label",
        *(f"{i % 5},{'greetings' if i % 2 else 'hi'},{i % 24}:30,{i},{i % 2}" for i in range(80)),
    ]
    result, config = written(tmp_path, "own.csv", "\n".join(lines).encode())
    assert result.exit_code == 0, result.stderr
    report = replayed(config, tmp_path / "own.csv")
    assert (report["events"], report["dead_letters"]) == (80, 0)


def test_a_class_that_comes_after_the_rows_that_are_looked_at_is_named(tmp_path: Path) -> None:
    """A file that is sorted by its label had one class in its first rows."""
    lines = ["a,label", *(f"{i},{'early' if i < 100 else 'late'}" for i in range(150))]
    result, config = written(tmp_path, "sorted.csv", "\n".join(lines).encode(), "--rows", 50)
    assert result.exit_code == 0, result.stderr
    assert tree(config)["classes"] == ["early", "late"]
    assert "late  # 50 of 150" in result.stdout
    assert replayed(config, tmp_path / "sorted.csv")["dead_letters"] == 0


def test_an_id_and_a_time_that_do_not_hold_to_the_end_are_none(tmp_path: Path) -> None:
    lines = [
        "id,time,a,label",
        *(f"e{i},2024-01-01T00:00:{i % 60:02d}Z,{i % 9},{i % 2}" for i in range(120)),
        "e1,never,3,1",
    ]
    result, config = written(tmp_path, "late.csv", "\n".join(lines).encode(), "--rows", 60)
    assert result.exit_code == 0, result.stderr
    assert "id: nearly an id, but a value comes twice" in result.stdout
    assert "time: a time, but not in every row" in result.stdout
    report = replayed(config, tmp_path / "late.csv")
    assert (report["events"], report["dead_letters"]) == (121, 0)


def test_the_label_that_is_named_is_taken(tmp_path: Path) -> None:
    result, config = written(tmp_path, "payments.csv", as_csv(payments()), "--label", "country")
    assert result.exit_code == 0, result.stderr
    assert tree(config)["replay"]["label"] == "country"
    assert load(config).classes == ("de", "fr", "no", "yes")  # YAML 1.1 would make booleans of two


def test_no_secret_is_written(tmp_path: Path) -> None:
    rows = [{**row, "api_key": f"k{i}-hunter2", "password": f"hunter2{i % 3}"} for i, row in enumerate(payments())]
    result, _ = written(tmp_path, "payments.csv", as_csv(rows))
    assert "hunter2" not in result.output
    assert result.stdout.count("by its name it may be a secret") == 2


def test_an_address_with_a_password_is_refused_and_not_repeated(tmp_path: Path) -> None:
    for source, *options in (("kafka://me:hunter2@host:9092/t",), ("kafka:t", "--bootstrap", "me:hunter2@host:1")):
        result = tocsin("init", source, *options)
        assert result.exit_code in (1, 2)
        assert "hunter2" not in result.output
        assert "--bootstrap" in result.stderr


def test_a_bomb_is_read_no_further_than_its_bound(tmp_path: Path) -> None:
    """A small file that unpacks to very much filled the memory before its first row ended."""
    bombs = {
        "rows.csv.gz": gzip.compress(b"a,label\n" + b"1,x\n2,y\n" * 400_000),
        "line.jsonl.xz": lzma.compress(b'{"a": 1, "label": "x"}\n{"a": 2, "label": "y"}\n' * 20 + b" " * 30_000_000),
        "cells.parquet": as_parquet(
            [{"a": i, "note": "z" * 400 * (i % 5), "label": "xy"[i % 2]} for i in range(9_000)]
        ),
    }
    for name, data in bombs.items():
        result, config = written(tmp_path, name, data, "--megabytes", 1)
        assert result.exit_code == 0, result.stderr
        assert "not read to its end" in result.stderr
        assert set(load(config).classes) == {"x", "y"}


def test_names_and_values_that_steer_a_terminal_are_escaped(tmp_path: Path) -> None:
    hostile = "\x1b[31m\x9b2J\u202e\u2028[/x]: {# no"
    rows = [{hostile: i % 7, "label": f"{hostile}{i % 2}", f"{hostile}id": f"x{i}{hostile}"} for i in range(100)]
    for name, data in (
        ("hostile.csv", as_csv(rows, "\t").replace(b"\t", b",")),
        ("hostile.jsonl", b"".join(orjson.dumps(row) + b"\n" for row in rows)),
    ):
        result, config = written(tmp_path, name, data)
        assert result.exit_code == 0, result.stderr
        assert all(c.isprintable() or c == "\n" for c in result.output)
        settings = load(config)
        assert settings.classes == (f"{hostile}0", f"{hostile}1")
        assert [feature.name for feature in settings.schema_.features] == [hostile]
        assert replayed(config, tmp_path / name)["dead_letters"] == 0


def test_a_terminal_without_unicode_gets_a_config_that_says_the_same(tmp_path: Path) -> None:
    path = tmp_path / "städte.csv"
    path.write_text("größe,label\n" + "".join(f"{i % 5},{'süß' if i % 2 else 'sauer'}\n" for i in range(60)))
    command = [sys.executable, "-m", "tocsin.streams.cli", "init", str(path)]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    result = subprocess.run(command, capture_output=True, timeout=120, check=False, env=environment)
    assert result.returncode == 0, result.stderr
    config = tmp_path / "config.yaml"
    config.write_bytes(result.stdout)
    settings = load(config)
    assert settings.classes == ("sauer", "süß")
    assert settings.schema_.features[0].name == "größe"


@pytest.mark.broker
def test_the_newest_records_of_a_topic_make_a_config_that_replays_the_topic(tansu: str, tmp_path: Path) -> None:
    mark = uuid.uuid4().hex[:8]
    names: dict[str, Any] = {role: f"{role}-{mark}" for role in ("events", "labels", "feedback", "decisions")}
    settings = Settings(**{"kafka": KafkaSettings(bootstrap=tansu), "topics": names, "schema": {"text": "text"}})
    topics.create(settings)
    transport = KafkaTransport(settings.kafka, group=settings.group)
    for line in as_json_lines(payments()).splitlines():
        transport.produce(names["events"], orjson.loads(line)["customer"]["id"].encode(), line)
    transport.flush()
    transport.close()
    result = tocsin("init", f"kafka:{names['events']}", "--bootstrap", tansu)
    assert result.exit_code == 0, result.stderr
    config = tmp_path / "config.yaml"
    config.write_text(result.stdout)
    found = load(config)
    assert found.kafka.bootstrap == tansu
    assert found.topics.events == names["events"]
    assert found.schema_.subject == "customer.id"
    assert set(found.classes) == {"fraud", "good"}
    environment = {**CHEAP, "TOCSIN_TOPICS__LABELS": names["labels"]}
    replay = ("replay", config, f"kafka:{names['events']}", "--in-process", "--report", "json")
    report = tocsin(*replay, **environment)
    assert report.exit_code == 0, report.stderr
    assert json.loads(report.stdout.splitlines()[-1])["events"] == ROWS


@pytest.mark.broker
@pytest.mark.parametrize("about", ["event", "subject"])
def test_labels_of_a_topic_of_their_own_are_found_by_what_they_name(tansu: str, tmp_path: Path, about: str) -> None:
    mark = uuid.uuid4().hex[:8]
    names: dict[str, Any] = {role: f"{role}-{mark}" for role in ("events", "labels", "feedback", "decisions")}
    values: dict[str, Any] = {"kafka": KafkaSettings(bootstrap=tansu), "topics": names, "schema": {"text": "text"}}
    settings = Settings(**values)
    topics.create(settings)
    transport = KafkaTransport(settings.kafka, group=settings.group)
    for row in payments():
        event = {"payment": {"id": row["payment_id"]}, "customer": row["customer_id"], "amount": row["amount"]}
        transport.produce(names["events"], None, orjson.dumps(event))
        said = {
            "who": row["payment_id"] if about == "event" else row["customer_id"],
            "event": "review",
            "time": "later",
        }
        truth = {"verdict": row["verdict"], "closed": {"at": "2024-06-01T00:00:00Z"}}
        transport.produce(names["labels"], None, orjson.dumps(said | truth))
    transport.flush()
    transport.close()
    result = tocsin("init", f"kafka:{names['events']}", "--labels", names["labels"], "--bootstrap", tansu)
    assert result.exit_code == 0, result.stderr
    config = tmp_path / "config.yaml"
    config.write_text(result.stdout)
    found = load(config)
    paths = found.schema_.label
    assert (getattr(paths, about), paths.label, paths.time) == ("who", "verdict", "closed.at")
    assert found.topics.labels == names["labels"]
    assert set(found.classes) == {"fraud", "good"}
    assert [feature.name for feature in found.schema_.features] == ["amount"]
    replay = ("replay", config, f"kafka:{names['events']}", "--in-process", "--report", "json")
    report = tocsin(*replay, **CHEAP)
    assert report.exit_code == 0, report.stderr
    figures = json.loads(report.stdout.splitlines()[-1])
    assert (figures["events"], figures["dead_letters"]) == (ROWS if about == "event" else 0, 0)
    lost = tocsin("init", f"kafka:{names['events']}", "--labels", names["events"], "--bootstrap", tansu, "--label", "x")
    assert lost.exit_code == 2
    file = tocsin("init", __file__, "--labels", names["labels"])
    assert file.exit_code == 2
    assert "--labels" in file.stderr


@pytest.mark.broker
def test_a_topic_that_is_missing_is_named(tansu: str) -> None:
    result = tocsin("init", "kafka:no-such-topic", "--bootstrap", tansu)
    assert result.exit_code == 1
    assert "no-such-topic" in result.stderr
