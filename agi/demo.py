"""The product on its embedded defaults: real service, sandbox provider, a handful of calls."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from agi import config, names, serve, systemd
from agi.console import Screen
from agi.errors import UsageError
from agi.fastagi import client
from agi.log import Writer, quieten_libraries
from agi.sandbox.providers import Sandbox
from agi.sandbox.subscribers import SAMPLE, read_subscribers
from agi.serve import Service

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


@asynccontextmanager
async def _running(listen: str, log: Writer) -> AsyncIterator[tuple[Service, Sandbox]]:
    """Build sandbox and service in a directory that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="dialdip-demo-") as name:
        directory = Path(name)
        sandbox = Sandbox(read_subscribers(SAMPLE))
        host, port = await sandbox.start()
        path = directory / "dialdip.toml"
        path.touch(mode=0o600)
        path.write_text(
            CONFIGURATION.format(
                state=directory / "state", listen=listen, provider=f"{host}:{port}"
            )
        )
        tables = directory / "tables"
        tables.mkdir()
        (tables / "trunks.csv").write_text(TRUNKS)
        (tables / "routes.csv").write_text(ROUTES)
        try:
            loaded = config.load(path, os.environ)
            yield Service(loaded, directory / "state", log), sandbox
        finally:
            await sandbox.stop()


def run_demo() -> int:
    """Place the calls on free ports and print one table; return the exit status."""
    quieten_libraries()
    log = Writer(io.StringIO())
    rows: list[list[tuple[str, str] | str]] = []

    async def main() -> None:
        async with _running("127.0.0.1:0", log) as (service, _):
            ready = await service.start([])
            url = f"agi://{ready.host}:{ready.port}"
            for index, (dialled, why) in enumerate(CALLS):
                told = await asyncio.to_thread(
                    client.ask, url, f"route?n={dialled}", uniqueid=f"{os.getpid()}.{index}"
                )
                rows.append(_row(dialled, why, told))
            await service.stop()

    serve.run(main())
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


def serve_demo(log: Writer) -> None:
    """Serve on the default port against the sandbox, until told to stop."""

    async def main() -> None:
        async with _running("127.0.0.1:4573", log) as (service, _):
            await service.run(serve.announce, systemd.inherited(os.environ))

    serve.run(main())


def run_sandbox(port: int, subscribers: Path | None, *, connections: int, latency_ms: int) -> None:
    """Serve the provider's API until told to stop.

    Raises:
        TableError: the file of subscribers has faults.
        UsageError: the port is taken.
    """
    known = read_subscribers(subscribers or SAMPLE)

    async def main() -> None:
        double = Sandbox(known, connections=connections, latency_ms=latency_ms)
        try:
            host, bound = await double.start("127.0.0.1", port)
        except OSError as bad:
            raise UsageError(f"--port {port}: {bad.strerror}") from None
        Screen().line(f"sandbox http://{host}:{bound}/npl user=demo pass=demo", "")
        await _told_to_stop()
        await double.stop()

    serve.run(main())


async def _told_to_stop() -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
