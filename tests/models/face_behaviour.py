"""What every model that users name does alike: river's methods, frames and arrays, saving, loading and copying.

A test class inherits `FaceBehaviour`, says how its model is made, and where its events are not dictionaries of numbers
says what they are.
"""

from __future__ import annotations

import copy
import functools
import json
import pickle
import shutil
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from river import checks

from tocsin import __version__
from tocsin.models.data.snapshot import SnapshotError

from .face_case import CENTRES, KINDS
from .odd_features import OddFeatures
from .odd_labels import OddLabels


class FaceBehaviour(OddLabels):
    """The tests that every such model passes."""

    # river

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        if "check" in metafunc.fixturenames:
            found = list(self.river_checks())
            metafunc.parametrize("check", [check for _, check in found], ids=[name for name, _ in found])

    def river_checks(self) -> Iterator[tuple[str, Callable[[Any], None]]]:
        """river's checks of a model, by name, on the streams of `datasets`."""
        datasets, skipped, done = self.datasets(), self.make()._unit_test_skips(), set()
        for check in checks.yield_checks(self.make()):
            name = getattr(check, "__name__", None) or check.func.__name__
            if name in skipped:
                continue
            if datasets is None or not isinstance(check, functools.partial):
                yield name, check
            elif name not in done:
                done.add(name)
                for dataset in datasets:
                    yield name, functools.partial(check.func, dataset=dataset)

    def test_river_accepts_it(self, check: Callable[[Any], None]) -> None:
        check(self.make())

    def test_its_repr_says_its_settings_and_a_clone_has_them(self) -> None:
        model = self.taught()
        clone = model.clone()
        assert repr(clone) == repr(model)
        assert repr(model).startswith(f"{type(model).__name__}(")
        for name in model._get_params():
            assert f"{name}=" in repr(model)
        assert clone.predict_one(self.events(1)[0][0]) is None

    # Many events

    def test_frames_arrays_and_single_events_teach_the_same(self) -> None:
        xs, y = self.events(120)
        models = [self.make() for _ in range(4)]
        for x, label in zip(xs, y, strict=True):
            models[0].learn_one(x, label)
        models[1].learn_many(self.frame(xs), pd.Series(y, name="where"))
        models[2].learn_many(self.array(xs), np.array(y))
        models[3].learn_many(self.array(xs), y, np.ones(len(y)))
        fresh = self.events(40, seed=9)[0]
        expected = np.array([list(p.values()) for p in self.answers(models[0])])
        for model in models:
            np.testing.assert_allclose(model.predict_proba_many(self.array(fresh)), expected, rtol=1e-9, atol=1e-12)
        for model in models[:2]:  # the others know features by their numbers, not by their names
            np.testing.assert_allclose(model.predict_proba_many(self.frame(fresh)), expected, rtol=1e-9, atol=1e-12)

    @pytest.mark.parametrize("kind", KINDS)
    def test_what_is_predicted_of_frames_keeps_index_and_names(self, kind: str) -> None:
        xs, y = self.events(150)
        label = dict(zip(CENTRES, KINDS[kind], strict=True))
        model = self.make()
        model.learn_many(self.frame(xs), pd.Series([label[name] for name in y], name="where"))
        frame = self.frame(self.events(40, seed=9)[0])
        p, found = model.predict_proba_many(frame), model.predict_many(frame)
        assert isinstance(p, pd.DataFrame)
        assert isinstance(found, pd.Series)
        assert p.index.tolist() == found.index.tolist() == frame.index.tolist()
        assert found.name == "where"
        assert set(p.columns) == set(KINDS[kind])
        single = self.events(40, seed=9)[0]
        assert found.tolist() == [model.predict_one(x) for x in single]
        for row, x in zip(p.to_numpy(), single, strict=True):
            assert dict(zip(p.columns, row, strict=True)) == pytest.approx(model.predict_proba_one(x), rel=1e-9)
        np.testing.assert_allclose(p.sum(axis=1), 1.0)

    @pytest.mark.parametrize("kind", KINDS)
    def test_what_is_predicted_of_arrays_is_an_array(self, kind: str) -> None:
        xs, y = self.events(150)
        label = dict(zip(CENTRES, KINDS[kind], strict=True))
        model, by_one = self.make(), self.make()
        model.learn_many(self.array(xs), np.array([label[name] for name in y]))
        for x, name in zip(xs, y, strict=True):
            by_one.learn_one(x, label[name])
        fresh = self.events(40, seed=9)[0]
        p, found = model.predict_proba_many(self.array(fresh)), model.predict_many(self.array(fresh))
        assert p.shape == (40, len(model.classes))
        assert isinstance(found, np.ndarray)
        assert found.tolist() == [by_one.predict_one(x) for x in fresh]
        assert {type(value) for value in found.tolist()} == {type(np.array(KINDS[kind]).tolist()[0])}
        right = [label[name] for name in self.events(40, seed=9)[1]]
        assert np.mean([a == b for a, b in zip(found.tolist(), right, strict=True)]) > 0.6

    def test_the_size_of_polls_leaves_no_trace(self) -> None:
        xs, y = self.events(120)
        taught = []
        for size in (1, 7, 120):
            model = self.make()
            for i in range(0, len(xs), size):
                model.learn_many(self.frame(xs[i : i + size]), pd.Series(y[i : i + size]))
            taught.append(self.answers(model))
        assert taught[0] == taught[1] == taught[2]

    def test_a_model_that_knows_no_label_answers_none(self) -> None:
        model, xs = self.make(), self.events(3)[0]
        assert model.predict_one(xs[0]) is None
        assert model.predict_proba_one(xs[0]) == {}
        for X in (self.frame(xs), self.array(xs)):
            assert list(model.predict_many(X)) == [None] * 3
            assert model.predict_proba_many(X).shape == (3, 0)

    def test_no_events_are_no_error(self) -> None:
        model, fresh = self.taught(), self.make()
        before = self.answers(model)
        model.learn_many(self.frame(self.events(3)[0])[:0], pd.Series([], dtype=object))
        model.learn_many(self.array(self.events(3)[0])[:0], [])
        assert self.answers(model) == before
        assert model.predict_many(self.frame(self.events(3)[0])[:0]).shape == (0,)
        assert model.predict_proba_many(self.array(self.events(3)[0])[:0]).shape == (0, len(model.classes))
        fresh.learn_many(self.frame(self.events(3)[0])[:0], pd.Series([], dtype=object))

    @pytest.mark.parametrize("missing", [None, float("nan"), pd.NA, pd.NaT, np.ma.masked, Decimal("NaN")])
    def test_a_label_that_is_missing_teaches_nothing(self, missing: Any) -> None:
        model, (xs, y) = self.taught(), self.events(3)
        before = self.answers(model)
        for labels in (pd.Series([y[0], missing, y[2]]), np.array([y[0], missing, y[2]], object)):
            with pytest.raises(ValueError, match=r"y: a label is missing .*, in row 1"):
                model.learn_many(self.frame(xs), labels)
        with pytest.raises(ValueError, match="a label is missing"):
            model.learn_one(xs[0], missing)
        assert self.answers(model) == before

    @pytest.mark.parametrize("y", [["left"], ["left"] * 4, [["left"] * 3]])
    def test_labels_that_do_not_match_their_events_teach_nothing(self, y: Any) -> None:
        model = self.make()
        with pytest.raises(ValueError, match="y: has shape"):
            model.learn_many(self.array(self.events(3)[0]), y)
        assert list(model.classes) == []

    @pytest.mark.parametrize("w", [[1.0, -1.0, 1.0], [1.0, np.nan, 1.0], [np.inf, 1.0, 1.0], [1.0, 1.0]])
    def test_weights_that_are_none_teach_nothing(self, w: list[float]) -> None:
        model, (xs, y) = self.taught(), self.events(3)
        before = self.answers(model)
        with pytest.raises(ValueError, match="w: "):
            model.learn_many(self.frame(xs), pd.Series(y), w)
        assert self.answers(model) == before

    # Copies

    @pytest.mark.parametrize("way", ["copy", "deepcopy", "pickle"])
    def test_a_copy_predicts_the_same_and_learns_by_itself(self, way: str) -> None:
        model = self.taught()
        make: Callable[[Any], Any] = {
            "copy": copy.copy,
            "deepcopy": copy.deepcopy,
            "pickle": lambda model: pickle.loads(pickle.dumps(model)),
        }[way]
        twin, before = make(model), self.answers(model)
        assert repr(twin) == repr(model)
        for x, y in zip(*self.events(60, seed=5), strict=True):
            model.learn_one(x, y)
        assert self.answers(twin) == before
        assert self.answers(model) != before
        for x, y in zip(*self.events(60, seed=5), strict=True):
            twin.learn_one(x, y)
        self.assert_alike(model, twin)

    # Snapshots

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_loaded_model_is_the_saved_one(self, kind: str, tmp_path: Path) -> None:
        xs, y = self.events(120)
        label = dict(zip(CENTRES, KINDS[kind], strict=True))
        model = self.make()
        model.learn_many(self.frame(xs), pd.Series([label[name] for name in y], name="where"))
        model.save(tmp_path / "model")
        twin = type(model).load(tmp_path / "model")
        assert repr(twin) == repr(model)
        assert list(twin.classes) == list(model.classes)
        frame = self.frame(self.events(40, seed=9)[0])
        pd.testing.assert_frame_equal(twin.predict_proba_many(frame), model.predict_proba_many(frame))
        pd.testing.assert_series_equal(twin.predict_many(frame), model.predict_many(frame))
        for name, x in zip(y, xs, strict=True):
            model.learn_one(x, label[name])
            twin.learn_one(x, label[name])
        assert self.answers(twin) == self.answers(model)
        model.save(tmp_path / "again")
        twin.save(tmp_path / "twin")
        with np.load(tmp_path / "again/arrays.npz") as one, np.load(tmp_path / "twin/arrays.npz") as other:
            assert [name for name in one.files if one[name].tobytes() != other[name].tobytes()] == []

    def test_a_model_that_knows_nothing_can_be_saved(self, tmp_path: Path) -> None:
        model = self.make()
        model.save(str(tmp_path / "model"))
        self.assert_alike(model, type(model).load(str(tmp_path / "model")))

    def test_saving_again_replaces_what_was_there(self, tmp_path: Path) -> None:
        self.make().save(tmp_path / "model")
        model = self.taught()
        model.save(tmp_path / "model")
        assert self.answers(type(model).load(tmp_path / "model")) == self.answers(model)
        assert [path.name for path in tmp_path.iterdir()] == ["model"]

    def test_the_manifest_says_what_it_is_of(self, tmp_path: Path) -> None:
        model = self.taught()
        model.save(tmp_path / "model")
        manifest = json.loads((tmp_path / "model/manifest.json").read_text())
        assert manifest["class"] == type(model).__name__
        assert manifest["tocsin"] == __version__
        assert manifest["format"] == 2
        assert sorted(path.name for path in (tmp_path / "model").iterdir()) == ["arrays.npz", "manifest.json"]

    def test_what_is_no_snapshot_of_it_is_refused(self, tmp_path: Path) -> None:
        model = self.taught()
        model.save(tmp_path / "model")
        for name, damage in DAMAGES.items():
            shutil.copytree(tmp_path / "model", tmp_path / name)
            damage(tmp_path / name)
            with pytest.raises(SnapshotError):
                type(model).load(tmp_path / name)


