"""What tests of the worker share."""

from __future__ import annotations

from pathlib import Path

import pytest

from ..support import Service, settings


@pytest.fixture
def service(tmp_path: Path) -> Service:
    return Service(settings(tmp_path / "state"))
