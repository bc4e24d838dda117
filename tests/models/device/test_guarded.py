"""A device that fails costs no event: the batch is scored on the CPU, and so is everything after it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from tocsin.kernels.device.place import DeviceError, place
from tocsin.models.classifier import Classifier
from tocsin.models.data.batch import Batch, Bools
from tocsin.models.decision.scoring.opinions import BatchOpinions, CpuScorer, Parts, Scorer
from tocsin.models.device.guarded import GuardedScorer
from tocsin.models.device.measured import MEASURED, MeasuredScorer
from tocsin.models.device.scorer import DeviceScorer
from tocsin.models.routing.gate import AskingPlan

from . import models

Fault = Callable[[], None]


class Failing(DeviceScorer):
    """The device's own scorer, in which a fault happens at the call with a given number."""

    def __init__(self, parts: Parts, fault: Fault, at: int) -> None:
        super().__init__(parts, place("torch-cpu"))
        self._fault, self._left = fault, at

    def opinions(self, batch: Batch, active: Bools, learnt: int, plan: AskingPlan | None = None) -> BatchOpinions:
        found = super().opinions(batch, active, learnt, plan)
        self._left -= 1
        if self._left < 0:
            self._fault()
        return found


def out_of_memory() -> None:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")


def illegal_access() -> None:
    raise RuntimeError("CUDA error: an illegal memory access was encountered\nCUDA kernel errors might be asynchronous")


def fallen_away() -> None:
    raise torch.AcceleratorError("CUDA error: device has fallen off the bus", 719)


def not_enough() -> None:
    raise DeviceError("cuda:0 (a card) has 10 MiB of memory free, and this model needs 900 MiB with room to work")


def of_another_kind() -> None:
    raise AttributeError("'NoneType' object has no attribute 'launch'")


FAULTS = (out_of_memory, illegal_access, fallen_away, not_enough, of_another_kind)


def taught(rows: int = 300) -> Classifier:
    model = Classifier(models.settings())
    models.learn(model, *models.stream(rows))
    return model


def guarded(model: Classifier, make: Callable[[Parts], Scorer]) -> GuardedScorer:
    scorer = GuardedScorer("cuda", model.mixture.scored_parts, make)
    model.mixture.scorer = scorer
    return scorer


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("at", [0, 1, 3])
def test_a_batch_in_which_the_device_fails_is_scored_on_the_cpu(fault: Fault, at: int) -> None:
    model, other = taught(), taught()
    scorer = guarded(model, lambda parts: Failing(parts, fault, at))
    X, y = models.stream(200, seed=1)
    for start in range(0, 200, 20):
        found, known = (m.score(models.batch(X[start : start + 20], start)) for m in (model, other))
        np.testing.assert_allclose(found.betp, known.betp, rtol=0, atol=1e-9)
        assert found.reasons == known.reasons
        for one in (model, other):
            models.learn(one, X[start : start + 20], y[start : start + 20])
    assert scorer.standing.place == "cpu"
    assert scorer.standing.failures == 1
    assert scorer.standing.asked == "cuda"
    assert "\n" not in scorer.standing.reason
    with pytest.raises(Exception, match=r"\S+") as caught:
        fault()
    assert scorer.standing.reason.startswith(type(caught.value).__name__)


def test_a_device_that_cannot_be_had_is_tried_once() -> None:
    tried = []

    def make(parts: Parts) -> Scorer:
        tried.append(parts)
        raise DeviceError("it has no memory free")

    model = taught()
    scorer = guarded(model, make)
    for _ in range(3):
        model.score(models.batch(models.stream(5)[0]))
    assert len(tried) == 1
    assert scorer.standing.reason == "DeviceError: it has no memory free"


def test_a_device_that_answers_otherwise_than_the_cpu_is_not_used() -> None:
    class Wrong(DeviceScorer):
        def opinions(self, batch: Batch, active: Bools, learnt: int, plan: AskingPlan | None = None) -> BatchOpinions:
            found = super().opinions(batch, active, learnt, plan)
            combined = found.combined._replace(betp=found.combined.betp + 1e-4)
            return found._replace(combined=combined)

    model, other = taught(), taught()
    scorer = guarded(model, lambda parts: Wrong(parts, place("torch-cpu")))
    X, _ = models.stream(50, seed=1)
    np.testing.assert_array_equal(model.score(models.batch(X)).betp, other.score(models.batch(X)).betp)
    assert scorer.standing.reason == "its answers differ from the CPU's by 0.0001"


