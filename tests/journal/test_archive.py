"""The journal's files: one a day, bounded, searched, erased from."""

from __future__ import annotations

import sqlite3
from datetime import date
from pathlib import Path
from random import Random

from agi.journal import file
from agi.journal.archive import PARTS, Archive, Bounds, Erasure, directory_of
from tests.journal.making import CALLER, DAY, NOON, NUMBER, Clock, journal, note

BOUNDS = Bounds(30, 2_048_000_000)


def files(state: Path) -> set[str]:
    return {path.name for path in directory_of(state).iterdir()}


def test_a_day_has_a_file_that_only_its_owner_reads(tmp_path: Path) -> None:
    clock = Clock()
    with journal(tmp_path, wall=clock) as opened:
        note(opened, 1)
        assert opened.flush(5)
        clock.now += DAY / 2  # midnight
        note(opened, 2, at=clock.now)
        assert opened.flush(5)
        assert 0o700 == directory_of(tmp_path).stat().st_mode & 0o777
        for path in directory_of(tmp_path).iterdir():
            assert 0o600 == path.stat().st_mode & 0o777
    assert {"2026-11-21.sqlite", "2026-11-22.sqlite"} == files(tmp_path)
    assert (date(2026, 11, 21), date(2026, 11, 22)) == Archive(directory_of(tmp_path)).span()


def test_a_decision_is_found_by_its_id_and_by_its_channel(tmp_path: Path) -> None:
    clock = Clock()
    with journal(tmp_path, wall=clock) as opened:
        note(opened, 1, uniqueid="a.1")
        note(opened, 2, uniqueid="a.2", at=NOON)
        assert opened.flush(5)
        clock.now += DAY
        note(opened, 3, uniqueid="a.2", at=clock.now)
        assert opened.flush(5)
        archive = Archive(directory_of(tmp_path))
        # Whoever reads needs no help of the service, and the service may run on.
        assert ["9f3a1c2e-000001"] == [one.id for one in archive.by_id("9f3a1c2e-000001").records]
        found = archive.by_call("a.2").records
        assert ["9f3a1c2e-000003", "9f3a1c2e-000002"] == [one.id for one in found]
    assert () == archive.by_id("9f3a1c2e-000009").records
    assert () == archive.by_id("nonsense").records
    assert () == archive.by_call("'; DROP TABLE calls; --").records
    assert "9f3a1c2e-000003" == archive.by_call("a.2").records[0].id


def test_a_file_that_cannot_be_searched_is_named(tmp_path: Path) -> None:
    with journal(tmp_path) as opened:
        note(opened, 1)
    archive = Archive(directory_of(tmp_path))
    (archive.directory / "2026-11-20.sqlite").write_bytes(b"not a database at all" * 100)
    other = sqlite3.connect(archive.directory / "2026-11-19.sqlite")
    other.execute("CREATE TABLE somebody_elses (x)")
    other.close()
    (archive.directory / "2026-99-99.sqlite").write_bytes(b"no day")
    found = archive.by_id("9f3a1c2e-000002")
    assert () == found.records
    assert ("2026-11-20.sqlite", "2026-11-19.sqlite") == found.unread
    assert ("9f3a1c2e-000001",) == tuple(r.id for r in archive.by_id("9f3a1c2e-000001").records)


def test_a_row_of_somebody_else_is_no_record(tmp_path: Path) -> None:
    with journal(tmp_path) as opened:
        note(opened, 1)
    path = directory_of(tmp_path) / "2026-11-21.sqlite"
    with sqlite3.connect(path) as db:
        db.execute("UPDATE calls SET inputs = x'00ff'")
    db.close()
    found = Archive(directory_of(tmp_path)).by_id("9f3a1c2e-000001")
    assert ((), ("2026-11-21.sqlite",)) == (found.records, found.unread)


def test_no_journal_is_an_empty_one(tmp_path: Path) -> None:
    archive = Archive(directory_of(tmp_path / "nowhere"))
    assert () == archive.by_id("9f3a1c2e-000001").records
    assert archive.span() is None
    assert Erasure(0, ()) == archive.erase([NUMBER])
    assert 0 == archive.prune(NOON, BOUNDS)


# ---- erasure ---------------------------------------------------------------------------------


def everything(state: Path) -> bytes:
    return b"".join(path.read_bytes() for path in directory_of(state).iterdir())


def test_a34_a_number_is_erased_as_callee_and_as_caller_to_its_last_byte(tmp_path: Path) -> None:
    """Also in a file that is written meanwhile, whose log holds the rows still."""
    other = "07700900123"
    clock = Clock()
    with journal(tmp_path, wall=clock) as opened:
        note(opened, 1)
        note(opened, 2, dialled="+447788450450")
        note(opened, 3, dialled=other, caller="07788450450")
        note(opened, 4, dialled=other)
        assert opened.flush(5)
        clock.now += DAY
        note(opened, 5, dialled="00447788450450")
        note(opened, 6, dialled=other)
        assert opened.flush(5)
        archive = Archive(directory_of(tmp_path))
        assert b"7788450450" in everything(tmp_path)
        assert Erasure(4, ()) == archive.erase([NUMBER])
        # As text, and as the whole number that the index holds.
        assert b"7788450450" not in everything(tmp_path)
        assert int(NUMBER).to_bytes(6, "big") not in everything(tmp_path)
        assert 1 == len(archive.by_id("9f3a1c2e-000004").records)
        assert 1 == len(archive.by_id("9f3a1c2e-000006").records)
        assert Erasure(2, ()) == archive.erase([CALLER])
        assert b"2079460123" not in everything(tmp_path)
        note(opened, 7)
        assert opened.flush(5)
        assert 1 == len(archive.by_id("9f3a1c2e-000007").records)


