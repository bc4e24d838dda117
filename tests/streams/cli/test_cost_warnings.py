"""`tocsin check` warns of costs under which hardly anything is decided."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tocsin.config import Settings
from tocsin.models.decision.costs import expected_costs
from tocsin.streams.cli.cost_warnings import SELDOM, cost_warnings

from .test_commands import tocsin


def made(costs: dict[str, Any], abstain_cost: float, classes: tuple[str, ...] = ("ok", "fraud")) -> Settings:
    abstention = {"controls": "cost", "costs": costs, "abstain_cost": abstain_cost}
    return Settings(schema={"text": "t"}, classes=classes, abstention=abstention)


def test_a_cost_of_fifty_beside_an_abstention_of_a_half_is_warned_of(tmp_path: Path) -> None:
    [line] = cost_warnings(made({"fraud": {"ok": 50}}, 0.5))
    assert "'ok' is decided only where 'fraud' is at most 1.00% probable" in line
    path = tmp_path / "c.yaml"
    path.write_text(
        "schema: {features: [{name: a}]}\nclasses: [ok, fraud]\nexperts: [{kind: persistence}]\n"
        "abstention: {controls: cost, costs: {fraud: {ok: 50}}, abstain_cost: 0.5}\n"
    )
    result = tocsin("check", path)
    assert result.exit_code == 0
    assert "warning: abstention.costs: 'ok' is decided only where" in result.stderr


def test_costs_that_decide_are_not_warned_of() -> None:
    assert cost_warnings(made({"fraud": {"ok": 5}}, 0.5)) == []
    assert cost_warnings(made({}, 0.1)) == []
    assert cost_warnings(Settings(schema={"text": "t"})) == []


def test_costs_under_which_nothing_is_ever_decided_are_said_to_be_such() -> None:
    for costs, abstain_cost in (({}, 0.0), ({"ok": {"ok": 1}, "fraud": {"fraud": 1}}, 0.5)):
        [line] = cost_warnings(made(costs, abstain_cost))
        assert "every event is abstained from" in line
    [line] = cost_warnings(made({"ok": {"ok": 1}}, 0.5))
    assert line.startswith("abstention.costs: 'ok' is never decided")


def test_without_classes_the_costs_name_them() -> None:
    [line] = cost_warnings(made({"fraud": {"ok": 50}}, 0.5, classes=()))
    assert "'ok'" in line


@pytest.mark.parametrize("cost", [2, 20, 30, 50, 1_000])
def test_the_share_that_is_told_is_where_the_costs_begin_to_abstain(cost: float) -> None:
    config = made({"fraud": {"ok": cost}}, 0.5)
    limit = 0.5 / cost
    for rare, decides in ((limit * 0.99, True), (limit * 1.01, False)):
        betp = np.array([[1 - rare, rare]])
        costs = expected_costs(betp, config.classes, config.abstention.costs)
        assert bool(costs[0, 0] <= 0.5) is decides
    assert bool(cost_warnings(config)) is (limit <= SELDOM)
