"""Ideas about whom to hear: shared experts, contrast, agreement of views, groups, a gate by subject.

Each takes what the pool's experts said and gives the probabilities [T, K] that the pool would then have had.
"""

from __future__ import annotations

import math

import numpy as np

from parts.generators import Floats
from parts.ideas.heard import Heard
from parts.recording import Recording, replay
from tocsin.config.routing import ReliabilitySettings
from tocsin.kernels.common.moments import learn_row
from tocsin.kernels.fusion import fuse
from tocsin.kernels.fusion.log_domain import CODES
from tocsin.kernels.routing import inverse_temperature, reliability
from tocsin.kernels.routing.fused_loss import Opinions, combine, slope
from tocsin.models.data.belief import pignistic
from tocsin.models.routing.reliability import CALM, SCALER_MEMORY, SQUARES_MEMORY, START

GROUPS = {
    "nearest-500": "neighbours", "neighbours-500": "neighbours", "neighbours-2000": "neighbours",
    "linear-faster": "linear", "linear-fast": "linear", "linear-slow": "linear", "logistic": "linear",
    "tree": "trees", "tree-history": "trees", "forest": "trees",
    "persistence": "time", "moving-averages": "time", "seasonal": "time", "moving-clusters": "clusters",
}  # fmt: skip
"""Which view of the events each expert of the default pool has; any other expert is a group of its own."""
FADE = 0.9
"""What a subject's accuracies keep of the past at each of its labels."""


def shared(heard: Heard, always: str | None = None) -> Floats:
    """One expert has full trust beside the routed ones (DeepSeekMoE, arXiv 2401.06066).

    It is the named one, or else the one of the greatest prequential accuracy at each event. The router learns the
    reliabilities of the others through the decision in which that one has its say.
    """
    recording = heard.recording()
    E = recording.evidence.shape[1]
    fixed = heard.experts.index(always) if always else None
    own = ReliabilitySettings()
    sizes = reliability.Sizes(recording.X.shape[1], E, own.hidden)
    router = reliability.new(sizes, recording.seed, START, own.boost)
    rates = _rates(recording, own, CODES[heard.source.model.fusion.rule])
    said = np.empty((len(recording.y), recording.evidence.shape[2]))
    for t, y in enumerate(recording.y.tolist()):
        best = int(router.skill.argmax()) if fixed is None else fixed
        said[t] = _shared_step(router, rates, (recording.X[t], recording.evidence[t], y), best)
    return said


def _rates(recording: Recording, own: ReliabilitySettings, rule: int) -> reliability.Rates:
    return reliability.Rates(
        step=own.step,
        every=float(own.every),
        memory=SQUARES_MEMORY,
        fade=own.fading_factor,
        scaler_memory=SCALER_MEMORY,
        balance=own.balance,
        window=float(own.window),
        boost=own.boost,
        calm=CALM,
        prior=recording.prior,
        rule=rule,
        sharpen=own.inverse_temperature_step,
    )


def _shared_step(
    router: reliability.Router, rates: reliability.Rates, event: tuple[Floats, Floats, int], best: int
) -> Floats:
    """Probabilities [K] of one event, which is then learnt: `reliability.learn_rows` with one reliability set."""
    x, evidence, y = event
    E, K = evidence.shape
    hidden = ReliabilitySettings().hidden
    inputs, inner, logits = np.empty(3 * E + len(x)), np.empty(hidden), np.empty(E + 1)
    rho, by_rho, by_logit, P = np.empty(E), np.empty(E), np.empty(E + 1), np.empty(K)
    reliability.fill_inputs(router, x, evidence, inputs)
    reliability.forward(router.weights, inputs, inner, logits)
    reliability.fill_reliability(logits, rho)
    rho[best] = reliability.MAX_RELIABILITY
    opinions = Opinions(evidence, rho, rates.prior, rates.rule)
    one = combine(opinions, P)
    a = math.exp(router.inverse_temperature[inverse_temperature.LOG])
    powers: Floats = np.maximum(P - one + one / K, 1e-300)
    powers = (powers / powers.max()) ** a
    by_log_a = slope(opinions, a, y, P, one, by_rho)
    by_rho[best] = 0.0
    reliability.gradient_by_logit(router, logits, by_rho, evidence, rates, 1.0, by_logit)
    reliability.backward(router.weights, inputs, inner, by_logit, router.gradient)
    inverse_temperature.learn(router.inverse_temperature, by_log_a, rates.sharpen)
    router.counters[reliability.RECORDS] += 1.0
    router.counters[reliability.PENDING] += 1.0
    if router.counters[reliability.PENDING] >= rates.every:
        reliability.descend(router, rates)
    reliability.add_load(router, evidence, rho, rates.prior, rates.window)
    reliability.update_skill(router, evidence, y, rates.fade)
    learn_row(router.rows, router.mean, router.square, rates.scaler_memory, x)
    reliability.detect_drift(router, P, y, rates)
    return powers / powers.sum()


