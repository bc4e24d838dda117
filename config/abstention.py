"""When to abstain rather than decide."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from tocsin.config.alert.budget import NumberBudget
from tocsin.config.base import ClassName, FrozenSettings, Share

CostValue = Annotated[float, Field(ge=0, le=1e12)]


class AbstentionSettings(FrozenSettings):
    """When to abstain: by conformal prediction on the pignistic probability, with a threshold that late labels
    steer."""

    without_effect: ClassVar[frozenset[str]] = frozenset({"budget", "novel_groups", "novel_ask"})
    """These say who looks at an abstention, and with what."""

    enabled: bool = True
    controls: Literal["coverage", "error", "cost"] = "coverage"
    """What is controlled. `coverage`: an event is decided where its prediction set holds one class, and the sets miss
    the true class in a share `error` of all events. `error`: an event is decided where its most probable class is
    probable enough that a share `error` of the decisions is wrong. `cost`: an event is decided for the class of least
    expected cost, where that cost is at most `abstain_cost`."""
    error: float = Field(default=0.1, ge=1e-9, lt=0.5)
    """Target share of events whose prediction set misses the true class, or of decisions that are wrong. It is held in
    the long run, by labels that came. It does not hold of the events after a drift until their labels are learnt. With
    `controls: error` telemetry says whether the promise is kept: at most this share and one point more is wrong."""
    quick_labels: Share = Field(default=0.0, ge=0, le=0.5)
    """The share of decisions, as 0.01 or `1%`, for which the topic `review` asks for a quick label: one that comes well
    before the usual ones, and so tells of a drift before these can. Each such review says how soon its answer must come
    to be worth that. After a wrong one more are asked for. It goes with `controls: error`."""
    per_class: bool | Literal["auto"] = "auto"
    """Whether the sets miss at most the share `error` of every class rather than of all events. A rare class keeps its
    coverage, and there are more abstentions. A class with fewer than 1 / error labels uses the threshold of all. With
    `auto` sets are so from the time on that 1,000 labels are known and one of the classes is rare among them: with at
    most the share `error` of the labels, so that sets that miss it every time would keep the promise about all events,
    and with less than half of an even share. Whether an event is decided then still goes by the threshold of all
    events, because with a set that has to hold most of a rare class hardly any event would be."""
    rare_share: float = Field(default=0.1, ge=0, le=1)
    """A class is rare where its share of the labels is below this part of an even share. A rare class is decided for
    from the probability on that would have given it the greatest F1 score on the labels of late, although another class
    is more probable: else one in a hundred is never found. At 0 the most probable class is always decided for. It goes
    with `controls: coverage`, and not with `per_class: true`."""
    costs: dict[ClassName, dict[ClassName, CostValue]] = Field(default_factory=dict)
    """What a decision costs, by true class and then by decided class. A cost that is not given is 0 for a right
    decision and 1 for a wrong one."""
    abstain_cost: float = Field(default=0.1, ge=0, le=1e12)
    """What an abstention costs, in the unit of `costs`."""
    steering: Literal["aci", "pid"] = "aci"
    """How late labels steer the threshold: `aci` changes the level of its quantile (adaptive conformal inference),
    `pid` changes the threshold itself (conformal PID control)."""
    gain: float = Field(default=0.0025, ge=0, le=0.5)
    """Step of adaptive conformal inference. It becomes smaller where labels are late, because a large step on old
    errors makes the coverage swing. `steering: pid` does not use it."""
    window: int = Field(default=300, ge=20, le=1_000_000)
    """How many of the latest labelled scores the quantile is taken of. Where labels are late it is two fifths of their
    delay, if that is more."""
    late_window: int = Field(default=3_000, ge=20, le=1_000_000)
    """The most scores that the quantile is taken of, however late labels are. With `controls: error` the threshold
    always rests on this many answers of today's model to labelled events."""
    cold_start: int = Field(default=30, ge=0, le=1_000_000)
    """Labels that must count before the first decision. A label counts where the model had learnt this many labels when
    its event came, or as many as came between the event and its label. So with labels that are late the first decision
    comes after about twice their delay; with `controls: error` and `quick_labels` after one."""
    conflict: float = Field(default=0.4, ge=1e-9, le=1)
    """An abstention from an event with at least this conflict has the reason `conflict`."""
    budget: NumberBudget | None = None
    """The most abstentions that go to review in any hour or day of event time: `20/hour` or `200/day`; a number alone
    is one an hour. Each partition of the events has an even share of them. Beyond it the least doubtful events are
    decided all the same. Without a value there is no bound."""
    novelty: float = Field(default=0.01, ge=1e-9, le=0.5)
    """The share of false alarms of novelty. An event is novel where at most this share of the recent labelled events
    lay as far from those before them, or found as little support with the experts. An abstention from it has the reason
    `novel`."""
    novelty_window: int = Field(default=1_000, ge=20, le=1_000_000)
    """How many labelled events that share is taken of."""
    novelty_memory: int = Field(default=256, ge=1, le=100_000)
    """How many labelled events are remembered to measure distances from."""
    novelty_by: Literal["labelled", "traffic"] = "labelled"
    """What tells that an event is novel. `labelled`: how far it lies from labelled events. `traffic`: also how much
    denser recent traffic lies around it than labelled events of the same time do, which finds a class that nobody has
    labelled yet. That needs labels for a fair share of all events, see `novelty_labelled`."""
    novelty_traffic: int = Field(default=1_000, ge=200, le=100_000)
    """How many labelled events, and how many of the traffic of the same time, are compared by `novelty_by: traffic`."""
    novelty_labelled: float = Field(default=0.15, ge=0, le=1)
    """The labelled share of all events below which the traffic says nothing: with fewer labels, what is new and what is
    merely not labelled look alike."""
    novelty_columns: int = Field(default=128, ge=1, le=1_000)
    """The most numbers an event for which traffic is compared; a category counts as four. Wider events are judged by
    labelled events alone, because the cost of comparing grows with the square of the numbers."""
    novel_groups: int = Field(default=16, ge=0, le=1024)
    """How many groups of novel events that are alike each partition of the events has at most, so that a person is
    asked once whether they are a new class. The least recent group makes room. At 0 they are not grouped. Events wider
    than `novelty_columns` are not, nor are texts."""
    novel_ask: int = Field(default=5, ge=1, le=1_000_000)
    """With how many events a group of novel events is first asked about; it is again whenever they have doubled."""
    abstain_novel: bool = False
    """Whether novel events are abstained from even where their evidence would suffice for a decision."""

    @model_validator(mode="after")
    def _one_control(self) -> Self:
        if self.costs and self.controls != "cost":
            raise ValueError(f"costs are given but abstention controls {self.controls}: set controls to cost")
        if self.steering == "pid" and (self.per_class is True or self.controls == "error"):
            raise ValueError("steering: pid goes with controls: coverage or cost, and not with per_class")
        if self.per_class is True and self.controls == "error":
            raise ValueError("per_class speaks of prediction sets: it goes with controls: coverage or cost, not error")
        if self.budget is not None and self.controls == "error":
            raise ValueError(
                "budget decides what is too much for review, right or wrong, so controls: error could not keep its "
                "promise: leave budget out, or set controls to coverage or cost"
            )
        if self.quick_labels and self.controls != "error":
            raise ValueError("quick_labels keep the promise of controls: error, and go with nothing else")
        return self

    @property
    def decides_by_class(self) -> bool:
        """Whether the threshold of each class also says which events are decided."""
        return self.per_class is True

    @property
    def may_be_per_class(self) -> bool:
        """Whether classes have thresholds of their own, or may come to have them."""
        return self.per_class is not False and self.controls != "error" and self.steering != "pid"
