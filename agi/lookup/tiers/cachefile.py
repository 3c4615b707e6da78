"""The SQLite file of answers: its schema, its modes, and what is done when it is damaged.

Nothing here is asynchronous; ``sqlite.py`` calls it from threads. SQLite's own documents are the
source: "Write-Ahead Logging", "How To Corrupt An SQLite Database File" (a file may be renamed only
when no connection holds it, or its log is lost) and "Pragma statements" (secure_delete,
wal_checkpoint).
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

from agi.lookup.owner import leave_to_owner

SCHEMA: Final = 1
"""The version of the table below; a file of a later one is left alone."""

APPLICATION: Final = 0x64646970
"""What SQLite calls the application id: ``ddip``."""

KEPT_ASIDE: Final = 2
SLICE: Final = 1_000

_COMPANIONS: Final = ("", "-wal", "-shm")
_WAL_BYTES: Final = 16 * 1024 * 1024
_DAMAGE: Final = frozenset((sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB))
_TABLES: Final = f"""
BEGIN IMMEDIATE;
CREATE TABLE kept (
    name BLOB PRIMARY KEY, obtained INTEGER NOT NULL, until INTEGER NOT NULL,
    provider TEXT NOT NULL, value BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE about (mark BLOB NOT NULL);
PRAGMA application_id = {APPLICATION};
PRAGMA user_version = {SCHEMA};
"""

Row = tuple[bytes, int, int, str, bytes]
"""name, obtained (epoch ms), keep until (epoch s), account, sealed record."""


class Foreign(sqlite3.DatabaseError):
    """The file is a database of another program: it is neither read nor moved."""


def damaged(fault: sqlite3.Error) -> bool:
    """Say whether the file itself is broken, rather than the disk, the rights or a lock."""
    code = getattr(fault, "sqlite_errorcode", 0)
    return code & 0xFF in _DAMAGE


def named(fault: sqlite3.Error | OSError) -> str:
    """Return a word for the fault that holds no number and no path."""
    if isinstance(fault, OSError):
        return type(fault).__name__
    return str(getattr(fault, "sqlite_errorname", type(fault).__name__))


class CacheFile:
    """One file of answers, by its path; ``mark`` tells whose names are in it.

    ``path`` is the file in use: another one than was asked for when that is of a later version.
    """

    def __init__(self, path: Path, mark: bytes, epoch: Callable[[], float]) -> None:
        self.path = path
        self._mark = mark
        self._epoch = epoch

    def begin(self, tell: Callable[[str], None]) -> sqlite3.Connection:
        """Open for writing, and make what is missing; ``tell`` hears ``newer`` and ``rekeyed``.

        Raises:
            sqlite3.Error: it cannot be used now; ``damaged`` says whether it ever can.
            OSError: the directory or the file cannot be made.
        """
        _make(self.path)
        db = self._connect()
        version = _pragma(db, "user_version") if self._ours(db) else 0
        if version > SCHEMA:
            db.close()
            tell("newer")
            self.path = self.path.with_name(f"{self.path.name}.v{SCHEMA}")
            return self.begin(tell)
        if version and not self._same_names(db):
            db.close()
            tell("rekeyed")
            self.remove()
            return self.begin(tell)
        try:
            self._prepare(db, new=version == 0)
        except (sqlite3.Error, OSError):
            db.close()
            raise
        return db

    def look(self) -> sqlite3.Connection:
        """Open a file that ``begin`` has opened before, for reading.

        Raises:
            sqlite3.Error: it cannot be used now.
        """
        db = self._connect(f"{self.path.absolute().as_uri()}?mode=rw")
        try:
            db.execute("PRAGMA query_only = ON")
        except sqlite3.Error:
            db.close()
            raise
        return db

    def move_aside(self) -> None:
        """Rename a damaged file, with its log; no connection may hold it. Two are kept.

        Raises:
            OSError: the directory cannot be written.
        """
        stamp = f"{self.path.name}.corrupt-{int(self._epoch())}"
        for end in _COMPANIONS:
            source = self.path.with_name(self.path.name + end)
            if source.exists():
                source.rename(self.path.with_name(stamp + end))
        for old in self._aside()[:-KEPT_ASIDE]:
            _remove(old)

    def remove(self) -> None:
        """Delete the file with its log; no connection may hold it."""
        _remove(self.path)

    def forget_aside(self) -> None:
        """Delete what was moved aside: nobody can erase one number in a broken file."""
        for old in self._aside():
            _remove(old)

    def bytes(self) -> int:
        """Return the size of the file and its log."""
        files = (self.path.with_name(self.path.name + end) for end in _COMPANIONS[:2])
        return sum(file.stat().st_size for file in files if file.exists())

    def _aside(self) -> list[Path]:
        found = self.path.parent.glob(f"{self.path.name}.corrupt-*")
        return sorted(file for file in found if not file.name.endswith(("-wal", "-shm")))

    def _connect(self, name: str | None = None) -> sqlite3.Connection:
        return sqlite3.connect(
            name or self.path,
            timeout=1.0,
            isolation_level=None,
            check_same_thread=False,
            uri=name is not None,
        )

    def _ours(self, db: sqlite3.Connection) -> bool:
        try:
            tables = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            if tables and _pragma(db, "application_id") != APPLICATION:
                raise Foreign("a database of another program")
        except sqlite3.Error:
            db.close()
            raise
        return bool(tables)

    def _same_names(self, db: sqlite3.Connection) -> bool:
        try:
            rows: list[tuple[object]] = db.execute("SELECT mark FROM about").fetchall()
        except sqlite3.Error:
            db.close()
            raise
        return rows == [(self._mark,)]

    def _prepare(self, db: sqlite3.Connection, *, new: bool) -> None:
        if self.path.stat().st_mode & 0o077:
            self.path.chmod(0o600)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("PRAGMA secure_delete = ON")
        db.execute(f"PRAGMA journal_size_limit = {_WAL_BYTES}")
        if new:
            db.executescript(_TABLES)
            db.execute("INSERT INTO about VALUES (?)", (self._mark,))
            db.execute("COMMIT")


def write(db: sqlite3.Connection, rows: Sequence[Row]) -> None:
    """Write rows in one transaction."""
    db.execute("BEGIN IMMEDIATE")
    db.executemany("INSERT OR REPLACE INTO kept VALUES (?, ?, ?, ?, ?)", rows)
    db.execute("COMMIT")


def find(db: sqlite3.Connection, name: bytes, now: float) -> tuple[object, object] | None:
    """Return when an entry was obtained, and its value; None when it is over or not there."""
    rows = db.execute(
        "SELECT obtained, value FROM kept WHERE name = ? AND until >= ?", (name, int(now))
    ).fetchall()
    return rows[0] if rows else None


def erase(db: sqlite3.Connection, names: Iterable[bytes]) -> bool:
    """Delete entries so that no byte of them stays in the file or its log; were there any?

    Raises:
        sqlite3.OperationalError: a reader held the log for too long.
    """
    before = db.total_changes
    db.executemany("DELETE FROM kept WHERE name = ?", ((name,) for name in names))
    found = db.total_changes > before
    if db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()[0][0]:
        raise sqlite3.OperationalError("the log is in use")
    return found


def purge(db: sqlite3.Connection, provider: str, since_ms: int) -> None:
    """Delete what an account said since an epoch in milliseconds."""
    db.execute("DELETE FROM kept WHERE provider = ? AND obtained >= ?", (provider, since_ms))


def sweep(db: sqlite3.Connection, after: bytes, now: float) -> bytes:
    """Delete what is over among the next thousand names; return where to go on.

    Walking the names needs no index on the time, which would add a third to the file.
    """
    rows = db.execute(
        "SELECT name FROM kept WHERE name > ? ORDER BY name LIMIT 1 OFFSET ?", (after, SLICE - 1)
    ).fetchall()
    end: bytes = rows[0][0] if rows else b""
    within = "name > ? AND name <= ?" if end else "name > ? AND ? = x''"
    db.execute(f"DELETE FROM kept WHERE {within} AND until < ?", (after, end, int(now)))  # noqa: S608 - two constants
    return end


def _pragma(db: sqlite3.Connection, name: str) -> int:
    return int(db.execute(f"PRAGMA {name}").fetchone()[0])


def _make(path: Path) -> None:
    # A file that exists is never opened here: closing it would cancel SQLite's own locks on it.
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            leave_to_owner(descriptor, path.parent)
        finally:
            os.close(descriptor)


def _remove(path: Path) -> None:
    for end in _COMPANIONS:
        path.with_name(path.name + end).unlink(missing_ok=True)
