"""Lets Debian's kcat talk to the embedded broker.

librdkafka 2.0.2, which Debian 12 ships, misreads the tagged fields that Tansu puts at the end of its ApiVersions
response (Apache Kafka is read right, and newer librdkafka reads both). This bridge cuts them off the first response of
every connection and passes everything else through.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
import threading
from types import TracebackType
from typing import Self

from tocsin.streams.transport.embedded import EmbeddedBroker, free_port

API_VERSIONS = 18
CHUNK = 1 << 16


class BridgedBroker:
    """An embedded broker behind the bridge; `bootstrap` is the bridge's address, and the only one clients learn."""

    def __init__(self) -> None:
        self._port = free_port()
        self.bootstrap = f"127.0.0.1:{self._port}"
        self._broker = EmbeddedBroker(advertised=self.bootstrap)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._tasks: set[asyncio.Task[None]] = set()

    def __enter__(self) -> Self:
        self._broker.start()
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._serve(), self._loop).result(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
        self._broker.stop()

    async def _serve(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self._port)

    async def _end(self) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        host, port = self._broker.bootstrap.split(":")
        upstream_reader, upstream_writer = await asyncio.open_connection(host, int(port))
        try:
            await self._first_exchange(reader, writer, upstream_reader, upstream_writer)
            await asyncio.gather(_pump(reader, upstream_writer), _pump(upstream_reader, writer))
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            for side in (writer, upstream_writer):
                side.close()
                with contextlib.suppress(OSError, asyncio.CancelledError):
                    await side.wait_closed()

    async def _first_exchange(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        upstream_reader: asyncio.StreamReader,
        upstream_writer: asyncio.StreamWriter,
    ) -> None:
        request = await _frame(reader)
        upstream_writer.write(struct.pack(">i", len(request)) + request)
        key, version = struct.unpack(">hh", request[:4])
        if key == API_VERSIONS and version >= 3:
            response = without_tags(await _frame(upstream_reader))
            writer.write(struct.pack(">i", len(response)) + response)


def without_tags(response: bytes) -> bytes:
    """An ApiVersions response v3 (correlation, error, APIs of 7 bytes each, throttle, tags) with no tags."""
    start = 6
    count = shift = 0
    while True:  # a compact array's length is a varint, plus one
        byte = response[start]
        count |= (byte & 0x7F) << shift
        start, shift = start + 1, shift + 7
        if not byte & 0x80:
            break
    end = start + 7 * (count - 1) + 4
    return response[:end] + b"\0"


async def _frame(reader: asyncio.StreamReader) -> bytes:
    (size,) = struct.unpack(">i", await reader.readexactly(4))
    return await reader.readexactly(size)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(CHUNK):
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
