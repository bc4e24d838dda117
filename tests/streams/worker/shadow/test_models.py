"""A shadow beside a model: what it changes (nothing), what it learns, and how it takes over."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest

from tocsin.models.classifier import Classifier
from tocsin.streams.transport.base import Record
from tocsin.streams.wire.packed.events import More, pack
from tocsin.streams.wire.packed.feedback import PackedFeedback, packed_feedback, read
from tocsin.streams.worker.worker import Worker

from ...support import Service, bits, check_chain, crash, drain, event, running, settings, stream
from .beside import OTHER, choose, deciders, feed, with_shadow


def second_of(worker: Worker) -> Any:
    beside = worker._models.beside
    assert beside is not None
    return beside


def alone(record: Record) -> bytes:
    """A record; feedback without what the shadow saw, which it carries besides."""
    value = record.value or b""
    found = read(value) if record.topic == "feedback" else None
    if not isinstance(found, PackedFeedback):
        return value
    event = found.event_read()
    more = None if event.more is None else msgspec.structs.replace(event.more, beside=None)
    bare = msgspec.structs.replace(event, more=None if more == More() else more)
    return packed_feedback(msgspec.structs.replace(found, event=pack(bare)))


def test_a_shadow_changes_no_byte_of_what_is_decided_and_learnt(tmp_path: Path) -> None:
    found = []
    for name in ("alone", "beside"):
        config = settings(tmp_path / name) if name == "alone" else with_shadow(tmp_path / name)
        service = Service(config, transactional=True)
        with running(service) as worker:
            feed(service, worker, 40)
            feed(service, worker, 3, start=40)
            feed(service, worker, 40, start=43)
            topics = [t for t in service.topics.names() if t not in (service.topics.telemetry, service.topics.configs)]
            records = {topic: [(r.key, alone(r), r.headers) for r in service.records(topic)] for topic in topics}
            found.append((records, bits(worker), worker.counts.totals()))
    assert found[0] == found[1]
    assert found[0][0]["decisions"]


def parts_of(classifier: Classifier) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in classifier.to_snapshot()[1].items()}


FOREST: dict[str, Any] = {
    "experts": [{"kind": "forest", "trees": 3}, {"kind": "naive-bayes"}],
    "abstention": {"cold_start": 5, "error": 0.2},
    "prior_shift": {"enabled": True},
}


@pytest.mark.parametrize("other", [OTHER, FOREST], ids=["two experts", "a forest"])
@pytest.mark.parametrize("promoted", [False, True])
def test_a_shadow_is_the_model_that_a_service_would_have_with_its_config_alone(
    tmp_path: Path, other: dict[str, Any], promoted: bool
) -> None:
    service = Service(with_shadow(tmp_path, other, topics={"shadow": "beside"}), partitions=2)
    single = Service(settings(tmp_path / "alone", **other), partitions=2)
    with running(service) as worker, running(single) as by_itself:
        for start in range(0, 120, 15):
            if promoted and start == 60:
                choose(service, second_of(worker).digests[1])
                choose(single, "of nobody here")  # so that offsets stay alike
                drain(worker, by_itself)
            for one, at_work in ((service, worker), (single, by_itself)):
                one.send(*[raw for raw, _ in stream(15, start)])
                drain(at_work)
                one.tell(*[truth for _, truth in stream(15, max(0, start - 15))])  # a portion late
                drain(at_work)
        assert parts_of(second_of(worker).second.classifier) == parts_of(by_itself.classifier)
        assert worker.counts.scored_anew == 0

    def said(of: Service, topic: str) -> dict[str, Any]:
        kept = ("status", "label", "belief", "uncertainty", "conflict", "reason", "set", "explanation")
        return {d["event"]: {name: d[name] for name in kept} for d in of.values(topic)}

    wanted = said(single, "decisions")
    before, after = said(service, "beside"), said(service, "decisions")
    theirs = {event: after[event] if promoted and int(event[1:]) >= 60 else before[event] for event in wanted}
    assert theirs == wanted


def test_a_service_that_begins_with_the_config_of_the_shadow_has_its_model(tmp_path: Path) -> None:
    service = Service(with_shadow(tmp_path))
    with running(service) as worker:
        feed(service, worker, 60)
        second = second_of(worker).second.classifier
        told = parts_of(second)
    alone = Service(settings(tmp_path / "alone", **OTHER))
    for record in service.records("feedback"):
        alone._feeder.produce("feedback", record.key, record.value or b"")
    with running(alone) as other:
        assert other.classifier.digest == second.digest
        assert parts_of(other.classifier) == told


def test_what_a_shadow_would_decide_goes_to_its_topic_alone(tmp_path: Path) -> None:
    service = Service(with_shadow(tmp_path, topics={"shadow": "beside"}))
    with running(service) as worker:
        feed(service, worker, 20)
        feed(service, worker, 2, start=20)
    ours, theirs = service.decisions, service.values("beside")
    assert [d["event"] for d in theirs] == [d["event"] for d in ours]
    assert {d["model"]["settings"] for d in theirs} == {second_of(worker).digests[1]}
    assert all(d["explanation"] and "chain" not in d for d in theirs)


def test_both_are_compared_on_the_first_label_of_each_event(tmp_path: Path) -> None:
    service = Service(with_shadow(tmp_path))
    with running(service) as worker:
        feed(service, worker, 50)
        feed(service, worker, 50, start=50)
        service.tell(*[{**truth, "label": "no", "source": "other"} for _, truth in stream(100)])
        drain(worker)
        told = second_of(worker).comparison.told()
    truths = {truth["event"]: truth["label"] for _, truth in stream(100)}
    named = [max(d["belief"], key=lambda k: d["belief"][k] + d["uncertainty"] / 2) for d in service.decisions]
    right = sum(one == truths[d["event"]] for one, d in zip(named, service.decisions, strict=True))
    decided = [d for d in service.decisions if d["status"] == "decided"]
    wrong = sum(d["label"] != truths[d["event"]] for d in decided)
    assert told.events == 100
    assert told.right.both + told.right.first == right
    assert told.decided.both + told.decided.first == len(decided)
    assert told.wrong.both + told.wrong.first == wrong
    assert {name: one.labels for name, one in told.classes.items()} == {
        name: list(truths.values()).count(name) for name in ("yes", "no")
    }


def test_a_worker_that_starts_again_counts_no_event_twice_and_forgets_none(tmp_path: Path) -> None:
    config = with_shadow(tmp_path, state={"directory": tmp_path, "snapshot_every": 16, "max_bytes": 64 << 20})
    service = Service(config)
    with running(service) as worker:
        feed(service, worker, 30)
        service.send(*[raw for raw, _ in stream(10, 30)])
        drain(worker)
        tally = second_of(worker).comparison.told().tally
    with running(service) as worker:
        service.tell(*[truth for _, truth in stream(10, 30)])
        drain(worker)
        told = second_of(worker).comparison.told()
        assert (told.tally, told.events) == (tally, 40)
    worker = service.worker()
    worker.__enter__()
    drain(worker)
    feed(service, worker, 10, start=40)
    service.clock.move(2)
    drain(worker)
    crash(worker)
    with running(service) as worker:
        told = second_of(worker).comparison.told()
        assert (told.tally, told.events) == (tally, 50)


def test_the_promoted_config_decides_from_the_records_offset_on_and_back(tmp_path: Path) -> None:
    service = Service(with_shadow(tmp_path), transactional=True)
    first, second = (one.digest() for one in (service.settings, service.settings.of_shadow) if one is not None)
    with running(service) as worker:
        feed(service, worker, 30)
        promoted = choose(service, second, before=first)
        service.send(*[raw for raw, _ in stream(10, 30)])
        drain(worker)
        service.tell(*[truth for _, truth in stream(10, 30)])  # of events that the other model had decided
        feed(service, worker, 10, start=40)
        back = choose(service, first, "rollback", before=second)
        feed(service, worker, 10, start=50)
    for offset, config in deciders(service):
        assert config == (second if promoted < offset <= back else first)
    assert {config for _, config in deciders(service)} == {first, second}
    assert len(service.decisions) == len({d["event"] for d in service.decisions}) == 60
    assert len(service.feedback) == 60
    models = {d["model"]["settings"]: d["model"]["config"] for d in service.decisions}
    assert models[first] == service.settings.model.digest() != models[second]
    check_chain(service)


def test_a_promoted_model_goes_on_deciding_after_a_restart_and_without_a_state(tmp_path: Path) -> None:
    config = with_shadow(tmp_path, state={"directory": tmp_path, "snapshot_every": 8, "max_bytes": 64 << 20})
    service = Service(config)
    second = service.settings.of_shadow.digest()  # type: ignore[union-attr]
    with running(service) as worker:
        feed(service, worker, 20)
        choose(service, second)
        feed(service, worker, 20, start=20)
    for start in (40, 50):
        with running(service) as worker:
            assert worker._model.restored.snapshot == ("local" if start == 40 else None)
            feed(service, worker, 10, start=start)
            assert [config for _, config in deciders(service)[start:]] == [second] * 10
        shutil.rmtree(tmp_path / "test")


def test_a_promoted_config_that_is_the_files_own_by_now_goes_on(tmp_path: Path) -> None:
    service = Service(with_shadow(tmp_path))
    second = service.settings.of_shadow
    assert second is not None
    with running(service) as worker:
        feed(service, worker, 20)
        choose(service, second.digest())
        feed(service, worker, 5, start=20)
        learnt = worker.classifier.learnt
    with running(service, config=second) as worker:
        assert worker._model.restored.snapshot == "local"  # it was the shadow's
        assert (worker.classifier.learnt, worker.counts.feedback) == (learnt, 0)
        feed(service, worker, 5, start=25)
    with running(service, config=second.with_shadow(service.settings.with_shadow(None))) as worker:
        feed(service, worker, 5, start=30)
    assert {config for _, config in deciders(service)[20:]} == {second.digest()}


def test_a_config_that_nobody_knows_leaves_the_files_own_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    service = Service(settings(tmp_path))
    with running(service) as worker:
        feed(service, worker, 10)
        choose(service, "0123456789abcdef")
        feed(service, worker, 10, start=10)
    assert {config for _, config in deciders(service)} == {service.settings.digest()}
    assert "it is neither that of the config file nor its shadow's" in caplog.text


def break_at(patch: pytest.MonkeyPatch, name: str, model: Classifier) -> None:
    """Let one classifier raise."""
    original = getattr(Classifier, name)

    def broken(self: Classifier, *arguments: Any) -> Any:
        if self.digest == model.digest:
            raise ZeroDivisionError("a user's model")
        return original(self, *arguments)

    patch.setattr(Classifier, name, broken)


@pytest.mark.parametrize("where", ["score", "learn"])
def test_a_shadow_that_fails_is_given_up_and_decisions_go_on(
    tmp_path: Path, where: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    service = Service(with_shadow(tmp_path))
    with running(service) as worker:
        feed(service, worker, 10)
        break_at(monkeypatch, where, second_of(worker).second.classifier)
        feed(service, worker, 10, start=10)
        service.clock.move(2)
        drain(worker)
        told = service.values("telemetry")[-1]["shadow"]
    assert "the shadow failed, and is given up until this worker starts again" in caplog.text
    assert (told["state"], "a user's model" in told["why"]) == ("given-up", True)
    assert told["passed_over"] >= (10 if where == "score" else 0)
    assert len(service.decisions) == len(service.feedback) == 20
    monkeypatch.undo()
    with running(service) as worker:
        assert second_of(worker).failed is None
        feed(service, worker, 10, start=20)
        assert second_of(worker).scored == 10


def test_a_shadow_that_was_given_up_and_is_promoted_is_folded_once_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that went on with the other model would decide otherwise than all others do."""
    service = Service(with_shadow(tmp_path))
    with running(service) as worker:
        second = second_of(worker)
        feed(service, worker, 10)
        break_at(monkeypatch, "score", second.second.classifier)
        feed(service, worker, 1, start=10)
        monkeypatch.undo()
        feed(service, worker, 9, start=11)
        choose(service, second.digests[1])
        feed(service, worker, 10, start=20)
        assert second.failed is None
        assert {config for _, config in deciders(service)[20:]} == {second.digests[1]}
        feedback = worker.classifier.feedback_offset
        assert feedback == worker._models.first.classifier.feedback_offset == 31


