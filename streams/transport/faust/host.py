"""A thread in which a Faust application runs."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, TimeoutError
from typing import TypeVar

import aiokafka
from aiokafka.errors import IllegalStateError, KafkaError

from tocsin.streams.transport.base import BatchFailedError, Partition, TransportError
from tocsin.streams.transport.faust.application import AgentApp, AgentConsumer, new_loop

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

_ANSWER_SECONDS = 0.5
_STOP_SECONDS = 15.0


class Host:
    """Runs an application in a loop and a thread of its own, until `stop`."""

    def __init__(self, make: Callable[[], AgentApp]) -> None:
        """`make` is called in the thread. How the application fares shows at `check`.

        Nobody waits for its start, which ends with the first rebalance only, and that waits for the worker.
        """
        self._make = make
        self._app: AgentApp | None = None
        self._failure: BaseException | None = None
        self._stopping = asyncio.Event()
        self._loop = new_loop()
        self._thread = threading.Thread(target=self._run, name="faust", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raise where the application has ended: BatchFailedError if another one may do better, else TransportError."""
        failure = self._failure
        if failure is None and self._app is not None:
            failure = self._app.crash_reason
        if failure is None and self._thread.is_alive():
            return
        if isinstance(failure, TransportError):
            raise failure
        passing = isinstance(failure, KafkaError) and failure.retriable
        kind = BatchFailedError if passing else TransportError
        raise kind(f"the Faust application has ended: {failure!r}") from failure

    @property
    def client(self) -> aiokafka.AIOKafkaConsumer:
        """The member of the group. It belongs to another thread: see `begin`."""
        return self._consumer.client

    def begin(self, call: Coroutine[object, object, _T]) -> Future[_T]:
        """Begin a call of the client in its own thread."""
        return asyncio.run_coroutine_threadsafe(call, self._consumer.client_loop)

    def read_to(self, partition: Partition, following: int) -> int:
        """See `AgentConsumerThread.read_to`; `following` where the client does not answer soon."""
        asked = self.begin(self._consumer.thread.read_to(partition, following))
        try:
            return asked.result(_ANSWER_SECONDS)
        except (TimeoutError, IllegalStateError):
            asked.cancel()
            return following

    def stop(self) -> None:
        """Leave the group and stop; returns when that is done, or takes too long."""
        if self._thread.is_alive():
            with contextlib.suppress(RuntimeError):  # it has ended by itself this very moment
                self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join(_STOP_SECONDS)
            if self._thread.is_alive():
                _log.warning("the Faust application does not stop: this member leaves its group without a word")

    @property
    def _consumer(self) -> AgentConsumer:
        if self._app is None or not isinstance(consumer := self._app.consumer, AgentConsumer):
            raise TransportError("the Faust application has no consumer")
        return consumer

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._serve())
        except BaseException as error:
            self._failure = error

    async def _serve(self) -> None:
        app = self._app = self._make()
        app.finalize()
        running, stopping = asyncio.ensure_future(_live(app)), asyncio.ensure_future(self._stopping.wait())
        await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
        try:
            await app.stop()
        finally:
            if running.done():
                running.result()


async def _live(app: AgentApp) -> None:
    await app.start()
    await app.wait_until_stopped()
