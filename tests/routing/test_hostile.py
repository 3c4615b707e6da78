"""Hostile tables: each is refused whole, at its place, in words that tell what to do."""

from __future__ import annotations

import io
import resource
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from agi.errors import TableError
from agi.routing.reading.files import FILES, SAMPLE, load
from agi.routing.reading.sheet import MAX_FILE_BYTES
from agi.routing.versions.audit import Who
from agi.routing.versions.store import Store
from agi.tables import export
from tests.bench.tables import SMALL, made
from tests.routing.making import write

MIB = 1 << 20

GOOD = {
    "trunks": b"trunk,comment\na,\nb,\n",
    "routes": b"rule,prefix,when,trunks,comment\nsome,44,,b,\ndefault,,,a,\n",
}
ROUTES = b"rule,prefix,when,trunks,comment\n"
DEFAULT = b"default,,,a,\n"


def bomb() -> bytes:
    """Return a ZIP of a gigabyte of zeros, which packs to about a MiB."""
    packed = io.BytesIO()
    with (
        zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("routes.csv", "w") as stream,
    ):
        for _ in range(1024):
            stream.write(bytes(MIB))
    return packed.getvalue()


@dataclass(frozen=True)
class Hostile:
    """A file that replaces the good one, and where (line, column) and how it is refused."""

    file: str
    made: bytes | Callable[[], bytes]
    line: int
    column: int
    words: str

    def data(self) -> bytes:
        return self.made if isinstance(self.made, bytes) else self.made()


def routes(*rows: bytes) -> bytes:
    return ROUTES + b"".join(row + b"\n" for row in rows) + DEFAULT


