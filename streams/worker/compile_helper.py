"""A second process that compiles a part of a model's kernels at the first start.

numba compiles in one thread at a time. Both processes keep what they compile in the same folder: this process compiles
the experts' kernels, the helper those of routing, fusion and decision, and then this process loads them from there.
Where the helper fails, nothing is lost but time, because this process compiles whatever it does not find.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from contextlib import suppress
from typing import Any

import orjson

from tocsin.config.experts.persistence import PersistenceSettings
from tocsin.config.model import ModelSettings
from tocsin.models.classifier import Classifier

log = logging.getLogger(__name__)

END = 5.0
"""Seconds that a helper is given to end before it is killed."""


class CompileHelper:
    """The process that helps, from its start in `with` until that block ends; none on a single processor."""

    def __init__(self, settings: ModelSettings | None, backend: str, wanted: bool = True) -> None:
        model = (settings or ModelSettings()).model_dump(mode="json")
        self._request = orjson.dumps({"model": model, "backend": backend})
        self._wanted = wanted and len(os.sched_getaffinity(0)) > 1
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> CompileHelper:
        if self._wanted:
            command = [sys.executable, "-m", "tocsin.streams.worker.compile_helper"]
            with suppress(OSError):
                self._process = subprocess.Popen(
                    command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
                )
                self._send()
        return self

    def _send(self) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(self._request + b"\n")
        self._process.stdin.flush()  # it stays open: the helper ends when it is closed

    def runs(self, seconds: float) -> bool:
        """Wait so long for the helper to end; whether it still runs."""
        if self._process is None:
            return False
        try:
            status = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return True
        if status:
            log.debug("the helper that compiles kernels ended with status %d", status)
        return False

    def __exit__(self, *_: Any) -> None:
        if self._process is None:
            return
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(END)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


# ------------------------------------------------------------ in the helper


def compile_all_but_experts(request: bytes) -> None:
    """Compile what follows the experts; it is the same whatever the experts are, so the cheapest one will do."""
    fields = orjson.loads(request)
    settings = ModelSettings.model_validate(fields["model"] | {"experts": (PersistenceSettings(),)})
    Classifier(settings, fields["backend"]).warm_up()


def end_with_parent(pipe: int) -> None:
    """End this process at once when the parent has closed the pipe, or has died."""
    while os.read(pipe, 1):
        pass
    os._exit(1)


def main() -> None:
    """Read a request from standard input and do it."""
    pipe = sys.stdin.fileno()  # read without Python's buffer, whose lock a waiting thread would hold at the end
    request = b""
    while not request.endswith(b"\n") and (part := os.read(pipe, 1 << 16)):
        request += part
    threading.Thread(target=end_with_parent, args=(pipe,), daemon=True).start()
    compile_all_but_experts(request)


if __name__ == "__main__":
    main()
