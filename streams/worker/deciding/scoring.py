"""Where a worker's model is scored: on the CPU, or on the device that `kernels.device` names."""

from __future__ import annotations

import logging

import numpy as np

from tocsin.config.settings import Settings
from tocsin.kernels.common.backends import cuda_there, torch_runs
from tocsin.models.classifier import Classifier
from tocsin.models.data.batch import Batch
from tocsin.models.decision.scoring.opinions import CPU, CpuScorer, ScoredOn
from tocsin.streams.printable import printable
from tocsin.streams.wire.kinds.scoring import ScoringTelemetry

log = logging.getLogger(__name__)

AUTO = "auto"


class NoDeviceError(Exception):
    """`kernels.device` names a device that this machine has not."""


def check(settings: Settings) -> None:
    """Raises NoDeviceError, which says what was found, where the device of a config is not there."""
    name = settings.kernels.device
    if name == AUTO or stays_on_cpu(settings) is not None:
        return
    if not torch_runs():
        raise NoDeviceError(
            f"kernels.device is {name}, which needs PyTorch: pip install 'tocsin[gpu]', or use kernels.device: cpu"
        )
    from tocsin.kernels.device.place import DeviceError  # here, because only a device needs PyTorch
    from tocsin.models.device.scoring import check_device

    try:
        check_device(name)
    except DeviceError as error:
        raise NoDeviceError(str(error)) from None


def stays_on_cpu(settings: Settings) -> str | None:
    """Why events are scored on the CPU whatever device is there; None where they need not be."""
    if settings.kernels.device == CPU:
        return "kernels.device is cpu"
    if settings.router.engage < 1.0:
        return "router.engage is below 1, and the CPU asks experts in stages"
    if settings.kernels.device == AUTO and not cuda_there():
        return "there is no CUDA device"
    return None


def use_device(settings: Settings, classifier: Classifier) -> None:
    """Have the model scored where the config asks for it. Raises NoDeviceError."""
    name, reason = settings.kernels.device, stays_on_cpu(settings)
    if name == CPU:
        return
    if reason is not None:
        classifier.mixture.scorer = CpuScorer(classifier.mixture.scored_parts, ScoredOn(name, CPU, reason))
        return
    check(settings)
    from tocsin.models.device.scoring import score_on  # here, because only a device needs PyTorch

    score_on(name, classifier.mixture)


def warm_up(settings: Settings, classifier: Classifier) -> None:
    """Have a CUDA device compile and capture what it launches for batches of every size, before the first event."""
    if not settings.kernels.device.startswith("cuda") or not classifier.classes:
        return
    rows = 1
    while rows < 2 * settings.batching.max_events:  # batches are padded to powers of two
        classifier.score(Batch.of(np.zeros((min(rows, settings.batching.max_events), classifier.features))))
        rows *= 2


def told(classifier: Classifier) -> ScoringTelemetry:
    """Where the model is scored, for telemetry."""
    standing = classifier.mixture.scorer.standing
    return ScoringTelemetry(
        asked=standing.asked,
        place=standing.place,
        reason=standing.reason,
        failures=standing.failures,
        bytes_per_label=standing.bytes_per_label,
    )


class ScoringWatch:
    """Logs where events are scored, once whenever that changes."""

    def __init__(self) -> None:
        self._said = ScoredOn()

    def look(self, classifier: Classifier) -> None:
        """Log what has changed since the last look."""
        now = classifier.mixture.scorer.standing
        before, self._said = self._said, now
        if now.failures > before.failures:
            log.error(
                "%s failed, and events are scored on the CPU from now on (restart the worker to try it again): %s",
                now.asked,
                printable(now.reason),
            )
        elif (now.place, now.reason) != (before.place, before.reason):
            log.info("events are scored on %s%s", now.place, f": {printable(now.reason)}" if now.reason else "")
