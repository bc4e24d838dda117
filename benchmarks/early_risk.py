"""How early, and how surely, does the alarm ring, beside pyss3 and a batch model that rescans every thread?

Weibo threads, split by time: of the subjects with a known posting time the first 70% train, the rest stream post by
post in the order of time. Ours is the whole service (a worker on a log in memory): it learns a subject when its label
comes, and rings by the alerts it emits. The label of a subject of the first part comes when its thread has been read;
the label of one of the second part comes `--label-delay-hours` after its last post, or never (`frozen`), as for the
rivals, who learn the first part and no more. Settings are chosen on the last fifth of the first part alone, for all
alike: by F-latency - ERDE5 - ERDE50; the batch model's threshold also by each of the three.

    python benchmarks/early_risk.py [--data ../shared/data/rumours_weibo.jsonl.xz] [--label-delay-hours 24]

Rivals: pyss3 0.6.5 with policy (a), on posts with spaces between characters (its tokeniser knows no Chinese);
logistic regression (C = 30) on binary hashed character 1-3-grams of the first 1, 3, 8, 20, 50 and 100 posts; always,
never; and the linear expert at the first post alone.
"""

from __future__ import annotations

import argparse
import json
import lzma
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import normalize

from tocsin.config import Settings
from tocsin.config.early_risk import EarlyRisk
from tocsin.models.early_risk import threshold_at
from tocsin.models.spread import bin_of, empty, median_and_deviation
from tocsin.streams.logs.log import Log, Partition, Rebalance
from tocsin.streams.logs.memory import MemoryBroker, MemoryLog
from tocsin.streams.worker import Worker

Floats = NDArray[np.float64]
ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data" / "rumours_weibo.jsonl.xz"
RUMOUR, OTHER = "rumour", "not_rumour"
CHINA = timezone(timedelta(hours=8))
"""Posts carry the local time."""
LENGTHS = (1, 3, 8, 20, 50, 100)
PYSS3 = "0.6.5"
POOL: list[dict[str, Any]] = [
    {"kind": "linear-text", "name": "thread", "scope": "subject", "words": 0, "characters": 3, "r": 0.3}
]
"""An SS3 on character 3-grams beside it made no difference on the first part, but for six times the time."""


class Subject(NamedTuple):
    """One thread: texts, times (epoch ms, growing) and whether it is a rumour."""

    name: str
    texts: list[str]
    times: list[int]
    rumour: bool


class Split(NamedTuple):
    """The first part in time, which is known, and the second, which streams."""

    first: list[Subject]
    """Of the known: what settings are tried after."""
    fifth: list[Subject]
    """The last fifth of the known: what settings are chosen on."""
    new: list[Subject]

    @property
    def known(self) -> list[Subject]:
        return [*self.first, *self.fifth]

    @property
    def told(self) -> list[bool]:
        return [subject.rumour for subject in self.new]


def split(found: Sequence[Subject]) -> Split:
    cut = int(0.7 * len(found))
    return Split(list(found[: int(0.8 * cut)]), list(found[int(0.8 * cut) : cut]), list(found[cut:]))


def subjects(path: Path) -> list[Subject]:
    """The subjects with a known posting time, in its order."""
    found = []
    with lzma.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            if row["posted"] > 0:
                found.append((row["posted"], row))
    return [_subject(row) for _, row in sorted(found, key=lambda pair: pair[0])]


def _subject(row: Mapping[str, Any]) -> Subject:
    times = [row["posted"] * 1000]
    for post in row["posts"][1:]:
        then = datetime.strptime(post["time"], "%Y-%m-%d %H:%M:%S").replace(tzinfo=CHINA)
        times.append(max(times[-1], int(then.astimezone(UTC).timestamp() * 1000)))
    return Subject(row["subject"], [post["text"] for post in row["posts"]], times, row["label"] == RUMOUR)


# Measures


