"""Damage: whether the file of a state can be read, found out before it is used.

LMDB maps its file into memory. A file that was cut short, or that holds garbage, ends the process that reads it by a
signal, without a message. So another process reads all of it first, unless nobody has written the file since it was
closed.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

DATA, CLOSED = "data.mdb", "closed.json"
"""LMDB's file, and the file that says how large it was and when it was written last as it was closed."""
_DATABASES = 64


def why_damaged(directory: Path) -> str | None:
    """Why the state in a directory cannot be used, or None where it can, or where there is none.

    Raises OSError where the directory cannot be read.
    """
    data = directory / DATA
    if not data.exists() or _is_as_it_was_closed(directory):
        return None
    command = [sys.executable, "-m", "tocsin.streams.state.damage", str(directory)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return None
    if done.returncode < 0:
        return f"reading {data} ends by {signal.Signals(-done.returncode).name}: it is cut short or holds garbage"
    lines = done.stderr.strip().splitlines()
    return lines[-1] if lines else f"reading {data} fails"


def note_closed(directory: Path) -> None:
    """Remember how the file is now that it is closed. Where that fails it is read once more the next time."""
    with suppress(OSError):
        (directory / CLOSED).write_text(json.dumps(_stamp(directory)))


def note_opened(directory: Path) -> None:
    """From now on the file may change."""
    with suppress(OSError):
        (directory / CLOSED).unlink()


def _is_as_it_was_closed(directory: Path) -> bool:
    try:
        return bool(json.loads((directory / CLOSED).read_text()) == _stamp(directory))
    except (OSError, ValueError, RecursionError):
        return False


def _stamp(directory: Path) -> dict[str, int]:
    stat = (directory / DATA).stat()
    return {"size": stat.st_size, "mtime_ns": stat.st_mtime_ns}


def read_all(directory: Path) -> None:
    """Read every page of a state. Raises lmdb.Error, or ends the process by a signal, where it is damaged."""
    import lmdb

    with lmdb.open(str(directory), readonly=True, lock=False, max_dbs=_DATABASES) as env:
        least = (env.info()["last_pgno"] + 1) * env.stat()["psize"]
        found = (directory / DATA).stat().st_size
        if found < least:
            raise lmdb.CorruptedError(f"{directory / DATA} has {found} bytes where {least} were written")
        with env.begin() as transaction, transaction.cursor() as names:
            for name in [bytes(key) for key in names.iternext(values=False)]:
                database = env.open_db(name, txn=transaction, create=False)
                with transaction.cursor(database) as cursor:
                    for _ in cursor.iternext():
                        pass
        with Path(os.devnull).open("wb") as nowhere:
            env.copyfd(nowhere.fileno(), compact=True)


if __name__ == "__main__":
    import resource

    # What a damaged file makes of this process is of no use to anybody.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    read_all(Path(sys.argv[1]))
