"""Load a directory of tables: read its files within bounds, refuse it whole if one is faulty."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from agi.errors import Fault
from agi.routing.compiled import Compiled
from agi.routing.limits import NO_LIMITS, read_limits
from agi.routing.policy import NO_POLICY, Policy, read_policy
from agi.routing.ranges import NO_RANGES, read_ranges
from agi.routing.reading.accounts import NO_ACCOUNTS, read_accounts
from agi.routing.reading.build import Built, Contents, ErrorRules, build, overlay
from agi.routing.reading.calendars import NO_CALENDARS, read_calendars
from agi.routing.reading.faults import Faults, Nearest
from agi.routing.reading.match_cells import Sets
from agi.routing.reading.money_rows import read_currencies, read_rates
from agi.routing.reading.route_rows import Known, Routes, read_routes
from agi.routing.reading.rows import Trunks, read_errors, read_trunks
from agi.routing.reading.set_rows import NO_GROUPS, NO_SETS, Asked, read_groups, read_sets
from agi.routing.reading.sheet import MAX_FILE_BYTES
from agi.routing.table import Table

TRUNKS: Final = "trunks.csv"
ROUTES: Final = "routes.csv"
GROUPS: Final = "groups.csv"
NETWORKS: Final = "networks.csv"
CALENDARS: Final = "calendars.csv"
ACCOUNTS: Final = "accounts.csv"
RANGES: Final = "ranges.csv"
POLICY: Final = "policy.csv"
LIMITS: Final = "limits.csv"
ERRORS: Final = "errors.csv"
RATES: Final = "rates.csv"
CURRENCIES: Final = "currencies.csv"
REQUIRED: Final = (TRUNKS, ROUTES)
FILES: Final = (
    *REQUIRED,
    *(GROUPS, NETWORKS, CALENDARS, ACCOUNTS, RANGES, POLICY, LIMITS, ERRORS, RATES, CURRENCIES),
)
"""Every file of a directory of tables; those that are not required may be absent."""

MAX_TOTAL_BYTES: Final = 2 * MAX_FILE_BYTES
"""All files of a directory together, at most."""

SHIPPED_ERRORS: Final = Path(__file__).parent.parent / ERRORS
SAMPLE: Final = Path(__file__).parent.parent / "sample"
"""The commented tables that a new site begins with."""


_MISSING: Final = "the file is missing: every directory of tables needs it"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Loaded:
    """Tables that may be put in force, what looked suspicious in them, and their files' bytes."""

    compiled: Compiled
    table: Table
    warnings: tuple[Fault, ...]
    contents: Mapping[str, bytes] = field(repr=False)


def load(directory: Path, generation: int, timezone: str = "UTC", today: str = "") -> Loaded:
    """Read the tables of a directory and compile them.

    Args:
        directory: where the CSV files are; messages name them as it is given.
        generation: the number of the version, 0 to 999,999.
        timezone: the IANA zone of spans that name none.
        today: the day in ISO 8601, for warnings of what is past; empty if nobody can say.

    Returns:
        The tables and the warnings.

    Raises:
        TableError: the directory or a required file is missing or unreadable, or rows are
            faulty. It carries the faults of all files, the first thousand of them by place.
    """
    faults = Faults()
    contents = read(directory, faults)
    files = _Files(contents, lambda name: str(directory / name), faults)
    built = files.build(version_of(contents, timezone, generation), timezone, today)
    faults.refuse()
    if built is None:
        raise AssertionError("tables without a fault were not built")
    return Loaded(built.compiled, built.table, faults.warnings(), contents)


def compile_files(  # noqa: PLR0913  # all but the first by name
    contents: Mapping[str, bytes],
    *,
    place: Callable[[str], str],
    version: str,
    timezone: str,
    faults: Faults,
    today: str = "",
) -> Compiled | None:
    """Compile the bytes of a directory's files; None if a fault was found in them.

    Args:
        contents: the files by name (see ``FILES``); others are not looked at.
        place: returns how messages call the file of a name.
        version: the name of the version.
        timezone: the IANA zone of spans that name none.
        faults: takes faults and warnings.
        today: the day in ISO 8601, for warnings of what is past; empty if nobody can say.
    """
    for name in REQUIRED:
        if name not in contents:
            faults.add(Fault(place(name), 0, 0, _MISSING))
    built = _Files(contents, place, faults).build(version, timezone, today)
    return None if built is None else built.compiled


def version_of(contents: Mapping[str, bytes], timezone: str, generation: int) -> str:
    """Return the version of these files: generation, and eight digits of a SHA-256.

    Names and lengths are hashed too, so that no byte can slide from one file into another; so is
    the time zone, since the same files mean another thing in another one.
    """
    digest = hashlib.sha256(f"{timezone}\0".encode())
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


