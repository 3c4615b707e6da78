"""What was counted: calls and lookups by part of the numbers, calls of this second by trunk.

The counts belong to no version of the tables: a limit that stays keeps its count. They decay by
themselves, without timers, and take bounded memory whatever is dialled. What one process counted
others can hear, so that several routers hold one limit, but for the time that telling takes.

Keys of the counts hold accounts and numbers: they are never shown. ``now`` is an instant of the
monotonic clock in seconds, passed in.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Final

import msgspec

from agi.routing.limits import MAX_COUNT, MAX_HALF_LIFE_S, Limit, Limits
from agi.routing.trunk import Trunk

_NEAR: Final = 8
"""The part of a limit beyond which a burst may fill it before the next round of gossip.

As many routers, each with so much of its own, hold a whole limit that none of them knows of.
"""

MAX_COUNTS: Final = 65_536
MAX_PACES: Final = 8_192
MAX_TOLD: Final = 4_096
MAX_KEY: Final = 80

PROBES: Final = 10
"""One lookup of so many is made beyond the limit, so that the cache still fills (Unbound,
``unbound.conf``, ratelimit-factor: 10)."""

_ONE_SECOND: Final = 1.0
_LOOKED_AT: Final = 8
_MOST_HEARD: Final = 10_000
_MOST_COUNTED: Final = 2.0 * MAX_COUNT
_MOST_PACED: Final = 100_000
_CALLS: Final = "c"
_LOOKUPS: Final = "l"
_ACCOUNT: Final = "a"
_TRUNK: Final = "t"


class _Count(msgspec.Struct, gc=False):
    """A value that halves every half-life, as it was at the instant ``last``."""

    value: float
    last: float
    half_life_s: float

    def at(self, now: float) -> float:
        past = now - self.last
        return self.value if past <= 0 else self.value * 0.5 ** (past / self.half_life_s)


class _Counts:
    """Decaying counts by key, the longest untouched first; a weak old one makes room for a new."""

    def __init__(self) -> None:
        self._counts: OrderedDict[str, _Count] = OrderedDict()

    def __len__(self) -> int:
        return len(self._counts)

    def add(
        self, key: str, amount: float, half_life_s: float, now: float, most: float
    ) -> tuple[float, float]:
        """Add to a count, up to ``most``; return what it is then, and by how much it grew."""
        count = self._counts.get(key)
        if count is None:
            if len(self._counts) >= MAX_COUNTS:
                self._make_room(now)
            count = self._counts[key] = _Count(0.0, now, half_life_s)
        else:
            self._counts.move_to_end(key)
        before = count.at(now)
        count.value = value = min(before + amount, most)
        count.last = max(now, count.last)
        return value, value - before

    def value(self, key: str, now: float) -> float:
        """Return what a count is, 0 where nothing was counted."""
        count = self._counts.get(key)
        return 0.0 if count is None else count.at(now)

    def _make_room(self, now: float) -> None:
        """Of the longest untouched, drop the weakest; the others are looked at again much later."""
        oldest = [self._counts.popitem(last=False) for _ in range(_LOOKED_AT)]
        weakest = min(range(_LOOKED_AT), key=lambda i: oldest[i][1].at(now))
        for index, (key, count) in enumerate(oldest):
            if index != weakest:
                self._counts[key] = count


class _Paces:
    """The instants of the last second, by key: never more than so many in any second."""

    def __init__(self) -> None:
        self._taken: OrderedDict[str, deque[float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._taken)

    def full(self, key: str, most: int, now: float) -> bool:
        """Say whether the second that ends now holds ``most`` already."""
        taken = self._taken.get(key)
        if taken is None:
            return False
        while taken and now - taken[0] >= _ONE_SECOND:
            taken.popleft()
        return len(taken) >= most

    def take(self, key: str, times: int, now: float) -> None:
        """Note that it was taken now."""
        taken = self._taken.get(key)
        if taken is None:
            if len(self._taken) >= MAX_PACES:
                self._taken.popitem(last=False)
            taken = self._taken[key] = deque(maxlen=_MOST_PACED)
        else:
            self._taken.move_to_end(key)
        taken.extend([now] * times)


class Meters:
    """The counts of one process, and what it heard of the others'.

    ``on_near`` is called when a count grows beyond an eighth of its limit: the other processes
    should hear of it now, or each of them lets out what is left to all of them together.
    """

    def __init__(self) -> None:
        self.on_near: Callable[[], None] = _nothing
        self._counts: Final = _Counts()
        self._paces: Final = _Paces()
        self._untold: dict[str, float] = {}
        self._over = 0

    def __len__(self) -> int:
        """Return how many counts are held."""
        return len(self._counts) + len(self._paces)

    def call(self, limits: Limits, account: str, msisdn: str, now: float) -> int | None:
        """Count a call at every limit that concerns it.

        Returns:
            The row of the first limit that the call is over, None if it may go. Calls that may
            not go count too, up to twice the limit: who goes on stays out.
        """
        tripped = None
        for limit in limits.of(account, msisdn):
            if limit.calls is not None:
                key = _key(_CALLS, limit, account, msisdn)
                if self._is_over(key, limit, limit.calls, now) and tripped is None:
                    tripped = limit.row
        return tripped

    def dip(self, limits: Limits, account: str, msisdn: str, now: float) -> bool:
        """Count a lookup at every limit that concerns it; say whether it may be made.

        Beyond the limit every tenth may.
        """
        over = False
        for limit in limits.of(account, msisdn):
            if limit.lookups is not None:
                key = _key(_LOOKUPS, limit, account, msisdn)
                over = self._is_over(key, limit, limit.lookups, now) or over
        self._over += over
        return not over or self._over % PROBES == 0

    def fullness(self, limit: Limit, account: str, msisdn: str, now: float) -> float | None:
        """Return how full a limit of calls is, 1 being its calls; None where it has none.

        Nothing is counted.
        """
        if limit.calls is None:
            return None
        return self._counts.value(_key(_CALLS, limit, account, msisdn), now) / limit.calls

    def trunk_closed(self, trunk: Trunk, now: float) -> bool:
        """Say whether a trunk has had all its calls of the second that ends now."""
        return trunk.cps > 0 and self._paces.full(_TRUNK + trunk.name, trunk.cps, now)

    def trunk_taken(self, trunk: Trunk, now: float) -> None:
        """Note that a call goes to a trunk."""
        if trunk.cps > 0:
            self._take(_TRUNK + trunk.name, now)

    def account_taken(self, account: str, cps: int, now: float) -> bool:
        """Take one of an account's calls of this second; False if it has none left.

        ``cps`` 0 is no limit.
        """
        if cps <= 0:
            return True
        if self._paces.full(_ACCOUNT + account, cps, now):
            return False
        self._take(_ACCOUNT + account, now)
        return True

    def drain(self) -> list[tuple[str, float]]:
        """Return what was counted since the last time, for the other processes to hear.

        At most 4,096 keys are told; what is counted beyond them meanwhile stays here.
        """
        told, self._untold = self._untold, {}
        return list(told.items())

    def hear(self, items: Iterable[object], now: float) -> None:
        """Add what another process counted. What it cannot have said is ignored."""
        for item in islice(items, MAX_TOLD):
            heard = _understood(item)
            if heard is not None:
                self._add(*heard, now)

    def _add(self, key: str, amount: float, now: float) -> None:
        if key[0] in {_TRUNK, _ACCOUNT}:
            self._paces.take(key, int(amount), now)
        elif half_life_s := _half_life(key):
            self._counts.add(key, amount, half_life_s, now, _MOST_COUNTED)

    def _is_over(self, key: str, limit: Limit, most: int, now: float) -> bool:
        count, growth = self._counts.add(key, 1.0, limit.half_life_s, now, 2.0 * most)
        self._note(key, max(0.0, growth))  # what a full count did not take is not told
        if growth > 0 and _NEAR * count > most:
            self.on_near()
        return count > most

    def _take(self, key: str, now: float) -> None:
        self._note(key)
        self._paces.take(key, 1, now)

    def _note(self, key: str, amount: float = 1.0) -> None:
        untold = self._untold
        if key in untold:
            untold[key] += amount
        elif amount > 0 and len(untold) < MAX_TOLD:
            untold[key] = amount


def _nothing() -> None:
    pass


def _key(kind: str, limit: Limit, account: str, msisdn: str) -> str:
    return f"{kind}{limit.key}.{account}/{limit.level.part(msisdn)}"


def _understood(item: object) -> tuple[str, float] | None:
    """Return a key and an amount that another process may have said; None if it cannot have."""
    if not isinstance(item, tuple | list) or len(item) != 2:
        return None
    key, amount = item
    if not isinstance(key, str) or not key.isascii() or not 0 < len(key) <= MAX_KEY:
        return None
    if not isinstance(amount, float | int) or not 0 < amount <= _MOST_HEARD:
        return None
    return key, float(amount)


def _half_life(key: str) -> int:
    """Return the half-life that a count's key names, 0 if it is no count's key."""
    digits = key[1:].partition(".")[0]
    known = key[0] in {_CALLS, _LOOKUPS} and digits.isdecimal() and len(digits) <= 5
    return int(digits) if known and int(digits) <= MAX_HALF_LIFE_S else 0
