"""FastAGI servers for the tests, good and bad, on asyncio alone: nothing of ours is in them."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True, slots=True)
class Asked:
    """One environment as it came: the raw bytes, and its lines by name (the last one wins)."""

    raw: bytes
    lines: Mapping[str, str]

    @property
    def query(self) -> dict[str, str]:
        """Return the arguments of the URL. A plus is a plus: Asterisk encodes nothing."""
        text = self.lines["agi_network_script"].partition("?")[2].replace("+", "%2B")
        return dict(parse_qsl(text, keep_blank_values=True))


Answer = Callable[[Asked, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass(slots=True)
class Server:
    """A listening server: its base URL, what it was asked, and an event for each question."""

    url: str
    asked: list[Asked] = field(default_factory=list)
    replies: list[bytes] = field(default_factory=list)
    connected: asyncio.Event = field(default_factory=asyncio.Event)


async def read_environment(reader: asyncio.StreamReader) -> Asked:
    """Read up to the blank line."""
    raw = await reader.readuntil(b"\n\n")
    lines = {}
    for line in raw.decode(errors="replace").rstrip("\n").split("\n"):
        name, _, value = line.partition(": ")
        lines[name] = value
    return Asked(raw, lines)


@contextlib.asynccontextmanager
async def serving(answer: Answer, *, environment: bool = True) -> AsyncIterator[Server]:
    """Serve on a free loopback port; without ``environment`` the answer comes before reading."""
    server = Server("")

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            asked = Asked(b"", {})
            server.connected.set()
            if environment:
                asked = await read_environment(reader)
                server.asked.append(asked)
            await answer(asked, reader, writer)
            server.replies.append(await reader.read())
        writer.close()

    listener = await asyncio.start_server(handle, "127.0.0.1", 0, backlog=1024)
    port = listener.sockets[0].getsockname()[1]
    server.url = f"agi://127.0.0.1:{port}"
    try:
        yield server
    finally:
        listener.close()


def array(pairs: Sequence[tuple[str, str]]) -> bytes:
    """Write the one command that sets all pairs, by hand.

    Values are escaped twice: for the split at commas that ARRAY() makes, then for the AGI line
    (measured on Asterisk 22.10 and 16.28).
    """
    names = ",".join(name for name, _ in pairs)
    values = ",".join(re.sub(r'([\\,"()\[\]])', r"\\\1", value) for _, value in pairs)
    text = values.replace("\\", "\\\\").replace('"', '\\"')
    return f'SET VARIABLE ARRAY({names}) "{text}"\n'.encode()


def decision(
    asked: Asked, trunks: Sequence[tuple[str, str, str]], **others: str
) -> list[tuple[str, str]]:
    """Return the variables of a decision; ``trunks`` are (tech, endpoint, number)."""
    pairs = {
        "CARRIER_ACTION": "route",
        "CARRIER_CAUSE": "",
        "CARRIER_COUNT": str(len(trunks)),
        "CARRIER_MCCMNC": "23415",
        "CARRIER_SOURCE": "live",
        "CARRIER_REASON": "ok",
        "CARRIER_RULE": "r1",
        "CARRIER_ID": "d-1",
    }
    for index, (tech, endpoint, number) in enumerate(trunks, 1):
        pairs[f"CARRIER_TECH_{index}"] = tech
        pairs[f"CARRIER_TRUNK_{index}"] = endpoint
        pairs[f"CARRIER_NUMBER_{index}"] = number
        pairs[f"CARRIER_RING_{index}"] = "20"
    pairs |= others
    commit = pairs.pop("CARRIER_COMMIT", asked.lines["agi_uniqueid"])
    return [*pairs.items(), ("CARRIER_COMMIT", commit)]


def commits(*trunks: tuple[str, str, str], **others: str) -> Answer:
    """Answer well: one write of one line, then half-close."""

    async def answer(asked: Asked, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(array(decision(asked, trunks, **others)))
        writer.write_eof()

    return answer


async def silent(_: Asked, reader: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
    """Say nothing until Asterisk gives up."""
    await reader.read()


async def closes(_: Asked, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Close without a word."""
    writer.close()


async def resets(__: Asked, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Set one variable without commit, then reset the connection."""
    writer.write(array([("CARRIER_ACTION", "route"), ("CARRIER_COUNT", "1")]))
    await writer.drain()
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def dies_mid_line(*trunks: tuple[str, str, str]) -> Answer:
    """Be killed in the middle of the line: Asterisk executes what came (the commit is cut)."""

    async def answer(asked: Asked, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(array(decision(asked, trunks))[:-6])
        writer.close()

    return answer


async def reply_to(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: str) -> str:
    """Send one command and return its reply line, without the line feed."""
    writer.write(line.encode() + b"\n")
    return (await reader.readline()).decode(errors="surrogateescape").rstrip("\n")


def full_variable(reply: str) -> str | None:
    """Read the reply to GET FULL VARIABLE: the value, or None if it is not set."""
    if reply == "200 result=0":
        return None
    assert "200 result=1 (" == reply[: len("200 result=1 (")], reply
    assert ")" == reply[-1:], reply
    return reply[len("200 result=1 (") : -1]


def reads(*expressions: str) -> tuple[Answer, list[list[str | None]]]:
    """Return an answer that reads expressions back from Asterisk, and where it puts them.

    Nothing of ours takes part: the value is what Asterisk itself says it is.
    """
    found: list[list[str | None]] = []

    async def answer(_: Asked, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        found.append(
            [
                full_variable(await reply_to(reader, writer, f"GET FULL VARIABLE {expression}"))
                for expression in expressions
            ]
        )
        writer.close()

    return answer, found
