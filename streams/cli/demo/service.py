"""`tocsin run` as a user would start it: a process of its own, from when it is ready until Ctrl-C ends it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from tocsin.streams.cli.demo.stream import Stream
from tocsin.streams.transport.base import TransportError

START_SECONDS = 300.0
"""The service may log nothing for so long before it is ready: its first start ever compiles the kernels, part by part,
and logs each."""
STOP_SECONDS = 30.0


@contextmanager
def running_service(console: Console, stream: Stream) -> Iterator[None]:
    """Run the service for a stream while the block runs. Raises TransportError where it does not start or stop well."""
    command = [sys.executable, "-m", "tocsin.streams.cli", "run", str(stream.preset)]
    environment = {**os.environ, **stream.environment}
    with tempfile.NamedTemporaryFile() as errors:
        process = subprocess.Popen(command, env=environment, stderr=errors, start_new_session=True)
        try:
            with console.status(
                f"starting tocsin run {stream.preset.name} (the first start ever compiles the kernels)"
            ):
                _wait_until_ready(console, process, Path(errors.name))
            yield
        finally:
            _stop(process)
            if process.returncode != 0:
                errors.seek(0)
                raise TransportError(f"tocsin run ended with {process.returncode}: {errors.read()[-2000:].decode()}")


def _wait_until_ready(console: Console, process: subprocess.Popen[bytes], errors: Path) -> None:
    logged, deadline = b"", time.monotonic() + START_SECONDS
    while b"ready:" not in logged and process.poll() is None:
        time.sleep(0.1)
        before, logged = logged, errors.read_bytes()
        if len(logged) > len(before):
            if not console.is_terminal:  # a terminal shows that something goes on
                lines = logged[len(before) :].decode(errors="replace").rstrip()
                console.print(lines, markup=False, highlight=False, soft_wrap=True)
            deadline = time.monotonic() + START_SECONDS
        elif time.monotonic() > deadline:
            last = logged.decode(errors="replace").splitlines()[-1:]
            raise TransportError(
                f"tocsin run is not ready, and has logged nothing for {START_SECONDS:.0f} s after "
                f"{''.join(last)!r}; kernels that are compiled are kept, so run it again"
            )


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
