"""noc's mind: what routers decided and what Asterisk did with it, as figures and health of trunks.

It joins ledger, figures and health, and holds no socket: the process around it listens, asks and
tells. Nothing in here waits, and no call waits for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Final

from msgspec.structs import replace

from agi.ami.causes import Causes
from agi.ami.decided import Decided
from agi.ami.events import ChannelSeen, Event
from agi.ami.figures import EFFECTIVE, Attempt, Outcome
from agi.ami.happenings import Ended, Happening, Proved, Security, Timed, Unverified
from agi.ami.kpi import Kpis
from agi.ami.ledger import Ledger
from agi.log import Log
from agi.metrics import Latency
from agi.noc.rates import Rate
from agi.pins import Pins
from agi.routing.health import Health, Thresholds
from agi.routing.standing import Standing, State
from agi.routing.trunk import Trunk
from agi.settings import Config
from agi.settings import Health as HealthSettings

PAGE_S: Final = 60.0
"""The same kind of security event is logged at most once in so long; the counters have them all."""

JUMP_S: Final = 0.5
"""Clocks that differ by more: the wall clock was set since noc began."""

NOT_DIALLED: Final = "Asterisk could not dial it"
"""What is said of an attempt without DialBegin: no such endpoint, or no contact of it answers."""

_QUALIFIED: Final = frozenset(("PJSIP", "SIP", "IAX2"))
"""Technologies of which Asterisk knows whether an endpoint can be reached."""

SILENT_S: Final = 10.0
"""A caller who leaves after so long without any sign of the far end tells against the trunk.

