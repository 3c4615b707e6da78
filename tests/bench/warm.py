"""Warm calls: the whole service beside a bare responder, panoramisk and a C floor, in one run.

Every round measures each of them once, in turn; the figures are medians over the rounds. Servers
run on CPU 0, the load generator on CPU 1. The service's CPU is that of all its processes together:
parent, dipper and routers.

What the generator reaches with the C floor is its own ceiling, but for one effect: a server that
often has nothing to do must be woken, and the generator pays for that. So a server that is a
little slower may show a few calls more. Designs that near the ceiling differ by their CPU alone.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.bench import service
from tests.bench.build import HERE, build
from tests.bench.processes import DidNotStart, Process

AT_ONCE: Final = 50
WARM_NUMBERS: Final = 500
WARM_PASSES: Final = 8


@dataclass(frozen=True)
class Size:
    """How much is measured: calls a round at 50 at once; a fifth of them one at a time."""

    rounds: int = 5
    calls: int = 10_000
    segments: int = 2
    starts: int = 5
    numbers: int = WARM_NUMBERS
    cold: int = 3_000
    dialdip: Path = service.DIALDIP


@dataclass(frozen=True)
class Load:
    """What one run of the generator saw; times in microseconds, CPU of the server for a call."""

    calls: int
    commits: int
    errors: int
    calls_per_s: float
    p50_us: float
    p99_us: float
    cpu_us: float


@dataclass(frozen=True)
class Contender:
    """One server under load, and how the generator asks it."""

    name: str
    process: Process
    url: str
    any_commit: bool = False

    def load(
        self, numbers: Path, calls: int, at_once: int, segments: int, per_second: int = 0
    ) -> Load:
        """Run the generator once; with ``per_second`` calls come at that rate, else in turn."""
        host, port = self.process.address
        command = [
            str(build("load")), host, str(port), "--numbers", str(numbers), "--url", self.url,
            "--calls", str(calls), "--at-once", str(at_once), "--segments", str(segments),
            "--cpu", str(generator_cpu()), *(["--any-commit"] if self.any_commit else []),
            "--per-second", str(per_second),
        ]  # fmt: skip
        before = self.process.cpu_s()
        done = subprocess.run(command, check=True, capture_output=True, timeout=300)
        spent_us = (self.process.cpu_s() - before) * 1e6
        seen = json.loads(done.stdout)
        kept = ("calls", "commits", "errors", "calls_per_s", "p50_us", "p99_us")
        return Load(**{name: seen[name] for name in kept}, cpu_us=spent_us / seen["calls"])


@dataclass(frozen=True)
class Figures:
    """All that a run measured; loads by contender's name, one for each round."""

    crowd: dict[str, list[Load]]
    single: dict[str, list[Load]]
    lookups_while_warm: int
    cold: Load
    cold_lookups: int
    starts_s: list[float]


def generator_cpu() -> int:
    """Return the CPU of the load generator: 1, or the only one that there is."""
    return 1 if 1 in os.sched_getaffinity(0) else min(os.sched_getaffinity(0))


@contextmanager
def contenders(folder: Path, warm: service.Service, pair: Process) -> Iterator[list[Contender]]:
    """Run everybody; the responders that parse nothing send the service's own line."""
    line = folder / "line.txt"
    line.write_bytes(service.call_once(warm.process.address, service.numbers(1)[0]))
    rivals = {
        "bare uvloop responder": [sys.executable, str(HERE / "bare.py"), str(line)],
        "panoramisk, 4 variables": [sys.executable, str(HERE / "pano.py")],
        "C floor (the ceiling)": [str(build("floor")), str(line)],
    }
    with ExitStack() as stack:
        found = [Contender("dialdip, whole service", warm.process, service.URL)]
        for name, command in rivals.items():
            log = folder / f"{Path(command[-1]).name}.log"
            process = stack.enter_context(Process(command, cwd=folder, log=log))
            url = "route" if "panoramisk" in name else service.URL
            found.append(Contender(name, process, url, any_commit="panoramisk" not in name))
        yield [*found, Contender("dialdip, two routers", pair, service.URL)]


def warm_up(contender: Contender, numbers: Path, size: Size) -> None:
    """Have every number looked up, in crowds that one connection can serve in time.

    Several times over: each router has a memory of its own.
    """
    errors = [contender.load(numbers, size.numbers, 10, 1).errors for _ in range(WARM_PASSES)]
    if errors[-1]:
        raise DidNotStart("the service does not commit its calls; see service.log")


