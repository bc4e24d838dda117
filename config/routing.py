"""How reliable each expert is for an event, by one of three kinds of router."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Discriminator, Field, Tag

from tocsin.config.base import FrozenSettings

# In records of earlier releases `engage` is what is called `top_p` today, so that `engage` has another name there.
ASKING_NAMES = {"engage": "top_p", "asked_share": "engage"}


class AskingSettings(FrozenSettings):
    """What every kind of router says of who is asked."""

    engage: float = Field(default=1.0, ge=1e-9, le=1)
    """For which share of the events the most probable class must be that which all experts together find. Below 1 a few
    are asked about each event first, and the others only where these do not suffice; at 1 all are asked about every
    event."""


class ReliabilitySettings(AskingSettings):
    """A small network whose reliabilities are learnt online through the fused decision."""

    renamed_keys: ClassVar[dict[str, str]] = {
        "fade": "fading_factor",
        **ASKING_NAMES,
        "rare": "rare_class_power",
        "sharpness_step": "inverse_temperature_step",
    }

    kind: Literal["reliability"] = "reliability"
    hidden: int = Field(default=24, ge=1, le=1_024)
    """Hidden units."""
    step: float = Field(default=0.002, ge=1e-9, le=1)
    """Learning rate."""
    every: int = Field(default=1, ge=1, le=100_000)
    """Feedback records between two training steps. They are counted from the first feedback record."""
    top_p: float = Field(default=1.0, ge=1e-9, le=1)
    """Top-p engagement: an event gets the fewest experts that hold this share of what all can add to its decision. At 1
    all experts are engaged."""
    fading_factor: float = Field(default=0.995, ge=1e-9, lt=1)
    """What an expert's prequential accuracy keeps of the past at each label: nearer to 1 it changes more slowly."""
    balance: float = Field(default=0.0001, ge=0, le=1)
    """How strongly the reliability of an expert with more than its share of the decisions is pulled down, and that of
    one with less is pulled up."""
    window: int = Field(default=1_000, ge=1, le=1_000_000)
    """Feedback records over which those shares are taken."""
    boost: float = Field(default=1.0, ge=0, le=100)
    """How much larger the training steps are at the start and after a drift: at 1 they are twice as large. The boost
    fades within about 500 records."""
    rare_class_power: float = Field(default=0.0, ge=0, le=1)
    """How much more the labels of rare classes count in training: their weight is (1 / (number of classes x share of
    the class)) to this power, at most 10. At 0 all labels count alike, which suits accuracy and calibration; 0.5 suits
    macro-F1."""
    inverse_temperature_step: float = Field(default=0.001, ge=0, le=0.1)
    """Learning rate of the inverse temperature, the power to which the pignistic probability is raised before a
    decision. At 0 it stays 1."""


class MultiHotSettings(AskingSettings):
    """DriftMoE's network, trained on the mask of the experts that were right. It needs PyTorch (the extra `gpu`)."""

    renamed_keys: ClassVar[dict[str, str]] = {"fade": "fading_factor", **ASKING_NAMES}

    kind: Literal["multi-hot"] = "multi-hot"
    hidden: tuple[Annotated[int, Field(ge=1, le=4_096)], ...] = Field(default=(32,), max_length=4)
    """Units of each hidden layer."""
    step: float = Field(default=0.002, ge=1e-9, le=1)
    """Learning rate."""
    every: int = Field(default=32, ge=1, le=100_000)
    """Feedback records between two training steps. They are counted from the first feedback record."""
    top_p: float = Field(default=1.0, ge=1e-9, le=1)
    """Top-p engagement: an event gets the most reliable experts, until they hold this share of all reliability. At 1
    all experts are engaged."""
    fading_factor: float = Field(default=0.995, ge=1e-9, lt=1)
    """What an expert's prequential accuracy keeps of the past at each label: nearer to 1 it changes more slowly."""


class SkillSettings(AskingSettings):
    """No network: an expert's reliability follows from its prequential accuracy and is the same for every event."""

    renamed_keys: ClassVar[dict[str, str]] = {"fade": "fading_factor", **ASKING_NAMES}

    kind: Literal["skill"] = "skill"
    top_p: float = Field(default=1.0, ge=1e-9, le=1)
    """Top-p engagement: an event gets the most reliable experts, until they hold this share of all reliability. At 1
    all experts are engaged."""
    fading_factor: float = Field(default=0.995, ge=1e-9, lt=1)
    """What an expert's prequential accuracy keeps of the past at each label: nearer to 1 it changes more slowly."""


def _router_kind(value: Any) -> Any:
    """The kind of router that these settings are of: the default one, where they do not say."""
    return value.get("kind", "reliability") if isinstance(value, dict) else getattr(value, "kind", None)


RouterSettings = Annotated[
    Annotated[ReliabilitySettings, Tag("reliability")]
    | Annotated[MultiHotSettings, Tag("multi-hot")]
    | Annotated[SkillSettings, Tag("skill")],
    Discriminator(_router_kind),
]
"""The settings of a router of any kind."""
