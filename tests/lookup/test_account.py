"""One account, governed: whether it may be asked, what is paid, when it is left alone."""

import asyncio
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from agi.errors import ProviderFault
from agi.lookup import events
from agi.lookup.account import Account, Refusal, Terms
from agi.lookup.breaker import Admit, State
from agi.lookup.events import LookupDone, LookupEvent
from agi.lookup.ledger import Ledger, Purse
from agi.lookup.money import Budget
from agi.lookup.provider import Answer
from agi.model import Line, Msisdn, Outcome, Product
from tests.lookup.making import (
    ONE,
    TWO,
    Firm,
    Queue,
    ask_for,
    fails,
    instant,
    numbers,
    ok,
    play,
    says,
    settle,
    swept,
)


class Told(list[LookupEvent]):
    """What an account told its observer."""

    def of(self, kind: type[LookupEvent]) -> list[LookupEvent]:
        return [event for event in self if isinstance(event, kind)]


async def asked(firm: Firm, *, probe: bool = False, country: str = "GB") -> object:
    """Ask for ONE without admission; return the answer or the fault's cause."""
    firm.purse.may_spend()
    future = firm.account.ask(ask_for(country=country), instant() + 0.8, probe=probe)
    try:
        return await future
    except ProviderFault as fault:
        return fault.cause
    finally:
        await settle()


# ---- whom it serves -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("terms", "country", "line", "serves"),
    [
        ({}, "DE", Line.MOBILE, True),
        ({"countries": frozenset({"GB", "IE"})}, "GB", None, True),
        ({"countries": frozenset({"GB", "IE"})}, "DE", None, False),
        ({"countries": frozenset({"GB"})}, "", None, False),
        ({"lines": frozenset({Line.MOBILE})}, "GB", Line.MOBILE, True),
        ({"lines": frozenset({Line.MOBILE})}, "GB", Line.LANDLINE, False),
        ({"lines": frozenset({Line.MOBILE})}, "GB", None, True),
    ],
)
def test_an_account_serves_its_countries_and_lines(
    terms: dict[str, Any], country: str, line: Line | None, *, serves: bool
) -> None:
    async def scene() -> None:
        firm = Firm(**terms)
        assert serves == firm.account.serves(ask_for(country=country, line=line))

    play(scene)


# ---- whether it may be asked ----------------------------------------------------------------


def test_a_sound_account_may_be_asked_and_money_is_set_aside() -> None:
    async def scene() -> None:
        firm = Firm()
        assert Admit.YES is firm.account.admit(ask_for())
        assert (1, 0) == (firm.purse.held, firm.purse.refunds)

    play(scene)


def test_in_quarantine_it_is_not_asked_and_no_money_is_set_aside() -> None:
    async def scene() -> None:
        firm = Firm()
        firm.account.strange(3)
        assert Refusal.QUARANTINE is firm.account.admit(ask_for())
        assert (0, 0) == (firm.purse.held, firm.purse.refunds)

    play(scene)


def test_paused_it_is_not_asked_and_no_money_is_set_aside() -> None:
    async def scene() -> None:
        firm = Firm()
        firm.governors.pauses.pause("", instant(), 5.0)
        assert Refusal.PAUSED is firm.account.admit(ask_for())
        assert (0, 0) == (firm.purse.held, firm.purse.refunds)
        await asyncio.sleep(5.0)
        assert Admit.YES is firm.account.admit(ask_for())

    play(scene)


def test_without_money_it_is_not_asked_and_says_so_once() -> None:
    async def scene() -> None:
        told = Told()
        firm = Firm(left=1, observe=told.append)
        assert Admit.YES is firm.account.admit(ask_for())
        for _ in range(3):
            assert Refusal.BUDGET is firm.account.admit(ask_for())
        assert (1, 0) == (firm.purse.held, firm.purse.refunds)
        assert [events.BudgetGone("npl")] == told

    play(scene)


def test_money_that_the_disk_does_not_know_yet_is_no_end_of_the_budget() -> None:
    async def scene() -> None:
        told = Told()
        firm = Firm(left=0, observe=told.append)
        firm.purse.writing = True
        assert Refusal.BUDGET is firm.account.admit(ask_for())
        assert [] == told

    play(scene)


