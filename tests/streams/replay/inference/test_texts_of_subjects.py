"""What `tocsin init` makes of texts that subjects write over time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from tocsin.config import Settings
from tocsin.streams.cli.app import app
from tocsin.streams.replay.inference.self_check import settings_of

ENGLISH = ["went to the market {}", "what a day {} it was", "nobody answers me {} today"]
CHINESE = ["今天天气很好我们出去玩{}", "这个消息是真的吗请大家转发{}", "明天还要上班真的很累{}"]


def rows(
    texts: list[str] = ENGLISH, classes: tuple[str, str] = ("control", "depressed"), **more: Any
) -> list[dict[str, Any]]:
    """120 posts of 30 users, the fewer of the second class."""
    return [
        {
            "user": f"u{i % 30}", "time": 1_700_000_000_000 + 60_000 * i, "text": texts[i % 3].format(i),
            "label": classes[(i % 30) % 3 == 0], **{name: make(i) for name, make in more.items()},
        }
        for i in range(120)
    ]  # fmt: skip


def inferred(directory: Path, posts: list[dict[str, Any]]) -> tuple[Settings, str]:
    file = directory / "posts.jsonl"
    file.write_bytes(b"\n".join(map(orjson.dumps, posts)))
    told = CliRunner().invoke(app, ["init", str(file)])
    assert told.exit_code == 0, told.output
    return settings_of(told.stdout), told.stdout


@pytest.mark.parametrize("texts", [ENGLISH, CHINESE], ids=["English", "Chinese"])
def test_texts_of_subjects_get_one_expert_of_whole_subjects(tmp_path: Path, texts: list[str]) -> None:
    """Texts in Chinese were taken for categories, because they have no spaces."""
    settings, _ = inferred(tmp_path, rows(texts))
    assert settings.early_risk.classes == ("depressed",)
    assert settings.schema_.text == "text"
    assert not settings.schema_.features
    [expert] = settings.experts
    assert (expert.kind, getattr(expert, "scope", None)) == ("linear-text", "subject")


@pytest.mark.parametrize(
    ("classes", "expected"),
    [(("0", "1"), "1"), (("rumour", "not_rumour"), "rumour"), (("at risk", "no risk"), "at risk"), (("a", "b"), "b")],
)
def test_the_class_to_be_warned_of_is_told_by_its_name_else_it_is_the_rarest(
    tmp_path: Path, classes: tuple[str, str], expected: str
) -> None:
    settings, _ = inferred(tmp_path, rows(classes=classes))
    assert settings.early_risk.classes == (expected,)


def test_labels_that_differ_within_a_subject_warn_of_nobody(tmp_path: Path) -> None:
    posts = rows()
    posts[0]["label"], posts[30]["label"] = "control", "depressed"
    settings, _ = inferred(tmp_path, posts)
    assert settings.early_risk.classes == ()


def test_what_else_is_known_of_posts_is_named_and_left_out(tmp_path: Path) -> None:
    settings, text = inferred(tmp_path, rows(likes=lambda i: i * 7 % 31))
    assert not settings.schema_.features
    assert "#   likes: labels are those of subjects" in text


def test_the_time_of_a_label_is_where_a_replay_finds_it(tmp_path: Path) -> None:
    settings, _ = inferred(tmp_path, rows(label_time=lambda i: 1_700_000_000_000 + 90_000_000 + i % 30))
    assert settings.replay.label_time == "label_time"
