"""What people see: tables and colour on a terminal, plain aligned text everywhere else."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Final, TypeVar

import msgspec
from rich import box
from rich.console import Console
from rich.progress import track
from rich.table import Table
from rich.text import Text

T = TypeVar("T")

MANY: Final = 3
"""From so many items on a person wants to see that it goes on."""

PLAIN_WIDTH: Final = 300
"""Piped text is not folded: a line that a script reads must stay one line."""

STYLES: Final = {"good": "green", "bad": "bold red", "odd": "yellow", "dim": "dim", "": ""}


class Screen:
    """Standard output, as a person or a pipe wants it."""

    def __init__(self) -> None:
        terminal = sys.stdout.isatty()
        self._terminal = terminal
        self._console = Console(
            highlight=False, soft_wrap=not terminal, width=None if terminal else PLAIN_WIDTH
        )

    def line(self, text: str = "", tone: str = "") -> None:
        """Print one line; ``tone`` is good, bad, odd, dim or nothing."""
        self._console.print(Text(text, style=STYLES[tone]))

    def facts(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Print names and values below each other."""
        table = Table(box=None, show_header=False, pad_edge=False)
        for name, value in pairs:
            table.add_row(Text(name, style=STYLES["dim"]), Text(value))
        self._print(table)

    def table(
        self, headings: Sequence[str], rows: Sequence[Sequence[tuple[str, str] | str]]
    ) -> None:
        """Print a table; a cell is its text, or text and tone."""
        shape = box.SIMPLE_HEAD if self._terminal else None
        table = Table(box=shape, pad_edge=False, header_style="bold")
        for index, heading in enumerate(headings):
            # What a row is about is copied from here: a number stays in one piece.
            table.add_column(heading, overflow="fold", no_wrap=index == 0)
        for row in rows:
            cells = [(cell, "") if isinstance(cell, str) else cell for cell in row]
            table.add_row(*(Text(text, style=STYLES[tone]) for text, tone in cells))
        self._print(table)

    def _print(self, table: Table) -> None:
        if self._terminal:
            self._console.print(table)
            return
        with self._console.capture() as captured:
            self._console.print(table)
        for line in captured.get().splitlines():
            sys.stdout.write(line.rstrip() + "\n")


def progress(items: Iterable[T], total: int, what: str) -> Iterable[T]:
    """Yield the items, with a bar on a terminal's standard error when there are several."""
    if total < MANY or not sys.stderr.isatty():
        return items
    return track(items, what, total=total, console=Console(stderr=True), transient=True)


def document(value: object) -> None:
    """Print one JSON document."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value)).decode() + "\n")


def counted(number: int, what: str) -> str:
    """Return ``1 fault``, ``2 faults``."""
    return f"{number} {what}{'' if number == 1 else 's'}"
