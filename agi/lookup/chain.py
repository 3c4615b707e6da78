"""One question put to the accounts that serve it, in their order, until one knows.

The next account is asked when one failed or has had its time (at the cost of the retry budget),
when one cannot tell or ``errors.csv`` says so, or when one is slow (a hedge, at the cost of the
hedge budget). Whatever arrives, also too late, is handed to ``taken``: an answer that was paid for
is not wasted.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Protocol

from agi.errors import ProviderFault
from agi.lookup import events
from agi.lookup.account import Account, Refusal
from agi.lookup.breaker import Admit
from agi.lookup.limits import HedgeBudget, RetryBudget
from agi.lookup.provider import Answer
from agi.model import ErrorRule, Inquiry

HEDGE_FLOOR_S: Final = 0.05
"""A second account is never asked sooner than this after the first."""

HEDGE_UNKNOWN_S: Final = 0.25
"""The same while nothing is known of how fast an account usually is."""

RETRIES: Final = 5
"""Always allowed in ten seconds: as many as open a breaker, so that a quiet site loses no call."""

_REASONS: Final = {"timeout": "timeout", "shed": "shed", "breaker": "breaker"}
_UNSENT: Final = frozenset({"shed", "breaker"})
"""Nothing was asked: who is asked instead is no retry, and it was nobody's failure."""

_REFUSED: Final = {
    Refusal.BREAKER: "breaker",
    Refusal.BUDGET: "budget",
    Refusal.PAUSED: "shed",
    Refusal.QUARANTINE: "breaker",
}


class Taken(Protocol):
    """Keeps what an account said; returns None when the answer must not be believed."""

    def __call__(self, account: Account, inquiry: Inquiry, answer: Answer) -> Answer | None:
        """Take one answer."""


