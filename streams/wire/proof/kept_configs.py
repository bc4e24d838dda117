"""Kept configs: every config that made a decision, whole and without secrets, under its digest.

A decision names its config by that digest (`model.settings`). So a decision that was made under last month's config can
be rebuilt, with its explanation.
"""

from __future__ import annotations

import json
from typing import Any

from pydantic import ValidationError

from tocsin.config.base import short_digest
from tocsin.config.loading.errors import ConfigError
from tocsin.config.settings import Settings
from tocsin.config.shadow.plain import PlainSettings
from tocsin.streams.transport.base import Transport

_NO_SECRET = "not kept"
"""Stands for a password, which no kept config has and which some protocols must have."""


def packed_config(settings: Settings) -> bytes:
    """A config as it is kept: JSON."""
    return json.dumps(settings.shared(), sort_keys=True, separators=(",", ":")).encode()


def kept_configs(reader: Transport, topic: str) -> dict[str, bytes]:
    """The configs in a topic, by digest. A value that is not what its key says is left out. Raises TransportError."""
    kept: dict[str, bytes] = {}
    for partition, end in reader.end_offsets(topic).items():
        for record in reader.read(partition, 0, end):
            digest = (record.key or b"").decode(errors="replace")
            if record.value is not None and _digest_of(record.value) == digest:
                kept[digest] = record.value
    return kept


def settings_of(packed: bytes) -> Settings:
    """The settings that `packed_config` was given, without secrets and without what is of one worker alone.

    Nothing is taken from the environment. Raises ConfigError for a config that this release cannot use.
    """
    tree = json.loads(packed)
    try:
        security = tree.get("kafka", {}).get("security", {})
        if str(security.get("protocol", "")).startswith("sasl"):
            security["password"] = _NO_SECRET
    except AttributeError:
        raise ConfigError("a kept config cannot be used: it is no config") from None
    try:
        return PlainSettings(**tree)
    except ValidationError as error:
        told = (f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors(include_input=False))
        raise ConfigError(*(f"a kept config cannot be used: {mistake}" for mistake in told)) from None


def _digest_of(value: bytes) -> str | None:
    try:
        tree: Any = json.loads(value)
    except (ValueError, RecursionError):
        return None
    return short_digest(tree)