One that is gone fails by itself after 32 s only (RFC 3261, timer B): few callers wait for that.
"""

NO_SIGN: Final = "no sign of the far end"

_TROUBLE: Final = frozenset((State.DOWN, State.DEGRADED))


@dataclass(frozen=True, slots=True)
class Known:
    """What noc knows of the tables in force: their version and their trunks by name."""

    version: str
    trunks: Mapping[str, Trunk]


class Noc:
    """Takes decisions (``decided``) and events (as ``agi.ami.sink.Sink``); tells how trunks stand.

    ``wall`` is the wall clock, an epoch in seconds, by which pins end. ``steady`` gives epochs that
    do not jump, for all that is measured; the times of ``Sink`` are of it, too. ``on_change`` is
    called when routers should be told anew. ``heard_of`` says whether every PBX is listened to:
    only then are calls counted.
    """

    def __init__(
        self,
        settings: Config,
        *,
        wall: Callable[[], float],
        steady: Callable[[], float],
        log: Log,
    ) -> None:
        kpi = settings.kpi
        causes = Causes(kpi.user_causes, kpi.rejected_causes, kpi.number_causes)
        self.kpis = Kpis(countries=kpi.countries, networks=kpi.networks)
        self.health = Health(thresholds_of(settings.health), self._changed)
        self.ledger = Ledger(self._happened, causes)
        self.pins = Pins()
        self.known = Known("", {})
        self.counted: Counter[str] = Counter()  # security events by kind, of AMI
        self.unverified = 0
        self.theirs = Latency()
        self.ours = Latency()
        self.rate = Rate()
        self.steady = steady
        self._wall = wall
        self._log = log
        self.on_change: Callable[[], None] = _nothing
        self.heard_of: Callable[[], bool] = _nobody
        self._reached: dict[str, list[str]] = {}
        self._paged: dict[str, float] = {}

    # ---- what is heard ---------------------------------------------------------------------

    def decided(self, record: Decided) -> None:
        """Take one answered call."""
        now, steady = self._wall(), self.steady()
        self.rate.count(record.at, now)
        if abs(now - steady) > JUMP_S:
            record = replace(record, at=record.at - now + steady)
        self.ledger.decided(record, steady)

    def heard(self, asterisk: str, event: Event) -> None:
        """Take one event (of ``Sink``)."""
        self.ledger.heard(asterisk, event, self.steady())

    def lost(self, asterisk: str, at: float) -> None:
        """Begin a gap (of ``Sink``)."""
        self.ledger.lost(asterisk, at)

    def resynced(self, asterisk: str, channels: Sequence[ChannelSeen], at: float) -> None:
        """End a gap (of ``Sink``)."""
        self.ledger.resynced(asterisk, channels, at)

    def reachable(self, asterisk: str, states: Mapping[str, bool], at: float) -> None:
        """Take which endpoints a PBX can reach (of ``Sink``); others' endpoints are not ours."""
        for endpoint, ok in states.items():
            for trunk in self._reached.get(endpoint, ()):
                self.health.reach(trunk, ok, at, asterisk)

    def security(self, kind: str, count: int = 1) -> None:
        """Count a security event, and log the first of its kind within a minute (of ``Sink``)."""
        self.counted[kind] += count
        now = self.steady()
        if now - self._paged.get(kind, 0.0) >= PAGE_S:
            self._paged[kind] = now
            self._log("error", "security", kind=kind, count=self.counted[kind])

    def _happened(self, happening: Happening) -> None:
        self.kpis.took(happening, self.steady())
        match happening:
            case Proved(trunk, _):
                if trunk in self.known.trunks:
                    self.health.sample(trunk, True, self.steady())
            case Ended(attempt):
                self._ended(attempt)
            case Security(kind):
                self.security(kind)
            case Unverified():
                self.unverified += 1
            case Timed(theirs_s, ours_s):
                self.theirs.observe(theirs_s)
                self.ours.observe(ours_s)

    def _ended(self, attempt: Attempt) -> None:
        """Let a trunk of the tables have what it did; what proved good is not counted twice.

        Times are ours: the PBX's clock may be another one, how long an attempt took is the same.
        """
        if attempt.trunk not in self.known.trunks:
            return
        now, proved = self.steady(), attempt.pdd_s is not None
        began = now - (attempt.ended - attempt.began)
        if attempt.outcome is Outcome.FAILED:
            what = f"cause {attempt.cause}" if attempt.seized else NOT_DIALLED
            self.health.sample(attempt.trunk, False, now, began, proved=proved, what=what)
        elif attempt.outcome in EFFECTIVE and not proved:
            self.health.sample(attempt.trunk, True, now, began)
        elif attempt.outcome is Outcome.CANCELLED and not proved and now - began >= SILENT_S:
            self.health.sample(attempt.trunk, False, now, began, what=NO_SIGN)

    # ---- what follows ----------------------------------------------------------------------

    def tick(self) -> None:
        """Let a second pass."""
        now = self.steady()
        self.ledger.tick(now)
        self.health.tick(now)
        pins = self.pins.at(self._wall())
        if pins != self.pins:
            self.pin(pins)

    def use(self, known: Known) -> None:
        """Know the tables in force from now on."""
        self.known = known
        self._reached = {}
        for trunk in known.trunks.values():
            if trunk.tech in _QUALIFIED:
                self._reached.setdefault(trunk.endpoint, []).append(trunk.name)
        self.health.keep(known.trunks)
        self.pin(self.pins)

    def pin(self, pins: Pins) -> None:
        """Take these pins in the place of those before."""
        before, self.pins = self.pins, pins
        for name in before.trunks.keys() - pins.trunks.keys():
            if name in self.known.trunks:
                self.health.unpin(name)
        for name, pin in pins.trunks.items():
            if name in self.known.trunks:
                self.health.pin(name, pin.state, inf, pin.why)  # its end is the wall clock's
        self.on_change()

    def standings(self) -> dict[str, Standing]:
        """Return how every trunk of the tables stands now."""
        up = self.kpis.open_calls() if self.heard_of() else None
        calls = None if up is None else {name: up.get(name, 0) for name in self.known.trunks}
        return self.health.standings(self.steady(), calls)

    def word(self) -> dict[str, object]:
        """Return what routers are told; see ``agi.outlook.News``."""
        told = self.pins.told()
        pinned = self.pins.trunks
        standings: dict[str, object] = {}
        for name, one in self.standings().items():
            said = {
                "state": one.state,
                "pinned": one.pinned,
                "quality": one.quality,
                "calls": one.calls,
                "why": one.why,
            }
            if one.pinned and name in pinned:
                said["until"] = pinned[name].until
            standings[name] = said
        return {"standings": standings, "ladder": told["ladder"]}

    def _changed(self, trunk: str, before: State, after: State, why: str) -> None:
        level = "warning" if after in _TROUBLE else "info"
        self._log(level, "trunk", trunk=trunk, before=before, after=after, why=why)
        self.on_change()


def _nothing() -> None:
    return


def _nobody() -> bool:
    return False


def thresholds_of(settings: HealthSettings) -> Thresholds:
    """Return ``[health]`` as the rules of health take it."""
    return Thresholds(
        enabled=settings.enabled,
        window=settings.window,
        min_samples=settings.min_samples,
        down_row=settings.down_row,
        down_share=settings.down_share,
        degraded_share=settings.degraded_share,
        up_share=settings.up_share,
        retry_s=settings.retry_s,
        longest_retry_s=settings.longest_retry_s,
        trial_share=settings.trial_share,
    )
