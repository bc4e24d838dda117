"""Infer: from the rows of a source to all that its config is to say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from tocsin.streams.replay.inference.features import InferredFeature, find_features
from tocsin.streams.replay.inference.label import Classes, UnclearError, check_classes, choose_label
from tocsin.streams.replay.inference.past_rows import ABSENT, NO_PATH, PastRows, Shape
from tocsin.streams.replay.inference.profile import Profile, is_event_time
from tocsin.streams.replay.inference.roles import Roles, find_roles
from tocsin.streams.replay.past_event import SourceError

_CELLS = 4_000_000
"""Values of the rows that are looked at; where columns are many, rows are fewer."""
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
    remarks: list[str] = field(default_factory=list)
    """What the user should know, a sentence each."""


def infer(past: PastRows, asked: str | None, most_rows: int, label_needed: bool) -> Inferred:
    """What the rows say. `asked` is the column of the label where its user names it.

    Raises SourceError, TransportError, and UnclearError where the user has to say more.
    """
    columns, rows = _take(past, most_rows)
    profiles = {name: Profile.of(name, past.shape, values) for name, values in columns.items() if _has_name(name)}
    choice = choose_label(profiles, asked, label_needed)
    label = None if choice is None else choice.name
    roles = find_roles(profiles, label)
    roles.left_out |= {name: "nothing names it" for name in columns if not _has_name(name)}
    classes = Classes()
    for value in columns[label] if label is not None else ():
        classes.add(value)
    counted = rows + _read_on(past, roles, columns, classes)
    whole = not past.cut
    if label is not None:
        check_classes(label, classes, whole)
    labels = [None] * rows if label is None else [classes.meaning(value) for value in columns[label]]
    features = find_features(profiles, roles, columns, labels)
    if not features and roles.text is None:
        why = "; ".join(f"{name!r}: {why}" for name, why in islice(roles.left_out.items(), _SHOWN))
        raise UnclearError(f"{past.source}: nothing is left to tell the label by" + (f" ({why})" if why else ""))
    inferred = Inferred(
        past.shape, past.delimiter, past.header, frozenset(profiles), roles, features, classes.frequencies(),
        classes.unlabelled, rows, counted, whole,
    )  # fmt: skip
    if choice is not None and choice.why:
        inferred.remarks.append(f"the label is taken to be {choice.name!r}, {choice.why}; --label names another")
    inferred.remarks += _remarks(inferred, past, classes)
    return inferred


def _has_name(column: str) -> bool:
    """Whether a config can name a column, or a dot path lead to it."""
    return bool(column) and not column.startswith(NO_PATH)


def _take(past: PastRows, most_rows: int) -> tuple[dict[str, list[Any]], int]:
    """The first rows as columns of equal length, and how many rows these are. Raises SourceError."""
    columns: dict[str, list[Any]] = {}
    rows = 0
    for row in islice(past.rows, most_rows):
        for name in row:
            if name not in columns:
                columns[name] = [ABSENT] * rows
        for name, values in columns.items():
            values.append(row.get(name, ABSENT))
        rows += 1
        if rows * len(columns) >= _CELLS:
            break
    if past.unread > rows:
        raise SourceError(
            f"{past.source}: {past.unread:,} lines hold no JSON object ({past.why_unread}): write one event a line"
        )
    if past.too_long > rows / 2:
        raise SourceError(
            f"{past.source}: {past.too_long:,} of {rows:,} rows have more cells than the first line names columns: "
            "name all of them there, or say --no-header where it names none"
        )
    if not rows:
        raise SourceError(
            f"{past.source}: holds no event (a table has the names of its columns first, then a row an event)"
        )
    return columns, rows


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
    if inferred.roles.label is None:
        found.append(
            "no field is named as a label is: labels are to come on the topic of labels, and classes are found there"
        )
    return found
