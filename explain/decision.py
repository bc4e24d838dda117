"""Why: a decision's explanation, put together from the state of the model that made it.

Explanations are built as plain dictionaries, because one goes into every decision; `Explanation` is their definition,
and a test holds the two together.
"""

from __future__ import annotations

from collections import ChainMap
from typing import Any

import numpy as np

from tocsin.config.model import ModelSettings
from tocsin.config.service import ExplanationSettings
from tocsin.explain import experts, recourse, tree_path
from tocsin.explain import words as word_parts
from tocsin.models.classifier import Classifier
from tocsin.models.decision.scores import Scores
from tocsin.models.experts.base import Reader


class Explainer:
    """Explains the decisions of one classifier at one level."""

    def __init__(self, classifier: Classifier, settings: ExplanationSettings) -> None:
        self._classifier = classifier
        self._settings = settings
        self._names = [expert.name for expert in classifier.experts]
        self._readers = [expert for expert in classifier.experts if isinstance(expert, Reader)]

    def explain(self, scores: Scores, i: int) -> dict[str, Any] | None:
        """The explanation of event i, as `Explanation`; None at level `none`."""
        level = self._settings.level
        if level == "none":
            return None
        full = level == "full"
        model = self._classifier.settings or ModelSettings()
        s = experts.prior(scores, model.fusion.prior)
        votes = experts.votes(scores, i, self._names, s, model.fusion.rule, None if full else self._settings.experts)
        result: dict[str, Any] = {
            "level": level,
            "experts": votes,
            "path": self._path(scores, i),
            "words": self._words(scores, i, None if full else self._settings.words),
            "opinions": None,
            "fused": None,
            "conflict": round(float(scores.conflict[i]), 6),
            "used": int(scores.used[i]),
            "enough": None,
        }
        if full:
            result["opinions"] = experts.opinions_before(scores, i, self._names, s)
            result["fused"] = experts.masses(scores.classes, scores.betp[i])
        if not scores.decided[i]:
            known = self._classifier.abstention.known
            result["enough"] = recourse.enough(scores, i, model.abstention, known)
        return result

    def _path(self, scores: Scores, i: int) -> dict[str, Any] | None:
        """The path through the most trusted tree that has evidence."""
        trusted = np.argsort(-scores.reliability[i], kind="stable")
        for e in trusted.tolist():
            if scores.engaged[i, e]:
                names = ChainMap(self._own_names(scores, i), self._classifier.category_names)
                conditions = tree_path.of_expert(self._classifier, e, scores, i, names)
                if conditions:
                    return {"expert": self._names[e], "conditions": conditions}
        return None

    @staticmethod
    def _own_names(scores: Scores, i: int) -> dict[int, str]:
        return scores.batch.categories[i] if scores.batch.categories else {}

    def _words(self, scores: Scores, i: int, most: int | None) -> list[dict[str, Any]] | None:
        """The words of the event's text that moved its text experts."""
        text = scores.batch.texts[i]
        if text is None or not self._readers:
            return None
        return [word for expert in self._readers for word in word_parts.words(expert, text, scores.classes, most)]