def test_behind_an_open_breaker_its_money_is_given_back_once() -> None:
    async def scene() -> None:
        firm = Firm().breaks()
        assert Refusal.BREAKER is firm.account.admit(ask_for())
        assert (0, 1) == (firm.purse.held, firm.purse.refunds)

    play(scene)


# ---- what is paid ---------------------------------------------------------------------------


@pytest.mark.parametrize("units", [1.0, 0.5, 0.0, 2.0])
def test_an_answer_is_paid_once_for_what_it_cost(units: float) -> None:
    async def scene() -> None:
        told = Told()
        firm = Firm(
            script=says(lambda number: ok(number, units=units)),
            observe=told.append,
            price=Decimal("0.006"),
            currency="GBP",
        )
        await asked(firm)
        assert ([units], 0, 0) == (firm.purse.paid, firm.purse.refunds, firm.purse.held)
        spent = [events.Spent("npl", Decimal("0.006") * Decimal(str(units)), "GBP")]
        assert (spent if units else []) == told.of(events.Spent)

    play(scene)


def test_what_costs_nothing_is_not_reported_as_spent() -> None:
    async def scene() -> None:
        told = Told()
        firm = Firm(script=says(), observe=told.append)
        await asked(firm)
        assert [] == told.of(events.Spent)

    play(scene)


@pytest.mark.parametrize("cause", ["timeout", "reset", "truncated", "malformed", "oversize"])
def test_what_may_have_been_billed_counts_as_spent(cause: str) -> None:
    async def scene() -> None:
        firm = Firm(script=fails(cause))
        assert cause == await asked(firm)
        assert ([1.0], 0, 0) == (firm.purse.paid, firm.purse.refunds, firm.purse.held)

    play(scene)


@pytest.mark.parametrize(
    ("cause", "detail"),
    [
        *((cause, "") for cause in ("connect", "tls", "http", "account", "bad_request")),
        *((cause, "") for cause in ("throttled", "shed", "breaker")),
        ("timeout", "never sent"),
    ],
)
def test_what_was_not_looked_up_is_refunded_once(cause: str, detail: str) -> None:
    async def scene() -> None:
        firm = Firm(script=fails(cause, detail))
        assert cause == await asked(firm)
        assert ([], 1, 0) == (firm.purse.paid, firm.purse.refunds, firm.purse.held)

    play(scene)


def test_a_programming_error_counts_as_spent() -> None:
    async def scene() -> None:
        firm = Firm()
        firm.purse.may_spend()
        future = firm.account.ask(ask_for(), instant() + 1, probe=False)
        future.set_exception(LookupError("a bug"))
        with pytest.raises(LookupError):
            await future
        await settle()
        assert [1.0] == firm.purse.paid

    play(scene)


def test_a_question_that_was_cancelled_is_refunded_once() -> None:
    async def scene() -> None:
        firm = Firm()
        firm.purse.may_spend()
        firm.account.ask(ask_for(), instant() + 1, probe=False).cancel()
        await settle()
        assert ([], 1, 0) == (firm.purse.paid, firm.purse.refunds, firm.purse.held)

    play(scene)


def test_a_full_queue_is_refunded_once() -> None:
    async def scene() -> None:
        firm = Firm()
        firm.queue.full = ProviderFault("shed", "too many numbers wait")
        firm.purse.may_spend()
        with pytest.raises(ProviderFault, match="shed"):
            firm.account.ask(ask_for(), instant() + 1, probe=False)
        assert (1, 0) == (firm.purse.refunds, firm.purse.held)

    play(scene)


class Sharing(Queue):
    """A queue that gives a number that waits already the same future, as the batcher does."""

    def submit(
        self, number: object, until: float, patience_s: float | None = None
    ) -> asyncio.Future[Answer]:
        del number, patience_s
        return self.waiting.get(ONE) or super().submit(ONE, until)


def test_one_answer_for_two_questions_is_paid_once() -> None:
    async def scene() -> None:
        firm = Firm()
        firm.account.queue = queue = Sharing()
        for _ in range(2):
            firm.purse.may_spend()
            firm.account.ask(ask_for(), instant() + 1, probe=False)
        queue.answer(ok(ONE))
        await settle()
        assert ([1.0], 1, 0) == (firm.purse.paid, firm.purse.refunds, firm.purse.held)

    play(scene)


