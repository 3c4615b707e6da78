"""What tests of the tables share: the whole way from SIPp to SIPp, with tables of their own."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

import pytest

from tests.asterisk import sip
from tests.asterisk.ami import Ami, stage
from tests.asterisk.chroots import BUILDS
from tests.asterisk.pbx import Pbx
from tests.asterisk.service import Dialdip, dialdip

DEAD_PROVIDER = "http://127.0.0.1:9/npl"

CARRIERS = ("holder", "ported", "fallback", "second")
"""The endpoints that SIPp stands behind; the tables never name the last one."""

TRUNKS = "trunk,ring_s\nholder,20\nported,20\nfallback,20\n"

ONLY_22 = pytest.mark.parametrize("pbx", BUILDS[:1], indirect=True, ids=["asterisk22"])
"""For what takes long and is the service's doing: once is enough."""


@dataclass(frozen=True, slots=True)
class Whole:
    """A service, an Asterisk that asks it, and the carriers behind."""

    pbx: Pbx
    ami: Ami
    service: Dialdip
    carriers: Mapping[str, sip.Trunk]

    @property
    def rang(self) -> dict[str, list[str]]:
        """Return the numbers that each carrier was asked for, of those that rang."""
        return {name: one.invited for name, one in self.carriers.items() if one.invited}


@contextlib.asynccontextmanager
async def whole(
    pbx: Pbx,
    routes: str,
    *,
    trunks: str = TRUNKS,
    files: Mapping[str, str] | None = None,
    provider: str = DEAD_PROVIDER,
) -> AsyncIterator[Whole]:
    """Start the service with these tables; the site's own default is a trunk of none of them."""
    async with contextlib.AsyncExitStack() as stack:
        enter = stack.enter_async_context
        service = await enter(dialdip(provider, trunks=trunks, routes=routes, files=files))
        carriers = {name: await enter(sip.trunk(pbx, name)) for name in CARRIERS}
        values = {"CARRIER_AGI": service.url, "CARRIER_GUARD": "1.0"}
        ami = await enter(stage(pbx, CARRIER_DEFAULT_TRUNKS="PJSIP/second", **values))
        yield Whole(pbx, ami, service, carriers)


async def until(epoch: float, *, at_most_s: float) -> None:
    """Wait for an instant of the wall clock, which must not be too far away."""
    left = epoch - time.time()
    assert left < at_most_s
    if left > 0:
        await asyncio.sleep(left)
    assert time.time() >= epoch - 0.01, "the clock was set back"
