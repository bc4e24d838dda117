"""What do profiles cost an event, for three keys and three windows each?

Made-up payments of 5,000 accounts at 10,000 terminals of 500 merchants go through profiles that say what a key alone
gives (count, mean, maximum, deviation and ratio of the amount over an hour, a day and a week, and the seconds since the
last), and how many different terminals an account had. The rate of frauds of a terminal is learnt from the labels.
Printed are CPU microseconds an event, on one thread, after as many events again have filled the profiles:

- said: what events say, from arrays to columns;
- rates: what labels say, and learning one label an event;
- in a worker: both questions from decoded events, with the rows written to the state and committed after each batch;
- plain: what events say by the plain form in Python, of one key.

    python benchmarks/profiles.py [--events 50000] [--batch 1000] [--terminals 10000]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tocsin.config.settings import Settings
from tocsin.kernels.profiles.reference import ReferenceKey
from tocsin.models import Classifier
from tocsin.models.profiles.event_profiles import EventProfiles, ProfiledEvents, windows_of
from tocsin.models.profiles.label_rates import LabelRates
from tocsin.streams.state.store import State
from tocsin.streams.transport.base import Record
from tocsin.streams.wire.event_columns import EventColumns, batch_of
from tocsin.streams.worker.deciding.profiling import Profiling

DAY, START = 86_400_000, 1_700_000_000_000
SCHEMA = {
    "features": [{"name": "amount"}],
    "profiles": [
        {"key": "subject", "distinct": ["terminal"]},
        {"key": "terminal", "rate": ["fraud"]},
        {"key": "merchant"},
    ],
}


def payments(events: int, terminals: int) -> EventColumns:
    """Payments over 30 days, decoded."""
    rng = np.random.default_rng(0)
    terminal = rng.integers(0, terminals, events)
    times = np.sort(rng.integers(0, 30 * DAY, events)) + START
    amounts = rng.lognormal(3.0, 1.0, events)
    return EventColumns(
        records=[Record("events", 0, i, START + 31 * DAY, None, b"") for i in range(events)],
        ids=[f"e{i}" for i in range(events)],
        subjects=[f"a{a}" for a in rng.integers(0, 5_000, events)],
        times=times.tolist(),
        features=[(a, f"t{t}", f"m{t % 500}") for a, t in zip(amounts.tolist(), terminal.tolist(), strict=True)],
        texts=[None] * events,
        names=("amount", "terminal", "merchant"),
    )


def microseconds(events: int, batch: int, work: Callable[[slice], None]) -> float:
    """CPU microseconds an event of the second half of 2 `events`."""
    began = 0.0
    for start in range(0, 2 * events, batch):
        if start >= events and not began:
            began = time.process_time()
        work(slice(start, start + batch))
    return (time.process_time() - began) / events * 1e6


def in_a_worker(settings: Settings, made: EventColumns, events: int, batch: int) -> float:
    profiling, classifier = Profiling(settings), Classifier.from_config(settings)
    with tempfile.TemporaryDirectory() as directory:
        state = State(Path(directory), settings.state.max_bytes)

        def work(rows: slice) -> None:
            some = made.of(range(*rows.indices(made.size)))
            with state.transaction() as t:
                batch = batch_of(some, ("number",))
                profiling.with_own(some, batch, profiling.say_and_add(some, batch, t.profiles), classifier)

        taken = microseconds(events, batch, work)
        state.close()
    return taken


def plain(profiling: Settings, made: EventColumns, events: int) -> float:
    windows = windows_of(profiling.schema_.profiles[2])
    keys: dict[object, ReferenceKey] = {}
    few = min(events, 2_000)
    began = time.process_time()
    for time_of, (amount, _, merchant) in zip(made.times[:few], made.features[:few], strict=True):
        key = keys.setdefault(merchant, ReferenceKey(windows, 0))
        for ask_or_add in (key.say, key.add):
            ask_or_add(time_of, np.array([amount]), np.zeros(0))
    return (time.process_time() - began) / few * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=50_000)
    parser.add_argument("--batch", type=int, default=1_000)
    parser.add_argument("--terminals", type=int, default=10_000)
    given = parser.parse_args()
    settings = Settings(schema=SCHEMA, classes=("ok", "fraud"))
    made, schema = payments(2 * given.events, given.terminals), settings.schema_
    strings, X = Profiling(settings).strings(made), batch_of(made, ("number",)).X
    labels = ["fraud" if one < 0.01 else "ok" for one in np.random.default_rng(1).random(made.size)]
    times = np.array(made.times, np.int64)
    profiles = EventProfiles(schema.profiles, schema.kinds, settings.bounds.profile_keys)
    rates = LabelRates(schema.profiles, settings.bounds.profile_keys)

    def say(rows: slice) -> None:
        some = {name: values[rows] for name, values in strings.items()}
        profiles.say_and_add(ProfiledEvents(some, times[rows], X[rows]))

    def rate(rows: slice) -> None:
        some = {name: values[rows] for name, values in strings.items()}
        rates.say(some, len(times[rows]))
        rates.learn(some, times[rows], labels[rows])

    print(f"{profiles.width + rates.width} columns, {given.events:,} events in batches of {given.batch:,}")
    print("CPU microseconds an event")
    print(f"said         {microseconds(given.events, given.batch, say):6.1f}")
    print(f"rates        {microseconds(given.events, given.batch, rate):6.1f}")
    print(f"in a worker  {in_a_worker(settings, made, given.events, given.batch):6.1f}")
    print(f"plain        {plain(settings, made, given.events):6.1f}")


if __name__ == "__main__":
    main()
