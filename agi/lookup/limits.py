"""How often a provider may be asked: its rate, our retries and hedges, its requests for quiet.

All of it is pure: ``now`` is an instant of the monotonic clock in seconds, passed in. Every call
costs a bounded, small amount of work.
"""

from __future__ import annotations

import calendar
import re
from collections import deque
from collections.abc import Hashable
from typing import Final

_EPS: Final = 1e-6
"""Ten times 0.1 is to count as 1; so is a token at a late instant, whose fractions are coarse."""

_SLOTS: Final = 10

GRPC_TOKENS: Final = 10.0
"""The throttle's size (gRPC proposal A6, "Throttling Retry Attempts and Hedged RPCs": 10)."""

GRPC_RATIO: Final = 0.1
"""What a success gives back to the throttle; a failure takes 1 (gRPC proposal A6: 0.1)."""

SHORTEST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 60.0

_SECONDS: Final = re.compile(r"[0-9]+")
_LONG_NUMBER: Final = 4
_NAMES: Final = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec"
_MONTHS: Final = _NAMES.split()
_CLOCK: Final = "(?P<H>[01][0-9]|2[0-3]):(?P<M>[0-5][0-9]):(?P<S>[0-5][0-9]|60)"
_DAY: Final = "(?P<day>0[1-9]|[12][0-9]|3[01])"
_MONTH: Final = f"(?P<month>{_NAMES.replace(' ', '|')})"
_YEAR: Final = "(?P<year>[1-9][0-9]{3})"
_DATES: Final = (
    re.compile(f"[A-Z][a-z]{{2}}, {_DAY} {_MONTH} {_YEAR} {_CLOCK} GMT"),
    re.compile(f"[A-Z][a-z]{{5,8}}, {_DAY}-{_MONTH}-(?P<year>[0-9]{{2}}) {_CLOCK} GMT"),
    re.compile(f"[A-Z][a-z]{{2}} {_MONTH} (?P<day> [1-9]|[12][0-9]|3[01]) {_CLOCK} {_YEAR}"),
)
"""IMF-fixdate, and the obsolete forms of RFC 850 and asctime (RFC 9110, section 5.6.7)."""

_FIFTY_YEARS_S: Final = 50 * 31_557_600


