"""How a broker is reached, in the words of Faust. Secrets are unwrapped here, as in `transport/security.py`."""

from __future__ import annotations

import ssl

from faust.auth import SASLCredentials, SSLCredentials
from faust.types.auth import CredentialsT

from tocsin.config.kafka import SecuritySettings
from tocsin.streams.transport.base import TransportError


def credentials(security: SecuritySettings) -> CredentialsT | None:
    """Faust's credentials; None where the broker asks for none. Raises TransportError for an unreadable file."""
    context = _context(security) if security.protocol.endswith("ssl") else None
    if security.protocol.startswith("sasl"):
        password = security.password.get_secret_value() if security.password is not None else None
        return SASLCredentials(
            username=security.username, password=password, mechanism=security.mechanism, ssl_context=context
        )
    return None if context is None else SSLCredentials(context)


def _context(security: SecuritySettings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=security.ca)
        if security.certificate is not None:
            secret = security.key_password
            password = None if secret is None else secret.get_secret_value()
            context.load_cert_chain(security.certificate, security.key, password)
    except OSError as error:  # ssl.SSLError is one
        raise TransportError(
            f"the files of kafka.security (ca, certificate, key) cannot be used: {error.strerror or 'not readable'}"
        ) from None
    return context
