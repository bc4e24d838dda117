"""Known labels: those in the feedback log, so that none is joined twice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from tocsin.streams.state.entries import LmdbEntries, Sequence, decoded

KNOWN, BY_AGE = "known", "known_order"
"""The labels of an event or a subject by its key; the key by its order."""
MAX_CORRECTIONS = 8
"""Labels of one source for one event that are remembered."""
Place = tuple[int, int]
"""Where a label lies in its topic: partition and offset."""


class KnownLabel(NamedTuple):
    """A label of the feedback log."""

    key: bytes
    """Of the event or the subject."""
    source: str
    """Empty for none."""
    label: str
    place: Place | None = None


class _Said(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one source said of an event or a subject."""

    labels: list[str]
    """In the order in which it was said, the last ones."""
    place: Place | None = None
    """Of the last label; None where an older version noted it."""


_DECODER = msgspec.json.Decoder(dict[str, list[str] | _Said])


class KnownLabels:
    """The known labels within one transaction."""

    def __init__(self, entries: LmdbEntries, sequence: Sequence) -> None:
        self._entries = entries
        self._sequence = sequence
        self._last: tuple[bytes, bytes | None] = b"", None
        """The key that was asked for last, and what stands there: one label asks for it several times."""

    def get(self, key: bytes) -> dict[str, str]:
        """The last label in the feedback log for an event or a subject, by source (empty for none)."""
        return {source: said.labels[-1] for source, said in self._of(key).items()}

    def has(self, key: bytes, source: str, label: str) -> bool:
        """Whether a source said so, even if it said otherwise since."""
        said = self._of(key).get(source)
        return said is not None and label in said.labels

    def passed(self, key: bytes, source: str, place: Place) -> bool:
        """Whether the feedback log holds a label of the source that lies here, or behind it in the same partition.

        A label that is read again after it was corrected would else be taken for one more correction.
        """
        said = self._of(key).get(source)
        return said is not None and said.place is not None and said.place[0] == place[0] and said.place[1] >= place[1]

    def add(self, key: bytes, source: str, label: str, most: int, place: Place | None = None) -> None:
        """Note a label of the feedback log; of more than `most` events and subjects the oldest are forgotten."""
        found, only = self._read(key), _only(KnownLabel(key, source, label, place))
        if found == only:
            return
        if found is None:
            self._write(key, only)
            self._entries.put(BY_AGE, self._sequence.next(), key)
            self._shrink(most)
            return
        known = self._of(key)
        said = known.get(source, _Said([]))
        if said.labels[-1:] == [label]:
            return
        known[source] = _Said([*said.labels, label][-MAX_CORRECTIONS:], place)
        self._write(key, msgspec.json.encode(known))

    def add_all(self, labels: Iterable[KnownLabel], most: int) -> None:
        """The same for many labels at once, in their order."""
        labels = list(labels)
        found = self._entries.get_all(KNOWN, [label.key for label in labels])
        new: dict[bytes, bytes] = {}
        written: set[bytes] = set()
        """Keys that have an entry since this call began; whatever else comes of them is added by itself."""
        for label in labels:
            only = _only(label)
            if label.key not in found and label.key not in new and label.key not in written:
                new[label.key] = only
            elif label.key in written or only not in (found.get(label.key), new.get(label.key)):
                self._add_first(new, most)
                written |= new.keys()
                new.clear()
                self.add(*label[:3], most, label.place)
        self._add_first(new, most)

    def known_of(self, keys: Iterable[bytes]) -> set[bytes]:
        """Those of the keys of which labels are known."""
        return set(self._entries.get_all(KNOWN, keys))

    def _add_first(self, new: Mapping[bytes, bytes], most: int) -> None:
        """Note the first labels of events and subjects."""
        if not new:
            return
        self._entries.put_all(KNOWN, list(new.items()))
        self._entries.put_all(BY_AGE, [(self._sequence.next(), key) for key in new])
        self._last = b"", None
        self._shrink(most)

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

    def _of(self, key: bytes) -> dict[str, _Said]:
        found = self._read(key)
        if found is None:
            return {}
        kept = decoded(KNOWN, _DECODER, found)
        return {source: _Said(said) if isinstance(said, list) else said for source, said in kept.items()}

    def _read(self, key: bytes) -> bytes | None:
        if self._last[0] != key:
            self._last = key, self._entries.get(KNOWN, key)
        return self._last[1]

    def _write(self, key: bytes, value: bytes) -> None:
        self._entries.put(KNOWN, key, value)
        self._last = key, value


def _only(label: KnownLabel) -> bytes:
    """The entry of an event or a subject that has this label alone."""
    return msgspec.json.encode({label.source: _Said([label.label], label.place)})
