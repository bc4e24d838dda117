"""Which events raise an alert by themselves, and how many."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from tocsin.config.alert.budget import Budget
from tocsin.config.base import ClassName, FrozenSettings


class AlertSettings(FrozenSettings):
    """Alerts on the events that are most probably of one class, as many as people can look at.

    An event raises one whether it is decided or abstained from: what is asked is which events are the surest.
    """

    class_: ClassName | None = Field(default=None, alias="class")
    """The class that raises alerts. Where none is named no event raises one."""
    budget: Budget = "100/day"
    """How many: `200/day` or `20/hour` of event time, which no day (by UTC) or hour exceeds, or a share of the events,
    `0.5%`. It is spent on the events of greatest probability, as those of late let expect. Each partition of the events
    has an even part of a number. Events of a cold start raise no alert, and no share is taken of them."""

    @model_validator(mode="after")
    def _of_a_class(self) -> Self:
        if self.class_ is None and self.budget != type(self).model_fields["budget"].default:
            raise ValueError("a budget without a class raises no alert: name it, `alert: {class: ..., budget: ...}`")
        return self
