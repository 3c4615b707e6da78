"""Routers restarted one after the other while a real Asterisk asks: which calls lose what?"""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.asterisk.ami import Ami, stage
from tests.asterisk.pbx import Pbx
from tests.load.rig import Rig, mobile, rig

RATE = 60.0
KNOWN = 200
"""Every other call is to one of so many numbers, the others to one that nobody has asked."""


class Ledger:
    """What the site said of each call: whether a decision was committed, once for each tag."""

    def __init__(self, ami: Ami, calls: int) -> None:
        self.said: dict[str, list[str]] = {}
        self.complete = asyncio.Event()
        self._calls = calls
        ami.manager.register_event("UserEvent", self._hear)

    def _hear(self, _: object, message: Any) -> None:
        if message.get("UserEvent") == "Only":
            self.said.setdefault(str(message.get("Tag")), []).append(str(message.get("Committed")))
            if len(self.said) >= self._calls:
                self.complete.set()


async def strike(site: Rig, at: float, index: int, number: signal.Signals) -> float:
    """Signal one router at its time; return the seconds until another has taken its place."""
    await asyncio.sleep(at - asyncio.get_running_loop().time())
    pid = await asyncio.to_thread(site.send, "router", number, index)
    return await asyncio.to_thread(site.replaced, "router", index, pid)


async def roll(
    ami: Ami, site: Rig, number: signal.Signals, restarts: int, calls: int
) -> tuple[Ledger, list[float]]:
    """Place the calls, each at its time, and strike the routers in turn."""
    await ami.action("Events", EventMask="user")
    ledger = Ledger(ami, calls)
    loop = asyncio.get_running_loop()
    start = loop.time() + 0.2
    gap = calls / RATE / restarts
    strikes = [
        asyncio.create_task(strike(site, start + 0.3 + turn * gap, turn % 2, number))
        for turn in range(restarts)
    ]
    for index in range(calls):
        await asyncio.sleep(max(0.0, start + index / RATE - loop.time()))
        called = mobile(index % KNOWN if index % 2 else KNOWN + index)
        await ami.originate(called, variables=("__MODE=only",), confirmed=False)
    async with asyncio.timeout(20):
        await ledger.complete.wait()
    return ledger, await asyncio.gather(*strikes)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["told", "killed"])
@pytest.mark.parametrize(
    ("restarts", "calls"),
    [
        pytest.param(4, 300, id="short"),
        pytest.param(20, 10_000, id="long", marks=pytest.mark.soak),
    ],
)
def test_f43_rolling_restarts_under_a_real_asterisk(
    pbx: Pbx, tmp_path: Path, number: signal.Signals, restarts: int, calls: int
) -> None:
    """Told to end, a router answers what it took; killed, it loses what was in its hands."""
    begun = time.monotonic()

    async def run(site: Rig) -> tuple[Ledger, list[float]]:
        url = "agi://{}:{}".format(*site.address)
        async with stage(pbx, CARRIER_AGI=url, CARRIER_GUARD="1.0") as ami:
            return await roll(ami, site, number, restarts, calls)

    with rig(tmp_path, latency_ms=20) as site:
        ledger, replaced = asyncio.run(run(site))
        answered = sum(row[-1] for i in (0, 1) for row in site.counts(i)["calls"])
    lost = sum(said != ["yes"] for said in ledger.said.values())
    print(
        f"{restarts} rolling restarts by {number.name}: {lost} of {len(ledger.said)} calls lost "
        f"in {time.monotonic() - begun:.0f} s, {answered} answered by the last routers, "
        f"replaced in at most {max(replaced):.2f} s"
    )
    assert calls == len(ledger.said)
    # In the hands of one router at a time: at 60 calls/s of 60 ms, some two.
    assert lost <= (0 if number is signal.SIGTERM else 6 * restarts)
