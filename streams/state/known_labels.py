"""Known labels: those in the feedback log, so that none is joined twice, and each can be taken back."""

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
    offset: int | None = None
    """Of its feedback record; None until that is read back."""


class TakenBack(NamedTuple):
    """What there was to take back of one source's labels of an event or a subject."""

    owed: list[int]
    """The offsets of feedback records that are to be left out, and that no control record has named yet."""
    on_its_way: bool
    """Whether a label was joined whose feedback record was not read back yet."""
    again: bool
    """Whether the labels of the source were taken back, or left out, before, and it has said nothing since."""


class _Record(msgspec.Struct, array_like=True):
    """One label of a source."""

    label: str
    place: Place | None = None
    offset: int | None = None


class _Said(msgspec.Struct, omit_defaults=True):
    """What one source said of an event or a subject."""

    records: list[_Record] = []
    """In the order in which it was said, the last ones."""
    until: Place | None = None
    """Where its labels were taken back last: those that lie before it do not count."""
    gone: Place | None = None
    """The place of the last label that was left out."""
    found: bool = False
    """Whether any of its labels was taken back, or left out."""
    owed: list[int] = []
    """The offsets of feedback records that were taken back, until a control record names them."""
    labels: list[str] = []
    """What an older version noted, with the place of the last one."""
    place: Place | None = None

    @property
    def last(self) -> str | None:
        """The last label that stands."""
        return self.records[-1].label if self.records else None

    def renewed(self) -> _Said:
        """The same as this version notes it."""
        if not self.labels:
            return self
        records = [*map(_Record, self.labels[:-1]), _Record(self.labels[-1], self.place)]
        return _Said(records)

    def take(self, label: str, place: Place | None, offset: int | None) -> None:
        """Note one more label."""
        for one in self.records if offset is not None else ():
            same = one.offset is None and one.label == label and one.place in (None, place)
            if one.offset == offset or same:
                one.label, one.place, one.offset = label, place, offset  # the class may have another name today
                return
        if offset is None and self.last == label:
            return
        self.records = [*self.records, _Record(label, place, offset)][-MAX_CORRECTIONS:]


_DECODER = msgspec.json.Decoder(dict[str, list[str] | _Said])


