from __future__ import annotations

from pathlib import Path

import pytest

from ..support import START, Service, drain, event, label, reason, running, settings, stream, text_settings


@pytest.fixture
def service(tmp_path: Path) -> Service:
    return Service(settings(tmp_path))


def test_a_label_finds_its_event(service: Service) -> None:
    with running(service) as worker:
        service.send(event("e"))
        drain(worker)
        service.tell(label("e", weight=2.5, source="audit"))
        drain(worker)
        [feedback] = service.feedback
        assert (feedback["event"]["id"], feedback["label"], feedback["weight"]) == ("e", "yes", 2.5)
        assert feedback["source"] == "audit"
        assert feedback["delay"] == 5_000
        assert feedback["contradicts"] is None
        [decision] = service.decisions
        assert feedback["decision"] == {**decision, "explanation": None}
        assert worker.counts.labels == {"joined": 1}
        assert worker.counts.feedback == 1


@pytest.mark.parametrize("apart", [False, True], ids=["in one batch", "in two"])
def test_a_label_before_its_event_is_not_lost(service: Service, apart: bool) -> None:
    with running(service) as worker:
        service.tell(label("e"), label("e", source="second", truth="no"))
        if apart:
            drain(worker)
            assert worker.counts.labels == {"waiting": 2}
        service.send(event("e"))
        drain(worker)
        assert [(f["label"], f["source"], f["contradicts"]) for f in service.feedback] == [
            ("yes", None, None), ("no", "second", "yes"),
        ]  # fmt: skip
        assert not service.dead_letters


def test_a_label_of_a_subject_speaks_of_its_last_event_and_of_all_posts(tmp_path: Path) -> None:
    service = Service(text_settings(tmp_path, bounds={"subject_posts": 3}))
    with running(service) as worker:
        for i in range(5):
            service.send({"id": f"e{i}", "subject": "u", "time": START + i, "text": f"post {i}"})
        service.send({"id": "x", "subject": "other", "time": START, "text": "not this one"})
        drain(worker)
        service.tell({"subject": "u", "label": "spam", "time": START + 99})
        drain(worker)
        [feedback] = service.feedback
        assert feedback["about"] == "subject"
        assert feedback["event"]["id"] == "e4"
        assert feedback["posts"] == ["post 2", "post 3"]


def test_a_label_of_a_subject_waits_for_its_first_event(service: Service) -> None:
    with running(service) as worker:
        service.tell({"subject": "s", "label": "yes", "time": START})
        drain(worker)
        service.send(event("e"))
        drain(worker)
        assert [f["event"]["id"] for f in service.feedback] == ["e"]


def test_an_event_named_beside_a_subject_is_what_a_label_speaks_of(service: Service) -> None:
    with running(service) as worker:
        service.send(event("first"), event("last"))
        service.tell(label("first", subject="s"))
        drain(worker)
        assert [(f["about"], f["event"]["id"]) for f in service.feedback] == [("event", "first")]


def test_the_same_label_teaches_once(service: Service) -> None:
    with running(service) as worker:
        service.send(event("e"))
        service.tell(label("e"), label("e"))
        drain(worker)
        service.tell(label("e"))
        drain(worker)
        assert worker.counts.labels["duplicate"] == 2
    with running(service) as worker:
        service.tell(label("e"))
        drain(worker)
        assert worker.counts.labels == {"duplicate": 1}
    assert len(service.feedback) == 1


def test_a_source_that_changes_its_mind_is_named(service: Service) -> None:
    with running(service) as worker:
        service.send(event("e"))
        service.tell(label("e", "yes"), label("e", "no"), label("e", "no"), label("e", "yes"))
        drain(worker)
        assert [(f["label"], f["contradicts"]) for f in service.feedback] == [
            ("yes", None), ("no", "yes"), ("yes", "no"),
        ]  # fmt: skip
        assert worker.counts.labels["contradicting"] == 2
        assert worker.counts.labels["duplicate"] == 1


def test_sources_that_agree_both_count(service: Service) -> None:
    with running(service) as worker:
        service.send(event("e"))
        service.tell(label("e", source="a"), label("e", source="b"), label("e", source="a"))
        drain(worker)
        assert [f["source"] for f in service.feedback] == ["a", "b"]
        assert all(f["contradicts"] is None for f in service.feedback)


def test_a_label_that_brings_its_features_needs_no_event(service: Service) -> None:
    with running(service) as worker:
        service.tell(label("gone", subject="s", features={"a": 1.5}))
        service.tell({"subject": "t", "label": "no", "time": START, "features": {"a": 2}})
        drain(worker)
        first, second = service.feedback
        assert first["event"] == {
            "id": "gone", "subject": "s", "time": START + 5_000, "features": {"a": 1.5, "b": None}, "text": None,
        }  # fmt: skip
        assert second["event"]["id"] == "labels-0-1"
        assert second["event"]["subject"] == "t"
        assert first["decision"] is first["context"] is None
        assert worker.counts.labels == {"self-contained": 2}
        assert worker.counts.feedback == 2


