"""`tocsin init` on files and labels of which no config can be made: one line says why, and what to do."""

from __future__ import annotations

import gzip
from pathlib import Path

import orjson
import pytest

from .test_init import as_csv, payments, written


@pytest.mark.parametrize(
    ("name", "data", "code", "words"),
    [
        ("empty.csv", b"", 1, "holds no event"),
        ("blank.csv", b"\n\n", 1, "holds no event"),
        ("header.csv", b"a,b,label\n", 1, "holds no event"),
        ("latin.csv", "a,label\nM\xfcnchen,x\n".encode("latin-1"), 1, "is not UTF-8 text (byte 9)"),
        ("wide.csv", "a,label\n1,x\n".encode("utf-16"), 1, "is not UTF-8 text"),
        ("cut.csv.gz", gzip.compress(as_csv(payments()))[:200], 1, "cut.csv.gz"),
        ("doubles.csv", b"a,a,label\n1,2,x\n", 1, "several columns named 'a'"),
        ("short.csv", b"n,label\n" + b"1,2,x\n3,4,y\n" * 20, 1, "say --no-header where it names none"),
        ("one.csv", b"label\nx\ny\n" * 20, 2, "nothing is left to tell the label by"),
        ("none.csv", b"a,b\n" + b"".join(b"%d.5,%d\n" % (i, i) for i in range(90)), 2, "nothing has from 2 to 64"),
        ("two.csv", b"is_fraud,is_spam,a\n" + b"1,0,3\n0,1,4\n" * 20, 2, "which is the label? Name one with --label"),
        ("single.csv", b"a,label\n" + b"1,x\n" * 20, 2, "'label' holds only the class 'x' in 20 rows"),
        ("empty.jsonl", b"", 1, "holds no event"),
        ("array.json", b'[{"a": 1, "label": "x"}]', 1, "the record is a JSON array of 1"),
        ("pretty.json", b'[\n {"a": 1}\n]', 1, "write one event a line"),
        ("nothing.xls", b"x", 1, "cannot tell its format"),
        ("bad.parquet", b"PAR1 no", 1, "bad.parquet"),
    ],
)  # fmt: skip
def test_an_odd_file_is_refused_in_one_line_that_says_what_to_do(
    tmp_path: Path, name: str, data: bytes, code: int, words: str
) -> None:
    result, _ = written(tmp_path, name, data)
    assert result.exit_code == code, result.output
    assert not result.stdout
    assert words in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ("verdikt", "there is no 'verdikt'; did you mean 'verdict'?"),
        ("payment_id", "240 different values in 240 rows: that is no label"),
        ("currency", "only the class 'EUR'"),
        ("amount", "different values in 240 rows: that is no label"),
    ],
)
def test_a_label_that_is_none_is_refused_with_the_reason(tmp_path: Path, label: str, words: str) -> None:
    result, _ = written(tmp_path, "payments.csv", as_csv(payments()), "--label", label)
    assert result.exit_code == 2
    assert not result.stdout
    assert words in result.stderr


@pytest.mark.parametrize("different", [80, 2_000])
def test_a_measured_number_is_no_label_however_often_its_values_come(tmp_path: Path, different: int) -> None:
    numbers = [(i % different) / 8 + 0.01 for i in range(10 * different)]
    for name, data in (
        ("measured.csv", ("a,score\n" + "".join(f"{i % 9},{x}\n" for i, x in enumerate(numbers))).encode()),
        ("measured.jsonl", b"".join(orjson.dumps({"a": i % 9, "score": x}) + b"\n" for i, x in enumerate(numbers))),
    ):
        result, _ = written(tmp_path, name, data, "--label", "score")
        assert result.exit_code == 2
        assert "Cut a" in result.stderr
