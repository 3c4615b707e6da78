"""One decision as the journal keeps it: what was known, what came of it, in how few bytes.

What people search for has columns of its own: the decision's id, the channel's unique id, the
numbers. The rest is two packed arrays (MessagePack). A later version adds to their ends only, so it
reads the files of an earlier one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import msgspec

from agi.model import (
    Action,
    CallContext,
    CallRequest,
    Decision,
    Dialled,
    ErrorRule,
    Finding,
    Fraud,
    Kind,
    Line,
    Live,
    Mccmnc,
    Msisdn,
    NumberInfo,
    Outcome,
    Source,
    Verdicts,
)

Key = int
Text = str | int
Row = tuple[Key, int, str, Text, str | None, str, Text | None, str, str, bytes, bytes]
"""id, at (epoch ms), uniqueid, number, dialled if it differs, account, caller, version, rule,
inputs, outcome."""

COLUMNS: Final = (
    *("id", "at", "uniqueid", "number", "dialled", "account", "caller", "version", "rule"),
    *("inputs", "outcome"),
)

_ID: Final = re.compile(r"([0-9a-f]{8})-([0-9a-f]{6,8})")
_HALF: Final = 1 << 31
_SHORT_NUMBER: Final = re.compile(r"[1-9][0-9]{0,17}")


class Noted(msgspec.Struct, frozen=True, gc=False):
    """What the path of a call hands over; everything else is worked out later."""

    context: CallContext
    request: CallRequest
    finding: Finding
    decision: Decision
    closed: tuple[str, ...]
    refused: bool


class _Inputs(msgspec.Struct, frozen=True, array_like=True, gc=False):
    kind: Kind
    country: str
    line: Line | None
    source: Source
    reason: str
    mccmnc: str | None
    live: Live | None
    ported: bool | None
    said_line: Line | None
    age_s: float | None
    provider: str
    provider_kind: str
    verdicts: tuple[Fraud | None, bool | None, bool | None] | None
    error: tuple[str, str, Outcome, bool, int, str] | None
    closed: tuple[str, ...]
    refused: bool
    nodip: bool
    msisdn: bool = True


class _Outcome(msgspec.Struct, frozen=True, array_like=True, gc=False):
    action: Action
    cause: int | None
    source: Source
    reason: str
    mccmnc: str | None
    hops: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Told:
    """What the call was told. ``hops`` are trunks by name, each with the number sent to it."""

    action: Action
    cause: int | None
    source: Source
    reason: str
    rule: str
    mccmnc: str | None
    hops: tuple[tuple[str, str], ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Record:
    """One decision, read back.

    ``context`` and ``finding`` decide it again; ``closed`` names the trunks that were over their
    calls per second. ``refused``: a limit or a loop ended the call before any rule was looked at.
    ``version`` is the table's. ``nodip``: the dialplan forbade a lookup.
    """

    id: str
    uniqueid: str
    version: str
    context: CallContext = field(repr=False)
    finding: Finding = field(repr=False)
    told: Told
    closed: tuple[str, ...]
    refused: bool
    nodip: bool


_encode: Final = msgspec.msgpack.Encoder().encode
_inputs: Final = msgspec.msgpack.Decoder(_Inputs).decode
_outcome: Final = msgspec.msgpack.Decoder(_Outcome).decode


def key_of(decision_id: str) -> Key | None:
    """Return the key of a decision's id, 64 bits with a sign; None if no router makes such ids."""
    found = _ID.fullmatch(decision_id)
    return None if found is None else (int(found[1], 16) - _HALF) << 32 | int(found[2], 16)


def id_of(key: Key) -> str:
    """Return the decision's id of a key.

    >>> id_of(key_of("9f3a1c2e-00002a"))
    '9f3a1c2e-00002a'
    """
    return f"{(key >> 32) + _HALF:08x}-{key & 0xFFFFFFFF:06x}"


def compact(digits: str) -> Text:
    """Return digits as a whole number where that loses nothing: six bytes instead of twelve."""
    return int(digits) if _SHORT_NUMBER.fullmatch(digits) else digits


