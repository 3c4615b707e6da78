"""What a call was told, and whether that is what a check wants. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from tests.scenarios.language import Option, Step

_KEYS: Final = {"trunk": "CARRIER_TRUNK_1", "sent": "CARRIER_NUMBER_1"}
ANSWERS: Final = (
    *("source", "reason", "mccmnc", "live", "ported", "line", "country", "age", "rule", "action"),
    *("cause", "fraud", "count", "trunk", "trunk_2", "sent", "within", "after", "share", "call"),
)


@dataclass
class Call:
    """One call: when it came, when and what it was told."""

    number: str
    began: float
    deadline_s: float
    hung_up: bool = False
    seconds: float | None = None
    told: dict[str, str] = field(default_factory=dict)

    def value(self, key: str) -> str:
        """Return what the dialplan got under a check's key; empty when it got nothing."""
        return self.told.get(_KEYS.get(key, f"CARRIER_{key.upper()}"), "")


def shown(call: Call) -> str:
    told = {k.removeprefix("CARRIER_").lower(): v for k, v in call.told.items() if v}
    after = "never" if call.seconds is None else f"{call.seconds * 1000:.0f} ms"
    return f"{told} after {after}"


def differs(call: Call, wanted: dict[str, Option]) -> str:
    if call.seconds is None:
        return "no answer"
    ms = call.seconds * 1000
    for key, option in wanted.items():
        if key in {"within", "after"}:
            limit = float(option.value)
            if (ms > limit + 0.001) if key == "within" else (ms < limit - 0.001):
                return f"{key} {option.value} ms: it took {ms:.1f} ms"
            continue
        said = call.value(key)
        values = option.value.split("|")
        if option.relation == "=":
            if said not in {"" if value == "-" else value for value in values}:
                return f"{option}: it is {said or 'empty'}"
        elif not said or not _holds(float(said), option.relation, float(option.value)):
            return f"{option}: it is {said or 'empty'}"
    return ""


def _holds(left: float | Decimal, relation: str, right: float | Decimal) -> bool:
    return (
        left <= right if relation == "<=" else left >= right if relation == ">=" else left == right
    )


def compare(step: Step, option: Option, found: object) -> None:
    if isinstance(found, str) or found is None:
        if option.relation != "=" or option.value != (found or ""):
            step.fail(f"{option}: it is {found}")
        return
    assert isinstance(found, int | float | Decimal)
    if not _holds(Decimal(found), option.relation, Decimal(option.value)):
        step.fail(f"{option}: it is {found}")
