"""What every form does: it says what its expert says, by tensors that follow what is learnt by little."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch.fx.experimental.proxy_tensor import make_fx

from tocsin.models.data.batch import Floats
from tocsin.models.device.forms.form import Copies, form_of
from tocsin.models.device.inputs import Inputs
from tocsin.models.experts.base import Expert

from .taught import STREAMS, TRITON, Taught

SIZES = (1, 3, 40, 1, 128, 65, 2)
"""Labels that come between two questions."""


def close(told: Floats, expected: Floats) -> None:
    np.testing.assert_allclose(told, expected, rtol=1e-9, atol=1e-12)


class FormBehaviour:
    """A subclass names its kind, makes its expert, and says what a label may cost."""

    kind: ClassVar[str]
    streams: ClassVar[Sequence[str]] = STREAMS
    wide: ClassVar[int] = 4_096
    """Features of events that have very many."""
    before: ClassVar[int] = 0
    """Labels that are learnt before anything is looked at."""
    own: ClassVar[dict[str, Any]] = {}
    """What `Taught` is to know."""

    @staticmethod
    def new(nominal: list[bool], heard: int) -> Expert:
        raise NotImplementedError

    def most_bytes(self, taught: Taught) -> int:
        """The most bytes that one label of it may cost."""
        raise NotImplementedError

    def form(self, expert: Any, copies: Copies) -> Any:
        found = form_of(self.kind, expert, copies)
        assert found is not None
        return found

    def taught(self, stream: str, **more: Any) -> Taught:
        made = Taught(self.new, stream, form=self.form, **{**self.own, **more})
        if self.before:
            made.learn(self.before)
        return made

    def agrees(self, taught: Taught, n: int = 50) -> None:
        batch = taught.asked(n)
        close(taught.told(batch), taught.expert.evidence(batch))

    @pytest.mark.parametrize("stream", STREAMS)
    def test_it_says_what_its_expert_says_after_any_labels(self, stream: str) -> None:
        taught = self.taught(stream)
        taught.send()
        self.agrees(taught)
        for size in SIZES:
            taught.learn(size)
            taught.send()
            self.agrees(taught)
        assert taught.told(taught.asked(10)).any()

    @pytest.mark.parametrize("stream", STREAMS)
    def test_columns_classes_and_snapshots_may_come_in_the_middle(self, stream: str) -> None:
        taught = self.taught(stream)
        for change in ({"columns": 2}, {"classes": 1}, {}, {"columns": 1, "classes": 2}, {"columns": 1}, {}):
            taught.learn(60)
            taught.send()
            taught.widen(**change) if change else taught.reload()
            taught.send()
            self.agrees(taught)
            taught.learn(7)
            taught.send()
            self.agrees(taught)
            fresh = taught.of_a_fresh_form()
            for name, tensor in fresh.items():
                np.testing.assert_array_equal(taught.tensors()[name], tensor, err_msg=name)

    @pytest.mark.parametrize("stream", STREAMS)
    def test_it_begins_before_any_class(self, stream: str) -> None:
        taught = self.taught(stream)
        batch = replace(taught.asked(3), said=np.zeros((3, taught.heard, 0)))
        taught.restart()
        taught.send()
        assert taught.told(batch).shape == (3, 0)

    @pytest.mark.parametrize("stream", STREAMS)
    def test_an_expert_that_has_learnt_nothing_sends_nothing(self, stream: str) -> None:
        taught = self.taught(stream)
        taught.learn(30)
        taught.send()
        assert taught.send() == 0

    @pytest.mark.parametrize("stream", STREAMS)
    def test_a_label_costs_few_bytes_and_makes_no_tensor_anew(self, stream: str) -> None:
        taught = self.taught(stream, columns=20)
        taught.learn(300)
        taught.send()
        before = taught.mirror.generation, taught.form.structure
        for _ in range(5):
            taught.learn(1)
            assert 0 <= taught.send() <= self.most_bytes(taught)
        assert (taught.mirror.generation, taught.form.structure) == before

    @pytest.mark.parametrize("stream", STREAMS)
    def test_what_it_takes_is_known_before(self, stream: str) -> None:
        taught = self.taught(stream)
        taught.learn(70)
        needed = taught.form.bytes_needed()
        taught.send()
        assert sum(tensor.nbytes for tensor in taught.tensors().values()) == needed

    @pytest.mark.parametrize("stream", STREAMS)
    def test_its_launches_can_be_repeated_after_more_was_learnt(self, stream: str) -> None:
        taught = self.taught(stream)
        taught.learn(400)
        taught.send()
        batch = taught.asked(20)
        inputs = taught.inputs_of(batch)
        columns = tuple((view, *bounds) for view, bounds in inputs._columns.items())

        def answer(rows: torch.Tensor, said: torch.Tensor, own: torch.Tensor) -> torch.Tensor:
            given = Inputs(rows, columns)
            given.said, given.own = said, own
            return taught.form.evidence(given)

        launches = make_fx(answer)(inputs._rows, inputs.said, inputs.own)
        structure = taught.form.structure
        taught.learn(3)
        taught.send()
        assert taught.form.structure == structure
        now = taught.inputs_of(again := taught.asked(20))
        close(launches(now._rows, now.said, now.own).numpy(), taught.expert.evidence(again))

    @pytest.mark.parametrize("stream", ["gaps", "huge"])
    def test_an_event_alone_is_told_what_it_is_told_among_others(self, stream: str) -> None:
        taught = self.taught(stream)
        taught.learn(200)
        taught.send()
        batch = taught.asked(30)
        together = taught.told(batch)
        for i in (0, 7, 29):
            close(taught.told(batch.rows(i, i + 1)), together[i : i + 1])
        assert taught.told(batch.rows(0, 0)).shape == (0, taught.classes)

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e308, -0.0])
    @pytest.mark.parametrize("prepared", [True, False])
    def test_any_value_is_told_what_the_expert_tells(self, prepared: bool, value: float) -> None:
        taught = self.taught("numbers" if prepared else "huge")
        taught.learn(200)
        taught.send()
        batch = taught.batch(taught.labels(8))
        X = batch.X.copy()
        X[:4, 0], X[3], X[5, 1:] = value, value, value
        batch = taught.prepared(replace(batch, X=X))
        close(taught.told(batch), taught.expert.evidence(batch))

    def test_very_many_columns(self) -> None:
        taught = self.taught("numbers", columns=self.wide)
        taught.learn(20)
        taught.send()
        self.agrees(taught, 3)

    @pytest.mark.gpu
    @pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")
    @pytest.mark.parametrize("stream", STREAMS)
    def test_a_graph_that_a_card_captured_follows_what_is_learnt(self, stream: str) -> None:
        taught = self.taught(stream, at=TRITON)
        taught.learn(400)
        taught.send()
        inputs = taught.inputs_of(taught.asked(20))
        taught.form.evidence(inputs)  # what is compiled at the first call is no part of a graph
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            answer = taught.form.evidence(inputs)
        for _ in range(3):
            taught.learn(3)
            taught.send()
            now = taught.inputs_of(batch := taught.asked(20))
            for one, other in zip((inputs._rows, inputs.said, inputs.own), (now._rows, now.said, now.own), strict=True):
                one.copy_(other)
            graph.replay()
            close(answer.cpu().numpy(), taught.expert.evidence(batch))
