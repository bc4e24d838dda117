from __future__ import annotations

import pytest

from tocsin.streams.replay.verify.compare import MOST_PATHS, differences
from tocsin.streams.replay.verify.report import VALUES, Difference

SAID = b'{"status":"decided","belief":{"a":0.25,"b":0.5},"set":["a"],"explanation":{"all":[{"n":1,"w":"x"}]},"k":null}'


@pytest.mark.parametrize(
    ("old", "new", "paths"),
    [
        (b"0.25", b"0.2500001", []),
        (b"0.25", b"0.26", ["belief.a"]),
        (b"0.25", b"null", ["belief.a"]),
        (b'"decided"', b'"abstained"', ["status"]),
        (b'["a"]', b'["a","b"]', ["set"]),
        (b'["a"]', b'["b"]', ["set[0]"]),
        (b'"w":"x"', b'"w":"y"', ["explanation.all[0].w"]),
        (b'"w":"x"', b'"v":"x"', ["explanation.all[0].w", "explanation.all[0].v"]),
        (b'"n":1', b'"n":true', ["explanation.all[0].n"]),
        (b'"k":null', b'"k":false', ["k"]),
        (b',"k":null', b"", ["k"]),
        (b'"n":1', b'"n":1.0', []),
    ],
)
def test_what_differs_is_named_by_its_path(old: bytes, new: bytes, paths: list[str]) -> None:
    assert list(differences(SAID, SAID.replace(old, new))) == paths


def test_of_a_great_number_a_millionth_is_a_millionth_of_it() -> None:
    assert differences(b'{"x":1e12}', b'{"x":1.0000001e12}') == {}
    assert differences(b'{"x":1e12}', b'{"x":1.00001e12}') == {"x": (1e12, 1.00001e12)}


def test_few_of_many_differences_are_named() -> None:
    assert (
        len(differences(b'{"x":[%b]}' % b",".join([b"1"] * 99), b'{"x":[%b]}' % b",".join([b"2"] * 99))) == MOST_PATHS
    )


def test_a_difference_is_told_with_both_values() -> None:
    again = SAID.replace(b'"decided"', b'"abstained"').replace(b"0.25", b"0.3").replace(b',"k":null', b',"n":1')
    found = differences(SAID, again)
    assert found == {
        "status": ("decided", "abstained"), "belief.a": (0.25, 0.3), "k": (None, None), "n": (None, 1),
    }  # fmt: skip
    many = {f"m{i}": (i, i + 1) for i in range(15)}
    told = Difference.of("e1", many).as_json()
    assert (told["event"], told["what"]) == ("e1", list(many))
    assert told["values"] == {f"m{i}": [i, i + 1] for i in range(VALUES)}
