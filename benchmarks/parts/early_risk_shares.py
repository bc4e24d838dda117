"""The early-risk benchmark with the share of rumours cut: a replay of eight lines of config beside its rivals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import orjson
from numpy.typing import NDArray

from parts.early_risk_measures import first_over, measure
from parts.early_risk_rivals import pyss3_excess, pyss3_taught
from parts.early_risk_tfidf import Prefixes
from parts.threads import HOUR, OTHER, RUMOUR, Subject
from tocsin.config import Settings
from tocsin.streams.replay.in_process import InProcess
from tocsin.streams.replay.past_event import PastEvent

CONFIG = {
    "name": "rumours",
    "schema": {"text": "text"},
    "classes": [OTHER, RUMOUR],
    "early_risk": {"classes": [RUMOUR]},
    "replay": {"label_time": "label_time"},
}
"""As YAML eight lines; everything else is a default."""
RESAMPLES = 1_000


def cut(found: Sequence[Subject], share: float, seed: int) -> list[Subject]:
    """Threads with this share of rumours, in their order; of the kind that is too frequent some are left out."""
    rng = np.random.default_rng(seed)
    kinds = [[i for i, one in enumerate(found) if one.rumour == rumour] for rumour in (False, True)]
    other, own = kinds
    if len(own) > share * len(found):
        own = rng.permutation(own)[: round(share / (1 - share) * len(other))].tolist()
    else:
        other = rng.permutation(other)[: round((1 - share) / share * len(own))].tolist()
    return [found[i] for i in sorted((*own, *other))]


class Events:
    """The posts of threads in the order of time, each with its thread's label and when that comes."""

    def __init__(self, some: Sequence[Subject], hours: float) -> None:
        self._some, self._hours = some, hours

    def __iter__(self) -> Iterator[PastEvent]:
        order = sorted((at, s, k) for s, one in enumerate(self._some) for k, at in enumerate(one.times))
        for at, s, k in order:
            one = self._some[s]
            event = {"id": f"{one.name}/{k}", "subject": one.name, "time": at, "text": one.texts[k]}
            label_time = one.times[-1] + int(self._hours * HOUR)
            label = RUMOUR if one.rumour else OTHER
            yield PastEvent(event["id"], one.name, at, orjson.dumps(event), label, label_time)


def table(some: Sequence[Subject], hours: float, every: int, rivals: Sequence[str]) -> None:
    """Delays of the last 30% of the threads: of a replay from the first thread on, and of what learnt the others."""
    known = int(0.7 * len(some))
    told = [one.rumour for one in some[known:]]
    replay = InProcess(Settings(**CONFIG), 1)
    replay.run(Events(some, hours))
    assert replay.subjects is not None
    raised, auc = replay.subjects.delays(), replay.subjects.report()["auc"]
    show("replay of a config of eight lines", [raised.get(one.name, 0) for one in some[known:]], told)
    print(
        "  area under the curve after so many posts, all threads: " + ", ".join(f"{k}: {v:.3f}" for k, v in auc.items())
    )
    show("always", [1] * len(told), told)
    show("never", [0] * len(told), told)
    if "tfidf" in rivals:
        prefixes = Prefixes(some)
        at = prefixes.threshold(known)
        once = prefixes.scores(prefixes.fit(range(known)), range(known, len(some)))
        show("TF-IDF regression, threshold by five folds", first_over(once, at), told)
        show(f"  fitted again every {every} threads", first_over(prefixes.refitted(known, hours, every), at), told)
    if "pyss3" in rivals:
        excess = pyss3_excess(pyss3_taught(some[:known]), some[known:])
        show("pyss3, policy (a)", first_over(excess, 1e-12), told)


def show(name: str, delays: Sequence[int], told: Sequence[bool]) -> None:
    """One row, each measure with its 95% interval over resampled threads."""
    k, rumour = np.array(delays), np.array(told)
    draws = np.random.default_rng(1).integers(0, len(k), (RESAMPLES, len(k)))
    sampled: NDArray[np.float64] = np.array([measure(k[draw], rumour[draw])[:3] for draw in draws])
    low, high = np.percentile(sampled, [2.5, 97.5], axis=0)
    m = measure(delays, told)
    f, e5, e50 = (
        f"{value:{width}} [{a:{width}}, {b:{width}}]"
        for value, a, b, width in zip(m[:3], low, high, (".3f", ".1f", ".1f"), strict=True)
    )
    print(f"{name:46} {f:24} {e5:20} {e50:20} {m.precision:6.3f} {m.recall:6.3f} {m.delay:5.0f}", flush=True)
