"""What two models said of an event is given back once, and no more of it is kept than there may be."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as options
from hypothesis import strategies as st

from tocsin.streams.state.entries import DamagedError
from tocsin.streams.state.shadow.verdicts import BY_AGE, VERDICTS, PairedVerdict
from tocsin.streams.state.store import State

VERDICT = st.builds(PairedVerdict, st.integers(-1, 4_095), st.integers(-1, 4_095), st.booleans(), st.booleans())


def opened(directory: Path) -> State:
    return State(directory / "lmdb", 16 << 20)


@options(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(said=st.dictionaries(st.text(max_size=5), VERDICT, max_size=20), taken=st.lists(st.text(max_size=5)))
def test_what_is_kept_is_given_back_once(
    tmp_path_factory: pytest.TempPathFactory, said: dict[str, PairedVerdict], taken: list[str]
) -> None:
    state = opened(tmp_path_factory.mktemp("state"))
    with state.transaction() as t:
        t.verdicts.add(said.items(), 100)
    with state.transaction() as t:
        first = t.verdicts.take(taken)
        rest = t.verdicts.take(list(said))
        assert (t.verdicts.count(), t.entries.count(VERDICTS)) == (0, 0)
    state.close()
    assert first == {event: said[event] for event in taken if event in said}
    assert rest == {event: verdict for event, verdict in said.items() if event not in taken}


def test_the_oldest_are_forgotten_and_one_that_comes_again_counts_as_new(tmp_path: Path) -> None:
    state = opened(tmp_path)
    one, other = PairedVerdict(0, 1, True, False), PairedVerdict(-1, 1, False, True)
    with state.transaction() as t:
        t.verdicts.add([("a", one), ("b", one), ("c", one)], 3)
        t.verdicts.add([("a", other)], 3)
        t.verdicts.add([("d", one)], 3)
        assert t.verdicts.take(["a", "b", "c", "d"]) == {"a": other, "c": one, "d": one}
        assert t.entries.count(VERDICTS) == 0
        t.verdicts.add([("e", one)], 3)
        t.verdicts.clear()
        assert (t.entries.count(VERDICTS), t.entries.count(BY_AGE)) == (0, 0)
    state.close()


def test_an_entry_is_as_small_as_is_said_and_a_damaged_one_is_told(tmp_path: Path) -> None:
    state = opened(tmp_path)
    with state.transaction() as t:
        t.verdicts.add([("a", PairedVerdict(3, 4, True, True))], 10)
        entries = [*t.entries.walk(VERDICTS), *t.entries.walk(BY_AGE)]
        assert sum(len(key) + len(value) for key, value in entries) == 53
        t.entries.put(VERDICTS, entries[0][0], entries[0][1][:-1])
        with pytest.raises(DamagedError, match="an entry of 'verdicts' is damaged"):
            t.verdicts.take(["a"])
    state.close()
