"""The journal as a router writes it: calls append to a list, a thread of its own does the rest.

A disk that is full, read-only, slow, locked or gone costs records, never a call: they are counted
by what went wrong, and the first of a kind is logged.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final, Protocol

import msgspec

from agi.e164 import NumberingPlan
from agi.journal.archive import Archive, Bounds, directory_of
from agi.journal.disk import Disk
from agi.journal.record import Noted, Row, row_of
from agi.log import Log
from agi.model import CallContext, CallRequest, Decision, Finding, Kind
from agi.settings import Journal as Settings

MAX_WAITING: Final = 8_192
"""Records that may wait to be written; more are dropped and counted."""

BATCH: Final = 500
"""Records in one transaction."""

LINGER_S: Final = 0.25
"""How long a record waits for others."""

ROWS_AT_ONCE: Final = 16
"""Records packed, some 3 us each, before a call that waits for the interpreter may have it."""

NICE: Final = 10
"""How far the thread stands back behind those that answer calls, where they share a CPU."""

END_S: Final = 2.0
"""How long an ending process waits for its last records to be written."""


class Journal(Protocol):
    """Where routers put their decisions; it never waits and never fails."""

    def note(  # noqa: PLR0913, PLR0917 - a value made for each call would only cost time
        self,
        context: CallContext,
        request: CallRequest,
        finding: Finding,
        decision: Decision,
        closed: tuple[str, ...] = (),
        refused: bool = False,
    ) -> None:
        """Take one decision.

        Args:
            context: the call; ``at`` is its wall clock.
            request: what the dialplan asked.
            finding: what was known of the number.
            decision: what the call was told.
            closed: names of the trunks that were passed over for their calls per second.
            refused: a limit or a loop ended the call before any rule was looked at.
        """

    def state(self) -> Mapping[str, object]:
        """Return ``written``, ``dropped``, ``waiting`` (counts) and ``trouble`` (a word or "")."""

    def flush(self, limit_s: float) -> bool:
        """Wait until what was taken is written; False if that takes longer, in seconds."""

    def close(self) -> None:
        """Write what waits, within two seconds, and end."""


class NoJournal:
    """Keeps nothing: for tests, the demo, and a retention of no days."""

    def note(  # noqa: PLR0913, PLR0917 - a value made for each call would only cost time
        self,
        context: CallContext,
        request: CallRequest,
        finding: Finding,
        decision: Decision,
        closed: tuple[str, ...] = (),
        refused: bool = False,
    ) -> None:
        """Take no notice."""

    def state(self) -> Mapping[str, object]:
        """Return that nothing was written and nothing lost."""
        return {"written": 0, "dropped": 0, "waiting": 0, "trouble": ""}

    def flush(self, limit_s: float) -> bool:
        """Return at once: nothing waits."""
        del limit_s
        return True

    def close(self) -> None:
        """End."""


def open_journal(
    settings: Settings,
    state: Path,
    *,
    plan: NumberingPlan,
    wall: Callable[[], float],
    log: Log,
) -> Journal:
    """Return the journal of a state directory, at work; files kept too long go.

    ``wall`` is the wall clock, an epoch in seconds; it is asked in the journal's thread. This never
    fails: where nothing can be written, records are lost and counted.
    """
    bounds = Bounds(settings.retention_days, settings.max_mb * 1_000_000)
    disk = Disk(Archive(directory_of(state)), bounds, wall, log)
    if not settings.retention_days:
        disk.sweep()
        return NoJournal()
    return DiskJournal(disk, reader_of(plan))


def reader_of(plan: NumberingPlan) -> Callable[[str], str]:
    """Return how a caller's number is read: E.164 digits where it is a valid number.

    Else the digits as they came, without a plus; ``anonymous``; or nothing.
    """

    @lru_cache(4_096)
    def read(caller: str) -> str:
        if caller in {"", "anonymous"}:
            return caller
        understood = plan.understand(caller)
        if understood.kind is Kind.E164 and understood.msisdn is not None:
            return understood.msisdn
        return caller.removeprefix("+")

    return read


class DiskJournal:
    """A journal on disk; implements ``Journal``."""

    def __init__(self, disk: Disk, read_caller: Callable[[str], str]) -> None:
        self._disk = disk
        self._read_caller = read_caller
        self._waiting: deque[Noted] = deque()
        self._overflow = 0
        self._wake = threading.Event()
        self._flushes: deque[threading.Event] = deque()
        self._going = True
        self._thread = threading.Thread(target=self._work, name="dialdip-journal", daemon=True)
        self._thread.start()

    def note(  # noqa: PLR0913, PLR0917 - a value made for each call would only cost time
        self,
        context: CallContext,
        request: CallRequest,
        finding: Finding,
        decision: Decision,
        closed: tuple[str, ...] = (),
        refused: bool = False,
    ) -> None:
        """Take one decision; see ``Journal.note``. Half a microsecond, whatever the disk does."""
        waiting = self._waiting
        if len(waiting) < MAX_WAITING:
            waiting.append(Noted(context, request, finding, decision, closed, refused))
        else:
            self._overflow += 1

    def state(self) -> Mapping[str, object]:
        """Return the counts; see ``Journal.state``."""
        lost = self._overflow + sum(self._disk.lost.values())
        trouble = self._disk.trouble or ("too slow" if self._overflow else "")
        waiting = len(self._waiting)
        return {
            "written": self._disk.written,
            "dropped": lost,
            "waiting": waiting,
            "trouble": trouble,
        }

    def flush(self, limit_s: float) -> bool:
        """Wait until what was taken is written or lost; False if that takes longer, in seconds."""
        done = threading.Event()
        self._flushes.append(done)
        self._wake.set()
        return done.wait(limit_s)

    def close(self) -> None:
        """Write what waits, within two seconds, and end."""
        self._going = False
        self._wake.set()
        self._thread.join(END_S)

    # ---- the thread ----------------------------------------------------------------------

    def _work(self) -> None:
        # Linux has a nice value for each thread (setpriority(2), "C library/kernel differences").
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
        self._disk.sweep()
        while self._going:
            self._wake.wait(LINGER_S)
            self._wake.clear()
            self._drain()
            self._disk.sweep_sometimes()
        self._drain()
        self._disk.close()

    def _drain(self) -> None:
        flushes = [self._flushes.popleft() for _ in range(len(self._flushes))]
        while self._waiting:
            self._disk.write(self._rows())
        for done in flushes:
            done.set()

    def _rows(self) -> list[Row]:
        rows = []
        for index in range(min(BATCH, len(self._waiting))):
            row = self._row(self._waiting.popleft())
            if row is not None:
                rows.append(row)
            if index % ROWS_AT_ONCE == 0:
                time.sleep(0)  # lets go of the interpreter
        return rows

    def _row(self, noted: Noted) -> Row | None:
        try:
            row = row_of(noted, self._read_caller)
        except (ValueError, TypeError, OverflowError, msgspec.MsgspecError) as fault:
            # One decision that cannot be packed must not end the record of all others.
            self._disk.lose(type(fault).__name__, 1)
            return None
        if row is None:
            self._disk.lose("another's id", 1)
        return row