class Measures(NamedTuple):
    """See ../shared/notes/ss3.md; delays of 0 are no alert. ERDE in percent."""

    f_latency: float
    erde5: float
    erde50: float
    f1: float
    precision: float
    recall: float
    delay: float
    """Posts read before a right alert, median."""

    @property
    def objective(self) -> float:
        return self.f_latency - (self.erde5 + self.erde50) / 100


def measure(delays: Sequence[int], rumours: Sequence[bool]) -> Measures:
    k, positive = np.array(delays, np.float64), np.array(rumours, np.bool_)
    rang = k > 0
    hits = rang & positive
    precision = float(hits.sum() / max(rang.sum(), 1))
    recall = float(hits.sum() / max(positive.sum(), 1))
    f1 = 2 * precision * recall / max(precision + recall, 1e-12)
    delay = float(np.median(k[hits])) if hits.any() else np.nan
    late = 2 / (1 + np.exp(-0.0078 * (delay - 1))) - 1 if hits.any() else 0.0
    return Measures(f1 * (1 - late), _erde(k, positive, 5), _erde(k, positive, 50), f1, precision, recall, delay)


def _erde(k: Floats, positive: NDArray[np.bool_], o: int) -> float:
    rang = k > 0
    late = 1 - 1 / (1 + np.exp(np.minimum(k - o, 700)))
    cost = np.where(rang, np.where(positive, late, positive.mean()), np.where(positive, 1.0, 0.0))
    return float(100 * cost.mean())


def show(name: str, m: Measures, seconds: float | None = None) -> None:
    speed = "" if seconds is None else f" {1e6 * seconds:8.0f}"
    print(
        f"{name:52} {m.f_latency:9.3f} {m.erde5:6.1f} {m.erde50:6.1f} {m.f1:6.3f} {m.precision:6.3f} {m.recall:6.3f}"
        f" {m.delay:5.0f}{speed}",
        flush=True,
    )


def first_over(scores: Sequence[Floats], threshold: float | Floats) -> list[int]:
    """The first post of each subject whose score is at or above the threshold (of its number), 0 for none."""
    delays = []
    for one in scores:
        at = threshold if isinstance(threshold, float) else threshold[: len(one)]
        over = np.flatnonzero(one >= at)
        delays.append(int(over[0]) + 1 if len(over) else 0)
    return delays


# Ours: the service


def settings(directory: Path, early_risk: Mapping[str, Any], pool: Sequence[Mapping[str, Any]]) -> Settings:
    values: dict[str, Any] = {
        "name": "rumours",
        "schema": {"text": "text"},
        "classes": [OTHER, RUMOUR],
        "experts": list(pool),
        "early_risk": {"classes": [RUMOUR], **early_risk},
        "explanation": {"level": "none"},
        "abstention": {"enabled": False},
        "bounds": {"pending_ttl_hours": 24.0 * 3_650, "subject_posts": 128},
        "state": {"directory": directory, "max_bytes": 8 * 1024**3},
        "monitor": {"interval_seconds": 3_600.0},
    }
    return Settings(**values)


class Heard(NamedTuple):
    """What the service said of every subject: per post its belief and its accumulated excess, and when it rang."""

    belief: dict[str, list[float]]
    excess: dict[str, list[float]]
    delay: dict[str, int]
    seconds: float
    """Per post of the second part, the whole path."""


