"""Neither a record that somebody else wrote nor a client of the page can hold the monitor up."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry

from tocsin.config.service import MonitorSettings
from tocsin.streams.monitor import Monitor
from tocsin.streams.monitor.server import PageServer

from .support import Stage, get, scrape, value


@pytest.mark.broker
@pytest.mark.skipif(shutil.which("kcat") is None, reason="kcat is not installed")
def test_headers_whose_names_are_not_utf8_never_hang_or_end_the_monitor(apache: str) -> None:
    stage = Stage(apache)
    topics = stage.settings.topics
    # Python specialises a call that it has made often, and checks its result less then.
    good = 300
    for _ in range(good):
        stage.put_aside("not-json")
    for topic in (topics.dead_letters, topics.decisions, topics.telemetry):
        command = [b"kcat", b"-P", b"-b", apache.encode(), b"-t", topic.encode(), b"-H", b"\xff\xfe=x", b"-k", b"k"]
        subprocess.run(command, input=b"evil", check=True, timeout=30)
        stage.sent += 1
    stage.put_aside("not-json")
    stage.decide("e")
    with Monitor(stage.settings) as monitor:
        stage.drain(monitor)
        found = scrape(monitor)
    assert value(found, "tocsin_monitor_bad_records_total", topic="dead-letters") == 1
    assert value(found, "tocsin_dead_letter_records_total", kind="not-json") == good + 1
    assert value(found, "tocsin_distinct_events_total") == 1
    stage.close()


@contextlib.contextmanager
def served(**bounds: float) -> Iterator[PageServer]:
    settings = MonitorSettings.model_validate({"port": 0, **bounds})
    page = PageServer(settings, CollectorRegistry(), lambda: True, lambda: "here")
    try:
        yield page
    finally:
        page.close()


@pytest.fixture
def page() -> Iterator[PageServer]:
    with served() as page:
        yield page


@contextlib.contextmanager
def dripping(page: PageServer) -> Iterator[threading.Event]:
    """A client that sends a byte of its request now and then; the event is set when its connection is closed."""
    port = int(page.address.rpartition(":")[2])
    client = socket.create_connection(("127.0.0.1", port))
    closed, done = threading.Event(), threading.Event()

    def drip() -> None:
        client.sendall(b"GET / HTTP/1.1\r\n")
        while not done.wait(0.05):
            try:
                client.sendall(b"X")
            except OSError:
                closed.set()
                return

    thread = threading.Thread(target=drip)
    thread.start()
    time.sleep(0.3)
    try:
        yield closed
    finally:
        done.set()
        thread.join()
        client.close()


def test_a_client_that_drips_bytes_never_keeps_the_page_from_closing(page: PageServer) -> None:
    with dripping(page) as closed:
        closing = threading.Thread(target=page.close)
        closing.start()
        closing.join(8)
        assert not closing.is_alive()
        assert closed.wait(5)


def test_a_client_that_drips_bytes_is_cut_off_after_monitor_request_seconds() -> None:
    with served(request_seconds=0.5) as page:
        with dripping(page) as closed:
            assert closed.wait(8)
        assert get(page.address, "/") == "here"


def test_a_client_that_sends_nothing_is_cut_off_after_monitor_idle_seconds() -> None:
    with served(idle_seconds=0.5) as page:
        with socket.create_connection(("127.0.0.1", int(page.address.rpartition(":")[2]))) as client:
            client.settimeout(8)
            assert client.recv(1) == b""
        assert get(page.address, "/") == "here"


def test_more_clients_than_monitor_connections_are_closed_and_later_ones_are_served() -> None:
    with served(connections=1) as page:
        with dripping(page), pytest.raises(OSError, match=r".*"):
            get(page.address, "/")
        deadline = time.monotonic() + 10
        answer = ""
        while not answer and time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                answer = get(page.address, "/")
        assert answer == "here"
