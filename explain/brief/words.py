"""The words that moved the experts that read the texts of a batch, as JSON."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import orjson

from tocsin.kernels.text.fragments import NOTHING
from tocsin.kernels.text.json_texts import JsonTexts, where
from tocsin.models.data.batch import Floats, Ints
from tocsin.models.decision.scores import Scores
from tocsin.models.experts.base import Expert

Column = int | Ints


def word_columns(experts: Sequence[Expert], scores: Scores, most: int, texts: JsonTexts) -> list[Column]:
    """What stands behind the key `words` of each explanation, with the key; `tocsin.explain.words` says the same."""
    readers = [expert for expert in experts if expert.reads_text]
    written = np.array([text is not None for text in scores.batch.texts], np.bool_)
    if not readers or not written.any():
        return []
    rows = np.flatnonzero(written)
    said = [scores.batch.texts[i] or "" for i in rows.tolist()]
    columns: list[Column] = [where(written, texts.fragment(b',"words":['))]
    before = np.zeros(len(written), np.bool_)
    for expert in readers:
        names, values, places = strongest_places(expert.strongest_words(said, most), rows, len(written), most)
        if not len(names):
            continue
        told = _told(names, values, scores.classes, expert, texts)
        for place in places:
            there = place >= 0
            columns += [where(there & before, texts.fragment(b",")), where(there, told[place])]
            before |= there
    return [*columns, where(written, texts.fragment(b"]"))]


def strongest_places(
    found: Sequence[Sequence[tuple[str, Floats]]], rows: Ints, B: int, most: int
) -> tuple[list[str], Floats, Ints]:
    """The `most` strongest words of each text, of equals the first by their spelling.

    `found` has the words of the texts of the events `rows`, each with its values [K]. Returns all words [n], their
    values [n, K], and the number of the word in each place of each event, int64 [places, B], -1 for none.
    """
    names = [word for words in found for word, _ in words]
    if not names:
        return names, np.empty((0, 0)), np.empty((0, B), np.int64)
    values = np.array([row for words in found for _, row in words])
    owners = np.repeat(rows, [len(words) for words in found])
    some = np.flatnonzero(values.any(axis=1))
    keys = list(zip(owners.tolist(), (-values.max(axis=1)).tolist(), names, strict=True))
    order = np.array(sorted(some.tolist(), key=keys.__getitem__), np.int64)
    of_event = owners[order]
    rank = np.arange(len(order)) - np.searchsorted(of_event, of_event)
    places = np.full((min(most, int(rank.max(initial=-1)) + 1), B), -1, np.int64)
    told = rank < most
    places[rank[told], of_event[told]] = order[told]
    return names, values, places


def _told(names: list[str], values: Floats, classes: Sequence[str], expert: Expert, texts: JsonTexts) -> Ints:
    """Each word with its values and its expert as columns of fragments, int64 [n, P]."""
    columns = [np.full(len(names), texts.fragment(b'{"word":')), texts.strings(names)]
    columns.append(np.full(len(names), texts.fragment(b',"values":{')))
    numbers = texts.numbers(np.round(values, 6))
    some = np.zeros(len(names), np.bool_)
    for k, name in enumerate(classes[: values.shape[1]]):
        there = values[:, k] != 0.0
        columns.append(np.where(there & some, texts.fragment(b","), NOTHING))
        columns.append(np.where(there, texts.fragment(orjson.dumps(name) + b":"), NOTHING))
        columns.append(np.where(there, numbers[:, k], NOTHING))
        some |= there
    end = b'},"expert":%b,"part_of":%b}' % (orjson.dumps(expert.name), orjson.dumps(expert.words_add_up_to))
    columns.append(np.full(len(names), texts.fragment(end)))
    return np.stack(columns, axis=1)
