"""The classifier: a pool of experts, a router, fusion and abstention as one model that learns from feedback."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from tocsin.config.model import COMPUTATION, ModelSettings
from tocsin.config.schema import columns_in
from tocsin.config.settings import Settings
from tocsin.kernels import fusion
from tocsin.models.data import snapshot
from tocsin.models.data.batch import Batch, Floats, Ints
from tocsin.models.data.columns import Columns
from tocsin.models.data.feedback import FeedbackBatch
from tocsin.models.data.frames import Table, is_frame
from tocsin.models.data.kept_settings import settings_of
from tocsin.models.data.labels import Label, class_name, name_among, names_among, plain_label
from tocsin.models.data.snapshot import Arrays, SnapshotError
from tocsin.models.decision.abstention import Abstention
from tocsin.models.decision.mixture import Mixture
from tocsin.models.decision.scores import Scores
from tocsin.models.decision.streams import Streams
from tocsin.models.experts.base import Expert
from tocsin.models.face import DOES_NOT_FIT, WARM_UP_TEXT, Face, checked_weights, feature_rows
from tocsin.models.routing.base import Router
from tocsin.models.routing.lifecycle import Lifecycle
from tocsin.models.ss3.texts import texts_of


class UnknownClassError(ValueError):
    """A label names a class that the config does not list, or one more than the bound on classes."""


class Classifier(Face):
    """Scores events, learns from feedback; its state is a fold over the feedback in its order, and of nothing else.

    Parameters
    ----------
    settings
        What the model's state depends on; `Classifier.from_config` takes it from a service's settings. With no
        features and no classes named, both are discovered (river's way of using it). A label of any type is the class
        of its text: 1, 1.0, True and "1" are one, and the answer is the label that was given first.
    backend
        What fuses evidence, see `tocsin.kernels.common.backends`. Raises UnknownBackendError where it does not run
        here.

    Examples
    --------
    >>> from river import datasets
    >>> model, right = Classifier(), 0
    >>> for x, y in datasets.Phishing().take(300):
    ...     right += model.predict_one(x) == y
    ...     model.learn_one(x, y)
    >>> right > 220
    True
    """

    def __init__(self, settings: ModelSettings | None = None, backend: str = "auto") -> None:
        fusion.backend(backend)
        self.settings = settings
        self.backend = backend
        """What fuses evidence, as it was asked for."""
        self.lineage = ""
        """The digest and the offset of the model that this one went on from; see `tocsin.models.succession`."""
        self._model = model = settings or ModelSettings()
        columns = columns_in(model.features)
        self._begin([c.name for c in columns], [c.is_category for c in columns], model.classes)

    def _begin(self, names: Sequence[str], nominal: Sequence[bool], classes: Sequence[str]) -> None:
        """Every part as it is before anything was learnt, with room for these columns and classes."""
        model = self._model
        self._columns = Columns(names, nominal, bool(model.features), model.text, model.features)
        self.classes: list[str] = list(classes)
        self._index = {name: i for i, name in enumerate(self.classes)}
        self.mixture = Mixture(model.in_order(classes), self.backend, names, nominal)
        """All parts that learn."""
        self.feedback_offset = 0
        """The next offset of the feedback log to learn from."""
        self._originals: dict[str, Hashable] = {}
        """The labels as the caller of `learn_one` writes them, by class name."""
        self._resize()

    @classmethod
    def from_config(cls, settings: Settings) -> Classifier:
        """The classifier of a service."""
        return cls(settings.model, settings.kernels.backend)

    # Its parts, for those who watch or explain a model

    @property
    def learnt(self) -> int:
        """Feedback records learnt."""
        return self.mixture.learnt

    @property
    def digest(self) -> str:
        """The model digest, which decisions carry as `config`. What another model had learnt, if any, is part of it."""
        return self._model.digest(self.lineage)

    @property
    def columns(self) -> list[str]:
        """The names of the columns of X."""
        return self._columns.names

    @property
    def features(self) -> int:
        """How many features the row of an event has. Those that are times become several columns each."""
        return self._columns.features

    @property
    def nominal(self) -> list[bool]:
        """Which columns are categories."""
        return self._columns.nominal

    @property
    def category_names(self) -> dict[int, str]:
        """The names behind category codes."""
        return self._columns.category_names

    @property
    def experts(self) -> list[Expert]:
        """The experts, in the config's order."""
        return self.mixture.pool.experts

    @property
    def whole_subject_experts(self) -> list[Expert]:
        """The experts that read whole subjects: their state of each comes with a batch, see `Batch.subject_texts`."""
        return self.mixture.pool.whole_subject

    @property
    def router(self) -> Router:
        """What says how far each expert is trusted."""
        return self.mixture.combiner.router

    @property
    def lifecycle(self) -> Lifecycle:
        """What looks after ill experts."""
        return self.mixture.lifecycle

    @property
    def abstention(self) -> Abstention:
        """What says whether an event is decided."""
        return self.mixture.judge.abstention

    def score(self, batch: Batch, streams: Streams | None = None, share: float = 1.0) -> Scores:
        """Score B events. Pure: nothing changes, and what must be kept stands in the result.

        `streams` has what came of late where the events come from: class priors, which are followed where `prior_shift`
        is enabled and enough is known, and traffic, which `novelty_by: traffic` compares. With a `share` below 1 fewer
        experts are asked than `router.engage` says, see `Mixture.plan`.
        """
        return self.mixture.score(batch, self.classes, streams, share)

    def warm_up(self, progress: Callable[[str], None] = lambda part: None) -> None:
        """Compile and load everything before the first event and the first label, which would wait for it.

        `progress` is called with the name of each part before its turn. An error that it raises ends the warm-up.
        """
        if not self.classes:
            return  # what an expert compiles depends on the number of classes, and there is none to know yet
        other = Classifier(self.settings, self.backend)  # what is learnt here is thrown away with it
        other.widen(other.columns, other.nominal, self.classes)  # which a snapshot may have found in labels
        text = WARM_UP_TEXT if self._model.text else None
        batch = Batch.of(np.zeros((1, other.features)), texts=[text])
        seen = other.mixture.times.expand(batch)
        for expert in other.experts:
            progress(expert.name)
            expert.predict_then_learn(seen, np.zeros(1, np.int64), np.ones(1))
            expert.warm_up(seen)
        progress("router")
        for name in self.classes[:2]:
            context = other.score(batch).context(0) if other.classes else None
            other.learn(FeedbackBatch(batch, [name], np.ones(1), [context], [()]))
        if other.classes:
            other.mixture.judge.warm_up(len(other.classes))
        self.score(Batch.of(np.zeros((1, self.features)), texts=[text]))

    def learn(self, feedback: FeedbackBatch) -> None:
        """Learn feedback records in their order; how they are cut into batches makes no difference.

        Raises, before anything is learnt, UnknownClassError for a label of no class, and ValueError for a wrong weight.
        """
        weights = np.ascontiguousarray(checked_weights(feedback.weight, len(feedback.labels)))
        new = dict.fromkeys(label for label in feedback.labels if label not in self._index)
        for i, label in enumerate(new):
            self._check_class(label, len(self.classes) + i)
        for start, stop in self._runs(feedback):
            batch = feedback.batch.rows(start, stop)
            y = np.array([self._index[label] for label in feedback.labels[start:stop]], np.int64)
            posts, contexts = feedback.posts[start:stop], feedback.contexts_of(start, stop)
            self.mixture.learn(batch, y, weights[start:stop], posts, contexts)
            self._columns.remember(batch)
        self.mixture.rates.learn(feedback.strings, feedback.batch.times, feedback.labels)

    def _runs(self, feedback: FeedbackBatch) -> Iterator[tuple[int, int]]:
        """Runs of records that can be learnt in one pass, whatever their length.

        A record begins a run of its own where it brings a new class (all parts must make room first), and where it
        differs from those before it in whether it has a prediction context.
        """
        start, scored = 0, feedback.scored
        for i, label in enumerate(feedback.labels):
            new_class = label not in self._index
            if i > start and (new_class or scored[i] != scored[start]):
                yield start, i
                start = i
            if new_class:
                self._add_class(label)
                self._resize()
        if start < len(feedback.labels):
            yield start, len(feedback.labels)

    def _check_class(self, label: str, known: int) -> None:
        """Whether a label may be a class beside `known` others. Raises UnknownClassError."""
        if label in self._index:
            return
        if self._model.classes:
            raise UnknownClassError(f"label {label!r} is not one of the classes {', '.join(self.classes)}")
        if known >= self._model.max_classes:
            raise UnknownClassError(f"label {label!r} would be class {known + 1}: bounds.classes allows no more")

    def learn_at_once(self, batch: Batch, y: Ints, weight: Floats) -> Floats:
        """Learn B events of known classes whose labels came with them: scored and learnt one after the other.

        Returns BetP [B, K] of each event just before it was learnt. It is one pass through each expert, and the same
        bits however the events are cut into calls.
        """
        return self.mixture.learn(batch, y, weight, (), None)

    def widen(self, columns: Sequence[str], nominal: Sequence[bool], classes: Sequence[str]) -> None:
        """Make room for more columns, of which `nominal` are categories, or more classes; both begin with the old."""
        if len(columns) > len(self.columns):
            self._columns.extend(columns, nominal)
            self.mixture.pool.set_columns(self.columns, self.nominal)
        for name in classes[len(self.classes) :]:
            self._add_class(name)
        self._resize()

    def _add_class(self, name: str) -> None:
        self._index[name] = len(self.classes)
        self.classes.append(name)

    def _resize(self) -> None:
        self.mixture.resize(self.nominal, len(self.classes))

    # One event, as a dictionary of whatever features it has, or as a text

    def learn_one(self, x: dict[Hashable, Any] | str, y: Label, w: float = 1.0) -> None:
        """Learn one labelled event.

        Raises, before anything is learnt, UnknownClassError where the settings list the classes and y is none of them,
        and ValueError as `learn_many` does.
        """
        weight, label = checked_weights([w], 1), plain_label(y)
        name = name_among(self._index, class_name(label))
        self._check_class(name, len(self.classes))
        self._columns.check(x)
        self._discover(x)
        self._originals.setdefault(name, label)
        self._learn_labelled(self._columns.batch(x), [name], weight)

    def predict_proba_one(self, x: dict[Hashable, Any] | str, **kwargs: Any) -> dict[Label, float]:
        """The pignistic probability of every class known."""
        p = self._probabilities(self._columns.batch(x))[0].tolist() if self.classes else []
        return dict(zip(self._labels_in_order(), p, strict=True))

    def _discover(self, x: Mapping[Hashable, Any] | str) -> None:
        if found := self._columns.discover(x):
            self.widen(*found, self.classes)

    def _learn_labelled(self, batch: Batch, names: Sequence[str], weight: Floats) -> None:
        rows = len(batch)
        self.learn(FeedbackBatch(batch, names, weight, [None] * rows, [()] * rows))
        self.feedback_offset += rows

    # Many events

    def _rows(self, X: Any) -> Table | Batch | Floats:
        if is_frame(X):
            return Table.of(X)
        if self._model.text and not (isinstance(X, np.ndarray) and X.ndim == 2):
            texts = texts_of(X)
            return Batch.of(np.full((len(texts), self.features), np.nan), texts=texts)
        return feature_rows(X)

    def _learn_rows(self, rows: Table | Batch | Floats, y: NDArray[Any], w: Floats | None) -> None:
        weight = np.ones(len(rows)) if w is None else w
        rows = self._columns.read(rows, learning=True) if isinstance(rows, Table) else rows
        names = names_among(self._index, labels := y.tolist())
        for i, name in enumerate(dict.fromkeys(name for name in names if name not in self._index)):
            self._check_class(name, len(self.classes) + i)
        for piece, batch in self._pieces(rows):
            for name, label in zip(names[piece], labels[piece], strict=True):
                self._originals.setdefault(name, label)
            self._learn_labelled(batch, names[piece], weight[piece])

    def _pieces(self, rows: Table | Batch | Floats) -> Iterator[tuple[slice, Batch]]:
        """B events cut where new columns come."""
        if isinstance(rows, Table):
            for piece, table in rows.pieces(self._columns.starts(rows), self._discover):
                yield piece, self._columns.batch_of(table)
            return
        if isinstance(rows, np.ndarray) and not self.columns:
            self.widen([str(f) for f in range(rows.shape[1])], [False] * rows.shape[1], self.classes)
        yield slice(0, len(rows)), self._as_batch(rows)

    def _as_batch(self, rows: Table | Batch | Floats) -> Batch:
        if isinstance(rows, Batch):
            return rows
        if isinstance(rows, Table):
            return self._columns.batch_of(self._columns.read(rows, learning=False))
        known = rows if self.columns else rows[:, :0]
        if known.shape[1] != self.features:
            raise ValueError(f"X {rows.shape} is not [B, {self.features}]")
        return Batch.of(known)

    def _probabilities(self, rows: Table | Batch | Floats) -> Floats:
        betp = self.score(self._as_batch(rows)).betp
        p: Floats = betp / betp.sum(axis=1, keepdims=True)
        return p

    def _labels_in_order(self) -> list[Label]:
        return [self._originals.get(name, name) for name in self.classes]

    # Snapshots: a shortcut for the fold over the feedback

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """The arrays of all parts."""
        arrays: dict[str, NDArray[Any]] = {}
        for name, part in self.mixture.parts().items():
            arrays |= snapshot.with_prefix(f"{name}/", part.state_dict())
        return arrays | {"subjects": np.frombuffer(orjson.dumps([*self.mixture.history.subjects.items()]), np.uint8)}

    def load_state_dict(self, arrays: Arrays) -> None:
        """Take over the arrays of a model with the same settings, columns and classes."""
        self.mixture.history.subjects = OrderedDict(orjson.loads(arrays["subjects"].tobytes()))
        for name, part in self.mixture.parts().items():
            part.load_state_dict(snapshot.without_prefix(f"{name}/", arrays))
        for expert in self.experts:
            expert.resize(len(self.columns), len(self.classes))
        self.mixture.score_by(self.mixture.scorer)  # whatever it holds of the former state is void

    def _manifest(self) -> dict[str, Any]:
        return {
            "class": "Classifier",
            "target": self._target if isinstance(self._target, str | int) else None,
            "config": self.digest,
            "computation": COMPUTATION,
            "lineage": self.lineage,
            "settings": None if self.settings is None else self.settings.model_dump(mode="json"),
            "feedback_offset": self.feedback_offset,
            "learnt": self.learnt,
            "classes": self.classes,
            "columns": self.columns,
            "nominal": self.nominal,
            "history": self.mixture.history.stream,
            "category_names": [[code, name] for code, name in self.category_names.items()],
            "originals": snapshot.plain_labels(self._originals),
        }

    @classmethod
    def load(cls, directory: Path | str, settings: ModelSettings | None = None, backend: str = "auto") -> Classifier:
        """The classifier that `save` wrote.

        Raises SnapshotError where the snapshot is damaged, or where `settings` are given and it is of others.
        """
        manifest, arrays = snapshot.read(Path(directory))
        if manifest.get("class", cls.__name__) != cls.__name__:
            raise SnapshotError(f"{directory} holds a {manifest['class']}, not a {cls.__name__}")
        made = cls(settings or settings_of(manifest, directory), backend)
        made.lineage = manifest.get("lineage", "")
        if settings is not None and manifest.get("config") != made.digest:
            raise SnapshotError(f"the snapshot is of config {manifest.get('config')}, this one is {made.digest}")
        try:
            made.restore(manifest, arrays)
        except DOES_NOT_FIT as error:
            raise SnapshotError(f"the snapshot in {directory} does not fit: {error}") from error
        return made

    def restore(self, manifest: Mapping[str, Any], arrays: Arrays) -> None:
        """Take over what `to_snapshot` gave to a model of the same settings."""
        scorer = self.mixture.scorer
        self._begin(manifest["columns"], manifest["nominal"], manifest["classes"])
        self.mixture.scorer = scorer
        self.mixture.history.stream = list(manifest["history"])
        self._columns.category_names = dict(manifest["category_names"])
        self._originals = dict(manifest["originals"])
        self._target = manifest.get("target")
        self.feedback_offset, self.mixture.learnt = manifest["feedback_offset"], manifest["learnt"]
        self.load_state_dict(arrays)
        self.score(Batch.of(np.zeros((1, self.features))))  # which fails where the parts do not fit each other
