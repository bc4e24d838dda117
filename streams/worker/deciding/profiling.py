"""Profiling: what profiles say of the events of a batch, as further columns of it.

What earlier events say is kept with each partition of the events, in the order of its offsets. What labels say is a
part of the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tocsin.config.inputs.profiles import SUBJECT
from tocsin.config.settings import Settings
from tocsin.models.classifier import Classifier
from tocsin.models.data.batch import Batch, Floats, Ints
from tocsin.models.data.feedback import in_turns
from tocsin.models.lagged import DueLabels
from tocsin.models.profiles.event_profiles import EventProfiles, ProfiledEvents, Strings
from tocsin.models.profiles.label_rates import LabelRates
from tocsin.streams.state.profiles import KeptProfiles
from tocsin.streams.wire.event_columns import EventColumns
from tocsin.streams.wire.records import Event

Said = dict[str, float | None]
"""What profiles say of one event, by the names of their columns."""
AHEAD_MS = 86_400_000
"""An event whose time is further ahead of its Kafka record than this counts as of the record's time and this: else one
wrong clock would make all that comes after it late."""


class Profiling:
    """What the profiles of one config say."""

    def __init__(self, settings: Settings) -> None:
        schema = settings.schema_
        self._settings = schema.profiles
        self._kinds, self._most = schema.kinds, settings.bounds.profile_keys
        places = {one.name: f for f, one in enumerate((*schema.features, *schema.keys))}
        wanted = [name for one in schema.profiles for name in (one.key, *one.coded)]
        self._places = {name: places[name] for name in wanted if name != SUBJECT}
        self._subject = SUBJECT in wanted
        made = self.begin()
        self.columns = tuple(feature.name for feature in schema.said)
        """The names of all columns; those that events make come first."""
        self.own = self.columns[: made.width]
        """The names of the columns that events make."""
        self.digest = made.digest
        """What names all that kept profiles depend on."""
        if self._settings:
            self._warm_up(made)

    def _warm_up(self, profiles: EventProfiles) -> None:
        """Compile and load what the first event would wait for, by profiles that are thrown away."""
        names = [name for one in self._settings for name in (one.key, *one.coded)]
        strings: Strings = {name: [name] for name in names}
        profiles.say_and_add(ProfiledEvents(strings, np.zeros(1, np.int64), np.zeros((1, len(self._kinds)))))
        rates = LabelRates(self._settings, self._most)
        rates.learn(strings, np.zeros(1, np.int64), [""])
        rates.say(strings, 1)

    def __bool__(self) -> bool:
        """Whether there are profiles."""
        return bool(self._settings)

    def begin(self) -> EventProfiles:
        """The profiles of a stream without any event."""
        return EventProfiles(self._settings, self._kinds, self._most)

    def say_and_add(self, events: EventColumns, batch: Batch, kept: KeptProfiles) -> Floats:
        """What profiles say by the events before each of these, [B, columns of events], which are added to them."""
        own: Floats = np.empty((events.size, len(self.own)))
        if not self._settings:
            return own
        profiled = ProfiledEvents(self.strings(events), times_of(events), batch.X)
        partitions = np.array([record.partition for record in events.records])
        for partition in np.unique(partitions).tolist():
            profiles = kept.of(partition, self)
            if (partitions == partition).all():
                own[:] = profiles.say_and_add(profiled)
            else:
                rows = np.flatnonzero(partitions == partition)
                own[rows] = profiles.say_and_add(_rows_of(profiled, rows))
        return own

    def with_own(self, events: EventColumns, batch: Batch, own: Floats, classifier: Classifier) -> Batch:
        """The batch of these events with what earlier events say of each, `own` [B, columns of events], and labels."""
        if not self._settings:
            return batch
        rates = classifier.mixture.rates.say(self.strings(events), events.size)
        return replace(batch, X=np.concatenate([batch.X, own, rates], axis=1))

    def by_name(self, said: Floats) -> list[Said]:
        """What `add` returned, as records have it."""
        finite = np.isfinite(said).tolist()
        return [
            {name: value if known else None for name, value, known in zip(self.own, row, there, strict=True)}
            for row, there in zip(said.tolist(), finite, strict=True)
        ]

    def add(self, events: EventColumns, batch: Batch, profiles: EventProfiles) -> Floats:
        """Add events of one partition to its profiles; returns what these said of each, [B, columns of events]."""
        return profiles.say_and_add(ProfiledEvents(self.strings(events), times_of(events), batch.X))

    def strings(self, events: EventColumns) -> Strings:
        """The keys and categories that profiles read, by name."""
        found: dict[str, Sequence[str | None]] = {SUBJECT: events.subjects} if self._subject else {}
        for name, place in self._places.items():
            found[name] = [_as_string(values[place]) for values in events.features]
        return found


class LaggedProfiling:
    """Profiles of events that are decided many at a time, in turns with labels that are learnt meanwhile."""

    def __init__(self, settings: Settings, classifier: Classifier) -> None:
        self._profiling = Profiling(settings)
        self._profiles = self._profiling.begin()
        self._rates = classifier.mixture.rates
        self._waiting: dict[int, tuple[int, tuple[str | None, ...]]] = {}
        """Of the events whose label is not learnt yet, by number: the time, and the keys that have rates."""
        self._asked = 0

    def __call__(self, events: EventColumns, batch: Batch, ahead: Ints, due: DueLabels, oldest: int | None) -> Batch:
        """The batch of these events with what profiles say of each; the arguments are those of `LaggedClassifier`."""
        if not self._profiling:
            return batch
        own = self._profiling.add(events, batch, self._profiles)
        strings, names = self._profiling.strings(events), self._rates.keys
        keys = zip(*(strings[name] for name in names), strict=True)
        self._waiting |= {self._asked + i: one for i, one in enumerate(zip(events.times, keys, strict=False))}
        self._asked += events.size
        said: Floats = np.empty((events.size, self._rates.width))

        def ask(start: int, stop: int) -> None:
            said[start:stop] = self._rates.say({name: strings[name][start:stop] for name in names}, stop - start)

        if names:
            in_turns(ahead, len(due.label), ask, lambda start, stop: self._learn(names, due, start, stop))
        while self._waiting and (oldest is None or next(iter(self._waiting)) < oldest):
            del self._waiting[next(iter(self._waiting))]
        return replace(batch, X=np.concatenate([batch.X, own, said], axis=1))

    def _learn(self, names: Sequence[str], due: DueLabels, start: int, stop: int) -> None:
        times, keys = zip(*(self._waiting[n] for n in due.event[start:stop].tolist()), strict=True)
        of_each = {name: [one[k] for one in keys] for k, name in enumerate(names)}
        self._rates.learn(of_each, np.array(times, np.int64), due.label[start:stop])


def keys_of_events(events: Sequence[Event], names: Sequence[str]) -> Strings:
    """The values of these keys in events that are records."""
    return {
        name: [event.subject if name == SUBJECT else _as_string(event.features.get(name)) for event in events]
        for name in names
    }


def times_of(events: EventColumns) -> Ints:
    """The times by which profiles go, int64 [B], epoch milliseconds."""
    times, records = np.array(events.times, np.int64), np.array([one.timestamp for one in events.records], np.int64)
    latest = records + AHEAD_MS
    return np.where((records >= 0) & (times > latest), latest, times)


def _rows_of(events: ProfiledEvents, rows: Ints) -> ProfiledEvents:
    strings = {name: [values[i] for i in rows.tolist()] for name, values in events.strings.items()}
    return ProfiledEvents(strings, events.times[rows], events.numbers[rows])


def _as_string(value: object) -> str | None:
    return None if value is None else str(value)
