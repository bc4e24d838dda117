"""The Faust application: one agent without tables, and a consumer that goes by Tocsin's stored offsets."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import aiokafka
import faust
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from faust.app.base import BootStrategy
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from mode.threads import WorkerThread

from tocsin.config.kafka import KafkaSettings
from tocsin.streams.transport.base import Offsets, Partition, Record
from tocsin.streams.transport.faust.security import credentials

_log = logging.getLogger("faust.tocsin")


class AgentOwner(Protocol):
    """Who owns the application. Its coroutines run in the loop of Faust's consumer, or in that of the agent."""

    async def put(self, record: Record) -> None:
        """Take one record."""
        ...

    async def assigned(self, partitions: list[Partition]) -> Offsets:
        """Take over partitions; returns where to start with those of them that are read."""
        ...

    async def revoked(self, partitions: list[Partition]) -> None:
        """Give partitions up."""
        ...

    async def unreadable(self) -> None:
        """Read on by other means: among the next records of these partitions is one that aiokafka cannot read."""
        ...

    def following(self) -> Offsets:
        """The offset of the record that comes next, by partition that is read."""
        ...


def new_loop() -> asyncio.AbstractEventLoop:
    """An event loop of uvloop where that is installed, else of asyncio."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


class _Daemon(WorkerThread):
    """The thread of Faust's consumer. It holds no process up, and closes its loop."""

    def __init__(self, service: Any, **options: Any) -> None:
        super().__init__(service, **options)
        self.daemon = True

    def run(self) -> None:
        """Run the consumer. How it ended is told by the application, see `Host`."""
        try:
            super().run()
        except BaseException as error:
            _log.debug("the thread of the consumer ends: %r", error)
        finally:
            self.service.thread_loop.close()


