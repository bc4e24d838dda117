from __future__ import annotations

import dataclasses
import gzip
from importlib import resources
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
import pytest

from tocsin.config import Settings, load
from tocsin.streams.replay.evaluation import PrequentialEvaluation
from tocsin.streams.replay.in_process import InProcess
from tocsin.streams.replay.past_event import PastEvent, label_record
from tocsin.streams.replay.source import read_source
from tocsin.streams.wire.records import Decision

from ..support import START, settings, stream

PRESETS = Path(str(resources.files("tocsin.config.presets")))
KEYS = {
    "events", "before_first_label", "accuracy", "kappa_m", "kappa_t", "f1_macro", "gmean", "coverage",
    "selective_accuracy", "baselines", "events_per_second", "dead_letters", "promise",
    "rare", "classes", "confusion", "cost", "over_time", "drifts", "intervals",
}  # fmt: skip


def past(raw: dict[str, Any], truth: str | None) -> PastEvent:
    return PastEvent(raw["id"], raw["subject"], raw["time"], orjson.dumps(raw), truth)


def some(n: int) -> list[PastEvent]:
    return [past(raw, truth["label"]) for raw, truth in stream(n)]


class Noting(PrequentialEvaluation):
    """Notes the decisions that it judges."""

    def __init__(self) -> None:
        super().__init__()
        self.judged: list[tuple[Decision, str]] = []

    def add(self, decision: Decision, truth: str) -> bool:
        self.judged.append((decision, truth))
        return super().add(decision, truth)


class Watched(InProcess):
    """A replay by a worker, whose judged decisions a test can look at; `test_in_chunks` holds the other way to it."""

    def __init__(self, config: Settings, label_delay: int) -> None:
        super().__init__(config, label_delay, many_at_once=False)
        self.evaluation = self.noting = Noting()

    @property
    def judged(self) -> list[tuple[Decision, str]]:
        return self.noting.judged


@pytest.mark.parametrize("delay", [0, 1, 2, 7])
@pytest.mark.parametrize("most", [1, 1_000], ids=["batches of one", "batches"])
def test_a_label_is_learnt_exactly_so_many_events_late(tmp_path: Path, delay: int, most: int) -> None:
    replay = Watched(settings(tmp_path, batching={"max_events": most}), delay)
    replay.run(some(20))
    assert [d.event for d, _ in replay.judged] == [f"e{i}" for i in range(20)]
    assert [d.model.feedback_offset for d, _ in replay.judged] == [max(0, i - delay) for i in range(20)]


def test_labels_by_an_old_name_are_judged_by_that_of_today(tmp_path: Path) -> None:
    plain = Watched(settings(tmp_path), 1)
    mapped = Watched(settings(tmp_path, classes=["no", "true"], class_map={"yes": "true"}), 1)
    reports = [replay.run(some(80)) for replay in (plain, mapped)]
    assert {truth for _, truth in mapped.judged} == {"no", "true"}
    assert reports[1].accuracy == reports[0].accuracy
    assert reports[1].dead_letters == 0


def test_the_report_says_how_the_promise_on_errors_stood(tmp_path: Path) -> None:
    promised = settings(tmp_path, abstention={"controls": "error", "cold_start": 5})
    report = InProcess(promised, 3).run(some(200))
    assert report.promise == {
        "kept": 0.0, "at_risk": 1.0, "cannot_be_kept": 0.0, "state": "at risk", "reason": None, "drifts_every": None,
    }  # fmt: skip
    assert InProcess(settings(tmp_path), 3).run(some(20)).promise is None


def test_every_decision_is_judged_by_its_own_label(tmp_path: Path) -> None:
    replay = Watched(settings(tmp_path), 3)
    replay.run(some(30))
    assert [(d.event, t) for d, t in replay.judged] == [(e["id"], t["label"]) for e, t in stream(30)]


