"""The pipeline's rules, over accounts whose queues answer by script; time is virtual."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agi.errors import ProviderFault
from agi.lookup import events
from agi.lookup.freshness import Freshness
from agi.lookup.parts import Finder
from agi.lookup.pipeline import RESERVE_S
from agi.lookup.provider import Answer
from agi.model import (
    Finding,
    Fraud,
    Inquiry,
    Live,
    Mccmnc,
    Msisdn,
    NumberInfo,
    Outcome,
    Product,
    Source,
    Verdicts,
)
from tests.lookup.making import (
    BARE,
    EPOCH,
    NETWORK,
    ONE,
    RULES,
    TWO,
    Firm,
    Script,
    Shelf,
    Stage,
    ask_for,
    code,
    coded,
    fails,
    instant,
    numbers,
    ok,
    on,
    play,
    rule,
    said,
    says,
    settle,
    swept,
    verdict,
)
from tests.scenarios.virtual import run

HOUR_S = 3600.0
WEEK_S = 604_800.0
DEAD = NumberInfo(live=Live.DEAD)


def npl(source: Source, info: NumberInfo = NETWORK, age_s: float = 0.0) -> Finding:
    return Finding(source, "ok", info, age_s, None, "npl", "comcetera")


def stale(reason: str, age_s: Any) -> Finding:
    return Finding(Source.STALE, reason, BARE, age_s, None, "npl", "comcetera")


def default(reason: str) -> Finding:
    return Finding(Source.DEFAULT, reason)


# ---- memory, store, provider ----------------------------------------------------------------


def test_an_answer_is_found_live_and_then_in_memory() -> None:
    async def scene() -> None:
        stage = Stage(Firm(script=says(after=0.5)))
        finder: Finder = stage.pipeline
        assert npl(Source.LIVE) == await finder.find(ask_for())
        await asyncio.sleep(10)
        assert npl(Source.MEMORY, age_s=10.0) == await stage.find()
        await asyncio.sleep(300)
        assert npl(Source.MEMORY, BARE, 310.0) == await stage.find()
        assert 1 == len(stage.firms[0].queue.asked)
        asked = [event.result for event in stage.seen(events.TierAsked)]
        assert ["miss", "hit", "hit"] == asked

    play(scene)


def test_what_the_store_knows_is_not_asked_for_and_is_remembered() -> None:
    async def scene() -> None:
        store = Shelf()
        store.holds(said(), 100.0)
        stage = Stage(Firm(), store=store)
        assert npl(Source.STORE, age_s=pytest.approx(100.0)) == await stage.find()  # type: ignore[arg-type] # nearly
        assert npl(Source.MEMORY, age_s=pytest.approx(100.0)) == await stage.find()  # type: ignore[arg-type] # nearly
        assert (1, []) == (store.reads, stage.firms[0].queue.asked)
        tiers = [(event.tier, event.result) for event in stage.seen(events.TierAsked)]
        assert [("memory", "miss"), ("sqlite", "hit"), ("memory", "hit")] == tiers

    play(scene)


def test_an_answer_is_written_to_the_store_with_its_epoch_and_its_life() -> None:
    async def scene() -> None:
        store = Shelf()
        stage = Stage(Firm(script=says()), store=store)
        await stage.find()
        key = ONE, Product.NETWORK
        assert WEEK_S + 259_200 == store.lives[key]
        assert EPOCH + instant() == store.kept[key].obtained
        assert ("npl", NETWORK) == (store.kept[key].said.provider, store.kept[key].said.info)

    play(scene)


def test_a_thousand_callers_read_the_store_once() -> None:
    async def scene() -> None:
        store = Shelf()
        store.holds(said(), 100.0)
        store.gate = asyncio.Event()
        stage = Stage(Firm(), store=store)
        calls = [asyncio.create_task(stage.find()) for _ in range(1000)]
        await settle()
        store.gate.set()
        assert {Source.STORE} == {finding.source for finding in await asyncio.gather(*calls)}
        assert 1 == store.reads

    play(scene)


def test_a_store_that_hangs_keeps_no_call_beyond_its_deadline() -> None:
    async def scene() -> None:
        store = Shelf()
        store.gate = asyncio.Event()
        for firms in ((Firm(),), ()):
            stage = Stage(*firms, store=store)
            began = instant()
            finding = await stage.find(within=0.4)
            assert Source.DEFAULT is finding.source
            assert instant() - began <= 0.4 - RESERVE_S + 1e-6

    play(scene)


@pytest.mark.parametrize(("in_memory_s", "in_store_s"), [(50.0, 500.0), (500.0, 50.0)])
def test_of_memory_and_store_the_younger_is_believed_and_kept(
    in_memory_s: float, in_store_s: float
) -> None:
    async def scene() -> None:
        store = Shelf()
        store.holds(said(), in_store_s)
        stage = Stage(Firm(script=fails("reset")), store=store)
        stage.remembers(in_memory_s)
        await stage.find(max_age_s=10.0)
        kept = stage.memory.get(ONE, instant())
        assert kept is not None
        assert 50.0 == pytest.approx(kept.age_s, abs=0.1)

    play(scene)


def test_f40_an_entry_of_the_future_is_asked_again_and_used_when_nobody_answers() -> None:
    async def scene() -> None:
        store = Shelf()
        store.holds(said(), -HOUR_S)
        stage = Stage(Firm(script=fails("reset")), store=store)
        assert stale("err-other", WEEK_S + 1) == await stage.find()
        assert 1 == len(stage.firms[0].queue.asked)

    play(scene)


def test_a_number_is_forgotten_everywhere() -> None:
    async def scene() -> None:
        store = Shelf()
        stage = Stage(Firm(script=fails("reset")), store=store)
        assert not await stage.pipeline.keeper.forget(ONE)
        await stage.find()
        store.holds(said(), 1.0)
        stage.remembers(1.0)
        assert {"memory", "sqlite"} == set(await stage.pipeline.keeper.kept(ONE))
        assert await stage.pipeline.keeper.forget(ONE)
        assert {} == await stage.pipeline.keeper.kept(ONE)
        stage.firms[0].queue.script = says()
        assert Source.LIVE is (await stage.find()).source  # nor is its failure remembered

    play(scene)


def test_without_a_store_memory_alone_is_forgotten_and_shown() -> None:
    async def scene() -> None:
        stage = Stage(Firm())
        stage.remembers(7.0)
        assert 7.0 == pytest.approx((await stage.pipeline.keeper.kept(ONE))["memory"].age_s)
        assert await stage.pipeline.keeper.forget(ONE)

    play(scene)


# ---- whom to ask ----------------------------------------------------------------------------


def test_without_a_provider_the_reason_says_so() -> None:
    async def scene() -> None:
        assert default("no-provider") == await Stage().find()
        british = Stage(Firm(script=says(), countries=frozenset({"GB"})))
        assert default("no-provider") == await british.find(country="DE")

    play(scene)


@pytest.mark.parametrize(("within", "asked"), [(0.029, 0), (-1.0, 0), (0.04, 1)])
def test_no_question_is_begun_when_no_time_is_left(within: float, asked: int) -> None:
    async def scene() -> None:
        stage = Stage(Firm())
        assert default("timeout") == await stage.find(within=within)
        assert asked == len(stage.firms[0].queue.asked)

    play(scene)


def test_an_accounts_own_time_ends_the_wait_before_the_deadline() -> None:
    async def scene() -> None:
        began = instant()
        finding = await Stage(Firm(timeout_s=0.2), Firm("b", timeout_s=0.1)).find(within=60)
        assert default("timeout") == finding
        assert 0.3 == pytest.approx(instant() - began)

    play(scene)


def test_max_age_0_asks_anew_whatever_is_known() -> None:
    async def scene() -> None:
        store = Shelf()
        stage = Stage(Firm(script=fails("reset")), store=store)
        await stage.find()
        store.holds(said(), 1.0)
        stage.remembers(1.0)
        stage.firms[0].queue.script = says()
        finding = await stage.find(max_age_s=0.0)
        assert (Source.LIVE, 2) == (finding.source, len(stage.firms[0].queue.asked))

    play(scene)


# ---- one flight -----------------------------------------------------------------------------


def test_f34_a_thousand_calls_to_one_cold_number_cost_one_question_and_all_are_answered() -> None:
    async def scene() -> None:
        stage = Stage(Firm(script=says(after=0.3)))
        findings = await asyncio.gather(*(stage.find() for _ in range(1000)))
        assert [npl(Source.LIVE)] * 1000 == findings
        assert ([ONE], [1.0]) == (stage.firms[0].queue.asked, stage.firms[0].purse.paid)
        assert 999 == [e.why for e in stage.seen(events.Avoided)].count("coalesced")

    play(scene)


def test_4096_callers_wait_each_to_its_own_deadline() -> None:
    async def scene() -> None:
        stage = Stage(Firm(script=says(after=0.5), timeout_s=5.0))
        late: list[float] = []

        async def call(index: int) -> bool:
            within = 0.1 + RESERVE_S + index * 0.8 / 4096  # half of them before the answer
            began = instant()
            finding = await stage.find(within=within)
            late.append(instant() - began - within)
            return finding.source is Source.LIVE

        live = await asyncio.gather(*map(call, range(4096)))
        assert 2048 == pytest.approx(sum(live), abs=2)
        assert max(late) <= -RESERVE_S + 1e-6
        assert [ONE] == stage.firms[0].queue.asked

    play(scene)


def test_f35_the_question_outlives_its_leader() -> None:
    async def scene() -> None:
        stage = Stage(Firm(script=says(after=0.3)))
        leader, other = (asyncio.create_task(stage.find()) for _ in range(2))
        await settle()
        leader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leader
        assert npl(Source.LIVE) == await other
        assert [ONE] == stage.firms[0].queue.asked

    play(scene)


def test_f35_an_answer_for_which_nobody_waits_any_more_is_kept_and_reported() -> None:
    async def scene() -> None:
        stage = Stage(Firm(script=says(after=1.0)))
        assert default("timeout") == await stage.find()
        await asyncio.sleep(1)
        assert [events.LateAnswer("npl")] == stage.seen(events.LateAnswer)
        assert Source.MEMORY is (await stage.find()).source

    play(scene)


def test_an_answer_in_time_is_not_reported_as_late() -> None:
    async def scene() -> None:
        stage = Stage(Firm(script=says()))
        await stage.find()
        assert [] == stage.seen(events.LateAnswer)

    play(scene)


def test_a_postback_long_after_is_kept() -> None:
    async def scene() -> None:
        stage = Stage(Firm())
        stage.pipeline.late(stage.firms[0].account, ok(ONE))
        assert Source.MEMORY is (await stage.find()).source

    play(scene)


def test_closing_tells_who_waits_that_the_call_is_shed() -> None:
    async def scene() -> None:
        stage = Stage(Firm())
        call = asyncio.create_task(stage.find())
        await settle()
        await stage.pipeline.close()
        assert default("shed") == await call

    play(scene)


# ---- stale ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("usual_s", "waits_s"), [(0.05, 0.05), (0.4, 0.15), (None, 0.15)])
def test_a_stale_network_is_shown_when_the_account_is_slower_than_usual_or_150_ms(
    usual_s: float | None, waits_s: float
) -> None:
    async def scene() -> None:
        firm = Firm(script=says(after=0.6))
        if usual_s is not None:
            firm.used_to(usual_s)
        stage = Stage(firm)
        stage.remembers(WEEK_S + 60)
        began = instant()
        finding = await stage.find()
        assert stale("timeout", finding.age_s) == finding
        assert WEEK_S + 60 == pytest.approx(finding.age_s)
        assert waits_s == pytest.approx(instant() - began, rel=0.06)
        await asyncio.sleep(1)  # the refreshing went on
        assert npl(Source.MEMORY, age_s=pytest.approx(0.55, abs=0.1)) == await stage.find()  # type: ignore[arg-type] # nearly

    play(scene)


def test_a_fresh_answer_in_time_beats_the_stale_one() -> None:
    async def scene() -> None:
        stage = Stage(Firm(script=on("23410", after=0.1)))
        stage.remembers(WEEK_S + 60)
        assert Mccmnc("23410") == (await stage.find()).info.mccmnc

    play(scene)


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (fails("reset"), "err-other"),
        (fails("timeout"), "timeout"),
        (fails("shed"), "shed"),
        (code("err36"), "err36"),
        (code("err29", NumberInfo(live=Live.ABSENT)), "err29"),
        (code("err77"), "err-other"),
    ],
)
def test_a_stale_network_beats_an_error_and_says_which_it_was(script: Script, reason: str) -> None:
    async def scene() -> None:
        stage = Stage(Firm(script=script))
        stage.remembers(WEEK_S + 60)
        finding = await stage.find()
        assert stale(reason, finding.age_s) == finding

    play(scene)


def test_after_a_failed_refreshing_the_stale_network_is_shown_at_once() -> None:
    async def scene() -> None:
        stage = Stage(Firm(script=fails("timeout", after=0.1)))
        stage.remembers(WEEK_S + 60)
        await stage.find()
        began = instant()
        assert Source.STALE is (await stage.find()).source
        assert began == instant()
        assert [ONE] == stage.firms[0].queue.asked

    play(scene)


@pytest.mark.parametrize("word", ["err1", "err2"])
def test_that_there_is_no_such_number_beats_a_stale_network(word: str) -> None:
    async def scene() -> None:
        stage = Stage(Firm(script=code(word, DEAD)))
        stage.remembers(WEEK_S + 60)
        expected = Finding(Source.DEFAULT, word, DEAD, 0.0, RULES[word], "npl", "comcetera")
        assert expected == await stage.find()
        assert Source.DEFAULT is (await stage.find()).source

    play(scene)


def test_a_network_older_than_its_stale_time_is_gone() -> None:
    async def scene() -> None:
        stage = Stage(Firm(script=fails("reset")), freshness=Freshness(network_s=10, stale_s=5))
        stage.remembers(15.1)
        assert default("err-other") == await stage.find()

    play(scene)


# ---- what failed ----------------------------------------------------------------------------


def test_a_failure_is_not_repeated_for_a_second_and_then_for_two() -> None:
    async def scene() -> None:
        firm = Firm(script=fails("reset"))
        stage = Stage(firm)
        times = []
        began = instant()
        while instant() - began < 4.0:
            asked = len(firm.queue.asked)
            assert default("err-other") == await stage.find()
            if len(firm.queue.asked) > asked:
                times.append(instant() - began)
            await asyncio.sleep(0.05)
        assert [0.0, 1.0, 3.0] == pytest.approx(times, abs=0.2)
        assert "failure" in {event.why for event in stage.seen(events.Avoided)}

    play(scene)


def test_failures_of_an_outage_are_forgotten_when_the_breaker_closes() -> None:
    async def scene() -> None:
        firm = Firm(script=fails("reset"))
        stage = Stage(firm)
        for number in (ONE, *numbers(4)):
            await stage.find(number)
        assert "open" == str(firm.governors.breaker.state)
        await asyncio.sleep(1)  # numbers that failed once are free again: let ONE fail longer
        for _ in range(6):
            stage.failures.failed(ONE, instant(), "timeout", (("npl", 0),))
        assert default("timeout") == await stage.find()
        firm.queue.script = says()
        await stage.find(TWO)  # the probe
        assert npl(Source.LIVE) == await stage.find()

    play(scene)


def test_an_open_breaker_is_a_reason_and_is_not_remembered_by_number() -> None:
    async def scene() -> None:
        firm = Firm(script=says()).breaks()
        stage = Stage(firm)
        assert default("breaker") == await stage.find()
        await asyncio.sleep(1)
        assert npl(Source.LIVE) == await stage.find()

    play(scene)


@pytest.mark.parametrize(
    ("script", "reason"),
    [(fails("shed"), "shed"), (fails("timeout"), "timeout"), (fails("account"), "err-other")],
)
def test_what_failed_is_a_default_with_its_reason(script: Script, reason: str) -> None:
    async def scene() -> None:
        assert default(reason) == await Stage(Firm(script=script)).find()

    play(scene)


def test_f18_a_pause_of_the_provider_is_no_failure_of_the_number() -> None:
    async def scene() -> None:
        firm = Firm(script=fails("throttled", pause=5.0))
        stage = Stage(firm)
        assert default("err-other") == await stage.find()
        assert default("shed") == await stage.find(TWO)  # paused: not asked
        await asyncio.sleep(5)
        firm.queue.script = says()
        assert npl(Source.LIVE) == await stage.find()

    play(scene)


# ---- negative answers -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "ttl_s"),
    [
        (lambda n: coded(n, "err1", DEAD), 3600),
        (lambda n: coded(n, "err2", DEAD), 300),
        (lambda n: coded(n, "err29", NumberInfo(live=Live.ABSENT)), 60),
        (lambda n: coded(n, "err36"), 0),
    ],
)
def test_a_refusal_is_remembered_as_long_as_its_row_says(
    answer: Callable[[Msisdn], Answer], ttl_s: float
) -> None:
    async def scene() -> None:
        firm = Firm(script=says(answer))
        stage = Stage(firm, store=Shelf())
        word = answer(ONE).code
        first = await stage.find()
        assert (Source.DEFAULT, word, RULES[word]) == (first.source, first.reason, first.rule)
        await asyncio.sleep(max(0.0, ttl_s - 1))
        again = await stage.find()
        assert (word, RULES[word], 1 if ttl_s else 2) == (
            again.reason,
            again.rule,
            len(firm.queue.asked),
        )
        await asyncio.sleep(2)
        await stage.find()
        assert 1 < len(firm.queue.asked)

    play(scene)


def test_f22_a_code_that_nobody_listed_is_a_failure_for_a_second() -> None:
    async def scene() -> None:
        firm = Firm(script=code("pending"))
        stage = Stage(firm, store=Shelf())
        finding = await stage.find()
        assert (Source.DEFAULT, "err-other", None) == (
            finding.source,
            finding.reason,
            finding.info.mccmnc,
        )
        assert ({}, 0) == (stage.store and stage.store.kept, len(stage.memory))
        await stage.find()
        assert 1 == len(firm.queue.asked)
        await asyncio.sleep(1.3)
        await stage.find()
        assert 2 == len(firm.queue.asked)

    play(scene)


def test_a_passing_failure_does_not_wipe_out_a_fresh_network() -> None:
    async def scene() -> None:
        stage = Stage(Firm(script=code("err29", NumberInfo(live=Live.ABSENT))))
        stage.remembers(1.0)
        await stage.find(max_age_s=0.0)
        assert Source.MEMORY is (await stage.find()).source

    play(scene)


def test_an_answer_that_says_only_that_it_lives_is_remembered_as_long_as_liveness() -> None:
    async def scene() -> None:
        lives = NumberInfo(live=Live.LIVE)
        firm = Firm(script=says(lambda number: Answer(number, Outcome.OK, lives)))
        stage = Stage(firm)
        expected = Finding(Source.DEFAULT, "ok", lives, 0.0, None, "npl", "comcetera")
        assert expected == await stage.find()
        await asyncio.sleep(299)
        assert "ok" == (await stage.find()).reason
        assert 1 == len(firm.queue.asked)
        await asyncio.sleep(2)
        await stage.find()
        assert 2 == len(firm.queue.asked)

    play(scene)


# ---- what cannot be right -------------------------------------------------------------------


@pytest.mark.parametrize("network", ["26201", "310410", "20801", "90112"])
def test_a8_a_network_of_another_country_is_dropped_counted_and_not_kept(network: str) -> None:
    """Germany, the United States and France do not serve +44, nor does 901 (ITU-T E.212, E.164)."""

    async def scene() -> None:
        store = Shelf()
        stage = Stage(Firm(script=on(network)), store=store)
        assert default("err-other") == await stage.find()
        assert [events.Implausible("npl")] == stage.seen(events.Implausible)
        assert ({}, 0) == (store.kept, len(stage.memory))

    play(scene)


@pytest.mark.parametrize("network", ["23415", "234150", "23402"])
def test_a8_a_network_of_the_country_is_kept_with_the_digits_it_came_with(network: str) -> None:
    async def scene() -> None:
        stage = Stage(Firm(script=on(network)))
        assert Mccmnc(network) == (await stage.find()).info.mccmnc
        assert Mccmnc(network) == (await stage.find()).info.mccmnc

    play(scene)


def test_a8_the_next_account_is_asked_when_one_cannot_be_right() -> None:
    async def scene() -> None:
        stage = Stage(Firm(script=on("26201")), Firm("b", on("23410")))
        assert Mccmnc("23410") == (await stage.find()).info.mccmnc

    play(scene)


def test_a9_three_such_answers_quarantine_the_account_and_purge_what_it_wrote() -> None:
    async def scene() -> None:
        firm = Firm(script=on("23410"), kind="comcetera")
        stage = Stage(firm, Firm("b", on("23415")), store=Shelf())
        purged: list[tuple[str, float]] = []
        stage.pipeline.on_purge = lambda name, ago: purged.append((name, ago))
        await asyncio.sleep(100)
        poisoned, *others = numbers(4)
        assert Mccmnc("23410") == (await stage.find(poisoned)).info.mccmnc
        firm.queue.script = on("26201")
        for number in others:
            await stage.find(number)
        assert [events.Quarantined("npl", 600.0)] == stage.seen(events.Quarantined)
        assert [("npl", 60.0)] == [(name, round(ago, 1)) for name, ago in purged]
        assert None is stage.memory.get(poisoned, instant())
        asked = len(firm.queue.asked)
        assert Mccmnc("23415") == (await stage.find(ONE)).info.mccmnc
        assert asked == len(firm.queue.asked)

    play(scene)


def test_a9_what_comes_from_an_account_in_quarantine_is_not_believed() -> None:
    async def scene() -> None:
        firm = Firm(script=says(after=0.5))
        stage = Stage(firm, store=Shelf())
        call = asyncio.create_task(stage.find())
        await asyncio.sleep(0.1)
        firm.account.strange(3)
        assert default("err-other") == await call
        stage.pipeline.late(firm.account, ok(TWO))
        assert 0 == len(stage.memory)

    play(scene)


# ---- two providers that disagree ------------------------------------------------------------


def disagreeing(first_after: float, second_after: float) -> Stage:
    return Stage(
        Firm("a", on("23410", first_after), timeout_s=0.7),
        Firm("b", on("23430", second_after), timeout_s=0.7),
    )


@pytest.mark.parametrize("first_after", [0.3, 0.6])
def test_f27_of_two_that_disagree_the_earlier_in_order_is_remembered(first_after: float) -> None:
    """Asked after 0.25 s as a hedge, b answers at 0.4 s: after a, or before it."""

    async def scene() -> None:
        stage = disagreeing(first_after, 0.15)
        changed: list[Msisdn] = []
        stage.pipeline.keeper.on_change = changed.append
        finding = await stage.find()
        assert Mccmnc("23410" if first_after < 0.4 else "23430") == finding.info.mccmnc
        await asyncio.sleep(1)
        assert Mccmnc("23410") == (await stage.find()).info.mccmnc
        (conflict,) = stage.seen(events.Conflict)
        assert {"a", "b"} == {conflict.provider, conflict.other}
        # Whoever was told the other network is told to forget it.
        assert ([] if first_after < 0.4 else [ONE]) == changed

    play(scene)


def test_f27_two_that_agree_are_no_conflict() -> None:
    async def scene() -> None:
        stage = Stage(Firm("a", says(after=0.6)), Firm("b", says()))
        await stage.find()
        await asyncio.sleep(1)
        assert [] == stage.seen(events.Conflict)

    play(scene)


def test_f27_another_network_an_hour_later_is_a_porting() -> None:
    async def scene() -> None:
        stage = Stage(Firm("a", fails("reset")), Firm("b", on("23430")))
        stage.remembers(HOUR_S, said(BARE, "a"))
        finding = await stage.find(max_age_s=0.0)
        assert (Mccmnc("23430"), []) == (finding.info.mccmnc, stage.seen(events.Conflict))
        assert Mccmnc("23430") == (await stage.find()).info.mccmnc

    play(scene)


def test_f27_an_account_may_correct_itself() -> None:
    async def scene() -> None:
        firm = Firm("a", on("23410"))
        stage = Stage(firm)
        await stage.find()
        firm.queue.script = on("23430")
        await asyncio.sleep(1)
        await stage.find(max_age_s=0.0)
        assert Mccmnc("23430") == (await stage.find()).info.mccmnc
        assert [] == stage.seen(events.Conflict)

    play(scene)


# ---- dumps ----------------------------------------------------------------------------------


class Dump:
    """A portability dump that knows ONE."""

    name = "dump"

    def __init__(self, network: str = "23430", country: str = "GB") -> None:
        self._network = network
        self._country = country

    def serves(self, inquiry: Inquiry) -> bool:
        return inquiry.country == self._country

    def answer(self, number: Msisdn) -> Answer:
        if number != ONE:
            return Answer(number, Outcome.NOT_FOUND)
        return Answer(number, Outcome.OK, NumberInfo(Mccmnc(self._network)))


def test_a_dump_that_knows_the_number_is_asked_before_anybody_who_costs() -> None:
    async def scene() -> None:
        stage = Stage(Firm(script=says()), dumps=[Dump()])
        info = NumberInfo(Mccmnc("23430"))
        expected = Finding(Source.LIVE, "ok", info, 0.0, None, "dump", "file")
        assert expected == await stage.find()
        assert [] == stage.firms[0].queue.asked
        assert Source.LIVE is (await stage.find(TWO)).source
        assert [TWO] == stage.firms[0].queue.asked

    play(scene)


def test_a_dump_alone_is_a_provider() -> None:
    async def scene() -> None:
        stage = Stage(dumps=[Dump()])
        assert Mccmnc("23430") == (await stage.find()).info.mccmnc
        assert default("no-provider") == await stage.find(TWO)
        assert default("no-provider") == await Stage(dumps=[Dump()]).find(country="DE")

    play(scene)


def test_a_dump_behind_the_accounts_is_the_range_when_they_do_not_know() -> None:
    async def scene() -> None:
        stage = Stage(Firm(script=fails("reset")), fallbacks=[Dump(country="DE"), Dump()])
        info = NumberInfo(Mccmnc("23430"))
        expected = Finding(Source.RANGE, "err-other", info, None, None, "dump", "file")
        assert expected == await stage.find()
        assert default("err-other") == await stage.find(TWO)

    play(scene)


# ---- screens --------------------------------------------------------------------------------


def screening(fraud: Script | None, tps: Script | None = None, store: Shelf | None = None) -> Stage:
    return Stage(
        Firm(script=says(after=0.3)),
        Firm("guard", fraud, product=Product.FRAUD, kind="lanck"),
        Firm("list", tps, product=Product.TPS, kind="datasoap"),
        store=store,
    )


def word(text: str, after: float = 0.3) -> Script:
    return says(lambda number: Answer(number, Outcome.OK, verdict=text), after)


BOTH = (Product.FRAUD, Product.TPS)


def test_the_screens_are_asked_in_parallel_with_the_network() -> None:
    async def scene() -> None:
        stage = screening(word("suspicious"), word("listed"))
        began = instant()
        finding = await stage.find(screens=BOTH)
        assert 0.3 == pytest.approx(instant() - began)
        assert (Source.LIVE, Verdicts(Fraud.SUSPICIOUS, tps=True)) == (
            finding.source,
            finding.verdicts,
        )
        again = await stage.find(screens=BOTH)
        assert (Source.MEMORY, finding.verdicts) == (again.source, again.verdicts)
        assert [1, 1, 1] == [len(firm.queue.asked) for firm in stage.firms]

    play(scene)


@pytest.mark.parametrize(
    "fraud", [fails("reset"), fails("timeout"), None, word("passed", after=0.9), code("err36")]
)
def test_a_screen_that_says_nothing_in_time_is_none_and_costs_the_network_nothing(
    fraud: Script | None,
) -> None:
    async def scene() -> None:
        stage = screening(fraud, word("clear"))
        began = instant()
        finding = await stage.find(within=0.8, screens=BOTH)
        assert instant() - began <= 0.8 - RESERVE_S + 1e-6
        assert (Source.LIVE, Verdicts(tps=False)) == (finding.source, finding.verdicts)

    play(scene)


def test_a_late_verdict_serves_the_next_call() -> None:
    async def scene() -> None:
        stage = screening(word("passed", after=0.9), word("clear"))
        await stage.find(screens=BOTH)
        await asyncio.sleep(0.5)
        finding = await stage.find(screens=BOTH)
        assert Verdicts(Fraud.PASSED, tps=False) == finding.verdicts

    play(scene)


def test_a_screen_is_not_begun_when_no_time_is_left() -> None:
    async def scene() -> None:
        stage = screening(word("passed"), word("clear"))
        finding = await stage.find(within=0.02, screens=BOTH)
        assert Finding(Source.DEFAULT, "timeout") == finding
        assert [0, 0, 0] == [len(firm.queue.asked) for firm in stage.firms]

    play(scene)


def test_the_screens_alone_may_be_asked() -> None:
    async def scene() -> None:
        stage = screening(word("passed"), word("clear"))
        finding = await stage.find(network=False, screens=BOTH)
        expected = Finding(Source.SKIPPED, "same-route", verdicts=Verdicts(Fraud.PASSED, tps=False))
        assert expected == finding
        assert [0, 1, 1] == [len(firm.queue.asked) for firm in stage.firms]

    play(scene)


@pytest.mark.parametrize(("age_s", "asked"), [(3500.0, 0), (3700.0, 1)])
def test_a_verdict_of_the_store_is_not_asked_for_while_it_counts(age_s: float, asked: int) -> None:
    async def scene() -> None:
        store = Shelf()
        store.holds(verdict("suspicious"), age_s, Product.FRAUD)
        stage = screening(word("passed"), word("clear"), store)
        finding = await stage.find(screens=(Product.FRAUD,))
        expected = Fraud.PASSED if asked else Fraud.SUSPICIOUS
        assert (expected, asked) == (finding.verdicts.fraud, len(stage.firms[1].queue.asked))
        reads = store.reads
        await stage.find(screens=(Product.FRAUD,))
        assert reads == store.reads
        if asked:
            assert 3600.0 == store.lives[ONE, Product.FRAUD]

    play(scene)


# ---- whatever happens -----------------------------------------------------------------------

CAUSES = ("connect", "reset", "timeout", "malformed", "account", "throttled", "shed", "truncated")

REPLIES = st.one_of(
    st.sampled_from(CAUSES).map(lambda cause: ProviderFault(cause, retry_after_s=1.0)),
    st.sampled_from(["23415", "23410", "26201", "90112"]),
    st.sampled_from(["err1", "err29", "err36", "err77"]),
    st.none(),
)
TIMES = st.floats(0.0, 2.0)
STEP = st.tuples(
    st.lists(st.tuples(REPLIES, TIMES), min_size=2, max_size=2),
    st.integers(0, 2),  # which number
    st.floats(0.0, 1.0),  # until the deadline
    st.sampled_from([0.0, 0.1, 1.0, 90.0, 700_000.0]),  # until the next call
    st.sampled_from([None, 0.0, 60.0]),
    st.sampled_from([(), (Product.FRAUD,)]),
)


def reply(given: ProviderFault | str | None, after: float) -> Script:
    if isinstance(given, ProviderFault):
        return lambda _: (after, given)
    if given is None:
        return says(lambda number: Answer(number, Outcome.OK), after)
    return code(given, None, after) if given.startswith("err") else on(given, after)


@settings(max_examples=300, deadline=None)
@given(st.lists(STEP, max_size=12))
def test_whatever_happened_before_the_finding_comes_in_time_and_makes_sense(
    steps: list[Any],
) -> None:
    async def scene() -> None:
        fraud = Firm("guard", word("passed"), product=Product.FRAUD)
        a, b = Firm("a"), Firm("b", left=4, timeout_s=0.2)
        stage = Stage(a, b, fraud, store=Shelf())
        calls = []
        for replies, which, within, pause, max_age_s, screens in steps:
            a.queue.script, b.queue.script = (reply(*one) for one in replies)
            terms = {"max_age_s": max_age_s, "screens": screens}
            calls.append(asyncio.create_task(timed(stage, numbers(3)[which], within, **terms)))
            await asyncio.sleep(pause)
        for finding, late_s, max_age_s in await asyncio.gather(*calls):
            assert late_s <= 1e-6
            check(finding, max_age_s)
        await asyncio.sleep(5)
        for firm in (a, b, fraud):
            assert 0 == firm.purse.held

    run(swept(scene))


async def timed(
    stage: Stage, number: Msisdn, within: float, **terms: Any
) -> tuple[Finding, float, float | None]:
    began = instant()
    finding = await stage.find(number, within, **terms)
    late_s = instant() - began - max(0.0, within - RESERVE_S)
    return finding, late_s, terms["max_age_s"]


def check(finding: Finding, max_age_s: float | None) -> None:
    network = finding.info.mccmnc
    assert network in (None, "23415", "23410")
    assert (network is not None) == (finding.source is not Source.DEFAULT)
    if finding.source in (Source.LIVE, Source.MEMORY, Source.STORE):
        assert "ok" == finding.reason
    if network is not None:
        assert finding.age_s is not None
        assert 0.0 <= finding.age_s <= WEEK_S + 259_200
        assert max_age_s is None or finding.age_s <= max_age_s
    if finding.rule is not None:
        assert rule(finding.kind, finding.reason) == finding.rule


def test_a34_neither_findings_nor_events_nor_failures_show_a_number() -> None:
    async def scene() -> None:
        stage = Stage(Firm(script=on("26201")), Firm("b", fails("reset")), Firm("c", says()))
        told = [repr(await stage.find()), repr(stage.events)]
        told += [repr(firm.account.governors.last_error) for firm in stage.firms]
        told.append(repr(ok(ONE)))
        assert [] == [text for text in told if ONE in text or ONE[2:] in text]

    play(scene)
