"""What every expert of a pool said of every event before its label was learnt, kept on disk.

The pool runs once a stream, seed and delay; combinations of what it said are then run over the recording, so that all
of them hear the same experts say the same of the same events. `replay` is our own: the service's router, fusion and
pignistic probability, in the order in which the service's classifier calls them.

Nothing is done about ill experts here (`lifecycle.enabled: false`): what is retired or begun anew would depend on the
combination, and then no two would hear the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from parts.generators import STREAMS, Floats, Ints
from parts.texts import Texts, hate, sms
from tocsin.config.abstention import AbstentionSettings
from tocsin.config.experts.linear_text import LinearTextSettings
from tocsin.config.experts.ss3 import SS3Settings
from tocsin.config.fusion import FusionSettings
from tocsin.config.inputs import InputsSettings
from tocsin.config.inputs.clipping import ClippingSettings
from tocsin.config.inputs.tails import TailsSettings
from tocsin.config.lifecycle import LifecycleSettings
from tocsin.config.model import ModelSettings
from tocsin.config.presets.driftmoe import tocsin
from tocsin.config.routing import ReliabilitySettings
from tocsin.kernels.fusion import Fused, Rule, fuse
from tocsin.kernels.routing.inverse_temperature import raise_rows
from tocsin.kernels.routing.reliability_state import RouterOutput
from tocsin.models import Classifier
from tocsin.models.data.batch import Batch, PredictionContext
from tocsin.models.data.belief import pignistic
from tocsin.models.data.feedback import FeedbackBatch
from tocsin.models.routing.reliability import ReliabilityRouter

POLL = 50
"""Where labels are late, or some never come, events and labels reach the model in polls of so many."""
PASS = 1_000
TEXT_PRIOR = 0.25
"""The prior weight of an opinion on texts, as in the preset `sms`."""


class Events(NamedTuple):
    """A stream and what its pool is made of."""

    batch: Batch
    y: Ints
    """[T]; from `classes` on, a class that no label ever tells."""
    classes: int
    drifts: Ints
    """Where the concept changes."""
    model: ModelSettings


class Recording(NamedTuple):
    """T events, E experts, K classes."""

    X: Floats
    """[T, F]"""
    evidence: Floats
    """[T, E, K], of each event at its own time."""
    y: Ints
    """[T]"""
    drifts: Ints
    delay: int
    """How many events late labels come."""
    prior: float
    """The prior weight of an opinion."""
    seed: int


def of_texts(texts: Texts, events: int, seed: int) -> Events:
    """The first texts, for the pool of the preset `sms`. They have no seed, so that it draws their order."""
    order = np.random.default_rng(seed).permutation(len(texts.y))[:events]
    experts = (SS3Settings(ngrams=3), LinearTextSettings())
    model = quiet(ModelSettings(text=True, experts=experts, fusion=FusionSettings(prior=TEXT_PRIOR), seed=seed))
    batch = Batch.of(np.zeros((len(order), 0)), [texts.texts[i] for i in order])
    return Events(batch, texts.y[order], len(texts.classes), np.zeros(0, np.int64), model)


def of_stream(name: str, events: int, seed: int) -> Events:
    """A stream of `parts.generators`, for DriftMoE's pool."""
    X, y, classes, drifts = STREAMS[name](events, seed)
    return Events(Batch.of(X), y, classes, np.array(drifts, np.int64), quiet(tocsin("data", seed)))


def quiet(model: ModelSettings) -> ModelSettings:
    """The settings of a pool that is left as it is and sees the features as they are, with no abstention."""
    inputs = InputsSettings(clipping=ClippingSettings(enabled=False), tails=TailsSettings(enabled=False))
    lifecycle, abstention = LifecycleSettings(enabled=False), AbstentionSettings(enabled=False)
    return model.model_copy(update={"lifecycle": lifecycle, "abstention": abstention, "inputs": inputs})


SOURCES: dict[str, Callable[[int, int], Events]] = {
    "Electricity": lambda events, seed: of_stream("Electricity", events, seed),
    "LED": lambda events, seed: of_stream("LED_a", events, seed),
    "RBF": lambda events, seed: of_stream("RBF_f", events, seed),
    "SEA": lambda events, seed: of_stream("SEA_a", events, seed),
    "hate speech": lambda events, seed: of_texts(hate(), events, seed),
    "SMS": lambda events, seed: of_texts(sms(), events, seed),
}


def without(events: Events, held_out: int) -> Events:
    """The same events, where nobody ever tells of the class `held_out`: it becomes the last, beyond `classes`."""
    order = [*(k for k in range(events.classes) if k != held_out), held_out]
    return events._replace(y=np.argsort(order)[events.y], classes=events.classes - 1)


