"""Does a service at its defaults find frauds, where labels are hours or days late and people look at few payments?

Forty thousand simulated card payments (`parts/cards.py`), of which nine in a thousand are frauds, as their producer
sends them: JSON whose features a new user's config names by dot paths, which asks for alerts on `fraud` for 0.5% of
the events and leaves all else at its defaults. Labels become known between 2 and 48 hours after their payments. The
payments go

- through `tocsin replay --in-process`, which learns each label at its own time;
- through `tocsin run` on the embedded broker, to which `tocsin replay` sends payments and labels in that order;
- through river's logistic regression, standardised and with frauds oversampled to one in ten, which learns the same
  labels at the same times, and whose probabilities raise alerts by the same budget: all payments in one row, as in a
  replay, and by the partitions that the service has.

Printed are the recall of the surest 0.5%, sorted afterwards over all payments, the recall of the alerts that were
really raised, the area under the precision-recall curve (average precision), how many frauds are in their prediction
sets, and how many payments are decided. Nobody is judged by payments that came before its first label.

    BENCHMARK_DATA=folder python benchmarks/payments.py [--payments 40000] [--seed 0] [--rate 250] [--partitions 4]
                                                        [--no-service] [--show]

With `--show` the tables that `tocsin replay` prints for people are shown, too.
"""

from __future__ import annotations

import argparse
import heapq
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import orjson
from parts.cards import payments
from parts.generators import Floats, Ints

from tocsin.config import Settings, load
from tocsin.config.alert.budget import rate_of
from tocsin.streams.transport.base import Transport
from tocsin.streams.transport.embedded import EmbeddedBroker
from tocsin.streams.transport.kafka import KafkaTransport
from tocsin.streams.transport.memory.partitioner import partition_of
from tocsin.streams.worker.deciding.alert_budget import alert_budget

START, HOUR = 1_522_540_800_000, 3_600_000
ALERTS = 0.005
FEATURES = ("amount", "hour", "weekday", "hours_since_last", "times_usual", "known_frauds")
PLACES = {"amount": "card", "hour": "at", "weekday": "at", "hours_since_last": "customer", "times_usual": "customer",
          "known_frauds": "terminal"}  # fmt: skip
"""Under which key of a payment each feature stands."""
CONFIG = """\
name: payments
schema:
  id: payment.id
  subject: customer.id
  time: payment.time
  features:
{features}
classes: [ok, fraud]
alert: {{class: fraud, budget: 0.5%}}
replay: {{label: verdict.label, label_time: verdict.known}}
"""
PATIENCE = 120.0
"""Seconds without a further decision after which the service is given up."""


class Made(NamedTuple):
    """N payments in the order of time."""

    X: Floats
    fraud: Ints
    times: Ints
    """Epoch milliseconds."""
    known: Ints
    """When each label became known."""


class Found(NamedTuple):
    """What a model found."""

    auprc: float | None
    surest: float | None
    """The recall of the surest 0.5%."""
    alerts: int | None
    alert_recall: float | None
    in_set: float | None = None
    """How many of the frauds are in their prediction sets, where 0.9 are promised once a class is known to be rare."""
    decided: float | None = None


def made(count: int, seed: int) -> tuple[Made, list[str]]:
    """Payments of the customers that a seed draws, and their customers."""
    X, fraud, customer = payments(count, seed)
    # Hours of the day, days of the week: the weeks are those in which the same weekday comes again.
    days = np.concatenate([[0.0], np.cumsum(np.diff(X[:, 2]) % 7)])
    times = (START + (days * 24 + X[:, 1]) * HOUR).astype(np.int64)
    late = np.random.default_rng(seed).uniform(2, 48, len(X)) * HOUR
    return Made(X, fraud, times, times + late.astype(np.int64)), [f"c{one}" for one in customer.tolist()]


