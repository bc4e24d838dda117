"""What comparing traffic needs is said before a service runs, and that it does nothing where it does nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tocsin.streams.cli.novelty_warnings import novelty_warnings

from ..support import settings

BY_TRAFFIC = {"novelty_by": "traffic"}


def said(directory: Path, abstention: dict[str, Any], **more: Any) -> list[str]:
    return novelty_warnings(settings(directory, abstention=abstention, **more))


def test_nothing_is_said_where_traffic_is_not_compared(tmp_path: Path) -> None:
    assert said(tmp_path, {}) == []
    assert said(tmp_path, {**BY_TRAFFIC, "enabled": False}) == []


def test_what_it_needs_is_said(tmp_path: Path) -> None:
    [line] = said(tmp_path, {**BY_TRAFFIC, "novelty_labelled": 0.3})
    assert "at least 30% of all events" in line
    assert "1%" in line


def test_events_that_are_too_wide_are_told_by_the_setting_that_helps(tmp_path: Path) -> None:
    features = [{"name": "a"}, {"name": "colour", "kind": "category"}]
    for most, told in ((5, "labels for at least"), (4, "5 numbers wide")):
        [line] = said(tmp_path, {**BY_TRAFFIC, "novelty_columns": most}, schema={"features": features})
        assert told in line


def test_texts_alone_are_not_compared(tmp_path: Path) -> None:
    text = {"schema": {"text": "text"}, "experts": [{"kind": "linear-text"}]}
    [line] = said(tmp_path, BY_TRAFFIC, **text)
    assert "texts are not compared" in line
