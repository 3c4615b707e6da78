"""Tables in a real spreadsheet: one changed row is one, and what it spoils is named."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from agi.errors import TableError
from agi.routing.moves import rows_changed
from agi.routing.reading.files import SAMPLE, load
from tests.bench.tables import SMALL, made
from tests.calc import ALL_TEXT, AS_OFFERED, EVALUATED, Job, calc, why_not
from tests.cli.test_cli import dialdip
from tests.routing.making import write
from tests.service import Site

RANGE = b"# 447700900,"

Files = Mapping[str, bytes]


def sample() -> dict[str, bytes]:
    """Return the sample's files, with the range that they show as an example."""
    files = {path.name: path.read_bytes() for path in SAMPLE.glob("*.csv")}
    assert RANGE in files["ranges.csv"]
    return files | {"ranges.csv": files["ranges.csv"].replace(RANGE, RANGE.removeprefix(b"# "))}


def generated() -> dict[str, bytes]:
    """Return made tables without what a spreadsheet spoils unasked: ``00``, and ``;`` in cells."""
    files = made(SMALL)
    files["trunks.csv"] = files["trunks.csv"].replace(b",00,", b",plus,")
    files["routes.csv"] = files["routes.csv"].replace(b";Sat;Sun", b"")
    for whole, part in ((b";Fri 07:30-13:00", b""), (b"@holidays;", b"")):
        files["routes.csv"] = files["routes.csv"].replace(whole, part)
    return files


def spoilable() -> dict[str, bytes]:
    """Return made tables with all that a spreadsheet spoils if cells are not text."""
    files = made(SMALL)
    assert b",00," in files["trunks.csv"]
    assert b";Sat;Sun" in files["routes.csv"]
    row = b"voicemail,,,,,=1471|=*99#,,,,,,,trunk000,a short code\n"
    last = b"mail,,,,,=1571,,,,,,,trunk000,one; and another\n"
    files["routes.csv"] = files["routes.csv"].replace(b"default,", row + last + b"default,")
    return files


# What a person changes: a word of the row, the column, the new text.
EDITS = {
    "routes.csv": ("trunks", ""),
    "trunks.csv": ("ring_s", "25"),
    "ranges.csv": ("line", "voip"),
    "policy.csv": ("action", "nodip"),
}


@dataclass(frozen=True)
class Edited:
    """A directory before and after one cell of one file was changed in Calc."""

    before: Path
    after: Path
    file: str
    column: str
    text: str


CASES = [
    (name, options, file)
    for name, options in (("sample", "offered"), ("generated", "offered"), ("spoilable", "text"))
    for file in EDITS
]
OPTIONS = {"offered": AS_OFFERED, "text": ALL_TEXT}
MAKERS = {"sample": sample, "generated": generated, "spoilable": spoilable}


@pytest.fixture(scope="session", autouse=True)
def _calc_is_there() -> None:
    """Skip where LibreOffice is not installed; under CI=true it must be."""
    reason = why_not()
    if reason and os.environ.get("CI") == "true":
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)