def row_of(noted: Noted, read_caller: Callable[[str], str]) -> Row | None:
    """Return the columns of one decision, None if its id is not one that a router makes.

    Args:
        noted: what the call's path handed over.
        read_caller: the caller's number as ``CallContext.caller`` has it, from what the dialplan
            said. It is kept in this form whether the table asked for it or not: a number can be
            erased in one form only.
    """
    context, request, decision = noted.context, noted.request, noted.decision
    key = key_of(decision.id)
    if key is None:
        return None
    dialled = context.dialled
    number = dialled.judged or dialled.digits
    caller = read_caller(request.caller)
    return (
        key,
        int(context.at * 1000),
        request.uniqueid,
        compact(number),
        None if dialled.digits == number else dialled.digits,
        context.account,
        compact(caller) if caller else None,
        decision.table,
        decision.rule,
        _encode(_packed(noted)),
        _encode(_told(decision, number)),
    )


def _packed(noted: Noted) -> _Inputs:
    dialled, finding = noted.context.dialled, noted.finding
    info, said, error = finding.info, finding.verdicts, finding.rule
    verdicts = (said.fraud, said.tps, said.unsubscribed)
    return _Inputs(
        dialled.kind,
        dialled.country,
        dialled.line,
        finding.source,
        finding.reason,
        info.mccmnc,
        info.live,
        info.ported,
        info.line,
        None if finding.age_s is None else round(finding.age_s, 3),
        finding.provider,
        finding.kind,
        None if verdicts == (None, None, None) else verdicts,
        None if error is None else _listed(error),
        tuple(noted.closed),
        bool(noted.refused),
        noted.request.nodip,
        dialled.msisdn is not None,
    )


def _listed(error: ErrorRule) -> tuple[str, str, Outcome, bool, int, str]:
    ttl, route = error.negative_ttl_s, error.route
    return (error.provider, error.code, error.outcome, error.retry_elsewhere, ttl, route)


def _told(decision: Decision, number: str) -> _Outcome:
    hops = tuple((hop.trunk, "" if hop.number == number else hop.number) for hop in decision.hops)
    return _Outcome(
        decision.action,
        decision.cause,
        decision.source,
        decision.reason,
        decision.info.mccmnc,
        hops,
    )


def record_of(row: Row) -> Record:
    """Return the decision that a row keeps.

    Raises:
        msgspec.DecodeError: the row was not written by this program.
        msgspec.ValidationError: neither was this one, or by a later version.
    """
    key, at, uniqueid, number, dialled, account, caller, version, rule, packed, outcome = row
    known, told = _inputs(packed), _outcome(outcome)
    return Record(
        id=id_of(key),
        uniqueid=uniqueid,
        version=version,
        context=CallContext(
            _dialled(known, Msisdn(str(number)), dialled),
            account,
            "" if caller is None else str(caller),
            at / 1000,
        ),
        finding=_finding(known),
        told=Told(
            told.action,
            told.cause,
            told.source,
            told.reason,
            rule,
            told.mccmnc,
            tuple((trunk, sent or str(number)) for trunk, sent in told.hops),
        ),
        closed=known.closed,
        refused=known.refused,
        nodip=known.nodip,
    )


def _dialled(known: _Inputs, number: Msisdn, dialled: str | None) -> Dialled:
    """Return what was dialled; ``dialled`` None: the number itself."""
    digits = number if dialled is None else dialled
    msisdn = number if known.msisdn else None
    meant = None if known.msisdn or dialled is None else number
    return Dialled(digits, known.kind, msisdn, known.country, known.line, meant)


def _finding(known: _Inputs) -> Finding:
    mccmnc = None if known.mccmnc is None else Mccmnc(known.mccmnc)
    return Finding(
        known.source,
        known.reason,
        NumberInfo(mccmnc, known.live, known.ported, known.said_line),
        known.age_s,
        None if known.error is None else ErrorRule(*known.error),
        known.provider,
        known.provider_kind,
        Verdicts() if known.verdicts is None else Verdicts(*known.verdicts),
    )
