"""`tocsin check` says where fewer experts, and a device beside them, are not what somebody meant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tocsin.streams.cli.engagement_warnings import engagement_warnings

from ..support import settings


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, []),
        ({"router": {"engage": 0.99}}, []),
        ({"router": {"engage": 0.8}}, ["Was `router.top_p` meant"]),
        ({"router": {"engage": 0.99}, "kernels": {"device": "cuda"}}, ["kernels.device: cuda scores nothing here"]),
        (
            {"router": {"kind": "multi-hot"}, "kernels": {"device": "auto"}},
            ["kernels.device: auto scores nothing here"],
        ),
        ({"kernels": {"device": "cuda:1"}}, []),
    ],
)
def test_what_is_said(tmp_path: Path, changes: dict[str, Any], said: list[str]) -> None:
    found = engagement_warnings(settings(tmp_path, **changes))
    assert len(found) == len(said)
    assert all(part in line for part, line in zip(said, found, strict=True))
