"""What a process of the service is started with, and where it finds the others."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from agi import config, tables
from agi.e164 import NumberingPlan
from agi.errors import UsageError
from agi.log import Log
from agi.lookup.parts import Finder
from agi.settings import Config


@dataclass(frozen=True, slots=True)
class Begun:
    """What a router is started with.

    ``tables`` is the version that was active when the parent started: it serves while it still is,
    and when a later one cannot be loaded. ``sockets`` are those it shares with its siblings.
    ``plan`` takes a fifth of a second to make: all processes of a parent have the same one.
    ``finder`` stands in for the link to a dipper.
    """

    loaded: config.Loaded
    state: Path
    plan: NumberingPlan
    tables: tables.InForce | None = None
    sockets: Sequence[socket.socket] = ()
    index: int = 0
    finder: Finder | None = None


def link_path(state: Path) -> Path:
    """Return the socket over which routers ask the dipper."""
    return state / "run" / "lookup.sock"


def first_of(begun: Begun, log: Log) -> tables.InForce:
    """Return what a process serves first; what its parent had, when nothing else can be loaded.

    Raises:
        TableError: nothing was ever activated, and the working copy has faults.
        UsageError: the store cannot be used, and there is nothing from the parent.
    """
    before = begun.tables
    if before is None:
        return tables.first_in_force(begun.loaded, begun.state)
    try:
        return tables.newer(begun.state, before.table.version) or before
    except UsageError as failed:
        log("error", "tables_not_loaded", why=str(failed), running=before.table.version)
        return before


def plan_of(settings: Config) -> NumberingPlan:
    """Return how a site reads dialled digits."""
    return NumberingPlan(settings.numbers.country, settings.numbers.emergency)


def address_of(sock: socket.socket) -> str:
    """Return where a socket listens, as HOST:PORT."""
    host, port = sock.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
