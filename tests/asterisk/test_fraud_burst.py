"""Row A28: a burst of revenue-share fraud is stopped by the shipped sample, and nobody else is.

Through a real Asterisk, and from one account of several. The same with 5,000 calls over FastAGI
alone is tests/load/test_fraud_burst.py.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from pathlib import Path
from random import Random

import pytest

import agi.routing
from tests.asterisk import sip
from tests.asterisk.pbx import ACCOUNTS, Pbx
from tests.asterisk.service import sandbox
from tests.asterisk.tables_stage import Whole, whole

SAMPLE = Path(agi.routing.__file__).parent / "sample"
SHIPPED = {name: (SAMPLE / name).read_text() for name in ("limits.csv", "policy.csv")}
ROUTES = "rule,mccmnc,country,trunks\nvodafone,23415,,holder\nhome,,GB,ported\ndefault,,,fallback\n"
HOME_RATE = 17
"""Ordinary calls a second of each of the three accounts: some 50 in all."""

MOST = 20


def foreign(dice: Random, calls: int) -> list[str]:
    """Return a made-up burst: calls to forty numbers of one range (Somalia, 252 90)."""
    numbers = [f"25290712{tail:03}" for tail in dice.sample(range(1_000), 40)]
    return [dice.choice(numbers) for _ in range(calls)]


def home(dice: Random, calls: int) -> list[str]:
    """Return British mobile numbers, each another one."""
    return [f"4477{tail:08}" for tail in dice.sample(range(20_000_000, 30_000_000), calls)]


async def burst(site: Whole, calls: int, rate: int) -> tuple[Counter[int], Counter[int]]:
    """Place the burst and ordinary calls at once; count the final answers of either."""
    dice = Random(28)
    seconds = calls / rate
    fraud = sip.calls(
        site.pbx, foreign(dice, calls), rate=rate, address=ACCOUNTS["pbx"], talk_ms=1_000
    )
    ordinary = [
        sip.calls(site.pbx, home(dice, int(HOME_RATE * seconds)), rate=HOME_RATE, address=address)
        for address in ACCOUNTS.values()
    ]
    done = await asyncio.gather(fraud, *ordinary)
    burst_ends, *home_ends = (Counter(final for _, final in one) for one in done)
    return burst_ends, sum(home_ends, Counter())


@pytest.mark.parametrize(
    ("calls", "rate"),
    [
        pytest.param(300, 30, id="short"),
        pytest.param(5_000, 50, id="long", marks=[pytest.mark.soak, pytest.mark.timeout(600)]),
    ],
)
def test_a28_a_burst_to_forty_numbers_of_one_range_is_stopped_and_nobody_else(
    pbx: Pbx, calls: int, rate: int
) -> None:
    async def run() -> None:
        async with (
            sandbox(others="23415") as provider,
            whole(pbx, ROUTES, files=SHIPPED, provider=provider) as site,
        ):
            await site.ami.action("Events", EventMask="user")
            begun = time.monotonic()
            fraud, ordinary = await burst(site, calls, rate)
            decided = site.ami.heard("Decided")
            print(
                f"Asterisk {pbx.version}: burst of {calls} at {rate}/s: {dict(fraud)}; "
                f"ordinary {dict(ordinary)}, in {time.monotonic() - begun:.0f} s; "
                f"{dict(Counter((e['source'], e['reason']) for e in decided))}"
            )
            went = fraud.pop(200)
            # 403 is cause 21 (RFC 4497, section 8.4.4).
            assert {403: calls - went} == fraud
            # The sample lets a few through: people do call abroad.
            assert 15 <= went <= MOST
            assert went == len(site.rang["fallback"])
            lost = ordinary.total() - ordinary[200]
            assert lost <= ordinary.total() / 1_000
            stopped = [event for event in decided if event["reason"] == "velocity"]
            assert calls - went == len(stopped)
            assert {"limits"} == {event["rule"].partition("-")[0] for event in stopped}

    asyncio.run(run())
