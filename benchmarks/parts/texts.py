"""Labelled texts in their order."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path
from typing import NamedTuple

import numpy as np

from parts.data import data_file
from parts.generators import Ints

SMS = Path(__file__).resolve().parents[2] / "config" / "presets" / "data" / "sms_spam.tsv.gz"


class Texts(NamedTuple):
    """B texts."""

    texts: list[str]
    y: Ints
    """[B], places in `classes`."""
    classes: tuple[str, ...]


def sms() -> Texts:
    """The UCI SMS Spam Collection."""
    with gzip.open(SMS, "rt", encoding="utf-8", newline="\n") as lines:
        rows = [line.rstrip("\n").split("\t", 1) for line in lines]
    return _of([text for _, text in rows], [label for label, _ in rows])


def hate(given: Path | None = None) -> Texts:
    """Tweets: hate, offensive, neither (Davidson et al. 2017). Raises MissingDataError, see `parts.data`."""
    with gzip.open(data_file("hate_speech.csv.gz", given), "rt", encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    return _of([row["tweet"] for row in rows], [row["class"] for row in rows])


def _of(texts: list[str], labels: list[str]) -> Texts:
    classes = tuple(sorted(set(labels)))
    return Texts(texts, np.array([classes.index(label) for label in labels], np.int64), classes)
