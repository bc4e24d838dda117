"""Does an idea of the mixture-of-experts literature lift the default pool?

What each expert of the default pool says of each event just before it is learnt is recorded once a stream and seed (in
the temporary folder, if no other is named: delete it after a change of an expert). Every idea is then run over the
recording, with labels that come with their events. Ideas are chosen on the seeds 101 and 102. What is told of the seeds
11 and 12 is of those ideas alone that gained .1 point of accuracy, or .01 of the area under the precision-recall curve
of a rare class, on the mean of the streams that they speak of. Of Electricity, which is one stream, ideas are chosen on
the first events and told of on the last; the seed of texts draws their order, and that of cards their customers.

    python benchmarks/ideas.py [--events 20000] [--streams LED_a cards ...] [--ideas "second pass" ...]
    python benchmarks/ideas.py --part members         who is missed, pruning, students, leaves of fewer bits

The texts of `hate speech` and the payments of `cards` are found by BENCHMARK_DATA. `pip install wordllama` for the row
of embeddings; without it that row is left out.
"""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import fmean
from tempfile import gettempdir
from typing import NamedTuple

from parts.generators import Floats
from parts.ideas import frequencies, passes, routing, texts
from parts.ideas.heard import CHOOSING, SOURCES, TELLING, Heard, heard, rare_class
from parts.ideas.members import members
from parts.ideas.removal import accuracy
from sklearn.metrics import average_precision_score, f1_score

GAIN, AREA_GAIN = 0.1, 0.01
"""What an idea must gain, in points of accuracy or of area, to be told of."""
TEXT = ("SMS", "hate speech")
RARE = ("cards", "hate speech")
TABULAR = tuple(name for name in SOURCES if name not in TEXT)


class Idea(NamedTuple):
    """What is tried, and on which streams it makes sense."""

    tried: Callable[[Heard], Floats]
    streams: Sequence[str] = tuple(SOURCES)


IDEAS: dict[str, Idea] = {
    "shared expert: the best so far (DeepSeekMoE)": Idea(routing.shared),
    "shared expert: the forest": Idea(partial(routing.shared, always="forest"), TABULAR),
    "contrast, beta .1 (SCMoE)": Idea(partial(routing.contrast, beta=0.1)),
    "contrast, beta .5": Idea(partial(routing.contrast, beta=0.5)),
    "agreement of views (THOR)": Idea(routing.agreement),
    "agreement of views, its root": Idea(partial(routing.agreement, power=0.5)),
    "two levels (DMoERM)": Idea(routing.levels),
    "second pass: routed anew (Chain-of-Experts)": Idea(passes.routed_again),
    "second pass: a regression in the router's place": Idea(passes.stack_alone),
    "second pass: that regression joins": Idea(passes.stack_joins),
    "second pass: it sees features, too": Idea(passes.stack_with_features, TABULAR),
    "second pass: the fused belief joins": Idea(passes.fused_is_an_expert),
    "class frequencies: weighed experts join (SADE)": Idea(frequencies.weighed_experts, RARE),
    "class frequencies: mean of two pools": Idea(frequencies.weighed_mean, RARE),
    "class frequencies: three routers": Idea(frequencies.calibrations, RARE),
    "class frequencies: likelihood ratios": Idea(frequencies.ratios, RARE),
    "the router sees the subject's history (AW-MoE)": Idea(routing.by_subject, ("cards",)),
    "neighbours of texts by hashed n-grams": Idea(texts.hashed_neighbours, TEXT),
    "neighbours of texts by embeddings": Idea(texts.embedded_neighbours, TEXT),
    "named dimensions: traits of texts (SESA)": Idea(texts.named, TEXT),
    "named dimensions in a second pass: the kind `stack`": Idea(texts.named_in_a_chain, TEXT),
    "named dimensions in a second pass: rare labels count alike": Idea(partial(texts.named_in_a_chain, rare=0.0), TEXT),
}
if importlib.util.find_spec("wordllama") is None:
    del IDEAS["neighbours of texts by embeddings"]


class Figures(NamedTuple):
    """Of one combination on one stream and seed."""

    accuracy: float
    """Percent."""
    f1: float
    """Of the classes on the mean (macro-F1), percent."""
    area: float | None
    """Under the precision-recall curve of the rare class; None where no class is rare."""


