"""A virtual environment for each rival: their libraries do not agree with ours, nor with each other."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from parts.service.config import ROOT

RIVER = "river==0.26.1"


class Engine(NamedTuple):
    """One rival."""

    name: str
    module: str
    """Of `parts.engines`."""
    needs: tuple[str, ...]
    """What pip installs."""


ENGINES = (
    Engine("Quix Streams", "quix", ("quixstreams==3.28.1", RIVER)),
    Engine("Faust agent", "faust_agent", ("faust-streaming==0.15.3", "aiokafka[lz4]==0.14.0", "uvloop==0.23.0", RIVER)),
    Engine("kafka-python glue", "kafka_glue", ("kafka-python[crc32c,lz4]==3.0.12", RIVER)),
)


def interpreter(engine: Engine, directory: Path) -> Path:
    """Where the Python of a rival is."""
    return directory / engine.module / "bin" / "python"


def commands(engine: Engine, directory: Path) -> list[list[str]]:
    """What installs a rival."""
    python = str(interpreter(engine, directory))
    make = [sys.executable, "-m", "venv", str(directory / engine.module)]
    return [make, [python, "-m", "pip", "install", "--quiet", *engine.needs]]


def install(engine: Engine, directory: Path) -> None:
    """Install a rival unless it is there."""
    if not interpreter(engine, directory).exists():
        for command in commands(engine, directory):
            subprocess.run(command, check=True)


@contextmanager
def at_work(engine: Engine, directory: Path, log: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A rival that runs meanwhile, and is then ended; what it says goes to `log`."""
    command = [str(interpreter(engine, directory)), "-m", f"parts.engines.{engine.module}", *arguments]
    with log.open("wb") as said:
        process = subprocess.Popen(
            command, env=os.environ | {"PYTHONPATH": str(ROOT / "benchmarks")}, stdout=said, stderr=said
        )
        try:
            yield process
        except SystemExit:
            print(log.read_text(errors="replace")[-2_000:], file=sys.stderr)
            raise
        finally:
            process.terminate()
            try:
                process.wait(20.0)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
