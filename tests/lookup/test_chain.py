"""One question put to accounts in their order; queues answer by script, in virtual time."""

import asyncio
from typing import Any

import pytest

from agi.errors import ProviderFault
from agi.lookup import events
from agi.lookup.account import Account
from agi.lookup.chain import Budgets, Chain, Outcome
from agi.lookup.events import LookupEvent
from agi.lookup.limits import HedgeBudget, RetryBudget
from agi.lookup.provider import Answer
from agi.model import Inquiry, Live, Msisdn, NumberInfo, Product
from agi.model import Outcome as Said
from tests.lookup.making import (
    ONE,
    RULES,
    Firm,
    Money,
    ask_for,
    code,
    fails,
    instant,
    numbers,
    ok,
    on,
    play,
    rule,
    says,
    settle,
)

LIVES = NumberInfo(live=Live.LIVE)
ABSENT = NumberInfo(live=Live.ABSENT)


class Question:
    """One chain, or several one after the other with the same budgets."""

    def __init__(self, *firms: Firm, **budgets: Any) -> None:
        self.firms = firms
        self.budgets = Budgets(**budgets)
        self.events: list[LookupEvent] = []
        self.taken: list[tuple[str, Answer]] = []
        self.wanted = True
        self.believed = True
        for firm in firms:
            firm.account._observe = self.events.append

    def take(self, account: Account, inquiry: Inquiry, answer: Answer) -> Answer | None:
        assert inquiry.number == answer.number
        self.taken.append((account.name, answer))
        return answer if self.believed else None

    async def ask(self, number: Msisdn = ONE, **terms: Any) -> Outcome:
        chain = Chain(
            ask_for(number, **terms),
            [firm.account for firm in self.firms],
            rules=rule,
            taken=self.take,
            wanted=lambda: self.wanted,
            clock=instant,
            budgets=self.budgets,
            observe=self.events.append,
        )
        return await chain.ask()

    @property
    def asked(self) -> list[int]:
        """How often each account was asked."""
        return [len(firm.queue.asked) for firm in self.firms]

    def seen(self, kind: type[LookupEvent]) -> list[LookupEvent]:
        return [event for event in self.events if isinstance(event, kind)]


def who(outcome: Outcome) -> str:
    return "" if outcome.account is None else outcome.account.name


# ---- the order ------------------------------------------------------------------------------


def test_the_first_account_is_asked_and_nobody_else() -> None:
    async def scene() -> None:
        question = Question(Firm("a", says()), Firm("b", says()))
        outcome = await question.ask()
        assert ("a", ok(ONE), None, "ok") == (
            who(outcome),
            outcome.answer,
            outcome.rule,
            outcome.reason,
        )
        assert ([1, 0], [("a", ok(ONE))]) == (question.asked, question.taken)

    play(scene)


def test_nobody_to_ask_is_no_provider() -> None:
    async def scene() -> None:
        assert Outcome(None, None, None, "no-provider") == await Question().ask()

    play(scene)


@pytest.mark.parametrize(
    "cause", ["connect", "tls", "reset", "http", "timeout", "malformed", "throttled", "account"]
)
def test_the_next_account_is_asked_when_one_fails(cause: str) -> None:
    async def scene() -> None:
        question = Question(Firm("a", fails(cause)), Firm("b", says()))
        assert "b" == who(await question.ask())
        assert [1, 1] == question.asked

    play(scene)


@pytest.mark.parametrize(
    ("cause", "reason"),
    [
        ("timeout", "timeout"),
        ("shed", "shed"),
        ("breaker", "breaker"),
        ("reset", "err-other"),
        ("account", "err-other"),
        ("throttled", "err-other"),
    ],
)
def test_when_all_fail_the_first_trouble_is_the_reason(cause: str, reason: str) -> None:
    async def scene() -> None:
        question = Question(Firm("a", fails(cause)), Firm("b", fails("malformed")))
        assert reason == (await question.ask()).reason

    play(scene)


def test_who_was_asked_in_vain_is_told_with_the_outage_that_it_was_in() -> None:
    async def scene() -> None:
        b = Firm("b", fails("reset"))
        b.governors.breaker._generation = 3
        question = Question(Firm("a", fails("shed")), b, Firm("c", fails("throttled")))
        assert (("b", 3),) == (await question.ask()).failed

    play(scene)


