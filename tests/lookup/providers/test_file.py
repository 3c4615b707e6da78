"""The portability dump: what a row means, what is refused and where, and how it is replaced."""

import asyncio
import os
import tracemalloc
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agi.errors import TableError
from agi.lookup.dump import Dump, mark_of
from agi.lookup.providers.file import FileProvider
from agi.model import Line, Mccmnc, Msisdn, NumberInfo, Outcome, Product

VODAFONE, ORANGE, THREE = Mccmnc("23415"), Mccmnc("23433"), Mccmnc("23420")


def write(directory: Path, text: str | bytes) -> Path:
    path = directory / "dump.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def load(directory: Path, text: str | bytes) -> Dump:
    return Dump.load(write(directory, text))


def find(dump: Dump, number: str) -> NumberInfo | None:
    return dump.find(Msisdn(number))


def network(dump: Dump, number: str) -> Mccmnc | None:
    info = find(dump, number)
    return None if info is None else info.mccmnc


def refused(directory: Path, text: str | bytes) -> list[str]:
    """Return the faults, each from its line number on."""
    path = write(directory, text)
    with pytest.raises(TableError) as caught:
        Dump.load(path)
    return [str(fault).removeprefix(f"{path}:") for fault in caught.value.faults]


def test_lines_of_number_and_carrier_need_no_header(tmp_path: Path) -> None:
    dump = load(tmp_path, "447700900001;23415\n447700900002;23433\n")
    assert (VODAFONE, ORANGE) == (network(dump, "447700900001"), network(dump, "447700900002"))
    assert None is find(dump, "447700900003")
    assert 2 == dump.rows


@pytest.mark.parametrize("separator", [",", ";"])
@pytest.mark.parametrize("name", ["mccmnc", "carrier", "MCCMNC"])
def test_a_header_names_the_columns_in_any_order(tmp_path: Path, separator: str, name: str) -> None:
    text = f"{name},number\r\n23415,+447700900001\r\n\r\n# a comment\r\n234015, 447700900002"
    dump = load(tmp_path, "\ufeff" + text.replace(",", separator))
    assert VODAFONE == network(dump, "447700900001") == network(dump, "447700900002")


def test_cells_may_be_quoted(tmp_path: Path) -> None:
    dump = load(tmp_path, '"number","mccmnc"\n"447700900001","23415"\n')
    assert VODAFONE == network(dump, "447700900001")


def test_the_longest_prefix_wins_and_the_number_beats_it(tmp_path: Path) -> None:
    dump = load(
        tmp_path,
        "prefix,number,mccmnc\n44,,23415\n447700,,23433\n4477009,,23420\n,447700900001,23415\n",
    )
    assert VODAFONE == network(dump, "442079460000")
    assert ORANGE == network(dump, "447700800000")
    assert THREE == network(dump, "447700900002")
    assert VODAFONE == network(dump, "447700900001")
    assert None is find(dump, "33123456789")
    assert None is find(dump, "4")


def test_a_range_has_both_its_ends_and_only_numbers_of_its_length(tmp_path: Path) -> None:
    dump = load(tmp_path, "from,to,mccmnc\n447700900100,447700900199,23415\n")
    inside = ["447700900100", "447700900150", "447700900199"]
    outside = ["447700900099", "447700900200", "44770090015", "4477009001500", "1"]
    assert [VODAFONE] * 3 == [network(dump, number) for number in inside]
    assert [None] * 5 == [network(dump, number) for number in outside]


def test_of_a_prefix_and_a_range_the_smaller_wins(tmp_path: Path) -> None:
    dump = load(
        tmp_path,
        "prefix,from,to,mccmnc\n"
        "44770090,,,23415\n"  # 10,000 numbers
        ",447700900000,447700900999,23433\n"  # 1,000
        "4477009005,,,23420\n",  # 100
    )
    assert VODAFONE == network(dump, "447700901000")
    assert ORANGE == network(dump, "447700900499")
    assert THREE == network(dump, "447700900500")


def test_a_number_is_ported_when_its_range_is_another_network_s(tmp_path: Path) -> None:
    dump = load(
        tmp_path,
        "number,prefix,mccmnc\n,4477009,23415\n447700900001,,23433\n447700900002,,23415\n"
        "447800900001,,23415\n",
    )
    assert NumberInfo(ORANGE, ported=True) == find(dump, "447700900001")
    assert NumberInfo(VODAFONE, ported=False) == find(dump, "447700900002")
    assert NumberInfo(VODAFONE, ported=None) == find(dump, "447800900001")
    assert NumberInfo(VODAFONE, ported=None) == find(dump, "447700900003")
    assert NumberInfo(VODAFONE) == dump.range_of(Msisdn("447700900001"))


