"""Infer: from the rows of a source to all that its config is to say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from tocsin.streams.replay.inference.features import InferredFeature, find_features
from tocsin.streams.replay.inference.label import Classes, UnclearError, check_classes, choose_label
from tocsin.streams.replay.inference.label_time import find_label_time
from tocsin.streams.replay.inference.label_topic import ToldLabels, read_labels
from tocsin.streams.replay.inference.profile import Profile, is_event_time
from tocsin.streams.replay.inference.reading.past_rows import ABSENT, PastRows, Shape, has_name, take
from tocsin.streams.replay.inference.reading.sources import topic_of
from tocsin.streams.replay.inference.roles import Roles, find_roles
from tocsin.streams.replay.inference.subjects import READ_ALONE, Warned, label_time, warned

_SHOWN = 10
"""Columns that an error lists."""
_COUNTED = 2_000_000
"""Rows whose classes are counted."""


@dataclass
class Inferred:
    """What a config is written from."""

    shape: Shape
    delimiter: str
    header: tuple[str, ...]
    columns: frozenset[str]
    """All there are, by name or dot path."""
    roles: Roles
    features: list[InferredFeature]
    classes: dict[str, int]
    """How many of the counted rows each has."""
    unlabelled: int
    rows: int
    """Rows that were looked at."""
    counted: int
    """Rows whose classes were counted, those among them."""
    whole: bool
    """Whether the source was read to its end."""
    told: ToldLabels | None = None
    """Labels of a topic of their own."""
    warned: Warned | None = None
    """The class of subjects that raises an alert, where texts and their labels are those of subjects."""
    label_time: str | None = None
    """Where the time stands at which a subject's label came."""
    remarks: list[str] = field(default_factory=list)
    """What the user should know, a sentence each."""


def infer(
    past: PastRows, asked: str | None, most_rows: int, label_needed: bool, told: PastRows | None = None
) -> Inferred:
    """What the rows say. `asked` is the column of the label where its user names it; `told` is a topic of labels.

    Raises SourceError, TransportError, and UnclearError where the user has to say more.
    """
    columns, rows = take(past, most_rows)
    profiles = {name: Profile.of(name, past.shape, values) for name, values in columns.items() if has_name(name)}
    choice = None if told is not None else choose_label(profiles, asked, label_needed)
    label = None if choice is None else choice.name
    roles = find_roles(profiles, columns, label)
    roles.left_out |= {name: "nothing names it" for name in columns if not has_name(name)}
    roles.label_time = find_label_time({name: values for name, values in columns.items() if name in profiles}, roles)
    if roles.label_time is not None:
        roles.left_out.pop(roles.label_time, None)
        roles.other_times.discard(roles.label_time)
    found = None if told is None else _told(told, roles, columns, asked, most_rows)
    classes = Classes()
    for value in found.labels if found is not None else columns.get(label or "", ()):
        classes.add(value)
    counted = rows + _read_on(past, roles, columns, classes)
    whole = not past.cut
    if found is not None or label is not None:
        check_classes(label or "the label", classes, whole)
    labels = _labels(rows, roles, columns, found, classes)
    features = find_features(profiles, roles, columns, labels)
    of_subjects = warned(roles, columns, labels)
    if of_subjects is not None:
        roles.left_out |= {one.path or one.name: READ_ALONE for one in features if one.kind != "time"}
        features = []
    if not features and roles.text is None:
        why = "; ".join(f"{name!r}: {why}" for name, why in islice(roles.left_out.items(), _SHOWN))
        raise UnclearError(f"{past.source}: nothing is left to tell the label by" + (f" ({why})" if why else ""))
    inferred = Inferred(
        past.shape, past.delimiter, past.header, frozenset(profiles), roles, features, classes.frequencies(),
        classes.unlabelled, rows, counted, whole, found, of_subjects,
        None if of_subjects is None or found is not None else label_time(profiles, roles),
    )  # fmt: skip
    if inferred.label_time is not None:
        roles.left_out.pop(inferred.label_time, None)
    if of_subjects is not None:
        inferred.remarks.append(f"subjects of class {of_subjects.name!r} raise an alert: it is {of_subjects.why}")
    if choice is not None and choice.why:
        inferred.remarks.append(f"the label is taken to be {choice.name!r}, {choice.why}; --label names another")
    inferred.remarks += _remarks(inferred, past, classes)
    return inferred


def _told(
    told: PastRows, roles: Roles, columns: Mapping[str, Sequence[Any]], asked: str | None, most: int
) -> ToldLabels:
    ids, subjects = columns.get(roles.id or "", ()), columns.get(roles.subject or "", ())
    return read_labels(told, topic_of(told.source), ids, subjects, asked, most)


def _labels(
    rows: int, roles: Roles, columns: Mapping[str, Sequence[Any]], told: ToldLabels | None, classes: Classes
) -> list[str | None]:
    """The class of each row."""
    values: Sequence[Any] = [None] * rows
    if told is not None:
        values = told.of(columns[(roles.id if told.about == "event" else roles.subject) or ""])
    elif roles.label is not None:
        values = columns[roles.label]
    return [classes.meaning(value) for value in values]


def _read_on(past: PastRows, roles: Roles, columns: Mapping[str, Sequence[Any]], classes: Classes) -> int:
    """Count the classes of the rows behind those that were looked at, and see whether id and time hold there, too.

    Returns how many rows these are.
    """
    ids = set() if roles.id is None else {hash(value) for value in columns[roles.id]}
    counted = 0
    for row in past.rows:
        if counted >= _COUNTED:
            past.cut = True
            break
        counted += 1
        if roles.label is not None:
            classes.add(row.get(roles.label, ABSENT))
        if roles.time is not None and past.shape == "table" and not is_event_time(row.get(roles.time)):
            roles.left_out[roles.time] = "a time, but not in every row: only one that every row has is the event's"
            roles.time = None
        if roles.id is not None:
            number = hash(row.get(roles.id))
            if number in ids:
                roles.left_out[roles.id] = "nearly an id, but a value comes twice"
                roles.id = None
            ids.add(number)
    return counted


def _remarks(inferred: Inferred, past: PastRows, classes: Classes) -> list[str]:
    """What was noticed that a user should know."""
    found = []
    if past.header:
        found.append(
            "the first line seems to be a row, so the columns got names (`replay.header`); --header takes it for names"
        )
    if past.too_long:
        found.append(f"{past.too_long:,} rows have more cells than there are columns: what is beyond these is not read")
    if past.unread:
        found.append(f"{past.unread:,} lines hold no JSON object, and become dead letters: {past.why_unread}")
    if not inferred.whole:
        found.append("the source was not read to its end: a class that comes only later is to be added to `classes`")
    if classes.unfit:
        found.append(f"{classes.unfit.total():,} labels are no classes, such as {next(iter(classes.unfit))!r}")
    rare = [name for name, times in inferred.classes.items() if times < 10]
    if rare and inferred.whole:
        found.append(
            f"{len(rare)} classes have fewer than 10 rows, {rare[0]!r} for instance: that is little to learn from"
        )
    odd = [name for name in inferred.classes if name.strip() in ("NA", "N/A", "null", "NULL", "None", "?", "nan")]
    if odd:
        found.append(f"{odd[0]!r} is taken for a class: where it means that there is no label, leave the cell empty")
    if inferred.roles.label is None and inferred.told is None:
        found.append(
            "no field is named as a label is: labels are to come on the topic of labels, and classes are found there"
        )
    return found
