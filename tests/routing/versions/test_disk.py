"""Whole files, durable, never through a symlink."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from agi.routing.versions.disk import Folder

SERVICE = 65_534


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Folder]:
    with Folder.at(tmp_path) as folder:
        yield folder


def test_what_is_written_is_read(here: Folder, tmp_path: Path) -> None:
    here.write("file", b"one")
    assert b"one" == here.read("file", 3)
    assert 0o600 == (tmp_path / "file").stat().st_mode & 0o777
    with pytest.raises(FileExistsError):
        here.write("file", b"two")


def test_a_file_larger_than_it_can_be_is_refused(here: Folder) -> None:
    here.write("file", b"four")
    with pytest.raises(OSError, match="larger"):
        here.read("file", 3)


def test_replacing_leaves_nothing_beside_the_new_file(here: Folder) -> None:
    here.write("file.new", b"of a writer that was stopped")
    here.replace("file", b"one")
    here.replace("file", b"two")
    assert b"two" == here.read("file", 9)
    assert ["file"] == here.names()


def test_appending_and_cutting(here: Folder) -> None:
    here.append("log", b"one\n")
    here.append("log", b"tw")
    here.cut("log", 4)
    here.append("log", b"two\n")
    assert b"one\ntwo\n" == here.read("log", 99)


def test_a_directory_with_files_is_removed_and_what_is_not_there_is_no_trouble(
    here: Folder,
) -> None:
    with here.folder("made", create=True) as made:
        made.write("file", b"")
    here.remove("made")
    here.remove("made")
    assert [] == here.names()


def test_a22_a_directory_within_a_directory_is_not_removed(here: Folder, tmp_path: Path) -> None:
    (tmp_path / "made" / "deep").mkdir(parents=True)
    with pytest.raises(OSError):
        here.remove("made")
    assert (tmp_path / "made" / "deep").is_dir()


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", "/etc/passwd", "../up", "nul\0"])
def test_a22_a_name_that_leads_elsewhere_is_refused(here: Folder, name: str) -> None:
    for step in (
        lambda: here.read(name, 1),
        lambda: here.write(name, b""),
        lambda: here.append(name, b""),
        lambda: here.cut(name, 0),
        lambda: here.rename(name, "other"),
        lambda: here.rename("other", name),
        lambda: here.folder(name, create=True),
    ):
        with pytest.raises(OSError, match="plain name"):
            step()


def test_a22_a_symlink_is_never_followed(here: Folder, tmp_path: Path) -> None:
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    (tmp_path / "file").symlink_to(outside / "secret")
    (tmp_path / "folder").symlink_to(outside)
    with ExitStack() as refused:
        for step in (
            lambda: here.read("file", 99),
            lambda: here.write("file", b"x"),
            lambda: here.append("file", b"x"),
            lambda: here.cut("file", 0),
            lambda: here.folder("folder"),
            lambda: here.folder("folder", create=True),
            lambda: here.locked("file", 0).__enter__(),
        ):
            with pytest.raises(OSError):
                refused.enter_context(step())  # type: ignore[arg-type]  # it raises before
    here.remove("file")
    here.remove("folder")
    assert b"secret" == (outside / "secret").read_bytes()


def test_what_is_no_file_is_not_read(here: Folder, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "folder"):
        with pytest.raises(OSError, match="not a regular file"):
            here.read(name, 1)


def test_one_holds_the_lock_and_the_next_one_waits_for_it(here: Folder) -> None:
    with here.locked("lock", 0):
        with pytest.raises(TimeoutError), here.locked("lock", 0.05):
            pass
        waiting, done = threading.Event(), threading.Event()

        def wait() -> None:
            waiting.set()
            with here.locked("lock", 30):
                done.set()

        other = threading.Thread(target=wait)
        other.start()
        assert waiting.wait(10)
        assert not done.is_set()
    assert done.wait(10)
    other.join()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may act for another user")
def test_what_root_makes_belongs_to_the_directorys_owner(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    os.chown(state, SERVICE, SERVICE)
    with Folder.at(state) as folder, folder.folder("deep", create=True) as deep:
        deep.write("written", b"")
        deep.replace("replaced", b"")
        deep.append("appended", b"x")
        with deep.locked("lock", 0):
            pass
    made = [state / "deep", *(state / "deep").iterdir()]
    assert 5 == len(made)
    assert {(SERVICE, SERVICE)} == {(path.stat().st_uid, path.stat().st_gid) for path in made}
    assert {0o700, 0o600} == {path.stat().st_mode & 0o777 for path in made}
