"""Compile a model's kernels before the first event, saying so where it takes long, and stopping where asked."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

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


def warm_up(classifier: Classifier, stop: Callable[[], bool]) -> None:
    """Compile what the model needs, or load it from an earlier start. Raises StoppedError once `stop` says so.

    At the first start of a config a second process helps, see `CompileHelper`.
    """
    began = time.monotonic()
    parts = len(classifier.experts) + 1
    done = 0
    name = classifier.digest
    helper = CompileHelper(classifier.settings, classifier.backend, wanted=not cache.is_complete(name))

    def progress(part: str) -> None:
        nonlocal done
        _check(stop)
        if time.monotonic() - began > SLOW:
            log.info("compiling kernels: %d of %d parts, now %s (later starts load them)", done, parts, part)
        done += 1
        if done == parts:
            while helper.runs(INTERVAL):
                _check(stop)

    with helper:
        classifier.warm_up(progress)
    cache.mark_complete(name)
    seconds = time.monotonic() - began
    if seconds > SLOW:
        log.info("kernels are ready: it took %.0f s", seconds)


def _check(stop: Callable[[], bool]) -> None:
    if stop():
        raise StoppedError("stopped while kernels were compiled")