def test_a_row_may_say_itself_whether_it_is_ported_and_what_line_it_is(tmp_path: Path) -> None:
    dump = load(
        tmp_path,
        "number,prefix,mccmnc,ported,line\n,447,23415,no,mobile\n447700900001,,23433,No,\n"
        "447700900002,,23415,yes,voip\n",
    )
    assert NumberInfo(VODAFONE, None, False, Line.MOBILE) == find(dump, "447700900003")
    assert NumberInfo(ORANGE, None, False, Line.MOBILE) == find(dump, "447700900001")
    assert NumberInfo(VODAFONE, None, True, Line.VOIP) == find(dump, "447700900002")


@pytest.mark.parametrize("shuffled", [False, True])
def test_more_numbers_than_one_run_holds_are_found_in_any_order_of_rows(
    tmp_path: Path, shuffled: bool
) -> None:
    first, many = 447_000_000_000, 300_000
    # 7 has no factor in common with the count, so every number comes once, far from sorted.
    steps = [n * 7 % many for n in range(many)] if shuffled else range(many)
    dump = load(tmp_path, "".join(f"{first + n};234{15 + n % 5}\n" for n in steps))
    for n in (0, 1, 262_143, 262_144, 299_999, 31_415):
        assert f"234{15 + n % 5}" == network(dump, str(first + n))
    assert None is find(dump, str(first - 1))
    assert None is find(dump, str(first + many))


def test_memory_is_eight_bytes_a_row_and_little_while_loading(tmp_path: Path) -> None:
    many = 120_000
    path = write(tmp_path, "".join(f"{447_000_000_000 + n};23415\n" for n in range(many)))
    tracemalloc.start()
    try:
        dump = Dump.load(path)
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert many == dump.rows
    assert kept < 12 * many
    assert peak < 24 * 2**20


ROWS = st.lists(
    st.tuples(st.integers(1, 40), st.sampled_from(["23415", "23433", "23420"])), max_size=20
)


