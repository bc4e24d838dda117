"""Simulated card payments (Le Borgne et al., Fraud Detection Handbook) of some customers, with profiles."""

from __future__ import annotations

import csv
import lzma
from functools import cache

import numpy as np

from parts.data import data_file
from parts.generators import Floats, Ints

NAME = "card_payments_simulated.csv.xz"
HOUR, DAY = 3_600.0, 86_400.0
KNOWN_AFTER, FORGOTTEN_AFTER = 7 * DAY, 35 * DAY
"""When the frauds of a terminal are known, and until when they count."""


@cache
def table() -> tuple[Floats, Ints, Ints, Floats, Ints]:
    """Seconds, customer, terminal, amount and fraud of all payments in the order of time."""
    with lzma.open(data_file(NAME), "rt", encoding="utf-8", newline="") as lines:
        rows = np.array(list(csv.reader(lines))[1:])
    whole = rows[:, [0, 1, 2, 4]].astype(np.int64)
    return whole[:, 0].astype(np.float64), whole[:, 1], whole[:, 2], rows[:, 3].astype(np.float64), whole[:, 3]


def payments(events: int, seed: int) -> tuple[Floats, Ints, Ints]:
    """Features [T, F], whether each is a fraud [T], and its customer [T], of customers that the seed draws.

    The features are the amount, the hour, the day of the week, the hours since the customer's last payment, the amount
    beside the mean of the customer's earlier ones, and the number of known frauds of the terminal.
    """
    seconds, customer, terminal, amount, fraud = table()
    everyone = np.random.default_rng(seed).permutation(np.unique(customer))
    counts = np.bincount(customer, minlength=int(customer.max()) + 1)[everyone]
    drawn = everyone[: int(np.searchsorted(counts.cumsum(), events)) + 1]
    at = np.flatnonzero(np.isin(customer, drawn))[:events]
    last: dict[int, float] = {}
    paid: dict[int, tuple[float, int]] = {}
    known = {t: seconds[(terminal == t) & (fraud == 1)] for t in np.unique(terminal[fraud == 1]).tolist()}
    X = np.empty((len(at), 6))
    for i, j in enumerate(at.tolist()):
        who, now = int(customer[j]), float(seconds[j])
        total, number = paid.get(who, (0.0, 0))
        mean = total / number if number else float(amount[j])
        frauds = known.get(int(terminal[j]), np.zeros(0))
        between = np.searchsorted(frauds, [now - FORGOTTEN_AFTER, now - KNOWN_AFTER])
        hours = min((now - last.get(who, now - DAY)) / HOUR, 240.0)
        X[i] = amount[j], now % DAY / HOUR, now // DAY % 7, hours, amount[j] / max(mean, 1.0), between[1] - between[0]
        last[who], paid[who] = now, (total + float(amount[j]), number + 1)
    return X, fraud[at], customer[at]
