"""Is the promise of `controls: error` kept where labels come late, and does the service know whether it is?

    python benchmarks/promise.py [--events 40000] [--seeds 401 402 403] [--streams NAME ...] [--delays 100 500 5000]
                                 [--quick 0 0.01 0.02] [--error 0.1] [--recordings DIRECTORY]

Every event of a stream is scored by DriftMoE's pool in polls of 50; its label comes so many events later, and the event
is scored anew just before the label is learnt. Both answers are recorded once a stream, seed and delay, and the rule
alone is then run over the recording. A quick label comes 20 events late instead: for it the answer of the time counts
twice, and what the model would have learnt from it earlier is left out. Delete the recordings after a change of the
model.

`best` is the share of events that the best fixed threshold in hindsight decides with at most the target wrong. `former`
is the rule of the releases before: a threshold by what was said at the time, whose level late errors steer. For it, and
for today's rule with each share of quick labels, the share of wrong ones among decisions, and that of decisions among
events; in brackets what was asked for as a quick label.

Then the state of the promise without quick labels, seen after every poll: how often `kept` was said, and how often that
was right; the same of `cannot be kept`. It is right by all decisions of the time that the promise is of: those of the
last 10,000 labels, or of three delays, and those that have no label yet. `told` are the times the promise broke, and
after how many delays `cannot be kept` was said: the median and the latest; `ended` are breaks that were over before.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from tempfile import gettempdir
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from parts.former_error_rule import FormerRule
from parts.rescored import POLL, Rescored, record
from parts.turning import TURNING

from tocsin.models.decision.promise.answers import Answer
from tocsin.models.decision.promise.keeping import LONG, LONG_DELAYS, Keeping, Outcome
from tocsin.models.decision.promise.state import CANNOT, KEPT, MARGIN, State

Bools = NDArray[np.bool_]
QUICK_DELAY = 20
WINDOW, COLD_START = 3_000, 30


class Run(NamedTuple):
    """What became of N events."""

    decided: Bools
    wrong: Bools
    asked: Bools
    """Whether a quick label was asked for."""
    states: list[State]
    """The state of the promise after each poll."""


def run(recorded: Rescored, delay: int, error: float, quick: float, seed: int) -> Run:
    """Today's rule over a recording."""
    N, made = len(recorded.doubt), Keeping(error, WINDOW, COLD_START, quick)
    wrong, now_wrong = recorded.score > recorded.doubt, recorded.now_score > recorded.now_doubt
    decided, asked, scored_at = np.zeros(N, np.bool_), np.zeros(N, np.bool_), np.zeros(N, np.int64)
    drawn, states, due = np.random.default_rng(seed).random(N), list[State](), list[int]()
    for start in range(0, N, POLL):
        now = slice(start, stop := min(start + POLL, N))
        scored_at[now] = made.count
        if not made.cold:
            decided[now] = recorded.doubt[now] <= made.threshold
            asked[now] = (recorded.doubt[now] <= made.watched) & (drawn[now] < made.asks(quick))
        states.append(made.promise.state)
        due += (start + np.flatnonzero(asked[now])).tolist()
        late = [(i + delay, i) for i in range(max(start - delay, 0), max(stop - delay, 0)) if not asked[i]]
        for _, i in sorted([*late, *((i + QUICK_DELAY, i) for i in due if i + QUICK_DELAY < stop)]):
            said = Answer(float(recorded.doubt[i]), bool(wrong[i]))
            today = said if asked[i] else Answer(float(recorded.now_doubt[i]), bool(now_wrong[i]))
            late_by = made.count - int(scored_at[i])
            made.learn(Outcome(bool(decided[i]), said, today, late_by, 0.0 if asked[i] else 1.0))
        due = [i for i in due if i + QUICK_DELAY >= stop]
    return Run(decided, wrong, asked, states)


def former(recorded: Rescored, delay: int, error: float) -> Run:
    """The rule of the releases before over a recording."""
    N, made = len(recorded.doubt), FormerRule(error, WINDOW, COLD_START)
    decided, limits, scored_at = np.zeros(N, np.bool_), np.zeros(N), np.zeros(N, np.int64)
    for start in range(0, N, POLL):
        now = slice(start, stop := min(start + POLL, N))
        limits[now], scored_at[now] = made.threshold(), made.count
        decided[now] = (recorded.doubt[now] <= limits[now]) & np.isfinite(limits[now])
        for i in range(max(start - delay, 0), max(stop - delay, 0)):
            made.learn(recorded.score[i], limits[i], made.count - int(scored_at[i]), recorded.doubt[i])
    return Run(decided, recorded.score > recorded.doubt, np.zeros(N, np.bool_), [])


