"""A service whose decisions follow class priors that move before labels tell."""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from tocsin.streams.wire.records import Decision, Feedback

from ..support import START, Service, drain, running, settings


def service(directory: Path, **changes: Any) -> Service:
    shift = {"enabled": True, "window": 200, "mature": 50, "memory": 50, "least_gain": 0.03}
    return Service(
        settings(
            directory, schema={"features": [{"name": "a"}]}, experts=[{"kind": "linear"}], prior_shift=shift, **changes
        )
    )


def events(start: int, n: int, share: float) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Events of which a share is `yes`, and their labels; a lies 0.8 above 0 for `yes` and below it for `no`."""
    rng, found = np.random.default_rng(start), []
    for i in range(start, start + n):
        yes = bool(rng.random() < share)
        a = float(rng.normal() + (0.8 if yes else -0.8))
        event = {"id": f"e{i}", "subject": f"s{i % 3}", "time": START + i, "features": {"a": a}}
        found.append((event, {"event": f"e{i}", "label": "yes" if yes else "no", "time": START + i + 60_000}))
    return found


def taught(made: Service) -> None:
    with running(made) as worker:
        for start in range(0, 400, 40):
            told = events(start, 40, 0.2)
            made.send(*[event for event, _ in told])
            drain(worker)
            made.tell(*[label for _, label in told])
            drain(worker)


def test_decisions_say_which_priors_they_follow_also_after_a_restart(tmp_path: Path) -> None:
    made = service(tmp_path)
    taught(made)
    late = events(1_000, 300, 0.9)
    for piece in (late[:150], late[150:]):
        with running(made) as worker:
            made.send(*[event for event, _ in piece])
            drain(worker)
    decisions = made.decisions[400:]
    assert "priors" not in decisions[0]
    for decision in decisions:
        msgspec.convert(decision, Decision)
        assert sum(decision["belief"].values()) + decision["uncertainty"] == pytest.approx(1.0)
    assert decisions[149]["priors"]["yes"] > 1.5 > decisions[149]["priors"]["no"]
    # The state outlives a worker: the first decision after the restart goes on where the last one stopped.
    assert decisions[150]["priors"]["yes"] == pytest.approx(decisions[149]["priors"]["yes"], rel=0.1)


def test_labels_of_such_decisions_teach_what_was_said_without_the_priors(tmp_path: Path) -> None:
    made = service(tmp_path)
    taught(made)
    late = events(1_000, 200, 0.9)
    with running(made) as worker:
        made.send(*[event for event, _ in late])
        drain(worker)
        made.tell(*[label for _, label in late])
        drain(worker)
        shift = worker.classifier.mixture.judge.prior_shift
        assert shift is not None
        assert shift.trust > 0.9  # the labels bear it out
        usual = shift.usual
    feedback = made.feedback[-1]
    msgspec.convert(feedback, Feedback)
    plain, ratio = np.array(feedback["context"]["plain"]), np.array(feedback["context"]["ratio"])
    followed = plain * ratio / (plain @ ratio)
    between = sorted([plain[1], followed[1]])
    assert between[0] <= feedback["context"]["betp"][1] <= between[1]
    with running(made) as other:  # whose model is folded from the feedback log alone
        again = other.classifier.mixture.judge.prior_shift
        assert again is not None
        np.testing.assert_array_equal(again.usual, usual)


def test_each_partition_has_priors_of_its_own_and_another_model_none(tmp_path: Path) -> None:
    made = service(tmp_path)
    taught(made)
    with running(made) as worker:
        made.send(*[event for event, _ in events(1_000, 200, 0.9)])
        drain(worker)
        digest = worker.classifier.digest
        with worker._state.transaction() as t:
            kept = t.notes.priors(0, digest)
            assert kept is not None
            assert t.notes.priors(1, digest) is None
            assert t.notes.priors(0, "0" * 16) is None
            t.notes.set_priors(1, digest, b"x")
            t.notes.forget_priors(0)
            assert (t.notes.priors(0, digest), t.notes.priors(1, digest)) == (None, b"x")


def test_how_events_were_cut_into_batches_leaves_no_trace_in_the_priors(tmp_path: Path) -> None:
    told = []
    for size in (1, 7, 1_000):
        made = service(tmp_path / str(size), batching={"max_events": size})
        taught(made)
        with running(made) as worker:
            made.send(*[event for event, _ in events(1_000, 100, 0.9)])
            drain(worker)
        told.append([(d["belief"], d.get("priors")) for d in made.decisions[400:]])
    assert told[0] == told[1] == told[2]
