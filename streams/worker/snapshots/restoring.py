"""Restoring: the model of a snapshot, where it fits the settings and the feedback log."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from tocsin.config.settings import Settings
from tocsin.models.classifier import Classifier
from tocsin.models.data.snapshot import SnapshotError, read_manifest
from tocsin.models.succession import successor
from tocsin.streams.transport.base import Transport
from tocsin.streams.wire.kinds.shadow import ChosenConfig, standing_in
from tocsin.streams.worker.learning.learn import FeedbackError
from tocsin.streams.worker.reporting.telemetry import SnapshotTaken

log = logging.getLogger(__name__)


class OfSnapshot(NamedTuple):
    """What a snapshot holds."""

    classifier: Classifier
    taken: SnapshotTaken | None
    """What the snapshot is, where that is another worker's, too."""
    standing: ChosenConfig | None
    """What the last `decide-by` record below its offset says."""


def of_snapshot(reader: Transport, directory: Path, settings: Settings, topic_id: str | None) -> OfSnapshot:
    """The model of the snapshot in a directory.

    `topic_id` is that of the feedback, where the broker tells it. Raises SnapshotError where it is not to be used;
    FeedbackError where the model can neither go on from it nor be folded from the log.
    """
    topic = settings.topics.feedback
    manifest = read_manifest(directory)
    written = manifest.get("topic", topic)
    if written != topic:
        raise SnapshotError(f"it is of the topic {written}, and feedback is in {topic}")
    if None not in (known := manifest.get("topic_id"), topic_id) and known != topic_id:
        raise SnapshotError(f"the topic {topic} was deleted and made anew since")
    [(partition, end)] = reader.end_offsets(topic).items()
    offset = manifest.get("feedback_offset", 0)
    if offset > end:
        raise SnapshotError(f"it is of feedback offset {offset}, the log ends at {end}")
    try:
        made = Classifier.load(directory, settings.model, settings.kernels.backend)
    except SnapshotError as error:
        first = next((record.offset for record in reader.read(partition, 0, end)), end)
        if first == 0 or "settings" not in manifest:
            raise
        made = _successor(directory, settings, first, offset, error)
        return OfSnapshot(made, None, chosen_in(manifest))
    sha256 = manifest.get("sha256")  # earlier releases wrote none
    return OfSnapshot(made, SnapshotTaken(offset, sha256) if sha256 else None, chosen_in(manifest))


def chosen_in(manifest: Mapping[str, Any]) -> ChosenConfig | None:
    """Who decides by a snapshot's manifest; None where nobody was chosen. Raises SnapshotError for what is damaged."""
    try:
        return standing_in(manifest)
    except msgspec.ValidationError as error:
        raise SnapshotError(f"what its manifest says of who decides is damaged: {error}") from error


def _successor(directory: Path, settings: Settings, first: int, offset: int, foreign: SnapshotError) -> Classifier:
    """The model that goes on from the snapshot at an offset, where the log begins only at `first`."""
    topic = settings.topics.feedback
    try:
        if offset < first:
            raise SnapshotError(f"it ends at offset {offset}")
        made, begin_anew = successor(directory, settings.model, settings.kernels.backend)
    except SnapshotError as error:
        raise FeedbackError(
            f"{topic} begins at offset {first}, so that the model cannot be folded from it, and it cannot go on "
            f"from the snapshot in {directory}: {error} ({foreign}). Restore the config of the snapshot, or "
            "name a new topic in topics.feedback, with which learning begins anew"
        ) from error
    anew = ", ".join(begin_anew) or "none"
    log.warning("%s begins at offset %d: the model goes on from its snapshot of another config", topic, first)
    log.warning("experts that begin anew: %s", anew)
    return made
