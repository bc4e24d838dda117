"""The documents name files that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
FOLDERS = ("config", "kernels", "models", "explain", "streams", "tests", "benchmarks", "deploy", "docs")


def named_paths(document: Path) -> list[str]:
    quoted = re.findall(r"`([\w./-]+)`", document.read_text(encoding="utf-8"))
    return [name for name in quoted if name.split("/")[0] in FOLDERS and "/" in name]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_file_that_a_document_names_is_there(document: Path) -> None:
    missing = [name for name in named_paths(document) if not (ROOT / name).exists()]
    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_between_documents_leads_somewhere(document: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", document.read_text(encoding="utf-8"))
    assert [link for link in links if not (document.parent / link).exists()] == []


def test_twenty_questions_of_where_to_change_what_have_answers() -> None:
    rows = re.findall(r"^\| (\d+)\. ", (ROOT / "docs" / "where.md").read_text(encoding="utf-8"), re.M)
    assert [int(number) for number in rows] == list(range(1, 21))


def test_the_architecture_stays_short() -> None:
    assert len((ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").splitlines()) <= 250


def test_every_name_that_the_answers_give_stands_in_a_file_of_the_same_answer() -> None:
    """A name in backticks that is no path, setting or command must be written in one of the files beside it."""
    missing = []
    for row in re.findall(r"^\| \d+\. .*$", (ROOT / "docs" / "where.md").read_text(encoding="utf-8"), re.M):
        quoted = re.findall(r"`([^`]+)`", row)
        paths = [ROOT / name for name in quoted if "/" in name]
        files = [file for path in paths for file in (path.rglob("*.py") if path.is_dir() else [path])]
        text = "\n".join(file.read_text(encoding="utf-8") for file in files if file.suffix == ".py")
        names = [part for name in quoted if "/" not in name and " " not in name for part in name.split(".")]
        missing += [name for name in names if not re.search(rf"\b{re.escape(name)}\b", text)]
    assert missing == []


def test_the_glossary_explains_no_word_twice() -> None:
    words = re.findall(r"^\| \*\*([^*]+)\*\*", (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8"), re.M)
    assert len(words) > 50
    assert sorted(words) == sorted(set(words))
