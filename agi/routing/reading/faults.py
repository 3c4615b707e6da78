"""Collect what is wrong with a directory of tables, with places, and within bounded memory.

A person who edits a table wants every mistake at once. A file of a million damaged rows must not
cost a gigabyte: only the first ``LIMIT`` mistakes by place are kept, the rest are counted.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from agi.errors import Fault, TableError

LIMIT: Final = 1_000
"""So many faults, and as many warnings, are told; a closing line counts the others."""

_SHOWN: Final = 40
_LONG_DIGITS: Final = re.compile(r"([0-9]{6})[0-9]+")
_SUGGESTIONS: Final = 100
_CANDIDATES: Final = 2_000


def shown(cell: str) -> str:
    """Return a cell as a message may quote it: short, printable, and with no whole number in it.

    Runs of digits are cut after the sixth: a pinned number is personal data, and messages reach
    logs.
    """
    text = _LONG_DIGITS.sub(r"\1...", cell)
    return ascii(text if len(text) <= _SHOWN else text[:_SHOWN] + "...")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a row stands: its file, the line it begins on, and where its columns are."""

    file: str
    line: int
    columns: Mapping[str, int] = field(repr=False)

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"

    def fault(self, column: str, what: str, *, warning: bool = False) -> Fault:
        """Make a fault in the named column; in the first one when the file lacks the column."""
        return Fault(self.file, self.line, self.columns.get(column, 0) + 1, what, warning)


class _Capped:
    """The first ``LIMIT`` faults by place, and the number of the others."""

    def __init__(self) -> None:
        self._kept: list[Fault] = []
        self._total = 0
        self._next: Fault | None = None

    def __len__(self) -> int:
        return self._total

    def add(self, fault: Fault) -> None:
        self._total += 1
        self._kept.append(fault)
        if len(self._kept) >= 2 * LIMIT:
            self._cut()

    def _cut(self) -> None:
        self._kept.sort()
        dropped = self._kept[LIMIT:]
        del self._kept[LIMIT:]
        if dropped:
            self._next = min(dropped[0], self._next or dropped[0])

    def told(self) -> tuple[Fault, ...]:
        self._cut()
        if self._next is None:
            return tuple(self._kept)
        first, more = self._next, self._total - len(self._kept)
        what = f"and {more} more from here on: correct those above first"
        return (*self._kept, Fault(first.file, first.line, first.column, what, first.warning))


class Faults:
    """Every fault and every warning of one directory."""

    def __init__(self) -> None:
        self._faults = _Capped()
        self._warnings = _Capped()

    def __len__(self) -> int:
        """Return how many faults there are; warnings do not count."""
        return len(self._faults)

    def add(self, fault: Fault) -> None:
        """Take one more fault or warning, in any order of places."""
        (self._warnings if fault.warning else self._faults).add(fault)

    def warnings(self) -> tuple[Fault, ...]:
        """Return the warnings, sorted by place."""
        return self._warnings.told()

    def refuse(self) -> None:
        """Raise what was collected, if anything was.

        Raises:
            TableError: there is at least one fault; it carries all of them, no warnings.
        """
        if len(self._faults):
            raise TableError(self._faults.told())


class Nearest:
    """The known name that a mistyped one probably meant, for a bounded number of mistakes.

    The comparison is quadratic in the names' lengths, so a file that is wrong everywhere gets a
    suggestion for the first hundred mistakes only.
    """

    def __init__(self, known: Collection[str]) -> None:
        self._known = sorted(map(str, known))[:_CANDIDATES]  # str: an enum's repr is no cell
        self._left = _SUGGESTIONS

    def hint(self, name: str) -> str:
        """Return a text such as ``; did you mean 'voda'?``, or nothing."""
        if self._left <= 0:
            return ""
        self._left -= 1
        by_folded = {known.casefold(): known for known in self._known}
        near = difflib.get_close_matches(name.casefold(), by_folded, n=1, cutoff=0.5)
        return f"; did you mean {by_folded[near[0]]!r}?" if near else ""
