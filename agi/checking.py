"""What is suspicious in good tables only together with how the service is set up and answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from agi.accounts import unasked_screens
from agi.config import Loaded
from agi.errors import Fault
from agi.fastagi.protocol import MAX_COMMAND_BYTES
from agi.fastagi.script import longest
from agi.model import Hop
from agi.names import MAX_TRUNKS
from agi.routing.reading.files import ACCOUNTS, ROUTES
from agi.routing.table import Table, Way

GUARD_MS: Final = 1_000
"""How long the shipped dialplan waits for a decision: ``CARRIER_GUARD``, 1.0 s."""


def suspicious(
    directory: Path, table: Table, settings: Loaded | None, most: int = MAX_COMMAND_BYTES
) -> tuple[Fault, ...]:
    """Return warnings about a directory's tables; those of the set-up only with ``settings``.

    ``most`` is how many bytes of an answer Asterisk reads.
    """
    found = list(_long_answers(str(directory / ROUTES), table, most))
    if settings is not None:
        found += _unasked(str(directory / ACCOUNTS), table, settings)
        found += _no_guard(settings)
    return tuple(found)


def longest_answer(table: Table) -> int:
    """Return the bytes of the longest answer that any rule can make."""
    return max(map(_longest, table.ways.values()))


def _longest(way: Way) -> int:
    # Which nine of more trunks leave is a matter of dice: the longest might.
    trunks = sorted(way.trunks, key=lambda t: len(t.endpoint) + len(t.tech), reverse=True)
    hops = [Hop(t.name, t.endpoint, t.tech, "", t.ring_s) for t in trunks[:MAX_TRUNKS]]
    return longest(hops, way.name)


def _long_answers(file: str, table: Table, most: int) -> Iterator[Fault]:
    for way in table.ways.values():
        size = _longest(way)
        if size > most:
            what = (
                f"the longest answer of this rule has {size} bytes, and Asterisk reads "
                f"{most}: give fewer trunks, or shorter endpoints"
            )
            yield Fault(file, way.rule.row, 1, what, warning=True)


def _unasked(file: str, table: Table, settings: Loaded) -> Iterator[Fault]:
    for what in unasked_screens(settings.config.providers, table.screens_wanted):
        yield Fault(file, 0, 0, what, warning=True)


def _no_guard(settings: Loaded) -> Iterator[Fault]:
    deadline = settings.config.fastagi.deadline_ms
    if deadline >= GUARD_MS:
        what = (
            f"fastagi.deadline_ms = {deadline} is not below the {GUARD_MS} ms that the shipped "
            "dialplan waits: late decisions are lost; lower it, or raise CARRIER_GUARD"
        )
        yield Fault(str(settings.path), 0, 0, what, warning=True)
