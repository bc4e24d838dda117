"""Other ways to make one probability of what several experts said, run over the same recordings as our own.

An expert's probability is its opinion's: (e + s / K) / (sum e + s), so that none is 0 and none that is silent has a
say. All that learn do so online, from the labels in their order, with our router's inputs and step.

- `Mixture`: a gate's weighted mean; the gate is our router's network with a softmax over experts, trained by -log of
  the mixture (Jacobs et al. 1991).
- `LogarithmicPool`: the geometric mean, weighted by prequential skill above chance (Genest & Zidek 1986).
- `Stack`: a log-linear model over the experts' and the mixture's log probabilities.
- `tlc`: trustworthy long-tailed classification (Li et al. 2022) as it is written rather than as it was released:
  opinions undiscounted, combined by Dempster's rule in the pool's order, until what is combined is sure enough.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from parts.generators import Floats
from parts.recording import Recording, at_once, polls
from tocsin.config.routing import ReliabilitySettings
from tocsin.kernels.common.moments import learn_row
from tocsin.kernels.routing import reliability as kernel
from tocsin.models.routing.prequential_accuracy import PrequentialAccuracy
from tocsin.models.routing.reliability import CALM, SCALER_MEMORY, SQUARES_MEMORY

SURE = 0.05
"""TLC engages another expert while the uncertainty of what is combined exceeds this."""


class Combination(Protocol):
    """Makes one of several, event by event."""

    def say(self, x: Floats, evidence: Floats) -> Floats:
        """Probabilities [K] from features [F] and evidence [E, K]; nothing changes."""
        ...

    def learn(self, x: Floats, evidence: Floats, y: int) -> None:
        """Learn a label from what was said at its event's time."""
        ...


def run(combination: Combination, recording: Recording) -> Floats:
    """Probabilities [T, K] of every event before its label is learnt."""
    X, evidence, y = recording.X, recording.evidence, recording.y
    T, _, K = evidence.shape
    said = np.empty((T, K))
    if at_once(recording):
        for t in range(T):
            said[t] = combination.say(X[t], evidence[t])
            combination.learn(X[t], evidence[t], int(y[t]))
        return said
    for now, told in polls(y, K, recording.delay):
        for t in range(now.start, now.stop):
            said[t] = combination.say(X[t], evidence[t])
        for t in told.tolist():
            combination.learn(X[t], evidence[t], int(y[t]))
    return said


def probabilities(evidence: Floats, prior: float) -> Floats:
    """[E, K] of the experts' own opinions."""
    p: Floats = (evidence + prior / evidence.shape[1]) / (evidence.sum(axis=1, keepdims=True) + prior)
    return p


def softmax(z: Floats) -> Floats:
    e = np.exp(z - z.max())
    p: Floats = e / e.sum()
    return p


class Mixture:
    """See the top of this file."""

    def __init__(self, recording: Recording) -> None:
        settings, (_, E, _) = ReliabilitySettings(), recording.evidence.shape
        self._prior, self._settings = recording.prior, settings
        self._sizes = kernel.Sizes(recording.X.shape[1], E, settings.hidden)
        self._net = kernel.new(self._sizes, recording.seed, 0.0, settings.boost)
        self._rates = kernel.Rates(
            step=settings.step,
            every=1.0,
            memory=SQUARES_MEMORY,
            fade=settings.fading_factor,
            scaler_memory=SCALER_MEMORY,
            balance=0.0,
            window=float(settings.window),
            boost=settings.boost,
            calm=CALM,
            prior=recording.prior,
        )
        self._inputs, self._hidden = np.empty(self._sizes.inputs), np.empty(settings.hidden)
        self._logits = np.empty(E + 1)

    def say(self, x: Floats, evidence: Floats) -> Floats:
        """See `Combination`."""
        p: Floats = self._gate(x, evidence) @ probabilities(evidence, self._prior)
        return p

    def _gate(self, x: Floats, evidence: Floats) -> Floats:
        kernel.fill_inputs(self._net, x, evidence, self._inputs)
        kernel.forward(self._net.weights, self._inputs, self._hidden, self._logits)
        return softmax(self._logits[:-1])

    def learn(self, x: Floats, evidence: Floats, y: int) -> None:
        """See `Combination`."""
        gate, q = self._gate(x, evidence), probabilities(evidence, self._prior)
        by_logit = np.append(gate - gate * q[:, y] / (gate @ q[:, y]), 0.0)
        kernel.backward(self._net.weights, self._inputs, self._hidden, by_logit, self._net.gradient)
        self._net.counters[kernel.PENDING] += 1.0
        kernel.descend(self._net, self._rates)
        kernel.update_skill(self._net, evidence, y, self._rates.fade)
        learn_row(self._net.rows, self._net.mean, self._net.square, SCALER_MEMORY, x)
        right = gate @ q
        kernel.detect_drift(self._net, right, y, self._rates)


