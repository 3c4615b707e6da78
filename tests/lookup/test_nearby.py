"""A router's own memory in front of a finder that may be gone."""

import pytest

from agi.lookup.freshness import Freshness
from agi.lookup.nearby import Nearby
from agi.lookup.record import Said
from agi.lookup.screening import Screens
from agi.lookup.tiers.memory import MemoryTier
from agi.model import (
    Finding,
    Fraud,
    Inquiry,
    Live,
    Mccmnc,
    NumberInfo,
    Product,
    Source,
    Verdicts,
)
from tests.lookup.making import (
    BARE,
    NETWORK,
    ONE,
    RULES,
    TWO,
    ask_for,
    instant,
    play,
    rule,
    said,
    verdict,
)

WEEK_S = 604_800.0
GONE = Finding(Source.DEFAULT, "no-dipper")
LIVE = Finding(Source.LIVE, "ok", NETWORK, 0.0, None, "npl", "comcetera")


class Finds:
    """A finder that says what it is told to."""

    def __init__(self, finding: Finding = GONE) -> None:
        self.finding = finding
        self.asked: list[Inquiry] = []

    async def find(self, inquiry: Inquiry) -> Finding:
        self.asked.append(inquiry)
        return self.finding


def near(finding: Finding = GONE) -> Nearby:
    fresh = Freshness()
    return Nearby(
        memory=MemoryTier(100, keep_s=fresh.keep_s),
        screens=Screens(100, fresh.of_screen),
        finder=Finds(finding),
        clock=instant,
        error_rule=rule,
        freshness=fresh,
    )


def stale(reason: str, age_s: float, info: NumberInfo = BARE) -> Finding:
    return Finding(Source.STALE, reason, info, age_s, None, "npl", "comcetera")


# ---- what memory knows at once --------------------------------------------------------------


def test_what_memory_knows_is_recalled_at_once_with_its_age() -> None:
    async def scene() -> None:
        nearby = near()
        assert None is nearby.recall(ONE, instant())
        nearby.memory.put(ONE, said(), instant() - 500)
        expected = Finding(Source.MEMORY, "ok", BARE, 500.0, None, "npl", "comcetera")
        assert expected == nearby.recall(ONE, instant())
        assert None is nearby.recall(ONE, instant(), 499)
        assert None is nearby.recall(ONE, instant() + WEEK_S)

    play(scene)


def test_a_refusal_is_recalled_without_an_age_for_there_is_no_network() -> None:
    async def scene() -> None:
        nearby = near()
        dead = NumberInfo(live=Live.DEAD)
        nearby.memory.put(ONE, said(dead, code="err1"), instant() - 5)
        expected = Finding(Source.DEFAULT, "err1", dead, None, RULES["err1"], "npl", "comcetera")
        assert expected == nearby.recall(ONE, instant())

    play(scene)


def test_with_screens_all_or_nothing_is_recalled() -> None:
    async def scene() -> None:
        nearby = near()
        nearby.memory.put(ONE, said(), instant())
        assert None is nearby.recall(ONE, instant(), None, (Product.TPS,))
        assert None is nearby.verdicts(ONE, instant(), (Product.TPS,))
        nearby._screens.keep(ONE, Product.TPS, verdict("listed"), instant())
        recalled = nearby.recall(ONE, instant(), None, (Product.TPS,))
        assert recalled is not None
        assert (NETWORK, Verdicts(tps=True)) == (recalled.info, recalled.verdicts)
        assert Verdicts(tps=True) == nearby.verdicts(ONE, instant(), (Product.TPS,))

    play(scene)


# ---- what is asked and kept -----------------------------------------------------------------


def test_what_was_found_is_kept_as_of_when_it_was_obtained() -> None:
    async def scene() -> None:
        found = Finding(Source.STORE, "ok", NETWORK, 100.0, None, "npl", "comcetera")
        nearby = near(found)
        assert found == await nearby.find(ask_for())
        recalled = nearby.recall(ONE, instant() + 5)
        assert recalled is not None
        assert (105.0, NETWORK) == (recalled.age_s, recalled.info)

    play(scene)


@pytest.mark.parametrize("reason", ["no-dipper", "timeout", "shed", "breaker", "err-other"])
def test_a_stale_network_is_shown_when_the_finder_has_none(reason: str) -> None:
    async def scene() -> None:
        nearby = near(Finding(Source.DEFAULT, reason))
        nearby.memory.put(ONE, said(), instant() - WEEK_S - 60)
        assert stale(reason, WEEK_S + 60) == await nearby.find(ask_for())
        assert reason == (await nearby.find(ask_for(max_age_s=60))).reason
        assert Source.DEFAULT is (await nearby.find(ask_for(max_age_s=60))).source

    play(scene)


