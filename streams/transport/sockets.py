"""Sockets that kafka-python forgets.

Closing a client of kafka-python 3.0 cancels the connections that are being made just then, and leaves their sockets to
the garbage collector. Every socket it waits on goes through the selector that it is given: this one remembers them.
"""

from __future__ import annotations

import selectors
import socket
import weakref
from typing import Any


class ClosingSelector(selectors.DefaultSelector):
    """The platform's selector; closing it also closes every socket that was ever registered and is still open."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        """Every socket ever registered that somebody still holds."""

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """As the platform's selector does."""
        if isinstance(fileobj, socket.socket):
            self.seen.add(fileobj)
        return super().register(fileobj, events, data)

    def close(self) -> None:
        """As the platform's selector does, and the sockets too."""
        super().close()
        for left in list(self.seen):
            left.close()
