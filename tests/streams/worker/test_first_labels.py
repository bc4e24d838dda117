"""Labels that are joined together become what they become when each is joined by itself."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.streams.state.store import State
from tocsin.streams.worker.joining import join
from tocsin.streams.worker.worker import Worker

from ..support import START, Service, drain, event, label, running, settings

SUBJECTS, EVENTS = 2, 8
DATABASES = ("known", "labelled", "waiting")
TOO_LARGE = 4_000
"""No topic of feedback takes a source of so many bytes here."""


@st.composite
def told(draw: st.DrawFn) -> dict[str, Any]:
    """A label of one of a few events or subjects, some of which are never sent."""
    about = draw(st.sampled_from(["event"] * 6 + ["subject", "self-contained"]))
    truth = draw(st.sampled_from(["yes", "yes", "no", "new", "newer"]))
    source = draw(st.sampled_from([None, None, "audit", "x" * TOO_LARGE]))
    found = {"label": truth, "time": START + draw(st.integers(0, 3)), "source": source}
    if about == "subject":
        return found | {"subject": f"s{draw(st.integers(0, SUBJECTS))}"}
    found["event"] = f"e{draw(st.integers(0, EVENTS + 2))}"
    return found | ({"features": {"a": 1.0, "b": 2.0}, "subject": "s0"} if about == "self-contained" else {})


def became_of(labels: list[list[dict[str, Any]]], few: int, bounds: dict[str, int]) -> tuple[Any, ...]:
    """What becomes of batches of labels, and what the state holds then; up to `few` of a batch go one by one."""
    with tempfile.TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patch:
        patch.setattr(join, "FEW", few)
        config = settings(
            Path(directory),
            classes=[],
            bounds={"classes": 3, **bounds},
        )
        service = Service(config)
        service.broker.set_limit(config.topics.feedback, 3_000)
        with running(service) as worker:
            service.send(*(event(f"e{i}", subject=f"s{i % SUBJECTS}") for i in range(EVENTS)))
            drain(worker)
            for batch in labels:
                service.tell(*batch)
                drain(worker)
            kept = state_of(worker)
            counts = dict(worker.counts.labels), dict(worker.counts.dead_letters), worker.counts.feedback
        return service.records(config.topics.feedback), service.records(config.topics.dead_letters), kept, counts


def state_of(worker: Worker) -> list[Any]:
    state: State = worker._state
    with state.transaction() as t:
        kept: list[Any] = [sorted(t.entries.walk(name)) for name in DATABASES]
        return [*kept, t.known.count(), t.pending.count_labelled_of([0])]


@given(st.lists(st.lists(told(), min_size=1, max_size=8), max_size=3), st.sampled_from([{}, {"pending_events": 6}]))
def test_labels_joined_together_become_what_each_becomes_by_itself(
    labels: list[list[dict[str, Any]]], bounds: dict[str, int]
) -> None:
    assert became_of(labels, 0, bounds) == became_of(labels, 1_000, bounds)


def test_most_labels_are_joined_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So the test above compares two ways."""
    service = Service(settings(tmp_path))
    by_themselves: list[str] = []
    with running(service) as worker:
        real = worker._pipeline._join.label

        def noted(decoded: Any, *more: Any) -> Any:
            by_themselves.append(decoded.label.event)
            return real(decoded, *more)

        monkeypatch.setattr(worker._pipeline._join, "label", noted)
        service.send(*(event(f"e{i}") for i in range(8)))
        drain(worker)
        service.tell(*(label(f"e{i}") for i in range(8)), label("e3"), label("absent"))
        drain(worker)
        assert by_themselves == ["e3", "absent"]
        assert worker.counts.labels == {"joined": 8, "duplicate": 1, "waiting": 1}
