"""noc frozen, killed and begun anew while calls run: no call is hurt, and no counter goes down."""

from __future__ import annotations

import asyncio
import os
import signal
import time

from agi import ipc
from agi.asking import Service
from agi.errors import DialdipError
from tests.asterisk import sip
from tests.asterisk.noc_stage import Noc, Scrape, fickle, noc, repeating
from tests.asterisk.pbx import Pbx

TRUNKS = "trunk,ring_s\nholder,20\nported,20\n"
ROUTES = "rule,trunks\ndefault,holder > ported\n"
CALLS, RATE = 140, 10
COUNTERS = ("_total", "_bucket", "_sum", "_count")


class Looks:
    """Scrapes of a service whose noc comes and goes."""

    def __init__(self, site: Noc) -> None:
        self._site = site
        self.seen: list[Scrape] = []

    async def look(self) -> None:
        """Scrape, if anybody answers."""
        try:
            self.seen.append(await self._site.scrape(within_s=1.0))
        except (DialdipError, OSError):
            return

    def fallen(self) -> set[str]:
        """Return the names of counters that were lower at one look than at the one before."""
        found = set()
        for before, after in zip(self.seen, self.seen[1:], strict=False):
            for (name, labels), value in before.samples.items():
                if name.endswith(COUNTERS) and after.samples.get((name, labels), 0.0) < value:
                    found.add(name)
        return found


def pid(site: Noc) -> int:
    """Return noc's process id."""
    return int(ipc.ask(Service(site.service.state).noc, "status")["pid"])


async def another(site: Noc, before: int, within_s: float = 20.0) -> float:
    """Wait until another noc hears Asterisk; return how long that took."""
    since = time.monotonic()
    while time.monotonic() - since < within_s:
        try:
            if pid(site) != before and (await site.scrape())("ami_connected"):
                return time.monotonic() - since
        except (DialdipError, OSError):
            pass
        await asyncio.sleep(0.1)
    raise AssertionError(f"no other noc: {site.service.said[-20:]}")


def test_f48_noc_frozen_and_killed_costs_no_call_and_no_count(pbx: Pbx) -> None:
    async def run() -> None:
        async with noc(pbx, trunks=TRUNKS, routes=ROUTES) as site, fickle(pbx, "holder", "ported"):
            looks = Looks(site)
            numbers = [f"447700901{index:03}" for index in range(CALLS)]
            calling = asyncio.create_task(sip.calls(pbx, numbers, rate=RATE))
            async with repeating(looks.look):
                await site.ami.user("CarrierAttempt", count=15)
                frozen = pid(site)
                os.kill(frozen, signal.SIGSTOP)
                thawed = await another(site, frozen)
                await asyncio.sleep(1)
                killed = pid(site)
                os.kill(killed, signal.SIGKILL)
                again = await another(site, killed)
                done = await calling
                last = await site.at_rest()
                await looks.look()
            print(f"another noc {thawed:.1f} s after a freeze, {again:.1f} s after a kill")
            assert {200} == {final for _, final in done}
            # Each was decided by us, and none waited for it.
            decided = site.ami.heard("Decided")
            assert (CALLS, set()) == (len(decided), {"no-commit"} & {e["reason"] for e in decided})
            assert max(float(event["elapsed"]) for event in decided) < 0.5
            assert CALLS == last("calls_total")
            # noc missed what ended while it was away, and has counted nothing twice.
            assert 50 <= last("trunk_attempts_total") <= CALLS
            assert set() == looks.fallen()

    asyncio.run(run())