@pytest.fixture(scope="module")
def edited(
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[tuple[str, str, str], Edited]:
    """Change one cell of each file, in one run of Calc."""
    top = tmp_path_factory.mktemp("calc")
    found, jobs = {}, []
    for case in CASES:
        name, options, file = case
        files = MAKERS[name]()
        before, after = top / "-".join(case) / "before", top / "-".join(case) / "after"
        for folder in (before, after):
            folder.mkdir(parents=True)
            for one, data in files.items():
                (folder / one).write_bytes(data)
        column, text = EDITS[file]
        row, at, cell = place(files, file, column)
        text = text or cell.split()[0]
        jobs.append(Job(before / file, after / file, [(at, row, text)], OPTIONS[options]))
        found[case] = Edited(before, after, file, column, text)
    seen = calc(top / "profile", jobs)
    assert len(jobs) == len(seen)
    assert not (top / "profile").exists()
    return found


def place(files: Files, file: str, column: str) -> tuple[int, int, str]:
    """Return row and column, from 0, and the text of a cell that an edit really changes."""
    rows = list(csv.reader(io.StringIO(files[file].decode())))
    head = next(row for row in rows if not row[0].startswith("#"))
    at = head.index(column)
    for number, row in enumerate(rows):
        good = not row[0].startswith("#") and row is not head and len(row) == len(head)
        if good and row[at] != EDITS[file][1] and (" " in row[at] or file != "routes.csv"):
            return number, at, row[at]
    raise AssertionError("no such row")


@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_one_cell_changed_in_calc_is_one_changed_row_by_value(
    edited: dict[tuple[str, str, str], Edited], case: tuple[str, str, str]
) -> None:
    one = edited[case]
    assert (one.before / one.file).read_bytes() != (one.after / one.file).read_bytes()
    old, new = load(one.before, 1), load(one.after, 2)
    (change,) = rows_changed(old.contents, new.contents)
    ((column, _, after),) = change.columns
    assert (one.file, one.column, one.text) == (change.file, column, after)
    assert [f.what for f in old.warnings if one.file not in f.file] == [
        f.what for f in new.warnings if one.file not in f.file
    ]


def test_table_diff_and_check_say_so_at_the_shell(
    edited: dict[tuple[str, str, str], Edited], tmp_path: Path
) -> None:
    site = Site(tmp_path, extra="enabled = false").write()
    one = edited["sample", "offered", "routes.csv"]
    done = dialdip(
        "--config", str(site.path), "table", "diff", str(one.before), str(one.after), "--json"
    )
    assert 0 == done.returncode, done.stderr
    (row,) = json.loads(done.stdout)["rows"]
    assert ("routes.csv", "changed") == (row["file"], row["what"])
    checked = dialdip("--config", str(site.path), "table", "check", str(one.after))
    assert 0 == checked.returncode, checked.stdout


# ---- what it spoils ------------------------------------------------------------------------

ROUTE_HEAD = "rule,mccmnc,prefix,from,country,trunks,when,comment\n"
HEADS = {
    "trunks": "trunk,number_format,prepend,ring_s,comment\n",
    "routes": ROUTE_HEAD,
    "policy": "prefix,account,action,comment\n",
    "ranges": "prefix,mccmnc\n",
    "calendars": "calendar,date\n",
}
DEFAULT = "default,,,,,a,,\n"
BEYOND = "did a spreadsheet part a cell at its ';'"
BEHIND = "is a window and stands behind the column 'when': a spreadsheet parted it"


@dataclass(frozen=True)
class Spoiling:
    """A row, what Calc makes of it, and what our check says of both: (column, words) or None."""

    file: str
    row: str
    became: str
    before: tuple[int, str] | None
    after: tuple[int, str] | None
    options: str = AS_OFFERED


SPOILINGS = {
    "zeros-of-a-format": Spoiling(
        "trunks", "b,00,,,", "b,0,,,", None, (2, "'0': a spreadsheet dropped a 0 of 00")
    ),
    "zeros-to-prepend": Spoiling(
        "trunks", "b,,0044,,", "b,,44,,", (3, "a spreadsheet drops the 0 in front"), None
    ),
    "a-plus-to-prepend": Spoiling(
        "trunks", "b,,+44,,", "b,,44,,", (3, "a spreadsheet takes this for a number"), None
    ),
    "a-long-number": Spoiling(
        "routes",
        "r,,44778845045012345,,,a,,",
        "r,,4.47788450450123E+016,,,a,,",
        (3, "1 to 15 digits"),
        (3, "shortened a long number: format the column as text"),
    ),
    "a-long-number-in-the-policy": Spoiling(
        "policy",
        "44778845045012345,,deny,",
        "4.47788450450123E+016,,deny,",
        (1, "1 to 15 digits"),
        (1, "shortened a long number: format the column as text"),
    ),
    "a-long-number-in-a-range": Spoiling(
        "ranges",
        "44778845045012345,23415",
        "4.47788450450123E+016,23415",
        (1, "1 to 15 digits"),
        (1, "shortened a long number: format the column as text"),
    ),
    "a-network-of-zeros": Spoiling(
        "routes",
        "r,00101,,,,a,,",  # a network of tests, 001-01: a warning of its own
        "r,101,,,,a,,",
        (2, "no country has the MCC 001"),
        (2, "'101': write MCC and MNC"),
    ),
    "a-plus-before-a-prefix": Spoiling(
        "routes", "r,,+447,,,a,,", "r,,447,,,a,,", (3, "without '+'"), None
    ),
    "a-window-before-a-comment": Spoiling(
        "routes",
        "r,,44,,,a,Mon-Fri 08:00-18:00; Sat,",
        "r,,44,,,a,Mon-Fri 08:00-18:00, Sat",
        None,
        (8, f"'Sat' {BEHIND}"),
    ),
    "a-calendar-before-a-comment": Spoiling(
        "routes",
        "r,,44,,,a,Mon-Fri;@bank,",
        "r,,44,,,a,Mon-Fri,@bank",
        None,
        (8, f"'@bank' {BEHIND}"),
    ),
    "windows-and-a-comment": Spoiling(
        "routes", "r,,44,,,a,Mon;Sat,days", "r,,44,,,a,Mon,Sat,days", None, (9, BEYOND)
    ),
    "a-comment-of-two-parts": Spoiling(
        "policy", "44,,deny,here;there", "44,,deny,here,there", None, (5, BEYOND)
    ),
    "evaluated-lists": Spoiling(
        "routes",
        "r,,=101|=123,,,a,,",
        "r,,Err:509,,,a,,",
        None,
        (3, "a spreadsheet's error stands in place of the value"),
        EVALUATED,
    ),
    "evaluated-dates": Spoiling(
        "ranges",
        "3/5,23415",
        "03/05/2026,23415",
        (1, "a spreadsheet made a date"),
        (1, "a spreadsheet made a date"),
        EVALUATED,
    ),
    "an-evaluated-short-code": Spoiling(
        "routes", "r,,=1471,,,a,,", "r,,1471,,,a,,", None, None, EVALUATED
    ),
}
KEPT = (
    "r,234-15,447,447,GB,a,Mon-Fri 08:00-18:00 Europe/London,",
    "r,234-15|234-10,=1471,!44|33,,a > b!,@bank,at 12:30",
    "r,!234,!=101|447,anonymous,!GB|FR,a:3 b:1,2026-12-25,TRUE",
    "r,310-260,=*99#,07|08,,a,Sat-Mon 22:00-06:00,1-2",
    "r,,44778845045012,,,a,2026-12-24 00:00-24:00 UTC,1/2",
    "1-2,,=1571|=*9,,,a,,@ noon",
)
"""Rows that Calc leaves as they are, with the options that it offers."""


def tables(top: Path, file: str, row: str) -> Path:
    """Write small tables; the row is the second line of its file, two trunks are there."""
    texts = {name: f"{head}{row}\n" if name == file else head for name, head in HEADS.items()}
    texts["trunks"] += "a,,,,\n" + ("b,,,,\n" if file != "trunks" else "")
    texts["calendars"] += "bank,2026-12-25\n"
    texts["routes"] += DEFAULT
    return write(top, **texts)


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Path]]:
    """Open and save each little table, in one run of Calc."""
    top = tmp_path_factory.mktemp("spoilt")
    wanted = {name: (one.file, one.row, one.options) for name, one in SPOILINGS.items()}
    wanted |= {row: ("routes", row, AS_OFFERED) for row in KEPT}
    found, jobs = {}, []
    for number, (name, (file, row, options)) in enumerate(wanted.items()):
        before, after = (tables(top / f"{number}{end}", file, row) for end in ("a", "b"))
        jobs.append(Job(before / f"{file}.csv", after / f"{file}.csv", (), options))
        found[name] = (before, after)
    calc(top / "profile", jobs)
    return found


