"""Scoring: every back end against the references of its parts, on real routers and on given logits."""

from __future__ import annotations

import importlib.util
from typing import Any, ClassVar

import numpy as np
import pytest

from tocsin.kernels import score as scoring
from tocsin.kernels.fusion import RULES, Rule, fuse
from tocsin.kernels.routing import reliability as routing
from tocsin.kernels.routing.inverse_temperature import reference_raise_rows
from tocsin.kernels.score import (
    Leaves,
    Logits,
    Network,
    Scored,
    score,
)


def events(B: int, E: int, K: int, F: int, seed: int = 0) -> tuple[Any, Any, Any]:
    """X [B, F] with some unknown, evidence [B, E, K] with some silent, y [B]."""
    rng = np.random.default_rng(seed)
    X, y = rng.normal(3.0, 2.0, (B, F)), rng.integers(0, K, B)
    evidence = rng.gamma(0.4, 8.0, (B, E, K))
    evidence[rng.random((B, E)) < 0.1] = 0.0
    X[rng.random((B, F)) < 0.1] = np.nan
    return X, evidence, y


def learnt(E: int, K: int, F: int, H: int) -> routing.Router:
    """A router that has seen some feedback."""
    router = routing.new(routing.Sizes(F, E, H), 1, -1.0, 4.0)
    rates = routing.Rates(0.01, 1.0, 0.999, 0.995, 1e4, 0.0, 100.0, 4.0, 0.995, 0.0)
    X, evidence, y = events(200, E, K, F, seed=1)
    records = routing.Records(X, evidence, y, np.ones(200), np.zeros(200, np.int64))
    output = routing.RouterOutput(np.empty((200, E)), np.empty(200))
    routing.learn_rows(router, records, H, rates, output)
    return router


def leaves(B: int, E: int, K: int) -> Leaves:
    rng = np.random.default_rng(2)
    ids = rng.integers(-1, 5, (B, E)).astype(np.int32)
    return Leaves(ids, rng.gamma(0.4, 20.0, (E, 5, K)), 30.0)


def agree(ours: Scored, exact: Scored, tolerance: float = 1e-9) -> None:
    for name in Scored._fields:
        one, other = getattr(ours, name), getattr(exact, name)
        assert one.dtype == other.dtype, name
        np.testing.assert_allclose(one, other, rtol=0, atol=tolerance, err_msg=name)


