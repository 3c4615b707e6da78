"""Keep the life-raft: the dialplan file by which Asterisk routes while nobody answers it.

It is written whole beside its place and renamed: whoever reads it reads the old one or the new one.
A raft that cannot be written never stops what it follows from; why not is said.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from agi.config import Loaded
from agi.errors import UsageError
from agi.routing.compiled import Compiled
from agi.routing.raft import MOST_ROUTES, raft
from agi.routing.raft_text import MARK, stamp, text
from agi.routing.table import Table

_MODE: Final = 0o644
"""Asterisk runs as a user of its own. Trunks' names and prefixes are no secret."""


def write(path: Path, content: str, *, force: bool = False) -> None:
    """Put a raft in its place, in one step.

    Raises:
        UsageError: it cannot be written there, or another file is there, without ``force``.
    """
    try:
        found = _beginning(path)
        if found is not None and not found.startswith(MARK) and not force:
            raise UsageError(f"{path}: is no life-raft, and is left as it is; name another file")
        _replace(path, content)
    except OSError as refused:
        raise UsageError(f"{path}: cannot be written: {refused.strerror}") from None


def _beginning(path: Path) -> str | None:
    """Return how the file begins that is there, None if there is none."""
    with suppress(FileNotFoundError):
        if not stat.S_ISREG(path.stat().st_mode):
            raise UsageError(f"{path}: is no file; name one for the life-raft")
        with path.open("rb") as stream:
            return stream.read(200).decode(errors="replace")
    return None


def _replace(path: Path, content: str) -> None:
    fd, fresh = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(fd, "w", encoding="ascii") as stream:
            os.fchmod(fd, _MODE)
            stream.write(content)
            stream.flush()
            os.fsync(fd)
        Path(fresh).replace(path)
    finally:
        Path(fresh).unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def content(loaded: Loaded, compiled: Compiled, most: int = MOST_ROUTES) -> str:
    """Return the raft of a version.

    Raises:
        UsageError: the country's numbering plan cannot be written for Asterisk.
    """
    numbers = loaded.config.numbers
    try:
        return text(raft(Table(compiled), numbers.country, numbers.emergency, most))
    except ValueError as unwritable:
        raise UsageError(f"no life-raft for {numbers.country}: {unwritable}") from None


def keep(loaded: Loaded, compiled: Compiled) -> str:
    """Write the raft of what was put in force, where the configuration wants one.

    Returns:
        Why it could not be written; empty if it was, or is not wanted.
    """
    return _kept(loaded, lambda _: True, compiled)


def catch_up(loaded: Loaded, compiled: Compiled) -> str:
    """Write the raft of what is in force, unless it is there already; as ``keep``."""
    numbers = loaded.config.numbers
    wanted = stamp(compiled.version, numbers.country, numbers.emergency)

    def outdated(path: Path) -> bool:
        found = _beginning(path)
        return found is None or found.partition("\n")[0] != wanted

    return _kept(loaded, outdated, compiled)


def _kept(loaded: Loaded, due: Callable[[Path], bool], compiled: Compiled) -> str:
    wanted = loaded.config.tables.life_raft
    if wanted is None:
        return ""
    path = loaded.relative(wanted)
    try:
        if due(path):
            write(path, content(loaded, compiled))
    except UsageError as refused:
        return f"no life-raft was written: {refused}"
    except OSError as refused:
        return f"no life-raft was written: {path}: cannot be read: {refused.strerror}"
    return ""
