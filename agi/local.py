"""Questions answered in the shell's own process, when no service runs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from agi import tables
from agi.asking import Service
from agi.begun import plan_of
from agi.config import Loaded
from agi.dipper import Dipper
from agi.errors import UsageError
from agi.explaining import explain
from agi.journal.archive import Archive, directory_of
from agi.log import Silence
from agi.lookup_desk import LookupDesk
from agi.metrics import Metrics
from agi.question import question_of
from agi.routing.reading import files
from agi.routing.table import Table
from agi.routing.versions.store import Store


def explain_locally(loaded: Loaded, state: Path, asked: Mapping[str, object]) -> dict[str, object]:
    """Explain by the active version, else by the working copy; nothing is remembered.

    ``asked`` holds the options of ``explain`` by name.

    Raises:
        TableError: there is no version yet, and the working copy has faults.
        UsageError: a supposition is none of its kind.
    """
    table = _table(loaded, state)
    question = question_of(asked, table.compiled.timezone)
    context = question.context(plan_of(loaded.config), time.time())
    return explain(table, context, question.supposing(None))


def _table(loaded: Loaded, state: Path) -> Table:
    """Return what would serve if the service were started now; nothing is written."""
    with tables.plainly():
        if Store(state).active() is not None:
            return tables.in_force(state).table
    return files.load(loaded.tables, 0, loaded.config.tables.timezone).table


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
        TableError: there is no version yet, and the working copy has faults.
        ConfigurationError: accounts or dumps have faults.
    """
    if running.alive:
        raise UsageError("--local is refused while the service runs: it holds the account")
    table = _table(loaded, running.state)

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
            standing=_never,
            reload=lambda _: _never(),
            switch=_never,
            forgotten=lambda _: None,
            journal=Archive(directory_of(state)),
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
