"""Nothing from outside steers a terminal, forges a line, or ends a command in a traceback."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import orjson
import pytest
import typer
import yaml
from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table

from tocsin.config import ConfigError
from tocsin.streams.cli.commands.explain import indented
from tocsin.streams.cli.console import PrintableConsole, PrintableFormatter, print_message, print_result
from tocsin.streams.cli.failures import reporting_errors
from tocsin.streams.cli.last_decision import last_decision
from tocsin.streams.cli.render import render
from tocsin.streams.printable import printable
from tocsin.streams.transport.memory import MemoryBroker, MemoryTransport
from tocsin.streams.wire.records import Decision

HOSTILE = "\x1b[31m\x9b2J\x7f\u202e\u2066\u2028\x85\r\x00[/x]"
DECISION = {
    "event": "e", "subject": "s", "time": 0, "decided_at": 5, "status": "decided", "label": "a",
    "belief": {"a": 0.9}, "uncertainty": 0.1, "conflict": 0.0, "reason": None, "set": ["a"],
    "explanation": None, "model": {"feedback_offset": 3, "config": "c", "segment": "default"},
}  # fmt: skip


def harmless(text: str) -> bool:
    return all(c.isprintable() or c == "\n" for c in text)


def script(*arguments: str | bytes, **environment: str) -> subprocess.CompletedProcess[bytes]:
    command: list[str | bytes] = [sys.executable, "-m", "tocsin.streams.cli", *arguments]
    return subprocess.run(command, capture_output=True, timeout=120, check=False, env={**os.environ, **environment})


@given(st.text(st.characters(codec=None), max_size=50))
def test_what_is_printable_is_all_that_remains_and_a_json_document_stays_one(text: str) -> None:
    assert printable(text).isprintable()
    assert harmless(printable(text, lines=True))
    assert json.loads(printable(json.dumps(text, ensure_ascii=False), lines=True)) == text


def test_letters_of_all_scripts_stay_as_they_are() -> None:
    text = "é–漢🎉 ação Ωμέγα مرحبا"
    assert printable(text) == text


@pytest.mark.parametrize("name", ["plain text", "é漢", HOSTILE])
def test_a_string_is_shown_as_it_is_wherever_it_stands_in_a_table(name: str) -> None:
    console = PrintableConsole()
    console.file = io.StringIO()
    table = Table(name, title=name, caption=name)
    table.add_row(f"[red]{name}[/red]")
    console.print(table, soft_wrap=True)
    assert harmless(console.file.getvalue())
    assert f"[red]{printable(name)}[/red]" in console.file.getvalue()


def test_a_character_that_the_terminal_lacks_does_not_end_the_command() -> None:
    result = script("schema", "é漢", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert result.returncode == 2
    assert b"no schema '\\xe9\\u6f22'" in result.stderr


def test_a_message_is_one_line_and_a_result_keeps_its_lines(capsys: pytest.CaptureFixture[str]) -> None:
    print_message(f"id\n{HOSTILE}")
    print_result(f"one\ntwo{HOSTILE}")
    printed = capsys.readouterr()
    assert printed.err.count("\n") == 1
    assert printed.out.count("\n") == 2
    assert harmless(printed.err + printed.out)
    assert "[/x]" in printed.err


def test_a_config_mistake_with_a_line_break_in_a_key_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit), reporting_errors():
        raise ConfigError("file.yaml:2: a\nb: is no setting", f"file.yaml:3: {HOSTILE}: is no setting")
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "file.yaml:2: a\\nb: is no setting"
    assert len(lines) == 2
    assert harmless(lines[1])


def test_a_log_message_is_one_line_and_a_traceback_keeps_its_own() -> None:
    logger = logging.getLogger("a test")
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(PrintableFormatter())
    logger.addHandler(handler)
    try:
        logger.warning("topic %s", f"t\nERROR forged: line{HOSTILE}")
        assert stream.getvalue().count("\n") == 1
        try:
            raise ValueError(HOSTILE)
        except ValueError:
            logger.exception("failed")
    finally:
        logger.removeHandler(handler)
    assert stream.getvalue().count("\n") > 3
    assert harmless(stream.getvalue())


@pytest.mark.parametrize("argument", [HOSTILE.replace("\0", "").encode() + b"\xff\xfe", b"--\xff[/x]\x1b"])
@pytest.mark.parametrize("place", [(), ("schema",), ("explain", "a.yaml"), ("explain", "a", "b")])
def test_an_argument_of_any_bytes_is_told_and_does_not_steer(argument: bytes, place: tuple[str, ...]) -> None:
    result = script(*place, argument)
    shown = result.stderr.decode() + result.stdout.decode()
    assert result.returncode in (1, 2)
    assert harmless(shown), shown
    assert "Traceback" not in shown


def test_check_prints_yaml_that_holds_no_steering_character_and_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text('schema: {text: "a\\e\\u202e\\x9b\\u2028b\\x7fé"}\nclasses: ["\\u202e1", "é"]\n', "utf-8")
    result = script("check", str(path))
    assert result.returncode == 0, result.stderr
    assert harmless(result.stdout.decode())
    assert yaml.safe_load(result.stdout)["classes"] == ["\u202e1", "é"]


def test_a_record_as_json_is_printed_without_steering_characters_and_is_the_same_record() -> None:
    record = {**DECISION, "event": "e\x9b\u202e\x7f漢", "huge": 1}
    value = orjson.dumps(record).replace(b'"huge":1', b'"huge":' + b"9" * 5_000)
    shown = printable(indented(value), lines=True)
    assert harmless(shown)
    assert shown.count("\n") > len(DECISION)
    assert "漢" in shown
    assert msgspec.json.decode(shown.encode(), type=Decision).event == record["event"]


def test_an_id_that_is_not_utf_8_is_the_id_of_no_record() -> None:
    broker = MemoryBroker()
    broker.create("decisions", 1)
    transport = MemoryTransport(broker)
    transport.produce("decisions", None, orjson.dumps(DECISION))
    assert last_decision(transport, "decisions", os.fsdecode(b"\xff")) is None


@pytest.mark.parametrize(
    "forged",
    [
        {"time": 10**18}, {"time": -(10**18)}, {"decided_at": 2**62}, {"belief": {}}, {"belief": {HOSTILE: 1e308}},
        {"label": None}, {"status": "abstained", "reason": None, "set": [HOSTILE]}, {"over_budget": None},
        {"uncertainty": 1e308}, {"event": HOSTILE, "subject": HOSTILE},
        {"model": {"feedback_offset": 3, "config": HOSTILE, "segment": HOSTILE}},
        {"status": "abstained", "reason": "novel", "over_budget": "novel"},
    ],
)  # fmt: skip
def test_a_forged_decision_is_shown_rather_than_a_traceback(forged: dict[str, object]) -> None:
    words = render(msgspec.convert({**DECISION, **forged}, Decision))
    assert harmless(words)
    assert words.startswith("Event ")