F41 = {
    "an-unknown-trunk": Hostile(
        "routes", routes(b"x,44,,bb,"), 2, 4, "unknown trunk 'bb'; did you mean 'b'?"
    ),
    "an-unknown-group": Hostile("routes", routes(b"x,44,,@pool,"), 2, 4, "unknown group"),
    "a-loop-of-groups": Hostile(
        "groups", b"group,trunks\none,@two\ntwo,a @one\n", 3, 2, "a loop of groups: one > two > one"
    ),
    "a-group-of-itself": Hostile(
        "groups", b"group,trunks\none,a @one\n", 2, 2, "a loop of groups: one > one"
    ),
    "the-same-prefix-in-two-rules": Hostile(
        "routes", routes(b"x,44|4477,,a,", b"y,33|4477,,b,"), 3, 1, "tie"
    ),
    "the-same-prefix-in-two-ranges": Hostile(
        "ranges", b"prefix,mccmnc\n4477,23415\n4477,23410\n", 3, 1, "ranges.csv:2"
    ),
    "no-default": Hostile("routes", ROUTES + b"x,44,,a,\n", 0, 0, "no default route"),
    "two-defaults": Hostile("routes", routes(b"x,,,b,"), 3, 1, "a second default"),
    "an-emergency-default": Hostile(
        "routes", b"rule,line,trunks\ndefault,emergency,a\n", 0, 0, "no default route"
    ),
}
A19 = {
    "a-formula-for-a-name": Hostile(
        "routes", routes(b"=1+1,44,,a,"), 2, 1, "would run it as a formula"
    ),
    "a-formula-for-a-prefix": Hostile(
        "routes", routes(b'x,"=HYPERLINK(""http://x"")",,a,'), 2, 2, "a spreadsheet's formula"
    ),
    "a-formula-for-a-trunk": Hostile("routes", routes(b"x,44,,=A1,"), 2, 4, "'=A1'"),
    "a-formula-in-a-comment": Hostile(
        "routes", routes(b"x,44,,a,=cmd|'/c calc'!A0"), 2, 5, "would run it as a formula"
    ),
    "a-wide-formula-sign": Hostile(
        "routes", routes("x,44,,a,\uff1dA1".encode()), 2, 5, "would run it as a formula"
    ),
    "a-formula-behind-a-tab": Hostile(
        "routes", routes(b'x,44,,a,"\t=A1"'), 2, 5, "would run it as a formula"
    ),
    "another-byte-order": Hostile(
        "routes", routes().decode().encode("utf-16"), 1, 1, "UTF-16, not UTF-8"
    ),
    "two-byte-order-marks": Hostile(
        "routes", b"\xef\xbb\xbf\xef\xbb\xbf" + routes(), 1, 1, "'rule' is missing"
    ),
    "a-line-end-in-a-name": Hostile(
        "routes", routes(b'"x\r\ny",44,,a,'), 2, 1, "1 to 32 letters, digits"
    ),
    "a-mark-that-hides-rows": Hostile(
        "routes", routes(b'x,33,,a,"see', b"y,44,,b,", b'z,1,,b,"'), 2, 1, "ends in line 4 and"
    ),
    "a-comment-that-hides-a-row": Hostile(
        "routes", routes(b'# see,"here', b'x,44,,b,"there"'), 2, 1, "after a closing quotation mark"
    ),
    "a-quoted-comment-that-hides-a-row": Hostile(
        "routes", routes(b'# see,"here', b'x,44,,b,"'), 2, 1, "ends in line 3 and hides the rows"
    ),
    "a-carriage-return-that-hides-a-row": Hostile(
        "routes", routes(b"# see\rx,44,,b,"), 2, 1, "a carriage return alone"
    ),
    "a-million-columns": Hostile(
        "routes", lambda: routes(b"x,44,,a,", b"x," * 1_000_000), 3, 1, "a row of more than"
    ),
    "a-million-columns-in-the-header": Hostile(
        "routes", lambda: b"rule" + b",x" * 1_000_000 + b"\n", 1, 1, "a row of more than"
    ),
    "many-columns": Hostile("routes", routes(b"x,44,,a,", b"," * 90 + b"x"), 3, 65, "at most 64"),
    "a-zip-bomb": Hostile("routes", bomb, 1, 1, "a packed file (ZIP"),
    "a-workbook": Hostile("trunks", b"PK\x03\x04\x14\0" + bytes(200), 1, 1, "a packed file (ZIP"),
    "an-old-workbook": Hostile(
        "routes", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504), 1, 1, "a workbook of an old"
    ),
    "a-gzip": Hostile("ranges", b"\x1f\x8b\x08\0" + bytes(20), 1, 1, "a packed file (gzip"),
    "a-duplicate-prefix": Hostile(
        "policy", b"prefix,action\n44,deny\n44,allow\n", 3, 1, "policy.csv:2"
    ),
    "a-homoglyph": Hostile(
        "routes", routes("x,44,,\u0430,".encode()), 2, 4, "U+0430 (CYRILLIC SMALL LETTER A)"
    ),
    "a-homoglyph-for-a-name": Hostile(
        "trunks", "trunk\na\nb\n\u0430\n".encode(), 4, 1, "U+0430 (CYRILLIC SMALL LETTER A)"
    ),
    "an-invisible-character": Hostile("routes", routes("x,44\u200b,,a,".encode()), 2, 2, "U+200B"),
    "digits-of-another-script": Hostile(
        "routes", routes("x,\u0664\u0664,,a,".encode()), 2, 2, "digits of another script"
    ),
    "a-huge-quoted-field": Hostile(
        "routes", lambda: routes(b'x,44,,a,"' + b"y\r\n" * 10_000_000 + b'"'), 2, 1, "left open?"
    ),
    "a-long-field": Hostile("routes", routes(b"x,44,,a," + b"y" * 5_000), 2, 5, "at most 4096"),
    "an-open-mark": Hostile("routes", routes(b'x,44,,a,"y'), 2, 1, "opened and never closed"),
    "a-nul": Hostile("routes", routes(b"x,44,,a,y\0z"), 2, 5, "a NUL byte"),
    "a-nul-in-the-header": Hostile("routes", b"rule,pre\0fix,trunks\n", 1, 2, "a NUL byte"),
    "bytes-of-latin-1": Hostile("routes", routes(b"x,44,,a,caf\xe9"), 2, 5, "not UTF-8"),
}
A27 = {
    "a-regular-expression": Hostile("routes", routes(b"x,(a+)+$,,a,"), 2, 2, "1 to 15 digits"),
    "a-list-of-thousands": Hostile(
        "routes",
        routes(b"x," + b"|".join(b"44%04d" % n for n in range(900)) + b",,a,"),
        2,
        2,
        "at most 4096",
    ),
    "a-tower-of-marks": Hostile("routes", routes(b"x," + b"!" * 4_000 + b",,a,"), 2, 2, "'!"),
    "windows-again-and-again": Hostile(
        "routes", routes(b"x,44," + b";".join([b"Mon 01:00-02:00"] * 200) + b",a,"), 2, 3, "twice"
    ),
}
LIMIT_S = 20
PEAK = MAX_FILE_BYTES + 16 * MIB
"""Beyond twice the file itself: one buffer for the largest file that is read."""


def refused(directory: Path, one: Hostile) -> tuple[str, ...]:
    """Return what is said of a table with a hostile file, and that it was said in time."""
    write(directory, **{**GOOD, one.file: one.data()})
    began = time.monotonic()
    with pytest.raises(TableError) as caught:
        load(directory, 1)
    assert time.monotonic() - began < LIMIT_S
    return tuple(map(str, caught.value.faults))


def check(directory: Path, one: Hostile) -> None:
    told = refused(directory, one)
    file = f"{directory}/{one.file}.csv"
    place = f"{file}:{one.line}:{one.column}: " if one.line else f"{file}: "
    assert [True] == [one.words in said for said in told if said.startswith(place)][:1], told
    assert max(map(len, told)) < len(str(directory)) + 400


