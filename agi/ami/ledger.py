"""The ledger: which attempts there were, and how each ended, from what Asterisk tells.

An event counts only if it agrees with a decision of ours. A dialled channel belongs to an attempt
if its caller is the channel that asked us and its name is that of a trunk in our answer; a report
of the dialplan (``Attempted``) if its id, channel, trunk and index are ours. The id is known to
nobody but Asterisk and us, so only a report says that a trunk failed. What a gap of the connection
touches is marked.

Measured on Asterisk 22.10 and 16.28: DialBegin, DialState and DialEnd come in this order, then in
any order the report, the hang-up of the dialled channel and that of the caller's, within
milliseconds; the report never after the caller's hang-up.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from typing import Final

from agi.ami.book import Book
from agi.ami.causes import Causes
from agi.ami.closing import closed, only_reported, unheard
from agi.ami.decided import Decided
from agi.ami.events import (
    Attempted,
    ChannelSeen,
    DialBegan,
    DialEnded,
    DialMoved,
    Event,
    HungUp,
)
from agi.ami.happenings import FORGED, Began, Ended, Happening, Proved, Security, Timed, Unverified
from agi.ami.hearing import Hearing
from agi.ami.legs import Call, Leg, Ways
from agi.ami.reports import agrees, leg_of

MISSING_S: Final = 5.0
"""The report or the hang-up of an attempt that has the other is waited for so long."""

DIALLED_S: Final = 1.0
"""A call is dialled within so long of its decision: what a gap may have swallowed of it."""

LONGEST_STEP_S: Final = 60.0
"""An AGI step that is said to have taken longer was not measured."""

_UP: Final = 6
"""Asterisk's number of the channel state Up."""

_SIGNS: Final = frozenset(("RINGING", "PROGRESS"))


