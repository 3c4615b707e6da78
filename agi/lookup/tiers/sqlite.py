"""Answers in a SQLite file of this host: they outlive the process, and cost no call its time.

Two threads stand between the event loop and the disk. The writer takes entries from a bounded
queue, many in one transaction; the reader answers questions, each bounded in time. A disk that is
full, read-only, slow or gone costs misses and lost entries, never an exception and never a wait.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Final, TypeVar

from agi.lookup.events import Observer
from agi.lookup.store import Stored
from agi.lookup.tiers import cachefile
from agi.lookup.tiers.cachefile import CacheFile, Row
from agi.lookup.tiers.disk import Disk, Work
from agi.lookup.tiers.keys import NumberKey
from agi.lookup.tiers.troubles import Troubles
from agi.model import Msisdn, Product

MAX_QUEUE: Final = 8_192
"""Entries that may wait to be written; more are dropped and counted."""

_BATCH: Final = 1_024
_LINGER_S: Final = 0.02
_SWEEP_S: Final = 1.0
_OPEN_S: Final = 1.0
_CLOSE_S: Final = 1.0
_ORDER_S: Final = 5.0

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, eq=False)
class _Order:
    """Something for the writer to do in its turn, and who waits for the result."""

    work: Work[object]
    done: asyncio.Future[object]


@dataclass(frozen=True, slots=True, eq=False)
class _Question:
    name: bytes
    answer: asyncio.Future[Stored | None]


class SqliteStore:
    """Answers in the file ``path``; implements ``agi.lookup.store.Store``.

    ``wall`` is the wall clock in epoch seconds. A question takes at most ``limit_s``. One process
    owns a file. Troubles: ``dropped`` (queue full), ``slow``, ``read``, ``write``, ``garbage`` (an
    entry that was not sealed by us), ``corrupt`` (a damaged file was moved aside), ``newer`` (the
    file is of a later version; another name is used), ``rekeyed`` (the names were made otherwise;
    begun anew), ``not-erased``.
    """

    def __init__(
        self,
        path: Path,
        *,
        numbers: NumberKey,
        wall: Callable[[], float],
        observe: Observer,
        limit_s: float = 0.05,
    ) -> None:
        self._numbers = numbers
        self._wall = wall
        self._limit_s = limit_s
        self._troubles = Troubles("sqlite", observe, time.monotonic, 1.0)
        self._disk = Disk(CacheFile(path, numbers.mark(), wall), self._tell)
        self._tasks: SimpleQueue[Row | _Order | None] = SimpleQueue()
        self._questions: SimpleQueue[_Question | None] = SimpleQueue()
        self._hurry = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._threads: list[tuple[threading.Thread, asyncio.Event]] = []
        self._waiting = 0
        self._slow = False
        self._distrusted: dict[str, float] = {}
        self._swept = b""
        self._sweep_at = 0.0
        self._entries: int | None = None

    @property
    def kind(self) -> str:
        """What it is, for metrics and people."""
        return "sqlite"

    async def open(self) -> None:
        """Begin; waits at most a second for the file, then goes on without it."""
        self._loop = asyncio.get_running_loop()
        for work in (self._write_all, self._read_all):
            ended = asyncio.Event()
            thread = threading.Thread(target=work, args=(ended,), name="dialdip-store", daemon=True)
            self._threads.append((thread, ended))
            thread.start()
        await self._order(lambda db: db.execute("SELECT 1").fetchall(), _OPEN_S)

    async def get(self, number: Msisdn, product: Product = Product.NETWORK) -> Stored | None:
        """Return the entry, or None: nothing is known, or not in time.

        When a question was not answered in time, nobody else waits until the disk answers again.
        """
        if self._loop is None or not self._threads:
            return None
        if self._slow and self._waiting:
            self._troubles.add("slow")
            return None
        question = _Question(self._numbers.name(number, product), self._loop.create_future())
        self._waiting += 1
        self._questions.put(question)
        try:
            async with asyncio.timeout(self._limit_s):
                return await question.answer
        except TimeoutError:
            self._slow = True
            self._troubles.add("slow")
            return None

    def put(
        self, number: Msisdn, stored: Stored, keep_s: float, product: Product = Product.NETWORK
    ) -> None:
        """Keep an entry for about ``keep_s`` seconds, some time soon; never waits."""
        if not self._threads or self._tasks.qsize() >= MAX_QUEUE:
            self._troubles.add("dropped")
            return
        name = self._numbers.name(number, product)
        obtained_ms, value = self._numbers.seal(name, stored)
        until = int(self._wall() + keep_s)
        self._tasks.put((name, obtained_ms, until, stored.said.provider, value))

    async def drop(self, number: Msisdn) -> bool:
        """Forget a number, all products of it, to the last byte; say whether it was there.

        Damaged files that were moved aside are deleted: one number cannot be found in them.
        """
        names = self._numbers.names(number)

        def work(db: sqlite3.Connection) -> bool:
            found = cachefile.erase(db, names)
            self._disk.file.forget_aside()
            return found

        found = await self._order(work, _ORDER_S)
        if found is None:
            self._troubles.add("not-erased")
        return bool(found)

    async def purge(self, provider: str, since: float) -> None:
        """Forget what this account wrote since an epoch; until that is done, do not believe it."""
        self._distrusted[provider] = since

        def work(db: sqlite3.Connection) -> bool:
            cachefile.purge(db, provider, int(since * 1000))
            return True

        if await self._order(work, 60.0):
            self._distrusted.pop(provider, None)

    async def stats(self) -> dict[str, object]:
        """Return for people; the count of entries is the last one known if the disk is slow."""
        counted = await self._order(
            lambda db: db.execute("SELECT count(*) FROM kept").fetchone()[0], _ORDER_S
        )
        self._troubles.flush()
        if isinstance(counted, int):
            self._entries = counted
        return {
            "kind": self.kind,
            "working": counted is not None,
            "entries": self._entries,
            "bytes": self._disk.file.bytes(),
            "queue": self._tasks.qsize(),
            "numbers": "keyed" if self._numbers.is_keyed else "plain",
            "troubles": dict(self._troubles.totals),
        }

    async def flushed(self) -> None:
        """Wait until everything that was put has been written or given up."""
        await self._order(lambda db: db.in_transaction, _ORDER_S)

    async def close(self) -> None:
        """Write what waits, within a second, and end."""
        threads, self._threads = self._threads, []
        if not threads:
            return
        self._tasks.put(None)
        self._questions.put(None)
        self._hurry.set()
        ends = [asyncio.ensure_future(ended.wait()) for _, ended in threads]
        _, late = await asyncio.wait(ends, timeout=_CLOSE_S)
        for end in late:
            end.cancel()
        self._troubles.flush()

    async def _order(self, work: Work[object], limit_s: float) -> object:
        """Have the writer do something after what waits; None when it failed or took too long."""
        if self._loop is None or not self._threads:
            return None
        order = _Order(work, self._loop.create_future())
        self._tasks.put(order)
        self._hurry.set()
        try:
            async with asyncio.timeout(limit_s):
                return await order.done
        except TimeoutError:
            self._troubles.add("slow")
            return None

    # The writer's thread.

    def _write_all(self, ended: asyncio.Event) -> None:
        going = True
        while going:
            rows, orders, going = self._taken()
            if rows:
                batch = rows
                self._disk.attempt(lambda db, b=batch: cachefile.write(db, b), len(rows))  # type: ignore[misc] # a lambda's default has no annotation
            for order in orders:
                self._on_loop(_settle, order.done, self._disk.attempt(order.work))
            self._sweep()
        self._disk.close()
        self._on_loop(ended.set)

    def _taken(self) -> tuple[list[Row], list[_Order], bool]:
        """Return entries to write, then orders, and whether there will be more of either."""
        rows: list[Row] = []
        try:
            task = self._tasks.get(timeout=_SWEEP_S)
            if isinstance(task, tuple):
                self._linger()
            while isinstance(task, tuple):
                rows.append(task)
                if len(rows) == _BATCH:
                    return rows, [], True
                task = self._tasks.get_nowait()
        except Empty:
            return rows, [], True
        return rows, [task] if task is not None else [], task is not None

    def _linger(self) -> None:
        """Let more entries come into the same transaction, unless somebody waits."""
        if self._hurry.wait(_LINGER_S):
            self._hurry.clear()

    def _sweep(self) -> None:
        now = time.monotonic()
        if now >= self._sweep_at:
            self._sweep_at = now + _SWEEP_S
            after, wall = self._swept, self._wall()
            self._swept = self._disk.attempt(lambda db: cachefile.sweep(db, after, wall)) or b""

    # The reader's thread.

    def _read_all(self, ended: asyncio.Event) -> None:
        question = self._questions.get()
        while question is not None:
            found = self._disk.look(self._finder(question.name), self._on_damage)
            self._on_loop(self._answered, question.answer, found)
            question = self._questions.get()
        self._on_loop(ended.set)

    def _finder(self, name: bytes) -> Work[Stored | None]:
        def work(db: sqlite3.Connection) -> Stored | None:
            row = cachefile.find(db, name, self._wall())
            stored = row and self._numbers.unseal(name, *row)
            if row and stored is None:
                self._tell("garbage", 1, "")
            return stored or None

        return work

    def _on_damage(self) -> None:
        self._on_loop(self._order_mending)

    # Back on the loop.

    def _answered(self, answer: asyncio.Future[Stored | None], found: Stored | None) -> None:
        self._waiting -= 1
        self._slow = False
        _settle(answer, self._trusted(found))

    def _trusted(self, found: Stored | None) -> Stored | None:
        if found is None or not self._distrusted:
            return found
        since = self._distrusted.get(found.said.provider, float("inf"))
        return found if found.obtained < since else None

    def _order_mending(self) -> None:
        if self._loop is not None:
            self._tasks.put(_Order(self._check, self._loop.create_future()))
            self._hurry.set()

    def _check(self, db: sqlite3.Connection) -> bool:
        """Mend the file if it is still the damaged one that the reader met."""
        if db.execute("PRAGMA quick_check(1)").fetchall() != [("ok",)]:
            fault = sqlite3.DatabaseError("quick_check")
            fault.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
            fault.sqlite_errorname = "SQLITE_CORRUPT"
            raise fault
        self._disk.mended()
        return True

    def _tell(self, what: str, count: int, detail: str) -> None:
        self._on_loop(self._troubles.add, what, count, detail)

    def _on_loop(self, call: Callable[..., object], *values: object) -> None:
        """Call on the loop, from a thread; a thread that was stuck may find the loop gone."""
        if self._loop is not None:
            with suppress(RuntimeError):  # closed: nobody is left to be told
                self._loop.call_soon_threadsafe(call, *values)


def _settle(future: asyncio.Future[_T], value: _T) -> None:
    if not future.done():
        future.set_result(value)
