"""JSON records that quote an event: what quotes it is sealed, and the rest stays readable.

The members that quote it are replaced (an explanation by null, say), and stand as they were in an object that is sealed
and put behind them as `sealed`, in base 64. What is opened has the very bytes that were sealed.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping

import msgspec

from tocsin.streams.wire.sealing.sealed import RECORD, Seals
from tocsin.streams.wire.sealing.secret import DamagedSealError

Members = dict[str, msgspec.Raw]
"""The members of a JSON object, in their order."""
Public = Callable[[msgspec.Raw], bytes]
"""From a member to what may be read of it by everybody."""
SEALED, CHAIN = "sealed", "chain"
"""The member that holds what is sealed, and the one that stands behind it."""
_NULL = b"null"
_MEMBERS = msgspec.json.Decoder(Members)


def _nothing(raw: msgspec.Raw) -> bytes:
    return _NULL


def _event(raw: msgspec.Raw) -> bytes:
    """An event without what it says: its id, its subject and its time."""
    members = _members(raw)
    kept: dict[str, bytes] = {name: bytes(members[name]) for name in ("id", "subject", "time") if name in members}
    return _object({**kept, "features": b"{}", "text": _NULL})


def _risk(raw: msgspec.Raw) -> bytes:
    """A subject's risk without what tells which words it wrote."""
    if bytes(raw) == _NULL or b'"threads"' not in bytes(raw):
        return bytes(raw)
    return _object({name: bytes(value) for name, value in _members(raw).items() if name != "threads"})


def _decision(raw: msgspec.Raw) -> bytes:
    return _public(_members(raw), DECISION)[0]


DECISION: Mapping[str, Public] = {"explanation": _nothing, "profiles": _nothing, "risk": _risk}
ALERT: Mapping[str, Public] = {"explanation": _nothing}
REVIEW: Mapping[str, Public] = {"event": _event, "decision": _decision}
"""Of each kind of record, the members that quote an event, and what stands in their place."""


class _RawDecision(msgspec.Struct, omit_defaults=True, gc=False):
    """A decision whose members are not read. A record that has others, or these in another order, goes the slow way."""

    event: msgspec.Raw
    subject: msgspec.Raw
    time: msgspec.Raw
    decided_at: msgspec.Raw
    status: msgspec.Raw
    label: msgspec.Raw
    belief: msgspec.Raw
    uncertainty: msgspec.Raw
    conflict: msgspec.Raw
    reason: msgspec.Raw
    set: msgspec.Raw
    explanation: msgspec.Raw
    model: msgspec.Raw
    profiles: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    over_budget: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    priors: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    traffic_ratio: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    risk: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    alert: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    shed: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_RAW_DECISION, _ENCODER = msgspec.json.Decoder(_RawDecision), msgspec.json.Encoder()


def sealed_decision(value: bytes, subject: str, seals: Seals) -> bytes:
    """`sealed_record` of a decision, several times as fast for one that has the usual members in their order."""
    try:
        members = _RAW_DECISION.decode(value)
    except msgspec.MsgspecError:
        return sealed_record(value, DECISION, subject, seals)
    if _ENCODER.encode(members) != value:
        return sealed_record(value, DECISION, subject, seals)
    quoting = {}
    for name, public in DECISION.items():
        raw = getattr(members, name)
        if raw is msgspec.UNSET:
            continue
        as_it_is, shown_as = bytes(raw), public(raw)
        if shown_as != as_it_is:
            quoting[name] = as_it_is
            setattr(members, name, msgspec.Raw(shown_as))
    if not quoting:
        return value
    return _with_sealed(_ENCODER.encode(members), quoting, subject, seals)


def sealed_record(value: bytes, kind: Mapping[str, Public], subject: str, seals: Seals) -> bytes:
    """A record whose members that quote an event are sealed; the very same bytes where there are none."""
    public, quoting = _public(_members(value), kind)
    if not quoting:
        return value
    return _with_sealed(public, quoting, subject, seals)


def opened_record(value: bytes, seals: Seals) -> bytes:
    """What `sealed_record` was given, with the link of the chain that was put behind it since; other records as they
    are.

    Raises ErasedError, DamagedSealError, ErasureError: see `Seals.opened`.
    """
    if b'"sealed":"' not in value:
        return value
    try:
        members = _members(value)
        text = members.pop(SEALED, None)
        if text is None:
            return value
        blob = base64.b64decode(msgspec.json.decode(text, type=str), validate=True)
        quoting = _members(seals.opened(blob, RECORD))
        return _object({name: bytes(quoting.get(name, raw)) for name, raw in members.items()})
    except (msgspec.MsgspecError, binascii.Error, UnicodeDecodeError) as error:
        raise DamagedSealError(f"what was sealed is damaged ({error})") from error


def is_sealed(value: bytes | None) -> bool:
    """Whether a JSON record holds anything sealed."""
    return value is not None and b'"sealed":"' in value


def _with_sealed(public: bytes, quoting: Mapping[str, bytes], subject: str, seals: Seals) -> bytes:
    sealed = base64.b64encode(seals.seal(subject, _object(quoting), RECORD))
    return b'%b,"sealed":"%b"}' % (public[:-1], sealed)


def _public(members: Members, kind: Mapping[str, Public]) -> tuple[bytes, dict[str, bytes]]:
    """A record as everybody may read it, and the members that were replaced, as they were."""
    shown, quoting = {}, {}
    for name, raw in members.items():
        as_it_is = bytes(raw)
        shown[name] = shown_as = kind[name](raw) if name in kind else as_it_is
        if shown_as != as_it_is:
            quoting[name] = as_it_is
    return _object(shown), quoting


def _members(value: bytes | msgspec.Raw) -> Members:
    return _MEMBERS.decode(value)


def _object(members: Mapping[str, bytes]) -> bytes:
    return b"{" + b",".join([b'"%b":%b' % (name.encode(), raw) for name, raw in members.items()]) + b"}"
