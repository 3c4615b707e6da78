"""Why a call goes where it goes: everything that decides it, said to people.

The functions that decide calls decide here too; this only says what they saw. An explanation is
made of plain JSON values. It draws no dice, counts nothing and asks nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from agi.explaining_cells import cell_of, value_of
from agi.model import (
    CallContext,
    Decision,
    Finding,
    Hop,
    Kind,
    Source,
)
from agi.routing.choose import by_range, decide, facts_of, left_out, never
from agi.routing.limits import Limit
from agi.routing.prospect import Prospect, remembered
from agi.routing.rule import Facts, Pick
from agi.routing.standing import State
from agi.routing.table import Table, Way
from agi.routing.trunk import Trunk

EXPLAINED: Final = "explained"
"""The id of a decision that no call got."""

_POLICY: Final = "policy-"
_DOES: Final = {
    State.DOWN: "behind the others",
    State.TRIAL: "behind the others for most calls",
    State.DEGRADED: "at half its weight",
}
_LIMITED: Final = (Kind.E164, Kind.INVALID)


def as_written() -> float:
    """Return the dice of an explanation: always the first choice of a draw."""
    return 0.0


def explain(  # noqa: PLR0913, PLR0917 - as decide()
    table: Table,
    context: CallContext,
    finding: Finding,
    closed: Callable[[Trunk], bool] = never,
    fullness: Callable[[Limit, str, str], float | None] | None = None,
    prospect: Prospect | None = None,
) -> dict[str, object]:
    """Return where a call goes and why, as JSON values.

    Args:
        table: the table that decides.
        context: the call, its caller read.
        finding: what is known of the number, or supposed.
        closed: which trunks have had their calls of this second.
        fullness: how full a limit is for this account and number, 1 being its calls, None where
            it has none; None where nobody counts.
        prospect: how the trunks stand, None where nobody says or it matters to no call.
    """
    decision = decide(table, context, finding, as_written, EXPLAINED, closed, prospect)
    known = by_range(table, context.dialled, finding)
    facts = facts_of(context, known)
    by = _decider(decision, known)
    way = table.match(facts) if by == "routes.csv" else None
    passed = () if way is None else left_out(table, way, context, closed, prospect)
    return {
        **_call(context, facts, table.compiled.timezone),
        **_known(known),
        "policy": _policy(table, context, facts),
        "decided_by": by,
        "decision": _told(decision),
        "steps": _steps(table, facts) if way is not None else [_instead(decision, known, by)],
        "tiers": [] if way is None else _tiers(table, way, decision, dict(passed), prospect),
        "left_out": [{"trunk": name, "why": why} for name, why in passed],
        "limits": _limits(table, context, fullness),
        "dip_could_change_it": _dip_matters(table, context),
    }


def _call(context: CallContext, facts: Facts, timezone: str) -> dict[str, object]:
    dialled = context.dialled
    at = datetime.fromtimestamp(context.at, ZoneInfo(timezone))
    return {
        "dialled": dialled.digits,
        "kind": dialled.kind,
        "number": dialled.msisdn,
        "country": dialled.country,
        "line": facts.line,
        "account": context.account,
        "caller": context.caller,
        "at": at.isoformat(timespec="seconds"),
        "timezone": timezone,
    }


def _known(known: Finding) -> dict[str, object]:
    """Return what is known of the number; ``known`` has its range's network by now."""
    info, said = known.info, known.verdicts
    return {
        "mccmnc": info.mccmnc,
        "live": info.live,
        "ported": info.ported,
        "source": known.source,
        "reason": known.reason,
        "provider": known.provider,
        "age_s": None if known.age_s is None else round(known.age_s, 1),
        "fraud": said.fraud,
        "tps": said.tps,
        "unsubscribed": said.unsubscribed,
    }


def _decider(decision: Decision, known: Finding) -> str:
    """Return the file that decided: of the policy, of listed codes, of the screens, or routes."""
    if decision.source is Source.POLICY and decision.rule.startswith(_POLICY):
        return "policy.csv"
    if decision.rule:
        return "routes.csv"
    error = known.rule
    return "accounts.csv" if error is None or decision.reason != known.reason else "errors.csv"


def _policy(table: Table, context: CallContext, facts: Facts) -> dict[str, object]:
    """Return what the policy says before the lookup, and when the network is known."""
    if facts.emergency or not table.has_policy:
        return {"before": None, "after": None}
    ruling, dialled = table.policy.verdict, context.dialled
    before = ruling(facts.digits, dialled.judged, facts.account, None, dialled.line)
    after = ruling(facts.digits, dialled.judged, facts.account, facts.mccmnc, facts.line)
    return {
        name: None if one is None else {"action": one.action, "line": one.row}
        for name, one in (("before", before), ("after", after))
    }


