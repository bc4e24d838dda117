"""An expert that learns a stream of events, prepared as a model prepares them, and its form beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tocsin.config.inputs import InputsSettings
from tocsin.kernels.device.mirror import Mirror
from tocsin.kernels.device.place import Place, place
from tocsin.models.data.batch import Batch, Floats, Ints
from tocsin.models.data.features import category_code
from tocsin.models.device.forms.form import Copies, Form
from tocsin.models.device.inputs import Inputs
from tocsin.models.experts.base import Expert
from tocsin.models.inputs.preparation import Preparation

CPU = Place("torch-cpu", torch.device("cpu"), triton=False)
TRITON = place("cuda") if torch.cuda.is_available() else Place("torch-cpu", torch.device("cpu"), triton=True)
"""Where Triton runs: on a card, or interpreted where there is none."""
CODES = np.array([category_code(name) for name in "abcde"], np.float64)
STREAMS = ("numbers", "categories", "gaps", "constant", "huge")
PREFIX = "expert/"


def kinds(stream: str, columns: int) -> list[bool]:
    """Which columns are categories."""
    return [stream in ("categories", "gaps") and f % 3 == 1 for f in range(columns)]


def rows(stream: str, rng: np.random.Generator, y: Ints, columns: int) -> Floats:
    """Events of classes y [B], which the first columns tell a little."""
    B, nominal = len(y), kinds(stream, columns)
    X = rng.normal(size=(B, columns))
    X[:, 0] += y
    for f in np.flatnonzero(nominal):
        X[:, f] = CODES[(y + rng.integers(0, 2, B) * rng.integers(0, 3, B)) % len(CODES)]
    if stream == "numbers":
        X[:, columns - 1] = rng.integers(0, 2, B)
    if stream == "constant":
        X[:, 1:3] = (7.0, 0.0)
    if stream == "gaps":
        X[rng.random(X.shape) < np.where(y == 1, 0.3, 0.05)[:, None]] = np.nan
        X[:, nominal] = np.where(rng.random((B, sum(nominal))) < 0.1, np.nan, X[:, nominal])
    if stream == "huge":
        X *= np.where(rng.random(X.shape) < 0.01, 1e300, 10.0 ** np.arange(0, 2 * columns, 2)[None])
        X[rng.random(X.shape) < 0.02] = np.inf
        X[rng.random(X.shape) < 0.02] = np.nan
    return X


class Taught:
    """An expert and its form. On the stream `huge` the events are not prepared, so that all values arrive."""

    def __init__(self, new: Callable[[list[bool], int], Expert], stream: str, at: Place = CPU, **own: Any) -> None:
        """`new` makes an expert of columns of which these are categories, behind so many others."""
        self.stream, self.heard = stream, own.pop("heard", 3)
        self.columns, self.classes, self.share = own.pop("columns", 4), own.pop("classes", 2), own.pop("share", None)
        self.rng = np.random.default_rng(own.pop("seed", 0))
        self._new, self._form_of = new, own.pop("form")
        self.expert, self.place = new(kinds(stream, self.columns), self.heard), at
        self.inputs = Preparation(InputsSettings())
        self.learnt = 0
        self._make_room()
        self.mirror = Mirror(at)
        self.form: Form = self._form_of(self.expert, Copies(self.mirror, PREFIX))

    def _make_room(self) -> None:
        self.inputs.resize(kinds(self.stream, self.columns), self.classes)
        self.expert.resize(self.columns, self.classes)

    def restart(self) -> None:
        """Another expert, which knows no class yet."""
        self.expert = self._new(kinds(self.stream, self.columns), self.heard)
        self.mirror = Mirror(self.place)
        self.form = self._form_of(self.expert, Copies(self.mirror, PREFIX))

    def widen(self, columns: int = 0, classes: int = 0) -> None:
        """More columns and classes come."""
        self.columns, self.classes = self.columns + columns, self.classes + classes
        self.expert.set_columns([str(f) for f in range(self.columns)], kinds(self.stream, self.columns))
        self._make_room()

    def labels(self, n: int) -> Ints:
        """The next n labels; with a `share` so many are of class 1, and nearly all others of class 0."""
        y = self.rng.integers(0, self.classes, n)
        if self.share is None:
            return y
        u = self.rng.random(n)
        return np.where(u < self.share, 1, np.where(u < 0.99, 0, y))

    def batch(self, y: Ints) -> Batch:
        """Events of these classes, before they are prepared; the history is the labels before each."""
        X = rows(self.stream, self.rng, y, self.columns)
        said = self.rng.gamma(0.5, 4.0, (len(y), self.heard, self.classes))
        said[self.rng.random((len(y), self.heard)) < 0.2] = 0.0
        said[np.arange(len(y)), :, y] *= 3.0
        history = np.roll(y, 1)[:, None].copy()
        history[self.rng.random(len(y)) < 0.1] = -1
        subject = np.where(self.rng.random(len(y)) < 0.5, -1, np.roll(y, 2))
        texts = [" ".join("A 1b?"[i] * i for i in self.rng.integers(0, 5, 4)) for _ in y]
        return replace(Batch.of(X, texts, history=history, subject_label=subject), said=said)

    def learn(self, n: int) -> None:
        """n labels come."""
        y = self.labels(n)
        batch = self.batch(y)
        if self.stream != "huge":
            batch = self.inputs.learn(batch, y, np.zeros(n, np.int64))
        self.expert.learn(batch, y, self.rng.uniform(0.5, 2.0, n))
        self.learnt += n

    def reload(self) -> None:
        """The expert takes over the snapshot of another one, which learnt other labels meanwhile."""
        other = self._new(kinds(self.stream, self.columns), self.heard)
        other.load_state_dict(self.expert.state_dict())
        own, self.expert = self.expert, other
        self.learn(11)
        own.load_state_dict(other.state_dict())
        self.expert = own

    def asked(self, n: int) -> Batch:
        """n events to answer, as experts see them, with values that are not finite among them."""
        return self.prepared(self.batch(self.labels(n)))

    def prepared(self, batch: Batch) -> Batch:
        """The events as experts see them."""
        return batch if self.stream == "huge" else replace(self.inputs.apply(batch), said=batch.said)

    # What the form says

    def send(self) -> int:
        """The form follows; returns how many bytes that took."""
        self.form.follow()
        return self.mirror.send()

    def inputs_of(self, batch: Batch) -> Inputs:
        """The events on the form's place."""
        inputs = Inputs.of(batch, self.form.views, self.place)
        own = self.form.own_columns(batch)
        inputs.own = torch.from_numpy(np.zeros((len(batch), 0)) if own is None else own).to(self.place.device)
        inputs.said = None if batch.said is None else torch.from_numpy(batch.said).to(self.place.device)
        return inputs

    def told(self, batch: Batch) -> Floats:
        """What the form says of events, from what was sent last."""
        answer: Floats = self.form.evidence(self.inputs_of(batch)).cpu().numpy()
        return answer

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Copies of all tensors of the form."""
        return {
            name: tensor.cpu().numpy().copy()
            for name, tensor in self.mirror._tensors.items()
            if name.startswith(PREFIX)
        }

    def of_a_fresh_form(self) -> dict[str, NDArray[Any]]:
        """The tensors of a form that begins now."""
        own, self.mirror = self.mirror, Mirror(self.place)
        form: Form = self._form_of(self.expert, Copies(self.mirror, PREFIX))
        form.follow()
        self.mirror.send()
        fresh, self.mirror = self.tensors(), own
        return fresh
