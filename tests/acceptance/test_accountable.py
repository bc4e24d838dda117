"""A service that was killed and whose config was changed answers for every decision, from its topics alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import orjson
import pytest
import yaml

from .service import PRESET, Service, electricity, need_kcat

EVENTS, AT_ONCE = 6_000, 500
KILLED, CHANGED = 2_000, 4_000

pytestmark = [pytest.mark.acceptance, pytest.mark.broker, pytest.mark.timeout(400, func_only=True)]


@pytest.fixture
def service(apache: str, tmp_path: Path) -> Iterator[Service]:
    need_kcat()
    service = Service(apache, f"t{uuid4().hex[:8]}", tmp_path)
    yield service
    service.end()


def fed(service: Service, start: int, stop: int) -> None:
    """Events, a portion at a time, each with its labels before the next, so that decisions are by models that know."""
    rows = list(electricity(stop))
    for first in range(start, stop, AT_ONCE):
        portion = rows[first : first + AT_ONCE]
        service.produce("events", [(orjson.loads(event)["subject"].encode(), event) for _, event, _ in portion])
        service.wait_for("decisions", first + len(portion), 120)
        service.produce("labels", [(b"", label) for _, _, label in portion])
        service.wait_for("feedback", first + len(portion), 120)


def test_every_decision_is_made_again_and_the_same_config_would_change_none(service: Service, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    tree = yaml.safe_load(PRESET.read_text())
    other.write_text(yaml.safe_dump({**tree, "experts": [{"kind": "forest", "trees": 4}, {"kind": "naive-bayes"}]}))
    service.start()
    fed(service, 0, KILLED)
    service.kill()
    service.start()
    fed(service, KILLED, CHANGED)
    assert service.interrupt() == 0
    service.start(other)
    fed(service, CHANGED, EVENTS)
    assert service.interrupt() == 0

    done = service.command("replay", str(other), "--verify", "--report", "json")
    assert done.returncode == 0, done.stdout + done.stderr
    verified = json.loads(done.stdout.splitlines()[-1])
    assert (verified["checked"], verified["reproduced"], verified["different"]) == (EVENTS, EVENTS, 0)
    assert verified["not_checkable"] == {}
    assert verified["chain"]["missing"] == verified["chain"]["changed"] == 0

    done = service.command("replay", str(PRESET), "--what-if", str(PRESET), "--until", str(CHANGED), "--report", "json")
    assert done.returncode == 0, done.stdout + done.stderr
    asked = json.loads(done.stdout.splitlines()[-1])
    assert asked["events"] >= KILLED
    assert (asked["changed"], asked["moved"], asked["expired"]) == (0, 0, 0)
    done = service.command("replay", str(PRESET), "--what-if", str(other), "--report", "json")
    assert done.returncode == 0, done.stdout + done.stderr
    asked = json.loads(done.stdout.splitlines()[-1])
    assert asked["events"] == EVENTS
    assert asked["changed"] > 0
    assert asked["judged"] == EVENTS
