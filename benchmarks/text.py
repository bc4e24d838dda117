"""How good are the text experts and their fusion, and how fast is SS3, beside scikit-learn, river and pyss3?

Quality, on texts in their order: *prequential* (each text is answered, then learnt) and *held out* (the first 70% are
learnt, the rest answered by a model that learns no more). scikit-learn's models are batch models: held out alone.
Speed: ours and pyss3's in turn in one process, on texts that neither has met, in CPU seconds, for the machine may be
shared.

    python benchmarks/text.py [--data FOLDER] [--skip-speed] [--skip-quality]

Rivals: scikit-learn's multinomial naive Bayes and linear SVM on tf-idf of words and word pairs (defaults otherwise),
the SVM also on character 2-5-grams within words; river's bag of words with logistic regression (its alternative to our
linear expert); pyss3 0.6.5. Settings of ours are the defaults, for the fusion a prior weight of 1/4, and in one row
`router.rare_class_power: 0.5`, by which labels of rare classes count more in learning whom to trust.
"""

from __future__ import annotations

import argparse
import gc
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from parts.texts import Texts, hate, sms
from river import feature_extraction, linear_model, multiclass, optim
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import accuracy_score, f1_score
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from tocsin.config.experts import ExpertSettings
from tocsin.config.experts.linear_text import LinearTextSettings
from tocsin.config.experts.ss3 import SS3Settings
from tocsin.config.fusion import FusionSettings
from tocsin.config.model import ModelSettings
from tocsin.config.routing import ReliabilitySettings
from tocsin.models.classifier import Classifier
from tocsin.models.data.batch import Batch
from tocsin.models.ss3.model import SS3

Ints = NDArray[np.int64]
PYSS3 = "0.6.5"
READ = 500


def labelled(found: Texts) -> tuple[list[str], list[str]]:
    """The texts and their labels by name."""
    return found.texts, [found.classes[k] for k in found.y]


# Quality


def told(y: Sequence[Any] | Ints, said: Sequence[Any] | Ints) -> str:
    return f"{100 * accuracy_score(y, said):8.2f} {100 * f1_score(y, said, average='macro'):8.2f}"


def show(name: str, prequential: str, held_out: str, seconds: float) -> None:
    print(f"{name:34} {prequential:>17}   {held_out:>17} {seconds:7.1f} s", flush=True)


def pool(
    experts: tuple[ExpertSettings, ...], classes: list[str], fusion: FusionSettings, rare: float = 0.0
) -> Classifier:
    router = ReliabilitySettings(rare_class_power=rare)
    return Classifier(ModelSettings(text=True, classes=tuple(classes), experts=experts, fusion=fusion, router=router))


def prequential(model: Classifier, texts: Sequence[str], y: Ints) -> Ints:
    said = []
    for lo in range(0, len(texts), READ):
        some = texts[lo : lo + READ]
        betp = model.learn_at_once(Batch.of(np.zeros((len(some), 0)), some), y[lo : lo + READ], np.ones(len(some)))
        said.append(betp.argmax(axis=1))
    return np.concatenate(said)


