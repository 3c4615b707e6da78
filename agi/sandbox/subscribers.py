"""Who exists in the sandbox: subscribers, and the CSV file that lists them.

The file is UTF-8 (BOM accepted) with a comma and a header row; rows whose first cell begins with
``#`` are comments. Columns: ``msisdn,mccmnc,imsi,msc,error,latency_ms,fault,ported_from,fraud``,
``tps,unsubscribed,live,line,comment``, in any order; only ``msisdn`` is required, absent columns
count as empty.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from agi.errors import Fault, TableError, UsageError
from agi.model import Fraud, Line, Live
from agi.sandbox.faults import OF_THE_PORT, Order, parse_order

COLUMNS: Final = (
    "msisdn",
    "mccmnc",
    "imsi",
    "msc",
    "error",
    "latency_ms",
    "fault",
    "ported_from",
    "fraud",
    "tps",
    "unsubscribed",
    "live",
    "line",
    "comment",
)

SAMPLE: Final = Path(__file__).with_name("subscribers.csv")
"""The subscribers that travel with the package; their numbers are samples, nobody's."""


@dataclass(frozen=True, slots=True)
class Subscriber:
    """One number and what the provider says about it.

    ``mccmnc`` is the network of today and ``ported_from`` the one that held the number before,
    both 5 or 6 digits or empty. ``error`` is ``ERR`` and a number (then there is no network) or
    empty. ``latency_ms`` None: the sandbox's own. ``msc`` and ``imsi`` may be empty: the vendor
    gives them only "if supported" (Comcetera NPL API page, v2.4). ``live`` None: live, or what
    ``error`` says; an absent or dead number may have a network, which only a portability database
    then tells. ``fraud`` None: what ``line`` suggests; ``line`` None: mobile.
    """

    msisdn: str = field(repr=False)
    mccmnc: str = ""
    msc: str = field(default="", repr=False)
    imsi: str = field(default="", repr=False)
    error: str = ""
    latency_ms: int | None = None
    fault: Order | None = None
    ported_from: str = ""
    fraud: Fraud | None = None
    tps: bool = False
    unsubscribed: bool = False
    live: Live | None = None
    line: Line | None = None


def _one_of(*words: str) -> tuple[str, str]:
    return "|".join((*words, "")), f"one of {', '.join(words)}, or empty"


_NETWORK = (r"[2-7][0-9]{4,5}|", "5 or 6 digits, country first: 23415")
_CELLS: Final[Mapping[str, tuple[str, str]]] = {
    "msisdn": (r"[1-9][0-9]{6,14}", "7 to 15 digits, country code first, no plus: 447788450450"),
    "mccmnc": _NETWORK,
    "ported_from": _NETWORK,
    "imsi": (r"[0-9]{14,15}|", "14 or 15 digits, or empty"),
    "msc": (r"[0-9]{7,15}|", "7 to 15 digits, or empty"),
    "error": (r"ERR[0-9]{1,3}|", "ERR and its number, for example ERR1, or empty"),
    "latency_ms": (r"[0-5]?[0-9]{1,4}|60000|", "milliseconds from 0 to 60000, or empty"),
    "fraud": _one_of(*Fraud),
    "tps": _one_of("yes", "no"),
    "unsubscribed": _one_of("yes", "no"),
    "live": _one_of(*Live),
    "line": _one_of(*Line),
}