def said(directory: Path, file: str) -> list[tuple[int, str]]:
    """Return column and text of what the check says of the row, but that nobody uses it."""
    try:
        told = load(directory, 1).warnings
    except TableError as error:
        told = error.faults
    mine = [f for f in told if f.file == str(directory / f"{file}.csv") and f.line == 2]
    return [(f.column, f.what) for f in mine if "no rule" not in f.what]


@pytest.mark.parametrize("name", SPOILINGS)
def test_what_calc_spoils_is_named_where_it_stands(
    opened: dict[str, tuple[Path, Path]], name: str
) -> None:
    one, (before, after) = SPOILINGS[name], opened[name]
    assert one.became == (after / f"{one.file}.csv").read_text().splitlines()[1]
    for directory, expected in ((before, one.before), (after, one.after)):
        told = said(directory, one.file)
        if expected is None:
            assert [] == told
        else:
            column, words = expected
            assert [True] == [words in what for at, what in told if at == column][:1], told


def test_what_the_check_cannot_see_the_diff_shows(opened: dict[str, tuple[Path, Path]]) -> None:
    """Calc kept a short code as its value, and dropped the zeros of a prefix to prepend."""
    expected = {
        "an-evaluated-short-code": ("routes.csv", ("prefix", "=1471", "1471")),
        "zeros-to-prepend": ("trunks.csv", ("prepend", "0044", "44")),
    }
    for name, (file, column) in expected.items():
        before, after = (load(directory, 1).contents for directory in opened[name])
        (change,) = rows_changed(before, after)
        assert (file, (column,)) == (change.file, change.columns)


@pytest.mark.parametrize("row", KEPT)
def test_what_calc_leaves_alone_is_the_same_row(
    opened: dict[str, tuple[Path, Path]], row: str
) -> None:
    before, after = opened[row]
    lines = (after / "routes.csv").read_text().splitlines()
    assert row == lines[1]
    if said(before, "routes") == []:
        assert () == rows_changed(load(before, 1).contents, load(after, 1).contents)


# ---- A20 -----------------------------------------------------------------------------------


def test_a20_an_export_opened_in_calc_holds_no_formula_but_dialled_digits(
    tmp_path: Path,
) -> None:
    """Even where Calc evaluates: ``=1471`` gives the number 1471, and reads or calls nothing."""
    files = sample() | {"generated.csv": spoilable()["routes.csv"]}
    jobs = []
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
        jobs.append(Job(tmp_path / name, tmp_path / f"saved-{name}", (), EVALUATED))
    seen = dict(zip(files, calc(tmp_path / "profile", jobs), strict=True))
    for name in sample():
        assert [] == seen[name]["formulas"], name
    found = seen["generated.csv"]["formulas"]
    assert "=1571" in found
    assert [] == [one for one in found if not re.fullmatch("[0-9*#=|]+", one)]
