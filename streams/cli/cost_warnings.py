"""What `tocsin check` says of costs under which a class, or all of them, will hardly ever be decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tocsin.config import Settings

SELDOM = 0.02
"""A class is decided seldom where another one may be no more probable than this: a model is rarely so sure, and a class
that is rare has about such a probability by its frequency alone."""
_OTHER = "any other class"


def cost_warnings(settings: Settings) -> list[str]:
    """One line for each class that costs keep from being decided, or one that says that nothing will be.

    Deciding for a class costs what each true class costs, times how probable that is; an event is abstained from where
    every class costs more than `abstention.abstain_cost`.
    """
    abstention = settings.abstention
    if not abstention.enabled or abstention.controls != "cost":
        return []
    classes = _classes(settings)
    most = {decided: _most_of_another(classes, decided, settings) for decided in classes}
    never = [decided for decided, (share, _) in most.items() if share <= 0]
    place, price = "abstention.costs", f"abstention.abstain_cost: {abstention.abstain_cost:g}"
    if len(never) == len(classes):
        return [f"{place}: with {price} every event is abstained from: even a sure decision costs no less"]
    lines = [f"{place}: {decided!r} is never decided: with {price} an abstention is cheaper" for decided in never]
    for decided, (share, true) in most.items():
        if 0 < share <= SELDOM:
            lines.append(
                f"{place}: {decided!r} is decided only where {true!r} is at most {share:.2%} probable; where {true!r} "
                f"is about as frequent as that, nearly every event is abstained from. Raise {price}, or lower the cost "
                f"of {true!r} decided as {decided!r}"
            )
    return lines


def _classes(settings: Settings) -> Sequence[str]:
    """Those of the config; where it has none, those that the costs name, and one for all others."""
    if settings.classes:
        return settings.classes
    costs = settings.abstention.costs
    return [*dict.fromkeys(name for true, row in costs.items() for name in (true, *row)), _OTHER]


def _most_of_another(classes: Sequence[str], decided: str, settings: Settings) -> tuple[float, str]:
    """How probable the most costly other class may be for an event to be decided, and which class that is.

    0 or less where no event can be: even a sure decision then costs as much as an abstention.
    """
    costs, allowed = settings.abstention.costs, settings.abstention.abstain_cost
    right = _cost(costs, decided, decided)
    worst = max((true for true in classes if true != decided), key=lambda true: _cost(costs, true, decided))
    wrong = _cost(costs, worst, decided)
    if right > allowed:
        return 0.0, worst
    return (1.0 if wrong <= allowed else (allowed - right) / (wrong - right)), worst


def _cost(costs: Mapping[str, Mapping[str, float]], true: str, decided: str) -> float:
    return costs.get(true, {}).get(decided, 0.0 if true == decided else 1.0)