class Service:
    """One worker on a log in memory, whose clock is the posts'."""

    def __init__(self, config: Settings) -> None:
        self._settings = config
        self._now = 0
        self._broker = MemoryBroker(self._clock)
        for topic in config.topics.names():
            self._broker.create(topic)
        self._feeder = MemoryLog(self._broker)
        self._told = MemoryLog(self._broker, whole={Partition("decisions", 0): 0, Partition("alerts", 0): 0})
        self.heard = Heard({}, {}, {}, 0.0)
        self.worker = Worker(config, self._open, self._clock)

    def _clock(self) -> int:
        return self._now

    def _open(self, shared: Sequence[str], whole: Mapping[Partition, int], rebalance: Rebalance | None) -> Log:
        return MemoryLog(self._broker, shared=shared, whole=whole, group="benchmark", rebalance=rebalance)

    def post(self, subject: Subject, k: int) -> None:
        event = {
            "id": f"{subject.name}/{k}",
            "subject": subject.name,
            "time": subject.times[k],
            "text": subject.texts[k],
        }
        self._now = max(self._now, subject.times[k])
        self._feeder.emit("events", subject.name.encode(), orjson.dumps(event))

    def label(self, subject: Subject, at: int) -> None:
        label = {"subject": subject.name, "label": RUMOUR if subject.rumour else OTHER, "time": at}
        self._feeder.emit("labels", subject.name.encode(), orjson.dumps(label))

    def work(self) -> None:
        """Until there is nothing to do; what was told is taken down, and what was read is let go of."""
        while self.worker.step(0):
            pass
        while records := self._told.poll(10_000, 0):
            for record in records:
                self._take_down(record.topic, orjson.loads(record.value or b""))
        for topic in self._settings.topics.names():
            if topic != "events":
                self._broker.expire(Partition(topic, 0), max(0, self._feeder.ends(topic)[Partition(topic, 0)] - 10))

    def _take_down(self, topic: str, told: Mapping[str, Any]) -> None:
        name = told["subject"]
        if topic == "alerts":
            self.heard.delay[name] = told["delay"]
            return
        risk = told["risk"]["risk"]
        uncertain = told["uncertainty"] / len(told["belief"])
        self.heard.belief.setdefault(name, []).append(told["belief"][RUMOUR] + uncertain)
        self.heard.excess.setdefault(name, []).append(risk.get(RUMOUR, 0.0) - risk.get(OTHER, 0.0))


def serve(
    known: Sequence[Subject], new: Sequence[Subject], early_risk: Mapping[str, Any], hours: float | None
) -> Heard:
    """Stream the first part thread by thread, each with its label, then the second by time; hours None: no labels."""
    with tempfile.TemporaryDirectory(prefix="tocsin-early-risk-") as directory:
        service = Service(settings(Path(directory), early_risk, POOL))
        with service.worker:
            for subject in known:
                for k in range(len(subject.texts)):
                    service.post(subject, k)
                service.work()
                service.label(subject, subject.times[-1])
                service.work()
            start = time.perf_counter()
            for post in stream(new, hours):
                post(service)
            service.work()
            seconds = time.perf_counter() - start
    return service.heard._replace(seconds=seconds / max(sum(len(subject.texts) for subject in new), 1))


def stream(new: Sequence[Subject], hours: float | None) -> Iterator[Callable[[Service], None]]:
    """Posts and labels in the order of time; the service works off what came before each label."""
    todo: list[tuple[int, int, int, int]] = []
    for s, subject in enumerate(new):
        todo += [(at, 0, s, k) for k, at in enumerate(subject.times)]
        if hours is not None:
            todo.append((subject.times[-1] + int(hours * 3_600_000), 1, s, 0))
    for n, (at, is_label, s, k) in enumerate(sorted(todo)):
        if is_label:
            yield lambda service, s=s, at=at: _teach(service, new[s], at)
        else:
            yield lambda service, s=s, k=k, n=n: _post(service, new[s], k, n)


def _post(service: Service, subject: Subject, k: int, n: int) -> None:
    service.post(subject, k)
    if n % 500 == 0:
        service.work()


def _teach(service: Service, subject: Subject, at: int) -> None:
    service.work()
    service.label(subject, at)
    service.work()


def ordered(told: Mapping[str, Sequence[float]], some: Sequence[Subject]) -> list[Floats]:
    return [np.array(told[subject.name]) for subject in some]


# Settings, chosen on what the service said of the last fifth of the first part, before each label


def choose(
    candidates: Sequence[Mapping[str, Any]], delays_of: Callable[[EarlyRisk], list[int]], some: Sequence[Subject]
) -> dict[str, Any]:
    rumours = [subject.rumour for subject in some]
    return dict(max(candidates, key=lambda c: measure(delays_of(EarlyRisk(**c)), rumours).objective))


