"""librdkafka's messages as records."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from operator import methodcaller
from typing import cast

from confluent_kafka import Message

from tocsin.streams.transport.base import Partition, Record

_log = logging.getLogger(__name__)

# NamedTuple's own constructor would cost more than all the calls that give the record's fields.
_record = cast("Callable[[tuple[object, ...]], Record]", partial(tuple.__new__, Record))


# For a header that it cannot return, `Message.headers` returns a result and sets an exception as well. A direct call
# that was made often is specialised and does not notice: the exception then surfaces in whatever is called next.
_headers = methodcaller("headers")


def record_of(message: Message) -> Record:
    """The record that a message holds. It is called for every record, so it makes few calls of its own."""
    headers = headers_of(message)
    return _record(
        (
            message.topic(),
            message.partition(),
            message.offset(),
            message.timestamp()[1],
            message.key(),
            message.value(),
            headers,
        )
    )


def headers_of(message: Message) -> tuple[tuple[str, bytes], ...]:
    """The headers of a message; none where the name of one is not UTF-8."""
    try:
        headers = _headers(message)
    except (SystemError, UnicodeDecodeError):
        # The client cannot return such a header. The rest of the record is good.
        where = message.topic(), message.partition(), message.offset()
        _log.warning("%s %d: offset %d has a header with an unreadable name", *where)
        return ()
    return tuple(cast("list[tuple[str, bytes]]", headers)) if headers else ()


def partition_of(message: Message) -> Partition:
    """The partition that a message came from, or that its error is about."""
    return Partition(message.topic() or "", message.partition() or 0)
