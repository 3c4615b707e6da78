"""The journal at work: it costs a call next to nothing, and a disk's faults cost records only."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from agi.journal import writer
from agi.journal.archive import Archive, directory_of
from agi.journal.writer import MAX_WAITING, Journal
from tests.journal.making import FINDING, Clock, Heard, context, decision, journal, note, request

ROOT = os.geteuid() == 0


def written(state: Path) -> int:
    total = 0
    for path in Archive(directory_of(state)).files():
        db = sqlite3.connect(path)
        total += db.execute("SELECT count(*) FROM calls").fetchone()[0]
        db.close()
    return total


def state_of(opened: Journal) -> tuple[object, object, object]:
    state = opened.state()
    return state["written"], state["dropped"], state["trouble"]


def test_what_was_taken_is_there_after_the_end(tmp_path: Path) -> None:
    with journal(tmp_path) as opened:
        for number in range(1_234):
            note(opened, number)
    assert (1_234, 0, "") == state_of(opened)
    assert 1_234 == written(tmp_path)
    assert {"2026-11-21.sqlite"} == {path.name for path in directory_of(tmp_path).iterdir()}


def test_records_appear_by_themselves_within_half_a_second(tmp_path: Path) -> None:
    with journal(tmp_path) as opened:
        note(opened, 1)
        started = time.monotonic()
        while not opened.state()["written"] and time.monotonic() < started + 10:
            threading.Event().wait(0.01)
        assert 1 == opened.state()["written"]


def test_taking_a_record_costs_a_call_less_than_a_fiftieth_of_its_decision(tmp_path: Path) -> None:
    """A warm call takes some 100 us: 2 us is a loose bound for what is 0.2 here."""
    with journal(tmp_path) as opened:
        started = time.perf_counter()
        for number in range(MAX_WAITING):
            note(opened, number)  # makes the request and the decision as well
        each = (time.perf_counter() - started) / MAX_WAITING
    assert each < 100e-6


def test_a_second_record_of_one_id_does_not_spoil_the_others(tmp_path: Path) -> None:
    with journal(tmp_path) as opened:
        for number in (1, 1, 2):
            note(opened, number)
    assert 2 == written(tmp_path)


def test_what_cannot_be_kept_is_lost_and_counted_and_the_next_is_kept(tmp_path: Path) -> None:
    """No router lets through such an id; should one ever do so, the thread goes on."""
    with journal(tmp_path) as opened:
        note(opened, 1, uniqueid="\ud800")  # no text that UTF-8 can hold
        assert opened.flush(10)
        assert (0, 1, "UnicodeEncodeError") == state_of(opened)
        note(opened, 2)
        assert opened.flush(10)
        assert (1, 1, "") == state_of(opened)


def test_a_decision_that_cannot_be_packed_costs_itself_only(tmp_path: Path) -> None:
    odd = replace(decision(1), reason="\ud800")
    others_id = replace(decision(2), id="not-one-of-ours")
    with journal(tmp_path) as opened:
        opened.note(context(), request(), FINDING, odd)
        opened.note(context(), request(), FINDING, others_id)
        note(opened, 3)
        assert opened.flush(10)
        assert (1, 2, "") == state_of(opened)


def test_two_routers_write_one_file(tmp_path: Path) -> None:
    with journal(tmp_path) as one, journal(tmp_path) as other:
        for number in range(300):
            note(one, number)
            note(other, number + 1_000)
        assert one.flush(10)
        assert other.flush(10)
    assert [(300, 0, ""), (300, 0, "")] == [state_of(one), state_of(other)]
    assert 600 == written(tmp_path)


# ---- faults ----------------------------------------------------------------------------------


@contextmanager
def locked(path: Path) -> Iterator[None]:
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        db.execute("ROLLBACK")
        db.close()


def test_f48_a_journal_that_is_stuck_drops_and_counts_and_holds_nobody_up(tmp_path: Path) -> None:
    with journal(tmp_path) as opened:
        note(opened, 0)
        assert opened.flush(5)
        with locked(directory_of(tmp_path) / "2026-11-21.sqlite"):
            note(opened, 1)
            assert not opened.flush(0.1)  # its thread waits for the lock now
            for number in range(MAX_WAITING + 100):
                note(opened, number + 2)
            assert MAX_WAITING == opened.state()["waiting"]
            assert 100 == opened.state()["dropped"]
            assert "too slow" == opened.state()["trouble"]
        assert opened.flush(30)
    kept, lost, _ = state_of(opened)
    assert MAX_WAITING + 102 == int(str(kept)) + int(str(lost))
    assert written(tmp_path) == kept


def test_f37_a_locked_file_costs_records_and_is_written_again_afterwards(tmp_path: Path) -> None:
    heard = Heard()
    with journal(tmp_path, log=heard) as opened:
        note(opened, 1)
        assert opened.flush(5)
        with locked(directory_of(tmp_path) / "2026-11-21.sqlite"):
            note(opened, 2)
            assert opened.flush(10)
            assert (1, 1, "SQLITE_BUSY") == state_of(opened)
        note(opened, 3)
        assert opened.flush(5)
        assert (2, 1, "") == state_of(opened)
    assert ["error", "info"] == [level for level, _, _ in heard.lines]
    assert 2 == written(tmp_path)


def test_f37_a_damaged_file_is_moved_aside_and_a_fresh_one_begun(tmp_path: Path) -> None:
    with journal(tmp_path) as opened:
        note(opened, 1)
    path = directory_of(tmp_path) / "2026-11-21.sqlite"
    path.write_bytes(b"no database" * 1_000)
    heard = Heard()
    with journal(tmp_path, log=heard) as opened:
        note(opened, 2)
        assert opened.flush(5)
        note(opened, 3)
        assert opened.flush(5)
        assert (1, 1, "") == state_of(opened)
    assert "SQLITE_NOTADB" in str(heard.lines[0])
    assert 1 == len(list(directory_of(tmp_path).glob("*.damaged-*")))
    assert 1 == written(tmp_path)


def test_f37_damage_that_two_routers_meet_is_mended_once(tmp_path: Path) -> None:
    """The second one must not move the fresh file of the first one aside."""
    with journal(tmp_path) as one, journal(tmp_path) as other:
        path = directory_of(tmp_path) / "2026-11-21.sqlite"
        path.parent.mkdir()
        path.write_bytes(b"no database" * 1_000)
        for number, opened in enumerate((one, other, one, other)):
            note(opened, number)
            assert opened.flush(10)
            note(opened, number + 10)
        assert other.flush(10)
    assert 1 == len([p for p in directory_of(tmp_path).glob("*.damaged-*") if p.name[-1].isdigit()])
    assert 7 == written(tmp_path)


def test_f37_a_file_that_somebody_deletes_is_made_again(tmp_path: Path) -> None:
    with journal(tmp_path) as opened:
        note(opened, 1)
        assert opened.flush(5)
        for path in list(directory_of(tmp_path).iterdir()):
            path.unlink()
        note(opened, 2)
        assert opened.flush(5)
        assert (2, 0, "") == state_of(opened)
    assert 1 == written(tmp_path)


def test_f37_a_directory_that_cannot_be_made_costs_records_only(tmp_path: Path) -> None:
    directory_of(tmp_path).write_bytes(b"a file where the directory should be")
    heard = Heard()
    with journal(tmp_path, log=heard) as opened:
        for number in range(3):
            note(opened, number)
            assert opened.flush(5)
        assert (0, 3, "NotADirectoryError") == state_of(opened)
        directory_of(tmp_path).unlink()
        note(opened, 4)
        assert opened.flush(5)
        assert (1, 3, "") == state_of(opened)
    # One line when it began, one when it was over.
    assert ["error", "info"] == [level for level, _, _ in heard.lines]


def test_f37_a_file_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    with journal(tmp_path) as opened:
        note(opened, 1)
    with sqlite3.connect(directory_of(tmp_path) / "2026-11-21.sqlite") as db:
        db.execute("PRAGMA user_version = 2")
    db.close()
    with journal(tmp_path) as opened:
        note(opened, 2)
        assert opened.flush(5)
        assert (0, 1, "Foreign") == state_of(opened)
    assert 1 == written(tmp_path)


FULL = """
import resource, sys, time
from pathlib import Path
from tests.journal.making import journal, note
state = Path(sys.argv[1])
with journal(state) as opened:
    note(opened, 1)
    assert opened.flush(5)
    resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000))
    for number in range(2, 5_000):
        note(opened, number)
    assert opened.flush(20)
    said = opened.state()
    print(said["written"], said["dropped"], said["trouble"])
