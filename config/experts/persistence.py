"""The settings of the expert that repeats the last known label."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from tocsin.config.experts.base import ExpertSettings


class PersistenceSettings(ExpertSettings):
    """It repeats the last known label."""

    sees: ClassVar[tuple[str, ...]] = ("by",)

    kind: Literal["persistence"] = "persistence"
    name: str = Field(default="persistence", min_length=1, max_length=64)
    by: Literal["subject", "stream"] = "stream"
    """Whose last label is repeated: that of the event's own subject (else the stream's), or always the stream's."""
    strength: float = Field(default=10.0, ge=1e-9, le=1_000)
    """The most pseudo-counts of evidence that an answer is worth."""

    @property
    def label_history(self) -> int:
        """The stream's last label."""
        return 1

    @property
    def follows_subjects(self) -> bool:
        """Whether the last label of the event's own subject is repeated."""
        return self.by == "subject"

    def cost(self, features: int, classes: int) -> float:
        """The label is there."""
        return 0.01
