"""The configs of docs/shadow.md: they load, and do what the document says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tocsin.config import load
from tocsin.streams.monitor.shadow.choosing import ChoiceRefusedError, promotion, told_by_workers
from tocsin.streams.transport.memory import MemoryTransport

from ...support import START, Service, drain, running

DOCUMENT = Path(__file__).resolve().parents[4] / "docs" / "shadow.md"


def test_the_example_is_tried_and_refused_until_it_is_shown_to_be_good_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for text in re.findall(r"```yaml\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.S):
        (tmp_path / re.match(r"# (\S+)", text)[1]).write_text(text)  # type: ignore[index]
    monkeypatch.setenv("TOCSIN_STATE__DIRECTORY", str(tmp_path / "state"))
    settings = load(tmp_path / "payments.yaml")
    assert settings.of_shadow is not None
    service = Service(settings)
    with running(service) as worker:
        for i in range(40):
            features = {"amount": float(i % 7), "hour": i % 24}
            service.send({"id": f"e{i}", "subject": f"s{i % 3}", "time": START + i, "features": features})
            service.tell({"event": f"e{i}", "label": "fraud" if i % 7 > 4 else "no", "time": START + i})
        drain(worker)
        service.clock.move(2)
        drain(worker)
        told = told_by_workers(MemoryTransport(service.broker), settings, service.clock())
        with pytest.raises(ChoiceRefusedError, match=r"balanced on 40 labelled events.*asks for 5,000 labelled events"):
            promotion(settings, told, service.clock())
    assert {d["model"]["settings"] for d in service.decisions} == {settings.digest()}
