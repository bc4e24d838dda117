"""What the tests of a model that users name need: how it is made, and events in every form."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

CENTRES = {"left": -1.0, "middle": 0.0, "right": 1.0}
KINDS: dict[str, tuple[Any, Any, Any]] = {
    "text": ("left", "middle", "right"),
    "integers": (7, -3, 70_000),
    "booleans": (False, True, True),
    "numpy": (np.int32(1), np.int32(2), np.int32(3)),
}
"""What stands for the three labels of the events, by type."""


class FaceCase:
    """A model under test. A test class says how it is made, and where its events are not dictionaries of numbers says
    what they are."""

    def make(self) -> Any:
        """A model that has learnt nothing."""
        raise NotImplementedError

    def events(self, n: int, seed: int = 0) -> tuple[list[Any], list[str]]:
        """Events as `learn_one` takes them, all with the same features, and their labels."""
        rng = np.random.default_rng(seed)
        y = rng.choice([*CENTRES], n).tolist()
        X = rng.normal(0.0, 0.3, (n, 3)) + np.array([[CENTRES[label], 0.0, -CENTRES[label]] for label in y])
        return [dict(zip(("a", "b", "c"), row, strict=True)) for row in X.tolist()], y

    def frame(self, xs: list[Any]) -> pd.DataFrame | pd.Series[Any]:
        """The same events as a DataFrame whose index is not the numbers of the rows."""
        return pd.DataFrame(xs, index=[f"event {i}" for i in range(len(xs))])

    def array(self, xs: list[Any]) -> Any:
        """The same events as an array."""
        return np.array([list(x.values()) for x in xs]).reshape(len(xs), -1)

    def datasets(self) -> list[list[tuple[Any, Any]]] | None:
        """The streams for river's checks; None for river's own."""
        return None

    # How the tests use them

    def taught(self, n: int = 120, seed: int = 0) -> Any:
        model = self.make()
        for x, y in zip(*self.events(n, seed), strict=True):
            model.learn_one(x, y)
        return model

    def answers(self, model: Any) -> list[dict[Any, float]]:
        return [model.predict_proba_one(x) for x in self.events(40, seed=9)[0]]

    def assert_alike(self, one: Any, other: Any) -> None:
        """Both predict the same now, and still do when both have learnt more."""
        more = self.events(60, seed=5)
        assert self.answers(one) == self.answers(other)
        for x, y in zip(*more, strict=True):
            one.learn_one(x, y)
            other.learn_one(x, y)
        assert self.answers(one) == self.answers(other)
