"""The store of versions: what is in force, what was, and what a fault or a kill leaves of it."""

from __future__ import annotations

import errno
import json
import os
import random
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sized
from contextlib import contextmanager
from io import RawIOBase
from pathlib import Path

import msgspec
import pytest

from agi.errors import Fault, TableError, UsageError
from agi.routing.compiled import Compiled
from agi.routing.versions.audit import Act, Anchor, sealed
from agi.routing.versions.disk import Folder
from agi.routing.versions.snapshot import dump
from agi.routing.versions.store import Store
from agi.routing.versions.stored import ConflictError, Meta, NoVersionError, StoreError
from tests.routing.kills.tables import (
    ANN,
    DAY,
    NOON,
    activate,
    compiled,
    contents,
    faults,
    kind_of,
    version_folder,
    whole,
)

ROOT = Path(__file__).parents[3]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path, wait_s=0.05)


def active_of(store: Store) -> str:
    active = store.active()
    assert active is not None
    return active.version


def flip(path: Path, at: int = -10) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def test_before_the_first_activation_there_is_nothing(store: Store) -> None:
    assert None is store.active()
    assert [] == store.versions()
    assert () == store.history()
    assert [] == store.verify()
    for step in (store.load_active, lambda: store.compiled("000001-00000000")):
        with pytest.raises(NoVersionError, match="no tables are active yet"):
            step()
    with pytest.raises(NoVersionError):
        Store(store.state / "nowhere").load_active()


def test_an_activation_puts_tables_in_force_under_the_next_number(store: Store) -> None:
    first = activate(store, 1)
    assert ("000001", "", True) == (first.version[:6], first.before, first.changed)
    assert first.version == active_of(store) == first.compiled.version
    second = activate(store, 2, expected=first.version)
    assert ("000002", first.version) == (second.version[:6], second.before)
    assert 2 == whole(store)
    assert 1 == kind_of(store.compiled(first.version))


def test_the_files_are_kept_byte_for_byte(store: Store) -> None:
    done = activate(store, 1)
    assert contents(1) == store.contents(done.version)
    kept = version_folder(store.state, done.version)
    assert contents(1)["trunks.csv"] == (kept / "trunks.csv").read_bytes()
    assert dump(done.compiled) == (kept / "snapshot").read_bytes()


def test_what_is_active_already_is_not_activated_again(store: Store) -> None:
    first = activate(store, 1)
    again = activate(store, 1, NOON + 1)
    assert (first.version, False) == (again.version, again.changed)
    assert first.version == again.compiled.version
    assert first.anchor == again.anchor
    assert 1 == len(store.versions())


def test_the_same_files_in_another_time_zone_are_another_version(store: Store) -> None:
    activate(store, 1)
    done = store.activate(contents(1), compiled(contents(1), "Asia/Tokyo"), ANN, "x", None, NOON)
    assert ("000002", True) == (done.version[:6], done.changed)
    assert "Asia/Tokyo" == store.compiled(done.version).timezone


def test_what_is_stored_must_be_what_was_compiled(store: Store) -> None:
    with pytest.raises(ValueError, match="not what was compiled"):
        store.activate(contents(1), compiled(contents(2)), ANN, "x", None, NOON)
    assert None is store.active()


@pytest.mark.parametrize("name", ["../routes.csv", "/etc/x.csv", "snapshot", "a/b.csv", "A.csv"])
def test_a22_a_name_that_is_no_tables_is_refused(store: Store, name: str) -> None:
    with pytest.raises(ValueError, match="small letters"):
        store.activate(contents(1) | {name: b""}, compiled(contents(1)), ANN, "x", None, NOON)
    assert [] == list(store.state.iterdir())


@pytest.mark.parametrize("version", ["", "..", "../../etc", "000001", "000009-00000000", "x\0"])
def test_a22_a_version_that_is_not_stored_is_refused(store: Store, version: str) -> None:
    activate(store, 1)
    for step in (
        lambda: store.compiled(version),
        lambda: store.contents(version),
        lambda: store.rollback(version, ANN, "x", NOON),
    ):
        with pytest.raises(StoreError, match="no such version"):
            step()


def test_a22_a_symlink_in_the_stores_place_is_refused(store: Store, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "tables").symlink_to(elsewhere)
    with pytest.raises(StoreError, match="cannot be written"):
        activate(store, 1)
    with pytest.raises(StoreError, match="cannot be read"):
        store.active()
    assert [] == list(elsewhere.iterdir())


