"""Known labels: those in the feedback log, so that none is joined twice."""

from __future__ import annotations

from functools import lru_cache

import msgspec

from tocsin.streams.state.entries import Entries, Sequence, decoded

KNOWN, BY_AGE = "known", "known_order"
"""The labels of an event or a subject by its key; the key by its order."""
MAX_CORRECTIONS = 8
"""Labels of one source for one event that are remembered."""
_DECODER = msgspec.json.Decoder(dict[str, list[str]])


@lru_cache(maxsize=1_024)
def _one_label(source: str, label: str) -> bytes:
    """The entry of an event that has one label."""
    return msgspec.json.encode({source: [label]})


class KnownLabels:
    """The known labels within one transaction."""

    def __init__(self, entries: Entries, sequence: Sequence) -> None:
        self._entries = entries
        self._sequence = sequence
        self._last: tuple[bytes, bytes | None] = b"", None
        """The key that was asked for last, and what stands there: one label asks for it several times."""

    def get(self, key: bytes) -> dict[str, str]:
        """The last label in the feedback log for an event or a subject, by source (empty for none)."""
        return {source: labels[-1] for source, labels in self._of(key).items()}

    def has(self, key: bytes, source: str, label: str) -> bool:
        """Whether a source said so, even if it said otherwise since."""
        return label in self._of(key).get(source, [])

    def add(self, key: bytes, source: str, label: str, most: int) -> None:
        """Note a label of the feedback log; of more than `most` events and subjects the oldest are forgotten."""
        found, only = self._read(key), _one_label(source, label)
        if found == only:
            return
        if found is None:
            self._write(key, only)
            self._entries.put(BY_AGE, self._sequence.next(), key)
            self._shrink(most)
            return
        known = decoded(KNOWN, _DECODER, found)
        labels = known.setdefault(source, [])
        if labels[-1:] == [label]:
            return
        known[source] = [*labels, label][-MAX_CORRECTIONS:]
        self._write(key, msgspec.json.encode(known))

    def count(self) -> int:
        """Of how many events and subjects labels are known."""
        return self._entries.count(KNOWN)

    def _shrink(self, most: int) -> None:
        if self.count() <= most:
            return
        for order, key in self._entries.walk(BY_AGE):
            if self.count() <= most:
                break
            self._entries.delete(KNOWN, key)
            self._last = b"", None
            self._entries.delete(BY_AGE, order)

    def _of(self, key: bytes) -> dict[str, list[str]]:
        found = self._read(key)
        return {} if found is None else decoded(KNOWN, _DECODER, found)

    def _read(self, key: bytes) -> bytes | None:
        if self._last[0] != key:
            self._last = key, self._entries.get(KNOWN, key)
        return self._last[1]

    def _write(self, key: bytes, value: bytes) -> None:
        self._entries.put(KNOWN, key, value)
        self._last = key, value
