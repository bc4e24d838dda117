"""The inputs of experts that look at the stream's last labels beside the features."""

from __future__ import annotations

import numpy as np

from tocsin.models.data.batch import Batch, Floats


def label_history_and_features(batch: Batch, history: int, guessed: bool = True) -> Floats:
    """The last labels and then the features with what is guessed of them (`Batch.filled`): float64 [B, history + F],
    NaN for a label that is not known.

    The labels stand first, so that their columns keep their places when features are discovered. Where they are not to
    be `guessed`, features are NaN where they are not known.
    """
    features = batch.filled if guessed else batch.X
    if not history:
        return features
    labels = np.full((len(batch), history), np.nan)
    known = batch.history[:, :history]
    labels[:, : known.shape[1]] = np.where(known >= 0, known, np.nan)
    return np.concatenate([labels, features], axis=1)


def label_history_and_features_of(batch: Batch, i: int, history: int, guessed: bool = True) -> Floats:
    """Row i of `label_history_and_features`, float64 [history + F], without making the others."""
    row: Floats = label_history_and_features(batch.rows(i, i + 1), history, guessed)[0]
    return row
