"""Labelled texts in their order, from the folder of data that lies beside the repository."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path
from typing import NamedTuple

import numpy as np

from parts.generators import Ints

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


class Texts(NamedTuple):
    """B texts."""

    texts: list[str]
    y: Ints
    """[B], places in `classes`."""
    classes: tuple[str, ...]


def sms(folder: Path = DATA) -> Texts:
    """The UCI SMS Spam Collection."""
    with gzip.open(folder / "sms_spam.tsv.gz", "rt", encoding="utf-8", newline="\n") as lines:
        rows = [line.rstrip("\n").split("\t", 1) for line in lines]
    return _of([text for _, text in rows], [label for label, _ in rows])


def hate(folder: Path = DATA) -> Texts:
    """Tweets: hate, offensive, neither (Davidson et al. 2017)."""
    with gzip.open(folder / "hate_speech.csv.gz", "rt", encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    return _of([row["tweet"] for row in rows], [row["class"] for row in rows])


def _of(texts: list[str], labels: list[str]) -> Texts:
    classes = tuple(sorted(set(labels)))
    return Texts(texts, np.array([classes.index(label) for label in labels], np.int64), classes)
