"""What big tables cost: to check and compile, to load, to ask. One process, one table at a time.

usage: python tests/bench/table_bench.py DIR, prints one JSON object about the tables in DIR.

Run as a program it has a heap of its own: times and memory are then those of a table alone. A
single question is shorter than the clock is sharp, so that the price of reading the clock is
measured too; it is contained in every p50 and p99.
"""

from __future__ import annotations

import gc
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from agi.model import (
    CallContext,
    Dialled,
    Finding,
    Kind,
    Line,
    Live,
    Mccmnc,
    Msisdn,
    NumberInfo,
    Source,
)
from agi.routing.choose import decide, facts_of
from agi.routing.reading import files
from agi.routing.rule import Facts
from agi.routing.table import Table
from agi.routing.versions import snapshot
from tests.bench import tables
from tests.bench.tables import Size

ROOT: Final = Path(__file__).resolve().parents[2]
ZONE: Final = "Europe/London"
FULL: Final = Size()
SIZES: Final = (
    replace(FULL, rules=50),
    replace(FULL, rules=500),
    FULL,
    replace(FULL, ranges=1_000),
)
QUESTIONS: Final = ("clock", "find", "decide", "dip_matters", "verdict", "range_of")


def calls(count: int, networks: int = FULL.networks, seed: int = 2) -> list[tuple[Any, Any]]:
    """Return calls to everywhere, half of them at home, with what was found out about each."""
    dice = random.Random(seed)
    places = [place for place in tables.countries(networks) if place.networks]
    found = []
    for _ in range(count):
        place = places[0] if dice.random() < 0.5 else dice.choice(places)
        number = place.code + "".join(dice.choices("0123456789", k=9))
        dialled = Dialled(f"00{number}", Kind.E164, Msisdn(number), place.name, Line.MOBILE)
        caller = f"4420{dice.randrange(10**8):08}"
        at = 1_767_225_600.0 + dice.random() * 604_800
        context = CallContext(dialled, f"customer{dice.randrange(300)}", caller, at)
        network = Mccmnc(dice.choice(place.networks).replace("-", ""))
        known = dice.random() < 0.8
        info = NumberInfo(network, Live.LIVE, False) if known else NumberInfo()
        source = Source.MEMORY if known else Source.DEFAULT
        found.append((context, Finding(source, "ok" if known else "timeout", info, 12.5)))
    return found


def costs(work: Callable[..., object], arguments: Sequence[tuple[Any, ...]]) -> dict[str, float]:
    """Return p50 and p99 in microseconds of asking something with each of the arguments."""
    spent: list[int] = []
    clock = time.perf_counter_ns
    for _ in range(2):  # the second time is what counts
        spent.clear()
        for given in arguments:
            begun = clock()
            work(*given)
            spent.append(clock() - begun)
    spent.sort()
    return {"p50": spent[len(spent) // 2] / 1e3, "p99": spent[len(spent) * 99 // 100] / 1e3}


def asked(table: Table, count: int) -> dict[str, dict[str, float]]:
    """Return what each of the questions costs that a call asks."""
    some = calls(count)
    draw = random.Random(3).random
    facts = [facts_of(context, finding) for context, finding in some]
    numbers = [(fact.msisdn,) for fact in facts]
    shut = [(f.digits, f.msisdn, f.account, f.mccmnc, f.line) for f in facts]
    work: dict[str, tuple[Callable[..., object], list[Any]]] = {
        "clock": (_nothing, [(fact,) for fact in facts]),
        "find": (table.find, [(fact,) for fact in facts]),
        "decide": (decide, [(table, *one, draw, "0123abcd-000001") for one in some]),
        "dip_matters": (table.dip_matters, [(context,) for context, _ in some]),
        "verdict": (table.policy.verdict, shut),
        "range_of": (table.range_of, numbers),
    }
    return {name: costs(*work[name]) for name in QUESTIONS}


def _nothing(facts: Facts) -> None:
    del facts


def measured(directory: Path, count: int) -> dict[str, Any]:
    """Check, compile, store, load and ask the tables of a directory once, in this process."""
    before = _rss_mb()
    begun = time.perf_counter()
    loaded = files.load(directory, 1, ZONE)
    compiled_s = time.perf_counter() - begun
    with tempfile.TemporaryDirectory(prefix="dialdip-bench-") as folder:
        path = Path(folder) / "snapshot"
        begun = time.perf_counter()
        path.write_bytes(snapshot.dump(loaded.compiled))
        dumped_s = time.perf_counter() - begun
        size = path.stat().st_size
        warnings = len(loaded.warnings)
        del loaded
        gc.collect()
        gc.disable()  # as whoever loads tables in the service does
        reads, tables_ = [], []
        for _ in range(5):
            begun = time.perf_counter()
            compiled = snapshot.load(path)
            read = time.perf_counter()
            table = Table(compiled)
            tables_.append(time.perf_counter() - read)
            reads.append(read - begun)
    gc.freeze()  # as a router does
    gc.enable()
    return {
        "rules": len(table.rules),
        "ranges": len(table.ranges),
        "policy": len(table.policy),
        "warnings": warnings,
        "compile_s": compiled_s,
        "dump_s": dumped_s,
        "snapshot_mb": size / 1e6,
        "read_s": statistics.median(reads),
        "table_s": statistics.median(tables_),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before,
        "asked_us": asked(table, count),
    }


def _rss_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def alone(directory: Path, count: int) -> dict[str, Any]:
    """Do that in a process of its own."""
    command = [sys.executable, str(Path(__file__)), str(directory), str(count)]
    done = subprocess.run(command, check=True, capture_output=True, timeout=300, cwd=ROOT)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def check_s(directory: Path, dialdip: Path) -> float:
    """Return the seconds that ``dialdip table check`` takes as a person runs it."""
    begun = time.monotonic()
    command = [str(dialdip), "table", "check", str(directory)]
    done = subprocess.run(command, check=False, capture_output=True, timeout=300)
    if done.returncode:
        raise AssertionError(done.stdout.decode() + done.stderr.decode())
    return time.monotonic() - begun


def measure(folder: Path, dialdip: Path, sizes: Iterable[Size], count: int) -> Iterator[str]:
    """Yield the lines about tables of each size; each question is asked for so many calls."""
    for at, size in enumerate(sizes):
        directory = tables.write(folder / str(at), size)
        found = alone(directory, count)
        yield (
            f"{size.rules:,} rules, {size.networks:,} networks, {size.ranges:,} ranges, "
            f"{size.policy:,} policy prefixes, {size.trunks:,} trunks:"
        )
        yield (
            f"  check and compile {found['compile_s']:.2f} s (aim 10; dialdip table check "
            f"{check_s(directory, dialdip):.2f} s), peak {found['peak_mb']:.0f} MB more, "
            f"{found['warnings']} warnings"
        )
        yield (
            f"  snapshot {found['snapshot_mb']:.1f} MB, written in {found['dump_s'] * 1e3:.0f} ms, "
            f"loaded in {(found['read_s'] + found['table_s']) * 1e3:.0f} ms (aim 300): read "
            f"{found['read_s'] * 1e3:.0f}, made ready {found['table_s'] * 1e3:.0f}"
        )
        cells = ", ".join(
            f"{name} {spent['p50']:.2f} / {spent['p99']:.2f}"
            for name, spent in found["asked_us"].items()
        )
        yield f"  p50 / p99 us: {cells}"


if __name__ == "__main__":
    print(json.dumps(measured(Path(sys.argv[1]), int(sys.argv[2]))))
