"""Which experts stand in a pool where a config names none, and what a pool may not be."""

from __future__ import annotations

from collections.abc import Sequence

from tocsin.config.experts.base import ExpertSettings
from tocsin.config.experts.linear import LinearSettings
from tocsin.config.experts.persistence import PersistenceSettings
from tocsin.config.experts.tree import TreeSettings

DEFAULT_EXPERTS: tuple[ExpertSettings, ...] = (
    TreeSettings(name="tree", delta=1e-7),
    TreeSettings(name="tree-history", history=1),
    LinearSettings(),
    PersistenceSettings(),
)
"""The pool of a config that names no experts."""


def pool_mistake(experts: Sequence[ExpertSettings]) -> str | None:
    """What is wrong with this pool of experts; None where it is right."""
    names = [expert.name for expert in experts]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        return f"two experts are named {twice[0]!r}: give one another name"
    return None if names else "at least one expert is needed"
