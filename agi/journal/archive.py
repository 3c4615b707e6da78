"""All files of the journal: which one is written now, which go, and where a decision is found.

There is one file a day (UTC), ``2026-11-21.sqlite``; on a day with very many calls further ones
follow, ``2026-11-21.2.sqlite``, so that what is deleted for its size is always the oldest part.
Every router of a host writes the same files.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec

from agi.journal import file
from agi.journal.record import Record, Row, compact, key_of, record_of
from agi.lookup.owner import leave_to_owner

PARTS: Final = 8
"""A file is left for a new one when it is so many times smaller than the whole may be."""

MAX_FOUND: Final = 16
"""So many decisions of one channel are told at most."""

_NAME: Final = re.compile(r"(\d{4}-\d\d-\d\d)(?:\.([1-9]\d{0,3}))?\.sqlite")
_ASIDE: Final = re.compile(r"(\d{4}-\d\d-\d\d)[.0-9]*\.sqlite\.damaged-\d+")


def directory_of(state: Path) -> Path:
    """Return where the journal is, in a state directory."""
    return state / "journal"


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much is kept: whole days before today, and bytes of all files together."""

    days: int
    max_bytes: int


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found, the latest first; ``unread`` names files that could not be searched."""

    records: tuple[Record, ...]
    unread: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Erasure:
    """What an erasure did; ``kept`` names files that may hold the number still."""

    records: int
    kept: tuple[str, ...]


class Archive:
    """The files in one directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def make(self) -> None:
        """Make the directory, for its owner's eyes only.

        Raises:
            OSError: it cannot be made.
        """
        if not self.directory.is_dir():
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            leave_to_owner(self.directory, self.directory.parent)

    def current(self, now: float, bounds: Bounds) -> Path:
        """Return the file to write to at an epoch."""
        today = datetime.fromtimestamp(now, UTC).date().isoformat()
        parts = [int(found[2] or 1) for found in self._named() if found[1] == today]
        last = max(parts, default=1)
        if file.size(self._path(today, last)) >= bounds.max_bytes // PARTS:
            last += 1
        return self._path(today, last)

    def prune(self, now: float, bounds: Bounds) -> int:
        """Delete what is too old or too much, the oldest first, and return how many files went.

        Raises:
            OSError: the directory cannot be read or written.
        """
        oldest = (datetime.fromtimestamp(now, UTC).date() - timedelta(days=bounds.days)).isoformat()
        files, aside = self.files(), self._aside()
        gone = [path for path in (*files, *aside) if path.name[:10] < oldest or not bounds.days]
        room = bounds.max_bytes - bounds.max_bytes // PARTS - sum(map(file.size, aside))
        for path in files:  # the newest first
            room -= file.size(path)
            if room < 0 and path != files[0] and path not in gone:
                gone.append(path)
        for path in gone:
            file.remove(path)
        return len(gone)

    def files(self) -> list[Path]:
        """Return the files, the newest first."""
        found = sorted(self._named(), key=lambda name: (name[1], int(name[2] or 1)), reverse=True)
        return [self.directory / name[0] for name in found]

    def move_aside(self, path: Path, now: float) -> None:
        """Put a damaged file out of the way; two of them are kept, for whoever can read them.

        Raises:
            OSError: the directory cannot be written.
        """
        file.rename(path, f"{path.name}.damaged-{int(now)}")
        for old in self._aside()[:-2]:
            file.remove(old)

    # ---- what is in them -----------------------------------------------------------------

    def by_id(self, decision_id: str) -> Found:
        """Return the decision with an id."""
        key = key_of(decision_id)
        if key is None:
            return Found((), ())
        return self._search(lambda db: file.by_id(db, key), 1)

    def by_call(self, uniqueid: str) -> Found:
        """Return the decisions of one channel, by its unique id, the latest first."""
        return self._search(lambda db: file.by_call(db, uniqueid, MAX_FOUND), MAX_FOUND)

    def span(self) -> tuple[date, date] | None:
        """Return the first and the last day that there is a file of."""
        days = sorted(date.fromisoformat(path.name[:10]) for path in self.files())
        return (days[0], days[-1]) if days else None

    def erase(self, numbers: Collection[str]) -> Erasure:
        """Delete every decision with one of these numbers, as callee or caller.

        Numbers are digits as ``Dialled.msisdn`` has them; dialled digits where that is None.
        Damaged files that were moved aside go too: one number cannot be found in them.
        """
        wanted = [compact(number) for number in numbers]
        erased, kept = 0, []
        for path in self.files():
            try:
                erased += file.erase(path, wanted)
            except (sqlite3.Error, OSError):  # told by the file's name
                kept += [path.name] if path.exists() else []
        for path in self._aside():
            try:
                file.remove(path)
            except OSError:
                kept.append(path.name)
        return Erasure(erased, tuple(kept))

    def _search(self, find: Callable[[sqlite3.Connection], list[Row]], limit: int) -> Found:
        records: list[Record] = []
        unread: list[str] = []
        for path in self.files():
            try:
                with file.reading(path) as db:
                    records += map(record_of, find(db))
            except (sqlite3.Error, OSError, msgspec.DecodeError):
                unread += [path.name] if path.exists() else []
            if len(records) >= limit:
                break
        return Found(tuple(records[:limit]), tuple(unread))

    def _path(self, day: str, part: int) -> Path:
        return self.directory / (f"{day}.sqlite" if part == 1 else f"{day}.{part}.sqlite")

    def _named(self) -> Iterator[re.Match[str]]:
        for path in self.directory.iterdir() if self.directory.is_dir() else ():
            found = _NAME.fullmatch(path.name)
            if found is not None and _is_day(found[1]):
                yield found

    def _aside(self) -> list[Path]:
        found = self.directory.iterdir() if self.directory.is_dir() else ()
        return sorted(path for path in found if _ASIDE.fullmatch(path.name))


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