def measure(folder: Path, size: Size) -> Figures:
    """Measure everything once."""
    numbers, cold_numbers = service.write_numbers(folder, size.numbers, size.cold)
    crowd: dict[str, list[Load]] = {}
    single: dict[str, list[Load]] = {}
    beside = folder / "two"
    beside.mkdir()
    with (
        service.running(folder, size.dialdip) as warm,
        service.beside(beside, warm, size.dialdip) as pair,
        contenders(folder, warm, pair) as everybody,
    ):
        for one in (everybody[0], everybody[-1]):
            warm_up(one, numbers, size)
        before = warm.provider_requests()
        for _ in range(size.rounds):
            for one in everybody:
                many = one.load(numbers, size.calls, AT_ONCE, size.segments)
                crowd.setdefault(one.name, []).append(many)
                few = one.load(numbers, max(size.calls // 5, 50), 1, size.segments)
                single.setdefault(one.name, []).append(few)
        lookups = warm.provider_requests() - before
        cold = everybody[0].load(cold_numbers, size.cold, AT_ONCE, size.segments)
        cold_lookups = warm.provider_requests() - before - lookups
    starts = [service.first_call_s(folder, size.dialdip) for _ in range(size.starts)]
    return Figures(crowd, single, lookups, cold, cold_lookups, starts)


def median(loads: list[Load], name: str) -> float:
    """Return the median of one figure over the rounds."""
    return statistics.median(_figure(load, name) for load in loads)


def _figure(load: Load, name: str) -> float:
    return float(getattr(load, name))


def ratio(loads: dict[str, list[Load]], name: str, over: str, under: str) -> float:
    """Return the median over the rounds of a ratio taken within each round."""
    pairs = zip(loads[over], loads[under], strict=True)
    return statistics.median(_figure(a, name) / _figure(b, name) for a, b in pairs)


def lines(figures: Figures, size: Size) -> Iterator[str]:
    """Write the report."""
    yield (
        f"workers = 1 (2 in the last row); {size.rounds} rounds of {size.calls} calls, medians; "
        f"the environment in {size.segments} writes; {size.numbers} warm numbers"
    )
    yield f"{'':26}{f'--- {AT_ONCE} at once ---':^35}{'--- one at a time ---':^35}"
    head = f"{'calls/s':>8}{'p50 us':>9}{'p99 us':>9}{'CPU us':>9}"
    yield f"{'':26}{head}{head}{'errors':>8}"
    for name in figures.crowd:
        both = (figures.crowd[name], figures.single[name])
        cells = "".join(
            f"{median(loads, 'calls_per_s'):8,.0f}{median(loads, 'p50_us'):9,.0f}"
            f"{median(loads, 'p99_us'):9,.0f}{median(loads, 'cpu_us'):9.1f}"
            for loads in both
        )
        yield f"{name:26}{cells}{sum(load.errors for loads in both for load in loads):8}"
    yield from _ratios(figures)


def _ratios(figures: Figures) -> Iterator[str]:
    whole, bare, pano, floor, _ = figures.crowd
    rows = (
        ("calls/s, service / bare", "calls_per_s", whole, bare, "aim: at least 0.75"),
        ("CPU, service / bare", "cpu_us", whole, bare, "aim: at most 2.0"),
        ("calls/s, service / panoramisk", "calls_per_s", whole, pano, "aim: at least 4"),
        ("CPU, panoramisk / service", "cpu_us", pano, whole, ""),
        ("calls/s, service / ceiling", "calls_per_s", whole, floor, "from 0.95 on, judge by CPU"),
    )
    for title, figure, over, under, remark in rows:
        yield f"{title:30}{ratio(figures.crowd, figure, over, under):6.2f}   {remark}".rstrip()
    cold = figures.cold
    yield (
        f"{cold.calls} calls to cold numbers, {AT_ONCE} at once: {cold.calls_per_s:,.0f} calls/s, "
        f"p50 {cold.p50_us / 1000:.1f} ms, p99 {cold.p99_us / 1000:.1f} ms, CPU {cold.cpu_us:.0f} "
        f"us, {cold.errors} errors, {figures.cold_lookups} requests to the provider"
    )
    yield f"{'lookups during the warm calls':30}{figures.lookups_while_warm:6}   aim: 0"
    if figures.starts_s:
        middle, worst = statistics.median(figures.starts_s), max(figures.starts_s)
        yield (
            f"{'start to first committed call':30}{middle:6.2f}   s, median of "
            f"{len(figures.starts_s)}, worst {worst:.2f}; aim: at most 1.0"
        )
