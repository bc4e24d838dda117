"""In which order the steps of a commit follow each other, and what is left where one fails."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tocsin.streams.state.store import State, Transaction
from tocsin.streams.transport.base import Committed, Headers, Offsets, Partition, TransactionFailedError
from tocsin.streams.wire.encode import Output
from tocsin.streams.worker import commit
from tocsin.streams.worker.commit import Commits


class Witness:
    """A transport that notes in which order it is called, and waits in its flush until it may go on."""

    concurrent = True

    def __init__(self) -> None:
        self.order: list[Any] = []
        self.go_on = threading.Event()

    def produce(self, topic: str, key: bytes | None, value: bytes, headers: Headers = ()) -> None:
        self.order.append(value)

    def flush(self) -> None:
        assert self.go_on.wait(60)
        self.order.append("flush")

    def commit(self, offsets: Offsets, notes: Mapping[Partition, str]) -> None:
        self.order.append((dict(offsets), dict(notes)))


@pytest.fixture
def witness(monkeypatch: pytest.MonkeyPatch) -> Witness:
    """Notes the commits of the state, too."""
    seen, real = Witness(), Transaction.commit

    def noted(self: Transaction) -> None:
        seen.order.append("state")
        real(self)

    monkeypatch.setattr(Transaction, "commit", noted)
    return seen


EVENTS, LABELS = Partition("events", 0), Partition("labels", 0)


def test_the_order_of_a_commit_is_its_guarantee(tmp_path: Path, witness: Witness) -> None:
    state = State(tmp_path, 2**20)
    witness.order.clear()
    witness.concurrent = False
    witness.go_on.set()
    commits = Commits(state, witness)  # type: ignore[arg-type]
    commits.produce(Output("decisions", None, b"said"))
    commits.commit({EVENTS: 3}, {LABELS: 5}, {LABELS: Committed(5, "2")})
    assert witness.order == [b"said", "flush", ({EVENTS: 3, LABELS: 5}, {LABELS: "2"}), "state"]
    with state.transaction() as t:
        assert (t.positions.get(EVENTS), t.positions.get(LABELS)) == (3, 5)
    commits.close()
    state.close()


def test_what_is_worked_off_while_a_batch_is_committed_waits_for_its_turn(tmp_path: Path, witness: Witness) -> None:
    state = State(tmp_path, 2**20)
    witness.order.clear()
    commits = Commits(state, witness)  # type: ignore[arg-type]
    commits.produce(Output("decisions", None, b"first"))
    commits.commit({EVENTS: 1}, {}, {})
    commits.transaction.positions.set({LABELS: 9})
    commits.produce(Output("decisions", None, b"second"))
    assert b"second" not in witness.order
    assert "state" not in witness.order
    witness.go_on.set()
    commits.commit({EVENTS: 2}, {}, {})
    commits.settle()
    first, second = [b"first", "flush", ({EVENTS: 1}, {})], [b"second", "flush", ({EVENTS: 2}, {})]
    assert witness.order == [*first, *second, "state"]
    assert not commits.unsettled
    commits.close()
    state.close()


def test_a_batch_that_fails_takes_what_was_worked_off_meanwhile_out_of_the_state(
    tmp_path: Path, witness: Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = State(tmp_path, 2**20)
    commits = Commits(state, witness)  # type: ignore[arg-type]

    def failing(offsets: Offsets, notes: Mapping[Partition, str]) -> None:
        raise TransactionFailedError("no answer")

    monkeypatch.setattr(witness, "commit", failing)
    witness.go_on.set()
    commits.commit({EVENTS: 1}, {}, {})
    commits.produce(Output("decisions", None, b"second"))
    with pytest.raises(TransactionFailedError):
        commits.commit({EVENTS: 2}, {}, {})
    commits.drop()
    assert b"second" not in witness.order
    with state.transaction() as t:
        assert t.positions.get(EVENTS) is None
    commits.close()
    state.close()


def test_the_state_of_a_worker_that_never_rests_lags_by_no_more_than_its_time(
    tmp_path: Path, witness: Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commit, "KEEP_SECONDS", 0.0)
    state = State(tmp_path, 2**20)
    witness.go_on.set()
    commits = Commits(state, witness)  # type: ignore[arg-type]
    commits.commit({EVENTS: 1}, {}, {})
    assert witness.order[-1] == "state"
    commits.close()
    state.close()
