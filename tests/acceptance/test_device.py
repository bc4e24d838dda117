"""`tocsin run` with `kernels.device`, on Apache Kafka: the decisions of the CPU, and what is said where none is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
import pytest
import torch

from .service import PRESET, Service, electricity, need_kcat, wait_for

pytestmark = [pytest.mark.acceptance, pytest.mark.broker, pytest.mark.timeout(500, func_only=True)]

ROUNDS, EVENTS = 5, 2_000
"""The events of a round are decided by one state of the model, after all labels of the rounds before it were learnt."""
NUMBERS = 1e-6


class OnDevice(Service):
    """A service whose events are scored on a device."""

    def __init__(self, bootstrap: str, prefix: str, directory: Path, device: str) -> None:
        directory.mkdir()
        super().__init__(bootstrap, prefix, directory)
        self._device = device

    @property
    def environment(self) -> dict[str, str]:
        # With one partition labels are learnt in one order, so that two services hold the same model.
        own = {"TOCSIN_KERNELS__DEVICE": self._device, "TOCSIN_TOPICS__PARTITIONS": "1"}
        return {**super().environment, **own}


@pytest.fixture
def services(apache: str, tmp_path: Path) -> Iterator[dict[str, OnDevice]]:
    need_kcat()
    made = {
        name: OnDevice(apache, f"t{uuid4().hex[:8]}", tmp_path / name, name) for name in ("cpu", "torch-cpu", "cuda")
    }
    yield made
    for service in made.values():
        service.end()


def decided(service: Service) -> list[dict[str, Any]]:
    """The decisions on all rounds, by event."""
    rows = list(electricity(ROUNDS * EVENTS))
    service.start()
    for number in range(ROUNDS):
        some = rows[number * EVENTS : (number + 1) * EVENTS]
        service.produce("events", [(orjson.loads(event)["subject"].encode(), event) for _, event, _ in some])
        service.wait_for("decisions", (number + 1) * EVENTS, 120)
        service.produce("labels", [(b"", label) for _, _, label in some])
        learnt = (number + 1) * EVENTS
        wait_for(
            lambda: any(r["feedback_offset"] >= learnt for r in service.records("telemetry")),  # noqa: B023
            120,
            f"{learnt} labels to be learnt",
            service,
        )
    assert service.interrupt() == 0
    found = {decision["event"]: decision for decision in service.records("decisions")}
    return [found[identity] for identity, _, _ in rows]


def test_a_service_on_a_device_decides_what_one_on_the_cpu_decides(services: dict[str, OnDevice]) -> None:
    known, found = (decided(services[name]) for name in ("cpu", "torch-cpu"))
    assert len(found) == ROUNDS * EVENTS
    for one, other in zip(known, found, strict=True):
        for field in ("status", "label", "reason", "set"):
            assert other[field] == one[field], one["event"]
        for name, mass in one["belief"].items():
            assert other["belief"][name] == pytest.approx(mass, abs=NUMBERS)
        assert other["conflict"] == pytest.approx(one["conflict"], abs=NUMBERS)
        assert other["model"]["feedback_offset"] == one["model"]["feedback_offset"]
    told = services["torch-cpu"].records("telemetry")[-1]["scoring"]
    assert (told["place"], told["failures"]) == ("torch-cpu", 0)
    assert told["bytes_per_label"] > 0
    assert "events are scored on torch-cpu" in services["torch-cpu"].log


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_a_service_for_a_device_that_is_not_there_says_what_was_found(services: dict[str, OnDevice]) -> None:
    ended = services["cuda"].command("run", str(PRESET))
    assert ended.returncode == 2
    assert "kernels.device is cuda, but PyTorch" in ended.stderr
    assert "use cpu, or auto" in ended.stderr
    assert "Traceback" not in ended.stderr
