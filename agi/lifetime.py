"""One life of one process: who it is, how late its loop was, and the counts that it leaves behind.

``STATE/run/<role>-<index>-<generation>.last`` holds the last counts of a process that ended in
order, for ``agi.noc.generations`` to take and delete.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec

from agi.lag import Lag
from agi.log import Log
from agi.lookup.owner import leave_to_owner
from agi.metrics import Metrics

MOST_LEFT: Final = 200
"""So many files are left at most where nobody takes them: without noc the oldest counts go."""


class Last(msgspec.Struct, frozen=True):
    """What a process says lastly, and what is kept of what it said before.

    ``started`` is an epoch; ``counts`` is ``Metrics.snapshot()``.
    """

    role: str
    index: int
    generation: str
    started: float
    uptime_s: float
    counts: dict[str, Any]


class Lifetime:
    """This process's own life. ``generation`` names it: no other process ever has the same."""

    def __init__(self, role: str, index: int, metrics: Metrics, log: Log) -> None:
        self.generation = os.urandom(8).hex()
        self._role = role
        self._index = index
        self._log = log
        self._started = time.time()
        self._lag = Lag(metrics.lag[role].observe, asyncio.get_running_loop(), time.monotonic)

    def begin(self) -> None:
        """Begin to measure how late the loop is."""
        self._lag.start()

    def sign(self, report: Mapping[str, Any]) -> dict[str, Any]:
        """Return a report with whose it is, and with what was dropped among its counts."""
        journal = report.get("journal", {}).get("dropped")
        dropped = {"log": report["log_dropped"], "journal": journal}
        counts = {**report["counts"], "dropped": {what: n for what, n in dropped.items() if n}}
        mine = {"generation": self.generation, "started": self._started}
        return {**report, "counts": counts, **mine}

    def end(self, state: Path, report: Mapping[str, Any]) -> None:
        """Leave the last counts, a signed report's; that it cannot be done is only logged."""
        self._lag.stop()
        run = state / "run"
        name = f"{self._role}-{self._index}-{self.generation}.last"
        try:
            put(run / name, msgspec.json.encode(msgspec.convert(report, Last)))
            _bound(run)
        except OSError as bad:
            self._log("warning", "last_counts_not_kept", error=bad.strerror)


def put(path: Path, data: bytes) -> None:
    """Write a whole file or none, for its directory's owner only.

    It is not waited for the disk: a process that is killed loses nothing by that, and a machine
    that loses its power has lost more.
    """
    fresh = path.with_name(f".{path.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        leave_to_owner(descriptor, path.parent)
        file.write(data)
    fresh.replace(path)


def _bound(run: Path) -> None:
    """Delete the oldest files beyond what may be left; noc may take some meanwhile."""
    dated: list[tuple[float, Path]] = []
    for path in run.glob("*.last"):
        with suppress(FileNotFoundError):
            dated.append((path.stat().st_mtime, path))
    for _, path in sorted(dated)[:-MOST_LEFT]:
        path.unlink(missing_ok=True)
