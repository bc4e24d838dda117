"""A million subjects cost a worker no memory of its own: they live in LMDB's map."""

from __future__ import annotations

from pathlib import Path

import pytest

from tocsin.models.classifier import Classifier
from tocsin.streams.state.peer_baselines import peer_group
from tocsin.streams.state.store import State
from tocsin.streams.wire.decode import Decoder
from tocsin.streams.wire.schema import EventSchema
from tocsin.streams.worker.deciding.decide import Decide

from ...memory import own_bytes
from ..support import START, record, text_settings

SUBJECTS, BATCH = 1_000_000, 1_000


@pytest.mark.proof
@pytest.mark.timeout(3_600)
def test_a_million_subjects_take_less_than_100_mb_beside_the_map(tmp_path: Path) -> None:
    config = text_settings(
        tmp_path,
        experts=[{"kind": "linear-text", "name": "thread", "bits": 14, "scope": "subject"}],
        early_risk={"classes": ["spam"], "policy": "peer-baseline"},
        explanation={"level": "none"},
    )
    decoder = Decoder(EventSchema(config))
    decide = Decide(config, Classifier.from_config(config), decoder)
    state = State(tmp_path / "lmdb", 8 * 2**30)

    def run(lo: int) -> None:
        raw = [
            record({"id": f"m{i}", "subject": f"u{i}", "time": START + i, "text": f"win {i}"})
            for i in range(lo, lo + BATCH)
        ]
        with state.transaction() as t:
            assert len(decide(decoder.events(raw)[0], t, START).outputs) == BATCH

    run(0)  # compiles
    before = own_bytes()
    for lo in range(BATCH, SUBJECTS, BATCH):
        run(lo)
    grown = own_bytes() - before
    with state.transaction() as t:
        assert t.subjects.count() == SUBJECTS
        assert t.subjects.peers(peer_group(config.early_risk))["spam"].sum() == SUBJECTS
        kept = t.subjects.get(f"u{SUBJECTS // 2}")
        assert kept is not None
        assert kept.texts["thread"].ngrams > 0
    state.close()
    print(f"{grown / 2**20:.1f} MiB")
    assert grown < 100e6
