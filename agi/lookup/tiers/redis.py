"""Answers in Redis or Valkey: the cache that several hosts share.

It is asked within 20 ms or not at all: after five failures in a row a gate shuts, and calls pass
by at once. Three commands are used, GET, SET and DEL, on keys under ``dialdip:1:``. Keys are always
HMACs of numbers; values are sealed, and what is not ours is a miss.
"""

from __future__ import annotations

import asyncio
import random
import struct
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any, Final

from redis.exceptions import ResponseError

from agi.lookup.events import Observer
from agi.lookup.store import Stored
from agi.lookup.tiers.gate import Gate
from agi.lookup.tiers.keys import NumberKey
from agi.lookup.tiers.troubles import Troubles
from agi.lookup.tiers.wire import FAULTS, Command, Wire, word
from agi.model import Msisdn, Product

MAX_QUEUE: Final = 8_192
"""Entries that may wait to be written; more are dropped and counted."""

LIMIT_S: Final = 0.02
"""How long a question may take, connecting included."""

_HEAD: Final = struct.Struct(">BQ")
_FORM: Final = 1
_MAX_VALUE: Final = 256
_BATCH: Final = 256
_WRITE_LIMIT_S: Final = 0.2
_CLOSE_S: Final = 1.0

_Question = tuple[bytes, bytes, "asyncio.Future[Stored | None]"]
"""A name, its key in the server, and who waits for the entry."""


