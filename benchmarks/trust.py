"""Which way of making one answer of many experts' can be trusted most?

    python benchmarks/trust.py [--seeds 1 2 3 4 5] [--events 20000] [--streams SEA LED ...] [--recordings DIRECTORY]
    python benchmarks/trust.py --table            what is kept in trust.csv, mean and 95% interval over its seeds

The pool runs once a stream and seed, and what each expert said of each event before its label came is recorded (in the
temporary folder, if no other is named: delete it after a change of an expert). Every combination then hears the same:
ours with each rule of fusion, its reliabilities and inverse temperature learnt through that rule; and a gate's weighted
mean by its largest probability, by its margin, by its entropy, and with the p-values and sets of crepes
(`parts/split_conformal.py`); the logarithmic pool weighted by skill; the log-linear stack; TLC as it is written
(`parts/rivals.py`). The order of texts, and everywhere the model, follows the seed; the electricity market is one
stream.

Areas are 1,000 times what they are, shares in percent. `covered` is the share of events whose conformal set, by the
service's threshold for 90% on the combination's probabilities, held the true class: in the 2,000 events before a drift,
the 1,000 from it on, and the 2,000 after these. `tail_f1` is over the rarer half of the classes. `unseen` is how likely
an event of a class that no label ever told of is less confident than another, where there are three classes or more:
the first is held out, in a recording of its own whose labels come in polls of 50.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from statistics import fmean, stdev
from tempfile import gettempdir
from typing import NamedTuple

import numpy as np
from parts import split_conformal
from parts.calibration import brier, ece, macro_f1, nll, tail
from parts.generators import Floats, Ints
from parts.recording import SOURCES, Recording, recorded, replay
from parts.rivals import LogarithmicPool, Mixture, Stack, run, tlc
from parts.selective import augrc, aurc, auroc, excess_aurc, failure_auroc, risk_coverage, selective_accuracy

from tocsin.config.abstention import AbstentionSettings
from tocsin.kernels.fusion import RULES
from tocsin.models.data.belief import doubts
from tocsin.models.decision.abstention import Abstention

RESULTS = Path(__file__).parent / "trust.csv"
KEY = ("stream", "seed", "events", "combination")
FIGURES = (
    "accuracy", "aurc", "e_aurc", "augrc", "auroc", "at_90", "at_80", "at_70",
    "ece", "brier", "nll", "tail_f1", "covered", "before", "in_drift", "after", "unseen",
)  # fmt: skip
BEFORE, IN, AFTER = (-2_000, 0), (0, 1_000), (1_000, 3_000)
T95 = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776}
"""Student's t for a 95% interval, by the number of seeds."""
Row = dict[str, str]


def highest(p: Floats) -> Floats:
    """The largest probability of each event."""
    confidence: Floats = p.max(axis=1)
    return confidence


def margin(p: Floats) -> Floats:
    """How far the largest probability is ahead of the next."""
    top = np.sort(p, axis=1)[:, -2:]
    confidence: Floats = top[:, 1] - top[:, 0]
    return confidence


def order(p: Floats) -> Floats:
    """Less entropy is more confidence."""
    confidence: Floats = (p * np.log(np.maximum(p, 1e-300))).sum(axis=1)
    return confidence


class Answers(NamedTuple):
    """What a combination says of T events."""

    p: Floats
    """Its probabilities, [T, K]."""
    confidence: Floats
    """What it calls confidence, [T]."""
    inside: Floats | None = None
    """Whether its own set held the true class, [T]; None where it has no sets of its own."""


def combinations(recording: Recording) -> dict[str, Answers]:
    """Each combination's answers."""
    mixed = run(Mixture(recording), recording)
    values = split_conformal.p_values(mixed, recording.y)
    known = recording.y < mixed.shape[1]
    held = split_conformal.inside(values, np.where(known, recording.y, 0), AbstentionSettings().error)
    sure = {f"ours, {rule}": replay(recording, rule).betp for rule in RULES} | {
        "gated mean": mixed,
        "logarithmic pool": run(LogarithmicPool(recording), recording),
        "log-linear stack": run(Stack(recording), recording),
        "TLC": tlc(recording),
    }
    return {name: Answers(p, highest(p)) for name, p in sure.items()} | {
        "gated mean, margin": Answers(mixed, margin(mixed)),
        "gated mean, entropy": Answers(mixed, order(mixed)),
        "gated mean, crepes": Answers(mixed, split_conformal.confidence(values), np.where(known, held, np.nan)),
    }


def figures(answers: Answers, y: Ints, drifts: Ints) -> dict[str, float]:
    """All figures of T answers."""
    p, confidence = answers.p, answers.confidence
    right = (p.argmax(axis=1) == y).astype(np.int64)
    curve = risk_coverage(confidence, right)
    inside = covered(p, y) if answers.inside is None else answers.inside
    return {
        "accuracy": 100 * float(right.mean()),
        "aurc": 1_000 * aurc(curve),
        "e_aurc": 1_000 * excess_aurc(curve),
        "augrc": 1_000 * augrc(curve),
        "auroc": 100 * failure_auroc(confidence, right),
        **{f"at_{share}": 100 * selective_accuracy(curve, share / 100) for share in (90, 80, 70)},
        "ece": 100 * ece(p, y),
        "brier": brier(p, y),
        "nll": nll(p, y),
        "tail_f1": 100 * macro_f1(p.argmax(axis=1), y, tail(y, p.shape[1])),
        "covered": 100 * float(np.nanmean(inside)),
        "before": near(inside, drifts, BEFORE),
        "in_drift": near(inside, drifts, IN),
        "after": near(inside, drifts, AFTER),
    }


