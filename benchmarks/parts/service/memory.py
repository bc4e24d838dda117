"""What a process holds in memory of its own."""

from __future__ import annotations

import os
from pathlib import Path


def anonymous_megabytes(process: int | None = None) -> float | None:
    """Anonymous memory (`RssAnon`) of a process, of this one without a number; None where it has ended.

    The state is a map of a file, whose pages the system may drop, and does not count.
    """
    try:
        status = Path(f"/proc/{os.getpid() if process is None else process}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    told = [line for line in status.splitlines() if line.startswith("RssAnon:")]
    return int(told[0].split()[1]) / 1024 if told else None