@pytest.mark.parametrize(
    ("trouble", "why", "reason"),
    [
        ("breaker", "breaker", "breaker"),
        ("budget", "budget", "budget"),
        ("paused", "paused", "shed"),
        ("quarantine", "quarantine", "breaker"),
        ("full", "shed", "shed"),
    ],
)
def test_an_account_that_may_not_be_asked_is_passed_over_and_that_is_counted(
    trouble: str, why: str, reason: str
) -> None:
    async def scene() -> None:
        a = Firm("a", says(), left=0 if trouble == "budget" else 9)
        if trouble == "breaker":
            a.breaks()
        if trouble == "paused":
            a.governors.pauses.pause("", instant(), 9)
        if trouble == "quarantine":
            a.account.strange(3)
        if trouble == "full":
            a.queue.full = ProviderFault("shed", "too many numbers wait")
        question = Question(a, Firm("b", says()))
        assert "b" == who(await question.ask())
        assert [events.Avoided("a", why)] == question.seen(events.Avoided)
        alone = Question(a)
        assert Outcome(None, None, None, reason) == await alone.ask()

    play(scene)


def test_a_queue_that_fails_otherwise_is_an_error_of_the_provider() -> None:
    async def scene() -> None:
        a = Firm("a")
        a.queue.full = ProviderFault("connect")
        assert "err-other" == (await Question(a).ask()).reason

    play(scene)


def test_an_answer_that_must_not_be_believed_is_none() -> None:
    async def scene() -> None:
        question = Question(Firm("a", says()), Firm("b", says()))
        question.believed = False
        outcome = await question.ask()
        assert (None, "err-other", [1, 1]) == (outcome.answer, outcome.reason, question.asked)
        assert (("a", 0), ("b", 0)) == outcome.failed

    play(scene)


def test_a_question_that_is_cancelled_is_shed() -> None:
    async def scene() -> None:
        a = Firm("a")
        asking = asyncio.create_task(Question(a).ask())
        await settle()
        a.queue.waiting[ONE].cancel()
        assert "shed" == (await asking).reason

    play(scene)


def test_a_programming_error_is_not_swallowed() -> None:
    async def scene() -> None:
        a = Firm("a")
        asking = asyncio.create_task(Question(a).ask())
        await settle()
        a.queue.waiting[ONE].set_exception(LookupError("a bug"))
        with pytest.raises(LookupError):
            await asking

    play(scene)


# ---- the retry budget -----------------------------------------------------------------------


def test_f21_a_dead_first_account_costs_few_requests_more_than_there_are_lookups() -> None:
    """Envoy's budget: a fifth of the requests, three always. 100 lookups: 120 requests."""

    async def scene() -> None:
        question = Question(Firm("a", fails("timeout")), Firm("b", says()))
        question.firms[0].governors.breaker._consecutive = 10_000
        question.firms[0].governors.breaker._enough = 10_000
        for number in numbers(100):
            await question.ask(number)
        assert (100, True) == (question.asked[0], 3 <= question.asked[1] <= 20)

    play(scene)


def test_without_retry_budget_nobody_else_is_asked() -> None:
    async def scene() -> None:
        question = Question(
            Firm("a", fails("reset")), Firm("b", says()), retry=RetryBudget(ratio=0.0, floor=0)
        )
        outcome = await question.ask()
        assert (None, [1, 0]) == (outcome.answer, question.asked)

    play(scene)


def test_all_numbers_that_wait_for_a_silent_account_go_on_as_one_retry() -> None:
    """Two retries in ten seconds: one for each silence; what is answered between ends one."""

    async def scene() -> None:
        frozen, second = Firm("a", timeout_s=0.3), Firm("b", says(after=0.01))
        question = Question(
            frozen, second, retry=RetryBudget(ratio=0.0, floor=1), hedge=HedgeBudget(0.0, 1.0)
        )
        question.budgets.hedge.allow()
        outcomes = await asyncio.gather(*(question.ask(one) for one in numbers(20)))
        assert ["b"] * 20 == [who(outcome) for outcome in outcomes]

    play(scene)


class Slow(Money):
    """A purse whose disk takes ``takes_s`` to know of more money."""

    def __init__(self, takes_s: float) -> None:
        super().__init__(left=0)
        self.takes_s = takes_s

    @property
    def short(self) -> bool:
        return True

    async def secured(self, within_s: float) -> None:
        await asyncio.sleep(min(self.takes_s, within_s))
        self.left = 1 if self.takes_s <= within_s else 0


