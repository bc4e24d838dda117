"""How a shadow stands beside the config that decides, in figures, and whether it may take its place."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from tocsin.config.settings import Settings
from tocsin.config.shadow.promotion import Measure, PromotionSettings
from tocsin.models.figures.sequential import Bounds, Pair, difference, mean_difference
from tocsin.streams.wire.kinds.shadow import ComparedEvents, Held

MEASURES: tuple[Measure, ...] = ("accuracy", "balanced", "wrong", "coverage")


class OfOne(NamedTuple):
    """One of both, on the events that both were compared on; None where nothing came to judge by."""

    accuracy: float | None
    """Share of events whose most probable class was the true one, decided or not."""
    balanced: float | None
    """Mean of the recalls of the classes."""
    gmean: float | None
    """Their geometric mean."""
    coverage: float | None
    """Share of events that were decided."""
    error: float | None
    """Share of wrong ones among those that were decided."""
    wrong: float | None
    """Share of events that were decided, and wrongly."""


class Standings(NamedTuple):
    """Both side by side."""

    events: int
    decides: OfOne
    shadow: OfOne
    advantage: dict[Measure, Bounds]
    """By measure, how much better the shadow is: the difference, or for `wrong` how much less it is."""


class PromotionVerdict(NamedTuple):
    """Whether the shadow may be promoted."""

    may: bool
    why: str
    """One sentence, with the figures."""


def standings(compared: ComparedEvents, first_decides: bool, settings: Settings) -> Standings:
    """The figures of what was counted, by the confidence that `settings.promotion` asks for."""
    sure = settings.promotion.confidence
    most = len(settings.classes) or settings.model.max_classes

    def turned(held: Held) -> Pair:
        """With whoever decides in the first place."""
        return Pair(*((held.both, held.first, held.second) if first_decides else (held.both, held.second, held.first)))

    right, decided, wrong = turned(compared.right), turned(compared.decided), turned(compared.wrong)
    classes = [(turned(one.found), one.labels) for one in compared.classes.values()]
    fewer = Pair(wrong.both, wrong.second, wrong.first)

    def of_one(alone: Literal["first", "second"]) -> OfOne:
        held = [pair.both + getattr(pair, alone) for pair in (right, decided, wrong)]
        recalls = [(pair.both + getattr(pair, alone)) / labels for pair, labels in classes if labels > 0]
        return _of_one(compared.events, held, recalls)

    return Standings(
        events=compared.events,
        decides=of_one("first"),
        shadow=of_one("second"),
        advantage={
            "accuracy": difference(right, compared.events, sure),
            "balanced": mean_difference(classes, most, sure),
            "wrong": difference(fewer, compared.events, sure),
            "coverage": difference(decided, compared.events, sure),
        },
    )


def _of_one(events: int, held: Sequence[int], recalls: Sequence[float]) -> OfOne:
    right, decided, wrong = held
    return OfOne(
        accuracy=_share(right, events),
        balanced=sum(recalls) / len(recalls) if recalls else None,
        gmean=math.prod(recalls) ** (1 / len(recalls)) if recalls else None,
        coverage=_share(decided, events),
        error=_share(wrong, decided),
        wrong=_share(wrong, events),
    )


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole > 0 else None


def in_figures(found: Standings, promotion: PromotionSettings) -> str:
    """How both stand by the measure that promotions go by, in words."""
    name = promotion.measure
    bounds = found.advantage[name]
    both = ", ".join(
        f"{who} {'-' if value is None else f'{value:.4f}'}"
        for who, value in (("decides", getattr(found.decides, name)), ("shadow", getattr(found.shadow, name)))
    )
    return (
        f"{name} on {found.events:,} labelled events: {both}; the shadow is better by {bounds.estimate:+.4f}, and with "
        f"a confidence of {promotion.confidence:g} by {bounds.lower:+.4f} to {bounds.upper:+.4f}"
    )


def verdict(found: Standings, promotion: PromotionSettings) -> PromotionVerdict:
    """Whether the shadow is shown to be no worse by more than the margin."""
    figures, margin = in_figures(found, promotion), promotion.margin
    bounds = found.advantage[promotion.measure]
    if found.events < promotion.after:
        return PromotionVerdict(False, f"{figures}. promotion.after asks for {promotion.after:,} labelled events")
    if bounds.lower < -margin:
        worse = "it is worse" if bounds.upper < -margin else "it is not shown yet that it is not worse"
        return PromotionVerdict(False, f"{figures}. {worse} by more than promotion.margin, {margin:g}")
    return PromotionVerdict(True, figures)


def in_words(bounds: Bounds) -> str:
    """What the test says by now of a shadow's advantage."""
    if bounds.lower > 0.0:
        return "the shadow is better"
    return "the shadow is worse" if bounds.upper < 0.0 else "not told apart yet"


def in_json(found: Standings | None) -> dict[str, Any]:
    """For a report: on how many events both were compared, and by how much the shadow is better by each measure."""
    if found is None:
        return {"events": 0, "advantage": {}}
    return {"events": found.events, "advantage": {name: one._asdict() for name, one in found.advantage.items()}}
