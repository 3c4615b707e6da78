"""What passes between the sandbox's HTTP side and its APIs: accounts, questions, replies."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

import msgspec

from agi.sandbox.faults import Order, Trouble
from agi.sandbox.people import Directory
from agi.sandbox.wire import Request

JSON: Final = "application/json"
TEXT: Final = "text/plain"


class Api(StrEnum):
    """The provider systems on the port, by the names that control orders use."""

    NPL = "npl"
    LANCK = "lanck"
    DATASOAP = "datasoap"
    HLRLOOKUP = "hlrlookup"


@dataclass(slots=True)
class Account:
    """The one account: the same name and password at every API, one purse for all.

    ``credits_left`` None: no end of them.
    """

    username: str
    password: str = field(repr=False)
    locked: bool = False
    credits_left: float | None = None

    def can_pay(self, credits_: float) -> bool:
        """Say whether the purse holds so many credits."""
        return self.credits_left is None or credits_ <= self.credits_left


@dataclass(frozen=True, slots=True)
class Ground:
    """What every API stands on; ``clock`` is monotonic, ``wall`` the epoch, both in seconds."""

    account: Account
    people: Directory
    clock: Callable[[], float]
    wall: Callable[[], float]


@dataclass(frozen=True, slots=True)
class Reply:
    """One response. ``other`` is an answer about somebody else, for orders that send a second.

    ``failed`` marks a refusal of the whole request.
    """

    body: bytes = field(repr=False)
    status: int = 200
    kind: str = JSON
    headers: tuple[tuple[str, str], ...] = ()
    other: bytes = field(default=b"", repr=False)
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Errand:
    """A postback to run: where to, under which job, and what to say under a job's name."""

    url: str = field(repr=False)
    job: str
    document: Callable[[str], bytes] = field(repr=False)


Answer = Callable[[Order | None, frozenset[str]], Reply]
"""Makes a reply: takes the order that spoils it and the numbers that the order concerns."""

Pieces = Callable[[tuple[str, ...], Order | None, frozenset[str]], list[bytes]]
"""Makes the JSON objects about some numbers alone, spoiled as ordered."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that is answered: its numbers, its price, and the answer as a function.

    ``credits`` is what it costs. ``economy``: a number asked before is answered at once.
    ``pieces``, if set, makes the answer about some of the numbers alone, in a stream: numbers
    leave as they become ready. ``errand``: the answer is a receipt, given at once; the rest comes
    by postback.
    """

    numbers: tuple[str, ...] = field(repr=False)
    answer: Answer = field(repr=False)
    credits: float = 0
    economy: bool = False
    pieces: Pieces | None = field(default=None, repr=False)
    errand: Errand | None = None


class Service(Protocol):
    """One provider system."""

    api: Api

    def read(self, request: Request) -> Asked | Reply | None:
        """Read one request: a question, a refusal, or None for a page that is not there."""

    def refuse(self, trouble: Trouble) -> Reply | None:
        """Return the vendor's own words for an ordered refusal; None: it has none."""


def document(value: object, status: int = 200) -> Reply:
    """Make a JSON reply; one above 299 is a refusal."""
    return Reply(msgspec.json.encode(value), status, failed=status > 299)


def encode(value: object) -> bytes:
    """Encode JSON; lone surrogates become bytes that are not UTF-8 (they were ordered)."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return _encode_badly(value)


def _encode_badly(value: object) -> bytes:
    text = repr_json(value)
    return text.encode("utf-8", "surrogateescape")


def repr_json(value: object) -> str:
    """Write JSON as text that may hold surrogates."""
    match value:
        case dict():
            inner = ",".join(f"{repr_json(k)}:{repr_json(v)}" for k, v in value.items())
            return "{" + inner + "}"
        case list():
            return "[" + ",".join(map(repr_json, value)) + "]"
        case str() if any("\udc80" <= c <= "\udcff" for c in value):
            return f'"{value}"'
        case _:
            return msgspec.json.encode(value).decode()


class Rate:
    """At most so many requests in any second, per key; 0: no limit."""

    def __init__(self, per_second: float, clock: Callable[[], float]) -> None:
        self._limit = per_second
        self._clock = clock
        self._taken: dict[str, deque[float]] = {}

    def admits(self, key: str = "") -> bool:
        """Count one request and say whether it is within the limit; refused ones do not count."""
        if not self._limit:
            return True
        now = self._clock()
        taken = self._taken.setdefault(key, deque())
        while taken and taken[0] <= now - 1:
            taken.popleft()
        if len(taken) >= self._limit:
            return False
        taken.append(now)
        return True
