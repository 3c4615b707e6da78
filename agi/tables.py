"""Which tables a process serves, and how a working copy becomes a version.

What runs is the store's active version, whatever the working copy looks like by now. A reload puts
the working copy in force when it differs, by a process of its own: compiling never holds up a call.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import msgspec

from agi import raft
from agi.config import Loaded
from agi.errors import Fault, TableError, UsageError
from agi.routing.reading import files
from agi.routing.reading.faults import Faults
from agi.routing.table import Table
from agi.routing.versions.audit import CHANGES, Act, Who, who_is
from agi.routing.versions.disk import Folder
from agi.routing.versions.history import one_before
from agi.routing.versions.snapshot import no_breath
from agi.routing.versions.store import Activated, Store
from agi.routing.versions.stored import ConflictError, StoreError

FIRST: Final = "first start"
"""Why the first version of a new site was activated."""

RELOAD: Final = "reload"
"""Why a reload activated a version."""

COMPILE_S: Final = 110.0
"""How long a reload may take to compile the working copy; what runs runs on meanwhile."""

BREATH_S: Final = 0.0001
"""How long a thread that loads tables pauses between its steps, for the event loop beside it."""

SWITCH_S: Final = 0.0002
"""How long the event loop waits for a thread that loads tables, each time it wants to go on."""

_LOCK: Final = "reload.lock"
_NICE: Final = 10


@dataclass(frozen=True, slots=True)
class InForce:
    """The table of the active version; ``alarms`` say what was damaged in the store."""

    table: Table
    alarms: tuple[str, ...] = ()


@contextmanager
def plainly() -> Iterator[None]:
    """Make a person's message of what the store refuses.

    Raises:
        UsageError: in its place.
    """
    try:
        yield
    except StoreError as refused:
        raise UsageError(str(refused)) from None


def in_force(state: Path, breathe: Callable[[], None] = no_breath) -> InForce:
    """Load the active version.

    Raises:
        UsageError: there is none, or none that could be loaded.
    """
    with plainly(), _out_of_the_way():
        compiled, alarms = Store(state).load_active(breathe)
        return InForce(Table(compiled), alarms)


def first_in_force(loaded: Loaded, state: Path) -> InForce:
    """Load the active version; where there is none yet, the working copy becomes the first.

    A snapshot that cannot be used, as after an upgrade, is made anew. Where the first version
    cannot be written, as on a full disk, the working copy is served from memory, with an alarm.

    Raises:
        TableError: there is none, and the working copy has faults.
        UsageError: the store cannot be read.
    """
    who = who_is(os.getuid(), os.getpid())
    with plainly():
        active = Store(state).active()
    if active is None:
        copy = files.load(loaded.tables, 0, loaded.config.tables.timezone)
        try:
            activate(state, copy, who, FIRST, None)
        except UsageError as unwritten:
            return InForce(Table(copy.compiled), (f"no version kept: {unwritten}",))
    found = _with_raft(loaded, in_force(state))
    if not found.alarms:
        return found
    with suppress(StoreError):  # what runs, runs from memory
        if Store(state).mend(who, time.time()):
            return in_force(state)
    return found


def _with_raft(loaded: Loaded, found: InForce) -> InForce:
    """See to it that the life-raft is there; an alarm says why it is not."""
    alarm = raft.catch_up(loaded, found.table.compiled)
    return replace(found, alarms=(*found.alarms, alarm)) if alarm else found


def newer(state: Path, running: str) -> InForce | None:
    """Load the active version unless it runs already; for a thread beside a loop with calls.

    Raises:
        UsageError: the active version cannot be loaded.
    """
    with plainly():
        active = Store(state).active()
    if active is not None and active.version == running:
        return None
    return in_force(state, _breathe)


@contextmanager
def _out_of_the_way() -> Iterator[None]:
    """Let the loop beside this thread have the interpreter when it wants it.

    Each of a call's events may have to wait for this thread to be interrupted: 5 ms by CPython's
    default (``sys.setswitchinterval``), several times a call. Thousands of new values are no
    garbage: to look for some among them only costs calls time, so they are put aside before the
    collector may run again.
    """
    usual = sys.getswitchinterval()
    gc.disable()
    sys.setswitchinterval(SWITCH_S)
    try:
        yield
    finally:
        sys.setswitchinterval(usual)
        gc.freeze()
        gc.enable()


def let_go(pieces: list[object]) -> None:
    """Drop what a table that is no longer used was made of; for a thread, as ``newer`` is.

    Thousands of values dropped at once would hold up the loop for tens of milliseconds. The list is
    empty afterwards. See ``Table.pieces``.
    """
    while pieces:
        pieces.pop()
        _breathe()


def _breathe() -> None:
    time.sleep(BREATH_S)


def activate_copy(loaded: Loaded, state: Path, who: Who, why: str) -> tuple[Fault, ...]:
    """Put the working copy in force, if it differs from what is; return its warnings.

    Raises:
        TableError: it has faults; what is in force stays.
        UsageError: the store cannot be used.
    """
    copy = files.load(loaded.tables, 0, loaded.config.tables.timezone)
    done = activate(state, copy, who, why, None)
    alarm = raft.keep(loaded, done.compiled)
    return (
        (*copy.warnings, Fault(str(loaded.path), 0, 0, alarm, warning=True))
        if alarm
        else copy.warnings
    )


def activate(
    state: Path, copy: files.Loaded, who: Who, why: str, expected: str | None
) -> Activated:
    """Put checked tables in force as the next version; see ``Store.activate``.

    Raises:
        ConflictError: another version than the expected one is active.
        UsageError: the store cannot be used, or the reason cannot be logged.
    """
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        return Store(state).activate(copy.contents, copy.compiled, who, why, expected, time.time())
    except ConflictError:
        raise
    except StoreError as refused:
        raise UsageError(str(refused)) from None


def go_back(store: Store, version: str, who: Who, why: str, expected: str) -> Activated:
    """Put a stored version in force again; see ``Store.rollback``.

    Raises:
        ConflictError: another version than the expected one is active.
        UsageError: the store cannot be used, or the reason cannot be logged.
    """
    try:
        return store.rollback(version, who, why, time.time(), expected)
    except ConflictError:
        raise
    except StoreError as refused:
        raise UsageError(str(refused)) from None


def one_back(store: Store) -> str:
    """Return the version that was in force before the active one.

    Raises:
        UsageError: there is none.
    """
    with plainly():
        stored = [one.version for one in store.versions()]
        active = store.active()
        log = store.history()
    version, last = (active.version, active.seq) if active else ("", 0)
    abandoned = {entry.of for entry in log if entry.action == Act.ABANDONED}
    done = [one for one in log if one.action in CHANGES and one.seq <= last]
    in_effect = [one for one in done if one.seq not in abandoned]
    found = one_before(in_effect, stored, version)
    if found is None:
        raise UsageError("there is no version before this one: dialdip table versions")
    return found


def myself() -> Who:
    """Return who runs this process, for the audit log."""
    return who_is(os.getuid(), os.getpid())


def export(store: Store, version: str, directory: Path, *, force: bool) -> list[Path]:
    """Write a version's files into a directory, byte for byte; return what was written.

    Raises:
        UsageError: another file is in the way, without ``force``; or no file can be written.
    """
    with plainly():
        contents = store.contents(version)
    present = {name: directory / name for name in files.FILES if (directory / name).exists()}
    differing = [
        path
        for name, path in present.items()
        if name not in contents or path.read_bytes() != contents[name]
    ]
    if differing and not force:
        named = ", ".join(path.name for path in differing)
        raise UsageError(f"{directory}: {named} would be replaced or removed; --force does it")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, path in present.items():
            if name not in contents:
                path.unlink()
        for name, data in contents.items():
            (directory / name).write_bytes(data)
    except OSError as error:
        what = f"{directory}: cannot be written as a directory: {error.strerror}"
        raise UsageError(f"{what}; export into another one") from None
    return [directory / name for name in contents]


def differs(loaded: Loaded, state: Path) -> bool:
    """Say whether the working copy is another one than what is in force, faulty or not.

    Raises:
        TableError: it cannot be read.
    """
    faults = Faults()
    contents = files.read(loaded.tables, faults)
    faults.refuse()
    with plainly():
        active = Store(state).active()
    mine = files.version_of(contents, loaded.config.tables.timezone, 0)
    return active is None or _content(active.version) != _content(mine)


def standing(loaded: Loaded, state: Path) -> dict[str, object]:
    """Return which version is active, and whether the working copy is another one, for status."""
    try:
        with plainly():
            active = Store(state).active()
        return {"active": active.version if active else "", "copy": _copy_state(loaded, state)}
    except UsageError as unreadable:
        return {"active": "", "copy": "", "store": str(unreadable)}


def _copy_state(loaded: Loaded, state: Path) -> str:
    try:
        return "differs" if differs(loaded, state) else "same"
    except TableError:
        return "unreadable"


def _content(version: str) -> str:
    return version.partition("-")[2]


# ---- by a process of its own ---------------------------------------------------------------


def take_copy(loaded: Loaded, state: Path, uid: int) -> tuple[Fault, ...]:
    """Put the working copy in force for a user, by another process; return its warnings.

    Raises:
        TableError: it has faults; what is in force stays.
        UsageError: that process failed.
    """
    if not differs(loaded, state):
        return ()
    command = [
        *(sys.executable, "-m", "agi", "--config", str(loaded.path)),
        *("table", "take", "--state", str(state), "--uid", str(uid)),
    ]
    try:
        done = subprocess.run(  # noqa: S603 - our own program, arguments of ours
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=COMPILE_S, check=False
        )
        told = msgspec.json.decode(done.stdout, type=dict[str, Any])
    except subprocess.TimeoutExpired:
        raise UsageError(f"the tables took over {COMPILE_S:.0f} s to compile") from None
    except msgspec.MsgspecError:
        said = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise UsageError(f"the tables were not compiled: {said[:300]}") from None
    faults = msgspec.convert(told["faults"], tuple[Fault, ...])
    refused = tuple(fault for fault in faults if not fault.warning)
    if refused:
        raise TableError(refused)
    return faults


def taken(loaded: Loaded, state: Path, uid: int) -> dict[str, object]:
    """Be that process: what came of it, as JSON values. Several wait for each other.

    Raises:
        UsageError: the store cannot be used.
    """
    with suppress(PermissionError):  # the shipped units forbid it (SystemCallFilter=~@resources)
        os.nice(_NICE)
    try:
        with Folder.at(state / "run") as run, run.locked(_LOCK, COMPILE_S):
            if not differs(loaded, state):
                return {"faults": []}
            warnings = activate_copy(loaded, state, who_is(uid), RELOAD)
    except TableError as refused:
        return {"faults": [asdict(fault) for fault in refused.faults]}
    except TimeoutError:
        raise UsageError("another reload takes too long") from None
    return {"faults": [asdict(fault) for fault in warnings]}
