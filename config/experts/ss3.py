"""The settings of the SS3 text classifier."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from tocsin.config.experts.base import ExpertSettings


class SS3Settings(ExpertSettings):
    """The SS3 text classifier with online counts (Burdisso, Errecalde, Montes y Gómez 2019)."""

    sees: ClassVar[tuple[str, ...]] = ("ngrams", "characters")
    reads_text: ClassVar[bool] = True

    kind: Literal["ss3"] = "ss3"
    name: str = Field(default="ss3", min_length=1, max_length=64)
    s: float = Field(default=0.45, ge=1e-9, le=1)
    """Smoothness: the smaller it is, the less frequent a word may be and still have a high value."""
    l: float = Field(default=0.5, ge=0, le=10)  # noqa: E741 - SS3's own name
    """Significance: how far a word's value for a class must stand out from those for the others to count."""
    p: float = Field(default=1.0, ge=0, le=10)
    """Sanction: how strongly a word is devalued that is significant for several classes."""
    a: float = Field(default=0.0, ge=0, le=1)
    """Words below this confidence value are ignored."""
    mode: Literal["xai", "paper"] = "xai"
    """The formulae of the package pyss3 in its mode `xai`, or those of the paper."""
    ngrams: int = Field(default=1, ge=1, le=5)
    """The longest n-grams."""
    characters: bool = False
    """Whether n-grams are of characters, for languages that write without spaces."""
    strength: float = Field(default=10.0, ge=1e-9, le=1_000)
    """The most pseudo-counts of evidence that an answer is worth."""
