"""Both models of a worker without what is left out, whichever of them decides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tocsin.config.settings import Settings
from tocsin.models.data.snapshot import digest
from tocsin.streams.worker.worker import Worker

from ...support import Service, drain, event, label, running, settings
from ..erasing.searching import ON
from ..left_out_logs import rollback
from .beside import OTHER, choose, feed, with_shadow


def of_both(worker: Worker) -> list[str]:
    """The digests of what both models have learnt."""
    return [digest(model.classifier.state_dict()) for model in worker._models.all]


def sealed(directory: Path, **changes: Any) -> Settings:
    return with_shadow(directory, erasure=ON, state={"directory": directory, "max_bytes": 64 << 20}, **changes)


def test_both_models_go_back_whichever_of_them_decides(tmp_path: Path) -> None:
    service = Service(with_shadow(tmp_path))
    second = service.settings.of_shadow
    assert second is not None
    with running(service) as worker:
        feed(service, worker, 20)
        service.control(rollback(3, 9))
        choose(service, second.digest())
        feed(service, worker, 10, start=20)
        service.control(rollback(15, 25))
        drain(worker)
        live = of_both(worker)
        assert worker._models.deciding is not worker._models.first
        assert [model.classifier.learnt for model in worker._models.all] == [30 - 6 - 8] * 2
    with running(service, with_shadow(tmp_path / "fresh")) as fresh:
        assert of_both(fresh) == live


def test_class_priors_of_the_first_model_begin_anew_where_its_classes_move_though_it_is_the_shadow(
    tmp_path: Path,
) -> None:
    """They are kept by the places of classes, in the state that the shadow learns without."""
    service = Service(with_shadow(tmp_path, classes=[], bounds={"classes": 4}))
    second = service.settings.of_shadow
    assert second is not None
    with running(service) as worker:
        feed(service, worker, 10)
        service.send(event("odd"))
        drain(worker)
        service.tell(label("odd", truth="odd"))
        drain(worker)
        choose(service, second.digest())
        drain(worker)
        first = worker._models.first.classifier
        assert "odd" in first.classes
        with worker._state.transaction() as t:
            t.notes.set_priors(0, first.digest, b"by the places of three classes")
        service.control(rollback(10, 11))
        drain(worker)
        assert "odd" not in worker._models.first.classifier.classes
        with worker._state.transaction() as t:
            assert t.notes.priors(0, first.digest) is None


def test_a_promoted_config_that_is_the_files_own_by_now_goes_back_to_its_own_earlier_snapshots(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    state = {"directory": tmp_path, "snapshot_every": 10, "max_bytes": 64 << 20}
    service = Service(with_shadow(tmp_path, state=state))
    second = service.settings.of_shadow
    assert second is not None
    with running(service) as worker:
        for start in range(0, 30, 5):
            feed(service, worker, 5, start=start)
        choose(service, second.digest())
        feed(service, worker, 5, start=30)
    with running(service, second) as worker:
        service.control(rollback(22, 24))
        drain(worker)
        assert worker.classifier.learnt == 33
    assert "the model went back to feedback offset 20, " in caplog.text


@pytest.mark.parametrize("promoted", [False, True])
def test_a_shadow_opens_what_is_sealed_though_the_first_model_had_no_need_to(tmp_path: Path, promoted: bool) -> None:
    """A snapshot spares the first model the feedback whose keys the shadow needs, which folds it from the beginning."""
    config = sealed(tmp_path)
    assert config.of_shadow is not None
    service = Service(config)
    with running(service, config.with_shadow(None)) as worker:
        feed(service, worker, 30)
    if promoted:
        choose(service, config.of_shadow.digest())
    with running(service) as worker:
        assert worker._models.beside is not None
        assert worker._models.beside.failed is None
        assert worker._models.beside.second.classifier.learnt == 30
        assert (worker._models.deciding is worker._models.first) is not promoted
        found = of_both(worker)
    alone = Service(settings(tmp_path / "alone", **{**OTHER, "erasure": ON}))
    for topic in ("keys", "feedback"):
        for record in service.records(topic):
            alone.broker.append(topic, record.key, record.value, record.headers)
    with running(alone) as other:
        assert of_both(other) == found[1:]
