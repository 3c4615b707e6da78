"""Two versions of the tables side by side: which rows differ, and whose first choice moves."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from agi.errors import UsageError
from agi.routing.moves import Moves, RowChange, moves, rows_changed
from agi.routing.reading import files
from agi.routing.table import Table
from agi.routing.versions.store import Store
from agi.routing.versions.stored import StoreError
from agi.tables import plainly

ACTIVE: Final = "active"
_VERSION: Final = re.compile(r"[0-9]{1,6}(?:-[0-9a-f]{8})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Side:
    """Tables to compare, and what people call them: a version, or a directory."""

    name: str
    table: Table | None
    contents: Mapping[str, bytes] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Difference:
    """What changes from one side to the other; before a first version nothing can move.

    ``known`` False: one side is damaged, so nobody can say what changes.
    """

    before: str
    after: str
    rows: tuple[RowChange, ...]
    moves: Moves
    known: bool = True


NOTHING: Final = Side("", None, {})


def version_named(store: Store, text: str) -> str | None:
    """Return the version that ``active``, a name or a number means; None if it is none of these.

    Raises:
        UsageError: nothing is active, or no such version is stored.
    """
    if text != ACTIVE and not _VERSION.fullmatch(text):
        return None
    with plainly():
        stored = store.versions()
        active = store.active()
    if text == ACTIVE:
        if active is None:
            raise UsageError("no version is active yet: dialdip table activate makes the first")
        return active.version
    number, _, content = text.partition("-")
    for one in stored:
        if int(one.version[:6]) == int(number) and content in {"", one.version[7:]}:
            return one.version
    raise UsageError(f"there is no version {text}: dialdip table versions lists them")


def side(state: Path, text: str, timezone: str) -> Side:
    """Return the tables that a person names: ``active``, a version, its number, or a directory.

    Raises:
        TableError: the directory has faults.
        UsageError: there is no such version.
    """
    store = Store(state)
    version = version_named(store, text)
    if version is not None:
        return side_of(store, version)
    loaded = files.load(Path(text), 0, timezone)
    return Side(text, loaded.table, loaded.contents)


def side_of(store: Store, version: str) -> Side:
    """Return the tables of a stored version.

    Raises:
        UsageError: it cannot be read.
    """
    with plainly():
        return _whole(store, version)


def _whole(store: Store, version: str) -> Side:
    return Side(version, Table(store.compiled(version)), store.contents(version))


def active_side(store: Store) -> Side:
    """Return the tables in force; ``NOTHING`` before the first version.

    What is damaged has its name and no table: only another version in its place repairs it.

    Raises:
        UsageError: nobody can say which version is active.
    """
    with plainly():
        active = store.active()
    if active is None:
        return NOTHING
    try:
        return _whole(store, active.version)
    except StoreError:
        return Side(active.version, None, {})


def difference(old: Side, new: Side, at: float) -> Difference:
    """Compare two sides; ``at`` is the epoch at which rules without a window are compared."""
    if old.table is None or new.table is None:
        return Difference(old.name, new.name, (), Moves((), 0), known=not old.name)
    rows = rows_changed(old.contents, new.contents)
    return Difference(old.name, new.name, rows, moves(old.table, new.table, at, rows))
