"""Files that root makes in the state directory of a service that has a user of its own."""

from __future__ import annotations

import asyncio
import os
from decimal import Decimal
from pathlib import Path

import pytest

from agi.errors import Unreachable
from agi.ipc import Control, ask, path_of
from agi.lookup.ledger import Charge, Ledger
from agi.lookup.owner import leave_to_owner
from agi.lookup.tiers.cachefile import CacheFile

SERVICE = 65_534

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may act for another user")


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state directory of another user."""
    made = tmp_path / "state"
    made.mkdir(mode=0o700)
    os.chown(made, SERVICE, SERVICE)
    return made


def owner_and_mode(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_uid, found.st_gid, found.st_mode & 0o777


@as_root
def test_the_days_money_stays_the_services_when_root_writes_it(state: Path) -> None:
    """Else the service finds a file that it cannot read, and closes the day."""

    async def scene() -> None:
        ledger = Ledger(state / "budget.json")
        await ledger.open()
        await ledger.write("npl", "2026-11-21", Charge(Decimal(1), Decimal(0)))
        await ledger.close()

    asyncio.run(scene())
    assert (SERVICE, SERVICE, 0o600) == owner_and_mode(state / "budget.json")


@as_root
def test_the_store_stays_the_services_when_root_begins_it(state: Path) -> None:
    CacheFile(state / "cache.sqlite", b"", lambda: 0.0).begin(lambda _: None).close()
    assert (SERVICE, SERVICE, 0o600) == owner_and_mode(state / "cache.sqlite")


@as_root
def test_the_directory_of_sockets_stays_the_services_when_root_makes_it(state: Path) -> None:
    async def scene() -> None:
        control = Control(path_of(state, "router"), {})
        await control.start()
        await control.stop()

    asyncio.run(scene())
    assert (SERVICE, SERVICE, 0o700) == owner_and_mode(state / "run")


@as_root
def test_whoever_may_not_ask_is_told_who_may(state: Path) -> None:
    os.seteuid(SERVICE - 1)
    try:
        with pytest.raises(Unreachable, match="only its own user and root may ask it"):
            ask(path_of(state, "router"), "status")
    finally:
        os.seteuid(0)


def test_ones_own_files_are_left_alone(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.touch(mode=0o600)
    leave_to_owner(mine, tmp_path)
    assert (os.geteuid(), os.getegid(), 0o600) == owner_and_mode(mine)
