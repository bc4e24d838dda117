"""Which errors end a command with a message, and with which exit code."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from tocsin.config import ConfigError
from tocsin.streams.cli.failures import EXIT_CODES, exit_code, reporting_errors
from tocsin.streams.transport.base import PartitionLostError, TransportError


@pytest.mark.parametrize("name", EXIT_CODES)
def test_every_expected_error_is_where_its_name_says(name: str) -> None:
    module, _, cls = name.rpartition(".")
    error = getattr(importlib.import_module(module), cls)
    assert issubclass(error, Exception)
    assert f"{error.__module__}.{error.__qualname__}" == name


def test_a_mistake_in_a_config_has_an_exit_code_of_its_own() -> None:
    assert exit_code(ConfigError("x")) == 2
    assert exit_code(TransportError("x")) == 1


def test_a_kind_of_an_expected_error_is_expected() -> None:
    assert exit_code(PartitionLostError("x")) == 1


def test_an_expected_error_is_shown_as_it_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as ended, reporting_errors():
        raise TransportError("topic [red]x[/] is missing")
    assert ended.value.exit_code == 1
    printed = capsys.readouterr()
    assert printed.err == "topic [red]x[/] is missing\n"
    assert not printed.out


def test_an_error_that_nobody_expects_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError), reporting_errors():
        raise ZeroDivisionError


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("arguments", [["--help"], ["schema", "event"]])
def test_a_result_that_finds_no_room_is_told_in_one_line(arguments: list[str]) -> None:
    command = [sys.executable, "-m", "tocsin.streams.cli", *arguments]
    with Path("/dev/full").open("wb") as full:
        result = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False, timeout=120)
    assert result.returncode == 1
    assert result.stderr.count(b"\n") == 1
    assert b"No space left on device" in result.stderr
