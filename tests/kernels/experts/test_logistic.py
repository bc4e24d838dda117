"""Second-order logistic regression against its formulae, and what keeps its covariance sane."""

from __future__ import annotations

import numpy as np
import pytest

from tocsin.kernels.experts import logistic as kernel
from tocsin.kernels.experts import restarts

Floats = kernel.Floats
RATES = kernel.Rates(fade=0.99, variance=10.0, threshold=1e9, most_strength=100.0)


def new(inputs: int, classes: int, shared: bool = False, variance: float = 10.0) -> kernel.Logistic:
    models = classes if classes > 2 else 1
    factors = np.zeros((1 if shared else models, inputs, inputs))
    restarts.begin(np.zeros((models, inputs)), factors, variance, 1.0)
    noise, errors = np.tile([0.05, 0.0], (models, 1)), np.zeros(restarts.SIZE)
    return kernel.Logistic(np.zeros((models, inputs)), factors, noise, np.zeros(2), errors)


def taught(model: kernel.Logistic, z: Floats, y: int, weight: float, classes: int, rates: kernel.Rates = RATES) -> None:
    room = kernel.scratch(0, *model.weights.shape, classes)
    room.z[:] = z
    kernel.answer(model, room)
    kernel.learn_event(model, room, y, weight, rates)


def cut(P: Floats, most: float) -> None:
    scale = np.minimum(1.0, np.sqrt(most / np.diagonal(P, axis1=1, axis2=2)))
    P *= scale[:, :, None] * scale[:, None, :]