@pytest.mark.parametrize(
    ("takes_s", "reason", "after_s"), [(0.02, "ok", 0.02), (5.0, "budget", 0.8)]
)
def test_money_that_the_disk_does_not_know_of_yet_is_waited_for_but_not_for_ever(
    takes_s: float, reason: str, after_s: float
) -> None:
    async def scene() -> None:
        firm = Firm("a", says(after=0.0))
        firm.account._purse = Slow(takes_s)
        question, began = Question(firm), instant()
        outcome = await question.ask()
        assert reason == outcome.reason
        assert after_s == pytest.approx(instant() - began)
        refused = [] if reason == "ok" else [events.Avoided("a", "budget")]
        assert refused == question.seen(events.Avoided)

    play(scene)


# ---- what errors.csv says -------------------------------------------------------------------


def test_a_code_that_may_be_known_elsewhere_is_asked_elsewhere() -> None:
    async def scene() -> None:
        question = Question(Firm("a", code("err29", ABSENT)), Firm("b", says()))
        outcome = await question.ask()
        assert ("b", [1, 1]) == (who(outcome), question.asked)

    play(scene)


def test_a_code_that_is_final_is_not_asked_elsewhere() -> None:
    async def scene() -> None:
        question = Question(Firm("a", code("err1")), Firm("b", says()))
        outcome = await question.ask()
        assert ("a", RULES["err1"], [1, 0]) == (who(outcome), outcome.rule, question.asked)

    play(scene)


@pytest.mark.parametrize("second", [code("err36"), fails("reset"), code("err77")])
def test_the_first_of_the_second_best_answers_stands_when_nobody_knows(second: Any) -> None:
    async def scene() -> None:
        question = Question(Firm("a", code("err29", ABSENT)), Firm("b", second))
        outcome = await question.ask()
        assert ("a", RULES["err29"], [1, 1]) == (who(outcome), outcome.rule, question.asked)

    play(scene)


def test_f22_a_code_that_nobody_listed_is_no_answer() -> None:
    async def scene() -> None:
        question = Question(Firm("a", code("pending")), Firm("b", says()))
        assert "b" == who(await question.ask())
        alone = await Question(Firm("a", code("pending"))).ask()
        assert (None, Said.MALFORMED) == (alone.rule, alone.answer and alone.answer.outcome)

    play(scene)


def test_an_answer_without_a_network_is_second_best() -> None:
    async def scene() -> None:
        lives = says(lambda number: Answer(number, Said.OK, LIVES))
        question = Question(Firm("a", lives), Firm("b", says()))
        assert "b" == who(await question.ask())
        assert "a" == who(await Question(Firm("a", lives), Firm("b", fails("reset"))).ask())

    play(scene)


def test_a_code_with_a_network_is_good_enough() -> None:
    async def scene() -> None:
        absent = says(lambda n: Answer(n, Said.ABSENT, ok(n).info, "err29"))
        question = Question(Firm("a", absent), Firm("b", says()))
        assert ("a", [1, 0]) == (who(await question.ask()), question.asked)

    play(scene)


@pytest.mark.parametrize("network", [True, False])
def test_a_verdict_of_a_screen_is_good_enough_and_none_is_asked_for_elsewhere(
    network: bool,
) -> None:
    async def scene() -> None:
        clear = says(lambda number: Answer(number, Said.OK, verdict="clear"))
        question = Question(Firm("a", clear, product=Product.TPS), Firm("b", clear))
        assert ("a", [1, 0]) == (who(await question.ask()), question.asked)
        unlisted = says(lambda number: Answer(number, Said.OK))
        silent = Question(Firm("a", unlisted), Firm("b", clear))
        assert "b" == who(await silent.ask(network=network))

    play(scene)


# ---- hedging --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("usual_s", "hedged_after_s"),
    [(0.1, 0.1), (0.01, 0.05), (0.4, 0.4), (None, 0.25)],
)
def test_a_second_account_is_asked_after_the_firsts_p95_but_not_before_50_ms(
    usual_s: float | None, hedged_after_s: float
) -> None:
    async def scene() -> None:
        a, b = Firm("a", says(after=0.65), timeout_s=0.7), Firm("b", says())
        if usual_s is not None:
            a.used_to(usual_s)
        question = Question(a, b)
        began = instant()
        assert "b" == who(await question.ask())
        assert hedged_after_s == pytest.approx(b.queue.times[0] - began, rel=0.06)
        assert [events.Hedged("b")] == question.seen(events.Hedged)

    play(scene)