def test_a_label_that_brings_its_features_prefers_the_event_it_finds(service: Service) -> None:
    with running(service) as worker:
        service.send(event("e", a=1.0))
        drain(worker)
        service.tell(label("e", features={"a": 9.0}))
        drain(worker)
        assert service.feedback[0]["event"]["features"]["a"] == 1.0
        assert worker.counts.labels == {"joined": 1}


def test_a_text_alone_makes_a_label_self_contained(tmp_path: Path) -> None:
    service = Service(text_settings(tmp_path))
    with running(service) as worker:
        service.tell({"event": "m", "label": "spam", "time": START, "text": "win a prize"})
        drain(worker)
        assert [f["event"]["text"] for f in service.feedback] == ["win a prize"]
        assert worker.classifier.learnt == 1


def test_a_label_that_waits_in_vain_becomes_a_dead_letter_as_it_came(service: Service) -> None:
    raw = b'{"event": "never", "label": "yes", "time": %d, "more": "\xc3\xa9"}' % START
    with running(service) as worker:
        service.tell(raw, headers=[("traceparent", b"\x00\xff")])
        drain(worker)
        service.clock.move(3_599)
        worker.step(0)
        assert not service.dead_letters
        service.clock.move(3)
        worker.step(0)
        worker.step(0)
        [dead] = service.records("dead-letters")
        assert dead.value == raw
        assert dead.headers[0] == ("traceparent", b"\x00\xff")
        assert reason(dead) == "unknown-event"
        assert "'never'" in reason(dead, "message")
        assert (reason(dead, "topic"), reason(dead, "partition"), reason(dead, "offset")) == ("labels", "0", "0")
        assert worker.counts.labels == {"waiting": 1, "unknown": 1}
        assert worker.counts.dead_letters == {"unknown-event": 1}


def test_labels_that_wait_are_bounded(tmp_path: Path) -> None:
    service = Service(settings(tmp_path, bounds={"waiting_labels": 3}))
    with running(service) as worker:
        service.tell(*[label(f"e{i}") for i in range(10)])
        drain(worker)
        service.clock.move(2)
        worker.step(0)
        assert len(service.dead_letters) == 7
        assert b'"e0"' in (service.dead_letters[0][1] or b"")


def test_an_event_older_than_its_time_is_joined_no_more(tmp_path: Path) -> None:
    service = Service(settings(tmp_path, bounds={"pending_ttl_hours": 1}))
    with running(service) as worker:
        service.send(event("old"))
        drain(worker)
        service.clock.move(3_602)
        worker.step(0)
        assert worker.counts.expired == 1
        service.tell(label("old"))
        drain(worker)
        assert worker.counts.labels == {"waiting": 1}


def test_a_label_is_named_by_its_source_up_to_the_bound(tmp_path: Path) -> None:
    service = Service(settings(tmp_path, bounds={"string_length": 16}))
    with running(service) as worker:
        service.tell(label("e", source="x" * 17), label("e" * 17))
        drain(worker)
        assert [kind for kind, _ in service.dead_letters] == ["invalid", "invalid"]


FEW = {"max_events": 7}


@pytest.fixture
def pair(tmp_path: Path) -> Service:
    """Few records a poll: so a worker reads a label long before it reads what another one made of it."""
    return Service(settings(tmp_path / "first", batching=FEW), partitions=4)


def test_two_workers_join_every_label_exactly_once(pair: Service, tmp_path: Path) -> None:
    with pair.worker() as one, pair.worker(settings(tmp_path / "second", batching=FEW)) as two:
        drain(one, two)
        events, labels = zip(*stream(200, subjects=40), strict=True)
        for i, item in enumerate(labels):  # half of them keyed by event: they land in any partition
            pair.tell(item if i % 2 else {k: v for k, v in item.items() if k != "subject"})
        drain(one, two)
        pair.send(*events)
        drain(one, two)
        assert 0 < one.counts.events < 200
        assert one.counts.events + two.counts.events == 200
        assert sorted(f["event"]["id"] for f in pair.feedback) == sorted(e["id"] for e in events)
        pair.clock.move(4_000)
        one.step(0)
        two.step(0)
        assert not pair.dead_letters


def test_of_two_workers_one_puts_a_bad_label_aside(pair: Service, tmp_path: Path) -> None:
    with pair.worker() as one, pair.worker(settings(tmp_path / "second", batching=FEW)) as two:
        drain(one, two)
        pair.tell(*[b"bad %d" % i for i in range(20)])
        pair.tell(*[label(f"never{i}") for i in range(20)])
        drain(one, two)
        pair.clock.move(4_000)
        drain(one, two)
        one.step(0)
        two.step(0)
        values = [value for _, value in pair.dead_letters]
        assert len(values) == len(set(values)) == 40


