"""What stops a call, a lookup or a trunk because there were too many: one router's counts.

The limits are the table's; what was counted outlives it. Everything a table does not limit costs a
call nothing. Emergency calls are never counted and never stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from agi.metrics import Metrics
from agi.model import CallContext, Decision, Kind
from agi.routing.limits import Limit
from agi.routing.meters import Meters
from agi.routing.table import Table
from agi.routing.trunk import Trunk

DENIED: Final = 21
"""The cause of a call over a velocity limit: call rejected (ITU-T Q.850, 21)."""

CONGESTED: Final = 42
"""The cause of an account's call too many: switching equipment congestion (ITU-T Q.850, 42)."""

LOOPING: Final = 25
"""The cause of a call that was here before: exchange routing error (ITU-T Q.850, 25)."""

REMEMBERED: Final = 1_024
"""So many (limit, account) pairs that stopped calls are remembered for ``status``."""

_COUNTED: Final = frozenset((Kind.E164, Kind.INVALID))


class Refusal(msgspec.Struct, frozen=True, gc=False):
    """Why a call is rejected before its route is sought: Q.850 cause, reason, and which limit."""

    cause: int
    reason: str
    rule: str = ""


class Spent:
    """Which trunks are over their calls per second, asked for one call; ``names`` are those."""

    __slots__ = ("_meters", "_now", "names")

    def __init__(self, meters: Meters, now: float) -> None:
        self.names: list[str] = []
        self._meters = meters
        self._now = now

    def __call__(self, trunk: Trunk) -> bool:
        """Say whether the call has to pass a trunk over."""
        if not self._meters.trunk_closed(trunk, self._now):
            return False
        self.names.append(trunk.name)
        return True


_LOOP: Final = Refusal(LOOPING, "loop")
_SHED: Final = Refusal(CONGESTED, "shed")


class Brakes:
    """The counts of one router. ``clock`` is monotonic, in seconds."""

    def __init__(self, table: Table, metrics: Metrics, clock: Callable[[], float]) -> None:
        self.meters = Meters()
        self._metrics = metrics
        self._clock = clock
        self._tripped: dict[tuple[str, str], tuple[int, float]] = {}
        self.use(table)

    def use(self, table: Table) -> None:
        """Count against another table's limits from now on."""
        self._table = table
        self._has_paces = bool(table.compiled.account_cps)

    def stopped(self, context: CallContext, hops: int) -> Refusal | None:
        """Count a call; return why it is one too many, or None. ``hops``: how often it was here."""
        kind = context.dialled.kind
        if kind is Kind.EMERGENCY:
            return None
        if hops:
            return _LOOP
        if self._has_paces and self._is_too_fast(context.account):
            return _SHED
        if self._table.has_limits and kind in _COUNTED:
            return self._over_limit(context)
        return None

    def _is_too_fast(self, account: str) -> bool:
        cps = self._table.account_cps(account)
        return cps > 0 and not self.meters.account_taken(account, cps, self._clock())

    def _over_limit(self, context: CallContext) -> Refusal | None:
        number = context.dialled.counted
        if number is None:
            return None
        now = self._clock()
        row = self.meters.call(self._table.limits, context.account, number, now)
        if row is None:
            return None
        rule = f"limits-{row}"
        self._note(rule, context.account, now)
        return Refusal(DENIED, "velocity", rule)

    def _note(self, rule: str, account: str, now: float) -> None:
        key = (rule, account)
        count, _ = self._tripped.pop(key, (0, 0.0))
        self._tripped[key] = (count + 1, now)
        if len(self._tripped) > REMEMBERED:
            del self._tripped[next(iter(self._tripped))]

    def may_dip(self, context: CallContext) -> bool:
        """Count a lookup that is about to be made; say whether it may be."""
        number = context.dialled.msisdn
        if not self._table.has_limits or number is None:
            return True
        if self.meters.dip(self._table.limits, context.account, number, self._clock()):
            return True
        self._metrics.avoided["limit"] += 1
        return False

    def fullness(self, limit: Limit, account: str, msisdn: str) -> float | None:
        """Return how full a limit of calls is, 1 being its calls; None where it has none."""
        return self.meters.fullness(limit, account, msisdn, self._clock())

    def spent(self) -> Spent | None:
        """Return what says of a trunk whether it has had its calls of this second, if any can."""
        return Spent(self.meters, self._clock()) if self._table.has_cps else None

    def take(self, decision: Decision) -> None:
        """Charge a call to the trunk that it goes to first."""
        if self._table.has_cps and decision.hops:
            trunk = self._table.trunks.get(decision.hops[0].trunk)
            if trunk is not None:
                self.meters.trunk_taken(trunk, self._clock())

    def tripped(self) -> list[Mapping[str, object]]:
        """Return which limits stopped calls lately: level, how many, of how many accounts, when.

        No account and no number is named: this is read by many.
        """
        now = self._clock()
        levels = {f"limits-{row.row}": row.level for row in self._table.limits.rows}
        found: dict[str, tuple[int, int, float]] = {}
        for (rule, _), (count, at) in self._tripped.items():  # the latest stand last
            accounts, calls, _ago_s = found.get(rule, (0, 0, 0.0))
            found[rule] = accounts + 1, calls + count, now - at
        return [
            {"limit": rule, "level": levels.get(rule, ""), "accounts": n, "calls": m, "ago_s": ago}
            for rule, (n, m, ago) in found.items()
        ]
