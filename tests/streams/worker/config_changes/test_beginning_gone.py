"""The config changes where the feedback log no longer has the records that a model would be folded from."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path

import pytest

from tocsin.models.experts.linear import LinearExpert
from tocsin.streams.transport.base import Partition
from tocsin.streams.worker.learning.learn import FeedbackError
from tocsin.streams.worker.worker import Worker

from ...support import Service, bits, drain, running
from .changes import CHANGES, EVENTS, LAST, LINEAR, PROBES, UNLABELLED, Change, ask, copied, experts, label

BEGINNING_GONE = 100


def shortened(learnt: tuple[Service, Path], directory: Path, change: Change) -> Service:
    service = copied(learnt, directory, change)
    service.broker.expire(Partition("feedback", 0), BEGINNING_GONE)
    return service


def weights(worker: Worker) -> dict[tuple[str, Hashable], float]:
    """What the linear expert has learnt: its weights by class and by the name of the input, which stay."""
    expert = next(expert for expert in worker.classifier.experts if isinstance(expert, LinearExpert))
    inputs = expert._inputs_of(expert._row, expert._nominal)
    found = expert.coefficients()
    return {(c, name): found[k, d] for k, c in enumerate(worker.classifier.classes) for d, name in enumerate(inputs)}


def test_where_the_beginning_of_the_feedback_is_gone_experts_that_stay_keep_what_they_learnt(
    learnt: tuple[Service, Path], tmp_path: Path
) -> None:
    change = Change({**experts(LAST, {"kind": "neighbours"}, LINEAR), "classes": ["w", "z", "y", "x"]})
    with running(copied(learnt, tmp_path / "as it was", CHANGES["nothing"])) as first:
        kept = weights(first)
    service = shortened(learnt, tmp_path / "state", change)
    with running(service) as worker:
        model = worker.classifier
        assert (model.learnt, model.feedback_offset) == (EVENTS - UNLABELLED,) * 2
        assert model.classes == ["x", "y", "z", "w"]
        assert kept.items() <= weights(worker).items()
        right = [max(said["belief"], key=said["belief"].get) == true for true, said in ask(service, worker, change)]
        assert sum(right) >= 0.9 * len(right)
        service.tell(*map(label, range(EVENTS - UNLABELLED, EVENTS + PROBES)))
        drain(worker)
        assert worker.counts.scored_anew == UNLABELLED
        # It is another model than that of a fold over the whole log, and says so.
        assert model.digest != service.settings.model.digest()
        assert {d["model"]["config"] for d in service.decisions[-PROBES:]} == {model.digest}
        expected = bits(worker)
    with running(service) as again:
        assert again.counts.scored_anew == 0
        assert (again.classifier.digest, bits(again)) == (model.digest, expected)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("a class removed", "the class 'z' is no more"),
        ("a feature removed", "features are others"),
        ("a number a category", "features are others"),
        ("too many classes", "bounds.classes has no room"),
    ],
)
def test_where_the_beginning_is_gone_what_cannot_go_on_is_refused_with_the_ways_out(
    learnt: tuple[Service, Path], tmp_path: Path, name: str, why: str
) -> None:
    service = shortened(learnt, tmp_path / "state", CHANGES[name])
    with pytest.raises(FeedbackError) as caught:
        service.worker().__enter__()
    for part in (f"feedback begins at offset {BEGINNING_GONE}", why, "Restore the config", "topics.feedback"):
        assert part in str(caught.value)
