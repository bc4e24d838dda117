"""Columns that tell nothing of the class are named: in telemetry, in the log, and by `tocsin model`."""

from __future__ import annotations

import json
import logging
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from tocsin.config.experts.linear import LinearSettings
from tocsin.config.model import ModelSettings
from tocsin.config.schema import FeatureSettings
from tocsin.models.classifier import Classifier
from tocsin.models.data.batch import Batch
from tocsin.streams.cli.app import app
from tocsin.streams.worker.learning.left_out_watch import LeftOutWatch

from ...support import START, Service, drain, running, settings

NOISE = [f"noise{i}" for i in range(12)]
FEATURES = [{"name": "a"}, *({"name": name} for name in NOISE), {"name": "b"}]
EVENTS, AT_ONCE = 2_400, 100


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name.endswith("left_out_watch")]


def test_columns_that_are_left_out_are_told_once_whenever_they_change(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = settings(tmp_path / "state", schema={"features": FEATURES}, experts=[{"kind": "linear"}])
    service, rng = Service(config), np.random.default_rng(1)
    with caplog.at_level(logging.INFO), running(service) as worker:
        for start in range(0, EVENTS, AT_ONCE):
            for i in range(start, start + AT_ONCE):
                x = rng.normal(size=len(FEATURES)).tolist()
                features = dict(zip([feature["name"] for feature in FEATURES], x, strict=True))
                service.send({"id": f"e{i}", "subject": "s", "time": START + i, "features": features})
                service.tell({"event": f"e{i}", "label": "yes" if x[0] > x[-1] else "no", "time": START + i})
            service.clock.move(2)
            drain(worker)
        service.clock.move(2)
        drain(worker)
        told = worker.classifier.mixture.inputs.relevance.left_out
        names = [name for name, out in zip(worker.classifier.columns, told, strict=True) if out]
    assert len(names) > 8
    assert set(names) <= set(NOISE)
    telemetry: list[dict[str, Any]] = service.values("telemetry")
    assert telemetry[0]["left_out"] == []
    assert telemetry[-1]["left_out"] == names
    assert len(said(caplog)) == sum(a["left_out"] != b["left_out"] for a, b in pairwise(telemetry))
    assert said(caplog)[-1].startswith(f"{len(names)} of {len(FEATURES)} columns tell nothing of the class, and ")
    assert said(caplog)[-1].endswith(": " + ", ".join(names))

    path = tmp_path / "config.json"
    path.write_text(config.model_dump_json(by_alias=True))
    result = CliRunner().invoke(app, ["model", str(path), "--report", "json"])
    assert json.loads(result.stdout)["left_out"] == names
    assert ", ".join(names) in CliRunner().invoke(app, ["model", str(path)]).stdout.replace("\n", " ")


def test_a_column_that_comes_back_after_a_drift_is_told(caplog: pytest.LogCaptureFixture) -> None:
    names = [feature["name"] for feature in FEATURES]
    features = tuple(FeatureSettings(name=name) for name in names)
    model = Classifier(ModelSettings(features=features, classes=("no", "yes"), experts=(LinearSettings(),)))
    watch, X = LeftOutWatch(), np.random.default_rng(2).normal(size=(4_000, len(names)))
    with caplog.at_level(logging.INFO):
        for start in range(0, 4_000, 1_000):
            rows = X[start : start + 1_000]
            telling = 0 if start < 2_000 else 1
            model.learn_at_once(Batch.of(rows), (rows[:, telling] > 0).astype(np.int64), np.ones(1_000))
            watch.look(model)
            watch.look(model)  # nothing has changed, so nothing is said
    lines = said(caplog)
    assert len(lines) == len(set(lines)) >= 2
    assert names[1] in lines[0].split(": ")[1].split(", ")
    assert names[1] not in lines[-1].split(": ")[-1].split(", ")
