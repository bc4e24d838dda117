"""What every back end of fusion does: it agrees with formulae written a second time, and keeps the laws of each rule.

The oracle of Dempster's rule knows nothing of closed forms: it multiplies masses over explicit focal sets, intersects
them, and normalises the conflict away, two opinions at a time. That is the definition (Shafer 1976).
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tocsin.kernels import fusion
from tocsin.kernels.fusion import (
    RULES,
    Fused,
    Rule,
    discount,
    opinions,
)

from .fusion_formulae import by_formula, conflict_by_pairs, dempster, mass_of

COUNTS = st.one_of(st.just(0.0), st.floats(0, 50), st.floats(0, 1e4))
RELIABILITY = st.one_of(st.sampled_from([0.0, 0.5, 0.999, 1.0]), st.floats(0, 1))
SOUND = st.one_of(st.just(0.0), st.floats(0.001, 0.999))


@st.composite
def events(draw: st.DrawFn, rho: st.SearchStrategy[float] = RELIABILITY, experts: int = 6) -> tuple[Any, Any, float]:
    """One event: evidence [1, E, K], reliability [1, E], prior."""
    E, K = draw(st.integers(1, experts)), draw(st.integers(1, 4))
    evidence = draw(st.lists(st.lists(COUNTS, min_size=K, max_size=K), min_size=E, max_size=E))
    reliability = draw(st.lists(rho, min_size=E, max_size=E))
    return np.array([evidence]), np.array([reliability]), draw(st.sampled_from([0.5, 1.0, 2.0, float(K)]))


def close(one: Fused, other: Fused) -> None:
    np.testing.assert_allclose(one.belief, other.belief, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(one.uncertainty, other.uncertainty, rtol=1e-9, atol=1e-12)


ANY = st.floats(0, allow_nan=False, allow_infinity=False)


def gains(evidence: Any, rho: Any, prior: float) -> Any:
    """What each expert adds to L = log P, [E, K], the most reliable first, and the most that it could add."""
    b, u = discount(*opinions(evidence, prior), rho)
    order = np.argsort(-rho[0], kind="stable")
    with np.errstate(divide="ignore"):
        return np.log1p(b[0] / u[0][:, None])[order], -np.log1p(-rho[0][order])


def grid(E: int, K: int, B: int = 19, dtype: Any = np.float64) -> tuple[Any, Any, Any]:
    """Evidence, reliability and engagement of B events, some of them awkward."""
    rng = np.random.default_rng(E * K)
    evidence, rho = rng.gamma(0.3, 9.0, (B, E, K)).astype(dtype), rng.random((B, E))
    evidence[:, 0] = 0.0
    evidence[1] *= 1e6
    rho[2] = 0.999
    rho[3], rho[4] = 1.0, 0.0
    rho[5] = 0.5  # all alike
    return evidence, rho, rng.random((B, E)) < 0.8


def behaviour(backend: str, share: float = 1.0, most: int = 128, single: float = 1e-6) -> type:
    """The suite of one back end: with so large a share of the examples, so many experts at most, and float32 evidence
    fused to so much of the reference.
    """

    def some(examples: int) -> int:
        return max(2, int(share * examples))

    class Behaviour:
        @staticmethod
        def fuse(*arguments: Any, **named: Any) -> Fused:
            return fusion.fuse(*arguments, backend=backend, **named)

        # Against the reference

        @pytest.mark.parametrize("rule", RULES)
        @pytest.mark.parametrize(
            ("E", "K"), [(1, 1), (1, 10), (2, 3), (3, 1), (7, 2), (12, 10), (13, 7), (5, 64), (most, 3)]
        )
        @pytest.mark.parametrize("dtype", [np.float64, np.float32])
        def test_it_agrees_with_the_reference(self, rule: Rule, E: int, K: int, dtype: Any) -> None:
            evidence, rho, engaged = grid(E, K, dtype=dtype)
            tolerance = 1e-9 if dtype == np.float64 else single
            for mask in (None, engaged):
                ours = self.fuse(evidence, rho, mask, rule)
                exact = fusion.fuse(evidence, rho, mask, rule, backend="reference")
                for one, other in zip(ours, exact, strict=True):
                    assert one.dtype == other.dtype
                    np.testing.assert_allclose(one, other, rtol=0, atol=tolerance)

        # Against the oracles

        @settings(max_examples=some(150), deadline=None)
        @given(events(SOUND))
        def test_dempster_is_the_combination_of_focal_sets(self, event: tuple[Any, Any, float]) -> None:
            evidence, rho, prior = event
            exact = dempster([mass_of(e, r, prior) for e, r in zip(evidence[0].tolist(), rho[0].tolist(), strict=True)])
            fused = self.fuse(evidence, rho, prior=prior)
            K = evidence.shape[2]
            if K == 1:  # the one singleton is Theta as well: nothing tells belief from ignorance
                assert float(exact[frozenset([0])]) == pytest.approx(1.0)
                return
            singles = [float(exact.get(frozenset([k]), 0)) for k in range(K)]
            np.testing.assert_allclose(fused.belief[0], singles, rtol=1e-9, atol=1e-12)
            assert fused.uncertainty[0] == pytest.approx(float(exact[frozenset(range(K))]), rel=1e-9, abs=1e-12)

        @pytest.mark.parametrize("rule", RULES)
        @settings(max_examples=some(80), deadline=None)
        @given(events(SOUND))
        def test_every_rule_is_what_the_notes_say(self, rule: Rule, event: tuple[Any, Any, float]) -> None:
            evidence, rho, prior = event
            belief, uncertainty = by_formula(rule, evidence[0].tolist(), rho[0].tolist(), prior)
            fused = self.fuse(evidence, rho, rule=rule, prior=prior)
            np.testing.assert_allclose(fused.belief[0], belief, rtol=1e-8, atol=1e-11)
            assert fused.uncertainty[0] == pytest.approx(uncertainty, rel=1e-8, abs=1e-12)

        @settings(max_examples=some(80), deadline=None)
        @given(events())
        def test_conflict_is_the_mean_over_all_pairs(self, event: tuple[Any, Any, float]) -> None:
            evidence, rho, prior = event
            expected = conflict_by_pairs(evidence[0].tolist(), rho[0].tolist(), prior)
            assert self.fuse(evidence, rho, prior=prior).conflict[0] == pytest.approx(expected, abs=1e-12)

        def test_the_prior_is_the_number_of_classes_where_none_is_given(self) -> None:
            evidence, rho = np.array([[[3.0, 1.0, 0.0]]]), np.ones((1, 1))
            close(self.fuse(evidence, rho), self.fuse(evidence, rho, prior=3.0))
            assert self.fuse(evidence, rho).belief[0].tolist() == pytest.approx([3 / 7, 1 / 7, 0])

        def test_zadehs_paradox_is_disarmed_by_discounting(self) -> None:
            opposed = np.array([[[0.99, 0.01, 0.0], [0.0, 0.01, 0.99]]])
            certain = self.fuse(1e9 * opposed, np.ones((1, 2)), prior=1e-3)
            assert certain.belief[0, 1] > 0.99
            discounted = self.fuse(1e9 * opposed, np.full((1, 2), 0.99), prior=1e-3)
            assert discounted.belief[0].tolist() == pytest.approx([0.49, 0.015, 0.49], abs=0.005)

        def test_conflict_does_not_grow_with_the_number_of_experts_that_agree(self) -> None:
            """Dempster's own conflict would be .998 for identical opinions (.6, .4)."""
            fused = self.fuse(np.tile([0.6e6, 0.4e6], (1, 12, 1)), np.ones((1, 12)))
            assert fused.conflict[0] == pytest.approx(0.48, abs=0.01)

        # Laws

        @pytest.mark.parametrize("rule", RULES)
        @settings(max_examples=some(50), deadline=None)
        @given(events(), st.randoms(use_true_random=False))
        def test_the_order_of_experts_does_not_matter(
            self, rule: Rule, event: tuple[Any, Any, float], random: Any
        ) -> None:
            evidence, rho, prior = event
            order = list(range(rho.shape[1]))
            random.shuffle(order)
            one, other = (
                self.fuse(evidence, rho, None, rule, prior),
                self.fuse(evidence[:, order], rho[:, order], None, rule, prior),
            )
            close(one, other)
            assert one.conflict[0] == pytest.approx(other.conflict[0], abs=1e-12)

        @pytest.mark.parametrize("rule", ["dempster", "cautious", "cumulative"])
        @settings(max_examples=some(50), deadline=None)
        @given(events())
        def test_one_who_knows_nothing_changes_nothing(self, rule: Rule, event: tuple[Any, Any, float]) -> None:
            evidence, rho, prior = event
            silent = np.zeros((1, 1, evidence.shape[2]))
            more = self.fuse(
                np.concatenate([evidence, silent], 1), np.concatenate([rho, [[1.0]]], 1), None, rule, prior
            )
            close(more, self.fuse(evidence, rho, None, rule, prior))

        @pytest.mark.parametrize("rule", RULES)
        @settings(max_examples=some(50), deadline=None)
        @given(events(), st.data())
        def test_not_trusted_not_engaged_and_not_knowing_are_the_same(
            self, rule: Rule, event: tuple[Any, Any, float], data: st.DataObject
        ) -> None:
            evidence, rho, prior = event
            e = data.draw(st.integers(0, rho.shape[1] - 1))
            engaged = np.ones(rho.shape, np.bool_)
            engaged[0, e] = False
            silenced, distrusted = evidence.copy(), rho.copy()
            silenced[0, e], distrusted[0, e] = 0.0, 0.0
            results = [
                self.fuse(evidence, rho, engaged, rule, prior),
                self.fuse(evidence, distrusted, None, rule, prior),
                self.fuse(silenced, rho, None, rule, prior),
            ]
            close(results[0], results[1])
            close(results[0], results[2])
            assert results[0].conflict[0] == results[1].conflict[0]

        def test_all_disengaged_is_ignorance(self) -> None:
            for rule in RULES:
                fused = self.fuse(np.full((2, 3, 4), 9.0), np.ones((2, 3)), np.zeros((2, 3), np.bool_), rule)
                assert fused.uncertainty.tolist() == [1.0, 1.0]
                assert not fused.belief.any()
                assert not fused.conflict.any()
                assert not fused.used.any()

        @pytest.mark.parametrize("rule", RULES)
        @settings(max_examples=some(150), deadline=None)
        @given(
            st.integers(1, 4).flatmap(
                lambda K: st.lists(
                    st.tuples(st.lists(ANY, min_size=K, max_size=K), st.floats(0, 1)), min_size=1, max_size=5
                )
            ),
            st.floats(0, exclude_min=True, allow_nan=False, allow_infinity=False),
        )
        @example([([1.7e308, 1.7e308], 1.0)], 1e-300)
        @example([([1e300, 0.0], 1.0), ([0.0, 1e300], 1.0)], 2.0)
        @example([([5e-324, 0.0], 1.0)], 5e-324)
        @example([([0.0], 0.0)], 1.0)
        def test_masses_add_up_to_one_for_whatever_numbers(
            self, rule: Rule, experts: list[tuple[list[float], float]], prior: float
        ) -> None:
            fused = self.fuse([[e for e, _ in experts]], [[r for _, r in experts]], None, rule, prior)
            assert (fused.belief >= 0).all()
            assert (fused.uncertainty >= 0).all()
            assert fused.belief.sum() + fused.uncertainty.sum() == pytest.approx(1.0, abs=1e-9)
            assert 0 <= fused.conflict[0] <= 1
            assert 0 <= fused.used[0] <= len(experts)

        @pytest.mark.parametrize("rule", RULES)
        @pytest.mark.parametrize("experts", [1, most])
        @pytest.mark.parametrize("classes", [1, 2, 64])
        def test_extremes_of_every_size(self, rule: Rule, experts: int, classes: int) -> None:
            """In one batch, two events for every count and reliability: one has a single class, one has all alike."""
            cases = list(itertools.product((0.0, 1e-300, 1.0, 1e300), (0.0, 1.0)))
            evidence = np.zeros((len(cases), 2, experts, classes))
            reliability = np.empty((len(cases), 2, experts))
            for i, (count, rho) in enumerate(cases):
                evidence[i, 0, :, 0], evidence[i, 1], reliability[i] = count, count, rho
            fused = self.fuse(evidence.reshape(-1, experts, classes), reliability.reshape(-1, experts), rule=rule)
            np.testing.assert_allclose(fused.belief.sum(axis=1) + fused.uncertainty, 1.0, atol=1e-9)
            for (count, rho), (single, alike) in zip(cases, fused.belief.reshape(-1, 2, classes), strict=True):
                if count >= 1 and rho:
                    assert single[0] > 0.1 / classes, (count, rho)
                    assert np.ptp(alike) < 1e-12, (count, rho)

        def test_no_events_are_no_error(self) -> None:
            for rule in RULES:
                fused = self.fuse(np.zeros((0, 3, 2)), np.zeros((0, 3)), np.zeros((0, 3), np.bool_), rule)
                assert [part.shape for part in fused] == [(0, 2), (0,), (0,), (0,)]

        @pytest.mark.parametrize("rule", RULES)
        @pytest.mark.parametrize(("experts", "classes"), [(1, 1), (3, 2), (12, 10), (most, 3), (9, 1)])
        def test_an_event_does_not_depend_on_its_batch_to_the_bit(self, rule: Rule, experts: int, classes: int) -> None:
            rng = np.random.default_rng(experts * classes)
            evidence, rho = rng.gamma(0.3, 9.0, (131, experts, classes)), rng.random((131, experts))
            evidence[5] = 1e300
            engaged = rng.random(rho.shape) < 0.8
            whole = self.fuse(evidence, rho, engaged, rule)
            for cut in (slice(0, 1), slice(5, 6), slice(4, 11), slice(100, 131)):
                part = self.fuse(evidence[cut], rho[cut], engaged[cut], rule)
                assert all(np.array_equal(a[cut], b) for a, b in zip(whole, part, strict=True))
            turned = self.fuse(np.asfortranarray(evidence), np.asfortranarray(rho), engaged, rule)
            assert all(np.array_equal(a, b) for a, b in zip(whole, turned, strict=True))

        def test_inputs_are_left_as_they_were(self) -> None:
            evidence, rho, engaged = np.full((2, 2, 2), 1e300), np.ones((2, 2)), np.array([[True, False]] * 2)
            before = evidence.copy(), rho.copy(), engaged.copy()
            self.fuse(evidence, rho, engaged)
            assert all(np.array_equal(a, b) for a, b in zip(before, (evidence, rho, engaged), strict=True))

        # The early stop

        @settings(max_examples=some(300), deadline=None)
        @given(events())
        @example((np.array([[[0.0, 1e300], [1e300, 0.0]]]), np.array([[0.9, 0.9]]), 2.0))
        def test_no_later_expert_changes_what_the_used_ones_decided(self, event: tuple[Any, Any, float]) -> None:
            evidence, rho, prior = event
            used = int(self.fuse(evidence, rho, prior=prior).used[0])
            added, _ = gains(evidence, rho, prior)
            final, early = added.sum(axis=0), added[:used].sum(axis=0)
            # Where the final order is a tie within rounding, either is right.
            assert final[early.argmax()] >= final.max() - 1e-12 * max(final.max(), 1.0)

        @settings(max_examples=some(300), deadline=None)
        @given(events())
        def test_one_expert_fewer_would_not_have_been_enough_to_know(self, event: tuple[Any, Any, float]) -> None:
            evidence, rho, prior = event
            K = evidence.shape[2]
            used = int(self.fuse(evidence, rho, prior=prior).used[0])
            if K == 1 or used == 0:
                return
            added, most = gains(evidence, rho, prior)
            early = np.sort(added[: used - 1].sum(axis=0))
            # The adversary lets all that remain speak, as loudly as they are trusted, for the second best class.
            assert early[-2] + most[used - 1 :].sum() >= early[-1] - 1e-9 * (1 + early[-1])

        def test_a_decision_that_is_safe_early_uses_few(self) -> None:
            evidence = np.array([[[50.0, 0.0], [0.0, 50.0], [0.0, 50.0]]])
            assert self.fuse(evidence, np.array([[0.99, 0.3, 0.3]])).used[0] == 1
            assert self.fuse(evidence, np.array([[0.99, 0.9, 0.9]])).used[0] == 3

        def test_rules_without_a_bound_use_all_that_have_a_say(self) -> None:
            for rule in ("cautious", "cumulative", "averaging", "murphy"):
                assert self.fuse(np.ones((1, 3, 2)), np.array([[0.9, 0.0, 0.5]]), rule=rule).used[0] == 2  # type: ignore[arg-type]

        # Errors that only the values tell

        @pytest.mark.parametrize("bad", [-1.0, -1e-300, np.nan, np.inf])
        @pytest.mark.parametrize("row", [0, 8, 12])
        def test_evidence_out_of_range_is_refused_wherever_it_stands(self, bad: float, row: int) -> None:
            evidence = np.ones((13, 3, 5))
            evidence[row, 1, 4] = bad
            with pytest.raises(ValueError, match=r"^evidence: "):
                self.fuse(evidence, np.full((13, 3), 0.5))

        @pytest.mark.parametrize("bad", [-0.1, 1.1, np.nan])
        @pytest.mark.parametrize("row", [0, 8, 12])
        def test_reliability_out_of_range_is_refused_even_of_one_who_is_not_engaged(self, bad: float, row: int) -> None:
            rho, engaged = np.full((13, 3), 0.5), np.ones((13, 3), np.bool_)
            rho[row, 2], engaged[row, 2] = bad, False
            with pytest.raises(ValueError, match=r"^reliability: "):
                self.fuse(np.ones((13, 3, 5)), rho, engaged)

        @pytest.mark.parametrize("rule", RULES)
        def test_minus_nothing_beside_numbers_that_fit_no_product(self, rule: Rule) -> None:
            evidence, rho, _ = grid(3, 4)
            evidence[7] = 1e100
            evidence[:, 0] = -0.0
            rho[4, 0] = -0.0
            exact = fusion.fuse(np.abs(evidence), np.abs(rho), rule=rule, backend="reference")
            for one, other in zip(self.fuse(evidence, rho, rule=rule), exact, strict=True):
                np.testing.assert_allclose(one, other, rtol=0, atol=1e-9)

        def test_a_product_that_overflows_and_then_meets_nothing_stays_a_number(self) -> None:
            evidence, rho = np.zeros((1, 8, 2)), np.ones((1, 8))
            evidence[0, :7, 0], evidence[0, 7, 1], rho[0, 7] = 1e30, 1.0, 0.9
            fused = self.fuse(evidence, rho, prior=1e-20)
            np.testing.assert_allclose(fused.belief, [[1.0, 0.0]], atol=1e-12)
            assert fused.uncertainty[0] == pytest.approx(0.0, abs=1e-12)

        def test_minus_nothing_is_nothing(self) -> None:
            plain = self.fuse(np.zeros((1, 2, 3)), np.array([[0.0, 0.5]]))
            signed = self.fuse(-np.zeros((1, 2, 3)), np.array([[-0.0, 0.5]]))
            assert all(np.array_equal(a, b) for a, b in zip(plain, signed, strict=True))

    Behaviour.__name__ = Behaviour.__qualname__ = f"Test{backend.title()}"
    return Behaviour
