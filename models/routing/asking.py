"""Asking the pool in stages: about every event a few experts, and the others where these do not suffice."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tocsin.models.data.batch import Batch, Bools, Floats
from tocsin.models.data.subject_text import SubjectText
from tocsin.models.experts.pool import ExpertPool
from tocsin.models.routing.combiner import Combiner
from tocsin.models.routing.gate import UNASKED, AskingPlan, EngagementGate


class Heard(NamedTuple):
    """What was said of B events, and by whom."""

    answers: Floats
    """[B, E, K]"""
    subject_texts: dict[str, list[SubjectText]]
    """By expert of whole subjects, their state after each event."""
    asked: Bools
    """[B, E], or [E] where the same experts were asked about all events."""


def ask(
    pool: ExpertPool, gate: EngagementGate, combiner: Combiner, batch: Batch, active: Bools, plan: AskingPlan | None
) -> Heard:
    """Ask the `active` [E] experts about B events as planned: all about every event, where there is no plan.

    The others are asked, too, about the events that the gate draws for all, and about those on which the vote of the
    first has too small a margin and which they do not settle. Where no vote is known by its margins, nobody else is.
    """
    if plan is None:
        answers, texts = pool.evidence(batch, active)
        return Heard(answers, texts, active)
    first = plan.first | (active & pool.follows)  # what whole subjects wrote is read in any case
    answers, texts = pool.evidence(batch, first)
    rest = active & ~first
    more = np.zeros(len(batch), np.bool_)
    if len(plan.front):
        seen = combiner.quantities(batch.ranked)
        more = gate.margins(seen, answers, plan.front, combiner.prior) < plan.least
        more &= ~combiner.settled(answers, rest)
        more |= gate.drawn(batch.ids)
    answers[:, rest] = UNASKED
    rows = np.flatnonzero(more)
    if len(rows):
        some = answers[rows]
        pool.ask(batch.take(rows), rest, some)
        answers[rows] = some
    return Heard(answers, texts, np.where(more[:, None], active, first))