@dataclass(frozen=True, slots=True)
class Budgets:
    """What may be asked besides the one request that each number needs."""

    hedge: HedgeBudget = field(default_factory=partial(HedgeBudget, burst=1.0))
    retry: RetryBudget = field(default_factory=partial(RetryBudget, floor=RETRIES))


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the question ended: an answer with who gave it, else why not.

    ``reason`` is a value of CARRIER_REASON. ``failed`` names the accounts that were asked in vain
    with the outage that each was in; empty when nobody could be asked.
    """

    account: Account | None
    answer: Answer | None
    rule: ErrorRule | None
    reason: str
    failed: tuple[tuple[str, int], ...] = ()


class Chain:
    """One question on its way. ``wanted`` says whether anybody still waits for it."""

    def __init__(  # noqa: PLR0913 - parts, by keyword
        self,
        inquiry: Inquiry,
        accounts: Sequence[Account],
        *,
        rules: Callable[[str, str], ErrorRule | None],
        taken: Taken,
        wanted: Callable[[], bool],
        clock: Callable[[], float],
        budgets: Budgets,
        observe: events.Observer,
    ) -> None:
        self._inquiry = inquiry
        self._left = list(accounts)
        self._rules = rules
        self._taken = taken
        self._wanted = wanted
        self._clock = clock
        self._budgets = budgets
        self._observe = observe
        self._asked: dict[asyncio.Future[Answer], Account] = {}
        self._heard: dict[asyncio.Future[Answer], Answer | None] = {}
        self._failed: list[tuple[str, int]] = []
        self._short: list[Account] = []
        self._reason = "no-provider"
        self._second_best: Outcome | None = None
        self._probe: tuple[asyncio.Future[Answer], Account] | None = None
        self._hedge_at = math.inf
        self._move_at = math.inf
        self._slow: Account | None = None  # who is to answer by then, and since when it may
        self._asked_at = 0.0

    async def ask(self) -> Outcome:
        """Ask until somebody knows; never raises for a provider's sake."""
        self._budgets.hedge.lookup()
        self._budgets.retry.request(self._clock())
        await self._begin()
        outcome: Outcome | None = None
        while self._asked and outcome is None:
            for future in sorted(await self._wait(), key=self._order):
                if outcome is None:  # what has come beside the answer is taken in the end
                    outcome = self._judged(self._asked.pop(future), future)
            if outcome is None and not self._asked and self._wanted():
                await self._begin()
        self._leave()
        nobody = Outcome(None, None, None, self._reason, tuple(self._failed))
        return outcome or self._second_best or nobody

    def _leave(self) -> None:
        """Take what has come beside the answer; what is still to come is taken when it does."""
        asked, self._asked = self._asked, {}
        for future, account in asked.items():
            if future.done():
                self._late(account, future)

    # ---- who is asked --------------------------------------------------------------------

    async def _begin(self) -> None:
        """Ask the next account; when nobody has money only until the disk knows of it, wait."""
        while not self._next() and self._short:
            short, self._short = self._short, []
            within_s = self._inquiry.deadline - self._clock()
            if within_s <= 0 or not self._wanted():
                self._refused(Refusal.BUDGET, short[0])
                return
            await short[0].secured(within_s)
            self._left = short

    def _refused(self, refusal: Refusal, account: Account) -> None:
        self._note(_REFUSED[refusal])
        self._observe(events.Avoided(account.name, refusal))

    def _next(self) -> bool:
        """Ask the next account that may be asked; say whether there was one."""
        while self._left:
            account = self._left.pop(0)
            admitted = account.admit(self._inquiry)
            if admitted is Refusal.BUDGET and account.short:
                self._short.append(account)
            elif isinstance(admitted, Refusal):
                self._refused(admitted, account)
            elif self._put(account, probe=admitted is Admit.PROBE):
                return True
        if self._probe is not None and not self._asked:
            # Nobody else can be asked: the caller may as well wait for the probe.
            self._asked, self._probe = dict((self._probe,)), None
            return True
        return False

    def _put(self, account: Account, *, probe: bool) -> bool:
        """Ask one account; say whether its answer is to be waited for.

        A probe is no caller's business while there is somebody else to ask.
        """
        now = self._clock()
        try:
            until = max(self._inquiry.deadline, now + account.terms.timeout_s)
            # What the account's pace would keep for long had better go elsewhere at once.
            patience_s = HEDGE_UNKNOWN_S if self._left else None
            future = account.ask(self._inquiry, until, probe=probe, patience_s=patience_s)
        except ProviderFault as fault:
            self._note(_REASONS.get(fault.cause, "err-other"))
            self._observe(events.Avoided(account.name, "shed"))
            return False
        future.add_done_callback(partial(self._late, account))
        if probe and self._left:
            self._probe = (future, account)
            return False
        self._asked[future] = account
        self._slow, self._asked_at = account, now
        self._move_at = now + account.terms.timeout_s
        usual = account.latency.quantile(0.95, now)
        self._hedge_at = now + max(HEDGE_FLOOR_S, usual or HEDGE_UNKNOWN_S)
        return True

    async def _wait(self) -> set[asyncio.Future[Answer]]:
        """Wait for whoever is first, or until it is time to ask somebody else as well."""
        until = min(self._hedge_at, self._move_at) if self._left else math.inf
        patience = None if until == math.inf else max(0.0, until - self._clock())
        done, _ = await asyncio.wait(
            self._asked, timeout=patience, return_when=asyncio.FIRST_COMPLETED
        )
        if not done:
            self._somebody_else()
        return done

    def _somebody_else(self) -> None:
        """The account is slow: hedge; or it has had its time: ask the next one instead."""
        now = self._clock()
        if now >= self._move_at:
            self._move_at = math.inf
            self._note("timeout")
            silence = self._slow.silence(self._asked_at) if self._slow is not None else None
            if self._wanted() and self._budgets.retry.allow(now, silence):
                self._next()
            return
        self._hedge_at = math.inf
        if self._wanted() and self._budgets.hedge.allow() and self._next():
            self._observe(events.Hedged(next(reversed(self._asked.values())).name))

    def _order(self, future: asyncio.Future[Answer]) -> int:
        return list(self._asked).index(future)

    # ---- what they said ------------------------------------------------------------------

    def _judged(self, account: Account, future: asyncio.Future[Answer]) -> Outcome | None:
        """Return how the question ends with this answer; None when others are to be asked."""
        fault = None if future.cancelled() else future.exception()
        if future.cancelled() or fault is not None:
            return self._fault(account, fault)
        answer = self._hear(account, future)
        if answer is None:
            self._fault(account, ProviderFault("malformed"))
            return None
        self._budgets.hedge.succeeded()
        rule = self._rules(account.terms.kind, answer.code) if answer.code else None
        outcome = Outcome(account, answer, rule, "ok")
        if not self._could_be_better(answer, rule):
            return outcome
        self._second_best = self._second_best or outcome
        return None if self._left or self._asked else self._second_best

    def _could_be_better(self, answer: Answer, rule: ErrorRule | None) -> bool:
        if answer.info is not None and answer.info.mccmnc is not None:
            return False
        if not answer.code:
            return not answer.verdict  # it lives, or nothing at all: somebody else may know
        return rule is None or rule.retry_elsewhere

    def _fault(self, account: Account, fault: BaseException | None) -> Outcome | None:
        if fault is not None and not isinstance(fault, ProviderFault):
            raise fault
        cause = fault.cause if fault is not None else "shed"
        self._note(_REASONS.get(cause, "err-other"))
        if cause in _UNSENT:
            return None
        if cause != "throttled":
            self._failed.append((account.name, account.generation))
        self._budgets.hedge.failed()
        if self._left and not self._budgets.retry.allow(self._clock(), account.failure()):
            self._left.clear()
        return None

    def _note(self, reason: str) -> None:
        """Remember the first trouble: it is what the engineer has to mend."""
        if self._reason == "no-provider":
            self._reason = reason

    def _late(self, account: Account, future: asyncio.Future[Answer]) -> None:
        """Keep what comes when the question has ended: of a hedge, a probe, a slow account."""
        if future in self._asked or future.cancelled() or future.exception() is not None:
            return
        self._hear(account, future)

    def _hear(self, account: Account, future: asyncio.Future[Answer]) -> Answer | None:
        """Hand an answer over, once: a probe's may have come before anybody waited for it."""
        if future not in self._heard:
            self._heard[future] = self._taken(account, self._inquiry, future.result())
        return self._heard[future]
