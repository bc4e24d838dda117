"""What is done to the features of an event before any expert sees them, all of it in its order.

Extreme values are clipped first, for everybody. What an expert is given then depends on how it looks at a number:

- trees and naive Bayes see it as it is (`Batch.X`);
- whatever standardises its inputs (neighbours, linear experts, the router) takes `Batch.ranked`, where columns of heavy
  tails go by rank. A tree has nothing to gain by that: its splits are the same for any values in the same order, and
  ranks among the latest values would move its thresholds.

All of it is learnt from labelled events in their order, as experts are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tocsin.config.inputs import InputsSettings
from tocsin.models.data.batch import Batch, Views
from tocsin.models.data.snapshot import Stateful
from tocsin.models.inputs.clipping import Clipping
from tocsin.models.inputs.tails import HeavyTails


class Preparation:
    """Everything that is learnt of the inputs of one model."""

    def __init__(self, settings: InputsSettings) -> None:
        self.clipping = Clipping(settings.clipping)
        self.tails = HeavyTails(settings.tails)

    def resize(self, nominal: Sequence[bool]) -> None:
        """Make room for more columns, of which `nominal` are categories. Never shrinks."""
        self.clipping.resize(nominal)
        self.tails.resize(nominal)

    def parts(self) -> dict[str, Stateful]:
        """Everything that has a state, by its name in snapshots."""
        return {"clipping": self.clipping, "tails": self.tails}

    def apply(self, batch: Batch) -> Batch:
        """The events as experts see them. Nothing changes."""
        X = self.clipping.apply(batch.X)
        return replace(batch, X=X, views=Views(ranked=self.tails.apply(X)))

    def learn(self, batch: Batch) -> Batch:
        """Learn labelled events, in order; returns each as `apply` gave it just before."""
        X = self.clipping.learn(batch.X)
        return replace(batch, X=X, views=Views(ranked=self.tails.learn(X)))
