"""Workers that are killed again and again, and a broker that crashes: everything is there exactly once."""

from __future__ import annotations

from pathlib import Path

import pytest

from ..brokers import ApacheKafka
from .exactly_once import Storm, check_exactly_once, weather

SHORT = Storm(events=6_000, labels=4_000, kills=12, broker_kills=1, batch=50)
LONG = Storm(
    events=200_000, labels=50_000, kills=50, broker_kills=5, worker_pauses=6, broker_pauses=3, joins=12, seconds=1_200.0
)

pytestmark = pytest.mark.broker


@pytest.mark.acceptance
@pytest.mark.timeout(300, func_only=True)
def test_no_kill_of_workers_or_broker_loses_or_doubles_anything(
    own_apache: ApacheKafka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = weather(SHORT, own_apache, tmp_path, monkeypatch, seed=14)
    check_exactly_once(settings, SHORT)


@pytest.mark.proof
@pytest.mark.timeout(3_600, func_only=True)
def test_no_storm_of_kills_pauses_joins_and_leaves_loses_or_doubles_anything(
    own_apache: ApacheKafka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = weather(LONG, own_apache, tmp_path, monkeypatch, seed=15)
    check_exactly_once(settings, LONG)