def write(some: Made, customers: list[str], directory: Path) -> tuple[Path, Path]:
    """The config of a new user, and the payments as lines of JSON."""
    listed = "\n".join(f"    - {{name: {name}, path: {PLACES[name]}.{name}}}" for name in FEATURES)
    config, past = directory / "payments.yaml", directory / "payments.jsonl"
    config.write_text(CONFIG.format(features=listed))
    with past.open("wb") as file:
        for i, row in enumerate(some.X.tolist()):
            payment: dict[str, Any] = {"payment": {"id": f"p{i}", "time": int(some.times[i])}}
            payment["customer"] = {"id": customers[i]}
            for name, value in zip(FEATURES, row, strict=True):
                payment.setdefault(PLACES[name], {})[name] = value
            payment["verdict"] = {"label": "fraud" if some.fraud[i] else "ok", "known": int(some.known[i])}
            file.write(orjson.dumps(payment) + b"\n")
    return config, past


def average_precision(score: Floats, fraud: Ints) -> float:
    found = fraud[np.argsort(-score, kind="stable")]
    return float((np.cumsum(found) / np.arange(1, len(found) + 1) * found).sum() / found.sum())


def recall(score: Floats, fraud: Ints) -> float:
    """That of the surest."""
    return float(fraud[np.argsort(-score, kind="stable")[: int(ALERTS * len(score))]].sum() / fraud.sum())


def by_river(some: Made, seed: int, customers: list[str], partitions: int) -> Found:
    """River's logistic regression, which learns a label before the first payment that is no earlier."""
    from river import imblearn, linear_model, preprocessing

    inner: Any = preprocessing.StandardScaler() | linear_model.LogisticRegression()
    model: Any = imblearn.RandomOverSampler(inner, desired_dist={0: 0.9, 1: 0.1}, seed=seed)
    score, rows, due = np.zeros(len(some.X)), some.X.tolist(), list[tuple[int, int]]()
    budgets, alerts = [alert_budget(rate_of("0.5%")) for _ in range(partitions)], list[int]()
    for i, row in enumerate(rows):
        while due and due[0][0] <= some.times[i]:
            j = heapq.heappop(due)[1]
            model.learn_one(dict(enumerate(rows[j])), int(some.fraud[j]))
        score[i] = model.predict_proba_one(dict(enumerate(row))).get(1, 0.0)
        budget = budgets[partition_of(customers[i].encode(), partitions)]
        if budget.offer(0, 0, float(score[i])) is not None:
            alerts.append(i)
        heapq.heappush(due, (int(some.known[i]), i))
    told = len(alerts), float(some.fraud[alerts].sum() / some.fraud.sum())
    since = some.times >= some.known.min()
    return Found(average_precision(score[since], some.fraud[since]), recall(score[since], some.fraud[since]), *told)


def tocsin(*arguments: Any, **environment: str) -> str:
    command = [sys.executable, "-m", "tocsin.streams.cli", *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, **environment}).stdout


def by_replay(config: Path, past: Path, show: bool) -> Found:
    report = json.loads(tocsin("replay", config, past, "--in-process", "--report", "json").splitlines()[-1])
    if show:
        print(tocsin("replay", config, past, "--in-process"))
    rare = report["rare"]
    told = rare["auprc"], rare["recall_of_surest"]["0.5%"], rare["alerts"], rare["alert_recall"]
    return Found(*told, report["classes"]["fraud"]["in_set"], report["coverage"])


@contextmanager
def service(config: Path, environment: dict[str, str]) -> Iterator[None]:
    """`tocsin run` until the block ends."""
    command = [sys.executable, "-m", "tocsin.streams.cli", "run", str(config)]
    with tempfile.NamedTemporaryFile() as log:
        process = subprocess.Popen(command, env={**os.environ, **environment}, stderr=log, start_new_session=True)
        try:
            while b"ready:" not in Path(log.name).read_bytes():
                if process.poll() is not None:
                    raise SystemExit(Path(log.name).read_text()[-2_000:])
                time.sleep(0.2)
            yield
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)