class Ledger:
    """Follows every attempt from its first event to its last, and tells the observer.

    Each attempt is told as one ``Began`` and one ``Ended``. ``most_open`` legs are followed at
    once, and twice as many decisions; the oldest give way. ``wait_s``: events may come so long
    before their decision. ``now`` and ``at`` are epochs in seconds of one steady clock of ours.
    ``tick`` is to be called each second: it lets go what was waited for in vain.
    """

    def __init__(
        self,
        observer: Callable[[Happening], None],
        causes: Causes,
        *,
        most_open: int = 50_000,
        wait_s: float = 2.0,
    ) -> None:
        self._tell = observer
        self._causes = causes
        self._most_open = most_open
        self._wait_s = wait_s
        self._ways = Ways()
        self._pbxs: dict[str, Hearing] = {}
        self._book = Book(2 * most_open)
        self._open: OrderedDict[Leg, None] = OrderedDict()  # oldest first
        self._due: deque[tuple[float, Leg | Call]] = deque()
        self._within: deque[tuple[float, Call]] = deque()  # calls decided during a gap

    @property
    def open(self) -> int:
        """How many attempts are under way."""
        return len(self._open)

    @property
    def kept(self) -> int:
        """How many decisions are remembered."""
        return len(self._book)

    # ---- what is told to it --------------------------------------------------------------

    def decided(self, record: Decided, now: float) -> None:
        """Take note of a decision; events of it that came before are taken up now."""
        if not record.hops or self._book.get(record.id) is not None:
            return
        call = Call(
            record.id,
            record.uniqueid,
            since=min(record.at, now),
            ours_s=record.seconds,
            country=record.country,
            mccmnc=record.mccmnc,
            ways=self._ways.of(record.hops),
            touched=now,
        )
        self._book.add(call, now)
        for pbx in self._pbxs.values():
            self._take_up(pbx, call, now)
            self._find_listed(pbx, call, now)

    def heard(self, asterisk: str, event: Event, now: float) -> None:
        """Take one event."""
        pbx = self._pbx(asterisk)
        pbx.latest = now
        self._hear(pbx, event, now, None)

    def lost(self, asterisk: str, at: float) -> None:
        """Take note that this Asterisk is no longer heard: what is open may miss events."""
        self._pbx(asterisk).lose(at)

    def resynced(self, asterisk: str, channels: Sequence[ChannelSeen], at: float) -> None:
        """Take the complete list of channels that are up: it ends the gap, if there was one.

        Open legs that are not in it ended meanwhile, but for those that began while it was made.
        Channels of a decision that were not known are opened. All of these are marked.
        """
        pbx = self._pbx(asterisk)
        up = {seen.uniqueid for seen in channels}
        for leg in list(pbx.legs.values()):
            newer = leg.fresh if pbx.away else leg.opened > at - MISSING_S
            if leg.dest not in up and not newer:
                leg.marked = True
                self._finish(leg, at)
        pbx.list_up(channels)
        for uniqueid in pbx.listed.channels():
            for call in self._book.of_channel(uniqueid):
                self._find_listed(pbx, call, at)
        if pbx.away:
            pbx.away = False
            pbx.back = max(at, pbx.back)
            due = at + MISSING_S
            self._within.extend((due, call) for call in self._book.since(pbx.went - DIALLED_S))

    def tick(self, now: float) -> None:
        """Let go what was waited for long enough."""
        for pbx in self._pbxs.values():
            self._let_go(pbx, now)
        while self._due and self._due[0][0] <= now:
            item = self._due.popleft()[1]
            if isinstance(item, Call):
                self._leave(item, now)
            elif item in self._open:
                self._finish(item, now)
        self._tell_unheard(now)
        self._book.forget_idle(now)

    def _tell_unheard(self, now: float) -> None:
        """Tell of attempts in a gap that were not heard of, once all Asterisks are heard again.

        Where several Asterisks are heard, nobody knows whose such a call was.
        """
        if any(pbx.away for pbx in self._pbxs.values()):
            return
        only = next(iter(self._pbxs)) if len(self._pbxs) == 1 else ""
        while self._within and self._within[0][0] <= now:
            call = self._within.popleft()[1]
            for index in call.skipped():
                call.done |= 1 << index
                attempt = unheard(call, index, call.asterisk or only)
                self._tell(Began(attempt.trunk, call.since, call.country, call.mccmnc))
                self._tell(Ended(attempt))

    def _leave(self, call: Call, now: float) -> None:
        """Forget a call whose caller is said to have hung up, once it was dialled and is over."""
        if call.leg is not None:
            self._due.append((now + MISSING_S, call))
        elif call.done:
            self._book.forget(call)

    # ---- events --------------------------------------------------------------------------

    def _pbx(self, name: str) -> Hearing:
        return self._pbxs.get(name) or self._pbxs.setdefault(name, Hearing(name))

    def _hear(self, pbx: Hearing, event: Event, now: float, due: float | None) -> None:
        """Take one event; ``due`` is set if it has waited, and until when it may."""
        if isinstance(event, DialMoved):
            self._moved(pbx, event, now, due)
        elif isinstance(event, DialEnded):
            self._dialled(pbx, event, now, due)
        elif isinstance(event, HungUp):
            self._hung_up(pbx, event, now, due)
        elif isinstance(event, DialBegan):
            self._began(pbx, event, now, due)
        else:
            self._reported(pbx, event, now, due)

    def _began(self, pbx: Hearing, event: DialBegan, now: float, due: float | None) -> None:
        known = pbx.legs.get(event.dest_uniqueid)
        if known is not None:
            if not known.whole and known.channel == event.dest_channel:
                known.whole, known.began = True, event.at
            return
        if due is None and pbx.early.reports(event.uniqueid):
            self._keep(pbx, event.uniqueid, event, now, due)  # it is the newer decision's, too
            return
        for call in self._book.of_channel(event.uniqueid):
            index = call.way_to(event.dest_channel) if call.asterisk in ("", pbx.name) else 0
            if index:
                heard = now if due is None else due - self._wait_s
                leg = Leg.dialled(call, index, pbx.name, event, heard)
                leg.fresh = heard > pbx.went
                self._add(pbx, leg, now)
                return
        if event.uniqueid:
            self._keep(pbx, event.uniqueid, event, now, due)

    def _moved(self, pbx: Hearing, event: DialMoved, now: float, due: float | None) -> None:
        leg = pbx.legs.get(event.dest_uniqueid)
        if leg is None:
            self._keep_behind(pbx, event.dest_uniqueid, event, now, due)
        elif event.status in _SIGNS:
            self._sign(leg, event.at)

    def _dialled(self, pbx: Hearing, event: DialEnded, now: float, due: float | None) -> None:
        leg = pbx.legs.get(event.dest_uniqueid)
        if leg is None:
            self._keep_behind(pbx, event.dest_uniqueid, event, now, due)
        elif event.status == "ANSWER" and not leg.answered:
            leg.answered = True
            leg.answered_at = event.at
            self._sign(leg, event.at)

    def _sign(self, leg: Leg, at: float) -> None:
        if leg.sign is None and leg.whole:
            leg.sign = at
            self._tell(Proved(leg.trunk, at))

    def _hung_up(self, pbx: Hearing, event: HungUp, now: float, due: float | None) -> None:
        pbx.over(event.uniqueid, event.channel)
        leg = pbx.legs.get(event.uniqueid)
        if leg is not None and leg.channel == event.channel and not leg.hung:
            leg.hung = True
            leg.hung_at = event.at
            leg.cause = event.cause
            if leg.report is not None:
                self._finish(leg, now)
            else:
                self._due.append((now + MISSING_S, leg))
        for call in self._book.of_channel(event.uniqueid):
            if call.asterisk in ("", pbx.name) and not call.gone:
                call.gone = True
                self._due.append((now + MISSING_S, call))
        if leg is None:
            self._keep_behind(pbx, event.uniqueid, event, now, due)
        if pbx.early.awaits(event.uniqueid):
            self._keep(pbx, event.uniqueid, event, now, due)

    # ---- reports of the dialplan ---------------------------------------------------------

    def _reported(self, pbx: Hearing, event: Attempted, now: float, due: float | None) -> None:
        if not event.id:
            self._tell(Unverified())
            return
        call = self._book.get(event.id)
        if call is None:
            self._keep(pbx, event.uniqueid, event, now, due)
            return
        if not agrees(call, event):
            self._tell(Security(FORGED))
            return
        if due is None:
            self._take_up(pbx, call, now)
        leg = leg_of(call, pbx.name, event, self._book.of_channel(call.uniqueid))
        if call.asterisk not in ("", pbx.name):
            self._tell(Security(FORGED))
            return
        self._book.touch(call, now)
        self._time(call, event)
        if leg is None:
            self._only_reported(pbx, call, event, now)
        elif leg.report is None:
            leg.report = event
            if leg.hung or event.dialstatus != "ANSWER":
                self._finish(leg, now)
            else:
                self._due.append((now + MISSING_S, leg))

    def _only_reported(self, pbx: Hearing, call: Call, event: Attempted, now: float) -> None:
        if call.tried(event.index):
            return
        if call.leg is not None and call.leg.index < event.index:
            self._finish(call.leg, now)
        call.asterisk = pbx.name
        call.done |= 1 << event.index
        marked = pbx.missed(call)
        attempt = only_reported(call, event, pbx.name, self._causes, marked=marked)
        self._tell(Began(attempt.trunk, event.at, call.country, call.mccmnc))
        self._tell(Ended(attempt))

    def _time(self, call: Call, event: Attempted) -> None:
        """Tell once for each decision how long it took."""
        if call.timed or event.asked is None or event.told is None:
            return
        call.timed = True
        theirs_s = event.told - event.asked
        if 0 <= theirs_s <= LONGEST_STEP_S:
            self._tell(Timed(theirs_s, call.ours_s))

    # ---- legs ----------------------------------------------------------------------------

    def _add(self, pbx: Hearing, leg: Leg, now: float) -> None:
        """Open a leg; a call has one at a time, so an earlier one is over."""
        call = leg.call
        if call.leg is not None:
            self._finish(call.leg, now)
        leg.belongs_to(call, leg.index)
        pbx.legs[leg.dest] = leg
        self._open[leg] = None
        self._book.touch(call, now)
        self._tell(Began(leg.trunk, leg.began, call.country, call.mccmnc))
        if len(self._open) > self._most_open:
            oldest = next(iter(self._open))
            oldest.marked = True
            self._finish(oldest, now)

    def _find_listed(self, pbx: Hearing, call: Call, now: float) -> None:
        """Open the leg of a call that a resync found up, if it is not known."""
        if call.leg is not None or call.asterisk not in ("", pbx.name):
            return
        for seen in pbx.listed.beside(call.uniqueid):
            index = 0 if seen.uniqueid in pbx.legs else call.way_to(seen.channel)
            if index:
                leg = Leg.found(call, index, pbx.name, seen, now)
                leg.answered = seen.state == _UP
                self._add(pbx, leg, now)
                return

    def _finish(self, leg: Leg, now: float) -> None:
        """End an attempt with what is known of it."""
        call = leg.call
        if call.leg is leg:
            call.leg = None
        pbx = self._pbxs[leg.asterisk]
        del pbx.legs[leg.dest], self._open[leg]
        marked = leg.marked or pbx.missed(call)
        self._tell(Ended(closed(leg, self._causes, now, marked=marked)))

    # ---- waiting -------------------------------------------------------------------------

    def _keep(
        self, pbx: Hearing, uniqueid: str, event: Event, now: float, due: float | None
    ) -> None:
        if due is not None:
            if due > now:
                pbx.early.put_back(uniqueid, event, due)
            return
        pbx.early.keep(uniqueid, event, now + self._wait_s)
        if pbx.early.full:
            self._let_go(pbx, now)

    def _keep_behind(
        self, pbx: Hearing, dest: str, event: Event, now: float, due: float | None
    ) -> None:
        """Let an event of a dialled channel wait if the beginning of its dialling does."""
        caller = pbx.early.caller_of(dest)
        if caller:
            self._keep(pbx, caller, event, now, due)

    def _take_up(self, pbx: Hearing, call: Call, now: float) -> None:
        """Take the events of a call that have waited."""
        taken = pbx.early.take(call.uniqueid, call.id)
        if not taken:
            return
        for due, event in taken:
            self._hear(pbx, event, now, due)
        for one in list(self._book.of_channel(call.uniqueid)):
            leg = one.leg
            if leg is not None and leg.asterisk == pbx.name and pbx.ended_unheard(leg):
                leg.marked = True
                self._finish(leg, now)

    def _let_go(self, pbx: Hearing, now: float) -> None:
        """Give up waiting for decisions. A report of an id that nobody gave out is a forgery.

        Not so if its call is older than our hearing: then the decision may be forgotten. What
        waited behind such a report is looked at for the last time.
        """
        for due, event in pbx.early.let_go(now):
            if not isinstance(event, Attempted):
                self._hear(pbx, event, now, min(due, now))
            else:
                old = pbx.away or due - self._wait_s <= pbx.back or event.uniqueid in pbx.listed
                self._tell(Unverified() if old else Security(FORGED))
