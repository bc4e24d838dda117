"""A subject is forgotten by both models of a worker, and by what is left of one that is there no more."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.streams.support import Service, drain
from tests.streams.worker.shadow.beside import choose
from tests.streams.worker.shadow.test_models import break_at
from tocsin.config.settings import Settings

from .searching import ON, event_of, found_in, keeping
from .test_erasure import forget, live, share


@pytest.fixture
def service(tmp_path: Path) -> Service:
    """One that has a shadow."""
    made = keeping(tmp_path, erasure=ON)
    made.settings = made.settings.with_shadow(keeping(tmp_path, erasure=ON, seed=7).settings)
    return made


def shadow_of(service: Service) -> Settings:
    found = service.settings.of_shadow
    assert found is not None
    return found


@pytest.mark.parametrize("promoted", [False, True], ids=["first decides", "second decides"])
@pytest.mark.parametrize("down", [False, True], ids=["running", "down"])
def test_a_worker_with_a_shadow_keeps_nothing_of_a_forgotten_subject(
    service: Service, promoted: bool, down: bool
) -> None:
    with service.worker() as worker:
        live(service, worker)
        if promoted:
            choose(service, shadow_of(service).digest())
            drain(worker)
        assert any("shadow/" in place for place in found_in(service))
        if not down:
            forget(service, "anna")
            share(service, worker)
    if down:
        forget(service, "anna")
        with service.worker() as worker:
            share(service, worker)
    assert found_in(service) == set()


@pytest.mark.parametrize("promoted", [False, True], ids=["dropped", "the file's own by now"])
def test_what_is_left_of_a_shadow_that_the_config_names_no_more_is_removed(service: Service, promoted: bool) -> None:
    """Nobody reads or writes its folder any more, which has all that it learnt."""
    with service.worker() as worker:
        live(service, worker)
        if promoted:
            choose(service, shadow_of(service).digest())
            drain(worker)
    service.settings = shadow_of(service) if promoted else service.settings.with_shadow(None)
    with service.worker() as worker:
        forget(service, "anna")
        share(service, worker)
        assert found_in(service) == set()


def test_what_is_left_of_a_shadow_that_was_given_up_is_removed(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    with service.worker() as worker:
        live(service, worker)
        assert worker._models.beside is not None
        break_at(monkeypatch, "score", worker._models.beside.second.classifier)
        service.send(event_of("bob", 2_000))
        drain(worker)
        assert worker._models.beside.failed is not None
        forget(service, "anna")
        share(service, worker)
        assert found_in(service) == set()


def test_snapshots_of_both_models_that_are_on_their_way_are_deleted(service: Service) -> None:
    """The worker may be storing a snapshot of either model while the command deletes what there is."""
    with service.worker() as worker:
        live(service, worker)
        forget(service, "anna")
        drain(worker)
        [(at, control)] = service.controls
        assert [sharing._gone for sharing in worker._sharing.all] == [[(min(control.offsets), at)]] * 2
