"""A combination run over a recording says what the service's classifier would have said."""

from __future__ import annotations

import numpy as np
import pytest
from parts.generators import Floats
from parts.recording import Events, knowing, of_stream, polls, record, replay, without

from tocsin.config.fusion import FusionSettings
from tocsin.kernels.fusion import RULES, Rule
from tocsin.models.data.batch import Batch, PredictionContext
from tocsin.models.data.feedback import FeedbackBatch


def events(name: str = "SEA_a") -> Events:
    return of_stream(name, 400, 1)


def by(source: Events, rule: Rule) -> Events:
    return source._replace(model=source.model.model_copy(update={"fusion": FusionSettings(rule=rule)}))


@pytest.mark.parametrize("rule", RULES)
def test_with_labels_at_once(rule: Rule) -> None:
    source = events()
    said = knowing(by(source, rule)).learn_at_once(source.batch, source.y, np.ones(400))
    np.testing.assert_array_equal(replay(record(source, 0), rule).betp, said)


def late(source: Events, delay: int) -> Floats:
    """BetP [T, K] of the classifier itself."""
    model, said, seen = knowing(source), np.empty((len(source.y), source.classes)), list[PredictionContext]()
    for now, told in polls(source.y, source.classes, delay):
        scores = model.score(source.batch.rows(now.start, now.stop))
        said[now] = scores.betp
        seen += [scores.context(i) for i in range(now.stop - now.start)]
        if len(told):
            batch, labels = Batch.of(source.batch.X[told]), [str(k) for k in source.y[told]]
            model.learn(FeedbackBatch(batch, labels, np.ones(len(told)), [seen[i] for i in told], [()] * len(told)))
    return said


@pytest.mark.parametrize("rule", ["dempster", "cumulative"])
def test_with_late_labels(rule: Rule) -> None:
    source = events()
    np.testing.assert_allclose(replay(record(source, 100), rule).betp, late(by(source, rule), 100), rtol=0, atol=1e-12)


def test_with_a_class_that_nobody_ever_tells_of() -> None:
    source = without(events("RBF_m"), 0)
    assert source.classes == 4
    assert source.y.max() == 4
    recording = record(source, 0)
    assert recording.evidence.shape[2] == 4
    np.testing.assert_allclose(replay(recording, "dempster").betp, late(by(source, "dempster"), 0), rtol=0, atol=1e-12)
