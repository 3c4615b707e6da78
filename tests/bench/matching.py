"""What it costs to ask whether a lookup matters, and whose range a number is."""

from __future__ import annotations

import timeit
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from agi.model import CallContext, Dialled, Kind, Line, Msisdn
from agi.routing.reading import files
from agi.routing.table import Table
from agi.shipped import TABLES

BRITISH: Final = CallContext(
    Dialled("07788450450", Kind.E164, Msisdn("447788450450"), "GB", Line.MOBILE)
)
AMERICAN: Final = CallContext(
    Dialled("0012025550123", Kind.E164, Msisdn("12025550123"), "US", Line.MOBILE_OR_LANDLINE)
)
RANGES: Final = 10_000


def nanoseconds(work: Callable[[], object], calls: int) -> float:
    """Return what one call costs, the best of five tries."""
    return min(timeit.repeat(work, number=calls, repeat=5)) / calls * 1e9


def large(folder: Path) -> Table:
    """Return a table of 2,400 rules of networks, in 40 countries, and 10,000 ranges."""
    folder.mkdir()
    mccs = [*range(202, 223, 2), *range(226, 249, 2), 302, *range(310, 317), *range(502, 511, 2)]
    rules = [
        f"n{mcc}x{mnc:02},,{mcc}-{mnc:02},,,,,t{mnc % 7}," for mcc in mccs for mnc in range(60)
    ]
    (folder / "trunks.csv").write_text("\n".join(["trunk", *(f"t{n}" for n in range(7)), ""]))
    head = "rule,priority,mccmnc,prefix,country,line,action,trunks,comment"
    rest = ["gb,,,,GB,,,t0,", "default,,,,,,,t1,"]
    (folder / "routes.csv").write_text("\n".join([head, *rules, *rest, ""]))
    rows = [f"4477{n:05},234-{15 + n % 5},mobile" for n in range(RANGES)]
    (folder / "ranges.csv").write_text("\n".join(["prefix,mccmnc,line", *rows, ""]))
    return files.load(folder, 1).table


def measure(folder: Path, calls: int) -> Iterator[str]:
    """Yield a line for each table."""
    tables = {"shipped": files.load(TABLES, 1).table, "large": large(folder / "large")}
    number = BRITISH.dialled.msisdn or ""
    for name, table in tables.items():
        british, american, given = (
            nanoseconds(lambda: table.dip_matters(BRITISH), calls),  # noqa: B023 - at once
            nanoseconds(lambda: table.dip_matters(AMERICAN), calls),  # noqa: B023
            nanoseconds(lambda: table.range_of(number), calls),  # noqa: B023
        )
        yield (
            f"{name:8} {len(table.rules):6,} rules: dip_matters {british:6,.0f} ns "
            f"({table.dip_matters(BRITISH)!s:5}, a British number), {american:6,.0f} ns "
            f"({table.dip_matters(AMERICAN)!s:5}, an American one); range_of {given:,.0f} ns"
        )
