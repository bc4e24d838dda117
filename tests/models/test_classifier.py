"""The classifier as a whole: a fold over feedback that can be saved, loaded and used as river's own."""

from __future__ import annotations

import json
import pickle
import random
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from river import checks

from tocsin.config import Settings
from tocsin.config.abstention import AbstentionSettings
from tocsin.config.experts.linear import LinearSettings
from tocsin.config.experts.persistence import PersistenceSettings
from tocsin.config.experts.river import RiverSettings
from tocsin.config.model import ModelSettings
from tocsin.config.schema import FeatureSettings
from tocsin.models.classifier import Classifier, UnknownClassError
from tocsin.models.data.batch import Batch, FeedbackBatch
from tocsin.models.decision.scores import Scores
from tocsin.models.experts.base import SnapshotError

from .streams import MODEL, cut, events, feedback_of, rows, teach

ROWS = 600


@pytest.fixture(scope="module")
def feedback() -> FeedbackBatch:
    return feedback_of(*events(ROWS), Classifier(MODEL))


@pytest.fixture(scope="module")
def taught(feedback: FeedbackBatch) -> Classifier:
    return teach(Classifier(MODEL), feedback, 50)


@pytest.fixture(scope="module")
def snapshot(taught: Classifier, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("snapshots") / "one"
    taught.save(directory)
    return directory


def state(model: Classifier, directory: Path) -> dict[str, bytes]:
    """All of a saved model as bytes: what two workers must agree on."""
    model.save(directory)
    with np.load(directory / "arrays.npz") as file:
        result = {name: file[name].tobytes() for name in file.files}
    return result | {"manifest": (directory / "manifest.json").read_bytes()}


def same(one: Scores, other: Scores) -> None:
    for name in ("evidence", "reliability", "belief", "uncertainty", "conflict", "used", "betp", "decided", "sets"):
        assert np.array_equal(getattr(one, name), getattr(other, name)), name
    assert (one.reasons, one.threshold, one.classes) == (other.reasons, other.threshold, other.classes)


# The fold


@pytest.mark.parametrize("poll", [1, 7, 1000])
def test_how_polls_were_cut_leaves_no_trace_in_the_model(
    feedback: FeedbackBatch, snapshot: Path, tmp_path: Path, poll: int
) -> None:
    assert any(seen is None for seen in feedback.seen)
    assert "blue" in feedback.labels[50:]
    one = state(teach(Classifier(MODEL), feedback, poll), tmp_path / "a")
    with np.load(snapshot / "arrays.npz") as file:
        other = {name: file[name].tobytes() for name in file.files}
    other["manifest"] = (snapshot / "manifest.json").read_bytes()
    assert one.keys() == other.keys()
    assert [name for name in one if one[name] != other[name]] == []


@pytest.mark.parametrize(
    "abstention",
    [
        AbstentionSettings(controls="error", error=0.1, window=100, cold_start=5),
        AbstentionSettings(per_class=True, error=0.05, window=100, cold_start=5),
        AbstentionSettings(controls="cost", costs={"low": {"high": 5.0}}, abstain_cost=0.4, cold_start=5),
    ],
    ids=["error", "per-class", "cost"],
)
def test_whatever_abstention_controls_polls_and_snapshots_leave_no_trace(
    feedback: FeedbackBatch, tmp_path: Path, abstention: AbstentionSettings
) -> None:
    model = MODEL.model_copy(update={"abstention": abstention})
    one, other = (teach(Classifier(model), cut(feedback, 0, 250), poll) for poll in (7, 1_000))
    assert state(one, tmp_path / "a") == state(other, tmp_path / "b")
    restored = Classifier(model)
    restored.load(tmp_path / "a")
    scores = restored.score(feedback.batch)
    same(scores, one.score(feedback.batch))
    assert scores.decided.any()
    assert state(teach(restored, cut(feedback, 250, 300), 1), tmp_path / "c") == state(
        teach(other, cut(feedback, 250, 300), 7), tmp_path / "d"
    )


def test_other_users_of_random_numbers_leave_no_trace(feedback: FeedbackBatch, tmp_path: Path) -> None:
    states = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed)
        states.append(state(teach(Classifier(MODEL), cut(feedback, 0, 200), 20), tmp_path / str(seed)))
    assert states[0] == states[1]


