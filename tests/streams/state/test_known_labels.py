from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from tocsin.streams.state.entries import fingerprint
from tocsin.streams.state.known_labels import KnownLabel
from tocsin.streams.state.store import State


@given(st.lists(st.tuples(*[st.integers(0, 3)] * 3), max_size=12), st.integers(1, 5))
def test_labels_noted_together_are_noted_as_one_by_one(drawn: list[tuple[int, int, int]], most: int) -> None:
    labels = [
        KnownLabel(fingerprint(str(key)), f"source-{source}", f"class-{label}", (0, offset))
        for offset, (key, source, label) in enumerate(drawn)
    ]
    kept = []
    for together in (True, False):
        with TemporaryDirectory() as directory:
            state = State(Path(directory), 2**24)
            with state.transaction() as t:
                if together:
                    t.known.add_all(labels, most)
                else:
                    for label in labels:
                        t.known.add(*label[:3], most, label.place)
                of_order = [key for _, key in t.entries.walk("known_order")]
                kept.append((list(t.entries.walk("known")), of_order))
            state.close()
    assert kept[0] == kept[1]
