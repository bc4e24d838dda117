"""A service whose model is scored on a device decides as one on the CPU, and goes on where the device fails."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tocsin.config.experts import default_experts
from tocsin.models.classifier import Classifier
from tocsin.models.data.batch import Batch, Bools
from tocsin.models.decision.scoring.opinions import BatchOpinions
from tocsin.models.device.scorer import DeviceScorer
from tocsin.models.routing.gate import AskingPlan
from tocsin.streams.cli.failures import exit_code
from tocsin.streams.worker.deciding import scoring
from tocsin.streams.worker.deciding.scoring import NoDeviceError

from ..support import START, Service, drain, running, settings

NUMBERS = 1e-6


def service(directory: Path, device: str) -> Service:
    """A service with the default pool, and explanations of every decision."""
    features = [{"name": "a"}, {"name": "b", "required": False}, {"name": "colour", "kind": "category"}]
    return Service(
        settings(
            directory / device,
            schema={"features": features},
            classes=["no", "maybe", "yes"],
            experts=default_experts(len(features), text=False),
            kernels={"device": device},
            explanation={"level": "full"},
        )
    )


def rows(count: int) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Events with their labels."""
    rng = np.random.default_rng(0)
    for i in range(count):
        a, b, colour = rng.normal(), rng.normal(), ("red", "green", "blue")[int(rng.integers(3))]
        truth = "yes" if a > 0.3 else "maybe" if b > 0 and colour != "red" else "no"
        features = {"a": a, "colour": colour, **({"b": b} if rng.random() < 0.9 else {})}
        event = {"id": f"e{i}", "subject": f"s{i % 7}", "time": START + i, "features": features}
        yield event, {"event": f"e{i}", "label": truth, "time": START + i + 1}


def decided(service: Service, count: int = 400, batch: int = 50) -> list[dict[str, Any]]:
    """All decisions, with labels a batch late."""
    with running(service) as worker:
        waiting: list[dict[str, Any]] = []
        for i, (event, label) in enumerate(rows(count)):
            service.send(event)
            waiting.append(label)
            if i % batch == batch - 1:
                drain(worker)
                service.tell(*waiting)
                waiting = []
        drain(worker)
    return service.decisions


def apart(one: Any, other: Any, where: str = "") -> Iterator[str]:
    """Where two records differ: in anything but numbers, or in numbers by more than `NUMBERS`."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted({*one, *other}):
            yield from apart(one.get(key), other.get(key), f"{where}.{key}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for i, pair in enumerate(zip(one, other, strict=True)):
            yield from apart(*pair, f"{where}[{i}]")
    elif isinstance(one, float | int) and isinstance(other, float | int):
        if not abs(one - other) <= NUMBERS * max(1.0, abs(one)):
            yield f"{where}: {one} and {other}"
    elif one != other:
        yield f"{where}: {one!r} and {other!r}"


def test_a_device_decides_what_the_cpu_decides(tmp_path: Path) -> None:
    known, found = (decided(service(tmp_path, device)) for device in ("cpu", "torch-cpu"))
    assert len(known) == len(found) == 400
    assert {decision["status"] for decision in found} == {"decided", "abstained"}
    for one, other in zip(known, found, strict=True):
        for record in (one, other):
            del record["model"]["settings"]  # the digest of the whole config, to which the device belongs
        assert list(apart(one, other)) == []


def test_the_log_and_telemetry_say_where_events_are_scored(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    made = service(tmp_path, "torch-cpu")
    decided(made, 200)
    told = made.values("telemetry")[-1]["scoring"]
    assert (told["asked"], told["place"], told["failures"]) == ("torch-cpu", "torch-cpu", 0)
    assert told["bytes_per_label"] > 0
    assert caplog.messages.count("events are scored on torch-cpu") == 1


def test_an_error_in_the_middle_of_a_batch_loses_no_event_and_decides_none_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    calls = 0
    usual = DeviceScorer.opinions

    def failing(
        self: DeviceScorer, batch: Batch, active: Bools, learnt: int, plan: AskingPlan | None = None
    ) -> BatchOpinions:
        nonlocal calls
        found = usual(self, batch, active, learnt, plan)
        calls += 1
        if calls == 4:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return found

    known = decided(service(tmp_path, "cpu"))
    monkeypatch.setattr(DeviceScorer, "opinions", failing)
    made = service(tmp_path, "torch-cpu")
    found = decided(made)
    assert calls == 4
    assert [d["event"] for d in found] == [d["event"] for d in known]
    assert [(d["status"], d["label"]) for d in found] == [(d["status"], d["label"]) for d in known]
    told = made.values("telemetry")[-1]["scoring"]
    assert (told["asked"], told["place"], told["failures"]) == ("torch-cpu", "cpu", 1)
    assert told["reason"] == "OutOfMemoryError: CUDA out of memory"
    assert sum("torch-cpu failed, and events are scored on the CPU" in message for message in caplog.messages) == 1


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_a_device_that_is_not_there_is_refused_before_anything_begins(tmp_path: Path) -> None:
    config = service(tmp_path, "cuda:1").settings
    with pytest.raises(NoDeviceError, match=r"kernels\.device is cuda:1, but PyTorch .* CUDA") as caught:
        scoring.check(config)
    assert exit_code(caught.value) == 2


def test_without_pytorch_a_device_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "torch_runs", lambda: False)
    with pytest.raises(NoDeviceError, match=r"needs PyTorch: pip install 'tocsin\[gpu\]'"):
        scoring.check(service(tmp_path, "torch-cpu").settings)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_auto_is_the_cpu_where_there_is_no_device(tmp_path: Path) -> None:
    made = service(tmp_path, "auto")
    assert len(decided(made, 50)) == 50
    told = made.values("telemetry")[-1]["scoring"]
    assert (told["asked"], told["place"], told["failures"]) == ("auto", "cpu", 0)
    assert told["reason"] == "there is no CUDA device"


def test_experts_that_are_asked_in_stages_are_asked_on_the_cpu(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    made = Service(settings(tmp_path, kernels={"device": "torch-cpu"}, router={"engage": 0.9}))
    with running(made):
        pass
    told = made.values("telemetry")[-1]["scoring"]
    assert (told["asked"], told["place"]) == ("torch-cpu", "cpu")
    assert told["reason"] == "router.engage is below 1, and the CPU asks experts in stages"
    assert caplog.messages.count(f"events are scored on cpu: {told['reason']}") == 1


def test_a_device_is_warmed_up_for_batches_of_every_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []

    def scored(self: Classifier, batch: Batch, *more: object) -> None:
        sizes.append(len(batch))

    config = service(tmp_path, "cuda").settings
    config = config.model_copy(update={"batching": config.batching.model_copy(update={"max_events": 100})})
    monkeypatch.setattr(Classifier, "score", scored)
    scoring.warm_up(config, Classifier.from_config(config))
    assert sizes == [1, 2, 4, 8, 16, 32, 64, 100]
