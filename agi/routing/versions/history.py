"""Which version was in force before which, and which old ones may go."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Final

from agi.routing.versions.audit import Act, Entry, epoch

VERSION: Final = re.compile(r"[0-9]{6}-[0-9a-f]{8}", re.ASCII)
"""A version's name: its number, and the first digits of the hash of its files."""

LAST_NUMBER: Final = 999_999
KEEP_NEWEST: Final = 100
KEEP_S: Final = 30 * 86_400
"""A version that was put in force within so many seconds stays."""
MOST: Final = 1_000


def number_of(version: str) -> int:
    """Return the number of a version."""
    return int(version[:6])


def path_to(entries: Sequence[Entry]) -> list[str]:
    """Return the versions that lead to the active one, which is the last.

    An activation goes on from the active version; a rollback goes back to where that version was
    active, and forgets what came after it. So what was rolled back from is never "the one before".
    """
    path: list[str] = []
    for entry in entries:
        if entry.action == Act.ROLLBACK and entry.version in path:
            del path[path.index(entry.version) :]
        path.append(entry.version)
    return path


def one_before(entries: Sequence[Entry], stored: Collection[str], active: str) -> str | None:
    """Return the version to go back to, of those that are stored; None if there is none.

    Where the log does not know, it is the one with the next lower number.
    """
    path = [version for version in path_to(entries) if version in stored]
    if active in path:
        path = path[: path.index(active)]
    elif active:
        path = sorted(version for version in stored if version < active)
    return path[-1] if path else None


def in_trouble(entries: Sequence[Entry], stored: Collection[str], active: str) -> list[str]:
    """Return the stored versions to try when one cannot be loaded, the best first.

    The active one, those that led to it, and last what was rolled back from: the newest first.
    """
    led = [version for version in reversed(path_to(entries)) if version in stored]
    rest = sorted(stored, reverse=True)
    first = [active] if active in stored else []
    return list(dict.fromkeys((*first, *led, *rest)))


def too_old(
    entries: Sequence[Entry], stored: Collection[str], active: str, at: float
) -> tuple[str, ...]:
    """Return the versions to remove: not of the newest 100, nor in force in the last 30 days.

    At most 1,000 stay in any case; the active one and the one before it always do.
    """
    newest_first = sorted(stored, reverse=True)
    kept = {active, one_before(entries, stored, active)} & set(stored)
    recent = {entry.version for entry in entries if epoch(entry.at) > at - KEEP_S}
    wanted = [v for v in newest_first[:KEEP_NEWEST] if v not in kept]
    wanted += [v for v in newest_first[KEEP_NEWEST:] if v in recent - kept]
    return tuple(sorted(set(stored) - kept - set(wanted[: MOST - len(kept)])))
