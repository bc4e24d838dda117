"""The streams of `same_decisions.py`: small ones for every setting, whole ones for what counts.

Nothing here depends on where Tocsin's modules stand. Settings stand under the names that release 0.1.0 gave them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from river.datasets.synth import RandomRBF

from parts.threads import OTHER, RUMOUR, subjects
from tocsin.config import Settings, load

PRESETS = Path(__file__).resolve().parents[2] / "config" / "presets"
START = 1_700_000_000_000
"""The time of the first made-up event, epoch milliseconds."""


class Post(NamedTuple):
    """One event that was made here."""

    identity: str
    subject: str
    time: int
    body: dict[str, Any]
    label: str | None


class Stream(NamedTuple):
    """What is replayed."""

    name: str
    settings: Callable[[], Settings]
    source: Path | Callable[[], Iterable[Post]]
    """A file, to be read as `tocsin replay` does, or what makes the events."""
    delay: int = 1
    by_subject: bool = False
    """Whether a label speaks of a subject rather than of an event; only its last event has one."""
    every: int = 1
    """How many events are decided at once."""


def preset(name: str, file: str) -> Stream:
    return Stream(name, lambda: load(PRESETS / f"{name}.yaml"), PRESETS / "data" / file)


def made(name: str, values: Mapping[str, Any], posts: Callable[[], Iterable[Post]], **more: Any) -> Stream:
    """A stream of events that are made here."""
    source = (lambda: last_labels(posts())) if more.get("by_subject") else posts
    return Stream(name, lambda: settings_of(values), source, **more)


def settings_of(values: Mapping[str, Any]) -> Settings:
    """Settings by the names that release 0.1.0 gave them, whatever version is installed."""
    try:
        from tocsin.config.base import old_names_are_read
    except ImportError:
        return Settings(**values)
    router = dict(values.get("router", {}))
    if "engage" in router:  # it is no old name any more, because it has another meaning today
        router["top_p"] = router.pop("engage")
        values = {**values, "router": router}
    with old_names_are_read():
        return Settings(**values)


def last_labels(posts: Iterable[Post]) -> list[Post]:
    """The posts, of which only the last of each subject keeps its label."""
    listed = list(posts)
    last = {post.subject: n for n, post in enumerate(listed)}
    return [post if last[post.subject] == n else post._replace(label=None) for n, post in enumerate(listed)]


def rbf(events: int, classes: int, features: int, centroids: int) -> Iterator[tuple[list[float], str]]:
    found = RandomRBF(seed_model=42, seed_sample=42, n_classes=classes, n_features=features, n_centroids=centroids)
    for x, y in found.take(events):
        yield [float(value) for value in x.values()], str(y)


def plain_posts(events: int, classes: int, features: int) -> Iterator[Post]:
    for n, (x, y) in enumerate(rbf(events, classes, features, 50)):
        body = {"features": {f"x{i}": value for i, value in enumerate(x)}}
        yield Post(f"e{n}", "replay", START + n * 1_000, body, y)


NUMBERS = 4
WORDS = ("north", "south", "rain", "wind", "fog", "sun", "snow")


def mixed_posts(events: int) -> Iterator[Post]:
    """Numbers, a category, a boolean and a text, some of each not known, of subjects with ten events each."""
    for n, (x, y) in enumerate(rbf(events, 3, NUMBERS, 9)):
        features: dict[str, Any] = {f"x{i}": None if (n + 7 * i) % 41 == 0 else x[i] for i in range(NUMBERS)}
        features["shop"] = None if n % 29 == 5 else f"shop-{(n * 7 + n // 11) % 5}"
        features["open"] = None if n % 37 == 11 else (n // 3) % 2 == 0
        told = f"class{y}" if n % 5 == 0 else WORDS[(n * 5) % 7]
        text = f"{WORDS[n % 7]} {WORDS[(n // 2) % 7]} and {told}, no. {n % 13}"
        body = {"features": features, "text": None if n % 43 == 9 else text}
        yield Post(f"e{n}", f"s{n // 200 * 20 + n % 20}", START + n * 1_000, body, y)


def weibo_posts(path: Path, most: int) -> list[Post]:
    """The first posts of all subjects in the order of time."""
    posts = []
    for one in subjects(path):
        label = RUMOUR if one.rumour else OTHER
        for k, (text, at) in enumerate(zip(one.texts, one.times, strict=True)):
            posts.append(Post(f"{one.name}/{k}", one.name, at, {"text": text}, label))
    return sorted(posts, key=lambda post: post.time)[:most]


# Configs


def numbers(count: int) -> list[dict[str, Any]]:
    return [{"name": f"x{i}"} for i in range(count)]


MIXED: dict[str, Any] = {
    "features": [*numbers(NUMBERS), {"name": "shop", "kind": "category"}, {"name": "open", "kind": "boolean"}]
}
CLASSES = ["0", "1", "2"]
FEW: list[dict[str, Any]] = [
    {"kind": "tree", "history": 1},
    {"kind": "neighbours", "window": 200},
    {"kind": "naive-bayes"},
    {"kind": "linear"},
    {"kind": "persistence", "by": "subject"},
]
ALL: list[dict[str, Any]] = [
    {"kind": "tree"},
    {"kind": "tree", "name": "tree-history", "history": 2, "leaf_prediction": "mc", "forget": 0.99},
    {"kind": "tree", "name": "tree-one-vs-rest", "one_vs_rest": True, "leaf_prediction": "nb"},
    {"kind": "tree", "name": "tree-small", "history": 1, "one_vs_rest": True, "max_depth": 2, "max_size": 0.01},
    {"kind": "forest", "trees": 5},
    {"kind": "forest", "name": "forest-history", "trees": 3, "history": 1, "history_as": "number"}
    | {"subspace_of": "tree", "warning": 0.3, "drift": 0.1, "forget": 0.99, "binary_split": True},
    {"kind": "neighbours", "window": 300, "k": 5},
    {"kind": "naive-bayes"},
    {"kind": "linear"},
    {"kind": "persistence", "name": "persistence-subject", "by": "subject"},
    {"kind": "persistence", "name": "persistence-stream", "by": "stream"},
    {"kind": "river", "name": "river-tree", "history": 1, "parameters": {"grace_period": 100}},
    {"kind": "river", "name": "river-bayes", "model": "naive_bayes.GaussianNB"},
    {"kind": "river", "name": "river-logistic", "model": "linear_model.LogisticRegression"},
    {"kind": "ss3", "ngrams": 2},
    {"kind": "ss3", "name": "ss3-paper", "mode": "paper", "characters": True, "ngrams": 3},
    {"kind": "linear-text"},
    {"kind": "linear-text", "name": "thread", "scope": "subject", "words": 1, "characters": 3},
]
ILL: list[dict[str, Any]] = [
    *FEW,
    {"kind": "tree", "name": "twin", "history": 1},
    {"kind": "river", "name": "constant", "model": "dummy.PriorClassifier"},
]
SHIFT = {"enabled": True, "memory": 100, "window": 200, "mature": 100, "least_gain": 0.0001}
COSTS = {"0": {"1": 4.0}, "1": {"0": 2.0, "2": 0.5}}
DRY = {"experts": FEW, "explanation": {"level": "brief"}}


def mixed(name: str, changes: Mapping[str, Any], events: int = 1_500, text: bool = False, **more: Any) -> Stream:
    """A small stream of three classes and all kinds of features."""
    schema = MIXED | ({"text": "text"} if text else {})
    values = {"name": "same", "schema": schema, "classes": CLASSES, **DRY, **changes}
    return made(f"kinds-{name}" if name else "kinds", values, lambda: mixed_posts(events), **more)


def variants() -> Iterator[Stream]:
    everything = {"experts": ALL, "explanation": {"level": "full"}, "prior_shift": SHIFT}
    yield mixed("", everything | {"abstention": {"per_class": True}}, 3_000, text=True)
    yield mixed("router-reliability", {"router": {"engage": 0.8, "rare": 0.5, "every": 3, "sharpness_step": 0.0}})
    yield mixed("router-multi-hot", {"router": {"kind": "multi-hot", "engage": 0.9}})
    yield mixed("router-skill", {"router": {"kind": "skill", "engage": 0.9}})
    for rule in ("dempster", "cautious", "cumulative", "averaging", "murphy"):
        yield mixed(f"rule-{rule}", {"fusion": {"rule": rule, "prior": 1.5 if rule == "cumulative" else None}})
    yield mixed("contextual", {"fusion": {"contextual": True}})
    yield mixed("contextual-skill", {"fusion": {"contextual": True}, "router": {"kind": "skill"}})
    yield mixed("error", {"abstention": {"controls": "error", "error": 0.2}})
    yield mixed("cost", {"abstention": {"controls": "cost", "costs": COSTS, "abstain_cost": 0.4}})
    yield mixed("pid", {"abstention": {"steering": "pid", "conflict": 0.05}})
    yield mixed("novel", {"abstention": {"abstain_novel": True, "novelty": 0.05, "novelty_window": 200}})
    yield mixed("off", {"abstention": {"enabled": False}, "explanation": {"level": "none"}})
    yield mixed("budget", {"abstention": {"budget": 200}})
    late = {"prior_shift": SHIFT, "abstention": {"per_class": True, "error": 0.2, "window": 50}}
    yield mixed("delay-0", late, delay=0)
    yield mixed("delay-1", late, delay=1)
    yield mixed("delay-500", late, delay=500)
    yield mixed("batched", everything, text=True, delay=75, every=50)
    yield mixed("discovered", {"classes": []})
    window = {"window": 100, "patience": 2, "minimum_age": 200, "agreement": 0.9, "probation": 4}
    yield mixed("lifecycle", {"experts": ILL, "lifecycle": window})
    for backend in ("reference", "torch"):
        yield mixed(f"backend-{backend}", {"kernels": {"backend": backend}})
    risks: dict[str, dict[str, Any]] = {
        "accumulated": {"margin": 0.2, "half_life_hours": 0.05},
        "spread": {"gamma": 1.0, "live_hours": 0.1, "minimum_posts": 2},
        "fused": {"patience": 0.2, "memory": 0.5, "confirm": 2},
    }
    for policy, risk in risks.items():
        values = {"early_risk": {"classes": ["1", "2"], "policy": policy, **risk}, "experts": [*FEW, *ALL[-4:]]}
        yield mixed(f"risk-{policy}", values, text=True, by_subject=True)


def weibo(name: str, path: Path, most: int, changes: Mapping[str, Any]) -> Stream:
    """Threads as `benchmarks/early_risk.py` has them, with all kinds of readers."""
    values: dict[str, Any] = {
        "name": "rumours",
        "schema": {"text": "text"},
        "classes": [OTHER, RUMOUR],
        "experts": [
            {"kind": "linear-text", "name": "thread", "scope": "subject", "words": 0, "characters": 3, "r": 0.3},
            {"kind": "linear-text", "name": "post", "words": 0, "characters": 3, "bits": 16},
            {"kind": "ss3", "name": "ss3", "characters": True, "ngrams": 3},
        ],
        "abstention": {"enabled": False},
        "bounds": {"pending_ttl_hours": 24.0 * 3_650, "subject_posts": 128},
    }
    values |= changes
    values["early_risk"] = {"classes": [RUMOUR], **changes.get("early_risk", {})}
    return made(name, values, lambda: weibo_posts(path, most), by_subject=True)


def streams(path: Path | None) -> Iterator[Stream]:
    """All streams; those of Weibo where `path` has its threads."""
    yield preset("electricity", "electricity.csv.gz")
    yield preset("sms", "sms_spam.tsv.gz")
    if path is not None:
        yield weibo("weibo", path, 20_000, {})
        spread = {"policy": "spread", "live_hours": 720.0, "minimum_posts": 2}
        yield weibo("weibo-spread", path, 5_000, {"early_risk": spread, "explanation": {"level": "full"}})
        fused = {"policy": "fused", "patience": 0.2}
        yield weibo("weibo-fused", path, 5_000, {"early_risk": fused, "abstention": {"per_class": True}})
    values = {"name": "rbf", "schema": {"features": numbers(10)}, "classes": [str(k) for k in range(24)]}
    yield made("rbf24", values, lambda: plain_posts(20_000, 24, 10))
    yield from variants()
