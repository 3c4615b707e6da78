"""Faults to order from the sandbox: what they are called, who gets them, how they spoil a body.

A fault is named by a person, in the ``fault`` cell of the subscribers' file or through the control
endpoint, as ``kind`` or ``kind:amount``. Kinds that concern the connection (hang, drip, reset) are
carried out by ``agi.sandbox.delivery``; those that concern lines are carried out here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
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
    TRUNCATE = "truncate"  # all the lines, but no ENDBATCH
    MISSING_LINE = "missing-line"
    WRONG_NUMBER = "wrong-number"  # the answer is about a neighbour
    EXTRA_LINE = "extra-line"  # a number that nobody asked
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"  # the same number twice, on two networks
    LOWER_CASE = "lower-case"
    GARBAGE_CODE = "garbage-code"
    NON_ASCII = "non-ascii"  # digits that str.isdigit() takes and that are not ASCII
    BAD_UTF8 = "bad-utf8"
    EXTRA_RESPONSE = "extra-response"  # a second HTTP response in the same segment
    HTML = "html"
    EMPTY = "empty"
    OVERSIZE = "oversize"  # 50 MB of lines
    LONG_LINE = "long-line"  # 50 MB without a line feed
    GZIP_BOMB = "gzip-bomb"  # 50 MB in 50 KB, whatever encodings the client accepts
    MANY_HEADERS = "many-headers"
    REDIRECT = "redirect"
    HTTP_403 = "http-403"
    HTTP_429 = "http-429"  # amount: Retry-After in seconds, any sign; no header when absent
    HTTP_500 = "http-500"
    HTTP_503 = "http-503"
    FAIL_PASSWORD = "fail-password"  # noqa: S105 - the name of a fault
    FAIL_CREDIT = "fail-credit"
    LOCKED = "locked"


_RANGES: Final = {
    Trouble.SLOW: range(60_001),
    Trouble.DRIP: range(1, 1_001),
    Trouble.HTTP_429: range(-(10**9), 10**9 + 1),
}


@dataclass(frozen=True, slots=True)
class Order:
    """One fault, with its amount where its kind takes one."""

    trouble: Trouble
    amount: int | None = None

    def __str__(self) -> str:
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
        if trouble is Trouble.SLOW:
            raise UsageError("slow needs its milliseconds: slow:3000")
        return Order(trouble)
    allowed = _RANGES.get(trouble, range(0))
    if not re.fullmatch(r"-?[0-9]{1,10}", amount) or int(amount) not in allowed:
        raise UsageError(_amount_hint(trouble, allowed))
    return Order(trouble, int(amount))


def _amount_hint(trouble: Trouble, allowed: range) -> str:
    if not allowed:
        return f"{trouble} takes no amount"
    return f"{trouble} takes a whole number from {allowed[0]} to {allowed[-1]}"


class Desk:
    """Where faults are ordered: for the next requests, for all of them, for one number.

    An order for the next requests goes before the order for all, that one before the order for
    a number; among the numbers of a request the first asked with an order decides.
    """

    def __init__(self, numbers: Mapping[str, Order] | None = None) -> None:
        self._own = dict(numbers or {})
        self._numbers = dict(self._own)
        self._next: Order | None = None
        self._left = 0
        self._all: Order | None = None

    def order_next(self, order: Order, requests: int) -> None:
        """Spoil the next ``requests`` requests; replaces what was left of such an order."""
        self._next, self._left = order, requests

    def order_all(self, order: Order | None) -> None:
        """Spoil every request from now on, or none (None)."""
        self._all = order

    def order_number(self, number: str, order: Order | None) -> None:
        """Spoil the requests that ask ``number``, or no longer (None)."""
        if order is None:
            self._numbers.pop(number, None)
        else:
            self._numbers[number] = order

    def clear(self) -> None:
        """Forget every order but those that the numbers had at the beginning."""
        self._left, self._next, self._all = 0, None, None
        self._numbers = dict(self._own)

    def take(self, numbers: Sequence[str]) -> tuple[Order | None, frozenset[str]]:
        """Say what happens to one request, and to which of its numbers; counts it."""
        if self._left:
            self._left -= 1
            return self._next, frozenset(numbers)
        if self._all is not None:
            return self._all, frozenset(numbers)
        first = next((self._numbers[n] for n in numbers if n in self._numbers), None)
        return first, frozenset(n for n in numbers if self._numbers.get(n) == first)

    def standing(self) -> dict[str, str | int | None]:
        """Describe the orders in force for a person; numbers are counted, not told."""
        return {
            "next": str(self._next) if self._left else None,
            "left": self._left,
            "all": str(self._all) if self._all else None,
            "numbers": len(self._numbers),
        }


def neighbour(number: str) -> str:
    """Return the number whose last digit is one higher (9 becomes 0)."""
    return number[:-1] + str((int(number[-1]) + 1) % 10)


_OTHER_NETWORK: Final = "23499"  # MCC 234 with an MNC that nobody holds

_SPOILED: Final[dict[Trouble, Callable[[Line], list[Line]]]] = {
    Trouble.MISSING_LINE: lambda _line: [],
    Trouble.WRONG_NUMBER: lambda line: [Line(neighbour(line.number), line.code)],
    Trouble.EXTRA_LINE: lambda line: [line, Line(neighbour(line.number), _OTHER_NETWORK)],
    Trouble.DUPLICATE: lambda line: [line, line],
    Trouble.CONFLICT: lambda line: [line, Line(line.number, _OTHER_NETWORK)],
    Trouble.LOWER_CASE: lambda line: [Line(line.number, line.code.lower())],
    Trouble.GARBAGE_CODE: lambda line: [Line(line.number, "2E4;DROP,,,\x00")],
    Trouble.NON_ASCII: lambda line: [Line(line.number, "2341\N{ARABIC-INDIC DIGIT FIVE}")],
    Trouble.BAD_UTF8: lambda line: [Line(line.number, line.code + "\udcff\udcfe")],
}


def spoil(lines: Sequence[Line], order: Order | None, concerned: frozenset[str]) -> list[Line]:
    """Return the lines with those of the ``concerned`` numbers spoiled; pure.

    A code may then hold surrogates: encode with ``surrogateescape`` to get bytes that are not
    UTF-8. Orders that do not concern lines change nothing.
    """
    change = _SPOILED.get(order.trouble) if order else None
    if change is None:
        return list(lines)
    return [new for line in lines for new in (change(line) if line.number in concerned else [line])]


def other_answer(lines: Sequence[Line]) -> list[Line]:
    """Return what a response about somebody else would hold for the same numbers."""
    return [Line(line.number, _OTHER_NETWORK) for line in lines]
