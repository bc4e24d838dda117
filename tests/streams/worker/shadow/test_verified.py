"""What was decided before and after a promotion can be made again: the two configs hand over what is said to be."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Any

import pytest

from ...replay.verify.test_circumstances import CASES, READERS, pairs
from ...replay.verify.verifying import all_good, verify
from ...support import Service, check_chain, drain, running, settings, text_settings
from .beside import choose

OTHERS: dict[str, dict[str, Any]] = {
    "class priors": {"experts": [{"kind": "naive-bayes"}]},
    "traffic": {"experts": [{"kind": "linear"}, {"kind": "naive-bayes"}]},
    "profiles of two partitions": {"experts": [{"kind": "naive-bayes"}], "seed": 2},
    "a budget of reviews": {"abstention": {"cold_start": 5, "budget": 9}, "seed": 2},
    "a budget of alerts": {"alert": {"class": "yes", "budget": "9/hour"}},
    "risk fused": {"seed": 3},
    "risk learnt": {"experts": [*READERS[:2], {**READERS[2], "bits": 13}]},
}


@pytest.mark.parametrize("name", list(OTHERS))
def test_every_decision_around_a_promotion_is_made_again(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    made = text_settings if case.stream == "posts" else settings
    first = made(tmp_path / "one", **case.changes)
    config = first.with_shadow(made(tmp_path / "one", **{**case.changes, **OTHERS[name]}))
    assert config.of_shadow is not None
    service = Service(config, partitions=case.partitions)
    found, number = list(pairs(case))[:400], count()
    changes = {4: config.of_shadow.digest(), 9: config.digest(), 11: config.of_shadow.digest()}
    for half in (found[: len(found) // 2], found[len(found) // 2 :]):
        with running(service) as worker:
            for start in range(0, len(half), 25):
                service.send(*(raw for raw, _ in half[start : start + 25]))
                drain(worker)
                service.tell(*(told for _, told in half[start : start + 25] if told is not None))
                drain(worker)
                if (at := next(number)) in changes:
                    choose(service, changes[at])
                service.clock.move(0.5)
    assert len({d["model"]["settings"] for d in service.decisions}) == 2
    check_chain(service)
    assert all_good(verify(service, tmp_path / "other"), len(found))
