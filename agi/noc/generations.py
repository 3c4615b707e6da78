"""Counters that never go down: those of every process that ever ran, each counted once.

A *generation* is one life of one process. The last that each said of itself is kept, here and in
``STATE/noc/counters.json``; those that ended are added up. What a process counted between the last
pull and its orderly end is in the file that it leaves (``agi.lifetime``); after a SIGKILL just that
is lost: what it counted since the last pull.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from decimal import InvalidOperation
from pathlib import Path
from typing import Any, Final

import msgspec

from agi.ami.figures import Totals
from agi.lifetime import Last, put
from agi.log import Log
from agi.lookup.owner import leave_to_owner
from agi.metrics import Metrics
from agi.noc.carrying import Carried, carried, known_of
from agi.scene import Scene

SUPERSEDED_S: Final = 60.0
"""A generation whose successor has been heard of for so long says nothing any more."""

MOST_ENDED: Final = 1_000
"""So many ended generations are known by name: a file or an answer of theirs comes too late."""

MAX_LEFT: Final = 4 * 1024 * 1024

_FORM: Final = 1
_UNSOUND: Final = (TypeError, ValueError, KeyError, AttributeError, InvalidOperation)

Told = Mapping[str, Any]


class Life(msgspec.Struct):
    """What one generation said lastly; ``superseded`` is when its successor was heard of first."""

    last: Last
    superseded: float | None = None


class _Kept(msgspec.Struct):
    """The file. ``ended`` is ``Metrics.snapshot()`` of all that ended, ``done`` who they were."""

    form: int = _FORM
    ended: dict[str, Any] = {}
    lives: dict[str, Life] = {}
    done: list[str] = []
    own: Carried = msgspec.field(default_factory=Carried)


class Generations:
    """The counts of all processes, by generation.

    The way of a scene in noc::

        generations = Generations(state, log)      # reads STATE/noc/counters.json
        kpis.restore(generations.totals)           # what noc itself counted of trunks before
        ...
        told, silent = await puller.pull()
        generations.take([*told, lifetime.sign(noc's own report)], now)
        scene = generations.carry(Scene(..., counts=generations.total(), security=ami_only, ...))
        await generations.save()                   # before anybody sees it: then nothing goes down
    """

    def __init__(self, state: Path, log: Log) -> None:
        """Read what was kept; a file that cannot be read is moved aside, and counting starts anew.

        ``totals`` are those of trunks, for ``Kpis.restore``.
        """
        self._run = state / "run"
        self._path = state / "noc" / "counters.json"
        self._log = log
        self._trouble = ""
        self._saving = asyncio.Lock()
        kept = self._read()
        self._ended = Metrics()
        self._ended.absorb(kept.ended)
        self._lives = kept.lives
        self._done = dict.fromkeys(kept.done)
        self._heard: set[str] = set()
        self._taken: list[Path] = []
        self._before = self._own = kept.own
        self.totals: Mapping[str, Totals] = kept.own.totals

    # ---- what processes say --------------------------------------------------------------

    def take(self, told: Sequence[Told], now: float) -> None:
        """Take what processes said of themselves, and what ended ones left; ``now`` is an epoch."""
        self._heard = set()
        for one in told:
            with suppress(msgspec.ValidationError):  # of another version: counted once it is ours
                self._hear(msgspec.convert(one, Last), now)
        for path in sorted(self._run.glob("*.last")):
            self._collect(path)
        for life in list(self._lives.values()):
            if life.superseded is not None and now - life.superseded > SUPERSEDED_S:
                self._end(life.last)

    def _hear(self, last: Last, now: float) -> None:
        name = last.generation
        if name in self._done or not self._sound(last):
            return
        known = self._lives.get(name)
        if known is not None and known.last.uptime_s > last.uptime_s:
            return  # an answer that was overtaken by a later one
        self._heard.add(name)
        self._lives[name] = Life(last)
        for other, life in self._lives.items():
            mine = (life.last.role, life.last.index) == (last.role, last.index)
            if mine and other not in self._heard and life.superseded is None:
                life.superseded = now

    def _collect(self, path: Path) -> None:
        """Take the file of a process that ended in order; it is deleted after the next save."""
        if path in self._taken:
            return
        try:
            data = path.read_bytes() if path.stat().st_size <= MAX_LEFT else b""
            last = msgspec.json.decode(data, type=Last)
        except OSError:
            return  # gone, or not to be read: whose fault is in the directory's own trouble
        except msgspec.MsgspecError:
            last = None
        self._taken.append(path)
        if last is not None and last.generation not in self._done and self._sound(last):
            self._end(last)

    def _end(self, last: Last) -> None:
        self._lives.pop(last.generation, None)
        self._ended.absorb(last.counts)
        self._ended.failing.clear()  # states of the dead
        self._ended.reload_refused = False
        self._done[last.generation] = None
        while len(self._done) > MOST_ENDED:
            del self._done[next(iter(self._done))]

    def _sound(self, last: Last) -> bool:
        """Say whether counts can be added; of another version's they may be anything."""
        try:
            Metrics().absorb(last.counts)
        except _UNSOUND as bad:
            self._say("counts_not_understood", f"{last.role}-{last.index} {type(bad).__name__}")
            return False
        return True

    def total(self) -> Metrics:
        """Return the counts of all; a state (``failing`` ...) only of those heard of lastly."""
        whole = Metrics()
        whole.absorb(self._ended.snapshot())
        for name, life in self._lives.items():
            counts = dict(life.last.counts)
            if name not in self._heard:
                counts.pop("failing", None)
                counts.pop("reload_refused", None)
            whole.absorb(counts)
        return whole

    # ---- what noc counted itself -----------------------------------------------------------

    def carry(self, scene: Scene) -> Scene:
        """Return the scene with what noc counted before it was started anew added.

        Give it what AMI's listeners counted in this life of noc: ``asterisks``, ``security`` (AMI's
        only: what the processes refused is added here too), ``unverified``, ``theirs``, ``ours``.
        ``totals`` stay as they are at this moment: ``Kpis`` has them restored.
        """
        self._own = known_of(scene, self._before)
        return carried(scene, self._own)

    # ---- the disk ----------------------------------------------------------------------------

    async def save(self) -> None:
        """Keep all counters on disk, atomically; that it cannot be done is logged, never raised."""
        async with self._saving:
            taken = list(self._taken)
            kept = _Kept(
                ended=self._ended.snapshot(),
                lives=self._lives,
                done=list(self._done),
                own=self._own,
            )
            data = msgspec.json.encode(kept)
            try:
                await asyncio.to_thread(_replace, self._path, data)
                for path in taken:
                    path.unlink(missing_ok=True)
                    self._taken.remove(path)
            except OSError as bad:
                self._say("counters_not_saved", bad.strerror or type(bad).__name__)
                return
            self._trouble = ""

    def _read(self) -> _Kept:
        try:
            kept = msgspec.json.decode(self._path.read_bytes(), type=_Kept)
            Metrics().absorb(kept.ended)
        except FileNotFoundError:
            return _Kept()
        except (OSError, msgspec.MsgspecError, *_UNSOUND) as bad:
            self._say("counters_begin_anew", type(bad).__name__)
            with suppress(OSError):  # it is in the way of nothing but a person's look at it
                self._path.replace(self._path.with_name(f"{self._path.name}.corrupt"))
            return _Kept()
        return kept if kept.form == _FORM else _Kept()

    def _say(self, event: str, what: str) -> None:
        """Log a trouble once, until it is another one."""
        if self._trouble != event + what:
            self._trouble = event + what
            self._log("error", event, error=what)


def _replace(path: Path, data: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    leave_to_owner(path.parent, path.parent.parent)
    put(path, data)
