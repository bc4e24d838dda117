"""The config changes: what was kept of subjects goes by names, or begins anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ...support import START, Service, drain, running, settings

TEXTS: dict[str, Any] = {
    "schema": {"text": "text"},
    "classes": ["ham", "spam", "eggs"],
    "experts": [{"kind": "linear-text", "scope": "subject", "bits": 8}],
    "early_risk": {"classes": ["spam"]},
}


@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        ({"abstention": {"error": 0.2}}, True),
        ({"classes": ["spam", "eggs", "ham"]}, False),
        ({"experts": [{"kind": "linear-text", "scope": "subject", "bits": 9}]}, False),
    ],
    ids=["another error", "classes in another order", "other buckets"],
)
def test_what_an_expert_keeps_of_a_subject_is_no_other_experts(
    tmp_path: Path, changes: dict[str, Any], kept: bool
) -> None:
    """The sums of a subject's n-grams were read by the places of the classes, whatever classes there were."""
    service = Service(settings(tmp_path, **TEXTS))
    said = [{"id": f"m{i}", "subject": "u", "time": START + i, "text": f"word{i} win"} for i in range(8)]
    with running(service) as worker:
        service.send(*said[:4])
        drain(worker)
        service.tell(*[{"event": f"m{i}", "label": ("ham", "spam")[i % 2], "time": START} for i in range(4)])
        drain(worker)
        service.send(*said[4:7])
        drain(worker)
    with running(service, settings(tmp_path, **{**TEXTS, **changes})) as worker:
        service.send(said[7])
        drain(worker)
    before, after = (d["risk"]["threads"]["linear-text"]["counts"] for d in service.decisions[-2:])
    assert (after > before) == kept
    assert service.decisions[-1]["risk"]["posts"] == 8


def test_a_subjects_risk_and_alerts_go_by_the_names_of_today(tmp_path: Path) -> None:
    """Evidence for a class that is no more counted among that for all others, and an alert rang again."""
    service = Service(settings(tmp_path, **{**TEXTS, "experts": [{"kind": "ss3"}]}))
    with running(service) as worker:
        for i, (word, name) in enumerate([("win", "spam"), ("lunch", "ham"), ("yolk", "eggs")] * 3):
            service.tell({"event": f"t{i}", "label": name, "time": START, "text": f"{word} {word}"})
        drain(worker)
        for i, words in enumerate(["yolk", "win win", "win win"]):
            service.send({"id": f"m{i}", "subject": "u", "time": START + i, "text": words})
            drain(worker)
    before = service.decisions[-1]["risk"]
    assert set(before["risk"]) == {"spam", "eggs"}
    assert set(before["alerts"]) == {"spam"}
    changes = {
        "experts": [{"kind": "ss3"}],
        "classes": ["ham", "junk"],
        "class_map": {"spam": "junk"},
        "early_risk": {"classes": ["junk"]},
    }
    with running(service, settings(tmp_path, **{**TEXTS, **changes})) as worker:
        service.send({"id": "m3", "subject": "u", "time": START + 3, "text": "win"})
        drain(worker)
    after = service.decisions[-1]["risk"]
    assert set(after["risk"]) == {"junk"}
    assert after["risk"]["junk"] > before["risk"]["spam"]
    assert after["alerts"] == {"junk": before["alerts"]["spam"]}
    assert [alert["class"] for alert in service.values("alerts")] == ["spam"]
