"""Decide one call: the rule, the order of its trunks, and the number that each of them gets.

Nothing here has state, a clock or dice of its own: ``draw`` is the dice, ``closed`` says which
trunks have had their calls of this second, ``prospect`` how trunks stand.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

from msgspec.structs import replace

from agi.model import (
    Action,
    CallContext,
    Decision,
    Dialled,
    Finding,
    Hop,
    Kind,
    Line,
    NumberInfo,
    Source,
)
from agi.names import MAX_TRUNKS
from agi.routing.drawing import drawn
from agi.routing.prospect import PINNED, Prospect
from agi.routing.rule import Facts
from agi.routing.table import Table, Way
from agi.routing.trunk import Trunk

NO_CIRCUIT: Final = 34
"""The cause when a rule has no usable trunk: no circuit/channel available (ITU-T Q.850, 34)."""
DENIED_CAUSE: Final = 21
"""The cause when the policy denies: call rejected (ITU-T Q.850, 21)."""

NO_TRUNK: Final = "no-trunk"
DENIED: Final = "denied"

DISABLED: Final = "disabled"
CLOSED: Final = "over its calls per second"
HAS_ALL: Final = "it has all the calls that it may have at once"
PINNED_DOWN: Final = "pinned down"
NO_NUMBER: Final = "its number form leaves nothing to send, or too much"
NOT_SENDABLE: Final = "these digits cannot be sent"
TOO_MANY: Final = f"only {MAX_TRUNKS} trunks leave"

_SENDABLE: Final = re.compile(r"[0-9*#+]{1,32}")
_REJECT: Final = "reject:"
_RANGE: Final = "range"
_DENY: Final = "deny"
_UNCHANGED: Final = (Kind.EMERGENCY, Kind.SHORT)
_NOTHING: Final = NumberInfo()


def never(trunk: Trunk) -> bool:
    """Say of no trunk that it has had enough calls: the default of ``closed``."""
    del trunk
    return False


def decide(  # noqa: PLR0913, PLR0917  # a value made for each call would only cost time
    table: Table,
    context: CallContext,
    finding: Finding,
    draw: Callable[[], float],
    decision_id: str,
    closed: Callable[[Trunk], bool] = never,
    prospect: Prospect | None = None,
) -> Decision:
    """Return the answer to one call. It never fails: without a usable trunk it rejects with 34.

    A rule that matched is final; its unusable trunks are passed over, and there is no second rule.
    An emergency call looks at emergency rules and the default only; neither policy, nor a
    provider's error code, nor a screen rejects it, and no trunk is closed to it: how trunks stand
    changes their order only.

    Args:
        table: the table in force.
        context: what the call brought along.
        finding: what the lookup found; a listed error code in it decides over the network.
        draw: uniform in [0, 1), called once per choice between weighted trunks.
        decision_id: the id of the decision, at most 32 characters of the variables' whitelist.
        closed: whether a trunk may be given no more calls for now.
        prospect: how the trunks stand; None when all are up and nothing else goes by it.
    """
    dialled = context.dialled
    if table.has_ranges and (finding.info.mccmnc is None or finding.rule is not None):
        finding = by_range(table, dialled, finding)
    facts = facts_of(context, finding)
    source = finding.source
    if facts.emergency:
        way = table.find_emergency(facts)
        hops, cause, rule, reason = _along(way, dialled, finding, draw, never, prospect)
    else:
        verdict = (
            table.policy.verdict(
                facts.digits, dialled.judged, facts.account, facts.mccmnc, facts.line
            )
            if table.has_policy
            else None
        )
        if verdict is not None and verdict.action == _DENY:
            hops, cause, rule, reason = (), DENIED_CAUSE, f"policy-{verdict.row}", DENIED
            source = Source.POLICY
        elif table.has_screens:
            hops, cause, rule, reason = _screened(
                table, context, facts, finding, draw, closed, prospect
            )
        else:
            hops, cause, rule, reason = _verdict(
                table, dialled, facts, finding, draw, closed, prospect
            )
    return Decision(
        decision_id,
        Action.ROUTE if cause is None else Action.REJECT,
        hops,
        cause,
        source,
        reason,
        rule,
        table.version,
        finding.info,
        finding.age_s,
        dialled.country,
        facts.line,
        finding.verdicts.fraud,
    )


def refusal(  # noqa: PLR0913, PLR0917  # as decide()
    table: Table, context: CallContext, cause: int, reason: str, rule: str, decision_id: str
) -> Decision:
    """Return the answer to a call that is refused before anything was found out about it.

    Args:
        table: the table in force.
        context: what the call brought along.
        cause: the Q.850 cause, 1 to 127.
        reason: a value of CARRIER_REASON.
        rule: what refused it, for CARRIER_RULE; may be empty.
        decision_id: the id of the decision.
    """
    dialled = context.dialled
    return Decision(
        decision_id,
        Action.REJECT,
        (),
        cause,
        Source.POLICY,
        reason,
        rule,
        table.version,
        _NOTHING,
        None,
        dialled.country,
        dialled.line,
    )


def facts_of(context: CallContext, finding: Finding) -> Facts:
    """Return what is known of a call once its lookup is over; ``by_range`` comes before it.

    A listed error code leaves the network unknown. Without a network porting is unknown too, even
    where a provider told it: it would say nothing about who serves the number. The line is the
    numbering plan's, unless that does not say, or not quite, and somebody else does.
    """
    dialled = context.dialled
    info = finding.info
    line = dialled.line
    if (line is None or line is Line.MOBILE_OR_LANDLINE) and info.line is not None:
        line = info.line
    network = info.mccmnc if finding.rule is None else None
    return Facts(
        dialled.digits,
        dialled.msisdn,
        dialled.country,
        line,
        context.account,
        context.caller,
        network,
        info.ported if network else None,
        info.live,
        finding.verdicts.fraud,
        context.at,
        dialled.kind is Kind.EMERGENCY,
    )


def by_range(table: Table, dialled: Dialled, finding: Finding) -> Finding:
    """Return the finding with the network of the number's range, if it may and can have one."""
    error = finding.rule
    if finding.info.mccmnc is not None and error is None:
        return finding
    if dialled.kind is not Kind.E164 or dialled.msisdn is None:
        return finding
    if error is not None and error.route != _RANGE:
        return finding
    given = table.range_of(dialled.msisdn)
    if given is None:
        return finding
    said = finding.info
    # A range knows nothing of porting, and its network is no answer that could have an age.
    info = NumberInfo(given.mccmnc, said.live, None, said.line or given.line)
    skipped = finding.source is Source.SKIPPED
    return replace(
        finding,
        source=Source.SKIPPED if skipped else Source.RANGE,
        info=info,
        age_s=None,
        rule=None,
    )


