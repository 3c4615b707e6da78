"""The form of a CSV file: RFC 4180, UTF-8, and what spreadsheets do to both."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agi.errors import Fault, TableError
from agi.routing.reading.faults import Faults
from agi.routing.reading.sheet import MAX_CELL, MAX_CELLS, Columns, Record, open_sheet, records

COLUMNS = Columns(frozenset({"name", "size", "comment"}), frozenset({"name"}))


def rows(data: bytes) -> list[tuple[int, tuple[str, ...]]]:
    """Read a file that has no faults."""
    faults = Faults()
    found = [(record.line, record.cells) for record in records("f.csv", data, faults)]
    faults.refuse()
    return found


def faults_of(data: bytes) -> list[tuple[int, int, str]]:
    """Read a whole file; return line, column and text of its faults."""
    faults = Faults()
    sheet = open_sheet("f.csv", data, COLUMNS, faults)
    for _ in sheet.records if sheet else ():
        pass
    return [(f.line, f.column, f.what) for f in told(faults)]


def told(faults: Faults) -> tuple[Fault, ...]:
    try:
        faults.refuse()
    except TableError as error:
        return error.faults
    return ()


def test_a_byte_order_mark_cr_lf_and_blanks_around_cells_do_not_matter() -> None:
    assert [(1, ("name", "size")), (2, ("a", "1"))] == rows(
        b"\xef\xbb\xbfname, size\r\n a\t,1 \r\n"
    )


def test_comments_empty_lines_and_rows_of_empty_cells_are_skipped_but_counted_as_lines() -> None:
    assert [(5, ("a", "b"))] == rows(b'# one\n\n ,,\n"# four, ""x"" ",z\na,b')


def test_a_comment_may_hold_quotation_marks_that_are_no_csv() -> None:
    assert [(2, ("a",))] == rows(b'# do this,"not" that\na\n')


def test_a_quoted_cell_may_hold_commas_marks_and_line_ends_and_the_row_begins_where_it_begins() -> (
    None
):
    data = b'x,"one\r\ntwo, ""three""",y\nnext\n'
    assert [(1, ("x", 'one\r\ntwo, "three"', "y")), (3, ("next",))] == rows(data)


@pytest.mark.parametrize(
    ("data", "line", "column", "words"),
    [
        (b"name;size\na;1\n", 1, 1, "the separator is ';'"),
        (b"name\tsize\na\t1\n", 1, 1, "the separator is a tab"),
        (b"sep=;\nname;size\n", 1, 1, "the separator is ';'"),
        (b"name,siez\n", 1, 2, "did you mean 'size'?"),
        (b"name,Size\n", 1, 2, "did you mean 'size'?"),
        (b"name,,size\n", 1, 2, "a column without a name"),
        (b"name,size,name\n", 1, 3, "a second time"),
        (b"# c\n\nsize\n", 3, 1, "the column 'name' is missing"),
        (b"", 1, 1, "no header row"),
        (b"# only a comment\n", 1, 1, "no header row"),
        ("name\na\n".encode("utf-16"), 1, 1, "UTF-16"),
        (b"name,size\na,1\nb\xe9,2\n", 3, 1, "not UTF-8"),
        (b"name,size\na,1\nb,2\xff\n", 3, 2, "not UTF-8"),
        (b"name,size\na,\x001\n", 2, 2, "NUL"),
        (b'name,size\n"a"b,1\n', 2, 1, "after a closing quotation mark"),
        (b'name,size\na,1\nb,"2\nc,3\n', 3, 1, "never closed"),
        (b"name,size\ra,1\r", 1, 1, "carriage return alone"),
        (b"name\n" + b"x" * (MAX_CELL + 1) + b"\n", 2, 1, "a cell of 4097 characters"),
        (b"name\n" + b"x" * 200_000 + b"\n", 2, 1, "longer than 4096 characters"),
        (b"name\na" + b"," * MAX_CELLS + b"\n", 2, 65, "65 cells in the row"),
        (b"name\n" + b"," * 2_000_000 + b"\n", 2, 1, "a row of more than"),
    ],
)
def test_what_spoils_a_file_is_named_with_its_place(
    data: bytes, line: int, column: int, words: str
) -> None:
    faults = faults_of(data)
    assert [(line, column)] == [(f[0], f[1]) for f in faults]
    assert words in faults[0][2]


def test_reading_goes_on_after_a_faulty_row() -> None:
    faults = Faults()
    good = list(records("f.csv", b'a\n"b"c\n\xff\nd\n', faults))
    assert [Record(1, ("a",)), Record(4, ("d",))] == good
    assert 2 == len(faults)


def test_a_cell_and_a_row_at_their_limits_are_accepted() -> None:
    assert [(1, ("x" * MAX_CELL,))] == rows(b"x" * MAX_CELL)
    assert [(1, ("a",) * MAX_CELLS)] == rows(b",".join([b"a"] * MAX_CELLS))