class Tally:
    """Two counters over the last ``window_s`` seconds, to a tenth of it."""

    def __init__(self, window_s: float) -> None:
        self._slot_s = window_s / _SLOTS
        self._slots: deque[list[int]] = deque()
        self._good = 0
        self._bad = 0

    def add(self, now: float, *, bad: bool) -> None:
        """Count one event of either sort."""
        slot = self._forget(now)
        if not self._slots or self._slots[-1][0] < slot:
            self._slots.append([slot, 0, 0])
        self._slots[-1][1 + bad] += 1
        self._bad += bad
        self._good += not bad

    def counts(self, now: float) -> tuple[int, int]:
        """Return how many good and how many bad ones the window holds."""
        self._forget(now)
        return self._good, self._bad

    def clear(self) -> None:
        """Start again from nothing."""
        self._slots.clear()
        self._good = self._bad = 0

    def _forget(self, now: float) -> int:
        slot = int(now // self._slot_s)
        while self._slots and self._slots[0][0] <= slot - _SLOTS:
            _, good, bad = self._slots.popleft()
            self._good -= good
            self._bad -= bad
        return slot


class TokenBucket:
    """A provider's rate: ``rate`` requests a second, ``burst`` (at least 1) of them at once.

    It starts full. A rate of 0 is no limit.
    """

    def __init__(self, rate: float, burst: float) -> None:
        if not (rate >= 0 and burst >= 1):
            raise ValueError("a bucket needs a rate of at least 0 and a burst of at least 1")
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._filled = float("-inf")

    def take(self, now: float) -> bool:
        """Take a token if there is one."""
        if self._rate == 0:
            return True
        self._fill(now)
        if self._tokens < 1 - _EPS:
            return False
        self._tokens -= 1
        return True

    def wait_s(self, now: float, ahead: int = 0) -> float:
        """Return the seconds until there is a token for one that has ``ahead`` others before it."""
        if self._rate == 0:
            return 0.0
        self._fill(now)
        return max(0.0, (ahead + 1 - self._tokens) / self._rate)

    def _fill(self, now: float) -> None:
        if now > self._filled:
            self._tokens = min(self._burst, self._tokens + (now - self._filled) * self._rate)
            self._filled = now


class RetryBudget:
    """Retries are at most ``ratio`` of the requests of ``window_s`` seconds, but ``floor`` always.

    The figures are Envoy's (retry budget: 20 % of the requests, at least 3). One trouble counts
    once, however many numbers it struck: those of one request that failed go on together.
    """

    def __init__(self, ratio: float = 0.2, floor: int = 3, window_s: float = 10.0) -> None:
        self._ratio = ratio
        self._floor = floor
        self._tally = Tally(window_s)
        self._granted: deque[Hashable] = deque(maxlen=64)

    def request(self, now: float) -> None:
        """Count a first attempt, when it is sent."""
        self._tally.add(now, bad=False)

    def allow(self, now: float, trouble: Hashable = None) -> bool:
        """Say whether one more retry may be sent, and count it if so, and if ``trouble`` is new."""
        if trouble is not None and trouble in self._granted:
            return True
        requests, retries = self._tally.counts(now)
        if retries + 1 > max(self._floor, requests * self._ratio + _EPS):
            return False
        self._tally.add(now, bad=True)
        if trouble is not None:
            self._granted.append(trouble)
        return True


class HedgeBudget:
    """Hedges cost money: each lookup earns ``share`` of one, up to ``burst`` saved.

    It starts full: of n lookups at most ``burst + share * n`` are hedged, never more. Beside it
    works gRPC's throttle: when hedges do not help, because everything fails, there are none.
    """

    def __init__(self, share: float = 0.05, burst: float = 5.0) -> None:
        self._share = share
        self._burst = burst
        self._saved = burst
        self._health = GRPC_TOKENS

    def lookup(self) -> None:
        """Earn the share of one lookup."""
        self._saved = min(self._burst, self._saved + self._share)

    def allow(self) -> bool:
        """Say whether a hedge may be sent, and spend it if so."""
        if self._health <= GRPC_TOKENS / 2 or self._saved < 1 - _EPS:
            return False
        self._saved -= 1
        return True

    def succeeded(self) -> None:
        """Count a request that was answered."""
        self._health = min(GRPC_TOKENS, self._health + GRPC_RATIO)

    def failed(self) -> None:
        """Count a request that failed."""
        self._health = max(0.0, self._health - 1)


class Pauses:
    """Who asked to be left alone, and until when; a scope is a country, or empty for all.

    At most ``limit`` scopes are held. One more takes the place of the one that ends first: a
    request too early is cheaper than to pause everybody.
    """

    def __init__(self, limit: int = 256) -> None:
        self._limit = limit
        self._until: dict[str, float] = {}

    def pause(self, scope: str, now: float, seconds: float) -> None:
        """Leave a scope alone for ``seconds``; a longer pause that runs already stays."""
        until = now + seconds
        if not until > self._until.get(scope, now):
            return
        if scope not in self._until and len(self._until) >= self._limit:
            del self._until[min(self._until, key=self._until.__getitem__)]
        self._until[scope] = until

    def paused(self, scope: str, now: float) -> bool:
        """Say whether the scope, or everything, is to be left alone now."""
        return bool(self._until) and (self._runs(scope, now) or self._runs("", now))

    def _runs(self, scope: str, now: float) -> bool:
        until = self._until.get(scope)
        if until is None:
            return False
        if now < until:
            return True
        del self._until[scope]
        return False


def retry_after(value: str | None, epoch: float) -> float:
    """Return for how many seconds a provider wants to be left alone, 1 to 60.

    ``value`` is its Retry-After (RFC 9110, section 10.2.3): seconds or an HTTP-date, which is
    compared with ``epoch``. What is absent or neither of the two counts as 1 second.
    """
    text = (value or "").strip(" \t")
    if _SECONDS.fullmatch(text):
        # Python refuses to read a number of more than 4,300 digits.
        digits = text.lstrip("0") or "0"
        wanted = LONGEST_PAUSE_S if len(digits) > _LONG_NUMBER else float(digits)
    else:
        date = _http_date(text, epoch)
        wanted = SHORTEST_PAUSE_S if date is None else date - epoch
    return min(LONGEST_PAUSE_S, max(SHORTEST_PAUSE_S, wanted))


def _http_date(text: str, epoch: float) -> float | None:
    """Return the date as an epoch, None if it is none."""
    match = next(filter(None, (form.fullmatch(text) for form in _DATES)), None)
    if match is None:
        return None
    year = int(match["year"])
    rest = (_MONTHS.index(match["month"]) + 1, *(int(match[name]) for name in ("day", *"HMS")))
    if len(match["year"]) > 2:
        return calendar.timegm((year, *rest))
    # RFC 9110, section 5.6.7: two digits that seem more than 50 years ahead are of the past.
    dates = (calendar.timegm((century + year, *rest)) for century in (1900, 2000, 2100))
    return max((date for date in dates if date <= epoch + _FIFTY_YEARS_S), default=None)
