"""The classifier as a whole: a fold over feedback that can be saved, loaded and used as river's own."""

from __future__ import annotations

import json
import pickle
import random
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tocsin.config.abstention import AbstentionSettings
from tocsin.models.classifier import Classifier, UnknownClassError
from tocsin.models.data.batch import Batch
from tocsin.models.data.feedback import FeedbackBatch
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
    assert any(context is None for context in feedback.contexts)
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
    restored = Classifier.load(tmp_path / "a", model)
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
    model = Classifier.load(snapshot)
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
    assert scores.context(0).betp.shape == (0,)


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
        seen = model.score(rows(batch, i, i + 1)).context(0)
        label = "late" if i == 39 else ("a", "b")[i % 2]
        model.learn(FeedbackBatch(rows(batch, i, i + 1), [label], np.ones(1), [seen], [()]))
    assert model.classes == ["a", "b", "late"]
    assert model.abstention.state_dict()["scores"][39] == 1.0


# Snapshots


def test_a_loaded_model_decides_and_goes_on_learning_alike(taught: Classifier, snapshot: Path, tmp_path: Path) -> None:
    one, other = Classifier.load(snapshot), Classifier.load(snapshot)
    fresh, labels = events(200, seed=9)
    same(taught.score(fresh), one.score(fresh))
    more = FeedbackBatch(fresh, labels, np.ones(200), [None] * 200, [()] * 200)
    one.learn(more)
    one.save(tmp_path / "again")
    for start in range(0, 200, 40):  # saved and loaded between every two polls
        other.learn(cut(more, start, start + 40))
        other.save(tmp_path / "between")
        other = Classifier.load(tmp_path / "between")
    same(one.score(fresh), other.score(fresh))
    assert (one.learnt, one.classes, one.category_names) == (other.learnt, other.classes, other.category_names)


def test_a_snapshot_knows_its_own_settings_and_agrees_with_those_given(snapshot: Path, taught: Classifier) -> None:
    batch, _ = events(60, seed=4)
    for model in (Classifier.load(snapshot), Classifier.load(snapshot, MODEL)):
        same(model.score(batch), taught.score(batch))
        assert model.settings == MODEL


def test_a_loaded_model_goes_on_discovering_columns(tmp_path: Path) -> None:
    small = Classifier()
    for i in range(40):
        small.learn_one({"a": float(i)}, i % 2)
    small.save(tmp_path / "small")
    large = Classifier.load(tmp_path / "small")
    assert large.columns == ["a"]
    large.learn_one({"a": 1.0, "c": "red"}, 1)
    assert large.columns == ["a", "c"]
    large = Classifier.load(tmp_path / "small")
    assert large.predict_proba_one({"a": 3.0}) == small.predict_proba_one({"a": 3.0})


def test_labels_come_back_as_the_caller_wrote_them_after_loading(tmp_path: Path) -> None:
    model = Classifier()
    for i in range(60):
        model.learn_one({"a": float(i % 2)}, bool(i % 2))
    model.save(tmp_path / "s")
    other = Classifier.load(tmp_path / "s")
    assert other.predict_one({"a": 1.0}) is True
    assert other.predict_proba_one({"a": 0.0}) == model.predict_proba_one({"a": 0.0})


def test_a_snapshot_of_another_config_is_refused(snapshot: Path) -> None:
    with pytest.raises(SnapshotError, match="is of config"):
        Classifier.load(snapshot, MODEL.model_copy(update={"seed": 4}))


def test_a_model_under_the_digest_of_an_earlier_version_is_still_loaded_for_itself(snapshot: Path) -> None:
    """Its settings stand in it. To the settings of a service it is another model's, whose log must be folded anew."""
    manifest = json.loads((snapshot / "manifest.json").read_text())
    (snapshot / "manifest.json").write_text(json.dumps({**manifest, "config": "e04468c8b0d64c06"}))
    assert Classifier.load(snapshot).settings == MODEL
    with pytest.raises(SnapshotError, match="is of config e04468c8b0d64c06"):
        Classifier.load(snapshot, MODEL)


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
def test_a_damaged_snapshot_is_refused(snapshot: Path, tmp_path: Path, damage: Callable[[Path], Any]) -> None:
    directory = tmp_path / "s"
    shutil.copytree(snapshot, directory)
    damage(directory)
    for settings in (None, MODEL):
        with pytest.raises(SnapshotError):
            Classifier.load(directory, settings)
    assert not Bomb.fired
