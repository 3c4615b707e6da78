"""The form of a CSV file: RFC 4180, UTF-8, and what spreadsheets do to both."""

from __future__ import annotations

import pytest

from agi.errors import Fault, TableError
from agi.routing.faults import Faults
from agi.routing.sheet import MAX_CELL, MAX_CELLS, Columns, Record, open_sheet, records

COLUMNS = Columns(frozenset({"name", "size"}), frozenset({"name"}), frozenset({"later"}))


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