def test_the_losers_late_answer_is_kept_once() -> None:
    async def scene() -> None:
        question = Question(Firm("a", on("23410", after=0.5)), Firm("b", on("23415")))
        assert "b" == who(await question.ask())
        assert ["b"] == [name for name, _ in question.taken]
        await asyncio.sleep(1)
        assert [("b", ok(ONE, "23415")), ("a", ok(ONE, "23410"))] == question.taken

    play(scene)


def test_a_losers_late_failure_is_nobodys_business() -> None:
    async def scene() -> None:
        question = Question(Firm("a", fails("reset", after=0.5)), Firm("b", says()))
        assert "b" == who(await question.ask())
        await asyncio.sleep(1)
        assert ["b"] == [name for name, _ in question.taken]

    play(scene)


def test_a_first_account_that_answers_after_the_hedge_was_sent_still_wins() -> None:
    async def scene() -> None:
        question = Question(Firm("a", says(after=0.3)), Firm("b", says(after=0.2)))
        assert ("a", [1, 1]) == (who(await question.ask()), question.asked)

    play(scene)


def test_two_answers_at_one_instant_are_both_taken_and_the_earlier_accounts_counts() -> None:
    async def scene() -> None:
        a, b = Firm("a", timeout_s=0.7), Firm("b")
        question = Question(a, b)
        asking = asyncio.create_task(question.ask())
        await asyncio.sleep(0.3)
        b.queue.answer(ok(ONE, "23410"))
        a.queue.answer(ok(ONE, "23415"))
        assert "a" == who(await asking)
        await settle()
        assert [("a", ok(ONE, "23415")), ("b", ok(ONE, "23410"))] == question.taken

    play(scene)


def test_an_answer_that_comes_while_the_question_ends_is_taken_once() -> None:
    async def scene() -> None:
        a, b = Firm("a", timeout_s=0.7), Firm("b")
        question = Question(a, b)
        asking = asyncio.create_task(question.ask())
        await asyncio.sleep(0.3)
        a.queue.answer(ok(ONE, "23415"))
        await asyncio.sleep(0)  # the question is woken next turn, and so is this
        b.queue.answer(ok(ONE, "23410"))
        assert "a" == who(await asking)
        await settle()
        assert [("a", ok(ONE, "23415")), ("b", ok(ONE, "23410"))] == question.taken

    play(scene)


def test_hedges_are_at_most_one_in_twenty_lookups() -> None:
    async def scene() -> None:
        question = Question(
            Firm("a", says(after=0.6)).used_to(0.1), Firm("b", says()), hedge=HedgeBudget()
        )
        question.firms[0].account.latency.quantile = lambda *_: 0.1  # type: ignore[method-assign] # not 0.6
        for number in numbers(400):
            await question.ask(number)
        hedges = len(question.seen(events.Hedged))
        assert 20 <= hedges <= 25  # 5 % of 400, and the five saved at the start
        assert hedges == question.asked[1]

    play(scene)


def test_f23_there_are_no_hedges_when_everything_fails() -> None:
    async def scene() -> None:
        question = Question(Firm("a", says(after=0.6)), Firm("b", says()))
        for _ in range(5):  # gRPC's throttle: ten tokens, none may be spent at half of them
            question.budgets.hedge.failed()
        await question.ask()
        assert [1, 0] == question.asked

    play(scene)


def test_f23_hedges_come_back_when_answers_do() -> None:
    async def scene() -> None:
        question = Question(Firm("a", says(after=0.6)), Firm("b", says()))
        for _ in range(5):
            question.budgets.hedge.failed()
        for number in numbers(12):  # each answer gives back a tenth
            await question.ask(number)
        assert 1 <= len(question.seen(events.Hedged))

    play(scene)


def test_nobody_is_hedged_for_whom_nobody_waits() -> None:
    async def scene() -> None:
        question = Question(Firm("a", says(after=2.0)), Firm("b", says()))
        question.wanted = False
        await question.ask()
        assert ([1, 0], []) == (question.asked, question.seen(events.Hedged))

    play(scene)


