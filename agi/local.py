"""Questions answered in the shell's own process, when no service runs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from agi import ipc
from agi.config import Loaded
from agi.desk import Desk, explain
from agi.dipper import Dipper
from agi.e164 import NumberingPlan
from agi.errors import UsageError
from agi.log import Silence
from agi.lookup.tiers.memory import MemoryTier
from agi.metrics import Metrics
from agi.router import Router
from agi.routing import files
from agi.routing.table import Table

AS_WRITTEN: Final = 0.0
"""The dice of an explanation: always the first choice of a draw."""


def _router(loaded: Loaded, dipper: Dipper, table: Table) -> Router:
    settings = loaded.config
    return Router(
        plan=NumberingPlan(settings.numbers.country, settings.numbers.emergency),
        table=table,
        pipeline=dipper.pipeline,
        deadline_s=settings.fastagi.deadline_ms / 1000,
        draw=lambda: AS_WRITTEN,
        clock=asyncio.get_running_loop().time,
        id_prefix="local",
        metrics=Metrics(),
        log=Silence(),
    )


def _dipper(loaded: Loaded, table: Table) -> Dipper:
    return Dipper(
        loaded,
        memory=MemoryTier(1_000),
        clock=asyncio.get_running_loop().time,
        error_rule=table.error_rule,
        metrics=Metrics(),
        log=Silence(),
    )


def explain_locally(loaded: Loaded, number: str, network: str | None) -> dict[str, object]:
    """Explain by the tables on disk; nothing is remembered and nobody is asked.

    Raises:
        TableError: the tables have faults.
        UsageError: ``network`` is no MCC/MNC.
    """
    table = files.load(loaded.tables, 0).table

    async def main() -> dict[str, object]:
        dipper = _dipper(loaded, table)
        try:
            return explain(_router(loaded, dipper, table), number, network=network, finding=None)
        finally:
            await dipper.close()

    return asyncio.run(main())


def lookup_locally(
    loaded: Loaded, running: Path, numbers: Sequence[str], *, fresh: bool
) -> list[Any]:
    """Ask the provider from this process.

    Raises:
        UsageError: a service holds the account: two would exceed its connections.
        TableError: the tables have faults (``errors.csv`` is one of them).
    """
    if ipc.alive(running):
        raise UsageError("--local is refused while the service runs: it holds the account")
    table = files.load(loaded.tables, 0).table

    async def main() -> list[Any]:
        dipper = _dipper(loaded, table)
        router = _router(loaded, dipper, table)
        loop = asyncio.get_running_loop()
        desk = Desk(router, clock=loop.time, report=dict, reload=_never)
        try:
            return await asyncio.gather(
                *(desk.lookup({"number": number, "fresh": fresh}) for number in numbers)
            )
        finally:
            await dipper.close()

    return asyncio.run(main())


async def _never() -> dict[str, object]:
    raise UsageError("there is no service to reload")
