from __future__ import annotations

import bz2
import datetime
import decimal
import gzip
import lzma
from pathlib import Path
from typing import Any

import orjson
import pyarrow
import pyarrow.parquet
import pytest

from tocsin.config.settings import Settings
from tocsin.streams.replay.past_event import BASE_TIME, PastEvent, SourceError, label_record
from tocsin.streams.replay.source import read_source
from tocsin.streams.transport.base import Transport
from tocsin.streams.transport.memory import MemoryBroker, MemoryTransport
from tocsin.streams.wire.decode import Decoder
from tocsin.streams.wire.schema import EventSchema, UnfitError

from ..support import START, record, settings

FEATURES: dict[str, Any] = {
    "features": [
        {"name": "n"},
        {"name": "c", "kind": "category", "path": "where.country"},
        {"name": "f", "kind": "boolean", "required": False},
    ]
}


def no_transport() -> Transport:
    raise AssertionError("no transport is needed to read a file")


def read(config: Settings, path: Path) -> list[PastEvent]:
    return list(read_source(config, str(path), no_transport))


def events(found: list[PastEvent]) -> list[Any]:
    return [orjson.loads(row.event) for row in found]


@pytest.fixture
def config(tmp_path: Path) -> Settings:
    return settings(tmp_path, schema=FEATURES)


CSV = b"n,c,f,label\n1.5,de,true,yes\n,fr,0,no\nx,,,\n"


@pytest.mark.parametrize(
    ("suffix", "pack"), [("", bytes), (".gz", gzip.compress), (".xz", lzma.compress), (".bz2", bz2.compress)]
)
def test_a_table_becomes_events_however_it_is_packed(config: Settings, tmp_path: Path, suffix: str, pack: Any) -> None:
    path = tmp_path / f"data.csv{suffix}"
    path.write_bytes(pack(CSV))
    found = read(config, path)
    assert events(found)[0] == {
        "id": "row-0", "subject": "replay", "time": BASE_TIME,
        "features": {"n": 1.5, "f": True}, "where": {"country": "de"},
    }  # fmt: skip
    assert events(found)[1]["features"] == {"n": None, "f": False}
    assert events(found)[1]["time"] == BASE_TIME + 1_000
    assert events(found)[2]["features"] == {"n": "x", "f": None}  # the service says what is wrong with it
    assert [row.label for row in found] == ["yes", "no", None]


