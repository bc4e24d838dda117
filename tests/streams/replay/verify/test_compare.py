from __future__ import annotations

import pytest

from tocsin.streams.replay.verify.compare import MOST_PATHS, differences

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
    assert differences(SAID, SAID.replace(old, new)) == paths


def test_of_a_great_number_a_millionth_is_a_millionth_of_it() -> None:
    assert differences(b'{"x":1e12}', b'{"x":1.0000001e12}') == []
    assert differences(b'{"x":1e12}', b'{"x":1.00001e12}') == ["x"]


def test_few_of_many_differences_are_named() -> None:
    assert (
        len(differences(b'{"x":[%b]}' % b",".join([b"1"] * 99), b'{"x":[%b]}' % b",".join([b"2"] * 99))) == MOST_PATHS
    )