def contrast(heard: Heard, beta: float, least: float = 0.1) -> Floats:
    """Fused log odds + beta (strong - weak), where the weak opinion is that of the less trusted half.

    Self-contrast of SCMoE (arXiv 2405.14507): classes of less than `least` times the greatest probability are left out.
    """
    recording = heard.recording()
    rule = heard.source.model.fusion.rule
    strong, _, rho = replay(recording, rule)
    order = np.argsort(np.argsort(-rho, axis=1, kind="stable"), axis=1, kind="stable")
    weaker = np.where(order >= (rho.shape[1] + 1) // 2, rho, 0.0)
    fused = fuse(recording.evidence, weaker, None, rule=rule, prior=recording.prior)
    weak = np.maximum(pignistic(fused.belief, fused.uncertainty), 1e-12)
    z = (1.0 + beta) * np.log(np.maximum(strong, 1e-12)) - beta * np.log(weak)
    z[strong < least * strong.max(axis=1, keepdims=True)] = -np.inf
    p: Floats = np.exp(z - z.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    return p


def agreement(heard: Heard, power: float = 1.0) -> Floats:
    """Evidence counts as far as experts of other groups agree with it, before it is routed.

    After THOR (arXiv 2110.04260), whose loss draws experts that see the same differently towards one another. Here
    evidence is multiplied by the probability that the mean of the other groups gives to the expert's own answer.
    """
    p, names = heard.shares(), heard.experts
    groups = [GROUPS.get(name, name) for name in names]
    result = heard.evidence.copy()
    for e, group in enumerate(groups):
        others = [o for o, other in enumerate(groups) if other != group]
        mean = p[:, others].mean(axis=1)
        agreed = (p[:, e] * mean).sum(axis=1) * p.shape[2]
        result[:, e] *= np.minimum(agreed, 1.0)[:, None] ** power
    return heard.fused(result)


def levels(heard: Heard) -> Floats:
    """Groups of experts are fused within and then across, each by a router of its own (DMoERM, arXiv 2403.01197)."""
    groups: dict[str, list[int]] = {}
    for e, name in enumerate(heard.experts):
        groups.setdefault(GROUPS.get(name, name), []).append(e)
    rule, said = heard.source.model.fusion.rule, []
    for members in groups.values():
        inner = heard.recording(heard.evidence[:, members])
        _, fused, _ = replay(inner, rule)
        # The evidence that has this belief and this uncertainty: b / u = e / s.
        said.append(inner.prior * fused.belief / np.maximum(fused.uncertainty, 1e-9)[:, None])
    return heard.fused(np.stack(said, axis=1))


def by_subject(heard: Heard) -> Floats:
    """The router also sees how right each expert was for the event's own subject (AW-MoE)."""
    right = (heard.evidence.argmax(axis=2) == heard.y[:, None]).astype(np.float64)
    T, E = right.shape
    X, held = np.empty((T, E)), dict[int, Floats]()
    overall = np.full(E, 0.5)
    for t, subject in enumerate(heard.source.customers.tolist()):
        own = held.get(subject)
        X[t] = 0.0 if own is None else own - overall
        held[subject] = right[t] if own is None else FADE * own + (1.0 - FADE) * right[t]
        overall = 0.995 * overall + 0.005 * right[t]
    return heard.fused(X=np.column_stack([heard.X, X]))
