"""The plain form of the moving clusters, with matrices and one cluster after the other: the oracle of the kernels."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.moments import LARGEST, Moments
from tocsin.kernels.decision.calibration import LEAST as LEAST_STRENGTH
from tocsin.kernels.decision.calibration import LEAST_STEP, STEP
from tocsin.kernels.experts.moving_clusters import births, density, learning, motion, state

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass
class PlainCluster:
    """One cluster; covariances and the mean squared radius are in standard deviations of the F columns."""

    label: int
    centre: Floats
    """[F], in the units of the columns, at the time `at`."""
    velocity: Floats
    """[F], in the units of the columns, an event."""
    covariance: Floats
    """[F, 2, 2], of centre and velocity in each column."""
    spread: float
    share: float
    at: int
    weight: float = 0.0
    squared_speed: float = 0.0
    """The squared velocity summed over the columns, in their standard deviations at the time `at`."""

    def expected(self, now: int) -> Floats:
        """[F], where the centre is by now."""
        return self.centre + self.velocity * (now - self.at)


class PlainClusters:
    """What `learning` computes, in plain numpy. The places of clusters are those of the kernels."""

    def __init__(self, places: int, columns: int, classes: int, memory: float) -> None:
        self.classes = classes
        self.clusters: list[PlainCluster | None] = [None] * places
        self.events: list[tuple[Floats, int]] = []
        self.moments = Moments(np.zeros(columns), np.zeros(columns), np.zeros(columns), memory)
        self.factor = np.zeros(columns)
        self.shape, self.log_ratio = state.START_SHAPE, state.START_LOG_RATIO
        self.speed, self.spread = state.START_SPEED, state.START_SPREAD
        self.losses = np.zeros(2)
        self.strength = 1.0

    @property
    def varied(self) -> Bools:
        """Which columns have varied."""
        return self.factor > 0

    def _difference(self, a: Floats, b: Floats) -> Floats:
        """[F], a - b in standard deviations; NaN where it is not known, in columns that have not varied, too."""
        away = np.clip((a - b) * self.factor, -density.FARTHEST, density.FARTHEST)
        return np.where(self.varied & np.isfinite(away), away, np.nan)

    def _distances(self, a: Floats, b: Floats) -> tuple[float, float] | None:
        """Squared distances with the Euclidean and the maximum norm; None where nothing is known."""
        squares = self._difference(a, b) ** 2
        known = np.isfinite(squares)
        if not known.any():
            return None
        squared = np.nansum(squares) * self.varied.sum() / known.sum()
        return max(float(squared), density.LEAST), max(float(np.nanmax(squares)), density.LEAST)

    def _turned(self, elapsed: int) -> float:
        return min(density.TURNS * math.sqrt(self.speed) * elapsed, 0.5)

    def _trace(self, cluster: PlainCluster, now: int) -> float:
        """The variance of the centre now, summed over the columns that have varied."""
        elapsed = now - cluster.at
        turns = self._turned(elapsed) * density.TURN * cluster.squared_speed * elapsed**2 / 3
        steady = predicted(cluster.covariance, elapsed)[:, 0, 0]
        return max(float(steady[self.varied].sum()) + turns, density.LEAST)

    def log_likelihoods(self, x: Floats, now: int) -> Floats | None:
        """[2, C], of share times density with each norm; None where nothing of x is known."""
        logs = np.full((2, len(self.clusters)), -np.inf)
        d = int(self.varied.sum())
        shape = min(self.shape, d / 2)
        for j, cluster in enumerate(self.clusters):
            if cluster is None:
                continue
            distances = self._distances(x, cluster.expected(now))
            if distances is None:
                return None
            squared, part = distances[0], density.BLUR * self._trace(cluster, now)
            blur = part**2 / (part + squared)
            radial = math.log(cluster.share) + shape * math.log((squared + blur) / cluster.spread)
            radial -= shape * squared / cluster.spread
            for norm, distance in enumerate(distances):
                logs[norm, j] = radial - d / 2 * math.log(distance + blur)
        return logs if (self.varied & np.isfinite(x)).any() else None

    def probabilities(self, x: Floats, now: int) -> Floats:
        """[2, K], by each norm; zeros where there is no cluster or nothing is known."""
        logs = self.log_likelihoods(x, now)
        p = np.zeros((2, self.classes))
        if logs is None or not np.isfinite(logs).any():
            return p
        for norm in range(2):
            parts = np.exp(logs[norm] - logs[norm].max())
            for cluster, part in zip(self.clusters, parts, strict=True):
                if cluster is not None:
                    p[norm, cluster.label] += part / parts.sum()
        return p

    def evidence(self, x: Floats, now: int, most: float) -> Floats:
        """[K]"""
        result: Floats = self.probabilities(x, now)[int(self.losses[1] < self.losses[0])] * min(self.strength, most)
        return result

    def learn(self, x: Floats, y: int, weight: float, most: float) -> None:
        """Learn one event x [F] of class y."""
        weight = min(max(weight, motion.LEAST_WEIGHT), motion.MOST_WEIGHT)
        now = len(self.events)
        x = np.clip(np.where(np.isfinite(x), x, np.nan), -LARGEST, LARGEST)
        logs = self.log_likelihoods(x, now)
        if logs is not None:
            norm = int(self.losses[1] < self.losses[0])
            self._judge(self.probabilities(x, now)[:, y], norm, weight, now, most)
            mine = np.array([cluster is not None and cluster.label == y for cluster in self.clusters])
            best = float(np.max(logs[norm], where=mine, initial=-np.inf))
            if mine.any():
                parts = np.where(mine, np.exp(logs[norm] - best), 0.0)
                self._learn_clusters(x, now, parts / parts.sum(), weight)
            self._begin_cluster(x, y, now, norm, best)
        if now % learning.SHAPE_EVERY == learning.SHAPE_EVERY - 1:
            self.shape = max(learning.fitted_shape(self.log_ratio), learning.LEAST_SHAPE)
        for cluster in self.clusters:
            if cluster is not None:
                cluster.share *= learning.FADE
        self.events.append((x, y))
        self._scale(x)

    def _judge(self, p: Floats, norm: int, weight: float, seen: int, most: float) -> None:
        losses = -np.log(np.maximum(p, learning.LEAST_PROBABILITY))
        self.losses += max(motion.RATE, 1 / (seen + 1)) * (losses - self.losses)
        N = self.strength
        slope = N * p[norm] / (N * p[norm] + 1) - N / (N + self.classes)
        step = min(weight, 1.0) * max(STEP / math.sqrt(1 + seen), LEAST_STEP)
        self.strength = min(max(N * math.exp(step * slope), LEAST_STRENGTH), most)

    def _learn_clusters(self, x: Floats, now: int, parts: Floats, weight: float) -> None:
        before = [(cluster, self._trace(cluster, now)) if cluster else None for cluster in self.clusters]
        for found, part in zip(before, parts, strict=True):
            if found is not None and part >= learning.LEAST_PART:
                self._move(found[0], x, now, float(part) * weight, found[1])

    def _move(self, cluster: PlainCluster, x: Floats, now: int, mine: float, trace: float) -> None:
        d = int(self.varied.sum())
        distances = self._distances(x, cluster.expected(now))
        assert distances is not None
        squared, spread = distances[0], cluster.spread
        mean, variance = gain(squared, trace, d, spread, min(self.shape, d / 2))
        noise = trace / d * (1 - mean) / (motion.BOLD * mine * mean)
        self._filter(cluster, x, now, noise, min(mine, 1.0) * variance)
        rate = min(motion.RATE * mine, 1.0)
        self.log_ratio += rate * (math.log(squared / spread) - self.log_ratio)
        own_rate = min(mine * max(1 / (cluster.weight + motion.YOUNG), motion.LEAST_RATE), 1.0)
        cluster.spread = max(spread + own_rate * (squared - spread), density.LEAST)
        cluster.weight += mine
        cluster.share += mine
        self.spread += rate * (cluster.spread / d - self.spread)
        self.speed += rate * (cluster.squared_speed / d - self.speed)

    def _filter(self, cluster: PlainCluster, x: Floats, now: int, noise: float, doubt: float) -> None:
        elapsed = now - cluster.at
        error = self._difference(x, cluster.expected(now))
        steady = predicted(cluster.covariance, elapsed)
        centre, turned = cluster.expected(now), self._turned(elapsed)
        for f in np.flatnonzero(self.varied):
            speed = (cluster.velocity[f] * self.factor[f]) ** 2
            turn = density.TURN * speed * np.array([[elapsed**2 / 3, elapsed / 2], [elapsed / 2, 1]])
            means: list[Floats] = []
            covariances: list[Floats] = []
            weights: list[float] = []
            for prior, P in ((1 - turned, steady[f]), (turned, steady[f] + turn)):
                if np.isnan(error[f]):
                    means.append(np.zeros(2))
                    covariances.append(P)
                    weights.append(prior)
                    continue
                total = P[0, 0] + noise
                means.append(P[:, 0] / total * error[f])
                # Joseph's form, which loses the fewest digits.
                rest = np.eye(2) - np.outer(P[:, 0] / total, [1, 0])
                covariances.append(rest @ P @ rest.T + noise * np.outer(P[:, 0], P[:, 0]) / total**2)
                weights.append(prior * math.exp(-0.5 * error[f] ** 2 / total) / math.sqrt(total))
            shares = np.array(weights) / sum(weights)
            mean = shares @ np.array(means)
            apart = [np.outer(m - mean, m - mean) for m in means]
            spread = np.einsum("h,hij->ij", shares, np.array(covariances) + np.array(apart))
            if not np.isnan(error[f]):
                spread[0, 0] += doubt * error[f] ** 2
            cluster.covariance[f] = spread
            centre[f] += mean[0] / self.factor[f]
            cluster.velocity[f] += mean[1] / self.factor[f]
        cluster.centre = np.where(self.varied, centre, cluster.centre)
        cluster.squared_speed = float(((cluster.velocity * self.factor) ** 2).sum())
        cluster.at = now

    def _begin_cluster(self, x: Floats, y: int, now: int, norm: int, best: float) -> None:
        first = max(0, now - state.REMEMBERED)
        same = [event for event, label in self.events[first:][::-1] if label == y][: births.BEFORE]
        found = [(distances, other) for other in same if (distances := self._distances(x, other)) is not None]
        if not found:
            return
        distances, other = min(found, key=lambda pair: pair[0][norm])
        d = int(self.varied.sum())
        spread, shape = self.spread * d, min(self.shape, d / 2)
        log = math.log(births.NEW_SHARE) + shape * (math.log(distances[0] / spread) - distances[0] / spread)
        if log - d / 2 * math.log(distances[norm]) <= best:
            return
        both = np.array([x, other])
        known = np.isfinite(both).any(axis=0)
        centre = np.where(known, np.nanmean(np.where(known, both, 0.0), axis=0), self.moments.mean)
        variance = np.where(known, births.FIRST_VARIANCE * distances[0] / d, births.UNKNOWN_VARIANCE)
        covariance = np.zeros((len(x), 2, 2))
        covariance[:, 0, 0], covariance[:, 1, 1] = variance, self.speed
        share = [cluster.share if cluster else 0.0 for cluster in self.clusters]
        self.clusters[int(np.argmin(share))] = PlainCluster(
            y, centre, np.zeros(len(x)), covariance, spread, births.FIRST_SHARE, now
        )

    def _scale(self, x: Floats) -> None:
        """Learn the moments of the columns; clusters rest at the mean of one that begins to vary."""
        rows, mean, square, memory = self.moments
        known = np.isfinite(x)
        rows[known] = np.minimum(rows[known] + 1, memory)
        delta = x[known] - mean[known]
        mean[known] += delta / rows[known]
        square[known] += (delta * (x[known] - mean[known]) - square[known]) / rows[known]
        scale = np.sqrt(square)
        varies = (scale > 1e-12) & (rows > 1)
        changed = np.flatnonzero(varies != self.varied)
        self.factor = np.divide(1.0, scale, out=np.zeros_like(scale), where=varies)
        for cluster in self.clusters:
            if cluster is not None and len(changed):
                cluster.centre[changed], cluster.velocity[changed] = mean[changed], 0.0
                cluster.covariance[changed] = [[births.UNKNOWN_VARIANCE, 0.0], [0.0, self.speed]]
                cluster.squared_speed = float(((cluster.velocity * self.factor) ** 2).sum())


def predicted(covariance: Floats, elapsed: int) -> Floats:
    """The covariances [F, 2, 2] of centre and velocity after so many events."""
    transition = np.array([[1.0, elapsed], [0.0, 1.0]])
    result: Floats = transition @ covariance @ transition.T
    return result


def gain(squared: float, trace: float, d: int, spread: float, shape: float) -> tuple[float, float]:
    """Mean and variance of the part of the distance by which the centre follows; see `motion.gain`."""
    rho = motion.LARGEST_RADIUS * spread / shape * 0.5 ** np.arange(motion.RADII)
    u = (trace + rho) / d
    logs = shape * np.log(rho) - rho * shape / spread - d / 2 * np.log(u) - squared / (2 * u)
    weights = np.exp(logs - logs.max())
    gains = trace / (trace + rho)
    mean = float(np.average(gains, weights=weights))
    return min(max(mean, density.LEAST), 1 - density.LEAST), float(np.average((gains - mean) ** 2, weights=weights))
