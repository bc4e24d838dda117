"""The boosted expert: it is LightGBM on the window, whatever the thread does, and its state is a fold."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest

from tocsin.config.experts.boosted import BoostedSettings
from tocsin.config.experts.persistence import PersistenceSettings
from tocsin.config.model import ModelSettings
from tocsin.config.schema import FeatureSettings
from tocsin.models.classifier import Classifier
from tocsin.models.data.batch import Batch
from tocsin.models.data.snapshot import digest
from tocsin.models.experts.base import SnapshotError
from tocsin.models.experts.boosted import trained
from tocsin.models.experts.boosted.expert import BoostedExpert
from tocsin.models.experts.boosted.trained import MOST_CATEGORIES, Examples

from ..fold_behaviour import NOMINAL, F, Floats, FoldBehaviour, Ints, K, bits, learn

SMALL: dict[str, Any] = {"window": 400, "every": 150, "lag": 40, "trees": 6, "leaves": 7}


def events(n: int, seed: int = 0) -> tuple[Floats, Ints]:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, K, n)
    X = rng.normal(size=(n, F)) + y[:, None]
    X[:, 2] = 7.0
    X[:, 3] = 3e9 + (y + (rng.random(n) < 0.3)) % 4
    X[rng.random(X.shape) < 0.05] = np.nan
    return X, y


def new(**settings: Any) -> BoostedExpert:
    expert = BoostedExpert(BoostedSettings(**{**SMALL, **settings}), NOMINAL)
    expert.resize(F, K)
    return expert


class TestBoostedFold(FoldBehaviour):
    new = staticmethod(new)
    events = staticmethod(events)


def by_lightgbm(X: Floats, y: Ints, w: Floats, ask: Floats) -> Floats:
    """What LightGBM itself says after it was trained on these events."""

    def numbered(rows: Floats) -> Floats:
        rows = rows.copy()
        known = sorted(set(X[np.isfinite(X[:, 3]), 3]))
        rows[:, 3] = [known.index(code) if code in known else np.nan for code in rows[:, 3]]
        return rows

    parameters = {
        "objective": "multiclass", "num_class": K, "num_leaves": 7, "seed": 0, "deterministic": True,
        "force_row_wise": True, "num_threads": 1, "verbosity": -1,
    }  # fmt: skip
    data = lightgbm.Dataset(numbered(X), y, weight=w, categorical_feature=[3], params=parameters)
    p: Floats = lightgbm.train(parameters, data, num_boost_round=6).predict(numbered(ask))
    return p


def test_it_is_lightgbm_on_the_window_that_ended_a_lag_ago() -> None:
    X, y = events(1_000)
    w = np.linspace(0.5, 2.0, len(X))
    expert = new()
    ask, _ = events(50, seed=2)
    for start, stop in ((0, 600), (600, 639), (639, 640), (640, 1_000)):
        expert.learn(Batch.of(X[start:stop]), y[start:stop], w[start:stop])
        n = {600: 450, 639: 450, 640: 600, 1_000: 900}[stop]
        window = slice(max(n - 400, 0), n)
        expected = by_lightgbm(X[window], y[window], w[window], ask)
        assert expert.probabilities(Batch.of(ask)) == pytest.approx(expected, abs=1e-12)


def test_how_long_the_thread_takes_makes_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = events(800)
    quick, slow = new(), new()
    learn(quick, X, y, 13)
    plain = trained.trained

    def delayed(examples: Examples, settings: BoostedSettings) -> Any:
        time.sleep(0.05)
        return plain(examples, settings)

    monkeypatch.setattr(trained, "trained", delayed)
    learn(slow, X, y, 800)
    assert bits(quick) == bits(slow)


def test_learning_before_the_answer_is_not_seen_in_it() -> None:
    X, y = events(900)
    one, other = new(), new()
    answers = one.predict_then_learn(Batch.of(X), y, np.ones(len(y)))
    for i in range(0, 900, 30):
        rows = Batch.of(X[i : i + 30])
        asked = other.evidence(rows)
        told = other.predict_then_learn(rows, y[i : i + 30], np.ones(30))
        assert asked[0].tobytes() == told[0].tobytes() == answers[i].tobytes()
    plain = new()
    plain.learn(Batch.of(X), y, np.ones(len(y)))
    assert bits(one) == bits(other) == bits(plain)
    assert not answers[:190].any()
    assert answers[190:].any(axis=1).all()


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda expert: pickle.loads(pickle.dumps(expert))])
def test_a_copy_that_is_made_while_a_model_is_trained_goes_on_alike(copied: Any) -> None:
    X, y = events(900)
    expert = new()
    learn(expert, X[:460], y[:460])  # the window of 450 is being trained on
    other = copied(expert)
    for one in (expert, other):
        learn(one, X[460:], y[460:])
    assert bits(expert) == bits(other)


def test_a_classifier_that_was_saved_while_a_model_was_trained_goes_on_alike(tmp_path: Path) -> None:
    features = tuple(FeatureSettings(name=f"x{f}", kind="category" if n else "number") for f, n in enumerate(NOMINAL))
    settings = ModelSettings(
        features=features, classes=("a", "b", "c"), experts=(BoostedSettings(**SMALL, history=1), PersistenceSettings())
    )
    X, y = events(600)

    def teach(model: Classifier, rows: slice) -> None:
        model.learn_at_once(Batch.of(X[rows]), y[rows], np.ones(len(y[rows])))

    model = Classifier(settings)
    teach(model, slice(0, 460))
    model.save(tmp_path)
    restored = Classifier.load(tmp_path)
    for one in (model, restored):
        teach(one, slice(460, 600))
    assert digest(restored.state_dict()) == digest(model.state_dict())


def test_a_process_that_is_forked_does_not_wait_for_a_thread_that_it_lacks() -> None:
    code = """
