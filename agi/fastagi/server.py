"""The FastAGI port: connections, limits, deadlines, drain. It moves bytes and decides nothing.

Life of a connection: the environment is collected (at most ``environment_s``), handed to the
application, whose answer leaves in ONE write followed by a half-close, then the reply is read
until Asterisk closes. Facts that bind it (measured on Asterisk 16.28 and 22.10):

* A partial line or a second write pins a core of the PBX or stalls it: one write, then half-close.
* Asterisk waits for us without limit, and holds a hung-up channel until we close: the whole
  connection has one absolute deadline from accept, and ``HANGUP`` closes at once.
* Closing before Asterisk's own final ``HANGUP`` makes it log a broken pipe: we wait for its close.
* A port scan, a health check or a silent peer may cost one descriptor, for a bounded time. When
  descriptors run short the oldest connection without a whole environment gives way.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_address
from time import monotonic
from typing import Final, Protocol, cast

import msgspec

from agi.errors import ProtocolError, RemoteProtocolError
from agi.fastagi.protocol import Environment, EnvironmentReader, Reply, ReplyReader

SWEEP_S: Final = 0.05
"""How often deadlines are looked at; one sweep for all is cheaper than a timer for each call."""

REPLY_S: Final = 0.2
"""How long past the deadline Asterisk may take to confirm what was written."""

BACKLOG: Final = 4096
"""Given at every listen(): without it the event loop resets an inherited socket's to 100, and a
full backlog costs each call two seconds."""

MAX_KNOWN_PEERS: Final = 1024

_CONFIRMED: Final = frozenset((b"200 result=1\n", b"200 result=1\nHANGUP\n"))

Network = IPv4Network | IPv6Network


class Ending(StrEnum):
    """How a connection ended, for counters and logs."""

    COMMITTED = "committed"  # Asterisk confirmed the variables
    NO_REPLY = "no-reply"  # written, but never confirmed
    BAD_REPLY = "bad-reply"  # written, and answered by an error or by no reply at all
    CALLER_GONE = "caller-gone"  # hung up before there was an answer
    REFUSED = "refused"  # the environment, the URL or the peer must not be answered
    LATE = "late"  # no environment, or no answer of ours, in time
    CLOSED = "closed"  # the peer left without a word
    SHED = "shed"  # gave way to others
    FAILED = "failed"  # our own fault; logged once with its trace


class Closed(msgspec.Struct, frozen=True, gc=False):
    """What is reported of every connection when it ends.

    ``kind`` is a constant of a ``ProtocolError``, empty otherwise. ``call`` is what the
    application called its answer, None where it gave none. ``seconds`` count from accept to the
    end of the decision: the write, the refusal, the hang-up.
    """

    ending: Ending
    kind: str
    seconds: float
    call: object | None


class Prepared(msgspec.Struct, frozen=True, gc=False):
    """An answer: the bytes to write and the application's own name for it."""

    line: bytes
    call: object


class Application(Protocol):
    """Who decides. It answers at once where it can, and is awaited where it must ask others."""

    def __call__(self, environment: Environment, accepted: float) -> Prepared | Awaitable[Prepared]:
        """Answer one environment; ``accepted`` is the monotonic time at accept.

        Raises:
            ProtocolError: it must not be answered.
        """

    def closed(self, event: Closed) -> None:
        """Take note of how a connection ended."""

    def failed(self, error: BaseException) -> None:
        """Take note of a fault of our own, once, with its trace."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a connection may cost. Durations in seconds, from accept."""

    deadline_s: float = 0.8
    environment_s: float = 0.3
    connections: int = 896


