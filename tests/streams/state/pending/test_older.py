"""What earlier versions kept of pending events is taken over."""

from __future__ import annotations

from pathlib import Path

import orjson

from tocsin.streams.state.entries import fingerprint
from tocsin.streams.state.store import State
from tocsin.streams.wire.encode import encode

MIB = 1024 * 1024


def test_pending_events_of_a_format_before_are_taken_over(tmp_path: Path) -> None:
    kept = (Path(__file__).parents[2] / "older" / "pending_format_3.json").read_bytes()
    key, subject_key, order = fingerprint("e133"), fingerprint("s3"), (7).to_bytes(8, "big") + (1).to_bytes(8, "big")
    state = State(tmp_path, MIB)
    with state.transaction() as t:
        t.notes.set("format", b"3")
        t.entries.put("pending", key, order + subject_key + kept)
        t.entries.put("pending_order", order, key)
        t.entries.put("posts", subject_key + order, key)
        t.entries.put("labelled", key, b"")
    state.close()
    state = State(tmp_path, MIB)
    with state.transaction() as t:
        [pending] = t.pending.of_subject("s3", 9)
        assert pending == t.pending.get("e133")
        found, before = pending.unpacked(), orjson.loads(kept)
        assert orjson.loads(encode(found.event)) == before["event"]
        assert found.decision is not None
        assert orjson.loads(encode(found.decision)) == before["decision"]
        assert found.context is not None
        seen = before["saw"]
        assert found.context.nonconformity == seen.pop("strangeness")
        assert found.context.evidence == seen["evidence"]
        assert [t.entries.count(name) for name in ("pending", "pending_order", "posts")] == [0, 0, 0]
        assert (t.pending.count_of([pending.partition]), t.pending.count_labelled_of([pending.partition])) == (1, 1)
        assert t.pending.expire(8, 10, MIB) == 1
        assert t.notes.get("format") == b"9"
    state.close()
