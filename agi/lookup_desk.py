"""What people ask the dipper over its control socket: lookup, cache, forget, reload, switch.

The answers are plain JSON values; how they look on a terminal is the shell's business.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from agi.desk import described, found
from agi.dipper import Dipper
from agi.e164 import NumberingPlan
from agi.errors import UsageError
from agi.ipc import Handler
from agi.journal.archive import Archive
from agi.lookup.record import Kept
from agi.model import Dialled, Inquiry, Kind, Msisdn, Product, Source

LOOKUP_DEADLINE_S: Final = 5.0
"""How long a person waits for a provider; calls have their own deadline."""

Asked = dict[str, Any]


class LookupDesk:
    """Answers people's questions with the very functions that answer calls."""

    def __init__(  # noqa: PLR0913 - parts, by keyword
        self,
        dipper: Dipper,
        *,
        plan: NumberingPlan,
        clock: Callable[[], float],
        report: Callable[[], Mapping[str, object]],
        standing: Callable[[], Awaitable[Mapping[str, object]]],
        reload: Callable[[int], Awaitable[dict[str, object]]],
        switch: Callable[[], Awaitable[dict[str, object]]],
        forgotten: Callable[[Msisdn], None],
        journal: Archive,
    ) -> None:
        self._dipper = dipper
        self._plan = plan
        self._clock = clock
        self._report = report
        self._reload = reload
        self._switch = switch
        self._forgotten = forgotten
        self._standing = standing
        self._journal = journal

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """The questions by name."""
        return {
            "status": self.status,
            "reload": self.reload,
            "switch": self.switch,
            "lookup": self.lookup,
            "cache_get": self.cache_get,
            "cache_stats": self.cache_stats,
            "forget": self.forget,
            "erase": self.erase,
        }

    async def status(self, asked: Asked) -> object:
        """Return what this process counted, how it is, and how the tables on disk stand to it."""
        del asked
        return {**self._report(), "tables": await self._standing()}

    async def reload(self, asked: Asked) -> object:
        """Read the configuration anew, and activate the tables' working copy if it differs."""
        return await self._reload(int(asked["peer"]))

    async def switch(self, asked: Asked) -> object:
        """Serve the version of the tables that is active by now."""
        del asked
        return await self._switch()

    async def lookup(self, asked: Asked) -> object:
        """Look one number up; ``fresh`` asks a provider whatever is remembered.

        ``screens`` names the screens to ask besides.
        """
        dialled = self._plan.understand(str(asked.get("number", "")))
        if dialled.kind is not Kind.E164 or dialled.msisdn is None:
            reason = "invalid-number" if dialled.kind is Kind.INVALID else f"{dialled.kind} number"
            return {**described(dialled), "looked_up": False, "reason": reason}
        inquiry = Inquiry(
            dialled.msisdn,
            self._clock() + LOOKUP_DEADLINE_S,
            dialled.country,
            dialled.line,
            0 if asked.get("fresh") else None,
            network=True,
            screens=_screens(asked.get("screens")),
        )
        finding = await self._dipper.find(inquiry)
        cost = self._cost(finding.provider) if finding.source is Source.LIVE else None
        return {**described(dialled), "looked_up": True, **found(finding), "cost": cost}

    async def cache_get(self, asked: Asked) -> object:
        """Return what each tier holds of a number; nobody is asked."""
        number = self._number(asked)
        tiers = await self._dipper.pipeline.keeper.kept(number)
        return {"tiers": {name: _shown(kept) for name, kept in tiers.items()}}

    async def cache_stats(self, asked: Asked) -> object:
        """Return how full the tiers are."""
        del asked
        store = self._dipper.store
        return {
            "memory": {"entries": len(self._dipper.memory)},
            "store": None if store is None else {"kind": store.kind, **await store.stats()},
        }

    async def forget(self, asked: Asked) -> object:
        """Forget a number in every tier of this host, and in the store that hosts share."""
        number = self._number(asked)
        failed = await self._not_erased()
        known = await self._dipper.forget(number)
        self._forgotten(number)
        return {"forgotten": known, "erased": failed == await self._not_erased()}

    async def erase(self, asked: Asked) -> object:
        """Erase a number from the decision journal; the routers have written what they had."""
        done = await asyncio.to_thread(self._journal.erase, (self._number(asked),))
        return {"records": done.records, "kept": done.kept}

    async def _not_erased(self) -> object:
        """Return how often the store could not erase; it says so in no other way."""
        store = self._dipper.store
        troubles = {} if store is None else (await store.stats()).get("troubles")
        return troubles.get("not-erased", 0) if isinstance(troubles, dict) else 0

    def _number(self, asked: Asked) -> Msisdn:
        dialled = self._plan.understand(str(asked.get("number", "")))
        if dialled.kind is not Kind.E164 or dialled.msisdn is None:
            raise UsageError(f"no E.164 number, so nothing is kept under it ({_why(dialled)})")
        return dialled.msisdn

    def _cost(self, provider: str) -> str | None:
        for one in self._dipper.loaded.config.providers:
            if one.name == provider:
                return f"{one.price} {one.currency}"
        return None


def _why(dialled: Dialled) -> str:
    return f"{dialled.kind} number"


def _screens(named: object) -> tuple[Product, ...]:
    if not isinstance(named, list):
        return ()
    known = {str(one): one for one in Product if one is not Product.NETWORK}
    wrong = [name for name in named if name not in known]
    if wrong:
        raise UsageError(f"no such screen; there are {', '.join(known)}")
    return tuple(known[name] for name in named)


def _shown(kept: Kept) -> dict[str, object]:
    said = kept.said
    return {
        "mccmnc": said.info.mccmnc,
        "live": said.info.live,
        "ported": said.info.ported,
        "code": said.code,
        "provider": said.provider,
        "age_s": round(kept.age_s, 1),
    }
