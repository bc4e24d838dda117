"""Quick labels: asked by the topic `review` for the share that the config names, alike however polls are cut."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from tocsin.models.decision.promise import keeping
from tocsin.streams.wire.records import Review, Telemetry

from ..support import Service, bits, drain, running, settings, stream

SHARE = 0.2


def service(directory: Path, share: float = SHARE, most: int = 1_000, **more: Any) -> Service:
    abstention = {"controls": "error", "error": 0.3, "cold_start": 5, "quick_labels": share, **more}
    return Service(settings(directory, abstention=abstention, batching={"max_events": most}))


def taught(made: Service, n: int, delay: int) -> Any:
    """Events whose labels come so many events late, in steps of ten; returns the bits of the model."""
    past = list(stream(n))
    with running(made) as worker:
        for start in range(0, n, 10):
            made.send(*(raw for raw, _ in past[start : start + 10]))
            drain(worker)
            made.tell(*(truth for _, truth in past[max(start - delay, 0) : max(start + 10 - delay, 0)]))
            drain(worker)
        made.asked = worker.counts.quick_labels  # type: ignore[attr-defined]
        return bits(worker)


def asked(made: Service) -> dict[str, int]:
    """By event, within how many other labels its own is wanted."""
    reviews = [msgspec.convert(value, Review) for value in made.values(made.settings.topics.review)]
    return {one.event.id: one.quick_within for one in reviews if one.quick_within is not msgspec.UNSET}


@pytest.fixture(autouse=True)
def _early(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decide after few labels."""
    monkeypatch.setattr(keeping, "ENOUGH_SAID", 50)


def test_about_the_share_is_asked_for_and_each_says_how_soon_it_is_wanted(tmp_path: Path) -> None:
    made = service(tmp_path)
    taught(made, 800, 40)
    found = asked(made)
    decided = [d["event"] for d in made.decisions if d["status"] == "decided"]
    assert len(decided) > 300
    assert set(found) <= {d["event"] for d in made.decisions}
    assert any(event in found for event in decided)  # a decision may be reviewed, too
    assert 0.1 * len(decided) < len(found) < 0.35 * len(decided)
    assert len(found) == made.asked  # type: ignore[attr-defined]
    assert list(found.values())[-1] in range(8, 12)  # a quarter of the delay of 40, and of what is learnt at once


def test_nothing_is_asked_by_default(tmp_path: Path) -> None:
    made = service(tmp_path, 0.0)
    taught(made, 300, 40)
    assert asked(made) == {}


@pytest.mark.parametrize("most", [1, 7])
def test_however_polls_are_cut_the_same_is_asked_and_learnt(tmp_path: Path, most: int) -> None:
    one, other = service(tmp_path / "a"), service(tmp_path / "b", most=most)
    assert taught(one, 400, 40) == taught(other, 400, 40)
    assert asked(one) == asked(other)
    assert asked(one)


def test_telemetry_says_how_the_promise_stands(tmp_path: Path) -> None:
    made, plain = service(tmp_path / "a"), Service(settings(tmp_path / "b"))
    taught(made, 200, 20)
    taught(plain, 100, 20)
    last = msgspec.convert(made.values(made.settings.topics.telemetry)[-1], Telemetry)
    assert last.promise is not None
    assert (last.promise.state, last.promise.target, last.promise.silent) == ("at risk", 0.3, False)
    assert last.promise.delay == pytest.approx(22, abs=3)
    assert last.counts["quick_labels"] == made.asked  # type: ignore[attr-defined]
    assert plain.values(plain.settings.topics.telemetry)[-1]["promise"] is None