def test_a_reason_is_needed(store: Store) -> None:
    with pytest.raises(UsageError, match="why"):
        activate(store, 1, why=" ")
    activate(store, 1)
    with pytest.raises(UsageError, match="do not print"):
        store.rollback(None, ANN, "a\nb", NOON)


def test_a_rollback_makes_a_version_active_under_its_own_name(store: Store) -> None:
    one, two, three = (activate(store, kind).version for kind in (1, 2, 3))
    done = store.rollback(None, ANN, "three was bad", NOON, expected=three)
    assert (two, three, True) == (done.version, done.before, done.changed)
    assert 2 == whole(store) == kind_of(done.compiled)
    assert one == store.rollback(None, ANN, "two too", NOON).version
    with pytest.raises(StoreError, match="no version before"):
        store.rollback(None, ANN, "further", NOON)
    assert three == store.rollback(three, ANN, "it was not that", NOON).version
    assert "000004" == activate(store, 4).version[:6]
    assert three == store.rollback(None, ANN, "back", NOON).version


def test_a_rollback_to_what_is_active_changes_nothing(store: Store) -> None:
    done = activate(store, 1)
    assert not store.rollback(done.version, ANN, "x", NOON).changed
    assert 1 == len(store.history())


def test_the_list_says_who_when_and_why(store: Store) -> None:
    one = activate(store, 1, NOON, why="the beginning").version
    two = activate(store, 2, NOON + DAY).version
    store.rollback(one, ANN, "back", NOON + 2 * DAY)
    told = store.versions()
    assert [two, one] == [version.version for version in told]
    assert [False, True] == [version.active for version in told]
    assert (NOON, 0, "root", "the beginning") == (
        told[1].at, told[1].uid, told[1].user, told[1].why,
    )  # fmt: skip
    assert [NOON + DAY, NOON + 2 * DAY] == [version.last_active for version in told]
    kept = version_folder(store.state, one)
    assert sum(path.stat().st_size for path in kept.iterdir()) == told[1].size
    (kept / "meta.json").write_bytes(b"{}")
    assert (None, "") == (store.versions()[1].uid, store.versions()[1].why)


def test_the_log_says_what_was_done(store: Store) -> None:
    one = activate(store, 1, why="the beginning").version
    two = activate(store, 2).version
    store.rollback(None, ANN, "back", NOON + 1)
    first, second, third = store.history()
    assert (Act.ACTIVATE, one, "", "the beginning", 1000) == (
        first.action, first.version, first.before, first.why, first.login,
    )  # fmt: skip
    assert (two, one) == (second.version, second.before)
    assert (Act.ROLLBACK, one, two) == (third.action, third.version, third.before)
    assert "2026-01-01T12:00:01.000+00:00" == third.at


# Two admins at once (F42)


def test_f42_whoever_looked_at_another_version_is_told(store: Store) -> None:
    one = activate(store, 1, expected="").version
    activate(store, 2, expected=one)
    with pytest.raises(ConflictError, match=f"is active by now, not {one}"):
        activate(store, 3, expected=one)
    with pytest.raises(ConflictError, match="not nothing"):
        activate(store, 3, expected="")
    with pytest.raises(ConflictError):
        store.rollback(None, ANN, "x", NOON, expected=one)
    assert 2 == whole(store)


