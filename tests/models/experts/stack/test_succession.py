"""What becomes of a stack where the experts that it hears are others now."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tocsin.config.experts.base import ExpertSettings
from tocsin.config.experts.linear_text import LinearTextSettings
from tocsin.config.experts.logistic import StackSettings
from tocsin.config.experts.persistence import PersistenceSettings
from tocsin.config.experts.ss3 import SS3Settings
from tocsin.config.model import ModelSettings
from tocsin.models import Batch, Classifier
from tocsin.models.succession import successor

WORDS, LINEAR = SS3Settings(name="ss3"), LinearTextSettings(name="linear-text", bits=10)
STACK, LAST = StackSettings(name="stack"), PersistenceSettings(name="last")


def settings(*experts: ExpertSettings) -> ModelSettings:
    return ModelSettings(classes=("no", "yes"), experts=experts, text=True)


def taught() -> Classifier:
    rng = np.random.default_rng(4)
    y = rng.integers(0, 2, 200)
    said = (["lunch", "home", "later"], ["win", "cash", "prize"])
    texts = [" ".join(rng.choice(said[k], 3)) for k in y]
    classifier = Classifier(settings(WORDS, LINEAR, STACK))
    classifier.learn_at_once(Batch.of(np.zeros((200, 0)), texts), y, np.ones(200))
    return classifier


@pytest.mark.parametrize(
    ("experts", "anew"),
    [
        ((WORDS, LINEAR, STACK, LAST), ["last"]),
        ((LINEAR, WORDS, STACK), ["stack"]),
        ((WORDS, STACK), ["stack"]),
        ((WORDS, LINEAR, LAST, STACK), ["last", "stack"]),
        ((WORDS.model_copy(update={"ngrams": 2}), LINEAR, STACK), ["ss3", "stack"]),
    ],
    ids=["one behind it", "in another order", "one less", "one more before it", "one with other settings"],
)
def test_a_stack_begins_anew_where_it_would_hear_others_in_the_places_it_knows(
    tmp_path: Path, experts: tuple[ExpertSettings, ...], anew: list[str]
) -> None:
    taught().save(tmp_path / "before")
    made, begun = successor(tmp_path / "before", settings(*experts), "auto")
    assert begun == anew
    said = made.score(Batch.of(np.zeros((1, 0)), ["win cash prize"])).betp
    assert said.argmax(axis=1).tolist() == [1]
