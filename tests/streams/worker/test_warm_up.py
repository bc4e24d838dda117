from __future__ import annotations

import logging

import pytest

from tocsin.config.model import ModelSettings
from tocsin.models.classifier import Classifier
from tocsin.streams.worker import warm_up as module
from tocsin.streams.worker.warm_up import StoppedError, warm_up


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
    assert "compiling kernels: 0 of 5 parts, now tree" in caplog.text
    assert "kernels are ready" in caplog.text
