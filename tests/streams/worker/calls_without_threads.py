"""The threads that wait for the broker, without threads: a seed decides what happens, and not the machine."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Any


class CallsAtOnce:
    """`Calls` without a thread, which would make a history a hundred times as long."""

    def __init__(self, name: str) -> None:
        pass

    def __call__(self, call: Callable[[], object]) -> Future[None]:
        future: Future[None] = Future()
        try:
            call()
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(None)
        return future

    def end(self) -> None:
        pass


class LateCall(Future[None]):
    """A call that is made when somebody waits for it."""

    def __init__(self, call: Callable[[], object]) -> None:
        super().__init__()
        self.call = call


class CallsLate(CallsAtOnce):
    """`Calls` whose thread comes last: the next batch was polled and worked off before a call is made."""

    def __call__(self, call: Callable[[], object]) -> Future[None]:
        return LateCall(call)


def wait_for_late(calls: list[LateCall], seconds: float | None = None) -> Any:
    for late in calls:
        try:
            late.call()
        except BaseException as error:
            late.set_exception(error)
        else:
            late.set_result(None)
    return wait(calls, seconds)
