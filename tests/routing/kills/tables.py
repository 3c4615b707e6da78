"""Little tables for the store's tests: each kind is another trunk for everything."""

from __future__ import annotations

from pathlib import Path

from agi.errors import Fault
from agi.routing.compiled import Compiled
from agi.routing.reading.files import version_of
from agi.routing.versions.audit import Who
from agi.routing.versions.store import Activated, Store
from agi.routing.versions.stored import compile_stored

ANN = Who(0, "root", 1000)
NOON = 1_767_268_800.0  # 2026-01-01T12:00:00Z
DAY = 86_400.0


def contents(kind: int) -> dict[str, bytes]:
    """Return a directory's files; the default rule of ``kind`` leads to its own trunk."""
    trunk = f"t{kind}"
    return {
        "trunks.csv": f"trunk\r\n{trunk}\r\nspare\r\n".encode(),
        "routes.csv": f"rule,mccmnc,trunks\nvoda,23415,spare {trunk}\ndefault,,{trunk}\n".encode(),
    }


def compiled(files: dict[str, bytes], timezone: str = "Europe/London") -> Compiled:
    return compile_stored(files, version_of(files, timezone, 0), timezone)


def activate(
    store: Store, kind: int, at: float = NOON, expected: str | None = None, why: str = "a test"
) -> Activated:
    files = contents(kind)
    return store.activate(files, compiled(files), ANN, why, expected, at)


def kind_of(table: Compiled) -> int:
    """Return of which kind a table is, by where its default rule leads."""
    (default,) = (rule for rule in table.rules if rule.is_default)
    return int(default.tiers[0].members[0][0].removeprefix("t"))


def faults(store: Store) -> list[Fault]:
    """Return what ``verify`` finds beside what a stopped writer left."""
    return [fault for fault in store.verify() if not fault.warning]


def whole(store: Store) -> int:
    """Return the kind in force, after all that must hold of a store at any time was seen."""
    active = store.active()
    assert active is not None
    table, alarms = store.load_active()
    assert () == alarms
    assert active.version == table.version
    kind = kind_of(table)
    assert contents(kind) == store.contents(active.version)
    assert [] == faults(store)
    return kind


def version_folder(state: Path, version: str) -> Path:
    return state / "tables" / "versions" / version
