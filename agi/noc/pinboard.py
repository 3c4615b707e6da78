"""Where pins are put up and taken down: in force at once, kept on disk, in the audit log.

The order is on purpose. Whoever takes a trunk out at night does so with a full disk, too: what
cannot be written is said, and in force all the same until noc ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from agi import pins
from agi.errors import UsageError
from agi.log import Log
from agi.noc.mind import Noc
from agi.pins import MAX_S, LevelPin, Pins, TrunkPin
from agi.routing.standing import State
from agi.routing.versions.audit import Act, reason, stamp, who_is
from agi.routing.versions.store import Store
from agi.routing.versions.stored import StoreError


@dataclass(frozen=True, slots=True)
class Done:
    """What came of it. ``changed`` False: there was nothing to take down. ``alarms`` for people."""

    changed: bool
    alarms: tuple[str, ...] = ()


class Pinboard:
    """The pins of one noc. ``wall`` is the wall clock, an epoch in seconds.

    ``uid`` is who asks, as the kernel says. ``trouble`` says why the pins of before are unknown.
    """

    def __init__(self, state: Path, noc: Noc, *, wall: Callable[[], float], log: Log) -> None:
        self.trouble = ""
        self._state = state
        self._noc = noc
        self._wall = wall
        self._log = log
        self._writing = asyncio.Lock()

    def load(self) -> None:
        """Take the pins that were put up before this process began."""
        try:
            self._noc.pin(pins.read(self._state, self._wall()))
        except UsageError as unread:
            self.trouble = str(unread)
            self._log("error", "pins_not_read", why=self.trouble)

    async def trunk(self, name: str, state: State, seconds: float, why: str, uid: int) -> Done:
        """Hold a trunk in a state for so long.

        Raises:
            UsageError: the tables in force have no such trunk; the time or the reason will not do.
        """
        why, until = reason(why), self._until(seconds)
        if name not in self._noc.known.trunks:
            raise UsageError(f'no trunk is named "{_shown(name)}": dialdip trunk lists them')
        fresh = self._noc.pins.with_trunk(name, TrunkPin(state, until, why))
        what = f"trunk {name} {state} until {stamp(until)}"
        return await self._put(fresh, Act.PINNED, what, why, uid)

    async def free_trunk(self, name: str, why: str, uid: int) -> Done:
        """Let a trunk stand as its calls say.

        Raises:
            UsageError: there is no such trunk, or the reason will not do.
        """
        why = reason(why)
        if name not in self._noc.pins.trunks:
            if name not in self._noc.known.trunks:
                raise UsageError(f'no trunk is named "{_shown(name)}": dialdip trunk lists them')
            return Done(changed=False)
        fresh = self._noc.pins.with_trunk(name, None)
        return await self._put(fresh, Act.UNPINNED, f"trunk {name}", why, uid)

    async def level(self, level: int, word: str, seconds: float, why: str, uid: int) -> Done:
        """Keep the brown-out ladder at a level for so long.

        Raises:
            UsageError: the time or the reason will not do.
        """
        why, until = reason(why), self._until(seconds)
        fresh = self._noc.pins.with_level(LevelPin(level, until, why))
        return await self._put(fresh, Act.PINNED, f"level {word} until {stamp(until)}", why, uid)

    async def free_level(self, why: str, uid: int) -> Done:
        """Let the ladder find its own level.

        Raises:
            UsageError: the reason will not do.
        """
        why = reason(why)
        if self._noc.pins.level is None:
            return Done(changed=False)
        return await self._put(self._noc.pins.with_level(None), Act.UNPINNED, "level", why, uid)

    async def _put(self, fresh: Pins, action: Act, what: str, why: str, uid: int) -> Done:
        at = self._wall()
        self._noc.pin(fresh)
        self._log("warning", action, what=what, why=why, uid=uid)
        async with self._writing:
            alarms = await asyncio.to_thread(self._keep, action, what, why, uid, at)
        self.trouble = "; ".join(alarms)
        return Done(changed=True, alarms=alarms)

    def _keep(self, action: Act, what: str, why: str, uid: int, at: float) -> tuple[str, ...]:
        alarms = []
        try:
            pins.write(self._state, self._noc.pins)
        except UsageError as full:
            alarms.append(f"the pins in force are not kept, and end with noc: {full}")
        try:
            Store(self._state).note(action, what, who_is(uid), why, at)
        except StoreError as full:
            alarms.append(f"the audit log does not have it: {full}")
        return tuple(alarms)

    def _until(self, seconds: float) -> float:
        if not 0 < seconds <= MAX_S:
            raise UsageError(f"a pin lasts at most {MAX_S // 86_400} days, and more than no time")
        return self._wall() + seconds


def _shown(name: str) -> str:
    """Return what a person typed as far as it may stand in a message."""
    return "".join(sign for sign in name[:40] if sign.isprintable())
