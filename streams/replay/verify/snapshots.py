"""The snapshots of one model that a fold may begin at: this worker's own one, and those that all workers share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tocsin.config.settings import Settings
from tocsin.models.classifier import Classifier
from tocsin.models.data.snapshot import SnapshotError, read_manifest
from tocsin.streams.transport.base import Transport
from tocsin.streams.worker.snapshots.candidates import Candidate, Candidates
from tocsin.streams.worker.snapshots.earlier import EarlierSnapshots

OBEYED_AHEAD = "obeyed_ahead"
"""The key of a manifest for the control records behind its offset that the model has obeyed all the same."""


class LoadableSnapshot(NamedTuple):
    """One snapshot."""

    candidate: Candidate
    settings: Settings
    digest: str
    backend: str

    wanted: int
    """The feedback offset of the model that is asked for."""

    def load(self) -> Classifier:
        """The model as it was then. Raises SnapshotError, StoreError, OSError."""
        directory = self.candidate.fetch()
        if last_obeyed(read_manifest(directory)) >= self.wanted:
            raise SnapshotError("feedback is left out of it that was left out later than that")
        made = Classifier.load(directory, self.settings.model, self.backend)
        if made.digest != self.digest:
            raise SnapshotError("it is of another model")
        return made


class ModelSnapshots:
    """Those of one model."""

    def __init__(self, own: Settings, settings: Settings, digest: str, reader: Transport, room: Path) -> None:
        """`own` are the settings of this machine, `settings` those of the model, whose digest is `digest`.

        Shared snapshots are fetched into the folder `room`. Raises TransportError.
        """
        self._settings, self.digest, self._backend = settings, digest, own.kernels.backend
        topic = own.topics.feedback
        topic_id = reader.topic_ids([topic]).get(topic)
        # What is stored where is a matter of this machine, and which model it is a matter of that config.
        here = {"name": own.name, "state": own.state, "topics": own.topics}
        local = own.state.directory / own.name / "snapshot"
        earlier = EarlierSnapshots(local.with_name("earlier"), own.state.snapshot_every, own.state.snapshots_back)
        candidates = Candidates(settings.model_copy(update=here), room / "snapshot", topic_id, earlier)
        found = [one for one in candidates.of(reader, whole_log=True) if one.offset >= 0]
        if (offset := _offset_of(local, topic, topic_id, digest)) is not None:
            found.append(Candidate("local", offset, f"in {local}", lambda: local))
        self._candidates = sorted(found, key=lambda one: (one.offset, one.source == "local"), reverse=True)

    def at_most(self, offset: int, wanted: int) -> Iterator[LoadableSnapshot]:
        """Those at or below a feedback offset, the nearest first, for the model at the offset `wanted`."""
        for one in self._candidates:
            if one.offset <= offset:
                yield LoadableSnapshot(one, self._settings, self.digest, self._backend, wanted)

    def empty(self) -> Classifier:
        """The model before any feedback."""
        return Classifier(self._settings.model, self._backend)


def last_obeyed(manifest: Mapping[str, Any]) -> int:
    """The offset of the last control record behind a snapshot that took feedback out of it; -1 where none did."""
    return max(manifest.get(OBEYED_AHEAD, ()), default=-1)


def _offset_of(directory: Path, topic: str, topic_id: str | None, digest: str) -> int | None:
    """The feedback offset of a snapshot on this machine; None where there is none of this model and this topic."""
    try:
        manifest = read_manifest(directory)
    except SnapshotError:
        return None
    if manifest.get("config") != digest or manifest.get("topic", topic) != topic:
        return None
    if None not in (known := manifest.get("topic_id"), topic_id) and known != topic_id:
        return None
    offset = manifest.get("feedback_offset")
    return offset if isinstance(offset, int) else None