class RedisStore:
    """Answers in the server at ``url``; implements ``agi.lookup.store.Store``.

    ``clock`` is monotonic, ``wall`` the wall clock in epoch seconds. Hosts that share a server
    share the secret of ``numbers``. What ``purge`` distrusts is distrusted by this process only,
    and removed when it is next asked for: nothing can be listed with three commands.

    Troubles, each at most every 10 s: ``failed`` (no reply in time), ``shut`` (the gate), ``slow``,
    ``refused`` (an error reply; its first word is the detail), ``garbage``, ``dropped``,
    ``not-erased``.

    Raises:
        ValueError: ``numbers`` is plain, or ``url`` is no address of a server.
    """

    def __init__(  # noqa: PLR0913 - two clocks, dice and an observer are told apart by name
        self,
        url: str,
        *,
        numbers: NumberKey,
        observe: Observer,
        clock: Callable[[], float],
        wall: Callable[[], float],
        draw: Callable[[], float] = random.random,
        limit_s: float = LIMIT_S,
    ) -> None:
        if not numbers.is_keyed:
            raise ValueError("a cache that hosts share names numbers by a key: set [cache] key")
        self._numbers = numbers
        self._clock = clock
        self._wall = wall
        self._limit_s = limit_s
        self._troubles = Troubles("redis", observe, clock, 10.0)
        self._gate = Gate(draw)
        self._reading = Wire(url, limit_s)
        self._writing = Wire(url, _WRITE_LIMIT_S)
        self._writer_turn = asyncio.Lock()
        self._questions: list[_Question] = []
        self._asked = asyncio.Event()
        self._commands: dict[bytes, Command] = {}
        self._queued = asyncio.Event()
        self._written = asyncio.Event()
        self._distrusted: dict[str, tuple[float, float]] = {}
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def kind(self) -> str:
        """What it is, for metrics and people."""
        return "redis"

    def available(self, now: float) -> bool:
        """Say whether a question would reach the server, or be a miss at once."""
        return bool(self._tasks) and self._gate.available(now)

    async def open(self) -> None:
        """Begin, and try the server once; goes on without it."""
        self._tasks = [
            asyncio.create_task(self._read_all()),
            asyncio.create_task(self._write_all()),
        ]
        for task in self._tasks:
            task.add_done_callback(self._ended)
        await self.get(Msisdn("0"))

    async def get(self, number: Msisdn, product: Product = Product.NETWORK) -> Stored | None:
        """Return the entry, or None: nothing is known, or not in time."""
        if not self._tasks or not self._gate.admit(self._clock()):
            return None
        name = self._numbers.name(number, product)
        answer: asyncio.Future[Stored | None] = asyncio.get_running_loop().create_future()
        self._questions.append((name, _key(name, product), answer))
        self._asked.set()
        try:
            async with asyncio.timeout(self._limit_s):
                return await answer
        except TimeoutError:
            self._troubles.add("slow")
            return None

    def put(
        self, number: Msisdn, stored: Stored, keep_s: float, product: Product = Product.NETWORK
    ) -> None:
        """Keep an entry for about ``keep_s`` seconds, some time soon; never waits."""
        name = self._numbers.name(number, product)
        key = _key(name, product)
        if not self._tasks or (len(self._commands) >= MAX_QUEUE and key not in self._commands):
            self._troubles.add("dropped")
            return
        obtained_ms, sealed = self._numbers.seal(name, stored)
        value = _HEAD.pack(_FORM, obtained_ms) + sealed
        self._queue(key, ("SET", key, value, "PX", max(1, int(keep_s * 1000))))

    async def drop(self, number: Msisdn) -> bool:
        """Forget a number, all products of it; say whether it was there."""
        keys = [_key(self._numbers.name(number, product), product) for product in Product]
        for key in keys:
            self._commands.pop(key, None)
        try:
            async with self._writer_turn:
                reply = (await self._writing.exchange([("DEL", *keys)]))[0]
        except FAULTS as fault:
            reply = fault
        if not isinstance(reply, int):
            self._troubles.add("not-erased", detail=_detail(reply))
            return False
        return reply > 0

    async def purge(self, provider: str, since: float) -> None:
        """Distrust what this account wrote from an epoch until now."""
        self._distrusted[provider] = (since, self._wall())

    async def stats(self) -> dict[str, object]:
        """Return for people. How many entries there are, only the server's own tools can say."""
        self._troubles.flush()
        return {
            "kind": self.kind,
            "working": bool(self._tasks) and not self._gate.shut,
            "entries": None,
            "bytes": None,
            "queue": len(self._commands),
            "numbers": "keyed",
            "troubles": dict(self._troubles.totals),
        }

    async def flushed(self) -> None:
        """Wait until everything that was put has been written or given up."""
        while self._commands and self._tasks:
            self._written.clear()
            await self._written.wait()
        async with self._writer_turn:
            return

    async def close(self) -> None:
        """Write what waits, within a second, and end."""
        try:
            async with asyncio.timeout(_CLOSE_S):
                await self.flushed()
        except TimeoutError:
            self._troubles.add("dropped", len(self._commands))
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for _, _, answer in self._questions:
            _settle(answer, None)
        await self._reading.close()
        await self._writing.close()
        self._troubles.flush()

    # Reading.

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Be a store that is closed, not one that keeps calls waiting, if a task broke."""
        if not task.cancelled():
            self._tasks = []
            self._troubles.add("failed", detail="ended")

    async def _read_all(self) -> None:
        while True:
            await self._asked.wait()
            questions, self._questions = self._questions[:_BATCH], self._questions[_BATCH:]
            if not self._questions:
                self._asked.clear()
            await self._read(questions)

    async def _read(self, questions: Sequence[_Question]) -> None:
        """Ask for all of them at once, in a task that no hung-up call can cancel."""
        try:
            replies = await self._reading.exchange([("GET", key) for _, key, _ in questions])
        except FAULTS as fault:
            replies = [None] * len(questions)
            self._troubles.add("failed", detail=word(fault))
            self._failed()
        else:
            self._judge(replies)
        for (name, key, answer), reply in zip(questions, replies, strict=True):
            _settle(answer, self._entry(name, key, reply))

    def _judge(self, replies: Sequence[object]) -> None:
        """A server that refuses everything is of as little use as one that does not answer."""
        if all(isinstance(reply, ResponseError) and not _of_wrong_type(reply) for reply in replies):
            self._failed()
        else:
            self._gate.passed()

    def _failed(self) -> None:
        if self._gate.failed(self._clock()):
            self._troubles.add("shut")

    def _entry(self, name: bytes, key: bytes, reply: object) -> Stored | None:
        if reply is None:
            return None
        if isinstance(reply, ResponseError) and not _of_wrong_type(reply):
            self._troubles.add("refused", detail=word(reply))
            return None
        stored = self._unpacked(name, reply)
        if stored is None:
            self._troubles.add("garbage")
            return None
        since, until = self._distrusted.get(stored.said.provider, (1.0, 0.0))
        if since <= stored.obtained <= until:
            self._queue(key, ("DEL", key))
            return None
        return stored

    def _unpacked(self, name: bytes, reply: object) -> Stored | None:
        if not isinstance(reply, bytes) or not _HEAD.size < len(reply) <= _MAX_VALUE:
            return None
        form, obtained_ms = _HEAD.unpack_from(reply)
        if form != _FORM:
            return None
        return self._numbers.unseal(name, obtained_ms, reply[_HEAD.size :])

    # Writing.

    def _queue(self, key: bytes, command: Command) -> None:
        self._commands[key] = command
        self._queued.set()

    async def _write_all(self) -> None:
        while True:
            await self._queued.wait()
            async with self._writer_turn:
                keys = list(islice(self._commands, _BATCH))
                await self._write([self._commands.pop(key) for key in keys])
            if not self._commands:
                self._queued.clear()
            self._written.set()

    async def _write(self, commands: Sequence[Command]) -> None:
        if not commands:
            return
        if self._gate.shut:
            self._troubles.add("dropped", len(commands), "shut")
            return
        try:
            replies = await self._writing.exchange(commands)
        except FAULTS as fault:
            self._troubles.add("dropped", len(commands), word(fault))
            self._failed()
            return
        refused = Counter(_detail(reply) for reply in replies if isinstance(reply, ResponseError))
        for detail, count in refused.items():
            self._troubles.add("refused", count, detail)


def _key(name: bytes, product: Product) -> bytes:
    return b"dialdip:1:%b:%b" % (product.value.encode(), name.hex().encode())


def _detail(reply: object) -> str:
    return word(reply) if isinstance(reply, Exception) else type(reply).__name__


def _of_wrong_type(reply: object) -> bool:
    return isinstance(reply, ResponseError) and word(reply) == "WRONGTYPE"


def _settle(answer: asyncio.Future[Any], value: Stored | None) -> None:
    if not answer.done():
        answer.set_result(value)
