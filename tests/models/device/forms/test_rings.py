"""The latest events on a device: each travels once, whatever comes in between."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tocsin.kernels.device.mirror import Mirror
from tocsin.models.data.batch import Floats
from tocsin.models.device.forms.form import Copies
from tocsin.models.device.forms.rings import LatestRows

from .taught import CPU

WIDTH = 2
STEPS = st.lists(st.tuples(st.integers(0, 12), st.sampled_from(["same", "same", "another", "wider", "younger"])))


@given(st.integers(1, 6), STEPS)
def test_the_ring_holds_the_latest_events_whatever_came(length: int, steps: list[tuple[int, str]]) -> None:
    mirror = Mirror(CPU)
    ring = LatestRows(Copies(mirror, "a/"), "events")
    source, width, learnt, held = object(), WIDTH, 0, 0
    for came, change in steps:
        source = object() if change in ("another", "younger") else source
        width += change == "wider"
        learnt, held = (learnt // 2, 0) if change == "younger" else (learnt, held)
        learnt, held = learnt + came, min(held + came, length)

        def rows(n: int, end: int = learnt, columns: int = width) -> Floats:
            return np.repeat(np.arange(end - n, end, dtype=np.float64)[:, None], columns, axis=1)

        ring.follow(source, (length, width), learnt, held, rows)
        mirror.send()
        there = mirror["a/events"].numpy()
        assert there.shape == (length, width)
        for number in range(learnt - held, learnt):
            assert (there[number % length] == number).all()
        ring.follow(source, (length, width), learnt, held, rows)
        assert mirror.send() == 0


def test_one_event_sends_one_row() -> None:
    mirror = Mirror(CPU)
    ring, source = LatestRows(Copies(mirror, ""), "events"), object()
    for learnt in range(1, 30):
        ring.follow(source, (8, 3), learnt, min(learnt, 8), lambda n: np.ones((n, 3)))
        assert mirror.send() == (8 * 3 * 8 if learnt == 1 else 3 * 8 + 8)
