"""The experts that a config names."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from tocsin.config.forest import ForestExpert
from tocsin.config.linear_text import LinearTextExpert
from tocsin.config.model import (
    ExpertSettings,
    LinearExpert,
    Model,
    PersistenceExpert,
    RiverExpert,
    TreeExpert,
)
from tocsin.config.naive_bayes import NaiveBayesExpert
from tocsin.config.neighbours import NeighboursExpert
from tocsin.models.expert import Expert
from tocsin.models.forest import Forest
from tocsin.models.linear import Linear
from tocsin.models.linear_text import LinearText
from tocsin.models.naive_bayes import NaiveBayes
from tocsin.models.neighbours import Neighbours
from tocsin.models.persistence import Persistence
from tocsin.models.river_expert import RiverExpert as River
from tocsin.models.text_expert import TextExpert
from tocsin.models.tree_expert import TreeExpert as Tree

SEES = ("kind", "model", "history", "by", "ngrams", "characters", "one_vs_rest", "buckets", "scope")
"""The settings that say of what kind an expert is and what it sees."""


def build(settings: Model, names: Sequence[str], nominal: Sequence[bool]) -> list[Expert]:
    """The pool, in the config's order. Raises ValueError naming the setting that is wrong."""
    return [_expert(expert, settings, names, nominal) for expert in settings.experts]


def fresh(settings: Model, e: int, names: Sequence[str], nominal: Sequence[bool]) -> Expert:
    """Expert e of the pool as it was at first."""
    return _expert(settings.experts[e], settings, names, nominal)


def kin(settings: Model) -> list[Hashable]:
    """[E], equal for experts that are of one kind and see the same of an event."""
    return [tuple(getattr(expert, name, None) for name in SEES) for expert in settings.experts]


def nodes(expert: Expert) -> int | None:
    """Branches and leaves of an expert's trees, those that vote; None where it has none."""
    if isinstance(expert, Tree):
        return expert.nodes
    if isinstance(expert, Forest):
        return int(expert.n_nodes.sum())
    found = getattr(expert.model, "n_nodes", None) if isinstance(expert, River) else None
    return found if isinstance(found, int) else None


def _expert(expert: ExpertSettings, settings: Model, names: Sequence[str], nominal: Sequence[bool]) -> Expert:
    if isinstance(expert, RiverExpert):
        return River(expert, names, nominal, settings.seed)
    if isinstance(expert, TreeExpert):
        return Tree(expert, nominal)
    if isinstance(expert, ForestExpert):
        return Forest(expert, nominal, settings.seed)
    if isinstance(expert, NaiveBayesExpert):
        return NaiveBayes(expert, nominal)
    if isinstance(expert, NeighboursExpert):
        return Neighbours(expert, nominal)
    if isinstance(expert, LinearExpert):
        return Linear(expert, nominal)
    if isinstance(expert, PersistenceExpert):
        return Persistence(expert)
    if isinstance(expert, LinearTextExpert):
        return LinearText(expert, max_text=settings.max_text)
    return TextExpert(
        expert,
        max_vocabulary=settings.max_vocabulary,
        max_text=settings.max_text,
        characters=expert.characters,
    )


def history_length(settings: Model) -> int:
    """How many of the stream's last labels the pool wants to see."""
    lengths = [e.history for e in settings.experts if isinstance(e, RiverExpert | TreeExpert | ForestExpert)]
    lengths += [1 for e in settings.experts if isinstance(e, PersistenceExpert)]
    return max(lengths, default=0)


def follows_subjects(settings: Model) -> bool:
    """Whether an expert wants each subject's last label."""
    return any(isinstance(e, PersistenceExpert) and e.by == "subject" for e in settings.experts)
