"""The benchmark: calls, tables, loop, hop and tiers, part by part. It fails on no figure.

usage: python tests/bench/run.py [--only PART]... [--rounds N] [--calls N] [--segments N]
                                 [--starts N] [--entries N]... [--dialdip PROGRAM]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.bench import (
    hearing,
    matching,
    noc_busy,
    pauses,
    reloading,
    scraping,
    service,
    table_bench,
    tables,
    tiers,
    warm,
)
from tests.bench.build import HERE, NoCompiler
from tests.bench.processes import DidNotStart

PARTS: Final = {
    "warm": "Warm calls, the whole service",
    "matching": "The table's questions before a lookup",
    "tables": "Tables of any size: compiled, loaded, asked",
    "reload": "Warm calls while big tables are replaced",
    "pauses": "Pauses of a router's event loop under calls",
    "hop": "The hop from router to dipper and back",
    "tiers": "The tiers: hit, miss and put",
    "ami": "Recorded manager events, read and heard",
    "scraping": "Warm calls beside who scrapes",
    "noc": "noc under 1,000 calls a second, and warm calls beside it",
}


@dataclass(frozen=True)
class Plan:
    """Which parts are measured, and how much of each."""

    parts: tuple[str, ...] = tuple(PARTS)
    warm: warm.Size = field(default_factory=warm.Size)
    entries: tuple[int, ...] = tiers.SIZES
    loop_calls: int = 100_000
    seconds: float = 5.0
    matches: int = 50_000
    sizes: tuple[tables.Size, ...] = table_bench.SIZES
    reload: reloading.Plan = field(default_factory=reloading.Plan)


def report(folder: Path, plan: Plan) -> Iterator[str]:
    """Measure part by part and yield the lines as they come."""
    for part in plan.parts:
        yield f"== {part}: {PARTS[part]}"
        yield from _part(part, folder / part, plan)
        yield ""


def _part(part: str, place: Path, plan: Plan) -> Iterable[str]:
    place.mkdir()
    return _MEASURES[part](place, plan)


def _warm(place: Path, plan: Plan) -> Iterable[str]:
    return warm.lines(warm.measure(place, plan.warm), plan.warm)


def _matching(place: Path, plan: Plan) -> Iterable[str]:
    return matching.measure(place, plan.matches)


def _tables(place: Path, plan: Plan) -> Iterable[str]:
    return table_bench.measure(place, plan.warm.dialdip, plan.sizes, plan.matches)


def _reload(place: Path, plan: Plan) -> Iterable[str]:
    again = replace(plan.reload, dialdip=plan.warm.dialdip)
    return reloading.lines(reloading.measure(place, again), again)


def _pauses(place: Path, plan: Plan) -> Iterable[str]:
    return pauses.lines([pauses.watch(place / str(n), n, plan.loop_calls) for n in plan.entries])


def _tiers(_place: Path, plan: Plan) -> Iterable[str]:
    for tier, entries, figures in tiers.measure(plan.entries, plan.seconds):
        yield from tiers.lines(tier, entries, figures)


def _ami(_place: Path, plan: Plan) -> Iterable[str]:
    return hearing.lines(plan.seconds)


def _scraping(place: Path, plan: Plan) -> Iterable[str]:
    return scraping.lines(scraping.measure(place, plan.warm))


def _noc(place: Path, plan: Plan) -> Iterable[str]:
    alone, together = place / "alone", place / "beside"
    for folder in (alone, together):
        folder.mkdir()
    kept = noc_busy.keep_up(alone, seconds=4 * plan.seconds, dialdip=plan.warm.dialdip)
    return noc_busy.lines(kept, noc_busy.beside(together, plan.warm))


def _hop(_place: Path, plan: Plan) -> Iterable[str]:
    command = [sys.executable, str(HERE / "hop.py"), "--seconds", str(plan.seconds)]
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent.parent)}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return done.stdout.splitlines()


_MEASURES: Final[Mapping[str, Callable[[Path, Plan], Iterable[str]]]] = {
    "warm": _warm,
    "matching": _matching,
    "tables": _tables,
    "reload": _reload,
    "pauses": _pauses,
    "hop": _hop,
    "tiers": _tiers,
    "ami": _ami,
    "scraping": _scraping,
    "noc": _noc,
}


def arguments() -> Plan:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    for name, value in (("rounds", 5), ("calls", 10_000), ("segments", 2), ("starts", 5)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--dialdip", type=Path, default=service.DIALDIP)
    parser.add_argument("--only", choices=PARTS, action="append")
    parser.add_argument("--entries", type=int, action="append")
    given = vars(parser.parse_args())
    parts, entries = given.pop("only"), given.pop("entries")
    return Plan(
        parts=tuple(parts or PARTS),
        warm=warm.Size(**given),
        entries=tuple(entries or tiers.SIZES),
    )


def main() -> int:
    """Measure and print; 0 when everything ran, 2 when something could not."""
    plan = arguments()
    with tempfile.TemporaryDirectory(prefix="dialdip-bench-") as name:
        try:
            for line in report(Path(name), plan):
                print(line, flush=True)
        except (NoCompiler, DidNotStart) as error:
            print(f"bench: {error}", file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
