"""Listens to one PBX for ever: logs in, hears, asks what it missed, and comes back after a loss.

Nothing that a call brings is ever sent: our actions are Login, Ping, CoreSettings,
CoreShowChannels and DeviceStateList, with no header but the login's and an ActionID.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Coroutine
from typing import Final

from agi.ami.events import Event
from agi.ami.gap import Gap
from agi.ami.intake import Done, Intake, Listing, channels, states
from agi.ami.line import Account, Hung, Line, token
from agi.ami.pauses import PATIENCE, Patience, Pauses
from agi.ami.seen import AsteriskSeen
from agi.ami.sink import INJECTION, Sink
from agi.errors import DialdipError, LocalProtocolError

ALARM_LINE_S: Final = 60.0
"""At most one line in the log about injections in so many seconds; all are counted."""


class Refused(DialdipError):
    """The PBX does not let us in."""


class AmiListener:
    """The ear at one PBX.

    ``clock`` is monotonic, ``wall`` gives epochs that do not jump, ``dice`` odds in [0, 1) for the
    pauses between attempts. ``log`` takes a level, an event and its values. ``password`` is kept
    for later logins and stands in no line and no fault.
    """

    def __init__(  # noqa: PLR0913 - clocks and a seam, by keyword
        self,
        settings: Account,
        password: str,
        sink: Sink,
        *,
        clock: Callable[[], float],
        wall: Callable[[], float],
        dice: Callable[[], float],
        log: Callable[..., None],
        patience: Patience = PATIENCE,
    ) -> None:
        self._settings = settings
        self._password = password
        self._sink = sink
        self._clock = clock
        self._wall = wall
        self._log = log
        self._patience = patience
        self._pauses = Pauses(patience, dice)
        self._intake = Intake(self, clock=clock, wall=wall)
        self._gap = Gap(wall())
        self._line: Line | None = None
        self._oversize = 0
        self._version = ""
        self._trouble = "not connected yet"
        self._denied = ""
        self._told: set[str] = set()
        self._resync = asyncio.Event()
        self._devices = asyncio.Event()
        self._stopping = asyncio.Event()
        self._doubt: asyncio.TimerHandle | None = None
        self._doubts = 0
        self._alarms = 0
        self._alarm_line_at = -ALARM_LINE_S
        self._life: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin in the background; nobody waits for it. A gap is open until the first list."""
        self._sink.lost(self._settings.name, self._wall())
        self._live_again()

    async def stop(self) -> None:
        """Log off, pass on what was heard, and never come back."""
        self._stopping.set()
        if self._doubt is not None:
            self._doubt.cancel()
        if self._line is not None:
            self._line.close()
        if self._life is not None:
            self._life.cancel()
            await asyncio.wait([self._life])
        self._intake.close()

    def seen(self) -> AsteriskSeen:
        """Return how it stands with this PBX."""
        connected = self._line is not None
        odd = self._intake.odd
        trouble = self._denied if connected else self._trouble
        if not trouble and odd:
            trouble = f"{odd} events have headers that no Asterisk known to us writes"
        oversize = self._oversize + (self._line.oversize if self._line is not None else 0)
        return AsteriskSeen(
            connected=connected,
            version=self._version,
            gap_s=self._gap.seconds(self._wall()),
            gaps=self._gap.count,
            events=self._intake.events,
            dropped=self._intake.dropped + oversize,
            lag_s=self._intake.lag_s,
            trouble=trouble,
        )

    # What the stream holds: the seam to the intake.

    def event(self, event: Event) -> None:
        """Pass an event on."""
        self._sink.heard(self._settings.name, event)

    def lost(self, at: float) -> None:
        """Open a gap, and ask for what closes it."""
        if self._gap.lose(at):
            self._sink.lost(self._settings.name, at)
        self._resync.set()

    def hint(self) -> None:
        """Ask for the devices' states soon: the hint itself may be a stranger's."""
        self._devices.set()

    def alarm(self) -> None:
        """Count what somebody tried, and say so now and then.

        An event that it made unreadable may have been the end of a call.
        """
        self._sink.security(INJECTION)
        self._doubts = 2  # what came just before the first list is young still
        if self._doubt is None and not self._stopping.is_set():
            self._list_later()
        self._alarms += 1
        now = self._clock()
        if now - self._alarm_line_at >= ALARM_LINE_S:
            self._log("warning", "ami_injection", asterisk=self._settings.name, count=self._alarms)
            self._alarms = 0
            self._alarm_line_at = now

    def _list_later(self) -> None:
        loop = asyncio.get_running_loop()
        self._doubt = loop.call_later(self._patience.doubt_s, self._doubted)

    def _doubted(self) -> None:
        self._resync.set()
        self._doubt = None
        self._doubts -= 1
        if self._doubts:
            self._list_later()

    # Coming and going.

    def _live_again(self) -> None:
        if not self._stopping.is_set():
            self._life = asyncio.get_running_loop().create_task(self._live())
            self._life.add_done_callback(self._fell)

    def _fell(self, life: asyncio.Task[None]) -> None:
        """Get up again after a fault of our own."""
        error = None if life.cancelled() else life.exception()
        if error is not None:
            self._line = None
            self._trouble = "a fault of dialdip itself"
            self._say("error", "ami_listener_failed", type(error).__name__)
            loop = asyncio.get_running_loop()
            loop.call_later(self._patience.longest_pause_s, self._live_again)

    async def _live(self) -> None:
        while True:
            began = self._clock()
            try:
                why = await self._session()
            except (Refused, LocalProtocolError):
                self._trouble = "the login was refused: user, password, permit and deny"
                self._say("error", "ami_refused", "login")
                await asyncio.sleep(self._pauses.after_refusal())
                continue
            self._trouble = f"not connected: {why}"
            self._say("warning", "ami_lost", why)
            await asyncio.sleep(self._pauses.after_failure(self._clock() - began))

    async def _session(self) -> str:
        """Connect, log in, listen until the end; return why it ended."""
        line = Line(self._settings, self._intake.put)
        try:
            await line.connect(self._patience.connect_s)
            await self._log_in(line)
            self._line = line
            self._resync.set()
            return await self._first_of(
                line.ended(),
                self._ping(line),
                self._keep_synced(line),
                self._keep_devices(line),
            )
        except Hung as end:
            return end.why
        finally:
            line.close()
            self._oversize += line.oversize
            self._line = None
            self._intake.end()

    async def _log_in(self, line: Line) -> None:
        """Log in and ask who answers.

        Raises:
            Hung: no answer.
            Refused: a clear no.
        """
        secret = {"Username": self._settings.username, "Secret": self._password, "Events": "on"}
        answer = await line.ask("Login", self._patience.login_s, secret)
        if answer.get("Response") != "Success":
            raise Refused
        settings = await line.ask("CoreSettings", self._patience.answer_s)
        told = re.match(r"[0-9.]{1,20}", settings.get("AsteriskVersion", ""))
        self._version = told[0] if told else f"AMI {line.version[:20]}"
        self._denied = ""
        self._told.clear()
        self._log("info", "ami_connected", asterisk=self._settings.name, version=self._version)

    async def _first_of(self, *works: Coroutine[None, None, str]) -> str:
        """Return what the first of these returns or raises; the others are ended."""
        tasks = [asyncio.ensure_future(work) for work in works]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            return next(iter(done)).result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            for task in tasks:
                if not task.cancelled():
                    task.exception()  # seen: the first one's is raised above

    async def _ping(self, line: Line) -> str:
        """Ask for a sign of life now and then; its absence ends the connection."""
        while True:
            await asyncio.sleep(self._patience.ping_every_s)
            await line.ask("Ping", self._patience.ping_s)

    async def _keep_synced(self, line: Line) -> str:
        """Ask for the channels after every loss, and now and then."""
        while True:
            await _set_within(self._resync, self._patience.relist_s)
            self._resync.clear()
            losses = self._gap.losses
            listed = await self._list(line, "CoreShowChannels", self._synced_at(losses))
            if not listed:
                self._denied = "may not list channels: it needs write = reporting"
                self._say("error", "ami_resync_denied", "CoreShowChannels")
            await asyncio.sleep(self._patience.resync_every_s)

    def _synced_at(self, losses: int) -> Done:
        def done(listed: list[Listing], at: float) -> None:
            if self._gap.close(at, losses) or not self._gap.open:
                self._sink.resynced(self._settings.name, channels(listed), at)

        return done

    async def _keep_devices(self, line: Line) -> str:
        """Ask which endpoints can be reached: at a hint, and every now and then.

        After a hint twice, since a device's state follows its contact's by a moment. A PBX with
        thousands of phones has a long list: asking takes a twentieth of the time.
        """
        hinted = False
        while True:
            began = self._clock()
            if not await self._list(line, "DeviceStateList", self._reached):
                self._say("warning", "ami_devices_denied", "DeviceStateList")
                await asyncio.sleep(self._patience.devices_every_s)
            took = self._clock() - began
            apart = max(self._patience.devices_apart_s, took / self._patience.devices_share)
            await asyncio.sleep(apart)
            hinted = False if hinted else await self._hinted()

    async def _hinted(self) -> bool:
        """Wait for a hint, or until it is time to ask without one; return whether one came."""
        hinted = await _set_within(self._devices, self._patience.devices_every_s)
        if hinted:
            self._devices.clear()
        return hinted

    def _reached(self, listed: list[Listing], at: float) -> None:
        self._sink.reachable(self._settings.name, states(listed), at)

    async def _list(self, line: Line, name: str, done: Done) -> bool:
        """Ask for a list and wait until it was passed on; return whether we may have it.

        Raises:
            Hung: it did not come.
        """
        action = token()
        passed = asyncio.Event()

        def passes(listed: list[Listing], at: float) -> None:
            passed.set()
            done(listed, at)

        self._intake.collect(action, passes)
        try:
            answer = await line.ask(name, self._patience.answer_s, action=action)
            if answer.get("Response") != "Success":
                return False
            async with asyncio.timeout(self._patience.list_s):
                await passed.wait()
        except TimeoutError:
            raise Hung("silent") from None
        finally:
            self._intake.forget(action)
        return True

    def _say(self, level: str, event: str, why: str) -> None:
        """Log something once, until we were connected again."""
        if event + why not in self._told:
            self._told.add(event + why)
            self._log(level, event, asterisk=self._settings.name, why=why)


async def _set_within(event: asyncio.Event, seconds: float) -> bool:
    """Wait for an event, but not longer than that; return whether it is set."""
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False
