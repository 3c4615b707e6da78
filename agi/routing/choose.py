"""Decide one call: the rule, the order of its trunks, and the number that each of them gets.

Nothing here has state, a clock or dice of its own: ``draw`` is the dice.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

from msgspec.structs import replace

from agi.model import Action, Decision, Dialled, Finding, Hop, Kind, NumberInfo, Source
from agi.names import MAX_TRUNKS
from agi.routing.screening import NO_SCREENING, Screening
from agi.routing.table import Rule, Table
from agi.routing.trunk import Trunk

NO_CIRCUIT: Final = 34
"""The cause when a rule has no usable trunk: no circuit/channel available (ITU-T Q.850, 34)."""

NO_TRUNK: Final = "no-trunk"

_SENDABLE: Final = re.compile(r"[0-9*#+]{1,32}")
_REJECT: Final = "reject:"
_RANGE: Final = "range"
_NEVER_SCREENED: Final = (Kind.EMERGENCY, Kind.SHORT)


def decide(  # noqa: PLR0913, PLR0917  # a value made for each call would only cost time
    table: Table,
    dialled: Dialled,
    finding: Finding,
    draw: Callable[[], float],
    decision_id: str,
    account: str = "",
) -> Decision:
    """Return the answer to one call. It never fails: without a usable trunk it rejects with 34.

    A rule that matched is final; its unusable trunks are passed over, and there is no second rule.
    An emergency call looks at emergency rules and the default only, and neither a provider's error
    code nor a screen rejects it.

    Args:
        table: the table in force.
        dialled: what was dialled.
        finding: what the lookup found; a listed error code in it decides over the network.
        draw: uniform in [0, 1), called once per choice between weighted trunks.
        decision_id: the id of the decision, at most 32 characters of the variables' whitelist.
        account: whose call it is; its screens judge the finding's verdicts.
    """
    if table.has_ranges and (finding.info.mccmnc is None or finding.rule is not None):
        finding = _by_range(table, dialled, finding)
    screening = table.screening(account) if table.has_screens else NO_SCREENING
    if screening is NO_SCREENING:
        hops, cause, rule, reason = _verdict(table, dialled, finding, draw)
    else:
        hops, cause, rule, reason = _screened(screening, table, dialled, finding, draw)
    info = finding.info
    return Decision(
        decision_id,
        Action.ROUTE if cause is None else Action.REJECT,
        hops,
        cause,
        finding.source,
        reason,
        rule,
        table.version,
        info,
        finding.age_s,
        dialled.country,
        dialled.line or info.line,
        finding.verdicts.fraud,
    )


def _by_range(table: Table, dialled: Dialled, finding: Finding) -> Finding:
    """Return the finding with the network of the number's range, if it may and can have one."""
    error = finding.rule
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


_Verdict = tuple[tuple[Hop, ...], int | None, str, str]


def _screened(
    screening: Screening,
    table: Table,
    dialled: Dialled,
    finding: Finding,
    draw: Callable[[], float],
) -> _Verdict:
    # Only what has an international form is anybody's number; too many digits do not hide it.
    if dialled.msisdn is None or dialled.kind in _NEVER_SCREENED:
        return _verdict(table, dialled, finding, draw)
    rejection = screening.rejection(finding.verdicts)
    if rejection is not None:
        return (), rejection[0], "", rejection[1]
    hops, cause, rule, reason = _verdict(table, dialled, finding, draw)
    if cause is None:
        reason = screening.flag(finding.verdicts) or reason
    return hops, cause, rule, reason


def _verdict(
    table: Table, dialled: Dialled, finding: Finding, draw: Callable[[], float]
) -> _Verdict:
    """Return the trunks, else the cause; the rule's name; the reason."""
    error = finding.rule
    if dialled.kind is Kind.EMERGENCY:
        rule = table.find_emergency(dialled.digits, dialled.country)
    elif error is None:
        mccmnc = finding.info.mccmnc
        rule = table.find(dialled.digits, dialled.msisdn, dialled.country, mccmnc)
    elif error.route.startswith(_REJECT):
        return (), int(error.route[len(_REJECT) :]), "", finding.reason
    else:
        rule = table.find(dialled.digits, dialled.msisdn, dialled.country, None)
    if rule.cause is not None:
        return (), rule.cause, rule.name, finding.reason
    hops = _hops(drawn(rule, draw) if rule.fixed is None else rule.fixed, dialled)
    if not hops:
        return (), NO_CIRCUIT, rule.name, NO_TRUNK
    return hops, None, rule.name, finding.reason


def drawn(rule: Rule, draw: Callable[[], float]) -> list[Trunk]:
    """Return a rule's trunks, tier after tier, each tier by a weighted draw without replacement.

    The first trunk of a tier is each member with the odds of its weight, the next one each of the
    rest with the odds among the rest, and so on. ``draw`` is called once less than a tier has
    members.
    """
    order: list[Trunk] = []
    for tier in rule.tiers:
        left = list(tier)
        while len(left) > 1:
            order.append(left.pop(_pick(left, draw()))[0])
        order.append(left[0][0])
    return order


def _pick(members: Sequence[tuple[Trunk, int]], roll: float) -> int:
    # Weights are whole numbers, so floor(roll * total) is each of 0..total-1 equally often.
    rest = int(roll * sum(weight for _, weight in members))
    for index, (_, weight) in enumerate(members):
        rest -= weight
        if rest < 0:
            return index
    raise ValueError("draw() must return a number in [0, 1)")


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
