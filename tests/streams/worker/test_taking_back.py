"""Taking labels back: `"label": null` for the same event, or subject, and source."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.streams.state.entries import fingerprint
from tocsin.streams.wire.packed.control import is_control
from tocsin.streams.wire.packed.feedback import read_feedback

from ..support import START, Service, crash, drain, event, label, running, stream, text_settings
from .left_out_logs import going, never_had, sha256, teach


def back(identity: str, **more: Any) -> dict[str, Any]:
    """A label that takes back what was said of an event."""
    return {"event": identity, "label": None, "time": START + 9_000, **more}


@pytest.fixture
def service(tmp_path: Path) -> Service:
    return Service(going(tmp_path))


def named(service: Service) -> list[list[int]]:
    """The offsets that each control record names."""
    return [control.offsets for _, control in service.controls]


def test_a_label_that_is_taken_back_is_unlearnt_to_the_bit(service: Service, tmp_path: Path) -> None:
    with running(service) as worker:
        teach(service, 15, 0, (), worker)
        service.tell(back("e4", subject="s0"))
        drain(worker)
        [(offset, control)] = service.controls
        assert (offset, control.kind, control.reason, control.offsets) == (15, "leave-out", "taken-back", [4])
        assert worker.counts.labels == {"joined": 15, "taken-back": 1}
        assert worker.classifier.learnt == 14
        assert sha256(worker) == never_had(service, [4], tmp_path)
        assert not service.dead_letters


def test_a_label_that_was_taken_back_can_come_again(service: Service, tmp_path: Path) -> None:
    with running(service) as worker:
        teach(service, 5, 0, (), worker)
        for truth in ("no", "yes", "yes"):
            service.tell(back("e2"))
            drain(worker)
            service.tell(label("e2", truth=truth))
            drain(worker)
        assert worker.classifier.learnt == 5
        assert worker.counts.labels == {"joined": 8, "taken-back": 3}
        assert named(service) == [[2], [6], [8]]
        assert [f["contradicts"] for f in service.feedback] == [None] * 8
        assert sha256(worker) == never_had(service, [2, 6, 8], tmp_path)


def test_what_one_source_takes_back_the_others_still_say(service: Service) -> None:
    with running(service) as worker:
        service.send(event("e"))
        service.tell(label("e"), label("e", source="a"), label("e", truth="no", source="b"))
        drain(worker)
        service.tell(back("e", source="a"))
        drain(worker)
        assert named(service) == [[1]]
        service.tell(label("e"), label("e", truth="no", source="b"), label("e", source="a"))
        drain(worker)
        assert worker.counts.labels["duplicate"] == 2
        assert [f["source"] for f in service.feedback] == [None, "a", "b", "a"]


def test_all_corrections_of_a_source_are_taken_back_at_once(service: Service) -> None:
    with running(service) as worker:
        service.send(event("e"))
        service.tell(label("e"), label("e", truth="no"), label("e"))
        drain(worker)
        service.tell(back("e"))
        drain(worker)
        assert named(service) == [[0, 1, 2]]
        assert worker.classifier.learnt == 0


def test_taking_back_what_is_taken_back_is_a_duplicate(service: Service) -> None:
    with running(service) as worker:
        service.send(event("e"))
        service.tell(label("e"))
        drain(worker)
        service.tell(back("e"))
        drain(worker)
        service.tell(back("e"), back("e"))
        drain(worker)
        assert worker.counts.labels == {"joined": 1, "taken-back": 1, "duplicate": 2}
        assert named(service) == [[0]]


def test_a_label_that_comes_with_its_taking_back_is_taken_back_once_and_counted(service: Service) -> None:
    """Its feedback record is on its way then, whose offset nobody knows; several nulls wait for it."""
    with running(service) as worker:
        service.send(event("e"))
        service.tell(back("e"), label("e"), back("e"), label("e"), back("e"))
        drain(worker)
        assert named(service) == [[0, 1]]
        assert worker.counts.labels == {"waiting": 1, "joined": 2, "taken-back": 2}
        service.clock.move(4_000)
        drain(worker)
        assert worker.classifier.learnt == 0
        assert not service.dead_letters


def test_a_label_that_waits_for_its_event_waits_no_more(service: Service) -> None:
    with running(service) as worker:
        service.tell(label("e"), label("e", source="a"))
        drain(worker)
        service.tell(back("e"))
        drain(worker)
        service.send(event("e"))
        drain(worker)
        assert [f["source"] for f in service.feedback] == ["a"]
        assert worker.counts.labels == {"waiting": 2, "taken-back": 1, "joined": 1}
        service.clock.move(4_000)
        drain(worker)
        assert not service.dead_letters
        assert not service.controls


@pytest.mark.parametrize("apart", [False, True], ids=["in one batch", "in two"])
def test_a_label_that_comes_after_the_taking_back_stands(service: Service, apart: bool) -> None:
    with running(service) as worker:
        service.send(event("e"))
        service.tell(label("e"))
        for told in (back("e"), label("e", truth="no")):
            if apart:
                drain(worker)
            service.tell(told)
        drain(worker)
        assert [f["label"] for f in service.feedback] == ["yes", "no"]
        assert named(service) == [[0]]
        assert worker.classifier.learnt == 1
        service.clock.move(4_000)
        drain(worker)
        assert not service.dead_letters


def test_taking_back_what_was_never_said_becomes_a_dead_letter_once_it_waited(service: Service) -> None:
    with running(service) as worker:
        service.send(event("e"))
        service.tell(label("e"), back("e", source="other"), back("never"))
        drain(worker)
        assert worker.counts.labels == {"joined": 1, "waiting": 2}
        service.clock.move(4_000)
        drain(worker)
        assert [kind for kind, _ in service.dead_letters] == ["unknown-label"] * 2
        assert worker.counts.labels == {"joined": 1, "waiting": 2, "unknown": 2}
        assert worker.classifier.learnt == 1
        assert not service.controls


def test_a_label_of_a_subject_is_taken_back_like_one_of_an_event(tmp_path: Path) -> None:
    service = Service(text_settings(tmp_path))
    with running(service) as worker:
        for i in range(3):
            service.send({"id": f"e{i}", "subject": "u", "time": START + i, "text": f"post {i}"})
        drain(worker)
        service.tell({"subject": "u", "label": "spam", "time": START + 99})
        drain(worker)
        service.tell({"event": "e2", "label": None, "time": START + 100})
        service.tell({"subject": "u", "label": None, "time": START + 100})
        drain(worker)
        assert named(service) == [[0]]
        assert worker.classifier.learnt == 0


def test_a_label_that_brought_its_own_features_is_taken_back(service: Service) -> None:
    with running(service) as worker:
        service.tell(label("own", features={"a": 1.0, "b": 2.0}))
        drain(worker)
        service.tell(back("own", features={"a": 1.0, "b": 2.0}))
        drain(worker)
        assert worker.counts.labels == {"self-contained": 1, "taken-back": 1}
        assert named(service) == [[0]]


def test_a_label_is_taken_back_under_the_name_that_the_class_has_today(tmp_path: Path) -> None:
    service = Service(going(tmp_path))
    with running(service) as worker:
        service.send(event("e"))
        service.tell(label("e"))
        drain(worker)
    renamed = going(tmp_path, classes=["no", "positive"], class_map={"yes": "positive"})
    with running(service, renamed) as worker:
        service.tell(back("e"))
        drain(worker)
        assert named(service) == [[0]]
        assert worker.classifier.learnt == 0


def test_what_was_taken_back_stays_so_when_all_labels_are_read_again(service: Service, tmp_path: Path) -> None:
    with running(service) as worker:
        teach(service, 8, 0, (), worker)
        service.tell(back("e3", subject="s3"))
        drain(worker)
        wanted = sha256(worker)
    shutil.rmtree(tmp_path / "first" / "test")
    service.broker._groups[service.settings.group].committed.clear()  # the broker has forgotten the group's offsets
    with running(service) as worker:
        assert worker.counts.labels == {"duplicate": 9}
        assert sha256(worker) == wanted
        assert named(service) == [[3]]
        service.clock.move(4_000)
        drain(worker)
        assert not service.dead_letters


def test_a_label_that_an_older_state_knows_can_be_taken_back(service: Service) -> None:
    with running(service) as worker:
        teach(service, 8, 0, (), worker)
        state = worker._state
        with state.transaction() as t:  # as the release before wrote it
            for i, (_, said) in enumerate(stream(8)):
                known = msgspec.json.encode({"": {"labels": [said["label"]], "place": [0, i]}})
                t.entries.put("known", fingerprint("event", f"e{i}"), known)
            t.notes.set("format", b"8")
    with running(service) as worker:
        service.tell(back("e3", subject="s3"), back("e5", subject="s1"))
        drain(worker)
        assert named(service) == [[3], [5]]
        assert worker.classifier.learnt == 6


ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("event"), st.integers(0, 5), st.just(0)),
        st.tuples(st.just("label"), st.integers(0, 5), st.integers(0, 3)),
        st.tuples(st.just("back"), st.integers(0, 5), st.integers(0, 1)),
        st.tuples(st.just("step"), st.integers(0, 1), st.integers(1, 3)),
        st.tuples(st.just("crash"), st.integers(0, 1), st.just(0)),
    ),
    max_size=40,
)


@given(ACTS)
def test_whatever_two_workers_read_in_whatever_order_each_source_says_what_it_said_last(
    acts: list[tuple[str, int, int]],
) -> None:
    with TemporaryDirectory() as directory:
        few, bounds = {"max_events": 2}, {"waiting_ttl_seconds": 5.0}
        configs = [going(Path(directory), name, batching=few, bounds=bounds) for name in ("first", "second")]
        service = Service(configs[0], partitions=2, transactional=True)
        said: dict[tuple[str, str], list[str]] = {}
        workers = [service.worker(config) for config in configs]
        for worker in workers:
            worker.__enter__()
        for act, first, second in [*acts, *(("event", i, 0) for i in range(6))]:
            identity = f"e{first}"
            more = {"subject": f"s{first}", **({"source": "other"} if second % 2 else {})}
            standing = said.setdefault((identity, more.get("source", "")), [])
            if act == "event":
                service.send(event(identity, subject=f"s{first}"))
            elif act == "label":
                truth = "yes" if second > 1 else "no"
                service.tell(label(identity, truth, **more))
                if standing[-1:] != [truth]:
                    standing.append(truth)
            elif act == "back":
                service.tell(back(identity, **more))
                standing.clear()
            elif act == "step":
                for _ in range(second):
                    workers[first].step(0)
            else:
                crash(workers[first])
                workers[first] = service.worker(configs[first])
                workers[first].__enter__()
        drain(*workers, most=1_000)
        assert standing_labels(service) == {key: found for key, found in said.items() if found}
        assert sha256(workers[0]) == sha256(workers[1])
        for worker in workers:
            worker.__exit__(None, None, None)


def standing_labels(service: Service) -> dict[tuple[str, str], list[str]]:
    """What is learnt of each event from each source."""
    gone = {offset for _, control in service.controls for offset in control.offsets}
    found: dict[tuple[str, str], list[str]] = {}
    for record in service.records(service.topics.feedback):
        if not is_control(record.value) and record.offset not in gone:
            feedback = read_feedback(record)
            found.setdefault((feedback.event.id, feedback.source or ""), []).append(feedback.label)
    return found
