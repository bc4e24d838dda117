"""Opening decisions: what a record says of its event may be sealed, and is read as it was before that."""

from __future__ import annotations

from typing import Protocol

from tocsin.streams.wire.sealing.json_records import opened_record
from tocsin.streams.wire.sealing.sealed import UNSEALED, ErasedError, Seals


class ClosedError(Exception):
    """Nobody can read a record any more: a person was forgotten."""


class Opens(Protocol):
    """Opens what is sealed."""

    def __call__(self, value: bytes) -> bytes:
        """A decision as it was before anything in it was sealed, with its link.

        Raises ClosedError, DamagedSealError, and ErasureError where something is sealed and nothing is to be.
        """
        ...


def opens_by(seals: Seals) -> Opens:
    """Opens what these seals have sealed; where they seal nothing, a sealed record is an error of the config."""

    def opened(value: bytes) -> bytes:
        try:
            return opened_record(value, seals)
        except ErasedError:
            raise ClosedError from None

    return opened


as_it_is = opens_by(UNSEALED)
"""Opens decisions of a service that seals nothing."""
