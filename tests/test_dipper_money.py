"""What a dipper pays for, against the real sandbox: nothing twice, and nothing off the books."""

import asyncio
import json
from pathlib import Path

import pytest

from agi.model import Finding, Line, Live, Msisdn, Product, Source
from agi.sandbox.exchange import Api
from agi.sandbox.faults import parse_order
from agi.sandbox.providers import Sandbox
from tests.lookup.making import ONE, numbers
from tests.test_dipper import SUBSCRIBERS, Site, find, free_port, running, site

PRICED = 'price = "0.006"\ndaily_budget = "50.00"\ntimeout_ms = 5000\n'
SOAP = """
[[providers]]
name = "soap"
kind = "datasoap"
url = "http://{host}"
password = "demo"
mode = "{mode}"
types = ["{asks}"]
connections = 4
timeout_ms = 200
"""

MNP = """
[[providers]]
name = "mnp"
kind = "hlrlookup"
url = "http://{host}/apiv2"
username = "demo"
password = "demo"
"""


def soap(place: Site, mode: str, asks: str) -> str:
    text = SOAP.format(host=place.host, mode=mode, asks=asks)
    if mode == "async":
        port = free_port()
        text += f'[hooks]\nlisten = "127.0.0.1:{port}"\npublic_url = "http://127.0.0.1:{port}"\n'
    return text


def order(sandbox: Sandbox, fault: str) -> None:
    sandbox.desk.order_all(parse_order(fault), "", percent=100, now=0.0)


def test_a_burst_larger_than_what_the_disk_knows_of_is_looked_up_all_the_same(
    tmp_path: Path,
) -> None:
    """50.00 at 0.006 pay for 8,333 numbers; a portion of it, for 83."""

    async def main() -> None:
        async with (
            site(tmp_path) as place,
            running(place.dipper(place.npl() + PRICED)) as dipper,
        ):
            findings = await asyncio.gather(*(find(dipper, one) for one in numbers(300)))
            assert 0 == sum(finding.reason == "budget" for finding in findings)
            assert 300 == place.sandbox.counters.charged

    asyncio.run(main())


@pytest.mark.parametrize("fault", ["reset", "http-429", "http-500", "truncate"])
def test_f13_all_numbers_of_one_request_that_failed_go_on_to_the_next_provider(
    tmp_path: Path, fault: str
) -> None:
    async def main() -> None:
        async with site(tmp_path, latency_ms=50) as place:
            text = place.npl("first") + MNP.format(host=place.host)
            async with running(place.dipper(text)) as dipper:
                place.sandbox.desk.order_all(parse_order(fault), Api.NPL, percent=100, now=0.0)
                asked = (
                    one
                    for one in SUBSCRIBERS.values()
                    if one.mccmnc and not (one.fault or one.latency_ms or one.live)
                )
                wanted = [one for one in asked if one.msisdn.startswith("44")][:20]
                found = await asyncio.gather(
                    *(find(dipper, Msisdn(one.msisdn), 2.0) for one in wanted)
                )
                assert [one.mccmnc for one in wanted] == [one.info.mccmnc for one in found]
                assert 10 < len(wanted)

    asyncio.run(main())


def test_what_is_on_its_way_when_the_process_ends_is_on_the_books(tmp_path: Path) -> None:
    async def main() -> None:
        async with site(tmp_path, latency_ms=5000) as place:
            async with running(place.dipper(place.npl() + PRICED)) as dipper:
                asked = asyncio.create_task(find(dipper, within=0.1))
                await place.sandbox.until(lambda seen: seen.requests == 1)
                assert "timeout" == (await asked).reason
            books = json.loads((place.directory / "state" / "budget.json").read_text())
            (day,) = books["accounts"]["npl"].values()
            assert 0.006 == pytest.approx(float(day["spent"]) + float(day["reserved"]))

    asyncio.run(main())


def test_a_number_on_its_way_is_not_asked_again_after_a_reload(tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            site(tmp_path, latency_ms=300) as place,
            running(place.dipper(place.npl())) as dipper,
        ):
            first = asyncio.create_task(find(dipper))
            await place.sandbox.until(lambda seen: seen.requests == 1)
            await dipper.reload(place.loaded(place.npl("new")))
            found = [finding.source for finding in (await find(dipper), await first)]
            assert [Source.LIVE, Source.LIVE] == found
            assert 1 == place.sandbox.counters.charged

    asyncio.run(main())


@pytest.mark.parametrize("fault", ["pending", "error-inside"])
def test_an_answer_that_is_no_verdict_is_not_paid_for_with_every_call(
    tmp_path: Path, fault: str
) -> None:
    async def main() -> None:
        async with (
            site(tmp_path) as place,
            running(place.dipper(soap(place, "sync", "tps"))) as dipper,
        ):
            order(place.sandbox, fault)
            for _ in range(5):
                finding = await find(dipper, network=False, screens=(Product.TPS,))
                assert None is finding.verdicts.tps
            assert 1 == place.sandbox.counters.requests
            await dipper.forget(ONE)
            await find(dipper, network=False, screens=(Product.TPS,))
            assert 2 == place.sandbox.counters.requests

    asyncio.run(main())


def test_a_vendor_that_takes_jobs_and_never_posts_is_given_up_like_any_that_is_silent(
    tmp_path: Path,
) -> None:
    """Every submission is billed ("Asynchronous API"): 100 calls in 3 s are not 100 of them."""

    async def main() -> None:
        async with site(tmp_path) as place:
            text = soap(place, "async", "hlr") + "[fastagi]\ndeadline_ms = 200\n"
            async with running(place.dipper(text)) as dipper:
                order(place.sandbox, "postback-never")
                asked: list[asyncio.Task[Finding]] = []
                for number in numbers(100):
                    asked.append(asyncio.create_task(find(dipper, number, 0.2)))
                    await asyncio.sleep(0.03)
                reasons = [(await one).reason for one in asked]
                assert {"timeout", "breaker"} == set(reasons)
                # Five in a row are seen 0.2 s after the first; then a probe a second.
                assert place.sandbox.counters.requests < 25
                order(place.sandbox, "slow:0")
                await asyncio.sleep(1.3)
                back = await find(dipper, Msisdn("447703100200"), 1.0, line=Line.MOBILE)
                assert Source.LIVE is back.source
                assert "closed" == dipper.providers()[0]["breaker"]

    asyncio.run(main())


def test_an_absent_subscriber_without_a_code_is_no_failure(tmp_path: Path) -> None:
    """Data Soap says ``"On": false`` and no MNC: all that is known is the liveness."""

    async def main() -> None:
        async with (
            site(tmp_path) as place,
            running(place.dipper(soap(place, "sync", "hlr"))) as dipper,
        ):
            for _ in range(3):
                finding = await find(dipper, Msisdn("447555111229"), line=Line.MOBILE)
                assert ("ok", Live.ABSENT) == (finding.reason, finding.info.live)
            assert 1 == place.sandbox.counters.requests

    asyncio.run(main())
