"""Questions answered in the shell's own process, when no service runs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from agi.asking import Service
from agi.config import Loaded
from agi.desk import explain
from agi.dipper import Dipper, freshness_of
from agi.errors import UsageError
from agi.log import Silence
from agi.lookup.nearby import Nearby
from agi.lookup.parts import Finder
from agi.lookup.screening import Screens
from agi.lookup.tiers.memory import MemoryTier
from agi.lookup_desk import LookupDesk
from agi.metrics import Metrics
from agi.model import Finding, Inquiry, Source
from agi.router import Router
from agi.router_process import plan_of, prices_of
from agi.routing import files
from agi.routing.table import Table

AS_WRITTEN: Final = 0.0
"""The dice of an explanation: always the first choice of a draw."""


def _router(loaded: Loaded, table: Table, dipper: Finder) -> Router:
    settings = loaded.config
    clock = asyncio.get_running_loop().time
    freshness = freshness_of(settings.cache)
    return Router(
        plan=plan_of(loaded.config),
        table=table,
        nearby=Nearby(
            memory=MemoryTier(1),
            screens=Screens(1, freshness.of_screen),
            finder=dipper,
            clock=clock,
            error_rule=table.error_rule,
            freshness=freshness,
        ),
        prices=prices_of(settings),
        deadline_s=settings.fastagi.deadline_ms / 1000,
        draw=lambda: AS_WRITTEN,
        clock=clock,
        id_prefix="local",
        metrics=Metrics(),
        log=Silence(),
    )


class _Nobody:
    """Knows nothing: an explanation asks nobody."""

    async def find(self, inquiry: Inquiry) -> Finding:
        """Say that nobody was asked."""
        del inquiry
        return Finding(Source.SKIPPED, "nodip")


def explain_locally(
    loaded: Loaded, number: str, network: str | None, account: str
) -> dict[str, object]:
    """Explain by the tables on disk; nothing is remembered and nobody is asked.

    Raises:
        TableError: the tables have faults.
        UsageError: ``network`` is no MCC/MNC.
    """
    table = files.load(loaded.tables, 0).table

    async def main() -> dict[str, object]:
        router = _router(loaded, table, _Nobody())
        return explain(router, number, network=network, finding=None, account=account)

    return asyncio.run(main())


def lookup_locally(
    loaded: Loaded,
    running: Service,
    numbers: Sequence[str],
    *,
    fresh: bool,
    screens: Sequence[str] = (),
) -> list[Any]:
    """Ask the providers from this process, without the service's store.

    Raises:
        UsageError: a service holds the accounts: two would exceed their connections.
        TableError: the tables have faults (``errors.csv`` is one of them).
        ConfigurationError: accounts or dumps have faults.
    """
    if running.alive:
        raise UsageError("--local is refused while the service runs: it holds the account")
    table = files.load(loaded.tables, 0).table

    async def main(state: Path) -> list[Any]:
        clock = asyncio.get_running_loop().time
        dipper = Dipper(
            loaded,
            state=state,
            clock=clock,
            error_rule=table.error_rule,
            metrics=Metrics(),
            log=Silence(),
        )
        await dipper.open()
        desk = LookupDesk(
            dipper,
            plan=plan_of(loaded.config),
            clock=clock,
            report=dict,
            reload=_never,
            forgotten=lambda _: None,
        )
        asked = {"fresh": fresh, "screens": list(screens)}
        try:
            return await asyncio.gather(
                *(desk.lookup({"number": number, **asked}) for number in numbers)
            )
        finally:
            await dipper.close()

    return asyncio.run(main(running.state))


async def _never() -> dict[str, object]:
    raise UsageError("there is no service to reload")
