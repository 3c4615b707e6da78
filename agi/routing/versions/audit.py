"""Who put which tables in force, when and why: lines of JSON, each sealed to the one before.

A line ends in its own SHA-256, taken over the rest of it, and names the one of the line before.
The store keeps sequence number and hash of the last line elsewhere (the anchor): so an edited,
deleted, moved or cut-off line shows. Whoever may write all of the store can forge all of it:
``Anchor`` values that are kept elsewhere (a log on another host) find that too.
"""

from __future__ import annotations

import hashlib
import pwd
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec

from agi.errors import Fault, UsageError

GENESIS: Final = "0" * 64
"""What stands as the previous hash in the first line."""
MAX_WHY: Final = 200

_SEAL: Final = b',"hash":"'
_TAIL: Final = len(_SEAL) + 64 + len(b'"}')
_NO_LOGIN: Final = 4_294_967_295  # (uid_t) -1: no login, see proc(5), /proc/pid/loginuid


class Act(StrEnum):
    """What a line tells."""

    ACTIVATE = "activate"
    ROLLBACK = "rollback"
    ABANDONED = "abandoned"  # the line ``of`` never took effect: its writer was stopped
    MENDED = "mended"  # a version's snapshot was made anew from its tables
    PRUNED = "pruned"  # an old version was removed
    ANCHORED = "anchored"  # which version is active was not to be read; it is taken from the log
    PINNED = "pinned"  # a person pinned what ``what`` says: a trunk, the brown-out level
    UNPINNED = "unpinned"  # and took it back


CHANGES: Final = frozenset({Act.ACTIVATE, Act.ROLLBACK})


class Who(msgspec.Struct, frozen=True):
    """Who asks: the user of the process, and (``login``) who logged in before any su or sudo."""

    uid: int
    user: str = ""
    login: int | None = None


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One line. ``at`` is ISO 8601 in UTC; ``before`` the version that was active.

    ``tables`` is the SHA-256 of the version's ``meta.json``, ``snapshot`` the digest that its
    snapshot ends in; both are empty where the line does not change them. ``what`` is what was
    pinned, with its end: ``trunk uk-a down until 2026-11-21T19:00:00.000+00:00``.
    """

    seq: int
    at: str
    uid: int
    user: str
    action: str
    version: str
    why: str
    login: int | None = None
    before: str = ""
    tables: str = ""
    snapshot: str = ""
    of: int = 0
    what: str = ""
    previous: str = GENESIS


@dataclass(frozen=True, slots=True)
class Anchor:
    """Up to which line the log is known: its sequence number (0: none yet) and its hash."""

    seq: int
    hash: str


START: Final = Anchor(0, GENESIS)


@dataclass(frozen=True, slots=True)
class Line:
    """A line as it was found: ``number`` counts from 1, ``sound`` that its hash is its own."""

    number: int
    entry: Entry
    hash: str
    sound: bool

    @property
    def anchor(self) -> Anchor:
        """Return what would anchor the log here."""
        return Anchor(self.entry.seq, self.hash)


@dataclass(frozen=True, slots=True)
class Log:
    """A whole log: its lines, the numbers of those that are none, and where a torn end begins."""

    lines: tuple[Line, ...]
    foreign: tuple[int, ...]
    size: int
    whole: int

    @property
    def torn(self) -> bool:
        """Whether the last line has no end: its writer was stopped."""
        return self.whole < self.size


def who_is(uid: int, pid: int | None = None) -> Who:
    """Return who a user is; with the process, also who had logged in (Linux, audit login uid)."""
    user, login = "", None
    with suppress(KeyError):  # a user that the system does not name
        user = pwd.getpwuid(uid).pw_name
    if pid is not None:
        with suppress(OSError, ValueError):  # it has ended, or the kernel does not tell
            login = int(Path(f"/proc/{pid}/loginuid").read_text())
    return Who(uid, user, None if login == _NO_LOGIN else login)


def reason(why: str) -> str:
    """Return why a person does it, if it may go into the log.

    Raises:
        UsageError: empty, longer than 200 characters, or with characters that do not print.
    """
    if not why.strip():
        raise UsageError("why? say it in a few words: it goes into the audit log")
    if len(why) > MAX_WHY:
        raise UsageError(f"the reason has {len(why)} characters: at most {MAX_WHY} are kept")
    if not why.isprintable():
        raise UsageError("the reason holds characters that do not print: write plain text")
    return why


def stamp(at: float) -> str:
    """Return an epoch in seconds as ISO 8601 in UTC, with milliseconds."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")


