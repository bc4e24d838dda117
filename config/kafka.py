"""Where the broker is, how to prove who we are, and the names of the topics."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, SecretStr, StringConstraints, field_validator, model_validator

from tocsin.config.base import FilePath, FrozenSettings, PlainText


class SecuritySettings(FrozenSettings):
    """How a client proves to the broker who it is. Secrets never appear in output or logs."""

    protocol: Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] = "plaintext"
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-256"
    username: PlainText | None = None
    password: SecretStr | None = None
    ca: FilePath | None = None
    """PEM file of the authority that signed the broker's certificate. Without a value the system's authorities
    count."""
    certificate: FilePath | None = None
    """PEM file of our own certificate, for brokers that ask for one."""
    key: FilePath | None = None
    """PEM file of our certificate's private key."""
    key_password: SecretStr | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.protocol.startswith("sasl") and (self.username is None or self.password is None):
            raise ValueError(
                "a sasl protocol needs username and password (the password is best given as "
                "TOCSIN_KAFKA__SECURITY__PASSWORD)"
            )
        return self


class KafkaSettings(FrozenSettings):
    """The broker, and this worker's place in the consumer group."""

    bootstrap: str = "127.0.0.1:9092"
    """`host:port` of one broker, or of several, separated by commas."""
    group: PlainText | None = Field(default=None, min_length=1)
    """Consumer group. Without a value it is `tocsin-<name>`."""
    instance: PlainText | None = Field(default=None, min_length=1)
    """Static membership: a worker that restarts under the same instance id keeps its partitions."""
    session_timeout_ms: int = Field(default=6_000, ge=1_000, le=300_000)
    """A worker that sends no heartbeat for this long loses its partitions."""
    assignor: Literal["cooperative-sticky", "range", "broker"] = "cooperative-sticky"
    """Who divides the partitions among the workers of a group, and how. `cooperative-sticky` moves only the partitions
    that must move. `range` takes all away at every change, as earlier releases did. `broker` is Kafka's newer group
    protocol (KIP-848), in which the broker divides; `session_timeout_ms` has no effect then, and workers of both other
    kinds may be in the group meanwhile, which those two may not."""
    fetch_wait_ms: int = Field(default=100, ge=1, le=60_000)
    """How long the broker may hold an empty fetch. The embedded broker does not answer one when a record arrives, so
    that with it this adds to the delay of events."""
    delivery_timeout_ms: int = Field(default=30_000, ge=1_000, le=600_000)
    """How long the broker may take to acknowledge a record. A worker waits on, and says so in its log each time so much
    has passed; every other command ends."""
    guarantee: Literal["exactly-once", "at-least-once"] | None = None
    """What holds of events and labels when a worker or the broker crashes. `exactly-once` writes outputs and offsets in
    Kafka's transactions: each event is decided once and each label learnt once for everybody who reads committed
    records only. Without a value it is `exactly-once`, and on a broker without transactions (the embedded one)
    `at-least-once`, with a warning."""
    transaction_timeout_ms: int = Field(default=10_000, ge=1_000, le=900_000)
    """How long the broker lets a transaction stay open. A killed worker's open transaction holds readers up for so
    long; a batch that takes longer is decided again. The broker's own bound is `transaction.max.timeout.ms`."""
    poll_interval_ms: int = Field(default=300_000, ge=10_000, le=86_400_000)
    """A worker that takes nothing from the broker for this long loses its partitions. It may not be shorter than
    `session_timeout_ms`."""
    fetch_queue_records: int = Field(default=100_000, ge=1, le=10_000_000)
    """Records that each of a worker's two clients fetches ahead at the most. With its queue full it fetches none."""
    fetch_queue_kbytes: int = Field(default=65_536, ge=1, le=2_097_151)
    """KB of these records. A client fetches up to 1 MB of each partition at once, so that one with large records does
    not starve others. Fetches that are under way let the queue grow beyond its bound by some MB."""
    send_queue_records: int = Field(default=100_000, ge=1_000, le=10_000_000)
    """Records that wait to be sent at the most. While the queue is full, the worker waits."""
    security: SecuritySettings = SecuritySettings()

    @model_validator(mode="after")
    def _interval_holds_a_session(self) -> Self:
        if self.poll_interval_ms < self.session_timeout_ms:
            raise ValueError(
                f"poll_interval_ms ({self.poll_interval_ms}) is shorter than session_timeout_ms "
                f"({self.session_timeout_ms}): make it at least as long"
            )
        return self

    @field_validator("bootstrap")
    @classmethod
    def _addresses(cls, value: str) -> str:
        if "@" in value:
            raise ValueError("an address has no user and no password: these belong to kafka.security")
        ports = [address.rpartition(":")[2] for address in value.split(",")]
        # The value is not repeated: it may be a secret that was put into the wrong place.
        if not re.fullmatch(r"[A-Za-z0-9._:\[\]%-]+:[0-9]{1,5}(,[A-Za-z0-9._:\[\]%-]+:[0-9]{1,5})*", value):
            raise ValueError("this is no address: give host:port, or several separated by commas")
        if not all(0 < int(port) <= 65_535 for port in ports):
            raise ValueError("a port lies between 1 and 65535")
        return value


