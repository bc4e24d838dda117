"""The settings of an adaptive forest."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from tocsin.config.experts.base import ExpertSettings


class ForestSettings(ExpertSettings):
    """A forest of Hoeffding trees: online bagging, random subspaces, a drift detector and a stand-by for every tree."""

    sees: ClassVar[tuple[str, ...]] = ("history",)

    kind: Literal["forest"] = "forest"
    name: str = Field(default="forest", min_length=1, max_length=64)
    trees: int = Field(default=30, ge=1, le=1_000)
    subspace: float = Field(default=0.7, gt=0, le=1)
    """Share of the features that is drawn for each leaf (or tree)."""
    subspace_of: Literal["leaf", "tree"] = "leaf"
    lambda_: float = Field(default=6.0, gt=0, le=100)
    """Mean of the Poisson weights with which each tree learns each record."""
    grace_period: float = Field(default=50.0, gt=0)
    """Weight that a leaf gathers between two attempts to split."""
    delta: float = Field(default=0.01, gt=0, lt=1)
    """One minus the confidence that a split's feature is the right one."""
    tau: float = Field(default=0.05, ge=0, lt=1)
    """Below this bound a tie of two features is broken."""
    leaf_prediction: Literal["mc", "nb", "nba"] = "nba"
    """What leaves answer: the majority, naive Bayes, or whichever was right more often."""
    binary_split: bool = False
    """Whether categories split in two only, not into one branch each."""
    warning: float = Field(default=0.05, gt=0, lt=1)
    """ADWIN's delta at which a member begins a tree in the background."""
    drift: float = Field(default=0.01, gt=0, lt=1)
    """ADWIN's delta at which that tree takes over."""
    adapts: bool = True
    """Whether trees are replaced when their errors rise."""
    forget: float = Field(default=1.0, gt=0, le=1)
    """What a leaf keeps of its class weights at each of its events; 1 keeps all. By what is left it answers (where it
    answers by the majority) and its answer weighs; where trees split does not change."""
    fade: float = Field(default=0.998, gt=0, lt=1)
    """How fast the accuracy by which a tree's vote weighs forgets."""
    vote_power: float = Field(default=4.0, ge=0, le=32)
    """A vote weighs a tree's accuracy to this power."""
    history: int = Field(default=0, ge=0, le=16)
    """How many of the stream's last known labels are added to the features."""
    history_as: Literal["category", "number"] = "category"
    """What a label of the history is to the trees."""
    max_size: float = Field(default=4.0, gt=0, le=1_024)
    """MiB a tree; beyond, its least promising leaves only count."""
    strength: float = Field(default=30.0, gt=0, le=1_000)
    """The most pseudo-counts of evidence that one answer is worth."""
    seed: int = Field(default=0, ge=0, lt=2**63)
