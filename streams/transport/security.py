"""The settings of a broker, in the words of the two client libraries.

Secrets are unwrapped here and nowhere else, into strings that show nothing when they are printed inside a
mapping: kafka-python writes the options it is given into its debug log.
"""

from __future__ import annotations

from typing import Any

from pydantic import SecretStr

from tocsin.config.kafka import KafkaSettings, SecuritySettings
from tocsin.streams.transport.sockets import ClosingSelector


class _Hidden(str):
    """A string for a client library to use and for nobody to read."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'**********'"


def client_options(settings: KafkaSettings) -> dict[str, Any]:
    """How librdkafka (confluent-kafka) reaches and convinces the broker."""
    return {"bootstrap.servers": settings.bootstrap, "reconnect.backoff.max.ms": 500} | _librdkafka(settings.security)


def admin_options(settings: KafkaSettings) -> dict[str, Any]:
    """How kafka-python reaches and convinces the broker."""
    servers = settings.bootstrap.split(",")
    return {"bootstrap_servers": servers, "selector": ClosingSelector} | _kafka_python(settings.security)


def _librdkafka(security: SecuritySettings) -> dict[str, Any]:
    options: dict[str, Any] = {"security.protocol": security.protocol}
    if security.protocol.startswith("sasl"):
        options |= _given(
            {
                "sasl.mechanism": security.mechanism,
                "sasl.username": security.username,
                "sasl.password": security.password,
            }
        )
    if security.protocol.endswith("ssl"):
        options |= _given(
            {
                "ssl.ca.location": security.ca,
                "ssl.certificate.location": security.certificate,
                "ssl.key.location": security.key,
                "ssl.key.password": security.key_password,
            }
        )
    return options


def _kafka_python(security: SecuritySettings) -> dict[str, Any]:
    options: dict[str, Any] = {"security_protocol": security.protocol.upper()}
    if security.protocol.startswith("sasl"):
        options |= _given(
            {
                "sasl_mechanism": security.mechanism,
                "sasl_plain_username": security.username,
                "sasl_plain_password": security.password,
            }
        )
    if security.protocol.endswith("ssl"):
        options |= _given(
            {
                "ssl_cafile": security.ca,
                "ssl_certfile": security.certificate,
                "ssl_keyfile": security.key,
                "ssl_password": security.key_password,
            }
        )
    return options


def _given(options: dict[str, Any]) -> dict[str, str]:
    """Those that are set, as plain strings: a secret's value, a path's name."""
    return {
        name: _Hidden(value.get_secret_value()) if isinstance(value, SecretStr) else str(value)
        for name, value in options.items()
        if value is not None
    }
