"""The benchmark: calls, table, loop, hop and tiers, one table each. It fails on no figure.

usage: python tests/bench/run.py [--only PART]... [--rounds N] [--calls N] [--segments N]
                                 [--starts N] [--entries N]... [--dialdip PROGRAM]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.bench import matching, pauses, service, tiers, warm
from tests.bench.build import HERE, NoCompiler
from tests.bench.processes import DidNotStart

PARTS: Final = {
    "warm": "Warm calls, the whole service",
    "matching": "The table's questions before a lookup",
    "pauses": "Pauses of a router's event loop under calls",
    "hop": "The hop from router to dipper and back",
    "tiers": "The tiers: hit, miss and put",
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


def report(folder: Path, plan: Plan) -> Iterator[str]:
    """Measure part by part and yield the lines as they come."""
    for part in plan.parts:
        yield f"== {part}: {PARTS[part]}"
        yield from _part(part, folder, plan)
        yield ""


def _part(part: str, folder: Path, plan: Plan) -> Iterable[str]:
    place = folder / part
    place.mkdir()
    match part:
        case "warm":
            return warm.lines(warm.measure(place, plan.warm), plan.warm)
        case "matching":
            return matching.measure(place, plan.matches)
        case "pauses":
            seen = [pauses.watch(place / str(n), n, plan.loop_calls) for n in plan.entries]
            return pauses.lines(seen)
        case "hop":
            return _hop(plan.seconds)
    return (
        line
        for tier, entries, figures in tiers.measure(plan.entries, plan.seconds)
        for line in tiers.lines(tier, entries, figures)
    )


def _hop(seconds: float) -> list[str]:
    command = [sys.executable, str(HERE / "hop.py"), "--seconds", str(seconds)]
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent.parent)}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return done.stdout.splitlines()


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