import os
import numpy as np
from tocsin.config.experts.boosted import BoostedSettings
from tocsin.models.data.batch import Batch
from tocsin.models.experts.boosted.expert import BoostedExpert
X = np.random.default_rng(0).normal(size=(2_000, 2))
y = (X[:, 0] > 0).astype(np.int64)
expert = BoostedExpert(BoostedSettings(window=2_000, every=1_000, trees=5), [False] * 2)
expert.resize(2, 2)
expert.learn(Batch.of(X[:1_000]), y[:1_000], np.ones(1_000))
child = os.fork()
expert.learn(Batch.of(X[1_000:]), y[1_000:], np.ones(1_000))
print({name: array.sum() for name, array in expert.state_dict().items()}, flush=True)
if not child:
    os._exit(0)
os.wait()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    parent, child = done.stdout.splitlines()
    assert parent == child
    assert "model.text" in parent


def test_it_learns_and_forgets() -> None:
    X, y = events(2_000)
    expert = new()
    learn(expert, X, y)
    assert (expert.evidence(Batch.of(X)).argmax(axis=1) == y).mean() > 0.7
    learn(expert, X, (y + 1) % K)
    assert (expert.evidence(Batch.of(X)).argmax(axis=1) == (y + 1) % K).mean() > 0.7


def test_two_classes_and_the_last_label_are_learnt() -> None:
    rng = np.random.default_rng(1)
    X, history = rng.normal(size=(1_500, F)), rng.integers(-1, 2, (1_500, 1))
    y = np.where(history[:, 0] >= 0, history[:, 0], X[:, 0] > 0).astype(np.int64)
    expert = new(history=1)
    batch = Batch.of(X, history=history)
    expert.learn(batch, y, np.ones(len(y)))
    assert (expert.evidence(batch).argmax(axis=1) == y).mean() > 0.95
    assert not expert.evidence(batch)[:, 2].any()


def test_a_window_of_one_class_tells_nothing() -> None:
    X, _ = events(400)
    expert = new()
    learn(expert, X, np.ones(400, np.int64))
    assert not expert.evidence(Batch.of(X)).any()


def test_a_class_that_is_new_is_learnt_with_the_next_window() -> None:
    X, y = events(900)
    expert = new()
    learn(expert, X[:400], np.minimum(y[:400], 1))
    assert not expert.evidence(Batch.of(X))[:, 2].any()
    learn(expert, X[400:], y[400:])
    assert expert.evidence(Batch.of(X))[:, 2].any()


