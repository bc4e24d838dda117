"""How the experts fare, as a table of text that the page and the terminal share."""

from __future__ import annotations

from collections.abc import Sequence

from tocsin.streams.monitor.workers import Seen
from tocsin.streams.wire.records import ExpertTelemetry

COLUMNS = (
    "expert", "state", "share", "accuracy", "where engaged", "reliability", "engaged", "consistency", "age", "nodes",
    "lifecycle",
)  # fmt: skip
NONE_YET = "none yet"


def rows(living: Sequence[Seen]) -> list[tuple[str, ...]]:
    """A row an expert, as `COLUMNS`: means over the workers, whose models are the same but not what they see of events.

    What is the model's own (state, age, nodes, what befell it) is that of the worker that has learnt the most.
    """
    names = dict.fromkeys(name for seen in living for name in seen.last.experts)
    return [_row(name, [seen for seen in living if name in seen.last.experts]) for name in names]


def mean_engaged(living: Sequence[Seen]) -> str:
    """How many experts were engaged for an event, on average."""
    return _mean([seen.last.engaged for seen in living], 1)


def _row(name: str, found: Sequence[Seen]) -> tuple[str, ...]:
    told = [seen.last.experts[name] for seen in found]
    newest = max(found, key=lambda seen: seen.last.feedback_offset).last.experts[name]
    figures = ("share", "accuracy", "engaged_accuracy", "reliability", "engaged", "consistency")
    retired = newest.state == "retired"
    return (
        name,
        newest.state,
        *("-" if retired else _mean([getattr(one, figure) for one in told]) for figure in figures),
        NONE_YET if newest.age is None else f"{newest.age:,}",
        "-" if newest.nodes is None else f"{newest.nodes:,}",
        _befell(newest),
    )


def _mean(values: Sequence[float | None], digits: int = 3) -> str:
    known = [value for value in values if value is not None]
    return f"{sum(known) / len(known):.{digits}f}" if known else NONE_YET


def _befell(told: ExpertTelemetry) -> str:
    return ", ".join(f"{event} {count}" for event, count in told.lifecycle.items() if count) or "-"