def left_out(
    table: Table,
    way: Way,
    context: CallContext,
    closed: Callable[[Trunk], bool] = never,
    prospect: Prospect | None = None,
) -> tuple[tuple[str, str], ...]:
    """Return the trunks of a rule that a call cannot have, as written, each with the reason.

    Of trunks that dice put beyond the ninth place nothing is said, only of those that always are.
    """
    dialled = context.dialled
    found: list[tuple[str, str]] = []
    before = 0
    for tier in way.rule.tiers:
        usable = 0
        for name, _ in tier.members:
            trunk = table.trunks[name]
            why = _unusable(trunk, dialled)
            if not why and dialled.kind is not Kind.EMERGENCY:
                why = _shut(trunk, closed, prospect)
            if not why and before >= MAX_TRUNKS:
                why = TOO_MANY
            if why:
                found.append((name, why))
            else:
                usable += 1
        before += usable
    # For want of any other a call gets those that a person took down.
    return tuple(one for one in found if before or not one[1].startswith(PINNED_DOWN))


def _shut(trunk: Trunk, closed: Callable[[Trunk], bool], prospect: Prospect | None) -> str:
    """Return why an ordinary call does not get a trunk that it could use."""
    if closed(trunk):
        return CLOSED
    said = "" if prospect is None else prospect.left_out(trunk)
    if said != PINNED:
        return HAS_ALL if said else ""
    standing = None if prospect is None else prospect.standing(trunk.name)
    why = "" if standing is None else standing.why
    return f"{PINNED_DOWN}: {why}" if why else PINNED_DOWN


