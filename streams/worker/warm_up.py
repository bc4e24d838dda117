"""Compile a model's kernels before the first event, saying so where it takes long, and stopping where asked."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from tocsin.kernels.common import cache
from tocsin.models.classifier import Classifier
from tocsin.streams.worker.compile_helper import CompileHelper

log = logging.getLogger(__name__)

SLOW = 2.0
"""Seconds after which a start is said to be slow."""
INTERVAL = 0.1
"""Seconds between two questions whether to stop, while the helper is waited for."""


class StoppedError(Exception):
    """A stop was asked for before the worker was ready."""


class _SignalError(BaseException):
    """A signal came. It is no Exception, because the compiler catches those and goes on in its own words."""


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Let SIGINT and SIGTERM end the block, after their own handlers: a part of a model may compile for a minute.

    Nothing is in hand before the first event, so nothing is lost. What is compiled by then is kept.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread gets signals
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def on_signal(number: int, frame: FrameType | None) -> None:
        handler = before[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)
        raise _SignalError

    ours = [number for number, handler in before.items() if callable(handler)]
    for number in ours:
        signal.signal(number, on_signal)
    try:
        yield
    finally:
        for number in ours:
            if signal.getsignal(number) is on_signal:  # a handler may have set another one in its turn
                signal.signal(number, before[number])


def warm_up(classifier: Classifier, stop: Callable[[], bool]) -> None:
    """Compile what the model needs, or load it from an earlier start.

    At the first start of a config a second process helps, see `CompileHelper`. Raises StoppedError once `stop` says so,
    which is asked before each part; SIGINT and SIGTERM end it within a part.
    """
    began = time.monotonic()
    parts = len(classifier.experts) + 1
    done = 0
    name = classifier.digest
    known = cache.is_complete(name)
    if not known:
        log.info("the first start of this model compiles its kernels, a minute or two; later starts load them")
    helper = CompileHelper(classifier.settings, classifier.backend, wanted=not known)

    def progress(part: str) -> None:
        nonlocal done
        _check(stop)
        if time.monotonic() - began > SLOW:
            log.info("compiling kernels: %d of %d parts, now %s (later starts load them)", done, parts, part)
        done += 1
        if done == parts:
            while helper.runs(INTERVAL):
                _check(stop)

    try:
        with _ended_by_signals(), helper:
            classifier.warm_up(progress)
    except _SignalError:
        raise StoppedError("stopped while kernels were compiled") from None
    cache.mark_complete(name)
    seconds = time.monotonic() - began
    if seconds > SLOW:
        log.info("kernels are ready: it took %.0f s", seconds)


def _check(stop: Callable[[], bool]) -> None:
    if stop():
        raise StoppedError("stopped while kernels were compiled")
