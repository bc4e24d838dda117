"""Workers at one feedback offset hold one model, and can show it: by the digest of a snapshot at that offset."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from typer.testing import CliRunner, Result

from tocsin.config.settings import Settings
from tocsin.models.data import snapshot
from tocsin.streams.cli.app import app
from tocsin.streams.transport.base import Record
from tocsin.streams.worker.worker import Worker

from ..support import Service, drain, running, settings, stream
from .taught_workers import run_through, worker_that_crashes

EXPERTS: list[dict[str, Any]] = [
    {"kind": "linear"},
    {"kind": "persistence", "by": "subject"},
    {"kind": "tree", "grace_period": 10},
    {"kind": "forest", "name": "forest", "trees": 3},
    {"kind": "neighbours", "name": "nearest", "window": 50},
    {"kind": "naive-bayes", "name": "bayes"},
    {"kind": "logistic"},
    {"kind": "moving-averages"},
    {"kind": "seasonal"},
]
TEXT_EXPERTS: list[dict[str, Any]] = [
    {"kind": "ss3", "name": "ss3"},
    {"kind": "linear-text", "name": "words"},
    {"kind": "stack"},
]


def all_kinds(directory: Path, **changes: Any) -> Settings:
    """A service with experts of many kinds, of which only the batches and the directory differ between workers."""
    schema = {"features": [{"name": "a"}, {"name": "b", "required": False}], "text": "text"}
    return settings(directory, **{"schema": schema, "experts": EXPERTS + TEXT_EXPERTS, **changes})


def tocsin_model(config: Settings, *arguments: str) -> Result:
    """`tocsin model` with a config file for the state of these settings."""
    path = config.state.directory / "config.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    tree = {"name": config.name, "schema": {"features": [{"name": "a"}]}, "state": {"directory": str(path.parent)}}
    path.write_text(yaml.safe_dump(tree))
    return CliRunner().invoke(app, ["model", str(path), *arguments])


def told_by(config: Settings) -> dict[str, Any]:
    """What `tocsin model CONFIG --report json` prints."""
    result = tocsin_model(config, "--report", "json")
    assert result.exit_code == 0, result.stderr
    told: dict[str, Any] = json.loads(result.stdout)
    return told


def manifest_of(config: Settings) -> dict[str, Any]:
    manifest: dict[str, Any] = orjson.loads((config.state.directory / "test/snapshot/manifest.json").read_bytes())
    return manifest


def texts(n: int, start: int = 0) -> Any:
    for event, label in stream(n, start):
        words = "win a prize now" if label["label"] == "yes" else "see you at lunch"
        yield {**event, "text": f"{words} {event['id']}"}, label


def test_workers_that_polled_and_restarted_differently_show_one_digest(tmp_path: Path) -> None:
    """One polls much at once, one little and with a restart in between, and one folds all of it at its start."""
    first = all_kinds(tmp_path / "first", batching={"max_events": 100})
    second = all_kinds(tmp_path / "second", batching={"max_events": 3})
    third = all_kinds(tmp_path / "third")
    service = Service(first)
    with service.worker(first) as one:
        with service.worker(second) as two:
            for event, label in texts(70):
                service.send(event)
                service.tell(label)
                two.step(0)
            drain(two, one)
        with service.worker(second) as two:
            for i, (event, label) in enumerate(texts(61, start=70)):
                service.send(event)
                service.tell(label)
                (one if i % 9 == 0 else two).step(0)
            drain(one, two)
    with service.worker(third):
        pass
    told = [told_by(config) for config in (first, second, third)]
    assert told[0] == told[1] == told[2]
    assert set(told[0]) == {"feedback_offset", "learnt", "config", "sha256", "left_out"}
    assert (told[0]["feedback_offset"], told[0]["learnt"]) == (131, 131)
    assert told[0]["config"] == first.model.digest()


def with_snapshots(directory: Path, most: int, every: int = 20) -> Settings:
    state = {"directory": directory, "max_bytes": 64 * 1024 * 1024, "snapshot_every": every}
    return settings(directory, state=state, batching={"max_events": most})


def taken(worker: Worker) -> tuple[int, str]:
    assert worker._model.snapshot is not None
    return tuple(worker._model.snapshot)


def test_snapshots_of_workers_that_polled_differently_can_be_compared(tmp_path: Path) -> None:
    """Each wrote one when it had learnt enough since its last one: at offsets that no other worker ever had."""
    service = Service(with_snapshots(tmp_path / "first", 7))
    seen: list[dict[int, str]] = [{}, {}]
    with service.worker() as one, service.worker(with_snapshots(tmp_path / "second", 64)) as two:
        for i, (event, label) in enumerate(stream(130)):
            service.send(event)
            service.tell(label)
            for worker, offsets in zip((one, two), seen, strict=True):
                if worker is one or i % 13 == 0:
                    worker.step(0)
                if worker._model.snapshot is not None:
                    offsets.update([taken(worker)])
        drain(one, two)
        assert one.classifier.feedback_offset == two.classifier.feedback_offset == 130
        for worker, offsets in zip((one, two), seen, strict=True):
            offsets.update([taken(worker)])
        assert set(seen[0]) == {20, 40, 60, 80, 100, 120}
        assert len(set(seen[0]) & set(seen[1])) > 1
        assert taken(one) == taken(two)
        assert all(seen[0][offset] == sha256 for offset, sha256 in seen[1].items())
        manifest = manifest_of(service.settings)
        assert (manifest["feedback_offset"], manifest["learnt"], manifest["sha256"]) == (120, 120, seen[0][120])


def test_a_worker_that_starts_late_has_the_snapshot_of_those_that_run(tmp_path: Path) -> None:
    service = Service(with_snapshots(tmp_path / "first", 7))
    with service.worker() as one:
        for event, label in stream(95):
            service.send(event)
            service.tell(label)
            one.step(0)
        drain(one)
        late = service.worker(with_snapshots(tmp_path / "late", 50))
        with worker_that_crashes(late):
            assert taken(late) == taken(one)
            assert taken(late)[0] == 80


def feedback_of(tmp_path: Path, n: int) -> list[Record]:
    service = Service(settings(tmp_path / "taught"))
    run_through(service, n)
    return service.records("feedback")


@pytest.mark.parametrize("gap", [{19}, {20}, {18, 19}, {19, 20, 21}, {39, 19, 40}])
def test_offsets_without_a_record_move_no_snapshot(tmp_path: Path, gap: set[int]) -> None:
    """The marks of transactions take offsets of the log, and one may stand where a snapshot is due."""
    records = [record for record in feedback_of(tmp_path, 60) if record.offset not in gap]
    found: list[list[tuple[int, str]]] = []
    for number, size in enumerate((1, 7, 60)):
        worker = Service(with_snapshots(tmp_path / f"w{number}", 10)).worker()
        seen: dict[int, str] = {}
        with worker_that_crashes(worker):
            for start in range(0, len(records), size):
                with worker._state.transaction() as transaction:
                    worker._model.fold(records[start : start + size], transaction)
                if worker._model.snapshot is not None:
                    seen.update([taken(worker)])
        found.append(sorted(seen.items()))
    assert [offset for offset, _ in found[0]] == [20, 40, 60]
    assert set(found[1]) <= set(found[0])
    assert found[2] == found[0][-1:]


def test_records_that_are_read_again_write_no_snapshot_of_another_offset(tmp_path: Path) -> None:
    records = feedback_of(tmp_path, 50)
    worker = Service(with_snapshots(tmp_path / "w", 10)).worker()
    with worker_that_crashes(worker):
        for part in (records[:50], records[10:30], records[15:50]):
            with worker._state.transaction() as transaction:
                worker._model.fold(part, transaction)
        assert worker.classifier.feedback_offset == worker.classifier.learnt == 50
        assert taken(worker)[0] == 40


def test_telemetry_tells_the_digest_of_the_last_snapshot(tmp_path: Path) -> None:
    service = Service(with_snapshots(tmp_path, 7))
    with running(service) as worker:
        assert service.values("telemetry")[-1]["snapshot_offset"] is None
        for event, label in stream(45):
            service.send(event)
            service.tell(label)
            worker.step(0)
        drain(worker)
        service.clock.move(2)
        worker.step(0)
        told = service.values("telemetry")[-1]
        assert (told["snapshot_offset"], told["snapshot_sha256"]) == taken(worker)
        assert told["snapshot_offset"] == 40
    told = service.values("telemetry")[-1]
    assert told["snapshot_offset"] == 45
    assert told["snapshot_sha256"] == told_by(service.settings)["sha256"]
    with running(service):  # it goes on from that snapshot, and tells it
        assert service.values("telemetry")[-1]["snapshot_sha256"] == told["snapshot_sha256"]


def test_a_clean_stop_leaves_a_snapshot_where_nothing_was_learnt(tmp_path: Path) -> None:
    config = settings(tmp_path, classes=[])
    service = Service(config)
    with running(service):
        pass
    empty = told_by(config)
    assert (empty["feedback_offset"], empty["learnt"]) == (0, 0)
    shutil.rmtree(tmp_path / "test" / "snapshot")
    with running(service):
        pass
    assert told_by(config) == empty
    run_through(service, 20)
    told = told_by(config)
    assert told["learnt"] == 20
    with running(service):
        shutil.rmtree(tmp_path / "test" / "snapshot")  # somebody tidies up
    assert told_by(config) == told


def test_the_digest_is_that_of_the_arrays_and_of_nothing_else(tmp_path: Path) -> None:
    service = Service(settings(tmp_path))
    run_through(service, 20)
    manifest, arrays = snapshot.read(tmp_path / "test" / "snapshot")
    told = told_by(service.settings)
    assert told["sha256"] == manifest["sha256"] == snapshot.digest(dict(reversed(arrays.items())))
    del manifest["sha256"]  # as earlier releases wrote it
    (tmp_path / "test/snapshot/manifest.json").write_bytes(orjson.dumps(manifest))
    assert told_by(service.settings) == told
    with service.worker() as worker:
        assert worker.counts.feedback == 0
        assert worker.classifier.learnt == 20


def no_snapshot(directory: Path) -> None:
    shutil.rmtree(directory)


def no_arrays(directory: Path) -> None:
    (directory / "arrays.npz").unlink()


def half_the_arrays(directory: Path) -> None:
    path = directory / "arrays.npz"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def other_arrays(directory: Path) -> None:
    manifest, arrays = snapshot.read(directory)
    snapshot.write(directory, manifest, {**arrays, "subjects": arrays["subjects"][:-1]})
    (directory / "manifest.json").write_bytes(orjson.dumps(manifest))


def no_offset(directory: Path) -> None:
    manifest = orjson.loads((directory / "manifest.json").read_bytes())
    (directory / "manifest.json").write_bytes(orjson.dumps({**manifest, "feedback_offset": "9", "learnt": None}))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (no_snapshot, ["no snapshot"]),
        (no_arrays, ["no snapshot", "arrays.npz"]),
        (half_the_arrays, ["no snapshot"]),
        (other_arrays, ["damaged", "SHA-256"]),
        (no_offset, ["damaged", "feedback_offset", "learnt"]),
    ],
)
def test_a_missing_or_damaged_snapshot_is_one_clear_error(
    tmp_path: Path, damage: Any, words: Sequence[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tocsin.streams.cli.commands.model._PAUSE_SECONDS", 0.0)
    service = Service(settings(tmp_path))
    run_through(service, 5)
    damage(tmp_path / "test" / "snapshot")
    for arguments in ((), ("--report", "json")):
        result = tocsin_model(service.settings, *arguments)
        assert result.exit_code == 1
        assert not result.stdout
        assert len(result.stderr.splitlines()) == 1
        assert all(word in result.stderr for word in [*words, str(tmp_path / "test" / "snapshot")])


def test_a_snapshot_that_is_replaced_while_it_is_read_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that runs puts a new one in its place: for a moment there is none."""
    service = Service(settings(tmp_path))
    run_through(service, 5)
    there, away = tmp_path / "test" / "snapshot", tmp_path / "test" / ".snapshot.new"
    there.rename(away)
    monkeypatch.setattr("tocsin.streams.cli.commands.model.time.sleep", lambda seconds: away.rename(there))
    assert told_by(service.settings)["learnt"] == 5


def test_words_tell_the_same_and_whether_the_model_is_of_this_config(tmp_path: Path) -> None:
    service = Service(settings(tmp_path, name="test"))
    run_through(service, 5)
    told = told_by(service.settings)
    words = tocsin_model(service.settings).stdout
    for part in (told["sha256"], told["config"], "5 feedback records", "not that of this config"):
        assert part in words
