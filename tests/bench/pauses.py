"""The event loop of a router under calls, with few entries in memory and with a million."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.bench import service, ticks
from tests.bench.build import HERE
from tests.bench.processes import Process
from tests.bench.warm import Contender, Load

AT_ONCE: Final = 5
NUMBERS: Final = 100_000
"""They are not in memory at first: so many calls add an entry and drive out another one."""


@dataclass(frozen=True)
class Watched:
    """One router: its load, and what its loop showed."""

    entries: int
    load: Load
    loop: dict[str, Any]


def watch(folder: Path, entries: int, calls: int) -> Watched:
    """Have one router of so many entries answer calls."""
    folder.mkdir()
    numbers = folder / "numbers.txt"
    numbers.write_text("\n".join([*service.numbers(min(calls // 2, NUMBERS)), ""]))
    config = service.write_config(folder, ("127.0.0.1", 9), entries=entries)
    report = folder / "report.json"
    command = [sys.executable, str(HERE / "full_router.py"), str(config), str(entries), str(report)]
    with Process(command, cwd=folder, log=folder / "router.log") as process:
        asker = Contender("router", process, service.URL)
        load = asker.load(numbers, calls, AT_ONCE, 2)
    return Watched(entries, load, json.loads(report.read_text()))


def lines(watched: list[Watched]) -> Iterator[str]:
    """Return the lines for people."""
    for one in watched:
        load = one.load
        yield (
            f"{one.entries:>10,} entries, {load.calls:,} calls, {AT_ONCE} at once: "
            f"{load.calls_per_s:,.0f} calls/s, p50 {load.p50_us:.0f} us, p99 {load.p99_us:.0f} us, "
            f"CPU {load.cpu_us:.1f} us, {load.errors} errors"
        )
        for line in ticks.lines("router", one.loop):
            yield f"{'':19}{line}"
