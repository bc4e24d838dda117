"""What the experts say of a batch and what it amounts to, and who works it out: the CPU, or a device."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from tocsin.models.data.batch import Batch, Bools, Floats
from tocsin.models.data.subject_text import SubjectText
from tocsin.models.decision.novelty import Novelty
from tocsin.models.decision.rare_reading import RareReading, Read
from tocsin.models.experts.pool import ExpertPool
from tocsin.models.routing.asking import ask
from tocsin.models.routing.combiner import Combined, Combiner
from tocsin.models.routing.gate import AskingPlan, EngagementGate

CPU = "cpu"


class BatchOpinions(NamedTuple):
    """What the experts say of B events, and what it amounts to."""

    answers: Floats
    """[B, E, K], the evidence as the experts gave it."""
    asked: Bools
    """[B, E], who was asked; [E] where the same experts were asked about all events."""
    combined: Combined
    read: Read
    """The probabilities after the second reading of rare classes."""
    distance: Floats | None
    """[B], how far each event is from what was labelled of late; None where it was not asked."""
    subject_texts: dict[str, list[SubjectText]]
    """By expert of whole subjects: the subject text state after each event."""


class Parts(NamedTuple):
    """The parts of a mixture that scoring reads."""

    pool: ExpertPool
    gate: EngagementGate
    combiner: Combiner
    rare: RareReading
    novelty: Novelty | None
    """None where nobody asks how far events are from what was labelled."""


class ScoredOn(NamedTuple):
    """Where a mixture is scored, and why."""

    asked: str = CPU
    """What the config asks for: `kernels.device`."""
    place: str = CPU
    """Where batches are scored now: `cpu`, `torch-cpu` or `cuda:N`."""
    reason: str = ""
    """Why it is there, where the config alone does not say: what failed, or what was measured."""
    failures: int = 0
    """How often a batch had to be scored on the CPU after all, because the device failed."""
    bytes_per_label: float | None = None
    """What following one label took to send to the device, on the mean; None before there was one."""


ON_CPU = ScoredOn()
"""Where a model is scored whose config asks for nothing else."""


class Scorer(Protocol):
    """Works out opinions. Pure: nothing of the model changes."""

    @property
    def standing(self) -> ScoredOn:
        """Where it scores."""
        ...

    def anew(self, parts: Parts) -> Scorer:
        """A scorer like this one for other parts, or for the same ones after a state was loaded into them."""
        ...

    def opinions(self, batch: Batch, active: Bools, learnt: int, plan: AskingPlan | None = None) -> BatchOpinions:
        """The opinions on B events as `Preparation.apply` gives them.

        The experts that are not `active` [E] say nothing; `learnt` is how many labels the model has learnt. A `plan`
        says whom to ask first, see `tocsin.models.routing.asking`; without one all are asked.
        """
        ...


class CpuScorer:
    """Scores by the compiled kernels, which are the oracle of every device."""

    def __init__(self, parts: Parts, standing: ScoredOn = ON_CPU) -> None:
        """`standing` says why it is the CPU, where a config asks for something else."""
        self._parts = parts
        self.standing = standing

    def anew(self, parts: Parts) -> CpuScorer:
        """See `Scorer`."""
        return CpuScorer(parts, self.standing)

    def opinions(self, batch: Batch, active: Bools, learnt: int, plan: AskingPlan | None = None) -> BatchOpinions:
        """See `Scorer`."""
        pool, gate, combiner, rare, _ = self._parts
        answers, subject_texts, asked = ask(pool, gate, combiner, batch, active, plan)
        combined = combiner.combine(batch.ranked, answers, asked)
        return BatchOpinions(
            answers, asked, combined, rare.read(combined.betp, answers, rare.rare), None, subject_texts
        )
