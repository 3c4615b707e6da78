"""The one writer of the store: under its lock, one line in the log and one rename for each change.

The line is durable before the rename, and the rename is the commit point. A writer that is stopped
between the two leaves a line that never took effect; the next writer marks it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from agi.routing.compiled import Compiled
from agi.routing.versions.audit import (
    START,
    Act,
    Anchor,
    Entry,
    Log,
    Who,
    in_force,
    is_in,
    read,
    seal_of,
    sealed,
    stamp,
    unmarked,
)
from agi.routing.versions.disk import Folder
from agi.routing.versions.history import VERSION, number_of, too_old
from agi.routing.versions.snapshot import digest_of, dump
from agi.routing.versions.stored import FRESH, SNAPSHOT, Damaged

ACTIVE: Final = "active"
LOG: Final = "audit.jsonl"

_MAX_ACTIVE: Final = 1 << 12
_MAX_LOG: Final = 1 << 28


class Active(msgspec.Struct, frozen=True, kw_only=True):
    """What is in force. ``version`` is empty before the first activation.

    ``seq`` and ``audit`` anchor the audit log, ``highest`` is the highest number of any version
    that was ever in force, ``at`` when this was written (ISO 8601 in UTC).
    """

    version: str = ""
    seq: int = START.seq
    audit: str = START.hash
    highest: int = 0
    at: str = ""

    @property
    def anchor(self) -> Anchor:
        """Return up to which line the audit log is known."""
        return Anchor(self.seq, self.audit)


@dataclass(frozen=True, slots=True)
class Look:
    """What the store says of itself; ``trouble`` is empty if all of that could be read."""

    active: Active
    log: Log
    stored: tuple[str, ...]
    trouble: str = ""

    @property
    def in_force(self) -> tuple[Entry, ...]:
        """Return the changes that took effect, oldest first."""
        return in_force(self.log, None if self.trouble else self.active.anchor)


def read_active(tables: Folder) -> Active | None:
    """Return what is in force; None if that was never written.

    Raises:
        Damaged: the file is not what was written.
    """
    try:
        data = tables.read(ACTIVE, _MAX_ACTIVE)
        active = msgspec.json.decode(data, type=Active)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Damaged(f"{ACTIVE} cannot be read: {error.strerror}") from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Damaged(f"{ACTIVE} is damaged") from error
    if not seal_of(data.removesuffix(b"\n"))[1] or not VERSION.fullmatch(active.version or _NONE):
        raise Damaged(f"{ACTIVE} is damaged")
    return active


_NONE: Final = "000000-00000000"


def read_log(tables: Folder) -> Log:
    """Return the audit log; an empty one if there is none yet."""
    try:
        return read(tables.read(LOG, _MAX_LOG))
    except FileNotFoundError:
        return read(b"")


def look(tables: Folder, versions: Folder) -> Look:
    """Return what the store says of itself; what is active is taken from the log if need be."""
    trouble = ""
    try:
        active = read_active(tables)
    except Damaged as error:
        active, trouble = None, str(error)
    log = read_log(tables)
    stored = tuple(name for name in versions.names() if VERSION.fullmatch(name))
    if active is not None:
        known = tuple(name for name in stored if number_of(name) <= active.highest)
        return Look(active, log, known)
    if not (log.size or stored or trouble):
        return Look(Active(), log, ())
    return Look(_recovered(log, stored), log, stored, trouble or f"{ACTIVE} is missing")


def _recovered(log: Log, stored: Sequence[str]) -> Active:
    """Guess what is active: what the log says last, else the newest that is stored."""
    path = [entry.version for entry in in_force(log, None) if entry.version in stored]
    version = path[-1] if path else max(stored, default="")
    last = log.lines[-1].anchor if log.lines else START
    highest = max(map(number_of, stored), default=0)
    return Active(version=version, seq=last.seq, audit=last.hash, highest=highest)


class Writer:
    """Changes the store, for one person at one moment (an epoch in seconds); the lock is held.

    ``alarms`` is what people have to be told of.
    """

    def __init__(self, tables: Folder, versions: Folder, who: Who, at: float) -> None:
        self.versions: Final = versions
        self.alarms: Final[list[str]] = []
        self._tables: Final = tables
        self._who: Final = who
        self._at: Final = at
        self._look = look(tables, versions)
        self._last = _end(self._look)
        self._settle()

    @property
    def active(self) -> Active:
        """What is in force."""
        return self._look.active

    @property
    def look(self) -> Look:
        """What the store says of itself now."""
        return self._look

    def entry(self, action: Act, version: str, why: str) -> Entry:
        """Return a line of the log in the name of who writes."""
        who = self._who
        return Entry(
            seq=0,
            at=stamp(self._at),
            uid=who.uid,
            user=who.user,
            login=who.login,
            action=action,
            version=version,
            before=self.active.version,
            why=why,
        )

    def record(self, version: str, *lines: Entry) -> None:
        """Append lines to the log, then make ``version`` the active one: that is the commit.

        Raises:
            OSError: it cannot be written; what was active still is.
        """
        last, data = self._last, b""
        for line in lines:
            entry = msgspec.structs.replace(line, seq=last.seq + 1, previous=last.hash)
            text, digest = sealed(entry)
            last, data = Anchor(entry.seq, digest), data + text
        if data:
            self._tables.append(LOG, data)
        active = Active(
            version=version,
            seq=last.seq,
            audit=last.hash,
            highest=max(self.active.highest, number_of(version or _NONE)),
            at=stamp(self._at),
        )
        self._tables.replace(ACTIVE, sealed(active)[0])
        self._look, self._last = look(self._tables, self.versions), last

    def next_number(self) -> int:
        """Return a number that no version ever had."""
        logged = (line.entry.version for line in self._look.log.lines)
        named = {name for name in (*self.versions.names(), *logged) if VERSION.fullmatch(name)}
        return max(self.active.highest, *map(number_of, named), 0) + 1

    def mend(self, version: str, compiled: Compiled) -> None:
        """Put a good snapshot in the place of a version's bad one."""
        data = dump(compiled)
        entry = self.entry(Act.MENDED, version, "its snapshot could not be used")
        self.record(self.active.version, msgspec.structs.replace(entry, snapshot=digest_of(data)))
        with self.versions.folder(version) as folder:
            folder.replace(SNAPSHOT, data)

    def prune(self) -> None:
        """Remove what is too old; what cannot be removed is an alarm, and is tried again."""
        seen = self._look
        stored = set(seen.stored) - self._pruned()
        doomed = too_old(seen.in_force, stored, seen.active.version, self._at)
        why = "neither of the newest nor lately in force"
        if doomed:
            lines = [self.entry(Act.PRUNED, version, why) for version in doomed]
            try:
                self.record(seen.active.version, *lines)
            except OSError as error:
                self.alarms.append(f"old versions cannot be removed: {error.strerror}")
        self._sweep()

    def _pruned(self) -> set[str]:
        """Return the versions that the log gives up, as far as it can be believed."""
        active, lines = self.active, self._look.log.lines
        known = [line.entry for line in lines if line.sound and line.entry.seq <= active.seq]
        pruned = {entry.version for entry in known if entry.action == Act.PRUNED}
        return pruned - {active.version}

    def _settle(self) -> None:
        """Make good what a stopped writer left, and what else is not as it should be."""
        seen = self._look
        if seen.log.torn:
            self._tables.cut(LOG, seen.log.whole)
        if seen.trouble:
            self.alarms.append(f"{seen.trouble}: version {seen.active.version} is taken as active")
            self.record(seen.active.version, self.entry(Act.ANCHORED, "", seen.trouble))
        elif not seen.active.at:
            self.record("")
        if not is_in(seen.active.anchor, seen.log):
            self.alarms.append("the audit log was cut or edited: see `dialdip table verify`")
        self._mark()
        self._sweep()

    def _mark(self) -> None:
        """Say of what never took effect that it did not."""
        why = "its writer was stopped before it took effect"
        lines = [
            msgspec.structs.replace(self.entry(Act.ABANDONED, entry.version, why), of=entry.seq)
            for entry in unmarked(self._look.log, self.active.anchor)
        ]
        if lines:
            self.record(self.active.version, *lines)

    def _sweep(self) -> None:
        """Remove what no line of the log keeps: unfinished, never activated, or pruned."""
        active, pruned = self.active, self._pruned()
        for name in self.versions.names():
            never = VERSION.fullmatch(name) and number_of(name) > active.highest
            if never or name.startswith(FRESH) or name in pruned:
                try:
                    self.versions.remove(name)
                except OSError as error:
                    self.alarms.append(f"versions/{name} cannot be removed: {error.strerror}")


def _end(seen: Look) -> Anchor:
    """Return what the next line follows.

    That is the last line, if the log can be believed up to there. Else it is the line that is
    missing: then the gap stays to be seen.
    """
    lines = seen.log.lines
    if seen.trouble or not lines or not is_in(seen.active.anchor, seen.log):
        return seen.active.anchor
    return lines[-1].anchor if lines[-1].entry.seq >= seen.active.seq else seen.active.anchor