def test_a_worker_that_is_behind_spares_the_shadow(tmp_path: Path) -> None:
    service = Service(with_shadow(tmp_path))
    with running(service) as worker:
        worker._model.decide.shed = "explanations"
        service.send(event("e"))
        drain(worker)
        assert (second_of(worker).scored, second_of(worker).passed_over) == (0, 1)


def test_whoever_is_promoted_goes_on_with_what_was_said_to_the_outside(tmp_path: Path) -> None:
    """Else an alert would be raised twice of a subject, and budgets be spent twice."""
    service = Service(with_shadow(tmp_path, early_risk={"classes": ["yes"], "policy": "fused"}))
    second = service.settings.of_shadow.digest()  # type: ignore[union-attr]
    with running(service) as worker:
        feed(service, worker, 40)
        feed(service, worker, 40, start=40)
        raised = [orjson.loads(r.value or b"")["subject"] for r in service.records("alerts")]
        assert raised
        choose(service, second)
        feed(service, worker, 40, start=80)
    subjects = [orjson.loads(r.value or b"")["subject"] for r in service.records("alerts")]
    assert len(set(subjects)) == len(subjects)
    last = {d["subject"]: d["risk"]["posts"] for d in service.decisions}
    assert last == dict.fromkeys(last, 30)


def test_a_topic_that_takes_no_decision_of_a_shadow_ends_no_worker(tmp_path: Path) -> None:
    service = Service(with_shadow(tmp_path, topics={"shadow": "beside"}))
    service.broker.set_limit("beside", 300)
    with running(service) as worker:
        feed(service, worker, 5)
        assert worker.counts.shortened["shadow decision"] == 5
    assert (len(service.decisions), service.values("beside"), service.dead_letters) == (5, [], [])