def test_columns_grow_without_losing_what_was_learnt() -> None:
    X, y = events(700)
    expert = BoostedExpert(BoostedSettings(**SMALL), NOMINAL[:2])
    expert.resize(2, K)
    learn(expert, X[:400, :2], y[:400])
    before = expert.probabilities(Batch.of(X[:50, :2]))
    expert.set_columns((), NOMINAL)
    expert.resize(F, K)
    assert np.array_equal(expert.probabilities(Batch.of(X[:50])), before)
    learn(expert, X[400:], y[400:])
    assert (expert.evidence(Batch.of(X)).argmax(axis=1) == y).mean() > 0.6


def test_categories_of_any_code_and_number_are_told_apart_as_far_as_there_is_room() -> None:
    rng = np.random.default_rng(3)
    codes = 4e9 - 97.0 * np.arange(MOST_CATEGORIES + 50)
    X = np.full((3_000, F), np.nan)
    which = np.concatenate([rng.integers(0, 20, 2_800), rng.integers(0, len(codes), 200)])
    X[:, 3] = codes[which]
    y = (which % 2).astype(np.int64)
    expert = new(window=3_000, every=1_000, lag=0, trees=30)
    learn(expert, X, y)
    asked = Batch.of(X[:2_800])
    assert (expert.evidence(asked).argmax(axis=1) == y[:2_800]).mean() > 0.95
    X[:, 3] = 12345.0  # never seen
    assert np.isfinite(expert.evidence(Batch.of(X[:5]))).all()


@pytest.mark.parametrize("value", [1e300, -1e300, np.inf, np.nan])
def test_no_value_breaks_it(value: float) -> None:
    X, y = events(300)
    expert = new()
    learn(expert, X, y)
    X[:, 0] = value
    X[:, 3] = value
    assert np.isfinite(expert.evidence(Batch.of(X))).all()
    learn(expert, X, y)
    assert np.isfinite(expert.evidence(Batch.of(events(50, seed=3)[0]))).all()


def test_the_cap_holds() -> None:
    X, y = events(1_000)
    expert = new(strength=2.0)
    learn(expert, X, y)
    assert expert.evidence(Batch.of(X[:30])).sum(axis=1).max() <= 2.0 + 1e-12


@pytest.mark.parametrize("change", ["missing", "columns", "rows", "model", "text"])
def test_arrays_that_do_not_fit_are_refused_and_change_nothing(change: str) -> None:
    X, y = events(350)
    expert = new()
    learn(expert, X, y)
    arrays = expert.state_dict()
    if change == "missing":
        del arrays["strength"]
    elif change == "columns":
        arrays["nominal"] = arrays["nominal"][:-1]
    elif change == "rows":
        arrays["y"] = arrays["y"][:-1]
    elif change == "model":
        arrays["model.counts"] = arrays["model.counts"][:-1]
    else:
        arrays["model.text"] = np.frombuffer(b"no model", np.uint8)
    before = bits(expert)
    with pytest.raises(SnapshotError):
        expert.load_state_dict(arrays)
    assert bits(expert) == before


def test_more_classes_get_fewer_rounds() -> None:
    X, y = events(600)
    expert = new(most_trees=6)
    learn(expert, X, y)
    text = expert.state_dict()["model.text"].tobytes().decode()
    assert text.count("\nTree=") == 6  # two rounds of a tree for each of three classes


def test_a_missing_library_is_told_with_what_to_install() -> None:
    code = """
import sys
sys.modules["lightgbm"] = None
from tocsin.config.experts.boosted import BoostedSettings
from tocsin.config.model import ModelSettings
from tocsin.models.classifier import Classifier
try:
    Classifier(ModelSettings(experts=(BoostedSettings(name="trees"),)))
except ValueError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert "experts.trees.kind: boosted needs LightGBM" in done.stdout
    assert "pip install 'tocsin[boosting]'" in done.stdout


def test_only_a_config_that_names_it_loads_the_library() -> None:
    code = "import sys; from tocsin.models.classifier import Classifier; Classifier(); print('lightgbm' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.strip() == "False"


def test_a_lag_longer_than_the_time_between_trainings_is_refused() -> None:
    with pytest.raises(ValueError, match="lag is 20, more than every: 10"):
        BoostedSettings(every=10, lag=20)
