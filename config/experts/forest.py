"""The settings of an adaptive forest."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from tocsin.config.experts.base import ExpertSettings


class ForestSettings(ExpertSettings):
    """An adaptive forest of Hoeffding trees: online bagging, random subspaces, and for every tree a drift detector and
    a background tree that replaces it."""

    sees: ClassVar[tuple[str, ...]] = ("history",)
    renamed_keys: ClassVar[dict[str, str]] = {
        "forget": "leaf_fading_factor",
        "fade": "vote_fading_factor",
        "sharpness": "vote_power",
        "warning": "warning_delta",
        "drift": "drift_delta",
    }

    kind: Literal["forest"] = "forest"
    name: str = Field(default="forest", min_length=1, max_length=64)
    trees: int = Field(default=30, ge=1, le=1_000)
    """Members of the forest."""
    subspace: float = Field(default=0.7, ge=1e-9, le=1)
    """Share of the features that is drawn at random for each leaf or tree."""
    subspace_of: Literal["leaf", "tree"] = "leaf"
    """Whether features are drawn for each leaf, as in adaptive random forests, or once for each tree."""
    lambda_: float = Field(default=6.0, ge=1e-9, le=100)
    """Mean of the Poisson weight with which each tree learns each event."""
    grace_period: float = Field(default=50.0, ge=1e-9, le=1_000_000)
    """Weight that a leaf collects between two attempts to split."""
    delta: float = Field(default=0.01, ge=1e-100, lt=1)
    """Probability at most that a split is made on the wrong feature (Hoeffding's bound)."""
    tau: float = Field(default=0.05, ge=0, lt=1)
    """A leaf splits on the best feature, although another is about as good, once the Hoeffding bound is below this."""
    leaf_prediction: Literal["mc", "nb", "nba"] = "nba"
    """What leaves answer by: the majority (`mc`), naive Bayes (`nb`), or whichever was right more often (`nba`)."""
    binary_split: bool = False
    """Whether a split on a category has two branches rather than one for each value."""
    warning_delta: float = Field(default=0.05, ge=1e-100, lt=1)
    """ADWIN's delta at which a member starts a background tree. A larger value reacts sooner, and to more false
    alarms."""
    drift_delta: float = Field(default=0.01, ge=1e-100, lt=1)
    """ADWIN's delta at which the background tree replaces the member."""
    adapts: bool = True
    """Whether trees are replaced when their errors rise."""
    leaf_fading_factor: float = Field(default=1.0, ge=1e-9, le=1)
    """What a leaf keeps of its class weights at each of its events; 1 keeps all. They give the majority, and the
    evidence that the leaf's answer is worth. They do not change where trees split."""
    vote_fading_factor: float = Field(default=0.998, ge=1e-9, lt=1)
    """What a tree's prequential accuracy keeps of the past at each label; its vote is weighted by that accuracy."""
    vote_power: float = Field(default=4.0, ge=0, le=32)
    """A tree's vote has the weight of its accuracy to this power."""
    history: int = Field(default=0, ge=0, le=16)
    """How many of the stream's last known labels are added to the features."""
    history_as: Literal["category", "number"] = "category"
    """Whether the trees take those labels for categories or for numbers."""
    max_size: float = Field(default=4.0, ge=1e-9, le=1_024)
    """MiB a tree. Beyond it the least promising leaves lose their observers, and only count classes."""
    strength: float = Field(default=30.0, ge=1e-9, le=1_000)
    """The most pseudo-counts of evidence that an answer is worth."""
    seed: int = Field(default=0, ge=0, lt=2**63)
    """Combined with the seed of the model. Forests of a pool with different seeds draw different numbers."""

    def cost(self, features: int, classes: int) -> float:
        """Every tree answers."""
        return self.trees * (0.15 + 0.0008 * features * classes)