class ScoreBehaviour:
    """The suite of one back end, which each subclass names."""

    backend: ClassVar[str]

    def check(self, *arguments: Any, tolerance: float = 1e-9, **named: Any) -> Scored:
        ours = score(*arguments, **named, backend=self.backend)
        agree(ours, score(*arguments, **named, backend="reference"), tolerance)
        return ours

    @pytest.mark.parametrize("rule", RULES)
    @pytest.mark.parametrize(("E", "K"), [(1, 1), (3, 2), (12, 10), (5, 33)])
    @pytest.mark.parametrize("null", [0, 1])
    def test_given_logits_decide_as_the_reference_does(self, rule: Rule, E: int, K: int, null: int) -> None:
        _, evidence, _ = events(21, E, K, 0)
        rng = np.random.default_rng(3)
        gate = Logits(rng.normal(0.0, 4.0, (21, E + null)), rng.random(E))
        self.check(evidence, gate, rule, least=0.5)
        self.check(evidence.astype(np.float32), gate, rule, tolerance=1e-4)

    @pytest.mark.parametrize(("E", "K", "F", "H"), [(1, 2, 1, 1), (3, 4, 5, 8), (12, 10, 7, 24), (4, 2, 0, 5)])
    @pytest.mark.parametrize("tables", [False, True])
    def test_a_network_and_leaf_tables_do_too(self, E: int, K: int, F: int, H: int, tables: bool) -> None:
        X, evidence, _ = events(17, E, K, F)
        self.check(leaves(17, E, K) if tables else evidence, Network(learnt(E, K, F, H), X, H), least=0.5)

    @pytest.mark.parametrize(("E", "K", "F", "H"), [(3, 4, 5, 8), (12, 10, 0, 5)])
    def test_who_is_not_engaged_is_not_heard_and_keeps_his_reliability(self, E: int, K: int, F: int, H: int) -> None:
        X, evidence, _ = events(300, E, K, F)
        engaged = np.random.default_rng(4).random((300, E)) < 0.6
        engaged[:3] = False
        every = np.ones_like(engaged)
        for gate in (Network(learnt(E, K, F, H), X, H), Logits(np.linspace(-3.0, 3.0, 300 * E).reshape(300, E))):
            found = self.check(evidence, gate, least=0.4, engaged=engaged)
            assert (found.uncertainty[:3] == 1.0).all()
            assert (found.used <= engaged.sum(axis=1)).all()
            whole = score(evidence, gate, least=0.4, engaged=every, backend=self.backend)
            plain = score(evidence, gate, least=0.4, backend=self.backend)
            assert all(np.array_equal(a, b) for a, b in zip(whole, plain, strict=True))
            assert np.array_equal(found.reliability, plain.reliability)
        self.check(leaves(300, E, K), gate, engaged=engaged)

    def test_it_abstains_below_the_least_and_only_there(self) -> None:
        _, evidence, _ = events(40, 3, 4, 0)
        gate = Logits(np.full((40, 3), 1.0))
        found = score(evidence, gate, least=0.6, backend=self.backend)
        betp = found.belief + found.uncertainty[:, None] / 4
        assert (found.label == np.where(betp.max(axis=1) >= 0.6, betp.argmax(axis=1), -1)).all()
        assert 0 < (found.label == -1).sum() < 40
        assert (score(evidence, gate, least=0.0, backend=self.backend).label >= 0).all()
        # Nobody can be so sure while no reliability reaches 1.
        assert (score(evidence, gate, least=1.0, backend=self.backend).label == -1).all()

    @pytest.mark.parametrize("inverse_temperature", [0.3, 1.7])
    @pytest.mark.parametrize("K", [1, 2, 33])
    def test_the_least_is_asked_of_sharpened_probabilities(self, K: int, inverse_temperature: float) -> None:
        _, evidence, _ = events(40, 3, K, 0)
        gate = Logits(np.full((40, 3), 1.0))
        plain = score(evidence, gate, backend=self.backend)
        betp = plain.belief + plain.uncertainty[:, None] / K
        sharp = reference_raise_rows(betp, np.full(40, inverse_temperature)).max(axis=1)
        order = np.sort(sharp)
        least = 0.5 * (order[19] + order[20]) if K > 1 else 0.5  # far from every event's own
        found = self.check(evidence, gate, least=least, inverse_temperature=inverse_temperature)
        assert (found.label == np.where(sharp >= least, betp.argmax(axis=1), -1)).all()
        assert (
            score(evidence, gate, inverse_temperature=inverse_temperature, backend=self.backend).label == plain.label
        ).all()
        self.check(
            evidence.astype(np.float32), gate, least=least, inverse_temperature=inverse_temperature, tolerance=1e-4
        )

    def test_a_sharpness_that_is_none_is_refused(self) -> None:
        for bad in (0.0, -1.0, np.nan, np.inf):
            with pytest.raises(ValueError, match=r"^inverse_temperature: "):
                score(np.ones((1, 2, 2)), Logits(np.zeros((1, 2))), inverse_temperature=bad, backend=self.backend)

    def test_nobody_is_heard_where_the_null_slot_takes_all(self) -> None:
        _, evidence, _ = events(5, 3, 4, 0)
        logits = np.full((5, 4), 6.0)
        found = score(evidence, Logits(logits), backend=self.backend)
        assert (found.reliability < 0.01).all()
        assert (found.uncertainty > 0.8).all()

    def test_it_is_what_its_parts_are(self) -> None:
        X, evidence, _ = events(30, 3, 4, 5)
        router, rho = learnt(3, 4, 5, 8), np.empty((30, 3))
        routing.reliability_rows(router, X, evidence, 8, rho)
        found = score(evidence, Network(router, X, 8), backend=self.backend)
        np.testing.assert_allclose(found.reliability, rho, rtol=0, atol=1e-12)
        fused = fuse(evidence, rho, backend="reference")
        np.testing.assert_allclose(found.belief, fused.belief, rtol=0, atol=1e-9)
        assert (found.used == fused.used).all()

    def test_an_event_does_not_depend_on_its_batch_to_the_bit(self) -> None:
        X, evidence, _ = events(150, 5, 3, 4)
        router = learnt(5, 3, 4, 8)
        for whole in (evidence, leaves(150, 5, 3)):
            every = score(whole, Network(router, X, 8), backend=self.backend)
            for cut in (slice(0, 1), slice(4, 11), slice(100, 150)):
                part: Any = Leaves(whole.ids[cut], *whole[1:]) if isinstance(whole, Leaves) else whole[cut]
                alone = score(part, Network(router, X[cut], 8), backend=self.backend)
                assert all(np.array_equal(a[cut], b) for a, b in zip(every, alone, strict=True))

    def test_no_events_are_no_error(self) -> None:
        found = score(np.zeros((0, 3, 2)), Logits(np.zeros((0, 3))), backend=self.backend)
        assert [part.shape for part in found] == [(0,), (0, 3), (0, 2), (0,), (0,), (0,)]

    def test_evidence_out_of_range_is_refused(self) -> None:
        for bad in (-1.0, np.nan, np.inf):
            evidence = np.ones((9, 2, 2))
            evidence[8, 1, 1] = bad
            with pytest.raises(ValueError, match=r"^evidence: "):
                score(evidence, Logits(np.zeros((9, 2))), backend=self.backend)


