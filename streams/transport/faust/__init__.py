"""The transport whose shared topics are read by an agent of Faust (`faust-streaming`).

Only `transport.py` and what it imports need the library; this file does not.
"""

from __future__ import annotations

import importlib.util
import sys

from tocsin.config.kafka import KafkaSettings
from tocsin.streams.transport import faults
from tocsin.streams.transport.base import TransportError

AT_LEAST_ONCE = (
    "kafka.guarantee is at-least-once here, because there are no transactions with --transport faust: after a crash "
    "some events are decided twice"
)
"""What the log of a worker says of it."""


def require_faust(settings: KafkaSettings) -> None:
    """Raise TransportError where Faust is not installed, or where it is asked for what it cannot do."""
    if "faust" not in sys.modules and importlib.util.find_spec("faust") is None:
        raise TransportError("--transport faust needs the library faust-streaming: pip install 'tocsin[faust]'")
    if settings.guarantee == "exactly-once":
        raise TransportError(
            "--transport faust cannot write in transactions: set kafka.guarantee to at-least-once, or leave "
            f"--transport away {faults.where(settings.bootstrap, 'kafka.guarantee')}"
        )
