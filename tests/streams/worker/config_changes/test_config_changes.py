"""The config changes while topics and state stay: what was learnt is read by what it means, never by position.

A worker learns under one config and stops. Then one that has its state, and one that has none, start under another.
Both go on, hold the same bits, and know what the first one knew.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tocsin.streams.transport.memory import MemoryTransport

from ...support import Service, bits, drain, running, settings
from .changes import (
    BEFORE,
    CHANGES,
    EVENTS,
    OF_CLASS,
    PROBES,
    UNLABELLED,
    Change,
    ask,
    copied,
    event,
    label,
    truth,
)  # fmt: skip


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_was_learnt_before_counts_after_a_change(
    learnt: tuple[Service, Path], tmp_path: Path, change: Change
) -> None:
    service = copied(learnt, tmp_path / "state", change)
    with running(service) as worker:
        assert worker.classifier.feedback_offset == EVENTS - UNLABELLED
        assert worker.counts.passed_over == change.passed_over
        over = sum(n for reason, n in change.passed_over.items() if reason != "unfit-value")
        assert worker.classifier.learnt == EVENTS - UNLABELLED - over
        assert worker.counts.scored_anew == (worker.classifier.learnt if change.anew else 0)
        known = worker.classifier.classes
        asked = [(true, said) for true, said in ask(service, worker, change) if true in known]
        right = sum(max(said["belief"], key=said["belief"].get) == true for true, said in asked)
        assert right >= 0.9 * len(asked) > 0
        assert all(set(said["belief"]) == set(known) for _, said in asked)
        service.tell(*map(label, range(EVENTS - UNLABELLED, EVENTS + PROBES)))
        drain(worker)
        expected, offset = bits(worker), worker.classifier.feedback_offset
        assert offset == len(service.feedback) > EVENTS - UNLABELLED
    fresh = settings(tmp_path / "fresh", **{**BEFORE, **change.values})
    with running(service, fresh) as other:
        assert other.classifier.feedback_offset == offset
        assert bits(other) == expected


def test_back_under_the_first_config_what_its_own_model_saw_is_used_again(
    learnt: tuple[Service, Path], tmp_path: Path
) -> None:
    change = CHANGES["experts in another order"]
    service = copied(learnt, tmp_path / "state", change)
    with running(service) as worker:
        assert len(list(ask(service, worker, change))) == PROBES
        service.tell(*map(label, range(EVENTS - UNLABELLED, EVENTS + PROBES)))
        drain(worker)
        assert worker.counts.scored_anew == EVENTS
    first = settings(tmp_path / "state", **BEFORE)
    with running(service, first) as worker:
        assert worker.classifier.learnt == EVENTS + PROBES
        assert worker.counts.scored_anew == PROBES
        expected = bits(worker)
    with running(service, settings(tmp_path / "fresh", **BEFORE)) as other:
        assert bits(other) == expected


def test_workers_of_two_configs_side_by_side_learn_from_each_others_feedback(
    learnt: tuple[Service, Path], tmp_path: Path
) -> None:
    """While one worker after another is started under a new config, both are there."""
    change = CHANGES["a class put first"]
    service = copied(learnt, tmp_path / "state", change)
    with running(service) as new, running(service, settings(tmp_path / "old", **BEFORE)) as old:
        service.send(*[event(i, {}) for i in range(EVENTS, EVENTS + PROBES)])
        drain(new, old)
        service.tell(*map(label, range(EVENTS, EVENTS + PROBES)))
        drain(new, old)
        assert new.classifier.feedback_offset == old.classifier.feedback_offset == EVENTS - UNLABELLED + PROBES
    for config in (service.settings, settings(tmp_path / "old", **BEFORE)):
        state = config.state.model_copy(update={"directory": tmp_path / f"fresh {len(config.classes)}"})
        with running(service, config) as kept:
            expected = bits(kept)
        with running(service, config.model_copy(update={"state": state})) as fresh:
            assert bits(fresh) == expected


def test_labels_of_a_class_that_is_no_more_are_told_with_the_ways_out(
    learnt: tuple[Service, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The start ended with "label 'z' is not one of the classes", which named neither the topic nor what to do."""
    service = copied(learnt, tmp_path / "state", CHANGES["a class removed"])
    with running(service) as worker:
        [line] = [record.getMessage() for record in caplog.records if "'z'" in record.getMessage()]
        for part in ("feedback", "from offset 2 on", "`classes`", "`class_map`", "a new feedback topic"):
            assert part in line
        assert f"{OF_CLASS} are of a class" in caplog.text
        worker.step(0)
        service.clock.move(2.0)
        worker.step(0)
    assert service.values("telemetry")[-1]["passed_over"] == {"unknown-class": OF_CLASS}


def test_a_label_by_an_old_name_is_one_of_todays_class(learnt: tuple[Service, Path], tmp_path: Path) -> None:
    service = copied(learnt, tmp_path / "state", CHANGES["a class renamed"])
    with running(service) as worker:
        before = len(service.feedback)
        again = next(i for i in range(EVENTS - UNLABELLED) if truth(i) == "x")
        late = next(i for i in range(EVENTS - UNLABELLED, EVENTS) if truth(i) == "x")
        service.tell(label(again), {**label(again), "label": "X"}, label(late))
        drain(worker)
        assert worker.counts.labels == {"duplicate": 2, "joined": 1}
    assert [f["label"] for f in service.feedback[before:]] == ["X"]


def test_a_snapshot_is_of_one_feedback_topic(learnt: tuple[Service, Path], tmp_path: Path) -> None:
    service = copied(learnt, tmp_path / "state", CHANGES["nothing"])
    producer = MemoryTransport(service.broker)
    service.broker.create("other")
    for record in service.records("feedback")[::-1]:
        producer.produce("other", record.key, record.value or b"")
    renamed = service.settings.model_copy(
        update={"topics": service.settings.topics.model_copy(update={"feedback": "other"})}
    )
    with running(service, renamed) as worker:
        expected = bits(worker)
    state = renamed.state.model_copy(update={"directory": tmp_path / "fresh"})
    with running(service, renamed.model_copy(update={"state": state})) as fresh:
        assert bits(fresh) == expected


def test_a_new_feedback_topic_is_learnt_from_with_the_old_state(tmp_path: Path) -> None:
    """It is the way out that errors name. What is pending was seen by a model that knew more than the new one."""
    open_classes = {**BEFORE, "classes": []}
    service = Service(settings(tmp_path, **open_classes))
    with running(service) as worker:
        for i in range(60):
            service.send(event(i, {}))
            service.tell(*[label(i)] * (i < 40))
            worker.step(0)
        drain(worker)
    service.broker.create("other")
    renamed = settings(tmp_path, **open_classes, topics={"feedback": "other"})
    with running(service, renamed) as worker:
        assert worker.classifier.learnt == 0
        service.tell(*map(label, (41, 43, 40, *range(44, 60))))
        drain(worker)
        assert worker.classifier.learnt == worker.counts.scored_anew == 19
        assert worker.classifier.classes == ["z", "y", "x"]
    fresh = settings(tmp_path / "fresh", **open_classes, topics={"feedback": "other"})
    with running(service, fresh) as other:  # the group has settled the first labels: it joins them no more
        assert other.classifier.learnt == 19
        expected = bits(other)
    with running(service, renamed) as kept:
        assert bits(kept) == expected
