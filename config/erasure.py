"""Erasure: what quotes an event is sealed under a key of its subject, so that deleting the key forgets the subject."""

from __future__ import annotations

from pydantic import Field, SecretStr, field_validator

from tocsin.config.base import FrozenSettings

LEAST = 16
"""Characters of a secret."""


class ErasureSettings(FrozenSettings):
    """Whether what a subject wrote can be made unreadable later, see docs/erasure.md."""

    enabled: bool = False
    """Whether what quotes an event is sealed in topics and in the state. It needs a secret, the extra `erasure` and the
    topic `keys`. What was written before it was enabled stays as it is."""
    secret: SecretStr | None = None
    """What the keys are wrapped by, the same for all workers: a long random text, such as `openssl rand -base64 32`
    prints, best given as TOCSIN_ERASURE__SECRET. Whoever loses it loses all that is sealed."""
    keys_in_memory: int = Field(default=20_000, ge=1, le=100_000_000)
    """Keys that a worker keeps unwrapped; each takes about 2 kilobytes. Beyond it those that were needed first
    go, and are unwrapped again from its state."""

    @field_validator("secret")
    @classmethod
    def _long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        # A bound of the field's own would be told with the value.
        if value is not None and len(value.get_secret_value()) < LEAST:
            raise ValueError(f"a secret has {LEAST} characters or more")
        return value
