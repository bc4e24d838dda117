"""What is done to the features of an event before any expert sees them, all of it in its order.

Extreme values are clipped first, for everybody. What an expert is given then depends on how it looks at a number:

- trees see numbers that are not known as they are guessed (`Batch.filled`), and all others as they are;
- whatever standardises its inputs and adds them up (linear experts, the router) takes `Batch.ranked`: the same, with
  columns of heavy tails by rank, or by size where a class is rare, and without those that tell nothing of the class. A
  tree has nothing to gain by that: its splits are the same for any values in the same order, and ranks among the latest
  values would move its thresholds;
- experts on seasons and running means take `Batch.plain`, in which no column goes by rank, but those of heavy tails may
  go by logarithm: what they see is how far a value is from those before it;
- neighbours take `Batch.ranked_where_known`, and leave out what is not known of an event, which is better than a guess;
- linear experts whose steps are short see besides which gaps tell something of the class (`Batch.gaps`);
- linear and logistic experts see of a category how often each class came with it (`Batch.rates`);
- all others see a category that is not known as one of its own, where such gaps tell something of the class;
- naive Bayes and the search for novel events take `Batch.X`, and leave out what is not known, too.

All of it is learnt from labelled events in their order, as experts are. What is shown of an event is `Batch.X`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from tocsin.config.inputs import InputsSettings
from tocsin.kernels.inputs.tails import Seen
from tocsin.models.data.batch import Batch, Bools, Floats, Ints, Views
from tocsin.models.data.snapshot import Stateful
from tocsin.models.inputs.categories import TargetStatistics
from tocsin.models.inputs.clipping import Clipping
from tocsin.models.inputs.gaps import InformativeGaps
from tocsin.models.inputs.imputation import Imputation
from tocsin.models.inputs.rarity import Rarity
from tocsin.models.inputs.relevance import Relevance
from tocsin.models.inputs.tails import HeavyTails


class Preparation:
    """Everything that is learnt of the inputs of one model."""

    def __init__(self, settings: InputsSettings) -> None:
        self.categories = TargetStatistics(settings.categories)
        self.clipping = Clipping(settings.clipping)
        self.gaps = InformativeGaps(settings.gaps)
        self.imputation = Imputation(settings.imputation)
        self.relevance = Relevance(settings.relevance, settings.tails.enabled)
        self.tails = HeavyTails(settings.tails)

    def resize(self, nominal: Sequence[bool], classes: int) -> None:
        """Make room for more columns, of which `nominal` are categories, or for more classes. Never shrinks."""
        self.categories.resize(nominal, classes)
        self.clipping.resize(nominal)
        self.gaps.resize(nominal, classes)
        self.imputation.resize(nominal)
        self.relevance.resize(nominal, classes)
        self.tails.resize(nominal)

    def parts(self) -> dict[str, Stateful]:
        """Everything that has a state, by its name in snapshots."""
        return {
            "categories": self.categories,
            "clipping": self.clipping,
            "gaps": self.gaps,
            "imputation": self.imputation,
            "relevance": self.relevance,
            "tails": self.tails,
        }

    def apply(self, batch: Batch, rare: bool = False) -> Batch:
        """The events as experts see them; `rare` is whether a class is rare now. Nothing changes."""
        X = self.clipping.apply(batch.X, rare)
        filled = self.imputation.apply(X)
        seen = standardised(self.tails.apply(filled), np.array([rare]))
        ranked = self.relevance.apply(seen.shown)
        plain = without_left_out(seen, ranked)
        views = Views(filled, ranked, batch.X, self.gaps.apply(X), self.categories.apply(X), plain)
        return self.gaps.named(replace(batch, X=X, views=views))

    def learn(self, batch: Batch, y: Ints, delay: Ints, rare: Rarity | None = None) -> Batch:
        """Learn events with labels y [B], in order; returns each as `apply` gave it just before.

        `delay` int64 [B] is how many events were learnt between an event's decision and its label; `rare` says where a
        class was rare.
        """
        X = self.clipping.learn(batch.X, rare)
        filled = self.imputation.learn(X, delay)
        known = ~np.isnan(X)
        seen = standardised(self.tails.learn(filled, known), None if rare is None else rare.any[:-1])
        ranked = self.relevance.learn(seen.shown, y, known)
        plain = without_left_out(seen, ranked)
        views = Views(filled, ranked, batch.X, self.gaps.learn(X, y), self.categories.learn(X, y), plain)
        return self.gaps.named(replace(batch, X=X, views=views))

    def ask_and_learn(
        self, asked: Batch, ahead: Ints, batch: Batch, y: Ints, delay: Ints, rare: Rarity | None = None
    ) -> tuple[Batch, Batch]:
        """`apply` for n events `asked`, in turns with `learn` for m others; returns what both give.

        `ahead` [n], which never falls, is how many of the m events are learnt before each question.
        """
        clipped, X = self.clipping.ask_and_learn(asked.X, ahead, batch.X, rare)
        filled, learnt = self.imputation.ask_and_learn(clipped, ahead, X, delay)
        known = ~np.isnan(X)
        own, learnt_own = self.tails.ask_and_learn(filled, ahead, learnt, known)
        seen = standardised(own, None if rare is None else rare.any[ahead])
        learnt_seen = standardised(learnt_own, None if rare is None else rare.any[:-1])
        ranked, learnt_ranked = self.relevance.ask_and_learn(seen.shown, ahead, learnt_seen.shown, y, known)
        plain, learnt_plain = without_left_out(seen, ranked), without_left_out(learnt_seen, learnt_ranked)
        gaps, learnt_gaps = self.gaps.ask_and_learn(clipped, ahead, X, y)
        rates, learnt_rates = self.categories.ask_and_learn(clipped, ahead, X, y)
        views = Views(learnt, learnt_ranked, batch.X, learnt_gaps, learnt_rates, learnt_plain)
        return (
            self.gaps.named(replace(asked, X=clipped, views=Views(filled, ranked, asked.X, gaps, rates, plain))),
            self.gaps.named(replace(batch, X=X, views=views)),
        )


class Shown(NamedTuple):
    """The same values as two kinds of experts see them, [B, F]."""

    shown: Floats
    """As those see them who standardise."""
    on_time: Floats
    """As experts on time see them."""


def standardised(seen: Seen, rare: Bools | None) -> Shown:
    """Values as those see them who standardise: by rank, or by size in the rows where a class is `rare`, [B] or [1]."""
    if rare is None or not rare.any():
        return Shown(seen.by_rank, seen.on_time)
    return Shown(np.where(rare[:, None], seen.by_size, seen.by_rank), seen.on_time)


def without_left_out(seen: Shown, ranked: Floats) -> Floats:
    """What experts on time see [B, F], with 0 where the relevance made 0 of a value; `ranked` [B, F]."""
    if ranked is seen.shown:
        return seen.on_time
    return np.where((ranked == 0.0) & (seen.shown != 0.0), 0.0, seen.on_time)
