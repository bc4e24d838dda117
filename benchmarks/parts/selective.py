"""How well a confidence tells right answers from wrong ones: what is wrong among the most confident, at any coverage.

An event is accepted where its confidence is among the highest; the risk is the share of wrong answers. Events of one
confidence are accepted together or not at all, so each counts as the mean over every order of them, and no figure
depends on how ties were broken.

Sources: Geifman et al. 2019, arXiv 1805.08206 (AURC, E-AURC); Traub et al. 2024, arXiv 2407.01032 (AUGRC).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from parts.generators import Floats, Ints


class RiskCoverage(NamedTuple):
    """What is accepted as the limit on confidence falls: a point for each number of events accepted, 1 .. B."""

    coverage: Floats
    """[B], the share accepted."""
    wrong: Floats
    """[B], the expected number of wrong answers among those accepted."""

    @property
    def risk(self) -> Floats:
        """[B], the share of wrong answers among those accepted."""
        risk: Floats = self.wrong / np.arange(1, len(self.wrong) + 1)
        return risk


def risk_coverage(confidence: Floats, right: Ints) -> RiskCoverage:
    """The curve of B answers; confidence [B], right [B] in 0 and 1 (or bool)."""
    _, tie, size = np.unique(-confidence, return_inverse=True, return_counts=True)
    errors = np.bincount(tie, weights=1.0 - right.astype(np.float64))
    wrong = np.repeat(errors / size, size).cumsum()
    return RiskCoverage(np.arange(1, len(right) + 1) / len(right), wrong)


def aurc(curve: RiskCoverage) -> float:
    """Area under the risk-coverage curve: the mean risk over all coverages."""
    return float(curve.risk.mean())


def excess_aurc(curve: RiskCoverage) -> float:
    """AURC less that of a confidence which accepts every right answer before the first wrong one."""
    events, errors = len(curve.wrong), round(float(curve.wrong[-1]))
    best = np.maximum(np.arange(1, events + 1) - (events - errors), 0)
    return aurc(curve) - float((best / np.arange(1, events + 1)).mean())


def augrc(curve: RiskCoverage) -> float:
    """Area under the generalised risk (wrong *and* accepted, as a share of all events): 0 .. 1/2."""
    return float(curve.wrong.mean() / len(curve.wrong))


def failure_auroc(confidence: Floats, right: Ints) -> float:
    """How likely a wrong answer is less confident than a right one; a tie counts half. NaN without both."""
    return auroc(-confidence, 1 - right.astype(np.int64))


def auroc(score: Floats, positive: Ints) -> float:
    """How likely a positive event scores higher than a negative one; a tie counts half. NaN without both."""
    _, tie, size = np.unique(score, return_inverse=True, return_counts=True)
    ranks = (size.cumsum() - (size - 1) / 2.0)[tie]
    positives = int(positive.sum())
    negatives = len(positive) - positives
    if not positives or not negatives:
        return float("nan")
    above = ranks[positive == 1].sum() - positives * (positives + 1) / 2.0
    return float(above / (positives * negatives))


def selective_accuracy(curve: RiskCoverage, coverage: float) -> float:
    """The share of right answers among the most confident share `coverage` of all."""
    kept = max(round(coverage * len(curve.wrong)), 1)
    return 1.0 - float(curve.risk[kept - 1])
