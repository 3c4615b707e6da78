"""The product on its embedded defaults: real service, sandbox provider, a handful of calls."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final

from agi import config, names, serve, systemd, tables
from agi.begun import Begun, plan_of
from agi.child import Role
from agi.console import Screen
from agi.dipper import Dipper
from agi.errors import UsageError
from agi.fastagi import client
from agi.fastagi.server import listen
from agi.lifeline import Lifeline
from agi.log import Writer, quieten_libraries
from agi.metrics import Metrics
from agi.process import run
from agi.router_process import RouterProcess
from agi.sandbox.providers import Sandbox
from agi.sandbox.subscribers import SAMPLE, read_subscribers

CONFIGURATION: Final = """
state_directory = "{state}"
[fastagi]
listen = "{listen}"
[numbers]
country = "GB"
emergency = ["112", "999"]
[tables]
directory = "tables"
[[providers]]
name = "sandbox"
kind = "comcetera"
url = "http://{provider}/npl"
username = "demo"
password = "demo"
connections = 1
timeout_ms = 700
"""

TRUNKS: Final = """trunk,tech,number_format,ring_s
vodafone,PJSIP,plus,45
o2,PJSIP,plus,45
ee,PJSIP,plus,45
transit-a,PJSIP,,60
transit-b,PJSIP,00,60
"""

ROUTES: Final = """rule,mccmnc,prefix,country,line,action,trunks
emergency,,,,emergency,,transit-a > transit-b
satellite,,881,,,reject:21,
premium,,449,,,reject:21,
vodafone,23415,,,,,vodafone > transit-a
o2,23410,,,,,o2 > transit-a
ee,23430,,,,,ee > transit-a
default,,,,,,transit-a:3 transit-b:1
"""

NOTHING: Final = "no decision"

CALLS: Final = (
    ("07788450450", "fresh: the first call to it"),
    ("+447788450450", "cached: in another form"),
    ("07703100200", "ported: an O2 range, on Vodafone today"),
    ("07973100100", "ERR1: no such subscriber known"),
    ("00881612345678", "blocked: satellite is denied"),
    ("999", "emergency: no lookup, digits unchanged"),
    ("0778845", "invalid: routed, never looked up"),
    ("07720123102", "the provider hangs: the deadline decides"),
)


def _site(directory: Path, listen: str, provider: str) -> config.Loaded:
    """Write the embedded configuration and tables into a directory, and load them."""
    path = directory / "dialdip.toml"
    path.touch(mode=0o600)
    path.write_text(
        CONFIGURATION.format(state=directory / "state", listen=listen, provider=provider)
    )
    folder = directory / "tables"
    folder.mkdir()
    (folder / "trunks.csv").write_text(TRUNKS)
    (folder / "routes.csv").write_text(ROUTES)
    return config.load(path, os.environ)


@asynccontextmanager
async def _running(log: Writer) -> AsyncIterator[str]:
    """Run sandbox, dipper and router in this process; yield the router's address.

    What they keep is in a directory that is gone afterwards.
    """
    with tempfile.TemporaryDirectory(prefix="dialdip-demo-") as name:
        sandbox = Sandbox(read_subscribers(SAMPLE))
        host, port = await sandbox.start()
        loaded = _site(Path(name), "127.0.0.1:0", f"{host}:{port}")
        state = Path(name) / "state"
        rules = tables.first_in_force(loaded, state).table.error_rule
        clock = asyncio.get_running_loop().time
        dipper = Dipper(
            loaded, state=state, clock=clock, error_rule=rules, metrics=Metrics(), log=log
        )
        await dipper.open()
        router = RouterProcess(Begun(loaded, state, plan_of(loaded.config), finder=dipper), log)
        try:
            yield await router.start()
        finally:
            await router.stop()
            await dipper.close()
            await sandbox.stop()


def run_demo() -> int:
    """Place the calls on free ports and print one table; return the exit status."""
    quieten_libraries()
    log = Writer(io.StringIO())
    rows: list[list[tuple[str, str] | str]] = []

    async def main() -> None:
        async with _running(log) as address:
            url = f"agi://{address}"
            for index, (dialled, why) in enumerate(CALLS):
                told = await asyncio.to_thread(
                    client.ask, url, f"route?n={dialled}", uniqueid=f"{os.getpid()}.{index}"
                )
                rows.append(_row(dialled, why, told))

    run(main())
    log.close()
    headings = ("dialled", "dials", "by trunk", "network", "source", "reason", "ms", "why")
    Screen().table(headings, rows)
    committed = all(row[2] != NOTHING for row in rows)
    return 0 if committed else 1


def _row(dialled: str, why: str, told: client.Told) -> list[tuple[str, str] | str]:
    get = told.variables.get
    if not told.committed:
        return [dialled, "", NOTHING, "", "", "", "", why]
    trunks: tuple[str, str] = (_trunks(told.variables), "good")
    if get(names.ACTION) == "reject":
        trunks = (f"reject, cause {get(names.CAUSE)}", "odd")
    return [
        dialled,
        get("CARRIER_NUMBER_1") or "-",
        trunks,
        get(names.MCCMNC) or "-",
        get(names.SOURCE, ""),
        get(names.REASON, ""),
        f"{told.seconds * 1000:.1f}",
        why,
    ]


def _trunks(told: dict[str, str]) -> str:
    count = int(told[names.COUNT])
    return " > ".join(told[names.per_trunk(index)[0]] for index in range(1, count + 1))


def serve_demo() -> None:
    """Serve on the default port against the sandbox, until told to stop."""
    quieten_libraries()
    with tempfile.TemporaryDirectory(prefix="dialdip-demo-") as name:
        free = listen("127.0.0.1", 0)
        host, port = free.getsockname()[:2]
        loaded = _site(Path(name), "127.0.0.1:4573", f"{host}:{port}")
        state = Path(name) / "state"
        in_force = tables.first_in_force(loaded, state)
        sockets = systemd.inherited(os.environ) or [_port(loaded)]
        begun = Begun(loaded, state, plan_of(loaded.config), in_force, sockets)
        double = Role("sandbox", 0, partial(_sandbox, port))
        free.close()
        routers = (serve.router(begun, n) for n in range(loaded.config.fastagi.workers))
        roles = [double, serve.dipper(begun), serve.noc(begun), *routers]
        serve.supervise(roles, loaded, sockets)


def _port(loaded: config.Loaded) -> socket.socket:
    host, _, port = loaded.config.fastagi.listen.rpartition(":")
    try:
        return listen(host, int(port))
    except OSError as bad:
        raise UsageError(f"port {port} is taken ({bad.strerror})") from None


def _sandbox(port: int, lifeline: Lifeline) -> int:
    """Be the sandbox's process."""

    async def main() -> None:
        double = Sandbox(read_subscribers(SAMPLE))
        await double.start("127.0.0.1", port)
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        lifeline.beat_by(loop, stop.set)
        lifeline.ready("")
        await stop.wait()
        await double.stop()

    run(main())
    return 0


def run_sandbox(
    port: int, subscribers: Path | None, *, connections: int, others: str, latency_ms: int
) -> None:
    """Serve the provider's API until told to stop.

    Raises:
        TableError: the file of subscribers has faults.
        UsageError: the port is taken.
    """
    known = read_subscribers(subscribers or SAMPLE)

    async def main() -> None:
        double = Sandbox(known, connections=connections, others=others, latency_ms=latency_ms)
        try:
            host, bound = await double.start("127.0.0.1", port)
        except OSError as bad:
            raise UsageError(f"--port {port}: {bad.strerror}") from None
        Screen().line(f"sandbox http://{host}:{bound}/npl user=demo pass=demo", "")
        await _told_to_stop()
        await double.stop()

    run(main())


async def _told_to_stop() -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