def covered(p: Floats, y: Ints) -> Floats:
    """Whether each true class scored at most the threshold, [T]; NaN where there was none yet."""
    abstention = Abstention(AbstentionSettings())
    doubt, score = doubts(p).tolist(), (1.0 - p[np.arange(len(y)), y]).tolist()
    inside = np.empty(len(y))
    for t, label in enumerate(y.tolist()):
        threshold = abstention.threshold()
        inside[t] = score[t] <= threshold if np.isfinite(threshold) else np.nan
        abstention.learn(score[t], threshold, 0, doubt[t], label)
    return inside


def near(inside: Floats, drifts: Ints, between: tuple[int, int]) -> float:
    """The share of events covered among those that lie so far from a drift, percent; NaN without drifts."""
    at = [inside[max(d + between[0], 0) : max(d + between[1], 0)] for d in drifts.tolist()]
    return 100 * float(np.nanmean(np.concatenate(at))) if at else float("nan")


def measured(stream: str, seed: int, events: int, directory: Path) -> list[Row]:
    """A row for each combination."""
    recording = recorded(stream, seed, events, 0, directory)
    unseen = told_apart(stream, seed, events, directory) if recording.evidence.shape[2] > 2 else {}
    rows = []
    for name, answers in combinations(recording).items():
        found = figures(answers, recording.y, recording.drifts)
        found["unseen"] = unseen.get(name, float("nan"))
        key = {"stream": stream, "seed": str(seed), "events": str(len(recording.y)), "combination": name}
        rows.append(key | {f: "" if np.isnan(found[f]) else f"{found[f]:.4f}" for f in FIGURES})
    return rows


def told_apart(stream: str, seed: int, events: int, directory: Path) -> dict[str, float]:
    """By combination, the AUROC of less confidence where the first class is held out, percent."""
    recording = recorded(stream, seed, events, 0, directory, held_out=0)
    strange = (recording.y == recording.evidence.shape[2]).astype(np.int64)
    made = combinations(recording).items()
    return {name: 100 * auroc(-answers.confidence, strange) for name, answers in made}


def keep(rows: list[Row]) -> None:
    """Put rows in the place of those of the same key."""
    kept = {tuple(row[k] for k in KEY): row for row in [*read(), *rows]}
    with RESULTS.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*KEY, *FIGURES], lineterminator="\n")
        writer.writeheader()
        writer.writerows(kept[key] for key in sorted(kept))


def read() -> list[Row]:
    """The rows kept."""
    if not RESULTS.exists():
        return []
    with RESULTS.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def table(rows: list[Row], figure: str) -> str:
    """One figure: a line for each combination, a column for each stream, and the mean of the streams."""
    streams = [name for name in SOURCES if any(row["stream"] == name for row in rows)]
    lines = [f"| {figure} | " + " | ".join(streams) + " | mean |", "|---" * (len(streams) + 2) + "|"]
    for combination in dict.fromkeys(row["combination"] for row in rows):
        means, cells = [], []
        for stream in streams:
            values = [
                float(row[figure])
                for row in rows
                if row["combination"] == combination and row["stream"] == stream and row[figure]
            ]
            means += [fmean(values)] if values else []
            cells.append(cell(values))
        lines.append(f"| {combination} | " + " | ".join(cells) + f" | {fmean(means):.2f} |")
    return "\n".join(lines)


def cell(values: list[float]) -> str:
    """A mean and its 95% interval."""
    if not values:
        return ""
    half = T95[len(values)] * stdev(values) / len(values) ** 0.5 if len(values) in T95 else float("nan")
    return f"{fmean(values):.2f}" if np.isnan(half) else f"{fmean(values):.2f} ±{half:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--streams", nargs="+", default=list(SOURCES), choices=list(SOURCES))
    parser.add_argument("--recordings", type=Path, default=Path(gettempdir()) / "tocsin-trust")
    parser.add_argument("--table", action="store_true", help="only print what is kept")
    parser.add_argument("--dry", action="store_true", help="print, and keep nothing")
    options = parser.parse_args()
    print((__doc__ or "").splitlines()[0])
    if options.table:
        rows = [row for row in read() if row["stream"] in options.streams and int(row["seed"]) in options.seeds]
    else:
        rows = []
        for stream in options.streams:
            for seed in options.seeds:
                rows += measured(stream, seed, options.events, options.recordings)
                print(f"{stream}, seed {seed}: done", flush=True)
        if not options.dry:
            keep(rows)
    for figure in FIGURES:
        if any(row[figure] for row in rows):
            print(f"\n{table(rows, figure)}")


if __name__ == "__main__":
    main()
