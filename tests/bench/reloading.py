"""A running service with big tables: its memory, and its warm calls while tables are replaced.

Calls come at a steady rate, however slow the answers are; a call's latency runs from when it was
due. Three loads take turns: nothing beside; ``dialdip table check`` of the same tables, which takes
the machine's CPU and touches no process of the service; ``dialdip table activate`` of a changed
table. What activating adds to checking is what the service itself pays. During a fourth load dipper
and router switch to and fro without a pause: every call falls into a switch.
"""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import Final

from agi import ipc
from agi.asking import Service
from agi.routing.versions.audit import who_is
from agi.routing.versions.store import Store
from tests.bench import service, tables
from tests.bench.processes import Process
from tests.bench.tables import Size
from tests.bench.warm import Contender, Load, warm_up
from tests.bench.warm import Size as Warm

QUIET: Final = "nothing beside"
CHECK: Final = "table check beside"
ACTIVATE: Final = "table activate beside"
SWITCH: Final = "switching all the time"


@dataclass(frozen=True)
class Plan:
    """How much is measured; the rate is in calls a second, ``seconds`` how long each load is."""

    size: Size = field(default_factory=Size)
    rate: int = 1_000
    seconds: float = 6.0
    rounds: int = 3
    dialdip: Path = service.DIALDIP


@dataclass(frozen=True)
class Seen:
    """What a run saw. Memory in MB: resident, and its proportional share; by when it was read."""

    memory: Mapping[str, tuple[float, float]]
    ready_s: Mapping[str, float]
    loads: Mapping[str, Sequence[Load]]
    work_s: Mapping[str, Sequence[float]]
    switches: int


@dataclass(frozen=True)
class _Bench:
    """A service that runs, and what is done to it."""

    folder: Path
    plan: Plan
    service: Service
    asker: Contender
    numbers: Path

    def load(self, beside: Callable[[], object]) -> Load:
        """Have it answer calls while something is done beside, in a thread that mostly waits."""
        doing = Thread(target=beside)
        calls = int(self.plan.rate * self.plan.seconds)
        doing.start()
        try:
            return self.asker.load(self.numbers, calls, 1_000, 2, self.plan.rate)
        finally:
            doing.join()

    def run(self, *words: str) -> float:
        """Run a verb as a person does; return its seconds."""
        begun = time.monotonic()
        command = [str(self.plan.dialdip), "--config", str(self.folder / "dialdip.toml"), *words]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
        return time.monotonic() - begun

    def activate(self) -> float:
        """Put the working copy in force."""
        return self.run("table", "activate", "--why", "bench", "--yes")

    def memory(self) -> tuple[float, float]:
        """Return what the first router has in memory."""
        pid = ipc.ask(self.service.router, "status")["pid"]
        return memory_mb(int(pid))


