"""The keys of subjects, and which subjects are forgotten, as the topic `keys` has it."""

from __future__ import annotations

from msgspec import Struct


class SubjectKey(Struct, frozen=True, omit_defaults=True):
    """A key of a subject, or that a subject is forgotten. On the topic `keys`, which is compacted.

    The record of a key is keyed by the subject's index, a dot and the id of the key, in hex digits; that a subject is
    forgotten by its index alone. The index is a keyed hash, so that no subject stands there in clear.
    """

    secret: str
    """What names the secret, sixteen hex digits."""
    time: int
    """Epoch milliseconds."""
    key: str = ""
    """The key, wrapped by the secret, in base 64; empty where the subject is forgotten."""
    forgotten: str = ""
    """The name of a subject that is forgotten, wrapped by the secret, in base 64: workers need it to find what they
    keep."""
    ends: dict[str, dict[str, int]] = {}
    """By topic and partition, the end offset when the subject was forgotten: what it sent before is not read again."""
