"""What a device computes for one batch: from the rows of its events to one packed answer, all of it tensors."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from tocsin.kernels.device import combination
from tocsin.kernels.device.mirror import Mirror
from tocsin.kernels.fusion.interface import Rule
from tocsin.models.data.batch import Floats
from tocsin.models.device.forms.form import Form
from tocsin.models.device.forms.novelty import NoveltyDistances
from tocsin.models.device.forms.routers import Fusing, RouterForm
from tocsin.models.device.inputs import Inputs, View

REST = ("uncertainty", "conflict", "used", "moved")


class Operations(NamedTuple):
    """Which operations a program consists of: two programs of one plan are the same, but for what tensors hold."""

    columns: tuple[tuple[View, int, int], ...]
    """The views of a batch that stand in its rows, each with its columns from and to."""
    forms: tuple[int, ...]
    """The experts that the device answers for, in their order."""
    others: tuple[int, ...]
    """The experts that have answered on the CPU; what they said stands behind the views, K columns each."""
    own: tuple[tuple[int, int], ...]
    """The experts whose forms make columns of their own, and how many; these stand behind what was said."""
    experts: int
    classes: int
    groups: tuple[int, ...]
    """[E], by which share each expert was undersampled; -1 where it learns all, or where all learn all now."""
    reader: int
    """The expert whose word on rare classes is read once more; -1 where no class is rare."""
    discounts: bool
    """Whether evidence is discounted class by class."""
    rule: Rule
    prior: float

    @property
    def width(self) -> int:
        """Columns of all views."""
        return self.columns[-1][2] if self.columns else 0


class Program:
    """One plan, ready to run. It gives float64 [B, n], whose parts `parts` names in their order."""

    def __init__(
        self, plan: Operations, forms: list[Form], router: RouterForm, novelty: NoveltyDistances | None, mirror: Mirror
    ) -> None:
        self.plan = plan
        self._forms, self._router, self._novelty, self._mirror = forms, router, novelty, mirror
        alive = torch.zeros(plan.experts, dtype=torch.bool)
        alive[[*plan.forms, *plan.others]] = True
        place = mirror.place
        # Made here, because a capture may not copy from ordinary memory.
        numbers = torch.tensor([plan.prior, 0.0, 0.0, 1.0], dtype=torch.float64, device=place.device)
        self._fusing = Fusing(plan.rule, plan.prior, alive.to(place.device), numbers, place.triton)

    def is_of(self, forms: Sequence[Form | None]) -> bool:
        """Whether its experts are answered for by these forms [E]."""
        return all(forms[e] is own for e, own in zip(self.plan.forms, self._forms, strict=True))

    @property
    def structure(self) -> Hashable:
        """Equal as long as it runs the same operations, see `tocsin.models.device.forms.form.Form.structure`."""
        novelty = None if self._novelty is None else self._novelty.structure
        return tuple(form.structure for form in self._forms), self._router.structure, novelty

    @property
    def parts(self) -> list[tuple[str, int]]:
        """The parts of the answer, and the columns of each."""
        E, K = self.plan.experts, self.plan.classes
        found = [("answers", E * K), ("reliability", E), ("engaged", E), ("belief", K), ("betp", K)]
        if self.plan.discounts:
            found.append(("evidence", E * K))
        if self.plan.reader >= 0:
            found.append(("read", K))
        if self._novelty is not None:
            found.append(("distance", 1))
        return [*found, *((name, 1) for name in REST)]

    def unpacked(self, rows: Floats) -> dict[str, Floats]:
        """The parts [B, n] of a packed answer."""
        found, stop = {}, 0
        for name, width in self.parts:
            found[name] = rows[:, stop : stop + width]
            stop += width
        return found

    def __call__(self, rows: Tensor) -> Tensor:
        """The packed answer for the rows of B events."""
        plan = self.plan
        inputs = Inputs(rows, plan.columns)
        answers = self._answers(inputs, rows[:, plan.width :])
        evidence = answers
        if plan.discounts:
            precision, answered = self._mirror["discount/precision"], self._mirror["discount/answers"]
            evidence = combination.class_discounted(answers, precision, answered, plan.prior)
        rho, engaged, belief, uncertainty, conflict, used = self._router.combined(
            inputs["ranked"], evidence, self._fusing
        )
        betp = combination.raised(combination.pignistic(belief, uncertainty), self._mirror["log_power"])
        found = [answers.flatten(1), rho, engaged.double(), belief, betp]
        if plan.discounts:
            found.append(evidence.flatten(1))
        moved = torch.zeros_like(used, dtype=torch.bool)
        if plan.reader >= 0:
            read, moved = combination.rare_read(betp, answers[:, plan.reader], self._mirror["rare"])
            found.append(read)
        if self._novelty is not None:
            found.append(self._novelty.distances(inputs)[:, None])
        rest = torch.stack([uncertainty, conflict, used.double(), moved.double()], dim=1)
        return torch.cat([*found, rest], dim=1)

    def _answers(self, inputs: Inputs, given: Tensor) -> Tensor:
        """What all experts say [B, E, K], in their order: some of them hear those before."""
        plan, own = self.plan, dict[int, Tensor]()
        start = plan.classes * len(plan.others)
        for e, width in plan.own:
            own[e], start = given[:, start : start + width], start + width
        vacuous = torch.zeros((len(inputs), plan.classes), dtype=torch.float64, device=inputs.place)
        said: list[Tensor] = []
        forms = dict(zip(plan.forms, self._forms, strict=True))
        for e in range(plan.experts):
            if e in plan.others:
                start = plan.classes * plan.others.index(e)
                said.append(given[:, start : start + plan.classes])
            elif e in forms:
                if forms[e].expert.hears:
                    inputs.said = torch.stack(said, dim=1) if said else vacuous[:, None][:, :0]
                inputs.own = own.get(e)
                one = forms[e].evidence(inputs)
                if plan.groups[e] >= 0:
                    one = combination.corrected(one, self._mirror["undersampling"][plan.groups[e]])
                said.append(one)
            else:
                said.append(vacuous)
        return torch.stack(said, dim=1)
