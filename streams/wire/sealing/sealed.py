"""Sealed bytes: a mark, the id of a subject's key, and what is enciphered under it.

Readers open what they read through `Seals`. What was written before anything was sealed opens as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from tocsin.streams.wire.sealing.secret import DamagedSealError, ErasureError, decipher, encipher

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MARK = b"\xc1\x04"
"""A byte that neither JSON nor msgpack uses, and what tells sealed bytes from others."""
KEY_ID = 12
"""Bytes of the id of a key."""
MORE = len(MARK) + KEY_ID + 12 + 16
"""So many bytes what is sealed is longer than what it holds."""
_START = len(MARK) + KEY_ID

EVENT, POSTS, LABEL, RECORD = b"event", b"posts", b"label", b"record"
"""What is sealed: it opens as nothing else."""


def key_id_of(value: bytes) -> bytes | None:
    """The id of the key that sealed bytes are sealed under; None where they are not sealed."""
    return bytes(value[len(MARK) : _START]) if value.startswith(MARK) else None


class ErasedError(Exception):
    """The key under which something was sealed is deleted: nobody can read it any more."""


class Key(NamedTuple):
    """A key of a subject, ready to seal."""

    id: bytes
    cipher: AESGCM
    owner: bytes
    """The index of its subject, see `Secret.index`."""


class Keys(Protocol):
    """Where keys are kept."""

    def of_subject(self, subject: str) -> Key:
        """A key of a subject, made where it has none. Raises ErasureError, StateError."""
        ...

    def by_id(self, key_id: bytes) -> Key | None:
        """The key of an id; None where it is deleted. Raises ErasureError, StateError."""
        ...


class Seals(Protocol):
    """What seals and opens for one service."""

    @property
    def active(self) -> bool:
        """Whether anything is sealed."""
        ...

    def seal(self, subject: str, plain: bytes, purpose: bytes) -> bytes:
        """Bytes that quote what a subject sent, sealed; as they are where nothing is sealed."""
        ...

    def opened(self, value: bytes, purpose: bytes) -> bytes:
        """What `seal` was given; what is not sealed is returned as it is.

        Raises ErasedError where the key is deleted, DamagedSealError, and ErasureError where the config seals nothing.
        """
        ...

    def feedback_key(self, subject: str) -> bytes:
        """The key of a feedback record, which names no subject in clear where anything is sealed."""
        ...


class Unsealed:
    """Nothing is sealed."""

    active = False

    def seal(self, subject: str, plain: bytes, purpose: bytes) -> bytes:
        """See `Seals`."""
        return plain

    def opened(self, value: bytes, purpose: bytes) -> bytes:
        """See `Seals`."""
        if value.startswith(MARK):
            raise ErasureError(
                "what was sealed is read, and erasure.enabled is not set: set it, with the secret that it was sealed by"
            )
        return value

    def feedback_key(self, subject: str) -> bytes:
        """See `Seals`."""
        return subject.encode()


UNSEALED = Unsealed()


class KeySeals:
    """Seals by the keys of subjects."""

    active = True

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def seal(self, subject: str, plain: bytes, purpose: bytes) -> bytes:
        """See `Seals`."""
        key = self._keys.of_subject(subject)
        return MARK + key.id + encipher(key.cipher, plain, purpose)

    def opened(self, value: bytes, purpose: bytes) -> bytes:
        """See `Seals`."""
        if not value.startswith(MARK):
            return value
        if len(value) < MORE:
            raise DamagedSealError("what was sealed is cut short")
        key = self._keys.by_id(bytes(value[len(MARK) : _START]))
        if key is None:
            raise ErasedError("its key is deleted")
        return decipher(key.cipher, value[_START:], purpose)

    def feedback_key(self, subject: str) -> bytes:
        """See `Seals`."""
        return self._keys.of_subject(subject).owner.hex().encode()
