"""What decides: experts, router, text, fusion, abstention."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from tocsin.config.base import ClassName, Group
from tocsin.config.early_risk import EarlyRisk as EarlyRisk
from tocsin.config.forest import ForestExpert
from tocsin.config.lifecycle import Lifecycle
from tocsin.config.linear_text import LinearTextExpert
from tocsin.config.naive_bayes import NaiveBayesExpert
from tocsin.config.neighbours import NeighboursExpert
from tocsin.config.prior_shift import PriorShift
from tocsin.config.schema import Feature

Seed = Annotated[int, Field(ge=0, lt=2**63)]

CostValue = Annotated[float, Field(ge=0, le=1e12)]


class RiverExpert(Group):
    """Any classifier of river, by its path below `river` (for example `tree.HoeffdingTreeClassifier`)."""

    kind: Literal["river"] = "river"
    name: str = Field(min_length=1, max_length=64)
    model: str = Field(default="tree.HoeffdingTreeClassifier", pattern=r"^[a-z_]+(\.[A-Za-z_]+)+$")
    parameters: dict[str, int | float | bool | str | None] = Field(default_factory=dict)
    history: int = Field(default=0, ge=0, le=16)
    """How many of the stream's last known labels are added to the features."""
    strength: float = Field(default=10.0, gt=0, le=1_000)
    """The most pseudo-counts of evidence that one prediction is worth."""


class TreeExpert(Group):
    """A Hoeffding tree (river's parameters, split for split, compiled)."""

    kind: Literal["tree"] = "tree"
    name: str = Field(default="tree", min_length=1, max_length=64)
    history: int = Field(default=0, ge=0, le=16)
    """How many of the stream's last known labels are added to the features."""
    grace_period: int = Field(default=50, ge=1, le=1_000_000)
    delta: float = Field(default=1e-5, gt=0, le=1)
    tau: float = Field(default=0.05, ge=0, le=1)
    leaf_prediction: Literal["mc", "nb", "nba"] = "nba"
    max_depth: int | None = Field(default=None, ge=1)
    max_size: float = Field(default=16.0, gt=0)
    """MiB above which the least promising leaves lose their observers."""
    forget: float = Field(default=1.0, gt=0, le=1)
    """What a leaf keeps of its class weights at each of its events; 1 keeps all. By what is left it answers (where it
    answers by the majority) and its answer weighs; where trees split does not change."""
    one_vs_rest: bool = False
    """One tree a class, each of which tells its class from the rest."""
    strength: float = Field(default=30.0, gt=0, le=1_000)
    """The most pseudo-counts of evidence that a leaf is worth."""


class LinearExpert(Group):
    """Multinomial logistic regression on standardised inputs, RMS-normalised steps."""

    kind: Literal["linear"] = "linear"
    name: str = Field(default="linear", min_length=1, max_length=64)
    step: float = Field(default=0.02, gt=0, le=1)
    buckets: int = Field(default=16, ge=1, le=4_096)
    """One-hot columns that each categorical feature is hashed to."""
    strength: float = Field(default=10.0, gt=0, le=1_000)


class PersistenceExpert(Group):
    """The subject's last known label, else the stream's."""

    kind: Literal["persistence"] = "persistence"
    name: str = Field(default="persistence", min_length=1, max_length=64)
    by: Literal["subject", "stream"] = "stream"
    strength: float = Field(default=10.0, gt=0, le=1_000)


class SS3Expert(Group):
    """The SS3 text classifier with online counts (Burdisso, Errecalde, Montes y Gómez 2019)."""

    kind: Literal["ss3"] = "ss3"
    name: str = Field(default="ss3", min_length=1, max_length=64)
    s: float = Field(default=0.45, gt=0, le=1)
    l: float = Field(default=0.5, ge=0, le=10)  # noqa: E741 - SS3's own name
    p: float = Field(default=1.0, ge=0, le=10)
    a: float = Field(default=0.0, ge=0, le=1)
    mode: Literal["xai", "paper"] = "xai"
    ngrams: int = Field(default=1, ge=1, le=5)
    characters: bool = False
    """Character n-grams, for languages that write without spaces."""
    strength: float = Field(default=10.0, gt=0, le=1_000)


ExpertSettings = Annotated[
    RiverExpert
    | TreeExpert
    | ForestExpert
    | NeighboursExpert
    | NaiveBayesExpert
    | LinearExpert
    | PersistenceExpert
    | SS3Expert
    | LinearTextExpert,
    Field(discriminator="kind"),
]