def test_a34_rows_that_moved_within_the_file_leave_nothing_behind(tmp_path: Path) -> None:
    """Thousands of rows in no order: pages are split, and entries of the indexes move."""
    dice = Random(42)
    with journal(tmp_path) as opened:
        for number in range(4_000):
            dialled = "07788450450" if number % 40 == 0 else f"07700900{dice.randrange(1000):03d}"
            note(opened, number, dialled=dialled, uniqueid=f"{dice.random()}", caller="204")
        assert opened.flush(20)
        assert Erasure(100, ()) == Archive(directory_of(tmp_path)).erase([NUMBER])
        assert b"7788450450" not in everything(tmp_path)
        assert int(NUMBER).to_bytes(6, "big") not in everything(tmp_path)


def test_a34_digits_without_an_international_form_are_erased_too(tmp_path: Path) -> None:
    with journal(tmp_path) as opened:
        note(opened, 1, dialled="*31#")
        note(opened, 2, dialled="100", caller="204")
    archive = Archive(directory_of(tmp_path))
    assert Erasure(1, ()) == archive.erase(["*31#"])
    assert Erasure(1, ()) == archive.erase(["204"])


def test_a34_damaged_files_go_with_the_number_and_unsearchable_ones_are_named(
    tmp_path: Path,
) -> None:
    with journal(tmp_path) as opened:
        note(opened, 1)
    archive = Archive(directory_of(tmp_path))
    aside = archive.directory / "2026-11-20.sqlite.damaged-1795262400"
    aside.write_bytes(NUMBER.encode())
    (archive.directory / "2026-11-19.sqlite").write_bytes(NUMBER.encode() * 500)
    stubborn = archive.directory / "2026-11-18.sqlite.damaged-1795000000"
    stubborn.mkdir()
    assert Erasure(1, ("2026-11-19.sqlite", stubborn.name)) == archive.erase([NUMBER])
    assert not aside.exists()


# ---- bounds ----------------------------------------------------------------------------------


def plant(archive: Archive, name: str, size: int = 10) -> None:
    archive.make()
    (archive.directory / name).write_bytes(b"x" * size)


def test_files_beyond_the_retention_go_with_their_logs(tmp_path: Path) -> None:
    archive = Archive(directory_of(tmp_path))
    for name in (
        *("2026-10-21.sqlite", "2026-10-21.sqlite-wal", "2026-10-22.sqlite", "2026-11-21.sqlite"),
        *("2026-10-20.2.sqlite", "2026-10-20.sqlite.damaged-17", "notes.txt"),
    ):
        plant(archive, name)
    assert 3 == archive.prune(NOON, BOUNDS)
    assert {"2026-10-22.sqlite", "2026-11-21.sqlite", "notes.txt"} == files(tmp_path)


def test_the_oldest_go_first_when_all_are_too_much(tmp_path: Path) -> None:
    archive = Archive(directory_of(tmp_path))
    for name in (
        "2026-11-19.sqlite",
        "2026-11-20.sqlite",
        "2026-11-20.2.sqlite",
        "2026-11-21.sqlite",
    ):
        plant(archive, name, 100)
    assert 0 == archive.prune(NOON, Bounds(30, 460))
    assert 1 == archive.prune(NOON, Bounds(30, 440))
    assert "2026-11-19.sqlite" not in files(tmp_path)
    assert 1 == archive.prune(NOON, Bounds(30, 300))
    assert {"2026-11-20.2.sqlite", "2026-11-21.sqlite"} == files(tmp_path)
    # What is being written stays, whatever its size.
    archive.prune(NOON, Bounds(30, 1))
    assert {"2026-11-21.sqlite"} == files(tmp_path)


def test_a_day_of_very_many_calls_is_written_in_parts(tmp_path: Path) -> None:
    archive = Archive(directory_of(tmp_path))
    bounds = Bounds(30, 100 * PARTS)
    assert "2026-11-21.sqlite" == archive.current(NOON, bounds).name
    plant(archive, "2026-11-21.sqlite", 99)
    assert "2026-11-21.sqlite" == archive.current(NOON, bounds).name
    plant(archive, "2026-11-21.sqlite-wal", 1)
    assert "2026-11-21.2.sqlite" == archive.current(NOON, bounds).name
    for part in range(2, 12):
        plant(archive, f"2026-11-21.{part}.sqlite", 100)
    assert "2026-11-21.12.sqlite" == archive.current(NOON, bounds).name
    assert "2026-11-21.11.sqlite" == archive.files()[0].name
    assert "2026-11-22.sqlite" == archive.current(NOON + DAY, bounds).name


def test_a_retention_of_no_days_keeps_nothing(tmp_path: Path) -> None:
    with journal(tmp_path) as opened:
        note(opened, 1)
    plant(Archive(directory_of(tmp_path)), "2026-11-21.sqlite.damaged-17")
    assert 2 == len(files(tmp_path))
    with journal(tmp_path, days=0) as opened:
        note(opened, 2)
        assert opened.flush(1)
        assert 0 == opened.state()["written"]
    assert set() == files(tmp_path)


def test_of_damaged_files_two_are_kept(tmp_path: Path) -> None:
    archive = Archive(directory_of(tmp_path))
    for second in range(4):
        plant(archive, "2026-11-21.sqlite")
        plant(archive, "2026-11-21.sqlite-wal")
        archive.move_aside(archive.directory / "2026-11-21.sqlite", NOON + second)
    assert 2 == len([name for name in files(tmp_path) if not name.endswith("-wal")])
    assert 4 == len(files(tmp_path))


def test_a_size_is_of_a_file_and_its_log_and_nothing_of_what_is_gone(tmp_path: Path) -> None:
    assert 0 == file.size(tmp_path / "gone.sqlite")
