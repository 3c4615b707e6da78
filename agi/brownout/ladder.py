"""The brown-out ladder of one router: whom a call may still ask, and what people see of it.

Live, cache, range, default: each rung asks less than the one above. A router steps down by itself
when lookups have no answers, and tries its way back; a person can pin a rung for a while.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Final

from agi.brownout.answered import UNASKED, Lookups, heard
from agi.brownout.reached import Outcomes
from agi.errors import UsageError
from agi.model import ErrorRule, Finding, Inquiry, Outcome, Source

TRIAL_S: Final = 1.0
"""While nobody is asked, one lookup in so long tries whether answers come again, +-10 %."""

TRIALS: Final = 3
"""So many answers in a row are needed to ask again."""

HOLD_S: Final = 5.0
MOST_HOLD_S: Final = 30.0
"""A level that falls soon after it rose rises only when no trial has failed for so long: doubled
each time, up to the second. The first time it rises at once.
"""

CALM_S: Final = 60.0
"""Lookups that fail so long after the level rose are another trouble, not the same one again."""

FORGET_S: Final = 60.0
"""Without a call that could try for so long, nothing is known any more, and the next ones ask."""


class Level(IntEnum):
    """How far a router has stepped down.

    ``CACHE``: no provider is asked. ``RANGE``: no lookup at all, only ``ranges.csv``. ``DEFAULT``:
    no network at all.
    """

    LIVE = 0
    CACHE = 1
    RANGE = 2
    DEFAULT = 3

    @property
    def word(self) -> str:
        """Its name as people write it."""
        return self.name.lower()


class Permit(StrEnum):
    """What one lookup may do: ask, ask to try, or only look at what is kept."""

    ASK = "ask"
    TRIAL = "trial"
    KEPT = "kept"


@dataclass(frozen=True, slots=True)
class Pin:
    """A person's word. ``until`` is an epoch in seconds; ``why`` is theirs."""

    level: Level
    until: float
    why: str


@dataclass(frozen=True, slots=True)
class Change:
    """The level changed. ``pinned`` says that a person's word is in force afterwards."""

    before: Level
    after: Level
    why: str
    pinned: bool


REFUSED: Final = "breaker"
"""How a trial ends that the dipper's own breaker did not let out."""

AUTOMATIC: Final = "breaker"
PINNED: Final = "shed"
"""CARRIER_REASON of calls for which nobody was asked: by the ladder itself, and by a person."""

# A code of nobody's that says "match the table without a network" keeps ranges.csv out of it.
_NO_NETWORK: Final = ErrorRule("", PINNED, Outcome.TEMPORARY, False, 0, "default")
_HELD: Final[Mapping[Level, Finding]] = {
    Level.RANGE: Finding(Source.DEFAULT, PINNED),
    Level.DEFAULT: Finding(Source.DEFAULT, PINNED, rule=_NO_NETWORK),
}


def level_of(word: str) -> Level:
    """Return the level of a name.

    Raises:
        UsageError: there is no such level.
    """
    for level in Level:
        if level.word == word:
            return level
    raise UsageError(f"no such level; there are {', '.join(level.word for level in Level)}")


def _nobody(change: Change) -> None:
    del change


