"""Models of a given size for the benchmark of devices: balanced trees with a router, and a default pool."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.config.model import ModelSettings
from tocsin.config.schema import FeatureSettings
from tocsin.kernels.hoeffding import HoeffdingSettings, new_pool
from tocsin.kernels.hoeffding.pool.layout import LEAF, NODE, NUMERIC, Pool
from tocsin.kernels.routing import reliability as routing
from tocsin.models.classifier import Classifier
from tocsin.models.data.batch import Batch
from tocsin.models.data.feedback import FeedbackBatch

FEATURES = 10
HIDDEN = 24
CAP = 30.0
LABELS = 5_000
"""Labels that a default pool has learnt."""


class Trees(NamedTuple):
    """A pool of trees, each an expert, and a router over them."""

    pool: Pool
    router: routing.Router


def balanced(trees: int, nodes: int, classes: int, rng: np.random.Generator) -> Trees:
    """Balanced trees of about so many nodes each, on standard normal features, with random class weights."""
    nodes -= 1 - nodes % 2  # a binary tree has an odd number
    pool = new_pool([HoeffdingSettings(leaf_prediction="mc")] * trees, FEATURES, classes)
    place = np.arange(nodes)
    made = np.zeros((trees, nodes), NODE)
    is_leaf = 2 * place + 1 >= nodes
    made["kind"] = np.where(is_leaf, LEAF, NUMERIC)
    made["feature"] = rng.integers(0, FEATURES, (trees, nodes))
    made["value"] = rng.normal(scale=0.5, size=(trees, nodes))
    made["first"], made["last"] = np.where(is_leaf, -1, 2 * place + 1), np.where(is_leaf, -1, 2 * place + 2)
    made["next"] = np.where((place % 2 == 1) & (place + 1 < nodes), place + 1, -1)
    made["parent"], made["slot"] = (place - 1) // 2, -1
    made["depth"] = np.floor(np.log2(place + 1)).astype(np.int32)
    made["n_classes"] = classes
    pool.trees["n_nodes"], pool.trees["deepest"] = nodes, int(made["depth"].max())
    pool = pool.replaced(
        nodes=made,
        counts=rng.gamma(0.5, 4.0, (trees, nodes, classes)),
        order=np.broadcast_to(np.arange(classes, dtype=np.int32), (trees, nodes, classes)).copy(),
        faded=np.zeros((trees, 0, classes)),
        disabled=np.zeros((trees, nodes, FEATURES), np.int8),
    )
    router = routing.new(routing.Sizes(FEATURES, trees, HIDDEN), 0, -1.0, 4.0)
    router.rows[:], router.square[:] = 1_000.0, 1.0
    router.weights[:] += rng.normal(scale=0.05, size=router.weights.shape)
    return Trees(pool, router)


def events(rows: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """X [B, F], standard normal."""
    return rng.normal(size=(rows, FEATURES))


def default_pool(classes: int, rng: np.random.Generator) -> Classifier:
    """The default pool with `LABELS` labels of so many classes learnt."""
    features = [FeatureSettings(name=f"x{f}") for f in range(FEATURES)]
    settings = ModelSettings.model_validate({"features": features, "classes": [str(k) for k in range(classes)]})
    model, X = Classifier(settings), events(LABELS, rng)
    score = X[:, :3].sum(axis=1) + 0.3 * rng.normal(size=LABELS)
    y = np.searchsorted(np.quantile(score, np.arange(1, classes) / classes), score)
    none = [None] * LABELS
    model.learn(FeedbackBatch(Batch.of(X), [str(k) for k in y], np.ones(LABELS), none, [()] * LABELS))
    return model


def prepared(model: Classifier, X: NDArray[np.float64]) -> Batch:
    """Events as a scorer is given them."""
    mixture = model.mixture
    batch = mixture.history.recall(mixture.times.expand(Batch.of(X)))
    return mixture.inputs.apply(batch, bool(mixture.rare.rare.any()))
