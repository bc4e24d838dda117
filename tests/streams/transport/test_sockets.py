"""No socket is left to the garbage collector."""

from __future__ import annotations

import contextlib
import socket

from kafka.net.inet import create_connection
from kafka.net.selector import NetworkSelector

from tocsin.streams.transport.sockets import ClosingSelector


def test_closing_also_closes_what_is_no_longer_registered() -> None:
    selector = ClosingSelector()
    one, other = socket.socketpair()
    with other:
        selector.register(one, 1)
        selector.unregister(one)
        selector.close()
        assert one.fileno() == -1
        assert other.fileno() != -1


def test_a_connection_that_is_still_being_made_is_not_left_open() -> None:
    made: list[ClosingSelector] = []

    def selector() -> ClosingSelector:
        made.append(ClosingSelector())
        return made[-1]

    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, contextlib.ExitStack() as waiting:
        address = full.getsockname()
        for _ in range(2):  # the queue is full now, and the next connection hangs
            client = waiting.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(address)
        net = NetworkSelector(selector=selector)
        net.call_soon(create_connection(net, *address))
        net.poll(timeout_ms=50)
        (pending,) = [s for s in made[0].sockets if s.family == socket.AF_INET]
        assert pending.fileno() != -1
        net.close()
        assert pending.fileno() == -1
