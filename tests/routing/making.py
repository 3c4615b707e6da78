"""Write little tables the way a person does, and load them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from agi.errors import Fault
from agi.model import (
    CallContext,
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
from agi.routing.compiled import Compiled
from agi.routing.reading.faults import Faults
from agi.routing.reading.files import Loaded, compile_files, load
from agi.routing.rule import Cell, Rule
from agi.routing.screening import Screening
from agi.routing.table import Table

VERSION = "000001-00000000"
TRUNKS = "trunk\na\nb\nc\nd\n"
ROUTES = "rule,priority,mccmnc,prefix,country,line,action,trunks,comment\n"
RANGES = "prefix,mccmnc,line\n"
EMERGENCY = "sos,,,,,emergency,,a\n"
DEFAULT = "default,,,,,,,a\n"

BRITISH = Dialled("07788450450", Kind.E164, Msisdn("447788450450"), "GB", Line.MOBILE)
CONTEXT = CallContext(BRITISH)
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


def contents(**files: str) -> Compiled:
    """Compile ``name.csv`` for each argument without a disk; they must have no fault."""
    faults = Faults()
    data = {f"{name}.csv": text.encode() for name, text in files.items()}
    made = compile_files(data, place=str, version=VERSION, timezone="UTC", faults=faults)
    faults.refuse()
    assert made is not None
    return made


def compiled(
    routes: str,
    trunks: str = TRUNKS,
    ranges: str = "",
    *,
    accounts: Mapping[str, Screening] | None = None,
    errors: Sequence[ErrorRule] = (),
    header: str = ROUTES,
    **more: str,
) -> Table:
    """Make a table of rows (with the usual headers), and of no error codes but those given."""
    made = contents(trunks=trunks, routes=header + routes, ranges=RANGES + ranges, **more)
    return Table(replace(made, errors=tuple(errors), screenings=dict(accounts or {})))


def ruled(cells: Mapping[str, Mapping[str, str]], trunks: str = "a") -> Table:
    """Make a table of rules by name, each a few cells by column; a default is added.

    A cell ``trunks`` may stand among them, else all rules have the same.
    """
    columns = (
        *("priority", "account", "from", "mccmnc", "prefix", "country", "line"),
        *("ported", "live", "fraud", "when", "action", "trunks"),
    )
    rows = [
        ",".join((name, *({"trunks": trunks, **row}.get(column, "") for column in columns)))
        for name, row in {**cells, "default": {}}.items()
    ]
    head = ",".join(("rule", *columns))
    return compiled("\n".join((*rows, "")), header=f"{head}\n")


def cell(text: str) -> Cell:
    """Return the match cell that a person would write so, its items canonical already."""
    items = text.removeprefix("!").split("|") if text else ()
    return Cell(tuple(items), text.startswith("!"))


def with_rules(table: Table, rules: Sequence[Rule]) -> Table:
    """Return a table that differs from another one by its rules only."""
    return Table(replace(table.compiled, rules=tuple(rules)))


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
