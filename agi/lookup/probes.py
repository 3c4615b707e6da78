"""Known-answer probes: each account is asked, now and then, for a number whose network is known.

An account that answers wrongly looks healthy in every other way. A probe goes to the account alone,
past every cache, under its own breaker, pace and budget; its answer is kept nowhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from agi.errors import ProviderFault
from agi.lookup import events
from agi.lookup.account import Account, Refusal
from agi.lookup.breaker import Admit
from agi.lookup.freshness import FINAL
from agi.lookup.provider import Answer
from agi.model import Inquiry, Line, Mccmnc, Msisdn, Product

FIRST_S: Final = 10.0
"""The first probe of a process goes out within so many seconds: not all of them at once."""

SPREAD: Final = 0.1
"""Intervals differ by this share, so that hosts do not ask in step."""

PATIENCE_S: Final = 5.0
"""How long a probe waits at most for an answer that an account has promised."""


class Seen(StrEnum):
    """What the last probe of an account brought; the values are those of the metric's label."""

    NONE = "none"  # not asked yet, or not configured
    OK = "ok"
    WRONG = "wrong"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Known:
    """A number of which an account must say one network, asked every ``every_s`` seconds.

    ``country`` and ``line`` are the numbering plan's word on the number.
    """

    provider: str
    number: Msisdn = field(repr=False)
    mccmnc: Mccmnc
    every_s: float
    country: str = ""
    line: Line | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """Who can be asked now: accounts in the configuration's order, and by name what files say."""

    accounts: Sequence[Account]
    files: Mapping[str, Callable[[Msisdn], Answer]] = field(default_factory=dict)


def judged(known: Known, answer: Answer | None) -> Seen:
    """Return what an answer proves.

    Another network is wrong, and so is "there is no such number"; everything else that names no
    network proves nothing: the answer is missing.
    """
    if answer is None:
        return Seen.MISSING
    if answer.info is not None and answer.info.mccmnc is not None:
        return Seen.OK if answer.info.mccmnc == known.mccmnc else Seen.WRONG
    return Seen.WRONG if answer.outcome in FINAL else Seen.MISSING


class Probes:
    """The probes of one dipper; one event loop only.

    ``asked`` returns who can be asked at that moment: a reload replaces the accounts. ``draw``
    gives odds in [0, 1).
    """

    def __init__(
        self,
        asked: Callable[[], Asked],
        *,
        clock: Callable[[], float],
        draw: Callable[[], float],
        observe: events.Observer,
    ) -> None:
        self._asked = asked
        self._clock = clock
        self._draw = draw
        self._observe = observe
        self._known: dict[str, Known] = {}
        self._seen: dict[str, Seen] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._tasks: set[asyncio.Task[Seen]] = set()

    def seen(self, provider: str) -> Seen:
        """Return what the last probe of an account brought."""
        return self._seen.get(provider, Seen.NONE)

    def use(self, known: Sequence[Known]) -> None:
        """Ask for these from now on; what has not changed goes on as it was."""
        wanted = {one.provider: one for one in known}
        for name in [name for name, one in self._known.items() if wanted.get(name) != one]:
            self._timers.pop(name).cancel()
            self._seen.pop(name, None)
            del self._known[name]
        for name, one in wanted.items():
            if name not in self._known:
                self._known[name] = one
                self._wait(one, self._draw() * min(FIRST_S, one.every_s))

    async def close(self) -> None:
        """End; an answer that is on its way is read by whoever asked for it."""
        self.use(())
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def once(self, known: Known) -> Seen:
        """Ask one account now, count and report what came of it."""
        seen, before = judged(known, await self._answer(known)), self.seen(known.provider)
        if self._known.get(known.provider) == known:
            self._seen[known.provider] = seen
        self._observe(events.Probed(known.provider, seen, before))
        return seen

    def _wait(self, known: Known, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        self._timers[known.provider] = loop.call_later(seconds, self._turn, known)

    def _turn(self, known: Known) -> None:
        self._wait(known, known.every_s * (1 - SPREAD + 2 * SPREAD * self._draw()))
        task = asyncio.get_running_loop().create_task(self.once(known))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, known: Known) -> Answer | None:
        """Return what the account says; None when it may not be asked, or says nothing in time."""
        asked = self._asked()
        file = asked.files.get(known.provider)
        if file is not None:
            return file(known.number)
        inquiry = Inquiry(
            known.number, self._clock() + PATIENCE_S, known.country, known.line, max_age_s=0
        )
        its = [
            one
            for one in asked.accounts
            if one.name == known.provider and one.terms.product is Product.NETWORK
        ]
        if not its:
            return None
        account = next((one for one in its if one.serves(inquiry)), its[0])
        return await self._of_account(account, inquiry)

    async def _of_account(self, account: Account, inquiry: Inquiry) -> Answer | None:
        admitted = account.admit(inquiry)
        if admitted is Refusal.BUDGET and account.short:
            await account.secured(PATIENCE_S)
            admitted = account.admit(inquiry)
        if isinstance(admitted, Refusal):
            return None
        until = self._clock() + account.terms.timeout_s
        try:
            future = account.ask(inquiry, until, probe=admitted is Admit.PROBE)
        except ProviderFault:
            return None
        # Not awaited itself: a call may wait for the same answer, and must not lose it.
        await asyncio.wait([future], timeout=PATIENCE_S)
        if not future.done() or future.cancelled() or future.exception() is not None:
            return None
        return future.result()