def test_a_probe_that_shares_a_future_is_still_released_when_it_was_never_sent() -> None:
    async def scene() -> None:
        firm = Firm()
        firm.account.queue = queue = Sharing()
        firm.purse.may_spend()
        firm.account.ask(ask_for(), instant() + 1, probe=False)
        firm.breaks()
        await asyncio.sleep(1.0)
        assert Admit.PROBE is firm.account.admit(ask_for())
        firm.account.ask(ask_for(), instant() + 1, probe=True)
        queue.answer(ProviderFault("timeout", "never sent"))
        await settle()
        assert State.OPEN is firm.governors.breaker.state

    play(scene)


def test_the_latency_of_answers_is_known_after_twenty() -> None:
    async def scene() -> None:
        firm = Firm(script=says(after=0.1))
        for _ in range(20):
            await asked(firm)
        assert 0.1 == pytest.approx(firm.account.latency.quantile(0.95, instant()), rel=0.05)

    play(scene)


# ---- breaker --------------------------------------------------------------------------------


def test_f21_of_a_provider_that_only_fails_no_more_than_five_and_a_probe_a_second_are_asked() -> (
    None
):
    """Ten seconds of 100 calls a second: five, then about one a second, of 1,000."""

    async def scene() -> None:
        firm = Firm(script=fails("http"))
        for _ in range(1000):
            if not isinstance(firm.account.admit(ask_for()), Refusal):
                firm.account.ask(ask_for(), instant() + 0.8, probe=False)
            await asyncio.sleep(0.01)
        assert 12 <= len(firm.queue.asked) <= 17
        assert 0 == firm.purse.held

    play(scene)


def test_f21_a_provider_that_fails_now_and_then_is_not_given_up() -> None:
    async def scene() -> None:
        replies = iter([fails("http"), says(), says()] * 100)

        def reply(number: Msisdn) -> tuple[float, Answer | ProviderFault]:
            return next(replies)(number)

        firm = Firm(script=reply)
        for _ in range(300):
            assert Admit.YES is firm.account.admit(ask_for())
            firm.account.ask(ask_for(), instant() + 0.8, probe=False)
            await asyncio.sleep(0.02)
        assert State.CLOSED is firm.governors.breaker.state

    play(scene)


