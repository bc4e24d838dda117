"""The paths through the most trusted trees of a batch, as JSON."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Mapping
from typing import NamedTuple

import msgspec
import numpy as np
import orjson

from tocsin.explain import tree_path
from tocsin.explain.explanation import TreePath
from tocsin.kernels.hoeffding import OPERATORS
from tocsin.kernels.text.fragments import NOTHING
from tocsin.kernels.text.json_texts import JsonTexts, where
from tocsin.models.classifier import Classifier
from tocsin.models.data.batch import Bools, Ints
from tocsin.models.decision.scores import Scores
from tocsin.models.experts.base import TreeCondition, TreePaths

Column = int | Ints
CODED = [OPERATORS.index("="), OPERATORS.index("!=")]
"""The tests of which a value is the code of a category, or a past label."""
Encode = Callable[[msgspec.Struct], bytes]


class _Found(NamedTuple):
    """The paths of some events through the trees of one expert."""

    rows: Ints
    expert: str
    paths: TreePaths


def path_columns(classifier: Classifier, scores: Scores, texts: JsonTexts, encode: Encode) -> list[Column]:
    """What stands behind the key `path` of each explanation, with the key; nothing for an event without a path."""
    found, others = _find(classifier, scores)
    B = len(scores.batch)
    longest = max((int(one.paths.length.max(initial=0)) for one in found), default=0)
    opening, conditions, single = np.full(B, NOTHING), np.full((B, 4 * longest), NOTHING), np.full(B, NOTHING)
    for one in found:
        opening[one.rows] = texts.fragment(b',"path":{"expert":%b,"conditions":[' % orjson.dumps(one.expert))
        written = _conditions(classifier, scores, one, texts)
        conditions[one.rows, : written.shape[1]] = written
    for i, path in others.items():
        single[i] = texts.fragments([b',"path":' + encode(path)])[0]
    return [opening, conditions, where(opening != NOTHING, texts.fragment(b"]}")), single]


def _find(classifier: Classifier, scores: Scores) -> tuple[list[_Found], dict[int, TreePath]]:
    """The path of each event through the most trusted tree that has evidence and a path.

    Those of experts that can only be asked for one event after the other stand apart.
    """
    experts = classifier.experts
    trees = [e for e, expert in enumerate(experts) if expert.n_nodes is not None]
    found: list[_Found] = []
    others: dict[int, TreePath] = {}
    left = np.arange(len(scores.batch))
    if not trees:
        return found, others
    trusted = np.argsort(-scores.reliability[:, trees], axis=1, kind="stable")
    labels = scores.answers.argmax(axis=2) if scores.classes else np.zeros(scores.answers.shape[:2], np.int64)
    for place in range(len(trees)):
        with_path = []
        for n, e in enumerate(trees):
            rows = left[(trusted[left, place] == n) & scores.engaged[left, e]]
            if not len(rows):
                continue
            paths = experts[e].paths(scores.batch, rows, labels[rows, e])
            if paths is None:
                alone = _one_by_one(classifier, scores, e, rows, labels[rows, e])
                others |= alone
                with_path.append(np.array(list(alone), np.int64))
                continue
            there = np.flatnonzero(paths.length > 0)
            found.append(_Found(rows[there], experts[e].name, _of(paths, there)))
            with_path.append(rows[there])
        if with_path:
            left = np.setdiff1d(left, np.concatenate(with_path), assume_unique=True)
        if not len(left):
            break
    return found, others


def _of(paths: TreePaths, rows: Ints) -> TreePaths:
    """The paths of some of the events."""
    return TreePaths(
        paths.columns,
        paths.feature[rows],
        paths.operator[rows],
        paths.value[rows],
        paths.actual[rows],
        paths.test[rows],
        paths.length[rows],
    )


def _one_by_one(classifier: Classifier, scores: Scores, e: int, rows: Ints, labels: Ints) -> dict[int, TreePath]:
    expert, batch = classifier.experts[e], scores.batch
    paths = {}
    for i, label in zip(rows.tolist(), labels.tolist(), strict=True):
        if conditions := expert.explain(batch, i, label):
            named = tree_path.with_names(conditions, _categories(classifier, scores, i), scores.classes)
            paths[i] = TreePath(expert.name, named)
    return paths


def _categories(classifier: Classifier, scores: Scores, i: int) -> Mapping[int, str]:
    """The names of the categories of event i."""
    own = scores.batch.categories[i] if scores.batch.categories else {}
    return ChainMap(own, classifier.category_names)


def _conditions(classifier: Classifier, scores: Scores, found: _Found, texts: JsonTexts) -> Ints:
    """The conditions of R events, four fragments for each, int64 [R, 4 S]."""
    rows, paths = found.rows, found.paths
    longest = int(paths.length.max(initial=0))
    there = np.arange(longest) < paths.length[:, None]
    at, place = np.nonzero(there)
    tests, first, which = np.unique(paths.test[at, place], return_index=True, return_inverse=True)
    heads = []
    for n in first[: len(tests)].tolist():
        r, s = int(at[n]), int(place[n])
        said = _said(classifier, scores, int(rows[r]), paths, r, s)
        heads.append(b'{"feature":%b,"operator":"%b","value":%b,"actual":' % said)
    parts = np.full((len(rows), longest, 4), NOTHING)
    parts[:, 1:, 0] = np.where(there[:, 1:], texts.fragment(b","), NOTHING)
    parts[at, place, 1] = texts.fragments(heads)[which.reshape(-1)]
    parts[at, place, 2] = _actual(classifier, scores, found, there, texts)
    parts[at, place, 3] = texts.fragment(b"}")
    return parts.reshape(len(rows), 4 * longest)


def _condition(paths: TreePaths, r: int, s: int) -> TreeCondition:
    """Test s of path r, as a condition of the expert's."""
    operator = int(paths.operator[r, s])
    coded, actual = operator in CODED, float(paths.actual[r, s])
    return TreeCondition(
        feature=paths.columns[int(paths.feature[r, s])],
        operator=OPERATORS[operator],
        value=int(paths.value[r, s]) if coded else float(paths.value[r, s]),
        actual=None if np.isnan(actual) else int(actual) if coded else actual,
        coded=coded,
    )


