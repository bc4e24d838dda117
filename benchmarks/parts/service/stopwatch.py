"""Times steps of a program from outside, by putting a clock around its functions; each step without those within it."""

from __future__ import annotations

import functools
import importlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

_CALIBRATION = 20_000
"""Calls by which the clock's own time is found out."""


class Step(NamedTuple):
    """One step of the way, and the function that it is."""

    name: str
    function: str
    """`module:function` or `module:Class.method`, of the module in which the name is looked up."""


@dataclass
class Spent:
    """What went into one step."""

    calls: int = 0
    seconds: float = 0.0
    """Of the threads that took it, without the steps within it and without the clock."""


class Stopwatch:
    """Where the CPU time of a program's phases goes, by step.

    What a clock costs is measured and taken away; a step that is called once an event is the less exact for it.
    """

    def __init__(self) -> None:
        self.spent: dict[tuple[str, str], Spent] = {}
        """By phase and step."""
        self.rest: dict[str, float] = {}
        """By phase, the seconds of its thread outside of all steps."""
        self.whole: dict[str, float] = {}
        """By phase, the seconds of all threads, the clock's own among them."""
        self.missing: list[Step] = []
        """The steps whose functions are not there."""
        self._phase: str | None = None
        self._local = threading.local()
        self._inside = self._outside = 0.0
        """Seconds of a clock that fall into its own step, and into the one around it."""
        self._calibrate()

    def attach(self, steps: Sequence[Step]) -> None:
        """Put a clock around each step for good. What was built before may still hold the functions without."""
        for step in steps:
            module, _, path = step.function.partition(":")
            *owners, name = path.split(".")
            try:
                owner: Any = importlib.import_module(module)
                for part in owners:
                    owner = getattr(owner, part)
                function = getattr(owner, name)
            except (ImportError, AttributeError):
                self.missing.append(step)
                continue
            setattr(owner, name, self._clocked(step.name, function))

    def clear(self) -> None:
        """Forget what was counted."""
        for kept in (self.spent, self.rest, self.whole):
            kept.clear()

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """What is done within belongs to this phase; outside of phases nothing is counted."""
        stack = self._stack()
        stack.append([0.0])
        self._phase, process, began = name, time.process_time(), time.thread_time()
        try:
            yield
        finally:
            mine, all_threads = time.thread_time() - began, time.process_time() - process
            self._phase = None
            self.rest[name] = self.rest.get(name, 0.0) + mine - stack.pop()[0]
            self.whole[name] = self.whole.get(name, 0.0) + all_threads

    def _stack(self) -> list[list[float]]:
        """The steps that this thread is in, each with the seconds of those within it."""
        if not hasattr(self._local, "stack"):
            self._local.stack = []
        stack: list[list[float]] = self._local.stack
        return stack

    def _clocked(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        clock, spent_on = time.thread_time, self.spent

        @functools.wraps(function)
        def clocked(*arguments: Any, **named: Any) -> Any:
            phase = self._phase
            if phase is None:
                return function(*arguments, **named)
            stack = self._stack()
            within = [0.0]
            stack.append(within)
            began = clock()
            try:
                return function(*arguments, **named)
            finally:
                seconds = clock() - began
                stack.pop()
                step = spent_on.setdefault((phase, name), Spent())
                step.calls += 1
                step.seconds += seconds - within[0] - self._inside
                if stack:
                    stack[-1][0] += seconds + self._outside

        return clocked

    def _calibrate(self) -> None:
        clocked = self._clocked("nothing", _nothing)
        with self.phase("calibration"):
            began = time.thread_time()
            for _ in range(_CALIBRATION):
                clocked()
            seconds = time.thread_time() - began
        inside = self.spent["calibration", "nothing"].seconds / _CALIBRATION
        began = time.thread_time()
        for _ in range(_CALIBRATION):
            _nothing()
        bare = (time.thread_time() - began) / _CALIBRATION
        self._inside, self._outside = inside, seconds / _CALIBRATION - inside - bare
        self.clear()


def _nothing() -> None:
    pass
