"""A manager interface that misbehaves to order, and a sink that keeps what it is given."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agi.ami.events import ChannelSeen, Event
from agi.ami.listener import AmiListener
from agi.ami.pauses import Patience

PASSWORD = "open-sesame"
BANNER = b"Asterisk Call Manager/11.0.0\r\n"


@dataclass(frozen=True, slots=True)
class Place:
    """Where the listener is to go."""

    port: int
    name: str = "pbx1"
    host: str = "127.0.0.1"
    username: str = "dialdip"


@dataclass(slots=True)
class Kept:
    """A sink that keeps everything in order and wakes those who wait."""

    calls: list[tuple[Any, ...]] = field(default_factory=list)
    news: asyncio.Condition = field(default_factory=asyncio.Condition)
    raising: type[BaseException] | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def heard(self, asterisk: str, event: Event) -> None:
        self._keep("heard", asterisk, event)

    def lost(self, asterisk: str, at: float) -> None:
        self._keep("lost", asterisk, at)

    def resynced(self, asterisk: str, channels: Sequence[ChannelSeen], at: float) -> None:
        self._keep("resynced", asterisk, list(channels), at)

    def reachable(self, asterisk: str, states: Mapping[str, bool], at: float) -> None:
        self._keep("reachable", asterisk, dict(states), at)

    def security(self, kind: str, count: int = 1) -> None:
        self._keep("security", kind, count)

    def _keep(self, *call: Any) -> None:
        self.calls.append(call)
        task = asyncio.get_running_loop().create_task(self._tell())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self.raising is not None and call[0] == "heard":
            raise self.raising

    async def _tell(self) -> None:
        async with self.news:
            self.news.notify_all()

    def of(self, kind: str) -> list[tuple[Any, ...]]:
        """Return the calls of one kind."""
        return [call for call in self.calls if call[0] == kind]

    @property
    def events(self) -> list[Event]:
        """Return the events heard."""
        return [call[2] for call in self.of("heard")]

    async def until(self, kind: str, count: int = 1, within_s: float = 10) -> None:
        """Wait for so many calls of a kind."""
        async with self.news:
            await asyncio.wait_for(
                self.news.wait_for(lambda: len(self.of(kind)) >= count), within_s
            )


@dataclass(slots=True)
class Session:
    """One connection to the fake manager."""

    writer: asyncio.StreamWriter
    actions: list[dict[str, str]] = field(default_factory=list)
    came: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, *blocks: bytes) -> None:
        """Send whole blocks."""
        await self.raw(b"".join(block + b"\r\n\r\n" for block in blocks))

    async def raw(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.writer.write(data)
        await self.writer.drain()

    def names(self) -> list[str]:
        """Return the names of the actions that came."""
        return [action["Action"] for action in self.actions]


Reply = Callable[[Session, dict[str, str]], Sequence[bytes] | None]


def lines(**headers: object) -> bytes:
    """Return a block; the order is that of the arguments."""
    return "\r\n".join(f"{name}: {value}" for name, value in headers.items()).encode()


def usual(_: Session, action: dict[str, str]) -> Sequence[bytes] | None:
    """Answer as Asterisk does whose user has our rights and which has no calls."""
    own = {"ActionID": action["ActionID"]}
    success = lines(Response="Success", **own)
    match action["Action"]:
        case "Login" if action["Secret"] != PASSWORD:
            return [lines(Response="Error", **own, Message="Authentication failed")]
        case "CoreSettings":
            return [success + b"\r\nAMIversion: 11.0.0\r\nAsteriskVersion: 22.10.1+dfsg"]
        case "CoreShowChannels":
            end = lines(Event="CoreShowChannelsComplete", **own, EventList="Complete", ListItems=0)
            return [success + b"\r\nEventList: start\r\nMessage: Channels will follow", end]
        case "DeviceStateList":
            one = lines(Event="DeviceStateChange", **own, Device="PJSIP/uk-a", State="NOT_INUSE")
            end = lines(Event="DeviceStateListComplete", **own, EventList="Complete", ListItems=1)
            return [success + b"\r\nEventList: start", one, end]
        case _:
            return [success]


class Manager:
    """A TCP server that speaks like Asterisk's manager interface."""

    def __init__(self, reply: Reply = usual, banner: bytes = BANNER) -> None:
        self.reply = reply
        self.banner = banner
        self.sessions: list[Session] = []
        self.port = 0
        self._news = asyncio.Condition()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for session in self.sessions:
            session.writer.transport.abort()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = Session(writer)
        self.sessions.append(session)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            writer.write(self.banner)
            await self._tell()
            while True:
                text = (await reader.readuntil(b"\r\n\r\n")).decode()
                pairs = (line.partition(": ") for line in text.split("\r\n") if line)
                action = {name: value for name, _, value in pairs}
                session.actions.append(action)
                for block in self.reply(session, action) or ():
                    writer.write(block + b"\r\n\r\n")
                await self._tell()
        writer.transport.abort()

    async def _tell(self) -> None:
        async with self._news:
            self._news.notify_all()

    async def until(self, wanted: Callable[[], bool], within_s: float = 10) -> None:
        """Wait until something is so, which a new session or action brings about."""
        async with self._news:
            await asyncio.wait_for(self._news.wait_for(wanted), within_s)


QUICK = Patience(
    connect_s=10,
    login_s=10,
    answer_s=10,
    list_s=10,
    ping_every_s=30,
    ping_s=5,
    first_pause_s=0.01,
    longest_pause_s=0.05,
    refused_s=0.05,
    longest_refused_s=0.1,
    resync_every_s=0.01,
    devices_every_s=30,
    devices_apart_s=0.01,
)


@dataclass(slots=True)
class Scene:
    """A manager, a listener, and what it heard."""

    manager: Manager
    listener: AmiListener
    sink: Kept
    lines: list[tuple[str, str, dict[str, object]]]

    @property
    def session(self) -> Session:
        """Return the latest connection."""
        return self.manager.sessions[-1]


@contextlib.asynccontextmanager
async def listening(
    manager: Manager | None = None,
    *,
    password: str = PASSWORD,
    patience: Patience = QUICK,
    synced: bool = True,
) -> AsyncIterator[Scene]:
    """Let a listener listen to a manager until the end of the block."""
    manager = manager or Manager()
    if not manager.port:
        await manager.start()
    log: list[tuple[str, str, dict[str, object]]] = []
    sink = Kept()
    listener = AmiListener(
        Place(manager.port),
        password,
        sink,
        clock=time.monotonic,
        wall=time.time,
        dice=random.Random(5).random,
        log=lambda level, event, **values: log.append((level, event, values)),
        patience=patience,
    )
    listener.start()
    try:
        if synced:
            await sink.until("resynced")
            await sink.until("reachable")
        yield Scene(manager, listener, sink, log)
    finally:
        await listener.stop()
        await manager.stop()


@contextlib.contextmanager
def faults(loop: asyncio.AbstractEventLoop) -> Iterator[list[dict[str, Any]]]:
    """Collect what the loop would report as unforeseen."""
    found: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: found.append(context))
    try:
        yield found
    finally:
        loop.set_exception_handler(None)