def ours(texts: list[str], labels: list[str]) -> None:
    classes = sorted(set(labels))
    y = np.array([classes.index(label) for label in labels], np.int64)
    cut = int(0.7 * len(texts))
    fused = (SS3Settings(), LinearTextSettings())
    pools: dict[str, tuple[tuple[ExpertSettings, ...], FusionSettings, float]] = {
        "SS3": ((SS3Settings(),), FusionSettings(), 0.0),
        "SS3, 3-grams": ((SS3Settings(ngrams=3),), FusionSettings(), 0.0),
        "linear-text": ((LinearTextSettings(),), FusionSettings(), 0.0),
        "SS3 + linear-text, fused": (fused, FusionSettings(prior=0.25), 0.0),
        "  the same, rare classes count more": (fused, FusionSettings(prior=0.25), 0.5),
        "  the same, default prior weight": (fused, FusionSettings(), 0.0),
        "  the same, Dempster's rule": (fused, FusionSettings(prior=0.25, rule="dempster"), 0.0),
        "SS3 3-grams + linear-text, fused": (
            (SS3Settings(ngrams=3), LinearTextSettings()),
            FusionSettings(prior=0.25),
            0.0,
        ),
    }
    for name, (experts, fusion, rare) in pools.items():
        start = time.perf_counter()
        before = told(y, prequential(pool(experts, classes, fusion, rare), texts, y))
        model = pool(experts, classes, fusion, rare)
        prequential(model, texts[:cut], y[:cut])
        later = model.score(Batch.of(np.zeros((len(texts) - cut, 0)), texts[cut:])).label
        show(name, before, told(y[cut:], later), time.perf_counter() - start)


def rivals(texts: list[str], labels: list[str]) -> None:
    cut = int(0.7 * len(texts))
    words: dict[str, Any] = {"ngram_range": (1, 2), "sublinear_tf": True}
    spelling: dict[str, Any] = {"analyzer": "char_wb", "ngram_range": (2, 5), "sublinear_tf": True}
    models = {
        "scikit-learn naive Bayes, words": make_pipeline(TfidfVectorizer(**words), MultinomialNB()),
        "scikit-learn linear SVM, words": make_pipeline(TfidfVectorizer(**words), LinearSVC()),
        "scikit-learn linear SVM, characters": make_pipeline(TfidfVectorizer(**spelling), LinearSVC()),
    }
    for name, model in models.items():
        start = time.perf_counter()
        said = model.fit(texts[:cut], labels[:cut]).predict(texts[cut:])
        show(name, "", told(labels[cut:], said), time.perf_counter() - start)


def river_said(texts: Sequence[str], labels: Sequence[str], learnt: int) -> list[Any]:
    """What river's pipeline answers to each text before it learns it; after `learnt` texts it learns no more."""
    bag = feature_extraction.BagOfWords(lowercase=True, ngram_range=(1, 2))
    one = linear_model.LogisticRegression(optimizer=optim.AdaGrad(0.5))
    model = bag | (multiclass.OneVsRestClassifier(one) if len(set(labels)) > 2 else one)
    said = []
    for i, (text, label) in enumerate(zip(texts, labels, strict=True)):
        said.append(model.predict_one(text))
        if i < learnt:
            model.learn_one(text, label if len(set(labels)) > 2 else label == max(set(labels)))
    return said


def river(texts: list[str], labels: list[str]) -> None:
    cut, start = int(0.7 * len(texts)), time.perf_counter()
    truth = labels if len(set(labels)) > 2 else [label == max(set(labels)) for label in labels]
    runs = [[str(answer) for answer in river_said(texts, labels, learnt)] for learnt in (len(texts), cut)]
    plain = [str(label) for label in truth]
    show(
        "river bag of words + logistic",
        told(plain, runs[0]),
        told(plain[cut:], runs[1][cut:]),
        time.perf_counter() - start,
    )


# Speed


def best(run: Callable[[], object], runs: int, before: Callable[[], object] = lambda: None) -> float:
    seconds = []
    gc.collect()  # the garbage of one is not to be swept in the other's time
    for _ in range(runs):
        before()
        start = time.process_time()
        run()
        seconds.append(time.process_time() - start)
    return min(seconds)


def taught(texts: Sequence[str], labels: Sequence[str], ngrams: int) -> tuple[SS3, Any]:
    import pyss3

    model = SS3(ngrams=ngrams, max_vocabulary=1_000_000)
    model.learn_many(texts, labels)
    theirs = pyss3.SS3()
    for text, label in zip(texts, labels, strict=True):
        theirs.learn(text, label, n_grams=ngrams, update=False)
    theirs.update_values(force=True)
    return model, theirs


