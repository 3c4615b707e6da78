"""The file of answers: what is in it, and that no disk, file or crash reaches a call."""

import asyncio
import contextlib
import os
import random
import resource
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from agi.lookup.tiers import cachefile
from agi.lookup.tiers.cachefile import SLICE, CacheFile
from agi.lookup.tiers.keys import NumberKey
from agi.lookup.tiers.sqlite import SqliteStore
from agi.model import Product
from tests.lookup.tiers.keeping import (
    DAY,
    KEYED,
    NOW,
    ONE,
    PLAIN,
    TWO,
    Seen,
    Wall,
    entry,
    numbers,
    opened,
    sqlite_store,
    written,
)


def filled(path: Path, count: int = 1, key: NumberKey = PLAIN) -> None:
    """Make a file with entries, closed in order."""

    async def main() -> None:
        async with opened(sqlite_store(path, Seen(), numbers=key)) as store:
            store.put(ONE, entry(), DAY)
            for number in numbers(count - 1):
                store.put(number, entry(), DAY)
            await written(store)

    asyncio.run(main())


def bytes_of(directory: Path) -> bytes:
    return b"".join(file.read_bytes() for file in directory.iterdir() if file.is_file())


async def until_kept(store: SqliteStore) -> None:
    """Put until what was put is there; a failing disk is tried again every second."""
    async with asyncio.timeout(20):
        while entry() != await store.get(TWO):
            store.put(TWO, entry(), DAY)
            await written(store)


def works(path: Path, *expected: str, key: NumberKey = PLAIN) -> None:
    """Open whatever lies at ``path``; the store works, and these troubles were told."""

    async def main() -> None:
        seen = Seen()
        async with opened(sqlite_store(path, seen, numbers=key)) as store:
            await until_kept(store)
            for what in expected:
                await seen.wait(what)

    asyncio.run(main())


def test_the_file_its_log_and_its_directory_are_private(tmp_path: Path) -> None:
    path = tmp_path / "state" / "cache.sqlite"

    async def main() -> None:
        async with opened(sqlite_store(path, Seen())) as store:
            store.put(ONE, entry(), DAY)
            await written(store)
            assert 0o700 == path.parent.stat().st_mode & 0o777
            files = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
            assert (
                dict.fromkeys(("cache.sqlite", "cache.sqlite-wal", "cache.sqlite-shm"), 0o600)
                == files
            )

    asyncio.run(main())


