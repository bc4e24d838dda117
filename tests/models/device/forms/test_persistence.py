"""The last known label on a device."""

from __future__ import annotations

from typing import Literal

from tocsin.config.experts.persistence import PersistenceSettings
from tocsin.models.data.batch import Batch
from tocsin.models.experts.persistence import PersistenceExpert

from .form_behaviour import FormBehaviour
from .taught import Taught


class PersistenceBehaviour(FormBehaviour):
    kind = "persistence"
    by: Literal["stream", "subject"] = "stream"

    @classmethod
    def new(cls, nominal: list[bool], heard: int) -> PersistenceExpert:
        return PersistenceExpert(PersistenceSettings(by=cls.by))

    def most_bytes(self, taught: Taught) -> int:
        """It has no state."""
        return 0

    def test_without_a_history_nothing_is_known(self) -> None:
        taught = self.taught("numbers")
        taught.send()
        assert not taught.told(Batch.of(taught.asked(4).X)).any()


class TestByStream(PersistenceBehaviour):
    by = "stream"


class TestBySubject(PersistenceBehaviour):
    by = "subject"
