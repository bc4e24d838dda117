"""The expert of declared rules: those that fire say what they have seen where they fired before."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.config.experts.rules import RulesSettings
from tocsin.kernels.experts import rules as kernel
from tocsin.models.data.batch import Batch, Bools, Floats, Ints
from tocsin.models.experts.base import Arrays, Expert, PoolContext, RuleStanding, SnapshotError
from tocsin.models.experts.rules.clauses import Clause, fired
from tocsin.models.experts.rules.language import RuleError, clause_of


class RulesExpert(Expert):
    """Rules that a team declares, each with a class. A rule that does not fire says nothing.

    Before any label a rule is worth `confidence_labels` pseudo-counts, of which it gives the share `confidence` to its
    class and the rest to the others alike. Labels of events on which it fires correct that
    (`tocsin.kernels.experts.rules`).

    >>> import numpy as np
    >>> large = {"name": "large", "when": "amount > 100", "class": "fraud", "confidence": 0.75}
    >>> settings = RulesSettings(rules=[large])
    >>> expert = RulesExpert(settings, ["amount"], [False], ["good", "fraud"])
    >>> expert.resize(1, 2)
    >>> expert.evidence(Batch.of(np.array([[50.0], [200.0]]))).tolist()
    [[0.0, 0.0], [2.5, 7.5]]
    """

    def __init__(
        self, settings: RulesSettings, names: Sequence[str], nominal: Sequence[bool], classes: Sequence[str]
    ) -> None:
        """Raises ValueError, which names the rule and the fix, where a rule does not fit the features and classes."""
        self.name = settings.name
        self._settings = settings
        self._clauses = tuple(self._clause(i, names, nominal) for i in range(len(settings.rules)))
        label = [self._place(i, classes) for i in range(len(settings.rules))]
        confidence = [rule.confidence for rule in settings.rules]
        rows = len(self._clauses)
        self._rules = kernel.Rules(np.array(label, np.int64), np.array(confidence), np.zeros((rows, 0)))
        self._seen = kernel.Seen(np.zeros((rows, 0)), np.zeros(rows), np.ones(rows), np.zeros(rows, np.bool_))

    @classmethod
    def from_settings(cls, settings: RulesSettings, pool: PoolContext) -> RulesExpert:
        """See `Expert`."""
        return cls(settings, pool.names, pool.nominal, pool.classes)

    def _clause(self, i: int, names: Sequence[str], nominal: Sequence[bool]) -> Clause:
        rule = self._settings.rules[i]
        if not names:
            raise ValueError(f"{self._where(i, 'when')} speaks of features: name them in `schema.features`")
        try:
            return clause_of(rule.when, names, nominal)
        except RuleError as error:
            raise ValueError(f"{self._where(i, 'when')}: {error}") from None

    def _place(self, i: int, classes: Sequence[str]) -> int:
        """The place of the class that rule i speaks for."""
        label, where = self._settings.rules[i].class_, self._where(i, "class")
        if not classes:
            raise ValueError(f"{where} speaks for {label!r} before any label: name all classes in `classes`")
        if label not in classes:
            close = difflib.get_close_matches(label, classes, n=1, cutoff=0.5)
            meant = f"did you mean {close[0]!r}?" if close else f"those are {', '.join(classes[:20])}"
            raise ValueError(f"{where} speaks for {label!r}, which is not one of `classes`; {meant}")
        return list(classes).index(label)

    def _where(self, i: int, key: str) -> str:
        return f"experts.{self.name}.rules.{i}.{key}: the rule {self._settings.rules[i].name!r}"

    def resize(self, features: int, classes: int) -> None:
        """See `Expert`."""
        more = classes - self._seen.counts.shape[1]
        if more <= 0:
            return
        self._seen = self._seen._replace(counts=np.pad(self._seen.counts, ((0, 0), (0, more))))
        rest = (1.0 - self._rules.confidence) / max(classes - 1, 1)
        prior = np.repeat(rest[:, None], classes, axis=1)
        prior[np.arange(len(prior)), self._rules.label] = self._rules.confidence
        self._rules = self._rules._replace(prior=prior * self._settings.confidence_labels)

    def fired(self, batch: Batch) -> Bools:
        """[B, R], which rules fire. They see the features as they came: an extreme value is what they look for."""
        return fired(self._clauses, batch.given)

    def evidence(self, batch: Batch) -> Floats:
        """See `Expert`; vacuous where no rule fires."""
        return kernel.evidence(self._rules, self._seen, self.fired(batch), self._settings.strength)

    def learn(self, batch: Batch, y: Ints, weight: Floats) -> None:
        """See `Expert`."""
        self._learn(batch, y, weight, np.empty((0, 0)))

    def predict_then_learn(self, batch: Batch, y: Ints, weight: Floats) -> Floats:
        """See `Expert`."""
        answers = np.empty((len(batch), self._seen.counts.shape[1]))
        self._learn(batch, y, weight, answers)
        return answers

    def _learn(self, batch: Batch, y: Ints, weight: Floats, answers: Floats) -> None:
        own = self._settings
        labels, weights = np.ascontiguousarray(y, np.int64), np.ascontiguousarray(weight, np.float64)
        found = self.fired(batch)
        kernel.learn(self._rules, self._seen, found, labels, weights, own.fading_factor, own.strength, answers)

    @property
    def rules(self) -> list[RuleStanding]:
        """See `Expert`."""
        counts = self._seen.counts + self._seen.left[:, None] * self._rules.prior
        total = counts.sum(axis=1)
        right = counts[np.arange(len(counts)), self._rules.label] if counts.size else total
        precision = np.divide(right, total, out=self._rules.confidence.copy(), where=total > 0)
        return [
            RuleStanding(
                rule.name, int(self._rules.label[r]), rule.says, rule.confidence, float(precision[r]),
                float(self._seen.counts[r].sum()), bool(self._seen.bad[r]),
            )
            for r, rule in enumerate(self._settings.rules)
        ]  # fmt: skip

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """See `Expert`: with the places of the classes, which are those of the model that the state belongs to."""
        seen = {name: array.copy() for name, array in self._seen._asdict().items()}
        return {**seen, "label": self._rules.label.copy()}

    def load_state_dict(self, arrays: Arrays) -> None:
        """See `Expert`."""
        try:
            counts, squares, left = (np.array(arrays[name], np.float64) for name in ("counts", "squares", "left"))
            bad, label = np.array(arrays["bad"], np.bool_), np.array(arrays["label"], np.int64)
        except (KeyError, TypeError, ValueError) as error:
            raise SnapshotError(f"not the arrays of an expert of rules: {error}") from error
        rows, classes = len(self._clauses), counts.shape[1] if counts.ndim == 2 else 0
        if counts.ndim != 2 or {(rows,)} != {squares.shape, left.shape, bad.shape, label.shape, counts.shape[:1]}:
            raise SnapshotError(f"arrays of {counts.shape} rules and classes do not fit {rows} rules, or one another")
        if classes and (label.min() < 0 or label.max() >= classes):
            raise SnapshotError(f"a rule speaks for class {label.max()} of {classes}")
        width = max(classes, self._seen.counts.shape[1])
        self._rules = self._rules._replace(label=label)
        self._seen = kernel.Seen(np.zeros((rows, 0)), squares, left, bad)
        self.resize(0, width)
        self._seen.counts[:, :classes] = counts
