"""Load a directory of tables: read its files within bounds, refuse it whole if one is faulty."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agi.errors import Fault
from agi.routing.accounts import read_accounts
from agi.routing.build import Contents, ErrorRules, build, overlay
from agi.routing.faults import Faults, Nearest
from agi.routing.ranges import NO_RANGES, read_ranges
from agi.routing.route_rows import read_routes
from agi.routing.rows import Trunks, read_errors, read_later, read_trunks
from agi.routing.sheet import MAX_FILE_BYTES
from agi.routing.table import Table

TRUNKS: Final = "trunks.csv"
ROUTES: Final = "routes.csv"
ERRORS: Final = "errors.csv"
RANGES: Final = "ranges.csv"
ACCOUNTS: Final = "accounts.csv"
READ: Final = (TRUNKS, ROUTES, ERRORS, RANGES, ACCOUNTS)
REQUIRED: Final = (TRUNKS, ROUTES)
LATER: Final = (
    "calendars.csv",
    "currencies.csv",
    "groups.csv",
    "networks.csv",
    "policy.csv",
    "rates.csv",
)
"""Files of later versions: accepted without rows, so that nobody believes them to be in force."""

SHIPPED_ERRORS: Final = Path(__file__).with_name(ERRORS)
SAMPLE: Final = Path(__file__).with_name("sample")
"""The commented tables that a new site begins with."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A table that may be put in force, and what looked suspicious in its files."""

    table: Table
    warnings: tuple[Fault, ...]


def load(directory: Path, generation: int) -> Loaded:
    """Read the tables of a directory and compile them.

    Args:
        directory: where the CSV files are; messages name them as it is given.
        generation: the number of the version, 0 to 999,999; the table's version is this number
            and the first eight hexadecimal digits of a SHA-256 over the files' names and bytes.

    Returns:
        The table and the warnings.

    Raises:
        TableError: the directory or a required file is missing or unreadable, or rows are
            faulty. It carries the faults of all files, the first thousand of them by place.
    """
    faults = Faults()
    contents = _read_directory(directory, faults)
    table = _compile(directory, contents, generation, faults)
    faults.refuse()
    if table is None:
        raise AssertionError("a table without faults was not built")
    return Loaded(table, faults.warnings())


def version_of(contents: Mapping[str, bytes], generation: int) -> str:
    """Return the version of these files: names and lengths are hashed too, so none can slide."""
    digest = hashlib.sha256()
    for name in sorted(contents):
        digest.update(f"{name}\0{len(contents[name])}\0".encode())
        digest.update(contents[name])
    return f"{generation:06d}-{digest.hexdigest()[:8]}"


def shipped_errors(
    faults: Faults, site: bytes | None = None, site_file: str = ERRORS
) -> ErrorRules:
    """Return the shipped meaning of provider codes, overlaid by a site's file row by row."""
    shipped = read_errors(str(SHIPPED_ERRORS), SHIPPED_ERRORS.read_bytes(), faults)
    rows = read_errors(site_file, site, faults) if site is not None else ()
    return overlay(shipped, rows, faults)


def _compile(
    directory: Path, contents: Mapping[str, bytes], generation: int, faults: Faults
) -> Table | None:
    def place(name: str) -> str:
        return str(directory / name)

    for name in LATER:
        if name in contents:
            read_later(place(name), contents[name], faults)
    errors = shipped_errors(faults, contents.get(ERRORS), place(ERRORS))
    ranges, accounts = contents.get(RANGES), contents.get(ACCOUNTS)
    known_ranges = NO_RANGES if ranges is None else read_ranges(place(RANGES), ranges, faults)
    screenings = {} if accounts is None else read_accounts(place(ACCOUNTS), accounts, faults)
    trunks = read_trunks(place(TRUNKS), contents[TRUNKS], faults) if TRUNKS in contents else None
    routes = read_routes(place(ROUTES), contents[ROUTES], faults) if ROUTES in contents else None
    if routes is None:
        return None
    # Without trunks.csv every trunk would be unknown: one fault says it, not one for each rule.
    known = Trunks((), routes.trunk_names()) if trunks is None else trunks
    rows = Contents(known, routes, errors, known_ranges, screenings)
    return build(version_of(contents, generation), rows, faults)


def _read_directory(directory: Path, faults: Faults) -> dict[str, bytes]:
    try:
        present = sorted(path.name for path in directory.iterdir())
    except OSError as error:
        what = f"cannot be read as a directory of tables: {error.strerror}"
        faults.add(Fault(str(directory), 0, 0, what))
        return {}
    contents: dict[str, bytes] = {}
    for name in (*READ, *LATER):
        if name in present:
            data = _read_file(directory / name, faults)
            if data is not None:
                contents[name] = data
        elif name in REQUIRED:
            what = "the file is missing: every directory of tables needs it"
            faults.add(Fault(str(directory / name), 0, 0, what))
    _warn_of_strangers(directory, present, faults)
    return contents


def _read_file(path: Path, faults: Faults) -> bytes | None:
    try:
        # A FIFO must not stop the loading for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as stream:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                faults.add(Fault(str(path), 0, 0, "not a regular file"))
                return None
            data = stream.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        faults.add(Fault(str(path), 0, 0, f"cannot be read: {error.strerror}"))
        return None
    if len(data) > MAX_FILE_BYTES:
        faults.add(Fault(str(path), 0, 0, f"larger than {MAX_FILE_BYTES >> 20} MiB: split it"))
        return None
    return data


def _warn_of_strangers(directory: Path, present: list[str], faults: Faults) -> None:
    known = (*READ, *LATER)
    nearest = Nearest(known)
    for name in present:
        if name.endswith(".csv") and name not in known and not name.startswith("."):
            what = f"no table is called so, the file is not read{nearest.hint(name)}"
            faults.add(Fault(str(directory / name), 0, 0, what, warning=True))
