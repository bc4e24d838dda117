"""Every model of the stream benchmark behind one face: feed it a stream with labels so many events late.

CapyMOA's ensembles are at their own defaults (100 members), each with the seed of the run; all see the same arrays.
A label of event t arrives when event t + delay has been predicted.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.metadata import version
from typing import Any, Protocol

import numpy as np

from parts.generators import Ints, Stream
from parts.prequential import last_label

CHUNK = 1_000
LATE_CHUNK = 50
"""Late labels reach us in polls of so many events, so that our model is up to 50 events behind the rivals'."""
JVM = "-Xmx8g -Xss10M -XX:+UseSerialGC"
"""One thread to collect garbage: less CPU time than many."""


class Model(Protocol):
    """Predicts a whole stream, each event before its label is learnt."""

    def run(self, stream: Stream, delay: int) -> Ints:
        """Predicted classes [B]."""
        ...

    def live_bytes(self) -> float | None:
        """What the model's own objects take after a garbage collection; None where nobody can tell."""
        ...


class EventByEvent:
    """A model that is asked and taught one event at a time."""

    def run(self, stream: Stream, delay: int) -> Ints:
        """See `Model`."""
        predicted = np.empty(len(stream.y), np.int64)
        events = [self.event(stream, t) for t in range(delay)] if delay else []
        for t in range(len(stream.y)):
            event = self.event(stream, t)
            predicted[t] = self.predict(event)
            if not delay:
                self.learn(event)
                continue
            if t >= delay:
                self.learn(events[t % delay])
            events[t % delay] = event
        return predicted

    def live_bytes(self) -> float | None:
        """See `Model`."""
        return None

    def event(self, stream: Stream, t: int) -> Any:
        """Event t as the model wants it."""
        raise NotImplementedError

    def predict(self, event: Any) -> int:
        """The class of an event."""
        raise NotImplementedError

    def learn(self, event: Any) -> None:
        """Learn an event's label."""
        raise NotImplementedError


class CapyMOA(EventByEvent):
    """A classifier of CapyMOA, at its defaults."""

    def __init__(self, name: str, stream: Stream, seed: int) -> None:
        os.environ["CAPYMOA_JVM_ARGS"] = JVM
        import capymoa.classifier as classifiers
        from capymoa.core import LabeledInstance
        from capymoa.stream import Schema

        names = [f"x{f}" for f in range(stream.X.shape[1])]
        labels = [str(k) for k in range(stream.classes)]
        self._schema = Schema.from_custom(features=[*names, "y"], target="y", categories={"y": labels}, name="stream")
        self._instance = LabeledInstance.from_array
        self._model = getattr(classifiers, name)(schema=self._schema, random_seed=seed)
        self._before = self._heap()

    @staticmethod
    def _heap() -> float:
        import jpype

        runtime = jpype.JClass("java.lang.Runtime").getRuntime()
        runtime.gc()
        return float(runtime.totalMemory() - runtime.freeMemory())

    def live_bytes(self) -> float:
        """See `Model`."""
        return self._heap() - self._before

    def event(self, stream: Stream, t: int) -> Any:
        """See `EventByEvent`."""
        return self._instance(self._schema, stream.X[t], int(stream.y[t]))

    def predict(self, event: Any) -> int:
        """See `EventByEvent`."""
        predicted = self._model.predict(event)
        return -1 if predicted is None else int(predicted)

    def learn(self, event: Any) -> None:
        """See `EventByEvent`."""
        self._model.train(event)


class River(EventByEvent):
    """A classifier of river."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def event(self, stream: Stream, t: int) -> Any:
        """See `EventByEvent`."""
        return dict(enumerate(stream.X[t].tolist())), int(stream.y[t])

    def predict(self, event: Any) -> int:
        """See `EventByEvent`."""
        predicted = self._model.predict_one(event[0])
        return -1 if predicted is None else int(predicted)

    def learn(self, event: Any) -> None:
        """See `EventByEvent`."""
        self._model.learn_one(*event)


class NoChange:
    """Repeats the last label known."""

    def run(self, stream: Stream, delay: int) -> Ints:
        """See `Model`."""
        return last_label(stream.y, delay)

    def live_bytes(self) -> float | None:
        """See `Model`."""
        return None


class Arrays:
    """A model of ours that learns arrays."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def run(self, stream: Stream, delay: int) -> Ints:
        """See `Model`."""
        return self._late(stream, delay) if delay else self._at_once(stream)

    def _at_once(self, stream: Stream) -> Ints:
        predicted = np.empty(len(stream.y), np.int64)
        for start in range(0, len(stream.y), CHUNK):
            now = slice(start, start + CHUNK)
            p = self._model.predict_then_learn_many(stream.X[now], stream.y[now])
            predicted[now] = np.array(self._model.classes)[p.argmax(axis=1)]
        return predicted

    def _late(self, stream: Stream, delay: int) -> Ints:
        predicted = np.full(len(stream.y), -1, np.int64)
        for start in range(0, len(stream.y), LATE_CHUNK):
            stop = start + LATE_CHUNK
            if self._model.classes:
                p = self._model.predict_proba_many(stream.X[start:stop])
                predicted[start:stop] = np.array(self._model.classes)[p.argmax(axis=1)]
            past = slice(max(start - delay, 0), max(stop - delay, 0))
            if past.stop > past.start:
                self._model.learn_many(stream.X[past], stream.y[past])
        return predicted

    def live_bytes(self) -> float | None:
        """See `Model`."""
        return None


