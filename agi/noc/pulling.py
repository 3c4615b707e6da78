"""Asking every process of this host how it is, from noc's loop: a frozen one costs its patience."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from agi.ipc import VERSION, path_of
from agi.sharing import Shared

PATIENCE_S: Final = 0.5
"""A process that says nothing for so long is silent."""

MOST: Final = 64
"""So many processes are asked at most; a host has one dipper, and routers for its cores."""

MAX_ANSWER: Final = 4 * 1024 * 1024

_QUESTION: Final = msgspec.json.encode({"v": VERSION, "op": "status"}) + b"\n"

Told = Mapping[str, Any]


class Pulled(NamedTuple):
    """What the processes said (see ``agi.report``), and who is silent: whether it is there at all.

    A silent one is named as its socket is: ``router-0``.
    """

    told: tuple[Told, ...]
    silent: Mapping[str, bool]


class Puller:
    """Keeps one connection to each process, so that a frozen one has one question open, not many.

    A pull that is asked for while another runs waits for the next one, which all who wait share:
    so whatever happened before ``pull`` was called is in its answer.
    """

    def __init__(self, state: Path, *, timeout_s: float = PATIENCE_S) -> None:
        self._state = state
        self._timeout_s = timeout_s
        self._wires: dict[Path, _Wire] = {}
        self._shared = Shared(self._pull)

    async def pull(self) -> Pulled:
        """Ask all of them at once; never raises, and never takes more than twice the patience."""
        return await self._shared()

    async def close(self) -> None:
        """Let the connections go."""
        await self._shared.stop()
        for wire in self._wires.values():
            await wire.close()
        self._wires.clear()

    async def _pull(self) -> Pulled:
        paths = _sockets(self._state)
        for path in [path for path in self._wires if path not in paths]:
            await self._wires.pop(path).close()
        wires = [self._wires.setdefault(path, _Wire(path)) for path in paths]
        until = asyncio.get_running_loop().time() + self._timeout_s
        said = await asyncio.gather(*(wire.ask(until) for wire in wires))
        told = tuple(one for one in said if not isinstance(one, bool))
        silent = {
            path.stem: there
            for path, there in zip(paths, said, strict=True)
            if isinstance(there, bool) and path.exists()
        }
        return Pulled(told, silent)


async def pull(state: Path, timeout_s: float = PATIENCE_S) -> Pulled:
    """Ask once, with connections of its own."""
    puller = Puller(state, timeout_s=timeout_s)
    try:
        return await puller.pull()
    finally:
        await puller.close()


def _sockets(state: Path) -> list[Path]:
    """Return the control sockets of routers and dipper; noc knows itself."""
    routers = sorted((state / "run").glob("router-*.sock"))
    dipper = path_of(state, "dipper")
    return [*islice(routers, MOST - 1), *([dipper] if dipper.exists() else [])]


class _Wire:
    """The connection to one process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._asked: asyncio.Task[bytes] | None = None

    async def ask(self, until: float) -> Told | bool:
        """Return its report, or whether the silent process is there; ``until`` by the loop."""
        try:
            async with asyncio.timeout_at(until):
                said = await self._ask() if self._streams is not None else None
                # Not the connection's process any more, perhaps: its successor has a new socket.
                return said or await self._ask() or True
        except TimeoutError:
            return True  # it is asked already, next time it is waited for
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        except OSError:  # it is there, and its queue is full
            return True

    async def _ask(self) -> Told | None:
        if self._asked is not None:
            await asyncio.wait([self._asked])  # older than this question: not for us
        if self._streams is None or (self._asked is not None and not _line(self._asked)):
            await self.close()
            streams = await asyncio.open_unix_connection(self._path, limit=MAX_ANSWER)
            self._streams = streams
        reader, writer = self._streams
        writer.write(_QUESTION)
        self._asked = asyncio.create_task(reader.readline())
        await asyncio.wait([self._asked])
        line = _line(self._asked)
        self._asked = None
        if not line:
            await self.close()
            return None
        return _report(line)

    async def close(self) -> None:
        """Let the connection go, and whatever was to come over it."""
        asked, self._asked = self._asked, None
        if asked is not None:
            asked.cancel()
            await asyncio.wait([asked])
            _line(asked)
        if self._streams is not None:
            (_, writer), self._streams = self._streams, None
            writer.transport.abort()
            with suppress(OSError):
                await writer.wait_closed()


def _line(asked: asyncio.Task[bytes]) -> bytes:
    """Return what was read; nothing when the connection ended, or the line did not."""
    if asked.cancelled():
        return b""
    error = asked.exception()
    if error is None:
        return asked.result()
    if isinstance(error, OSError | ValueError):
        return b""
    raise error


def _report(line: bytes) -> Told | None:
    try:
        answer = msgspec.json.decode(line, type=dict[str, Any]).get("answer")
    except msgspec.MsgspecError:
        return None
    return answer if isinstance(answer, dict) and "role" in answer else None