def test_columns_without_a_name_at_the_right_end_are_what_spreadsheets_leave() -> None:
    faults = Faults()
    sheet = open_sheet("f.csv", b"size,name,,\n1,a,,\n", COLUMNS, faults)
    assert sheet is not None
    assert {"size": 0, "name": 1} == sheet.columns


def test_a_million_rows_and_one_are_refused_at_the_one() -> None:
    assert [(1_000_001, 1)] == [f[:2] for f in faults_of(b"name\n" + b"a\n" * 1_000_000)]


def test_a_file_may_have_a_lower_limit_of_rows() -> None:
    faults = Faults()
    sheet = open_sheet(
        "f.csv", b"name\na\nb\n# c\n", Columns(COLUMNS.known, frozenset(), 3), faults
    )
    assert sheet is not None
    assert [("a",), ("b",)] == [record.cells for record in sheet.records]
    assert [(4, "more than 3 rows: split the table or drop rows")] == [
        (fault.line, fault.what) for fault in told(faults)
    ]


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "  =", " -"])
def test_a20_free_text_that_a_spreadsheet_would_run_is_refused(sign: str) -> None:
    text = f'name,comment\na,"{sign}cmd"\nb,"a {sign}"\n'
    ((line, column, what),) = faults_of(text.encode())
    assert (2, 2) == (line, column)
    assert "would run it as a formula" in what


@pytest.mark.parametrize(
    "text", ["# ,=1", '# a,"=1"', "# ,,  @x", '# do "this",=1', "#,-1", '#,"\t1"']
)
def test_a20_a_cell_of_a_comment_row_does_not_begin_like_a_formula(text: str) -> None:
    ((line, column, what),) = faults_of(f"name\n{text}\na\n".encode())
    assert 2 == line
    assert text.count(",") + 1 == column
    assert "in a comment: a spreadsheet would run it" in what


def test_a20_a_comment_may_speak_of_formulas() -> None:
    assert [] == faults_of(b"# digits, or =1471, as dialled\nname\n# a-b, c=d\n")


@pytest.mark.parametrize("value", ["#REF!", "#NAME?", "#N/A", "####", "#DIV/0!"])
def test_a_spreadsheets_error_in_the_first_cell_does_not_hide_its_row(value: str) -> None:
    ((line, column, what),) = faults_of(f"name,size\n{value},1\n".encode())
    assert (2, 1) == (line, column)
    assert "hides this row" in what


@pytest.mark.parametrize(
    "line",
    ["a,b", "a b,c", " a,b", "a ,b", "a,\tb\t", "a,b ", ",", "a,", ",a", "a, b", "#a,b", '"a",b',
     "a\u00e9,b", "+a,b", "1,2,3", "a  b,c", "a,b\x00", "a'b,c", "-,", "0.5,a:3 b > c!"],
)  # fmt: skip
def test_a_plain_row_is_read_as_the_csv_parser_reads_it(line: str) -> None:
    for end in ("\n", "\r\n", ""):
        data = f"x,y\n{line}{end}".encode()
        expected = [[cell.lstrip(" ").rstrip(" \t") for cell in row] for row in parsed(data)]
        legible = [row for row in expected if any(row) and row[0][:1] != "#" and "\0" not in row[1]]
        found = [list(record.cells) for record in records("f.csv", data, Faults())]
        assert legible == found


def parsed(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode(), newline=""), strict=True))


def test_a19_a_million_columns_and_a_huge_quoted_field_are_one_fault_each() -> None:
    assert [(2, 65)] == [f[:2] for f in faults_of(b"name\n" + b"a," * 500_000 + b"\n")]
    wide = faults_of(b"name\n" + b"a," * 1_000_000 + b"\n")
    assert [(2, 1)] == [f[:2] for f in wide]
    huge = faults_of(b'name\n"' + b"x\r\n" * 10_000_000 + b'"\n')
    assert [(2, 1)] == [f[:2] for f in huge]


def test_a19_a_line_end_in_quotes_a_byte_order_mark_and_nul_are_read_or_named() -> None:
    data = b'\xef\xbb\xbfname,comment\r\na,"one\r\ntwo"\r\nb,\r\n'
    assert [(1, ("name", "comment")), (2, ("a", "one\r\ntwo")), (4, ("b", ""))] == rows(data)
    assert [(2, 1)] == [f[:2] for f in faults_of(b"name\na\0b\n")]


@given(st.lists(st.binary(max_size=12), max_size=8))
def test_any_bytes_are_rows_or_faults(lines: list[bytes]) -> None:
    faults = Faults()
    for record in records("f.csv", b"\n".join(lines), faults):
        assert any(record.cells)


def test_a_record_does_not_show_its_cells() -> None:
    assert "447788450450" not in repr(Record(3, ("447788450450",)))
