"""A mixture scored on a device: evidence, routing, fusion, sharpness, rare classes and distances in one pass.

The CPU learns, and the device holds a copy of what scoring reads. The copy follows before a batch is scored if anything
was learnt since. Experts that have no form answer on the CPU, and what they say travels with the events. One packed
array comes back. The compiled kernels (`tocsin.models.decision.scoring.opinions.CpuScorer`) are the oracle.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable

import numpy as np
import torch
from torch import Tensor

from tocsin.kernels.device.launches import MOST_ROWS, Launches
from tocsin.kernels.device.mirror import Mirror
from tocsin.kernels.device.place import DeviceError, Place
from tocsin.kernels.fusion import Fused
from tocsin.models.data.batch import Batch, Bools, Floats
from tocsin.models.data.subject_text import SubjectText
from tocsin.models.decision.rare_reading import Read
from tocsin.models.decision.scoring.opinions import CPU, BatchOpinions, CpuScorer, Parts, ScoredOn
from tocsin.models.device.forms.form import Copies, Form, form_of
from tocsin.models.device.forms.novelty import NoveltyDistances
from tocsin.models.device.forms.routers import router_form
from tocsin.models.device.inputs import View, packed
from tocsin.models.device.program import Operations, Program
from tocsin.models.routing.combiner import Combined
from tocsin.models.routing.gate import UNASKED, AskingPlan

RESERVE = 0.9
"""The share of a device's free memory that a model may take."""
WORKING_BYTES = 1 << 30
"""What one launch may take beside the model; a batch for which it does not suffice is cut."""
WORKING_NUMBERS = 64
"""Numbers of 8 bytes that a launch holds for each event, expert and class, and for each column of an event."""
PROGRAMS = 64
"""Programs that are kept; the one that was used least lately makes room."""


