"""Faust is an extra: nothing needs it that does not ask for it, and who asks is told how to get it."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from tocsin.config.kafka import KafkaSettings
from tocsin.streams.cli.app import app
from tocsin.streams.transport.base import TransportError
from tocsin.streams.transport.faust import require_faust

from ....acceptance.service import PRESET


def test_exactly_once_is_not_quietly_given_up() -> None:
    require_faust(KafkaSettings())
    require_faust(KafkaSettings(guarantee="at-least-once"))
    with pytest.raises(TransportError, match=r"kafka\.guarantee"):
        require_faust(KafkaSettings(guarantee="exactly-once"))


def test_a_library_that_is_missing_is_one_message_that_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.delitem(sys.modules, "faust", raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "faust" else found(name))
    result = CliRunner().invoke(app, ["run", str(PRESET), "--transport", "faust"])
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1].endswith("pip install 'tocsin[faust]'")
    assert "Traceback" not in result.stderr


def test_a_transport_that_is_none_is_told_with_those_there_are() -> None:
    result = CliRunner().invoke(app, ["run", str(PRESET), "--transport", "pulsar"], env={"COLUMNS": "200"})
    assert result.exit_code == 2
    assert "kafka" in result.stderr
    assert "faust" in result.stderr


def test_a_worker_that_does_not_ask_for_faust_never_imports_it() -> None:
    code = "import sys; import tocsin.streams.worker.service, tocsin.streams.cli.commands.run; print(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert not {"faust", "mode", "aiokafka", "uvloop", "aiohttp"} & {
        name.partition(".")[0] for name in result.stdout.split()
    }
