"""Does a refactoring change a decision?

    python benchmarks/same_decisions.py record OUTDIR [--only GLOB ...] [--weibo PATH]
    python benchmarks/same_decisions.py compare BEFORE AFTER [--only GLOB ...]

`record` replays streams through the whole service, as `tocsin replay --in-process` does, with whatever version of
Tocsin is installed, and writes three files a stream:

- `NAME.decisions.jsonl.gz`: every record of the decisions topic, byte for byte;
- `NAME.alerts.jsonl.gz`: the same of the alerts and review topics, in the order in which they were sent;
- `NAME.model.json`: dtype, shape and SHA-256 of every array of the last model's snapshot, and how much it had learnt.

`compare` says of every stream what differs between two such folders, and ends with status 0 only where nothing does.
Records must agree in all keys but the hash of the config, floats to the bit. Arrays may change their names, not what
they hold. A key that was given a new name stands in `RENAMED`.

The worker's clock follows the events' times, so that nothing depends on when a recording is made. Both recordings must
be made on one machine: numpy and torch may compute other bits on another.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import importlib
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from fnmatch import fnmatch
from itertools import zip_longest
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import orjson
import torch
from parts.data import MissingDataError, data_file
from parts.same_streams import START, Post, Stream, streams

from tocsin.config import Settings

RENAMED: dict[str, str] = {}
"""Keys of records that have a new name: {old: new}."""
RENAMED_VALUES: dict[tuple[str, str], str] = {("explanation.alert.policy", "spread"): "peer-baseline"}
"""Values of records that have a new name: {(place, old): new}."""
IGNORED = ("model.config", "model.settings", "decision.model.config", "decision.model.settings")
"""What may differ: the digests of the config change with settings that change no decision."""
SHOWN = 5
"""How many differences are told of each file."""


# What depends on the version


class Tocsin:
    """All that is used of Tocsin's inside; where modules and names move, this follows."""

    def __init__(self) -> None:
        self.in_process = self._module("tocsin.streams.replay.in_process")
        self.source = self._module("tocsin.streams.replay.source")
        self.past_event = self._module("tocsin.streams.replay.past_event", "tocsin.streams.replay.source")

    @staticmethod
    def _module(*names: str) -> Any:
        """The first of these modules that there is."""
        for name in names[:-1]:
            try:
                return importlib.import_module(name)
            except ModuleNotFoundError:
                continue
        return importlib.import_module(names[-1])

    def rows(self, stream: Stream, settings: Settings) -> Iterable[Any]:
        """The rows of a stream, as `tocsin replay` would read them."""
        if isinstance(stream.source, Path):
            read = getattr(self.source, "read_source", None) or self.source.rows
            rows: Iterable[Any] = read(settings, str(stream.source), lambda: None)
            return rows
        return map(self._row, stream.source())

    def _row(self, post: Post) -> Any:
        event = {"id": post.identity, "subject": post.subject, "time": post.time, **post.body}
        kind = getattr(self.past_event, "PastEvent", None) or self.past_event.Row
        return kind(post.identity, post.subject, post.time, orjson.dumps(event), post.label)

    def replay(self, stream: Stream, settings: Settings, watch: Watch) -> None:
        """Replay a stream in process; `watch` is told of it."""
        module = self.in_process
        open_worker = module.Worker
        with ExitStack() as patches:
            worker = patch.object(module, "Worker", lambda *given: watch.open_worker(open_worker, *given))
            patches.enter_context(worker)
            if stream.by_subject:
                patches.enter_context(patch.object(module, "label_record", _subject_label))
            module.InProcess(settings, stream.delay).run(watch.rows(self.rows(stream, settings)))

    @staticmethod
    def watch_log(log: Any, sent: Callable[[str, bytes], None], quiet: Callable[[], bool]) -> Any:
        """The log, which tells `sent` what is sent to it and has nothing to read while it is `quiet`."""
        name = next(name for name in ("produce", "emit") if hasattr(log, name))
        send, poll = getattr(log, name), log.poll

        def watched_send(topic: str, key: bytes | None, value: bytes, *rest: Any, **named: Any) -> None:
            send(topic, key, value, *rest, **named)
            sent(topic, value)

        setattr(log, name, watched_send)
        log.poll = lambda *given, **named: [] if quiet() else poll(*given, **named)
        return log


TOCSIN = Tocsin()


def _subject_label(_: Settings, row: Any) -> bytes:
    """The label of a row as one that speaks of its subject."""
    return orjson.dumps({"subject": row.subject, "label": row.label, "time": row.time})


