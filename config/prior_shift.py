"""Whether decisions follow class priors that move before labels tell."""

from __future__ import annotations

from pydantic import Field

from tocsin.config.base import FrozenSettings


class PriorShiftSettings(FrozenSettings):
    """Label-free prior shift: what events alone tell of how frequent the classes have become.

    It helps where labels are late and what moves is how often classes occur; where the classes themselves move it may
    mislead, until labels show it.
    """

    enabled: bool = False
    memory: int = Field(default=300, ge=10, le=1_000_000)
    """Events over which priors are averaged."""
    window: int = Field(default=2_000, ge=100, le=100_000)
    """Labelled events whose probabilities say what the model takes for usual."""
    mature: int = Field(default=1_000, ge=0, le=1_000_000_000)
    """Labels that a model must have learnt for what it says to count there: one that knows little finds all alike."""
    least_gain: float = Field(default=0.05, ge=0, le=10)
    """Priors are followed where they make events likelier by this, in nats an event."""
