"""The state of a shadow can fill up, be damaged or be lost without the worker's."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from tocsin.streams.state.entries import LmdbEntries, StateError
from tocsin.streams.state.shadow.verdicts import VERDICTS

from ...support import Service, crash, drain, running, stream
from .beside import choose, deciders, feed, with_shadow


def fill(patch: pytest.MonkeyPatch) -> None:
    """The map of the shadow's state takes no verdict any more."""
    original = LmdbEntries.put_all

    def full(self: LmdbEntries, database: str, entries: list[tuple[bytes, bytes]]) -> None:
        if database == VERDICTS:
            raise StateError("state.max_bytes: the map cannot take more")
        original(self, database, entries)

    patch.setattr(LmdbEntries, "put_all", full)


def test_a_full_state_of_a_shadow_gives_it_up_and_ends_no_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    service = Service(with_shadow(tmp_path))
    with running(service) as worker:
        feed(service, worker, 10)
        fill(monkeypatch)
        feed(service, worker, 10, start=10)
    assert "the shadow failed" in caplog.text
    assert "state.max_bytes" in caplog.text
    assert len(service.decisions) == len(service.feedback) == 20


def test_a_full_state_ends_the_worker_whose_promoted_model_needs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It could not go on as it should; and what is committed is decided and learnt once all the same."""
    service = Service(with_shadow(tmp_path), transactional=True)
    second = service.settings.of_shadow.digest()  # type: ignore[union-attr]
    worker = service.worker()
    worker.__enter__()
    drain(worker)
    feed(service, worker, 10)
    choose(service, second)
    feed(service, worker, 10, start=10)
    fill(monkeypatch)
    with pytest.raises(StateError):
        feed(service, worker, 10, start=20)
    crash(worker)
    monkeypatch.undo()
    with running(service) as worker:
        service.tell(*[truth for _, truth in stream(10, 20)])
        drain(worker)
    assert len(service.decisions) == len({d["event"] for d in service.decisions}) == 30
    assert {config for _, config in deciders(service)[10:]} == {second}
    assert len(service.feedback) == 30


def spoil(directory: Path) -> None:
    (directory / "data.mdb").write_bytes(b"\xff" * 8_192)


@pytest.mark.parametrize("harm", [spoil, shutil.rmtree])
def test_a_state_of_a_shadow_that_is_damaged_or_lost_is_begun_anew(tmp_path: Path, harm: Any) -> None:
    found = []
    for name in ("whole", "harmed"):
        service = Service(with_shadow(tmp_path / name))
        with running(service) as worker:
            feed(service, worker, 10)
        if name == "harmed":
            harm(tmp_path / name / "test" / "shadow" / "lmdb")
        with running(service) as worker:
            feed(service, worker, 10, start=10)
            beside = worker._models.beside
            assert beside is not None
            assert beside.failed is None
            assert beside.comparison.told().events == (20 if name == "whole" else 10)
        found.append(service.decisions)
    assert found[0] == found[1]
