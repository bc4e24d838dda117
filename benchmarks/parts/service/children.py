"""Starts the processes that the service is timed by, so that none shares an interpreter with another."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from parts.service.config import DATA, PRESET, ROOT

_SECONDS = 900.0
"""After so long a process has failed."""


def _environment() -> dict[str, str]:
    """The environment of a process that finds the service and the parts of the benchmarks."""
    paths = [str(ROOT), str(ROOT / "benchmarks"), os.environ.get("PYTHONPATH", "")]
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}


def command(part: str, *arguments: object) -> list[str]:
    """The command of one of the parts that are programs."""
    return [sys.executable, "-m", f"parts.service.{part}", *map(str, arguments)]


def run(part: str, *arguments: object) -> str:
    """Run a part to its end; returns what it printed."""
    return _run(command(part, *arguments))


def replay(limit: int) -> dict[str, Any]:
    """The report of a replay in process with labels one event late."""
    options = ["--in-process", "--label-delay", "1", "--limit", str(limit), "--report", "json"]
    printed = _run([sys.executable, "-m", "tocsin.streams.cli", "replay", str(PRESET), str(DATA), *options])
    report: dict[str, Any] = json.loads(printed.strip().splitlines()[-1])
    return report


def _run(words: list[str]) -> str:
    try:
        done = subprocess.run(words, env=_environment(), check=True, stdout=subprocess.PIPE, timeout=_SECONDS)
    except subprocess.CalledProcessError as error:
        raise SystemExit(f"{' '.join(words[:4])} ended with {error.returncode}") from error
    except subprocess.TimeoutExpired as error:
        raise SystemExit(f"{' '.join(words[:4])} did not end in {_SECONDS:.0f} s") from error
    return done.stdout.decode()


@contextmanager
def running(part: str, *arguments: object) -> Iterator[subprocess.Popen[bytes]]:
    """A part that runs meanwhile, is then told to end, and is waited for."""
    process = subprocess.Popen(command(part, *arguments), env=_environment(), stdout=subprocess.PIPE)
    try:
        yield process
        process.terminate()
        if process.wait(60.0):
            raise SystemExit(f"{part} ended with {process.returncode}")
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def work(config: Path, events: int, feedback: int) -> dict[str, Any]:
    """Run a worker until it has decided so many events and learnt so many records; returns its own figures."""
    result = config.with_suffix(".json")
    run("worker", config, result, events, feedback)
    figures: dict[str, Any] = json.loads(result.read_text())
    return figures


def bare(bootstrap: str, source: str, target: str, count: int, offsets: Mapping[int, int]) -> None:
    """Run the bare loop once."""
    run("bare", bootstrap, source, target, count, json.dumps(dict(offsets)))
