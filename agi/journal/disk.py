"""The journal's file in use, and what is done when it cannot be used: a writing thread's only door.

Errors end here: what was to be written is lost and counted, the file is opened anew with the next
batch, and a damaged one is moved aside.
"""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final

from agi.journal import file
from agi.journal.archive import Archive, Bounds
from agi.journal.record import Row
from agi.log import Log

SWEEP_S: Final = 10.0
"""How often old files are looked for."""


class Disk:
    """The file in use, and what is done when it cannot be used."""

    def __init__(
        self, archive: Archive, bounds: Bounds, wall: Callable[[], float], log: Log
    ) -> None:
        self.written = 0
        self.lost: Counter[str] = Counter()
        self.trouble = ""
        self._archive = archive
        self._bounds = bounds
        self._wall = wall
        self._log = log
        self._path: Path | None = None
        self._inode = 0
        self._db: sqlite3.Connection | None = None
        self._sweep_at = 0.0

    def write(self, rows: list[Row]) -> None:
        """Write rows, or lose them."""
        try:
            db = self._open()
            file.write(db, rows)
        except (sqlite3.Error, OSError, ValueError, OverflowError) as fault:
            self._failed(fault, len(rows))
            return
        self.written += len(rows)
        if self.trouble:
            self._log("info", "journal", trouble="", was=self.trouble, lost=sum(self.lost.values()))
            self.trouble = ""

    def _open(self) -> sqlite3.Connection:
        path = self._archive.current(self._wall(), self._bounds)
        if self._db is not None and path == self._path and _inode(path) == self._inode:
            return self._db
        self.close()
        self._archive.make()
        file.make(path)
        self._path, self._inode = path, _inode(path)
        self._db = file.begin(path)
        return self._db

    def lose(self, what: str, count: int) -> None:
        """Count records as lost; ``what`` is a word that holds no number and no path."""
        self.lost[what] += count
        if what != self.trouble:
            self._log("error", "journal", trouble=what, lost=count)
            self.trouble = what

    def _failed(self, fault: Exception, count: int) -> None:
        self.lose(file.named(fault), count)
        path, inode = self._path, self._inode
        self.close()
        if isinstance(fault, sqlite3.Error) and file.damaged(fault) and path is not None:
            self._mend(path, inode)

    def _mend(self, path: Path, inode: int) -> None:
        # Another router may have done it already: the file of this name is a new one then.
        if inode == _inode(path):
            try:
                self._archive.move_aside(path, self._wall())
            except OSError as fault:
                self._log("error", "journal", trouble=type(fault).__name__, doing="moving aside")

    def sweep_sometimes(self) -> None:
        """Delete what is too old or too much, every ten seconds."""
        if time.monotonic() >= self._sweep_at:
            self.sweep()

    def sweep(self) -> None:
        """Delete what is too old or too much."""
        self._sweep_at = time.monotonic() + SWEEP_S
        try:
            gone = self._archive.prune(self._wall(), self._bounds)
        except OSError as fault:
            self._log("error", "journal", trouble=type(fault).__name__, doing="deleting old files")
            return
        if gone:
            self._log("info", "journal", deleted_files=gone)

    def close(self) -> None:
        """Let the file go; the last process to do so empties its log."""
        if self._db is not None:
            self._db.close()
            self._db = None


def _inode(path: Path) -> int:
    """Return which file this is, 0 if there is none."""
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return 0