@settings(max_examples=60, deadline=None)
@given(ROWS, ROWS, st.integers(10_000, 10_099))
def test_it_finds_what_a_plain_search_finds(
    tmp_path_factory: pytest.TempPathFactory,
    numbers: list[tuple[int, str]],
    prefixes: list[tuple[int, str]],
    asked: int,
) -> None:
    own = {str(10_000 + n): code for n, code in numbers}
    near = {str(1_000 + n // 4) if n % 2 else str(100 + n // 9): code for n, code in prefixes}
    text = "number,prefix,mccmnc\n"
    text += "".join(f"{number},,{code}\n" for number, code in own.items())
    text += "".join(f",{prefix},{code}\n" for prefix, code in near.items())
    if not own and not near:
        return
    dump = load(tmp_path_factory.mktemp("dump"), text)
    number = str(asked)
    longest = max((p for p in near if number.startswith(p)), key=len, default="")
    assert (own.get(number) or near.get(longest)) == network(dump, number)


NUMBER = "digits in international form are right, country code first, 15 at most"


@pytest.mark.parametrize(
    ("cell", "what"),
    [
        ("07700900001", f"1:1: '077009...': {NUMBER}"),
        ("4.477E+11", f"1:1: '4.477E+11': a spreadsheet has shortened the number; {NUMBER}"),
        ("44 7700", f"1:1: '44 7700': {NUMBER}"),
        ("4477009000011234", f"1:1: '447700...': {NUMBER}"),
        ("4477", f"1:1: '4477': {NUMBER}"),
        ("", f"1:1: '': {NUMBER}"),
        ("\u0664\u0664\u0667\u0667\u0660", f"1:1: '\\u0664\\u0664\\u0667\\u0667\\u0660': {NUMBER}"),
    ],
)
def test_a_number_that_is_none_is_told_with_its_place(tmp_path: Path, cell: str, what: str) -> None:
    assert [what] == refused(tmp_path, f"{cell};23415\n")


@pytest.mark.parametrize("cell", ["2133", "", "23", "23415x", "84415", "EE", "00115x"])
def test_a_network_that_is_none_is_told_with_its_place(tmp_path: Path, cell: str) -> None:
    (told,) = refused(tmp_path, f"number,mccmnc\n447700900001,{cell}\n")
    right = "an MCC and an MNC are right, 5 or 6 digits, such as 23415"
    assert f"2:2: {cell!r}: {right}" == told


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    told = refused(
        tmp_path,
        "number,prefix,from,to,mccmnc,ported,line\n"
        "447700900001,4477,,,23415,,\n"
        ",,,,23415,,\n"
        ",,447700900000,,23415,,\n"
        ",,447700900009,447700900000,23415,,\n"
        ",,44770090000,447700900000,23415,,\n"
        "447700900001,,,,23415,perhaps,\n"
        "447700900001,,,,23415,,satellite\n"
        "447700900001,23415\n",
    )
    assert [
        "2:1: a row has one of number, prefix, and from with to",
        "3:1: a row has one of number, prefix, and from with to",
        f"4:4: '': {NUMBER}",
        "5:4: the end of a range has as many digits as its beginning, and is not below it",
        "6:4: the end of a range has as many digits as its beginning, and is not below it",
        "7:6: 'perhaps': yes, no or nothing is right",
    ] == told[:6]
    assert told[6].startswith("8:7: 'satellite': nothing or one of mobile, landline,")
    assert ["9:1: 2 cells where 7 are right"] == told[7:]


@pytest.mark.parametrize(
    ("header", "what"),
    [
        ("number,network", "1:2: 'network': no column is called so: number, prefix, from, to,"),
        ("number,ported", "1:1: the column mccmnc is missing"),
        ("mccmnc,line", "1:1: columns number, prefix, or both from and to are right"),
        ("from,mccmnc", "1:1: columns number, prefix, or both from and to are right"),
        ("number,number,mccmnc", "1:1: a column is there twice: once is right"),
    ],
)
def test_a_wrong_header_is_told_without_the_rows_under_it(
    tmp_path: Path, header: str, what: str
) -> None:
    told = refused(tmp_path, f"{header}\n447700900001,nonsense\n")
    assert any(fault.startswith(what) for fault in told)
    assert all(fault.startswith("1:") for fault in told)


def test_a_file_without_rows_is_refused(tmp_path: Path) -> None:
    for text in ("", "\n\n", "# nothing\n"):
        (told,) = refused(tmp_path, text)
        assert told.endswith("the file has no rows: a header row and rows are right")


def test_one_number_with_two_networks_is_told_with_both_places(tmp_path: Path) -> None:
    told = refused(
        tmp_path,
        "number,prefix,mccmnc\n447700900001,,23415\n447700900002,,23415\n447700900001,,23433\n"
        ",4477,23415\n,4477,23433\n",
    )
    assert [
        "4:1: line 2 has it with another meaning: one row is right",
        "6:1: line 5 has it with another meaning: one row is right",
    ] == told


def test_the_same_row_twice_is_harmless(tmp_path: Path) -> None:
    dump = load(tmp_path, "447700900001;23415\n447700900001;23415\n")
    assert VODAFONE == network(dump, "447700900001")


def test_ranges_that_overlap_are_refused(tmp_path: Path) -> None:
    told = refused(
        tmp_path,
        "from,to,mccmnc\n447700900100,447700900199,23415\n447700900000,447700900100,23433\n",
    )
    assert ["2:1: overlaps the range of line 3"] == told


def test_a_thousand_faults_are_told_and_the_others_counted(tmp_path: Path) -> None:
    told = refused(tmp_path, "447700900001;none\n" * 3_000)
    assert 1_001 == len(told)
    assert told[-1].startswith("1001:2: and 2000 more")


def test_a_line_without_end_is_refused_and_not_kept(tmp_path: Path) -> None:
    what = "a line of more than 1024 bytes"
    assert [f"2:1: {what}"] == refused(tmp_path, b"447700900001;23415\n" + b"4" * (5 << 20))
    assert [f"1:1: {what}"] == refused(tmp_path, b"4" * 2_000 + b"\n447700900001;23415\n")


def test_no_number_is_quoted_in_a_fault(tmp_path: Path) -> None:
    told = refused(tmp_path, "4477009000012345678;none\n+447700900001x;23415\n")
    assert 3 == len(told)  # the first line is wrong twice
    assert not any("0900001" in fault for fault in told)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for name, what in (
        ("missing", "cannot be read: No such file or directory"),
        ("fifo", "not a regular file"),
        (".", "cannot be read: Is a directory"),
    ):
        with pytest.raises(TableError, match=what):
            Dump.load(tmp_path / name)


def provider(path: Path) -> FileProvider:
    return FileProvider("ofcom", path)


def outcomes(asked: FileProvider, numbers: Iterable[str]) -> list[Outcome]:
    return [asked.answer(Msisdn(number)).outcome for number in numbers]


def test_the_provider_answers_from_memory_and_for_nothing(tmp_path: Path) -> None:
    async def run() -> None:
        asked = provider(write(tmp_path, "447700900001;23415\n"))
        assert ("ofcom", "file", Product.NETWORK) == (asked.name, asked.kind, asked.product)
        assert [Outcome.TEMPORARY] == outcomes(asked, ["447700900001"])
        assert await asked.refresh()
        answer = asked.answer(Msisdn("447700900001"))
        assert (Outcome.OK, NumberInfo(VODAFONE), 0.0) == (
            answer.outcome,
            answer.info,
            answer.units,
        )
        assert [Outcome.UNSUPPORTED] == outcomes(asked, ["447700900002"])

    asyncio.run(run())


def replace(path: Path, text: str) -> None:
    new = path.with_suffix(".new")
    new.write_text(text)
    new.rename(path)


def test_a_new_file_is_read_once_and_replaces_the_old_answers(tmp_path: Path) -> None:
    async def run() -> None:
        path = write(tmp_path, "447700900001;23415\n")
        asked = provider(path)
        assert asked.changed()
        assert await asked.refresh()
        assert not asked.changed()
        assert not await asked.refresh()
        replace(path, "447700900001;23433\n")
        assert asked.changed()
        assert await asked.refresh()
        assert NumberInfo(ORANGE) == asked.answer(Msisdn("447700900001")).info

    asyncio.run(run())


def test_a_faulty_new_file_keeps_the_old_answers_and_is_read_once(tmp_path: Path) -> None:
    async def run() -> None:
        path = write(tmp_path, "447700900001;23415\n")
        asked = provider(path)
        await asked.refresh()
        replace(path, "447700900001;none\n")
        with pytest.raises(TableError):
            await asked.refresh()
        assert not asked.changed()
        assert not await asked.refresh()
        assert [Outcome.OK] == outcomes(asked, ["447700900001"])
        replace(path, "447700900002;23415\n")
        assert await asked.refresh()
        assert [Outcome.UNSUPPORTED, Outcome.OK] == outcomes(
            asked, ["447700900001", "447700900002"]
        )

    asyncio.run(run())


def test_a_file_that_goes_away_keeps_the_old_answers(tmp_path: Path) -> None:
    async def run() -> None:
        path = write(tmp_path, "447700900001;23415\n")
        asked = FileProvider("ofcom", path, Dump.load(path))
        assert not asked.changed()
        path.unlink()
        assert not asked.changed()
        assert not await asked.refresh()
        assert [Outcome.OK] == outcomes(asked, ["447700900001"])

    asyncio.run(run())


def test_a_file_that_was_never_there_is_told(tmp_path: Path) -> None:
    asked = provider(tmp_path / "missing")
    assert not asked.changed()
    with pytest.raises(TableError, match="cannot be read"):
        asyncio.run(asked.refresh())


def test_a_file_written_to_while_it_is_read_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "".join(f"{447_000_000_000 + n};23415\n" for n in range(40_000)))

    async def run() -> None:
        asked = provider(path)
        reading = asyncio.create_task(asked.refresh())
        # Another size after every turn, until the reading has ended.
        with path.open("a") as stream:
            while not reading.done():
                stream.write("447700900001;23415\n")
                stream.flush()
                await asyncio.sleep(0)
        with pytest.raises(TableError, match="written to while it was read"):
            await reading
        assert asked.changed()
        assert None is asked.dump

    asyncio.run(run())


def test_the_mark_of_a_file_changes_with_its_content(tmp_path: Path) -> None:
    path = write(tmp_path, "447700900001;23415\n")
    before = mark_of(path)
    replace(path, "447700900001;23433\n")
    assert before != mark_of(path)
    assert None is mark_of(tmp_path / "missing")