class Session(asyncio.Protocol):
    """One connection of Asterisk, or of a stranger."""

    __slots__ = (
        "accepted", "call", "decided", "ending", "kind", "reader", "replies", "server", "task",
        "transport", "written",
    )  # fmt: skip

    def __init__(self, server: Server) -> None:
        self.server = server
        self.reader: EnvironmentReader | None = EnvironmentReader()
        self.replies: ReplyReader | None = None
        self.task: asyncio.Future[Prepared] | None = None
        self.call: object | None = None
        self.ending: Ending | None = None
        self.kind = ""
        self.written = False

    # ---- what the event loop calls -------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Admit the peer or turn it away before a byte is parsed."""
        # uvloop's transports do not derive from asyncio's.
        self.transport = cast(asyncio.Transport, transport)
        self.accepted = self.decided = monotonic()
        if not self.server.admit(self):
            self.end(Ending.REFUSED, "peer")

    def data_received(self, data: bytes) -> None:
        """Read on, whatever is being waited for. The one broad except of a call's whole path."""
        if self.ending is not None:
            return
        try:
            self._read(data)
        except ProtocolError as refused:
            self.refuse(refused)
        except Exception as error:  # noqa: BLE001 - the top of the path: logged once, no commit
            self.server.application.failed(error)
            self.end(Ending.FAILED)

    def eof_received(self) -> bool:
        """Close when the peer has: nobody is left to be answered."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Report how it ended."""
        del exc  # a reset says no more than a close: the commit alone counts
        if self.ending is None:
            if self.written:
                self.ending = Ending.NO_REPLY
            else:
                self.ending = Ending.CLOSED if self.task is None else Ending.CALLER_GONE
                self.decided = monotonic()
        if self.task is not None:
            # The waiter goes; the lookup that it waited for goes on and fills the cache.
            self.task.cancel()
        self.server.forget(self)
        self.server.application.closed(
            Closed(self.ending, self.kind, self.decided - self.accepted, self.call)
        )

    # ---- the call ------------------------------------------------------------------------

    def _read(self, data: bytes) -> None:
        if self.reader is not None:
            environment = self.reader.feed(data)
            if environment is not None:
                self._decide(environment)
        elif self.replies is None and self.written and data in _CONFIRMED:
            # What nearly every call ends with, in one segment: no reader is needed for it.
            self.ending = Ending.COMMITTED
        else:
            self.replies = self.replies or ReplyReader()
            self._read_events(self.replies, data)

    def _decide(self, environment: Environment) -> None:
        self.reader = None
        self.server.complete(self)
        if environment.hangup:
            self.end(Ending.CALLER_GONE)
            return
        answer = self.server.application(environment, self.accepted)
        if isinstance(answer, Prepared):
            self._write(answer)
        else:
            self.task = asyncio.ensure_future(answer)
            self.task.add_done_callback(self._answered)

    def _answered(self, task: asyncio.Future[Prepared]) -> None:
        self.task = None
        if task.cancelled() or self.ending is not None or self.transport.is_closing():
            return  # connection_lost reports it
        error = task.exception()
        if error is None:
            self._write(task.result())
        elif isinstance(error, ProtocolError):
            self.refuse(error)
        else:
            self.server.application.failed(error)
            self.end(Ending.FAILED)

    def _write(self, answer: Prepared) -> None:
        self.call = answer.call
        self.written = True
        self.transport.write(answer.line)
        self.transport.write_eof()
        self.decided = monotonic()

    def _read_events(self, replies: ReplyReader, data: bytes) -> None:
        try:
            events = replies.feed(data)
        except RemoteProtocolError:
            if self.written:
                raise
            # Nothing was asked yet, so nothing can be answered: the environment went on.
            raise RemoteProtocolError("trailing-bytes") from None
        for event in events:
            if isinstance(event, Reply):
                self._read_reply(event)
            elif not self.written:
                self.end(Ending.CALLER_GONE)

    def _read_reply(self, reply: Reply) -> None:
        if not self.written:
            raise RemoteProtocolError("trailing-bytes")
        if reply.code == 100:
            return
        good = reply.code == 200 and reply.result == "1"
        if not good:
            self.end(Ending.BAD_REPLY, str(reply.code))
        else:
            # Known to be set, but Asterisk has a line to write yet: its close ends the session.
            self.ending = Ending.COMMITTED

    def refuse(self, error: ProtocolError) -> None:
        """Close without commit; after the answer it can only be noted."""
        self.end(Ending.BAD_REPLY if self.written else Ending.REFUSED, error.kind)

    def end(self, ending: Ending, kind: str = "") -> None:
        """Close at once, whatever is under way."""
        if self.ending is None:
            self.ending, self.kind = ending, kind
            if not self.written:
                self.decided = monotonic()
        self.transport.abort()


