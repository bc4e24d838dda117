"""Whether this container is healthy: it ends with exit code 0 if so, else with 1 and a line that gives the reason.

The container's first process tells what it runs. A worker (`tocsin run CONFIG`) is healthy while it is a member of its
consumer group, a monitor (`tocsin monitor CONFIG`) while its page answers. Anything else, such as `tocsin topics`, is
healthy while it runs. This script runs often, so it imports neither models nor kernels.
"""

from __future__ import annotations

import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from tocsin.config import ConfigError, Settings, load
from tocsin.streams.printable import printable
from tocsin.streams.transport.security import client_options

_ANSWER_SECONDS = 8.0


def main(command: Sequence[str]) -> str | None:
    """What is wrong with the container that runs this command; None where nothing is."""
    for name, check in (("run", worker), ("monitor", monitor)):
        if name in command[:-1]:
            config = next((word for word in command[command.index(name) + 1 :] if word[:1] != "-"), "")
            try:
                return check(load(config))
            except ConfigError as error:
                return str(error)
    return None


def worker(settings: Settings) -> str | None:
    """What is wrong with a worker: nothing while the broker lists it among the members of its group.

    Apache Kafka lists them; the embedded broker of the demo does not.
    """
    admin = AdminClient(client_options(settings.kafka) | {"log_level": 0})
    try:
        asked = admin.describe_consumer_groups([settings.group], request_timeout=_ANSWER_SECONDS)
        members = asked[settings.group].result(_ANSWER_SECONDS).members
    except (KafkaException, TimeoutError) as error:
        return f"broker {settings.kafka.bootstrap} does not say who is in group {settings.group!r}: {error!r}"
    instance = settings.kafka.instance
    if any(instance is None or member.group_instance_id == instance for member in members):
        return None
    return f"{instance or 'no worker'} is not in group {settings.group!r}"


def monitor(settings: Settings) -> str | None:
    """What is wrong with a monitor: nothing while its page answers."""
    url = f"http://127.0.0.1:{settings.monitor.port}/healthz"
    try:
        with urllib.request.urlopen(url, timeout=_ANSWER_SECONDS):
            return None
    except (OSError, urllib.error.URLError) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()
        return f"{url}: {error}"


if __name__ == "__main__":
    first = sys.argv[1:] or Path("/proc/1/cmdline").read_bytes().decode(errors="surrogateescape").split("\0")
    wrong = main([word for word in first if word])
    sys.exit(None if wrong is None else printable(wrong, lines=True))
