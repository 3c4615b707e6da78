"""Whether the store is what its audit log says: nothing edited, removed or put in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from agi.errors import Fault
from agi.routing.versions import stored
from agi.routing.versions.audit import Act, Anchor, Log, in_force
from agi.routing.versions.audit import faults as log_faults
from agi.routing.versions.disk import Folder
from agi.routing.versions.history import VERSION, number_of
from agi.routing.versions.stored import Damaged
from agi.routing.versions.writing import ACTIVE, LOG, Active, read_active, read_log

_OURS: Final = frozenset({ACTIVE, f"{ACTIVE}.new", LOG, "lock", "versions"})


def faults(tables: Folder, versions: Folder, known: Sequence[Anchor]) -> Iterator[Fault]:
    """Yield what is wrong with a store; warnings are what a stopped writer left.

    Args:
        tables: the store; its lock is held.
        versions: the directory of the versions in it.
        known: ends of the audit log that were kept elsewhere.
    """
    log = read_log(tables)
    active = None
    try:
        active = read_active(tables)
        if active is None and (log.size or versions.names()):
            yield Fault(ACTIVE, 0, 0, "it is missing: nothing says which version is active")
    except Damaged as error:
        yield Fault(ACTIVE, 0, 0, str(error))
    anchors = (active.anchor, *known) if active is not None else tuple(known)
    yield from log_faults(LOG, log, anchors)
    for name in tables.names():
        if name not in _OURS:
            yield Fault(name, 0, 0, "nothing of ours: it was put in")
    if active is not None:
        yield from _active(active, log)
        yield from _versions(versions, active, log)


def _active(active: Active, log: Log) -> Iterator[Fault]:
    changes = in_force(log, active.anchor)
    last = changes[-1].version if changes else ""
    if last != active.version:
        told = f"{active.version or 'nothing'} is active"
        yield Fault(ACTIVE, 0, 0, f"{told}, the audit log says {last or 'nothing'}")


def _versions(versions: Folder, active: Active, log: Log) -> Iterator[Fault]:
    entries = [line.entry for line in log.lines if line.sound]
    pruned = {entry.version for entry in entries if entry.action == Act.PRUNED}
    names = versions.names()
    for name in names:
        if not VERSION.fullmatch(name) or name in pruned or number_of(name) > active.highest:
            ours = name.startswith(stored.FRESH) or VERSION.fullmatch(name) is not None
            what = "no version in force, now or ever; the next change removes it"
            what = what if ours else "nothing of ours: it was put in"
            yield Fault(f"versions/{name}", 0, 0, what, warning=ours)
            continue
        mine = [entry for entry in entries if entry.version == name]
        said = frozenset(entry.tables for entry in mine if entry.tables)
        digests = frozenset(entry.snapshot for entry in mine if entry.snapshot)
        for fault in stored.faults(versions, name, said, digests):
            yield replace(fault, file=f"versions/{fault.file}")
    for version in {entry.version for entry in in_force(log, active.anchor)} - {*names, *pruned}:
        yield Fault(f"versions/{version}", 0, 0, "it is missing: it was in force and not pruned")
