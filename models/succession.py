"""A model that goes on from the snapshot of another config, where the feedback that it would be folded from is gone.

It is not the model that a fold over the whole feedback gives. So its digest has in it from which model, and at which
offset, it went on: two workers that did so at different offsets do not claim to hold the same model.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.config.model import COMPUTATION, ModelSettings
from tocsin.models.classifier import Classifier
from tocsin.models.data import snapshot
from tocsin.models.data.kept_settings import settings_of
from tocsin.models.data.snapshot import Arrays, SnapshotError, with_prefix, without_prefix
from tocsin.models.decision.rare_reading import RareReading
from tocsin.models.experts.rare_class.undersampling import Undersampling
from tocsin.models.face import DOES_NOT_FIT
from tocsin.models.inputs.preparation import Preparation

OF_ALL_EXPERTS = (
    "router", "gate", "lifecycle", "abstention", "novelty", "operating_point", "contextual", "prior_shift",
)  # fmt: skip
"""The parts whose state is of all experts together."""
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
    if _zones(settings) != _zones(before):
        raise SnapshotError("the hour or the day of a time is that of another time zone now")
    known = _classes(manifest["classes"], settings)
    order = [*known, *(name for name in settings.classes if name not in known)]
    same = manifest.get("computation", 1) == COMPUTATION
    kept = _kept(settings, before) if same else set()
    parts = {f"expert.{name}" for name in kept}
    if same and settings.profiles == before.profiles:
        parts.add("profiles")
    if same and order == known and _differ_in_classes_alone(settings, before):
        parts.update(OF_ALL_EXPERTS)
    made.lineage = f"{manifest['config']} {manifest['feedback_offset']}"
    try:
        cold = Classifier(settings.model_copy(update={"classes": tuple(order), "class_map": {}}), backend)
        history = [*manifest["history"], *[-1] * len(cold.mixture.history)][: len(cold.mixture.history)]
        state = _with_kept(cold, arrays, parts, kept, manifest["learnt"])
        if same:
            state |= _inputs_kept(arrays, settings, before, made.nominal, (len(known), len(order)))
            state |= _rare_kept(arrays, before, kept, (len(known), len(order)))
            state |= _draws_kept(arrays, settings, before, (len(known), len(order)))
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
    """The experts of both that are the same in name and settings, and that see the same."""
    if any(getattr(settings, key) != getattr(before, key) for key in OF_EVERY_EXPERT):
        return set()
    known = {expert.name: e for e, expert in enumerate(before.experts)}
    same_rates = settings.inputs.categories == before.inputs.categories
    kept: set[str] = set()
    for e, expert in enumerate(settings.experts):
        place = known.get(expert.name)
        if place is None or expert != before.experts[place] or (expert.sees_rates and not same_rates):
            continue
        # What an expert has learnt of those before it is read by their place.
        heard = settings.experts[:e]
        if expert.hears and not (heard == before.experts[:place] and kept.issuperset(one.name for one in heard)):
            continue
        kept.add(expert.name)
    return kept


def _inputs_kept(
    arrays: Arrays, settings: ModelSettings, before: ModelSettings, nominal: Sequence[bool], classes: tuple[int, int]
) -> dict[str, NDArray[Any]]:
    """What was learnt of the inputs by each part with the same settings, with room for more classes than there were.

    The experts that stay rest on it: a linear expert's weights mean nothing without the rates that it was shown.
    """
    old = Preparation(before.inputs)
    old.resize(nominal, classes[0])
    stay = {
        name: part
        for name, part in old.parts().items()
        if getattr(settings.inputs, name) == getattr(before.inputs, name)
    }
    for name, part in stay.items():
        part.load_state_dict(without_prefix(f"{name}/", arrays))
    old.resize(nominal, classes[1])
    return {
        key: array for name, part in stay.items() for key, array in with_prefix(f"{name}/", part.state_dict()).items()
    }


def _rare_kept(
    arrays: Arrays, before: ModelSettings, kept: set[str], classes: tuple[int, int]
) -> dict[str, NDArray[Any]]:
    """Which classes are rare, where the expert on them stays, with room for more classes than there were."""
    reading = RareReading(before)
    if reading.reader is None or before.experts[reading.reader].name not in kept:
        return {}
    reading.resize(classes[0])
    reading.load_state_dict(without_prefix("rare/", arrays))
    reading.resize(classes[1])
    return with_prefix("rare/", reading.state_dict())


def _draws_kept(
    arrays: Arrays, settings: ModelSettings, before: ModelSettings, classes: tuple[int, int]
) -> dict[str, NDArray[Any]]:
    """How much of each class the experts that stay have learnt, by which their answers are corrected."""
    old, new = Undersampling(before), Undersampling(settings)
    if not old.used or not new.used:
        return {}
    old.resize(classes[0])
    old.load_state_dict(without_prefix("undersampling/", arrays))
    old.resize(classes[1])
    new.resize(classes[1])
    new.go_on_from(old)
    return with_prefix("undersampling/", new.state_dict())


def _zones(settings: ModelSettings) -> dict[str, str]:
    """The time zones of the features that are times."""
    return {feature.name: feature.zone for feature in settings.features if feature.kind == "time"}


def _differ_in_classes_alone(settings: ModelSettings, before: ModelSettings) -> bool:
    no_classes = {"classes": (), "class_map": {}, "max_classes": before.max_classes}
    return settings.model_copy(update=no_classes).digest() == before.model_copy(update=no_classes).digest()


def _with_kept(
    cold: Classifier, arrays: Arrays, parts: set[str], kept: set[str], learnt: int
) -> dict[str, NDArray[Any]]:
    """The state of a model that has learnt nothing, but for the parts that stay."""
    state = {name: array for name, array in cold.state_dict().items() if name.split("/")[0] not in parts}
    state |= {name: array for name, array in arrays.items() if name.split("/")[0] in parts}
    if "lifecycle" not in parts:  # it counts from the first record of all, and the others begin now
        state["lifecycle/count"] = np.array(learnt)
        state["lifecycle/born"] = np.array([0 if expert.name in kept else learnt for expert in cold.experts])
    return state | {"subjects": arrays["subjects"]}
