"""A dipper in this process against the real sandbox: reloads, restarts, postbacks, dumps."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agi import config
from agi.config import Loaded
from agi.dipper import Dipper
from agi.errors import ConfigurationError, UsageError
from agi.log import Silence
from agi.lookup.tiers.sqlite import SqliteStore
from agi.metrics import Metrics
from agi.model import Finding, Inquiry, Mccmnc, Msisdn, Product, Source, Verdicts
from agi.sandbox.exchange import Api
from agi.sandbox.faults import parse_order
from agi.sandbox.providers import Sandbox, Vendors
from agi.sandbox.subscribers import SAMPLE, read_subscribers
from agi.wall import Wall
from tests.lookup.making import ONE, TWO, instant, ok, rule

SUBSCRIBERS = read_subscribers(SAMPLE)
NPL = """
[[providers]]
name = "{name}"
kind = "comcetera"
url = "http://{host}/npl"
username = "demo"
password = "{password}"
"""
PORTED = Msisdn("447703100200")


class Site:
    """A directory with a configuration that the test writes, and a sandbox beside it."""

    def __init__(self, directory: Path, host: str, sandbox: Sandbox) -> None:
        self.directory = directory
        self.host = host
        self.sandbox = sandbox

    def npl(self, name: str = "npl", password: str = "demo") -> str:
        return NPL.format(name=name, host=self.host, password=password)

    def loaded(self, text: str) -> Loaded:
        path = self.directory / "dialdip.toml"
        path.touch(mode=0o600)
        path.write_text(text)
        return config.load(path, os.environ)

    def dipper(self, text: str) -> Dipper:
        return Dipper(
            self.loaded(text),
            state=self.directory / "state",
            clock=asyncio.get_running_loop().time,
            error_rule=rule,
            metrics=Metrics(),
            log=Silence(),
        )


@asynccontextmanager
async def site(directory: Path, latency_ms: int = 1) -> AsyncIterator[Site]:
    sandbox = Sandbox(SUBSCRIBERS, latency_ms=latency_ms, vendors=Vendors(datasoap_mnc=True))
    host, port = await sandbox.start()
    try:
        yield Site(directory, f"{host}:{port}", sandbox)
    finally:
        await sandbox.stop()


@asynccontextmanager
async def running(dipper: Dipper) -> AsyncIterator[Dipper]:
    await dipper.open()
    try:
        yield dipper
    finally:
        await dipper.close()


async def find(
    dipper: Dipper, number: Msisdn = ONE, within: float = 5.0, **terms: object
) -> Finding:
    known: dict[str, object] = {"country": "GB"} | terms
    return await dipper.find(Inquiry(number, instant() + within, **known))  # type: ignore[arg-type] # terms of many types


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


# ---- reload ---------------------------------------------------------------------------------


def test_a_reload_replaces_the_accounts_while_old_requests_are_still_answered(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        async with (
            site(tmp_path, latency_ms=300) as place,
            running(place.dipper(place.npl("old"))) as dipper,
        ):
            asked = asyncio.create_task(find(dipper))
            await place.sandbox.until(lambda seen: seen.requests == 1)
            await dipper.reload(place.loaded(place.npl("new")))
            after = asyncio.create_task(find(dipper, TWO))
            first, second = await asked, await after
            assert (Source.LIVE, "old") == (first.source, first.provider)
            assert (Source.LIVE, "new") == (second.source, second.provider)
            # The account allows one connection: the new one waited for the old one's end.
            assert 1 == place.sandbox.counters.high_water
            assert ["new"] == [row["provider"] for row in dipper.providers()]

    asyncio.run(main())


def test_a_dipper_that_ends_while_an_old_generation_retires_leaves_nothing_behind(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        async with site(tmp_path, latency_ms=5000) as place:
            before = asyncio.all_tasks()
            async with running(place.dipper(place.npl("old"))) as dipper:
                asked = asyncio.create_task(find(dipper, within=0.2))
                await place.sandbox.until(lambda seen: seen.requests == 1)
                old = dipper.books.books[0]
                await dipper.reload(place.loaded(place.npl("new")))
                assert "timeout" == (await asked).reason
            assert 0 == old.queues[0].busy
            await place.sandbox.stop()
            assert before == asyncio.all_tasks()

    asyncio.run(main())


def test_a_reload_without_a_change_keeps_the_accounts_and_what_they_know(tmp_path: Path) -> None:
    async def main() -> None:
        async with site(tmp_path) as place, running(place.dipper(place.npl())) as dipper:
            books = dipper.books
            await dipper.reload(place.loaded(place.npl() + "[cache]\nfresh_s = { network = 5 }\n"))
            assert books is dipper.books

    asyncio.run(main())


def test_a_new_password_alone_is_a_change(tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            site(tmp_path) as place,
            running(place.dipper(place.npl(password="wrong"))) as dipper,
        ):
            assert "err-other" == (await find(dipper)).reason
            await dipper.reload(place.loaded(place.npl()))
            assert Source.LIVE is (await find(dipper, max_age_s=0.0)).source

    asyncio.run(main())


def test_a_reload_that_contradicts_itself_keeps_what_runs(tmp_path: Path) -> None:
    async def main() -> None:
        async with site(tmp_path) as place, running(place.dipper(place.npl())) as dipper:
            wrong = place.npl().replace("comcetera", "hlrlookup") + "batch_size = 81\n"
            with pytest.raises(ConfigurationError, match="batch_size must be 1 to 80"):
                await dipper.reload(place.loaded(wrong))
            assert Source.LIVE is (await find(dipper)).source

    asyncio.run(main())


# ---- what outlives the process --------------------------------------------------------------


def test_the_store_survives_a_restart(tmp_path: Path) -> None:
    async def main() -> None:
        async with site(tmp_path) as place:
            async with running(place.dipper(place.npl())) as dipper:
                assert Source.LIVE is (await find(dipper)).source
            async with running(place.dipper(place.npl())) as dipper:
                again = await find(dipper)
                assert (Source.STORE, Mccmnc("23415")) == (again.source, again.info.mccmnc)
                assert again.age_s is not None
                assert 0.0 <= again.age_s < 10.0
                assert Source.MEMORY is (await find(dipper)).source
            assert 1 == place.sandbox.counters.requests

    asyncio.run(main())


def test_a_forgotten_number_is_gone_after_a_restart_too(tmp_path: Path) -> None:
    async def main() -> None:
        async with site(tmp_path) as place:
            async with running(place.dipper(place.npl())) as dipper:
                await find(dipper)
                assert await dipper.forget(ONE)
                assert not await dipper.forget(ONE)
            async with running(place.dipper(place.npl())) as dipper:
                assert Source.LIVE is (await find(dipper)).source

    asyncio.run(main())


def test_without_a_store_a_restart_forgets(tmp_path: Path) -> None:
    async def main() -> None:
        async with site(tmp_path) as place:
            text = place.npl() + '[cache]\nstore = "none"\n'
            for _ in range(2):
                async with running(place.dipper(text)) as dipper:
                    assert Source.LIVE is (await find(dipper)).source

    asyncio.run(main())


def test_a9_what_a_quarantined_account_wrote_is_purged_in_the_store_too(tmp_path: Path) -> None:
    async def main() -> None:
        async with site(tmp_path) as place:
            async with running(place.dipper(place.npl())) as dipper:
                told: list[tuple[str, float]] = []
                dipper.on_purge = lambda name, ago: told.append((name, round(ago)))
                await find(dipper)
                assert isinstance(dipper.store, SqliteStore)
                await dipper.store.flushed()
                dipper.books.accounts[0].strange(3)
                assert [("npl", 60)] == told
                assert "quarantined" in str(dipper.providers()[0]["breaker"])
            async with running(place.dipper(place.npl())) as dipper:
                assert Source.LIVE is (await find(dipper)).source

    asyncio.run(main())


# ---- postbacks ------------------------------------------------------------------------------


def soap(place: Site, port: int, types: str = '["hlr"]') -> str:
    return f"""