def recorded(name: str, seed: int, events: int, delay: int, directory: Path, held_out: int | None = None) -> Recording:
    """The recording of a stream: from the directory, or made and kept there."""
    without_which = "" if held_out is None else f"-without-{held_out}"
    path = directory / f"{name.replace(' ', '-')}-{seed}-{events}-{delay}{without_which}.npz"
    if not path.exists():
        directory.mkdir(parents=True, exist_ok=True)
        source = SOURCES[name](events, seed)
        made = record(source if held_out is None else without(source, held_out), delay)
        np.savez(path, **made._asdict())
    with np.load(path) as file:
        arrays = {field: file[field] for field in Recording._fields}
    numbers = {"delay": int(arrays["delay"]), "prior": float(arrays["prior"]), "seed": int(arrays["seed"])}
    return Recording(**{**arrays, **numbers})


def record(events: Events, delay: int) -> Recording:
    """Run the pool over a stream, whose labels come so many events late."""
    model = knowing(events)
    late = delay or int(events.y.max()) >= events.classes
    prior = events.model.fusion.prior
    return Recording(
        X=events.batch.X,
        evidence=said_before_polls(model, events, delay) if late else said_before_events(model, events),
        y=events.y,
        drifts=events.drifts,
        delay=delay,
        prior=float(events.classes) if prior is None else prior,
        seed=events.model.seed,
    )


def knowing(events: Events) -> Classifier:
    """A classifier that knows columns and classes beforehand."""
    model, columns = Classifier(events.model), events.batch.X.shape[1]
    names = [str(k) for k in range(events.classes)]
    model.widen([str(f) for f in range(columns)], [False] * columns, names)
    return model


def said_before_events(model: Classifier, events: Events) -> Floats:
    """Evidence [T, E, K] where each label comes with its event: what the router is given to learn from."""
    heard: list[Floats] = []
    learn = model.router.learn

    def listen(X: Floats, evidence: Floats, y: Ints, weight: Floats, delay: Ints) -> RouterOutput:
        heard.append(evidence.copy())
        return learn(X, evidence, y, weight, delay)

    model.router.learn = listen  # type: ignore[method-assign]
    for start in range(0, len(events.y), PASS):
        y = events.y[start : start + PASS]
        model.learn_at_once(events.batch.rows(start, start + len(y)), y, np.ones(len(y)))
    return np.concatenate(heard)


def said_before_polls(model: Classifier, events: Events, delay: int) -> Floats:
    """Evidence [T, E, K] where labels come late or never: what the decision is made from."""
    evidence = np.empty((len(events.y), len(model.experts), events.classes))
    seen: list[PredictionContext] = []
    for now, told in polls(events.y, events.classes, delay):
        scores = model.score(events.batch.rows(now.start, now.stop))
        evidence[now] = scores.answers
        seen += [scores.context(i) for i in range(now.stop - now.start)]
        if len(told):
            texts = [events.batch.texts[i] for i in told]
            labels = [str(k) for k in events.y[told]]
            batch = Batch.of(events.batch.X[told], texts)
            model.learn(FeedbackBatch(batch, labels, np.ones(len(told)), [seen[i] for i in told], [()] * len(told)))
    return evidence


def polls(y: Ints, classes: int, delay: int) -> Iterator[tuple[slice, Ints]]:
    """The events of each poll, and those whose labels then come."""
    for start in range(0, len(y), POLL):
        stop = min(start + POLL, len(y))
        past = np.arange(max(start - delay, 0), max(stop - delay, 0))
        yield slice(start, stop), past[y[past] < classes]


class Replayed(NamedTuple):
    """What the service's classifier would have said of T events."""

    betp: Floats
    """[T, K]"""
    fused: Fused
    reliability: Floats
    """[T, E]"""


def replay(recording: Recording, rule: Rule, settings: ReliabilitySettings | None = None) -> Replayed:
    """What the service's classifier would have said with this rule of fusion."""
    X, evidence, y, delay = recording.X, recording.evidence, recording.y, recording.delay
    T, E, K = evidence.shape
    through = FusionSettings(rule=rule, prior=recording.prior)
    router = ReliabilityRouter(settings or ReliabilitySettings(), E, X.shape[1], recording.seed, through)
    if at_once(recording):
        rho, sharp = router.learn(X, evidence, y, np.ones(T), np.zeros(T, np.int64))
    else:
        rho, sharp, learnt, known = np.empty((T, E)), np.empty(T), 0, np.empty(T, np.int64)
        for now, told in polls(y, K, delay):
            rho[now], sharp[now], known[now] = (
                router.reliability(X[now], evidence[now]),
                router.inverse_temperature,
                learnt,
            )
            late = learnt + np.arange(len(told)) - known[told]
            router.learn(X[told], evidence[told], y[told], np.ones(len(told)), late)
            learnt += len(told)
    engaged = router.engaged(rho, evidence, recording.prior)
    fused = fuse(evidence, rho, engaged, rule=rule, prior=recording.prior)
    betp = np.empty((T, K))
    raise_rows(pignistic(fused.belief, fused.uncertainty), sharp, betp)
    return Replayed(betp, fused, rho)


def at_once(recording: Recording) -> bool:
    """Whether each label came with its event, and all came."""
    return recording.delay == 0 and int(recording.y.max()) < recording.evidence.shape[2]