class ReliabilityRouter(Group):
    """A small network whose reliabilities are learnt online through the fused decision."""

    kind: Literal["reliability"] = "reliability"
    hidden: int = Field(default=24, ge=1, le=1_024)
    """Hidden units."""
    step: float = Field(default=0.002, gt=0, le=1)
    every: int = Field(default=1, ge=1, le=100_000)
    """One training step each so many feedback records, counted from the first."""
    engage: float = Field(default=1.0, gt=0, le=1)
    """Top-p engagement: the fewest experts that hold this share of what all can add to the decision."""
    fade: float = Field(default=0.995, gt=0, lt=1)
    """How fast an expert's record (prequential accuracy) forgets."""
    balance: float = Field(default=0.0001, ge=0, le=1)
    """How strongly an expert with more than its share of the decisions is pulled down, and one with less up."""
    window: int = Field(default=1_000, ge=1, le=1_000_000)
    """Feedback records over which those shares are taken."""
    boost: float = Field(default=1.0, ge=0, le=100)
    """By how much steps are larger than usual at the start and after a drift; it fades within some 500 records."""
    rare: float = Field(default=0.0, ge=0, le=1)
    """How much more labels of rare classes count in learning whom to trust: by (1 / (classes x own share)) ** rare, at
    most tenfold. At 0 all count alike, as suits accuracy and calibration; 0.5 suits macro-F1."""
    sharpness_step: float = Field(default=0.001, ge=0, le=0.1)
    """Step of the power of the pignistic probability that decisions are made by, learnt with the reliabilities; at 0 it
    stays 1."""


class MultiHotRouter(Group):
    """DriftMoE's network, trained on the mask of the experts that were right."""

    kind: Literal["multi-hot"] = "multi-hot"
    hidden: tuple[int, ...] = Field(default=(32,), max_length=4)
    """Units of each hidden layer."""
    step: float = Field(default=0.002, gt=0, le=1)
    every: int = Field(default=32, ge=1, le=100_000)
    """One training step each so many feedback records, counted from the first."""
    engage: float = Field(default=1.0, gt=0, le=1)
    """Top-p engagement: the most reliable experts are engaged until their share of all reliability reaches this."""
    fade: float = Field(default=0.995, gt=0, lt=1)
    """How fast an expert's record (prequential accuracy) forgets."""


class SkillRouter(Group):
    """No network: every expert is trusted as far as its recent record goes, the same for every event."""

    kind: Literal["skill"] = "skill"
    engage: float = Field(default=1.0, gt=0, le=1)
    """Top-p engagement: the most reliable experts are engaged until their share of all reliability reaches this."""
    fade: float = Field(default=0.995, gt=0, lt=1)
    """How fast an expert's record (prequential accuracy) forgets."""


def _router_kind(value: Any) -> Any:
    """The kind of router that settings speak of; where they do not say, they speak of the default."""
    return value.get("kind", "reliability") if isinstance(value, dict) else getattr(value, "kind", None)


RouterSettings = Annotated[
    Annotated[ReliabilityRouter, Tag("reliability")]
    | Annotated[MultiHotRouter, Tag("multi-hot")]
    | Annotated[SkillRouter, Tag("skill")],
    Discriminator(_router_kind),
]
"""What says, for each event, how far each expert can be trusted."""


class Fusion(Group):
    """How the experts' opinions become one belief."""

    rule: Literal["dempster", "cautious", "cumulative", "averaging", "murphy"] = "cumulative"
    """The default is the one whose decisions could be trusted most (`benchmarks/trust.py`)."""
    prior: float | None = Field(default=None, gt=0)
    """The prior weight s of an opinion, u = s / (sum e + s); the number of classes where none is given."""
    contextual: bool = False
    """Whether what an expert says is first discounted class by class, by how often it was right when it named that
    class; with `router.kind: skill` that is all the discounting there is."""
    fade: float = Field(default=0.995, gt=0, lt=1)
    """How fast that record forgets."""