@dataclass(frozen=True, slots=True)
class _Files:
    """The files of one directory, about to be read."""

    contents: Mapping[str, bytes] = field(repr=False)
    place: Callable[[str], str]
    faults: Faults

    def read(self, name: str, reader: Callable[[str, bytes, Faults], T], absent: T) -> T:
        data = self.contents.get(name)
        return absent if data is None else reader(self.place(name), data, self.faults)

    def build(self, version: str, timezone: str, today: str) -> Built | None:
        """Read every file and join them; None if there was a fault in any of them."""
        sets = self.read(NETWORKS, read_sets, NO_SETS)
        groups = self.read(GROUPS, read_groups, NO_GROUPS)
        calendars = self.read(CALENDARS, read_calendars, NO_CALENDARS)
        known = Known(sets.networks, groups.members, calendars, timezone)
        routes = self.read(ROUTES, partial(_routes, known), None)
        trunks = self.read(TRUNKS, read_trunks, None)
        if trunks is None:
            # Every trunk would be unknown: one fault says it, not one for each rule.
            names = groups.trunk_names() | (routes.trunk_names() if routes else frozenset())
            trunks = Trunks((), names)
        else:
            self.read(RATES, partial(_rates, trunks), None)
        self.read(CURRENCIES, read_currencies, None)
        asked = Asked(sets.networks)
        contents = Contents(
            trunks=trunks,
            routes=routes,
            errors=shipped_errors(self.faults, self.contents.get(ERRORS), self.place(ERRORS)),
            sets=sets,
            groups=groups,
            calendars=calendars,
            accounts=self.read(ACCOUNTS, read_accounts, NO_ACCOUNTS),
            ranges=self.read(RANGES, read_ranges, NO_RANGES),
            policy=self.read(POLICY, partial(_policy, asked), NO_POLICY),
            limits=self.read(LIMITS, read_limits, NO_LIMITS),
            policy_sets=frozenset(asked.names),
            today=today,
        )
        return build(version, timezone, contents, self.faults)


def _routes(known: Known, file: str, data: bytes, faults: Faults) -> Routes | None:
    return read_routes(file, data, known, faults)


def _rates(trunks: Trunks, file: str, data: bytes, faults: Faults) -> None:
    read_rates(file, data, trunks.names(), faults)


def _policy(sets: Sets, file: str, data: bytes, faults: Faults) -> Policy:
    return read_policy(file, data, faults, sets)


def read(directory: Path, faults: Faults) -> dict[str, bytes]:
    """Return the bytes of each known file of a directory, within bounds.

    What cannot be read, is no regular file or is too large is a fault, and so is a missing file
    that every directory needs. Other files called ``.csv`` are warned of.
    """
    try:
        present = sorted(path.name for path in directory.iterdir())
    except OSError as error:
        what = f"cannot be read as a directory of tables: {error.strerror}"
        faults.add(Fault(str(directory), 0, 0, what))
        return {}
    contents: dict[str, bytes] = {}
    left = MAX_TOTAL_BYTES
    for name in FILES:
        if name in present:
            data = _read_file(directory / name, left, faults)
            if data is not None:
                contents[name] = data
                left -= len(data)
        elif name in REQUIRED:
            faults.add(Fault(str(directory / name), 0, 0, _MISSING))
    _warn_of_strangers(directory, present, faults)
    return contents


def _read_file(path: Path, left: int, faults: Faults) -> bytes | None:
    try:
        # A FIFO must not stop the loading for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as stream:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                faults.add(Fault(str(path), 0, 0, "not a regular file"))
                return None
            # As much as is asked for is allocated, however small the file.
            data = stream.read(min(status.st_size, MAX_FILE_BYTES) + 1)
    except OSError as error:
        faults.add(Fault(str(path), 0, 0, f"cannot be read: {error.strerror}"))
        return None
    if len(data) > MAX_FILE_BYTES:
        faults.add(Fault(str(path), 0, 0, f"larger than {MAX_FILE_BYTES >> 20} MiB: split it"))
        return None
    if len(data) != status.st_size:
        what = "changed while it was read: try again when it is written"
        faults.add(Fault(str(path), 0, 0, what))
        return None
    if len(data) > left:
        what = f"all files together are larger than {MAX_TOTAL_BYTES >> 20} MiB: drop rows"
        faults.add(Fault(str(path), 0, 0, what))
        return None
    return data


def _warn_of_strangers(directory: Path, present: list[str], faults: Faults) -> None:
    nearest = Nearest(FILES)
    for name in present:
        if name.endswith(".csv") and name not in FILES and not name.startswith("."):
            what = f"no table is called so, the file is not read{nearest.hint(name)}"
            faults.add(Fault(str(directory / name), 0, 0, what, warning=True))
