"""docker-compose.yml: the part of the Compose Specification that it uses, and how to read it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
CONFIG = "/etc/tocsin/config.yaml"
"""Where the services of our own image find their config."""

# The part of the Compose Specification that is used here, and no more: a key that is misspelt is an error.
TEXT = {"type": "string", "minLength": 1}
TEXTS = {"type": "array", "items": TEXT, "minItems": 1, "uniqueItems": True}
DURATION = {"type": "string", "pattern": r"^\d+(ms|s|m)$"}


def closed(needed: tuple[str, ...] = (), **properties: Any) -> dict[str, Any]:
    return {
        "type": "object", "properties": properties, "required": list(needed), "additionalProperties": False
    }  # fmt: skip


SERVICE = closed(
    ("image", "restart", "deploy", "logging", "healthcheck"),
    image=TEXT,
    build=closed(("context",), context=TEXT),
    pull_policy={"enum": ["build", "never"]},
    command={"type": "array", "items": TEXT, "minItems": 1},
    hostname=TEXT,
    restart={"type": "string", "pattern": r"^(unless-stopped|on-failure:\d+)$"},
    read_only={"type": "boolean"},
    tmpfs=TEXTS,
    cap_drop={"const": ["ALL"]},
    security_opt={"const": ["no-new-privileges:true"]},
    env_file={"type": "array", "items": closed(("path",), path=TEXT, required={"type": "boolean"})},
    environment={"type": "object", "additionalProperties": {"type": ["string", "integer"]}},
    ports=TEXTS,
    volumes=TEXTS,
    depends_on={
        "type": "object",
        "additionalProperties": closed(
            ("condition",), condition={"enum": ["service_healthy", "service_completed_successfully"]}
        ),
    },
    healthcheck={
        "oneOf": [
            closed(
                ("test", "interval", "timeout", "retries"),
                test={"type": "array", "prefixItems": [{"const": "CMD"}], "items": TEXT, "minItems": 2},
                interval=DURATION, timeout=DURATION, start_period=DURATION, retries={"type": "integer"},
            ),
            closed(("disable",), disable={"const": True}),
        ]
    },
    stop_grace_period=DURATION,
    deploy=closed(
        ("resources",),
        resources=closed(
            ("limits",),
            limits=closed(("cpus", "memory"), cpus={"type": "string"}, memory={"pattern": r"^\d+[MG]$"}),
        ),
    ),
    logging=closed(("driver", "options"), driver=TEXT, options={"type": "object"}),
)  # fmt: skip
COMPOSE = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "required": ["name", "services", "volumes"],
    "properties": {
        "name": {"type": "string", "pattern": "^[a-z0-9][a-z0-9_-]*$"},
        "services": {"type": "object", "additionalProperties": SERVICE},
        "volumes": {"type": "object", "additionalProperties": {"type": "null"}},
    },
    "patternProperties": {"^x-": {}},
    "additionalProperties": False,
}


def with_image_healthcheck(services: dict[str, Any]) -> dict[str, Any]:
    """A service of our own image has the healthcheck of its Dockerfile."""
    inherited = {"test": ["CMD", "image"], "interval": "1s", "timeout": "1s", "retries": 1}
    return {n: ({"healthcheck": inherited} if _is_own(s) else {}) | s for n, s in services.items()}


def interpolated(text: str) -> str:
    """What a string means while no variable is set."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)


def own(services: dict[str, Any]) -> dict[str, Any]:
    return {name: service for name, service in services.items() if _is_own(service)}


def _is_own(service: dict[str, Any]) -> bool:
    """Whether it runs our own image."""
    return bool(service["image"].startswith("tocsin:"))


def seconds(duration: str) -> int:
    """A duration such as `60s` or `2m`."""
    return int(duration[:-1]) * {"s": 1, "m": 60}[duration[-1]]


def mounts(service: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    for volume in service.get("volumes", ()):
        source, target, *mode = interpolated(volume).split(":")
        yield source, target, "".join(mode)
