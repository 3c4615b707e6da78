"""One SQLite file of the journal: its schema, its modes, and what is read, written and erased.

SQLite's own documents are the source: "Write-Ahead Logging", "How To Corrupt An SQLite Database
File" and "Pragma statements" (secure_delete, wal_checkpoint).
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final

from agi.journal.record import COLUMNS, Key, Row, Text
from agi.lookup.owner import leave_to_owner

SCHEMA: Final = 1
"""The version of the table below; a file of another one is neither read nor written."""

APPLICATION: Final = 0x6464696A
"""What SQLite calls the application id: ``ddij``."""

BUSY_S: Final = 2.0
"""How long another process may hold the file."""

COMPANIONS: Final = ("", "-wal", "-shm")

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS calls (
    id INTEGER PRIMARY KEY, at INTEGER NOT NULL, uniqueid TEXT NOT NULL, number NOT NULL,
    dialled TEXT, account TEXT NOT NULL, caller, version TEXT NOT NULL, rule TEXT NOT NULL,
    inputs BLOB NOT NULL, outcome BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS by_call ON calls (uniqueid);
CREATE INDEX IF NOT EXISTS by_number ON calls (number);
CREATE INDEX IF NOT EXISTS by_caller ON calls (caller) WHERE caller IS NOT NULL;
"""
_NAMES: Final = ", ".join(COLUMNS)
_PLACES: Final = f"({', '.join('?' * len(COLUMNS))})"
_IN_ONE: Final = 100
"""Rows in one statement: the interpreter is let go once for each statement, not for each row."""


class Foreign(sqlite3.DatabaseError):
    """The file is of another program, or of another version of this one: it is left alone."""


def damaged(fault: sqlite3.Error) -> bool:
    """Say whether the file itself is broken, rather than the disk, the rights or a lock."""
    code = getattr(fault, "sqlite_errorcode", 0)
    return code & 0xFF in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def named(fault: Exception) -> str:
    """Return a word for the fault that holds no number and no path."""
    if isinstance(fault, sqlite3.Error) and not isinstance(fault, Foreign):
        return str(getattr(fault, "sqlite_errorname", type(fault).__name__))
    return type(fault).__name__


def begin(path: Path) -> sqlite3.Connection:
    """Open a file for writing that ``make`` has made.

    Raises:
        sqlite3.Error: it cannot be used now; ``damaged`` says whether it ever can.
    """
    db = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
    try:
        _prepare(db)
    except sqlite3.Error:
        db.close()
        raise
    return db


def _prepare(db: sqlite3.Connection) -> None:
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = NORMAL")
    db.execute("PRAGMA secure_delete = ON")  # what moves within the file leaves nothing behind
    db.execute("BEGIN IMMEDIATE")
    try:
        if db.execute("SELECT count(*) FROM sqlite_master").fetchone() != (0,):
            _ours(db)
        else:
            for statement in _TABLES.split(";"):
                db.execute(statement)
            db.execute(f"PRAGMA application_id = {APPLICATION}")
            db.execute(f"PRAGMA user_version = {SCHEMA}")
    finally:
        db.execute("COMMIT")


def _ours(db: sqlite3.Connection) -> None:
    marks = [
        db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")
    ]
    if marks != [APPLICATION, SCHEMA]:
        raise Foreign("not a journal of this version")


def write(db: sqlite3.Connection, rows: Sequence[Row]) -> None:
    """Write rows in one transaction; one whose id is there already is left out.

    Raises:
        sqlite3.Error: none of them was written; the connection may be in a transaction.
    """
    db.execute("BEGIN IMMEDIATE")
    for start in range(0, len(rows), _IN_ONE):
        part = rows[start : start + _IN_ONE]
        places = ", ".join([_PLACES] * len(part))
        values = [value for row in part for value in row]
        db.execute(f"INSERT OR IGNORE INTO calls ({_NAMES}) VALUES {places}", values)  # noqa: S608 - constants and question marks
    db.execute("COMMIT")


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a file for reading, whoever writes it meanwhile.

    Raises:
        sqlite3.Error: it cannot be read.
    """
    # Not mode=ro: the log's index file may have to be made anew, by its owner.
    with closing(_connect(path)) as db:
        db.execute("PRAGMA query_only = ON")
        _ours(db)
        yield db


def _connect(path: Path) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?mode=rw"
    return sqlite3.connect(uri, timeout=BUSY_S, isolation_level=None, uri=True)


def by_id(db: sqlite3.Connection, key: Key) -> list[Row]:
    """Return the decision with this key, if it is here."""
    return db.execute(f"SELECT {_NAMES} FROM calls WHERE id = ?", (key,)).fetchall()  # noqa: S608 - constants


def by_call(db: sqlite3.Connection, uniqueid: str, limit: int) -> list[Row]:
    """Return the decisions of one channel, the latest first."""
    where = "WHERE uniqueid = ? ORDER BY at DESC, id DESC LIMIT ?"
    return db.execute(f"SELECT {_NAMES} FROM calls {where}", (uniqueid, limit)).fetchall()  # noqa: S608 - constants


def erase(path: Path, numbers: Collection[Text]) -> int:
    """Delete every row with one of these numbers, as callee or caller, to its last byte.

    Return how many there were.

    Raises:
        sqlite3.Error: it failed, or somebody held the log for too long; it may be tried again.
    """
    with closing(_connect(path)) as db:
        _ours(db)
        db.execute("PRAGMA secure_delete = ON")
        before = db.total_changes
        for number in numbers:
            db.execute("DELETE FROM calls WHERE number = ? OR caller = ?", (number, number))
        erased = db.total_changes - before
        if db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
            raise sqlite3.OperationalError("the log is in use")
        return erased


def remove(path: Path) -> None:
    """Delete a file with its log, if it is there.

    Raises:
        OSError: the directory cannot be written.
    """
    for end in COMPANIONS:
        path.with_name(path.name + end).unlink(missing_ok=True)


def rename(path: Path, name: str) -> None:
    """Move a file aside with its log; this process may hold no connection to it.

    Raises:
        OSError: the directory cannot be written.
    """
    for end in COMPANIONS:
        source = path.with_name(path.name + end)
        if source.exists():
            source.rename(path.with_name(name + end))


def size(path: Path) -> int:
    """Return the bytes of a file and its log; 0 when there is none."""
    total = 0
    for end in COMPANIONS:
        with suppress(FileNotFoundError):  # another process of the service deleted it just now
            total += path.with_name(path.name + end).stat().st_size
    return total


def make(path: Path) -> None:
    """Make an empty file, if there is none, for its owner's eyes only.

    Raises:
        OSError: it cannot be made.
    """
    # A file that exists is never opened here: closing it would cancel SQLite's own locks on it.
    if not path.exists():
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(path, flags, 0o600)
        try:
            leave_to_owner(descriptor, path.parent)
        finally:
            os.close(descriptor)
