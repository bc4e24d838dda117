"""Tables about the pool's members: who is missed, pruning and adding, students, leaves of fewer bits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

from parts.ideas import removal, smaller
from parts.ideas.heard import CHOOSING, Heard, heard

NAMED = 4
"""Of the experts that are missed most, so many are named."""


def members(streams: Sequence[str], events: int, directory: Path) -> str:
    """All tables, means over the seeds for choosing."""
    recorded = {stream: [heard(stream, seed, events, directory) for seed in CHOOSING] for stream in streams}
    tabular = {stream: some for stream, some in recorded.items() if not some[0].source.model.text}
    return "\n\n".join([missed(recorded), fewer(tabular), taught(recorded), rounded(tabular)])


def missed(recorded: dict[str, list[Heard]]) -> str:
    """The experts without which the pool loses most, and how much."""
    lines = ["| stream | what the pool loses without one of its experts |", "|---|---|"]
    for stream, some in recorded.items():
        found = [{cost.name: cost.points for cost in removal.leave_one_out(one)} for one in some]
        means = {name: fmean(costs[name] for costs in found) for name in found[0]}
        first = sorted(means, key=lambda name: -means[name])[:NAMED]
        rest = max((abs(means[name]) for name in means if name not in first), default=0.0)
        said = ", ".join(f"{name} {means[name]:.2f}" for name in first)
        lines.append(f"| {stream} | {said}" + (f"; others at most {rest:.2f} |" if rest else " |"))
    return "\n".join(lines)


def fewer(recorded: dict[str, list[Heard]]) -> str:
    """What the second half loses without the experts of the least part in the first, and by one that comes late."""
    lines = ["| stream | without 2 | 4 | 6 | 8 | the most useful one comes late |", "|---" * 6 + "|"]
    for stream, some in recorded.items():
        means = [fmean(cost.points for cost in costs) for costs in zip(*map(removal.pruned, some), strict=True)]
        late = [removal.added(one) for one in some]
        names = " and ".join(dict.fromkeys(cost.name for cost in late))
        cells = " | ".join(f"{mean:.2f}" for mean in means)
        lines.append(f"| {stream} | {cells} | {fmean(cost.points for cost in late):.2f} ({names}) |")
    return "\n".join(lines)


def taught(recorded: dict[str, list[Heard]]) -> str:
    """Students beside the pool: accuracy and microseconds an event."""
    lines = ["| stream | student | by labels | by belief | by both | time beside the pool's |", "|---" * 6 + "|"]
    for stream, some in recorded.items():
        pool = fmean(removal.accuracy(one.fused(), one.y) for one in some)
        whole = fmean(smaller.scoring(one, one.source.model.experts) for one in some)
        lines.append(f"| {stream} | the pool | {pool:.2f} | | | 1 |")
        for many in zip(*map(smaller.students, some), strict=True):
            cells = [fmean(student[i] for student in many) for i in (1, 2, 3)]
            share = fmean(student.microseconds for student in many) / whole
            lines.append(f"| | {many[0].name} | " + " | ".join(f"{cell:.2f}" for cell in cells) + f" | {share:.2f} |")
    return "\n".join(lines)


def rounded(recorded: dict[str, list[Heard]]) -> str:
    """The forest by itself, with fewer bits for the statistics of its leaves."""
    lines = ["| stream | 64 bits | 32 | 16 | 8 | share of the forest |", "|---" * 6 + "|"]
    for stream, some in recorded.items():
        found = list(zip(*map(smaller.leaves, some), strict=True))
        cells = [f"{fmean(f.accuracy for f in many):.2f} ({fmean(f.kilobytes for f in many):.0f} kB)" for many in found]
        lines.append(f"| {stream} | " + " | ".join(cells) + f" | {fmean(f.share for f in found[0]):.2f} |")
    return "\n".join(lines)
