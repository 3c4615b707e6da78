"""Known-answer probes of a dipper in this process, over the real sandbox."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from agi.dipper import Dipper
from agi.e164 import NumberingPlan
from agi.lookup.probes import Seen
from agi.model import Source
from agi.sandbox.faults import parse_order
from tests.lookup.making import ONE
from tests.test_dipper import find, running, site

PLAN = NumberingPlan("GB", ["999"])
# The sandbox's subscriber: the vendor's own example, a number of Vodafone UK (234-15).
PROBE = 'probe = { number = "447788450450", mccmnc = "234-15", every_s = 10 }\n'
PRICED = 'price = "0.50"\ndaily_budget = "1.00"\n'


async def probed(dipper: Dipper) -> Seen:
    """Ask the one probe there is."""
    (known,) = dipper.probes._known.values()
    return await dipper.probes.once(known)


def states(dipper: Dipper) -> list[object]:
    return [one["probe"] for one in dipper.providers()]


@pytest.mark.parametrize(
    ("fault", "seen"),
    [
        ("", Seen.OK),
        ("network:23430", Seen.WRONG),
        ("network:26201", Seen.WRONG),  # of another country: a call would not be shown it
        ("http-503", Seen.MISSING),
        ("fail-password", Seen.MISSING),
        ("wrong-number", Seen.MISSING),
        ("empty", Seen.MISSING),
    ],
)
def test_what_an_account_says_of_a_number_that_is_known(
    tmp_path: Path, fault: str, seen: Seen
) -> None:
    async def main() -> None:
        async with site(tmp_path) as place, running(place.dipper(place.npl() + PROBE)) as dipper:
            assert ["none"] == states(dipper)
            dipper.probe(PLAN.understand)
            if fault:
                place.sandbox.desk.order_all(parse_order(fault), "", percent=100, now=0.0)
            assert seen is await probed(dipper)
            assert [str(seen)] == states(dipper)
            assert {("npl", str(seen)): 1} == dipper.metrics.probes
            # Nothing of it is kept: the next call asks.
            assert dipper.memory.get(ONE, asyncio.get_running_loop().time()) is None

    asyncio.run(main())


def test_a_wrong_answer_to_a_probe_is_nobodys_answer_to_a_call(tmp_path: Path) -> None:
    async def main() -> None:
        async with site(tmp_path) as place, running(place.dipper(place.npl() + PROBE)) as dipper:
            dipper.probe(PLAN.understand)
            desk = place.sandbox.desk
            desk.order_all(parse_order("network:23430"), "")
            assert Seen.WRONG is await probed(dipper)
            desk.order_all(None, "")
            finding = await find(dipper)
            assert (Source.LIVE, "23415") == (finding.source, finding.info.mccmnc)

    asyncio.run(main())


def test_a_probe_goes_by_the_days_money_like_a_call(tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            site(tmp_path) as place,
            running(place.dipper(place.npl() + PRICED + PROBE)) as dipper,
        ):
            dipper.probe(PLAN.understand)
            seen = [await probed(dipper) for _ in range(3)]
            assert [Seen.OK, Seen.OK, Seen.MISSING] == seen  # 1.00 pays for two
            assert 2 == place.sandbox.counters.requests
            assert "0 EUR" == dipper.providers()[0]["budget_left"]

    asyncio.run(main())


def test_a_probe_goes_out_by_itself_and_a_reload_begins_and_ends_them(tmp_path: Path) -> None:
    async def main() -> None:
        async with site(tmp_path) as place, running(place.dipper(place.npl())) as dipper:
            dipper.probe(PLAN.understand)
            assert 0 == len(dipper.probes._known)
            await dipper.reload(place.loaded(place.npl() + PROBE))
            async with asyncio.timeout(15):
                await place.sandbox.until(lambda seen: seen.requests == 1)
            await dipper.reload(place.loaded(place.npl()))
            assert 0 == len(dipper.probes._known)
            assert ["none"] == states(dipper)

    asyncio.run(main())