def test_f42_of_two_processes_one_wins_and_the_other_is_told(tmp_path: Path) -> None:
    store = Store(tmp_path)
    base = activate(store, 0).version
    for _ in range(3):
        racers = [
            subprocess.Popen(
                [sys.executable, "-m", "tests.routing.kills.racing", tmp_path, str(kind), base],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for kind in (1, 2)
        ]
        for racer in racers:
            assert racer.stdout is not None
            assert "ready\n" == racer.stdout.readline()
        for racer in racers:
            assert racer.stdin is not None
            racer.stdin.write("\n")
            racer.stdin.flush()
        told = [racer.communicate(timeout=60)[0].split() for racer in racers]
        assert ["conflict", "won"] == sorted(words[0] for words in told)
        winner = next(kind for kind, words in zip((1, 2), told, strict=True) if words[0] == "won")
        assert winner == whole(store)
        base = activate(store, 0).version


def test_a_writer_waits_its_time_and_then_says_so(store: Store) -> None:
    activate(store, 1)
    with Folder.at(store.state / "tables") as tables, tables.locked("lock", 0):
        with pytest.raises(StoreError, match="try again"):
            activate(store, 2)
        assert kind_of(store.load_active()[0]) == 1


# Writers that are killed (F38)


@pytest.mark.parametrize(
    ("seed", "rounds"),
    [
        pytest.param(38, 50, id="short"),
        pytest.param(3_800, 500, id="long", marks=pytest.mark.soak),
    ],
)
def test_f38_a_kill_at_any_point_leaves_the_old_version_or_the_new(
    tmp_path: Path, seed: int, rounds: int
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.routing.kills.killed", tmp_path, str(seed), str(rounds)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=1_200,
    )
    assert "" == done.stderr
    told = json.loads(done.stdout)
    print(told)
    assert rounds == told["old"] + told["new"]
    assert rounds / 10 < told["old"]
    assert 0 < told["new"]
    marked = [entry for entry in Store(tmp_path).history() if entry.action == Act.ABANDONED]
    assert all(entry.of for entry in marked)


def stopped(store: Store, kind: int, at: str) -> None:
    """Activate in a child that dies when it is about to rename to ``at``."""
    child = os.fork()
    if child == 0:

        def hook(event: str, args: tuple[object, ...]) -> None:
            if event == "os.rename" and str(args[1]).startswith(at):
                os._exit(9)

        try:
            sys.addaudithook(hook)
            activate(store, kind, NOON + 1)
        finally:
            os._exit(1)
    assert 9 == os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_f38_what_never_took_effect_is_marked_by_the_next_writer(store: Store) -> None:
    one = activate(store, 1).version
    stopped(store, 2, "active")
    assert 1 == whole(store)
    assert [one] == [version.version for version in store.versions()]
    told = [fault.what for fault in store.verify()]
    assert any("never took effect" in what for what in told)
    three = activate(store, 3, NOON + 2)
    assert "000003" == three.version[:6]
    assert [Act.ACTIVATE, Act.ACTIVATE, Act.ABANDONED, Act.ACTIVATE] == [
        entry.action for entry in store.history()
    ]
    assert [0, 0, 2, 0] == [entry.of for entry in store.history()]
    assert [] == store.verify()
    assert one == store.rollback(None, ANN, "x", NOON + 3).version


def test_f38_the_first_activation_of_all_may_be_killed(store: Store) -> None:
    stopped(store, 1, "000001")
    assert None is store.active()
    stopped(store, 1, "000001")
    assert None is store.active()
    activate(store, 2)
    assert 2 == whole(store)
    assert [] == store.verify()


def test_f38_a_torn_line_is_cut_off_by_the_next_writer(store: Store) -> None:
    activate(store, 1)
    log = store.state / "tables" / "audit.jsonl"
    before = log.read_bytes()
    log.write_bytes(before + before[:50])
    assert 1 == whole(store)
    assert ["the last line is torn: its writer was stopped before it took effect"] == [
        fault.what for fault in store.verify()
    ]
    activate(store, 2)
    assert 2 == whole(store)
    assert log.read_bytes().startswith(before)
    assert [] == store.verify()


# What a fault of the disk damages (F39)


def test_f39_a_damaged_snapshot_is_compiled_anew_and_said(store: Store) -> None:
    version = activate(store, 1).version
    flip(version_folder(store.state, version) / "snapshot")
    table, (alarm,) = store.load_active()
    assert (version, 1) == (table.version, kind_of(table))
    assert alarm.startswith(f"the snapshot of {version} cannot be used (damaged")
    assert [f"versions/{version}/snapshot"] == [fault.file for fault in store.verify()]
    assert store.mend(ANN, NOON + 1)
    assert not store.mend(ANN, NOON + 1)
    assert 1 == whole(store)
    assert [] == store.verify()
    assert version == store.history()[-1].version


@pytest.mark.parametrize("gone", ["snapshot", "meta.json", "routes.csv"])
def test_f39_a_missing_file_does_not_stop_the_service(store: Store, gone: str) -> None:
    activate(store, 1)
    version = activate(store, 2).version
    (version_folder(store.state, version) / gone).unlink()
    table, alarms = store.load_active()
    assert 2 == kind_of(table)
    assert (1 if gone == "snapshot" else 0) == len(alarms)
    assert store.verify()


def test_f39_the_newest_good_version_before_runs_when_all_else_is_damaged(store: Store) -> None:
    one, two, three = (activate(store, kind).version for kind in (1, 2, 3))
    store.rollback(two, ANN, "three was bad", NOON)
    for version in (two, three):
        flip(version_folder(store.state, version) / "snapshot")
        flip(version_folder(store.state, version) / "routes.csv")
    table, alarms = store.load_active()
    assert (one, 1) == (table.version, kind_of(table))
    assert f"{one} runs in place of {two}: activate or roll back" == alarms[-1]
    assert f"{two}/routes.csv is not the file that was stored" in alarms[0]
    flip(version_folder(store.state, one) / "snapshot")
    flip(version_folder(store.state, one) / "trunks.csv")
    with pytest.raises(StoreError, match="no stored version can be used"):
        store.load_active()
    with pytest.raises(StoreError, match="is not the file that was stored"):
        store.rollback(one, ANN, "x", NOON)


def test_f39_activating_the_same_tables_again_repairs_a_damaged_version(store: Store) -> None:
    version = activate(store, 1).version
    flip(version_folder(store.state, version) / "routes.csv")
    again = activate(store, 1)
    assert ("000002", True) == (again.version[:6], again.changed)
    assert 1 == kind_of(store.load_active()[0])


@pytest.mark.parametrize("region", range(20))
def test_f39_no_flipped_bit_in_any_file_brings_wrong_tables(store: Store, region: int) -> None:
    dice = random.Random(region)
    activate(store, 1)
    activate(store, 2)
    files = [path for path in (store.state / "tables").rglob("*") if path.stat().st_size]
    for path in (path for path in files if path.is_file()):
        before = path.read_bytes()
        broken = bytearray(before)
        low, high = (len(broken) * part // 20 for part in (region, region + 1))
        broken[min(dice.randrange(low, max(high, low + 1)), len(broken) - 1)] ^= 1 << region % 8
        path.write_bytes(broken)
        assert kind_of(store.load_active()[0]) == 2
        assert faults(store), path
        path.write_bytes(before)
    assert 2 == whole(store)


@pytest.mark.parametrize("damage", [b"", b"{}\n", b"\xff", None])
def test_f39_without_the_word_what_is_active_the_log_says_it(
    store: Store, damage: bytes | None
) -> None:
    one = activate(store, 1).version
    activate(store, 2)
    store.rollback(None, ANN, "x", NOON)
    path = store.state / "tables" / "active"
    path.unlink()
    if damage is not None:
        path.write_bytes(damage)
    table, (alarm,) = store.load_active()
    assert one == table.version == active_of(store)
    assert alarm.endswith(f"{one} is taken as active")
    assert faults(store)
    done = activate(store, 3)
    assert one == done.before
    assert "taken as active" in done.alarms[0]
    assert 3 == whole(store)
    assert Act.ANCHORED in [entry.action for entry in store.history()]


def test_f39_without_log_and_word_the_newest_version_runs(store: Store) -> None:
    activate(store, 1)
    two = activate(store, 2).version
    (store.state / "tables" / "active").unlink()
    (store.state / "tables" / "audit.jsonl").unlink()
    assert two == store.load_active()[0].version
    assert faults(store)
    assert "000003" == activate(store, 3).version[:6]


def test_f44_tables_that_a_later_program_refuses_do_not_stop_the_service(tmp_path: Path) -> None:
    activate(Store(tmp_path), 1)
    two = activate(Store(tmp_path), 2).version
    flip(version_folder(tmp_path, two) / "snapshot")

    def stricter(files: Sized, version: str, timezone: str) -> Compiled:
        what = f"not one of {len(files)} files is good in {timezone}"
        raise TableError((Fault(f"{version}/routes.csv", 2, 1, what),))

    table, alarms = Store(tmp_path, stricter).load_active()
    assert 1 == kind_of(table)
    assert "1 faults in its tables, the first is 0000" in alarms[0]


def test_a_rollback_to_a_version_with_a_damaged_snapshot_makes_it_anew(store: Store) -> None:
    one = activate(store, 1).version
    activate(store, 2)
    flip(version_folder(store.state, one) / "snapshot")
    done = store.rollback(one, ANN, "x", NOON)
    assert "cannot be used" in done.alarms[0]
    assert 1 == whole(store)


# Who tampers with it (A36)


def test_a36_edits_deletions_order_and_a_cut_tail_show(store: Store) -> None:
    for kind in range(4):
        activate(store, kind)
    log = store.state / "tables" / "audit.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    for forged in (
        [lines[0].replace(b"root", b"toor"), *lines[1:]],
        lines[1:],
        [lines[0], *lines[2:]],
        [lines[0], lines[2], lines[1], lines[3]],
        lines[:-1],
        [],
    ):
        log.write_bytes(b"".join(forged))
        assert faults(store)
    log.write_bytes(b"".join(lines))
    assert [] == store.verify()


def test_a36_the_traces_of_a_cut_log_stay_after_the_next_activation(store: Store) -> None:
    for kind in range(3):
        activate(store, kind)
    log = store.state / "tables" / "audit.jsonl"
    log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:-1]))
    done = activate(store, 3)
    assert any("cut or edited" in alarm for alarm in done.alarms)
    assert 3 == kind_of(store.load_active()[0])
    assert faults(store)


