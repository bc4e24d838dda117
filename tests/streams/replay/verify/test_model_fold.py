"""The models that decided, rebuilt at the offsets that are asked for: the same bits as the fold they stand for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tocsin.config.settings import Settings
from tocsin.models.classifier import Classifier
from tocsin.streams.replay.past.feedback import FeedbackLog
from tocsin.streams.replay.verify.model_fold import ModelFold, NoModelError
from tocsin.streams.replay.verify.snapshots import ModelSnapshots
from tocsin.streams.transport.base import Partition, Record
from tocsin.streams.transport.memory import MemoryBroker, MemoryTransport
from tocsin.streams.wire.decode import Decoder
from tocsin.streams.wire.packed.control import Control, packed_control
from tocsin.streams.wire.packed.feedback import read
from tocsin.streams.wire.schema import EventSchema
from tocsin.streams.worker.learning.learn import Learn
from tocsin.streams.worker.reporting.counts import Counts

from ...support import Service, running, settings
from .verifying import decide_and_learn

N = 80


@pytest.fixture(scope="module")
def feedback(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """The feedback of a service, of which every third label has a source."""
    made = Service(settings(tmp_path_factory.mktemp("one")))
    with running(made) as worker:
        decide_and_learn(made, worker, N)
    return [record.value or b"" for record in made.records("feedback")]


def model_of(config: Settings, values: Sequence[bytes]) -> Classifier:
    """The model that learns these records and no others."""
    classifier = Classifier.from_config(config)
    learn = Learn(classifier, Decoder(EventSchema(config)), config, Counts())
    learn.fold([Record("feedback", 0, offset, 0, None, value) for offset, value in enumerate(values)])
    return classifier


def fold_of(config: Settings, directory: Path, values: Sequence[bytes], expired: int = 0) -> ModelFold:
    broker = MemoryBroker()
    broker.create("feedback")
    broker.create("snapshots")
    for value in values:
        broker.append("feedback", None, value, ())
    broker.expire(Partition("feedback", 0), expired)
    reader = MemoryTransport(broker)
    snapshots = ModelSnapshots(config, config, config.model.digest(""), reader, directory / "room")
    return ModelFold(config, config.digest(), FeedbackLog(reader, "feedback"), snapshots)


def same(one: Classifier, other: Classifier) -> bool:
    mine, theirs = one.state_dict(), other.state_dict()
    return {name: array.tobytes() for name, array in mine.items()} == {
        n: array.tobytes() for n, array in theirs.items()
    }


def leave_out(*offsets: int, first: int = 0, end: int = 0) -> bytes:
    return packed_control(
        Control(kind="leave-out", reason="rollback", time=0, offsets=[*offsets], first=first, end=end)
    )


def models(fold: ModelFold, offsets: Sequence[int]) -> Iterator[Classifier]:
    for offset in offsets:
        yield fold.at(offset)._classifier


def test_a_fold_that_stops_often_is_the_fold(feedback: list[bytes], tmp_path: Path) -> None:
    config = settings(tmp_path)
    fold = fold_of(config, tmp_path, feedback)
    for offset, model in zip(offsets := [0, 1, 7, 7, 40, N], models(fold, offsets), strict=True):
        assert same(model, model_of(config, feedback[:offset]))
        assert model.feedback_offset == offset


def test_what_a_control_record_leaves_out_is_left_out_behind_it_and_not_before(
    feedback: list[bytes], tmp_path: Path
) -> None:
    config = settings(tmp_path)
    log = [*feedback[:40], leave_out(3, 17), *feedback[40:60], leave_out(first=30, end=35), *feedback[60:]]
    fold = fold_of(config, tmp_path, log)
    without_two = [v for i, v in enumerate(feedback) if i not in (3, 17)]
    without_all = [v for i, v in enumerate(feedback) if i not in (3, 17) and not 30 <= i < 35]
    wanted = {
        40: feedback[:40],
        41: without_two[:38],
        61: without_two[:58],
        62: without_all[:53],
        N + 2: without_all,
    }
    for offset, model in zip(wanted, models(fold, [*wanted]), strict=True):
        assert same(model, model_of(config, wanted[offset])), offset


def test_a_source_that_is_left_out_takes_no_other_with_it(tmp_path: Path) -> None:
    made = Service(config := settings(tmp_path / "one"))
    with running(made) as worker:
        decide_and_learn(made, worker, 40)
        made.tell(*({"event": f"e{i}", "label": "no", "time": 0, "source": "poisoned"} for i in range(0, 40, 4)))
        decide_and_learn(made, worker, 20, start=40)
    values = [record.value or b"" for record in made.records("feedback")]
    poisoned = Control(kind="leave-out", reason="rollback", time=0, first=10, end=len(values), source="poisoned")
    fold = fold_of(config, tmp_path, [*values, packed_control(poisoned)])
    rest = [v for v in values if read(v).source != "poisoned"]
    assert len(rest) == len(values) - 10
    assert same(fold.at(len(values) + 1)._classifier, model_of(config, rest))


def test_a_record_that_decides_who_decides_changes_no_model(feedback: list[bytes], tmp_path: Path) -> None:
    config = settings(tmp_path)
    control = packed_control(Control(kind="decide-by", reason="promote", time=0, config="ab"))
    fold = fold_of(config, tmp_path, [*feedback[:40], control, *feedback[40:]])
    assert same(fold.at(N + 1)._classifier, model_of(config, feedback))


@pytest.mark.parametrize("garbage", [b"{", b"\xc1\x02\x00"])
def test_what_is_no_feedback_is_told_and_no_model_behind_it_is_made(
    feedback: list[bytes], tmp_path: Path, garbage: bytes
) -> None:
    config = settings(tmp_path)
    fold = fold_of(config, tmp_path, [*feedback[:10], garbage, *feedback[10:]])
    assert same(fold.at(10)._classifier, model_of(config, feedback[:10]))
    for _ in range(2):
        with pytest.raises(NoModelError, match="feedback-unreadable"):
            fold.at(20)


def test_a_log_without_its_beginning_makes_no_model(feedback: list[bytes], tmp_path: Path) -> None:
    config = settings(tmp_path)
    fold = fold_of(config, tmp_path, feedback, expired=5)
    assert fold.at(0)._classifier.learnt == 0
    with pytest.raises(NoModelError, match="feedback-gone"):
        fold.at(20)
    with pytest.raises(NoModelError, match="feedback-gone"):
        fold.at(N + 1)