def test_of_two_workers_one_learns_from_a_self_contained_label(pair: Service, tmp_path: Path) -> None:
    with pair.worker() as one, pair.worker(settings(tmp_path / "second", batching=FEW)) as two:
        drain(one, two)
        events, labels = zip(*stream(60, subjects=30), strict=True)
        pair.send(*events)
        drain(one, two)
        for i, item in enumerate(labels):
            keyless = {k: v for k, v in item.items() if k != "subject"} if i % 2 else item
            pair.tell({**keyless, "features": {"a": 0.5}})
        pair.tell(*[label(f"unseen{i}", features={"a": 1}) for i in range(20)])
        drain(one, two)
        found = [f["event"]["id"] for f in pair.feedback]
        assert len(found) == len(set(found)) == 80


def test_labels_join_once_after_their_events_changed_hands(pair: Service, tmp_path: Path) -> None:
    events, labels = zip(*stream(80, subjects=40), strict=True)
    with pair.worker() as one:
        pair.send(*events)
        drain(one)
        with pair.worker(settings(tmp_path / "second", batching=FEW)) as two:
            drain(one, two)
            assert two.counts.rebuilt > 0
            pair.tell(*labels)
            drain(one, two)
            assert sorted(f["event"]["id"] for f in pair.feedback) == sorted(e["id"] for e in events)
            assert two.counts.labels["joined"] > 0
            assert all(f["decision"]["event"] == f["event"]["id"] for f in pair.feedback)


def test_labels_read_before_their_events_changed_hands_are_not_lost(pair: Service, tmp_path: Path) -> None:
    """One worker has read the labels and does not hold the events yet; the other gives up before it reads them."""
    events, labels = zip(*stream(80, subjects=40), strict=True)
    with pair.worker() as one:
        pair.send(*events)
        drain(one)
        second = settings(tmp_path / "second", batching=FEW)
        with pair.worker(second) as two:
            pair.tell(*labels)
            two.step(0)  # reads the labels; the partitions are still the other's
            drain(one, two)
            assert sorted(f["event"]["id"] for f in pair.feedback) == sorted(e["id"] for e in events)
            pair.clock.move(4_000)
            drain(one, two)
            assert not pair.dead_letters


def test_a_label_joined_before_its_event_changed_hands_is_not_joined_again(pair: Service, tmp_path: Path) -> None:
    events, labels = zip(*stream(80, subjects=40), strict=True)
    with pair.worker() as one:
        pair.send(*events)
        drain(one)
        with pair.worker(settings(tmp_path / "second", batching=FEW)) as two:
            pair.tell(*labels)
            one.step(0)  # gives up its partitions
            for _ in range(30):
                two.step(0)  # reads labels of what it has taken over
            drain(one, two)
            found = [f["event"]["id"] for f in pair.feedback]
            assert sorted(found) == sorted(e["id"] for e in events)


def test_a_label_of_a_subject_outgrows_no_record(tmp_path: Path) -> None:
    bounds = {"subject_posts_bytes": 250}
    service = Service(text_settings(tmp_path, bounds=bounds))
    with running(service) as worker:
        for i in range(6):
            service.send({"id": f"e{i}", "subject": "u", "time": START, "text": f"{i}" * 100})
        drain(worker)
        service.tell({"subject": "u", "label": "spam", "time": START})
        drain(worker)
    [feedback] = service.feedback
    assert [post[0] for post in feedback["posts"]] == ["3", "4"]  # the newest; the event's own text stands beside them


def test_of_two_workers_neither_puts_a_corrected_label_aside(pair: Service, tmp_path: Path) -> None:
    bounds = {"waiting_ttl_seconds": 5.0}
    pair = Service(settings(tmp_path / "a", batching=FEW, bounds=bounds), partitions=4)
    second = settings(tmp_path / "b", batching=FEW, bounds=bounds)
    with pair.worker() as one, pair.worker(second) as two:
        drain(one, two)
        events = [event(f"e{i}", subject=f"s{i}") for i in range(40)]
        pair.send(*events)
        pair.tell(*[label(f"e{i}", truth) for truth in ("no", "yes") for i in range(40)])
        drain(one, two)
        pair.clock.move(60)
        drain(one, two)
        one.step(0)
        two.step(0)
        assert len(pair.feedback) == 80
        assert not pair.dead_letters


def test_spellings_of_one_label_neither_contradict_nor_make_classes(tmp_path: Path) -> None:
    service = Service(settings(tmp_path, classes=()))
    with running(service) as worker:
        service.send(*(event(f"e{i}") for i in range(3)))
        service.tell(
            *(label("e0", truth=truth, source=f"s{i}") for i, truth in enumerate((True, 1, 1.0, "1.0", "True")))
        )
        service.tell(label("e1", truth=False), label("e1", truth="0"), label("e2", truth="0.0"))
        drain(worker)
        assert [(f["label"], f["contradicts"]) for f in service.feedback] == [("1", None)] * 5 + [("0", None)] * 2
        assert sorted(worker.classifier.classes) == ["0", "1"]
        assert worker.counts.labels == {"joined": 7, "duplicate": 1}