class Ladder:
    """One router's ladder; one event loop only.

    ``clock`` is monotonic, in seconds, ``wall`` an epoch; ``draw`` gives odds in [0, 1). ``held``
    is what every call gets while a pin forbids even what is remembered, else None. ``on_change``
    is told every change of the level in force.

    It falls to ``CACHE`` when of the last ten seconds' lookups, twenty numbers or more over five
    seconds, four fifths had no answer; numbers of countries for which answers come are asked on.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        draw: Callable[[], float],
        *,
        wall: Callable[[], float],
        on_change: Callable[[Change], None] = _nobody,
    ) -> None:
        self.held: Finding | None = None
        self.on_change = on_change
        self._clock = clock
        self._draw = draw
        self._wall = wall
        self._pin: Pin | None = None
        self._automatic = Level.LIVE
        self._why = ""
        self._lookups = Lookups()
        self._outcomes = Outcomes()
        self._working: frozenset[str] = frozenset()
        self._rose = float("-inf")
        self._hold_s = 0.0
        self._failed = float("-inf")
        self._row = 0
        self._next_trial = 0.0
        self._tried = 0.0

    @property
    def level(self) -> Level:
        """The level in force: a person's, else the ladder's own."""
        return self._automatic if self._pin is None else self._pin.level

    @property
    def shown(self) -> Level:
        """The level as calls feel it: what most of them got counts, not only what is forbidden."""
        least = max(self.level, Level.CACHE if self._lookups.starved else Level.LIVE)
        if least is Level.LIVE:
            return least
        return max(least, Level(self._outcomes.without))

    @property
    def reason(self) -> str:
        """CARRIER_REASON of a call that nobody may be asked about."""
        return AUTOMATIC if self._pin is None else PINNED

    # ---- pins ----------------------------------------------------------------------------

    def pin(self, level: Level, until_epoch: float, why: str) -> None:
        """Hold this level until then, whatever happens; the same pin again changes nothing.

        ``LIVE`` asks always. A pin whose time is over is none.
        """
        pin = Pin(level, until_epoch, why)
        if until_epoch <= self._wall():
            self.unpin()
        elif pin != self._pin:
            before, self._pin = self.level, pin
            self._settle(before, why)

    def unpin(self) -> None:
        """Let the ladder find its own level again, from live on."""
        if self._pin is not None:
            before, self._pin = self.level, None
            self._automatic, self._why, self._hold_s = Level.LIVE, "", 0.0
            self._settle(before, "")

    def _expire(self) -> None:
        if self._pin is not None and self._wall() >= self._pin.until:
            self.unpin()

    def _settle(self, before: Level, why: str) -> None:
        """Begin anew at the level that is in force by now."""
        after = self.level
        self.held = _HELD.get(after)
        self._row = 0
        self._lookups.clear()
        self._outcomes.clear()
        self.on_change(Change(before, after, why, pinned=self._pin is not None))

    # ---- lookups -------------------------------------------------------------------------

    def permit(self, inquiry: Inquiry) -> Permit:
        """Say what a lookup may do; after ``ASK`` and ``TRIAL`` its end is to be ``told``."""
        self._expire()
        if self.level is Level.LIVE:
            return Permit.ASK
        if self._pin is not None or not inquiry.network:
            return Permit.KEPT
        if inquiry.country in self._working:
            return Permit.ASK
        now = self._clock()
        if now < self._next_trial:
            return Permit.KEPT
        self._tried = now
        self._next_trial = now + TRIAL_S * (0.9 + 0.2 * self._draw())
        return Permit.TRIAL

    def told(self, permit: Permit, inquiry: Inquiry, finding: Finding) -> None:
        """Take how a lookup ended that was permitted."""
        reason = heard(finding) if inquiry.network and self._pin is None else None
        if self._automatic is Level.LIVE:
            if reason is not None:
                self._lookups.add(inquiry.number, inquiry.country, reason, self._clock())
            if reason:
                self._consider()
        elif permit is Permit.TRIAL:
            self._tried_out(reason)

    def _consider(self) -> None:
        """Step down when too many lookups had no answer."""
        lookups, now = self._lookups, self._clock()
        if not lookups.failing(now):
            return
        calm = now - self._rose >= CALM_S
        self._hold_s = 0.0 if calm else min(max(HOLD_S, 2 * self._hold_s), MOST_HOLD_S)
        self._working = lookups.working()
        self._next_trial = now + TRIAL_S
        self._tried = self._failed = now
        self._step(Level.CACHE, lookups.why())

    def _tried_out(self, reason: str | None) -> None:
        now = self._clock()
        if reason is None or reason in UNASKED:
            self._next_trial = now  # nobody was asked: the next lookup may try instead
            return
        if reason:
            self._row, self._failed = 0, now
            if reason == REFUSED:
                self._next_trial = now  # the dipper's own breaker sees to it that nothing is sent
            return
        self._row += 1
        if now - self._failed < self._hold_s:
            return
        self._next_trial = now  # one after the other, and no second between them
        if self._row >= TRIALS:
            self._rose = now
            self._step(Level.LIVE, f"{self._row} lookups in a row were answered")

    def _step(self, level: Level, why: str) -> None:
        before, self._automatic = self._automatic, level
        self._why = why if level else ""
        self._settle(before, why)

    # ---- time ----------------------------------------------------------------------------

    def tick(self, calls: Mapping[tuple[str, str, str], int]) -> None:
        """Let time pass, about once a second.

        ``calls`` counts all calls of this process by action, source and reason.
        """
        now = self._clock()
        self._expire()
        self._lookups.expire(now)
        self._outcomes.take(calls, now)
        if self._automatic is not Level.LIVE and now - self._tried >= FORGET_S:
            self._step(Level.LIVE, "no call could try for a while")

    def state(self) -> dict[str, object]:
        """Return how it is, as JSON values: levels as numbers, ``until`` as an epoch or None."""
        self._expire()
        pin = self._pin
        return {
            "level": int(self.level),
            "shown": int(self.shown),
            "why": self._reasons(),
            "pinned": pin is not None,
            "until": None if pin is None else pin.until,
        }

    def _reasons(self) -> str:
        """Return why the level is what is shown, for people."""
        own = self._why if self._pin is None else self._pin.why
        if not own and self._lookups.starved:
            own = self._lookups.why()
        without = self._outcomes.why() if self.shown > self.level else ""
        return "; ".join(part for part in (own, without) if part)
