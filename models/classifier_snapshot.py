"""Snapshots of the whole classifier: a shortcut for the fold over the feedback."""

from __future__ import annotations

from collections import OrderedDict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
from numpy.typing import NDArray

from tocsin.models.data import snapshot
from tocsin.models.data.batch import Batch
from tocsin.models.decision.abstention import Abstention
from tocsin.models.decision.novelty import Novelty
from tocsin.models.decision.prior_shift import PriorShift
from tocsin.models.experts import registry
from tocsin.models.experts.base import SnapshotError
from tocsin.models.routing.base import Router, build_router
from tocsin.models.routing.class_discount import ClassDiscount
from tocsin.models.routing.lifecycle import Lifecycle

if TYPE_CHECKING:
    from tocsin.models.classifier import Classifier

Stateful = Router | ClassDiscount | Lifecycle | Abstention | Novelty | PriorShift
"""What has `arrays` and `restore` beside the experts."""


class Snapshots:
    """`save` and `load`, for the classifier to inherit."""

    def save(self: Classifier, directory: Path | str) -> None:  # type: ignore[misc]
        """Write the state as arrays and a manifest. Raises SnapshotError where an expert's state is out of reach."""
        arrays: dict[str, NDArray[Any]] = {}
        parts = {name: part.state_dict() for name, part in self._parts()}
        parts |= {f"expert.{expert.name}": expert.state_dict() for expert in self.experts}
        for part, state in parts.items():
            arrays |= {f"{part}/{name}": array for name, array in state.items()}
        arrays["subjects"] = np.frombuffer(orjson.dumps(list(self._subjects.items())), np.uint8)
        snapshot.write(Path(directory), self._manifest(), arrays)

    def _parts(self: Classifier) -> list[tuple[str, Stateful]]:  # type: ignore[misc]
        """What has a state beside the experts, by name."""
        parts: list[tuple[str, Stateful]] = [
            ("router", self.router),
            ("lifecycle", self.lifecycle),
            ("abstention", self.abstention),
            ("novelty", self.novelty),
        ]
        if self.contextual is not None:
            parts.append(("contextual", self.contextual))
        if self.prior_shift is not None:
            parts.append(("prior_shift", self.prior_shift))
        return parts

    def _manifest(self: Classifier) -> dict[str, Any]:  # type: ignore[misc]
        try:
            release = version("tocsin")
        except PackageNotFoundError:
            release = "unknown"
        return {
            "tocsin": release,
            "config": self.digest,
            "feedback_offset": self.feedback_offset,
            "learnt": self.learnt,
            "classes": self.classes,
            "columns": self.columns,
            "nominal": self.nominal,
            "history": self._history,
            "category_names": [[code, name] for code, name in self.category_names.items()],
            "originals": self._plain_originals(),
        }

    def load(self: Classifier, directory: Path | str) -> None:  # type: ignore[misc]
        """Take over a state that `save` wrote. Raises SnapshotError where it is damaged or of another config."""
        manifest, arrays = snapshot.read(Path(directory))
        if manifest.get("config") != self.digest:
            raise SnapshotError(f"the snapshot is of config {manifest.get('config')}, this one is {self.digest}")
        restored = type(self)(self.settings, self.backend)
        try:
            restored._restore(manifest, arrays)
        except (KeyError, ValueError, TypeError, IndexError, AttributeError, RuntimeError) as error:
            raise SnapshotError(f"the snapshot in {directory} does not fit: {error}") from error
        # Only now, so that a snapshot that does not fit leaves the model as it was.
        self.__dict__.update(vars(restored))

    def _restore(self: Classifier, manifest: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:  # type: ignore[misc]
        self.columns, self.nominal = list(manifest["columns"]), list(manifest["nominal"])
        self.classes = list(manifest["classes"])
        self._index = {name: i for i, name in enumerate(self.classes)}
        self._history = list(manifest["history"])
        self.category_names = dict(manifest["category_names"])
        self._originals = dict(manifest["originals"])
        self.feedback_offset, self.learnt = manifest["feedback_offset"], manifest["learnt"]
        self._subjects = OrderedDict(orjson.loads(arrays["subjects"].tobytes()))
        self.experts = registry.build(self._model, self.columns, self.nominal)
        self.router = build_router(self._model, len(self.experts), len(self.columns))
        self.contextual = self._new_contextual()
        self._resize()
        for part, model in self._parts():
            model.load_state_dict(_below(part, arrays))
        for expert in self.experts:
            expert.load_state_dict(_below(f"expert.{expert.name}", arrays))
            expert.resize(len(self.columns), len(self.classes))
        self.score(Batch.of(np.zeros((1, len(self.columns)))))  # which fails where the parts do not fit each other


def _below(part: str, arrays: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    prefix = f"{part}/"
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
