"""A model to compare the service with: a single river Hoeffding tree with its defaults."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, cast

from river.base import Classifier
from river.tree import HoeffdingTreeClassifier

from tocsin.config.settings import Settings
from tocsin.streams.replay.past_event import PastEvent
from tocsin.streams.transport.base import Record
from tocsin.streams.wire.decode import Decoder
from tocsin.streams.wire.schema import EventSchema

Features = dict[Hashable, Any]
"""What river's models take."""


class RivalTree:
    """The tree on the same events as the service, and on labels that are as late."""

    name = "hoeffding_tree"

    def __init__(self, settings: Settings) -> None:
        self._decoder = Decoder(EventSchema(settings))
        nominal = [feature.name for feature in settings.schema_.features if feature.kind == "category"]
        self._names = {feature.name for feature in settings.schema_.features}
        self._tree = cast("Classifier", HoeffdingTreeClassifier(nominal_attributes=nominal or None))
        self._unlearnt: dict[str, Features] = {}
        """By id, the events whose labels are not due yet."""

    def is_right(self, past: PastEvent, label: str) -> bool:
        """Whether the tree predicts the label of an event. It learns it when it is told."""
        features = self._decoder.event(Record("", 0, 0, 0, None, past.event)).features
        known: Features = {name: value for name, value in features.items() if value is not None and name in self._names}
        right = bool(self._tree.predict_one(known) == label)
        self._unlearnt[past.id] = known
        return right

    def tell(self, past: PastEvent, label: str) -> None:
        """The label of an event is due."""
        known = self._unlearnt.pop(past.id, None)
        if known is not None:
            self._tree.learn_one(known, label)