def test_a_mark_at_the_beginning_of_a_file_is_no_part_of_a_name(config: Settings, tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(b"\xef\xbb\xbf" + CSV)
    assert len(read(config, path)) == 3


def test_quotes_within_a_tab_separated_text_are_text(tmp_path: Path) -> None:
    replay = {"header": ["label", "text"]}
    config = settings(tmp_path, schema={"text": "text"}, replay=replay)
    path = tmp_path / "data.tsv"
    path.write_text('ham\tsay "hi\nspam\t"win" "prize\nham\tend"\n')
    assert [e["text"] for e in events(read(config, path))] == ['say "hi', '"win" "prize', 'end"']


def test_quotes_in_a_comma_separated_file_hold_commas_and_lines(tmp_path: Path) -> None:
    config = settings(tmp_path, schema={"text": "text"})
    path = tmp_path / "data.csv"
    path.write_text('label,text\nham,"one, two\nthree ""four"""\n')
    assert events(read(config, path))[0]["text"] == 'one, two\nthree "four"'


@pytest.mark.parametrize("missing", ["n", "c", "label"])
def test_a_missing_column_is_named(config: Settings, tmp_path: Path, missing: str) -> None:
    header = [name for name in ("n", "c", "f", "label") if name != missing]
    path = tmp_path / "data.csv"
    path.write_text(",".join(header) + "\n1,2,3\n")
    with pytest.raises(SourceError, match=f"has no column '{missing}'; it has {', '.join(header)}"):
        read(config, path)
    table = {name: ["1"] for name in header}
    pyarrow.parquet.write_table(pyarrow.table(table), tmp_path / "data.parquet")
    with pytest.raises(SourceError, match=f"has no column '{missing}'"):
        read(config, tmp_path / "data.parquet")


def test_short_and_long_lines_are_rows_all_the_same(tmp_path: Path) -> None:
    config = settings(tmp_path, schema=FEATURES, replay={"id": "id", "subject": "who"})
    path = tmp_path / "data.csv"
    path.write_text("id,who,n,c,label\na,u,1,de,yes\nb\n,,1,de,no\nc,u,1,de,no,more,and more\n")
    found = read(config, path)
    assert [(r.id, r.subject, r.label) for r in found] == [
        ("a", "u", "yes"), ("b", "replay", None), ("row-2", "replay", "no"), ("c", "u", "no"),
    ]  # fmt: skip


def test_a_value_that_is_no_time_is_reported_with_its_row(tmp_path: Path) -> None:
    config = settings(tmp_path, schema=FEATURES, replay={"time": "at"})
    path = tmp_path / "data.csv"
    path.write_text(f"at,n,c,label\n{START},1,x,yes\n2026-01-01,1,x,yes\nnever,1,x,yes\n")
    with pytest.raises(SourceError, match=r"row 3: time: is no time: .* found the string 'never'"):
        read(config, path)


def test_parquet_keeps_its_types(tmp_path: Path) -> None:
    config = settings(tmp_path, schema=FEATURES, replay={"time": "at"})
    moment = datetime.datetime(2023, 11, 14, 22, 13, 20, tzinfo=datetime.UTC)
    table = pyarrow.table(
        {
            "at": [moment, moment],
            "n": pyarrow.array([decimal.Decimal("1.25"), None]),
            "c": ["de", None],
            "f": [True, None],
            "label": [1, None],
        }
    )
    pyarrow.parquet.write_table(table, tmp_path / "data.parquet")
    found = read(config, tmp_path / "data.parquet")
    first, second = events(found)
    assert first["features"] == {"n": 1.25, "f": True}
    assert first["time"] == START
    assert second["features"] == {"n": None, "f": None}
    assert [row.label for row in found] == ["1", None]


LINES = [
    {"id": 7, "subject": "s", "time": "2023-11-14T22:13:20Z", "features": {"n": 1}, "label": True},
    {"subject": "s", "time": START, "features": {}, "label": 0},
    {"subject": "s", "time": [], "label": None},
]


@pytest.mark.parametrize(("suffix", "pack"), [("", bytes), (".gz", gzip.compress), (".xz", lzma.compress)])
def test_lines_of_json_are_events_as_they_stand(config: Settings, tmp_path: Path, suffix: str, pack: Any) -> None:
    path = tmp_path / f"data.jsonl{suffix}"
    path.write_bytes(pack(b"\n\n".join(map(orjson.dumps, LINES)) + b"\n"))
    found = read(config, path)
    assert [(r.id, r.time, r.label) for r in found] == [
        ("7", START, "true"), ("row-2", START, "0"), ("row-4", BASE_TIME, None),
    ]  # fmt: skip
    assert events(found)[0] == LINES[0]
    assert events(found)[1]["id"] == "row-2"


def test_broken_lines_are_the_services_to_refuse(tmp_path: Path) -> None:
    config = settings(tmp_path, schema={**FEATURES, "id": "meta.id"})
    path = tmp_path / "data.jsonl"
    lines = [b"{", b"[]", b"5", b"\xff", b'{"meta": 5, "label": "x"}', b'{"meta": []}', b'{"meta": null}']
    path.write_bytes(b"\n".join(lines))
    found = read(config, path)
    assert [row.event.strip() for row in found[:4]] == lines[:4]
    assert [row.label for row in found] == [None] * 7


@pytest.mark.parametrize(
    "name", ["data.csv.gz", "data.jsonl.gz", "data.csv.xz", "data.jsonl.xz", "data.parquet", "data.jsonl.bz2"]
)
@pytest.mark.parametrize("damage", ["cut", "garbage", "flipped"])
def test_a_damaged_file_is_named(config: Settings, tmp_path: Path, name: str, damage: str) -> None:
    path = tmp_path / name
    content = (CSV[:-1] * 500) if "csv" in name else orjson.dumps(LINES[0]) + b"\n" + bytes(range(33, 120)) * 99
    packers: dict[str, Any] = {".gz": gzip.compress, ".xz": lzma.compress, ".bz2": bz2.compress}
    data = bytearray(packers.get(path.suffix, bytes)(content))
    if damage == "cut":
        data = data[: len(data) // 2]
    elif damage == "garbage":
        data = bytearray(b"this is none of it" * 20)
    else:
        data[20:40] = bytes(20)
    path.write_bytes(data)
    with pytest.raises(SourceError, match=name):
        read(config, path)


@pytest.mark.parametrize("source", ["nothing.csv", "", "https://example.org/x.csv"])
def test_a_file_that_is_not_there_is_named(config: Settings, source: str) -> None:
    with pytest.raises(SourceError, match="no such file"):
        list(read_source(config, source, no_transport))


def test_an_unknown_format_says_which_are_known(config: Settings, tmp_path: Path) -> None:
    (tmp_path / "data.xls").write_bytes(b"x")
    with pytest.raises(SourceError, match=r"\.csv, \.tsv, \.jsonl or \.parquet"):
        read(config, tmp_path / "data.xls")


class Topic:
    """A topic with ten events in two partitions and labels of some of them."""

    def __init__(self) -> None:
        self.now = START
        self.broker = MemoryBroker(lambda: self.now)
        self.broker.create("events", 2)
        self.broker.create("labels")
        self.closed = 0
        transport = MemoryTransport(self.broker)
        for i in range(10):
            self.now = START + i * 1_000
            event = {"id": f"e{i}", "subject": "s", "time": self.now, "label": "own"}
            transport.produce("events", None, orjson.dumps(event))
        transport.produce("labels", None, orjson.dumps({"event": "e0", "label": True}))
        transport.produce("labels", None, b"broken")
        transport.produce("labels", None, orjson.dumps(["no label"]))

    def open(self) -> Transport:
        return CountedTransport(self)


class CountedTransport(MemoryTransport):
    """Counts how often it is closed."""

    def __init__(self, topic: Topic) -> None:
        super().__init__(topic.broker)
        self._topic = topic

    def close(self) -> None:
        self._topic.closed += 1
        super().close()


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("", "0246813579"),
        ("?from=3", "6879"),
        ("?from=1&to=2", "23"),
        ("?to=0", ""),
        ("?from=99", ""),
        (f"?from={START + 7_000}", "879"),
        (f"?to={START + 2_000}", "01"),
        ("?from=2023-11-14T22:13:28Z", "89"),
        ("?from=2023-11-14T23:13:28+01:00&to=2023-11-14T23:13:29%2B01:00", "8"),
        ("?from=2023-11-14T22:13:28Z&to=5", "89"),
    ],
)
def test_a_range_of_a_topic_is_by_offset_or_by_time(config: Settings, query: str, ids: str) -> None:
    topic = Topic()
    found = list(read_source(config, f"kafka:events{query}", topic.open))
    assert "".join(row.id[1:] for row in found) == ids
    assert all(row.label == ("true" if row.id == "e0" else "own") for row in found)
    assert topic.closed == 1


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("?form=1", "unknown 'form'"),
        ("?from=soon", "is no time: .* found the string 'soon'"),
        ("?from=-5", "is no time"),
        ("?from=²", "time"),
    ],
)
def test_a_range_that_is_none_says_what_is_wrong(config: Settings, query: str, message: str) -> None:
    topic = Topic()
    with pytest.raises(SourceError, match=message):
        list(read_source(config, f"kafka:events{query}", topic.open))
    assert topic.closed == 1


