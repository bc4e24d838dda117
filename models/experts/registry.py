"""The experts that a config names."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from tocsin.config.experts import ExpertSettings
from tocsin.config.experts.forest import ForestSettings
from tocsin.config.experts.linear import LinearSettings
from tocsin.config.experts.linear_text import LinearTextSettings
from tocsin.config.experts.naive_bayes import NaiveBayesSettings
from tocsin.config.experts.neighbours import NeighboursSettings
from tocsin.config.experts.persistence import PersistenceSettings
from tocsin.config.experts.river import RiverSettings
from tocsin.config.experts.ss3 import SS3Settings
from tocsin.config.experts.tree import TreeSettings
from tocsin.config.model import ModelSettings
from tocsin.models.experts.base import Expert
from tocsin.models.experts.forest import ForestExpert
from tocsin.models.experts.linear import LinearExpert
from tocsin.models.experts.linear_text import LinearTextExpert
from tocsin.models.experts.naive_bayes import NaiveBayesExpert
from tocsin.models.experts.neighbours import NeighboursExpert
from tocsin.models.experts.persistence import PersistenceExpert
from tocsin.models.experts.river import RiverExpert as River
from tocsin.models.experts.ss3 import SS3Expert
from tocsin.models.experts.tree import TreeExpert as Tree

SEES = ("kind", "model", "history", "by", "ngrams", "characters", "one_vs_rest", "buckets", "scope")
"""The settings that say of what kind an expert is and what it sees."""


def build(settings: ModelSettings, names: Sequence[str], nominal: Sequence[bool]) -> list[Expert]:
    """The pool, in the config's order. Raises ValueError naming the setting that is wrong."""
    return [_expert(expert, settings, names, nominal) for expert in settings.experts]


def fresh(settings: ModelSettings, e: int, names: Sequence[str], nominal: Sequence[bool]) -> Expert:
    """Expert e of the pool as it was at first."""
    return _expert(settings.experts[e], settings, names, nominal)


def kin(settings: ModelSettings) -> list[Hashable]:
    """[E], equal for experts that are of one kind and see the same of an event."""
    return [tuple(getattr(expert, name, None) for name in SEES) for expert in settings.experts]


def nodes(expert: Expert) -> int | None:
    """Branches and leaves of an expert's trees, those that vote; None where it has none."""
    if isinstance(expert, Tree):
        return expert.nodes
    if isinstance(expert, ForestExpert):
        return int(expert.n_nodes.sum())
    found = getattr(expert.model, "n_nodes", None) if isinstance(expert, River) else None
    return found if isinstance(found, int) else None


def _expert(expert: ExpertSettings, settings: ModelSettings, names: Sequence[str], nominal: Sequence[bool]) -> Expert:
    if isinstance(expert, RiverSettings):
        return River(expert, names, nominal, settings.seed)
    if isinstance(expert, TreeSettings):
        return Tree(expert, nominal)
    if isinstance(expert, ForestSettings):
        return ForestExpert(expert, nominal, settings.seed)
    if isinstance(expert, NaiveBayesSettings):
        return NaiveBayesExpert(expert, nominal)
    if isinstance(expert, NeighboursSettings):
        return NeighboursExpert(expert, nominal)
    if isinstance(expert, LinearSettings):
        return LinearExpert(expert, nominal)
    if isinstance(expert, PersistenceSettings):
        return PersistenceExpert(expert)
    if isinstance(expert, LinearTextSettings):
        return LinearTextExpert(expert, max_text=settings.max_text)
    assert isinstance(expert, SS3Settings)
    return SS3Expert(
        expert,
        max_vocabulary=settings.max_vocabulary,
        max_text=settings.max_text,
        characters=expert.characters,
    )


def history_length(settings: ModelSettings) -> int:
    """How many of the stream's last labels the pool wants to see."""
    lengths = [e.history for e in settings.experts if isinstance(e, RiverSettings | TreeSettings | ForestSettings)]
    lengths += [1 for e in settings.experts if isinstance(e, PersistenceSettings)]
    return max(lengths, default=0)


def follows_subjects(settings: ModelSettings) -> bool:
    """Whether an expert wants each subject's last label."""
    return any(isinstance(e, PersistenceSettings) and e.by == "subject" for e in settings.experts)