def test_scoring_teaches_nothing(feedback: FeedbackBatch, snapshot: Path, tmp_path: Path) -> None:
    model = Classifier(MODEL)
    model.load(snapshot)
    before = state(model, tmp_path / "a")
    same(model.score(feedback.batch), model.score(feedback.batch))
    model.warm_up()
    assert state(model, tmp_path / "b") == before


def test_an_event_is_scored_alike_alone_and_among_others(taught: Classifier, feedback: FeedbackBatch) -> None:
    whole = taught.score(feedback.batch)
    for i in (0, 17, ROWS - 1):
        alone = taught.score(rows(feedback.batch, i, i + 1))
        np.testing.assert_allclose(alone.betp[0], whole.betp[i], atol=1e-6)
        np.testing.assert_array_equal(alone.evidence[0], whole.evidence[i])


def test_masses_add_up_and_the_label_is_the_most_probable(taught: Classifier, feedback: FeedbackBatch) -> None:
    scores = taught.score(feedback.batch)
    np.testing.assert_allclose(scores.belief.sum(axis=1) + scores.uncertainty, 1.0)
    np.testing.assert_allclose(scores.betp.sum(axis=1), 1.0)
    np.testing.assert_array_equal(scores.label, scores.betp.argmax(axis=1))
    assert all((reason is None) == decided for reason, decided in zip(scores.reasons, scores.decided, strict=True))
    right = np.array(scores.classes)[scores.label] == np.array(feedback.labels)
    assert right[-150:].mean() > 0.8


def test_no_events_are_no_error(taught: Classifier) -> None:
    assert taught.score(Batch.of(np.zeros((0, 4)))).betp.shape == (0, 3)
    taught.learn(FeedbackBatch(Batch.of(np.zeros((0, 4))), [], np.zeros(0), [], []))


def test_before_the_first_class_all_is_uncertain() -> None:
    scores = Classifier(MODEL).score(events(3)[0])
    assert scores.classes == ()
    assert scores.label.tolist() == [-1] * 3
    assert scores.uncertainty.tolist() == [1.0] * 3
    assert list(scores.reasons) == ["cold-start"] * 3
    assert scores.seen(0).betp.shape == (0,)