def best(recorded: Rescored, error: float) -> float:
    """The share of events that the best fixed threshold in hindsight decides."""
    order = np.argsort(recorded.doubt)
    wrong = (recorded.score > recorded.doubt)[order].cumsum()
    few = (wrong <= error * np.arange(1, len(order) + 1)) & np.isfinite(recorded.doubt[order])
    return float(few.nonzero()[0].max(initial=-1) + 1) / len(order)


class Told(NamedTuple):
    """How right the states of the promise were."""

    polls: int
    kept: int
    kept_right: int
    cannot: int
    cannot_right: int
    waits: list[float]
    """Of each break of the promise, delays until it was told."""
    ended: int
    """Breaks that were over before they were told."""


def told(made: Run, delay: int, error: float) -> Told:
    """Judge the states by all decisions, also those that had no label yet."""
    span, N = int(max(LONG, LONG_DELAYS * delay)) + delay, len(made.decided)
    decided, wrong = (np.concatenate([[0], of.cumsum()]) for of in (made.decided, made.decided & made.wrong))
    stops = np.minimum(np.arange(1, len(made.states) + 1) * POLL, N)
    first = np.maximum(stops - span, 0)
    broken = wrong[stops] - wrong[first] > (error + MARGIN) * (decided[stops] - decided[first])
    kept, cannot = (np.array([state == name for state in made.states]) for name in (KEPT, CANNOT))
    waits, ended, since, was_told = list[float](), 0, 0, True
    for stop, is_broken, is_told in zip(stops.tolist(), broken, cannot, strict=True):
        if is_broken and was_told and not since:
            since, was_told = stop, False
        if since and is_told and not was_told:
            waits.append((stop - since) / delay)
            was_told = True
        if not is_broken:
            ended += not was_told
            since, was_told = 0, True
    right = int((kept & ~broken).sum()), int((cannot & broken).sum())
    return Told(len(stops), int(kept.sum()), right[0], int(cannot.sum()), right[1], waits, ended)


def figures(runs: Sequence[Run]) -> str:
    """Wrong among decided / decided, in percent, of runs of several seeds; and what was asked for."""
    wrong = np.mean([one.wrong[one.decided].mean() if one.decided.any() else 0.0 for one in runs])
    decided, asked = np.mean([one.decided.mean() for one in runs]), np.mean([one.asked.mean() for one in runs])
    return f"{100 * wrong:5.1f}/{100 * decided:3.0f}" + (f" ({100 * asked:.1f})" if asked else "")


def said(every: Sequence[Told]) -> str:
    """The states of runs of several seeds."""
    polls, kept, kept_right, cannot, cannot_right = (sum(one[i] for one in every) for i in range(5))  # type: ignore[misc]
    waits = [wait for one in every for wait in one.waits]
    parts = []
    for name, n, right in (("kept", kept, kept_right), ("cannot", cannot, cannot_right)):
        parts.append(f"{name} {100 * n / polls:3.0f}%" + (f" right {100 * right / n:5.1f}%" if n else " " * 13))
    if waits:
        parts.append(f"told {len(waits)} after {np.median(waits):.1f}, {max(waits):.1f}")
    if ended := sum(one.ended for one in every):
        parts.append(f"ended {ended}")
    return "  ".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=40_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[401, 402, 403])
    parser.add_argument("--delays", type=int, nargs="+", default=[100, 500, 5_000])
    parser.add_argument("--streams", nargs="+", choices=[*TURNING], default=[*TURNING])
    parser.add_argument("--quick", type=float, nargs="+", default=[0.0, 0.01, 0.02])
    parser.add_argument("--error", type=float, default=0.1)
    parser.add_argument("--recordings", type=Path, default=Path(gettempdir()) / "tocsin-promise")
    given = parser.parse_args()
    every: list[Told] = []
    for delay in given.delays:
        for name in given.streams:
            seeds = given.seeds[:1] if name == "Electricity" else given.seeds  # its events are the same for all seeds
            recorded = [record(name, seed, given.events, delay, given.recordings) for seed in seeds]
            reached = 100 * np.mean([best(one, given.error) for one in recorded])
            cells = [figures([former(one, delay, given.error) for one in recorded])]
            for quick in given.quick:
                pairs = zip(recorded, seeds, strict=True)
                runs = [run(one, delay, given.error, quick, seed) for one, seed in pairs]
                cells.append(figures(runs))
                if not quick:
                    states = [told(one, delay, given.error) for one in runs]
                    every += states
            print(f"{name:11} delay {delay:4} best {reached:5.1f} | {' | '.join(cells)} | {said(states)}", flush=True)
    print(f"all: {said(every)}")


if __name__ == "__main__":
    main()