def test_the_report_has_exactly_the_keys_of_the_contract(tmp_path: Path) -> None:
    report = InProcess(settings(tmp_path), 1).run(some(40))
    assert set(dataclasses.asdict(report)) == KEYS
    assert set(report.baselines) == {"no_change", "majority"}
    assert report.events == 40
    assert report.dead_letters == 0
    assert report.events_per_second is not None
    assert report.events_per_second > 0
    orjson.dumps(dataclasses.asdict(report))


def test_a_replay_of_nothing_reports_nothing(tmp_path: Path) -> None:
    report = InProcess(settings(tmp_path), 1).run([])
    assert set(dataclasses.asdict(report)) == KEYS
    assert report.events == 0
    assert report.accuracy is None


def test_broken_rows_are_dead_letters_and_shift_no_label(tmp_path: Path) -> None:
    good = some(20)
    mixed = [
        *good[:5],
        PastEvent("x", "s", START, b"{", None),
        PastEvent("y", "s", START, b"{}", "yes"),
        *good[5:],
        good[3],
    ]
    replay = Watched(settings(tmp_path), 1)
    report = replay.run(mixed)
    assert report.dead_letters == 2
    assert report.events == 20
    assert [(d.event, t) for d, t in replay.judged] == [(e["id"], t["label"]) for e, t in stream(20)]


def test_rows_without_a_label_are_decided_and_not_judged(tmp_path: Path) -> None:
    replay = Watched(settings(tmp_path), 1)
    report = replay.run([r if i % 2 else r._replace(label=None) for i, r in enumerate(some(20))])
    assert report.events == 10
    assert replay.without_label == 10
    assert replay.judged[-1][0].model.feedback_offset == 9


def test_a_label_that_is_no_class_is_a_dead_letter(tmp_path: Path) -> None:
    report = InProcess(settings(tmp_path), 1).run([r._replace(label="maybe") for r in some(5)])
    assert report.dead_letters == 5


def test_a_replay_leaves_the_services_own_state_alone(tmp_path: Path) -> None:
    InProcess(settings(tmp_path / "state"), 1).run(some(5))
    assert not (tmp_path / "state").exists()


def test_records_that_were_read_are_deleted_and_no_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tocsin.streams.replay.in_process.EXPIRE_EVERY", 10)
    replay = Watched(settings(tmp_path), 25)
    replay.run(some(80))
    assert [d.model.feedback_offset for d, _ in replay.judged] == [max(0, i - 25) for i in range(80)]
    assert max(len(stored.records) for topic in replay._broker._topics.values() for stored in topic) < 80


def test_a_label_is_written_as_the_schema_reads_it(tmp_path: Path) -> None:
    paths = {"label": {"event": "ref.id", "label": "ref.verdict", "time": "at"}}
    config = settings(tmp_path, schema={"features": [{"name": "a"}], **paths})
    written = orjson.loads(label_record(config, PastEvent("e", "s", 5, b"", "yes")))
    assert written == {"ref": {"id": "e", "verdict": "yes"}, "at": 5}
    own = [{**e, "a": 1} for e, _ in stream(10)]
    report = InProcess(config, 1).run([past(e, "yes") for e in own])
    assert report.events == 10


def test_the_rival_sees_the_same_events_and_the_same_late_labels(tmp_path: Path) -> None:
    from river.tree import HoeffdingTreeClassifier

    report = InProcess(settings(tmp_path), 2, rival=True).run(some(300))
    tree, late, right = HoeffdingTreeClassifier(), list[Any](), 0
    for raw, truth in stream(300):
        x = raw["features"]
        right += tree.predict_one(x) == truth["label"]
        late.append((x, truth["label"]))
        if len(late) > 2:
            tree.learn_one(*late.pop(0))
    assert report.baselines["hoeffding_tree"] == right / (300 - report.before_first_label)


def preset(name: str, file: str, limit: int | None = None) -> tuple[Settings, Any]:
    config = load(PRESETS / f"{name}.yaml")

    def no_transport() -> Any:
        raise AssertionError

    return config, islice(read_source(config, str(PRESETS / "data" / file), no_transport), limit)


