"""Why: a decision's explanation, put together from the state of the model that made it."""

from __future__ import annotations

from collections import ChainMap

import numpy as np

from tocsin.config.model import ModelSettings
from tocsin.config.service import ExplanationSettings
from tocsin.explain import experts, recourse, tree_path
from tocsin.explain import words as word_parts
from tocsin.explain.clipped import clipped_features
from tocsin.explain.explanation import Enough, Explanation, TreePath, Word
from tocsin.explain.rare_class import rare_class
from tocsin.explain.rare_reading import SecondReading, vote_on_rare_class
from tocsin.explain.rounding import six_digits
from tocsin.explain.rules import rules
from tocsin.models.classifier import Classifier
from tocsin.models.decision.scores import Scores


class Explainer:
    """Explains the decisions of one classifier at one level."""

    def __init__(self, classifier: Classifier, settings: ExplanationSettings) -> None:
        self.classifier = classifier
        self.settings = settings
        self.level = settings.level
        self.model = classifier.settings or ModelSettings()
        self.names = [expert.name for expert in classifier.experts]
        self._influence: experts.Influence | None = None
        """Of the experts on the batch that was explained last."""

    def explain(self, scores: Scores, i: int) -> Explanation | None:
        """The explanation of event i; None at level `none`."""
        level = self.level
        if level == "none":
            return None
        full = level == "full"
        influence = self.influence(scores)
        most = None if full else self.settings.experts
        return Explanation(
            level=level,
            experts=experts.votes(influence, i, self.names, most),
            path=self._path(scores, i),
            words=self.words(scores, i),
            rules=rules(self.classifier.experts, scores, i, None if full else self.settings.rules),
            opinions=experts.opinions_before_fusion(scores, i, self.names, influence.prior) if full else None,
            fused=experts.by_class(scores.classes, scores.betp[i]) if full else None,
            conflict=six_digits(float(scores.conflict[i])),
            used=int(scores.used[i]),
            enough=self.enough(scores, i) if full else recourse.without_sentence(self.enough(scores, i)),
            clipped=clipped_features(scores, i, self.classifier.columns),
            rare=rare_class(scores, i),
            read=vote_on_rare_class(influence.reading, lambda: influence.fused, i),
        )

    def influence(self, scores: Scores) -> experts.Influence:
        """What each expert put into these decisions."""
        if self._influence is None or self._influence.scores is not scores:
            reading = SecondReading(self.classifier, scores)
            self._influence = experts.Influence(scores, self.model.fusion, self.classifier.backend, reading)
        return self._influence

    def enough(self, scores: Scores, i: int) -> Enough | None:
        """What would have been enough to decide event i; None where it is decided."""
        if scores.decided[i]:
            return None
        return recourse.enough(scores, i, self.model.abstention, self.classifier.abstention.known)

    def _path(self, scores: Scores, i: int) -> TreePath | None:
        """The path through the most trusted tree that has evidence."""
        most_trusted_first = np.argsort(-scores.reliability[i], kind="stable")
        for e in most_trusted_first.tolist():
            if not scores.engaged[i, e]:
                continue
            label = int(scores.answers[i, e].argmax()) if scores.classes else 0
            conditions = self.classifier.experts[e].explain(scores.batch, i, label)
            if conditions:
                own = scores.batch.categories[i] if scores.batch.categories else {}
                categories = ChainMap(own, self.classifier.category_names)
                return TreePath(self.names[e], tree_path.with_names(conditions, categories, scores.classes))
        return None

    def words(self, scores: Scores, i: int) -> list[Word] | None:
        """The words of the event's text that moved its text experts."""
        most = None if self.level == "full" else self.settings.words
        text = scores.batch.texts[i]
        readers = [expert for expert in self.classifier.experts if expert.reads_text]
        if text is None or not readers:
            return None
        return [word for expert in readers for word in word_parts.words(expert, text, scores.classes, most)]