class LogarithmicPool:
    """See the top of this file."""

    def __init__(self, recording: Recording) -> None:
        self._prior = recording.prior
        self._record = PrequentialAccuracy(recording.evidence.shape[1], ReliabilitySettings().fading_factor)

    def say(self, x: Floats, evidence: Floats) -> Floats:
        """See `Combination`."""
        skill = self._record.above_chance(evidence.shape[1])
        weights = skill / skill.sum() if skill.sum() > 0.0 else np.full(len(skill), 1.0 / len(skill))
        return softmax(weights @ np.log(probabilities(evidence, self._prior)))

    def learn(self, x: Floats, evidence: Floats, y: int) -> None:
        """See `Combination`."""
        self._record.learn(evidence, y)


class Stack:
    """See the top of this file: p is proportional to exp(sum over j of w_j log p_j + b)."""

    def __init__(self, recording: Recording, step: float = 0.002) -> None:
        self._prior, self._mixture, self._step = recording.prior, Mixture(recording), step
        _, E, K = recording.evidence.shape
        self._weights = np.append(np.zeros(E), 1.0)
        self._bias = np.zeros(K)
        self._squares = np.zeros(E + 1 + K)
        self._steps = 0

    def _parts(self, x: Floats, evidence: Floats) -> Floats:
        mixed = self._mixture.say(x, evidence)
        parts: Floats = np.log(np.vstack([probabilities(evidence, self._prior), mixed]))
        return parts

    def say(self, x: Floats, evidence: Floats) -> Floats:
        """See `Combination`."""
        return softmax(self._weights @ self._parts(x, evidence) + self._bias)

    def learn(self, x: Floats, evidence: Floats, y: int) -> None:
        """See `Combination`."""
        parts = self._parts(x, evidence)
        error = softmax(self._weights @ parts + self._bias)
        error[y] -= 1.0
        gradient = np.concatenate([parts @ error, error])
        self._steps += 1
        self._squares += (1.0 - SQUARES_MEMORY) * (gradient * gradient - self._squares)
        scale = np.sqrt(self._squares / (1.0 - SQUARES_MEMORY**self._steps)) + 1e-8
        moved = self._step * gradient / scale
        self._weights -= moved[: len(self._weights)]
        self._bias -= moved[len(self._weights) :]
        self._mixture.learn(x, evidence, y)


def tlc(recording: Recording) -> Floats:
    """Probabilities [T, K] of TLC; it learns nothing."""
    evidence, prior = recording.evidence, recording.prior
    T, E, K = evidence.shape
    b, u = np.zeros((T, K)), np.ones(T)
    for e in range(E):
        S = evidence[:, e].sum(axis=1) + prior
        other, doubt = evidence[:, e] / S[:, None], prior / S
        joined = b * other + b * doubt[:, None] + other * u[:, None]
        both = u * doubt
        total = joined.sum(axis=1) + both
        go_on = (u > SURE) & (total > 0.0)
        b[go_on], u[go_on] = joined[go_on] / total[go_on, None], both[go_on] / total[go_on]
    p: Floats = b + u[:, None] / K
    return p
