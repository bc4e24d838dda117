"""How much memory this process holds for itself."""

from __future__ import annotations

from pathlib import Path

import pytest


def own_bytes() -> int:
    """Memory of the process that no file stands behind: what an LMDB map holds is not counted."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        pytest.skip("only Linux tells memory without maps of files")
    [line] = [line for line in status.splitlines() if line.startswith("RssAnon:")]
    return int(line.split()[1]) * 1024
