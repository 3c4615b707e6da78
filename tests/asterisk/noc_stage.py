"""What tests of noc share: the whole service beside a real Asterisk, and what it says of calls."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from agi import ipc
from agi.asking import Service
from agi.errors import DialdipError
from tests.asterisk import sip
from tests.asterisk.ami import Ami, Event, stage
from tests.asterisk.pbx import Pbx
from tests.asterisk.service import ASTERISK, Dialdip, dialdip

DEAD_PROVIDER = "http://127.0.0.1:9/npl"
TICK_S = 0.05
"""How often a state is looked at that nobody tells of."""


@dataclass(frozen=True, slots=True)
class Scrape:
    """One scrape of ``/metrics``: every sample by its name and labels."""

    at: float
    samples: Mapping[tuple[str, tuple[tuple[str, str], ...]], float]

    def __call__(self, name: str, **labels: str) -> float:
        """Return the sum of the samples of this name that bear these labels; 0 without any."""
        wanted = set(labels.items())
        return sum(
            value
            for (found, having), value in self.samples.items()
            if found == f"dialdip_{name}" and wanted <= set(having)
        )

    def __str__(self) -> str:
        shown = {name: self(name) for name in ("calls_total", "endings_total", "trunk_calls")}
        return f"{shown} {self.by('outcome', 'trunk_attempts_total')}"

    def by(self, label: str, name: str, **labels: str) -> dict[str, float]:
        """Return the samples of this name that are not 0, by one of their labels."""
        wanted = set(labels.items())
        return {
            dict(having)[label]: value
            for (found, having), value in self.samples.items()
            if found == f"dialdip_{name}" and wanted <= set(having) and value
        }


@dataclass(frozen=True, slots=True)
class Noc:
    """A service with all its processes, the Asterisk that it listens to, and a manager session."""

    pbx: Pbx
    ami: Ami
    service: Dialdip

    async def status(self) -> dict[str, Any]:
        """Return what noc says of itself; one that is restarted has another port."""
        told: dict[str, Any] = await asyncio.to_thread(
            ipc.ask, Service(self.service.state).noc, "status"
        )
        return told

    async def scrape(self, within_s: float = 10.0) -> Scrape:
        """Read ``/metrics`` as Prometheus does."""
        at, where = time.time(), (await self.status())["web"]
        text = await asyncio.to_thread(_get, f"http://{where}/metrics", within_s)
        families = text_string_to_metric_families(text)
        return Scrape(
            at,
            {
                (sample.name, tuple(sorted(sample.labels.items()))): sample.value
                for family in families
                for sample in family.samples
            },
        )

    async def top(self) -> Any:
        """Return what ``dialdip top --json`` prints."""
        status, printed = await self.service.verb("top", "--json")
        assert status in {0, 1}, printed  # 1: there are troubles
        return json.loads(printed)

    async def standings(self) -> list[dict[str, str]]:
        """Return what each router goes by: the states of trunks that are not up."""
        asked = (
            asyncio.to_thread(ipc.ask, path, "status")
            for path in Service(self.service.state).routers
        )
        return [
            {name: one["state"] for name, one in told["outlook"]["trunks"].items()}
            for told in await asyncio.gather(*asked)
        ]

    async def until(self, wanted: Callable[[Scrape], object], within_s: float = 20.0) -> Scrape:
        """Scrape until it is so."""
        end = time.monotonic() + within_s
        while True:
            seen = await self.scrape()
            if wanted(seen):
                return seen
            assert time.monotonic() < end, f"not within {within_s} s: {seen}"
            await asyncio.sleep(TICK_S)

    async def stand(self, expected: Mapping[str, str], within_s: float = 10.0) -> float:
        """Wait until every router goes by this; return when that was seen."""
        end = time.monotonic() + within_s
        while True:
            seen = await self.standings()
            if all(one == expected for one in seen):
                return time.time()
            assert time.monotonic() < end, f"{seen} instead of {expected}"
            await asyncio.sleep(TICK_S)

    async def heard(self) -> None:
        """Wait until noc listens to Asterisk; a noc that is just starting is waited for."""
        end = time.monotonic() + 20
        while True:
            try:
                await self.until(lambda seen: seen("ami_connected") == 1)
            except (DialdipError, OSError):
                assert time.monotonic() < end, self.service.said
                await asyncio.sleep(TICK_S)
            else:
                return

    async def at_rest(self) -> Scrape:
        """Wait until Asterisk has no call left and noc has followed all of them to their end."""
        await self.until(lambda seen: seen("trunk_calls") == 0)
        return await self.scrape()


def _get(url: str, within_s: float) -> str:
    with urllib.request.urlopen(url, timeout=within_s) as answer:
        text: str = answer.read().decode()
        return text


@contextlib.asynccontextmanager
async def noc(
    pbx: Pbx,
    *,
    trunks: str,
    routes: str,
    ami_port: int = 0,
    files: Mapping[str, str] | None = None,
    extra: str = "",
) -> AsyncIterator[Noc]:
    """Serve calls of this Asterisk; noc listens to it, through a relay if a port is given."""
    listened = ASTERISK.format(port=ami_port or pbx.ami_port) + extra
    async with (
        dialdip(
            DEAD_PROVIDER, trunks=trunks, routes=routes, files=files, extra=listened
        ) as service,
        stage(pbx, CARRIER_AGI=service.url, CARRIER_GUARD="1.0") as ami,
    ):
        found = Noc(pbx, ami, service)
        await found.heard()
        yield found


@dataclass(slots=True)
class Fickle:
    """A carrier that changes its ways: one SIPp after another behind the same endpoint."""

    pbx: Pbx
    name: str
    _now: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)

    async def does(self, scenario: str, status: int = 503) -> float:
        """Behave so from now on; return since when."""
        await self.goes()
        await self._now.enter_async_context(sip.trunk(self.pbx, self.name, scenario, status))
        return time.time()

    async def goes(self) -> None:
        """Be gone: nothing listens there any more."""
        await self._now.aclose()


@contextlib.asynccontextmanager
async def fickle(pbx: Pbx, *names: str) -> AsyncIterator[list[Fickle]]:
    """Let these carriers answer until they are told otherwise."""
    carriers = [Fickle(pbx, name) for name in names]
    try:
        for one in carriers:
            await one.does("uas_answer")
        yield carriers
    finally:
        for one in carriers:
            await one.goes()


@contextlib.asynccontextmanager
async def repeating(work: Callable[[], Awaitable[object]]) -> AsyncIterator[None]:
    """Do this over and over beside the block; what it raises fails the block."""

    async def go() -> None:
        while True:
            await work()
            await asyncio.sleep(TICK_S)

    task = asyncio.create_task(go())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def at(event: Event) -> float:
    """Return Asterisk's own epoch of an event (``timestampevents = yes``)."""
    return float(event["timestamp"])


def between(events: Sequence[Event], since: float, until: float = float("inf")) -> list[Event]:
    """Return the events of this span."""
    return [event for event in events if since <= at(event) < until]
