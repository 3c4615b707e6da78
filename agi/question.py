"""What a person asks about a call that nobody makes: the call, and what is to be supposed of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, TypeVar
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from agi.e164 import NumberingPlan
from agi.errors import UsageError
from agi.fastagi import script
from agi.model import (
    CallContext,
    CallRequest,
    Finding,
    Fraud,
    Kind,
    Line,
    Live,
    Mccmnc,
    NumberInfo,
    Source,
)
from agi.plmn import canonical

ASKED: Final = "explain"
"""The unique id of a call that nobody makes."""

NOBODY_ASKED: Final = Finding(Source.SKIPPED, "nodip")
"""What is known of a number when nobody was asked and nothing is remembered."""

_YEARS: Final = range(1971, 2200)
_YES: Final = {"yes": True, "no": False}
_Word = TypeVar("_Word", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Question:
    """A call that somebody asks about, and what is to be supposed of its number.

    ``at`` is an epoch in seconds, None for now. None of the rest: not supposed.
    """

    number: str = field(repr=False)
    caller: str = field(default="", repr=False)
    account: str = ""
    at: float | None = None
    mccmnc: Mccmnc | None = None
    live: Live | None = None
    ported: bool | None = None
    line: Line | None = None
    fraud: Fraud | None = None

    @property
    def supposes(self) -> tuple[str, ...]:
        """What is supposed, by the names of the columns."""
        names = ("mccmnc", "live", "ported", "line", "fraud")
        return tuple(name for name in names if getattr(self, name) is not None)

    @property
    def request(self) -> CallRequest:
        """The request that the dialplan would make."""
        return CallRequest(self.number, self.account, self.caller, ASKED)

    def context(self, plan: NumberingPlan, now: float) -> CallContext:
        """Return the call; its caller is read whether the table asks for it or not."""
        at = now if self.at is None else self.at
        return CallContext(plan.understand(self.number), self.account, self._caller(plan), at)

    def _caller(self, plan: NumberingPlan) -> str:
        if self.caller in {"", "anonymous"}:
            return self.caller
        read = plan.understand(self.caller)
        if read.kind is Kind.E164 and read.msisdn is not None:
            return read.msisdn
        return self.caller.removeprefix("+")

    def supposing(self, finding: Finding | None) -> Finding:
        """Return what is known of the number, and over it what is supposed."""
        known = NOBODY_ASKED if finding is None else finding
        if not self.supposes:
            return known
        said, fraud = known.info, known.verdicts.fraud
        info = NumberInfo(
            said.mccmnc if self.mccmnc is None else self.mccmnc,
            said.live if self.live is None else self.live,
            said.ported if self.ported is None else self.ported,
            said.line if self.line is None else self.line,
        )
        verdicts = replace(known.verdicts, fraud=fraud if self.fraud is None else self.fraud)
        if self.mccmnc is None:
            return replace(known, info=info, verdicts=verdicts)
        return Finding(Source.LIVE, "ok", info, verdicts=verdicts)


def question_of(asked: Mapping[str, object], timezone: str) -> Question:
    """Return the question that JSON values ask, by the names of the options of ``explain``.

    ``timezone`` is the zone of a time that names none.

    Raises:
        UsageError: a value is none of its kind; what would be right.
    """
    said = {name: str(value) for name, value in asked.items() if value not in (None, "")}
    number = said.get("number", "")
    for what, value, allowed, right in (
        ("NUMBER", number, script.NUMBER, "1 to 32 of 0-9 * #, without blanks, a + before them"),
        ("--account", said.get("account", ""), script.ACCOUNT, "at most 32 of A-Z a-z 0-9 . _ -"),
        ("--from", said.get("caller", ""), script.CALLER, "digits, a + before them, or anonymous"),
        ("--ported", said.get("ported", "yes"), re.compile("yes|no"), "yes or no"),
    ):
        if not allowed.fullmatch(value):
            raise UsageError(f"{what}: give {right}")
    return Question(
        number,
        said.get("caller", ""),
        said.get("account", ""),
        _epoch(said["at"], timezone) if "at" in said else None,
        _network(said["mccmnc"]) if "mccmnc" in said else None,
        _word(Live, said, "live"),
        _YES[said["ported"]] if "ported" in said else None,
        _word(Line, said, "line"),
        _word(Fraud, said, "fraud"),
    )


def _word(words: type[_Word], said: Mapping[str, str], name: str) -> _Word | None:
    if name not in said:
        return None
    try:
        return words(said[name])
    except ValueError:
        raise UsageError(f"--{name}: give {', '.join(words)}") from None


def _network(text: str) -> Mccmnc:
    found = canonical(text)
    if found is None:
        raise UsageError("--mccmnc: no MCC and MNC: give for example 23415 or 234-15")
    return Mccmnc(found.mccmnc)


def _epoch(text: str, timezone: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=ZoneInfo(timezone))
        if moment.year in _YEARS:
            return moment.timestamp()
        raise ValueError("the year")  # noqa: TRY301 - said below, as any other time that is none
    except (ValueError, OverflowError):
        right = f"2026-12-24T18:30, in {timezone}, or 2026-12-24T18:30+01:00"
        raise UsageError(f"--at: give a date and a time such as {right}") from None
