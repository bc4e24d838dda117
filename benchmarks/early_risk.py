"""How early, and how surely, are alerts raised, beside pyss3 and a batch model that rescans every thread?

Weibo threads, split by time: of the subjects with a known posting time the first 70% train, the rest stream post by
post in the order of time. Ours is the whole service (a worker on a transport in memory): it learns a subject when its
label comes, and its result is the alerts that it produces. The label of a subject of the first part comes when its
thread has been read. The label of one of the second part comes `--label-delay-hours` after its last post, or never
(`frozen`); the rivals learn the first part and no more. Settings are chosen on the last fifth of the first part alone,
for all alike: by F-latency - ERDE5 - ERDE50; the batch model's threshold also by each of the three. For the peer
baseline that fifth streams post by post, as the second part does.

    python benchmarks/early_risk.py [--data rumours_weibo.jsonl.xz] [--label-delay-hours 24]

With `--shares` the share of rumours is cut, by leaving out threads of one kind at random. Then ours is a replay in
process of a config of eight lines, from the first thread on, and judged on the last 30% of the threads; the rivals
learn the first 70%.

    python benchmarks/early_risk.py --shares .5 .25 .1 [--seeds 0 1 2]

Rivals: pyss3 0.6.5 with policy (a), on posts with spaces between characters (its tokeniser knows no Chinese);
logistic regression (C = 30) on binary hashed character 1-3-grams of the first 1, 3, 8, 20, 50 and 100 posts; always,
never; and the linear expert at the first post alone. With `--shares` also a TF-IDF regression on prefixes whose
threshold is the best of five folds, fitted once and again every `--refit-every` threads.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from heapq import heappop, heappush
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from parts.data import data_file
from parts.early_risk_measures import Floats, Measures, first_over, measure, show
from parts.early_risk_rivals import (
    PYSS3,
    batch_scores,
    fit_batch,
    pyss3_excess,
    pyss3_taught,
    refitted_scores,
    rescan_seconds,
)
from parts.early_risk_service import serve
from parts.early_risk_shares import cut, table
from parts.threads import HOUR, Split, Subject, split, subjects

from tocsin.config.early_risk import EarlyRiskSettings
from tocsin.models.early_risk.peers import bin_of, empty, median_and_deviation
from tocsin.models.early_risk.policies import threshold_at


def ordered(told: Mapping[str, Sequence[float]], some: Sequence[Subject]) -> list[Floats]:
    return [np.array(told[subject.name]) for subject in some]


# Settings, chosen on what the service said of the last fifth of the first part, before each label


def choose(
    candidates: Sequence[Mapping[str, Any]],
    delays_of: Callable[[EarlyRiskSettings], list[int]],
    some: Sequence[Subject],
) -> dict[str, Any]:
    rumours = [subject.rumour for subject in some]
    return dict(max(candidates, key=lambda c: measure(delays_of(EarlyRiskSettings(**c)), rumours).objective))


def fused_candidates() -> list[dict[str, Any]]:
    grid = product(np.arange(0.3, 0.86, 0.05).round(2).tolist(), (0.0, 0.1, 0.2, 0.3, 0.4), (1.0, 3.0, 6.0))
    return [
        {"policy": "fused", "threshold": t, "extra_threshold": p, "extra_threshold_posts": posts}
        for t, p, posts in grid
        if t + p < 1 and (p or posts == 1.0)
    ]


def fused_delays(belief: Sequence[Floats], config: EarlyRiskSettings) -> list[int]:
    return first_over(belief, np.array([threshold_at(k, config) for k in range(1, 129)]))


def accumulated_candidates() -> list[dict[str, Any]]:
    grid = product((0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0), (1, 2, 3, 4, 6, 10))
    return [{"policy": "accumulated", "margin": m, "minimum_posts": least} for m, least in grid]


def accumulated_delays(excess: Sequence[Floats], config: EarlyRiskSettings) -> list[int]:
    least = np.array([np.inf] * (config.minimum_posts - 1) + [config.margin + 1e-12] * 128)
    return first_over(excess, least[:128])


LIVE_HOURS = (24.0, 168.0, 720.0, 4_380.0, 8_760.0, None)


def peer_baseline_candidates() -> list[dict[str, Any]]:
    grid = product((0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0), (1, 2, 3, 4, 6, 10), LIVE_HOURS)
    return [{"policy": "peer-baseline", "gamma": g, "minimum_posts": least, "live_hours": h} for g, least, h in grid]


class PeerBaselines:
    """The alerts that the service raises: it reads the first part thread by thread, the fifth post by post by time."""

    def __init__(self, parts: Split, excess: Mapping[str, Sequence[float]]) -> None:
        order = [(at, one.name, k) for one in parts.first for k, at in enumerate(one.times)]
        self._fifth = len(order)
        order += sorted((at, one.name, k) for one in parts.fifth for k, at in enumerate(one.times))
        self._posts = [(at, name, excess[name][k] / (k + 1)) for at, name, k in order]
        self._some = parts.fifth
        self._at = {hours: self._before(hours) for hours in LIVE_HOURS}

    def _before(self, hours: float | None) -> Floats:
        """Median and deviation of the live subjects before each post of the fifth."""
        counts, bins, latest, live = empty(), dict[str, int](), dict[str, int](), list[tuple[int, int, str]]()
        found = []
        for n, (at, name, value) in enumerate(self._posts):
            if n >= self._fifth:
                enough = counts.sum() >= EarlyRiskSettings().minimum_subjects
                found.append(median_and_deviation(counts) if enough else (np.inf, 0.0))
            if name in bins:
                counts[bins.pop(name)] -= 1
            while live and hours is not None and live[0][0] < at - hours * HOUR:
                _, number, silent = heappop(live)
                if latest[silent] == number and silent in bins:
                    counts[bins.pop(silent)] -= 1
            bins[name], latest[name] = bin_of(value), n
            counts[bins[name]] += 1
            heappush(live, (at, n, name))
        return np.array(found)

    def delays(self, config: EarlyRiskSettings) -> list[int]:
        """After how many posts an alert is raised for each subject of the fifth; 0 for none."""
        read, raised = dict[str, int](), dict[str, int]()
        posts = self._posts[self._fifth :]
        least = self._at[config.live_hours] @ np.array([1.0, config.gamma])
        for (_, name, value), threshold in zip(posts, least.tolist(), strict=True):
            read[name] = read.get(name, 0) + 1
            if value > threshold and read[name] >= config.minimum_posts:
                raised.setdefault(name, read[name])
        return [raised.get(subject.name, 0) for subject in self._some]


# Rivals


def rival_batch(parts: Split, hours: float, every: int) -> None:
    tried = batch_scores(fit_batch(parts.first), parts.fifth)
    model = fit_batch(parts.known)
    scores = batch_scores(model, parts.new)
    seconds = rescan_seconds(model, parts.new[:20])
    again = refitted_scores(parts, hours, every) if every else []
    rumours = [subject.rumour for subject in parts.fifth]
    wants: dict[str, Callable[[Measures], float]] = {
        "all three": lambda m: m.objective,
        "F-latency": lambda m: m.f_latency,
        "ERDE5": lambda m: -m.erde5,
        "ERDE50": lambda m: -m.erde50,
    }
    for name, want in wants.items():
        at = max(np.linspace(-8, 8, 321).tolist(), key=lambda t: want(measure(first_over(tried, t), rumours)))
        show(f"batch logistic regression, chosen by {name}", measure(first_over(scores, at), parts.told), seconds)
        if every:
            show(f"  fitted again every {every} subjects", measure(first_over(again, at), parts.told), seconds)


def rival_pyss3(parts: Split) -> None:
    import pyss3

    if version("pyss3") != PYSS3:
        raise SystemExit(f"the rival is pyss3 {PYSS3}, not {version('pyss3')}")
    pyss3.set_verbosity(0)
    tried = pyss3_excess(pyss3_taught(parts.first), parts.fifth)
    best = choose(accumulated_candidates(), lambda c: accumulated_delays(tried, c), parts.fifth)
    model = pyss3_taught(parts.known)
    start = time.perf_counter()
    excess = pyss3_excess(model, parts.new)
    seconds = (time.perf_counter() - start) / sum(len(subject.texts) for subject in parts.new)
    for config in ({}, best):
        delays = accumulated_delays(excess, EarlyRiskSettings(**config))
        show(f"pyss3, policy (a) {_told(config)}", measure(delays, parts.told), seconds)


def _told(chosen: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in chosen.items() if name != "policy")


# All together


def ours(parts: Split, hours: float, policies: Sequence[str]) -> None:
    heard = serve(parts.known, parts.new, {"policy": "fused"}, hours)
    belief, excess = ordered(heard.belief, parts.fifth), ordered(heard.excess, parts.fifth)
    streamed = serve(parts.first, parts.fifth, {"policy": "fused"}, hours) if "peer-baseline" in policies else None
    delays_of: dict[str, tuple[list[dict[str, Any]], Callable[[EarlyRiskSettings], list[int]]]] = {
        "fused": (fused_candidates(), lambda c: fused_delays(belief, c)),
        "accumulated": (accumulated_candidates(), lambda c: accumulated_delays(excess, c)),
    }
    if streamed is not None:
        delays_of["peer-baseline"] = (peer_baseline_candidates(), PeerBaselines(parts, streamed.excess).delays)
    for policy in policies:
        config = choose(*delays_of[policy], parts.fifth)
        run = serve(parts.known, parts.new, config, hours)
        delays = [run.delay.get(subject.name, 0) for subject in parts.new]
        show(f"ours, {policy}: {_told(config)}", measure(delays, parts.told), run.seconds)
        if policy == "fused":
            run = serve(parts.known, parts.new, config, None)
            delays = [run.delay.get(subject.name, 0) for subject in parts.new]
            show("  frozen: no labels of the second part", measure(delays, parts.told), run.seconds)
    first = [one[:1] for one in ordered(heard.belief, parts.new)]
    show("ours at the first post alone", measure(first_over(first, 0.5), parts.told))


def shares(args: argparse.Namespace) -> None:
    found = subjects(data_file("rumours_weibo.jsonl.xz", args.data))
    rivals = ["tfidf" if rival == "batch" else rival for rival in args.rivals]
    for share, seed in product(args.shares, args.seeds):
        some = cut(found, share, seed)
        last = [one.rumour for one in some[int(0.7 * len(some)) :]]
        of_last = f"of the last {len(last)} {np.mean(last):.0%}"
        print(f"\nSeed {seed}: {share:.0%} of {len(some)} threads are rumours, {of_last}")
        print(f"{'':46} {'F-latency':24} {'ERDE5':20} {'ERDE50':20} {'P':>6} {'R':>6} {'delay':>5}")
        table(some, args.label_delay_hours, args.refit_every or 25, rivals)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="the threads; else in the folder that BENCHMARK_DATA names")
    parser.add_argument("--label-delay-hours", type=float, default=24.0)
    parser.add_argument("--refit-every", type=int, help="0: the batch model is never fitted again (100; by shares 25)")
    parser.add_argument("--policies", nargs="*", default=["fused", "peer-baseline", "accumulated"])
    parser.add_argument("--rivals", nargs="*", default=["batch", "pyss3"])
    parser.add_argument("--shares", type=float, nargs="*", default=[], help="shares of rumours that are cut to")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0], help="of what is left out")
    args = parser.parse_args()
    if args.shares:
        return shares(args)
    parts = split(subjects(data_file("rumours_weibo.jsonl.xz", args.data)))
    print((__doc__ or "").splitlines()[0])
    posts = sum(len(subject.texts) for subject in parts.new)
    print(f"{len(parts.known)} subjects train, {len(parts.new)} with {posts} posts stream; each label of these comes")
    print(f"{args.label_delay_hours:g} h after its subject's last post\n")
    print(f"{'':52} {'F-latency':>9} {'ERDE5':>6} {'ERDE50':>6} {'F1':>6} {'P':>6} {'R':>6} {'delay':>5} us a post")
    show("always", measure([1] * len(parts.new), parts.told))
    show("never", measure([0] * len(parts.new), parts.told))
    if args.policies:
        ours(parts, args.label_delay_hours, args.policies)
    if "batch" in args.rivals:
        rival_batch(parts, args.label_delay_hours, 100 if args.refit_every is None else args.refit_every)
    if "pyss3" in args.rivals:
        rival_pyss3(parts)


if __name__ == "__main__":
    main()
