"""Talk to the tests' Asterisk over AMI by panoramisk: originate calls, hear how they ended."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from panoramisk import Manager
from panoramisk.ami_protocol import AMIProtocol

from tests.asterisk.pbx import Pbx


class WholeLines(AMIProtocol):  # type: ignore[misc]  # panoramisk is not annotated
    """Give panoramisk whole lines: it loses characters and banners that a segment cuts."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._rest = b""
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        whole, end, self._rest = (self._rest + data).rpartition(b"\n")
        if end:
            super().data_received(whole + end)


@dataclass(frozen=True, slots=True)
class Event:
    """One AMI event: its name and its headers as they came, names in lower case."""

    name: str
    headers: dict[str, str]

    def __getitem__(self, header: str) -> str:
        return self.headers[header.lower()]

    def get(self, header: str) -> str:
        """Return the header's value, empty if it is not there."""
        return self.headers.get(header.lower(), "")


@dataclass(slots=True)
class Ami:
    """One AMI session that keeps every event it heard, and wakes those who wait for one."""

    manager: Manager
    events: list[Event] = field(default_factory=list)
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _next: int = 0

    def hear(self, _: Manager, message: Any) -> None:
        """Keep an event; registered with panoramisk, so it must not raise."""
        headers = {str(k).lower(): str(v) for k, v in message.items()}
        self.events.append(Event(str(headers.get("event")), headers))
        task = asyncio.get_running_loop().create_task(self._tell())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tell(self) -> None:
        async with self._news:
            self._news.notify_all()

    async def action(self, name: str, **headers: str) -> dict[str, str]:
        """Send an action and return the headers of its first response."""
        answer = await asyncio.wait_for(
            self.manager.send_action({"Action": name, **headers}), timeout=10
        )
        first = answer[0] if isinstance(answer, list) else answer
        return {str(k).lower(): str(v) for k, v in first.items()}

    async def globals(self, **values: str) -> None:
        """Set global variables of the dialplan."""
        for name, value in values.items():
            said = await self.action("Setvar", Variable=name, Value=value)
            assert said["response"] == "Success", said

    async def module(self, what: str, name: str) -> None:
        """Load or unload a module."""
        said = await self.action("ModuleLoad", LoadType=what, Module=f"{name}.so")
        assert said["response"] == "Success", said

    async def originate(
        self,
        number: str,
        context: str = "site",
        *,
        variables: Iterable[str] = (),
        uniqueid: str = "",
        caller: str = "447700900999",
        confirmed: bool = True,
    ) -> str:
        """Start a call: the far half of a Local channel runs the dialplan. Return a tag.

        The tag is inherited as ``${TAG}``, so that the site's UserEvents can name the call.
        ``confirmed``: wait for Asterisk's word, which needs the events of class call.
        """
        self._next += 1
        tag = f"t{id(self)}-{self._next}"
        headers: dict[str, Any] = {
            "Channel": f"Local/{number}@{context}/n",
            "Application": "Wait",
            "Data": "20",
            "Async": "true",
            "CallerID": caller,
            "Variable": [f"__TAG={tag}", *variables],
        }
        if uniqueid:
            headers["ChannelId"] = uniqueid
        if not confirmed:
            self.manager.send_action({"Action": "Originate", **headers})
            return tag
        said = await self.action("Originate", **headers)
        assert said["response"] == "Success", said
        return tag

    async def wait(
        self, wanted: Callable[[Event], bool], *, count: int = 1, within_s: float = 15
    ) -> list[Event]:
        """Wait until ``count`` events that are wanted were heard since the session began."""

        def enough() -> bool:
            return sum(map(wanted, self.events)) >= count

        async with self._news:
            try:
                await asyncio.wait_for(self._news.wait_for(enough), within_s)
            except TimeoutError:
                heard = [e.headers for e in self.events[-12:]]
                raise AssertionError(f"not heard within {within_s} s; last: {heard}") from None
        return [event for event in self.events if wanted(event)]

    async def user(self, name: str, tag: str = "", *, count: int = 1) -> list[Event]:
        """Wait for UserEvents of this name, of one call if a tag is given."""
        return await self.wait(lambda e: is_user(e, name, tag), count=count)

    def heard(self, name: str, tag: str = "") -> list[Event]:
        """Return the UserEvents of this name that were heard so far."""
        return [e for e in self.events if is_user(e, name, tag)]

    async def ended(self, tag: str) -> Event:
        """Wait until the tagged call's own channel is gone; return its last SiteHangup."""
        gone = (await self.user("SiteHangup", tag))[-1]
        uniqueid = gone["uniqueid"]
        await self.wait(lambda e: e.name == "Hangup" and e.get("uniqueid") == uniqueid)
        return gone


def is_user(event: Event, name: str, tag: str = "") -> bool:
    """Tell whether this is the named UserEvent (of the tagged call)."""
    return (
        event.name == "UserEvent"
        and event.get("userevent") == name
        and (not tag or tag == event.get("tag"))
    )


@contextlib.asynccontextmanager
async def session(pbx: Pbx, user: str = "harness", secret: str = "harness") -> AsyncIterator[Ami]:
    """Log in, collect events until the end of the block, log off."""
    manager = Manager(
        host="127.0.0.1",
        port=pbx.ami_port,
        username=user,
        secret=secret,
        protocol_factory=WholeLines,
        loop=asyncio.get_running_loop(),
        ping_delay=3600,
    )
    ami = Ami(manager)
    booted = asyncio.Event()
    manager.register_event("*", ami.hear)
    manager.register_event("FullyBooted", lambda *_: booted.set())
    await manager.connect()
    try:
        await asyncio.wait_for(booted.wait(), 10)
        yield ami
    finally:
        manager.close()
        await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def stage(pbx: Pbx, **values: str) -> AsyncIterator[Ami]:
    """Log in with the site's globals at their usual values, but for those given."""
    usual = {
        "CARRIER_AGI": "agi://127.0.0.1:9",
        "CARRIER_GUARD": "0.5",
        "CARRIER_DEFAULT_TRUNKS": "Local/sink",
        "CARRIER_CONTEXT": "",
        "CARRIER_EMERGENCY": "",
        "CARRIER_OPTIONS": "",
        "CARRIER_RELAY": "",
    }
    async with session(pbx) as ami:
        await ami.globals(**usual | values)
        yield ami
