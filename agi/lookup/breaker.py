"""When a provider that fails is left alone, and how it is tried again: pure, no clock of its own.

Faults of the provider open the breaker for about a second; then one request a second may try, as
long as it takes. Refusals of the account open it at once and for longer, because asking again
changes nothing and a person has to act.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Final

from agi.lookup.limits import Tally

ACCOUNT: Final = "account"
"""The cause of ``ProviderFault`` that needs a person: the password, the credit, the contract."""

UNCOUNTED: Final = frozenset({"throttled", "shed", "bad_request"})
"""Causes that say nothing against the provider.

``throttled``: it answers, and its own Retry-After says how long to wait (``limits.Pauses``).
``shed``: nothing was sent. ``bad_request``: it answers, and what we sent was wrong.
"""

_JITTER: Final = 0.2


class State(StrEnum):
    """What the breaker does with requests: all pass, none passes, one is out to try."""

    CLOSED = "closed"
    OPEN = "open"
    PROBING = "probing"


class Admit(StrEnum):
    """Whether a request may be sent; PROBE: yes, and its end must be reported."""

    YES = "yes"
    PROBE = "probe"
    NO = "no"


class Breaker:
    """The breaker of one account; ``now`` is the monotonic clock in seconds everywhere.

    ``draw`` gives numbers from 0 to 1. It opens after ``consecutive`` failures in a row, or when
    of at least ``enough`` results within ``window_s`` a ``share`` failed; and at once when the
    account is refused. It stays open for ``open_s`` +-20 %, each time anew, or for the account
    ``account_s``: the first time, doubled each time up to the last. Between two probes lies at
    least ``open_s``. A probe without an end after ``probe_s`` counts as failed, so a permit can
    not leak (resilience4j issue 903: half-open permits of calls that hang).
    """

    def __init__(  # noqa: PLR0913 - figures, by keyword
        self,
        *,
        draw: Callable[[], float],
        consecutive: int = 5,
        window_s: float = 10.0,
        enough: int = 20,
        share: float = 0.5,
        open_s: float = 1.0,
        account_s: tuple[float, float] = (5.0, 30.0),
        probe_s: float = 1.6,
    ) -> None:
        self._draw = draw
        self._consecutive = consecutive
        self._enough = enough
        self._share = share
        self._open_s = open_s
        self._account_s = account_s
        self._probe_s = probe_s
        self._results = Tally(window_s)
        self._row = 0
        self._state = State.CLOSED
        self._why = ""
        self._generation = 0
        self._open_until = float("-inf")
        self._probed = float("-inf")
        self._closed = float("-inf")
        self._refused_s = account_s[0]
        self._paged = False
        self._page = False

    @property
    def state(self) -> State:
        """What it does now; time alone changes it only through ``admit``."""
        return self._state

    @property
    def why(self) -> str:
        """The cause that opened it last, empty while it is closed."""
        return self._why

    @property
    def generation(self) -> int:
        """How often it has closed: failures remembered under a smaller one are to be forgotten."""
        return self._generation

    @property
    def open_until(self) -> float:
        """The instant from which a probe may be sent, of the last opening."""
        return self._open_until

    def take_page(self) -> bool:
        """Say, once for each outage of the account, that a person is needed."""
        page, self._page = self._page, False
        return page

    def admit(self, now: float) -> Admit:
        """Say whether a request may be sent now; every PROBE is ended by one of the other three."""
        if self._state is State.CLOSED:
            return Admit.YES
        expiry = self._probed + self._probe_s
        if self._state is State.PROBING and now >= expiry:
            self._open(expiry, self._why)
        if self._state is State.PROBING or now < self._open_until:
            return Admit.NO
        self._state = State.PROBING
        self._probed = now
        return Admit.PROBE

    def succeeded(self, now: float) -> bool:
        """Count a request that was answered; return whether that changed the state.

        A late answer to an older request closes the breaker too: the provider answers again. Not
        so after a refusal of the account, when only a probe knows better than the refusal.
        """
        if self._state is State.CLOSED:
            self._row = 0
            self._results.add(now, bad=False)
            return False
        if self._state is State.OPEN and self._why == ACCOUNT:
            return False
        self._close(now)
        return True

    def failed(self, now: float, cause: str, sent: float | None = None) -> bool:
        """Count a request that failed; return whether that changed the state.

        ``cause`` is one of ``ProviderFault``. ``sent`` is the instant at which it was sent, if
        the caller knows: then a request of before the last closing, or of before the probe that
        is out, is not held against the provider. Late failures do not prolong an opening.
        """
        if cause in UNCOUNTED:
            return self.released(now)
        if self._state is State.OPEN or (sent is not None and sent < self._last_turn()):
            return False
        if self._state is State.CLOSED and cause != ACCOUNT:
            self._row += 1
            self._results.add(now, bad=True)
            if not self._is_enough(now):
                return False
        self._open(now, cause)
        return True

    def released(self, now: float) -> bool:
        """Take a permit back: the probe was cancelled or never sent. Return whether it was out.

        The next request may probe at once, but not sooner than ``open_s`` after this one.
        """
        if self._state is not State.PROBING:
            return False
        self._state = State.OPEN
        self._open_until = max(now, self._probed + self._open_s)
        return True

    def _last_turn(self) -> float:
        return self._closed if self._state is State.CLOSED else self._probed

    def _is_enough(self, now: float) -> bool:
        good, bad = self._results.counts(now)
        many = good + bad >= self._enough and bad >= self._share * (good + bad)
        return many or self._row >= self._consecutive

    def _open(self, now: float, cause: str) -> None:
        if cause == ACCOUNT:
            length = self._refused_s
            self._refused_s = min(2 * length, self._account_s[1])
            self._page = self._page or not self._paged
            self._paged = True
        else:
            length = self._open_s * (1 - _JITTER + 2 * _JITTER * self._draw())
        self._state = State.OPEN
        self._why = cause
        self._open_until = max(now + length, self._probed + self._open_s)

    def _close(self, now: float) -> None:
        self._state = State.CLOSED
        self._why = ""
        self._generation += 1
        self._closed = now
        self._row = 0
        self._results.clear()
        self._refused_s = self._account_s[0]
        self._paged = False
