"""Prometheus and promtool for tests: those that `make prometheus` fetched, or those on the path."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

_FETCHED = Path(__file__).resolve().parent.parent / "build/prometheus/usr/bin"


def program(name: str) -> str:
    """The path of `prometheus` or `promtool`; skips, or fails where TOCSINTEST_REQUIRE_PROMETHEUS=1."""
    found = shutil.which(name, path=os.environ.get("TOCSINTEST_PROMETHEUS", str(_FETCHED))) or shutil.which(name)
    if found is None:
        why = f"no {name} here: run `make prometheus`, or name its folder in TOCSINTEST_PROMETHEUS"
        if os.environ.get("TOCSINTEST_REQUIRE_PROMETHEUS") == "1":
            pytest.fail(why, pytrace=False)
        pytest.skip(why)
    return found