def _told(decision: Decision) -> dict[str, object]:
    return {
        "action": decision.action,
        "cause": decision.cause,
        "source": decision.source,
        "reason": decision.reason,
        "rule": decision.rule,
        "table": decision.table,
        "trunks": list(map(_hop, decision.hops)),
    }


def _hop(hop: Hop) -> dict[str, object]:
    return {
        "trunk": hop.trunk,
        "endpoint": hop.endpoint,
        "tech": hop.tech,
        "number": hop.number,
        "ring_s": hop.ring_s,
    }


def _instead(decision: Decision, known: Finding, by: str) -> dict[str, object]:
    """Return what decided in the place of a rule."""
    what, line, error = decision.rule or by, 0, known.rule
    if by == "policy.csv":
        line = int(decision.rule.removeprefix(_POLICY))
    elif by == "errors.csv" and error is not None:
        what = f"{by} {error.provider} {error.code}"
    return {"rule": what, "line": line, "failed": ""}


def _steps(table: Table, facts: Facts) -> list[dict[str, object]]:
    """Return what was tried, best first; ``failed`` is the first cell that did not match."""
    zone = table.compiled.timezone
    return [
        {
            "rule": step.rule.name,
            "line": step.rule.row,
            "failed": step.failed,
            "cell": cell_of(step.rule, step.failed, zone),
            "value": value_of(facts, step.failed, zone),
        }
        for step in table.trace(facts)
    ]


def _tiers(
    table: Table,
    way: Way,
    decision: Decision,
    gone: Collection[str],
    prospect: Prospect | None,
) -> list[dict[str, object]]:
    """Return the trunks that a call can have, by tiers, each with its odds to lead its tier.

    Odds are those of the weights; ``health`` says what changes them, empty for a trunk that is up.
    The number is None for a trunk that dice put behind nine others here.
    """
    numbers = {hop.trunk: hop.number for hop in decision.hops}
    notes = {} if prospect is None else remembered(prospect.notes)[1]
    tiers: list[dict[str, object]] = []
    for tier in way.rule.tiers:
        usable = [(table.trunks[name], weight) for name, weight in tier.members if name not in gone]
        total = sum(weight for _, weight in usable)
        members = [
            {
                "trunk": trunk.name,
                "endpoint": trunk.endpoint,
                "tech": trunk.tech,
                "number": numbers.get(trunk.name),
                "ring_s": trunk.ring_s,
                "weight": weight,
                "odds": round(weight / total, 4),
                "health": _health(trunk.name, prospect, notes),
            }
            for trunk, weight in usable
        ]
        if members:
            picked = Pick.QUALITY if way.by_quality and len(members) > 1 else Pick.WEIGHT
            tiers.append({"last_resort": tier.last_resort, "pick": picked, "trunks": members})
    return tiers


def _health(name: str, prospect: Prospect | None, notes: Mapping[str, str]) -> str:
    """Return what a trunk's health does to a call, and why; empty if it does nothing."""
    standing = None if prospect is None else prospect.standing(name)
    if standing is None or standing.state is State.UP:
        return ""
    state, does = standing.state, _DOES[standing.state]
    if state in {State.DOWN, State.TRIAL} and name not in notes:
        does = "in its place: half of the rule's trunks are out of theirs"
    pinned = "pinned " if standing.pinned else ""
    return f"{pinned}{state}, {does}{f' ({standing.why})' if standing.why else ''}"


def _limits(
    table: Table, context: CallContext, fullness: Callable[[Limit, str, str], float | None] | None
) -> list[dict[str, object]]:
    """Return the limits that count this call, and how full each is for it; None: not counted."""
    dialled, account = context.dialled, context.account
    number = dialled.counted
    if number is None or dialled.kind not in _LIMITED:
        return []
    return [
        {
            "line": limit.row,
            "level": limit.level,
            "part": limit.level.part(number),
            "calls": limit.calls,
            "lookups": limit.lookups,
            "half_life_s": limit.half_life_s,
            "full": None if fullness is None else _rounded(fullness(limit, account, number)),
        }
        for limit in table.limits.of(account, number)
    ]


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 3)


def _dip_matters(table: Table, context: CallContext) -> bool | None:
    """Say whether a lookup could change the way; None for what is never looked up."""
    dialled = context.dialled
    if dialled.kind is not Kind.E164 or dialled.msisdn is None:
        return None
    return table.dip_matters(context)
