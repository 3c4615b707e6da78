"""noc's word to the routers: how trunks stand and what is pinned, each second and at a change.

Each router is told over its control socket. One that is frozen costs a waiting task, nobody else
anything; it is told again when it answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import msgspec

from agi.ipc import VERSION

EVERY_S: Final = 1.0
SOON_S: Final = 0.05
"""Changes of so short a time are told together."""

PATIENCE_S: Final = 5.0
"""A router that does not answer for so long is asked anew."""

MAX_ANSWER: Final = 65_536


class Pusher:
    """Tells every router of a state directory; ``word`` is asked for what there is to tell.

    ``refused`` is told once why a router did not take it: it is of another version.
    """

    def __init__(
        self,
        state: Path,
        word: Callable[[], Mapping[str, object]],
        *,
        refused: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._run = state / "run"
        self._word = word
        self._refused = refused
        self._told_why: set[str] = set()
        self._changed = asyncio.Event()
        self._tasks: dict[Path, asyncio.Task[None]] = {}
        self._keeper: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; it goes on until ``stop``."""
        self._keeper = asyncio.get_running_loop().create_task(self._keep_telling())

    async def stop(self) -> None:
        """End; what was not told yet is not told."""
        tasks = [task for task in (self._keeper, *self._tasks.values()) if task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def hurry(self) -> None:
        """Tell what changed at once."""
        self._changed.set()

    async def _keep_telling(self) -> None:
        while True:
            self.tell()
            await asyncio.sleep(SOON_S)
            try:
                async with asyncio.timeout(EVERY_S - SOON_S):
                    await self._changed.wait()
            except TimeoutError:
                pass
            self._changed.clear()

    def tell(self) -> None:
        """Tell every router that is not being told just now; those that are, the newest after."""
        line: bytes | None = None
        for path in sorted(self._run.glob("router-*.sock")):
            if path in self._tasks:
                continue
            if line is None:
                line = self._line()
            task = asyncio.get_running_loop().create_task(self._push(path, line))
            self._tasks[path] = task
            task.add_done_callback(lambda _, path=path: self._tasks.pop(path, None))  # type: ignore[misc] # bound now

    def _line(self) -> bytes:
        return msgspec.json.encode({"v": VERSION, "op": "health", **self._word()}) + b"\n"

    async def _push(self, path: Path, line: bytes) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                said = await _asked(path, line)
            answer = msgspec.json.decode(said, type=dict[str, object])
        except (OSError, TimeoutError, ValueError, msgspec.MsgspecError):
            return  # it is gone, frozen, or closed half a line
        why = str(answer.get("error", ""))
        if why and why not in self._told_why:
            self._told_why.add(why)
            self._refused(f"{path.stem}: {why}")


async def _asked(path: Path, line: bytes) -> bytes:
    reader, writer = await asyncio.open_unix_connection(path, limit=MAX_ANSWER)
    try:
        writer.write(line)
        return await reader.readline()
    finally:
        writer.transport.abort()
