"""The experts of the default pool, taught by a whole model, beside their forms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from tocsin.config.experts.logistic import StackSettings
from tocsin.config.experts.naive_bayes import NaiveBayesSettings
from tocsin.config.experts.pool import DEFAULT_EXPERTS
from tocsin.config.model import ModelSettings
from tocsin.config.schema import FeatureSettings
from tocsin.kernels.device.mirror import Mirror
from tocsin.models.classifier import Classifier
from tocsin.models.data.batch import Batch, Floats, Ints
from tocsin.models.data.features import category_code
from tocsin.models.device.forms.form import Copies, Form, form_of
from tocsin.models.device.forms.novelty import NoveltyDistances
from tocsin.models.device.inputs import Inputs

from .form_behaviour import close
from .taught import CPU

EXPERTS = (
    *DEFAULT_EXPERTS[:-1],
    NaiveBayesSettings(name="naive-bayes"),
    StackSettings(name="stack", traits=False),
    DEFAULT_EXPERTS[-1],
)
"""The expert on rare classes comes last, and hears the others."""
CATEGORIES = (5, 6)
K, F = 4, 9


def stream(n: int) -> tuple[Floats, Ints]:
    """Four classes, two of them rare; numbers of which some say the same, with heavy tails, a season and gaps that tell
    something; categories."""
    rng = np.random.default_rng(5)
    y = rng.choice(K, n, p=[0.57, 0.4, 0.02, 0.01])
    X = rng.normal(size=(n, F))
    X[:, :3] += y[:, None]
    X[:, 3] = np.exp(3.0 * X[:, 3])
    X[:, 4] = 2.0 * X[:, 1]
    codes = np.array([category_code(name) for name in "abcdefgh"], np.float64)
    X[:, 5], X[:, 6] = codes[rng.integers(0, 8, n)], codes[(y + rng.integers(0, 3, n)) % 8]
    X[:, 8] = 3.0 * np.sin(np.arange(n) * np.pi / 12.0) + 0.1 * X[:, 8]
    X[rng.random(X.shape) < 0.03] = np.nan
    X[rng.random(n) < 0.1 * (1 + y), 2] = np.nan
    return X, y


def shown(model: Classifier, X: Floats) -> Batch:
    """Events as the experts of a model see them now."""
    batch = model.mixture.history.recall(Batch.of(X))
    return model.mixture.inputs.apply(batch, bool(model.mixture.rare.rare.any()))


def test_every_expert_of_a_model_that_learns_is_told_on_a_device() -> None:
    X, y = stream(4_400)
    kinds = ["category" if f in CATEGORIES else "number" for f in range(F)]
    features = tuple(FeatureSettings(name=str(f), kind=kind) for f, kind in enumerate(kinds))  # type: ignore[arg-type]
    classes = tuple(str(k) for k in range(K))
    model = Classifier(ModelSettings(features=features, classes=classes, experts=EXPERTS))
    mirror, forms, spoke = Mirror(CPU), dict[int, Form](), set[str]()
    novelty = NoveltyDistances(model.mixture.judge.novelty, Copies(mirror, "novelty/"))
    for start, stop in ((0, 300), (300, 301), (301, 1_500), (1_500, 4_200), (4_200, 4_203)):
        model.learn_at_once(Batch.of(X[start:stop]), y[start:stop], np.ones(stop - start))
        batch = shown(model, X[stop : stop + 100])
        answers = np.zeros((len(batch), len(EXPERTS), K))
        for e, (settings, expert) in enumerate(zip(EXPERTS, model.experts, strict=True)):
            heard = replace(batch, said=answers[:, :e].copy()) if expert.hears else batch
            answers[:, e] = expert.evidence(heard)
            if e not in forms or forms[e].expert is not expert:
                form = form_of(settings.kind, expert, Copies(mirror, f"{e}/"))
                if form is None:
                    continue
                forms[e] = form
            forms[e].follow()
            mirror.send()
            inputs = Inputs.of(batch, forms[e].views, CPU)
            inputs.said = torch.from_numpy(answers[:, :e].copy())
            close(forms[e].evidence(inputs).numpy(), answers[:, e])
            spoke |= {settings.kind} if answers[:, e].any() else set()
        novelty.follow()
        mirror.send()
        distance = model.mixture.judge.novelty.nonconformity(batch.X, np.zeros(len(batch)))[:, 0]
        close(novelty.distances(Inputs.of(batch, novelty.views, CPU)).numpy(), distance)
    assert spoke >= {
        "neighbours", "linear", "persistence", "logistic", "moving-averages", "seasonal", "naive-bayes", "stack",
        "rare-class",
    }  # fmt: skip
