"""Whether decisions follow class frequencies that change before labels arrive."""

from __future__ import annotations

from pydantic import Field

from tocsin.config.base import FrozenSettings


class PriorShiftSettings(FrozenSettings):
    """Label-free prior shift: class frequencies are estimated from the events alone, and decisions follow them.

    It helps where labels are late and the frequencies of the classes change. Where the classes themselves change it may
    mislead until labels arrive.
    """

    enabled: bool = False
    memory: int = Field(default=300, ge=10, le=1_000_000)
    """Events over which class frequencies are averaged."""
    window: int = Field(default=2_000, ge=100, le=100_000)
    """Labelled events over which the model's usual probabilities are averaged, as what the others are compared with."""
    mature: int = Field(default=1_000, ge=0, le=1_000_000_000)
    """A labelled event counts there only if the model had learnt this many labels: a model that knows little takes all
    classes for about equally probable."""
    least_gain: float = Field(default=0.05, ge=0, le=10)
    """Estimated frequencies are followed only where they make events more probable by this much, in nats an event."""
