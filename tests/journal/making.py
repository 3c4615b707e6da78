"""Decisions to put into a journal, and a journal that can be put out of order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec.structs import replace

from agi.e164 import NumberingPlan
from agi.journal.writer import Journal, open_journal
from agi.log import Values
from agi.model import (
    Action,
    CallContext,
    CallRequest,
    Decision,
    Finding,
    Hop,
    Line,
    Live,
    Mccmnc,
    NumberInfo,
    Source,
)
from agi.settings import Journal as Settings

PLAN = NumberingPlan("GB", ("999",))
NOON = 1_795_262_400.0  # 2026-11-21 12:00:00 UTC
DAY = 86_400.0
NUMBER = "447788450450"  # of the provider's own examples
CALLER = "442079460123"  # of the range that Ofcom keeps for drama
FINDING = Finding(
    Source.MEMORY,
    "ok",
    NumberInfo(Mccmnc("23415"), Live.LIVE, ported=True, line=Line.MOBILE),
    61.5,
    None,
    "npl",
    "comcetera",
)
HOPS = (
    Hop("vodafone", "voda-gw", "PJSIP", "+447788450450", 45),
    Hop("transit", "transit-gw", "PJSIP", NUMBER, 60),
)


class Heard:
    """A log that remembers its lines."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, dict[str, object]]] = []

    def __call__(self, level: str, event: str, **values: object) -> None:
        self.lines.append((level, event, values))

    def later(self, level: str, event: str, values: Values) -> None:
        self.lines.append((level, event, dict(values())))


def context(dialled: str = "07788450450", at: float = NOON, account: str = "acme") -> CallContext:
    return CallContext(PLAN.understand(dialled), account, "", at)


def request(
    dialled: str = "07788450450", caller: str = "02079460123", uniqueid: str = "1795262400.17"
) -> CallRequest:
    return CallRequest(dialled, "acme", caller, uniqueid)


def decision(number: int = 42, version: str = "000042-1a2b3c4d") -> Decision:
    return Decision(
        f"9f3a1c2e-{number:06x}",
        Action.ROUTE,
        HOPS,
        None,
        Source.MEMORY,
        "ok",
        "uk-voda",
        version,
        FINDING.info,
        61.5,
        "GB",
        Line.MOBILE,
    )


class Clock:
    """A wall clock that is set by hand."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


@contextmanager
def journal(
    state: Path,
    *,
    wall: Callable[[], float] = lambda: NOON,
    days: int = 30,
    max_mb: int = 2048,
    log: Heard | None = None,
) -> Iterator[Journal]:
    """Open a journal, and close it whatever comes."""
    settings = Settings(retention_days=days, max_mb=max_mb)
    opened = open_journal(settings, state, plan=PLAN, wall=wall, log=log or Heard())
    try:
        yield opened
    finally:
        opened.close()


def note(
    opened: Journal,
    number: int = 42,
    *,
    dialled: str = "07788450450",
    caller: str = "02079460123",
    uniqueid: str = "1795262400.17",
    at: float = NOON,
) -> None:
    """Put one decision into a journal."""
    call, asked = context(dialled, at), request(dialled, caller, uniqueid)
    said = decision(number)
    if call.dialled.msisdn != NUMBER:
        said = replace(said, hops=())
    opened.note(call, asked, FINDING, said)
