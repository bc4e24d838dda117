"""Novelty: whether an event is unlike all that was labelled of late.

There are two nonconformity scores. *Distance* is how far the event is from the nearest of the latest labelled events,
on standardised inputs. *Lack of support* is how little evidence the engaged experts have for any class, as in leaves
that few events reached. Both are compared with the scores that recent labelled events had at their own time: an event
is novel where at most the share `novelty` of them scored as high, by the smaller of the two p-values (Vovk, Gammerman &
Shafer 2005, ch. 2; Bates et al. 2023 for outliers). On a stream that does not change, the share of false alarms is
therefore the one that was asked for.

Neither finds a class that lies among the known ones: even their true density does not. So `novelty_by: traffic` adds a
third score, the *traffic ratio*: how much denser all events of late, labelled or not, lie around the event than
labelled events of the same time (`tocsin.models.decision.traffic`). An unseen class makes its region denser in the
traffic only. What traffic a worker saw is no function of the feedback, so the ratio is kept with the event until its
label comes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.config.abstention import AbstentionSettings
from tocsin.kernels.common.window import factors
from tocsin.kernels.decision import novelty as kernel
from tocsin.kernels.lagged import novelty as lagged
from tocsin.kernels.lagged import turns
from tocsin.models.data.batch import Bools, Floats, Ints
from tocsin.models.data.features import Standardiser
from tocsin.models.data.feedback import in_turns
from tocsin.models.data.snapshot import with_prefix, without_prefix
from tocsin.models.decision.novel_groups.places import places
from tocsin.models.decision.quantile import SlidingQuantile
from tocsin.models.decision.streams import Streams
from tocsin.models.decision.traffic.counterpart import Counterpart, Labelled
from tocsin.models.decision.traffic.recent import RecentTraffic, warm_up

MEMORY = 10_000.0
"""Events over which inputs are standardised."""
PARTS = {False: (0.5, 0.5), True: (0.2, 0.0, 0.8)}
"""Of the share of false alarms, what each score has: without the traffic ratio, and with it. Then the lack of support
has none: it grows for all events at once where an expert begins anew, and on LED this told 7% of known events novel
where 2% were asked for (`benchmarks/novelty.py --service`)."""


class Novelty:
    """Remembers the latest labelled events, and the nonconformity of each at its own time.

    >>> import numpy as np
    >>> novelty = Novelty(AbstentionSettings(novelty=0.1))
    >>> novelty.resize([False])
    >>> X = np.random.default_rng(0).normal(size=(200, 1))
    >>> _ = novelty.predict_then_learn(X, np.ones(200))
    >>> novelty.novel(novelty.nonconformity(np.array([[0.1], [9.0]]), np.ones(2))).tolist()
    [False, True]
    """

    def __init__(self, settings: AbstentionSettings) -> None:
        self._settings = settings
        self._scaler = Standardiser(0, MEMORY)
        self._nominal: Bools = np.zeros(0, np.bool_)
        self._values: Floats = np.full((0, settings.novelty_memory), np.nan)
        self._taken = 0
        by_traffic = settings.enabled and settings.novelty_by == "traffic"
        self._labelled = Labelled(settings.novelty_traffic, settings.novelty_columns) if by_traffic else None
        self.width = 3 if by_traffic else 2
        """Scores of an event."""
        self._scores = tuple(SlidingQuantile(settings.novelty_window) for _ in range(self.width))
        self._limits: tuple[float, ...] | None = None

    def resize(self, nominal: Sequence[bool]) -> None:
        """Make room for more columns, of which `nominal` are categories; nothing is known of them before."""
        self._nominal = np.array(nominal, np.bool_)
        self._scaler.resize(len(nominal))
        more = len(nominal) - len(self._values)
        if more > 0:
            self._values = np.pad(self._values, ((0, more), (0, 0)), constant_values=np.nan)
        if self._labelled is not None:
            self._labelled.resize(nominal)

    @property
    def counterpart(self) -> Counterpart | None:
        """What traffic is compared with now; None while nothing can be."""
        return None if self._labelled is None else self._labelled.counterpart

    def recent_traffic(self, partitions: int = 1) -> RecentTraffic | None:
        """The traffic of one of so many streams before its first event; None where traffic is not compared."""
        if self._labelled is None:
            return None
        own = self._settings
        return RecentTraffic(own.novelty_traffic, len(self._nominal), own.novelty_labelled, partitions)

    def warm_up(self) -> None:
        """Compile what compares traffic, where it is compared."""
        if self._labelled is not None and self._labelled.fits:
            warm_up(self._labelled.nominal)

    @property
    def nominal(self) -> Bools:
        """Which columns are categories, [F]."""
        return self._nominal.copy()

    @property
    def factors(self) -> Floats:
        """What differences of each column are multiplied by now, [F]; see `tocsin.kernels.experts.neighbours`."""
        return factors(self._nominal, self._scaler.count, self._scaler.square)

    @property
    def remembered(self) -> tuple[Floats, int]:
        """The latest events as a ring [F, C], a view, and how many were taken into it: event n is in column n % C.

        The array is another one after a snapshot was loaded and after columns came.
        """
        return self._values, self._taken

    @property
    def columns(self) -> int:
        """F, of the events."""
        return len(self._nominal)

    def places(self, X: Floats) -> Floats:
        """Where events X [B, F] lie on standardised inputs, [B, D]; see `tocsin.models.decision.novel_groups`."""
        return places(X, self._nominal, self._scaler)

    def ratios(self, X: Floats, times: Ints, streams: Streams | None) -> tuple[Floats, dict[int, RecentTraffic]]:
        """The traffic ratio [B] of X [B, F] at `times` [B], NaN where it is not known, and each stream's traffic after
        these events. Without traffic nothing is known, unless the ratios are given."""
        out, after = np.full(len(X), np.nan), dict[int, RecentTraffic]()
        if self._labelled is None or streams is None:
            return out, after
        if streams.traffic_ratio is not None:
            return streams.traffic_ratio, after
        for stream, traffic in streams.traffic.items():
            rows = streams.partition == stream
            out[rows], after[stream] = traffic.ask(X[rows], times[rows], self.counterpart)
        return out, after

    def nonconformity(
        self, X: Floats, support: Floats, ratio: Floats | None = None, distance: Floats | None = None
    ) -> Floats:
        """[B, 2], greater is less alike: the squared distance of X [B, F], and the lack of support [B]; [B, 3] with the
        traffic ratio [B] under `novelty_by: traffic`, NaN where it is not known. The `distance` [B] may be known."""
        return self._together(self.distances(X) if distance is None else distance, support, ratio)

    def distances(self, X: Floats) -> Floats:
        """The squared distance of X [B, F] to the nearest of the events that are remembered, [B]."""
        distance = np.zeros(len(X))
        if len(self._values):
            held, rows = min(self._taken, self._values.shape[1]), np.ascontiguousarray(X)
            kernel.distances(self._values, held, rows, self._nominal, self._scaler.moments, distance)
        return distance

    def _together(self, distance: Floats, support: Floats, ratio: Floats | None) -> Floats:
        scores = [distance, -support]
        if self.width > len(scores):
            scores.append(np.full(len(distance), np.nan) if ratio is None else ratio)
        result: Floats = np.stack(scores, axis=1)
        return result

    def novel(self, nonconformity: Floats) -> Bools:
        """[B], whether a nonconformity [B, 2 or 3] exceeds that of all but the set share of recent labelled events.

        No event is novel while too few labelled events are known to tell.
        """
        return beyond(nonconformity, np.array([self._limits_now()]))

    @property
    def ratio_limit(self) -> float:
        """The traffic ratio beyond which an event is novel; infinite while too few are known."""
        return self._limits_now()[2] if self.width > 2 else math.inf

    def _limits_now(self) -> tuple[float, ...]:
        """The nonconformity beyond which an event is novel, by either score."""
        if self._limits is None:
            heard = self.width > 2 and self._rank(self._scores[2], PARTS[True][2]) >= 1
            parts = (*PARTS[heard], 0.0)[: self.width]
            self._limits = tuple(map(self._limit, self._scores, parts))
        return self._limits

    def _limit(self, scores: SlidingQuantile, part: float) -> float:
        """The score that this part of the share `novelty` reaches or exceeds; the rest belongs to the other scores."""
        rank = self._rank(scores, part)
        return scores.smallest(min(scores.count, len(scores.ring)) - rank) if rank >= 1 else math.inf

    def _rank(self, scores: SlidingQuantile, part: float) -> int:
        return math.floor(part * self._settings.novelty * (min(scores.count, len(scores.ring)) + 1))

    def learn(self, X: Floats, nonconformity: Floats, y: Ints | None = None, times: Ints | None = None) -> None:
        """Remember labelled events X [B, F], in order, with the nonconformity [B, 2 or 3] of each at its own time.

        Nothing is kept of one whose nonconformity is not known (all are NaN). The traffic is compared with events of
        classes y [B] at `times` [B].
        """
        self._learn(X, np.zeros(0))
        self._refer(X, y, times)
        for known in nonconformity[~np.isnan(nonconformity).all(axis=1)].tolist():
            self._keep(known)

    def _refer(self, X: Floats, y: Ints | None, times: Ints | None) -> None:
        if self._labelled is not None and y is not None and times is not None:
            self._labelled.learn(X, y, times)

    def predict_then_learn(
        self, X: Floats, support: Floats, y: Ints | None = None, times: Ints | None = None
    ) -> Floats:
        """Remember events whose labels came with them; returns `nonconformity` of each just before it was."""
        distance = np.zeros(len(X))
        self._learn(X, distance)
        self._refer(X, y, times)
        result = self._together(distance, support, None)
        for known in result.tolist():
            self._keep(known)
        return result

    def distances_in_turns(self, asked: Floats, ahead: Ints, X: Floats) -> Floats:
        """The distances [n] that `nonconformity` has for n events, in turns with remembering X [m, F].

        `ahead` [n], which never falls, is how many are remembered before each question. What their nonconformity was is
        told to `limits_in_turns`.
        """
        out = np.zeros(len(asked))
        if len(self._values):
            rows, questions = np.ascontiguousarray(X), turns.asked(asked, ahead)
            self._taken = lagged.ask_and_learn(
                self._values, self._taken, rows, self._nominal, self._scaler.moments, questions, out
            )
        return out

    def ratios_in_turns(
        self, asked: AskedAt, ahead: Ints, learnt: LearntAt, traffic: RecentTraffic
    ) -> tuple[Floats, RecentTraffic]:
        """The traffic ratios [n] of n events of one stream, in turns with remembering m labelled ones, and the traffic
        after them; see `distances_in_turns` and `ratios`."""
        out, now = np.full(len(ahead), np.nan), [traffic]

        def ask(start: int, stop: int) -> None:
            out[start:stop], now[0] = now[0].ask(asked.X[start:stop], asked.times[start:stop], self.counterpart)

        def learn(start: int, stop: int) -> None:
            self._refer(learnt.X[start:stop], learnt.y[start:stop], learnt.times[start:stop])

        in_turns(ahead, len(learnt.y), ask, learn)
        return out, now[0]

    def limits_in_turns(self, ahead: Ints, nonconformity: Floats) -> Floats:
        """The limits [n, 2 or 3] that `novel` goes by at n events, in turns with learning the nonconformity of m
        others, of as many scores; see `distances_in_turns` and `beyond`."""
        limits: list[tuple[float, ...]] = []
        unknown: Bools = np.asarray(np.isnan(nonconformity).all(axis=1))
        known = (~unknown).tolist()
        lessons = nonconformity.tolist()

        def ask(start: int, stop: int) -> None:
            limits.extend([self._limits_now()] * (stop - start))

        def learn(start: int, stop: int) -> None:
            for i in range(start, stop):
                if known[i]:
                    self._keep(lessons[i])

        in_turns(ahead, len(nonconformity), ask, learn)
        return np.array(limits).reshape(-1, self.width)

    def _learn(self, X: Floats, distance: Floats) -> None:
        if len(self._values):
            rows, moments = np.ascontiguousarray(X), self._scaler.moments
            self._taken = kernel.learn(self._values, self._taken, rows, self._nominal, moments, distance)

    def _keep(self, nonconformity: Sequence[float]) -> None:
        # A model that did not compare traffic had two scores.
        for i, (scores, value) in enumerate(zip(self._scores, nonconformity, strict=False)):
            if i < 2 or value == value:
                scores.add(value)
        self._limits = None

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """See `tocsin.models.experts.base.Expert`."""
        return {
            "values": self._values.copy(),
            "taken": np.array(self._taken),
            "distances": self._scores[0].ring.copy(),
            "lacks": self._scores[1].ring.copy(),
            "known": np.array(self._scores[0].count),
            **with_prefix("scaler.", self._scaler.state_dict()),
            **self._traffic_state(),
        }

    def _traffic_state(self) -> dict[str, NDArray[Any]]:
        if self._labelled is None:
            return {}
        ratios = self._scores[2]
        arrays = {"ratios": ratios.ring, "ratios_known": np.array(ratios.count)}
        return arrays | with_prefix("labelled.", self._labelled.state_dict())

    def load_state_dict(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over a state that `state_dict` gave."""
        self._values, self._taken = np.array(arrays["values"]), int(arrays["taken"])
        self._scaler.load_state_dict(without_prefix("scaler.", arrays))
        for scores, name in zip(self._scores, ("distances", "lacks"), strict=False):
            scores.ring, scores.count = np.array(arrays[name], np.float64), int(arrays["known"])
        if self._labelled is not None:
            ratios = self._scores[2]
            ratios.ring, ratios.count = np.array(arrays["ratios"], np.float64), int(arrays["ratios_known"])
            self._labelled.load_state_dict(without_prefix("labelled.", arrays))
        self._limits = None


class AskedAt(NamedTuple):
    """n events that are asked about."""

    X: Floats
    """[n, F]"""
    times: Ints
    """[n], epoch ms."""


class LearntAt(NamedTuple):
    """m labelled events, in the order in which they are learnt."""

    X: Floats
    """[m, F]"""
    y: Ints
    times: Ints
    """[m], of the events, epoch ms."""


def beyond(nonconformity: Floats, limits: Floats) -> Bools:
    """[B], whether a nonconformity [B, S] exceeds its limits by any of S scores, [B, S] or those of all, [1, S]."""
    above: Bools = nonconformity > limits
    result: Bools = np.asarray(above.any(axis=1))
    return result


def support(evidence: Floats, engaged: Bools) -> Floats:
    """What the engaged experts have of evidence for any class, [B], from [B, E, K] and [B, E]."""
    B, E, K = evidence.shape
    if not E * K:
        return np.zeros(B)
    counted = np.where(engaged[:, :, None], evidence, 0.0).reshape(B, E * K)
    # One after the other in one order, so that an event finds the same alone and among others.
    result: Floats = np.cumsum(counted, axis=1)[:, -1]
    return result
