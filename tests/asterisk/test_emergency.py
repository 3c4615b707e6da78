"""Row A32: only the configured emergency digits, exactly, go the emergency way."""

from __future__ import annotations

import asyncio

import pytest

from tests.asterisk import sip
from tests.asterisk.ami import stage
from tests.asterisk.pbx import Pbx
from tests.asterisk.service import dialdip

DEAD_PROVIDER = "http://127.0.0.1:9/npl"
TRUNKS = "trunk,number_format,ring_s\nholder,e164,20\nfallback,e164,20\n"
ROUTES = """rule,line,action,trunks
emergency,emergency,,holder
default,,,fallback
"""


@pytest.mark.parametrize("dialled", ["112", "999"])
def test_a32_the_exact_digits_ring_at_the_emergency_trunk_unchanged(pbx: Pbx, dialled: str) -> None:
    assert ("emergency", {"holder": [dialled]}) == asyncio.run(routed(pbx, dialled))


@pytest.mark.parametrize(
    "dialled", ["+44112", "112#", "0112", "911", "+112", "*112", "44112", "1120", "0044112"]
)
def test_a32_what_only_looks_like_an_emergency_number_is_an_ordinary_one(
    pbx: Pbx, dialled: str
) -> None:
    source, rang = asyncio.run(routed(pbx, dialled))
    assert source != "emergency"
    assert "holder" not in rang


def test_a32_a_phone_context_in_the_dialled_part_is_refused_before_anybody_is_asked(
    pbx: Pbx,
) -> None:
    source, rang = asyncio.run(routed(pbx, "911;phone-context=+44"))
    assert source != "emergency"
    assert {} == rang


async def routed(pbx: Pbx, dialled: str) -> tuple[str, dict[str, list[str]]]:
    """Dial by SIP through the real service; return the decision's source and who rang."""
    async with (
        dialdip(DEAD_PROVIDER, trunks=TRUNKS, routes=ROUTES) as service,
        sip.trunk(pbx, "holder") as holder,
        sip.trunk(pbx, "fallback") as fallback,
        stage(pbx, CARRIER_AGI=service.url, CARRIER_DEFAULT_TRUNKS="PJSIP/second") as ami,
    ):
        await sip.call(pbx, dialled)
        heard = ami.heard("Decided")
        trunks = {"holder": holder.invited, "fallback": fallback.invited}
        rang = {name: numbers for name, numbers in trunks.items() if numbers}
        return heard[0]["source"] if heard else "", rang
