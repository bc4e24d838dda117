"""The settings of one Hoeffding tree."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from tocsin.config.experts.base import ExpertSettings


class TreeSettings(ExpertSettings):
    """A compiled Hoeffding tree, which makes the same splits as river's `HoeffdingTreeClassifier`."""

    sees: ClassVar[tuple[str, ...]] = ("history", "one_vs_rest")
    renamed_keys: ClassVar[dict[str, str]] = {"forget": "leaf_fading_factor"}

    kind: Literal["tree"] = "tree"
    name: str = Field(default="tree", min_length=1, max_length=64)
    history: int = Field(default=0, ge=0, le=16)
    """How many of the stream's last known labels are added to the features."""
    grace_period: int = Field(default=50, ge=1, le=1_000_000)
    """Weight that a leaf collects between two attempts to split."""
    delta: float = Field(default=1e-5, ge=1e-100, le=1)
    """Probability at most that a split is made on the wrong feature (Hoeffding's bound)."""
    tau: float = Field(default=0.05, ge=0, le=1)
    """A leaf splits on the best feature, although another is about as good, once the Hoeffding bound is below this."""
    leaf_prediction: Literal["mc", "nb", "nba"] = "nba"
    """What leaves answer by: the majority (`mc`), naive Bayes (`nb`), or whichever was right more often (`nba`)."""
    max_depth: int | None = Field(default=None, ge=1, le=10_000)
    """Levels of the tree. Without a value there is no bound."""
    max_size: float = Field(default=16.0, ge=1e-9, le=65_536)
    """MiB of the tree. Beyond it the least promising leaves lose their observers, and only count classes."""
    leaf_fading_factor: float = Field(default=1.0, ge=1e-9, le=1)
    """What a leaf keeps of its class weights at each of its events; 1 keeps all. They give the majority, and the
    evidence that the leaf's answer is worth. They do not change where the tree splits."""
    one_vs_rest: bool = False
    """Whether there is one tree for each class, which tells its class from the rest."""
    strength: float = Field(default=30.0, ge=1e-9, le=1_000)
    """The most pseudo-counts of evidence that an answer is worth."""

    def cost(self, features: int, classes: int) -> float:
        """One path to a leaf, whose naive Bayes reads every feature for every class; of `one_vs_rest`, a tree each."""
        return 0.1 + 0.005 * features * classes
