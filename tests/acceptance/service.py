"""`tocsin run` as its user starts it, and kcat as the producers and consumers beside it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from tocsin.streams.transport.base import Record
from tocsin.streams.wire.encode import encode
from tocsin.streams.wire.packed.control import is_control
from tocsin.streams.wire.packed.feedback import read_feedback

ROOT = Path(__file__).resolve().parents[2]
PRESET = ROOT / "config" / "presets" / "electricity.yaml"
ELECTRICITY = PRESET.parent / "data" / "electricity.csv.gz"
TOPICS = ("events", "labels", "decisions", "feedback", "alerts", "review", "dead_letters", "telemetry", "snapshots")
KEY = b"\x1e"
"""Stands between a record's key and its value in kcat's input."""
CHUNK = 100
"""Records that `keeps_coming` sends at once."""


def need_kcat() -> None:
    """Skip without kcat, or fail where everything is asked for."""
    if shutil.which("kcat") is None:
        if os.environ.get("TOCSINTEST_REQUIRE_KAFKA") == "1":
            pytest.fail("kcat is not installed: apt-get install kcat", pytrace=False)
        pytest.skip("kcat is not installed: apt-get install kcat")


class Service:
    """One service on a broker, with topics and a state of its own."""

    def __init__(self, bootstrap: str, prefix: str, directory: Path, options: Sequence[str] = ()) -> None:
        """`options` are those of `tocsin run`."""
        self.bootstrap = bootstrap
        self.topics = {name: f"{prefix}-{name}" for name in TOPICS}
        self._directory = directory
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        self._logs = 0

    @property
    def environment(self) -> dict[str, str]:
        own = {f"TOCSIN_TOPICS__{name.upper()}": topic for name, topic in self.topics.items()}
        return {
            **os.environ,
            **own,
            "TOCSIN_KAFKA__BOOTSTRAP": self.bootstrap,
            "TOCSIN_KAFKA__GROUP": self.topics["events"],
            "TOCSIN_KAFKA__SESSION_TIMEOUT_MS": "6000",
            "TOCSIN_STATE__DIRECTORY": str(self._directory / "state"),
        }

    @property
    def log(self) -> str:
        return (self._directory / f"log-{self._logs}").read_text()

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "tocsin.streams.cli", *arguments],
            env=self.environment, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    def start(self) -> None:
        self._logs += 1
        with (self._directory / f"log-{self._logs}").open("wb") as log:
            command = [sys.executable, "-m", "tocsin.streams.cli", "run", str(PRESET), *self._options]
            self._process = subprocess.Popen(command, env=self.environment, stderr=log)
        wait_for(lambda: "ready:" in self.log, 60, "the service to be ready", self)

    def interrupt(self, number: int = signal.SIGINT) -> int:
        """Ctrl-C, or another signal; returns the exit code."""
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(60)

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def end(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill()

    def produce(self, topic: str, records: Iterable[tuple[bytes, bytes]], header: bytes | None = None) -> None:
        """Send keyed records with kcat, all with the same header."""
        path = self._directory / f"{topic}.in"
        with path.open("wb") as file:
            for key, value in records:
                assert b"\n" not in value
                file.write(key + KEY + value + b"\n")
        target = ["-b", self.bootstrap, "-P", "-t", self.topics[topic], "-K", KEY.decode(), "-l", str(path)]
        headers = [] if header is None else [b"-H", header]
        subprocess.run([b"kcat", *headers, *map(os.fsencode, target)], check=True, capture_output=True, timeout=120)

    @contextmanager
    def keeps_coming(self, topic: str, records: Sequence[tuple[bytes, bytes]]) -> Iterator[None]:
        """Records go on arriving, a hundred at a time, for as long as the block runs, and all the rest after it.

        So that what the block kills was at work, however quick the machine is.
        """
        left, over = list(records), threading.Event()

        def produce() -> None:
            while not over.wait(0.1) and len(left) > CHUNK:
                self.produce(topic, left[:CHUNK])
                del left[:CHUNK]

        producer = threading.Thread(target=produce)
        producer.start()
        try:
            yield
            assert len(left) > CHUNK, "the records were at an end before the block was"
        finally:
            over.set()
            producer.join()
        self.produce(topic, left)

    def consume(self, topic: str, form: str = "%s\n") -> list[bytes]:
        """All records of a topic so far, read with kcat, one line each."""
        done = subprocess.run(
            ["kcat", "-b", self.bootstrap, "-C", "-q", "-t", self.topics[topic], "-o", "beginning", "-e", "-f", form],
            check=True, capture_output=True, timeout=120,
        )  # fmt: skip
        return done.stdout.split(b"\n")[:-1]

    def wait_for_first(self, topic: str, count: int, seconds: float) -> None:
        """Until a topic to which records keep coming has held so many. `consume` reads to an end, and there is none."""
        subprocess.run(
            ["kcat", "-b", self.bootstrap, "-C", "-q", "-t", self.topics[topic], "-o", "beginning", "-c", str(count)],
            check=True, capture_output=True, timeout=seconds,
        )  # fmt: skip

    def records(self, topic: str) -> list[dict[str, Any]]:
        """All records of a topic so far; feedback, which is packed, as people read it."""
        if topic != "feedback":
            return [orjson.loads(line) for line in self.consume(topic)]
        packed = (Record("feedback", 0, 0, 0, None, value) for value in self._values(topic))
        learnt = (record for record in packed if not is_control(record.value))
        return [orjson.loads(encode(read_feedback(record))) for record in learnt]

    def _values(self, topic: str) -> Iterator[bytes]:
        """The values of a topic, whatever bytes they hold, each behind its size."""
        rest = b"\n".join([*self.consume(topic, "%S %s\n"), b""])
        while rest:
            size, _, rest = rest.partition(b" ")
            yield rest[: int(size)]
            rest = rest[int(size) + 1 :]

    def wait_for(self, topic: str, count: int, seconds: float) -> None:
        """Until a topic holds at least so many records."""
        wait_for(lambda: len(self.consume(topic, "%o\n")) >= count, seconds, f"{count} {topic}", self)


def wait_for(condition: Callable[[], bool], seconds: float, what: str, service: Service) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if service._process is not None and service._process.poll() is not None:
            pytest.fail(f"the service ended while the test waited for {what}:\n{service.log}")
        if time.monotonic() > deadline:
            pytest.fail(f"waited {seconds} s in vain for {what}:\n{service.log}")
        time.sleep(0.5)


def electricity(count: int) -> Iterator[tuple[str, bytes, bytes]]:
    """Id, event and label of the electricity stream's first rows, in Tocsin's own shape, spread over subjects."""
    import csv
    import gzip

    with gzip.open(ELECTRICITY, "rt") as file:
        for n, row in zip(range(count), csv.DictReader(file), strict=False):
            label = row.pop("class")
            identity, moment = f"e{n}", 1_700_000_000_000 + n
            features = {name: float(value) for name, value in row.items()}
            event = {"id": identity, "subject": f"s{n % 100}", "time": moment, "features": features}
            yield identity, orjson.dumps(event), orjson.dumps({"event": identity, "label": label, "time": moment})
