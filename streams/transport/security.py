"""How a broker is reached, as options of the two client libraries.

Secrets are unwrapped here and nowhere else, into strings whose `repr` hides them, because kafka-python writes the
options that it is given into its debug log.
"""

from __future__ import annotations

from typing import Any

from pydantic import SecretStr

from tocsin.config.kafka import KafkaSettings, SecuritySettings
from tocsin.streams.transport.sockets import ClosingSelector


class _Hidden(str):
    """A string that a client library can use and that does not show in the `repr` of a mapping."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'**********'"


def client_options(settings: KafkaSettings) -> dict[str, Any]:
    """Address and credentials of the broker for librdkafka (confluent-kafka)."""
    return {"bootstrap.servers": settings.bootstrap, "reconnect.backoff.max.ms": 500} | _librdkafka(settings.security)


def admin_options(settings: KafkaSettings) -> dict[str, Any]:
    """Address and credentials of the broker for kafka-python."""
    servers = settings.bootstrap.split(",")
    return {"bootstrap_servers": servers, "selector": ClosingSelector} | _kafka_python(settings.security)


def _librdkafka(security: SecuritySettings) -> dict[str, Any]:
    options: dict[str, Any] = {"security.protocol": security.protocol}
    if security.protocol.startswith("sasl"):
        options |= _set_options(
            {
                "sasl.mechanism": security.mechanism,
                "sasl.username": security.username,
                "sasl.password": security.password,
            }
        )
    if security.protocol.endswith("ssl"):
        options |= _set_options(
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
        options |= _set_options(
            {
                "sasl_mechanism": security.mechanism,
                "sasl_plain_username": security.username,
                "sasl_plain_password": security.password,
            }
        )
    if security.protocol.endswith("ssl"):
        options |= _set_options(
            {
                "ssl_cafile": security.ca,
                "ssl_certfile": security.certificate,
                "ssl_keyfile": security.key,
                "ssl_password": security.key_password,
            }
        )
    return options


def _set_options(options: dict[str, Any]) -> dict[str, str]:
    """The options that are set, as plain strings: the value of a secret, the name of a path."""
    return {
        name: _Hidden(value.get_secret_value()) if isinstance(value, SecretStr) else str(value)
        for name, value in options.items()
        if value is not None
    }
