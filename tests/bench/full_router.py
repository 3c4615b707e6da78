"""A router whose memory is full, its event loop watched while it answers calls.

usage: full_router.py CONFIG ENTRIES REPORT, prints "ready 127.0.0.1:PORT"; on SIGTERM it writes
what it saw to REPORT as JSON. It asks no dipper: a number that it does not know is known at once.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from agi import config
from agi.begun import Begun, plan_of
from agi.log import Writer, to_stderr
from agi.lookup.provider import Answer
from agi.lookup.record import said_of
from agi.model import Finding, Inquiry, Mccmnc, Msisdn, NumberInfo, Outcome, Source
from agi.process import Process, run
from agi.router_process import RouterProcess
from tests.bench.ticks import ticks

NETWORKS = tuple(NumberInfo(Mccmnc(network)) for network in ("23410", "23415", "23420", "23430"))


class AtOnce:
    """A dipper that knows everything."""

    async def find(self, inquiry: Inquiry) -> Finding:
        """Answer."""
        del inquiry
        return Finding(Source.STORE, "ok", NETWORKS[0], 3.0, None, "npl", "comcetera")


def fill(router: RouterProcess, entries: int, now: float) -> None:
    """Fill the memory with numbers that are none of ``service.numbers``."""
    said = [said_of(Answer(Msisdn("1"), Outcome.OK, one), "npl", "comcetera") for one in NETWORKS]
    memory = router.router.nearby.memory
    for index in range(entries):
        memory.put(Msisdn(f"447{788_000_000 - entries + index}"), said[index % 4], now)


async def main(log: Writer, path: Path, entries: int, report: Path) -> None:
    """Serve until SIGTERM."""
    loop = asyncio.get_running_loop()
    loaded = config.load(path, os.environ)
    state = path.parent / "state"
    router = RouterProcess(Begun(loaded, state, plan_of(loaded.config), finder=AtOnce()), log)
    going = asyncio.Event()
    watching: list[asyncio.Task[dict[str, Any]]] = []

    def announce(address: str) -> None:
        begun = time.perf_counter()
        fill(router, entries, loop.time())
        print(f"filled in {time.perf_counter() - begun:.1f} s", flush=True)
        watching.append(loop.create_task(ticks(lambda: not going.is_set(), lambda: None)))
        print(f"ready {address}", flush=True)

    await Process(router, log).live(announce)
    going.set()
    seen = await watching[0]
    seen["remembered"] = len(router.router.nearby.memory)
    report.write_text(json.dumps(seen))  # noqa: ASYNC240 - nothing else is left to do


if __name__ == "__main__":
    writer = to_stderr("masked")
    try:
        run(main(writer, Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])))
    finally:
        writer.close()
