"""What the page and the metrics have of a shadow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tocsin.config.settings import Settings
from tocsin.models.figures.sequential import Bounds
from tocsin.streams.monitor.judged.shown import figure
from tocsin.streams.monitor.shadow.contest import Contest
from tocsin.streams.monitor.shadow.figures import MEASURES, OfOne, Standings, in_words, standings, verdict

COLUMNS = ("", "config", "accuracy", "balanced", "G-mean", "coverage", "error", "wrong")
_ROLES = ("decides", "shadow")
Gauges = Iterator[tuple[str, float | None, tuple[str, ...]]]


def found_in(contest: Contest, settings: Settings) -> Standings | None:
    """The figures of what was told; None where no worker told of a shadow."""
    told = contest.latest
    return None if told is None else standings(contest.compared(), told.decides == told.first, settings)


def gauges(found: Standings | None) -> Gauges:
    """Metric, value and labels; a value of None where there is none."""
    yield "tocsin_shadow_compared_events", None if found is None else found.events, ()
    for role in _ROLES:
        of_one = None if found is None else found.decides if role == "decides" else found.shadow
        for name in ("accuracy", "balanced", "gmean", "coverage", "error", "wrong"):
            yield f"tocsin_shadow_{name}", None if of_one is None else getattr(of_one, name), (role,)
    for measure in MEASURES:
        for bound in Bounds._fields:
            value = None if found is None else getattr(found.advantage[measure], bound)
            yield "tocsin_shadow_advantage", value, (measure, bound)


class Section(NamedTuple):
    """What the page says of a shadow."""

    sentence: str
    rows: list[Sequence[str]]


def section(contest: Contest, settings: Settings) -> Section | None:
    """The section of the page; None where no worker told of a shadow."""
    found = found_in(contest, settings)
    return None if found is None else Section(sentence(found, settings), rows(contest, found))


def rows(contest: Contest, found: Standings) -> list[Sequence[str]]:
    """Both as rows of a table, and what the test says of each measure."""
    told = contest.latest
    assert told is not None  # there were figures
    other = told.second if told.decides == told.first else told.first
    made: list[Sequence[str]] = [
        ("decides", told.decides, *_of_one(found.decides)),
        ("shadow", other, *_of_one(found.shadow)),
    ]
    by: dict[str, str] = {name: _interval(bounds) for name, bounds in found.advantage.items()}
    cells = [by.get(name, "") for name in ("accuracy", "balanced", "gmean", "coverage", "error", "wrong")]
    return [*made, ("advantage of the shadow", "", *cells)]


def sentence(found: Standings, settings: Settings) -> str:
    """On how many events they were compared, and whether the shadow may be promoted."""
    measure = settings.promotion.measure
    said = verdict(found, settings.promotion)
    may = "it may be promoted" if said.may else "it may not be promoted yet"
    return (
        f"Compared on the first labels of {found.events:,} events. By {measure}, {in_words(found.advantage[measure])}; "
        f"{may}. The intervals hold at all times together, with a confidence of {settings.promotion.confidence:g}."
    )


def _of_one(one: OfOne) -> list[str]:
    return [figure(value) for value in (one.accuracy, one.balanced, one.gmean, one.coverage, one.error, one.wrong)]


def _interval(bounds: Bounds) -> str:
    return f"{bounds.estimate:+.3f} ({bounds.lower:+.3f} to {bounds.upper:+.3f})"