"""


def test_f37_a_full_disk_costs_records_only(tmp_path: Path) -> None:
    """Files that may not grow, which SQLite meets as it meets a full disk."""
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)],
        capture_output=True, text=True, timeout=60, check=False,
        preexec_fn=lambda: signal.signal(signal.SIGXFSZ, signal.SIG_IGN),
    )  # fmt: skip
    assert 0 == done.returncode, done.stderr
    kept, lost, trouble = done.stdout.split()
    assert 4_999 == int(kept) + int(lost)
    assert int(lost) > 0
    assert trouble in {"SQLITE_FULL", "SQLITE_IOERR_WRITE"}
    assert written(tmp_path) >= 1


def test_f37_an_old_file_that_cannot_be_deleted_is_logged_and_stops_nothing(tmp_path: Path) -> None:
    (directory_of(tmp_path) / "2026-01-01.sqlite").mkdir(parents=True)
    heard = Heard()
    with journal(tmp_path, log=heard) as opened:
        note(opened, 1)
        assert opened.flush(5)
        assert (1, 0, "") == state_of(opened)
    assert ("error", "deleting old files") == (heard.lines[0][0], heard.lines[0][2]["doing"])


def test_old_files_go_while_the_journal_runs(tmp_path: Path) -> None:
    clock = Clock()
    with journal(tmp_path, wall=clock, days=1) as opened:
        note(opened, 1)
    clock.now += 3 * 86_400
    with journal(tmp_path, wall=clock, days=1) as opened:
        note(opened, 2, at=clock.now)
        assert opened.flush(5)
        names = {path.name for path in directory_of(tmp_path).glob("*.sqlite")}
        assert {"2026-11-24.sqlite"} == names


@pytest.mark.skipif(not ROOT, reason="only root can give files away")
def test_files_of_root_are_the_directory_owners(tmp_path: Path) -> None:
    os.chown(tmp_path, 1234, 1234)
    with journal(tmp_path) as opened:
        note(opened, 1)
        assert opened.flush(5)
        for path in (directory_of(tmp_path), *directory_of(tmp_path).iterdir()):
            assert (1234, 1234) == (path.stat().st_uid, path.stat().st_gid), path.name


def test_an_ending_process_waits_for_a_stuck_disk_no_longer_than_it_says(tmp_path: Path) -> None:
    with journal(tmp_path) as opened:
        note(opened, 0)
        assert opened.flush(5)
        with locked(directory_of(tmp_path) / "2026-11-21.sqlite"):
            for number in range(5_000):
                note(opened, number + 1)
            started = time.monotonic()
            opened.close()
            assert time.monotonic() - started < writer.END_S + 5


def test_nobody_keeps_a_journal_that_is_off() -> None:
    nothing = writer.NoJournal()
    note(nothing, 1)
    assert nothing.flush(0)
    nothing.close()
    assert {"written": 0, "dropped": 0, "waiting": 0, "trouble": ""} == nothing.state()