def reading(name: str, texts: list[str], labels: list[str], ngrams: int) -> None:
    """Texts that neither has met, read once: after each has just read others, and after one more was learnt."""
    cut, half = int(0.7 * len(texts)), int(0.85 * len(texts))
    model, theirs = taught(texts[:cut], labels[:cut], ngrams)
    met = texts[: min(cut, 2_000)]

    def again() -> None:
        for _ in range(3):  # as in a process that has run for a while: code loaded, memory had from the system
            model.confidence_many([*texts[:cut], "\u4e2d"])

    def again_and_learn() -> None:
        again()
        model.learn(texts[cut], labels[cut])

    _read(f"{name}, {ngrams}-grams, nothing learnt since", again, model, theirs, met, texts[cut:half])
    theirs.learn(texts[cut], labels[cut], n_grams=ngrams, update=True)
    _read(f"{name}, {ngrams}-grams, one text learnt", again_and_learn, model, theirs, met, texts[half:])


def _read(
    name: str, first: Callable[[], object], model: SS3, theirs: Any, met: Sequence[str], new: Sequence[str]
) -> None:
    # Once: pyss3 remembers the last texts that it cut into words.
    fast = best(lambda: model.confidence_many(new), 1, first) / len(new)
    slow = best(lambda: theirs.predict(new, leave_pbar=False), 1, lambda: theirs.predict(met, leave_pbar=False))
    slow /= len(new)
    words = sum(len(text.split()) for text in new) / len(new)
    print(
        f"{name:44} {1 / fast:10,.0f} texts/s, {words / fast / 1e6:5.1f} M words/s; pyss3 {1 / slow:8,.0f} texts/s:"
        f" {slow / fast:5.0f} times as fast",
        flush=True,
    )


def updating(texts: list[str], labels: list[str]) -> None:
    """One text more, and every value right: how long it takes when 10,000 are learnt."""
    model, theirs = taught(texts[:10_000], labels[:10_000], 1)
    at = iter(range(10_000, len(texts)))

    def learn_and_read() -> None:
        i = next(at)
        model.learn(texts[i], labels[i])
        model.value("the")  # values are computed when they are read: the first one pays for the update

    learn_and_read()
    fast = best(learn_and_read, 200)
    i = 10_000
    slow = best(lambda: theirs.learn(texts[i], labels[i], update=True), 2)
    print(
        f"exact update after 10,000 texts: {1e6 * fast:,.0f} us; pyss3 {1e3 * slow:,.0f} ms:"
        f" {slow / fast:,.0f} times as fast",
        flush=True,
    )


def speed(sets: dict[str, tuple[list[str], list[str]]]) -> None:
    import pyss3

    if version("pyss3") != PYSS3:
        raise SystemExit(f"the rival is pyss3 {PYSS3}, not {version('pyss3')}")
    pyss3.set_verbosity(0)
    print("\nSpeed, one core")
    updating(*sets["hate speech"])
    for name, (texts, labels) in sets.items():
        for ngrams in (1, 3):
            reading(name, texts, labels, ngrams)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="the folder of hate_speech.csv.gz; else BENCHMARK_DATA names it")
    parser.add_argument("--skip-speed", action="store_true")
    parser.add_argument("--skip-quality", action="store_true")
    args = parser.parse_args()
    sets = {"SMS spam": labelled(sms()), "hate speech": labelled(hate(args.data))}
    print((__doc__ or "").splitlines()[0])
    for name, (texts, labels) in {} if args.skip_quality else sets.items():
        print(f"\n{name}, {len(texts)} texts, {len(set(labels))} classes")
        print(f"{'percent':34} {'prequential':>17}   {'held out':>17}")
        print(f"{'':34} {'accuracy macro-F1':>17}   {'accuracy macro-F1':>17}")
        ours(texts, labels)
        rivals(texts, labels)
        river(texts, labels)
    if not args.skip_speed:
        speed(sets)


if __name__ == "__main__":
    main()
