from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tocsin.config.experts import DEFAULT_EXPERTS, kinds
from tocsin.config.model import ModelSettings
from tocsin.models.classifier import Classifier
from tocsin.streams.worker import warm_up as module
from tocsin.streams.worker.warm_up import StoppedError, warm_up

from ..support import Service, drain, running, settings, stream


def test_a_stop_ends_the_compiling_between_two_parts() -> None:
    asked = 0

    def stop() -> bool:
        nonlocal asked
        asked += 1
        return asked == 2

    with pytest.raises(StoppedError):
        warm_up(Classifier(ModelSettings(classes=("a", "b"))), stop)
    assert asked == 2


def test_a_slow_start_says_what_it_is_doing(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(module, "SLOW", 0.0)
    caplog.set_level(logging.INFO)
    warm_up(Classifier(ModelSettings(classes=("a", "b"))), lambda: False)
    assert f"compiling kernels: 0 of {len(DEFAULT_EXPERTS) + 1} parts, now nearest-500" in caplog.text
    assert "kernels are ready" in caplog.text


# Declared rules speak for classes that the config must name.
@pytest.mark.parametrize("kind", sorted(set(kinds()) - {"rules"}))
@pytest.mark.parametrize("labels", [["a"], ["a", "b", "c"]])
def test_a_model_that_found_its_classes_in_labels_is_compiled_as_well(kind: str, labels: list[str]) -> None:
    """As after a restart from a snapshot: the config of this model names no class."""
    text = kind in ("ss3", "linear-text")
    experts = [{"kind": kind, "name": "expert"}]
    features = () if text else ({"name": "x"},)
    model = Classifier(ModelSettings.model_validate({"text": text, "features": features, "experts": experts}))
    for label in labels:
        model.learn_one("a text" if text else {"x": 1.0}, label)
    before = {name: array.copy() for name, array in model.state_dict().items()}
    warm_up(model, lambda: False)
    after = model.state_dict()
    assert all(np.array_equal(after[name], array, equal_nan=True) for name, array in before.items())


@pytest.mark.parametrize("experts", [DEFAULT_EXPERTS, [{"kind": "forest", "trees": 2}, {"kind": "neighbours"}]])
def test_a_service_that_finds_its_classes_in_labels_starts_again(tmp_path: Path, experts: Any) -> None:
    service = Service(settings(tmp_path, classes=[], experts=experts))
    for learnt in (30, 60):
        with running(service) as worker:
            for sent, label in stream(30, start=learnt):
                service.send(sent)
                service.tell(label)
            drain(worker)
            assert worker.classifier.learnt == learnt
            assert sorted(worker.classifier.classes) == ["no", "yes"]