def test_nobody_else_is_asked_after_a_failure_that_nobody_waits_for() -> None:
    async def scene() -> None:
        question = Question(Firm("a", fails("reset")), Firm("b", says()))
        question.wanted = False
        outcome = await question.ask()
        assert (None, [1, 0]) == (outcome.answer, question.asked)

    play(scene)


def test_a_hedge_that_nobody_may_answer_is_none() -> None:
    async def scene() -> None:
        question = Question(Firm("a", says(after=0.6)), Firm("b", says()).breaks())
        assert "a" == who(await question.ask())
        assert [] == question.seen(events.Hedged)

    play(scene)


# ---- an account that has had its time -------------------------------------------------------


def test_an_account_that_has_had_its_time_gives_way_to_the_next() -> None:
    async def scene() -> None:
        a, b = Firm("a", says(after=1.0), timeout_s=0.2), Firm("b", says(after=0.3))
        question = Question(a, b)
        began = instant()
        assert "b" == who(await question.ask())
        assert 0.2 == pytest.approx(b.queue.times[0] - began)
        assert [] == question.seen(events.Hedged)

    play(scene)


def test_an_account_that_is_out_of_time_may_still_answer_first() -> None:
    async def scene() -> None:
        question = Question(Firm("a", says(after=0.3), timeout_s=0.2), Firm("b", says(after=0.9)))
        assert ("a", [1, 1]) == (who(await question.ask()), question.asked)

    play(scene)


def test_without_retry_budget_a_slow_account_is_waited_for() -> None:
    async def scene() -> None:
        question = Question(
            Firm("a", says(after=0.3), timeout_s=0.2).used_to(0.4),
            Firm("b", says()),
            retry=RetryBudget(ratio=0.0, floor=0),
        )
        assert ("a", [1, 0]) == (who(await question.ask()), question.asked)

    play(scene)


# ---- probes ---------------------------------------------------------------------------------


async def broken(name: str, script: Any = None) -> Firm:
    """Make an account whose next question is a probe."""
    firm = Firm(name, script).breaks()
    await asyncio.sleep(1.0)
    return firm


def test_a_probe_is_sent_behind_the_caller_while_another_account_answers() -> None:
    async def scene() -> None:
        a, b = await broken("a", says(after=0.5)), Firm("b", says())
        question = Question(a, b)
        began = instant()
        assert "b" == who(await question.ask())
        assert instant() - began < 0.1
        await asyncio.sleep(1)
        assert [("b", ok(ONE)), ("a", ok(ONE))] == question.taken
        assert "closed" == str(a.governors.breaker.state)

    play(scene)


def test_the_caller_waits_for_the_probe_when_there_is_nobody_else() -> None:
    async def scene() -> None:
        question = Question(await broken("a", says(after=0.5)))
        assert "a" == who(await question.ask())

    play(scene)


def test_the_caller_waits_for_the_probe_when_nobody_else_may_be_asked() -> None:
    async def scene() -> None:
        question = Question(await broken("a", says(after=0.5)), Firm("b", says(), left=0))
        assert ("a", [1, 0]) == (who(await question.ask()), question.asked)

    play(scene)


def test_the_caller_takes_the_probes_answer_when_everybody_else_failed_and_takes_it_once() -> None:
    async def scene() -> None:
        question = Question(
            await broken("a", says(after=0.1)), Firm("b", fails("reset", after=0.2))
        )
        assert "a" == who(await question.ask())
        await settle()
        assert [("a", ok(ONE))] == question.taken

    play(scene)


def test_a_probe_that_fails_leaves_the_others_alone() -> None:
    async def scene() -> None:
        question = Question(await broken("a", fails("reset")), Firm("b", says(after=0.2)))
        assert "b" == who(await question.ask())

    play(scene)


# ---- two accounts that disagree -------------------------------------------------------------


def test_f27_of_two_answers_together_the_accounts_order_decides_not_the_arrival() -> None:
    async def scene() -> None:
        a, b = Firm("a", timeout_s=0.7), Firm("b")
        question = Question(a, b)
        asking = asyncio.create_task(question.ask())
        await asyncio.sleep(0.3)
        b.queue.answer(ok(ONE, "23410"))
        a.queue.answer(ok(ONE, "23415"))
        assert ok(ONE, "23415") == (await asking).answer

    play(scene)
