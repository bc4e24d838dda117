"""The configs that are shipped."""

from __future__ import annotations

from pathlib import Path

import pytest

import tocsin.config.presets
from tocsin.config import load
from tocsin.models.classifier import Classifier

PRESETS = sorted(Path(tocsin.config.presets.__path__[0]).glob("*.yaml"))


def test_the_demonstrations_are_there() -> None:
    assert {"electricity.yaml", "sms.yaml"} <= {path.name for path in PRESETS}


@pytest.mark.parametrize("path", PRESETS, ids=[path.stem for path in PRESETS])
def test_every_preset_loads_and_makes_a_model(path: Path) -> None:
    config = load(path)
    assert config.name == path.stem
    # State and snapshots of the demonstrations are found by it, in this release and in later ones.
    assert config.model.digest() == {"electricity": "3816ba99619e0b8c", "sms": "dc1bcc4d9dce3f1a"}[path.stem]
    assert len(Classifier.from_config(config).experts) == len(config.experts)
