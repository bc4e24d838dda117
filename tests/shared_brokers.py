"""One broker of each kind for a whole test run, whatever number of processes runs it.

The process that starts the run (under pytest-xdist the controller, else the only one) listens on a socket. A test asks
there for a kind of broker, and the first to ask has it started. The brokers end with the run. Should the run be killed,
the kernel ends them, because they die with the thread that started them.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
from collections.abc import Callable
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from tocsin.streams.transport.embedded import EmbeddedBroker, EmbeddedBrokerError

from .bridge import BridgedBroker
from .brokers import ApacheKafka, NoBrokerError, running


class Office(NamedTuple):
    """Where to ask for brokers: the path of a socket and the secret that opens it."""

    address: str
    secret: bytes


class SharedBrokers:
    """Starts brokers on demand, in a thread that lives as long as the run; `close` ends them all."""

    def __init__(self) -> None:
        self._directory = TemporaryDirectory(prefix="tocsin-brokers-")
        self.office = Office(str(Path(self._directory.name) / "office"), secrets.token_bytes())
        # Opened here rather than in the thread, so that nobody asks before it listens.
        self._listener = Listener(self.office.address, authkey=self.office.secret)
        self._thread = threading.Thread(target=self._serve, name="shared brokers", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End all brokers. Returns when they are gone."""
        with contextlib.suppress(OSError), Client(self.office.address, authkey=self.office.secret) as connection:
            connection.send(None)
        self._thread.join()
        self._directory.cleanup()

    def _serve(self) -> None:
        """Answer one question after another, until somebody says None."""
        answers: dict[str, tuple[bool, str]] = {}
        with contextlib.ExitStack() as started, self._listener:
            while True:
                # An asker may die at any moment: that is its own trouble.
                with contextlib.suppress(OSError, EOFError), self._accept() as connection:
                    kind = connection.recv()
                    if kind is None:
                        return
                    if kind not in answers:
                        answers[kind] = self._start(kind, started)
                    connection.send(answers[kind])

    def _accept(self) -> Connection:
        return self._listener.accept()

    def _start(self, kind: str, started: contextlib.ExitStack) -> tuple[bool, str]:
        """Whether a broker of this kind runs now, and its address or what is wrong."""
        try:
            return True, STARTERS[kind](Path(self._directory.name), started)
        except (NoBrokerError, EmbeddedBrokerError) as error:
            return False, str(error)


def _tansu(home: Path, started: contextlib.ExitStack) -> str:
    return started.enter_context(EmbeddedBroker()).bootstrap


def _bridged(home: Path, started: contextlib.ExitStack) -> str:
    return started.enter_context(BridgedBroker()).bootstrap


def _apache(home: Path, started: contextlib.ExitStack) -> str:
    if address := running():
        return address
    (home / "kafka").mkdir()
    broker = ApacheKafka(home / "kafka")
    started.callback(broker.stop)
    broker.start()
    return broker.bootstrap


STARTERS: dict[str, Callable[[Path, contextlib.ExitStack], str]] = {
    "tansu": _tansu,
    "bridged": _bridged,
    "apache": _apache,
}


def address(office: Office, kind: str) -> str:
    """The address (host:port) of the run's broker of this kind, started if need be. Raises NoBrokerError."""
    with Client(office.address, authkey=office.secret) as connection:
        connection.send(kind)
        there, answer = connection.recv()
    if not there:
        raise NoBrokerError(answer)
    return str(answer)
