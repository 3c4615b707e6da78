"""The router: answers calls. It joins the wire, the numbering plan, the lookup and the table.

This is a composition root: it holds no rule of its own beyond the order of the steps.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal
from functools import partial
from typing import Final

import msgspec

from agi.e164 import NumberingPlan
from agi.errors import ProtocolError
from agi.fastagi import script
from agi.fastagi.protocol import Environment
from agi.fastagi.server import Closed, Ending, Prepared
from agi.log import Log, where
from agi.lookup.nearby import Nearby
from agi.metrics import Metrics
from agi.model import (
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
from agi.routing.choose import decide
from agi.routing.table import Table

_TROUBLE: Final = frozenset((Ending.FAILED, Ending.NO_REPLY, Ending.SHED))

_EMERGENCY: Final = Finding(Source.EMERGENCY, "ok")
_INVALID: Final = Finding(Source.DEFAULT, "invalid-number")
_NO_DIP: Final = Finding(Source.SKIPPED, "nodip")
_SAME_ROUTE: Final = Finding(Source.SKIPPED, "same-route")

Prices = Callable[[str, Line | None], tuple[Decimal, str] | None]
"""What a lookup of a number of this country and line would have cost, and in which currency."""


class Call(msgspec.Struct, frozen=True, gc=False):
    """One answered call, for counters and logs."""

    request: CallRequest
    decision: Decision


class Router:
    """The application behind the FastAGI port, and behind ``explain``.

    ``table`` is replaced as a whole by a reload: a call is decided by one table, the one in force
    when it is.
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
        id_prefix: str,
        metrics: Metrics,
        log: Log,
    ) -> None:
        self.plan = plan
        self.table = table
        self.nearby = nearby
        self.prices = prices
        self.metrics = metrics
        self._deadline_s = deadline_s
        self._draw = draw
        self._clock = clock
        self._id_prefix = id_prefix
        self._count = 0
        self._log = log
        self._logged: set[str] = set()

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
        dialled = self.plan.understand(request.number)
        finding = self.known(dialled, request)
        if finding is None:
            return self._find(request, dialled, accepted + deadline_s)
        if finding is _SAME_ROUTE:
            self._saved(dialled)
        return self._prepare(request, dialled, finding)

    def known(self, dialled: Dialled, request: CallRequest) -> Finding | None:
        """Return what needs no lookup, or None when somebody has to be asked."""
        if dialled.kind is Kind.EMERGENCY:
            return _EMERGENCY
        number = dialled.msisdn
        if dialled.kind is not Kind.E164 or number is None:
            return _NO_DIP if dialled.kind is Kind.SHORT else _INVALID
        table = self.table
        screens = table.screening(request.account).asked if table.has_screens else ()
        finding = self.nearby.recall(number, self._clock(), request.max_age_s, screens)
        if finding is not None:
            return finding
        if request.nodip:
            return _NO_DIP
        if screens or table.dip_matters(dialled.digits, number, dialled.country):
            return None
        return _SAME_ROUTE

    async def _find(self, request: CallRequest, dialled: Dialled, deadline: float) -> Prepared:
        inquiry = self.inquiry(request, dialled, deadline)
        if not inquiry.network:
            self._saved(dialled)
        finding = await self.nearby.find(inquiry)
        return self._prepare(request, dialled, finding)

    def inquiry(self, request: CallRequest, dialled: Dialled, deadline: float) -> Inquiry:
        """Return what has to be asked about a call that ``known`` knows nothing of."""
        assert dialled.msisdn is not None  # noqa: S101 - known() answered everything else
        table = self.table
        screens: tuple[Product, ...] = table.screening(request.account).asked
        matters = table.dip_matters(dialled.digits, dialled.msisdn, dialled.country)
        return Inquiry(
            dialled.msisdn,
            deadline,
            dialled.country,
            dialled.line,
            request.max_age_s,
            matters,
            screens,
        )

    def _saved(self, dialled: Dialled) -> None:
        """Count a lookup that could not have changed anything, and the money not spent on it."""
        self.metrics.avoided["same-route"] += 1
        price = self.prices(dialled.country, dialled.line)
        if price is not None:
            amount, currency = price
            self.metrics.saved[currency] += amount

    def _prepare(self, request: CallRequest, dialled: Dialled, finding: Finding) -> Prepared:
        decision = self.decide(dialled, finding, request.account)
        return Prepared(script.answer(decision, request.uniqueid), Call(request, decision))

    def decide(self, dialled: Dialled, finding: Finding, account: str = "") -> Decision:
        """Choose the trunks; the same function serves calls, ``explain`` and the tests."""
        self._count += 1
        decision_id = f"{self._id_prefix}-{self._count:06x}"
        return decide(self.table, dialled, finding, self._draw, decision_id, account)

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