def test_a36_a_store_forged_whole_shows_by_an_anchor_kept_elsewhere(tmp_path: Path) -> None:
    one = Store(tmp_path / "one")
    other = Store(tmp_path / "other")
    anchors = []
    for store in (one, other):
        store.state.mkdir()
        activate(store, 1)
        anchors.append(activate(store, 2, why=f"said in {store.state.name}").anchor)
    assert [] == one.verify(anchors[0])
    assert ["audit.jsonl"] == [fault.file for fault in one.verify(anchors[1])]
    assert one.verify(Anchor(9, anchors[0].hash))


def test_a36_versions_that_do_not_fit_the_log_show(store: Store) -> None:
    one, two = (activate(store, kind).version for kind in (1, 2))
    tables = store.state / "tables"

    def forged(step: Callable[[], object]) -> list[str]:
        kept = tables.with_name("kept")
        shutil.copytree(tables, kept)
        step()
        told = sorted({fault.file for fault in faults(store)})
        shutil.rmtree(tables)
        kept.rename(tables)
        return told

    of_one = tables / "versions" / one
    of_two = tables / "versions" / two
    assert [f"versions/{one}"] == forged(lambda: shutil.rmtree(of_one))
    assert [f"versions/{one}"] == forged(lambda: flip(of_one / "routes.csv"))
    assert [f"versions/{one}"] == forged(lambda: flip(of_one / "meta.json"))
    assert [f"versions/{one}/x"] == forged(lambda: (of_one / "x").write_bytes(b""))
    assert ["versions/x"] == forged((tables / "versions" / "x").mkdir)
    assert ["stranger"] == forged(lambda: (tables / "stranger").write_bytes(b""))
    swapped = dump(compiled(contents(9)))
    assert [f"versions/{two}/snapshot"] == forged(
        lambda: (of_two / "snapshot").write_bytes(swapped)
    )
    assert ["active"] == forged(lambda: flip(tables / "active"))
    assert [] == forged(lambda: None)


