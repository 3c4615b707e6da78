"""One version as it is stored: its tables byte for byte, its snapshot, and what is said of it."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final

import msgspec

from agi.errors import DialdipError, Fault, TableError
from agi.routing.compiled import Compiled
from agi.routing.reading.faults import Faults
from agi.routing.reading.files import compile_files, version_of
from agi.routing.reading.sheet import MAX_FILE_BYTES
from agi.routing.versions.audit import seal_of, sealed
from agi.routing.versions.disk import Folder
from agi.routing.versions.history import number_of
from agi.routing.versions.snapshot import SnapshotError, check_open, load_open, no_breath

SNAPSHOT: Final = "snapshot"
META: Final = "meta.json"
FRESH: Final = ".new-"
"""What a directory's name begins with until everything in it is durable."""

_FILE: Final = re.compile(r"[a-z_]{1,32}\.csv", re.ASCII)
_MAX_META: Final = 1 << 16


Compile = Callable[[Mapping[str, bytes], str, str], Compiled]
"""Compiles stored tables: contents, version, time zone; raises TableError."""


class StoreError(DialdipError):
    """The store cannot do it; one line says why and what to do. What was active still is."""


class ConflictError(StoreError):
    """Somebody else changed the tables since they were looked at."""


class NoVersionError(StoreError):
    """Nothing was ever activated."""


class Damaged(StoreError):
    """Something stored is not what was stored. The text says where."""


class Meta(msgspec.Struct, frozen=True, kw_only=True):
    """What is said of a version. ``at`` is ISO 8601 in UTC, ``files`` their SHA-256 by name."""

    version: str
    timezone: str
    at: str
    uid: int
    user: str
    why: str
    files: dict[str, str]
    login: int | None = None


def hashes(contents: Mapping[str, bytes]) -> dict[str, str]:
    """Return the SHA-256 of each file, in the order of their names.

    Raises:
        ValueError: a name that is no table's, such as one that leads elsewhere.
    """
    for name in contents:
        if not _FILE.fullmatch(name):
            raise ValueError("a table's file is called by small letters and .csv")
    return {name: hashlib.sha256(contents[name]).hexdigest() for name in sorted(contents)}


def put(versions: Folder, meta: Meta, contents: Mapping[str, bytes], snapshot: bytes) -> str:
    """Store a version durably, whole or not at all; return the SHA-256 of its ``meta.json``.

    Raises:
        OSError: it cannot be written; nothing of it is left.
    """
    fresh = FRESH + meta.version
    said, _ = sealed(meta)
    versions.remove(fresh)
    try:
        with versions.folder(fresh, create=True) as folder:
            for name in meta.files:
                folder.write(name, contents[name])
            folder.write(SNAPSHOT, snapshot)
            folder.write(META, said)
            folder.sync()
        versions.rename(fresh, meta.version)
    except OSError:
        versions.remove(fresh)
        raise
    return hashlib.sha256(said).hexdigest()


def meta_of(versions: Folder, version: str) -> tuple[Meta, str]:
    """Return what is said of a version, and the SHA-256 of the file that says it.

    Raises:
        Damaged: it cannot be read, or says something else than what was written.
    """
    try:
        with versions.folder(version) as folder:
            data = folder.read(META, _MAX_META)
        meta = msgspec.json.decode(data, type=Meta)
    except OSError as error:
        raise Damaged(f"{version}/{META} cannot be read: {error.strerror}") from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Damaged(f"{version}/{META} is damaged") from error
    if not seal_of(data.removesuffix(b"\n"))[1] or meta.version != version:
        raise Damaged(f"{version}/{META} is damaged")
    return meta, hashlib.sha256(data).hexdigest()


def contents_of(versions: Folder, version: str) -> tuple[dict[str, bytes], Meta]:
    """Return the tables of a version byte for byte, and what is said of it.

    Raises:
        Damaged: a file is missing or is another one.
    """
    meta, _ = meta_of(versions, version)
    contents: dict[str, bytes] = {}
    for name, digest in meta.files.items():
        contents[name] = _read(versions, version, name)
        if hashlib.sha256(contents[name]).hexdigest() != digest:
            raise Damaged(f"{version}/{name} is not the file that was stored")
    if version_of(contents, meta.timezone, number_of(version)) != version:
        raise Damaged(f"{version}: the files are not those of this version")
    return contents, meta


