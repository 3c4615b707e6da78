"""Faults to order from the sandbox: what they are called, and how they spoil a body.

A fault is named by a person, in the ``fault`` cell of the subscribers' file or through the control
endpoint, as ``kind`` or ``kind:amount``. Kinds that concern the connection (hang, drip, reset) are
carried out by ``agi.sandbox.delivery``, those that concern the listening socket by
``agi.sandbox.door``, those of postbacks by ``agi.sandbox.postback``; those that concern what is
said about one number are carried out here. Who gets them is the business of ``agi.sandbox.desk``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from agi.errors import UsageError


class Trouble(StrEnum):
    """Everything that can be ordered; the values are the names that people write."""

    SLOW = "slow"  # amount: milliseconds more, at most 60,000
    HANG = "hang"  # not a byte until the client goes
    DRIP = "drip"  # one byte every amount milliseconds, 100 unless told
    CLOSE = "close"  # closed before the first byte
    RESET = "reset"  # RST before the first byte
    RESET_AFTER_HEADERS = "reset-after-headers"
    CLOSE_EARLY = "close-early"  # half of the length that was announced
    TRUNCATE = "truncate"  # all the lines, but no ENDBATCH; half of a JSON object
    MISSING_LINE = "missing-line"
    WRONG_NUMBER = "wrong-number"  # the answer is about a neighbour
    EXTRA_LINE = "extra-line"  # a number that nobody asked
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"  # the same number twice, on two networks
    NETWORK = "network"  # amount: the network that is told instead, 5 or 6 digits
    HOSTILE = "hostile"  # amount: which of the hostile networks is told
    LOWER_CASE = "lower-case"
    GARBAGE_CODE = "garbage-code"
    NON_ASCII = "non-ascii"  # digits that str.isdigit() takes and that are not ASCII
    BAD_UTF8 = "bad-utf8"
    WRONG_CHARSET = "wrong-charset"  # UTF-16 that says nothing of it
    JSON_NAN = "json-nan"
    JSON_DUPLICATE_KEYS = "json-duplicate-keys"
    JSON_DEEP = "json-deep"  # 100,000 brackets
    JSON_LINES = "json-lines"  # the document twice, one after the other
    PENDING = "pending"  # "not yet", with HTTP 200
    ERROR_INSIDE = "error-inside"  # the vendor's error document, with HTTP 200
    BODY_WRAPPER = "body-wrapper"  # hlrlookup: {"body": {"results": ...}}
    EXTRA_RESPONSE = "extra-response"  # a second HTTP response in the same segment
    EXTRA_LATE = "extra-late"  # it comes amount milliseconds later, 100 unless told
    HTML = "html"
    EMPTY = "empty"
    OVERSIZE = "oversize"  # 50 MB of lines
    LONG_LINE = "long-line"  # 50 MB without a line feed
    ENDLESS = "endless"  # chunks until the client goes
    GZIP_BOMB = "gzip-bomb"  # 50 MB in 50 KB, whatever encodings the client accepts
    MANY_HEADERS = "many-headers"
    REDIRECT = "redirect"  # amount: host, port or file; else to the same place
    HTTP_401 = "http-401"
    HTTP_402 = "http-402"
    HTTP_403 = "http-403"
    HTTP_429 = "http-429"  # amount: Retry-After: seconds of any sign, date or garbage; else none
    HTTP_500 = "http-500"
    HTTP_502 = "http-502"
    HTTP_503 = "http-503"  # amount: as http-429
    HTTP_504 = "http-504"
    FAIL_PASSWORD = "fail-password"  # noqa: S105 - the name of a fault
    FAIL_CREDIT = "fail-credit"
    LOCKED = "locked"
    POSTBACK_LATE = "postback-late"  # amount: milliseconds more
    POSTBACK_TWICE = "postback-twice"
    POSTBACK_NEVER = "postback-never"
    POSTBACK_WRONG_JOB = "postback-wrong-job"
    POSTBACK_EARLY = "postback-early"  # before the receipt
    FLAP = "flap"  # amount: seconds up, then as many down
    DOWN = "down"  # amount: seconds; connections are refused
    FREEZE = "freeze"  # amount: seconds; connections are not accepted, requests not answered


HOSTILE: Final = (
    "gw&Local/1@ctx",
    "x,5,U(ctx)",
    '"',
    "\\",
    "${EVAL(x)}",
    "23415\r\nSET VARIABLE X y",
    "23415\x00",
    "\x1b[2J",
    "\N{RIGHT-TO-LEFT OVERRIDE}23415",
    "2" * 9_000,
)
"""What ``hostile:N`` tells as the network: what must never reach a dialplan."""

OF_THE_PORT: Final = frozenset({Trouble.FLAP, Trouble.DOWN, Trouble.FREEZE})
"""Orders that concern the listening socket; ``flap`` may also be ordered for one API."""

_SECONDS: Final = range(-(10**9), 10**9 + 1)
_RANGES: Final = {
    Trouble.SLOW: range(60_001),
    Trouble.DRIP: range(1, 1_001),
    Trouble.EXTRA_LATE: range(1, 60_001),
    Trouble.HTTP_429: _SECONDS,
    Trouble.HTTP_503: _SECONDS,
    Trouble.HOSTILE: range(len(HOSTILE)),
    Trouble.POSTBACK_LATE: range(1, 3_600_001),
    Trouble.FLAP: range(1, 3_601),
    Trouble.DOWN: range(1, 3_601),
    Trouble.FREEZE: range(1, 3_601),
}
_WORDS: Final = {
    Trouble.HTTP_429: ("date", "garbage"),
    Trouble.HTTP_503: ("date", "garbage"),
    Trouble.REDIRECT: ("host", "port", "file"),
}
_NEEDED: Final = {
    Trouble.SLOW: "slow needs its milliseconds: slow:3000",
    Trouble.HOSTILE: "hostile needs which: hostile:0",
    Trouble.NETWORK: "network needs 5 or 6 digits: network:26201",
    Trouble.POSTBACK_LATE: "postback-late needs its milliseconds: postback-late:3000",
    Trouble.FLAP: "flap needs its seconds: flap:5",
    Trouble.DOWN: "down needs its seconds: down:5",
    Trouble.FREEZE: "freeze needs its seconds: freeze:5",
}


@dataclass(frozen=True, slots=True)
class Order:
    """One fault, with its amount or its word where its kind takes one."""

    trouble: Trouble
    amount: int | None = None
    word: str = ""

    def __str__(self) -> str:
        if self.word:
            return f"{self.trouble}:{self.word}"
        return self.trouble if self.amount is None else f"{self.trouble}:{self.amount}"


@dataclass(frozen=True, slots=True)
class Line:
    """One number and what is said about it, as one line of an answer."""

    number: str = field(repr=False)
    code: str = field(repr=False)


def parse_order(text: str) -> Order:
    """Read ``kind`` or ``kind:amount``.

    Raises:
        UsageError: no such kind, or an amount that it does not take; says what would be right.
    """
    kind, colon, amount = text.partition(":")
    if kind not in list(Trouble):
        raise UsageError(f"no such fault; write one of: {', '.join(Trouble)}")
    trouble = Trouble(kind)
    if not colon:
        if trouble in _NEEDED:
            raise UsageError(_NEEDED[trouble])
        return Order(trouble)
    if trouble is Trouble.NETWORK:
        if not re.fullmatch("[0-9]{5,6}", amount):
            raise UsageError(_NEEDED[trouble])
        return Order(trouble, word=amount)
    if amount in _WORDS.get(trouble, ()):
        return Order(trouble, word=amount)
    allowed = _RANGES.get(trouble, range(0))
    if not re.fullmatch(r"-?[0-9]{1,10}", amount) or int(amount) not in allowed:
        raise UsageError(_amount_hint(trouble, allowed))
    return Order(trouble, int(amount))


def _amount_hint(trouble: Trouble, allowed: range) -> str:
    words = ", ".join(_WORDS.get(trouble, ()))
    if not allowed:
        return f"{trouble} takes one of: {words}" if words else f"{trouble} takes no amount"
    hint = f"{trouble} takes a whole number from {allowed[0]} to {allowed[-1]}"
    return f"{hint}, or one of: {words}" if words else hint


def neighbour(number: str) -> str:
    """Return the number whose last digit is one higher (9 becomes 0)."""
    return number[:-1] + str((int(number[-1]) + 1) % 10)


OTHER_NETWORK: Final = "23499"
"""MCC 234 with an MNC that nobody holds."""

_SPOILED: Final[dict[Trouble, Callable[[Line], list[Line]]]] = {
    Trouble.MISSING_LINE: lambda _line: [],
    Trouble.WRONG_NUMBER: lambda line: [Line(neighbour(line.number), line.code)],
    Trouble.EXTRA_LINE: lambda line: [line, Line(neighbour(line.number), OTHER_NETWORK)],
    Trouble.DUPLICATE: lambda line: [line, line],
    Trouble.CONFLICT: lambda line: [line, Line(line.number, OTHER_NETWORK)],
    Trouble.LOWER_CASE: lambda line: [Line(line.number, line.code.lower())],
    Trouble.GARBAGE_CODE: lambda line: [Line(line.number, "2E4;DROP,,,\x00")],
    Trouble.NON_ASCII: lambda line: [Line(line.number, "2341\N{ARABIC-INDIC DIGIT FIVE}")],
    Trouble.BAD_UTF8: lambda line: [Line(line.number, line.code + "\udcff\udcfe")],
}


def _spoiled(line: Line, order: Order) -> list[Line]:
    if order.trouble is Trouble.NETWORK:
        return [Line(line.number, order.word)]
    if order.trouble is Trouble.HOSTILE:
        return [Line(line.number, HOSTILE[order.amount or 0])]
    change = _SPOILED.get(order.trouble)
    return [line] if change is None else change(line)


def spoil(lines: Sequence[Line], order: Order | None, concerned: frozenset[str]) -> list[Line]:
    """Return the lines with those of the ``concerned`` numbers spoiled; pure.

    A code may then hold surrogates: encode with ``surrogateescape`` to get bytes that are not
    UTF-8. Orders that do not concern lines change nothing.
    """
    if order is None:
        return list(lines)
    return [
        new
        for line in lines
        for new in (_spoiled(line, order) if line.number in concerned else [line])
    ]


def other_answer(lines: Sequence[Line]) -> list[Line]:
    """Return what a response about somebody else would hold for the same numbers."""
    return [Line(line.number, OTHER_NETWORK) for line in lines]
