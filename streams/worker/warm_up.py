"""Compile a model's kernels before the first event, saying so where it takes long, and stopping where asked."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from tocsin.models.classifier import Classifier

log = logging.getLogger(__name__)

SLOW = 2.0
"""Seconds after which a start is said to be slow."""


class StoppedError(Exception):
    """A stop was asked for before the worker was ready."""


def warm_up(classifier: Classifier, stop: Callable[[], bool]) -> None:
    """Compile what the model needs, or load it from an earlier start. Raises StoppedError once `stop` says so."""
    began = time.monotonic()
    parts = len(classifier.experts) + 1
    done = 0

    def progress(part: str) -> None:
        nonlocal done
        if stop():
            raise StoppedError("stopped while kernels were compiled")
        if time.monotonic() - began > SLOW:
            log.info("compiling kernels: %d of %d parts, now %s (later starts load them)", done, parts, part)
        done += 1

    classifier.warm_up(progress)
    seconds = time.monotonic() - began
    if seconds > SLOW:
        log.info("kernels are ready: it took %.0f s", seconds)