class DeviceScorer:
    """Scores one mixture at one place. See `tocsin.models.decision.scoring.opinions.Scorer`."""

    def __init__(self, parts: Parts, place: Place) -> None:
        if not place.is_cuda:
            torch.set_num_threads(1)  # small tensors are quicker so, and sums keep one order
        self.place = place
        self._parts = parts
        self._cpu = CpuScorer(parts)
        self._mirror = Mirror(place)
        self._launches = Launches(place)
        self._forms: list[Form | None] = [None] * len(parts.pool)
        self._held: list[object] = [None] * len(parts.pool)
        """The experts that the forms are of: one that begins anew is another object."""
        self._router = router_form(parts.combiner.router, Copies(self._mirror, "router/"))
        self._novelty = None
        if parts.novelty is not None:
            self._novelty = NoveltyDistances(parts.novelty, Copies(self._mirror, "novelty/"))
        self._programs: OrderedDict[Hashable, Program] = OrderedDict()
        self._followed: Hashable = None
        self.learnt = -1
        """How many labels the model had learnt that the copies are of."""
        self.labels_followed = 0
        """Labels that the copies have followed since they were first made."""
        self.bytes_followed = 0
        """Bytes that were sent to follow them."""
        self._left_to_cpu = ""
        """Why the CPU scored the last batch; empty where the device did."""
        self.events = 0
        """Events that the device has scored, and not the CPU."""

    @property
    def standing(self) -> ScoredOn:
        """See `Scorer`."""
        per_label = self.bytes_followed / self.labels_followed if self.labels_followed else None
        place = CPU if self._left_to_cpu else self.place.name
        return ScoredOn(self.place.name, place, self._left_to_cpu, bytes_per_label=per_label)

    def anew(self, parts: Parts) -> DeviceScorer:
        """See `Scorer`."""
        return DeviceScorer(parts, self.place)

    # The copies

    def follow(self, learnt: int) -> None:
        """Bring the copies up to what the model is now, if anything has changed. Raises DeviceError."""
        pool, combiner = self._parts.pool, self._parts.combiner
        state = (learnt, combiner.classes, pool.columns)
        held = all(a is b for a, b in zip(pool.experts, self._held, strict=True))
        if state == self._followed and held:
            return
        self._take_up()
        if self.learnt < 0:
            self._require_memory()
        for form in self._forms:
            if form is not None:
                form.follow()
        if self._novelty is not None:
            self._novelty.follow()
        if self._router is not None:
            self._router.follow(combiner.categories, combiner.classes)
        self._follow_small()
        sent = self._mirror.send()
        if self.learnt >= 0:
            self.labels_followed += max(learnt - self.learnt, 0)
            self.bytes_followed += sent
        self._followed, self.learnt = state, learnt

    def _take_up(self) -> None:
        """Give a form to every expert that has none of its own yet."""
        pool = self._parts.pool
        for e, expert in enumerate(pool.experts):
            if self._held[e] is not expert:
                self._mirror.forget(f"expert.{e}/")
                self._forms[e] = form_of(pool.kinds[e], expert, Copies(self._mirror, f"expert.{e}/"))
                self._held[e] = expert
                self._programs.clear()  # they hold forms of experts that are no more

    def _follow_small(self) -> None:
        combiner = self._parts.combiner
        self._mirror.put("undersampling", self._parts.pool.undersampling.weights())
        self._mirror.put("rare", self._parts.rare.rare)
        self._mirror.put("log_power", np.array(np.log(combiner.router.inverse_temperature)))
        for name, array in combiner.class_discount.state_dict().items():
            self._mirror.put(f"discount/{name}", array)

    @property
    def copied_bytes(self) -> int:
        """What the copies take now."""
        return self._mirror.held

    def bytes_needed(self) -> int:
        """What copies and launches take, known before any is made."""
        self._take_up()
        parts = [*self._forms, self._novelty]
        return sum(part.bytes_needed() for part in parts if part is not None) + WORKING_BYTES

    def _require_memory(self) -> None:
        free, needed = self.place.free_bytes(), self.bytes_needed()
        if free is not None and needed > RESERVE * free:
            raise DeviceError(
                f"{self.place.title} has {free / 2**20:.0f} MiB of memory free, and this model needs "
                f"{needed / 2**20:.0f} MiB with room to work"
            )

    # Scoring

    def opinions(self, batch: Batch, active: Bools, learnt: int, plan: AskingPlan | None = None) -> BatchOpinions:
        """See `Scorer`. Raises DeviceError, or what PyTorch raises where the device fails.

        Where experts are asked in stages, because their votes have margins that are known, the CPU answers.
        """
        if plan is not None and len(plan.front):
            self._left_to_cpu = "experts are asked in stages"
            return self._cpu.opinions(batch, active, learnt, plan)
        with self.place.current():
            return self._scored(batch, active, learnt, plan)

    def _scored(self, batch: Batch, active: Bools, learnt: int, plan: AskingPlan | None) -> BatchOpinions:
        self.follow(learnt)
        asked = active if plan is None else plan.first | (active & self._parts.pool.follows)
        program = self._program(batch, asked)
        if program is None:
            return self._cpu.opinions(batch, active, learnt, plan)
        rows, subject_texts = self._rows(program, batch)
        numbers = WORKING_NUMBERS * (len(active) * program.plan.classes + rows.shape[1])
        most = min(MOST_ROWS, 1 << (max(1, WORKING_BYTES // (8 * numbers)).bit_length() - 1))
        key = (program.plan, program.structure)
        self.events += len(batch)
        answer = self._launches(program, rows, key, self._mirror.generation, most)
        found = self._opinions(program, answer, subject_texts)
        if plan is not None:
            found.answers[:, active & ~asked] = UNASKED
        return found._replace(asked=asked if plan is None else np.tile(asked, (len(batch), 1)))

    def resident(self, batch: Batch, active: Bools, learnt: int) -> Callable[[], Tensor]:
        """What `opinions` computes for a batch whose rows lie on the device already, without any copy: for timing.

        Raises DeviceError where the CPU must answer.
        """
        self.follow(learnt)
        program = self._program(batch, active)
        if program is None:
            raise DeviceError("an expert without a form hears others, or the router has no form")
        there = torch.from_numpy(self._rows(program, batch)[0]).to(self.place.device)

        def run() -> Tensor:
            with torch.inference_mode(), self.place.current():
                return program(there)

        return run

    def _rows(self, program: Program, batch: Batch) -> tuple[Floats, dict[str, list[SubjectText]]]:
        """The rows of B events as a program reads them, and the texts of subjects."""
        plan = program.plan
        asked = np.zeros(plan.experts, np.bool_)
        asked[list(plan.others)] = True
        answers, subject_texts = self._parts.pool.evidence(batch, asked)
        given = answers[:, list(plan.others)].reshape(len(batch), len(plan.others) * plan.classes)
        own = [columns for _, columns in self._own_columns(plan.forms, batch)]
        return np.concatenate([packed(batch, self._views(plan.forms)).rows, given, *own], axis=1), subject_texts

    def _own_columns(self, forms: tuple[int, ...], batch: Batch) -> list[tuple[int, Floats]]:
        """The columns [B, n] that forms make of a batch on the CPU, each with the place of its expert."""
        found = []
        for e in forms:
            form = self._forms[e]
            columns = None if form is None else form.own_columns(batch)
            if columns is not None:
                found.append((e, columns))
        return found

    def _views(self, forms: tuple[int, ...]) -> frozenset[View]:
        views: set[View] = {"ranked"}
        if self._novelty is not None:
            views |= self._novelty.views
        for e in forms:
            form = self._forms[e]
            views |= form.views if form is not None else frozenset()
        return frozenset(views)

    def _program(self, batch: Batch, active: Bools) -> Program | None:
        """The program for such a batch; None where the CPU must answer.

        It must where the router has no form, and where an expert without one hears others, which the device asks.
        """
        pool, _, combiner, rare, _ = self._parts
        there = np.flatnonzero(active).tolist()
        forms = [self._forms[e] for e in there]
        others = tuple(e for e, form in zip(there, forms, strict=True) if form is None)
        hearing = [pool.experts[e].name for e in others if pool.experts[e].hears]
        if self._router is None or hearing:
            self._left_to_cpu = f"{hearing[0]} hears others and has no form" if hearing else "the router has no form"
            return None
        self._left_to_cpu = ""
        known = tuple(e for e, form in zip(there, forms, strict=True) if form is not None)
        all_learnt = bool((pool.undersampling.weights() == 1.0).all())
        plan = Operations(
            columns=packed(batch.rows(0, 0), self._views(known)).columns,
            forms=known,
            others=others,
            own=tuple((e, columns.shape[1]) for e, columns in self._own_columns(known, batch.rows(0, 0))),
            experts=len(active),
            classes=combiner.classes,
            groups=(-1,) * len(active) if all_learnt else tuple(pool.undersampling.groups),
            reader=-1 if rare.reader is None or not rare.rare.any() else rare.reader,
            discounts=bool(combiner.class_discount.state_dict()),
            rule=combiner.rule,
            prior=combiner.prior,
        )
        found = self._programs.pop(plan, None)
        if found is None or not found.is_of(self._forms):
            own = [form for form in forms if form is not None]
            found = Program(plan, own, self._router, self._novelty, self._mirror)
        self._programs[plan] = found
        if len(self._programs) > PROGRAMS:
            self._programs.popitem(last=False)
        return found

    def _opinions(self, program: Program, answer: Floats, subject_texts: dict[str, list[SubjectText]]) -> BatchOpinions:
        found = {name: np.ascontiguousarray(part) for name, part in program.unpacked(answer).items()}
        shape = (len(answer), program.plan.experts, program.plan.classes)
        answers = found["answers"].reshape(shape)
        evidence = found["evidence"].reshape(shape) if "evidence" in found else answers
        uncertainty, conflict = found["uncertainty"][:, 0], found["conflict"][:, 0]
        fused = Fused(found["belief"], uncertainty, conflict, found["used"][:, 0].astype(np.int64))
        power = np.full(len(answer), self._parts.combiner.router.inverse_temperature)
        combined = Combined(evidence, found["reliability"], found["engaged"] > 0.5, fused, found["betp"], power)
        read = Read(found.get("read", found["betp"]), found["moved"][:, 0] > 0.5)
        distance = found["distance"][:, 0] if "distance" in found else None
        return BatchOpinions(answers, np.zeros(0, np.bool_), combined, read, distance, subject_texts)
