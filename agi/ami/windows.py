"""Counts over sliding windows: the last minute, five minutes and hour, in fixed memory.

What happened is counted in cells, numbered by their meaning, one dictionary step for each. Every
two seconds they are folded into the windows; a window of W seconds moves in steps of W/30, so it
holds what happened in the last W seconds, to within one step. Sums are whole microseconds: what
leaves a window is subtracted exactly.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Mapping
from typing import Final

import msgspec

WINDOWS: Final = (60, 300, 3_600)
"""The windows, in seconds."""

_STEPS: Final = 30
_FOLD_S: Final = WINDOWS[0] // _STEPS


class Sums(msgspec.Struct, gc=False):
    """Sums of what happened, in microseconds."""

    talk_us: int = 0
    pdd_us: int = 0

    def add(self, other: Sums, sign: int = 1) -> None:
        """Add, or with sign -1 take away, another's."""
        self.talk_us += sign * other.talk_us
        self.pdd_us += sign * other.pdd_us


class _Step(msgspec.Struct, gc=False):
    """What happened within one step that is over: cell, count, cell, count."""

    number: int
    cells: array[int]
    sums: Sums


class Window:
    """The counts of the last ``seconds``; ``cells`` and ``sums`` are those of the whole window."""

    def __init__(self, seconds: int) -> None:
        self._step_s = seconds // _STEPS
        self._steps: deque[_Step] = deque()
        self._number = 0
        self._open: dict[int, int] = {}
        self._open_sums = Sums()
        self.cells: dict[int, int] = {}
        self.sums = Sums()

    def fold(self, cells: Mapping[int, int], sums: Sums, at: float) -> None:
        """Add what happened at a time."""
        self.advance(at)
        for total in (self._open, self.cells):
            for cell, count in cells.items():
                total[cell] = total.get(cell, 0) + count
        for one in (self._open_sums, self.sums):
            one.add(sums)

    def advance(self, now: float) -> None:
        """Let go what is older than the window; time that goes backwards changes nothing."""
        number = int(now // self._step_s)
        if number <= self._number:
            return
        if self._open:
            pairs = (value for pair in self._open.items() for value in pair)
            self._steps.append(_Step(self._number, array("I", pairs), self._open_sums))
            self._open = {}
            self._open_sums = Sums()
        self._number = number
        while self._steps and self._steps[0].number <= number - _STEPS:
            self._drop(self._steps.popleft())

    def _drop(self, step: _Step) -> None:
        cells = self.cells
        for index in range(0, len(step.cells), 2):
            cell = step.cells[index]
            left = cells[cell] - step.cells[index + 1]
            if left:
                cells[cell] = left
            else:
                del cells[cell]
        self.sums.add(step.sums, -1)


class Counts:
    """What happened to one trunk, country or network. ``now`` is an epoch in seconds."""

    __slots__ = ("_at", "_cells", "_sums", "windows")

    def __init__(self, now: float) -> None:
        self.windows = {seconds: Window(seconds) for seconds in WINDOWS}
        self._at = now
        self._cells: dict[int, int] = {}
        self._sums = Sums()

    def add(self, now: float, *cells: int) -> None:
        """Count one of each cell."""
        if now // _FOLD_S != self._at // _FOLD_S:
            self._fold()
            self._at = now
        mine = self._cells
        for cell in cells:
            mine[cell] = mine.get(cell, 0) + 1

    def weigh(self, talk_us: int, pdd_us: int) -> None:
        """Add to the sums of what was counted last."""
        self._sums.talk_us += talk_us
        self._sums.pdd_us += pdd_us

    def advance(self, now: float) -> None:
        """Bring every window up to now."""
        self._fold()
        self._at = now
        for window in self.windows.values():
            window.advance(now)

    @property
    def idle(self) -> bool:
        """Whether nothing happened in the longest window, as of the last ``advance``."""
        return not self.windows[WINDOWS[-1]].cells

    def _fold(self) -> None:
        if self._cells:
            for window in self.windows.values():
                window.fold(self._cells, self._sums, self._at)
            self._cells = {}
            self._sums = Sums()
