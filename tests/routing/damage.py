"""Damage tables at random, the way that disks, editors, spreadsheets and people do."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable, Mapping
from random import Random

Files = Mapping[str, bytes]
Grid = list[list[str]]

WORDS = (
    *("4.47789E+11", "447,7", "447.7", "TRUE", "WAHR", "#REF!", "#N/A", "Err:509", "'447", "12/25"),
    *("25.12.2026", "03-May", "=1+1", '=HYPERLINK("x")', "+447", "-1", "@none", "@uk", "@g0"),
    *("nowhere", "v\u043eda", "\uff14\uff14\uff17", "44 7700", "4\u00a0477", "99999999999999999"),
    *("0", "00", "-1", "1001", "65536", "1e9", "0x10", "23415", "234-15", "234-1", "999"),
    *("!", "!!44", "44||33", "|", "!|", "a|!b", "=", "=1471", "=+", "*", "anonymous", "emergency"),
    *("reject:21", "reject:0", "reject:128", "reject:", "route", "deny", "allow", "nodip", "yes"),
    *("no", "No", "GB", "gb", "UK", "XX", "mobile", "moblie", "live", "Mon-Fri 08:00-18:00"),
    *("Mon 08:00-08:00", "Mon 25:00-26:00", "Mon-Fri 8-18", "2026-02-30", "2026-12-25", "@bank"),
    *("Mon;Mon", ";", "Mon Mars/Base", "t0 > t0", "t0 t0", "t0:0", "t0:1001", "t0!", "> t0"),
    *("t0 >", "t0 >> t1", "national:GB", "national:ZZ", "x" * 50, "1" * 33, "a\nb", "\ufeff"),
    *("a\x00b", "\t=1", "\u200b44", "44\u200e", "\U0001f4de", "A" * 5000, ""),
    *("", " ", "#", "# gone", '"', ";", ","),
)  # fmt: skip
BYTES = (b'"', b",", b"\n", b"\r", b"\x00", b"\xff", b";", b"\t", b"|", b"!", b"=", b"#", b"@")


# ---- bytes -----------------------------------------------------------------------------------


def _flipped(data: bytes, dice: Random) -> bytes:
    at = dice.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << dice.randrange(8)]) + data[at + 1 :]


def _cut_out(data: bytes, dice: Random) -> bytes:
    at = dice.randrange(len(data))
    return data[:at] + data[at + dice.choice((1, 1, 2, 9, 99)) :]


def _put_in(data: bytes, dice: Random) -> bytes:
    at = dice.randrange(len(data) + 1)
    return data[:at] + dice.choice((*BYTES, dice.randbytes(3))) + data[at:]


def _written_twice(data: bytes, dice: Random) -> bytes:
    at = dice.randrange(len(data))
    return data[:at] + data[at : at + dice.choice((1, 2, 9, 99))] + data[at:]


def _ends_early(data: bytes, dice: Random) -> bytes:
    return data[: dice.randrange(len(data))]


def _encoded(data: bytes, dice: Random) -> bytes:
    text = data.decode("utf-8", "replace")
    name = dice.choice(("utf-16", "utf-16-le", "utf-8-sig", "latin-1", "cp1252", "utf-7", "cp037"))
    return text.encode(name, "replace")


def _ended_otherwise(data: bytes, dice: Random) -> bytes:
    return data.replace(b"\n", dice.choice((b"\r\n", b"\r", b"\n\n", b"\r\r\n", b"\x0b")))


def _separated_otherwise(data: bytes, dice: Random) -> bytes:
    return data.replace(b",", dice.choice((b";", b"\t", b"|", b", ", b",,")))


def _something_else(data: bytes, dice: Random) -> bytes:
    return dice.choice((b"", b"\n", b"x", gzip.compress(data), dice.randbytes(500), data * 2))


# ---- rows and cells --------------------------------------------------------------------------


def _grid(data: bytes) -> Grid:
    return list(csv.reader(io.StringIO(data.decode("utf-8", "replace"), newline="")))


def _text(grid: Grid) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(grid)
    return text.getvalue().encode("utf-8", "replace")


def _row(grid: Grid, dice: Random) -> list[str]:
    return dice.choice([row for row in grid if row] or [[""]])


def _width(grid: Grid) -> int:
    return max(1, *map(len, grid))


def _cell_replaced(grid: Grid, dice: Random) -> None:
    row = _row(grid, dice)
    row[dice.randrange(len(row))] = dice.choice(WORDS)


def _cell_of_another_row(grid: Grid, dice: Random) -> None:
    row, other = _row(grid, dice), _row(grid, dice)
    at = dice.randrange(min(len(row), len(other)))
    row[at], other[at] = other[at], row[at]


def _cells_swapped(grid: Grid, dice: Random) -> None:
    row = _row(grid, dice)
    one, other = dice.randrange(len(row)), dice.randrange(len(row))
    row[one], row[other] = row[other], row[one]


def _cell_edited(grid: Grid, dice: Random) -> None:
    row = _row(grid, dice)
    at, text = dice.randrange(len(row)), dice.choice("0123456789!|=@:>; -ax")
    where = dice.randint(0, len(row[at]))
    row[at] = row[at][:where] + text + row[at][where + dice.randint(0, 1) :]


def _cell_gone(grid: Grid, dice: Random) -> None:
    row = _row(grid, dice)
    del row[dice.randrange(len(row))]


def _row_gone(grid: Grid, dice: Random) -> None:
    del grid[dice.randrange(len(grid))]


def _row_twice(grid: Grid, dice: Random) -> None:
    grid.insert(dice.randrange(len(grid)), list(_row(grid, dice)))


def _rows_mixed(grid: Grid, dice: Random) -> None:
    dice.shuffle(grid)


def _column_gone(grid: Grid, dice: Random) -> None:
    at = dice.randrange(_width(grid))
    for row in grid:
        del row[at : at + 1]


def _column_twice(grid: Grid, dice: Random) -> None:
    at = dice.randrange(_width(grid))
    for row in grid:
        row[at:at] = row[at : at + 1]


def _column_moved_without_its_name(grid: Grid, dice: Random) -> None:
    width = _width(grid)
    one, other = dice.randrange(width), dice.randrange(width)
    for row in grid[1:]:
        if max(one, other) < len(row):
            row[one], row[other] = row[other], row[one]


def _column_of_numbers_spoilt(grid: Grid, dice: Random) -> None:
    at = dice.randrange(_width(grid))
    for row in grid:
        if at < len(row) and row[at].isdigit():
            row[at] = dice.choice((row[at].lstrip("0"), f"{float(row[at]):.6E}", row[at] + ".0"))


OF_BYTES: tuple[Callable[[bytes, Random], bytes], ...] = (
    *(_flipped, _flipped, _cut_out, _put_in, _put_in, _written_twice, _ends_early),
    *(_encoded, _ended_otherwise, _separated_otherwise, _something_else),
)
OF_CELLS: tuple[Callable[[Grid, Random], None], ...] = (
    *(_cell_replaced, _cell_replaced, _cell_replaced, _cell_of_another_row, _cells_swapped),
    *(_cell_edited, _cell_edited, _cell_edited, _cell_gone, _row_gone, _row_twice, _rows_mixed),
    *(_column_gone, _column_twice, _column_moved_without_its_name, _column_of_numbers_spoilt),
)


def damaged(files: Files, dice: Random) -> dict[str, bytes]:
    """Return the files with one to three damages, of which a file or two may be gone or mixed."""
    found = dict(files)
    for _ in range(dice.choice((1, 1, 1, 2, 3))):
        name = dice.choice(sorted(found)) if found else "routes.csv"
        data = found.get(name, b"")
        kind = dice.random()
        if kind < 0.02:
            found.pop(name, None)
        elif kind < 0.04:
            other = dice.choice(sorted(files))
            found[name], found[other] = found.get(other, b""), data
        elif not data:
            found[name] = dice.randbytes(20)
        elif kind < 0.4:
            found[name] = dice.choice(OF_BYTES)(data, dice)
        else:
            found[name] = _in_cells(data, dice)
    return found


def _in_cells(data: bytes, dice: Random) -> bytes:
    try:
        grid = _grid(data)
    except csv.Error:
        return _flipped(data, dice)
    if not grid:
        return _put_in(data, dice)
    dice.choice(OF_CELLS)(grid, dice)
    return _text(grid)
