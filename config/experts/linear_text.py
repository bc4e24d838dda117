"""The settings of the linear text expert."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from tocsin.config.experts.base import ExpertSettings


class LinearTextSettings(ExpertSettings):
    """A linear model on hashed n-grams of words and characters, learnt in one pass (AROW, Crammer et al. 2009)."""

    sees: ClassVar[tuple[str, ...]] = ("characters", "scope")
    reads_text: ClassVar[bool] = True

    kind: Literal["linear-text"] = "linear-text"
    name: str = Field(default="linear-text", min_length=1, max_length=64)
    words: int = Field(default=2, ge=0, le=5)
    """The longest n-grams of words; 0 reads no words."""
    characters: int = Field(default=4, ge=0, le=8)
    """The longest n-grams of characters; 0 reads none. Languages without spaces do best with 3 and no words."""
    bits: int = Field(default=18, ge=8, le=24)
    """N-grams are hashed to 2 ** bits buckets, which take 16 bytes a class each."""
    r: float = Field(default=0.1, ge=1e-9, le=1_000)
    """AROW's regularisation: the larger it is, the less a single label changes. Noisy labels need a larger value."""
    scope: Literal["post", "subject"] = "post"
    """Whether an event's evidence comes from its own text, or from all that its subject has written so far."""
    strength: float = Field(default=100.0, ge=1e-9, le=1_000)
    """The most pseudo-counts of evidence that an answer is worth. How many it is worth is learnt."""

    @model_validator(mode="after")
    def _reads_something(self) -> Self:
        if not self.words and not self.characters:
            raise ValueError("words and characters are both 0: there is nothing to read")
        return self