class Watch:
    """Has a worker's clock follow the events' times, and keeps what the worker sends."""

    def __init__(self, files: Mapping[str, gzip.GzipFile], every: int) -> None:
        """`files` by topic; the worker polls only after `every` rows, and then decides as many at once."""
        self._files = files
        self._every = every
        self._rows = 0
        self._now = START
        self.sent: Counter[str] = Counter()
        self.worker: Any = None

    def rows(self, rows: Iterable[Any]) -> Iterator[Any]:
        for row in rows:
            self._now = row.time if self._rows == 0 else max(self._now, row.time)
            self._rows += 1
            yield row

    def open_worker(self, make: Callable[..., Any], settings: Settings, open_log: Callable[..., Any]) -> Any:
        def open_watched(*given: Any, **named: Any) -> Any:
            return TOCSIN.watch_log(open_log(*given, **named), self._keep, lambda: self._rows % self._every != 0)

        self.worker = make(settings, open_watched, lambda: self._now)
        return self.worker

    def _keep(self, topic: str, value: bytes) -> None:
        self.sent[topic] += 1
        if topic in self._files:
            self._files[topic].write(value + b"\n")


# Record


def record(directory: Path, stream: Stream) -> Counter[str]:
    """Replay one stream and write its files; returns how many records went to each topic."""
    settings = stream.settings()
    # The clock moves by whole events: telemetry, which is not compared, need not be told at each.
    settings = settings.model_copy(update={"monitor": settings.monitor.model_copy(update={"interval_seconds": 600.0})})
    topics = settings.topics
    with ExitStack() as files:
        decisions = files.enter_context(zipped(directory / f"{stream.name}.decisions.jsonl.gz"))
        alerts = files.enter_context(zipped(directory / f"{stream.name}.alerts.jsonl.gz"))
        kept = {topics.decisions: decisions, topics.alerts: alerts, topics.review: alerts}
        watch = Watch(kept, stream.every)
        TOCSIN.replay(stream, settings, watch)
    model = orjson.dumps(described(watch.worker.classifier), option=orjson.OPT_INDENT_2)
    (directory / f"{stream.name}.model.json").write_bytes(model)
    return watch.sent


def zipped(path: Path) -> gzip.GzipFile:
    """A file to write to whose bytes depend on nothing but its contents."""
    return gzip.GzipFile(path, "wb", compresslevel=4, mtime=0)


def described(classifier: Any) -> dict[str, Any]:
    """What a classifier holds: of every array its dtype, shape and SHA-256."""
    with tempfile.TemporaryDirectory(prefix="tocsin-same-") as home:
        directory = Path(home) / "model"
        classifier.save(directory)
        manifest = orjson.loads((directory / "manifest.json").read_bytes())
        with np.load(directory / "arrays.npz", allow_pickle=False) as file:
            arrays = {name: _array(file[name]) for name in sorted(file.files)}
    return {"feedback_offset": manifest["feedback_offset"], "learnt": manifest["learnt"], "arrays": arrays}


def _array(array: np.ndarray[Any, Any]) -> dict[str, Any]:
    digest = hashlib.sha256(array.tobytes()).hexdigest()
    return {"dtype": array.dtype.str, "shape": list(array.shape), "sha256": digest}


# Compare


