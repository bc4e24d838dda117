"""The transport inside this process: for replays, tests and notebooks.

A `MemoryBroker` keeps the records, and any number of `MemoryTransport`s read and write them. Nothing is durable and
nothing waits for a network; everything else that the behaviour suite asks of Kafka holds here too.
"""

from tocsin.streams.transport.memory.broker import MemoryBroker
from tocsin.streams.transport.memory.transport import MemoryTransport

__all__ = ["MemoryBroker", "MemoryTransport"]