class KnownLabels:
    """The known labels within one transaction."""

    def __init__(self, entries: LmdbEntries, sequence: Sequence) -> None:
        self._entries = entries
        self._sequence = sequence
        self._last: tuple[bytes, bytes | None] = b"", None
        """The key that was asked for last, and what stands there: one label asks for it several times."""
        self._owing: set[bytes] = set()

    def get(self, key: bytes) -> dict[str, str]:
        """The last label in the feedback log for an event or a subject, by source (empty for none)."""
        return {source: said.last for source, said in self._of(key).items() if said.last is not None}

    def has(self, key: bytes, source: str, label: str) -> bool:
        """Whether a source said so, even if it said otherwise since."""
        said = self._of(key).get(source)
        return said is not None and any(one.label == label for one in said.records)

    def passed(self, key: bytes, source: str, place: Place) -> bool:
        """Whether the feedback log holds a label of the source that lies here, or behind it in the same partition.

        A label that is read again after it was corrected, or taken back, would else be taken for one more correction.
        """
        said = self._of(key).get(source)
        if said is None:
            return False
        return any(_is_upto(place, other) for other in (said.until, said.gone, *(one.place for one in said.records)))

    def add(
        self, key: bytes, source: str, label: str, most: int, place: Place | None = None, offset: int | None = None
    ) -> None:
        """Note a label of the feedback log; of more than `most` events and subjects the oldest are forgotten.

        One that was taken back before its feedback record came does not count: that record is owed.
        """
        found, only = self._read(key), _only(KnownLabel(key, source, label, place, offset))
        if found == only:
            return
        if found is None:
            self._write_new(key, only, most)
            return
        known = self._of(key)
        said = known.setdefault(source, _Said())
        if _is_upto(place, said.until):
            if offset is not None and offset not in said.owed:
                said.owed = [*said.owed, offset]
                self._owing.add(key)
        else:
            said.take(label, place, offset)
        self._write(key, msgspec.json.encode(known))

    def add_all(self, labels: Iterable[KnownLabel], most: int) -> None:
        """The same for many labels at once, in their order."""
        labels = list(labels)
        found = self._entries.get_all(KNOWN, [label.key for label in labels])
        new: dict[bytes, bytes] = {}
        back: dict[bytes, bytes] = {}
        """Entries of one label that was joined here, and whose feedback record is read back."""
        written: set[bytes] = set()
        """Keys that have an entry since this call began; whatever else comes of them is added by itself."""
        for label in labels:
            only, key = _only(label), label.key
            if key not in found and key not in new and key not in written:
                new[key] = only
            elif key not in written and key not in back and found.get(key) == _only(label._replace(offset=None)):
                back[key] = only
            elif key in written or only not in (found.get(key), new.get(key), back.get(key)):
                self._put_all(new, back, most)
                written |= new.keys() | back.keys()
                new.clear()
                back.clear()
                self.add(*label[:3], most, label.place, label.offset)
        self._put_all(new, back, most)

    def take_back(self, key: bytes, source: str, place: Place, most: int) -> TakenBack:
        """Take back what a source said of an event or a subject, up to a place in the topic of its labels.

        What it said in other partitions counts as said before. What comes to stand in the feedback later is owed then.
        """
        known = self._of(key)
        there = source in known
        said = known.setdefault(source, _Said())
        if there and _is_upto(place, said.until) and place != said.until:
            return TakenBack(list(said.owed), False, True)  # it is read again, and the source took back more since
        gone = [one for one in said.records if not _is_behind(one.place, place)]
        again = not gone and (said.found or bool(said.owed))
        said.records = [one for one in said.records if _is_behind(one.place, place)]
        said.owed = [*said.owed, *(one.offset for one in gone if one.offset is not None)]
        said.until = place
        said.found |= bool(gone)
        if there or known.keys() - {source}:
            self._write(key, msgspec.json.encode(known))
        else:
            self._write_new(key, msgspec.json.encode(known), most)
        return TakenBack(list(said.owed), any(one.offset is None for one in gone), again)

    def find(self, key: bytes, source: str) -> bool:
        """Note that a taking back has found something; returns whether it had not before."""
        known = self._of(key)
        said = known.get(source)
        if said is None or said.found:
            return False
        said.found = True
        self._write(key, msgspec.json.encode(known))
        return True

    def owed(self, key: bytes, source: str) -> list[int]:
        """The offsets of feedback records that were taken back, and that no control record has named yet."""
        said = self._of(key).get(source)
        return [] if said is None else list(said.owed)

    def take_owing(self) -> set[bytes]:
        """The keys of which feedback records came since the last call that had been taken back before."""
        owing, self._owing = self._owing, set()
        return owing

    def found(self, key: bytes, source: str) -> bool:
        """Whether any label of a source was taken back, or left out."""
        said = self._of(key).get(source)
        return said is not None and said.found

    def withdrawn(self, key: bytes, source: str, place: Place | None) -> bool:
        """Whether a label that lies here was taken back."""
        said = self._of(key).get(source)
        return said is not None and _is_upto(place, said.until)

    def leave_out(self, label: KnownLabel) -> None:
        """A label is left out of what is learnt: the source may say it again, at another place."""
        known = self._of(label.key)
        said = known.get(label.source)
        if said is None:
            return
        left = [one for one in said.records if not _is_of(one, label)]
        if len(left) == len(said.records) and label.offset not in said.owed:
            return
        said.records, said.owed = left, [offset for offset in said.owed if offset != label.offset]
        said.gone, said.found = label.place or said.gone, True
        self._write(label.key, msgspec.json.encode(known))

    def known_of(self, keys: Iterable[bytes]) -> set[bytes]:
        """Those of the keys of which labels are known."""
        return set(self._entries.get_all(KNOWN, keys))

    def forget(self, keys: Iterable[bytes]) -> None:
        """Forget what is known of some events and subjects."""
        for key in keys:
            self._entries.delete(KNOWN, key)  # its order goes as the oldest one in time
        self._last = b"", None

    def _put_all(self, new: Mapping[bytes, bytes], back: Mapping[bytes, bytes], most: int) -> None:
        """Write the entries of events and subjects that had none, and those of labels that are read back."""
        if new or back:
            self._entries.put_all(KNOWN, [*new.items(), *back.items()])
            self._last = b"", None
        if new:
            self._entries.put_all(BY_AGE, [(self._sequence.next(), key) for key in new])
            self._shrink(most)

    def _write_new(self, key: bytes, value: bytes, most: int) -> None:
        self._write(key, value)
        self._entries.put(BY_AGE, self._sequence.next(), key)
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
        said = {source: _Said(labels=one) if isinstance(one, list) else one for source, one in kept.items()}
        return {source: one.renewed() for source, one in said.items()}

    def _read(self, key: bytes) -> bytes | None:
        if self._last[0] != key:
            self._last = key, self._entries.get(KNOWN, key)
        return self._last[1]

    def _write(self, key: bytes, value: bytes) -> None:
        self._entries.put(KNOWN, key, value)
        self._last = key, value


def _only(label: KnownLabel) -> bytes:
    """The entry of an event or a subject that has this label alone."""
    return msgspec.json.encode({label.source: _Said([_Record(label.label, label.place, label.offset)])})


def _is_upto(place: Place | None, other: Place | None) -> bool:
    """Whether a label lies here, or before it in the same partition."""
    return place is not None and other is not None and place[0] == other[0] and place[1] <= other[1]


def _is_behind(place: Place | None, other: Place) -> bool:
    """Whether a label lies behind a place in the same partition."""
    return place is not None and place[0] == other[0] and place[1] > other[1]


def _is_of(record: _Record, label: KnownLabel) -> bool:
    """Whether a label is that of a feedback record. An older version noted no offset."""
    if record.offset is not None:
        return record.offset == label.offset
    return (record.label, record.place) == (label.label, label.place)
