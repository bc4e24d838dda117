"""Brokers for tests: Apache Kafka on a free loopback port, from jars that are already there."""

from __future__ import annotations

import base64
import contextlib
import os
import shutil
import signal
import subprocess
import time
import uuid
from pathlib import Path

from tocsin.streams.transport.embedded import (
    answers,
    dying_with_parent,
    free_port,
    listens,
)

ROOT = Path(__file__).resolve().parent.parent
# Two starts of Java take 5 seconds, and ten times as long on cores that others use too.
_START_SECONDS = 60.0
_STOP_SECONDS = 20.0
_LOGGING = """
Configuration:
  Appenders: {Console: {name: out, PatternLayout: {pattern: "[%d] %p %m (%c{1})%n"}}}
  Loggers: {Root: {level: WARN, AppenderRef: {ref: out}}}
"""


class NoBrokerError(Exception):
    """No Apache Kafka can be started or found here; says why in one line."""


def libraries() -> Path:
    """The folder of Kafka's jars: TOCSINTEST_KAFKA_LIBS, what `make kafka` fetched, or the shared ones."""
    named = os.environ.get("TOCSINTEST_KAFKA_LIBS")
    places = [Path(named)] if named else [ROOT / "build/kafka/libs", ROOT.parent / "shared/kafka/libs"]
    for place in places:
        if any(place.glob("kafka_*.jar")):
            if shutil.which("java") is None:
                raise NoBrokerError("Apache Kafka's jars are here, but no java to run them")
            return place
    raise NoBrokerError(
        f"no Apache Kafka in {' or '.join(map(str, places))}: run `make kafka`, or name a running broker "
        "in TOCSINTEST_KAFKA=host:port"
    )


def running() -> str | None:
    """The broker that TOCSINTEST_KAFKA names."""
    return os.environ.get("TOCSINTEST_KAFKA") or None


class ApacheKafka:
    """One node of Apache Kafka (KRaft) on loopback; keeps its data in `home` over kill and restart."""

    def __init__(self, home: Path, **settings: object) -> None:
        """`settings` override the broker's own, underscores for dots. Raises NoBrokerError."""
        self.home = home
        self._libraries = libraries()
        self._port, self._controller = free_port(), free_port()
        self.bootstrap = f"127.0.0.1:{self._port}"
        self._settings = {k.replace("_", "."): v for k, v in settings.items()}
        self._process: subprocess.Popen[bytes] | None = None
        # "t" first: an id that starts with a dash would be taken for an option.
        self._cluster = "t" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode()[1:22]
        self._format: list[str] = []
        """Further options of the tool that formats the storage."""

    def another(self, home: Path, node: int) -> ApacheKafka:
        """One more broker of the same cluster, not yet started."""
        other = ApacheKafka(
            home,
            process_roles="broker",
            node_id=node,
            controller_quorum_voters=f"1@127.0.0.1:{self._controller}",
        )
        other._settings["listeners"] = f"PLAINTEXT://{other.bootstrap}"
        other._cluster = self._cluster
        return other

    def start(self) -> None:
        """Format the storage, launch, and return when the broker answers."""
        (self.home / "log4j2.yaml").write_text(_LOGGING)
        properties = self._properties() | self._settings
        self._file.write_text("".join(f"{k}={v}\n" for k, v in properties.items()))
        tool = ["kafka.tools.StorageTool", "format", "-t", self._cluster, *self._format, "-c", str(self._file)]
        subprocess.run(self._java(*tool), check=True, capture_output=True)
        self.restart()

    def restart(self) -> None:
        """Launch on the data that are there, and return when the broker answers."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                dying_with_parent(self._java("kafka.Kafka", str(self._file))),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + _START_SECONDS
        while not (listens(self._port) and answers(self.bootstrap)):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise NoBrokerError(f"Apache Kafka did not start: {self._log.read_text()[-500:]}")
            time.sleep(0.1)

    def kill(self) -> None:
        """SIGKILL, as a crash does."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def send(self, which: signal.Signals) -> None:
        """Send a signal: SIGSTOP and SIGCONT, as a machine that stands still for a while."""
        assert self._process is not None
        self._process.send_signal(which)

    def stop(self) -> None:
        """End in order; SIGKILL for one that does not."""
        process = self._process
        if process is not None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_STOP_SECONDS)
            self.kill()

    @property
    def _file(self) -> Path:
        return self.home / "server.properties"

    @property
    def _log(self) -> Path:
        return self.home / "server.log"

    def _java(self, *arguments: str) -> list[str]:
        java = shutil.which("java") or "java"
        # Compiling quickly rather than well halves the CPU seconds of a broker that lives for minutes.
        options = ["-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        options.append(f"-Dlog4j2.configurationFile={self.home / 'log4j2.yaml'}")
        return [java, *options, "-cp", f"{self._libraries}/*", *arguments]

    def _properties(self) -> dict[str, object]:
        return {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.voters": f"1@127.0.0.1:{self._controller}",
            "controller.listener.names": "CONTROLLER",
            "listeners": f"PLAINTEXT://127.0.0.1:{self._port},CONTROLLER://127.0.0.1:{self._controller}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self._port}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "PLAINTEXT",
            "log.dirs": self.home / "data",
            "offsets.topic.num.partitions": 4,
            "offsets.topic.replication.factor": 1,
            "transaction.state.log.num.partitions": 4,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "default.replication.factor": 1,
            "min.insync.replicas": 1,
            # A killed broker is let back in once its old session is over.
            "broker.session.timeout.ms": 1500,
            "broker.heartbeat.interval.ms": 300,
            "group.initial.rebalance.delay.ms": 0,
            # How often it looks for transactions whose time is over.
            "transaction.abort.timed.out.transaction.cleanup.interval.ms": 500,
            "auto.create.topics.enable": "false",
        }
