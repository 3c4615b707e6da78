"""The router: answers calls. It joins the wire, the numbering plan, the lookup and the table.

This is a composition root: it holds no rule of its own beyond the order of the steps.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal
from functools import partial
from typing import Final

import msgspec

from agi.brakes import Brakes, Refusal
from agi.brownout.ladder import Ladder, Level
from agi.e164 import NumberingPlan
from agi.errors import ProtocolError
from agi.fastagi import script
from agi.fastagi.protocol import Environment
from agi.fastagi.server import Closed, Ending, Prepared
from agi.journal.writer import Journal, reader_of
from agi.log import Log, where
from agi.lookup.nearby import Nearby
from agi.metrics import Metrics
from agi.model import (
    CallContext,
    CallRequest,
    Decision,
    Dialled,
    Finding,
    Inquiry,
    Kind,
    Line,
    Product,
    Source,
)
from agi.outlook import News, Outlook
from agi.routing.choose import decide, never, refusal
from agi.routing.prospect import Prospect
from agi.routing.reading.policy_rows import Ruling
from agi.routing.table import Table
from agi.routing.trunk import Trunk

_TROUBLE: Final = frozenset((Ending.FAILED, Ending.NO_REPLY, Ending.SHED))

_EMERGENCY: Final = Finding(Source.EMERGENCY, "ok")
_INVALID: Final = Finding(Source.DEFAULT, "invalid-number")
_NO_DIP: Final = Finding(Source.SKIPPED, "nodip")
_SAME_ROUTE: Final = Finding(Source.SKIPPED, "same-route")
_OVER_LIMIT: Final = Finding(Source.SKIPPED, "budget")
_NOBODY_ASKED: Final = Finding(Source.POLICY, "nodip")

Prices = Callable[[str, Line | None], tuple[Decimal, str] | None]
"""What a lookup of a number of this country and line would have cost, and in which currency."""


class Call(msgspec.Struct, frozen=True, gc=False):
    """One answered call, for counters and logs."""

    request: CallRequest
    decision: Decision


class Router:
    """The application behind the FastAGI port, and behind ``explain``.

    ``table`` is replaced as a whole by a reload: a call is decided by one table, the one in force
    when it is. ``wall`` is the wall clock, an epoch in seconds. ``journal`` is told every decision.
    ``ladder`` is the one that ``nearby`` asks by. ``feed`` is told each answered call when it is
    over: its unique id, what was decided, and how long that took; it must not wait.
    """

    def __init__(  # noqa: PLR0913 - a composition root is given its parts
        self,
        *,
        plan: NumberingPlan,
        table: Table,
        nearby: Nearby,
        prices: Prices,
        deadline_s: float,
        draw: Callable[[], float],
        clock: Callable[[], float],
        wall: Callable[[], float],
        id_prefix: str,
        metrics: Metrics,
        log: Log,
        journal: Journal,
        ladder: Ladder | None = None,
        outlook: Outlook | None = None,
    ) -> None:
        self.plan = plan
        self._caller = reader_of(plan)
        self.brakes = Brakes(table, metrics, clock)
        self.outlook = outlook or Outlook(clock=clock, wall=wall)
        self.table = table
        self.nearby = nearby
        self.ladder = ladder or Ladder(clock, draw, wall=wall)
        self.prices = prices
        self.metrics = metrics
        self.journal = journal
        self._deadline_s = deadline_s
        self._draw = draw
        self._clock = clock
        self.wall = wall
        self._id_prefix = id_prefix
        self._count = 0
        self._log = log
        self._logged: set[str] = set()
        self.feed: Callable[[str, Decision, float], None] = _nobody

    @property
    def table(self) -> Table:
        """The table in force; what is not in it costs a call nothing."""
        return self._table

    @table.setter
    def table(self, table: Table) -> None:
        self._table = table
        self.brakes.use(table)
        self.outlook.use(table)

    # ---- the call: what the server asks --------------------------------------------------

    def __call__(self, environment: Environment, accepted: float) -> Prepared | Awaitable[Prepared]:
        """Answer at once from memory, else find out. See ``server.Application``."""
        request = script.read_request(environment)
        if request is None:
            return Prepared(script.health("ok"), None)
        deadline_s = self._deadline_s
        if request.deadline_ms is not None:
            deadline_s = min(deadline_s, request.deadline_ms / 1000)
        if request.guard_ms is not None and request.guard_ms / 1000 <= self._deadline_s:
            self._once("guard_not_above_deadline", guard_ms=request.guard_ms)
        context = self.context(request)
        stopped = self.brakes.stopped(context, request.hops)
        if stopped is not None:
            return self._refuse(context, request, stopped)
        finding = self.known(context, request)
        if finding is None:
            inquiry = self.inquiry(context, request, accepted + deadline_s)
            finding = self._spared(context, inquiry)
            if finding is None:
                return self._find(context, request, inquiry)
        return self._prepare(context, request, finding)

    def context(self, request: CallRequest) -> CallContext:
        """Return what a call brings along; its caller only where the table asks for it."""
        return CallContext(
            self.plan.understand(request.number),
            request.account,
            self._caller(request.caller) if self._table.uses_caller else "",
            self.wall(),
        )

    def known(self, context: CallContext, request: CallRequest) -> Finding | None:
        """Return what is known without a lookup, or None when one may be worth it."""
        dialled = context.dialled
        if dialled.kind is Kind.EMERGENCY:
            return _EMERGENCY
        number = dialled.msisdn
        if dialled.kind is not Kind.E164 or number is None:
            return _NO_DIP if dialled.kind is Kind.SHORT else _INVALID
        held = self.ladder.held
        if held is not None:
            return held
        table = self._table
        screens = table.screening(request.account).asked if table.has_screens else ()
        finding = self.nearby.recall(number, self._clock(), request.max_age_s, screens)
        if finding is not None:
            return finding
        if request.nodip or (table.has_policy and self._may_not_dip(context)):
            return _NO_DIP
        return None

    def _may_not_dip(self, context: CallContext) -> bool:
        """Say whether the policy shuts the destination, or its lookup, whatever its network is."""
        dialled, account = context.dialled, context.account
        verdict = self._table.policy.verdict(
            dialled.digits, dialled.msisdn, account, None, dialled.line
        )
        return verdict is not None and verdict.action is not Ruling.ALLOW

    def inquiry(self, context: CallContext, request: CallRequest, deadline: float) -> Inquiry:
        """Return what could be asked about a call that ``known`` knows nothing of."""
        dialled, table = context.dialled, self._table
        assert dialled.msisdn is not None  # noqa: S101 - known() answered everything else
        screens: tuple[Product, ...] = table.screening(request.account).asked
        return Inquiry(
            dialled.msisdn,
            deadline,
            dialled.country,
            dialled.line,
            request.max_age_s,
            table.dip_matters(context),
            screens,
        )

    def _spared(self, context: CallContext, inquiry: Inquiry) -> Finding | None:
        """Return what a call gets that needs no lookup or may have none, and count it."""
        if not inquiry.network:
            self._saved(context.dialled)
            if not inquiry.screens:
                return _SAME_ROUTE
        return None if self.brakes.may_dip(context) else _OVER_LIMIT

    def _saved(self, dialled: Dialled) -> None:
        """Count a lookup that could not have changed anything, and the money not spent on it."""
        self.metrics.avoided["same-route"] += 1
        price = self.prices(dialled.country, dialled.line)
        if price is not None:
            amount, currency = price
            self.metrics.saved[currency] += amount

    async def _find(self, context: CallContext, request: CallRequest, inquiry: Inquiry) -> Prepared:
        return self._prepare(context, request, await self.nearby.find(inquiry))

    def _prepare(self, context: CallContext, request: CallRequest, finding: Finding) -> Prepared:
        outlook = self.outlook
        spent = self.brakes.spent() if self._table.has_cps else None
        prospect = outlook.prospect() if outlook.busy else None
        if spent is None and prospect is None:
            decision = self.decide(context, finding)
            self.journal.note(context, request, finding, decision)
        else:
            decision = self.decide(context, finding, spent, prospect)
            self.brakes.take(decision)
            outlook.sent(decision)
            names = () if spent is None else spent.names
            notes = () if prospect is None else prospect.notes
            self.journal.note(context, request, finding, decision, (*names, *notes))
        return Prepared(script.answer(decision, request.uniqueid), Call(request, decision))

    def _refuse(self, context: CallContext, request: CallRequest, why: Refusal) -> Prepared:
        decision = refusal(self._table, context, why.cause, why.reason, why.rule, self._next_id())
        if why.rule:
            self._once("limit_reached", kind=why.rule)
        self.journal.note(context, request, _NOBODY_ASKED, decision, refused=True)
        return Prepared(script.answer(decision, request.uniqueid), Call(request, decision))

    def decide(
        self,
        context: CallContext,
        finding: Finding,
        closed: Callable[[Trunk], bool] | None = None,
        prospect: Prospect | None = None,
    ) -> Decision:
        """Choose the trunks; the same function serves calls, ``explain`` and the tests."""
        shut = never if closed is None else closed
        decision_id = self._next_id()
        return decide(self._table, context, finding, self._draw, decision_id, shut, prospect)

    def heed(self, news: News) -> None:
        """Go by what noc, or a person by it, says of trunks and of the ladder."""
        self.outlook.heard(news.standings)
        pin = news.ladder
        if pin is None:
            self.ladder.unpin()
        else:
            self.ladder.pin(Level(pin.level), pin.until, pin.why)

    def _next_id(self) -> str:
        self._count += 1
        return f"{self._id_prefix}-{self._count:06x}"

    # ---- what happened -------------------------------------------------------------------

    def closed(self, event: Closed) -> None:
        """Count and log the end of one connection."""
        metrics = self.metrics
        metrics.endings[event.ending] += 1
        if event.ending in _TROUBLE:
            metrics.last[event.ending] = self._clock()
        call = event.call
        if isinstance(call, Call):
            decision = call.decision
            metrics.calls[(decision.action, decision.source, decision.reason)] += 1
            metrics.decision.observe(event.seconds)
            self.feed(call.request.uniqueid, decision, event.seconds)
            level = "info" if event.ending is Ending.COMMITTED else "warning"
            self._log.later(level, "call", partial(_line, call, event))
        elif event.ending in (Ending.REFUSED, Ending.SHED, Ending.LATE):
            self._refused(event)

    def _refused(self, event: Closed) -> None:
        kind = event.kind or str(event.ending)
        self.metrics.refused[kind] += 1
        self._once("refused", kind=kind)

    def _once(self, event: str, **values: object) -> None:
        """Log the first of a kind; the counters tell how many followed."""
        key = f"{event}:{values.get('kind', '')}"
        if key not in self._logged:
            self._logged.add(key)
            self._log("warning", event, **values, note="further ones are only counted")

    def failed(self, error: BaseException) -> None:
        """Log a fault of our own: its type and its places, not its words."""
        kind = error.kind if isinstance(error, ProtocolError) else ""
        self._log("error", "call_failed", error=where(error), kind=kind)


def _nobody(uniqueid: str, decision: Decision, seconds: float) -> None:
    del uniqueid, decision, seconds


def _line(call: Call, event: Closed) -> dict[str, object]:
    """Return the values of a call's log line."""
    decision = call.decision
    return {
        "id": decision.id,
        "number": call.request.number,
        "action": decision.action,
        "source": decision.source,
        "reason": decision.reason,
        "mccmnc": decision.info.mccmnc,
        "rule": decision.rule,
        "table": decision.table,
        "trunk": decision.hops[0].trunk if decision.hops else "",
        "cause": decision.cause,
        "ending": f"{event.ending} {event.kind}".rstrip(),
        "ms": round(event.seconds * 1000, 2),
    }