TopicName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,249}$")]
"""What Kafka takes as the name of a topic."""


Role = Literal[
    "events",
    "labels",
    "decisions",
    "feedback",
    "alerts",
    "review",
    "dead_letters",
    "telemetry",
    "snapshots",
    "configs",
    "shadow",
    "keys",
]
"""What a topic is for."""
RECORD_LIMIT = "max.message.bytes"
"""The option of a topic that bounds its records."""
_NUMBER, _SHARE, _SWITCH = "a whole number", "a number from 0 to 1", "true or false"
_FORMS: Mapping[str, str] = {
    _NUMBER: r"-?[0-9]{1,19}", _SHARE: r"0|1|[01]?\.[0-9]{1,17}", _SWITCH: "true|false",
    "compact, delete, or both with a comma": "(?:compact|delete)(?:, ?(?:compact|delete))?",
    "uncompressed, zstd, lz4, snappy, gzip or producer": "uncompressed|zstd|lz4|snappy|gzip|producer",
    "CreateTime or LogAppendTime": "CreateTime|LogAppendTime",
    "* or partition:broker pairs": r"\*|[0-9]+:[0-9]+(?:,[0-9]+:[0-9]+)*",
}  # fmt: skip
"""By what it is called in a message: how a value looks."""
_POLICY, _COMPRESSION, _TIME, _THROTTLED = list(_FORMS)[3:]
_OPTIONS: Mapping[str, str] = {
    "cleanup.policy": _POLICY, "compression.type": _COMPRESSION, "message.timestamp.type": _TIME,
    "follower.replication.throttled.replicas": _THROTTLED, "leader.replication.throttled.replicas": _THROTTLED,
    "min.cleanable.dirty.ratio": _SHARE,
} | dict.fromkeys((
    "message.downconversion.enable", "preallocate", "remote.log.copy.disable", "remote.log.delete.on.disable",
    "remote.storage.enable", "unclean.leader.election.enable",
), _SWITCH) | dict.fromkeys((
    "compression.gzip.level", "compression.lz4.level", "compression.zstd.level", "delete.retention.ms",
    "file.delete.delay.ms", "flush.messages", "flush.ms", "index.interval.bytes", "local.retention.bytes",
    "local.retention.ms", "max.compaction.lag.ms", "message.timestamp.after.max.ms", "message.timestamp.before.max.ms",
    "message.timestamp.difference.max.ms", "min.compaction.lag.ms", "min.insync.replicas", "retention.bytes",
    "retention.ms", "segment.bytes", "segment.index.bytes", "segment.jitter.ms", "segment.ms", RECORD_LIMIT,
), _NUMBER)  # fmt: skip
"""The options of a topic on Apache Kafka 3 and 4, and what each takes.

Only these may be given, and each takes numbers or words of its own. So whatever else is put there by mistake, such as a
secret, goes to no broker and is printed nowhere.
"""