def test_a_file_that_others_could_read_is_made_private(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    filled(path)
    path.chmod(0o644)
    works(path)
    assert 0o600 == path.stat().st_mode & 0o777


def test_there_is_no_column_for_an_imsi_or_an_msc(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    filled(path)
    with contextlib.closing(sqlite3.connect(path)) as db:
        columns = [row[1] for row in db.execute("PRAGMA table_info(kept)")]
        assert "wal" == db.execute("PRAGMA journal_mode").fetchone()[0]
    assert ["name", "obtained", "until", "provider", "value"] == columns


def test_a34_a_keyed_file_holds_no_number_and_a_plain_one_does(tmp_path: Path) -> None:
    for name, key, found in (("plain", PLAIN, True), ("keyed", KEYED, False)):
        filled(tmp_path / name / "cache.sqlite", key=key)
        assert found is (ONE.encode() in bytes_of(tmp_path / name))


def test_a34_an_erased_number_is_in_no_byte_of_any_file(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"

    async def main() -> None:
        async with opened(sqlite_store(path, Seen())) as store:
            for product in Product:
                store.put(ONE, entry(), DAY, product)
            for number in numbers(500):
                store.put(number, entry(), DAY)
            await written(store)
            path.with_name("cache.sqlite.corrupt-1750000000").write_bytes(ONE.encode())
            assert ONE.encode() in bytes_of(tmp_path)
            assert await store.drop(ONE)
            assert ONE.encode() not in bytes_of(tmp_path)
            assert numbers(500)[250].encode() in bytes_of(tmp_path)

    asyncio.run(main())


def test_a34_turning_to_keyed_numbers_leaves_no_plain_one_behind(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    filled(path, 500)
    assert b"n4477" in bytes_of(tmp_path)
    works(path, "rekeyed", key=KEYED)
    assert b"n4477" not in bytes_of(tmp_path)


def test_an_entry_is_over_after_its_time(tmp_path: Path) -> None:
    async def main() -> None:
        wall = Wall()
        async with opened(sqlite_store(tmp_path / "c", Seen(), wall=wall)) as store:
            store.put(ONE, entry(), 100)
            await written(store)
            wall.now += 100
            assert entry() == await store.get(ONE)
            wall.now += 1
            assert None is await store.get(ONE)

    asyncio.run(main())


def test_the_sweep_walks_all_names_in_slices_and_deletes_what_is_over(tmp_path: Path) -> None:
    db = CacheFile(tmp_path / "c", PLAIN.mark(), Wall()).begin(lambda _: None)
    with contextlib.closing(db):
        rows = [
            (PLAIN.name(number), 0, index % 2, "npl", b"")
            for index, number in enumerate(numbers(2_500))
        ]
        cachefile.write(db, rows)
        after, left = b"", []
        for _ in range(3):
            after = cachefile.sweep(db, after, 1.0)
            left.append(db.execute("SELECT count(*) FROM kept").fetchone()[0])
    assert [2500 - SLICE // 2, 2500 - SLICE, 1250] == left
    assert b"" == after


def test_what_is_over_goes_by_itself(tmp_path: Path) -> None:
    async def main() -> None:
        wall = Wall()
        async with opened(sqlite_store(tmp_path / "c", Seen(), wall=wall)) as store:
            store.put(ONE, entry(), 100)
            await written(store)
            wall.now += 101
            async with asyncio.timeout(10):
                while 0 != (await store.stats())["entries"]:
                    pass

    asyncio.run(main())


def test_stats_count_entries_and_bytes(tmp_path: Path) -> None:
    path = tmp_path / "c"

    async def main() -> None:
        async with opened(sqlite_store(path, Seen())) as store:
            for number in numbers(700):
                store.put(number, entry(), DAY)
            stats = await store.stats()
            assert {"kind": "sqlite", "working": True, "entries": 700, "queue": 0} == {
                name: stats[name] for name in ("kind", "working", "entries", "queue")
            }
            size = stats["bytes"]
            assert isinstance(size, int)
            assert size > 700 * 40
            assert {} == stats["troubles"]

    asyncio.run(main())


# A disk that does not do as it is told.


def test_a_question_to_a_frozen_disk_takes_50_ms_and_the_next_one_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        seen, loop = Seen(), asyncio.get_running_loop()
        store = SqliteStore(tmp_path / "c", numbers=PLAIN, wall=Wall(), observe=seen)
        async with opened(store):
            store.put(ONE, entry(), DAY)
            await written(store)
            store._disk._lock.acquire()
            try:
                start = loop.time()
                assert None is await store.get(ONE)
                first = loop.time() - start
                assert 0.045 < first < 1.0
                for _ in range(100):
                    assert None is await store.get(ONE)
                rest = (loop.time() - start - first) / 100
            finally:
                store._disk._lock.release()
            assert rest < first / 10
            assert "slow" in seen.what
            async with asyncio.timeout(10):
                while entry() != await store.get(ONE):
                    await store.stats()

    asyncio.run(main())


def test_what_is_being_purged_is_not_believed_while_the_disk_is_at_it(tmp_path: Path) -> None:
    async def main() -> None:
        held = threading.Event()
        async with opened(sqlite_store(tmp_path / "c", Seen())) as store:
            store.put(ONE, entry(NOW - 5), DAY)
            store.put(TWO, entry(NOW - 100), DAY)
            await written(store)
            holding = asyncio.create_task(store._order(lambda _: held.wait(20), 20.0))
            purging = asyncio.create_task(store.purge("npl", NOW - 50))
            await asyncio.sleep(0)
            found = [await store.get(ONE), await store.get(TWO)]
            held.set()
            await asyncio.gather(holding, purging)
            assert [None, entry(NOW - 100)] == found
            assert {} == store._distrusted
            assert None is await store.get(ONE)

    asyncio.run(main())


def test_a_writer_that_hangs_holds_up_an_ending_for_a_second_at_most(tmp_path: Path) -> None:
    async def main() -> float:
        loop, store = asyncio.get_running_loop(), sqlite_store(tmp_path / "c", Seen())
        await store.open()
        holding = asyncio.create_task(store._order(lambda _: held.wait(20), 0.1))
        await asyncio.sleep(0)
        store.put(ONE, entry(), DAY)
        start = loop.time()
        await store.close()
        assert None is await holding
        return loop.time() - start

    held = threading.Event()
    spent = asyncio.run(main())
    held.set()
    assert 0.9 < spent < 3


@contextlib.contextmanager
def small_disk(place: Path, size: str) -> Iterator[None]:
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)],
        check=False,
        capture_output=True,
        text=True,
        timeout=20,
    )
    if made.returncode:
        assert not os.environ.get("CI"), made.stderr
        pytest.skip(f"no small disk can be mounted here: {made.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True, timeout=20)


def remount(place: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", str(place)], check=True, timeout=20)


def test_f37_a_full_disk_loses_entries_and_nothing_else_until_there_is_room(
    tmp_path: Path,
) -> None:
    place = tmp_path / "disk"

    async def main() -> None:
        seen = Seen()
        async with opened(sqlite_store(place / "cache.sqlite", seen)) as store:
            store.put(ONE, entry(), DAY)
            await written(store)
            for number in numbers(8_000):
                store.put(number, entry(), DAY)
            trouble = await seen.wait("write")
            assert trouble.detail in {"SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_IOERR_SHMSIZE"}
            assert entry() == await store.get(ONE)
            remount(place, "size=16m")
            await until_kept(store)
            assert "corrupt" not in seen.what
            writes = [event for event in seen.events if event.what == "write"]
            assert len(writes) <= 12

    with small_disk(place, "300k"):
        asyncio.run(main())


def test_f37_a_disk_that_turns_read_only_is_tried_again_until_it_is_not(tmp_path: Path) -> None:
    place = tmp_path / "disk"

    async def main() -> None:
        seen = Seen()
        async with opened(sqlite_store(place / "cache.sqlite", seen)) as store:
            store.put(ONE, entry(), DAY)
            await written(store)
            async with opened(sqlite_store(place / "absent", Seen())):
                pass
        remount(place, "ro")
        async with opened(sqlite_store(place / "cache.sqlite", seen)) as store:
            store.put(TWO, entry(), DAY)
            await seen.wait("write")
            assert None is await store.get(TWO)
            assert False is await store.drop(ONE)
            assert "not-erased" in seen.what
            remount(place, "rw")
            await until_kept(store)
            assert entry() == await store.get(ONE)

    with small_disk(place, "4m"):
        asyncio.run(main())


def test_f39_a_damaged_file_on_a_read_only_disk_is_mended_when_it_can_be(tmp_path: Path) -> None:
    place = tmp_path / "disk"

    async def main() -> None:
        seen = Seen()
        (place / "c").write_bytes(b"garbage" * 2_000)
        remount(place, "ro")
        async with opened(sqlite_store(place / "c", seen)) as store:
            await seen.wait("write")
            assert "corrupt" not in seen.what
            remount(place, "rw")
            await until_kept(store)
            await seen.wait("corrupt")

    with small_disk(place, "4m"):
        asyncio.run(main())


def test_f37_writes_that_the_kernel_refuses_are_counted_and_reading_goes_on(
    tmp_path: Path,
) -> None:
    """A limit on the size of files makes write() fail as a broken disk does."""

    async def main() -> None:
        seen = Seen()
        async with opened(sqlite_store(tmp_path / "c", seen)) as store:
            store.put(ONE, entry(), DAY)
            await written(store)
            limits = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
            try:
                for number in numbers(5_000):
                    store.put(number, entry(), DAY)
                trouble = await seen.wait("write")
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, limits)
            assert trouble.detail.startswith(("SQLITE_IOERR", "SQLITE_FULL"))
            assert entry() == await store.get(ONE)
            await until_kept(store)

    asyncio.run(main())


def test_f37_a_place_where_no_file_can_be_is_a_store_that_stays_empty(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_bytes(b"")

    async def main() -> None:
        seen = Seen()
        async with opened(sqlite_store(blocked / "below" / "c", seen)) as store:
            store.put(ONE, entry(), DAY)
            assert None is await store.get(ONE)
            assert False is (await store.stats())["working"]
            trouble = await seen.wait("write")
            assert trouble.detail in {"NotADirectoryError", "FileExistsError"}

    asyncio.run(main())


def test_a_file_that_somebody_else_locks_costs_entries_not_calls(tmp_path: Path) -> None:
    path = tmp_path / "c"

    async def main() -> None:
        seen = Seen()
        async with opened(sqlite_store(path, seen)) as store:
            store.put(ONE, entry(), DAY)
            await written(store)
            with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                store.put(TWO, entry(), DAY)
                assert entry() == await store.get(ONE)
                assert "SQLITE_BUSY" == (await seen.wait("write")).detail
                other.execute("ROLLBACK")
            await until_kept(store)

    asyncio.run(main())


def test_a34_an_erasure_that_a_reader_of_the_log_hinders_is_not_called_done(
    tmp_path: Path,
) -> None:
    path = tmp_path / "c"

    async def main() -> None:
        seen = Seen()
        async with opened(sqlite_store(path, seen)) as store:
            store.put(ONE, entry(), DAY)
            await written(store)
            with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
                other.execute("BEGIN")
                assert 1 == len(other.execute("SELECT * FROM kept").fetchall())
                assert False is await store.drop(ONE)
                assert "not-erased" in seen.what
            await until_kept(store)
            await store.drop(ONE)
            assert ["not-erased"] == [what for what in seen.what if what == "not-erased"]
            assert ONE.encode() not in bytes_of(tmp_path)

    asyncio.run(main())


WRITER = """
import asyncio, itertools, sys
from pathlib import Path
from tests.lookup.tiers.keeping import DAY, Seen, entry, numbers, sqlite_store

async def main():
    store = sqlite_store(Path(sys.argv[1]), Seen())
    await store.open()
    for turn in itertools.count():
        for number in numbers(300, 447_700_000_000 + 300 * turn):
            store.put(number, entry(), DAY)
        await store.stats()
        print(turn, flush=True)
        if turn % 7 == 3:
            await store.drop(numbers(1)[0])

asyncio.run(main())
"""


def test_f38_thirty_kills_in_the_midst_of_writing_leave_a_whole_file(tmp_path: Path) -> None:
    path, dice = tmp_path / "cache.sqlite", random.Random(38)
    for _ in range(30):
        with subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(WRITER), str(path)], stdout=subprocess.PIPE
        ) as child:
            assert child.stdout is not None
            for _ in range(dice.randrange(1, 12)):
                assert child.stdout.readline()
            child.send_signal(signal.SIGKILL)
        with contextlib.closing(sqlite3.connect(path)) as db:
            assert "ok" == db.execute("PRAGMA integrity_check").fetchone()[0]
            assert db.execute("SELECT count(*) FROM kept").fetchone()[0] >= 299
    works(path)
    assert [] == list(tmp_path.glob("*corrupt*"))


# A file that is not what it was.


def test_f39_a_file_of_garbage_is_moved_aside_and_a_fresh_one_begun(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    path.write_bytes(b"no database at all " * 500)
    works(path, "corrupt")
    aside = tmp_path / f"cache.sqlite.corrupt-{int(NOW)}"
    assert b"no database at all " * 500 == aside.read_bytes()


@pytest.mark.parametrize("page", [1, 2, 3, 40])
def test_f39_a_page_overwritten_with_nothing_is_found_and_the_file_replaced(
    tmp_path: Path, page: int
) -> None:
    path = tmp_path / "cache.sqlite"
    filled(path, 3_000)
    with path.open("r+b") as file:
        file.seek(4096 * (page - 1))
        file.write(b"\xff" * 4096)

    async def main() -> None:
        seen = Seen()
        async with opened(sqlite_store(path, seen)) as store:
            for number in (ONE, *numbers(2_999)):
                await store.get(number)
            await seen.wait("corrupt")
            await until_kept(store)

    asyncio.run(main())
    assert 1 == len(list(tmp_path.glob("cache.sqlite.corrupt-*")))


def test_f39_damage_that_sqlite_does_not_see_is_found_by_the_seal(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    filled(path)
    data = path.read_bytes()
    assert 1 == data.count(b"23415,npl")
    path.write_bytes(data.replace(b"23415,npl", b"23410,npl"))

    async def main() -> None:
        seen = Seen()
        async with opened(sqlite_store(path, seen)) as store:
            assert None is await store.get(ONE)
            await seen.wait("garbage")

    asyncio.run(main())


@pytest.mark.parametrize("keep", [0, 20, 5_000, 30_000])
def test_f39_a_truncated_log_costs_its_last_entries_only(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "cache.sqlite"
    filled(path)
    with contextlib.closing(CacheFile(path, PLAIN.mark(), Wall()).begin(lambda _: None)) as db:
        for number in numbers(20):
            cachefile.write(db, [(PLAIN.name(number), *_sealed(number))])
        log = path.with_name("cache.sqlite-wal").read_bytes()
        main_file = path.read_bytes()
    assert len(log) > 40_000
    path.write_bytes(main_file)
    path.with_name("cache.sqlite-wal").write_bytes(log[:keep])
    works(path)
    with contextlib.closing(sqlite3.connect(path)) as db:
        assert "ok" == db.execute("PRAGMA integrity_check").fetchone()[0]
        assert (PLAIN.name(ONE),) in db.execute("SELECT name FROM kept").fetchall()


def _sealed(number: object) -> tuple[int, int, str, bytes]:
    obtained_ms, value = PLAIN.seal(PLAIN.name(number), entry())  # type: ignore[arg-type] # of our own making
    return obtained_ms, int(NOW + DAY), "npl", value


def test_f39_two_damaged_files_are_kept_and_no_more(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    for age in range(4):
        path.write_bytes(b"garbage" * 1000)
        wall = Wall(NOW + age)

        async def main(wall: Wall = wall) -> None:
            seen = Seen()
            async with opened(sqlite_store(path, seen, wall=wall)) as store:
                await seen.wait("corrupt")
                await until_kept(store)

        asyncio.run(main())
    assert [f"cache.sqlite.corrupt-{int(NOW) + age}" for age in (2, 3)] == sorted(
        file.name for file in tmp_path.glob("*corrupt*")
    )


def test_f44_a_file_of_a_later_version_is_left_alone_and_another_name_used(
    tmp_path: Path,
) -> None:
    path = tmp_path / "cache.sqlite"
    filled(path)
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 2")
    later = path.read_bytes()
    works(path, "newer")
    assert later == path.read_bytes()
    assert (tmp_path / "cache.sqlite.v1").exists()
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 1")

    async def main() -> None:
        async with opened(sqlite_store(path, Seen())) as store:
            assert entry() == await store.get(ONE)

    asyncio.run(main())


def test_f44_a_record_of_a_later_form_is_no_answer(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    filled(path)
    name = PLAIN.name(ONE)
    with contextlib.closing(sqlite3.connect(path)) as db:
        record = b"\x02\x01\x00\x0023415,npl,comcetera,,"
        tag = PLAIN._tag(name, int(NOW * 1000), record)
        db.execute("UPDATE kept SET value = ?", (tag + record,))
        db.commit()

    async def main() -> None:
        async with opened(sqlite_store(path, Seen())) as store:
            assert None is await store.get(ONE)

    asyncio.run(main())


def test_another_program_s_database_is_neither_read_nor_moved_nor_changed(tmp_path: Path) -> None:
    path = tmp_path / "master.db"
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE cdr (calldate TEXT)")
        db.commit()
    path.chmod(0o640)
    before = path.read_bytes()

    async def main() -> None:
        seen = Seen()
        async with opened(sqlite_store(path, seen)) as store:
            store.put(ONE, entry(), DAY)
            assert None is await store.get(ONE)
            assert "Foreign" == (await seen.wait("write")).detail

    asyncio.run(main())
    assert (before, 0o640) == (path.read_bytes(), path.stat().st_mode & 0o777)
    assert [path] == list(tmp_path.iterdir())


def test_closing_ends_both_threads(tmp_path: Path) -> None:
    def ours() -> list[threading.Thread]:
        return [thread for thread in threading.enumerate() if thread.name == "dialdip-store"]

    async def main() -> None:
        async with opened(sqlite_store(tmp_path / "c", Seen())):
            assert 2 == len(ours())

    asyncio.run(main())
    for thread in ours():
        thread.join(5)
    assert [] == ours()


def test_a34_no_trouble_names_a_number(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    filled(path)
    path.write_bytes(path.read_bytes().replace(b"23415,npl", b"23410,npl"))

    async def main() -> None:
        seen = Seen()
        store = sqlite_store(path, seen)
        async with opened(store):
            await store.get(ONE)
            await seen.wait("garbage")
        store.put(ONE, entry(), DAY)
        assert ONE not in repr((seen.events, store, await store.stats()))

    asyncio.run(main())
