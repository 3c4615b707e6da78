"""What the store of versions does on disk: whole files, durable, never through a symlink.

A directory is held open, and what is in it is reached by a plain name from there: nobody who
renames a directory above, or puts a link in its place, can lead a write elsewhere. What root makes
belongs to the directory's owner (the service may have a user of its own).
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Self

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# A FIFO must not stop a reader for ever.
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_FRESH: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_APPEND: Final = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
_LOCK: Final = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
_PIECE: Final = 1 << 20
_PAUSE_S: Final = 0.02
ROOT: Final = 0


class Folder:
    """An open directory; close it, or use it in ``with``. Names are plain: no slash, no dots.

    Every method raises OSError for what the system refuses, a symlink among it (ELOOP, ENOTDIR).
    """

    __slots__ = ("fd",)

    def __init__(self, fd: int) -> None:
        self.fd: Final = fd

    @classmethod
    def at(cls, path: Path) -> Self:
        """Open a directory by its path, the only one that may lead through symlinks."""
        return cls(os.open(path, _FOLDER & ~os.O_NOFOLLOW))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.fd)

    def folder(self, name: str, *, create: bool = False) -> Folder:
        """Open a directory in this one; ``create`` makes it (mode 0700) if it is not there."""
        if create:
            with suppress(FileExistsError):
                os.mkdir(_plain(name), 0o700, dir_fd=self.fd)
                os.fsync(self.fd)
        fd = os.open(_plain(name), _FOLDER, dir_fd=self.fd)
        if create:
            self._leave(fd)
        return Folder(fd)

    def names(self) -> list[str]:
        """Return what is in the directory, in order."""
        return sorted(os.listdir(self.fd))  # noqa: PTH208 - pathlib takes no descriptor

    def open(self, name: str) -> int:
        """Return a descriptor to read a regular file."""
        fd = os.open(_plain(name), _READ, dir_fd=self.fd)
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise OSError(errno.EINVAL, "not a regular file")
        return fd

    def read(self, name: str, limit: int) -> bytes:
        """Return a file whole; one of more than ``limit`` bytes is refused (EFBIG)."""
        with os.fdopen(self.open(name), "rb") as stream:
            data = stream.read(limit + 1)
        if len(data) > limit:
            raise OSError(errno.EFBIG, "larger than it can be")
        return data

    def write(self, name: str, data: bytes) -> None:
        """Write a new file whole and durable; one of that name must not be there."""
        fd = os.open(_plain(name), _FRESH, 0o600, dir_fd=self.fd)
        try:
            self._leave(fd)
            _write_all(fd, data)
            os.fsync(fd)
        finally:
            os.close(fd)

    def replace(self, name: str, data: bytes) -> None:
        """Put a file in the place of another in one step: readers see the old or the new one."""
        fresh = f"{name}.new"
        self.remove(fresh)
        try:
            self.write(fresh, data)
        except OSError:
            self.remove(fresh)
            raise
        self.rename(fresh, name)

    def append(self, name: str, line: bytes) -> None:
        """Append to a file and wait until it is durable; on failure the file is as before."""
        fd = os.open(_plain(name), _APPEND, 0o600, dir_fd=self.fd)
        try:
            self._leave(fd)
            before = os.fstat(fd).st_size
            try:
                _write_all(fd, line)
                os.fsync(fd)
            except OSError:
                os.ftruncate(fd, before)
                raise
            if not before:
                os.fsync(self.fd)
        finally:
            os.close(fd)

    def cut(self, name: str, size: int) -> None:
        """Shorten a file to so many bytes."""
        fd = os.open(_plain(name), os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self.fd)
        try:
            os.ftruncate(fd, size)
            os.fsync(fd)
        finally:
            os.close(fd)

    def rename(self, name: str, other: str) -> None:
        """Give a file or directory another name, durably; an existing file is replaced."""
        os.rename(_plain(name), _plain(other), src_dir_fd=self.fd, dst_dir_fd=self.fd)
        os.fsync(self.fd)

    def remove(self, name: str) -> None:
        """Remove a file, or a directory that holds files only; nothing if it is not there."""
        with suppress(FileNotFoundError):
            if not stat.S_ISDIR(os.stat(name, dir_fd=self.fd, follow_symlinks=False).st_mode):
                os.unlink(_plain(name), dir_fd=self.fd)
                return
            with self.folder(name) as inner:
                for file in inner.names():
                    os.unlink(file, dir_fd=inner.fd)
            os.rmdir(name, dir_fd=self.fd)

    def sync(self) -> None:
        """Make the names in the directory durable."""
        os.fsync(self.fd)

    @contextmanager
    def locked(self, name: str, wait_s: float) -> Iterator[None]:
        """Hold the lock of that name against threads and processes; a dead holder's is free.

        Raises:
            TimeoutError: somebody else holds it for longer than ``wait_s`` seconds.
        """
        fd = os.open(_plain(name), _LOCK, 0o600, dir_fd=self.fd)
        try:
            self._leave(fd)
            _flock(fd, time.monotonic() + wait_s)
            yield
        finally:
            os.close(fd)

    def _leave(self, fd: int) -> None:
        """Give what is open to the owner of this directory; only root can, and must."""
        if os.geteuid() != ROOT:
            return
        owner, made = os.fstat(self.fd), os.fstat(fd)
        if (made.st_uid, made.st_gid) != (owner.st_uid, owner.st_gid):
            os.fchown(fd, owner.st_uid, owner.st_gid)


def _plain(name: str) -> str:
    if not name or "/" in name or "\0" in name or name in {".", ".."}:
        raise OSError(errno.EINVAL, "not a plain name")
    return name


def _write_all(fd: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest[:_PIECE]) :]


def _flock(fd: int, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise TimeoutError from None
            time.sleep(_PAUSE_S)
        else:
            return
