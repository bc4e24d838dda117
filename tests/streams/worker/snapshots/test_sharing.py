"""Snapshots that one worker shares with all: who writes them, who goes on from them, and what may go then."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest
from pydantic import ValidationError

from tocsin.config.settings import Settings
from tocsin.models.data.snapshot import ARRAYS, MANIFEST
from tocsin.streams.transport.base import Partition
from tocsin.streams.wire.kinds.snapshots import SharedSnapshot, SnapshotPointer
from tocsin.streams.worker.learning.learn import FeedbackError
from tocsin.streams.worker.snapshots.store import folder_of
from tocsin.streams.worker.worker import Worker

from ...support import Service, bits, drain, settings, stream

EVERY = 10


def shared(directory: Path, worker: str = "first", **changes: Any) -> Settings:
    """A service whose workers share snapshots, for one worker with a state of its own."""
    state = {
        "directory": directory / worker,
        "max_bytes": 64 * 1024 * 1024,
        "snapshot_every": EVERY,
        "snapshots": str(directory / "store"),
        **changes.pop("state", {}),
    }
    return settings(directory, state=state, **changes)


def trimming(service: Service) -> Callable[[Partition, int, int], int]:
    """What Kafka does for a worker: delete records below an offset, but none as young as an instant."""

    def trim(partition: Partition, before: int, since: int) -> int:
        young = next((r.offset for r in service.records(partition.topic) if r.timestamp >= since), before)
        service.broker.expire(partition, min(before, young))
        return service.broker.stored_partition(partition).first

    return trim


@contextmanager
def working(service: Service, config: Settings) -> Iterator[Worker]:
    worker = Worker(config, service.open, service.clock, ticks=service.clock, trim=trimming(service))
    with worker:
        drain(worker)
        yield worker


def settle(service: Service, *workers: Worker) -> None:
    """Let some intervals pass, with time for what is done in the background."""
    for _ in range(6):
        service.clock.move(2)
        drain(*workers)
        for worker in workers:
            for sharing in worker._sharing.all:
                if (task := sharing._task) is not None:
                    task.exception(timeout=10)


def teach(service: Service, n: int, *workers: Worker, start: int = 0) -> None:
    for event, label in stream(n, start):
        service.send(event)
        service.tell(label)
        drain(*workers)
    settle(service, *workers)


def pointer(service: Service) -> SnapshotPointer:
    """The last one."""
    last = service.records(service.topics.snapshots)[-1]
    found = msgspec.json.decode(last.value or b"", type=SnapshotPointer)
    assert (last.key or b"").decode() == folder_of(found.topic, found.topic_id, found.config)
    return found


def test_one_worker_of_the_group_shares_snapshots_and_points_at_the_newest(tmp_path: Path) -> None:
    service = Service(shared(tmp_path), partitions=2)
    with (
        working(service, shared(tmp_path, "first")) as first,
        working(service, shared(tmp_path, "second")) as second,
    ):
        drain(first, second)
        teach(service, 3 * EVERY + 2, first, second)
        said = pointer(service)
        owner = first if 0 in first._ownership.partitions else second
        assert said.worker == owner.name
        assert said.config == first.classifier.digest
        assert said.kept[0].offset == 3 * EVERY
        assert said.kept[0].sha256 == first._model.snapshot.sha256  # type: ignore[union-attr]
        for kept in said.kept:
            assert {path.name for path in (tmp_path / "store" / kept.place).iterdir()} == {ARRAYS, MANIFEST}
    assert len({r.value for r in service.records(service.topics.snapshots)}) <= 3


def test_a_new_worker_goes_on_from_the_shared_snapshot_with_the_very_bits_of_the_fold(tmp_path: Path) -> None:
    service = Service(shared(tmp_path))
    with working(service, shared(tmp_path)) as worker:
        teach(service, 2 * EVERY + 3, worker)
        folded = bits(worker)
    with working(service, shared(tmp_path, "new")) as new:
        assert bits(new) == folded
        restored = new._model.restored
        assert (restored.snapshot, restored.offset, restored.folded) == ("shared", 2 * EVERY, 3)
        settle(service, new)
    said = orjson.loads(service.records(service.topics.telemetry)[-1].value or b"")
    assert said["restored"]["snapshot"] == "shared"
    assert said["partitions_restored"]["0"]["pending"] == 2 * EVERY + 3


def test_a_damaged_or_missing_snapshot_falls_back_to_the_next_older_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    service = Service(shared(tmp_path))
    with working(service, shared(tmp_path)) as worker:
        for start in range(0, 3 * EVERY, EVERY):
            teach(service, EVERY, worker, start=start)
        folded = bits(worker)
    newest, older, oldest = (tmp_path / "store" / kept.place for kept in pointer(service).kept)
    arrays = (newest / ARRAYS).read_bytes()
    (newest / ARRAYS).write_bytes(arrays[:-200] + bytes(200))
    shutil.rmtree(older)
    with working(service, shared(tmp_path, "new")) as new:
        assert (new._model.restored.snapshot, new._model.restored.offset) == ("shared", EVERY)
        assert bits(new) == folded
    warnings = [r.message for r in caplog.records if "the one before it is tried" in r.message]
    assert len(warnings) == 2
    manifest = orjson.loads((oldest / MANIFEST).read_bytes())
    (oldest / MANIFEST).write_bytes(orjson.dumps({**manifest, "format": 1}))
    with working(service, shared(tmp_path, "third")) as third:
        assert (third._model.restored.snapshot, third._model.restored.folded) == (None, 3 * EVERY)
        assert bits(third) == folded
    assert any("snapshot format 1; this version reads 2" in r.message for r in caplog.records)
    assert not list((tmp_path / "third" / "test").glob(".snapshot*"))


def test_the_newer_of_the_local_and_the_shared_snapshot_is_taken(tmp_path: Path) -> None:
    service = Service(shared(tmp_path))
    with working(service, shared(tmp_path)) as worker:
        teach(service, EVERY + 1, worker)
    with working(service, shared(tmp_path)) as again:  # a clean stop left one of the very end
        assert (again._model.restored.snapshot, again._model.restored.offset) == ("local", EVERY + 1)
    with working(service, shared(tmp_path, "away")) as away:
        assert away._model.restored.snapshot == "shared"
    with working(service, shared(tmp_path)) as worker:
        teach(service, 2 * EVERY, worker, start=EVERY + 1)
    with working(service, shared(tmp_path, "away")) as back:
        assert (back._model.restored.snapshot, back._model.restored.offset) == ("shared", 3 * EVERY)


def test_a_store_that_fails_is_said_and_counted_and_stops_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "store").write_text("a file where the directory should be")
    service = Service(shared(tmp_path))
    with working(service, shared(tmp_path)) as worker:
        teach(service, EVERY + 1, worker)
        assert worker.counts.snapshots_failed == 1
        assert worker.classifier.learnt == EVERY + 1
        assert any("no snapshot was shared" in r.message for r in caplog.records)
        assert service.records(service.topics.snapshots) == []
        (tmp_path / "store").unlink()
        settle(service, worker)
        assert service.records(service.topics.snapshots) == []  # it does not knock at the door all the time
        service.clock.move(60)
        settle(service, worker)
        assert [kept.offset for kept in pointer(service).kept] == [EVERY]


def test_only_so_many_snapshots_are_kept(tmp_path: Path) -> None:
    config = shared(tmp_path, state={"snapshots_kept": 2})
    service = Service(config)
    with working(service, config) as worker:
        for start in range(0, 4 * EVERY, EVERY):
            teach(service, EVERY, worker, start=start)
    kept = pointer(service).kept
    assert [one.offset for one in kept] == [4 * EVERY, 3 * EVERY]
    folder = (tmp_path / "store" / kept[0].place).parent
    assert sorted(path.name for path in folder.iterdir()) == sorted(Path(one.place).name for one in kept)


def test_a_pointer_that_leads_out_of_the_store_is_not_followed(tmp_path: Path) -> None:
    service = Service(shared(tmp_path))
    with working(service, shared(tmp_path)) as worker:
        teach(service, EVERY, worker)
    said = pointer(service)
    [kept] = said.kept
    outside = tmp_path / "outside"
    shutil.copytree(tmp_path / "store" / kept.place, outside)
    forged = msgspec.structs.replace(said, kept=[SharedSnapshot(kept.offset, kept.sha256, "../outside")])
    key = folder_of(said.topic, said.topic_id, said.config).encode()
    service._feeder.produce(service.topics.snapshots, key, msgspec.json.encode(forged))
    with working(service, shared(tmp_path, "new")) as new:
        assert new._model.restored.snapshot is None
        assert new._model.restored.folded == EVERY


# What may go of the feedback


def of_keep(directory: Path, worker: str = "first", keep: int = 5, hours: float = 1.0) -> Settings:
    return shared(directory, worker, feedback={"keep": keep}, bounds={"pending_ttl_hours": hours})


def first_offset(service: Service) -> int:
    return service.broker.stored_partition(Partition(service.topics.feedback, 0)).first


def test_feedback_is_trimmed_below_the_oldest_kept_snapshot_and_no_further(tmp_path: Path) -> None:
    config = of_keep(tmp_path)
    service = Service(config)
    with working(service, config) as worker:
        for start in range(0, 4 * EVERY, EVERY):
            teach(service, EVERY, worker, start=start)
            service.clock.move(26 * 3600)
            assert first_offset(service) <= min(kept.offset for kept in pointer(service).kept)
        teach(service, EVERY, worker, start=4 * EVERY)
        assert [kept.offset for kept in pointer(service).kept] == [50, 40, 30]
        assert first_offset(service) == 30
        folded = bits(worker)
    with working(service, of_keep(tmp_path, "new")) as new:
        assert bits(new) == folded
        assert new._model.restored.snapshot == "shared"
    shutil.rmtree(tmp_path / "store")
    with pytest.raises(FeedbackError, match="begins at offset 30"), working(service, of_keep(tmp_path, "blind")):
        pass


def test_a_damaged_newest_snapshot_does_not_end_a_start_on_a_trimmed_log(tmp_path: Path) -> None:
    config = of_keep(tmp_path)
    service = Service(config)
    with working(service, config) as worker:
        for start in range(0, 5 * EVERY, EVERY):
            teach(service, EVERY, worker, start=start)
            service.clock.move(26 * 3600)
        folded = bits(worker)
    assert first_offset(service) > 0
    (tmp_path / "store" / pointer(service).kept[0].place / ARRAYS).write_bytes(b"nothing")
    with working(service, of_keep(tmp_path, "new")) as new:
        assert new._model.restored.offset == 4 * EVERY
        assert bits(new) == folded


def test_keep_counts_and_young_feedback_always_stays(tmp_path: Path) -> None:
    for name, config in (
        ("much", of_keep(tmp_path / "much", keep=1_000)),
        ("young", of_keep(tmp_path / "young", hours=10_000)),
    ):
        service = Service(config)
        with working(service, config) as worker:
            for start in range(0, 5 * EVERY, EVERY):
                teach(service, EVERY, worker, start=start)
                service.clock.move(26 * 3600)
            assert len(pointer(service).kept) == 3, name
            assert first_offset(service) == 0, name


def test_a_label_of_an_event_that_still_waits_is_known_after_the_trimming(tmp_path: Path) -> None:
    """A worker without a state reads the labels back that are known, and joins none of them a second time."""
    config = of_keep(tmp_path, keep=1)
    service = Service(config)
    with working(service, config) as worker:
        for start in range(0, 4 * EVERY, EVERY):
            teach(service, EVERY, worker, start=start)
            service.clock.move(26 * 3600)
        late = [(event, label) for event, label in stream(EVERY, 4 * EVERY)]
        service.send(*({**event, "time": service.clock()} for event, _ in late))
        service.tell(*(label for _, label in late))
        drain(worker)
        settle(service, worker)
        assert first_offset(service) > 0
    joined = len(service.feedback)
    with working(service, of_keep(tmp_path, "new", keep=1)) as new:
        service.tell(*(label for _, label in late))
        drain(new)
        settle(service, new)
        assert new.counts.labels["duplicate"] == EVERY
    assert len(service.feedback) == joined


def test_feedback_is_never_deleted_where_no_store_keeps_snapshots(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match=r"feedback\.keep: .*state\.snapshots"):
        settings(tmp_path, feedback={"keep": 10})


@pytest.mark.parametrize(
    "place",
    ["s3://key:hunter2@bucket/prefix", "https://h/x?sig=hunter2", "zip://a.zip::ftp://user:hunter2@h/x"],
)
def test_a_secret_in_the_place_of_the_store_is_refused_and_not_repeated(tmp_path: Path, place: str) -> None:
    with pytest.raises(ValidationError) as caught:
        shared(tmp_path, state={"snapshots": place})
    assert "environment of the cloud's own library" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_start_and_restore_are_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    service = Service(shared(tmp_path))
    with working(service, shared(tmp_path)):
        pass
    said = [r.message for r in caplog.records]
    assert any(m.startswith("restored the model in") and "no snapshot and 0 feedback" in m for m in said)
    assert any(m.startswith("restored events-0 in") for m in said)


def test_feedback_is_kept_until_the_snapshots_of_a_shadow_have_learnt_it_too(tmp_path: Path) -> None:
    """A worker that comes later could not fold the shadow's model, and so not decide once it is promoted."""
    changes = {"feedback": {"keep": EVERY}, "bounds": {"pending_ttl_hours": 1e-9}}
    second = shared(tmp_path, seed=5, **changes)
    service = Service(shared(tmp_path, **changes).with_shadow(second))
    with working(service, service.settings) as worker:
        teach(service, EVERY + 2, worker)
        service.clock.move(25 * 3_600)
        beside = worker._models.beside
        assert beside is not None
        teach(service, 4 * EVERY, worker, start=EVERY + 2)
        first_left = service.records("feedback")[0].offset
        assert 0 < first_left <= min(sharing.oldest for sharing in worker._sharing.all)
        folded = beside.second.classifier.to_snapshot()[1]
        choose = {one.config for one in pointers(service)}
        assert choose == {service.settings.model.digest(), second.model.digest()}
    other = shared(tmp_path, "new", **changes).with_shadow(shared(tmp_path, "new", seed=5, **changes))
    with working(service, other) as new:
        beside = new._models.beside
        assert beside is not None
        assert beside.failed is None
        assert beside.second.restored.snapshot == "shared"
        made = beside.second.classifier.to_snapshot()[1]
    assert {name: array.tobytes() for name, array in made.items()} == {n: a.tobytes() for n, a in folded.items()}


def pointers(service: Service) -> list[SnapshotPointer]:
    records = service.records(service.topics.snapshots)
    return [msgspec.json.decode(record.value or b"", type=SnapshotPointer) for record in records]