def test_half_a_character_in_a_line_of_json_is_the_services_to_refuse(config: Settings, tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    fits = b'"subject": "s", "features": {"n": 1}, "where": {"country": "x"}'
    path.write_bytes(
        b'{"id": "x\\ud800", "label": "yes", %s}\n' % fits + b"[" * 2_000 + b"]" * 2_000 + b"\n{%s}" % fits
    )
    first, deep, last = read(config, path)
    decoder = Decoder(EventSchema(config))
    with pytest.raises(UnfitError, match=r"id: holds half a character"):
        decoder.event(record(first.event))
    with pytest.raises(UnfitError, match=r"event: holds half a character"):
        decoder.label(record(label_record(config, first), "labels"))
    with pytest.raises(UnfitError, match="nested deeper"):
        decoder.event(record(deep.event))
    assert decoder.event(record(last.event)).id == last.id


@pytest.mark.parametrize(
    ("header", "content"),
    [
        ((), b"n,n,label,label\n1,2,yes,no\n"),
        ((), b"n,c,label,label\n1,de,yes,no\n"),
        ((), b"\xef\xbb\xbfn,c,n,label\n"),
        (("n", "c", "n", "label"), b"1,de,2,yes\n"),
    ],
)
def test_a_column_that_is_named_twice_is_not_replayed_in_silence(
    tmp_path: Path, header: tuple[str, ...], content: bytes
) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(content)
    twice = settings(tmp_path, schema=FEATURES, replay={"header": header})
    with pytest.raises(SourceError, match=r"data\.csv: has several columns named '(n|label)'"):
        read(twice, path)


def test_a_parquet_file_with_a_column_that_is_named_twice_is_not_replayed_in_silence(
    config: Settings, tmp_path: Path
) -> None:
    path = tmp_path / "data.parquet"
    columns = [pyarrow.array([1.5]), pyarrow.array([2.5]), pyarrow.array(["de"]), pyarrow.array(["yes"])]
    pyarrow.parquet.write_table(pyarrow.table(columns, names=["n", "n", "c", "label"]), path)
    with pytest.raises(SourceError, match="has several columns named 'n'"):
        read(config, path)


def test_columns_without_a_name_are_no_doubles(config: Settings, tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(b"n,c,label,,\n1,de,yes,,\n")
    assert len(read(config, path)) == 1


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("data.csv", b""), ("data.csv", b"\n\n"), ("data.csv", b"n,c,f,label\n"), ("data.tsv", b"\xef\xbb\xbf"),
        ("data.csv.gz", gzip.compress(b"", mtime=0)), ("data.jsonl", b""), ("data.jsonl", b"\n \n"),
    ],
)  # fmt: skip
def test_a_file_without_an_event_is_no_good_replay(config: Settings, tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(SourceError, match="holds no event"):
        read(config, path)
