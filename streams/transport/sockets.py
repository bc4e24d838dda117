"""A selector for kafka-python that closes the sockets which kafka-python leaves open.

Closing a client of kafka-python 3.0 cancels the connections that are being made at that moment, and leaves their
sockets to the garbage collector. Every socket that the client waits for is registered with the selector that it is
given, so the selector can close them.
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
        self.sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        """Every socket that was ever registered and is still referenced somewhere."""

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """As the platform's selector does."""
        if isinstance(fileobj, socket.socket):
            self.sockets.add(fileobj)
        return super().register(fileobj, events, data)

    def close(self) -> None:
        """As the platform's selector does; closes the sockets too."""
        super().close()
        for open_socket in list(self.sockets):
            open_socket.close()
