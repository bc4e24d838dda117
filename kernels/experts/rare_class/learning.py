"""What is said of events where a class is rare, and how their labels are learnt, one after the other."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.common.labelled import Labelled
from tocsin.kernels.decision.calibration import fitted
from tocsin.kernels.experts.rare_class.gaussian import (
    CLIP,
    READY,
    clip,
    learn_common,
    mixed,
    offsets,
    ratios,
    refresh_common,
    refresh_linear,
    refresh_quadratic,
    remember,
    share_out,
)
from tocsin.kernels.experts.rare_class.state import BLENDS, HEADS, VIEWS, Model, Rates, count_label, prior_odds
from tocsin.kernels.experts.rare_class.vote import calibrate, calibrated, learn_losses, log_loss, ratio_of, voted

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

MOST_RARE = 0.999
"""What the rare classes have together at the most."""
STRENGTH, FITTED = range(2)
"""What stands in `Vote.fit`."""


class Scratch(NamedTuple):
    """Room for what is computed of one event."""

    raw: Floats
    """[VIEWS, D], the offsets from the common mean."""
    offset: Floats
    """[VIEWS, D], the same as they are judged: clipped."""
    heads: Floats
    """[K, HEADS], the ratios of each discriminant."""
    ratio: Floats
    """[K, E + 1], the ratios of each voter."""
    spoke: Bools
    """[E + 1], who said anything of the event; the Gaussians as the last one of each class."""
    blends: Floats
    """[K, blends], what each blend of them says."""
    voted: Floats
    """[K]"""
    p: Floats
    """[K], the probability of each class; rare ones before they are scaled to sum up to 1."""


@kernel
def scratch(model: Model) -> Scratch:
    """Room for one event."""
    K, _, voters = model.vote.loss.shape
    D = model.common.mean.shape[1]
    ratio, spoke, blends = np.zeros((K, voters)), np.zeros(voters, np.bool_), np.zeros((K, len(BLENDS)))
    raw, offset, heads = np.zeros((VIEWS, D)), np.zeros((VIEWS, D)), np.zeros((K, HEADS))
    return Scratch(raw, offset, heads, ratio, spoke, blends, np.zeros(K), np.zeros(K))


@kernel
def see(model: Model, x: Floats, room: Scratch) -> None:
    """The offsets of one event x [D] into `room`."""
    offsets(model.common, x, room.raw)
    room.offset[:] = room.raw
    clip(model.common, CLIP, room.offset)


@kernel
def weigh(model: Model, x: Floats, said: Floats, rates: Rates, room: Scratch) -> None:
    """What is said of one event x [D], of which the experts said `said` [E, K], into `room`."""
    K, _, voters = model.vote.loss.shape
    see(model, x, room)
    ready = len(x) > 0 and model.common.rows[0] >= READY
    for e in range(voters - 1):
        room.spoke[e] = said[e].sum() > 0.0
    for k in range(K):
        if not model.shares.rare[k]:
            continue
        prior = prior_odds(model.shares, k)
        for e in range(voters - 1):
            room.ratio[k, e] = ratio_of(said[e], k, prior, model.shares.counts)
        room.ratio[k, voters - 1] = 0.0
        room.spoke[voters - 1] = ready and model.examples.seen[k] > 0
        if room.spoke[voters - 1]:
            ratios(model.common, model.heads, k, room.offset, room.heads[k])
            room.ratio[k, voters - 1] = mixed(model.heads.log_weight[k], room.heads[k])
        room.voted[k] = voted(model.vote, k, room.ratio[k], room.spoke, rates.eta, room.blends[k])
        room.p[k] = calibrated(model.vote, k, prior, room.voted[k])


@kernel
def tell(model: Model, room: Scratch, most: float, out: Floats) -> None:
    """The evidence [K] for the event weighed last into `out`: all of 0 where no class is rare."""
    rare, counts = model.shares.rare, model.shares.counts
    taken, others = 0.0, 0.0
    for k in range(len(out)):
        taken += room.p[k] if rare[k] else 0.0
        others += 0.0 if rare[k] else counts[k]
    some = rare.any()
    scale = min(1.0, MOST_RARE / max(taken, 1e-300))
    worth = min(model.vote.fit[STRENGTH], most)
    for k in range(len(out)):
        p = scale * room.p[k] if rare[k] else (1.0 - scale * taken) * counts[k] / max(others, 1e-300)
        out[k] = worth * p if some else 0.0


@kernel
def evidence(model: Model, X: Floats, said: Floats, rates: Rates, out: Floats) -> None:
    """The evidence [B, K] for X [B, D], of which the experts said `said` [B, E, K], into `out`."""
    room = scratch(model)
    for b in range(len(X)):
        weigh(model, X[b], said[b], rates, room)
        tell(model, room, rates.most, out[b])


@kernel
def judge_label(model: Model, room: Scratch, y: int, rates: Rates) -> None:
    """What the label of the event weighed last says of the discriminants, of the voters and of their sum."""
    vote, heads = model.vote, model.heads
    for k in range(len(room.p)):
        if not model.shares.rare[k]:
            continue
        prior, right = prior_odds(model.shares, k), y == k
        calibrate(vote, k, room.voted[k], room.p[k], right)
        learn_losses(vote, k, prior, room.ratio[k], room.blends[k], right)
        if model.examples.seen[k] > 0:
            for h in range(HEADS):
                heads.log_weight[k, h] -= log_loss(prior + room.heads[k, h], right)
            if right:
                share_out(heads.log_weight[k])


@kernel
def learn(model: Model, events: Labelled, said: Floats, rates: Rates, answers: Floats) -> None:
    """Learn B events in order, of which the experts said `said` [B, E, K] at their own time.

    `answers` [B, K] is filled with the evidence for each event just before it is learnt; [0, 0] where nobody asks.
    """
    shares, common, examples = model.shares, model.common, model.examples
    room, probability = scratch(model), np.zeros(len(shares.rare))
    for b in range(len(events.X)):
        y = events.y[b]
        some = shares.rare.any()
        if some:
            weigh(model, events.X[b], said[b], rates, room)
            tell(model, room, 1.0, probability)
            worth = model.vote.fit[STRENGTH]
            if len(answers) > 0:
                tell(model, room, rates.most, answers[b])
            p = probability[y] / max(probability.sum(), 1e-300)
            fit = model.vote.fit
            fit[STRENGTH] = fitted(worth, p, len(probability), events.weight[b], fit[FITTED], rates.most)
            fit[FITTED] += 1.0
            judge_label(model, room, y, rates)
        else:
            see(model, events.X[b], room)
            if len(answers) > 0:
                answers[b] = 0.0
        known = shares.rare[y] and common.rows[0] >= READY
        learn_common(common, room.raw, rates.memory)
        if known and common.mean.shape[1] > 0:
            remember(examples, y, room.offset)
            refresh_linear(common, examples, model.heads, y)
            refresh_quadratic(common, examples, model.heads, y)
        if count_label(shares, y, rates.share):
            refresh_common(common)
            for k in range(len(shares.rare)):
                if shares.rare[k] and examples.seen[k] > 0:
                    refresh_linear(common, examples, model.heads, k)