def read_subscribers(path: Path) -> dict[str, Subscriber]:
    """Read one CSV file; the keys are the numbers.

    Raises:
        TableError: the file has faults; carries all of them, each with line and column.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise TableError((Fault(path.name, 0, 0, f"cannot be read: {error.strerror}"),)) from error
    except UnicodeDecodeError as error:
        what = f"byte {error.start + 1} is not UTF-8; save the file as UTF-8"
        raise TableError((Fault(path.name, 0, 0, what),)) from error
    return parse_subscribers(text, path.name)


def parse_subscribers(text: str, file: str) -> dict[str, Subscriber]:
    """Read the text of such a file; ``file`` is the name that faults carry.

    Raises:
        TableError: the text has faults; carries all of them.
    """
    rows = _rows(text, file)
    line, header = next(rows, (1, []))
    faults = _header_faults(header, file, line)
    if faults:
        raise TableError(tuple(faults))
    read = [_Row(file, line, header, cells) for line, cells in rows]
    seen: set[str] = set()
    faults = [fault for row in read for fault in row.faults(seen)]
    if faults:
        raise TableError(tuple(faults))
    return {subscriber.msisdn: subscriber for subscriber in (row.subscriber() for row in read)}


def _rows(text: str, file: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise TableError((Fault(file, reader.line_num, 1, f"not CSV: {error}"),)) from error
        if cells is None:
            return
        if cells and not cells[0].startswith("#"):
            yield reader.line_num, cells


def _header_faults(header: list[str], file: str, line: int) -> list[Fault]:
    if len(header) == 1 and ";" in header[0]:
        return [Fault(file, line, 1, "the separator is ';'; save the file with commas")]
    faults = [
        Fault(file, line, column, f"unknown or repeated column; known: {','.join(COLUMNS)}")
        for column, name in enumerate(header, 1)
        if name not in COLUMNS or name in header[: column - 1]
    ]
    if "msisdn" not in header:
        faults.append(Fault(file, line, 1, "the column msisdn is missing from the header row"))
    return faults


class _Row:
    """One row under its header; never put into a message, for it holds numbers."""

    def __init__(self, file: str, line: int, header: list[str], cells: list[str]) -> None:
        self._file = file
        self._line = line
        self._header = header
        self._cells = dict(zip(header, cells, strict=False))
        self._count = len(cells)

    def faults(self, seen: set[str]) -> list[Fault]:
        """Return what is wrong with this row; adds its number to those ``seen`` above it."""
        if self._count != len(self._header):
            what = f"{self._count} cells under a header of {len(self._header)}"
            return [self._fault(min(self._count, len(self._header)), what)]
        checks: tuple[Callable[[], Iterator[Fault]], ...] = (self._cell_faults, self._fault_cell)
        faults = [fault for check in checks for fault in check()]
        if self._cells["msisdn"] in seen:
            faults.append(self._fault(self._column("msisdn"), "this number is already listed"))
        seen.add(self._cells["msisdn"])
        if bool(self._cells.get("mccmnc")) == bool(self._cells.get("error")):
            what = "a number has a network or an error: fill one of mccmnc and error"
            faults.append(self._fault(self._column("mccmnc"), what))
        return faults

    def _cell_faults(self) -> Iterator[Fault]:
        for name, (pattern, hint) in _CELLS.items():
            if not re.fullmatch(pattern, self._cells.get(name, "")):
                yield self._fault(self._column(name), f"{name} is not right; write {hint}")

    def _fault_cell(self) -> Iterator[Fault]:
        try:
            self._order()
        except UsageError as error:
            yield self._fault(self._column("fault"), str(error))

    def _order(self) -> Order | None:
        text = self._cells.get("fault", "")
        order = parse_order(text) if text else None
        if order is not None and order.trouble in OF_THE_PORT:
            raise UsageError(f"{order.trouble} concerns the whole port, not one number")
        return order

    def _column(self, name: str) -> int:
        return self._header.index(name) + 1 if name in self._header else 1

    def _fault(self, column: int, what: str) -> Fault:
        return Fault(self._file, self._line, column, what)

    def subscriber(self) -> Subscriber:
        cell = self._cells.get
        latency = cell("latency_ms", "")
        return Subscriber(
            msisdn=self._cells["msisdn"],
            mccmnc=cell("mccmnc", ""),
            msc=cell("msc", ""),
            imsi=cell("imsi", ""),
            error=cell("error", ""),
            latency_ms=int(latency) if latency else None,
            fault=self._order(),
            ported_from=cell("ported_from", ""),
            fraud=Fraud(cell("fraud", "")) if cell("fraud") else None,
            tps=cell("tps") == "yes",
            unsubscribed=cell("unsubscribed") == "yes",
            live=Live(cell("live", "")) if cell("live") else None,
            line=Line(cell("line", "")) if cell("line") else None,
        )