@pytest.mark.parametrize("name", F41)
def test_f41_a_bad_table_is_refused_at_its_row(tmp_path: Path, name: str) -> None:
    check(tmp_path, F41[name])


@pytest.mark.parametrize("name", A19)
def test_a19_a_hostile_file_is_refused_at_its_place(tmp_path: Path, name: str) -> None:
    check(tmp_path, A19[name])


@pytest.mark.parametrize("name", A27)
def test_a27_what_would_cost_much_time_is_refused_quickly(tmp_path: Path, name: str) -> None:
    check(tmp_path, A27[name])


@pytest.mark.parametrize("name", ["a-zip-bomb", "a-million-columns", "a-huge-quoted-field"])
def test_a19_a_hostile_file_takes_bounded_memory(tmp_path: Path, name: str) -> None:
    one = A19[name]
    data = one.data()
    write(tmp_path, **{**GOOD, one.file: data})
    tracemalloc.start()
    try:
        with pytest.raises(TableError):
            load(tmp_path, 1)
        assert tracemalloc.get_traced_memory()[1] < 2 * len(data) + PEAK
    finally:
        tracemalloc.stop()


def test_a19_a_byte_order_mark_and_the_line_ends_of_spreadsheets_are_read(tmp_path: Path) -> None:
    row = b'x,33,,b,"two\r\nlines, and ""marks"""\r\n'
    data = b"\xef\xbb\xbf" + (ROUTES + DEFAULT).replace(b"\n", b"\r\n") + row
    found = load(write(tmp_path, **{**GOOD, "routes": data}), 1)
    assert {"default", "x"} == {rule.name for rule in found.compiled.rules}
    assert data == found.contents["routes.csv"]


def test_a19_a_file_beyond_the_limit_is_not_read(tmp_path: Path) -> None:
    write(tmp_path, **GOOD)
    with (tmp_path / "ranges.csv").open("wb") as stream:
        stream.truncate(64 * MAX_FILE_BYTES)  # takes no room on the disk
    with pytest.raises(TableError, match=r"ranges\.csv: larger than 64 MiB: split it"):
        load(tmp_path, 1)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 2 * 1024 * 1024


def test_a19_a_refused_import_changes_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path / "state")
    store.state.mkdir()
    copy = load(write(tmp_path / "tables", **GOOD), 0)
    first = store.activate(copy.contents, copy.compiled, Who(0), "good", None, 1.0)
    for one in (A19["a-nul"], A19["a-homoglyph"], F41["no-default"], F41["a-loop-of-groups"]):
        write(tmp_path / "tables", **{**GOOD, one.file: one.data()})
        with pytest.raises(TableError):
            load(tmp_path / "tables", 0)
    active = store.active()
    assert active is not None
    assert first.version == active.version
    assert {f"{name}.csv": data for name, data in GOOD.items()} == store.contents(active.version)


@pytest.mark.parametrize("form", ["as-made", "of-a-spreadsheet", "sample"])
def test_a20_an_export_imported_again_is_the_same_byte_for_byte(tmp_path: Path, form: str) -> None:
    files = made(SMALL)
    if form == "of-a-spreadsheet":
        files = {n: b"\xef\xbb\xbf" + d.replace(b"\n", b"\r\n") for n, d in files.items()}
    if form == "sample":
        files = {path.name: path.read_bytes() for path in SAMPLE.glob("*.csv")}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    store = Store(tmp_path / "state")
    store.state.mkdir()
    copy = load(tmp_path, 0)
    first = store.activate(copy.contents, copy.compiled, Who(0), "in", None, 1.0)
    export(store, first.version, tmp_path / "out", force=False)
    assert files == {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    again = load(tmp_path / "out", 0)
    second = store.activate(again.contents, again.compiled, Who(0), "back", None, 2.0)
    assert (first.version, False) == (second.version, second.changed)


HEADS = {
    "trunks": b"trunk,comment\n",
    "routes": b"rule,trunks,comment\n",
    "policy": b"prefix,action,comment\n",
    "limits": b"prefix,level,calls,comment\n",
}
ROWS = {"trunks": b"c,%b\n", "routes": b"c,a,%b\n", "policy": b"44,deny,%b\n",
        "limits": b"44,number,9,%b\n"}  # fmt: skip


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t=", '"\r="', "\uff1d", "\uff20"])
@pytest.mark.parametrize("file", HEADS)
def test_a20_no_free_text_of_any_file_begins_like_a_formula(
    tmp_path: Path, file: str, sign: str
) -> None:
    text = sign if sign.startswith('"') else f'"{sign}1"'
    data = HEADS[file] + ROWS[file] % text.encode()
    column = HEADS[file].count(b",") + 1
    told = refused(tmp_path, Hostile(file, data, 2, column, ""))
    place = f"{tmp_path}/{file}.csv:2:{column}: a spreadsheet would run it as a formula"
    assert any(said.startswith(place) for said in told), told
    assert f"{file}.csv" in FILES
