"""Going back: a model without some feedback has the bits of one that never learnt it, whoever makes it and when."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.streams.transport.base import Partition
from tocsin.streams.wire.packed.control import Control
from tocsin.streams.worker.worker import Worker

from ..support import Service, drain, event, label, running, stream
from .left_out_logs import EVERY, going, never_had, of_source, rollback, sha256, teach


def test_a_model_that_went_back_has_the_bits_of_one_that_never_learnt_it(tmp_path: Path) -> None:
    service = Service(going(tmp_path))
    with running(service) as worker:
        teach(service, 35, 0, (), worker)
        before = sha256(worker)
        service.control(rollback(12, 31))
        drain(worker)
        assert sha256(worker) == never_had(service, range(12, 31), tmp_path) != before
        assert (worker.classifier.feedback_offset, worker.classifier.learnt) == (36, 16)
        assert worker.counts.went_back == 1
        assert worker.counts.feedback == 35
        teach(service, 9, 35, (), worker)
        assert sha256(worker) == never_had(service, range(12, 31), tmp_path / "later")
        assert service.decisions[-1]["model"]["feedback_offset"] == worker.classifier.feedback_offset - 1


def test_the_labels_of_one_source_are_left_out_and_those_of_the_others_stay(tmp_path: Path) -> None:
    service = Service(going(tmp_path))
    with running(service) as worker:
        teach(service, 40, 0, ("good", "bad", "fair"), worker)
        service.control(rollback(15, 40, source="bad"))
        drain(worker)
        gone = of_source(service, "bad", 15)
        assert len(gone) == 8
        assert sha256(worker) == never_had(service, gone, tmp_path)


def test_labels_without_a_source_can_be_left_out_by_themselves(tmp_path: Path) -> None:
    service = Service(going(tmp_path))
    with running(service) as worker:
        teach(service, 20, 0, ("named",), worker)
        teach(service, 10, 20, (), worker)
        service.control(rollback(0, 30, source=None))
        drain(worker)
        assert sha256(worker) == never_had(service, range(20, 30), tmp_path)


def test_a_fresh_worker_and_one_that_lost_its_state_and_one_that_lags_agree_with_the_one_that_went_back(
    tmp_path: Path,
) -> None:
    service = Service(going(tmp_path))
    with running(service, going(tmp_path, "lags")) as lags:
        teach(service, 25, 0, (), lags)
    with running(service) as live:
        drain(live)
        teach(service, 20, 25, (), live)
        service.control(rollback(8, 33))
        drain(live)
        teach(service, 7, 45, (), live)
        wanted = sha256(live)
    for name in ("fresh", "lags", "first"):
        with running(service, going(tmp_path, name)) as worker:
            assert sha256(worker) == wanted
    shutil.rmtree(tmp_path / "first" / "test" / "lmdb")
    with running(service) as worker:
        assert sha256(worker) == wanted
        assert worker.classifier.learnt == 52 - 25


def test_snapshots_that_hold_what_is_left_out_are_never_taken_for_a_later_model(tmp_path: Path) -> None:
    service = Service(going(tmp_path))
    with running(service) as worker:
        teach(service, 4 * EVERY + 3, 0, (), worker)
    kept = tmp_path / "copy"
    shutil.copytree(tmp_path / "first" / "test", kept)
    service.control(rollback(15, 43))
    with running(service) as worker:
        wanted = sha256(worker)
        assert wanted == never_had(service, range(15, 43), tmp_path)
    shutil.rmtree(tmp_path / "first" / "test")
    shutil.copytree(kept, tmp_path / "first" / "test")  # as if it had been restored from a backup
    with running(service) as worker:
        assert sha256(worker) == wanted
        assert worker._model.restored.offset <= 15


def test_control_records_one_after_the_other_are_obeyed_with_one_going_back(tmp_path: Path) -> None:
    service = Service(going(tmp_path))
    with running(service) as worker:
        teach(service, 33, 0, (), worker)
        for offset in (3, 17, 29, 17):
            service.control(rollback(offset, offset + 1))
        drain(worker)
        assert worker.counts.went_back == 1
        assert sha256(worker) == never_had(service, (3, 17, 29), tmp_path)


def test_what_is_left_out_already_makes_no_model_go_back_again(tmp_path: Path) -> None:
    service = Service(going(tmp_path))
    with running(service) as worker:
        teach(service, 20, 0, (), worker)
        for _ in range(3):
            service.control(rollback(5, 9))
            drain(worker)
        assert worker.counts.went_back == 1


def test_a_worker_goes_back_to_a_snapshot_near_by_and_not_to_the_beginning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    service = Service(going(tmp_path))
    with running(service) as worker:
        teach(service, 8 * EVERY + 5, 0, (), worker)
        service.control(rollback(8 * EVERY - 5, 8 * EVERY))
        drain(worker)
        assert f"offset {8 * EVERY + 5}: the model went back to feedback offset {7 * EVERY}, " in caplog.text
        service.control(rollback(6 * EVERY + 1, 6 * EVERY + 2))
        drain(worker)
        assert f"offset {8 * EVERY + 6}: the model went back to feedback offset {6 * EVERY}, " in caplog.text
        left = [*range(8 * EVERY - 5, 8 * EVERY), 6 * EVERY + 1]
        assert sha256(worker) == never_had(service, left, tmp_path)


def test_labels_that_were_rolled_back_can_be_sent_again(tmp_path: Path) -> None:
    service = Service(going(tmp_path))
    with running(service) as worker:
        teach(service, 10, 0, (), worker)
        service.control(rollback(4, 10))
        drain(worker)
        assert worker.classifier.learnt == 4
        teach(service, 10, 0, (), worker)
        assert worker.classifier.learnt == 10
        assert worker.counts.labels == {"joined": 16, "duplicate": 4}


def test_where_neither_snapshot_nor_log_reaches_back_the_model_keeps_what_it_learnt_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    service = Service(going(tmp_path, state={"snapshots_back": 0}))
    with running(service) as worker:
        teach(service, 35, 0, (), worker)
        before = sha256(worker)
        service.broker.expire(Partition(service.topics.feedback, 0), 20)
        service.control(rollback(25, 28))
        drain(worker)
        assert sha256(worker) == before
        assert (worker.counts.went_back, worker.counts.not_left_out) == (0, 1)
        assert "what 1 control records leave out stays learnt" in caplog.text
        teach(service, 3, 35, (), worker)
        assert worker.classifier.learnt == 38
    with running(service) as again:
        assert again.classifier.learnt == 38


def test_a_class_that_only_left_out_labels_named_is_gone_and_its_place_is_free(tmp_path: Path) -> None:
    open_ended: dict[str, Any] = {"classes": [], "bounds": {"classes": 3}, "prior_shift": {"enabled": True}}
    service = Service(going(tmp_path, **open_ended))
    with running(service) as worker:
        teach(service, 12, 0, (), worker)
        service.send(event("odd"), event("more"), event("other"))
        service.tell(label("odd", truth="wrong"))
        drain(worker)
        service.tell(label("more", truth="maybe"))
        drain(worker)
        assert "wrong" in worker.classifier.classes
        assert worker.counts.labels["refused"] == 1
        service.control(rollback(12, 13))
        drain(worker)
        assert "wrong" not in worker.classifier.classes
        service.tell(label("other", truth="maybe"))
        teach(service, 5, 20, (), worker)
        assert worker.classifier.classes[2] == "maybe"
        assert sha256(worker) == never_had(service, [12], tmp_path, going(tmp_path, "never", **open_ended))


def test_what_a_worker_is_and_what_it_gives_up_stays_when_its_model_goes_back(tmp_path: Path) -> None:
    service = Service(going(tmp_path), partitions=3)
    with running(service) as worker:
        teach(service, 12, 0, (), worker)
        worker._model.decide.shed = "explanations"
        service.control(rollback(3, 5))
        drain(worker)
        assert (worker._model.decide.partitions, worker._model.decide.shed) == (3, "explanations")


def test_a_batch_that_failed_after_the_model_went_back_leaves_nothing_behind(tmp_path: Path) -> None:
    service = Service(going(tmp_path))
    with running(service) as worker:
        teach(service, 20, 0, (), worker)
        service.control(rollback(5, 9))
        with pytest.raises(RuntimeError), failing(worker):
            worker.step(0)
        drain(worker)
    with running(service) as worker:
        teach(service, 20, 0, (), worker)
        assert worker.classifier.learnt == 20
        assert worker.counts.labels == {"joined": 4, "duplicate": 16}


@contextmanager
def failing(worker: Worker) -> Iterator[None]:
    """No batch can be committed."""

    def fail(*arguments: object) -> None:
        raise RuntimeError

    commit, worker._commits.commit = worker._commits.commit, fail  # type: ignore[method-assign]
    try:
        yield
    finally:
        worker._commits.commit = commit  # type: ignore[method-assign]


def test_a_control_record_that_names_itself_and_what_comes_after_it_leaves_out_only_what_was_before(
    tmp_path: Path,
) -> None:
    service = Service(going(tmp_path))
    with running(service) as worker:
        teach(service, 10, 0, (), worker)
        service.control(Control(kind="leave-out", reason="rollback", time=0, first=7, end=99, offsets=[2, 12]))
        drain(worker)
        teach(service, 10, 10, (), worker)
        assert sha256(worker) == never_had(service, [2, 7, 8, 9], tmp_path)


ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("label"), st.integers(0, 2), st.integers(0, 3)),
        st.tuples(st.just("leave out"), st.integers(0, 60), st.integers(1, 25)),
        st.tuples(st.just("source"), st.integers(0, 60), st.integers(0, 2)),
        st.tuples(st.just("restart"), st.booleans(), st.just(0)),
        st.tuples(st.just("poll"), st.integers(1, 7), st.just(0)),
    ),
    max_size=25,
)


@given(ACTS, st.integers(0, 3))
def test_any_history_gives_the_bits_of_a_log_without_what_was_left_out(
    acts: list[tuple[str, int, int]], snapshots_back: int
) -> None:
    with TemporaryDirectory() as directory:
        config = going(Path(directory), state={"snapshot_every": 4, "snapshots_back": snapshots_back})
        service = Service(config)
        left_out: set[int] = set()
        with ExitStack() as stack:
            worker = stack.enter_context(service.worker())
            worker.step(0)
            told = 0
            for act, first, second in [("label", 0, 3), *acts, ("poll", 7, 0)]:
                if act == "label":
                    for event_, label_ in stream(1 + second * 3, told):
                        service.send(event_)
                        service.tell(label_ | ({"source": f"s{first}"} if first else {}))
                    told += 1 + second * 3
                elif act == "restart":
                    stack.close()
                    if first:
                        shutil.rmtree(Path(directory) / "first")
                    worker = stack.enter_context(service.worker())
                elif act == "poll":
                    for _ in range(first):
                        worker.step(0)
                else:
                    left_out |= leave_out(service, first, second, act == "source")
            drain(worker)
            found = sha256(worker)
            assert found == never_had(service, left_out, Path(directory))
        with running(service, going(Path(directory), "fresh", state={"snapshot_every": 4})) as fresh:
            assert sha256(fresh) == found


def leave_out(service: Service, first: int, second: int, by_source: bool) -> set[int]:
    """Write a control record; returns what it leaves out."""
    end = service.broker.stored_partition(Partition(service.topics.feedback, 0)).end
    if not by_source:
        service.control(rollback(first, first + second))
        return set(range(first, min(first + second, end)))
    source = f"s{second}" if second else None
    gone = set(of_source(service, source, first))
    service.control(rollback(first, end, source=source))
    return gone


def test_workers_whose_polls_differ_agree_though_labels_are_late(tmp_path: Path) -> None:
    """Events are decided by the model that learnt what is left out, and their labels come once it went back."""
    few = going(tmp_path, "few", batching={"max_events": 7})
    service = Service(few, partitions=2)
    with service.worker() as one, service.worker(going(tmp_path, "many")) as two:
        drain(one, two)
        events, labels = zip(*stream(200, subjects=20), strict=True)
        for i, happened in enumerate(events):
            service.send(happened)
            if i % 5 == 0:
                one.step(0)
                two.step(0)
            if i >= 20:
                service.tell(labels[i - 20])
            if i == 120:
                drain(one, two)
                service.control(rollback(10, 95))
        drain(one, two)
        assert one.counts.scored_anew == two.counts.scored_anew > 0
        assert sha256(one) == sha256(two) == never_had(service, range(10, 95), tmp_path)
