"""A model to compare the service with: a single river Hoeffding tree with its defaults."""

from __future__ import annotations

from collections import deque
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

    def __init__(self, settings: Settings, label_delay: int) -> None:
        self._decoder = Decoder(EventSchema(settings))
        nominal = [feature.name for feature in settings.schema_.features if feature.kind == "category"]
        self._names = {feature.name for feature in settings.schema_.features}
        self._tree = cast("Classifier", HoeffdingTreeClassifier(nominal_attributes=nominal or None))
        self._delay = label_delay
        self._unlearnt: deque[tuple[Features, str]] = deque()

    def is_right(self, past: PastEvent, label: str) -> bool:
        """Whether the tree predicts the label of an event; then it learns the label that is due."""
        features = self._decoder.event(Record("", 0, 0, 0, None, past.event)).features
        known: Features = {name: value for name, value in features.items() if value is not None and name in self._names}
        right = bool(self._tree.predict_one(known) == label)
        self._unlearnt.append((known, label))
        if len(self._unlearnt) > self._delay:
            self._tree.learn_one(*self._unlearnt.popleft())
        return right