def memory_mb(pid: int) -> tuple[float, float]:
    """Return resident and proportional memory of a process in MB (proc(5), smaps_rollup)."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    rss, pss = (
        int(re.findall(rf"^{name}: +([0-9]+) kB", text, re.MULTILINE)[0]) for name in ("Rss", "Pss")
    )
    return rss / 1024, pss / 1024


@contextmanager
def _running(
    folder: Path, plan: Plan, size: Size | None, asked: Process
) -> Iterator[tuple[_Bench, float]]:
    """Run a service with tables of a size, or the little ones; yield it and its seconds to start.

    Its first version is there already: it starts as one that was restarted.
    """
    folder.mkdir()
    numbers, _ = service.write_numbers(folder, Warm().numbers)
    config = service.write_config(folder, asked.address)
    if size is not None:
        tables.write(folder / "tables", size)
    first = [str(plan.dialdip), "--config", str(config), "table", "activate"]
    subprocess.run(
        [*first, "--why", "bench", "--yes"], check=True, capture_output=True, timeout=120
    )
    begun = time.monotonic()
    with service.serve(folder, config, plan.dialdip) as process:
        ready = time.monotonic() - begun
        asker = Contender("dialdip", process, service.URL)
        warm_up(asker, numbers, Warm())
        yield _Bench(folder, plan, Service(folder / "state"), asker, numbers), ready


def measure(folder: Path, plan: Plan) -> Seen:
    """Measure everything once."""
    folder.mkdir(exist_ok=True)
    service.write_numbers(folder, Warm().numbers)
    memory: dict[str, tuple[float, float]] = {}
    ready: dict[str, float] = {}
    loads: dict[str, list[Load]] = {}
    works: dict[str, list[float]] = {}
    with service.provider(folder) as asked:
        with _running(folder / "little", plan, None, asked) as (bench, ready["little"]):
            memory["little"] = bench.memory()
        with _running(folder / "large", plan, plan.size, asked) as (bench, ready["large"]):
            memory["large"] = bench.memory()
            for turn in range(plan.rounds):
                _one_round(bench, turn, loads, works)
            memory["large, replaced"] = bench.memory()
            switches = _switching(bench, loads)
    return Seen(memory, ready, loads, works, switches)


def _one_round(
    bench: _Bench, turn: int, loads: dict[str, list[Load]], works: dict[str, list[float]]
) -> None:
    directory = bench.folder / "tables"

    def check() -> None:
        works.setdefault(CHECK, []).append(bench.run("table", "check", str(directory)))

    def activate() -> None:
        works.setdefault(ACTIVATE, []).append(bench.activate())

    loads.setdefault(QUIET, []).append(bench.load(lambda: None))
    loads.setdefault(CHECK, []).append(bench.load(check))
    tables.change(directory, turn)
    loads.setdefault(ACTIVATE, []).append(bench.load(activate))


def _switching(bench: _Bench, loads: dict[str, list[Load]]) -> int:
    """Put two versions in force by turns while calls come; return how often."""
    store, over, count = Store(bench.folder / "state"), Event(), 0
    who = who_is(os.getuid(), os.getpid())
    last, before = sorted((one.version for one in store.versions()), reverse=True)[:2]

    def switch() -> None:
        nonlocal count
        while not over.is_set():
            version = last if count % 2 else before
            store.rollback(version, who, "bench", time.time())
            bench.service.switch(version)
            count += 1

    def load() -> Load:
        try:
            return bench.asker.load(bench.numbers, calls, 1_000, 2, bench.plan.rate)
        finally:
            over.set()

    calls = int(bench.plan.rate * bench.plan.seconds)
    doing = Thread(target=switch)
    doing.start()
    loads[SWITCH] = [load()]
    doing.join()
    return count


def lines(seen: Seen, plan: Plan) -> Iterator[str]:
    """Return the lines for people."""
    for name, (rss, pss) in seen.memory.items():
        start = f", ready in {seen.ready_s[name]:.2f} s" if name in seen.ready_s else ""
        yield f"router, {name + ' tables:':24} RSS {rss:5.0f} MB, its share {pss:5.0f} MB{start}"
    yield f"{plan.rate:,} warm calls a second, {plan.seconds:.0f} s a load, {plan.rounds} rounds:"
    quiet = statistics.median(load.p99_us for load in seen.loads[QUIET])
    for name, loads in seen.loads.items():
        p50, p99 = (
            statistics.median(getattr(load, figure) for load in loads)
            for figure in ("p50_us", "p99_us")
        )
        work = seen.work_s.get(name)
        took = f", it took {statistics.median(work):.1f} s" if work else ""
        took += f", {seen.switches} switches" if name == SWITCH else ""
        yield (
            f"  {name:24} p50 {p50:6,.0f} us, p99 {p99:6,.0f} us, {(p99 - quiet) / 1e3:+.2f} ms, "
            f"{sum(load.errors for load in loads)} errors{took}"
        )
    added = [
        (after.p99_us - before.p99_us) / 1e3
        for before, after in zip(seen.loads[QUIET], seen.loads[ACTIVATE], strict=True)
    ]
    yield f"  activating adds {statistics.median(added):+.2f} ms to p99, median of rounds; aim: 5"
