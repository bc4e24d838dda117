"""The pool: all experts of one model, asked and taught together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from tocsin.config.model import ModelSettings
from tocsin.models.data.batch import Batch, Bools, Floats, Ints
from tocsin.models.data.subject_text import SubjectText
from tocsin.models.experts import registry
from tocsin.models.experts.base import Expert
from tocsin.models.experts.rare_class.undersampling import Drawn, Undersampling, correct

Posts = Sequence[Sequence[str]]
"""For each event the earlier texts of its subject that its label speaks of as well."""

Heard = Callable[[Floats], Floats]


class ExpertPool:
    """E experts in the config's order. `active` [E] says which of them answer and learn; the others are retired."""

    def __init__(self, settings: ModelSettings, names: Sequence[str], nominal: Sequence[bool]) -> None:
        self._settings = settings
        self._names, self._nominal = list(names), list(nominal)
        self._classes = 0
        self.experts: list[Expert] = registry.build(settings, names, nominal)
        self.undersampling = Undersampling(settings)
        """Who learns which labels where every class but one is rare."""

    def __len__(self) -> int:
        return len(self.experts)

    @property
    def kinds(self) -> list[str]:
        """The kinds of the experts, by the names that a config gives them."""
        return [one.kind for one in self._settings.experts]

    @property
    def columns(self) -> int:
        """How many columns experts see."""
        return len(self._names)

    @property
    def whole_subject(self) -> list[Expert]:
        """The experts that read whole subjects: their state of each comes with a batch (`Batch.subject_texts`)."""
        return [expert for expert in self.experts if expert.whole_subject]

    @property
    def follows(self) -> Bools:
        """[E], which experts read whole subjects."""
        return np.array([expert.whole_subject for expert in self.experts], np.bool_)

    def set_columns(self, names: Sequence[str], nominal: Sequence[bool]) -> None:
        """Say what the columns are called and which are categories."""
        self._names, self._nominal = list(names), list(nominal)
        for expert in self.experts:
            expert.set_columns(self._names, self._nominal)

    def resize(self, classes: int) -> None:
        """Make room for all columns and for so many classes."""
        self._classes = classes
        self.undersampling.resize(classes)
        for expert in self.experts:
            expert.resize(len(self._names), classes)

    def fresh(self, e: int) -> Expert:
        """Expert e as one that has learnt nothing, with room for all columns and classes."""
        expert = registry.build_one(self._settings, e, self._names, self._nominal)
        expert.resize(len(self._names), self._classes)
        return expert

    def evidence(self, batch: Batch, asked: Bools) -> tuple[Floats, dict[str, list[SubjectText]]]:
        """The evidence of all experts [B, E, K], and by expert of whole subjects their state after each event.

        `asked` says which experts are asked: [E] about all events, or [B, E] about each. The others have zeros.
        """
        subject_texts: dict[str, list[SubjectText]] = {}
        followed: dict[str, Floats] = {}
        for expert in self.whole_subject:  # retired ones, too: their state must be complete when they come back
            followed[expert.name], subject_texts[expert.name], _ = expert.follow(batch)
        answers = self._vacuous(batch)
        if asked.ndim == 1:
            self.ask(batch, asked, answers, followed)
        else:
            for e in range(len(self.experts)):
                self._ask_about(batch, e, np.flatnonzero(asked[:, e]), answers, followed)
        return answers, subject_texts

    def ask(
        self, batch: Batch, asked: Bools, answers: Floats, followed: Mapping[str, Floats] = MappingProxyType({})
    ) -> None:
        """Ask the experts that are `asked` [E] about all B events; what they say is put into `answers` [B, E, K].

        `answers` holds what was said before, which some experts hear; `followed` what experts of whole subjects say.
        """
        weights = self.undersampling.weights()
        all_learnt = bool((weights == 1.0).all())
        for e in np.flatnonzero(asked).tolist():
            expert, group = self.experts[e], self.undersampling.groups[e]
            known = followed.get(expert.name)
            said = expert.evidence(_as_heard(batch, expert, answers[:, :e])) if known is None else known
            if group >= 0 and not all_learnt:
                said = correct(said, weights[group][None].repeat(len(batch), axis=0))
            answers[:, e] = said

    def _ask_about(self, batch: Batch, e: int, rows: Ints, answers: Floats, followed: Mapping[str, Floats]) -> None:
        """Ask expert e about the events `rows`; what it says is put into their `answers` [B, E, K]."""
        if not len(rows):
            return
        one, some = np.arange(len(self.experts)) == e, answers[rows]
        known = {name: said[rows] for name, said in followed.items()}
        self.ask(batch if len(rows) == len(batch) else batch.take(rows), one, some, known)
        answers[rows, e] = some[:, e]

    def learn(self, batch: Batch, y: Ints, weight: Floats, posts: Posts, active: Bools, answers: Floats) -> None:
        """Teach the active experts B events, which were answered before by `answers` [B, E, K]."""
        has_posts, drawn = any(posts), self.undersampling.learn(y)
        for e in np.flatnonzero(active).tolist():
            expert = self.experts[e]
            rows = None if drawn is None else drawn.rows(self.undersampling.groups[e])
            if rows is not None:
                if len(rows):
                    expert.learn(batch.take(rows), y[rows], weight[rows])
            elif has_posts:
                expert.learn_posts(_as_heard(batch, expert, answers[:, :e]), y, weight, posts)
            else:
                expert.learn(_as_heard(batch, expert, answers[:, :e]), y, weight)

    def ask_and_learn(
        self, asked: Batch, ahead: Ints, batch: Batch, y: Ints, weight: Floats, active: Bools, heard: Heard
    ) -> Floats:
        """The evidence [n, E, K] for n events, in turns with teaching the active experts m others.

        See `Expert.ask_and_learn`. Experts of whole subjects are asked about the event's own text alone. `heard` gives
        what was said of the m events at their own time, [m, e, K], from what is said of the n [n, e, K].
        """
        answers, drawn = self._vacuous(asked), self.undersampling.learn(y)
        for e in np.flatnonzero(active).tolist():
            expert, said, group = self.experts[e], answers[:, :e], self.undersampling.groups[e]
            if drawn is not None and group >= 0:
                answers[:, e] = _undersampled(expert, (drawn, group), (asked, ahead), (batch, y, weight))
                continue
            taught = replace(batch, said=heard(said)) if expert.hears else batch
            answers[:, e] = expert.ask_and_learn(_as_heard(asked, expert, said), ahead, taught, y, weight)
        return answers

    def rescore_and_learn(
        self, asked: Batch, batch: Batch, y: Ints, weight: Floats, posts: Posts, active: Bools, answers: Floats
    ) -> Floats:
        """`learn`; returns the evidence [B, E, K] of today for each event just before it is learnt.

        `asked` are the events as they are shown to the experts today, `batch` as they were at their own time. Of an
        expert of whole subjects it is what it says of all posts that a label speaks of; where a label speaks of one
        event alone, whose subject's other posts are not kept, it is what it said then.
        """
        ahead = np.arange(len(batch))
        if not any(posts) and not self.whole_subject:
            return self.ask_and_learn(asked, ahead, batch, y, weight, active, lambda said: answers[:, : said.shape[1]])
        said, drawn = self._vacuous(batch), self.undersampling.learn(y)
        for e in np.flatnonzero(active).tolist():
            expert, group = self.experts[e], self.undersampling.groups[e]
            if drawn is not None and group >= 0:
                said[:, e] = _undersampled(expert, (drawn, group), (asked, ahead), (batch, y, weight))
                continue
            for i in range(len(batch)):
                event, one = asked.rows(i, i + 1), slice(i, i + 1)
                if posts[i] and expert.reads_text:
                    said[one, e] = expert.recall(event, posts[one])
                elif expert.whole_subject:
                    said[one, e] = answers[one, e]
                else:
                    said[one, e] = expert.evidence(_as_heard(event, expert, said[one, :e]))
                taught = _as_heard(batch.rows(i, i + 1), expert, answers[one, :e])
                expert.learn_posts(taught, y[one], weight[one], posts[one])
        return said

    def predict_then_learn(self, batch: Batch, y: Ints, weight: Floats, posts: Posts, active: Bools) -> Floats:
        """Teach the active experts B events, and return the evidence [B, E, K] of each just before it was learnt."""
        answers, drawn = self._vacuous(batch), self.undersampling.learn(y)
        has_posts, each = any(posts), np.arange(len(batch))
        for e in np.flatnonzero(active).tolist():
            expert, group = self.experts[e], self.undersampling.groups[e]
            if drawn is not None and group >= 0:
                answers[:, e] = _undersampled(expert, (drawn, group), (batch, each), (batch, y, weight))
            elif has_posts and expert.reads_text:
                answers[:, e] = self._recall_then_learn(expert, batch, y, weight, posts)
            else:
                answers[:, e] = expert.predict_then_learn(_as_heard(batch, expert, answers[:, :e]), y, weight)
        return answers

    def _recall_then_learn(self, expert: Expert, batch: Batch, y: Ints, weight: Floats, posts: Posts) -> Floats:
        answers = np.empty((len(batch), self._classes))
        for i in range(len(batch)):
            event, earlier = batch.rows(i, i + 1), posts[i : i + 1]
            answers[i] = expert.recall(event, earlier)[0]
            expert.learn_posts(event, y[i : i + 1], weight[i : i + 1], earlier)
        return answers

    def _vacuous(self, batch: Batch) -> Floats:
        return np.zeros((len(batch), len(self.experts), self._classes))


def _undersampled(
    expert: Expert, draw: tuple[Drawn, int], asked: tuple[Batch, Ints], labelled: tuple[Batch, Ints, Floats]
) -> Floats:
    """The evidence [n, K] for events, in turns with teaching an expert those of m others that were drawn for it.

    `draw` are the labels that are learnt for each share, and whose share it is; `asked` are n events and how many of
    the m labels come before each; `labelled` are m events with their labels and weights.
    """
    (drawn, group), (events, ahead), (batch, y, weight) = draw, asked, labelled
    rows = drawn.rows(group)
    if rows is None and events is batch:
        answers = expert.predict_then_learn(batch, y, weight)
    elif rows is None:
        answers = expert.ask_and_learn(events, ahead, batch, y, weight)
    else:
        before = drawn.ahead(group, ahead)
        answers = expert.ask_and_learn(events, before, batch.take(rows), y[rows], weight[rows])
    return correct(answers, drawn.weights(group, ahead))


def _as_heard(batch: Batch, expert: Expert, said: Floats) -> Batch:
    """The batch as an expert is shown it: with what those before it said [B, e, K], where it hears others."""
    return replace(batch, said=said) if expert.hears else batch