MEASURES = {
    "accuracy": ("accuracy, percent, and what an idea adds to it", ".2f"),
    "f1": ("macro-F1, percent, and what an idea adds to it", ".2f"),
    "area": ("area under the precision-recall curve of a rare class", ".3f"),
}


def figures(p: Floats, recorded: Heard) -> Figures:
    rare = rare_class(recorded.y)
    area = None if rare is None else float(average_precision_score(recorded.y == rare, p[:, rare]))
    f1 = 100.0 * float(f1_score(recorded.y, p.argmax(axis=1), average="macro"))
    return Figures(accuracy(p, recorded.y), f1, area)


Rows = dict[str, dict[str, list[Figures]]]
"""By idea and stream, a figure for each seed; the pool as it is has the name ""."""


def run(names: Sequence[str], streams: Sequence[str], seeds: Sequence[int], events: int, directory: Path) -> Rows:
    """The pool as it is and with each idea, on each stream and seed."""
    rows: Rows = {name: {} for name in ("", *names)}
    for stream in streams:
        for seed in seeds:
            recorded = heard(stream, seed, events, directory)
            rows[""].setdefault(stream, []).append(figures(recorded.fused(), recorded))
            for name in names:
                if stream in IDEAS[name].streams:
                    rows[name].setdefault(stream, []).append(figures(IDEAS[name].tried(recorded), recorded))
    return rows


def gains(rows: Rows, name: str, measure: str) -> dict[str, float]:
    """By stream, the mean over seeds of what an idea gains."""
    result = {}
    for stream, found in rows[name].items():
        own = [getattr(one, measure) for one in rows[""][stream]]
        if None not in own:
            result[stream] = fmean(getattr(one, measure) - other for one, other in zip(found, own, strict=True))
    return result


def table(rows: Rows, streams: Sequence[str], measure: str) -> str:
    """The pool's own figures, and below them what each idea gains, a column for each stream, and the mean."""
    form = MEASURES[measure][1]
    own = {s: [getattr(one, measure) for one in rows[""][s]] for s in streams}
    shown = [s for s in streams if None not in own[s]]
    lines = ["| | " + " | ".join(shown) + " | mean |", "|---" * (len(shown) + 2) + "|"]
    lines.append("| the pool | " + " | ".join(f"{fmean(own[s]):{form}}" for s in shown) + " | |")
    for name in list(rows)[1:]:
        gained = gains(rows, name, measure)
        if gained:
            cells = [f"{gained[s]:+{form}}" if s in gained else "" for s in shown]
            lines.append(f"| {name} | " + " | ".join(cells) + f" | {fmean(gained.values()):+{form}} |")
    return "\n".join(lines)


def promising(rows: Rows) -> list[str]:
    """The ideas that gained enough."""
    found = []
    for name in list(rows)[1:]:
        by_accuracy, by_area = (list(gains(rows, name, measure).values()) for measure in ("accuracy", "area"))
        if (by_accuracy and fmean(by_accuracy) >= GAIN) or (by_area and fmean(by_area) >= AREA_GAIN):
            found.append(name)
    return found


def show(rows: Rows, streams: Sequence[str], seeds: Sequence[int], which: str) -> None:
    for measure, (says, _) in MEASURES.items():
        if measure != "area" or any(rows[""][s][0].area is not None for s in streams):
            print(f"\n{which}, seeds {', '.join(map(str, seeds))}: {says}\n\n{table(rows, streams, measure)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--streams", nargs="+", default=list(SOURCES), choices=list(SOURCES))
    parser.add_argument("--ideas", nargs="+", default=[""], help="only ideas whose names begin so")
    parser.add_argument("--part", choices=("ideas", "members"), default="ideas")
    parser.add_argument("--recordings", type=Path, default=Path(gettempdir()) / "tocsin-ideas")
    options = parser.parse_args()
    print((__doc__ or "").splitlines()[0])
    if options.part == "members":
        print(members(options.streams, options.events, options.recordings))
        return
    names = [name for name in IDEAS if name.startswith(tuple(options.ideas))]
    chosen = run(names, options.streams, CHOOSING, options.events, options.recordings)
    show(chosen, options.streams, CHOOSING, "Choosing")
    again = promising(chosen)
    if again:
        streams = [s for s in options.streams if any(s in IDEAS[name].streams for name in again)]
        show(run(again, streams, TELLING, options.events, options.recordings), streams, TELLING, "Telling")


if __name__ == "__main__":
    main()
