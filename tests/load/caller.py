"""An open-loop generator of AGI calls: they come when they come, however slow the answers are.

Arrival times are fixed beforehand, and a call's seconds count from when it was due, not from when
the generator got round to it: no coordinated omission. What goes over the wire is what a real
Asterisk sends (tests.fastagi.wire).
"""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import uvloop

from agi.fastagi.client import read_variables
from tests.fastagi.wire import environment

D_S = 0.8
"""The service's own deadline, which is the default of the configuration."""

SETTLE_S = 0.3
"""Between the making of a schedule and its first call."""

PATIENCE_S = 5.0
"""After so long without an answer the generator hangs up."""

BACKLOG = 100
"""Calls of a burst that are connected in one go; the next ones follow a millisecond later."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """One call to place: ``due`` seconds after the start, for an account if one is named."""

    due: float
    number: str
    account: str = ""


@dataclass(frozen=True, slots=True)
class Act:
    """Something that happens to the service, ``due`` seconds after the start; it may block."""

    due: float
    do: Callable[[], object]


@dataclass(frozen=True, slots=True)
class Call:
    """What became of a call. ``seconds`` is from when it was due to its answer, or its end."""

    due: float
    number: str
    seconds: float
    committed: bool
    source: str
    reason: str
    mccmnc: str

    @property
    def ended(self) -> float:
        return self.due + self.seconds


class _Caller(asyncio.Protocol):
    def __init__(self, index: int) -> None:
        self.uniqueid = f"{index}.1"
        self.script = ""
        self.told: dict[str, str] = {}
        self.done: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not of asyncio's classes.
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(environment(self.script, uniqueid=self.uniqueid))

    def data_received(self, data: bytes) -> None:
        self._data += data
        if self._data.endswith(b"\n") and not self.done.done():
            self.done.set_result(asyncio.get_running_loop().time())
            self.told = read_variables(self._data)
            self._transport.write(b"200 result=1\nHANGUP\n")
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if not self.done.done():
            self.done.set_result(asyncio.get_running_loop().time())


async def _call(address: tuple[str, int], arrival: Arrival, index: int, start: float) -> Call:
    loop = asyncio.get_running_loop()
    caller = _Caller(index)
    caller.script = f"route?n={arrival.number}&a={arrival.account}&g=1000"
    try:
        async with asyncio.timeout_at(start + arrival.due + PATIENCE_S):
            transport, _ = await loop.create_connection(lambda: caller, *address)
            try:
                at = await caller.done
            finally:
                transport.close()
    except (OSError, TimeoutError):
        at = loop.time()
    get = caller.told.get
    return Call(
        arrival.due,
        arrival.number,
        at - start - arrival.due,
        get("CARRIER_COMMIT") == caller.uniqueid,
        get("CARRIER_SOURCE", ""),
        get("CARRIER_REASON", ""),
        get("CARRIER_MCCMNC", ""),
    )


async def _act(act: Act, start: float) -> None:
    await asyncio.sleep(start + act.due - asyncio.get_running_loop().time())
    await asyncio.to_thread(act.do)


async def _place(
    address: tuple[str, int], arrivals: Sequence[Arrival], acts: Sequence[Act]
) -> list[Call]:
    loop = asyncio.get_running_loop()
    start = loop.time() + SETTLE_S
    happening = [asyncio.create_task(_act(act, start)) for act in acts]
    calls: list[asyncio.Task[Call]] = []
    for index, arrival in enumerate(arrivals):
        pause = start + arrival.due - loop.time()
        if pause > 0 or index % BACKLOG == 0:
            await asyncio.sleep(max(0.001, pause))
        calls.append(asyncio.create_task(_call(address, arrival, index, start)))
    done = [await call for call in calls]
    for one in happening:
        await one
    return done


def place(
    address: tuple[str, int], arrivals: Sequence[Arrival], acts: Sequence[Act] = ()
) -> list[Call]:
    """Place the calls and carry out the acts, each at its time; return the calls as they came."""
    gc.collect()
    gc.disable()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_place(address, sorted(arrivals, key=lambda one: one.due), acts))
    finally:
        gc.enable()


def steady(rate: float, seconds: float, number: Callable[[int], str]) -> list[Arrival]:
    """Return arrivals at a constant rate; ``number`` names the number of each."""
    return [Arrival(index / rate, number(index)) for index in range(int(rate * seconds))]


@dataclass(frozen=True, slots=True)
class Figures:
    """What is said of a number of calls; times in milliseconds."""

    calls: int
    lost: int
    p50: float
    p99: float
    most: float
    sources: dict[str, int]

    def __str__(self) -> str:
        told = " ".join(f"{name}={count}" for name, count in self.sources.items())
        return (
            f"{self.calls} calls, {self.lost} without commit, p50 {self.p50:.1f} ms, "
            f"p99 {self.p99:.1f} ms, max {self.most:.1f} ms; {told}"
        )


def figures(calls: Sequence[Call]) -> Figures:
    """Return the figures of the calls; the times are those of the committed ones."""
    assert calls
    took = sorted(call.seconds * 1000 for call in calls if call.committed) or [float("inf")]
    sources = Counter(
        call.source if call.reason == "ok" else f"{call.source}:{call.reason}"
        for call in calls
        if call.committed
    )
    lost = sum(not call.committed for call in calls)
    return Figures(
        len(calls),
        lost,
        took[len(took) // 2],
        took[max(0, -(-len(took) * 99 // 100) - 1)],
        took[-1],
        dict(sources.most_common()),
    )


def between(calls: Sequence[Call], since: float, until: float) -> list[Call]:
    """Return the calls that were due in this span."""
    return [call for call in calls if since <= call.due < until]
