"""How accurate, quick and small is DriftMoE on drifting streams, beside the best that others offer?

Nine streams (four concepts each with the drifts at a quarter, half and three quarters; moving RandomRBF; Electricity
whole), predicted event by event before each label is learnt, which comes at once or so many events late. Every row
is one model on one stream in a process of its own. Rivals are slow: their rows are kept in `streams.csv` by stream,
seed, events, delay and version, and reused; ours are always run anew. Events per CPU-second compare only within one
run: ask for it with `--anew`, which runs the rivals again too.

    python benchmarks/streams.py                                  all of it: many hours, nearly all of them the rivals'
    python benchmarks/streams.py --streams RBF_m --seeds 1 --models tocsin,ARF-100 --events 20000 --anew --dry
    python benchmarks/streams.py --table --seeds 1                the table of what is in the file, of one seed

Airlines and CovType, of the paper's nine, are absent: no package index holds them; the two-class RBF streams stand in.
"""

from __future__ import annotations

import argparse
import csv
import fcntl
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import fmean
from time import process_time

from parts.generators import STREAMS
from parts.models import MODELS, OURS, package
from parts.prequential import figures

RESULTS = Path(__file__).parent / "streams.csv"
LOCK = Path(tempfile.gettempdir()) / "tocsin-streams.lock"
KEY = ("stream", "seed", "events", "delay", "model", "version")
COLUMNS = (*KEY, "accuracy", "kappa_m", "kappa_t", "recovery", "events_per_cpu_second", "memory_mb", "peak_mb")
BAR_STREAMS = ("LED_a", "LED_g", "SEA_a", "SEA_g", "RBF_m", "RBF_f", "Electricity")
Row = dict[str, str]


# ------------------------------------------------------------ one row, in a process of its own


def resident() -> float:
    """Bytes of memory this process holds now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * float(os.sysconf("SC_PAGE_SIZE"))


def measure(name: str, model: str, seed: int, events: int, delay: int) -> Row:
    """Run a model on a stream. The first 300 events are run once before, by another model, to compile and load."""
    stream = STREAMS[name](events, seed)
    head = stream._replace(X=stream.X[:300], y=stream.y[:300])
    build = MODELS[model][1]
    build(head, seed).run(head, min(delay, 100))
    runner = build(stream, seed)
    before, start = resident(), process_time()
    predicted = runner.run(stream, delay)
    seconds = process_time() - start
    peak = 1024.0 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    live = runner.live_bytes()
    result = figures(predicted, stream.y, stream.drifts, delay)
    return {
        "stream": name,
        "seed": str(seed),
        "events": str(len(stream.y)),
        "delay": str(delay),
        "model": model,
        "version": package(model),
        "accuracy": f"{100 * result.accuracy:.2f}",
        "kappa_m": f"{100 * result.kappa_m:.2f}",
        "kappa_t": f"{100 * result.kappa_t:.2f}",
        "recovery": " ".join(map(str, result.recovery)),
        "events_per_cpu_second": f"{len(stream.y) / max(seconds, 1e-6):.0f}",
        "memory_mb": f"{max(peak - before if live is None else live, 0.0) / 1e6:.1f}" if model != "no-change" else "",
        "peak_mb": f"{peak / 1e6:.0f}",
    }


def in_a_process(*row: object) -> Row:
    """`measure` in a process of its own."""
    command = [sys.executable, __file__, "--row", json.dumps(row)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{row}: {done.stderr[-2000:]}")
    result: Row = json.loads(done.stdout.splitlines()[-1])
    return result


# ------------------------------------------------------------ the file


def load() -> list[Row]:
    """The rows kept."""
    if not RESULTS.exists():
        return []
    with RESULTS.open(newline="") as file:
        return list(csv.DictReader(file))


def keep(row: Row) -> None:
    """Put a row into the file, in the place of the one it replaces."""
    with LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several may run at once
        _keep(row)


def _keep(row: Row) -> None:
    same = [row[k] for k in KEY if k != "version"]
    rows = [r for r in load() if [r[k] for k in KEY if k != "version"] != same] + [row]
    order = list(STREAMS), list(MODELS)
    rows.sort(
        key=lambda r: (int(r["delay"]), int(r["events"]), order[0].index(r["stream"]), order[1].index(r["model"]))
    )
    with RESULTS.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def length(stream: str, events: int) -> int:
    """How many events a stream has where so many are asked for."""
    return min(events, len(STREAMS[stream](events, 0).y)) if stream == "Electricity" else events


def kept(stream: str, seed: int, events: int, delay: int, model: str) -> Row | None:
    """A rival's row of the version that is installed."""
    for row in load():
        full = int(row["events"]) == length(stream, events)
        if (row["stream"], row["seed"], row["delay"], row["model"]) == (stream, str(seed), str(delay), model) and full:
            return row if row["version"] == package(model) else None
    return None