def _unusable(trunk: Trunk, dialled: Dialled) -> str:
    if not trunk.enabled:
        return DISABLED
    msisdn = dialled.msisdn
    if msisdn is None or dialled.kind in _UNCHANGED:
        return "" if _SENDABLE.fullmatch(dialled.digits) else NOT_SENDABLE
    if not (msisdn.isascii() and msisdn.isdigit()):
        return NOT_SENDABLE
    return NO_NUMBER if trunk.number(msisdn) is None else ""


_Verdict = tuple[tuple[Hop, ...], int | None, str, str]
"""The trunks, else the cause; the rule's name; the reason."""


def _screened(  # noqa: PLR0913, PLR0917  # as decide()
    table: Table,
    context: CallContext,
    facts: Facts,
    finding: Finding,
    draw: Callable[[], float],
    closed: Callable[[Trunk], bool],
    prospect: Prospect | None,
) -> _Verdict:
    dialled = context.dialled
    screening = table.screening(context.account)
    # Only what has an international form is anybody's number; too many digits do not hide it.
    if dialled.msisdn is None or dialled.kind is Kind.SHORT:
        return _verdict(table, dialled, facts, finding, draw, closed, prospect)
    rejection = screening.rejection(finding.verdicts)
    if rejection is not None:
        return (), rejection[0], "", rejection[1]
    hops, cause, rule, reason = _verdict(table, dialled, facts, finding, draw, closed, prospect)
    if cause is None:
        reason = screening.flag(finding.verdicts) or reason
    return hops, cause, rule, reason


def _verdict(  # noqa: PLR0913, PLR0917  # as decide()
    table: Table,
    dialled: Dialled,
    facts: Facts,
    finding: Finding,
    draw: Callable[[], float],
    closed: Callable[[Trunk], bool],
    prospect: Prospect | None,
) -> _Verdict:
    error = finding.rule
    if error is not None and error.route.startswith(_REJECT):
        return (), int(error.route[len(_REJECT) :]), "", finding.reason
    return _along(table.find(facts), dialled, finding, draw, closed, prospect)


def _along(  # noqa: PLR0913, PLR0917  # as decide()
    way: Way,
    dialled: Dialled,
    finding: Finding,
    draw: Callable[[], float],
    closed: Callable[[Trunk], bool],
    prospect: Prospect | None,
) -> _Verdict:
    if way.cause is not None:
        return (), way.cause, way.name, finding.reason
    trunks: Sequence[Trunk]
    spare: Sequence[Trunk] = ()
    if prospect is None:
        trunks = drawn(way.tiers, draw) if way.fixed is None else way.fixed
    else:
        emergency = dialled.kind is Kind.EMERGENCY
        trunks, spare = prospect.order(way, draw, emergency=emergency)
    if closed is not never:
        trunks = [trunk for trunk in trunks if not closed(trunk)]
    hops = _hops(trunks, dialled)
    if not hops and spare:
        hops = _hops([trunk for trunk in spare if not closed(trunk)], dialled)
    if not hops:
        return (), NO_CIRCUIT, way.name, NO_TRUNK
    return hops, None, way.name, finding.reason


def _hops(trunks: Sequence[Trunk], dialled: Dialled) -> tuple[Hop, ...]:
    msisdn = dialled.msisdn
    if msisdn is None or dialled.kind is Kind.EMERGENCY or dialled.kind is Kind.SHORT:
        return _unchanged(trunks, dialled.digits)
    if not (msisdn.isascii() and msisdn.isdigit()):
        return ()
    hops: list[Hop] = []
    for trunk in trunks:
        number = msisdn if trunk.form is None else trunk.form.write(msisdn)
        if number is not None:
            hops.append(Hop(trunk.name, trunk.endpoint, trunk.tech, number, trunk.ring_s))
    return tuple(hops[:MAX_TRUNKS])


def _unchanged(trunks: Sequence[Trunk], digits: str) -> tuple[Hop, ...]:
    # Formats, strip and prepend speak of E.164 numbers; these digits mean what they are.
    if not _SENDABLE.fullmatch(digits):
        return ()
    usable = trunks[:MAX_TRUNKS]
    return tuple(Hop(t.name, t.endpoint, t.tech, digits, t.ring_s) for t in usable)
