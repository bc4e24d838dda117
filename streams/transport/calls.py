"""Calls that may wait without end, made in a thread of their own, so that their caller need not."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue


class Calls:
    """Makes calls one after another in a thread of its own."""

    def __init__(self, name: str) -> None:
        self._calls: SimpleQueue[tuple[Future[None], Callable[[], object]] | None] = SimpleQueue()
        threading.Thread(target=self._work, name=name, daemon=True).start()

    def __call__(self, call: Callable[[], object]) -> Future[None]:
        """Make a call; the future ends when it returns, with the exception that it raises."""
        future: Future[None] = Future()
        self._calls.put((future, call))
        return future

    def end(self) -> None:
        """Let the thread end once it has nothing to do."""
        self._calls.put(None)

    def _work(self) -> None:
        while (item := self._calls.get()) is not None:
            future, call = item
            try:
                call()
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(None)
