"""The connections to the file of answers, shared by a writing and a reading thread.

Errors end here: each is told as one word, the connection is begun anew a second later, and a
damaged file is moved aside once no connection holds it.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from typing import Final, TypeVar

from agi.lookup.tiers import cachefile
from agi.lookup.tiers.cachefile import CacheFile

_RETRY_S: Final = 1.0
_T = TypeVar("_T")
Work = Callable[[sqlite3.Connection], _T]


class Disk:
    """The connections, the faults and the mending; the only part that two threads share."""

    def __init__(self, file: CacheFile, tell: Callable[[str, int, str], None]) -> None:
        self.file = file
        self.tell = tell
        self._lock = threading.Lock()
        self._writer: sqlite3.Connection | None = None
        self._reader: sqlite3.Connection | None = None
        self._begun = False
        self._retry_at = {"read": 0.0, "write": 0.0}

    def attempt(self, work: Work[_T], count: int = 1) -> _T | None:
        """Do some writing; None when it failed, which then is told as ``count`` failures."""
        if time.monotonic() < self._retry_at["write"]:
            self.tell("write", count, "waiting")
            return None
        try:
            if self._writer is None:
                self._writer = self.file.begin(lambda what: self.tell(what, 1, ""))
                self._begun = True
            return work(self._writer)
        except (sqlite3.Error, OSError) as fault:
            self._failed(fault, count)
            return None

    def _failed(self, fault: sqlite3.Error | OSError, count: int) -> None:
        self.tell("write", count, cachefile.named(fault))
        self._end_writer()
        if isinstance(fault, sqlite3.Error) and cachefile.damaged(fault):
            self.mend()
        else:
            self._retry_at["write"] = time.monotonic() + _RETRY_S

    def mend(self) -> None:
        """Move the damaged file aside, with every connection closed, and begin a fresh one."""
        with self._lock:
            self._end_writer()
            self._end_reader()
            try:
                self.file.move_aside()
            except OSError as fault:
                self.tell("write", 1, cachefile.named(fault))
                self._retry_at["write"] = time.monotonic() + _RETRY_S
                return
            self.tell("corrupt", 1, "")
            self._begun = False
            self._retry_at["read"] = 0.0
        self.attempt(lambda db: db.execute("SELECT 1").fetchall())

    def look(self, work: Work[_T], damage: Callable[[], None]) -> _T | None:
        """Do some reading; None when it failed, and ``damage`` is called if the file is broken."""
        with self._lock:
            if not self._begun or time.monotonic() < self._retry_at["read"]:
                return None
            try:
                if self._reader is None:
                    self._reader = self.file.look()
                return work(self._reader)
            except sqlite3.Error as fault:
                self.tell("read", 1, cachefile.named(fault))
                self._end_reader()
                self._retry_at["read"] = time.monotonic() + _RETRY_S
                broken = cachefile.damaged(fault)
        if broken:
            damage()
        return None

    def mended(self) -> None:
        """Let reading go on at once."""
        self._retry_at["read"] = 0.0

    def close(self) -> None:
        """End both, the writer last: only it empties the log and removes it."""
        with self._lock:
            self._begun = False
            self._end_reader()
        self._end_writer()

    def _end_writer(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _end_reader(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None
