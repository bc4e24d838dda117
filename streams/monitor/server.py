"""The HTTP server of the monitor: `/metrics` for Prometheus, `/healthz` for a container, `/` for a person."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer

from tocsin.config.service import MonitorSettings

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

_CLOSING_SECONDS = 1.0
"""How long a server that closes waits for answers that are under way."""


class PageError(Exception):
    """The page cannot be served at the configured address."""


class _Handler(WSGIRequestHandler):
    def setup(self) -> None:
        """Called before a connection is served."""
        super().setup()
        assert isinstance(self.server, _Server)
        self.connection.settimeout(self.server.bounds.idle_seconds)

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: Prometheus scrapes every few seconds."""


class _Server(ThreadingWSGIServer):
    # The threads are joined when the server closes, so that none outlives it; closing their connections ends them.
    daemon_threads = False
    block_on_close = True
    bounds = MonitorSettings()

    def __init__(self, *arguments: Any) -> None:
        self._lock = threading.Lock()
        self._began: dict[socket.socket, float] = {}
        """Open connections, and when each was made (monotonic clock)."""
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection in a thread of its own."""
        with self._lock:
            full = len(self._began) >= self.bounds.connections
            if not full:
                self._began[request] = time.monotonic()
        if full:
            super().shutdown_request(request)
        else:
            super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection that was served."""
        with self._lock:
            self._began.pop(request, None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """Called between requests, several times a second."""
        super().service_actions()
        self.end_connections(self.bounds.request_seconds)

    def end_connections(self, older_than: float) -> None:
        """End the connections that were made longer ago than so many seconds; their threads then end by themselves."""
        with self._lock:
            for connection, began in self._began.items():
                if time.monotonic() - began > older_than:
                    with contextlib.suppress(OSError):  # the client was faster
                        connection.shutdown(socket.SHUT_RDWR)

    def server_close(self) -> None:
        """Stop listening, and wait for the threads: for a moment as they are, then with their connections ended."""
        deadline = time.monotonic() + _CLOSING_SECONDS
        while self._began and time.monotonic() < deadline:
            time.sleep(0.01)
        self.end_connections(-1.0)
        super().server_close()

    def server_bind(self) -> None:
        """Bind without asking a name server for the name of this host, which can take seconds."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
        self.setup_environ()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore a client that closed its connection before it had the whole answer."""


class _Server6(_Server):
    address_family = socket.AF_INET6


class PageServer:
    """Serves from construction to `close`, in threads of its own."""

    def __init__(
        self,
        settings: MonitorSettings,
        registry: CollectorRegistry,
        healthy: Callable[[], bool],
        overview: Callable[[], str],
    ) -> None:
        """Listen where the settings say, any free port for 0; `overview` returns the HTML of `/`. Raises PageError."""
        host, port = settings.host, settings.port
        family: type[_Server] = _Server6 if ":" in host else _Server
        try:
            self._server = make_server(host, port, _application(registry, healthy, overview), family, _Handler)
        except OSError as error:
            raise PageError(
                f"cannot serve metrics at {host}:{port}: {error.strerror or error} "
                "(monitor.host and monitor.port, or TOCSIN_MONITOR__HOST and TOCSIN_MONITOR__PORT)"
            ) from error
        self._server.bounds = settings
        name = f"[{host}]" if ":" in host else host
        self.address = f"http://{name}:{self._server.server_port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, name="monitor-page", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop listening; returns when every request is answered or its connection closed, a second later at most."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _application(
    registry: CollectorRegistry, healthy: Callable[[], bool], overview: Callable[[], str]
) -> WSGIApplication:
    metrics = make_wsgi_app(registry)

    def application(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        if environ.get("REQUEST_METHOD") not in ("GET", "HEAD"):
            return _answer(start, "405 Method Not Allowed", b"read only\n")
        match environ.get("PATH_INFO"):
            case "/metrics":
                answer: Iterable[bytes] = metrics(environ, start)
                return answer
            case "/healthz":
                if healthy():
                    return _answer(start, "200 OK", b"ok\n")
                return _answer(start, "503 Service Unavailable", b"the monitor does not read\n")
            case "/" | "":
                return _answer(start, "200 OK", overview().encode(), "text/html; charset=utf-8")
            case _:
                return _answer(start, "404 Not Found", b"there is / and /metrics and /healthz\n")

    return application


def _answer(start: StartResponse, status: str, body: bytes, kind: str = "text/plain; charset=utf-8") -> Iterable[bytes]:
    start(status, [("Content-Type", kind), ("Content-Length", str(len(body)))])
    return [body]
