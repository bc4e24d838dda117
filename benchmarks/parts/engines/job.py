"""The job of the rivals: river's adaptive random forest, and the events that wait for their labels."""

from __future__ import annotations

from typing import Any

from river import forest


class Job:
    """Decides events and learns from labels. Nothing of it outlives the process."""

    def __init__(self) -> None:
        self._model = forest.ARFClassifier(n_models=10, seed=7)
        self._waiting: dict[str, dict[str, float]] = {}
        self._early: dict[str, str] = {}
        """Labels that came before their events."""

    def decide(self, event: dict[str, Any]) -> dict[str, Any]:
        """The decision on an event. A label that waits for it is learnt by `learn_early`."""
        features = event["features"]
        probabilities = self._model.predict_proba_one(features)
        self._waiting[event["id"]] = features
        label = max(probabilities, key=probabilities.__getitem__) if probabilities else None
        return {"event": event["id"], "label": label, "probabilities": {str(k): v for k, v in probabilities.items()}}

    def learn(self, label: dict[str, Any]) -> dict[str, Any] | None:
        """Learn from a label; returns what was learnt, None where its event has not come."""
        features = self._waiting.pop(label["event"], None)
        if features is None:
            self._early[label["event"]] = label["label"]
            return None
        self._model.learn_one(features, label["label"])
        return {"event": label["event"], "label": label["label"]}

    def learn_early(self, event: dict[str, Any]) -> dict[str, Any] | None:
        """Learn from the label that came before its event, if one did."""
        label = self._early.pop(event["id"], None)
        return None if label is None else self.learn({"event": event["id"], "label": label})