class FeatureBehaviour(OddFeatures, FaceBehaviour):
    """The tests that a model of named features passes as well."""

    def mixed(self, n: int) -> tuple[list[dict[str, Any]], list[str]]:
        """Events with numbers, booleans and categories, which may be missing, and a feature that begins late."""
        rng = np.random.default_rng(3)
        xs: list[dict[str, Any]] = []
        for i in range(n):
            x = {"n": float(rng.normal()), "i": int(rng.integers(5)), "b": bool(rng.integers(2))}
            x["colour"] = ("red", "green", "blue")[rng.integers(3)]
            if i >= n // 3:
                x["late"] = ("up", "down")[rng.integers(2)]
            xs.append({name: value for name, value in x.items() if name not in ("n", "colour") or rng.random() < 0.9})
        return xs, ["warm" if x.get("colour") == "red" or x.get("n", 0.0) > 1.0 else "cold" for x in xs]

    def test_frames_of_numbers_and_categories_teach_as_dictionaries_do(self) -> None:
        xs, y = self.mixed(150)
        frame = pd.DataFrame(xs)
        by_one = self.make()
        for x, label in zip(xs, y, strict=True):
            by_one.learn_one({name: x[name] for name in frame.columns if name in x}, label)
        expected = [by_one.predict_proba_one(x) for x in xs[-40:]]
        for poll in (1, 31, 150):
            model = self.make()
            for i in range(0, len(xs), poll):
                model.learn_many(frame[i : i + poll], pd.Series(y[i : i + poll]))
            assert [model.predict_proba_one(x) for x in xs[-40:]] == expected
            p = model.predict_proba_many(frame[-40:])
            np.testing.assert_allclose(p, [list(row.values()) for row in expected], rtol=1e-9, atol=1e-12)

    @pytest.mark.parametrize("dtypes", [{"i": "Int64", "b": "boolean"}, {"colour": "category", "late": object}])
    def test_other_types_of_columns_are_the_same_events(self, dtypes: dict[str, Any]) -> None:
        xs, y = self.mixed(100)
        plain, other = self.make(), self.make()
        plain.learn_many(pd.DataFrame(xs), pd.Series(y))
        other.learn_many(pd.DataFrame(xs).astype(dtypes), pd.Series(y, dtype="category"))
        frame = pd.DataFrame(xs[-20:])
        pd.testing.assert_frame_equal(plain.predict_proba_many(frame), other.predict_proba_many(frame.astype(dtypes)))

    def test_columns_are_found_by_name(self) -> None:
        model, frame = self.taught(), pd.DataFrame(self.events(20, seed=9)[0])
        p = model.predict_proba_many(frame)
        pd.testing.assert_frame_equal(model.predict_proba_many(frame[["c", "a", "b"]].assign(unheard_of="x")), p)
        expected = [model.predict_proba_one({"b": x["b"]}) for x in frame.to_dict(orient="records")]
        found = model.predict_proba_many(frame[["b"]])
        np.testing.assert_allclose(found, [list(row.values()) for row in expected], rtol=1e-9, atol=1e-12)

    def test_two_columns_of_one_name_are_refused(self) -> None:
        model = self.make()
        with pytest.raises(ValueError, match="two columns are named 'a'"):
            model.learn_many(pd.DataFrame([[1.0, 2.0]], columns=["a", "a"]), pd.Series(["x"]))

    def test_a_column_that_is_always_missing_is_none(self) -> None:
        xs, y = self.events(60)
        model, other = self.make(), self.make()
        model.learn_many(pd.DataFrame(xs).assign(empty=np.nan, none=None), pd.Series(y))
        other.learn_many(pd.DataFrame(xs), pd.Series(y))
        self.assert_alike(model, other)

    def test_arrays_of_another_width_are_refused(self) -> None:
        model = self.taught()
        for X in (np.zeros((2, 4)), np.zeros(3)):
            with pytest.raises(ValueError, match="is not"):
                model.learn_many(X, ["left", "right"])
            with pytest.raises(ValueError, match="is not"):
                model.predict_many(X)


def _of_another_class(directory: Path) -> None:
    path = directory / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"class": "Other"}))


def _of_another_format(directory: Path) -> None:
    path = directory / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 99}))


def _cut_short(directory: Path) -> None:
    path = directory / "arrays.npz"
    path.write_bytes(path.read_bytes()[:-200])


def _without_half_its_arrays(directory: Path) -> None:
    with np.load(directory / "arrays.npz") as file:
        arrays = {name: file[name] for name in file.files[len(file.files) // 2 :]}
    np.savez(directory / "arrays.npz", **arrays)


DAMAGES: dict[str, Callable[[Path], None]] = {
    "another-class": _of_another_class,
    "another-format": _of_another_format,
    "cut-short": _cut_short,
    "half-of-it": _without_half_its_arrays,
    "no-manifest": lambda directory: (directory / "manifest.json").unlink(),
    "no-json": lambda directory: (directory / "manifest.json").write_text("{") and None,
    "gone": shutil.rmtree,
}
"""What may have happened to a snapshot, by a name for its folder."""