class TestReference(ScoreBehaviour):
    backend = "reference"


class TestNumba(ScoreBehaviour):
    backend = "numba"


class TestTorch(ScoreBehaviour):
    backend = "torch"


@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="needs the extra `gpu`")
class TestTriton(ScoreBehaviour):
    """By the interpreter, unless there is a device."""

    backend = "triton"


@pytest.mark.parametrize(
    ("evidence", "gate", "named"),
    [
        (np.ones((2, 2)), Logits(np.zeros((2, 2))), "evidence"),
        (np.ones((2, 2, 2)), Logits(np.zeros((2, 4))), "logits"),
        (np.ones((2, 2, 2)), Logits(np.full((2, 2), np.nan)), "logits"),
        (np.ones((2, 2, 2)), Logits(np.zeros((2, 2)), np.ones(3)), "accuracy"),
        (np.ones((2, 2, 2)), Logits(np.zeros((2, 2)), np.full(2, 2.0)), "accuracy"),
        (Leaves(np.full((2, 2), 5, np.int32), np.ones((2, 5, 2))), Logits(np.zeros((2, 2))), "evidence"),
        (Leaves(np.zeros((2, 3), np.int32), np.ones((2, 5, 2))), Logits(np.zeros((2, 3))), "evidence"),
        (Leaves(np.zeros((2, 2), np.int32), np.ones((2, 5, 2)), 0.0), Logits(np.zeros((2, 2))), "evidence"),
    ],
)
def test_an_error_names_the_argument(evidence: Any, gate: Logits, named: str) -> None:
    with pytest.raises(ValueError, match=f"^{named}: "):
        score(evidence, gate)


def test_a_router_of_another_shape_is_refused() -> None:
    X, evidence, _ = events(3, 3, 4, 5)
    with pytest.raises(ValueError, match=r"^X: "):
        score(evidence, Network(learnt(3, 4, 5, 8), X[:, :4], 8))
    with pytest.raises(ValueError, match=r"^router: "):
        score(evidence, Network(learnt(3, 4, 5, 8), X, 9))
    with pytest.raises(ValueError, match=r"^least: "):
        score(evidence, Logits(np.zeros((3, 3))), least=1.5)


@pytest.mark.parametrize("engaged", [np.ones((3, 2), bool), np.ones((3, 3))])
def test_a_mask_of_another_shape_or_type_is_refused(engaged: Any) -> None:
    with pytest.raises(ValueError, match=r"^engaged: "):
        score(np.ones((3, 3, 2)), Logits(np.zeros((3, 3))), engaged=engaged)


def test_what_runs_can_be_told() -> None:
    assert scoring.backend("reference") == "reference"
    assert {"numba", "reference", "torch"} <= set(scoring.backends())
