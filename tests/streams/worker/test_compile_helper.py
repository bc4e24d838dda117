"""The second process of a first start: it does its part, ends when it is told to, and its failure does no harm."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tocsin.config.experts.persistence import PersistenceSettings
from tocsin.config.model import ModelSettings
from tocsin.kernels.common import cache
from tocsin.models.classifier import Classifier
from tocsin.streams.worker import compile_helper
from tocsin.streams.worker.compile_helper import CompileHelper
from tocsin.streams.worker.warm_up import StoppedError, warm_up

SETTINGS = ModelSettings(classes=("a", "b"), experts=(PersistenceSettings(),))


@pytest.fixture(autouse=True)
def two_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compile_helper.os, "sched_getaffinity", lambda process: {0, 1})


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen[bytes]]:
    """All processes that a helper starts."""
    processes: list[subprocess.Popen[bytes]] = []
    popen = subprocess.Popen

    def start(*given: Any, **named: Any) -> subprocess.Popen[bytes]:
        processes.append(popen(*given, **named))
        return processes[-1]

    monkeypatch.setattr(compile_helper.subprocess, "Popen", start)
    return processes


def test_the_settings_arrive_as_they_are() -> None:
    assert ModelSettings.model_validate(ModelSettings().model_dump(mode="json")) == ModelSettings()


def test_the_helper_ends_by_itself_with_success(started: list[subprocess.Popen[bytes]]) -> None:
    with CompileHelper(SETTINGS, "auto") as helper:
        while helper.runs(0.1):
            pass
    assert [process.returncode for process in started] == [0]


def test_the_helper_ends_with_the_block(started: list[subprocess.Popen[bytes]]) -> None:
    with CompileHelper(SETTINGS, "auto") as helper:
        assert helper.runs(0.0)
    assert [process.poll() is None for process in started] == [False]


def test_a_helper_that_fails_does_no_harm(
    monkeypatch: pytest.MonkeyPatch, started: list[subprocess.Popen[bytes]]
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    monkeypatch.setattr(cache, "is_complete", lambda name: False)
    warm_up(Classifier(SETTINGS), lambda: False)
    assert [process.returncode for process in started] == [1]


def test_a_stop_ends_the_helper(
    monkeypatch: pytest.MonkeyPatch, started: list[subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    sleeper = tmp_path / "sleeper"
    sleeper.write_text("#!/bin/sh\nexec sleep 60\n")
    sleeper.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(sleeper))
    monkeypatch.setattr(compile_helper, "END", 0.1)
    monkeypatch.setattr(cache, "is_complete", lambda name: False)
    asked = 0

    def stop() -> bool:
        nonlocal asked
        asked += 1
        return asked > len(SETTINGS.experts) + 2

    began = time.monotonic()
    with pytest.raises(StoppedError):
        warm_up(Classifier(SETTINGS), stop)
    assert time.monotonic() - began < 30.0
    assert [process.poll() is None for process in started] == [False]


def test_a_config_that_was_compiled_before_needs_no_helper(monkeypatch: pytest.MonkeyPatch) -> None:
    warm_up(Classifier(SETTINGS), lambda: False)
    assert cache.is_complete(Classifier(SETTINGS).digest)
    monkeypatch.setattr(compile_helper.subprocess, "Popen", None)
    warm_up(Classifier(SETTINGS), lambda: False)
