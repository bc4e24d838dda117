"""The explanations of a batch, as fragments of the records that hold them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from tocsin.explain.brief.enough import enough_columns
from tocsin.explain.brief.paths import path_columns
from tocsin.explain.brief.rules import rule_columns
from tocsin.explain.brief.votes import vote_columns
from tocsin.explain.brief.words import word_columns
from tocsin.explain.clipped import clipped_columns
from tocsin.explain.rare_class import rare_class_columns
from tocsin.explain.rare_reading import vote_columns as vote_on_rare_class_columns
from tocsin.kernels.text.fragments import NOTHING
from tocsin.kernels.text.json_texts import JsonTexts, stacked
from tocsin.models.data.batch import Ints
from tocsin.models.decision.scores import Scores

if TYPE_CHECKING:
    from tocsin.explain.decision import Explainer

Column = int | Ints
Encode = Callable[[Any], bytes]


class Explanations:
    """Writes the explanations of one classifier's decisions."""

    def __init__(self, explainer: Explainer, encode: Encode) -> None:
        """`encode` writes a record as JSON; it is used for what is not written from arrays."""
        self._explainer = explainer
        self._encode = encode

    def columns_of(self, kept: Ints, scores: Scores, texts: JsonTexts) -> list[Column]:
        """`columns` where only the `kept` rows are explained; `null` stands for the others."""
        B = len(scores.batch)
        if len(kept) == B:
            return self.columns(scores, texts)
        nothing = np.full(B, texts.fragment(b"null"))
        if not len(kept):
            return [nothing]
        written = stacked(self.columns(scores.take(kept), texts), len(kept))
        explained = np.full((B, written.shape[1]), NOTHING)
        explained[kept], nothing[kept] = written, NOTHING
        return [nothing, explained]

    def columns(self, scores: Scores, texts: JsonTexts) -> list[Column]:
        """The explanations of B events as columns of fragments: what stands in the field `explanation`."""
        level = self._explainer.level
        if level == "none":
            return [texts.fragment(b"null")]
        if level == "full":
            explained = (self._explainer.explain(scores, i) for i in range(len(scores.batch)))
            return [texts.fragments([self._encode(one) for one in explained if one is not None])]
        explainer = self._explainer
        influence = explainer.influence(scores)
        return [
            texts.fragment(b'{"level":"brief","experts":['),
            *vote_columns(influence, explainer.names, explainer.settings.experts, texts),
            texts.fragment(b"]"),
            *path_columns(explainer.classifier, scores, texts, self._encode),
            *word_columns(explainer.classifier.experts, scores, explainer.settings.words, texts),
            *rule_columns(explainer.classifier.experts, scores, explainer.settings.rules, texts, self._encode),
            texts.fragment(b',"conflict":'),
            texts.numbers(np.round(scores.conflict, 6)),
            texts.fragment(b',"used":'),
            texts.numbers(np.asarray(scores.used, np.int64)),
            *enough_columns(explainer, scores, texts, self._encode),
            *clipped_columns(scores, explainer.classifier.columns, texts, self._encode),
            *rare_class_columns(scores, texts, self._encode),
            *vote_on_rare_class_columns(influence.reading, lambda: influence.fused, texts),
            texts.fragment(b"}"),
        ]