def _said(
    classifier: Classifier, scores: Scores, i: int, paths: TreePaths, r: int, s: int
) -> tuple[bytes, bytes, bytes]:
    """Feature, operator and value of a test, as JSON."""
    named = tree_path.with_names([_condition(paths, r, s)], _categories(classifier, scores, i), scores.classes)[0]
    return orjson.dumps(named.feature), named.operator.encode(), orjson.dumps(named.value)


def _actual(classifier: Classifier, scores: Scores, found: _Found, there: Bools, texts: JsonTexts) -> Ints:
    """The events' own values in each condition that is there, null where one is not known."""
    paths, (at, place) = found.paths, np.nonzero(there)
    values = paths.actual[at, place]
    numbers = texts.numbers(values)
    coded = np.isin(paths.operator[at, place], CODED) & ~np.isnan(values)
    if not coded.any():
        return numbers
    which = np.flatnonzero(coded)
    pairs = np.stack([paths.feature[at, place][which], values[which].astype(np.int64)], axis=1)
    _, first, inverse = np.unique(pairs, axis=0, return_index=True, return_inverse=True)
    names = []
    for n in which[first].tolist():
        r, s = int(at[n]), int(place[n])
        categories = _categories(classifier, scores, int(found.rows[r]))
        named = tree_path.with_names([_condition(paths, r, s)], categories, scores.classes)[0]
        names.append(orjson.dumps(named.actual))
    numbers[which] = texts.fragments(names)[inverse.reshape(-1)]
    return numbers
