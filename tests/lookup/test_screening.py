"""The screens: verdicts remembered, asked once for many callers."""

import asyncio

import pytest

from agi.errors import ProviderFault
from agi.lookup.record import Said
from agi.lookup.screening import Screens, verdicts, with_verdicts
from agi.model import Finding, Fraud, Inquiry, Product, Source, Verdicts
from tests.lookup.making import ONE, TWO, ask_for, instant, play, settle, verdict

LIVES = {Product.FRAUD: 10.0, Product.TPS: 100.0, Product.UNSUBSCRIBE: 100.0}
ALL = (Product.FRAUD, Product.TPS, Product.UNSUBSCRIBE)


class Bureau:
    """Whoever knows verdicts; ``gate`` keeps it from answering."""

    def __init__(self, word: str | None = "listed") -> None:
        self.word = word
        self.asked: list[Product] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, product: Product, inquiry: Inquiry) -> Said | None:
        assert ONE == inquiry.number
        self.asked.append(product)
        await self.gate.wait()
        return None if self.word is None else verdict(self.word)


def screens() -> Screens:
    return Screens(100, LIVES.__getitem__)


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ({}, Verdicts()),
        ({Product.FRAUD: "suspicious"}, Verdicts(fraud=Fraud.SUSPICIOUS)),
        ({Product.FRAUD: "nonsense"}, Verdicts()),
        ({Product.TPS: "listed"}, Verdicts(tps=True)),
        ({Product.TPS: "clear", Product.UNSUBSCRIBE: ""}, Verdicts(tps=False)),
        ({Product.UNSUBSCRIBE: "listed"}, Verdicts(unsubscribed=True)),
    ],
)
def test_words_become_verdicts(known: dict[Product, str], expected: Verdicts) -> None:
    assert expected == verdicts(known)
    finding = Finding(Source.DEFAULT, "ok")
    assert Finding(Source.DEFAULT, "ok", verdicts=expected) == with_verdicts(finding, known)


def test_a_verdict_is_asked_for_once_for_many_callers() -> None:
    async def scene() -> None:
        them, bureau = screens(), Bureau()
        bureau.gate.clear()
        calls = [
            asyncio.create_task(them.ask(ask_for(), Product.TPS, instant(), bureau))
            for _ in range(100)
        ]
        await settle()
        assert (100, 0) == (them.waiting(Product.TPS, ONE), them.waiting(Product.FRAUD, ONE))
        bureau.gate.set()
        assert ["listed"] * 100 == await asyncio.gather(*calls)
        assert ([Product.TPS], 0) == (bureau.asked, them.waiting(Product.TPS, ONE))

    play(scene)


@pytest.mark.parametrize(("age_s", "asked"), [(100.0, 0), (100.1, 1)])
def test_a_verdict_that_is_remembered_is_not_asked_for_while_it_counts(
    age_s: float, asked: int
) -> None:
    async def scene() -> None:
        them, bureau = screens(), Bureau()
        them.keep(ONE, Product.TPS, verdict("clear"), instant() - age_s)
        said = await them.ask(ask_for(), Product.TPS, instant(), bureau)
        assert ("listed" if asked else "clear") == said
        assert asked == len(bureau.asked)

    play(scene)


def test_nobody_knowing_is_an_empty_verdict() -> None:
    async def scene() -> None:
        assert "" == await screens().ask(ask_for(), Product.TPS, instant(), Bureau(None))

    play(scene)


def test_a_question_too_many_is_an_empty_verdict() -> None:
    async def scene() -> None:
        async def failing(product: Product, inquiry: Inquiry) -> Said | None:
            del product, inquiry
            raise ProviderFault("shed")

        assert "" == await screens().ask(ask_for(), Product.TPS, instant(), failing)

    play(scene)


def test_verdicts_are_recalled_all_or_not_at_all() -> None:
    them = screens()
    assert Verdicts() == them.recall(ONE, (), 1000.0)
    assert None is them.recall(ONE, (Product.TPS,), 1000.0)
    them.keep(ONE, Product.TPS, verdict("listed"), 1000.0)
    them.keep(ONE, Product.FRAUD, verdict("passed"), 1000.0)
    two = (Product.FRAUD, Product.TPS)
    assert Verdicts(Fraud.PASSED, tps=True) == them.recall(ONE, two, 1010.0)
    assert None is them.recall(ONE, two, 1010.1)  # the fraud check is too old
    assert Verdicts(tps=True) == them.recall(ONE, (Product.TPS,), 1010.1)
    assert None is them.recall(ONE, ALL, 1000.0)
    assert None is them.recall(TWO, two, 1000.0)


def test_a_number_is_forgotten_in_every_screen() -> None:
    them = screens()
    assert not them.drop(ONE)
    for product in ALL:
        them.keep(ONE, product, verdict("listed"), 1000.0)
    assert them.drop(ONE)
    assert not them.drop(ONE)
    assert None is them.recall(ONE, (Product.TPS,), 1000.0)


def test_a9_what_a_distrusted_account_said_lately_is_forgotten() -> None:
    them = screens()
    them.keep(ONE, Product.TPS, verdict("clear", "guard"), 1000.0)
    them.keep(TWO, Product.TPS, verdict("clear", "other"), 1000.0)
    them.purge("guard", 990.0, 1001.0)
    assert None is them.recall(ONE, (Product.TPS,), 1001.0)
    assert Verdicts(tps=False) == them.recall(TWO, (Product.TPS,), 1001.0)


def test_closing_ends_every_question() -> None:
    async def scene() -> None:
        them, bureau = screens(), Bureau()
        bureau.gate.clear()
        call = asyncio.create_task(them.ask(ask_for(), Product.TPS, instant(), bureau))
        await settle()
        await them.close()
        assert "" == await call

    play(scene)
