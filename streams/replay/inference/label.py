"""The label: which column says what turned out to be true, and the classes that stand there."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, NamedTuple

from tocsin.config.base import class_name
from tocsin.models.data.values import number_in
from tocsin.streams.replay.inference.profile import Profile
from tocsin.streams.replay.inference.reading.past_rows import ABSENT
from tocsin.streams.replay.inference.words import is_label, is_perhaps_label
from tocsin.streams.wire.values import Spellings, class_label

MOST_CLASSES = 4_096
"""As many as a config may name."""
_GUESSED = 64
"""A column with more different values is not taken for the label, unless it is named."""
_LONGEST = 128
"""Characters of a class's name."""
_SHOWN = 20
_NOTED = 10_000
"""Different labels that are remembered."""
_ANY = Spellings()


class UnclearError(Exception):
    """A config cannot be written without a word from its user; the text says which."""


class Choice(NamedTuple):
    """The column of the label, and why it was chosen where nobody named it."""

    name: str
    why: str


def choose_label(profiles: Mapping[str, Profile], asked: str | None, needed: bool) -> Choice | None:
    """The column of the label: the one that is asked for, else the one that it plausibly is.

    Raises UnclearError, which lists the candidates, where several are plausible, or where none is although a label is
    `needed`; without a need for one that is None.
    """
    if asked is not None:
        if asked not in profiles:
            raise UnclearError(f"--label: there is no {asked!r}{_nearest(asked, list(profiles))}")
        return Choice(asked, "")
    candidates = [name for name, profile in profiles.items() if _may_be_label(profile)]
    chances = (
        ([name for name, profile in profiles.items() if is_label(name) and _fits(profile)], "by its name"),
        ([name for name in candidates if is_perhaps_label(name)], "by its name"),
        ([name for name in candidates if not profiles[name].number_share], "the only one with few different texts"),
    )
    for names, why in chances if needed else chances[:2]:
        if len(names) == 1:
            return Choice(names[0], why)
        if names:
            raise UnclearError(f"which is the label? Name one with --label: {_listed(names, profiles)}")
    if not needed:
        return None
    if candidates:
        raise UnclearError(f"none is named as a label is. Name one with --label: {_listed(candidates, profiles)}")
    columns = ", ".join(repr(name) for name in list(profiles)[:_SHOWN])
    raise UnclearError(f"nothing has from 2 to {_GUESSED} different values, as a label has; there is {columns}")


def _may_be_label(profile: Profile) -> bool:
    """Whether a column may be the label by its values: a few, of which some come again."""
    return _fits(profile) and 2 <= profile.distinct < profile.present


def _fits(profile: Profile) -> bool:
    """Whether no value of a column rules out that it is the label; the first rows may all be of one class."""
    whole = not profile.numbers or profile.is_whole
    few = profile.distinct <= _GUESSED
    return few and whole and not profile.nested and profile.longest <= _LONGEST and not profile.looks_like_dates


def _listed(names: Sequence[str], profiles: Mapping[str, Profile]) -> str:
    shown = [f"{name!r} ({profiles[name].distinct} different values)" for name in names[:_SHOWN]]
    return ", ".join(shown) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def _nearest(asked: str, names: Sequence[str]) -> str:
    close = difflib.get_close_matches(asked, names, n=1, cutoff=0.6)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; there is {', '.join(repr(name) for name in names[:_SHOWN])}"


class Classes:
    """The classes among the values of a label, counted."""

    def __init__(self) -> None:
        self._spellings: dict[str, Counter[str]] = {}
        """By what they mean, how often each spelling of a class came."""
        self._meanings: dict[tuple[type, Any], str | None] = {}
        """What labels mean that came before."""
        self.unlabelled = 0
        """Rows without a label."""
        self.unfit: Counter[str] = Counter()
        """Values that no class is named by, such as fractions, by their text."""

    def add(self, value: Any) -> None:
        """Count the label of one row."""
        meaning = self.meaning(value)
        if meaning is not None:
            spellings = self._spellings.get(meaning)
            if spellings is None and len(self._spellings) <= MOST_CLASSES:
                spellings = self._spellings[meaning] = Counter()
            if spellings is not None and (len(spellings) < _NOTED or value in spellings):
                spellings[class_name(value)] += 1
        elif _is_missing(value):
            self.unlabelled += 1
        else:
            text = str(value)[:_LONGEST]
            if text in self.unfit or len(self.unfit) < _NOTED:
                self.unfit[text] += 1

    def meaning(self, value: Any) -> str | None:
        """What a label means, which is the same for all spellings of a class; None where it names no class."""
        key = type(value), value
        try:
            return self._meanings[key]
        except (KeyError, TypeError):
            pass
        try:
            meaning = None if _is_missing(value) else class_label(value, _LONGEST, _ANY)
        except ValueError:
            meaning = None
        if isinstance(value, Hashable) and len(self._meanings) < _NOTED:
            self._meanings[key] = meaning
        return meaning

    def frequencies(self) -> dict[str, int]:
        """How many rows each class has, in the order of the classes' names."""
        found = {self._name(meaning): times.total() for meaning, times in self._spellings.items()}
        return dict(sorted(found.items(), key=lambda item: _order(item[0])))

    def _name(self, meaning: str) -> str:
        """The name of a class: of a number its digits, of a word its commonest spelling."""
        spellings = self._spellings[meaning]
        is_number = any(number_in(spelling) is not None for spelling in spellings)
        return meaning if is_number else spellings.most_common(1)[0][0]


def _is_missing(value: Any) -> bool:
    return value is ABSENT or value is None or value == "" or value != value


def check_classes(name: str, classes: Classes, whole: bool) -> None:
    """Raise UnclearError where the values of a label are no classes; `whole` where the source was read to its end."""
    frequencies = classes.frequencies()
    rows = sum(frequencies.values())
    if classes.unfit and classes.unfit.total() > rows:
        example = classes.unfit.most_common(1)[0][0]
        raise UnclearError(
            f"{name!r} holds no classes but values such as {example!r}: a class is a name, a whole number or true or "
            "false. Cut a measured number into ranges, or name another column with --label"
        )
    measured = sum(1 for one in frequencies if (number := number_in(one)) is not None and not number.is_integer())
    if len(frequencies) > MOST_CLASSES or measured > _GUESSED or (rows >= 100 and len(frequencies) > rows / 2):
        raise UnclearError(
            f"{name!r} has {len(frequencies):,} different values in {rows:,} rows: that is no label. Cut a number into "
            "ranges, or name another column with --label"
        )
    if len(frequencies) < 2:
        found = f"only the class {next(iter(frequencies))!r}" if frequencies else "no label"
        more = "" if whole else ": read more with --megabytes, or"
        raise UnclearError(
            f"{name!r} holds {found} in {rows + classes.unlabelled:,} rows{more or ':'} name another with --label"
        )


def _order(name: str) -> tuple[int, float, str]:
    number = number_in(name)
    return (1, 0.0, name) if number is None or number != number else (0, number, name)
