"""Label rates: how large the share of a class was among a key's events whose labels are known.

They are a fold over the feedback, as all of a model is, and nothing else is read. So a rate never rests on a label
before the model learnt it, however late that was, and every worker at one feedback offset says the same. A window ends
where the labels do: at the second newest time among the last `LATEST` events that were labelled. With labels that come
a week late, the rate over a day is that of a day a week ago. One event whose time is wrong moves no window.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from tocsin.config.inputs.profiles import ProfileSettings
from tocsin.kernels.profiles.windows import SAID, Events, Shape, say_and_add, say_at
from tocsin.models.data.batch import Floats, Ints
from tocsin.models.data.snapshot import Arrays
from tocsin.models.profiles.event_profiles import Strings, windows_of
from tocsin.models.profiles.keyed_rows import KeyedRows

LATEST = 16
_NONE = np.iinfo(np.int64).min
_SAME = {"true": "1", "false": "0"}


class _Rates:
    """The rates of the classes of one profile."""

    def __init__(self, settings: ProfileSettings, most: int) -> None:
        self.key = settings.key
        self.classes = [_SAME.get(name, name) for name in settings.rate]
        self.windows = windows_of(settings)
        self.shape = Shape(len(self.windows), len(self.classes), 0)
        self.rows = KeyedRows(self.shape.width, most)
        self.totals = np.zeros(len(self.classes))
        """How many labels there were of each class."""

    def say(self, keys: Sequence[str | None], time: int, learnt: int) -> Floats:
        """The rates [B, classes T] of the keys of B events."""
        B, (T, V, _) = len(keys), self.shape
        known = self.rows.find(keys)
        nothing = np.empty((B, 0))
        events = Events(known, np.zeros(B, np.bool_), np.full(B, time), np.full((B, V), np.nan), nothing)
        out = np.empty((B, self.shape.said))
        say_at(self.rows.rows, events, self.windows, out)
        said = np.nan_to_num(out[:, 1:], nan=0.0).reshape(B, T, 1 + SAID * V)
        usual = self.totals / learnt
        # One label's worth of what is usual, so that a key with few labels is near it.
        rates = (said[:, :, 1::SAID] + usual) / (said[:, :, :1] + 1.0)
        rates[[key is None for key in keys]] = np.nan
        return rates.transpose(0, 2, 1).reshape(B, V * T)

    def learn(self, keys: Sequence[str | None], times: Ints, labels: Sequence[str]) -> None:
        B, V = len(keys), len(self.classes)
        values = np.array([[label == name for name in self.classes] for label in labels], np.float64).reshape(B, V)
        self.totals += values.sum(axis=0)
        place, fresh = self.rows.place(keys)
        events = Events(place, fresh, np.ascontiguousarray(times), values, np.empty((B, 0)))
        say_and_add(self.rows.rows, events, self.windows, self.rows.touched, np.empty((B, self.shape.said)))
        self.rows.touched += int((place >= 0).sum())


class LabelRates:
    """The rates of all profiles of a model.

    >>> rates = LabelRates([ProfileSettings(key="card", windows=("1d",), rate=("fraud",))], most=10)
    >>> rates.learn({"card": ["a", "b", "b"]}, np.array([0, 0, 1000]), ["fraud", "ok", "ok"])
    >>> rates.say({"card": ["a", "b", "c"]}, 3).round(3).tolist()
    [[0.667], [0.111], [0.333]]
    """

    def __init__(self, settings: Sequence[ProfileSettings], most: int) -> None:
        self._rates = [_Rates(one, most) for one in settings if one.rate]
        self._most = most
        self._latest: Ints = np.full(LATEST, _NONE, np.int64)
        """The times of the last events that were labelled; the least integer where there was none yet."""
        self._learnt = 0

    @property
    def width(self) -> int:
        """How many columns there are."""
        return sum(len(one.classes) * len(one.windows) for one in self._rates)

    @property
    def keys(self) -> tuple[str, ...]:
        """The names of the keys."""
        return tuple(one.key for one in self._rates)

    def say(self, strings: Strings, rows: int) -> Floats:
        """The rates as they are known now, for the keys of B = `rows` events, float64 [B, `width`].

        A rate is NaN where no label was learnt yet, or the key is None. A key without labels has the rate of all.
        """
        if not self._rates or not self._learnt:
            return np.full((rows, self.width), np.nan)
        time = int(np.sort(self._latest)[-2 if self._learnt > 1 else -1])
        return np.concatenate([one.say(strings[one.key], time, self._learnt) for one in self._rates], axis=1)

    def learn(self, strings: Strings, times: Ints, labels: Sequence[str]) -> None:
        """Learn the labels of B events in their order; `times` int64 [B] are the events' own.

        How events are cut into calls makes no difference.
        """
        if not self._rates or not labels:
            return
        names = [_SAME.get(label, label) for label in labels]
        for one in self._rates:
            one.learn(strings.get(one.key) or [None] * len(names), times, names)
        self._latest = np.concatenate([self._latest, times])[-LATEST:]
        self._learnt += len(names)

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """The state, see `tocsin.models.data.snapshot.Stateful`."""
        arrays: dict[str, NDArray[Any]] = {"latest": self._latest, "learnt": np.array(self._learnt)}
        for p, one in enumerate(self._rates):
            kept = list(one.rows.places.items())
            arrays |= {
                f"{p}.keys": np.frombuffer(orjson.dumps([key for key, _ in kept]), np.uint8),
                f"{p}.rows": one.rows.rows[[place for _, place in kept]],
                f"{p}.totals": one.totals.copy(),
            }
        return arrays

    def load_state_dict(self, arrays: Arrays) -> None:
        """Take over a state that `state_dict` gave. Raises KeyError or ValueError."""
        self._latest, self._learnt = np.array(arrays["latest"], np.int64), int(arrays["learnt"])
        for p, one in enumerate(self._rates):
            keys: list[str] = orjson.loads(arrays[f"{p}.keys"].tobytes())
            rows = np.array(arrays[f"{p}.rows"], np.float64)
            one.rows.restore(list(zip(keys, rows, strict=True))[-self._most :])
            one.totals = np.array(arrays[f"{p}.totals"], np.float64)
