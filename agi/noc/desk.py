"""What people ask noc over its control socket: status, the overview, trunks and pins.

The answers are plain JSON values; how they look on a terminal is the shell's business.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from typing import Any, Final

from agi.brownout.ladder import level_of
from agi.errors import UsageError
from agi.ipc import Handler
from agi.noc.mind import Noc
from agi.noc.pinboard import Done, Pinboard
from agi.overview import heard, overview
from agi.routing.standing import State
from agi.scene import Scene

WINDOW_S: Final = 300
"""The figures beside a trunk's state are those of so many seconds."""

Asked = dict[str, Any]


class NocDesk:
    """Answers people's questions about calls and trunks."""

    def __init__(  # noqa: PLR0913 - what it answers with, by keyword
        self,
        noc: Noc,
        pinboard: Pinboard,
        *,
        wall: Callable[[], float],
        scene: Callable[[], Awaitable[Scene]],
        report: Callable[[], Mapping[str, Any]],
        reload: Callable[[int], Awaitable[dict[str, object]]],
        switch: Callable[[], Awaitable[dict[str, object]]],
    ) -> None:
        self._noc = noc
        self._pinboard = pinboard
        self._wall = wall
        self._scene = scene
        self._report = report
        self._reload = reload
        self._switch = switch

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """The questions by name."""
        return {
            "status": self.status,
            "reload": self.reload,
            "switch": self.switch,
            "overview": self.overview,
            "trunks": self.trunks,
            "trunk_pin": self.trunk_pin,
            "trunk_unpin": self.trunk_unpin,
            "ladder": self.ladder,
            "ladder_pin": self.ladder_pin,
            "ladder_unpin": self.ladder_unpin,
        }

    async def status(self, asked: Asked) -> object:
        """Return how noc itself is."""
        del asked
        return self._report()

    async def reload(self, asked: Asked) -> object:
        """Read the configuration anew, and activate the tables' working copy if it differs."""
        return await self._reload(int(asked["peer"]))

    async def switch(self, asked: Asked) -> object:
        """Know the version of the tables that is active by now."""
        del asked
        return await self._switch()

    async def overview(self, asked: Asked) -> object:
        """Return the whole service at this moment; see ``agi.overview``."""
        del asked
        return overview(await self._scene())

    # ---- trunks ----------------------------------------------------------------------------

    async def trunks(self, asked: Asked) -> object:
        """Return how every trunk of the tables in force stands, with its latest figures."""
        del asked
        noc, figures = self._noc, self._noc.kpis.trunks(self._noc.steady())
        said = []
        for name, one in noc.standings().items():
            trunk, pin = noc.known.trunks[name], noc.pins.trunks.get(name)
            kpi = figures.get(name, {}).get(WINDOW_S)
            said.append(
                {
                    "trunk": name,
                    "enabled": trunk.enabled,
                    "state": one.state,
                    "pinned": one.pinned,
                    "until": pin.until if pin is not None and one.pinned else None,
                    "why": one.why,
                    "quality": one.quality,
                    "calls": one.calls,
                    "max_calls": trunk.max_calls or None,
                    "attempts": kpi.attempts if kpi is not None else 0,
                    "asr": kpi.asr if kpi is not None else None,
                    "ner": kpi.ner if kpi is not None else None,
                }
            )
        # Who is not heard is not judged: without these lines "up" would look like a fact.
        unheard = list(heard(self._report()["asterisks"], {}))
        return {
            "at": self._wall(),
            "table": noc.known.version,
            "troubles": unheard,
            "trunks": said,
        }

    async def trunk_pin(self, asked: Asked) -> object:
        """Hold a trunk in a state: ``trunk``, ``state``, ``seconds``, ``why``."""
        name, state, why = (str(asked.get(key, "")) for key in ("trunk", "state", "why"))
        if state not in {*State}:
            raise UsageError(f"a trunk is one of {', '.join(State)}")
        done = await self._pinboard.trunk(name, State(state), _seconds(asked), why, _uid(asked))
        return _told(done)

    async def trunk_unpin(self, asked: Asked) -> object:
        """Let a trunk stand as its calls say: ``trunk``, ``why``."""
        name, why = (str(asked.get(key, "")) for key in ("trunk", "why"))
        return _told(await self._pinboard.free_trunk(name, why, _uid(asked)))

    # ---- the brown-out ladder --------------------------------------------------------------

    async def ladder(self, asked: Asked) -> object:
        """Return where each router stands on the ladder, and the pin."""
        del asked
        scene, pin = await self._scene(), self._noc.pins.level
        return {
            "at": scene.at,
            "pin": None
            if pin is None
            else {"level": pin.level, "until": pin.until, "why": pin.why},
            "routers": [
                {"router": f"router-{one['index']}", **one["ladder"]}
                for one in scene.told
                if one["role"] == "router" and "ladder" in one
            ],
        }

    async def ladder_pin(self, asked: Asked) -> object:
        """Keep a level: ``level`` by its name, ``seconds``, ``why``."""
        word, why = (str(asked.get(key, "")) for key in ("level", "why"))
        level = int(level_of(word))
        return _told(await self._pinboard.level(level, word, _seconds(asked), why, _uid(asked)))

    async def ladder_unpin(self, asked: Asked) -> object:
        """Let the ladder find its own level: ``why``."""
        return _told(await self._pinboard.free_level(str(asked.get("why", "")), _uid(asked)))


def _told(done: Done) -> dict[str, object]:
    return asdict(done)


def _uid(asked: Asked) -> int:
    return int(asked["peer"])


def _seconds(asked: Asked) -> float:
    seconds = asked.get("seconds")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise UsageError("seconds: say for how long")
    return float(seconds)
