"""A new kind of expert is one file, its settings and one line."""

from __future__ import annotations

import subprocess
import sys
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from tocsin.config import Settings
from tocsin.config.experts import ExpertSettings, kinds
from tocsin.models.classifier import Classifier
from tocsin.models.data.batch import Batch, Floats, Ints
from tocsin.models.data.feedback import FeedbackBatch
from tocsin.models.experts import registry
from tocsin.models.experts.base import Arrays, Expert, PoolContext
from tocsin.streams.replay.in_process import InProcess
from tocsin.streams.replay.past_event import PastEvent

# The one file: the settings and the expert.


class MajoritySettings(ExpertSettings):
    """The settings of a kind of expert that Tocsin does not have."""

    kind: Literal["majority"] = "majority"
    name: str = "majority"
    strength: float = 10.0


class MajorityExpert(Expert):
    """Answers the class that came most often."""

    def __init__(self, settings: MajoritySettings) -> None:
        self.name = settings.name
        self._strength = settings.strength
        self._counts = np.zeros(0)

    @classmethod
    def from_settings(cls, settings: MajoritySettings, pool: PoolContext) -> MajorityExpert:
        return cls(settings)

    def resize(self, features: int, classes: int) -> None:
        self._counts = np.pad(self._counts, (0, max(classes - len(self._counts), 0)))

    def evidence(self, batch: Batch) -> Floats:
        result = np.zeros((len(batch), len(self._counts)))
        if self._counts.any():
            result[:, self._counts.argmax()] = self._strength
        return result

    def learn(self, batch: Batch, y: Ints, weight: Floats) -> None:
        np.add.at(self._counts, y, weight)

    def state_dict(self) -> dict[str, NDArray[Any]]:
        return {"counts": self._counts.copy()}

    def load_state_dict(self, arrays: Arrays) -> None:
        self._counts = np.array(arrays["counts"])


# The one line.
registry.register("majority", MajorityExpert)

CONFIG = {
    "schema": {"features": [{"name": "x"}]},
    "classes": ["no", "yes"],
    "experts": [{"kind": "majority"}, {"kind": "persistence"}],
}


def test_a_made_up_kind_runs_through_the_service_by_one_file_and_one_line() -> None:
    rows = [
        PastEvent(f"e{i}", "s", i, b'{"id":"e%d","subject":"s","time":%d,"features":{"x":1}}' % (i, i), "yes")
        for i in range(60)
    ]
    replay = InProcess(Settings(**CONFIG), label_delay=1)
    report = replay.run(rows)
    assert report.events == 60
    assert report.dead_letters == 0
    assert report.selective_accuracy == 1.0
    assert report.coverage > 0.3


def test_a_made_up_kind_is_saved_and_loaded_with_its_model(tmp_path: Any) -> None:
    model = Classifier.from_config(Settings(**CONFIG))
    batch = Batch.of(np.zeros((4, 1)))
    model.learn(FeedbackBatch(batch, ["yes", "yes", "no", "yes"], np.ones(4), [None] * 4, [()] * 4))
    model.save(tmp_path / "s")
    loaded = Classifier.load(tmp_path / "s")
    assert isinstance(loaded.experts[0], MajorityExpert)
    assert np.array_equal(loaded.score(batch).belief, model.score(batch).belief)


def test_a_kind_that_is_taken_is_refused() -> None:
    with pytest.raises(ValueError, match="'tree' is taken"):
        registry.register("tree", MajorityExpert)
    with pytest.raises(TypeError, match="the kind 'tree' is that of TreeSettings"):

        class Impostor(ExpertSettings):
            kind: Literal["tree"] = "tree"


def test_every_kind_that_a_config_can_name_has_an_expert() -> None:
    assert kinds().keys() == registry.KINDS.keys()
    for kind in kinds():
        assert issubclass(registry.expert_class(kind), Expert)


def test_an_unknown_kind_is_named_with_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"'oracle' is no kind of expert; the kinds are boosted, forest, .*tree"):
        registry.expert_class("oracle")


def test_only_the_kinds_that_a_config_names_are_imported() -> None:
    code = (
        "import sys; from tocsin.config import Settings; from tocsin.models.experts import registry;"
        "s = Settings(schema={'features': [{'name': 'x'}]}, experts=[{'kind': 'linear'}]);"
        "registry.build(s.model, ['x'], [False]);"
        "idle = ('tocsin.models.experts.trees.forest', 'tocsin.models.experts.ss3', 'torch');"
        "print([m for m in idle if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == "[]"
