"""Whether this container does its work: exit code 0 if so, 1 and a line that says why if not.

Finds out from the container's own first process whether it is a worker (`tocsin run CONFIG`: well while it is
a member of its consumer group) or a monitor (`tocsin monitor CONFIG`: well while its page says so). Anything
else, such as `tocsin topics`, is well while it runs. Imports neither models nor kernels: it runs often.
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
from tocsin.streams.transport.security import client_options

_ANSWER_SECONDS = 8.0


def main(command: Sequence[str]) -> str | None:
    """What is wrong with the container that runs this command; None if nothing."""
    for name, check in (("run", worker), ("monitor", monitor)):
        if name in command[:-1]:
            config = next((word for word in command[command.index(name) + 1 :] if word[:1] != "-"), "")
            try:
                return check(load(config))
            except ConfigError as error:
                return str(error)
    return None


def worker(settings: Settings) -> str | None:
    """A worker is well while the broker counts it among the members of the group.

    Apache Kafka tells who they are; the embedded broker of the demo does not.
    """
    admin = AdminClient(client_options(settings.kafka) | {"log_level": 0})
    try:
        asked = admin.describe_consumer_groups([settings.group], request_timeout=_ANSWER_SECONDS)
        members = asked[settings.group].result(_ANSWER_SECONDS).members
    except (KafkaException, TimeoutError) as error:
        return f"broker {settings.kafka.bootstrap} does not tell who is in group {settings.group!r}: {error!r}"
    instance = settings.kafka.instance
    if any(instance is None or member.group_instance_id == instance for member in members):
        return None
    return f"{instance or 'no worker'} is not in group {settings.group!r}"


def monitor(settings: Settings) -> str | None:
    """A monitor is well while its page says so."""
    url = f"http://127.0.0.1:{settings.monitor.port}/healthz"
    try:
        with urllib.request.urlopen(url, timeout=_ANSWER_SECONDS):
            return None
    except (OSError, urllib.error.URLError) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()
        return f"{url}: {error}"


if __name__ == "__main__":
    first = sys.argv[1:] or Path("/proc/1/cmdline").read_bytes().decode().split("\0")
    sys.exit(main([word for word in first if word]))
