"""The kinds of experts by the name that a config gives them, and the pool that a config describes."""

from __future__ import annotations

import importlib
from collections.abc import Hashable, Sequence

from tocsin.config.model import ModelSettings
from tocsin.models.experts.base import Expert, PoolContext

KINDS: dict[str, str | type[Expert]] = {
    "boosted": "tocsin.models.experts.boosted.expert:BoostedExpert",
    "forest": "tocsin.models.experts.trees.forest:ForestExpert",
    "linear": "tocsin.models.experts.linear:LinearExpert",
    "linear-text": "tocsin.models.experts.linear_text:LinearTextExpert",
    "logistic": "tocsin.models.experts.logistic.expert:LogisticExpert",
    "moving-averages": "tocsin.models.experts.logistic.moving_averages:MovingAveragesExpert",
    "moving-clusters": "tocsin.models.experts.moving_clusters:MovingClustersExpert",
    "naive-bayes": "tocsin.models.experts.naive_bayes:NaiveBayesExpert",
    "neighbours": "tocsin.models.experts.neighbours:NeighboursExpert",
    "persistence": "tocsin.models.experts.persistence:PersistenceExpert",
    "rare-class": "tocsin.models.experts.rare_class.expert:RareClassExpert",
    "river": "tocsin.models.experts.river.expert:RiverExpert",
    "rules": "tocsin.models.experts.rules.expert:RulesExpert",
    "seasonal": "tocsin.models.experts.logistic.seasonal:SeasonalExpert",
    "ss3": "tocsin.models.experts.ss3:SS3Expert",
    "stack": "tocsin.models.experts.stack.expert:StackExpert",
    "tree": "tocsin.models.experts.trees.tree:TreeExpert",
}
"""The class of each kind, or where it stands, so that only the kinds that a config names are imported."""


def register(kind: str, expert: type[Expert]) -> None:
    """Add a kind of expert; its settings are known by their own `kind`. Raises ValueError where the name is taken."""
    if KINDS.setdefault(kind, expert) is not expert:
        raise ValueError(f"the kind {kind!r} is taken: give {expert.__name__} another name")


def expert_class(kind: str) -> type[Expert]:
    """The class of a kind. Raises ValueError for a kind that nobody registered."""
    if kind not in KINDS:
        raise ValueError(f"{kind!r} is no kind of expert; the kinds are {', '.join(sorted(KINDS))}")
    found = KINDS[kind]
    if isinstance(found, str):
        module, _, name = found.partition(":")
        found = KINDS[kind] = getattr(importlib.import_module(module), name)
    assert isinstance(found, type)
    return found


def build(settings: ModelSettings, names: Sequence[str], nominal: Sequence[bool]) -> list[Expert]:
    """The pool, in the config's order. Raises ValueError naming the setting that is wrong."""
    return [build_one(settings, e, names, nominal) for e in range(len(settings.experts))]


def build_one(settings: ModelSettings, e: int, names: Sequence[str], nominal: Sequence[bool]) -> Expert:
    """Expert e of the pool as it was at first."""
    categories = settings.inputs.categories
    pool = PoolContext(
        names,
        nominal,
        settings.seed,
        settings.max_vocabulary,
        settings.max_text,
        settings.classes,
        categories.classes if categories.enabled else 0,
        before=e,
    )
    return expert_class(settings.experts[e].kind).from_settings(settings.experts[e], pool)


def kin(settings: ModelSettings) -> list[Hashable]:
    """[E], equal for experts that are of one kind and see the same of an event."""
    return [expert.kin for expert in settings.experts]


def must_earn(settings: ModelSettings) -> list[bool]:
    """[E], which experts are put to sleep where another is as accurate as they are."""
    return [expert.must_earn for expert in settings.experts]


def stays(settings: ModelSettings) -> list[bool]:
    """[E], which experts the lifecycle leaves as they are."""
    return [expert.stays for expert in settings.experts]


def history_length(settings: ModelSettings) -> int:
    """How many of the stream's last known labels the pool wants to see."""
    return max((expert.label_history for expert in settings.experts), default=0)


def follows_subjects(settings: ModelSettings) -> bool:
    """Whether an expert wants each subject's last known label."""
    return any(expert.follows_subjects for expert in settings.experts)
