"""When to keep silent: adaptive conformal inference on the pignistic probability, fed by late labels.

An event's score for a class is 1 - BetP of the class. A class belongs to the prediction set when its score is at most
the threshold, a quantile of the scores that recent labelled events gave their true classes. The quantile's level
follows Gibbs & Candes 2021, alpha_{t+1} = alpha_t + gain (alpha - err_t), with err_t judged against the threshold
that judged the event itself, and with a gain that shrinks as labels come later: an integrator with dead time swings
(the measured traps are in `docs/architecture.md`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.config.model import Abstention as AbstentionSettings
from tocsin.models.batch import Bools, Floats

FULL_GAIN_DELAY = 100
"""Up to this many feedback records between a decision and its label the gain is as configured."""
ALPHA = (0.001, 0.5)
"""The level never leaves this range, so that no run of errors or luck locks the threshold open or shut."""
TIE = 1e-9
"""Classes as close as this to the most probable one are as probable: nothing but their order tells them apart."""
UNCERTAIN, CONFLICT, NOVEL, COLD_START = "uncertain", "conflict", "novel", "cold-start"


def pignistic(belief: Floats, uncertainty: Floats) -> Floats:
    """BetP_k = b_k + u / K, [B, K] (Smets & Kennes 1994)."""
    result: Floats = belief + uncertainty[:, None] / belief.shape[1]
    return result


class Abstention:
    """The online threshold and the rule that follows from it."""

    def __init__(self, settings: AbstentionSettings) -> None:
        self._settings = settings
        self._scores = np.zeros(settings.window)
        self._filled = 0
        self.count = 0
        """Labelled events learnt."""
        self.alpha = settings.error
        self._threshold: float | None = None

    @property
    def cold(self) -> bool:
        """Whether too few labels are known to decide anything."""
        return self.count < max(self._settings.cold_start, 1)

    def threshold(self) -> float:
        """The score up to which a class belongs to the set; infinite while cold."""
        if self.cold:
            return math.inf
        if self._threshold is None:
            # The ceiling of (n + 1)(1 - alpha) gives split conformal prediction its finite-sample guarantee.
            rank = math.ceil((self._filled + 1) * (1.0 - self.alpha)) - 1
            last = self._filled - 1
            scores = self._scores[: self._filled]
            self._threshold = 1.0 if rank > last else float(np.partition(scores, rank)[rank])
        return self._threshold

    def sets(self, betp: Floats) -> Bools:
        """The prediction sets [B, K]; the most probable class is always in, and all of them where several tie."""
        result: Bools = ((1.0 - betp) <= self.threshold()) | (betp >= betp.max(axis=1, keepdims=True) - TIE)
        return result

    def judge(self, betp: Floats, conflict: Floats, distance: Floats) -> tuple[Bools, list[str | None], Bools]:
        """Decide or keep silent.

        Parameters: BetP [B, K]; conflict [B]; distance [B], the farthest standardised feature of each event.
        Returns: decided [B]; the reason of each abstention, None where decided; the prediction sets [B, K].
        """
        sets = self.sets(betp)
        if not self._settings.enabled:
            return np.ones(len(betp), np.bool_), [None] * len(betp), sets
        if self.cold:
            return np.zeros(len(betp), np.bool_), [COLD_START] * len(betp), sets
        decided: Bools = sets.sum(axis=1) == 1
        reasons: list[str | None] = [None] * len(betp)
        for i in np.flatnonzero(~decided):
            reasons[i] = self._reason(float(conflict[i]), float(distance[i]))
        return decided, reasons, sets

    def _reason(self, conflict: float, distance: float) -> str:
        if distance >= self._settings.novelty:
            return NOVEL
        return CONFLICT if conflict >= self._settings.conflict else UNCERTAIN

    def learn(self, score: float, judged_by: float, delay: int) -> None:
        """One late label.

        `score` is 1 - BetP of the true class as it was at the event's time, `judged_by` the threshold then (infinite
        if it was cold), `delay` the feedback records that came between.
        """
        if math.isfinite(judged_by):
            gain = self._settings.gain * min(1.0, FULL_GAIN_DELAY / max(delay, 1))
            self.alpha += gain * (self._settings.error - (score > judged_by))
            self.alpha = min(max(self.alpha, ALPHA[0]), ALPHA[1])
        self._scores[self.count % len(self._scores)] = score
        self.count += 1
        self._filled = min(self.count, len(self._scores))
        self._threshold = None

    def arrays(self) -> dict[str, NDArray[Any]]:
        """See `tocsin.models.expert.Expert`."""
        return {"scores": self._scores, "count": np.array(self.count), "alpha": np.array(self.alpha)}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over a state that `arrays` gave."""
        self._scores = np.array(arrays["scores"])
        self.count, self.alpha = int(arrays["count"]), float(arrays["alpha"])
        self._filled = min(self.count, len(self._scores))
        self._threshold = None
