"""How the experts do, as a table of text that the page and the terminal share."""

from __future__ import annotations

from collections.abc import Sequence

from tocsin.streams.monitor.workers import WorkerStatus
from tocsin.streams.wire.records import ExpertTelemetry

COLUMNS = (
    "expert", "state", "share", "accuracy", "where engaged", "reliability", "engaged", "consistency", "age", "nodes",
    "lifecycle",
)  # fmt: skip
NONE_YET = "none yet"


def expert_rows(workers: Sequence[WorkerStatus]) -> list[tuple[str, ...]]:
    """A row for each expert, with the columns of `COLUMNS`.

    Figures that depend on the events which a worker has read are means over the workers. What belongs to the model
    alone (state, age, nodes, lifecycle) is taken from the worker whose model has learnt the most.
    """
    names = dict.fromkeys(name for worker in workers for name in worker.last.experts)
    return [_row(name, [worker for worker in workers if name in worker.last.experts]) for name in names]


def mean_engaged(workers: Sequence[WorkerStatus]) -> str:
    """How many experts were engaged for an event, on average."""
    return _mean([worker.last.engaged for worker in workers], 1)


def _row(name: str, workers: Sequence[WorkerStatus]) -> tuple[str, ...]:
    reports = [worker.last.experts[name] for worker in workers]
    newest = max(workers, key=lambda worker: worker.last.feedback_offset).last.experts[name]
    figures = (
        [report.share for report in reports],
        [report.accuracy for report in reports],
        [report.engaged_accuracy for report in reports],
        [report.reliability for report in reports],
        [report.engaged for report in reports],
        [report.consistency for report in reports],
    )
    retired = newest.state == "retired"
    return (
        name,
        newest.state,
        *("-" if retired else _mean(values) for values in figures),
        NONE_YET if newest.age is None else f"{newest.age:,}",
        "-" if newest.nodes is None else f"{newest.nodes:,}",
        _lifecycle(newest),
    )


def _mean(values: Sequence[float | None], digits: int = 3) -> str:
    known = [value for value in values if value is not None]
    return f"{sum(known) / len(known):.{digits}f}" if known else NONE_YET


def _lifecycle(report: ExpertTelemetry) -> str:
    return ", ".join(f"{event} {count}" for event, count in report.lifecycle.items() if count) or "-"
