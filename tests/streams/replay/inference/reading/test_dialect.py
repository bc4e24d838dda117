from __future__ import annotations

import io
from pathlib import Path

import pytest

from tocsin.streams.replay.inference.reading.dialect import Dialect, dialect_of
from tocsin.streams.replay.past_event import SourceError


def dialect(text: str, name: str = "x.csv", names_first: bool | None = None) -> Dialect:
    return dialect_of(Path(name), io.BytesIO(text.encode()), names_first)


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        ("a,b,c\n1,2,3\n", ","),
        ("a;b;c\n1,5;2,5;3\n", ";"),
        ("a|b\n1|x, y\n2|z\n", "|"),
        ("a\tb\n1\t2\n", "\t"),
        ('a,b\n"1;2",3\n"4;5",6\n', ","),
        ("one\n1\n2\n", ","),
        ('a,b\n"two\nlines; of ""text""",1\n', ","),
    ],
)
def test_the_delimiter_is_the_one_that_cuts_all_lines_alike(text: str, delimiter: str) -> None:
    assert dialect(text) == Dialect(delimiter, ())


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a,b\n1,x\n2,y\n", True),
        ("5,1\n1,2\n2,3\n", False),
        ("ham,hello\nspam,win\nham,bye\n", False),
        ("ham,hello\nspam,win\nspam,bye\n", True),  # nothing tells
        ("2020,country\n1,x\n2,x\n", True),
        ("only,names\n", True),
        (f"{'long ' * 40},b\nx,y\n", False),
    ],
)
def test_whether_the_first_line_names_the_columns_is_seen_from_what_stands_below(text: str, names: bool) -> None:
    assert dialect(text).header == (() if names else ("column-1", "column-2"))
    assert dialect(text, names_first=True).header == ()
    assert dialect(text, names_first=False).header == ("column-1", "column-2")


def test_a_tab_separated_file_is_cut_at_tabs_alone() -> None:
    assert dialect("a\tb\n1,2,3\t4,5,6\n", "x.tsv").delimiter == "\t"


def test_half_a_character_at_the_end_of_what_is_looked_at_is_no_mistake() -> None:
    text = "a,b\n" + "ü,1\n" * 100_000
    assert dialect(" " + text).delimiter == ","
    assert dialect(text).delimiter == ","
    with pytest.raises(SourceError, match="is not UTF-8"):
        dialect_of(Path("x.csv"), io.BytesIO(b"a,b\n\xfc,1\n"), None)
