"""Naive Bayes on a device."""

from __future__ import annotations

import numpy as np
import pytest

from tocsin.config.experts.naive_bayes import NaiveBayesSettings
from tocsin.kernels.device import pieces
from tocsin.models.experts.naive_bayes import NaiveBayesExpert

from .form_behaviour import FormBehaviour
from .taught import Taught


class TestNaiveBayes(FormBehaviour):
    kind = "naive-bayes"

    @staticmethod
    def new(nominal: list[bool], heard: int) -> NaiveBayesExpert:
        return NaiveBayesExpert(NaiveBayesSettings(buckets=16, fading_factor=0.99), nominal)

    def most_bytes(self, taught: Taught) -> int:
        """The moments of one class and its weight, a count a category, what is known of all, and three numbers."""
        expert = taught.expert
        assert isinstance(expert, NaiveBayesExpert)
        F, N = taught.columns, int(expert.nominal.sum())
        return 8 * (3 * F + 1) + 16 * taught.classes + 16 * N + 16 * F + 8 * N + 8 * 3

    @pytest.mark.parametrize("stream", ["gaps", "huge"])
    def test_in_pieces_it_says_the_same(self, stream: str, monkeypatch: pytest.MonkeyPatch) -> None:
        taught = self.taught(stream, columns=9)
        taught.learn(100)
        taught.send()
        batch = taught.asked(30)
        told = taught.told(batch)
        monkeypatch.setattr(pieces, "AT_ONCE", 5)
        np.testing.assert_allclose(taught.told(batch), told, rtol=1e-12)

    def test_a_unit_that_begins_anew_sends_all(self) -> None:
        taught = self.taught("categories")
        taught.learn(10)
        taught.send()
        taught.learn(30_000)
        taught.send()
        self.agrees(taught)
