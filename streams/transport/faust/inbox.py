"""What Faust's threads hand to the thread of the worker: records, and calls that it is to make."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from tocsin.streams.transport.base import Record, TransportError


class Inbox:
    """Records in the order in which they came, at most `room` of them, and calls, which come before all records.

    `put` belongs to one event loop, `call` to any thread, and the other methods to the worker's thread.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self._records: deque[Record] = deque()
        self._calls: deque[tuple[Future[Any], Callable[[], object]]] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._awaiting: tuple[asyncio.AbstractEventLoop, asyncio.Future[None]] | None = None
        """The loop whose agent awaits room, and what ends its waiting."""

    # For Faust

    async def put(self, record: Record) -> None:
        """Add a record, and await room for it first. After `close` it is dropped."""
        while (awaited := self._add(record)) is not None:
            await awaited

    def call(self, call: Callable[[], object]) -> Future[Any]:
        """Have the worker's thread make a call. The future ends with TransportError where it never will."""
        future: Future[Any] = Future()
        with self._changed:
            if self._closed:
                future.set_exception(_closed())
            else:
                self._calls.append((future, call))
                self._changed.notify()
        return future

    def _add(self, record: Record) -> asyncio.Future[None] | None:
        """Add a record, or return what to await where there is no room."""
        with self._changed:
            if len(self._records) >= self._room and not self._closed:
                loop = asyncio.get_running_loop()
                self._awaiting = loop, loop.create_future()
                return self._awaiting[1]
            if not self._closed:
                self._records.append(record)
                self._changed.notify()
            return None

    # For the worker

    def wait(self, seconds: float) -> None:
        """Return when there is something, or after so many seconds."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while not (self._records or self._calls or self._closed) and (left := deadline - time.monotonic()) > 0:
                self._changed.wait(left)

    def make_calls(self) -> None:
        """Make the calls that wait. Raises what a call raises."""
        while self._calls:
            future, call = self._calls.popleft()
            if not future.set_running_or_notify_cancel():
                continue  # Faust waits for it no more
            try:
                result = call()
            except BaseException:
                future.set_exception(_closed())
                raise
            future.set_result(result)

    def take(self, limit: int) -> list[Record]:
        """Up to so many records."""
        with self._changed:
            taken = [self._records.popleft() for _ in range(min(limit, len(self._records)))]
            self._wake()
        return taken

    def clear(self) -> None:
        """Drop the records."""
        with self._changed:
            self._records.clear()
            self._wake()

    def close(self) -> None:
        """Take nothing more, and let nobody wait."""
        with self._changed:
            self._closed = True
            self._records.clear()
            for future, _ in self._calls:
                if future.set_running_or_notify_cancel():
                    future.set_exception(_closed())
            self._calls.clear()
            self._wake()
            self._changed.notify()

    def _wake(self) -> None:
        """End the waiting for room once half of it is free, so that agent and worker do not take turns at each one."""
        if self._awaiting is not None and len(self._records) <= self._room // 2:
            loop, awaited = self._awaiting
            self._awaiting = None
            if not loop.is_closed():
                loop.call_soon_threadsafe(_end, awaited)


def _closed() -> TransportError:
    # Not a cancellation, which would end Faust's own tasks before they have left the group.
    return TransportError("the worker is not there any more")


def _end(awaited: asyncio.Future[None]) -> None:
    if not awaited.done():
        awaited.set_result(None)
