"""Labels are learnt when they became known, alike one by one and many at a time, and by the baselines, too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from tocsin.config import Settings
from tocsin.streams.replay.in_process import InProcess
from tocsin.streams.replay.past_event import PastEvent, SourceError, label_record
from tocsin.streams.replay.source import read_source

from ..support import START, settings
from .test_in_chunks import FEATURES, TABULAR, config, same_both_ways, small_chunks, spoilt, stream
from .test_in_process import Watched

assert small_chunks  # it applies here, too


def timed(source: list[PastEvent], seed: int = 3) -> list[PastEvent]:
    """Labels between nothing and a hundred events late, out of order; some without a time."""
    rng = np.random.default_rng(seed)
    late = rng.exponential(20_000, len(source)).astype(int).tolist()
    return [past if i % 13 == 12 else past._replace(labelled_at=past.time + late[i]) for i, past in enumerate(source)]


@pytest.mark.parametrize("delay", [0, 5])
def test_many_at_a_time_are_as_one_by_one(tmp_path: Path, delay: int) -> None:
    left = same_both_ways(config(tmp_path, TABULAR), delay, timed(spoilt(stream(500))))
    learnt = [one[-3] for one in left["judged"]]
    assert learnt == sorted(learnt)
    assert 0 < learnt[-1] < len(learnt) - 10


def test_profiles_see_them_at_that_time(tmp_path: Path) -> None:
    profiles = [{"key": "subject", "windows": ["1m"], "rate": ["odd", "yes"]}]
    some = config(tmp_path, TABULAR[:3], schema={"features": FEATURES, "profiles": profiles})
    same_both_ways(some, 2, timed(stream(400)))


def test_a_label_is_learnt_before_the_first_event_that_is_no_earlier(tmp_path: Path) -> None:
    made = []
    for i, known in enumerate((3_000, 1_000, 99_000, 3_001, 4_000)):
        raw = {"id": f"e{i}", "subject": "s", "time": START + i * 1_000, "features": {"a": 1.0, "b": 2.0}}
        made.append(PastEvent(f"e{i}", "s", START + i * 1_000, orjson.dumps(raw), "yes", START + known))
    replay = Watched(settings(tmp_path), 0)
    replay.run(made)
    assert [d.model.feedback_offset for d, _ in replay.judged] == [0, 0, 1, 2, 3]


def test_the_rival_and_the_baselines_know_them_no_earlier(tmp_path: Path) -> None:
    truths = [("no", "yes")[i // 10 % 2] for i in range(40)]
    some = settings(tmp_path, experts=[{"kind": "persistence"}], schema={"features": [{"name": "a"}]})
    path = tmp_path / "a.csv"
    rows = [f"{START + i},1,{truth},{START + i + 7}" for i, truth in enumerate(truths)]
    path.write_text("time,a,label,known\n" + "\n".join(rows))
    some = some.model_copy(update={"replay": some.replay.model_copy(update={"label_time": "known"})})
    report = InProcess(some, 1, rival=True).run(list(read_source(some, str(path), no_transport)))
    late = [truths[i] == truths[i - 7] for i in range(7, 40)]
    assert report.baselines["no_change"] == report.accuracy == sum(late) / 33
    assert report.baselines["hoeffding_tree"] < 0.9


def no_transport() -> Any:
    raise AssertionError


def with_times(directory: Path, **replay: Any) -> Settings:
    return settings(directory, replay={"label_time": "known.at", **replay})


def test_lines_of_json_have_them_by_a_path(tmp_path: Path) -> None:
    event = {"subject": "s", "time": START, "features": {"a": 1, "b": 1}, "label": "yes"}
    lines = [{"id": "1", **event, "known": {"at": START + 9}}, {"id": "2", **event}]
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\n".join(map(orjson.dumps, lines)))
    some = with_times(tmp_path)
    first, second = read_source(some, str(path), no_transport)
    assert (first.labelled_at, second.labelled_at) == (START + 9, None)
    assert orjson.loads(label_record(some, first))["time"] == START + 9
    path.write_bytes(orjson.dumps({**lines[0], "known": {"at": "soon"}}))
    with pytest.raises(SourceError, match="the time of a label"):
        list(read_source(some, str(path), no_transport))


def test_a_column_that_is_not_there_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("time,a,b,label\n1,1,1,yes\n")
    with pytest.raises(SourceError, match=r"has no column 'known\.at'"):
        list(read_source(with_times(tmp_path), str(path), no_transport))