class Abstention(Group):
    """When to keep silent: adaptive conformal inference on the pignistic probability."""

    enabled: bool = True
    controls: Literal["coverage", "error", "cost"] = "coverage"
    """`coverage`: an event is decided where its prediction set holds one class, and sets miss the true class in a share
    `error` of all events. `error`: decided where the most probable class is probable enough that a share `error` of
    what is decided is wrong. `cost`: decided for the class of least expected cost, where that is at most
    `abstain_cost`."""
    error: float = Field(default=0.1, gt=0, lt=0.5)
    """Target share of events whose prediction set misses the true class, or of decisions that are wrong."""
    per_class: bool = False
    """Whether sets miss at most the share `error` of every class rather than of all events: a rare class keeps its
    coverage, and more is abstained from. A class with fewer than 1 / error labels shares the threshold of all."""
    costs: dict[ClassName, dict[ClassName, CostValue]] = Field(default_factory=dict)
    """What a decision costs: true class, then decided class; 0 where right and 1 where wrong, if nothing is given."""
    abstain_cost: float = Field(default=0.1, ge=0)
    """What an abstention costs, in the unit of `costs`."""
    steering: Literal["aci", "pid"] = "aci"
    """How late labels steer the threshold: `aci` moves the level of its quantile (adaptive conformal inference), `pid`
    the threshold itself (conformal PID control)."""
    gain: float = Field(default=0.0025, ge=0, le=0.5)
    """Step of adaptive conformal inference; it shrinks as labels come later: an integrator with dead time swings. With
    `steering: pid` it is of no account."""
    window: int = Field(default=300, ge=20, le=1_000_000)
    """How many labelled scores the sliding quantile sees; where labels come late, two fifths of their delay, if that
    is more."""
    late_window: int = Field(default=3_000, ge=20, le=1_000_000)
    """The most that it sees however late labels come; and what the control of `error` sees, since only the part of the
    events that is decided tells."""
    cold_start: int = Field(default=30, ge=0, le=1_000_000)
    """Labels to learn before the first decision."""
    conflict: float = Field(default=0.4, gt=0, le=1)
    """An abstention at or above this conflict is put down to `conflict`."""
    budget: int | None = Field(default=None, ge=0, le=1_000_000_000)
    """At most so many abstentions an hour of event time go to review, each partition of the events having its share of
    them. Beyond it the least doubtful events are decided all the same. No bound where none is given."""
    novelty: float = Field(default=0.01, gt=0, le=0.5)
    """An event is novel where at most this share of recent labelled events lay as far from those before them, or found
    as little support with the experts: the share of false alarms. An abstention from one is put down to `novel`."""
    novelty_window: int = Field(default=1_000, ge=20, le=1_000_000)
    """How many labelled events that share is taken of."""
    novelty_memory: int = Field(default=256, ge=1, le=100_000)
    """How many labelled events are remembered for distances to be taken from."""
    abstain_novel: bool = False
    """Whether novel events are abstained from even where their evidence would decide."""

    @model_validator(mode="after")
    def _one_control(self) -> Self:
        if self.costs and self.controls != "cost":
            raise ValueError(f"costs are given but abstention controls {self.controls}: set controls to cost")
        if self.steering == "pid" and (self.per_class or self.controls == "error"):
            raise ValueError("steering: pid goes with controls: coverage or cost, and not with per_class")
        if self.per_class and self.controls == "error":
            raise ValueError("per_class speaks of prediction sets: it goes with controls: coverage or cost, not error")
        return self


def unfit_pool(experts: Sequence[ExpertSettings]) -> str | None:
    """What is wrong with a pool of experts, None where nothing is."""
    names = [expert.name for expert in experts]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        return f"two experts are named {twice[0]!r}: give one another name"
    return None if names else "at least one expert is needed"


DEFAULT_EXPERTS: tuple[ExpertSettings, ...] = (
    TreeExpert(name="tree", delta=1e-7),
    TreeExpert(name="tree-history", history=1),
    LinearExpert(),
    PersistenceExpert(),
)


class Model(Group):
    """Everything that the model's state depends on, and nothing else: its hash names the model in decisions."""

    features: tuple[Feature, ...] = ()
    text: bool = False
    classes: tuple[ClassName, ...] = ()
    experts: tuple[ExpertSettings, ...] = DEFAULT_EXPERTS
    router: RouterSettings = ReliabilityRouter()
    lifecycle: Lifecycle = Lifecycle()
    fusion: Fusion = Fusion()
    prior_shift: PriorShift = PriorShift()
    abstention: Abstention = Abstention()
    early_risk: EarlyRisk = EarlyRisk()
    max_classes: int = Field(default=64, ge=2)
    max_vocabulary: int = Field(default=200_000, ge=1)
    max_text: int = Field(default=100_000, ge=1)
    max_subjects: int = Field(default=1_000_000, ge=1)
    seed: Seed = 0

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if unfit := unfit_pool(self.experts):
            raise ValueError(unfit)
        if self.classes:
            named = {name for true, row in self.abstention.costs.items() for name in (true, *row)}
            if unknown := sorted(named - set(self.classes)):
                raise ValueError(f"abstention.costs names {unknown[0]!r}, which is none of the classes")
        return self

    def digest(self) -> str:
        """Sixteen hex digits that change whenever a setting of the model does."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]