def test_nothing_stale_is_shown_for_a_number_that_there_is_not() -> None:
    async def scene() -> None:
        nearby = near(Finding(Source.DEFAULT, "err1", age_s=0.0, provider="npl", kind="comcetera"))
        nearby.memory.put(ONE, said(), instant() - WEEK_S - 60)
        finding = await nearby.find(ask_for())
        assert (Source.DEFAULT, RULES["err1"], None) == (
            finding.source,
            finding.rule,
            finding.age_s,
        )

    play(scene)


def test_the_rule_of_a_code_is_this_processes_own_and_the_refusal_is_remembered() -> None:
    async def scene() -> None:
        dead = NumberInfo(live=Live.DEAD)
        told = Finding(Source.DEFAULT, "err1", dead, 7.0, None, "npl", "comcetera")
        nearby = near(told)
        expected = Finding(Source.DEFAULT, "err1", dead, None, RULES["err1"], "npl", "comcetera")
        assert expected == await nearby.find(ask_for())
        assert expected == nearby.recall(ONE, instant() + 3592)
        assert None is nearby.recall(ONE, instant() + 3594)  # its hour began 7 s before

    play(scene)


def test_a_code_that_this_processes_table_does_not_list_has_no_rule() -> None:
    async def scene() -> None:
        told = Finding(Source.DEFAULT, "err77", NumberInfo(), 0.0, None, "npl", "comcetera")
        assert None is (await near(told).find(ask_for())).rule

    play(scene)


def test_a_stale_network_is_not_undone_by_the_code_that_made_it_necessary() -> None:
    """The provider says ERR29 now; the network of before is what the call is routed by."""

    async def scene() -> None:
        told = stale("err29", WEEK_S + 60)
        nearby = near(told)
        assert told == await nearby.find(ask_for())
        kept = nearby.memory.get(ONE, instant())
        assert kept is not None
        assert ("", Mccmnc("23415")) == (kept.said.code, kept.said.info.mccmnc)

    play(scene)


def test_a_network_of_a_range_and_a_default_are_not_remembered() -> None:
    async def scene() -> None:
        for source in (Source.RANGE, Source.DEFAULT, Source.SKIPPED):
            nearby = near(Finding(source, "timeout", BARE, 0.0, None, "dump", "file"))
            await nearby.find(ask_for())
            assert 0 == len(nearby.memory)

    play(scene)


def test_verdicts_are_kept_and_travel_with_a_stale_network() -> None:
    async def scene() -> None:
        words = Verdicts(Fraud.PASSED, tps=True, unsubscribed=False)
        nearby = near(Finding(Source.DEFAULT, "timeout", verdicts=words))
        nearby.memory.put(ONE, said(), instant() - WEEK_S - 60)
        every = (Product.FRAUD, Product.TPS, Product.UNSUBSCRIBE)
        finding = await nearby.find(ask_for(screens=every))
        assert (Source.STALE, words) == (finding.source, finding.verdicts)
        assert words == nearby.verdicts(ONE, instant(), every)

    play(scene)


def test_who_asks_for_verdicts_only_is_shown_no_network() -> None:
    async def scene() -> None:
        nearby = near(Finding(Source.SKIPPED, "same-route"))
        nearby.memory.put(ONE, said(), instant() - WEEK_S - 60)
        finding = await nearby.find(ask_for(network=False))
        assert Finding(Source.SKIPPED, "same-route") == finding

    play(scene)


# ---- what is forgotten ----------------------------------------------------------------------


def test_a_number_is_forgotten_in_memory_and_screens() -> None:
    async def scene() -> None:
        nearby = near()
        assert not nearby.drop(ONE)
        nearby._screens.keep(ONE, Product.TPS, verdict("listed"), instant())
        assert nearby.drop(ONE)
        nearby.memory.put(ONE, said(), instant())
        assert nearby.drop(ONE)
        assert None is nearby.recall(ONE, instant())

    play(scene)


def test_a9_what_a_quarantined_account_said_lately_is_forgotten() -> None:
    async def scene() -> None:
        nearby = near()
        words: list[tuple[float, Said]] = [(30.0, said()), (90.0, said())]
        for number, (age_s, word) in zip((ONE, TWO), words, strict=True):
            nearby.memory.put(number, word, instant() - age_s)
        nearby.purge("npl", 60.0)
        assert None is nearby.recall(ONE, instant())
        assert None is not nearby.recall(TWO, instant())

    play(scene)
