"""The parameters of a river expert, which are of any name, have bounds all the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from .test_load import TEXT, mistake


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("{deep: [[[1]]]}", "deep holds other values: a parameter is a number, true, false, null or a text"),
        ("{deep: {a: {b: 1}}}", "deep holds other values"),
        (f"{{long: {'x' * 100_000}}}", "long has 100000 characters: a parameter has at most 256"),
        (f"{{big: {'9' * 400}}}", "big is no number from -1e12 to 1e12"),
        (f"{{{'n' * 65}: 1}}", "at most 64 characters"),
        ("{" + ", ".join(f"p{i}: 1" for i in range(65)) + "}", "at most 64 items"),
    ],
)
def test_parameters_of_a_river_expert_that_know_no_bounds_are_refused(tmp_path: Path, written: str, told: str) -> None:
    found = mistake(tmp_path, TEXT + f"experts:\n- {{kind: river, name: t, parameters: {written}}}\n")
    assert "experts" in found
    assert "parameters" in found
    assert told in found
    assert len(found) < 500