def test_a_device_that_answers_nothing_that_is_a_number_is_not_used() -> None:
    class Nothing(DeviceScorer):
        def opinions(self, batch: Batch, active: Bools, learnt: int, plan: AskingPlan | None = None) -> BatchOpinions:
            found = super().opinions(batch, active, learnt, plan)
            return found._replace(combined=found.combined._replace(betp=found.combined.betp * np.nan))

    model = taught()
    scorer = guarded(model, lambda parts: Nothing(parts, place("torch-cpu")))
    assert np.isfinite(model.score(models.batch(models.stream(50)[0])).betp).all()
    assert scorer.standing.failures == 1


def test_a_device_that_answers_otherwise_after_a_while_is_given_up() -> None:
    class Stale(DeviceScorer):
        """One whose copies do not follow what is learnt."""

        def follow(self, learnt: int) -> None:
            if self.learnt < 0:
                super().follow(learnt)

    model, other = taught(), taught()
    scorer = guarded(model, lambda parts: Stale(parts, place("torch-cpu")))
    X, y = models.stream(200, seed=1)
    for start in range(0, 200, 20):
        models.learn(model, X[start : start + 20], y[start : start + 20], late=True)
        models.learn(other, X[start : start + 20], y[start : start + 20], late=True)
    assert scorer.standing.failures == 1
    assert scorer.standing.reason.startswith("its answers differ from the CPU's by")


def test_every_size_of_batch_is_compared_once() -> None:
    class WrongBeyond(DeviceScorer):
        def opinions(self, batch: Batch, active: Bools, learnt: int, plan: AskingPlan | None = None) -> BatchOpinions:
            found = super().opinions(batch, active, learnt, plan)
            return found if len(batch) < 100 else found._replace(answers=found.answers + 1.0)

    model = taught()
    scorer = guarded(model, lambda parts: WrongBeyond(parts, place("torch-cpu")))
    X, _ = models.stream(100, seed=1)
    for rows in (1, 2, 3, 50, 5, 6, 7):
        model.score(models.batch(X[:rows]))
    assert not scorer.failed
    model.score(models.batch(X))
    assert scorer.failed


def test_a_state_that_is_loaded_in_place_is_followed() -> None:
    model, other = taught(300), Classifier(models.settings())
    models.learn(other, *models.stream(300, seed=5))
    guarded(model, lambda parts: DeviceScorer(parts, place("torch-cpu")))
    X, _ = models.stream(30, seed=1)
    model.score(models.batch(X))
    model.load_state_dict(other.state_dict())
    found = model.score(models.batch(X)).betp
    assert isinstance(model.mixture.scorer, GuardedScorer)
    assert not model.mixture.scorer.failed
    model.mixture.scorer = CpuScorer(model.mixture.scored_parts)
    np.testing.assert_allclose(found, model.score(models.batch(X)).betp, rtol=0, atol=1e-9)


class Ticking:
    """A clock that a test moves, and that moves by itself with every scorer that it was given to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Taking(CpuScorer):
    """The compiled kernels, taking so many seconds of a clock a batch."""

    def __init__(self, parts: Parts, clock: Ticking, seconds: float) -> None:
        super().__init__(parts)
        self._clock, self._seconds = clock, seconds

    def opinions(self, batch: Batch, active: Bools, learnt: int, plan: AskingPlan | None = None) -> BatchOpinions:
        self._clock.now += self._seconds
        return super().opinions(batch, active, learnt, plan)


@pytest.mark.parametrize(("device", "chosen"), [(0.5, "auto"), (2.0, "cpu"), (0.95, "cpu")])
def test_the_quicker_of_two_is_chosen_by_what_was_measured(
    device: float, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, model = Ticking(), taught()
    parts = model.mixture.scored_parts
    scorer = MeasuredScorer(parts, lambda parts: Taking(parts, clock, device), clock)
    monkeypatch.setattr(scorer, "_cpu", Taking(parts, clock, 1.0))
    model.mixture.scorer = scorer
    events = models.batch(models.stream(10)[0])
    for _ in range(1 + MEASURED):  # the first batch of a size does not count
        assert scorer.standing.reason == "it is measured which is quicker"
        model.score(events)
    assert "over 30 batches" in scorer.standing.reason
    before = clock.now
    model.score(events)
    assert clock.now - before == pytest.approx(device if chosen == "auto" else 1.0)


def test_a_device_that_fails_while_it_is_measured_leaves_the_cpu() -> None:
    model = taught()
    scorer = MeasuredScorer(model.mixture.scored_parts, lambda parts: Failing(parts, illegal_access, 5))
    model.mixture.scorer = scorer
    for _ in range(10):
        model.score(models.batch(models.stream(10)[0]))
    assert scorer.standing.place == "cpu"
    assert scorer.standing.failures == 1
    assert "illegal memory access" in scorer.standing.reason
