"""``dialdip serve`` and ``dialdip run``: which processes there are, and what each is made of.

The parent loads and checks everything once, opens the port, and forks: so a start is quick, what
is read once is shared, and every router accepts on the same socket.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from agi import config, systemd, tables
from agi.begun import Begun, plan_of
from agi.child import Role
from agi.dipper_process import DipperProcess
from agi.errors import UsageError
from agi.fastagi.server import listen
from agi.ipc import alive
from agi.lifeline import Lifeline
from agi.log import Writer, quieten_libraries, to_stderr
from agi.noc.process import NocProcess
from agi.parent import Notes, Parent, Patience
from agi.process import Part, Process, run
from agi.router_process import RouterProcess

PATIENCE: Final = Patience(longest_pause_s=1.0)
"""A process that keeps dying is tried again each second: there may be only one other router."""

NICE: Final = 5
"""Calls go before people: where cores are short, noc waits."""

DRAIN_S: Final = 0.5
"""How much longer than a call's deadline the processes may take to end."""


def serve(loaded: config.Loaded, environ: Mapping[str, str]) -> None:
    """Run the whole service of one configuration until it is told to stop.

    Raises:
        TableError: nothing was ever activated, and the tables' working copy has faults.
        UsageError: the port or the state directory cannot be used, or a process cannot start.
    """
    quieten_libraries()
    state = loaded.state(environ, root=os.geteuid() == 0)
    in_force = tables.first_in_force(loaded, state)
    sockets = systemd.inherited(environ) or [_listen(loaded)]
    begun = Begun(loaded, state, plan_of(loaded.config), in_force, sockets)
    workers = loaded.config.fastagi.workers
    _sweep(state)
    roles = [dipper(begun), noc(begun), *(router(begun, index) for index in range(workers))]
    supervise(roles, loaded, sockets)


def _sweep(state: Path) -> None:
    """Remove what killed routers left: who is not there any more is not asked how it is."""
    with suppress(PermissionError):  # of a directory of somebody else's, who starts next complains
        for path in (state / "run").glob("router-*.sock"):
            if not alive(path):
                path.unlink(missing_ok=True)


def supervise(
    roles: Sequence[Role], loaded: config.Loaded, sockets: Sequence[socket.socket] = ()
) -> None:
    """Run these roles under a parent until it is told to stop.

    The listening ``sockets`` are closed then: who calls while others drain is refused at once.

    Raises:
        UsageError: a role cannot start.
    """
    parent = Parent(
        roles,
        log=Notes(sys.stderr.fileno()),
        grace_s=loaded.config.fastagi.deadline_ms / 1000 + DRAIN_S,
        on_ready=_announce,
        patience=PATIENCE,
        on_stop=partial(_close, sockets),
    )
    parent.run()


def run_router(loaded: config.Loaded, environ: Mapping[str, str], index: int) -> None:
    """Run one router by itself, as systemd does; its siblings share its inherited socket.

    Raises:
        TableError: nothing was ever activated, and the tables' working copy has faults.
        UsageError: the port or the state directory cannot be used.
    """
    state = loaded.state(environ, root=os.geteuid() == 0)
    begun = Begun(loaded, state, plan_of(loaded.config), None, systemd.inherited(environ), index)
    _alone(lambda log: RouterProcess(begun, log), loaded, "ready fastagi={} web=off")


def run_dipper(loaded: config.Loaded, environ: Mapping[str, str]) -> None:
    """Run the dipper by itself, as systemd does.

    Raises:
        ConfigurationError: the accounts have faults.
        TableError: nothing was ever activated, and the tables' working copy has faults.
        UsageError: an address or the state directory cannot be used.
    """
    begun = Begun(loaded, loaded.state(environ, root=os.geteuid() == 0), plan_of(loaded.config))
    _alone(lambda log: DipperProcess(begun, log), loaded, "ready dipper{}")


def run_noc(loaded: config.Loaded, environ: Mapping[str, str]) -> None:
    """Run noc by itself, as systemd does.

    Raises:
        TableError: nothing was ever activated, and the tables' working copy has faults.
        UsageError: the state directory cannot be used.
    """
    _stand_back()
    begun = Begun(loaded, loaded.state(environ, root=os.geteuid() == 0), plan_of(loaded.config))
    _alone(lambda log: NocProcess(begun, log), loaded, "ready noc web={}")


def router(begun: Begun, index: int) -> Role:
    """Return the role of one router."""
    mine = replace(begun, index=index)
    numbers = begun.loaded.config.log.numbers
    return Role("router", index, lambda line: _child(RouterProcess, mine, numbers, line))


def dipper(begun: Begun) -> Role:
    """Return the role of the dipper; it reads the secrets itself: nobody else holds any."""
    return Role("dipper", 0, partial(_holder, begun, DipperProcess, "dipper"))


def noc(begun: Begun) -> Role:
    """Return the role of noc; it alone reads the passwords of the PBXs. Calls do without it."""

    def main(lifeline: Lifeline) -> int:
        _stand_back()
        return _holder(begun, NocProcess, "noc", lifeline)

    return Role("noc", 0, main, essential=False)


def _stand_back() -> None:
    with suppress(PermissionError):  # systemd's units forbid it, and noc's own has Nice=
        os.nice(NICE)


def _holder(
    begun: Begun, build: Callable[[Begun, Writer], Part], name: config.Holder, lifeline: Lifeline
) -> int:
    _close(begun.sockets)  # no call is its own
    loaded = config.load(begun.loaded.path, os.environ, holder=name)
    mine = replace(begun, loaded=loaded, sockets=())
    return _child(build, mine, loaded.config.log.numbers, lifeline)


def _close(sockets: Sequence[socket.socket]) -> None:
    for sock in sockets:
        sock.close()


def _child(
    build: Callable[[Begun, Writer], Part], begun: Begun, numbers: str, lifeline: Lifeline
) -> int:
    log = to_stderr(numbers)

    async def main() -> None:
        await Process(build(begun, log), log, lifeline).live(lambda _: None)

    try:
        run(main())
    finally:
        log.close()
    return 0


def _alone(build: Callable[[Writer], Part], loaded: config.Loaded, words: str) -> None:
    log = to_stderr(loaded.config.log.numbers)

    async def main() -> None:
        await Process(build(log), log).live(lambda text: _say(words.format(text)))

    try:
        run(main())
    finally:
        log.close()


def _announce(ready: Mapping[str, str]) -> None:
    """Print the one line that scripts wait for."""
    address = next(text for label, text in ready.items() if label.startswith("router"))
    _say(f"ready fastagi={address} web={ready.get('noc-0', 'off')}")


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - the contract's line


def _listen(loaded: config.Loaded) -> socket.socket:
    where = loaded.config.fastagi.listen
    host, _, port = where.rpartition(":")
    try:
        return listen(host.strip("[]"), int(port))
    except OSError as bad:
        raise UsageError(f"[fastagi] listen = {where}: {bad.strerror}") from None
