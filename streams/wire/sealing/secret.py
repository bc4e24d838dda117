"""The secret of a service, and what is derived from it: what wraps the keys of subjects, and what they are found by.

From the secret come three keys by HKDF (RFC 5869): one wraps the keys of subjects, one makes of a subject's name what
its keys are found by, and one names the secret, so that a wrong one is told from a damaged record. What is wrapped is
enciphered by AES-256-GCM (NIST SP 800-38D) with a random nonce of 96 bits.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from typing import TYPE_CHECKING

from tocsin.config.settings import Settings

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY, NONCE = 32, 12
"""Bytes of a key, and of a nonce."""
INDEX = 16
"""Bytes of what a subject's keys are found by."""


class ErasureError(Exception):
    """What is sealed cannot be worked with: no secret, another one, no library, no keys. The text says what to do."""


class DamagedSealError(ValueError):
    """What was sealed, or a key that was wrapped, is not as it was written."""


def cipher_of(key: bytes) -> AESGCM:
    """AES-256-GCM under a key of 32 bytes. Raises ErasureError where the library is missing."""
    try:  # here, because only services that seal need it
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError as error:
        raise ErasureError(
            "erasure.enabled: sealing needs the library cryptography: pip install 'tocsin[erasure]'"
        ) from error
    return AESGCM(key)


def encipher(cipher: AESGCM, plain: bytes, purpose: bytes) -> bytes:
    """A random nonce and what is enciphered with it. It opens for the same purpose only."""
    nonce = os.urandom(NONCE)
    return nonce + cipher.encrypt(nonce, plain, purpose)


def decipher(cipher: AESGCM, sealed: bytes, purpose: bytes) -> bytes:
    """What `encipher` was given. Raises DamagedSealError."""
    from cryptography.exceptions import InvalidTag

    try:
        return cipher.decrypt(sealed[:NONCE], sealed[NONCE:], purpose)
    except (InvalidTag, ValueError) as error:
        raise DamagedSealError("what was sealed is damaged") from error


class Secret:
    """One secret.

    >>> secret = Secret("a long text that nobody guesses")
    >>> secret.unwrapped(secret.wrapped(b"k" * 32, b"id"), b"id") == b"k" * 32
    True
    """

    def __init__(self, text: str) -> None:
        root = hmac.digest(b"tocsin erasure", text.encode(), hashlib.sha256)
        self._subjects = _expand(root, b"subjects")
        self._wrapping = cipher_of(_expand(root, b"wrapping"))
        self.name = _expand(root, b"name")[:8].hex()
        """What names the secret, sixteen hex digits that tell nothing of it."""

    @classmethod
    def of(cls, settings: Settings) -> Secret | None:
        """That of a config; None where nothing is sealed. Raises ErasureError where it is missing."""
        if not settings.erasure.enabled:
            return None
        if settings.erasure.secret is None:
            raise ErasureError(
                "erasure.enabled: what is sealed needs a secret, the same for all workers: give it as "
                "TOCSIN_ERASURE__SECRET"
            )
        return cls(settings.erasure.secret.get_secret_value())

    def index(self, subject: str) -> bytes:
        """What the keys of a subject are found by: an HMAC-SHA-256 of its name, cut to 16 bytes."""
        return hmac.digest(self._subjects, subject.encode(), hashlib.sha256)[:INDEX]

    def wrapped(self, key: bytes, purpose: bytes) -> bytes:
        """A key, or a name, enciphered by the secret."""
        return encipher(self._wrapping, key, purpose)

    def unwrapped(self, wrapped: bytes, purpose: bytes) -> bytes:
        """What `wrapped` was given. Raises DamagedSealError."""
        return decipher(self._wrapping, wrapped, purpose)


def _expand(root: bytes, info: bytes) -> bytes:
    """32 bytes of HKDF's second step."""
    return hmac.digest(root, b"tocsin " + info + b"\x01", hashlib.sha256)