def fused_candidates() -> list[dict[str, Any]]:
    grid = product(np.arange(0.3, 0.86, 0.05).round(2).tolist(), (0.0, 0.1, 0.2, 0.3, 0.4), (1.0, 3.0, 6.0))
    return [
        {"policy": "fused", "threshold": t, "patience": p, "patience_posts": posts}
        for t, p, posts in grid
        if t + p < 1 and (p or posts == 1.0)
    ]


def fused_delays(belief: Sequence[Floats], config: EarlyRisk) -> list[int]:
    return first_over(belief, np.array([threshold_at(k, config) for k in range(1, 129)]))


def accumulated_candidates() -> list[dict[str, Any]]:
    grid = product((0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0), (1, 2, 3, 4, 6, 10))
    return [{"policy": "accumulated", "margin": m, "minimum_posts": least} for m, least in grid]


def accumulated_delays(excess: Sequence[Floats], config: EarlyRisk) -> list[int]:
    least = np.array([np.inf] * (config.minimum_posts - 1) + [config.margin + 1e-12] * 128)
    return first_over(excess, least[:128])


def spread_candidates() -> list[dict[str, Any]]:
    grid = product((0.0, 0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 12.0, 16.0, 24.0), (1, 2, 3, 4, 6, 10))
    return [{"policy": "spread", "gamma": g, "minimum_posts": least} for g, least in grid]


def spread_delays(excess: Sequence[Floats], before: Sequence[Floats], config: EarlyRisk) -> list[int]:
    """As the service rings where one thread is read after the other: the live subjects stand at their last post."""
    counts = empty()
    for one in before:
        counts[bin_of(float(one[-1]))] += 1
    delays = []
    for one in excess:
        median, deviation = median_and_deviation(counts)
        least = median + config.gamma * deviation + 1e-12
        delays += first_over([one], np.array([np.inf] * (config.minimum_posts - 1) + [least] * 128)[:128])
        counts[bin_of(float(one[-1]))] += 1
    return delays


# Rivals


class Batch(NamedTuple):
    """Logistic regression on binary hashed character 1-3-grams of joined posts, of unit length."""

    weights: Floats
    bias: float


GRAMS = HashingVectorizer(
    analyzer="char", ngram_range=(1, 3), binary=True, alternate_sign=False, norm=None, n_features=2**18
)


def fit_batch(known: Sequence[Subject]) -> Batch:
    texts = ["\n".join(subject.texts[:k]) for subject in known for k in LENGTHS]
    labels = [subject.rumour for subject in known for _ in LENGTHS]
    model = LogisticRegression(C=30, max_iter=300).fit(normalize(GRAMS.transform(texts)), labels)
    return Batch(model.coef_[0], float(model.intercept_[0]))


def batch_scores(model: Batch, some: Sequence[Subject]) -> list[Floats]:
    """The log odds after each post: what rescanning the joined text would give, without doing it."""
    scores = []
    for subject in some:
        tail, new = "", []
        for k, text in enumerate(subject.texts):
            new.append(tail + ("\n" if k else "") + text)
            tail = new[-1][-2:]
        grams, have, total, one = GRAMS.transform(new), set(), 0.0, []
        for k in range(len(new)):
            for gram in grams.indices[grams.indptr[k] : grams.indptr[k + 1]].tolist():
                if gram not in have:
                    have.add(gram)
                    total += model.weights[gram]
            one.append(model.bias + total / np.sqrt(max(len(have), 1)))
        scores.append(np.array(one))
    return scores


def rescan_seconds(model: Batch, some: Sequence[Subject]) -> float:
    """Per post, where each is answered by scanning its thread again, as a batch model must."""
    start, posts = time.perf_counter(), 0
    for subject in some:
        for k in range(1, len(subject.texts) + 1):
            normalize(GRAMS.transform(["\n".join(subject.texts[:k])])) @ model.weights
            posts += 1
    return (time.perf_counter() - start) / posts


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


