"""Which experts stand in a pool where a config names none, and what a pool may not be."""

from __future__ import annotations

from collections.abc import Sequence

from tocsin.config.experts.base import ExpertSettings
from tocsin.config.experts.forest import ForestSettings
from tocsin.config.experts.linear import LinearSettings
from tocsin.config.experts.linear_text import LinearTextSettings
from tocsin.config.experts.logistic import (
    LogisticSettings,
    MovingAveragesSettings,
    SeasonalSettings,
    StackSettings,
)
from tocsin.config.experts.moving_clusters import MovingClustersSettings
from tocsin.config.experts.neighbours import NeighboursSettings
from tocsin.config.experts.persistence import PersistenceSettings
from tocsin.config.experts.rare_class import RareClassSettings
from tocsin.config.experts.ss3 import SS3Settings
from tocsin.config.experts.tree import TreeSettings

STRENGTH = 100.0
"""The most pseudo-counts of evidence that an expert's answer is worth. It is high because the router discounts."""
STORED_NUMBERS = 2_000_000
"""Neighbours keep at most so many numbers, which are 16 MB: with very many features they look at fewer events."""
FEWEST_NEIGHBOURS = 500
RARE_SHARE = 0.1
"""Where all classes but one are rare, trees, neighbours and linear experts learn so few events of that one."""
SUBJECT_R = 3.0
"""AROW's regularisation for whole subjects: most of their posts say nothing of them, so that labels are noisy."""


def tabular_experts(features: int = 0, one_vs_rest: bool = False) -> tuple[ExpertSettings, ...]:
    """The experts for events with so many features: of different kinds rather than copies of one.

    `one_vs_rest` gives single trees one tree for each class. With 0 features they are not known yet.
    """
    window = min(2_000, max(FEWEST_NEIGHBOURS, STORED_NUMBERS // max(features, 1)))
    return (
        NeighboursSettings(name="nearest-500", window=500, k=1, strength=STRENGTH, undersample=RARE_SHARE),
        NeighboursSettings(name="neighbours-500", window=500, k=3, strength=STRENGTH, undersample=RARE_SHARE),
        NeighboursSettings(name="neighbours-2000", window=window, k=5, strength=STRENGTH, undersample=RARE_SHARE),
        # On Electricity, where consecutive events are alike, this expert raises the pool's accuracy by 1.4 points.
        LinearSettings(name="linear-faster", step=0.2, strength=STRENGTH, undersample=RARE_SHARE),
        LinearSettings(name="linear-fast", step=0.02, strength=STRENGTH, undersample=RARE_SHARE),
        LinearSettings(name="linear-slow", step=0.002, strength=STRENGTH, undersample=RARE_SHARE),
        PersistenceSettings(name="persistence", strength=STRENGTH),
        TreeSettings(name="tree", strength=STRENGTH, undersample=RARE_SHARE, one_vs_rest=one_vs_rest),
        TreeSettings(
            name="tree-history", history=1, strength=STRENGTH, undersample=RARE_SHARE, one_vs_rest=one_vs_rest
        ),
        # The forest does not see the last label, and has 15 trees: a second forest that sees it and twice the trees
        # together add 0.1 point, and would take most of an event's time. Its grace period is four times the default:
        # a forest spends most of its time on attempts to split, so this halves its cost. Its own accuracy falls by 0.1
        # to 1.4 points on RandomRBF, where neighbours lead, and not at all on other streams.
        ForestSettings(
            name="forest",
            trees=15,
            grace_period=200.0,
            warning_delta=0.3,
            drift_delta=0.1,
            strength=STRENGTH,
            undersample=RARE_SHARE,
        ),
        # These help much on some streams and not at all on others, so that they must earn what they cost.
        LogisticSettings(name="logistic", strength=STRENGTH, must_earn=True),
        MovingAveragesSettings(name="moving-averages", strength=STRENGTH, must_earn=True),
        SeasonalSettings(name="seasonal", strength=STRENGTH, must_earn=True),
        MovingClustersSettings(name="moving-clusters", strength=STRENGTH, must_earn=True),
    )


def text_experts() -> tuple[ExpertSettings, ...]:
    """The experts for events with a text."""
    return (SS3Settings(name="ss3", ngrams=3), LinearTextSettings(name="linear-text"), StackSettings(name="stack"))


def subject_expert() -> ExpertSettings:
    """The one expert for subjects that write over time: of all that a subject wrote, it reads whatever its language.

    An expert of single posts beside it costs more than it brings, because most posts say little of their subject.
    """
    return LinearTextSettings(name="linear-text", scope="subject", words=2, characters=3, r=SUBJECT_R)


def default_experts(features: int, text: bool, early_risk: bool = False) -> tuple[ExpertSettings, ...]:
    """The pool of a config that names no experts, by what its events have: features, a text, or both.

    Where neither is known, because features are discovered as they come, it is that of features. With `early_risk`
    alerts are raised for subjects; where these have nothing but texts, `subject_expert` stands alone.
    """
    if early_risk and text and not features:
        return (subject_expert(),)
    tabular = tabular_experts(features) if features or not text else ()
    return (*tabular, *(text_experts() if text else ()), RareClassSettings())


DEFAULT_EXPERTS: tuple[ExpertSettings, ...] = default_experts(0, text=False)
"""The pool of a model that knows nothing of its events."""


def pool_mistake(experts: Sequence[ExpertSettings]) -> str | None:
    """What is wrong with this pool of experts; None where it is right."""
    names = [expert.name for expert in experts]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        return f"two experts are named {twice[0]!r}: give one another name"
    return None if names else "at least one expert is needed"
