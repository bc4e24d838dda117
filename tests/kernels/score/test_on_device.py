"""Trees and router on a device against the same on the CPU."""

from __future__ import annotations

import numpy as np
import pytest

from tocsin.kernels import hoeffding
from tocsin.kernels.routing import reliability as routing
from tocsin.kernels.score import Leaves, Network, score

from ..traversal.test_traversal import SETTINGS, grown
from .test_score import agree

pytest.importorskip("triton", reason="needs the extra `gpu`")
from tocsin.kernels.score.on_device import DeviceScorer


class TestDeviceScorer:
    """By the interpreter, unless there is a device."""

    @pytest.mark.parametrize("stream", ["SEA", "RBF"])
    def test_what_is_decided_there_is_what_is_decided_here(self, stream: str) -> None:
        pool, X = grown(stream)
        E, F, H = len(SETTINGS), X.shape[1], 8
        router = routing.new(routing.Sizes(F, E, H), 1, -1.0, 4.0)
        evidence = hoeffding.evidence(pool, X, cap=30.0)
        rates = routing.Rates(0.01, 1.0, 0.999, 0.995, 1e4, 0.0, 100.0, 4.0, 0.995, 0.0)
        y = evidence[:, 0].argmax(axis=1)
        records = routing.Records(X, evidence, y, np.ones(len(X)), np.zeros_like(y))
        output = routing.RouterOutput(np.empty((len(X), E)), np.empty(len(X)))
        routing.learn_rows(router, records, H, rates, output)
        here = Leaves(hoeffding.leaf_ids(pool, X[:90]), pool.counts[:, :, : evidence.shape[2]], 30.0)
        scorer = DeviceScorer(pool, router, H, cap=30.0, least=0.7)
        agree(scorer(X[:90]), score(here, Network(router, X[:90], H), least=0.7, backend="numba"))

    def test_other_columns_are_refused(self) -> None:
        pool, X = grown("SEA")
        router = routing.new(routing.Sizes(X.shape[1], len(SETTINGS), 3), 1, -1.0, 4.0)
        with pytest.raises(ValueError, match=r"^X: "):
            DeviceScorer(pool, router, 3)(X[:, 1:])