class Server:
    """The listening socket and the sessions on it."""

    def __init__(
        self,
        application: Application,
        *,
        limits: Limits,
        allow: Sequence[Network],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.application = application
        self.limits = limits
        self.loop = loop
        self._allow = tuple(allow)
        self._peers: dict[str, bool] = {}
        # In order of accept and of completion: the oldest incomplete one is the first.
        self._incomplete: dict[Session, None] = {}
        self._complete: dict[Session, None] = {}
        self._listeners: list[asyncio.Server] = []
        self._sweeper: asyncio.TimerHandle | None = None
        self._idle: asyncio.Event = asyncio.Event()

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._incomplete) + len(self._complete)

    async def start(self, sock: socket.socket) -> tuple[str, int]:
        """Accept on ``sock`` (bound already, ours or inherited) too; return its address."""
        self._listeners.append(
            await self.loop.create_server(lambda: Session(self), sock=sock, backlog=BACKLOG)
        )
        if self._sweeper is None:
            self._sweep()
        host, port = sock.getsockname()[:2]
        return host, port

    async def drain(self, timeout_s: float) -> int:
        """Stop accepting, let calls end, and close what is left; return how many were left."""
        for listener in self._listeners:
            listener.close()
        if self.connections:
            self._idle.clear()
            # What is left when the time is up is closed below, and counted.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._idle.wait(), timeout_s)
        left = [*self._incomplete, *self._complete]
        for session in left:
            session.end(Ending.SHED)
        if self._sweeper is not None:
            self._sweeper.cancel()
        return len(left)

    # ---- what sessions call --------------------------------------------------------------

    def admit(self, session: Session) -> bool:
        """Count a new connection in, unless its peer is not on the list."""
        self._incomplete[session] = None
        if not self._allowed(session):
            return False
        if self.connections > self.limits.connections:
            oldest = next(iter(self._incomplete))
            # Gone from the books at once: its connection_lost comes a turn of the loop later.
            self.forget(oldest)
            oldest.end(Ending.SHED)
        return True

    def complete(self, session: Session) -> None:
        """Note that a session has its environment: it is a call now and does not give way."""
        if self._incomplete.pop(session, session) is None:
            self._complete[session] = None

    def forget(self, session: Session) -> None:
        """Take a session off the books."""
        self._incomplete.pop(session, None)
        self._complete.pop(session, None)
        if not self.connections:
            self._idle.set()

    def _allowed(self, session: Session) -> bool:
        peer = session.transport.get_extra_info("peername")
        if not peer:
            return False  # gone already
        host = peer[0]
        known = self._peers.get(host)
        if known is None:
            known = self._on_list(host)
            if len(self._peers) < MAX_KNOWN_PEERS:
                self._peers[host] = known
        return known

    def _on_list(self, host: str) -> bool:
        address = ip_address(host.partition("%")[0])
        mapped = getattr(address, "ipv4_mapped", None)
        if mapped is not None:
            address = mapped
        return any(address in network for network in self._allow)

    def _sweep(self) -> None:
        now = monotonic()
        self._end_before(self._incomplete, now - self.limits.environment_s)
        self._end_before(self._complete, now - self.limits.deadline_s - REPLY_S)
        self._sweeper = self.loop.call_later(SWEEP_S, self._sweep)

    def _end_before(self, sessions: dict[Session, None], instant: float) -> None:
        for session in [one for one in sessions if one.accepted <= instant]:
            session.end(Ending.NO_REPLY if session.written else Ending.LATE)


def listen(host: str, port: int) -> socket.socket:
    """Return a bound TCP socket; ``port`` 0 takes a free one.

    Raises:
        OSError: the address is not ours or is taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock
