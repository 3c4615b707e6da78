"""The versions of the tables: which one is in force, and every one that was.

::

    STATE/tables/active                     which version is in force: its rename is the commit
    STATE/tables/audit.jsonl                who changed that, when and why
    STATE/tables/lock                       one writer at a time
    STATE/tables/versions/000042-1a2b3c4d/  the CSV files byte for byte, snapshot, meta.json

Readers need no lock. Whatever moment a writer is stopped at, the old version or the new one is in
force, whole.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from agi.errors import Fault
from agi.routing.compiled import Compiled
from agi.routing.reading.files import version_of
from agi.routing.versions import stored, verifying
from agi.routing.versions.audit import Act, Anchor, Entry, Who, epoch, reason, stamp
from agi.routing.versions.disk import Folder
from agi.routing.versions.history import LAST_NUMBER, VERSION, in_trouble, one_before
from agi.routing.versions.snapshot import SnapshotError, digest_of, dump, no_breath
from agi.routing.versions.stored import (
    Compile,
    ConflictError,
    Damaged,
    Meta,
    NoVersionError,
    StoreError,
    compile_stored,
)
from agi.routing.versions.writing import Active, Look, Writer, look

TABLES: Final = "tables"
VERSIONS: Final = "versions"
LOCK: Final = "lock"
WAIT_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Activated:
    """What came of an activation or a rollback.

    ``changed`` False: that version was active already, nothing was done. ``before`` is the version
    that was active, empty if none. ``anchor`` is the end of the audit log: kept elsewhere, it finds
    a forged log. ``alarms`` are lines for people.
    """

    version: str
    before: str
    changed: bool
    compiled: Compiled
    anchor: Anchor
    alarms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Version:
    """One stored version; ``size`` in bytes, ``at`` (made) and ``last_active`` as epochs.

    ``last_active`` is when it was last put in force. ``why`` and ``user`` are empty where the
    version is damaged.
    """

    version: str
    at: float
    uid: int | None
    user: str
    why: str
    active: bool
    size: int
    last_active: float


@dataclass(frozen=True, slots=True)
class Store:
    """The store in a state directory; ``wait_s`` is how long a writer waits for another one.

    Every method raises StoreError for what the system refuses (a full disk, missing rights).
    """

    state: Path
    compile: Compile = compile_stored
    wait_s: float = WAIT_S

    def activate(  # noqa: PLR0913, PLR0917 - what, by whom, why, after what, when: each is needed
        self,
        contents: Mapping[str, bytes],
        compiled: Compiled,
        who: Who,
        why: str,
        expected: str | None,
        at: float,
    ) -> Activated:
        """Store tables as the next version and put it in force.

        Args:
            contents: the files byte for byte, by name.
            compiled: what they compile to, under any number: the version gets its own here.
            who: who asks.
            why: the person's reason, at most 200 printable characters.
            expected: the version that the person believes active (empty: none yet); None if any.
            at: now, an epoch in seconds.

        Raises:
            UsageError: the reason cannot go into the log.
            ConflictError: another version than the expected one is active.
            StoreError: it cannot be done; what was active still is.
            ValueError: the contents are not what was compiled, or a name is no table's.
        """
        why, files = reason(why), stored.hashes(contents)
        if version_of(contents, compiled.timezone, 0)[6:] != compiled.version[6:]:
            raise ValueError("these contents are not what was compiled")
        with self._writing(who, at) as writer:
            before = _expected(writer, expected)
            if self._is_same(writer, contents, compiled):
                compiled = dataclasses.replace(compiled, version=before)
                return _done(writer, compiled, before, changed=False)
            number = writer.next_number()
            if number > LAST_NUMBER:
                raise StoreError(f"version {LAST_NUMBER} was the last: no number is left")
            version = version_of(contents, compiled.timezone, number)
            compiled = dataclasses.replace(compiled, version=version)
            meta = Meta(
                version=version,
                timezone=compiled.timezone,
                at=stamp(at),
                uid=who.uid,
                user=who.user,
                login=who.login,
                why=why,
                files=files,
            )
            snapshot = dump(compiled)
            said = stored.put(writer.versions, meta, contents, snapshot)
            entry = writer.entry(Act.ACTIVATE, version, why)
            digest = digest_of(snapshot)
            writer.record(version, msgspec.structs.replace(entry, tables=said, snapshot=digest))
            writer.prune()
            return _done(writer, compiled, before, changed=True)

    def rollback(
        self, version: str | None, who: Who, why: str, at: float, expected: str | None = None
    ) -> Activated:
        """Put a stored version in force again, under its own name.

        Args:
            version: which one; None is the one that was in force before the active one.
            who: who asks.
            why: the person's reason, at most 200 printable characters.
            at: now, an epoch in seconds.
            expected: the version that the person believes active; None if any.

        Raises:
            UsageError: the reason cannot go into the log.
            ConflictError: another version than the expected one is active.
            StoreError: it is not stored, is damaged, or it cannot be done.
        """
        why = reason(why)
        with self._writing(who, at) as writer:
            before = _expected(writer, expected)
            seen = writer.look
            if version is None:
                version = one_before(seen.in_force, seen.stored, before)
            if version is None:
                raise StoreError("there is no version before this one: `dialdip table versions`")
            compiled, alarm = stored.good(writer.versions, _stored(version, seen), self.compile)
            if alarm:
                writer.alarms.append(alarm)
                writer.mend(version, compiled)
            if version != before:
                writer.record(version, writer.entry(Act.ROLLBACK, version, why))
            return _done(writer, compiled, before, changed=version != before)

    def mend(self, who: Who, at: float) -> bool:
        """Make the active version's snapshot anew if it cannot be used; tell whether it was done.

        A snapshot of another form is so after an upgrade; without this every start compiles.

        Raises:
            NoVersionError: nothing was ever activated.
            StoreError: the version's tables cannot be used either, or it cannot be written.
        """
        with self._writing(who, at) as writer:
            version = _active(writer.look).version
            compiled, alarm = stored.good(writer.versions, version, self.compile)
            if alarm:
                writer.mend(version, compiled)
            return bool(alarm)

    def note(self, action: Act, what: str, who: Who, why: str, at: float) -> None:
        """Append a line about something that changes no tables to the audit log.

        Raises:
            UsageError: the reason cannot go into the log.
            StoreError: it cannot be written.
        """
        why = reason(why)
        with self._writing(who, at) as writer:
            entry = writer.entry(action, "", why)
            writer.record(writer.active.version, msgspec.structs.replace(entry, what=what))

    def active(self) -> Active | None:
        """Return what is in force; None before the first activation."""
        try:
            with self._reading() as (_, seen):
                return seen.active if seen.active.version else None
        except NoVersionError:
            return None

    def load_active(
        self, breathe: Callable[[], None] = no_breath
    ) -> tuple[Compiled, tuple[str, ...]]:
        """Return the tables in force, and alarms: lines for people, empty when all is well.

        A damaged snapshot is compiled anew; where that fails too, the newest good version before
        is returned, and an alarm says so.

        Raises:
            NoVersionError: nothing was ever activated.
            StoreError: no stored version can be used.
        """
        with self._reading() as (versions, seen):
            active = _active(seen).version
            alarms = [f"{seen.trouble}: {active} is taken as active"] if seen.trouble else []
            for version in in_trouble(seen.in_force, seen.stored, active):
                try:
                    compiled, alarm = stored.good(versions, version, self.compile, breathe)
                except Damaged as error:
                    alarms.append(str(error))
                    continue
                alarms += [alarm] if alarm else []
                if version != active:
                    alarms.append(f"{version} runs in place of {active}: activate or roll back")
                return compiled, tuple(alarms)
        raise StoreError(
            "; ".join((*alarms, f"no stored version can be used, {active} was active"))
        )

    def compiled(self, version: str, breathe: Callable[[], None] = no_breath) -> Compiled:
        """Return a stored version's tables, compiled.

        Raises:
            StoreError: it is not stored, or damaged.
        """
        with self._reading() as (versions, seen):
            return stored.good(versions, _stored(version, seen), self.compile, breathe)[0]

    def contents(self, version: str) -> dict[str, bytes]:
        """Return a stored version's files byte for byte.

        Raises:
            StoreError: it is not stored, or damaged.
        """
        with self._reading() as (versions, seen):
            return stored.contents_of(versions, _stored(version, seen))[0]

    def versions(self) -> list[Version]:
        """Return all stored versions, the newest first."""
        try:
            with self._reading() as (versions, seen):
                last = {entry.version: epoch(entry.at) for entry in seen.in_force}
                return [
                    _described(versions, name, seen, last.get(name, 0.0))
                    for name in reversed(seen.stored)
                ]
        except NoVersionError:
            return []

    def history(self) -> tuple[Entry, ...]:
        """Return the audit log, the oldest line first, whether it took effect or not."""
        try:
            with self._reading() as (_, seen):
                return tuple(line.entry for line in seen.log.lines)
        except NoVersionError:
            return ()

    def verify(self, *known: Anchor) -> list[Fault]:
        """Return what is wrong with log and versions; warnings are what a stopped writer left.

        Args:
            known: ends of the audit log that were kept elsewhere: they must be in it.
        """
        if not known and not (self.state / TABLES).exists():
            return []
        with self._locked() as (tables, versions):
            return sorted(verifying.faults(tables, versions, known))

    def _is_same(self, writer: Writer, contents: Mapping[str, bytes], compiled: Compiled) -> bool:
        active = writer.active.version
        if active[6:] != compiled.version[6:]:
            return False
        try:
            stored.snapshot_of(writer.versions, active)
            return dict(contents) == stored.contents_of(writer.versions, active)[0]
        except (Damaged, SnapshotError):
            return False  # activating it once more is how it is repaired

    @contextmanager
    def _writing(self, who: Who, at: float) -> Iterator[Writer]:
        with self._locked() as (tables, versions):
            yield Writer(tables, versions, who, at)

    @contextmanager
    def _locked(self) -> Iterator[tuple[Folder, Folder]]:
        try:
            with ExitStack() as opened:
                state = opened.enter_context(Folder.at(self.state))
                tables = opened.enter_context(state.folder(TABLES, create=True))
                opened.enter_context(tables.locked(LOCK, self.wait_s))
                yield tables, opened.enter_context(tables.folder(VERSIONS, create=True))
        except TimeoutError as error:
            what = f"somebody else has been changing the tables for {self.wait_s:g} s"
            raise StoreError(f"{what}: nothing was done, try again") from error
        except OSError as error:
            what = f"{self.state / TABLES} cannot be written: {error.strerror}"
            raise StoreError(f"{what}; nothing is half done") from error

    @contextmanager
    def _reading(self) -> Iterator[tuple[Folder, Look]]:
        try:
            with ExitStack() as opened:
                tables, versions = self._opened(opened)
                yield versions, look(tables, versions)
        except OSError as error:
            what = f"{self.state / TABLES} cannot be read: {error.strerror}"
            raise StoreError(what) from error

    def _opened(self, opened: ExitStack) -> tuple[Folder, Folder]:
        try:
            state = opened.enter_context(Folder.at(self.state))
            tables = opened.enter_context(state.folder(TABLES))
            return tables, opened.enter_context(tables.folder(VERSIONS))
        except FileNotFoundError as error:
            raise NoVersionError(_NOTHING) from error


_NOTHING: Final = "no tables are active yet: `dialdip table activate` puts them in force"


def _active(seen: Look) -> Active:
    if not seen.active.version:
        raise NoVersionError(_NOTHING)
    return seen.active


def _stored(version: str, seen: Look) -> str:
    if not VERSION.fullmatch(version) or version not in seen.stored:
        raise StoreError("no such version is stored: `dialdip table versions` lists them")
    return version


def _expected(writer: Writer, expected: str | None) -> str:
    active = writer.active.version
    if expected is not None and expected != active:
        what = f"{active or 'nothing'} is active by now, not {expected or 'nothing'}"
        raise ConflictError(f"{what}: somebody else was quicker; look again at what moves")
    return active


def _done(writer: Writer, compiled: Compiled, before: str, *, changed: bool) -> Activated:
    anchor, alarms = writer.active.anchor, tuple(dict.fromkeys(writer.alarms))
    return Activated(compiled.version, before, changed, compiled, anchor, alarms)


def _described(versions: Folder, name: str, seen: Look, last_active: float) -> Version:
    active, size = name == seen.active.version, 0
    try:
        size = stored.size_of(versions, name)
        meta, _ = stored.meta_of(versions, name)
    except (Damaged, OSError):  # it may have been pruned by now
        return Version(name, 0.0, None, "", "", active, size, last_active)
    return Version(name, epoch(meta.at), meta.uid, meta.user, meta.why, active, size, last_active)
