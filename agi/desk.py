"""What people ask a router over its control socket: status, explain, reload, switch, cache.

The answers are plain JSON values; how they look on a terminal is the shell's business.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from msgspec import structs

from agi.explaining import explain
from agi.ipc import Handler
from agi.model import CallContext, CallRequest, Dialled, Finding, Kind
from agi.outlook import news_of
from agi.question import question_of
from agi.router import Router
from agi.routing.choose import never

PATIENCE_S: Final = 5.0
"""How long a person waits for a provider; calls have their own deadline."""

FLUSH_S: Final = 5.0
"""How long the journal may take to write what waits."""

Asked = dict[str, Any]


class Desk:
    """Answers people's questions with the very functions that answer calls."""

    def __init__(
        self,
        router: Router,
        *,
        clock: Callable[[], float],
        report: Callable[[], Mapping[str, object]],
        reload: Callable[[int], Awaitable[dict[str, object]]],
        switch: Callable[[], Awaitable[dict[str, object]]],
    ) -> None:
        self._router = router
        self._clock = clock
        self._report = report
        self._reload = reload
        self._switch = switch

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """The questions by name."""
        return {
            "status": self.status,
            "explain": self.explain,
            "reload": self.reload,
            "switch": self.switch,
            "cache_drop": self.cache_drop,
            "health": self.health,
        }

    async def status(self, asked: Asked) -> object:
        """Return what is wrong, in ten seconds."""
        del asked
        return self._report()

    async def reload(self, asked: Asked) -> object:
        """Read the configuration anew, and activate the tables' working copy if it differs."""
        return await self._reload(int(asked["peer"]))

    async def switch(self, asked: Asked) -> object:
        """Serve the version of the tables that is active by now."""
        del asked
        return await self._switch()

    async def cache_drop(self, asked: Asked) -> object:
        """Forget what this router remembers of a number, and write what it knows of its calls."""
        dialled = self._router.plan.understand(str(asked.get("number", "")))
        number = dialled.msisdn
        dropped = number is not None and self._router.nearby.drop(number)
        written = await asyncio.to_thread(self._router.journal.flush, FLUSH_S)
        return {"dropped": dropped, "written": written}

    async def health(self, asked: Asked) -> object:
        """Take how trunks stand and where the ladder is pinned; see ``outlook.News``."""
        self._router.heed(news_of(asked))
        return {}

    async def explain(self, asked: Asked) -> object:
        """Say where a call would go and why; nothing is counted, and nobody asked unless wanted."""
        router = self._router
        question = question_of(asked, router.table.compiled.timezone)
        context = question.context(router.plan, router.wall())
        if asked.get("lookup"):
            finding = await self._paid(context, question.request)
        else:
            finding = router.known(context, question.request)
        brakes, supposed = router.brakes, question.supposing(finding)
        closed, prospect = brakes.spent() or never, router.outlook.prospect()
        return explain(router.table, context, supposed, closed, brakes.fullness, prospect)

    async def _paid(self, context: CallContext, request: CallRequest) -> Finding | None:
        dialled = context.dialled
        if dialled.kind is not Kind.E164 or dialled.msisdn is None:
            return None
        if self._router.ladder.held is not None:
            return self._router.ladder.held
        inquiry = self._router.inquiry(context, request, self._clock() + PATIENCE_S)
        return await self._router.nearby.find(structs.replace(inquiry, network=True))


def described(dialled: Dialled) -> dict[str, object]:
    """Return what was dialled, for people."""
    return {
        "dialled": dialled.digits,
        "kind": dialled.kind,
        "number": dialled.msisdn,
        "country": dialled.country,
        "line": dialled.line,
    }


def found(finding: Finding) -> dict[str, object]:
    """Return what is known of the number, for people."""
    return {
        "mccmnc": finding.info.mccmnc,
        "live": finding.info.live,
        "ported": finding.info.ported,
        "source": finding.source,
        "reason": finding.reason,
        "provider": finding.provider,
        "age_s": None if finding.age_s is None else round(finding.age_s, 1),
        "fraud": finding.verdicts.fraud,
        "tps": finding.verdicts.tps,
        "unsubscribed": finding.verdicts.unsubscribed,
    }
