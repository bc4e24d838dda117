"""The rules of fusion by their definitions: sums over pairs of focal sets, and the formulae as written."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

Mass = dict[frozenset[int], Fraction]


# The oracles


def mass_of(evidence: list[float], rho: float, prior: float) -> Mass:
    """The discounted opinion as masses of focal sets, exactly."""
    total = sum(map(Fraction, evidence)) + Fraction(prior)
    mass: Mass = {frozenset([k]): Fraction(rho) * Fraction(e) / total for k, e in enumerate(evidence)}
    theta = frozenset(range(len(evidence)))
    mass[theta] = mass.get(theta, Fraction(0)) + 1 - sum(mass.values())
    return mass


def conjunction(one: Mass, other: Mass) -> Mass:
    """The unnormalised conjunctive combination: every pair of focal sets gives its product to their intersection."""
    result: Mass = {}
    for (a, p), (b, q) in itertools.product(one.items(), other.items()):
        result[a & b] = result.get(a & b, Fraction(0)) + p * q
    return result


def dempster(masses: list[Mass]) -> Mass:
    result = masses[0]
    for mass in masses[1:]:
        result = conjunction(result, mass)
        conflict = result.pop(frozenset(), Fraction(0))
        result = {a: p / (1 - conflict) for a, p in result.items()}
    return result


def by_formula(rule: str, evidence: list[list[float]], rho: list[float], prior: float) -> tuple[list[float], float]:
    """The notes' table, line by line."""
    K, E = len(evidence[0]), len(evidence)
    b, u = [], []
    for e, r in zip(evidence, rho, strict=True):
        S = sum(e) + prior
        b.append([r * x / S for x in e])
        u.append(1 - r + r * prior / S)
    P = []
    for k in range(K):
        r_k = [b[e][k] / u[e] for e in range(E)]
        P.append(
            {
                "dempster": math.prod(1 + r for r in r_k),
                "cautious": max(1 + r for r in r_k),
                "cumulative": 1 + sum(r_k),
                "averaging": 1 + sum(r_k) / E,
                "murphy": (1 + (sum(b[e][k] for e in range(E)) / E) / (sum(u) / E)) ** E,
            }[rule]
        )
    Z = sum(P) - (K - 1)
    return [(p - 1) / Z for p in P], 1 / Z


def conflict_by_pairs(evidence: list[list[float]], rho: list[float], prior: float) -> float:
    b = [[r * x / (sum(e) + prior) for x in e] for e, r in zip(evidence, rho, strict=True)]
    pairs = list(itertools.permutations(range(len(b)), 2))
    total = sum(b[i][k] * b[j][m] for i, j in pairs for k in range(len(b[0])) for m in range(len(b[0])) if k != m)
    return total / len(pairs) if pairs else 0.0


# Inputs