def test_f24_a_flapping_provider_is_asked_by_probes_while_down_and_fully_soon_after() -> None:
    """5 s up, 5 s down, for a minute, 20 calls a second: goodput and requests in the down times."""

    async def scene() -> None:
        began = instant()

        def up() -> bool:
            return int((instant() - began) // 5) % 2 == 0

        firm = Firm(script=lambda n: says()(n) if up() else fails("reset")(n))
        in_vain = good = 0
        for _ in range(1200):
            if not isinstance(firm.account.admit(ask_for()), Refusal):
                good, in_vain = good + up(), in_vain + (not up())
                firm.account.ask(ask_for(), instant() + 0.8, probe=False)
            await asyncio.sleep(0.05)
        assert in_vain <= 6 * (5 + 5 + 1)  # five to open it, then one a second
        assert good >= 600 - 6 * 1.2 * 20 - 6  # at most 1.2 s of each up time are missed

    play(scene)


def test_a_breaker_that_opens_clears_the_queue_and_says_why() -> None:
    async def scene() -> None:
        told = Told()
        firm = Firm(observe=told.append).breaks("truncated")
        assert ["breaker"] == [fault.cause for fault in firm.queue.cleared]
        assert [events.Breaker("npl", "open", "truncated")] == told.of(events.Breaker)

    play(scene)


def test_the_refusal_of_an_account_pages_once_for_each_outage() -> None:
    async def scene() -> None:
        told = Told()
        firm = Firm(script=fails("account"), observe=told.append).breaks("account")
        for _ in range(60):
            await asyncio.sleep(1)
            if not isinstance(firm.account.admit(ask_for()), Refusal):
                await asked(firm)
        opened = [event for event in told.of(events.Breaker) if "open" == event.state]  # type: ignore[union-attr] # they are breakers
        assert [True, False, False, False] == [event.page for event in opened]  # type: ignore[union-attr] # 0, 5, 15, 35 s

    play(scene)


def test_a_request_of_our_own_making_that_is_wrong_counts_as_a_fault() -> None:
    async def scene() -> None:
        assert State.OPEN is Firm().breaks("bad_request").governors.breaker.state

    play(scene)


@pytest.mark.parametrize("cause", ["shed", "throttled"])
def test_our_own_limits_and_the_providers_say_nothing_of_its_health(cause: str) -> None:
    async def scene() -> None:
        firm = Firm().breaks(cause)
        assert State.CLOSED is firm.governors.breaker.state
        assert cause == firm.governors.last_error

    play(scene)


def test_an_overdue_request_counts_before_it_ends() -> None:
    async def scene() -> None:
        firm = Firm()
        await asyncio.sleep(1)
        for _ in range(5):
            firm.account.observe(events.Overdue("npl", 0.8))
        assert (State.OPEN, "timeout") == (firm.governors.breaker.state, firm.governors.breaker.why)

    play(scene)


async def probing(firm: Firm) -> None:
    firm.breaks()
    await asyncio.sleep(1.0)
    assert Admit.PROBE is firm.account.admit(ask_for())


def test_a_probe_that_is_answered_closes_the_breaker_and_begins_another_generation() -> None:
    async def scene() -> None:
        told = Told()
        firm = Firm(observe=told.append)
        await probing(firm)
        firm.queue.script = says()
        assert ok(ONE) == await asked(firm, probe=True)
        assert (State.CLOSED, 1) == (firm.governors.breaker.state, firm.account.generation)
        states = [event.state for event in told.of(events.Breaker)]  # type: ignore[union-attr] # they are breakers
        assert ["open", "probing", "closed"] == states

    play(scene)


def test_while_a_probe_is_out_nobody_else_may_ask() -> None:
    async def scene() -> None:
        firm = Firm()
        await probing(firm)
        assert Refusal.BREAKER is firm.account.admit(ask_for())

    play(scene)


def test_a_probe_that_found_no_room_is_released_at_once() -> None:
    async def scene() -> None:
        firm = Firm()
        await probing(firm)
        firm.queue.full = ProviderFault("shed", "too many numbers wait")
        with pytest.raises(ProviderFault):
            firm.account.ask(ask_for(), instant() + 1, probe=True)
        assert State.OPEN is firm.governors.breaker.state
        await asyncio.sleep(1.0)
        assert Admit.PROBE is firm.account.admit(ask_for())

    play(scene)


def test_a_probe_that_was_never_sent_is_released() -> None:
    async def scene() -> None:
        firm = Firm()
        await probing(firm)
        firm.purse.may_spend()
        future = firm.account.ask(ask_for(), instant() + 1, probe=True)
        future.set_exception(ProviderFault("timeout", "never sent"))
        with pytest.raises(ProviderFault):
            await future
        await settle()
        assert State.OPEN is firm.governors.breaker.state

    play(scene)


# ---- pauses ---------------------------------------------------------------------------------


@pytest.mark.parametrize("cause_s", [None, 7.0])
def test_f18_too_many_requests_pause_the_account_for_as_long_as_it_says(
    cause_s: float | None,
) -> None:
    async def scene() -> None:
        told = Told()
        firm = Firm(script=fails("throttled", pause=cause_s), observe=told.append)
        await asked(firm)
        await asked(firm)
        lasts = cause_s or 1.0
        assert [events.Paused("npl", lasts, "")] == told.of(events.Paused)
        assert Refusal.PAUSED is firm.account.admit(ask_for(country="DE"))
        await asyncio.sleep(lasts)
        assert Admit.YES is firm.account.admit(ask_for())

    play(scene)


def test_f18_who_throttles_by_destination_is_paused_for_that_country_only() -> None:
    async def scene() -> None:
        told = Told()
        firm = Firm(script=fails("throttled", pause=7.0), observe=told.append, by_country=True)
        await asked(firm, country="GB")
        assert [events.Paused("npl", 7.0, "GB")] == told.of(events.Paused)
        assert Refusal.PAUSED is firm.account.admit(ask_for(country="GB"))
        assert Admit.YES is firm.account.admit(ask_for(country="DE"))

    play(scene)


def test_f18_numbers_of_no_country_that_are_throttled_pause_no_country() -> None:
    async def scene() -> None:
        firm = Firm(script=fails("throttled", pause=7.0), by_country=True)
        await asked(firm, country="")
        assert Refusal.PAUSED is firm.account.admit(ask_for(country=""))
        assert Admit.YES is firm.account.admit(ask_for(country="GB"))

    play(scene)


def test_f18_of_two_requests_that_were_throttled_the_longer_pause_counts() -> None:
    async def scene() -> None:
        firm = Firm(script=fails("throttled", pause=1.0))
        await asked(firm)
        firm.queue.script = fails("throttled", pause=7.0)
        await asked(firm)
        await asyncio.sleep(6.9)
        assert Refusal.PAUSED is firm.account.admit(ask_for())
        await asyncio.sleep(0.2)
        assert Admit.YES is firm.account.admit(ask_for())

    play(scene)


def test_f18_a_503_that_says_when_to_come_back_is_obeyed() -> None:
    """RFC 9110, section 15.6.4: Retry-After suggests how long to wait."""

    async def scene() -> None:
        firm = Firm(script=fails("http", pause=7.0))
        await asked(firm)
        assert Refusal.PAUSED is firm.account.admit(ask_for())

    play(scene)


# ---- trust ----------------------------------------------------------------------------------


def test_a9_three_answers_for_other_numbers_quarantine_the_account_and_name_what_to_purge() -> None:
    async def scene() -> None:
        told = Told()
        firm = Firm(observe=told.append)
        purged: list[tuple[str, float]] = []
        firm.account.on_quarantine = lambda name, since: purged.append((name, since))
        await asyncio.sleep(100)
        firm.account.observe(events.Strangers("npl", 2))
        assert [] == purged
        firm.account.observe(events.Strangers("npl", 1))
        assert [("npl", instant() - 60.0)] == purged
        assert [events.Quarantined("npl", 600.0)] == told.of(events.Quarantined)
        assert Refusal.QUARANTINE is firm.account.admit(ask_for())
        await asyncio.sleep(600)
        assert Admit.YES is firm.account.admit(ask_for())

    play(scene)


def test_nobody_has_to_listen_to_a_quarantine() -> None:
    async def scene() -> None:
        firm = Firm()
        firm.account.strange(3)
        assert firm.governors.trust.quarantined(instant())

    play(scene)


# ---- money, with the real purse -------------------------------------------------------------


def test_a30_a_drain_by_random_numbers_ends_with_the_accounts_own_money(tmp_path: Path) -> None:
    """A budget of 0.60 at 0.006 a number buys 100 answers, of one account and not the other."""

    async def scene() -> None:
        ledger = Ledger(tmp_path / "budget.json")
        await ledger.open()
        told = Told()
        drained = await _funded(ledger, "drained", Decimal("0.60"), told)
        other = await _funded(ledger, "other", None, told)
        bought = [await _bought(drained, number) for number in numbers(150)]
        assert (100, 50) == (bought.count(True), bought.count(False))
        assert await _bought(other, TWO)
        assert [events.BudgetGone("drained")] == told.of(events.BudgetGone)
        assert Decimal("0.600") == sum(
            (event.amount for event in told.of(events.Spent) if "drained" == event.provider),  # type: ignore[union-attr] # they are money
            Decimal(0),
        )
        for account in (drained, other):
            await account._purse.close()  # type: ignore[attr-defined] # a real purse
        await ledger.close()

    asyncio.run(swept(scene))


async def _funded(ledger: Ledger, name: str, limit: Decimal | None, told: Told) -> Account:
    price = Decimal("0.006")
    purse = Purse(name, Budget(limit, price), ledger, lambda: date(2024, 5, 1).isoformat())
    await purse.open()
    firm = Firm(name, says(after=0.0))
    account = Account(
        Terms(name, "comcetera", Product.NETWORK, price=price),
        governors=firm.governors,
        purse=purse,
        clock=instant,
        observe=told.append,
    )
    account.queue = firm.queue
    firm.queue.report = account.observe
    return account


async def _bought(account: Account, number: str) -> bool:
    """Look one number up; money that the disk does not know yet is waited for."""
    inquiry = ask_for(number)  # type: ignore[arg-type] # a number is text
    for _ in range(200):
        admitted = account.admit(inquiry)
        if admitted is not Refusal.BUDGET:
            answer = await account.ask(inquiry, instant() + 1, probe=False)
            await settle()
            return answer.outcome is Outcome.OK
        if account._purse.gone:
            return False
        writing = account._purse._writing  # type: ignore[attr-defined] # a real purse
        if writing is not None:
            await asyncio.wait([writing])
    return False


def test_what_a_request_reports_goes_on_to_the_observer() -> None:
    async def scene() -> None:
        told = Told()
        done = LookupDone("npl", "ok", 0.1, 1, 1)
        Firm(observe=told.append).account.observe(done)
        assert [done] == told

    play(scene)