class Tocsin(Arrays):
    """DriftMoE as the service runs it: late labels are learnt with what was seen at the event's own time."""

    def __init__(self, seed: int, without: tuple[str, ...] = ()) -> None:
        """`without` are kinds of experts that are left out."""
        from tocsin.models import DriftMoE

        super().__init__(DriftMoE(seed=seed))
        self._seed, self._without = seed, without

    def _classifier(self, stream: Stream) -> Any:
        """The model itself. As the rivals do, from their schema, it knows the classes beforehand."""
        from tocsin.config.presets.driftmoe import tocsin
        from tocsin.models import Classifier

        settings = tocsin("data", self._seed)
        kept = tuple(expert for expert in settings.experts if expert.kind not in self._without)
        model = Classifier(settings.model_copy(update={"experts": kept}))
        columns = stream.X.shape[1]
        classes = [str(k) for k in range(stream.classes)]
        model.widen([str(f) for f in range(columns)], [False] * columns, classes)
        return model

    def _at_once(self, stream: Stream) -> Ints:
        if not self._without:
            return super()._at_once(stream)
        from tocsin.models.data.batch import Batch

        model, predicted = self._classifier(stream), np.empty(len(stream.y), np.int64)
        for start in range(0, len(stream.y), CHUNK):
            now = slice(start, start + CHUNK)
            y = np.asarray(stream.y[now], np.int64)
            p = model.learn_at_once(Batch.of(np.asarray(stream.X[now], np.float64)), y, np.ones(len(y)))
            predicted[now] = p.argmax(axis=1)
        return predicted

    def _late(self, stream: Stream, delay: int) -> Ints:
        from tocsin.models.data.batch import Batch
        from tocsin.models.data.feedback import FeedbackBatch

        model = self._classifier(stream)
        names = np.array([str(k) for k in range(stream.classes)])
        predicted = np.full(len(stream.y), -1, np.int64)
        seen: list[Any] = []
        for start in range(0, len(stream.y), LATE_CHUNK):
            stop = min(start + LATE_CHUNK, len(stream.y))
            scores = model.score(Batch.of(stream.X[start:stop]))
            seen += [scores.context(i) for i in range(stop - start)]
            for i, label in enumerate(scores.label.tolist()):
                predicted[start + i] = int(scores.classes[label]) if label >= 0 else -1
            past, until = max(start - delay, 0), max(stop - delay, 0)
            if until > past:
                labels = names[stream.y[past:until]].tolist()
                batch = Batch.of(stream.X[past:until])
                rows = until - past
                model.learn(FeedbackBatch(batch, labels, np.ones(rows), seen[past:until], [()] * rows))
                seen[past:until] = [None] * rows
        return predicted


def river_forest(stream: Stream, seed: int) -> Model:
    """River's adaptive random forest of 10 trees, its default."""
    from river.forest import ARFClassifier

    return River(ARFClassifier(seed=seed))


def tree(stream: Stream, seed: int) -> Model:
    """One Hoeffding tree at river's defaults (ours makes the same splits)."""
    from tocsin.models import HoeffdingTree

    return Arrays(HoeffdingTree())


def paper(stream: Stream, seed: int) -> Model:
    """DriftMoE as published, data variant."""
    from tocsin.models import DriftMoE

    return Arrays(DriftMoE(preset="paper", seed=seed))


def paper_task(stream: Stream, seed: int) -> Model:
    """DriftMoE as published, task variant: one tree for each class."""
    from tocsin.models import DriftMoE

    return Arrays(DriftMoE(preset="paper", variant="task", seed=seed))


def _capymoa(name: str) -> Callable[[Stream, int], Model]:
    return lambda stream, seed: CapyMOA(name, stream, seed)


TIME_FEATURES = ("seasonal", "moving-averages")
"""What knows of time. Electricity's label is whether the price is above the mean of the last 48, which they find."""

MODELS: dict[str, tuple[str, Callable[[Stream, int], Model]]] = {
    "tocsin": ("tocsin", lambda stream, seed: Tocsin(seed)),
    "no time features": ("tocsin", lambda stream, seed: Tocsin(seed, TIME_FEATURES)),
    "no moving clusters": ("tocsin", lambda stream, seed: Tocsin(seed, ("moving-clusters",))),
    "neither": ("tocsin", lambda stream, seed: Tocsin(seed, (*TIME_FEATURES, "moving-clusters"))),
    "paper": ("tocsin", paper),
    "paper-task": ("tocsin", paper_task),
    "Hoeffding tree": ("tocsin", tree),
    "no-change": ("numpy", lambda stream, seed: NoChange()),
    "ARF-100": ("capymoa", _capymoa("AdaptiveRandomForestClassifier")),
    "LevBag-100": ("capymoa", _capymoa("LeveragingBagging")),
    "SRP-100": ("capymoa", _capymoa("StreamingRandomPatches")),
    "SAM-kNN": ("capymoa", _capymoa("SAMkNN")),
    "kNN": ("capymoa", _capymoa("KNN")),
    "river ARF-10": ("river", river_forest),
}
"""By name: the package it comes from and how it is built."""
OURS = (
    "tocsin",
    "no time features",
    "no moving clusters",
    "neither",
    "paper",
    "paper-task",
    "Hoeffding tree",
    "no-change",
)
"""They cost seconds, and are run anew each time."""


def package(model: str) -> str:
    """The package and version behind a model; of our own pool, the digest of its settings as well."""
    name = MODELS[model][0]
    if model not in OURS[:4]:
        return f"{name} {version(name)}"
    from tocsin.config.presets.driftmoe import tocsin

    return f"{name} {version(name)} {tocsin().digest()[:8]}"
