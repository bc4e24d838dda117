"""Labels of a topic of their own: where their parts stand, and which label each event has."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tocsin.streams.replay.inference.label import UnclearError, choose_label
from tocsin.streams.replay.inference.profile import Profile
from tocsin.streams.replay.inference.reading.past_rows import ABSENT, PastRows, has_name, take
from tocsin.streams.replay.inference.roles import find_roles

_LEAST = 0.01
"""The share of labels that name an event or a subject of the sample, from which on a field is taken for its name."""


@dataclass(frozen=True)
class ToldLabels:
    """What the newest records of a topic of labels say."""

    topic: str
    about: Literal["event", "subject"]
    """Whether labels name the event's id, or the subject."""
    paths: Mapping[str, str]
    """Where each part of a label stands, by the part's name in `schema.label`."""
    columns: frozenset[str]
    """All dot paths there are."""
    labels: Sequence[Any]
    """The label of each record."""
    by_name: Mapping[str, Any]
    """The last label by the name of its event or subject."""

    def of(self, names: Sequence[Any]) -> list[Any]:
        """The labels of events whose ids, or subjects, are these; `ABSENT` for one that has none in the sample."""
        return [self.by_name.get(str(name), ABSENT) for name in names]


def read_labels(
    told: PastRows, topic: str, ids: Collection[Any], subjects: Collection[Any], asked: str | None, most: int
) -> ToldLabels:
    """The newest labels of a topic. `ids` and `subjects` are those of the events; `asked` is the path of the label.

    Raises SourceError, TransportError, and UnclearError where no field of a label names an event or a subject.
    """
    columns, _ = take(told, most)
    profiles = {name: Profile.of(name, "json", values) for name, values in columns.items() if has_name(name)}
    event, subject = _naming(profiles, ids), _naming(profiles, subjects)
    name = event or subject
    if name is None:
        raise UnclearError(
            f"--labels: no field of the labels in {topic} holds ids or subjects of the events that were looked at; "
            f"there is {', '.join(map(repr, list(profiles)[:20]))}"
        )
    about: Literal["event", "subject"] = "event" if event is not None else "subject"
    rest = {path: profile for path, profile in profiles.items() if path not in (event, subject)}
    choice = choose_label(rest, asked, needed=True)
    assert choice is not None  # one is needed
    time = find_roles(rest, columns, choice.name).time
    paths = {about: name, "label": choice.name} | ({} if time is None else {"time": time})
    labels = columns[choice.name]
    by_name = {str(key): label for key, label in zip(columns[name], labels, strict=True)}
    return ToldLabels(topic, about, paths, frozenset(profiles), labels, by_name)


def _naming(profiles: Mapping[str, Profile], names: Collection[Any]) -> str | None:
    """The field whose values are most often among these names; None where none is."""
    known = {str(name) for name in names}
    shares = {}
    for path, profile in profiles.items():
        named = sum(times for (_, value), times in profile.counts.items() if str(value) in known)
        shares[path] = named / max(profile.rows, 1)
    best = max(shares, key=shares.__getitem__, default=None)
    return best if best is not None and shares[best] >= _LEAST else None
