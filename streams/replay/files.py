"""Files that may be compressed."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

COMPRESSED: dict[str, Any] = {".gz": gzip.open, ".xz": lzma.open, ".bz2": bz2.open}
"""By the suffix of a name, what opens such a file."""
READ_ERRORS = (OSError, EOFError, lzma.LZMAError, zlib.error)
"""What reading raises where a file is damaged or cannot be read."""


def open_binary(path: Path) -> IO[bytes]:
    """The content of a file, decompressed where its name says that it is compressed."""
    opener: Callable[..., IO[bytes]] = COMPRESSED.get(path.suffix, open)
    return opener(path, "rb")