def is_option(name: object) -> bool:
    """Whether a topic has an option of this name."""
    return name in _OPTIONS


def option_mistake(option: str, value: str) -> str | None:
    """What is wrong with an option of a topic, without the value; None where it is right.

    >>> option_mistake("retention.ms", "10"), option_mistake("retention.ms", "ten")
    (None, 'retention.ms: must be a whole number')
    """
    form = _OPTIONS.get(option)
    if form is None:
        near = difflib.get_close_matches(option, _OPTIONS, n=1, cutoff=0.6)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(sorted(_OPTIONS))}"
        return f"a key is no option of a topic; {hint}"
    if not re.fullmatch(_FORMS[form], value) or (option == RECORD_LIMIT and value.startswith("-")):
        return f"{option}: must be {form}"
    return None


def _option_text(value: object) -> object:
    """A value as Kafka takes it: text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value


OptionValue = Annotated[str, BeforeValidator(_option_text), StringConstraints(max_length=1_024)]


class TopicsSettings(FrozenSettings):
    """The names of the topics, and how those that do not exist yet are created."""

    events: TopicName = "events"
    labels: TopicName = "labels"
    decisions: TopicName = "decisions"
    feedback: TopicName = "feedback"
    alerts: TopicName = "alerts"
    review: TopicName = "review"
    dead_letters: TopicName = "dead-letters"
    telemetry: TopicName = "telemetry"
    snapshots: TopicName = "snapshots"
    configs: TopicName = "configs"
    """Every config that made a decision, whole and without secrets, under its digest."""
    shadow: TopicName | None = None
    """What the model of `shadow` would have decided. Without a value that is written nowhere."""
    keys: TopicName = "keys"
    """The wrapped keys of subjects, where `erasure.enabled` is set: see docs/erasure.md."""
    partitions: int = Field(default=4, ge=1, le=1_000)
    """Partitions of a topic that Tocsin creates. `feedback` always has one, because all workers learn in one order, and
    so have `snapshots`, `configs` and `keys`."""
    replication: int | None = Field(default=None, ge=1, le=10)
    """Copies of each partition of a topic that Tocsin creates. Without a value it is the broker's own default."""
    options: dict[Role, dict[str, OptionValue]] = Field(default_factory=dict)
    """Kafka's own options of topics that Tocsin creates, by what a topic is for: `feedback: {max.message.bytes:
    8388608}`."""
    create: bool = True
    """Whether `tocsin run` creates the topics that are missing."""

    def by_role(self) -> dict[Role, str]:
        """What each topic that is named is for, and its name."""
        of_shadow: dict[Role, str] = {} if self.shadow is None else {"shadow": self.shadow}
        return {
            "events": self.events,
            "labels": self.labels,
            "decisions": self.decisions,
            "feedback": self.feedback,
            "alerts": self.alerts,
            "review": self.review,
            "dead_letters": self.dead_letters,
            "telemetry": self.telemetry,
            "snapshots": self.snapshots,
            "configs": self.configs,
            **of_shadow,
            "keys": self.keys,
        }

    def names(self) -> tuple[str, ...]:
        """All topics, in the order of an event's way through them."""
        return tuple(self.by_role().values())

    @field_validator("options")
    @classmethod
    def _known_options(cls, value: dict[Role, dict[str, OptionValue]]) -> dict[Role, dict[str, OptionValue]]:
        for role, options in value.items():
            for option, text in options.items():
                if mistake := option_mistake(option, text):
                    raise ValueError(f"{role}: {mistake}")
        return value

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        names = self.names()
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two topics share the name {twice[0]!r}: every topic needs a name of its own")
        return self
