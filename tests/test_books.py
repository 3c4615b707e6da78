"""A generation of accounts: what it is built of, what it holds back, how it retires."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random

import pytest

from agi import config
from agi.books import Books
from agi.errors import ConfigurationError
from agi.lookup.events import LookupEvent
from agi.lookup.ledger import Ledger
from agi.lookup.postback import Postbacks
from agi.lookup.provider import Answer
from agi.lookup.providers.datasoap import Postback, read_postback
from agi.model import Product
from tests.lookup.making import ONE, ask_for, instant, settle
from tests.lookup.web import Talk, answered, serving, sized

EVERYTHING = """
[[providers]]
name = "npl"
kind = "comcetera"
url = "{url}"
username = "bob"
password = "secret-word"
[[providers]]
name = "guard"
kind = "lanck"
url = "http://127.0.0.1:9/v1"
username = "bob"
password = "secret-word"
types = ["hlr", "fraud"]
[[providers]]
name = "soap"
kind = "datasoap"
url = "http://localhost:9"
allow_private = true
password = "secret-word"
mode = "async"
types = ["tps"]
[[providers]]
name = "off"
kind = "comcetera"
enabled = false
username = "bob"
password = "secret-word"
[[providers]]
name = "dump"
kind = "file"
path = "dump.csv"
[hooks]
listen = "127.0.0.1:0"
public_url = "http://127.0.0.1:9"
"""


def late(name: str, answer: Answer) -> None:
    raise AssertionError(f"nothing is late here: {name} {answer}")


def shelf(directory: Path, text: str) -> tuple[Books, Ledger, list[LookupEvent]]:
    path = directory / "dialdip.toml"
    path.touch(mode=0o600)
    path.write_text(text)
    seen: list[LookupEvent] = []
    ledger = Ledger(directory / "budget.json")
    books = Books(
        config.load(path, os.environ),
        ledger=ledger,
        postbacks=Postbacks[Postback](read_postback, clock=lambda: 0.0, on_late=late),
        postback_url="http://127.0.0.1:9/hooks/datasoap/secret-secret-secret",
        clock=instant,
        wall=lambda: 1_700_000_000.0,
        observe=seen.append,
        dice=Random(1),
    )
    return books, ledger, seen


def play(
    directory: Path,
    scene: Callable[[Books], Awaitable[None]],
    text: str = EVERYTHING,
    url: str = "http://127.0.0.1:9/npl",
) -> None:
    async def stage() -> None:
        books, ledger, _ = shelf(directory, text.replace("{url}", url))
        await ledger.open()
        await books.open()
        try:
            await scene(books)
        finally:
            await books.close()
            await ledger.close()

    asyncio.run(stage())


def test_each_enabled_account_has_its_products_on_its_own_connections(tmp_path: Path) -> None:
    async def scene(books: Books) -> None:
        found = [(one.name, one.terms.product) for one in books.accounts]
        expected = [
            ("npl", Product.NETWORK),
            ("guard", Product.NETWORK),
            ("guard", Product.FRAUD),
            ("soap", Product.TPS),
        ]
        assert expected == found
        npl, guard, soap = books.books
        assert guard.accounts[0].governors is guard.accounts[1].governors
        assert guard.queues[0]._slots is guard.queues[1]._slots is guard.slots
        assert npl.slots is not guard.slots
        # LANCK allows 30 requests in any second (API page, "Limits"); NPL names no pace.
        assert 0.0 == npl.slots.wait_s(1000)
        assert 1.0 < guard.slots.wait_s(30)  # the 31st
        assert (None, None) == (npl.resolver, guard.resolver)
        assert soap.resolver is not None

    play(tmp_path, scene)


def test_settings_that_contradict_the_vendor_are_all_refused_at_once(tmp_path: Path) -> None:
    text = "".join(
        f"""
[[providers]]
name = "{name}"
kind = "hlrlookup"
url = "http://127.0.0.1:9/apiv2"
username = "bob"
password = "secret-word"
batch_size = 81
"""
        for name in ("one", "two")
    )

    async def main() -> None:
        with pytest.raises(ConfigurationError) as caught:
            shelf(tmp_path, text)
        said = [fault.what for fault in caught.value.faults]
        assert [f"provider {name}: batch_size must be 1 to 80" for name in ("one", "two")] == said
        assert "secret-word" not in str(caught.value)

    asyncio.run(main())


async def slow(talk: Talk) -> None:
    talk.web.came.clear()
    form = await talk.request()
    await asyncio.sleep(0.2)
    await talk.send(sized(answered(form)))


def test_what_is_held_is_sent_when_the_generation_before_has_ended(tmp_path: Path) -> None:
    async def main() -> None:
        async with serving(slow) as web:

            async def scene(books: Books) -> None:
                books.hold()
                account = books.accounts[0]
                account.admit(ask_for())
                future = account.ask(ask_for(), instant() + 5, probe=False)
                await settle(50)
                assert [] == web.requests
                books.release()
                assert ONE == (await future).number

            books, ledger, _ = shelf(tmp_path, EVERYTHING.replace("{url}", web.url))
            await ledger.open()
            await books.open()
            await scene(books)
            await books.close()
            await ledger.close()

    asyncio.run(main())


def test_a_generation_retires_when_what_was_asked_is_answered(tmp_path: Path) -> None:
    async def main() -> None:
        async with serving(slow) as web:
            books, ledger, _ = shelf(tmp_path, EVERYTHING.replace("{url}", web.url))
            await ledger.open()
            await books.open()
            account = books.accounts[0]
            account.admit(ask_for())
            future = account.ask(ask_for(), instant() + 5, probe=False)
            await settle()
            await books.retire()
            assert ONE == future.result().number
            await ledger.close()

    asyncio.run(main())


def test_a_generation_that_is_never_answered_retires_after_twice_the_deadline(
    tmp_path: Path,
) -> None:
    async def hang(talk: Talk) -> None:
        await talk.request()
        await talk.gone()

    async def main() -> None:
        async with serving(hang) as web:
            text = "[fastagi]\ndeadline_ms = 100\n" + EVERYTHING.replace("{url}", web.url)
            books, ledger, _ = shelf(tmp_path, text)
            await ledger.open()
            await books.open()
            account = books.accounts[0]
            account.admit(ask_for())
            future = account.ask(ask_for(), instant() + 5, probe=False)
            future.add_done_callback(lambda done: done.exception())
            began = instant()
            await books.retire()
            assert instant() - began < 1.0
            assert future.done()
            await ledger.close()

    asyncio.run(main())


def test_the_day_is_that_of_the_tables_time_zone(tmp_path: Path) -> None:
    async def scene(books: Books) -> None:
        # 1,700,000,000 is 2023-11-14 22:13:20 UTC: already the 15th in Tokyo.
        assert "2023-11-15" == books._day()

    play(tmp_path, scene, EVERYTHING + '[tables]\ntimezone = "Asia/Tokyo"\n')