def differences(before: Any, after: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """The keys in which two values differ, and how."""
    if path in IGNORED:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        old, new = ({RENAMED.get(key, key): value for key, value in side.items()} for side in (before, after))
        for key in {**old, **new}:
            where = f"{path}.{key}".removeprefix(".")
            if where in IGNORED:
                continue
            if key not in old or key not in new:
                yield where, "only after" if key in new else "only before"
            else:
                yield from differences(old[key], new[key], where)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for i, (old, new) in enumerate(zip(before, after, strict=True)):
            yield from differences(old, new, f"{path}[{i}]")
    elif isinstance(before, str) and RENAMED_VALUES.get((path, before), before) == after:
        return
    elif type(before) is not type(after) or repr(before) != repr(after):  # a float's repr has all its bits
        yield path, f"{before!r:.80} became {after!r:.80}"


def compare_records(before: Path, after: Path) -> bool:
    """Tell how the records of two files differ; whether they are the same."""
    counts, different = [0, 0], 0
    with gzip.open(before) as old_file, gzip.open(after) as new_file:
        for n, lines in enumerate(zip_longest(old_file, new_file)):
            counts = [count + (line is not None) for count, line in zip(counts, lines, strict=True)]
            if None in lines or lines[0] == lines[1]:
                continue
            old, new = (orjson.loads(line) for line in lines)
            found = list(differences(old, new))
            different += bool(found)
            if found and different <= SHOWN:
                who = new.get("event", new.get("subject"))
                print(f"  {after.name} record {n} (event {who!s:.60}): {len(found)} keys differ")
                for where, how in found[:SHOWN]:
                    print(f"    {where}: {how}")
    same = different == 0 and counts[0] == counts[1]
    told = f"{counts[0]}" if counts[0] == counts[1] else f"{counts[0]} before, {counts[1]} after"
    print(f"  {after.name}: {told} records, {different} differ")
    return same


def compare_models(before: Path, after: Path) -> bool:
    """Tell how two models differ; whether they hold the same, whatever it is called."""
    old, new = (orjson.loads(path.read_bytes()) for path in (before, after))
    same = True
    for name in ("feedback_offset", "learnt"):
        if old[name] != new[name]:
            print(f"  {after.name}: {name}: {old[name]} became {new[name]}")
            same = False
    held = [_by_content(model["arrays"]) for model in (old, new)]
    for side, mine, others in (("before", held[0], held[1]), ("after", held[1], held[0])):
        for (dtype, shape, digest), names in mine.items():
            if len(names) > (twins := len(others.get((dtype, shape, digest), []))):
                same = False
                print(f"  {after.name}: {dtype} {shape} {digest[:12]} only {side}, {len(names) - twins} of {names}")
    print(f"  {after.name}: {len(old['arrays'])} arrays before, {len(new['arrays'])} after, learnt {new['learnt']}")
    return same


def _by_content(arrays: Mapping[str, Mapping[str, Any]]) -> dict[tuple[str, str, str], list[str]]:
    names: dict[tuple[str, str, str], list[str]] = {}
    for name, array in arrays.items():
        names.setdefault((array["dtype"], str(array["shape"]), array["sha256"]), []).append(name)
    return names


def compare(before: Path, after: Path, only: Sequence[str]) -> bool:
    """Tell how two recordings differ; whether they are the same."""
    names = sorted({p.name.removesuffix(".model.json") for d in (before, after) for p in d.glob("*.model.json")})
    chosen = [name for name in names if any(fnmatch(name, pattern) for pattern in only)]
    different = []
    for name in chosen:
        print(name)
        missing = [d for d in (before, after) if not (d / f"{name}.model.json").exists()]
        for directory in missing:
            print(f"  is not in {directory}")
        if missing:
            different.append(name)
            continue
        results = [
            compare_records(before / f"{name}.decisions.jsonl.gz", after / f"{name}.decisions.jsonl.gz"),
            compare_records(before / f"{name}.alerts.jsonl.gz", after / f"{name}.alerts.jsonl.gz"),
            compare_models(before / f"{name}.model.json", after / f"{name}.model.json"),
        ]
        if not all(results):
            different.append(name)
    print(f"\n{len(chosen)} streams compared, {len(different)} differ{': ' if different else ''}{', '.join(different)}")
    return bool(chosen) and not different


def _weibo(given: Path | None) -> Path | None:
    """The threads of Weibo, None where they are neither given nor in the folder of data; a path that is given must be
    there."""
    try:
        return data_file("rumours_weibo.jsonl.xz", given)
    except MissingDataError as error:
        if given is not None:
            raise
        print(f"the streams of Weibo are left out: {error}", flush=True)
        return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command")
    recording, comparing = commands.add_parser("record"), commands.add_parser("compare")
    recording.add_argument("directory", type=Path)
    recording.add_argument("--weibo", type=Path, help="rumours_weibo.jsonl.xz; else in the folder BENCHMARK_DATA")
    comparing.add_argument("before", type=Path)
    comparing.add_argument("after", type=Path)
    for command in (recording, comparing):
        command.add_argument("--only", nargs="+", default=["*"], help="names of streams, as patterns")
    given = parser.parse_args()
    if given.command is None:  # as `make bench` runs it: there is nothing to compare
        parser.print_help()
        return
    if given.command == "compare":
        raise SystemExit(0 if compare(given.before, given.after, given.only) else 1)
    torch.set_num_threads(1)  # as the service runs
    given.directory.mkdir(parents=True, exist_ok=True)
    for stream in streams(_weibo(given.weibo)):
        if any(fnmatch(stream.name, pattern) for pattern in given.only):
            started = time.perf_counter()
            sent = record(given.directory, stream)
            told = ", ".join(f"{count} {topic}" for topic, count in sorted(sent.items()))
            print(f"{stream.name}: {time.perf_counter() - started:.1f} s, {told}", flush=True)


if __name__ == "__main__":
    main()
