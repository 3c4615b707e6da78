"""Decide one call: the rule, the order of its trunks, and the number that each of them gets.

Nothing here has state, a clock or dice of its own: ``draw`` is the dice.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

from agi.model import Action, Decision, Dialled, Finding, Hop, Kind
from agi.names import MAX_TRUNKS
from agi.routing.table import Rule, Table
from agi.routing.trunk import Trunk

NO_CIRCUIT: Final = 34
"""The cause when a rule has no usable trunk: no circuit/channel available (ITU-T Q.850, 34)."""

NO_TRUNK: Final = "no-trunk"

_SENDABLE: Final = re.compile(r"[0-9*#+]{1,32}")
_REJECT: Final = "reject:"


def decide(
    table: Table,
    dialled: Dialled,
    finding: Finding,
    draw: Callable[[], float],
    decision_id: str,
) -> Decision:
    """Return the answer to one call. It never fails: without a usable trunk it rejects with 34.

    A rule that matched is final; its unusable trunks are passed over, and there is no second rule.
    An emergency call looks at emergency rules and the default only, and no provider's error code
    rejects it.

    Args:
        table: the table in force.
        dialled: what was dialled.
        finding: what the lookup found; a listed error code in it decides over the network.
        draw: uniform in [0, 1), called once per choice between weighted trunks.
        decision_id: the id of the decision, at most 32 characters of the variables' whitelist.
    """
    hops, cause, rule, reason = _verdict(table, dialled, finding, draw)
    return Decision(
        decision_id,
        Action.ROUTE if cause is None else Action.REJECT,
        hops,
        cause,
        finding.source,
        reason,
        rule,
        table.version,
        finding.info,
        finding.age_s,
        dialled.country,
        dialled.line,
    )


def _verdict(
    table: Table, dialled: Dialled, finding: Finding, draw: Callable[[], float]
) -> tuple[tuple[Hop, ...], int | None, str, str]:
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
