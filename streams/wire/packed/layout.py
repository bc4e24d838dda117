"""Layout: where each number of a packed event stands.

All numbers of an event, of what was decided of it and of what the model saw of it are float64 in one row. Where they
stand follows from how many features, classes, experts and past labels there are. The layout says this once for all
events of a model, and by which names features and classes go, so that a reader with another config finds them by name.
"""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import Literal

import msgspec

Kind = Literal["number", "category", "boolean", "time"]


class Layout(msgspec.Struct, frozen=True, array_like=True, dict=True):
    """What the numbers of packed events mean."""

    features: tuple[str, ...]
    kinds: tuple[Kind, ...]
    """Of each feature. A category is packed by its name, too, and a time as epoch milliseconds."""
    classes: tuple[str, ...] = ()
    experts: int = 0
    history: int = 0
    """How many of the stream's last labels the model saw."""
    per_class: bool = False
    """Whether classes have thresholds of their own."""
    nonconformity: bool | int = False
    """How many scores of nonconformity there are; true stands for two, as versions wrote that had no third."""
    priors: bool = False
    """Whether class priors are followed."""
    config: str = ""
    """The model digest."""
    segment: str = ""
    settings: str = ""
    """The config digest."""
    decided: bool = False
    """Whether anything but the features is packed: what was decided, and what the model saw."""
    keys: tuple[str, ...] = ()
    """Those of the features that no model sees, because they are keys of profiles alone."""
    said: int = 0
    """How many of the features, the last ones, are what profiles say."""

    @cached_property
    def packed(self) -> bytes:
        """The layout as it is kept, and written beside events."""
        return _ENCODER.encode(self)

    @cached_property
    def key(self) -> bytes:
        """Eight bytes by which events name it."""
        return hashlib.blake2b(self.packed, digest_size=8).digest()

    @cached_property
    def places(self) -> dict[str, slice]:
        """Where each part of a row stands, by its name."""
        K = len(self.classes)
        parts = {"features": len(self.features)}
        if self.decided:
            parts |= {"belief": K, "uncertainty": 1, "conflict": 1, "label": 1, "status": 1, "reason": 1, "sets": K}
            parts |= {"feedback_offset": 1, "decided_at": 1, "subject_label": 1, "threshold": 1, "learnt": 1}
            parts |= {"history": self.history, "betp": K, "limits": K * self.per_class}
            parts |= {"nonconformity": self.scores, "plain": K * self.priors, "ratio": K * self.priors}
            parts |= {"evidence": self.experts * K}
        places, start = {}, 0
        for name, width in parts.items():
            places[name] = slice(start, start + width)
            start += width
        return places

    @property
    def scores(self) -> int:
        """How many scores of nonconformity there are."""
        return 2 if self.nonconformity is True else int(self.nonconformity)

    @cached_property
    def width(self) -> int:
        """How many numbers a row has."""
        return int(max(place.stop for place in self.places.values()))

    @cached_property
    def visible(self) -> list[int]:
        """The places of the features that a model sees."""
        return [f for f, name in enumerate(self.features) if name not in self.keys]

    @cached_property
    def profiles(self) -> tuple[str, ...]:
        """The names of what profiles say."""
        return self.features[len(self.features) - self.said :]

    @cached_property
    def categories(self) -> tuple[str, ...]:
        """The features that are categories."""
        return tuple(name for name, kind in zip(self.features, self.kinds, strict=True) if kind == "category")


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Layout)


def read_layout(packed: bytes) -> Layout:
    """What `Layout.packed` gave. Raises msgspec.MsgspecError."""
    return _DECODER.decode(packed)
