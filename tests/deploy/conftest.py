"""docker-compose.yml, read once a module."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from .compose import ROOT, with_image_healthcheck


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return with_image_healthcheck(compose["services"])