def test_numbers_of_any_size_are_scored_and_learnt(tmp_path: Path) -> None:
    model = Classifier(MODEL)
    extreme = [1.7e308, -1.7e308, 5e-324, np.inf, -np.inf, np.nan, 0.0, 1e300]
    X = np.array([[a, 1.0, 1.0, b] for a in extreme for b in extreme])
    labels = ["a", "b"] * (len(X) // 2)
    model.learn(FeedbackBatch(Batch.of(X), labels, np.ones(len(X)), [None] * len(X), [()] * len(X)))
    scores = model.score(Batch.of(X))
    assert np.isfinite(scores.betp).all()
    batch, y = events(300)
    model.learn(FeedbackBatch(batch, ["a" if v == "high" else "b" for v in y], np.ones(300), [None] * 300, [()] * 300))
    model.save(tmp_path / "s")
    assert np.isfinite(model.score(batch).betp).all()


# Classes


def test_a_class_that_the_config_does_not_list_leaves_the_model_as_it_was(tmp_path: Path) -> None:
    model = Classifier(MODEL.model_copy(update={"classes": ("high", "low")}))
    batch, _ = events(4)
    before = state(model, tmp_path / "a")
    with pytest.raises(UnknownClassError, match="'blue' is not one of the classes high, low"):
        model.learn(FeedbackBatch(batch, ["high", "low", "blue", "low"], np.ones(4), [None] * 4, [()] * 4))
    with pytest.raises(UnknownClassError):
        model.learn_one({"size": 1.0}, "blue")
    assert state(model, tmp_path / "b") == before


@pytest.mark.parametrize("poll", [1, 10])
def test_the_bound_on_classes_holds_within_a_poll_as_well(tmp_path: Path, poll: int) -> None:
    model = Classifier(MODEL.model_copy(update={"max_classes": 3}))
    labels = ["a", "b", "c", "d", "e"]
    feedback = FeedbackBatch(events(5)[0], labels, np.ones(5), [None] * 5, [()] * 5)
    with pytest.raises(UnknownClassError, match="'d' would be class 4"):
        teach(model, feedback, poll)
    assert model.classes == ([] if poll > 1 else ["a", "b", "c"])


def test_what_was_seen_before_a_class_was_known_counts_against_it() -> None:
    model = Classifier(MODEL)
    batch, _ = events(40)
    for i in range(40):
        seen = model.score(rows(batch, i, i + 1)).seen(0)
        label = "late" if i == 39 else ("a", "b")[i % 2]
        model.learn(FeedbackBatch(rows(batch, i, i + 1), [label], np.ones(1), [seen], [()]))
    assert model.classes == ["a", "b", "late"]
    assert model.abstention.state_dict()["scores"][39] == 1.0


# Snapshots


def test_a_loaded_model_decides_and_goes_on_learning_alike(taught: Classifier, snapshot: Path, tmp_path: Path) -> None:
    one, other = Classifier(MODEL), Classifier(MODEL)
    one.load(snapshot)
    other.load(snapshot)
    fresh, labels = events(200, seed=9)
    same(taught.score(fresh), one.score(fresh))
    more = FeedbackBatch(fresh, labels, np.ones(200), [None] * 200, [()] * 200)
    one.learn(more)
    one.save(tmp_path / "again")
    for start in range(0, 200, 40):  # saved and loaded between every two polls
        other.learn(cut(more, start, start + 40))
        other.save(tmp_path / "between")
        other = Classifier(MODEL)
        other.load(tmp_path / "between")
    same(one.score(fresh), other.score(fresh))
    assert (one.learnt, one.classes, one.category_names) == (other.learnt, other.classes, other.category_names)


def test_loading_replaces_all_that_was_learnt_before(snapshot: Path, tmp_path: Path, taught: Classifier) -> None:
    model = Classifier(MODEL)
    batch, _ = events(60, seed=4)
    model.learn(FeedbackBatch(batch, ["u", "v", "w", "x"] * 15, np.ones(60), [None] * 60, [()] * 60))
    model.load(snapshot)
    same(model.score(batch), taught.score(batch))


def test_a_discovering_model_can_load_one_with_fewer_columns(tmp_path: Path) -> None:
    small, large = Classifier(), Classifier()
    for i in range(40):
        small.learn_one({"a": float(i)}, i % 2)
        large.learn_one({"a": float(i), "b": 1.0, "c": "red"}, i % 3)
    small.save(tmp_path / "small")
    large.load(tmp_path / "small")
    assert large.columns == ["a"]
    assert large.predict_proba_one({"a": 3.0}) == small.predict_proba_one({"a": 3.0})


def test_labels_come_back_as_the_caller_wrote_them_after_loading(tmp_path: Path) -> None:
    model, other = Classifier(), Classifier()
    for i in range(60):
        model.learn_one({"a": float(i % 2)}, bool(i % 2))
    model.save(tmp_path / "s")
    other.load(tmp_path / "s")
    assert other.predict_one({"a": 1.0}) is True
    assert other.predict_proba_one({"a": 0.0}) == model.predict_proba_one({"a": 0.0})


def test_a_snapshot_of_another_config_is_refused(snapshot: Path) -> None:
    model = Classifier(MODEL.model_copy(update={"seed": 4}))
    with pytest.raises(SnapshotError, match="is of config"):
        model.load(snapshot)
    assert model.learnt == 0


def test_saving_replaces_a_snapshot_whole(taught: Classifier, snapshot: Path, tmp_path: Path) -> None:
    directory = tmp_path / "deep" / "s"
    taught.save(directory)
    (directory / "stale").write_text("of an older release")
    taught.save(directory)
    assert sorted(path.name for path in directory.iterdir()) == ["arrays.npz", "manifest.json"]
    assert [path.name for path in directory.parent.iterdir()] == ["s"]


class Bomb:
    """What unpickling would set off."""

    fired = False

    def __reduce__(self) -> Any:
        return setattr, (Bomb, "fired", True)


def _rewritten(directory: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    with np.load(directory / "arrays.npz") as file:
        arrays = {name: file[name] for name in file.files}
    change(arrays)
    np.savez(directory / "arrays.npz", allow_pickle=True, **arrays)


def _truncated(directory: Path) -> None:
    data = (directory / "arrays.npz").read_bytes()
    (directory / "arrays.npz").write_bytes(data[: len(data) // 2])


def _flipped(directory: Path) -> None:
    data = bytearray((directory / "arrays.npz").read_bytes())
    for at in range(1_000, len(data) - 1_000, 997):
        data[at] ^= 0xFF
    (directory / "arrays.npz").write_bytes(bytes(data))


def _manifest(**changes: Any) -> Callable[[Path], None]:
    def damage(directory: Path) -> None:
        manifest = json.loads((directory / "manifest.json").read_bytes())
        (directory / "manifest.json").write_text(json.dumps({**manifest, **changes}))

    return damage


DAMAGES: dict[str, Callable[[Path], Any]] = {
    "truncated": _truncated,
    "bits flipped": _flipped,
    "empty archive": lambda d: (d / "arrays.npz").write_bytes(b""),
    "an archive of nothing": lambda d: zipfile.ZipFile(d / "arrays.npz", "w").close(),
    "a pickle instead": lambda d: (d / "arrays.npz").write_bytes(pickle.dumps(Bomb())),
    "a pickled array inside": lambda d: _rewritten(
        d, lambda a: a.update({"abstention/scores": np.array([Bomb()], object)})
    ),
    "a single array instead": lambda d: (np.save(d / "a.npy", np.zeros(3)), (d / "a.npy").rename(d / "arrays.npz")),
    "no archive": lambda d: (d / "arrays.npz").unlink(),
    "no manifest": lambda d: (d / "manifest.json").unlink(),
    "an empty manifest": lambda d: (d / "manifest.json").write_bytes(b""),
    "a manifest that is a list": lambda d: (d / "manifest.json").write_text("[1]"),
    "a manifest of nothing": lambda d: (d / "manifest.json").write_text("{}"),
    "another format": _manifest(format=99),
    "no columns": _manifest(columns=None),
    "other columns": _manifest(columns=["a"]),
    "numbers for classes": _manifest(classes=3),
    "fewer classes": _manifest(classes=["high"]),
    "an array missing": lambda d: _rewritten(d, lambda a: a.pop("router/skill")),
    "a net of another size": lambda d: _rewritten(d, lambda a: a.update({"router/weights": np.zeros(2)})),
    "a tree of another kind": lambda d: _rewritten(
        d, lambda a: a.update({"expert.tree/model": a["expert.drifting/model"]})
    ),
    "a tree of no kind": lambda d: _rewritten(d, lambda a: a.update({"expert.tree/model": np.zeros(9, np.uint8)})),
    "a missing directory": shutil.rmtree,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_snapshot_is_refused_and_changes_nothing(
    snapshot: Path, tmp_path: Path, damage: Callable[[Path], Any]
) -> None:
    directory = tmp_path / "s"
    shutil.copytree(snapshot, directory)
    damage(directory)
    model = Classifier(MODEL)
    model.learn_one({"size": 1.0, "colour": "red"}, "high")
    before = model.predict_proba_one({"size": 1.0})
    with pytest.raises(SnapshotError):
        model.load(directory)
    assert not Bomb.fired
    assert model.predict_proba_one({"size": 1.0}) == before
    assert model.learnt == 1


# River's manners


@pytest.mark.parametrize(
    "check", [*checks.yield_checks(Classifier())], ids=lambda check: getattr(check, "__name__", None)
)
def test_river_takes_it_for_a_classifier(check: Callable[[Any], None]) -> None:
    check(Classifier())


def test_columns_and_classes_are_discovered_as_they_come() -> None:
    model = Classifier()
    assert model.predict_one({"a": 1.0}) is None
    order = np.random.default_rng(0).integers(0, 2, 300).tolist()  # in turn, the last label would tell the next one
    for i, which in enumerate(order):
        kind = ("cat", "dog")[which]
        x: dict[Any, Any] = {"noise": float(i % 7)}
        if i >= 50:
            x["sound"] = ("miaow", "woof")[which]
        model.learn_one(x, kind)
    assert model.columns == ["noise", "sound"]
    assert model.nominal == [False, True]
    assert model.predict_one({"sound": "woof"}) == "dog"
    assert model.predict_one({"sound": "miaow", "unheard of": 3.0}) == "cat"


def test_a_column_first_met_without_a_value_waits_for_one_that_tells_its_kind() -> None:
    model = Classifier()
    model.learn_one({"a": None, "b": float("nan"), "c": 1}, "x")
    assert model.columns == ["c"]
    model.learn_one({"a": "red", "b": 2.0, "c": 1}, "y")
    assert dict(zip(model.columns, model.nominal, strict=True)) == {"c": False, "a": True, "b": False}
    model.learn_one({"a": float("nan")}, "x")
    assert set(model.category_names.values()) == {"red"}


def test_weight_counts() -> None:
    heavy, light = Classifier(), Classifier()
    for model, w in ((heavy, 5.0), (light, 0.2)):
        for i in range(30):
            model.learn_one({"a": float(i % 2)}, i % 2, w=w)
    assert heavy.predict_proba_one({"a": 1.0})[1] > light.predict_proba_one({"a": 1.0})[1]


# The settings


def test_a_config_makes_the_model_it_describes() -> None:
    config = Settings(schema={"features": [{"name": "a"}]}, classes=["x", "y"])
    model = Classifier.from_config(config)
    assert model.digest == config.model.digest()
    assert model.score(Batch.of(np.zeros((2, 1)))).classes == ("x", "y")


def test_each_subjects_memory_is_bounded() -> None:
    model = Classifier(
        ModelSettings(
            features=(FeatureSettings(name="a"),), experts=(PersistenceSettings(by="subject"),), max_subjects=3
        )
    )
    for i in range(10):
        batch = Batch.of(np.zeros((1, 1)), subjects=[f"s{i}"])
        model.learn(FeedbackBatch(batch, [str(i % 2)], np.ones(1), [None], [()]))
    assert list(model._subjects) == ["s7", "s8", "s9"]


def test_history_is_what_was_known_at_the_events_own_time() -> None:
    settings = ModelSettings(
        features=(FeatureSettings(name="a"),), experts=(PersistenceSettings(), RiverSettings(name="t", history=3))
    )
    model = Classifier(settings)
    batch = Batch.of(np.zeros((1, 1)))
    early = model.score(batch)
    for label in ("x", "y", "y"):
        model.learn(FeedbackBatch(batch, [label], np.ones(1), [None], [()]))
    assert early.batch.history.tolist() == [[-1, -1, -1]]
    assert model.score(batch).batch.history.tolist() == [[1, 1, 0]]
    told = replace(batch, history=np.array([[0, 0, 0]]))
    assert model.score(told).evidence[0, 0].tolist() == [10.0, 0.0]


def test_a_linear_expert_alone_is_a_pool() -> None:
    model = Classifier(ModelSettings(experts=(LinearSettings(),)))
    for i in range(200):
        model.learn_one({"a": float(i % 2)}, i % 2)
    assert model.predict_one({"a": 1.0}) == 1
