"""The whole service beside independent clients, on the embedded broker and on Apache Kafka."""

from __future__ import annotations

import itertools
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
import pytest

from .service import ELECTRICITY, PRESET, Service, electricity, need_kcat, wait_for

GOOD, BAD = 10_000, 1_000

pytestmark = [pytest.mark.acceptance, pytest.mark.broker, pytest.mark.timeout(400, func_only=True)]


@pytest.fixture(scope="session")
def compiled() -> None:
    """Every kernel of the preset compiled and cached: a service that compiles first takes minutes to be ready."""
    arguments = ["replay", str(PRESET), str(ELECTRICITY), "--in-process", "--limit", "1"]
    subprocess.run([sys.executable, "-m", "tocsin.streams.cli", *arguments], check=True, capture_output=True)


@pytest.fixture(params=["bridged", "apache"])
def service(request: pytest.FixtureRequest, compiled: None, tmp_path: Path) -> Iterator[Service]:
    need_kcat()
    service = Service(str(request.getfixturevalue(request.param)), f"t{uuid4().hex[:8]}", tmp_path)
    yield service
    service.end()


def malformed(event: bytes) -> Iterator[bytes]:
    """Seven ways to be no event, for ever."""
    good = orjson.loads(event)
    features = good["features"]
    for n in itertools.count():
        here = {**good, "id": f"bad{n}"}
        yield orjson.dumps(here)[:-7]
        yield orjson.dumps({**here, "features": {**features, "nswprice": "high"}})
        yield orjson.dumps({key: value for key, value in here.items() if key != "subject"})
        yield orjson.dumps(here).replace(b'"nswdemand":', b'"nswdemand":NaN,"x":')
        # 900 KB each: a few tell as much as many.
        yield orjson.dumps({**here, "text": "x" * 900_000}) if n < 8 else orjson.dumps({**here, "time": "soon"})
        yield orjson.dumps(here).replace(b'"s', b'"\xff\xfe')
        yield orjson.dumps(here)[:-1] + b',"deep":' + b'{"a":' * 500 + b"1" + b"}" * 500 + b"}"


def test_no_event_goes_undecided_and_no_malformed_one_unseen(service: Service) -> None:
    rows = list(electricity(GOOD))
    broken = list(itertools.islice(malformed(rows[0][1]), BAD))
    records = [(orjson.loads(event)["subject"].encode(), event) for _, event, _ in rows]
    records += [(b"broken", value) for value in broken]
    random.Random(7).shuffle(records)
    labels = [(b"", label) for _, _, label in rows]
    service.start()

    service.produce("labels", labels[: GOOD // 2])  # before their events
    service.produce("events", records)
    service.produce("labels", labels[GOOD // 2 :])
    service.wait_for("decisions", GOOD, 120)
    service.wait_for("dead_letters", BAD, 60)
    service.wait_for("feedback", GOOD, 60)
    assert service.interrupt() == 0

    keyed = [line.split(b"\t", 1) for line in service.consume("decisions", "%k\t%s\n")]
    decisions = [(key.decode(), orjson.loads(value)) for key, value in keyed]
    assert Counter(d["event"] for _, d in decisions) == Counter(identity for identity, _, _ in rows)
    assert all(key == decision["subject"] for key, decision in decisions)
    assert sorted(service.consume("dead_letters")) == sorted(broken)
    reasons = service.consume("dead_letters", "%h\n")
    assert all(b"__streams.errors.message=" in line and b"__streams.errors.offset=" in line for line in reasons)
    feedback = service.records("feedback")
    assert Counter(f["event"]["id"] for f in feedback) == Counter(identity for identity, _, _ in rows)
    assert all(f["decision"] is not None and f["context"] is not None for f in feedback)


def last_telemetry(service: Service) -> dict[str, Any]:
    return max(service.records("telemetry"), key=lambda record: int(record["time"]))


def test_a_killed_service_loses_no_event_and_counts_what_it_decided_twice(service: Service) -> None:
    rows = list(electricity(40_000))
    service.start()
    service.produce("labels", [(b"", label) for _, _, label in rows])
    events = [(orjson.loads(event)["subject"].encode(), event) for _, event, _ in rows]
    with service.keeps_coming("events", events):
        service.wait_for_first("decisions", 1_000, 60)
        service.kill()

    service.start()
    service.wait_for("feedback", len(rows), 180)
    end = 1 + max(map(int, service.consume("feedback", "%o\n")))  # the markers of transactions have offsets, too
    wait_for(lambda: last_telemetry(service)["feedback_offset"] >= end, 120, "all feedback to be learnt", service)
    assert service.interrupt() == 0

    exactly_once = "kafka.guarantee is at-least-once" not in service.log
    decided = Counter(d["event"] for d in service.records("decisions"))
    assert set(decided) == {identity for identity, _, _ in rows}
    assert set(Counter(f["event"]["id"] for f in service.records("feedback")).values()) == {1}
    last = last_telemetry(service)
    assert last["counts"]["decided_twice"] == decided.total() - len(decided)
    assert last["feedback_offset"] == end
    if exactly_once:
        assert decided.total() == len(rows)
    assert "decided twice" in service.log


def test_an_event_cannot_be_explained_or_its_odd_header_ends_the_service(service: Service) -> None:
    (identity, event, _), (_, second, _), *_ = electricity(2)
    service.start()
    service.produce("events", [(b"s0", event)], b"\xffodd=\xfe")
    service.produce("events", [(b"s0", second)], b"traceparent=00-1-2-01")
    service.wait_for("decisions", 2, 60)
    assert b"traceparent=00-1-2-01" in service.consume("decisions", "%h\n")

    told = service.command("explain", str(PRESET), identity)

    assert told.returncode == 0, told.stderr
    assert "too few labels are known" in told.stdout
    unknown = service.command("explain", str(PRESET), "nobody")
    assert unknown.returncode == 1
    assert "no decision of 'nobody'" in unknown.stderr