class AgentConsumerThread(driver.AIOKafkaConsumerThread):
    """Faust's consumer with other options, other offsets to go back to, and an owner that is asked at each rebalance.

    Faust's own reads records of transactions that are open or aborted, and does not assign partitions of one number
    together.
    """

    app: AgentApp
    fetched: dict[Partition, int]
    """By partition, the offset after the last record that Faust took from the client."""

    def __post_init__(self) -> None:
        """Begin with nothing fetched."""
        super().__post_init__()
        self.fetched = {}

    def _create_worker_consumer(self, transport: driver.Transport) -> aiokafka.AIOKafkaConsumer:
        conf, settings = self.app.conf, self.app.settings
        session = settings.session_timeout_ms
        return aiokafka.AIOKafkaConsumer(
            bootstrap_servers=settings.bootstrap.split(","),
            client_id=conf.broker_client_id,
            group_id=conf.id,
            group_instance_id=settings.instance,
            partition_assignment_strategy=[RangePartitionAssignor],
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            session_timeout_ms=session,
            heartbeat_interval_ms=min(3_000, session // 3),
            max_poll_interval_ms=settings.poll_interval_ms,
            rebalance_timeout_ms=settings.poll_interval_ms,
            request_timeout_ms=settings.poll_interval_ms + 10_000,  # a rebalance is one request
            metadata_max_age_ms=10_000,
            fetch_max_wait_ms=settings.fetch_wait_ms,
            **driver.credentials_to_aiokafka_auth(conf.broker_credentials, None),
        )

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Have Faust stop its flow, then give the partitions up."""
        await super().on_partitions_revoked(revoked)
        if revoked:
            await self.app.member.revoked([Partition(p.topic, p.partition) for p in revoked])

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Take the partitions over, go to where their owner starts, then have Faust resume its flow."""
        starts = await self.app.member.assigned(sorted(Partition(p.topic, p.partition) for p in assigned))
        self._go_to(starts)
        read_elsewhere = [
            aiokafka.TopicPartition(*p) for p in assigned if Partition(p.topic, p.partition) not in starts
        ]
        self._ensure_consumer().pause(*read_elsewhere)
        await super().on_partitions_assigned(assigned, generation_id)

    async def _fetch_records(
        self,
        consumer: aiokafka.AIOKafkaConsumer,
        active_partitions: set[TP],
        timeout: float | None = None,
        max_records: int | None = None,
    ) -> Mapping[TP, list[Any]]:
        try:
            records: Mapping[TP, list[Any]] = await super()._fetch_records(
                consumer, active_partitions, timeout, max_records
            )
        except UnicodeDecodeError:
            # The name of a header is not UTF-8. The client would fail at it again and again.
            await self.app.member.unreadable()
            await self._go_back()
            return {}
        self.fetched |= {Partition(p.topic, p.partition): found[-1].offset + 1 for p, found in records.items() if found}
        return records

    async def read_to(self, partition: Partition, following: int) -> int:
        """Up to which offset a partition is read whose next record is to be at `following`, or later.

        Where all records are polled, the client may stand behind the marker of a transaction.
        """
        position: int = await self._ensure_consumer().position(aiokafka.TopicPartition(*partition))
        return max(following, position) if self.fetched.get(partition, 0) <= following else following

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Go back to the stored offsets. What the group has committed may be older or newer."""
        offsets: Mapping[TP, int] = await self.call_thread(self._go_back)
        return offsets

    async def _go_back(self) -> Mapping[TP, int]:
        following = self.app.member.following()
        self._go_to(following)
        return {TP(p.topic, p.index): offset for p, offset in following.items()}

    def _go_to(self, offsets: Offsets) -> None:
        consumer = self._ensure_consumer()
        assigned = consumer.assignment()
        for partition, offset in offsets.items():
            if (target := aiokafka.TopicPartition(*partition)) in assigned:
                consumer.seek(target, offset)

    def close(self) -> None:
        """Do nothing: `on_thread_stop` closes the client.

        Faust calls this for a rebalance while it stops, and would close half of the client, in another thread's loop,
        so that the member would not leave its group.
        """

    def on_crash(self, msg: str, *fmt: Any, **kwargs: Any) -> None:
        """Log it; mode would print it past the log."""
        _log.error(msg.format(*fmt))


class AgentConsumer(driver.Consumer):
    """Faust's consumer, which has such a thread."""

    _thread: AgentConsumerThread

    def _new_consumer_thread(self) -> AgentConsumerThread:
        return AgentConsumerThread(self, loop=self.loop, beacon=self.beacon, thread_loop=new_loop(), Worker=_Daemon)

    @property
    def thread(self) -> AgentConsumerThread:
        """The thread of the client."""
        return self._thread

    @property
    def client(self) -> aiokafka.AIOKafkaConsumer:
        """The member of the group. It belongs to the thread of the loop."""
        return self._thread._ensure_consumer()

    @property
    def client_loop(self) -> asyncio.AbstractEventLoop:
        """The loop of the client."""
        return self._thread.thread_loop


class AgentTransport(driver.Transport):
    """Faust's way to Kafka, with such a consumer."""

    Consumer = AgentConsumer


class ConsumerOnly(BootStrategy):
    """Starts neither a web server nor a producer."""

    enable_web = False
    enable_kafka_producer = False


class AgentApp(faust.App):
    """An application that hands each record of some topics to its owner, and acknowledges none."""

    BootStrategy = ConsumerOnly

    def __init__(
        self, settings: KafkaSettings, member: AgentOwner, group: str, client_id: str, directory: Path
    ) -> None:
        """`directory` is Faust's own folder. Raises TransportError where the security settings name no usable file."""
        self.settings = settings
        self.member = member
        directory.mkdir(parents=True, exist_ok=True)
        super().__init__(
            group,
            broker=[f"aiokafka://{address}" for address in settings.bootstrap.split(",")],
            broker_client_id=client_id,
            broker_credentials=credentials(settings.security),
            datadir=directory,
            key_serializer="raw",
            value_serializer="raw",
            topic_allow_declare=False,
            topic_disable_leader=True,
            stream_wait_empty=False,
            web_enabled=False,
        )
        self.transport = AgentTransport(self.conf.broker_consumer, self)

    def read(self, topics: list[str]) -> None:
        """Add the agent, which reads these topics."""
        put = self.member.put

        async def hand_over(stream: faust.StreamT[bytes]) -> None:
            async for event in stream.events():
                await put(_record_of(event.message))

        # Without acknowledgements Faust commits nothing by itself.
        self.agent(self.topic(*topics, key_type=bytes, value_type=bytes, acks=False), name="hand-over")(hand_over)


def _record_of(message: Any) -> Record:
    """The record that a message of Faust's holds, which gives its time in seconds."""
    headers = tuple(message.headers or ())
    moment = round((message.timestamp or 0.0) * 1000)
    return Record(message.topic, message.partition, message.offset, moment, message.key, message.value, headers)
