"""A model that goes on from the snapshot of another config, where the feedback that it would be folded from is gone.

It is not the model that a fold over the whole feedback gives. So its digest has in it from which model, and at which
offset, it went on: two workers that did so at different offsets do not claim to hold the same model.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.config.model import COMPUTATION, ModelSettings
from tocsin.models.classifier import Classifier
from tocsin.models.data import snapshot
from tocsin.models.data.kept_settings import settings_of
from tocsin.models.data.snapshot import Arrays, SnapshotError
from tocsin.models.face import DOES_NOT_FIT

OF_ALL_EXPERTS = (
    "router", "lifecycle", "abstention", "novelty", "operating_point", "contextual", "prior_shift",
)  # fmt: skip
"""The parts whose state is of all experts together."""
OF_INPUTS = ("clipping", "imputation", "tails")
"""The parts that prepare the features."""
OF_INPUTS_AND_CLASSES = ("categories", "gaps", "relevance")
"""Those that count classes, too, and stay where there are as many."""
OF_EVERY_EXPERT = ("seed", "max_vocabulary", "max_text")
"""The settings of the model that its experts are built with."""


def successor(directory: Path, settings: ModelSettings, backend: str) -> tuple[Classifier, list[str]]:
    """The model of these settings that goes on from a snapshot of others, and the experts that begin anew in it.

    An expert of the same name and the same settings keeps what it learnt. Classes stay at their places, and new ones
    follow them. Where an earlier release computed otherwise, no expert keeps anything. What is of all experts together
    (router, thresholds) stays where nothing but the order and the names of classes has changed. Raises SnapshotError
    where a class or a feature would have another meaning.
    """
    manifest, arrays = snapshot.read(directory)
    before = settings_of(manifest, directory) or ModelSettings()
    made = Classifier(settings, backend)
    if (made.columns, made.nominal) != (manifest["columns"], manifest["nominal"]):
        raise SnapshotError("features are others now, of another kind, or in another order")
    known = _classes(manifest["classes"], settings)
    order = [*known, *(name for name in settings.classes if name not in known)]
    same = manifest.get("computation", 1) == COMPUTATION
    kept = _kept(settings, before) if same else set()
    parts = {f"expert.{name}" for name in kept}
    if same and order == known and _differ_in_classes_alone(settings, before):
        parts.update(OF_ALL_EXPERTS)
    if same and settings.inputs == before.inputs:
        # What the experts that stay have learnt means something only of inputs that are prepared as before.
        parts.update(OF_INPUTS)
        parts.update(OF_INPUTS_AND_CLASSES if len(order) == len(known) else ())
    made.lineage = f"{manifest['config']} {manifest['feedback_offset']}"
    try:
        cold = Classifier(settings.model_copy(update={"classes": tuple(order), "class_map": {}}), backend)
        history = [*manifest["history"], *[-1] * len(cold.mixture.history)][: len(cold.mixture.history)]
        state = _with_kept(cold, arrays, parts, kept, manifest["learnt"])
        made.restore({**manifest, "classes": order, "history": history}, state)
    except DOES_NOT_FIT as error:
        raise SnapshotError(f"the snapshot in {directory} does not fit: {error}") from error
    return made, [expert.name for expert in made.experts if expert.name not in kept]


def _classes(written: list[str], settings: ModelSettings) -> list[str]:
    """The classes of the snapshot under the names of today. Raises SnapshotError where one is no more."""
    classes = [settings.class_map.get(name, name) for name in written]
    if len(set(classes)) < len(classes):
        raise SnapshotError("class_map makes one class of two")
    if gone := [name for name in classes if settings.classes and name not in settings.classes]:
        raise SnapshotError(f"the class {gone[0]!r} is no more")
    if len(classes) > settings.max_classes:
        raise SnapshotError("bounds.classes has no room for all its classes")
    return classes


def _kept(settings: ModelSettings, before: ModelSettings) -> set[str]:
    """The experts of both that are the same in name and settings."""
    if any(getattr(settings, key) != getattr(before, key) for key in OF_EVERY_EXPERT):
        return set()
    known = {expert.name: expert for expert in before.experts}
    same_rates = settings.inputs.categories == before.inputs.categories
    return {
        expert.name
        for expert in settings.experts
        if expert == known.get(expert.name) and (same_rates or not expert.sees_rates)
    }


def _differ_in_classes_alone(settings: ModelSettings, before: ModelSettings) -> bool:
    no_classes = {"classes": (), "class_map": {}, "max_classes": before.max_classes}
    return settings.model_copy(update=no_classes).digest() == before.model_copy(update=no_classes).digest()


def _with_kept(
    cold: Classifier, arrays: Arrays, parts: set[str], kept: set[str], learnt: int
) -> Mapping[str, NDArray[Any]]:
    """The state of a model that has learnt nothing, but for the parts that stay."""
    state = {name: array for name, array in cold.state_dict().items() if name.split("/")[0] not in parts}
    state |= {name: array for name, array in arrays.items() if name.split("/")[0] in parts}
    if "lifecycle" not in parts:  # it counts from the first record of all, and the others begin now
        state["lifecycle/count"] = np.array(learnt)
        state["lifecycle/born"] = np.array([0 if expert.name in kept else learnt for expert in cold.experts])
    return state | {"subjects": arrays["subjects"]}
