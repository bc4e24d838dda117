"""What if: the same config changes nothing, and another one decides as a service that had it from the start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from tocsin.config.settings import Settings
from tocsin.streams.replay.past.span import Span
from tocsin.streams.replay.what_if.report import WhatIfReport
from tocsin.streams.replay.what_if.what_if import WhatIf
from tocsin.streams.transport.base import Partition
from tocsin.streams.wire.packed.control import Control, packed_control
from tocsin.streams.wire.records import Decision
from tocsin.streams.worker.learning.learn import FeedbackError
from tocsin.streams.worker.worker import Worker

from ...support import Service, drain, settings, stream, text_settings

ALL = Span()
CONFIGS: dict[str, dict[str, Any]] = {
    "plain": {},
    "priors": {"prior_shift": {"enabled": True}},
    "profiles": {
        "schema": {
            "features": [{"name": "a"}, {"name": "b", "required": False}],
            "profiles": [{"key": "subject", "of": ["a"], "windows": ["1h"], "rate": ["yes"]}],
        }
    },
    "a budget of reviews": {"abstention": {"cold_start": 5, "budget": 20}},
    "traffic": {"abstention": {"cold_start": 5, "novelty_by": "traffic"}},
    "alerts": {"alert": {"class": "yes", "budget": "1%"}},
    "a forest": {"experts": [{"kind": "forest", "trees": 3}, {"kind": "naive-bayes"}]},
    "open classes": {"classes": []},
}


def served(service: Service, n: int = 160, lag: int = 12, together: int = 7) -> None:
    """A service that decides so many events at a time, with labels so many events late."""
    made = list(stream(n))
    with service.worker() as worker:
        for start in range(0, n, together):
            service.clock.move(1)
            service.send(*(event for event, _ in made[start : start + together]))
            worker.step(0)
            service.tell(*(label for _, label in made[max(0, start - lag) : max(0, start + together - lag)]))
            worker.step(0)
        drain(worker)


def asked(service: Service, other: Settings, span: Span = ALL) -> tuple[WhatIfReport, list[Decision]]:
    made: list[Decision] = []
    what_if = WhatIf(service.settings, other, service.open((), {}, None))
    what_if.decisions = made.append
    return what_if.run(span), made


@pytest.mark.parametrize("case", CONFIGS)
@pytest.mark.parametrize("partitions", [1, 3])
def test_the_same_config_changes_nothing(tmp_path: Path, case: str, partitions: int) -> None:
    config = settings(tmp_path, **CONFIGS[case])
    service = Service(config, partitions=partitions)
    served(service)
    report, _ = asked(service, config)
    assert (report.events, report.changed, report.moved) == (160, 0, 0)
    assert report.only_before == report.only_after == report.expired == report.without_link == 0
    assert report.judged > 100
    assert all(one.difference in (0.0, None) for one in report.metrics.values())
    assert report.alerts.only_before == report.alerts.only_after == 0


def as_one(decision: Decision | dict[str, Any]) -> dict[str, Any]:
    """A decision without what two services have each of their own."""
    plain = decision if isinstance(decision, dict) else msgspec.to_builtins(decision)
    model = {name: value for name, value in plain["model"].items() if name not in ("feedback_offset", "settings")}
    return {**{name: value for name, value in plain.items() if name != "chain"}, "model": model}


OTHERS: dict[str, dict[str, Any]] = {
    "one expert less": {"experts": [{"kind": "linear"}]},
    "others": {"experts": [{"kind": "naive-bayes"}, {"kind": "neighbours", "window": 50}]},
    "another threshold": {"abstention": {"cold_start": 5, "error": 0.3}},
    "costs": {"abstention": {"cold_start": 5, "costs": {"yes": {"no": 5.0}}, "controls": "cost"}},
    "another feature": {"schema": {"features": [{"name": "b", "required": False}]}},
    "priors": {"prior_shift": {"enabled": True}},
    "a budget": {"abstention": {"cold_start": 5, "budget": 3}},
    "another seed": {"seed": 7, "experts": [{"kind": "forest", "trees": 3}]},
}


@pytest.mark.parametrize("case", OTHERS)
def test_another_config_decides_as_a_service_that_had_it_from_the_start(tmp_path: Path, case: str) -> None:
    service = Service(settings(tmp_path / "one"), partitions=2)
    served(service)
    other = settings(tmp_path / "other", **OTHERS[case])
    from_the_start = Service(other, partitions=2)
    served(from_the_start)

    report, made = asked(service, other)

    assert report.events == 160
    wanted = {d["event"]: as_one(d) for d in from_the_start.decisions}
    assert {d.event: as_one(d) for d in made} == wanted
    before = {d["event"]: d for d in service.decisions}
    changed = [i for i, d in wanted.items() if (d["status"], d["label"]) != (before[i]["status"], before[i]["label"])]
    assert report.changed == len(changed)
    assert {one.event for one in report.examples} == set(changed) or len(changed) > 100
    assert sum(n for row in report.matrix.values() for n in row.values()) == 160


def test_nothing_is_written_to_any_topic_and_no_group_is_joined(tmp_path: Path) -> None:
    service = Service(settings(tmp_path))
    served(service)
    ends = {name: len(service.records(name)) for name in service.topics.names()}
    committed = service.broker.committed(service.settings.group)
    asked(service, settings(tmp_path, experts=[{"kind": "linear"}]))
    assert {name: len(service.records(name)) for name in service.topics.names()} == ends
    assert service.broker.committed(service.settings.group) == committed


def test_a_span_is_compared_alone_and_stands_where_it_stood(tmp_path: Path) -> None:
    service = Service(settings(tmp_path))
    served(service)
    offsets = [d["model"]["feedback_offset"] for d in service.decisions]
    other = settings(tmp_path, experts=[{"kind": "linear"}])
    whole, made = asked(service, other)
    half = sorted(offsets)[80]
    report, part = asked(service, other, Span.of(str(half), None))
    assert report.events == sum(offset >= half for offset in offsets)
    assert {d.event: as_one(d) for d in part}.items() <= {d.event: as_one(d) for d in made}.items()
    assert report.changed < whole.changed


def test_alerts_that_come_earlier_are_told(tmp_path: Path) -> None:
    config = text_settings(tmp_path, early_risk={"classes": ["spam"], "policy": "accumulated", "minimum_posts": 8})
    service = Service(config)
    with service.worker() as worker:
        for i in range(40):
            spam = i % 4 == 0
            text = "win a prize now" if spam else "see you at lunch"
            service.send({"id": f"e{i}", "subject": f"s{i % 4}", "time": i + 1, "text": text})
            service.tell({"event": f"e{i}", "label": "spam" if spam else "ham", "time": i + 2})
            drain(worker)
    eager = text_settings(tmp_path, early_risk={"classes": ["spam"], "policy": "accumulated", "minimum_posts": 3})
    same, _ = asked(service, config)
    assert (same.alerts.earlier, same.alerts.later, same.changed) == (0, 0, 0)
    assert same.alerts.before == same.alerts.after > 0
    report, _ = asked(service, eager)
    assert report.alerts.earlier == 1
    assert report.alerts.posts is not None
    assert report.alerts.posts < 0


def test_events_that_were_put_aside_may_be_decided_by_another_schema(tmp_path: Path) -> None:
    service = Service(settings(tmp_path))
    made = list(stream(30))
    with service.worker() as worker:
        for n, (event, label) in enumerate(made):
            service.send({**event, "features": {"b": 0.5}} if n % 5 == 2 else event)
            service.tell(label)
            drain(worker)
    assert len(service.dead_letters) == 6
    lenient = settings(tmp_path, schema={"features": [{"name": "a", "required": False}, {"name": "b"}]})
    report, _ = asked(service, lenient)
    assert (report.events, report.only_after) == (24, 6)
    same, _ = asked(service, service.settings)
    assert (same.events, same.only_after, same.changed) == (24, 0, 0)
    strict = settings(tmp_path, schema={"features": [{"name": "a"}, {"name": "b"}, {"name": "c"}]})
    report, _ = asked(service, strict)
    assert (report.events, report.only_before) == (0, 24)


def test_partitions_that_changed_hands_change_nothing_under_the_same_config(tmp_path: Path) -> None:
    service = Service(settings(tmp_path / "one"), partitions=2)
    made = list(stream(150))
    late: list[dict[str, Any]] = []

    def work_off(start: int, *workers: Worker) -> None:
        nonlocal late
        for event, label in made[start : start + 50]:
            service.send(event)
            service.tell(*late[-9:-8])
            late.append(label)
            drain(*workers)

    with service.worker() as worker:
        work_off(0, worker)
        with service.worker(settings(tmp_path / "other", name="other")) as other:
            drain(worker, other)
            work_off(50, worker, other)
        work_off(100, worker)
    assert {one["context"] is None for one in service.feedback} == {False, True}  # some was read back and lost
    report, _ = asked(service, service.settings)
    assert (report.events, report.changed, report.moved) == (150, 0, 0)


def test_a_class_by_another_name_is_no_other_decision(tmp_path: Path) -> None:
    service = Service(settings(tmp_path, alert={"class": "yes", "budget": "10%"}))
    served(service)
    alert = {"class": "fraud", "budget": "10%"}
    other = settings(tmp_path, classes=["no", "fraud"], class_map={"yes": "fraud"}, alert=alert)
    report, _ = asked(service, other)
    assert (report.events, report.changed, report.moved) == (160, 0, 0)
    assert all(one.difference in (0.0, None) for one in report.metrics.values())
    assert (report.alerts.only_before, report.alerts.only_after) == (0, 0)
    assert report.alerts.before > 0


def test_labels_of_a_class_that_the_other_config_lacks_contradict_nothing(tmp_path: Path) -> None:
    def told(config: Settings) -> Service:
        service = Service(config)
        with service.worker() as worker:
            for event, label in stream(80):
                service.send(event)
                drain(worker)
                for said in (label["label"], "yes"):  # the second one contradicts the first, where that was taken
                    service.tell({"subject": event["subject"], "label": said, "time": label["time"]})
                    drain(worker)
        return service

    service = told(settings(tmp_path / "one"))
    other = settings(tmp_path / "other", classes=["yes", "maybe"])
    report, made = asked(service, other)
    assert report.events == 80
    assert {d.event: as_one(d) for d in made} == {d["event"]: as_one(d) for d in told(other).decisions}


def test_feedback_that_is_garbage_is_told_with_its_place(tmp_path: Path) -> None:
    service = Service(settings(tmp_path))
    served(service, n=20)
    end = len(service.records(service.topics.feedback))
    service.open((), {}, None).produce(service.topics.feedback, None, b"{")
    with pytest.raises(FeedbackError, match=f"feedback, partition 0, offset {end} is no feedback record"):
        asked(service, service.settings)


def test_a_clock_that_was_set_back_loses_no_event(tmp_path: Path) -> None:
    service = Service(settings(tmp_path))
    with service.worker() as worker:
        for i, (event, label) in enumerate(stream(40)):
            service.send(event)
            drain(worker)
            service.clock.move(-1 if i % 10 == 5 else 1)
            if i % 20 == 0:
                service.tell(label)
                drain(worker)
    report, _ = asked(service, service.settings)
    assert (report.events, report.changed, report.moved, report.only_before) == (40, 0, 0, 0)


def test_a_change_of_the_config_and_a_restart_in_the_past_are_no_hindrance(tmp_path: Path) -> None:
    service = Service(settings(tmp_path / "state"), partitions=2)
    made = list(stream(120))
    for start, changes in ((0, {}), (40, {"experts": [{"kind": "naive-bayes"}]}), (80, {})):
        with service.worker(settings(tmp_path / "state", **changes)) as worker:
            for event, label in made[start : start + 40]:
                service.send(event)
                service.tell(label)
                drain(worker)
    from_the_start = Service(settings(tmp_path / "whole"), partitions=2)
    with from_the_start.worker() as worker:
        for event, label in made:
            from_the_start.send(event)
            from_the_start.tell(label)
            drain(worker)
    report, decisions = asked(service, settings(tmp_path))
    assert {d.event: as_one(d)["belief"] for d in decisions} == {
        d["event"]: d["belief"] for d in from_the_start.decisions
    }
    assert report.events == 120


def test_events_that_are_gone_are_counted_and_end_nothing(tmp_path: Path) -> None:
    service = Service(settings(tmp_path))
    served(service)
    service.broker.expire(Partition(service.topics.events, 0), 50)
    report, _ = asked(service, settings(tmp_path))
    assert (report.expired, report.events) == (50, 110)


def test_labels_of_several_sources_and_of_subjects_teach_as_they_did(tmp_path: Path) -> None:
    service = Service(text_settings(tmp_path))
    with service.worker() as worker:
        for i in range(60):
            text = "win a prize now" if i % 3 == 0 else "see you at lunch"
            service.send({"id": f"e{i}", "subject": f"s{i % 6}", "time": i + 1, "text": text})
            drain(worker)
            service.tell({"event": f"e{i}", "label": "spam" if i % 3 == 0 else "ham", "time": i + 2, "source": "a"})
            if i % 7 == 0:
                service.tell({"event": f"e{i}", "label": "ham", "time": i + 3, "source": "b", "weight": 0.5})
            if i % 11 == 0:
                service.tell({"subject": f"s{i % 6}", "label": "spam", "time": i + 3})
            drain(worker)
    report, _ = asked(service, text_settings(tmp_path))
    assert (report.events, report.changed, report.moved) == (60, 0, 0)


def test_labels_that_were_taken_back_and_left_out_in_the_past_change_nothing(tmp_path: Path) -> None:
    config = settings(tmp_path, experts=[{"kind": "forest", "trees": 3}, {"kind": "naive-bayes"}])
    service, made = Service(config, partitions=2), list(stream(160))
    feeder = service.open((), {}, None)
    with service.worker() as worker:
        for n, (event, label) in enumerate(made):
            service.send(event)
            service.tell({**label, "source": "a" if n % 3 else "b"})
            drain(worker)
            if n in (50, 51, 90):
                service.tell({**made[n - 10][1], "source": "a" if (n - 10) % 3 else "b", "label": None})
                drain(worker)
            if n == 120:
                end = len(service.records(service.topics.feedback))
                left_out = Control(kind="leave-out", reason="rollback", time=0, first=60, end=end, source="b")
                feeder.produce(service.topics.feedback, None, packed_control(left_out))
                drain(worker)
        assert worker.counts.went_back >= 3
    report, _ = asked(service, config)
    assert (report.events, report.changed, report.moved) == (160, 0, 0)
    other = settings(tmp_path, experts=[{"kind": "naive-bayes"}])
    report, _ = asked(service, other)
    assert report.changed > 0
