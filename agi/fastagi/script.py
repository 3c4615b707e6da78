"""What the dialplan asks and what it is told: environment to request, decision to variables.

Two scripts exist: ``/route?n=NUMBER&a=ACCOUNT&f=FROM`` and ``/health``. The number travels in the
URL because Asterisk writes that line before anything that a stranger can influence.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from agi import names
from agi.errors import LocalProtocolError, RemoteProtocolError
from agi.fastagi.protocol import (
    Environment,
    Query,
    command,
    escape,
    proven,
    read_url,
)
from agi.model import CallRequest, Decision, Hop

ROUTE: Final = "route"
HEALTH: Final = "health"

NUMBER: Final = re.compile(r"\+?[0-9*#]{1,32}")
ACCOUNT: Final = re.compile(r"[A-Za-z0-9_.-]{0,32}")
CALLER: Final = re.compile(r"\+?[0-9]{0,32}|anonymous")
_MILLISECONDS: Final = re.compile(r"[0-9]{1,6}")
_SECONDS: Final = re.compile(r"[0-9]{1,9}")
_FLAG: Final = re.compile(r"[01]")
_DIGIT: Final = re.compile(r"[0-9]")
_UNIQUEID: Final = re.compile(r"[\x20-\x7e]{1,128}")
_MISROUTED: Final = frozenset(("h", "i", "t", "T", "s", "e"))
_OPTIONAL: Final = {
    "a": ACCOUNT,
    "f": CALLER,
    "g": _MILLISECONDS,
    "d": _MILLISECONDS,
    "age": _SECONDS,
    "nodip": _FLAG,
    "hops": _DIGIT,
}


def read_request(environment: Environment) -> CallRequest | None:
    """Return what the call asks, or None when it asks for our health.

    Raises:
        RemoteProtocolError: nothing that may be answered. Its kind is ``bad-url``, ``arguments``,
            ``unknown-script``, ``misrouted_pattern`` (a dialplan pattern that matches ``h``, ``i``
            or another special extension calls twice), ``bad-number``, ``bad-argument`` or
            ``bad-uniqueid``.
    """
    query = read_url(environment)
    if query.script == ROUTE:
        return _read_route(query, environment.uniqueid)
    if query.script == HEALTH and not query.arguments:
        return None
    raise RemoteProtocolError("unknown-script")


def _read_route(query: Query, uniqueid: str) -> CallRequest:
    said = query.arguments
    number = said.pop("n", "")
    if not NUMBER.fullmatch(number):
        kind = "misrouted_pattern" if number in _MISROUTED else "bad-number"
        raise RemoteProtocolError(kind)
    if not _UNIQUEID.fullmatch(uniqueid):
        # It has to come back as the commit, byte for byte.
        raise RemoteProtocolError("bad-uniqueid")
    for name, value in said.items():
        allowed = _OPTIONAL.get(name)
        if allowed is None or not allowed.fullmatch(value):
            raise RemoteProtocolError("bad-argument")
    get = said.get
    return CallRequest(
        number,
        get("a", ""),
        get("f", ""),
        uniqueid,
        int(said["g"]) if "g" in said else None,
        int(said["d"]) if "d" in said else None,
        int(said["age"]) if "age" in said else None,
        get("nodip") == "1",
        int(said["hops"]) if "hops" in said else 0,
    )


# The whitelist of an answer, one grammar for each number of trunks: every value with its alphabet
# and its cap, joined as ARRAY takes them. None of these alphabets holds a character that either
# level of escaping would touch, so a line that matches needs none.
_WORD: Final = r"[A-Za-z0-9_.+-]"
_HEAD: Final = ",".join(
    (
        r"(?:route|reject)",  # action
        r"[0-9]{0,3}",  # cause
        r"[0-9]",  # count
        r"(?:[0-9]{5,6})?",  # mccmnc
        r"(?:[A-Z]{2})?",  # country
        r"[a-z-]{0,20}",  # line
        r"(?:yes|no)?",  # ported
        r"(?:live|absent|dead)?",  # live
        r"[a-z-]{0,12}",  # fraud
        r"[a-z]{1,12}",  # source
        r"[a-z0-9_.-]{1,24}",  # reason: a word of ours, or a provider's code as errors.csv has it
        r"[0-9]{0,10}",  # age
        rf"{_WORD}{{0,32}}",  # rule
        rf"{_WORD}{{1,32}}",  # table
        rf"{_WORD}{{1,32}}",  # id
    )
)
_HOP: Final = rf",{_WORD}{{1,40}},[0-9*#+]{{1,32}},[0-9]{{1,4}},[A-Z][A-Za-z0-9]{{1,5}}"
_GRAMMAR: Final = tuple(re.compile(_HEAD + _HOP * n) for n in range(names.MAX_TRUNKS + 1))


def _line_start(trunks: int) -> str:
    listed = list(names.FIXED)
    for index in range(1, trunks + 1):
        listed.extend(names.per_trunk(index))
    return f'SET VARIABLE ARRAY({",".join((*listed, names.COMMIT))}) "'


_START: Final = tuple(map(_line_start, range(names.MAX_TRUNKS + 1)))


def answer(decision: Decision, uniqueid: str) -> bytes:
    """Return the one line that tells a decision, its commit last.

    Raises:
        LocalProtocolError: kind ``off-whitelist`` or ``too-long``: the decision holds something
            that must not reach a dialplan. Nothing must be written then.
    """
    info = decision.info
    ported = info.ported
    fields = [
        decision.action,
        "" if decision.cause is None else str(decision.cause),
        str(len(decision.hops)),
        info.mccmnc or "",
        decision.country,
        decision.line or "",
        "" if ported is None else "yes" if ported else "no",
        info.live or "",
        decision.fraud or "",
        decision.source,
        decision.reason,
        "" if decision.age_s is None else str(int(decision.age_s)),
        decision.rule,
        decision.table,
        decision.id,
    ]
    for hop in decision.hops:
        fields += (hop.endpoint, hop.number, str(hop.ring_s), hop.tech)
    trunks = len(decision.hops)
    values = ",".join(fields)
    if trunks > names.MAX_TRUNKS or not _GRAMMAR[trunks].fullmatch(values):
        raise LocalProtocolError("off-whitelist")
    return proven(f'{_START[trunks]}{values},{escape(uniqueid)}"')


def health(state: str) -> bytes:
    """Return the line that answers ``/health``; ``state`` is one word of ours."""
    if not re.fullmatch(rf"{_WORD}{{1,40}}", state):
        raise LocalProtocolError("off-whitelist")
    return command(f'SET VARIABLE {names.HEALTH} "{state}"')


ANY_UNIQUEID: Final = "u" * 128
"""As long as a unique id may be; Asterisk's own hold nothing that would have to be escaped."""

_WIDEST: Final = (
    *("reject", "127", "9", "999999", "GB", "mobile-or-landline", "yes", "absent"),
    *("suspicious", "emergency", "9" * 24, "9" * 10),
)
"""The longest value of each variable up to the age."""


def longest(hops: Sequence[Hop], rule: str, uniqueid: str = ANY_UNIQUEID) -> int:
    """Return the length in bytes, with its LF, of the longest answer that a rule can make.

    Names of trunks, technologies and the rule are what they are; every other value is taken at its
    cap, the numbers and ring times of the trunks too: a number may be dialled that long.

    Args:
        hops: trunks that may leave together, at most nine.
        rule: the name of the rule.
        uniqueid: the channel's unique id, as it is before it is escaped.
    """
    table = decision_id = "-" * 32
    size = len(_START[len(hops)]) + len(",".join((*_WIDEST, rule, table, decision_id))) + 1
    size += sum(len(hop.endpoint) + 32 + 4 + len(hop.tech) + 4 for hop in hops)
    return size + len(escape(uniqueid)) + len('"\n')
