"""The settings of the expert of declared rules, and of each rule."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from tocsin.config.base import ClassName, FrozenSettings
from tocsin.config.experts.base import ExpertSettings


class RuleSettings(FrozenSettings):
    """One rule that a team declares: when it fires, and for which class it speaks."""

    model_config = ConfigDict(populate_by_name=True)
    without_effect: ClassVar[frozenset[str]] = frozenset({"says"})

    name: str = Field(min_length=1, max_length=64)
    """Unique among the rules of the expert; explanations and telemetry name the rule by it."""
    when: str = Field(min_length=1, max_length=1_000)
    """The condition: features by their names, compared as in Python (`amount > 10000 and country != "home"`)."""
    class_: ClassName = Field(alias="class")
    """The class that it speaks for, one of `classes`."""
    says: str = Field(default="", max_length=256)
    """What explanations say when it fires."""
    confidence: float = Field(default=0.8, ge=0.001, le=0.999)
    """The share of the events on which it fires that are expected to be of its class. Labels correct it."""


class RulesSettings(ExpertSettings):
    """Rules that a team declares. Each is trusted by its `confidence` at first, and by how often it was right later."""

    sees: ClassVar[tuple[str, ...]] = ("name",)

    kind: Literal["rules"] = "rules"
    name: str = Field(default="rules", min_length=1, max_length=64)
    rules: tuple[RuleSettings, ...] = Field(max_length=256)
    confidence_labels: float = Field(default=10.0, ge=0.1, le=10_000)
    """For how many labels the `confidence` of a rule counts."""
    fading_factor: float = Field(default=0.995, ge=0.5, le=1)
    """What a rule keeps of its counts each time it fires on a labelled event; 1 forgets nothing."""
    strength: float = Field(default=100.0, ge=1e-9, le=1_000)
    """The most pseudo-counts of evidence that an answer is worth."""

    @model_validator(mode="after")
    def _some_distinct(self) -> Self:
        if not self.rules:  # no bound of the field: pydantic would tell it beside each mistake of a rule
            raise ValueError("rules is empty: declare one rule at least")
        names = [rule.name for rule in self.rules]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two rules are named {twice[0]!r}: give one another name")
        return self