def by_service(some: Made, config: Path, past: Path, given: argparse.Namespace, directory: Path) -> Found:
    """What stands in the topics of a running service once it has decided all payments."""
    with EmbeddedBroker() as broker:
        environment = {"TOCSIN_KAFKA__BOOTSTRAP": broker.bootstrap, "TOCSIN_STATE__DIRECTORY": str(directory / "state")}
        environment["TOCSIN_TOPICS__PARTITIONS"] = str(given.partitions)
        tocsin("topics", "create", config, **environment)
        settings = load(config)
        settings = settings.model_copy(
            update={"kafka": settings.kafka.model_copy(update={"bootstrap": broker.bootstrap})}
        )
        reader = KafkaTransport(settings.kafka, group="benchmark", client_id="benchmark")
        with service(config, environment):
            tocsin("replay", config, past, "--rate", given.rate, **environment)
            wait(reader, settings, len(some.X))
        score, alerts = np.zeros(len(some.X)), set[str]()
        judged = np.zeros(len(some.X), np.bool_)
        covered, decided = 0, 0
        for decision in values(reader, settings.topics.decisions):
            belief, i = decision["belief"], int(decision["event"][1:])
            covered += bool(some.fraud[i]) and "fraud" in decision["set"]
            decided += decision["status"] == "decided"
            judged[i] = decision["model"]["feedback_offset"] > 0
            score[i] = belief.get("fraud", 0.0) + decision["uncertainty"] / 2
        for alert in values(reader, settings.topics.alerts):
            alerts.add(alert["event"])
        reader.close()
    hits = sum(int(some.fraud[int(event[1:])]) for event in alerts)
    told = recall(score[judged], some.fraud[judged])
    frauds = int(some.fraud.sum())
    shares = (len(alerts), hits / frauds, covered / frauds, decided / len(some.X))
    return Found(average_precision(score[judged], some.fraud[judged]), told, *shares)


def wait(reader: Transport, settings: Settings, count: int) -> None:
    """Until so many payments were decided."""
    decided, since = 0, time.monotonic()
    while decided < count:
        if time.monotonic() - since > PATIENCE:
            raise SystemExit(f"only {decided:,} of {count:,} payments were decided")
        time.sleep(0.5)
        now = sum(reader.end_offsets(settings.topics.decisions).values())
        decided, since = now, time.monotonic() if now > decided else since


def values(reader: Transport, topic: str) -> Iterator[dict[str, Any]]:
    for partition, end in reader.end_offsets(topic).items():
        for record in reader.read(partition, 0, end):
            yield orjson.loads(record.value or b"null")


def figure(value: float | None) -> str:
    return "" if value is None else f"{value:,}" if isinstance(value, int) else f"{value:.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--payments", type=int, default=40_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rate", type=float, default=250.0, help="payments a second that the service is sent")
    parser.add_argument("--partitions", type=int, default=4, help="of the events, as the service makes them by default")
    parser.add_argument("--no-service", action="store_true")
    parser.add_argument("--show", action="store_true", help="what tocsin replay prints for people")
    given = parser.parse_args()
    some, customers = made(given.payments, given.seed)
    print(f"{len(some.X):,} payments, {some.fraud.mean():.2%} frauds, labels 2 to 48 hours late\n")
    print(f"{'':28}{'surest 0.5%':>12}{'alerts':>8}{'their recall':>14}{'AUPRC':>8}{'in sets':>9}{'decided':>9}")
    with tempfile.TemporaryDirectory(prefix="tocsin-payments-") as temporary:
        directory = Path(temporary)
        config, past = write(some, customers, directory)
        runs = {
            "river, oversampled": lambda: by_river(some, given.seed, customers, 1),
            "the same in partitions": lambda: by_river(some, given.seed, customers, given.partitions),
            "tocsin replay": lambda: by_replay(config, past, given.show),
            "tocsin run": lambda: by_service(some, config, past, given, directory),
        }
        for name, run in runs.items():
            if name == "tocsin run" and given.no_service:
                continue
            found = run()
            cells = f"{figure(found.surest):>12}{figure(found.alerts):>8}{figure(found.alert_recall):>14}"
            shares = f"{figure(found.auprc):>8}{figure(found.in_set):>9}{figure(found.decided):>9}"
            print(f"{name:28}{cells}{shares}", flush=True)


if __name__ == "__main__":
    main()
