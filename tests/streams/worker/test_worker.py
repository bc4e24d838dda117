from __future__ import annotations

import resource
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from ..support import START, Service, bits, drain, event, label, reason, running, settings, stream, text_settings
from .taught_workers import run_through, taught, worker_that_crashes


def test_headers_pass_through_to_all_that_comes_of_an_event(tmp_path: Path) -> None:
    service = Service(text_settings(tmp_path, abstention={"cold_start": 0, "enabled": True}))
    trace = [("traceparent", b"00-abc"), ("traceparent", b"\xff")]
    with running(service) as worker:
        taught(service, worker)
        service.send({"id": "1", "subject": "u", "time": START, "text": "win prize now"}, headers=trace)
        service.send(b"bad", headers=trace)
        drain(worker)
        [decision] = service.records("decisions")
        assert list(decision.headers) == trace
        assert decision.key == b"u"
        [dead] = service.records("dead-letters")
        assert list(dead.headers[:2]) == trace
        for topic in ("alerts", "review"):
            assert all(list(r.headers) == trace and r.key == b"u" for r in service.records(topic))
        assert service.records("alerts")
        assert worker.counts.alerts == 1


def test_an_event_sent_twice_is_decided_once(service: Service) -> None:
    with running(service) as worker:
        service.send(event("e"), event("e"))
        drain(worker)
        service.send(event("e"))
        drain(worker)
        assert len(service.decisions) == 1
        assert worker.counts.duplicates == 2
    with running(service) as worker:
        service.send(event("e"))
        drain(worker)
        assert worker.counts.duplicates == 1
    assert len(service.decisions) == 1


@pytest.mark.parametrize("rebuilt", [False, True])
def test_an_event_sent_again_after_its_schema_has_changed_is_no_other_event(service: Service, rebuilt: bool) -> None:
    sent = event("e")
    with running(service) as worker:
        service.send(sent)
        drain(worker)
    if rebuilt:
        shutil.rmtree(service.settings.state.directory)
    changed = settings(service.settings.state.directory, schema={"features": [{"name": "b", "required": False}]})
    with running(service, changed) as worker:
        service.send(sent, event("e", b=9.0))
        drain(worker)
        assert worker.counts.duplicates == 1
        assert [kind for kind, _ in service.dead_letters] == ["id-taken"]
    assert len(service.decisions) == 1


def test_an_id_that_is_taken_is_a_dead_letter(service: Service) -> None:
    with running(service) as worker:
        service.send(event("e"), event("e", a=9.0))
        drain(worker)
        service.send(event("e", a=8.0))
        drain(worker)
        assert [kind for kind, _ in service.dead_letters] == ["id-taken", "id-taken"]
        assert [d["event"] for d in service.decisions] == ["e"]
        assert worker.counts.dead_letters == {"id-taken": 2}


def test_the_same_numbers_in_other_words_are_the_same_event(service: Service) -> None:
    with running(service) as worker:
        service.send(b'{"id": "e", "subject": "s", "time": %d, "features": {"a": 1, "b": 0.1}}' % START)
        drain(worker)
        service.send(b'{"features": {"b": 1e-1, "a": 1.0}, "time": "2023-11-14T22:13:20Z", "subject": "s", "id": "e"}')
        drain(worker)
        assert worker.counts.duplicates == 1
        assert not service.dead_letters


def test_dead_letters_hold_the_bytes_and_the_place_they_came_from(service: Service) -> None:
    values = [b"\xff\xfe", b"", b"{}", orjson.dumps(event("e", time="never")), orjson.dumps(event("")), b"[" * 999]
    with running(service) as worker:
        service.send(*values, None)
        drain(worker)
        dead = service.records("dead-letters")
        assert [r.value for r in dead] == [*values, b""]
        assert [reason(r, "offset") for r in dead] == [str(i) for i in range(7)]
        assert {reason(r, "topic") for r in dead} == {"events"}
        assert all(reason(r, "message") for r in dead)
        assert sum(worker.counts.dead_letters.values()) == 7


