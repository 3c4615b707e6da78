"""Write little tables the way a person does, and load them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from agi.errors import Fault
from agi.model import (
    Dialled,
    ErrorRule,
    Finding,
    Kind,
    Line,
    Mccmnc,
    Msisdn,
    NumberInfo,
    Outcome,
    Source,
)
from agi.routing.accounts import Screenings
from agi.routing.build import Contents, build
from agi.routing.faults import Faults
from agi.routing.files import Loaded, load
from agi.routing.ranges import read_ranges
from agi.routing.route_rows import read_routes
from agi.routing.rows import read_trunks
from agi.routing.table import Table

TRUNKS = "trunk\na\nb\nc\nd\n"
ROUTES = "rule,priority,mccmnc,prefix,country,line,action,trunks,comment\n"
RANGES = "prefix,mccmnc,line\n"
EMERGENCY = "sos,,,,,emergency,,a\n"
DEFAULT = "default,,,,,,,a\n"

BRITISH = Dialled("07788450450", Kind.E164, Msisdn("447788450450"), "GB", Line.MOBILE)
NOTHING_FOUND = Finding(Source.DEFAULT, "timeout")


def write(directory: Path, **files: str | bytes) -> Path:
    """Write ``name.csv`` for each argument."""
    directory.mkdir(exist_ok=True)
    for name, content in files.items():
        data = content if isinstance(content, bytes) else content.encode()
        (directory / f"{name}.csv").write_bytes(data)
    return directory


def loaded(directory: Path, routes: str, trunks: str = TRUNKS, **more: str) -> Loaded:
    """Load a directory with these routes (rows only) between an emergency row and a default."""
    write(directory, trunks=trunks, routes=ROUTES + EMERGENCY + routes + DEFAULT, **more)
    return load(directory, 1)


def compiled(
    routes: str, trunks: str = TRUNKS, ranges: str = "", accounts: Screenings | None = None
) -> Table:
    """Compile rows (with the usual headers) without a file; they must have no fault."""
    faults = Faults()
    read = read_trunks("trunks.csv", trunks.encode(), faults)
    rules = read_routes("routes.csv", (ROUTES + routes).encode(), faults)
    known = read_ranges("ranges.csv", (RANGES + ranges).encode(), faults)
    faults.refuse()
    assert read is not None
    assert rules is not None
    table = build("000001-00000000", Contents(read, rules, {}, known, accounts or {}), faults)
    faults.refuse()
    assert table is not None
    return table


def places(faults: Sequence[Fault]) -> list[tuple[str, int, int]]:
    """Return where the faults are: file name, line, column."""
    return [(Path(fault.file).name, fault.line, fault.column) for fault in faults]


def found(mccmnc: str | None) -> Finding:
    """Return a finding of the memory tier."""
    return Finding(Source.MEMORY, "ok", NumberInfo(Mccmnc(mccmnc) if mccmnc else None), 12.5)


def refused(route: str) -> Finding:
    """Return a finding with a listed error code."""
    rule = ErrorRule("comcetera", "err1", Outcome.NOT_FOUND, False, 60, route)
    return Finding(Source.LIVE, "err1", NumberInfo(), None, rule)


def rolls(*values: float) -> Callable[[], float]:
    """Return dice that fall as told, and then no more."""
    return iter(values).__next__