def snapshot_of(
    versions: Folder, version: str, breathe: Callable[[], None] = no_breath
) -> Compiled:
    """Return the compiled tables of a version.

    Raises:
        SnapshotError: its snapshot is missing, damaged, of another form or of another version.
    """
    compiled = load_open(_open(versions, version), breathe)
    if compiled.version != version:
        raise SnapshotError("it is the snapshot of another version")
    return compiled


def compile_stored(contents: Mapping[str, bytes], version: str, timezone: str) -> Compiled:
    """Compile stored tables by this version of the program.

    Raises:
        TableError: it finds faults in them.
    """
    faults = Faults()
    compiled = compile_files(
        contents,
        place=lambda name: f"{version}/{name}",
        version=version,
        timezone=timezone,
        faults=faults,
    )
    faults.refuse()
    if compiled is None:
        raise AssertionError("tables without faults were not compiled")
    return compiled


def good(
    versions: Folder,
    version: str,
    compile_: Compile,
    breathe: Callable[[], None] = no_breath,
) -> tuple[Compiled, str]:
    """Return a version's tables, and an alarm if they had to be compiled anew.

    Raises:
        Damaged: neither its snapshot nor its tables can be used.
    """
    try:
        return snapshot_of(versions, version, breathe), ""
    except SnapshotError as error:
        alarm = f"the snapshot of {version} cannot be used ({error}): its tables are compiled"
    contents, meta = contents_of(versions, version)
    try:
        return compile_(contents, version, meta.timezone), alarm
    except TableError as error:
        what = f"{version}: this program finds {len(error.faults)} faults in its tables"
        raise Damaged(f"{what}, the first is {error.faults[0]}") from error


def size_of(versions: Folder, version: str) -> int:
    """Return how many bytes the files of a version have."""
    with versions.folder(version) as folder:
        return sum(os.stat(name, dir_fd=folder.fd).st_size for name in folder.names())


def faults(
    versions: Folder, version: str, said: frozenset[str], digests: frozenset[str]
) -> Iterator[Fault]:
    """Yield what is wrong with a stored version.

    Args:
        versions: where it is stored.
        version: its name.
        said: the SHA-256 that its ``meta.json`` may have, by the audit log.
        digests: the digests that its snapshot may end in, by the audit log.
    """
    try:
        contents, _ = contents_of(versions, version)
        _, digest = meta_of(versions, version)
    except Damaged as error:
        yield Fault(version, 0, 0, f"not what was activated: {error}")
        return
    if digest not in said:
        yield Fault(f"{version}/{META}", 0, 0, _unknown(said))
    with versions.folder(version) as folder:
        for name in folder.names():
            if name not in (*contents, META, SNAPSHOT, f"{SNAPSHOT}.new"):
                yield Fault(f"{version}/{name}", 0, 0, "nothing of ours: it was put in")
    try:
        if check_open(_open(versions, version)) not in digests:
            yield Fault(f"{version}/{SNAPSHOT}", 0, 0, _unknown(digests))
    except SnapshotError as error:
        yield Fault(f"{version}/{SNAPSHOT}", 0, 0, str(error))


def _unknown(said: frozenset[str]) -> str:
    known = "the audit log knows it with another hash"
    return known if said else "no sound line of the audit log tells its hash"


def _open(versions: Folder, version: str) -> int:
    try:
        with versions.folder(version) as folder:
            return folder.open(SNAPSHOT)
    except OSError as error:
        raise SnapshotError(f"cannot be read: {error.strerror}") from error


def _read(versions: Folder, version: str, name: str) -> bytes:
    if not _FILE.fullmatch(name):
        raise Damaged(f"{version}/{META} names a file that is no table")
    try:
        with versions.folder(version) as folder:
            return folder.read(name, MAX_FILE_BYTES)
    except OSError as error:
        raise Damaged(f"{version}/{name} cannot be read: {error.strerror}") from error