# ------------------------------------------------------------ the table


def table(rows: list[Row], delay: int) -> str:
    """Mean accuracy over the seeds there are, as Markdown; with how many, where they are not all."""
    mine = [r for r in rows if int(r["delay"]) == delay]
    seeds: dict[tuple[str, str], set[str]] = {(r["stream"], r["model"]): set() for r in mine}
    for r in mine:
        seeds[r["stream"], r["model"]].add(r["seed"])
    names = [s for s in STREAMS if any(r["stream"] == s for r in mine)]
    lines = ["| model | " + " | ".join(names) + " | mean of 7 |", "|---" * (len(names) + 2) + "|"]
    most = max((len(s) for s in seeds.values()), default=0)
    for model in MODELS:
        means, cells = {}, []
        for name in names:
            values = [float(r["accuracy"]) for r in mine if r["stream"] == name and r["model"] == model]
            if values:
                means[name] = fmean(values)
            few = f" ({len(values)})" if 0 < len(values) < most else ""
            cells.append(f"{means[name]:.2f}{few}" if values else "")
        if means:
            whole = all(name in means for name in BAR_STREAMS)
            mean = f"{fmean(means[name] for name in BAR_STREAMS):.2f}" if whole else ""
            lines.append(f"| {model} | " + " | ".join(cells) + f" | {mean} |")
    return "\n".join(lines)


def costs(rows: list[Row], delay: int) -> str:
    """Events per CPU-second and megabytes, as Markdown."""
    mine = [r for r in rows if int(r["delay"]) == delay]
    names = [s for s in STREAMS if any(r["stream"] == s for r in mine)]
    lines = ["| model | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for model in MODELS:
        cells = []
        for name in names:
            some = [r for r in mine if r["stream"] == name and r["model"] == model]
            rate = fmean(float(r["events_per_cpu_second"]) for r in some) if some else 0.0
            memory = [float(r["memory_mb"]) for r in some if r["memory_mb"]]
            cells.append(f"{rate:,.0f}" + (f"; {fmean(memory):.0f}" if memory else "") if some else "")
        if any(cells):
            lines.append(f"| {model} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--delays", default="0,500")
    parser.add_argument("--streams", default=",".join(STREAMS))
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--anew", action="store_true", help="run the rivals again, too")
    parser.add_argument("--dry", action="store_true", help="print rows, keep none")
    parser.add_argument("--table", action="store_true", help="print what is in the file, run nothing")
    parser.add_argument("--row", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.row:
        print(json.dumps(measure(*json.loads(options.row))))
        return
    if not options.table:
        for delay in map(int, options.delays.split(",")):
            for model in options.models.split(","):
                for seed in map(int, options.seeds.split(",")):
                    for stream in options.streams.split(","):
                        reused = model not in OURS and not options.anew
                        row = kept(stream, seed, options.events, delay, model) if reused else None
                        if row is None:
                            row = in_a_process(stream, model, seed, options.events, delay)
                            if not options.dry:
                                keep(row)
                        print(" ".join(f"{k}={row[k]}" for k in COLUMNS), flush=True)
        return
    # Streams of different seeds are not equally hard: a mean is worth comparing with one over the same seeds alone.
    lengths = {name: str(length(name, options.events)) for name in STREAMS}
    rows = [r for r in load() if r["seed"] in options.seeds.split(",") and r["events"] == lengths[r["stream"]]]
    for delay in map(int, options.delays.split(",")):
        print(f"\nlabels {delay} events late, seeds {options.seeds}: accuracy, %\n\n{table(rows, delay)}")
        print(f"\nevents per CPU-second; megabytes\n\n{costs(rows, delay)}")


if __name__ == "__main__":
    main()