def epoch(stamped: str) -> float:
    """Return the epoch of what ``stamp`` wrote; 0 if it is no such text."""
    try:
        return datetime.fromisoformat(stamped).timestamp()
    except ValueError:
        return 0.0


def sealed(value: msgspec.Struct) -> tuple[bytes, str]:
    """Return a value as one line of JSON that ends in its own hash, and that hash."""
    body = msgspec.json.encode(value)[:-1]
    digest = hashlib.sha256(body).hexdigest()
    return body + _SEAL + digest.encode() + b'"}\n', digest


def seal_of(line: bytes) -> tuple[str, bool]:
    """Return the hash that a line (without its end) carries, and whether it is its own."""
    body, tail = line[:-_TAIL], line[-_TAIL:]
    if not (tail.startswith(_SEAL) and tail.endswith(b'"}')):
        return "", False
    told = tail[len(_SEAL) : -2].decode("ascii", "replace")
    return told, told == hashlib.sha256(body).hexdigest()


def read(data: bytes) -> Log:
    """Read a log; what is not a line of ours is kept by its number only."""
    whole = data.rfind(b"\n") + 1
    lines, foreign = [], []
    for number, raw in enumerate(data[:whole].split(b"\n")[:-1], 1):
        told, sound = seal_of(raw)
        try:
            lines.append(Line(number, msgspec.json.decode(raw, type=Entry), told, sound))
        except (msgspec.MsgspecError, UnicodeDecodeError):
            foreign.append(number)
    return Log(tuple(lines), tuple(foreign), len(data), whole)


def is_in(anchor: Anchor, log: Log) -> bool:
    """Whether a log holds the line that an anchor names, unchanged."""
    return anchor == START or any(line.sound and line.anchor == anchor for line in log.lines)


def in_force(log: Log, anchor: Anchor | None) -> tuple[Entry, ...]:
    """Return the changes that took effect, oldest first: none behind the anchor, none abandoned.

    Without an anchor every change that was not abandoned is believed.
    """
    gone = {line.entry.of for line in log.lines if line.entry.action == Act.ABANDONED}
    last = anchor.seq if anchor is not None else None
    return tuple(
        line.entry
        for line in log.lines
        if line.entry.action in CHANGES
        and line.entry.seq not in gone
        and (last is None or line.entry.seq <= last)
    )


def unmarked(log: Log, anchor: Anchor) -> tuple[Entry, ...]:
    """Return the changes behind the anchor that nobody has marked as abandoned yet."""
    gone = {line.entry.of for line in log.lines if line.entry.action == Act.ABANDONED}
    return tuple(
        line.entry
        for line in log.lines
        if line.entry.seq > anchor.seq
        and line.entry.action in CHANGES
        and line.entry.seq not in gone
    )


def faults(file: str, log: Log, anchors: Sequence[Anchor]) -> Iterator[Fault]:
    """Yield what is wrong with a log: edits, deletions, another order, a missing end.

    Args:
        file: how to call it.
        log: what it holds.
        anchors: what must be in it; the first is the store's own, lines behind it are abandoned.
    """
    for number in log.foreign:
        yield Fault(file, number, 0, "not a line of this log: it was edited")
    before = START
    for line in log.lines:
        if not line.sound:
            yield Fault(file, line.number, 0, "it was edited: its hash does not fit its contents")
        if line.entry.previous != before.hash or line.entry.seq != before.seq + 1:
            what = "does not follow the line before it: lines are missing, moved or put in"
            yield Fault(file, line.number, 0, what)
        before = line.anchor
    for anchor in anchors:
        if not is_in(anchor, log):
            what = f"entry {anchor.seq} is missing or another one: the log was cut or edited"
            yield Fault(file, 0, 0, what)
    for entry in unmarked(log, anchors[0]) if anchors else ():
        what = f"entry {entry.seq} ({entry.action} {entry.version}) never took effect"
        yield Fault(file, 0, 0, what, warning=True)
    if log.torn:
        what = "the last line is torn: its writer was stopped before it took effect"
        yield Fault(file, 0, 0, what, warning=True)