def test_many_bad_records_take_no_good_one_with_them(service: Service) -> None:
    good = [raw for raw, _ in stream(100)]
    bad = [b"{", b"\xff", b'{"a": NaN}', orjson.dumps({"text": "x" * 900_000}), b'{"x":' + b"[" * 50 + b"]" * 50 + b"}"]
    with running(service) as worker:
        for i, raw in enumerate(good):
            service.send(raw)
            if i % 10 == 0:
                service.send(bad[i // 10 % 5])
        drain(worker)
        assert [d["event"] for d in service.decisions] == [f"e{i}" for i in range(100)]
        assert len(service.dead_letters) == 10


def test_the_clock_dates_decisions_and_telemetry(service: Service) -> None:
    with running(service) as worker:
        service.clock.move(60)
        service.send(event("e"))
        drain(worker)
        assert service.decisions[0]["decided_at"] == START + 60_000
        told = service.values("telemetry")
        assert [t["time"] for t in told] == [START, START + 60_000]
        worker.step(0)
        assert len(service.values("telemetry")) == 2


def test_a_restart_goes_on_with_the_same_model_from_its_snapshot(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    run_through(service, 60)
    directory = service.settings.state.directory / "test" / "snapshot"
    assert (directory / "manifest.json").exists()
    with service.worker() as worker:
        folded = worker.counts.feedback
        resumed, offset = bits(worker), worker.classifier.feedback_offset
        drain(worker)
    assert folded == 0
    assert offset == 60
    shutil.rmtree(directory)
    with service.worker() as worker:
        assert worker.counts.feedback == 60
        assert bits(worker) == resumed


def damage_arrays(directory: Path) -> None:
    path = directory / "arrays.npz"
    path.write_bytes(path.read_bytes()[:200])


def damage_manifest(directory: Path) -> None:
    (directory / "manifest.json").write_bytes(b"{")


def lose_arrays(directory: Path) -> None:
    (directory / "arrays.npz").unlink()


def lose_one_array(directory: Path) -> None:
    """A snapshot that reads well and turns out not to fit when it is taken over by half."""

    with np.load(directory / "arrays.npz") as file:
        arrays = {name: file[name] for name in file.files}
    last = [name for name in arrays if name.startswith("expert.linear/")][-1]
    del arrays[last]
    with (directory / "arrays.npz").open("wb") as file:
        np.savez(file, **arrays)


def change_one_number(directory: Path) -> None:
    """A snapshot that reads well and fits, and is that of no model."""
    with np.load(directory / "arrays.npz") as file:
        arrays = {name: file[name].copy() for name in file.files}
    weights = next(array for name, array in arrays.items() if name.startswith("expert.linear/") and array.ndim > 1)
    weights.flat[0] += 1e-9
    with (directory / "arrays.npz").open("wb") as file:
        np.savez(file, **arrays)


def lose_a_key(directory: Path) -> None:
    manifest = orjson.loads((directory / "manifest.json").read_bytes())
    del manifest["history"]
    (directory / "manifest.json").write_bytes(orjson.dumps(manifest))


def of_another_config(directory: Path) -> None:
    manifest = orjson.loads((directory / "manifest.json").read_bytes())
    (directory / "manifest.json").write_bytes(orjson.dumps({**manifest, "config": "0" * 16}))


@pytest.mark.parametrize(
    "damage",
    [damage_arrays, damage_manifest, lose_arrays, lose_one_array, change_one_number, lose_a_key, of_another_config],
    ids=lambda f: f.__name__,
)
def test_a_damaged_snapshot_changes_nothing(service: Service, damage: Any, caplog: pytest.LogCaptureFixture) -> None:
    run_through(service, 60)
    with running(service) as worker:
        expected = bits(worker)
    damage(service.settings.state.directory / "test" / "snapshot")
    with running(service) as worker:
        assert "snapshot is not used" in caplog.text
        assert bits(worker) == expected
        assert worker.classifier.feedback_offset == worker.classifier.learnt == 60


def test_a_snapshot_ahead_of_the_log_is_of_another_log(service: Service) -> None:
    run_through(service, 60)
    shutil.rmtree(service.settings.state.directory / "test" / "lmdb")
    anew = Service(service.settings)
    run_through(anew, 20)
    with running(anew) as worker:
        assert worker.classifier.feedback_offset == 20


def test_snapshots_are_written_as_often_as_asked(tmp_path: Path) -> None:
    service = Service(settings(tmp_path, state={"directory": tmp_path, "snapshot_every": 10}))
    worker = service.worker()
    with worker_that_crashes(worker):
        for raw, truth in stream(25):
            service.send(raw)
            service.tell(truth)
            worker.step(0)
        drain(worker)
        manifest = orjson.loads((tmp_path / "test" / "snapshot" / "manifest.json").read_bytes())
        assert manifest["learnt"] == 20
    with service.worker() as worker:
        assert worker.classifier.learnt == 25
        assert worker.counts.feedback == 5


def test_a_lost_state_is_read_back_from_the_logs(service: Service) -> None:
    with running(service) as worker:
        service.send(*[raw for raw, _ in stream(30)])
        service.tell(*[truth for _, truth in stream(10)])
        drain(worker)
    shutil.rmtree(service.settings.state.directory)
    with running(service) as worker:
        assert worker.counts.rebuilt == 30
        assert worker.counts.events == 0
        service.tell(*[truth for _, truth in stream(30)])
        drain(worker)
        taught = service.feedback
        assert [f["event"]["id"] for f in taught] == [f"e{i}" for i in range(30)]
        decisions = {d["event"]: d for d in service.decisions}
        assert all(f["decision"] == {**decisions[f["event"]["id"]], "explanation": None} for f in taught)
        service.send(event("e3", a=99.0), *[raw for raw, _ in stream(30)])
        drain(worker)
        assert worker.counts.duplicates == 30
        assert [kind for kind, _ in service.dead_letters] == ["id-taken"]
    assert len(service.decisions) == 30


def test_logs_made_anew_begin_the_state_anew(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    run_through(service, 40)
    anew = Service(service.settings)
    with running(anew) as worker:
        assert "begun anew" in caplog.text
        assert worker.classifier.learnt == 0
        anew.send(event("e1"))
        anew.tell(label("e1"))
        drain(worker)
        assert [d["event"] for d in anew.decisions] == ["e1"]
        assert worker.classifier.learnt == 1


@pytest.mark.parametrize("lost", ["nothing", "lmdb"])
def test_a_feedback_topic_that_was_made_anew_and_has_grown_past_the_old_position_is_noticed(
    service: Service, caplog: pytest.LogCaptureFixture, lost: str
) -> None:
    """With the state lost as well, the snapshot alone must tell."""
    run_through(service, 40)
    shutil.rmtree(service.settings.state.directory / "test" / lost, ignore_errors=True)
    feedback = [record.value for record in service.records("feedback")]
    service.broker.delete("feedback")
    service.broker.create("feedback")
    for value in reversed(feedback * 2):
        service.broker.append("feedback", None, value, ())
    with running(service) as worker:
        assert "feedback" in caplog.text
        assert "deleted and made anew" in caplog.text
        assert worker.classifier.learnt == worker.counts.feedback == 80
        assert not worker.counts.lost
        anew = bits(worker)
    fresh = settings(service.settings.state.directory / "fresh")
    with running(service, fresh) as worker:
        assert bits(worker) == anew


def test_an_expired_group_offset_does_not_decide_all_anew(service: Service) -> None:
    with running(service) as worker:
        service.send(*[raw for raw, _ in stream(20)])
        drain(worker)
    service.broker._groups.clear()
    with running(service) as worker:
        assert worker.counts.events == worker.counts.duplicates == 0
        service.send(event("new"))
        drain(worker)
        assert worker.counts.events == 1


def test_a_partition_goes_on_where_another_worker_left_it(tmp_path: Path) -> None:
    service = Service(settings(tmp_path / "first"), partitions=4)
    events, labels = zip(*stream(80, subjects=40), strict=True)
    with service.worker(settings(tmp_path / "second")) as two:
        with service.worker() as one:
            drain(one, two)
            service.send(*events[:60])
            drain(one, two)
        service.send(*events[60:])
        drain(two)
        service.tell(*labels)
        drain(two)
    assert sorted(d["event"] for d in service.decisions) == sorted(e["id"] for e in events)
    assert sorted(f["event"]["id"] for f in service.feedback) == sorted(e["id"] for e in events)
    assert all(f["decision"] for f in service.feedback)


def test_workers_at_one_offset_hold_the_same_model(tmp_path: Path) -> None:
    service = Service(settings(tmp_path / "first", batching={"max_events": 16}), partitions=4)
    with service.worker() as one, service.worker(settings(tmp_path / "second", batching={"max_events": 5})) as two:
        for i, (raw, truth) in enumerate(stream(150, subjects=20)):
            service.send(raw)
            service.tell(truth)
            one.step(0)
            if i % 7 == 0:
                two.step(0)
        drain(one, two)
        assert one.classifier.feedback_offset == two.classifier.feedback_offset == 150
        assert bits(one) == bits(two)


def test_a_disk_that_is_full_while_a_snapshot_is_written_ends_no_worker(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    run_through(service, 20)
    snapshot = service.settings.state.directory / "test" / "snapshot"
    before = {file.name: file.read_bytes() for file in snapshot.iterdir()}
    with running(service) as worker:
        for raw, truth in stream(10, start=20):
            service.send(raw)
            service.tell(truth)
        drain(worker)
        largest = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, largest[1]))  # a write beyond it fails as on a full disk
        try:
            worker._model.save_snapshot()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, largest)
        assert "no snapshot was written" in caplog.text
        assert {file.name: file.read_bytes() for file in snapshot.iterdir()} == before
    with running(service) as worker:
        assert worker.classifier.learnt == 30


@pytest.mark.parametrize("now", [-1, -(2**63), 0])
def test_a_clock_before_1970_ends_no_worker(tmp_path: Path, now: int) -> None:
    service = Service(settings(tmp_path))
    with running(service) as worker:
        service.clock.now = now
        service.send(event("e0"), event("e1"))
        service.tell(label("e0"), label("late"))
        drain(worker)
        assert len(service.feedback) == 1
        service.clock.now = START  # somebody has set it
        drain(worker)
        service.send(event("late"), event("e1"))
        drain(worker)
        assert [d["event"] for d in service.decisions] == ["e0", "e1", "late"]
        assert not {kind for kind, _ in service.dead_letters} - {"unknown-event"}