[[providers]]
name = "soap"
kind = "datasoap"
url = "http://{place.host}"
password = "demo"
mode = "async"
types = {types}
[hooks]
listen = "127.0.0.1:{port}"
public_url = "http://127.0.0.1:{port}"
"""


def test_an_answer_by_postback_comes_through_the_door(tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            site(tmp_path) as place,
            running(place.dipper(soap(place, free_port()))) as dipper,
        ):
            finding = await find(dipper, line=None)
            assert (Source.LIVE, "soap", Mccmnc("23415")) == (
                finding.source,
                finding.provider,
                finding.info.mccmnc,
            )
            await place.sandbox.until(lambda seen: seen.posted == 1)

    asyncio.run(main())


def test_a_postback_that_nobody_waits_for_any_more_serves_the_next_call(tmp_path: Path) -> None:
    async def main() -> None:
        async with site(tmp_path) as place:
            late = parse_order("postback-late:2000")
            place.sandbox.desk.order_next(late, 1, Api.DATASOAP)
            async with running(place.dipper(soap(place, free_port()))) as dipper:
                assert "timeout" == (await find(dipper, within=0.2)).reason
                await place.sandbox.until(lambda seen: seen.posted == 1)
                again = await find(dipper)
                assert (Source.MEMORY, Mccmnc("23415")) == (again.source, again.info.mccmnc)

    asyncio.run(main())


def test_a_late_answer_of_an_account_that_is_no_more_is_dropped(tmp_path: Path) -> None:
    async def main() -> None:
        async with site(tmp_path) as place, running(place.dipper(place.npl())) as dipper:
            dipper._late("gone", ok(ONE))
            assert 0 == len(dipper.memory)
            dipper._late("npl", ok(ONE))
            assert 1 == len(dipper.memory)

    asyncio.run(main())


def test_the_screens_of_a_number_are_asked_beside_its_network(tmp_path: Path) -> None:
    async def main() -> None:
        async with site(tmp_path) as place:
            text = place.npl() + soap(place, free_port(), '["tps", "unsubscribe"]')
            async with running(place.dipper(text)) as dipper:
                finding = await find(dipper, screens=(Product.TPS, Product.UNSUBSCRIBE))
                expected = Verdicts(tps=False, unsubscribed=False)
                assert (Source.LIVE, expected) == (finding.source, finding.verdicts)

    asyncio.run(main())


def test_a_door_whose_port_is_taken_refuses_the_start(tmp_path: Path) -> None:
    async def main() -> None:
        async with site(tmp_path) as place:
            with socket.create_server(("127.0.0.1", 0)) as taken:
                dipper = place.dipper(soap(place, taken.getsockname()[1]))
                with pytest.raises(UsageError, match="hooks"):
                    await dipper.open()
                await dipper.close()

    asyncio.run(main())


# ---- dumps ----------------------------------------------------------------------------------

DUMP = '\n[[providers]]\nname = "dump"\nkind = "file"\npath = "dump.csv"\n'


def test_a_dump_before_the_accounts_answers_for_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        async with site(tmp_path) as place:
            (tmp_path / "dump.csv").write_text(f"number;mccmnc\n{ONE};23430\n")
            async with running(place.dipper(DUMP + place.npl())) as dipper:
                finding = await find(dipper)
                assert ("dump", Mccmnc("23430")) == (finding.provider, finding.info.mccmnc)
                assert "npl" == (await find(dipper, TWO)).provider
                assert 1 == place.sandbox.counters.requests
                assert ["npl", "dump"] == [row["provider"] for row in dipper.providers()]

    asyncio.run(main())


def test_a_dump_behind_the_accounts_answers_when_they_do_not(tmp_path: Path) -> None:
    async def main() -> None:
        async with site(tmp_path) as place:
            (tmp_path / "dump.csv").write_text(f"number;mccmnc\n{ONE};23430\n")
            place.sandbox.desk.order_next(parse_order("http-500"), 9)
            async with running(place.dipper(place.npl() + DUMP)) as dipper:
                finding = await find(dipper)
                assert (Source.RANGE, "err-other", Mccmnc("23430")) == (
                    finding.source,
                    finding.reason,
                    finding.info.mccmnc,
                )

    asyncio.run(main())


def test_a_faulty_dump_refuses_the_start_and_later_keeps_the_old_one(tmp_path: Path) -> None:
    async def main() -> None:
        async with site(tmp_path) as place:
            path = tmp_path / "dump.csv"
            path.write_text("number;mccmnc\nnonsense;23430\n")
            dipper = place.dipper(DUMP + place.npl())
            with pytest.raises(ConfigurationError):
                await dipper.open()
            await dipper.close()
            path.write_text(f"number;mccmnc\n{ONE};23430\n")
            async with running(place.dipper(DUMP + place.npl())) as dipper:
                path.write_text("number;mccmnc\nnonsense;23430\nmore;23410\n")
                await dipper.reload(dipper.loaded)
                assert Mccmnc("23430") == (await find(dipper)).info.mccmnc

    asyncio.run(main())


def test_a_dump_of_other_countries_is_not_asked(tmp_path: Path) -> None:
    async def main() -> None:
        async with site(tmp_path) as place:
            (tmp_path / "dump.csv").write_text(f"number;mccmnc\n{ONE};23430\n")
            text = DUMP + 'countries = ["DE"]\n' + place.npl()
            async with running(place.dipper(text)) as dipper:
                assert "npl" == (await find(dipper)).provider

    asyncio.run(main())


# ---- money and time -------------------------------------------------------------------------


def test_the_money_of_the_day_survives_a_restart(tmp_path: Path) -> None:
    """A budget of 0.012 at 0.006: two answers, over however many starts."""

    async def main() -> None:
        async with site(tmp_path) as place:
            text = place.npl() + 'price = "0.006"\ndaily_budget = "0.012"\n'
            reasons = []
            for number in (ONE, TWO, PORTED):
                async with running(place.dipper(text)) as dipper:
                    reasons.append((await find(dipper, number)).reason)
            assert ["ok", "ok", "budget"] == reasons
            assert 2 == place.sandbox.counters.requests

    asyncio.run(main())


def test_the_money_of_the_day_survives_reloads(tmp_path: Path) -> None:
    """The same two answers, with an account that changes between them, and a restart behind."""

    async def main() -> None:
        async with site(tmp_path) as place:
            text = place.npl() + 'price = "0.006"\ndaily_budget = "0.012"\n'
            reasons = []
            async with running(place.dipper(text)) as dipper:
                reasons.append((await find(dipper)).reason)
                for timeout_ms in (600, 500):
                    await dipper.reload(place.loaded(f"{text}timeout_ms = {timeout_ms}\n"))
                    assert "0.006 EUR" == dipper.providers()[0]["spent_today"]
                reasons.append((await find(dipper, TWO)).reason)
                reasons.append((await find(dipper, PORTED)).reason)
            async with running(place.dipper(text)) as dipper:
                reasons.append((await find(dipper, PORTED)).reason)
            assert ["ok", "ok", "budget", "budget"] == reasons

    asyncio.run(main())


def test_another_budget_takes_what_was_spent_today_over(tmp_path: Path) -> None:
    """Two answers at 0.006 reach 0.012; a budget of 0.018 leaves one more, no fresh three."""

    async def main() -> None:
        async with site(tmp_path) as place:
            text = place.npl() + 'price = "0.006"\n'
            reasons = []
            async with running(place.dipper(text)) as dipper:  # no budget at first
                reasons.append((await find(dipper)).reason)
                for budget in ("0.012", "0.018"):
                    limited = f'{text}daily_budget = "{budget}"\n'
                    await dipper.reload(place.loaded(limited))
                reasons.append((await find(dipper, TWO)).reason)
                reasons.append((await find(dipper, PORTED)).reason)
                reasons.append((await find(dipper, Msisdn("447973100100"))).reason)
                assert "0.018 EUR" == dipper.providers()[0]["spent_today"]
            assert ["ok", "ok", "ok", "budget"] == reasons

    asyncio.run(main())


def test_a_reload_of_something_else_lifts_no_quarantine(tmp_path: Path) -> None:
    async def main() -> None:
        async with site(tmp_path) as place:
            first, second = place.npl("one"), place.npl("two")
            async with running(place.dipper(first + second)) as dipper:
                dipper.books.accounts[0].strange(3)
                await dipper.reload(place.loaded(first + second + "timeout_ms = 600\n"))
                assert "quarantined" in str(dipper.providers()[0]["breaker"])
                await dipper.reload(place.loaded(place.npl("one", "other") + second))
                assert "quarantined" not in str(dipper.providers()[0]["breaker"])

    asyncio.run(main())


@pytest.mark.parametrize("jump_s", [3600.0, -3600.0, 1e9])
def test_f40_a_wall_clock_that_jumps_moves_no_epoch_of_ours(jump_s: float) -> None:
    epoch, clock = 1_700_000_000.0, 50.0
    wall = Wall(lambda: clock, lambda: epoch)
    epoch += jump_s
    clock += 10.0
    assert (1_700_000_010.0, 1_700_000_004.0) == (wall.now(), wall.at(54.0))
