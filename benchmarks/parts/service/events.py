"""Events without end: the rows of the electricity market again and again, each time with new ids and later times."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson

from parts.service.config import DATA, PRESET
from tocsin.config import Settings, load
from tocsin.streams.replay.past_event import PastEvent, label_record
from tocsin.streams.replay.source import read_source
from tocsin.streams.transport.base import Transport

WORDS, OWN, TEXT_LENGTH = 2_000, 50, 30
"""Words of the vocabulary, those of them that belong to each class, and words of a text."""
OWN_SHARE = 0.1
"""How many of a text's words are its class's own."""
SEED = 7


class Events:
    """Numbered events with their labels; the same number is always the same event."""

    def __init__(self, settings: Settings, text: bool) -> None:
        self._settings = settings
        self._rows = list(read_source(load(PRESET), str(DATA), _no_transport))
        self._parsed: list[dict[str, Any]] = [orjson.loads(row.event) for row in self._rows]
        self._step = self._rows[1].time - self._rows[0].time
        self._text = text
        self._words = _vocabulary()
        self._classes = list(settings.classes)

    def take(self, start: int, count: int) -> list[PastEvent]:
        """The events of the numbers start .. start + count - 1."""
        return [self._event(number) for number in range(start, start + count)]

    def label(self, past: PastEvent) -> bytes:
        """The record of an event's label."""
        return label_record(self._settings, past)

    def _event(self, number: int) -> PastEvent:
        at = number % len(self._rows)
        row, identity = self._rows[at], f"event-{number}"
        time = self._rows[0].time + number * self._step
        event = self._parsed[at] | {"id": identity, "time": time}
        if self._text:
            event["text"] = self._words_of(number, row.label or "")
        return row._replace(id=identity, time=time, event=orjson.dumps(event))

    def _words_of(self, number: int, label: str) -> str:
        """Thirty words, the frequent ones more often than the rare, some of them the class's own."""
        draw = np.random.default_rng((SEED, number))
        common = np.minimum(WORDS * draw.random(TEXT_LENGTH) ** 3, WORDS - 1).astype(np.int64)
        first = WORDS + OWN * self._classes.index(label)
        own = first + draw.integers(0, OWN, TEXT_LENGTH)
        chosen = np.where(draw.random(TEXT_LENGTH) < OWN_SHARE, own, common)
        return " ".join(self._words[i] for i in chosen.tolist())


def _vocabulary() -> list[str]:
    """Made-up words of two to four syllables; each class's own stand at the end."""
    draw = np.random.default_rng(SEED)
    syllables = [consonant + vowel for consonant in "bdfgklmnprstvz" for vowel in "aeiou"]
    words: dict[str, None] = {}
    while len(words) < WORDS + 2 * OWN:
        chosen = draw.choice(len(syllables), draw.integers(2, 5))
        words["".join(syllables[i] for i in chosen.tolist())] = None
    return list(words)


def _no_transport() -> Transport:
    raise AssertionError("a file is read without a broker")