def test_the_shipped_text_stream_is_told_apart() -> None:
    config, source = preset("sms", "sms_spam.tsv.gz")
    report = InProcess(config, config.replay.label_delay).run(source)
    assert report.events == 5_574
    assert report.accuracy > 0.95
    assert report.dead_letters == 0


def test_the_shipped_market_stream_beats_a_single_tree() -> None:
    config, source = preset("electricity", "electricity.csv.gz", 10_000)
    report = InProcess(config, 1, rival=True).run(source)
    assert report.accuracy > 0.80
    assert report.accuracy > report.baselines["hoeffding_tree"]


@pytest.mark.proof
@pytest.mark.timeout(900)
def test_the_whole_market_stream_beats_a_single_tree() -> None:
    config, source = preset("electricity", "electricity.csv.gz")
    report = InProcess(config, 1, rival=True).run(source)
    assert report.events == 45_312
    assert report.accuracy > 0.80
    assert report.accuracy > report.baselines["hoeffding_tree"]
    assert report.dead_letters == 0


def test_the_shipped_data_is_whole() -> None:
    for file, lines in (("electricity.csv.gz", 45_313), ("sms_spam.tsv.gz", 5_574)):
        with gzip.open(PRESETS / "data" / file) as data:
            assert sum(1 for _ in data) == lines


@pytest.mark.parametrize("together", [2, 7, 64])
def test_events_that_are_decided_together_are_decided_by_one_state_of_the_model(tmp_path: Path, together: int) -> None:
    class Together(InProcess):
        learnt: list[int]

        def _judge(self, past: PastEvent, decision: Decision | None) -> None:
            assert decision is not None
            self.learnt.append(decision.model.feedback_offset)
            super()._judge(past, decision)

    replayed = Together(settings(tmp_path, replay={"together": together}), 1)
    replayed.learnt = []
    report = replayed.run(some(100))
    assert report.events == 100
    # Before each block, the labels of all events before it are learnt but the last, which is one event late.
    assert replayed.learnt == [max(i // together * together - 1, 0) for i in range(100)]


def test_failure_a_label_of_the_future_is_learnt_before_events_of_a_block(tmp_path: Path) -> None:
    class Together(InProcess):
        def _judge(self, past: PastEvent, decision: Decision | None) -> None:
            assert decision is not None
            known = [one for one in events if one.labelled_at is not None and one.labelled_at <= past.time]
            assert decision.model.feedback_offset <= len(known)
            super()._judge(past, decision)

    events = [one._replace(labelled_at=one.time + 10) for one in some(100)]
    report = Together(settings(tmp_path, replay={"together": 20}), 1).run(events)
    assert report.events == 100


def test_failure_labels_that_are_known_at_once_are_lost_beyond_a_batch(tmp_path: Path) -> None:
    events = [one._replace(labelled_at=START + 2_000) for one in some(4_000)]
    replayed = InProcess(settings(tmp_path, replay={"together": 100}), 1)
    report = replayed.run(events)
    assert report.events == 4_000
    assert replayed.classifier is not None
    assert replayed.classifier.learnt == 4_000


def test_a_device_decides_in_a_replay_what_the_cpu_decides(tmp_path: Path) -> None:
    reports, used = [], list[str]()
    for device in ("cpu", "torch-cpu"):
        config = settings(tmp_path, kernels={"device": device}, replay={"together": 20})
        replayed = InProcess(config, 1)
        found = dataclasses.asdict(replayed.run(some(200)))
        assert replayed.classifier is not None
        if (standing := replayed.classifier.mixture.scorer.standing).bytes_per_label:
            used.append(standing.place)
        reports.append({key: value for key, value in found.items() if key != "events_per_second"})
    known, found = reports
    assert used == ["torch-cpu"]
    assert found["confusion"] == known["confusion"]
    assert found["accuracy"] == known["accuracy"]
    assert found["coverage"] == known["coverage"]
