"""What the hop between router and dipper costs: two processes, a dipper that answers at once.

    python tests/bench/hop.py [--stdlib] [--seconds S]

prints one line for each number of questions in flight: microseconds a question (wall clock by
throughput), questions a second, median and 99th percentile of the wait, and the CPU of either side.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import tempfile
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from agi.lookup.door import DipperDoor
from agi.lookup.link import DipperLink
from agi.model import Finding, Inquiry, Line, Live, Mccmnc, Msisdn, NumberInfo, Source

ANSWER = Finding(
    Source.STORE, "ok", NumberInfo(Mccmnc("23415"), Live.LIVE), 3.0, None, "npl", "comcetera"
)


class AtOnce:
    """A dipper that knows everything."""

    async def find(self, inquiry: Inquiry) -> Finding:
        """Answer."""
        del inquiry
        return ANSWER


def cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def dipper(path: Path, end: int, report: int) -> None:
    loop = asyncio.get_running_loop()
    door = DipperDoor(path, AtOnce(), clock=loop.time)
    await door.start()
    over = asyncio.Event()

    def told() -> None:
        if os.read(end, 1):
            os.write(report, f"{cpu_s()}\n".encode())
        else:
            over.set()

    loop.add_reader(end, told)
    await over.wait()
    loop.remove_reader(end)
    await door.close()


async def asker(link: DipperLink, until: float, waits: list[float]) -> int:
    """Ask one question after the other; return how many were not answered."""
    clock = time.perf_counter
    failed = 0
    while (begun := clock()) < until:
        inquiry = Inquiry(Msisdn("447788450450"), time.monotonic() + 0.8, "GB", Line.MOBILE)
        finding = await link.find(inquiry)
        waits.append(clock() - begun)
        failed += finding.reason != "ok"
    return failed


async def router(path: Path, seconds: float, dipper_cpu: Callable[[], float]) -> None:
    up = asyncio.Event()
    link = DipperLink(
        path,
        clock=asyncio.get_running_loop().time,
        on_purge=lambda *_: None,
        on_drop=lambda _: None,
        on_state=lambda _: up.set(),
    )
    link.start()
    await up.wait()
    print("in flight | us an ask | asks/s  | p50 us | p99 us | CPU us router, dipper | failed")
    for flights in (1, 50, 500):
        waits: list[float] = []
        mine, theirs, begun = cpu_s(), dipper_cpu(), time.perf_counter()
        until = begun + seconds
        failed = sum(await asyncio.gather(*(asker(link, until, waits) for _ in range(flights))))
        took, count = time.perf_counter() - begun, len(waits)
        mine, theirs = cpu_s() - mine, dipper_cpu() - theirs
        waits.sort()
        p50, p99 = waits[count // 2] * 1e6, waits[count * 99 // 100] * 1e6
        print(
            f"{flights:9} | {took / count * 1e6:9.1f} | {count / took:7.0f} | {p50:6.0f} | "
            f"{p99:6.0f} | {mine / count * 1e6:10.1f}, {theirs / count * 1e6:.1f} | {failed}"
        )
    await link.close()


def run(main: Coroutine[Any, Any, None], *, stdlib: bool) -> None:
    if stdlib:
        asyncio.run(main)
        return
    import uvloop  # noqa: PLC0415 - optional: not every platform has it

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main)


def main() -> None:
    options = argparse.ArgumentParser(description="The cost of the hop.")
    options.add_argument("--stdlib", action="store_true", help="asyncio's own loop, not uvloop")
    options.add_argument("--seconds", type=float, default=2.0, help="for each line")
    given = options.parse_args()
    tell, told = os.pipe(), os.pipe()
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "run" / "dip.sock"
        child = os.fork()
        if child == 0:
            os.close(tell[1])
            run(dipper(path, tell[0], told[1]), stdlib=given.stdlib)
            os._exit(0)
        os.close(tell[0])

        def dipper_cpu() -> float:
            os.write(tell[1], b"?")
            return float(os.read(told[0], 100))

        run(router(path, given.seconds, dipper_cpu), stdlib=given.stdlib)
        os.close(tell[1])
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()
