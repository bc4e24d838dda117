"""Ideas about texts: neighbours by embedding, whose nearest labelled texts explain, and dimensions that have names.

Embeddings [T, D] are of length 1.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from hashlib import blake2b
from pathlib import Path

import numpy as np

from parts.generators import Floats, Ints
from parts.ideas.heard import PASS, Heard, joined, told
from tocsin.config.experts.logistic import LogisticSettings, StackSettings
from tocsin.kernels.decision.calibration import fitted
from tocsin.models.experts.stack.expert import StackExpert
from tocsin.models.experts.stack.traits import traits

DIMENSIONS = 256
SIGNS = 8
"""A hashed n-gram stands for so many dimensions, each with a sign."""


@cache
def _direction(gram: str) -> tuple[Ints, Floats]:
    digest = blake2b(gram.encode(), digest_size=2 * SIGNS).digest()
    return np.array(list(digest[:SIGNS])) % DIMENSIONS, np.array([1.0 if byte % 2 else -1.0 for byte in digest[SIGNS:]])


def hashed(texts: Sequence[str | None]) -> Floats:
    """[T, D]: character 3- to 5-grams within words, hashed to random directions, each weighed by how rare it was so
    far among the texts before (a random projection of tf-idf)."""
    seen: dict[str, int] = {}
    result = np.zeros((len(texts), DIMENSIONS))
    for t, text in enumerate(texts):
        counts: dict[str, int] = {}
        for word in (text or "").lower().split():
            padded = f" {word} "
            for n in (3, 4, 5):
                for i in range(len(padded) - n + 1):
                    gram = padded[i : i + n]
                    counts[gram] = counts.get(gram, 0) + 1
        if not counts:
            continue
        before = np.array([seen.get(gram, 0) for gram in counts])
        weight = (1.0 + np.log(list(counts.values()))) * np.log((t + 2.0) / (before + 1.0))
        places, signs = (np.array(part) for part in zip(*map(_direction, counts), strict=True))
        result[t] = np.bincount(places.ravel(), (weight[:, None] * signs).ravel(), DIMENSIONS)
        seen.update({gram: seen.get(gram, 0) + 1 for gram in counts})
    return unit(result)


def averaged(texts: Sequence[str]) -> Floats:
    """[T, D]: the mean of the token vectors that the package `wordllama` ships (16 MB, from a language model).

    Raises ModuleNotFoundError where it is not installed: `pip install wordllama`. Its own loader looks for a download,
    so that its files are read here.
    """
    found = importlib.util.find_spec("wordllama")
    if found is None or not found.submodule_search_locations:
        raise ModuleNotFoundError("wordllama is not installed: pip install wordllama")
    from safetensors.numpy import load_file
    from tokenizers import Tokenizer

    folder = Path(found.submodule_search_locations[0])
    tokens = Tokenizer.from_file(str(folder / "tokenizers" / "l2_supercat_tokenizer_config.json"))
    (vectors,) = load_file(folder / "weights" / "l2_supercat_256.safetensors").values()
    read = tokens.encode_batch(list(texts), add_special_tokens=False)
    means = [vectors[one.ids].mean(axis=0) if one.ids else np.zeros(vectors.shape[1]) for one in read]
    return unit(np.array(means, np.float64))


def unit(rows: Floats) -> Floats:
    """The rows at length 1; rows of zeros stay."""
    norm = np.linalg.norm(rows, axis=1, keepdims=True)
    result: Floats = rows / np.where(norm > 0.0, norm, 1.0)
    return result


def neighbours(vectors: Floats, y: Ints, classes: int, window: int = 5_000, k: int = 10) -> Floats:
    """Evidence [T, K]: the k labelled texts of the greatest cosine vote, each by exp(8 cosine), prequentially.

    What a vote is worth is fitted online, as for the experts of the pool.
    """
    T = len(y)
    p = np.full((T, classes), 1.0 / classes)
    for start in range(0, T, PASS):
        stop, first = min(start + PASS, T), max(0, start - window)
        cosine = vectors[start:stop] @ vectors[first:stop].T
        at, asked = np.arange(first, stop), np.arange(start, stop)
        cosine[(at[None, :] >= asked[:, None]) | (at[None, :] < asked[:, None] - window)] = -np.inf
        width = min(k, cosine.shape[1])
        best = np.argpartition(-cosine, width - 1, axis=1)[:, :width]
        near = np.take_along_axis(cosine, best, axis=1)
        votes = np.zeros((stop - start, classes))
        rows = np.repeat(np.arange(stop - start), width)
        np.add.at(votes, (rows, y[first + best].ravel()), np.exp(8.0 * near).ravel())
        total = votes.sum(axis=1, keepdims=True)
        p[start:stop] = np.where(total > 0.0, votes / np.where(total > 0.0, total, 1.0), 1.0 / classes)
    return worth(p, y)


def worth(p: Floats, y: Ints, most: float = 100.0) -> Floats:
    """Evidence N p of probabilities p [T, K], where N is fitted online by the log loss."""
    result, strength = np.empty_like(p), 1.0
    for t, label in enumerate(y.tolist()):
        result[t] = strength * p[t]
        strength = fitted(strength, p[t, label], p.shape[1], 1.0, float(t), most)
    return result


def texts_of(heard: Heard) -> list[str]:
    """The texts of the events."""
    return [text or "" for text in heard.source.batch.texts]


def hashed_neighbours(heard: Heard) -> Floats:
    """One more expert: the nearest of the last 5,000 labelled texts by hashed n-grams."""
    return heard.fused(joined(heard.evidence, neighbours(hashed(texts_of(heard)), heard.y, heard.source.classes)))


def embedded_neighbours(heard: Heard) -> Floats:
    """One more expert: the nearest of the last 5,000 labelled texts by the mean of their tokens' vectors."""
    return heard.fused(joined(heard.evidence, neighbours(averaged(texts_of(heard)), heard.y, heard.source.classes)))


def named(heard: Heard) -> Floats:
    """One more expert: a logistic regression on traits of a text, which are dimensions with names (SESA, arXiv
    1708.03246)."""
    X = traits(texts_of(heard), StackSettings().characters)
    said = told(LogisticSettings(strength=100.0), X, heard.y, heard.source.classes)
    return heard.fused(joined(heard.evidence, said))


def named_in_a_chain(heard: Heard, rare: float | None = None) -> Floats:
    """The same, on the traits and on what all experts say for each class: the kind `stack`, as it stands in the default
    pool for texts, where no other `rare_class_power` is given."""
    settings = StackSettings() if rare is None else StackSettings(rare_class_power=rare)
    expert, K = StackExpert(settings, len(heard.experts)), heard.source.classes
    expert.resize(0, K)
    batch, said = replace(heard.source.batch, said=heard.evidence), []
    for start in range(0, len(heard.y), PASS):
        stop = min(start + PASS, len(heard.y))
        rows, y = batch.rows(start, stop), heard.y[start:stop]
        said.append(expert.predict_then_learn(rows, y, np.ones(len(y))))
    return heard.fused(joined(heard.evidence, np.concatenate(said)))