def refitted_scores(parts: Split, hours: float, every: int) -> list[Floats]:
    """The batch model fitted again whenever so many subjects more have come, with the labels that ours had by then."""
    scores: list[Floats] = []
    for start in range(0, len(parts.new), every):
        now = parts.new[start].times[0]
        labelled = [s for s in parts.new[:start] if s.times[-1] + hours * 3_600_000 <= now]
        scores += batch_scores(fit_batch([*parts.known, *labelled]), parts.new[start : start + every])
    return scores


def rival_pyss3(parts: Split) -> None:
    import pyss3

    if version("pyss3") != PYSS3:
        raise SystemExit(f"the rival is pyss3 {PYSS3}, not {version('pyss3')}")
    pyss3.set_verbosity(0)
    tried = _pyss3_excess(_pyss3(parts.first), parts.fifth)
    best = choose(accumulated_candidates(), lambda c: accumulated_delays(tried, c), parts.fifth)
    model = _pyss3(parts.known)
    start = time.perf_counter()
    excess = _pyss3_excess(model, parts.new)
    seconds = (time.perf_counter() - start) / sum(len(subject.texts) for subject in parts.new)
    for config in ({}, best):
        delays = accumulated_delays(excess, EarlyRisk(**config))
        show(f"pyss3, policy (a) {_told(config)}", measure(delays, parts.told), seconds)


def _pyss3(known: Sequence[Subject]) -> Any:
    import pyss3

    model = pyss3.SS3()
    for subject in known:
        for text in subject.texts:
            model.learn(" ".join(text), RUMOUR if subject.rumour else OTHER, update=False)
    model.update_values(force=True)
    return model


def _pyss3_excess(model: Any, some: Sequence[Subject]) -> list[Floats]:
    rumour = model.get_categories().index(RUMOUR)
    excess = []
    for subject in some:
        values = np.array([model.classify(" ".join(text), sort=False) for text in subject.texts])
        excess.append(np.cumsum(2 * values[:, rumour] - values.sum(axis=1)))
    return excess


def _told(chosen: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in chosen.items() if name != "policy")


# All together


def ours(parts: Split, hours: float, policies: Sequence[str]) -> None:
    heard = serve(parts.known, parts.new, {"policy": "fused"}, hours)
    belief, excess = ordered(heard.belief, parts.fifth), ordered(heard.excess, parts.fifth)
    before = ordered(heard.excess, parts.first)
    delays_of: dict[str, tuple[list[dict[str, Any]], Callable[[EarlyRisk], list[int]]]] = {
        "fused": (fused_candidates(), lambda c: fused_delays(belief, c)),
        "spread": (spread_candidates(), lambda c: spread_delays(excess, before, c)),
        "accumulated": (accumulated_candidates(), lambda c: accumulated_delays(excess, c)),
    }
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--label-delay-hours", type=float, default=24.0)
    parser.add_argument("--refit-every", type=int, default=100, help="0: the batch model is never fitted again")
    parser.add_argument("--policies", nargs="*", default=["fused", "spread", "accumulated"])
    parser.add_argument("--rivals", nargs="*", default=["batch", "pyss3"])
    args = parser.parse_args()
    if not args.data.exists():
        print(f"{args.data} is not here: nothing is measured; give the path of the threads by --data")
        return
    print((__doc__ or "").splitlines()[0])
    parts = split(subjects(args.data))
    posts = sum(len(subject.texts) for subject in parts.new)
    print(f"{len(parts.known)} subjects train, {len(parts.new)} with {posts} posts stream; each label of these comes")
    print(f"{args.label_delay_hours:g} h after its subject's last post\n")
    print(f"{'':52} {'F-latency':>9} {'ERDE5':>6} {'ERDE50':>6} {'F1':>6} {'P':>6} {'R':>6} {'delay':>5} us a post")
    show("always", measure([1] * len(parts.new), parts.told))
    show("never", measure([0] * len(parts.new), parts.told))
    if args.policies:
        ours(parts, args.label_delay_hours, args.policies)
    if "batch" in args.rivals:
        rival_batch(parts, args.label_delay_hours, args.refit_every)
    if "pyss3" in args.rivals:
        rival_pyss3(parts)


if __name__ == "__main__":
    main()
