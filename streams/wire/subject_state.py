"""A subject's state on the wire and in memory: one pair of functions."""

from __future__ import annotations

import msgspec

from tocsin.explain.explanation import MatteringPost
from tocsin.models.data import subject_text
from tocsin.models.early_risk.policies import SubjectRisk
from tocsin.streams.wire.records import SubjectState, SubjectTextState


def state_to_wire(risk: SubjectRisk, texts: dict[str, SubjectTextState]) -> SubjectState:
    """A subject's accumulated risk, and what experts of whole subjects keep of it, by expert."""
    state = SubjectState(
        posts=risk.posts,
        risk=risk.risk,
        alerts=risk.alerts,
        time=risk.time,
        odds=risk.odds,
        confirmed=risk.confirmed,
        mattered={name: [MatteringPost(**post) for post in posts] for name, posts in risk.mattered.items()},
        texts=texts,
    )
    return msgspec.structs.replace(state, faded=risk.faded) if risk.faded else state


def risk_from_wire(state: SubjectState) -> SubjectRisk:
    """The accumulated risk, which may be changed without changing the state."""
    return SubjectRisk(
        posts=state.posts,
        risk=dict(state.risk),
        alerts=dict(state.alerts),
        time=state.time,
        faded=state.faded,
        odds=dict(state.odds),
        confirmed=dict(state.confirmed),
        mattered={name: [msgspec.structs.asdict(post) for post in posts] for name, posts in state.mattered.items()},
    )


def text_to_wire(text: subject_text.SubjectText, reader: str) -> SubjectTextState:
    """What an expert keeps of a subject; `reader` is the digest of the expert and its classes."""
    return SubjectTextState(**text.plain(), reader=reader)


def text_from_wire(text: SubjectTextState) -> subject_text.SubjectText:
    """What an expert keeps of a subject. Raises ValueError where its sketch is of another size."""
    return subject_text.SubjectText.of(msgspec.structs.asdict(text))
