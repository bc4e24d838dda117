"""Subjects that write: whether labels are those of whole subjects, and which of their classes is to be warned of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tocsin.streams.replay.inference.profile import Profile
from tocsin.streams.replay.inference.roles import Roles
from tocsin.streams.replay.inference.words import LABEL, words_of

_CALM = frozenset(
    words_of(
        "0 no not non none false negative normal control controls legit legitimate benign ham safe calm healthy ok "
        "other neither real genuine human"
    )
)
"""Words of classes that nobody is warned of."""
READ_ALONE = (
    "labels are those of subjects, whose texts are read alone. In `features` it brings a pool of many experts, which "
    "seldom warns as early"
)


class Warned(NamedTuple):
    """The class of subjects that raises an alert."""

    name: str
    why: str


def warned(roles: Roles, columns: Mapping[str, Sequence[Any]], labels: Sequence[str | None]) -> Warned | None:
    """The class to be warned of; None where events are no texts of subjects each of which has one label throughout.

    `labels` are the classes of the rows.
    """
    if roles.text is None or roles.subject is None:
        return None
    told: dict[Any, str] = {}
    for subject, label in zip(columns[roles.subject], labels, strict=True):
        if label is not None and told.setdefault(subject, label) != label:
            return None
    often = Counter(told.values())
    if len(often) < 2:
        return None
    loud = [name for name in often if not _CALM & {*words_of(name), name.lower()}]
    if len(loud) == 1:
        return Warned(loud[0], "the only class whose name is not that of the usual")
    rarest = min(often, key=lambda name: (often[name], name))
    return Warned(rarest, "the rarest class of subjects")


def label_time(profiles: Mapping[str, Profile], roles: Roles) -> str | None:
    """The time at which a label came, by its name."""
    for name, profile in profiles.items():
        words = set(words_of(name))
        if name not in roles.taken and profile.times is not None and words & (LABEL | {"labelled", "labeled"}):
            return name
    return None