def test_a36_an_older_word_what_is_active_shows(store: Store) -> None:
    activate(store, 1)
    path = store.state / "tables" / "active"
    old = path.read_bytes()
    activate(store, 2)
    path.write_bytes(old)
    told = store.verify()
    assert any("never took effect" in fault.what for fault in told)


# A full disk, and rights


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("size", [0, 10, 60, 200, 300, 400, 500, 700, 1_000])
def test_f37_where_no_more_can_be_written_nothing_is_half_done(store: Store, size: int) -> None:
    activate(store, 1)
    activate(store, 2)
    with files_of_at_most(size), pytest.raises(StoreError, match="nothing is half done"):
        activate(store, 3)
    assert 2 == whole(store)
    activate(store, 3)
    assert 3 == whole(store)
    assert [] == store.verify()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Yield a file system of 256 KiB."""
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    if os.geteuid() != 0 or shutil.which("mount") is None:
        assert os.environ.get("CI") != "true", "mounting a small disk needs root"
        pytest.skip("mounting a small disk needs root")
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k,mode=700", "tmpfs", state],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        assert os.environ.get("CI") != "true", done.stderr
        pytest.skip(f"mounting is not allowed here: {done.stderr.strip()}")
    yield state
    subprocess.run(["umount", "-l", state], check=True)


def fill(ballast: RawIOBase) -> None:
    try:
        while True:
            ballast.write(b"\0" * 4_096)
    except OSError as error:
        assert errno.ENOSPC == error.errno


def test_f37_a_full_disk_leaves_what_was_active(small_disk: Path) -> None:
    store = Store(small_disk)
    kind, refused = 0, 0
    activate(store, kind)
    with (small_disk / "ballast").open("wb", buffering=0) as ballast:
        for room in range(0, 13 * 4_096, 4_096):  # a tmpfs gives pages
            fill(ballast)
            ballast.truncate(ballast.tell() - room)
            ballast.seek(0, os.SEEK_END)
            try:
                activate(store, kind + 1)
                kind += 1
            except StoreError as error:
                refused += 1
                assert "No space left on device" in str(error)
            assert kind == whole(store)
    (small_disk / "ballast").unlink()
    activate(store, 99)
    assert 99 == whole(store)
    assert [] == store.verify()
    assert refused
    assert kind


def test_old_versions_go_and_the_log_says_so(store: Store) -> None:
    names = [activate(store, kind, NOON).version for kind in range(103)]
    assert 103 == len(store.versions())
    done = activate(store, 103, NOON + 31 * DAY)
    kept = [version.version for version in store.versions()]
    assert [done.version, *reversed(names[4:])] == kept
    assert names[:4] == [e.version for e in store.history() if e.action == Act.PRUNED]
    assert [] == store.verify()
    with pytest.raises(StoreError, match="no such version"):
        store.rollback(names[0], ANN, "x", NOON)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may act for another user")
def test_what_root_activates_belongs_to_the_services_user(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    os.chown(state, 65_534, 65_534)
    activate(Store(state), 1)
    activate(Store(state), 2)
    made = list(state.rglob("*"))
    assert 12 <= len(made)
    assert {65_534} == {path.stat().st_uid for path in made}
    assert {0o600, 0o700} == {path.stat().st_mode & 0o777 for path in made}


def test_the_last_number_is_the_last(store: Store) -> None:
    activate(store, 1)
    versions = store.state / "tables" / "versions"
    only = next(versions.iterdir())
    (store.state / "tables" / "active").unlink()
    only.rename(versions / f"999999{only.name[6:]}")
    with pytest.raises(StoreError, match="no number is left"):
        activate(store, 2)


def test_f39_the_snapshot_of_another_version_is_not_taken(store: Store) -> None:
    one, two = (activate(store, kind).version for kind in (1, 2))
    folder = store.state / "tables" / "versions"
    (folder / two / "snapshot").write_bytes((folder / one / "snapshot").read_bytes())
    table, (alarm,) = store.load_active()
    assert 2 == kind_of(table)
    assert "it is the snapshot of another version" in alarm


def test_a22_a_version_that_names_a_file_elsewhere_is_damaged(store: Store) -> None:
    version = activate(store, 1).version
    path = version_folder(store.state, version) / "meta.json"
    meta = msgspec.json.decode(path.read_bytes(), type=Meta)
    path.write_bytes(sealed(msgspec.structs.replace(meta, files={"../../../passwd": "0"}))[0])
    with pytest.raises(StoreError, match="names a file that is no table"):
        store.contents(version)


def test_what_stands_in_the_way_of_the_word_what_is_active_is_an_alarm(store: Store) -> None:
    version = activate(store, 1).version
    path = store.state / "tables" / "active"
    path.write_bytes(b" " * 5_000)
    table, (alarm,) = store.load_active()
    assert version == table.version
    assert "larger than it can be" in alarm


def test_old_versions_that_cannot_be_removed_are_an_alarm_and_go_later(store: Store) -> None:
    one = activate(store, 0, NOON).version
    blocking = version_folder(store.state, one) / "deep"
    blocking.mkdir()
    for kind in range(1, 101):
        activate(store, kind, NOON)
    done = activate(store, 101, NOON + 31 * DAY)
    assert [f"versions/{one} cannot be removed"] == [a.partition(":")[0] for a in done.alarms]
    assert done.alarms == activate(store, 102, NOON + 31 * DAY).alarms
    pruned = [entry.version for entry in store.history() if entry.action == Act.PRUNED]
    assert 1 == pruned.count(one)
    blocking.rmdir()
    assert () == activate(store, 103, NOON + 31 * DAY).alarms
    assert one not in [version.version for version in store.versions()]
