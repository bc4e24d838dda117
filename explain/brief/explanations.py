"""The explanations of a batch, as fragments of the records that hold them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from tocsin.explain.brief.enough import enough_columns
from tocsin.explain.brief.paths import path_columns
from tocsin.explain.brief.votes import vote_columns
from tocsin.kernels.text.fragments import NOTHING
from tocsin.kernels.text.json_texts import JsonTexts
from tocsin.models.data.batch import Ints
from tocsin.models.decision.scores import Scores

if TYPE_CHECKING:
    from tocsin.explain.decision import Explainer

Column = int | Ints
Encode = Callable[[msgspec.Struct], bytes]


class Explanations:
    """Writes the explanations of one classifier's decisions."""

    def __init__(self, explainer: Explainer, encode: Encode) -> None:
        """`encode` writes a record as JSON; it is used for what is not written from arrays."""
        self._explainer = explainer
        self._encode = encode

    def columns(self, scores: Scores, texts: JsonTexts) -> list[Column]:
        """The explanations of B events as columns of fragments: what stands in the field `explanation`."""
        level = self._explainer.level
        if level == "none":
            return [texts.fragment(b"null")]
        if level == "full":
            explained = (self._explainer.explain(scores, i) for i in range(len(scores.batch)))
            return [texts.fragments([self._encode(one) for one in explained if one is not None])]
        explainer = self._explainer
        return [
            texts.fragment(b'{"level":"brief","experts":['),
            *vote_columns(explainer.influence(scores), explainer.names, explainer.settings.experts, texts),
            texts.fragment(b"]"),
            *path_columns(explainer.classifier, scores, texts, self._encode),
            *self._words(scores, texts),
            texts.fragment(b',"conflict":'),
            texts.numbers(np.round(scores.conflict, 6)),
            texts.fragment(b',"used":'),
            texts.numbers(np.asarray(scores.used, np.int64)),
            *enough_columns(explainer, scores, texts, self._encode),
            texts.fragment(b"}"),
        ]

    def _words(self, scores: Scores, texts: JsonTexts) -> list[Column]:
        """The words that moved the experts that read text, where there are such experts and texts."""
        explainer = self._explainer
        if not any(expert.reads_text for expert in explainer.classifier.experts):
            return []
        column = np.full(len(scores.batch), NOTHING)
        found = [(i, explainer.words(scores, i)) for i, text in enumerate(scores.batch.texts) if text is not None]
        told = [(i, words) for i, words in found if words is not None]
        if told:
            written = [b',"words":[' + b",".join(map(self._encode, words)) + b"]" for _, words in told]
            column[[i for i, _ in told]] = texts.fragments(written)
        return [column]
