"""The state as a worker finds it when it starts: kept, or begun anew where it is of no use."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from tocsin.config.settings import Settings
from tocsin.streams.state.entries import DamagedError
from tocsin.streams.state.sealing.kept_keys import KeyMemory
from tocsin.streams.state.store import State, discard
from tocsin.streams.transport.base import Offsets, Transport

log = logging.getLogger(__name__)

WAYS_BACK = (
    "if that was not meant, stop all workers, put the former records of feedback into the topic in their order, and "
    "start again"
)


def open_state(settings: Settings, reader: Transport, keys: KeyMemory | None = None) -> State:
    """The state of a worker, begun anew where it is damaged or of other logs than the broker has now.

    With `keys` what quotes events is sealed.

    Logs are other ones where a topic was made anew, say; then the model's snapshot is of no use either. Raises
    StateError, TransportError.
    """
    base, named = settings.state.directory / settings.name, settings.topics
    directory, topics = base / "lmdb", (named.events, named.labels, named.feedback)
    ids = reader.topic_ids(topics)
    ends = {p: end for topic in topics for p, end in reader.end_offsets(topic).items()}
    try:
        state = State(directory, settings.state.max_bytes, keys)
    except DamagedError as error:
        log.warning("%s; it is begun anew, from the logs", error)
        discard(directory)
        state = State(directory, settings.state.max_bytes, keys)
    why = _why_of_other_logs(state, ids, ends)
    if why is not None:
        log.warning("%s: these are other logs, the state is begun anew from what they hold now; %s", why, WAYS_BACK)
        state.close()
        discard(directory)
        discard(base / "snapshot")
        discard(base / "shadow")
        discard(base / "earlier")
        state = State(directory, settings.state.max_bytes, keys)
    with state.transaction() as t:
        for topic, identity in ids.items():
            t.notes.set_topic_id(topic, identity)
        if t.notes.read_feedback_again:  # the model is not learnt again, but which labels are known is noted anew
            t.positions.set({partition: 0 for partition in ends if partition.topic == named.feedback})
            t.notes.read_feedback_again = False
    return state


def _why_of_other_logs(state: State, ids: Mapping[str, str], ends: Offsets) -> str | None:
    """Why a state is not of the logs whose topics have these ids, and whose partitions end there; None where it is."""
    with state.transaction() as t:
        for topic, identity in ids.items():
            known = t.notes.topic_id(topic)
            if known not in (None, identity):
                return f"topic {topic!r} was deleted and made anew since this state was written"
        for partition, end in ends.items():
            if (t.positions.get(partition) or 0) > end:
                return f"the state is ahead of {partition.name}, which ends at offset {end}"
    return None
