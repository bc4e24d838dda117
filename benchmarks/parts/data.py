"""Where the data sets lie that this repository may not contain, and where they come from."""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "BENCHMARK_DATA"
"""The environment variable that names the folder of the data sets."""
ORIGINS = {
    "card_payments_simulated.csv.xz": (
        "the simulated transactions of the Fraud Detection Handbook (https://github.com/Fraud-Detection-Handbook), a "
        "CSV file in the order of time with the columns `seconds`, `customer`, `terminal`, `amount` and `fraud`"
    ),
    "rumours_weibo.jsonl.xz": (
        "the Chinese Rumor Dataset of thunlp (https://github.com/thunlp/Chinese_Rumor_Dataset), one JSON object a "
        'thread: {"subject", "label": "rumour" or "not_rumour", "posted": epoch seconds, "posts": [{"text", "time"}]}'
    ),
    "hate_speech.csv.gz": (
        "the tweets of Davidson et al. 2017 (https://github.com/t-davidson/hate-speech-and-offensive-language), a CSV "
        "file with the columns `tweet` and `class`"
    ),
}


class MissingDataError(SystemExit):
    """A data set is not where a benchmark looks for it; the message says where it comes from."""


def data_file(name: str, given: Path | None = None) -> Path:
    """The path of a data set: `given`, else its name in the folder that `BENCHMARK_DATA` names.

    `given` may be the folder, too. Raises MissingDataError where no file is there.
    """
    folder = os.environ.get(VARIABLE)
    path = given or (Path(folder) if folder else None)
    if path is None:
        raise MissingDataError(
            f"{name} is not part of this repository: name its folder by the environment variable {VARIABLE}. "
            f"It is made of {ORIGINS[name]}"
        )
    path = path / name if path.is_dir() else path
    if not path.is_file():
        raise MissingDataError(f"{path} is not there. It is made of {ORIGINS[name]}")
    return path