@pytest.mark.parametrize(("classes", "shared"), [(2, False), (3, False), (4, True)])
@pytest.mark.parametrize("fade", [1.0, 0.9])
def test_what_is_learnt_is_what_the_formulae_say(classes: int, shared: bool, fade: float) -> None:
    rng, D = np.random.default_rng(0), 6
    model, rates = new(D, classes, shared), RATES._replace(fade=fade)
    weights, P, slopes = model.weights.copy(), kernel.covariances(model.factors), rng.normal(size=(classes, D))
    for i in range(200):
        z = np.append(np.clip(rng.normal(size=D - 1), -5, 5) * (i % 2 if i > 100 else 1), 1.0)
        y, weight = int((slopes @ z + rng.normal(size=classes)).argmax()), float(rng.uniform(0.2, 3.0))
        labels = np.array([float(y == 1)]) if classes == 2 else np.eye(classes)[y]
        kernel.reference_learn(weights, P, model.noise[:, 0].copy(), z, labels, weight, rates)
        if i % kernel.CHECKED == kernel.CHECKED - 1:
            cut(P, rates.variance)
        taught(model, z, y, weight, classes, rates)
        np.testing.assert_allclose(model.weights, weights, rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(kernel.covariances(model.factors), P, rtol=1e-7, atol=1e-9)


def test_an_answer_is_what_the_formulae_say() -> None:
    rng = np.random.default_rng(1)
    for classes in (1, 2, 5):
        model = new(7, classes)
        model.weights[:] = rng.normal(size=model.weights.shape)
        model.noise[:, 0] = rng.uniform(0.01, 0.4, len(model.noise))
        room = kernel.scratch(0, *model.weights.shape, classes)
        room.z[:] = rng.normal(size=7)
        kernel.answer(model, room)
        _, q = kernel.reference_answer(model.weights, model.noise[:, 0], room.z)
        expected = {1: np.ones(1), 2: np.append(1 - q, q)}.get(classes, q / q.sum())
        assert room.p == pytest.approx(expected, rel=1e-12)


# What rounding must not do


def collinear(rng: np.random.Generator, inputs: int) -> Floats:
    """An event whose inputs are mixtures of three numbers, but for one part in a billion."""
    mixing = np.random.default_rng(7).normal(size=(3, inputs - 1))
    return np.append(rng.normal(size=3) @ mixing + 1e-9 * rng.normal(size=inputs - 1), 1.0)


def test_collinear_inputs_do_not_make_the_covariance_lose_its_sign() -> None:
    """Directional forgetting of P itself, as it is published, ends with variances below zero here: labels of hardly any
    weight tell nothing, and what was known is forgotten all the same."""
    rng, D = np.random.default_rng(2), 128
    model, rates = new(D, 2), RATES._replace(fade=0.9)
    unbounded = rates._replace(variance=np.inf)
    weights, P = np.zeros((1, D)), 10.0 * np.eye(D)[None]
    room = kernel.scratch(0, 1, D, 2)
    for _ in range(8_000):
        z = collinear(rng, D)
        y = int(z[0] > 0.0)
        with np.errstate(all="ignore"):
            kernel.reference_learn(weights, P, model.noise[:, 0].copy(), z, np.array([float(y)]), 1e-6, unbounded)
        taught(model, z, y, 1e-6, 2, rates)
        room.z[:] = z
        assert 0.0 < kernel.spread(model.factors[0], room) <= 2.0 * D * rates.variance * (z @ z)
    assert np.isfinite(model.weights).all()
    assert np.isfinite(model.factors).all()
    assert np.diagonal(model.factors[0]).min() > 0.0
    ours = kernel.covariances(model.factors)[0]
    assert np.linalg.eigvalsh(ours).min() > 0.0
    assert ours.diagonal().max() < 2.0 * rates.variance
    assert not np.isfinite(P).all() or np.linalg.eigvalsh(0.5 * (P[0] + P[0].T)).min() < -1.0


def test_rounding_does_not_decide_what_is_learnt_of_collinear_inputs() -> None:
    """The same events with inputs that differ by rounding alone: answers stay alike to the end."""
    rng, D = np.random.default_rng(3), 64
    one, other = new(D, 2), new(D, 2)
    rates, room = RATES._replace(fade=0.999), kernel.scratch(0, 1, D, 2)
    far = 0.0
    for _ in range(4_000):
        z = collinear(rng, D)
        near = z * (1.0 + 1e-15 * rng.integers(-1, 2, D))
        y = int(z[0] + 0.5 * rng.normal() > 0)
        answers = []
        for model, inputs in ((one, z), (other, near)):
            room.z[:] = inputs
            kernel.answer(model, room)
            answers.append(room.p[1])
            kernel.learn_event(model, room, y, 1.0, rates)
        far = max(far, abs(answers[0] - answers[1]))
    assert far < 1e-3


def test_variances_are_bounded_without_changing_correlations() -> None:
    rng = np.random.default_rng(4)
    unit, d = np.triu(rng.normal(size=(5, 5)), 1) + np.eye(5), rng.uniform(1.0, 30.0, 5)
    factors = np.zeros((1, 5, 5))
    factors[0] = np.tril(unit.T, -1) + np.diag(d)
    P = kernel.covariances(factors)
    assert np.allclose(P[0], unit @ np.diag(d) @ unit.T)
    kernel.bound(factors[0], 10.0, np.empty(5))
    cut(P, 10.0)
    assert np.allclose(kernel.covariances(factors), P, rtol=1e-12)
    assert kernel.covariances(factors)[0].diagonal().max() <= 10.0 + 1e-9


def test_a_label_moves_its_own_margin_by_no_more_than_the_longest_step() -> None:
    model, z = new(3, 2), np.array([5.0, -5.0, 1.0])
    for y, weight in ((1, 1.0), (0, 1.0), (1, 1e6), (0, 1e-6)):
        before = float(model.weights[0] @ z)
        taught(model, z, y, weight, 2)
        assert abs(float(model.weights[0] @ z) - before) <= kernel.LONGEST_STEP + 1e-9
    assert model.weights.any()


def test_forgetting_goes_on_where_another_input_never_varies() -> None:
    """The variance of an input that was seen comes to an equilibrium, whatever the variance of one that was not."""
    rng = np.random.default_rng(5)
    model = new(3, 2)
    for _ in range(3_000):
        z = np.array([rng.normal(), 0.0, 1.0])
        taught(model, z, int(z[0] + rng.logistic() > 0), 1.0, 2)
    seen, unseen, _ = kernel.covariances(model.factors)[0].diagonal()
    assert unseen == pytest.approx(10.0)
    # Information of the average event: about 1/6; what an event gives, another 99 in 100 of it keep.
    assert 0.005 < seen < 1.0


@pytest.mark.parametrize("share", [0.02, 0.1, 0.2])
def test_the_share_of_wrong_labels_is_learnt(share: float) -> None:
    rng = np.random.default_rng(8)
    model = new(3, 2)
    rates = RATES._replace(fade=0.9998)
    for _ in range(20_000):
        z = np.append(rng.normal(size=2), 1.0)
        y = int(z[0] - z[1] > 0.3) ^ int(rng.random() < share)
        taught(model, z, y, 1.0, 2, rates)
    assert model.noise[0, 0] == pytest.approx(share, abs=0.25 * share + 0.005)
