"""One costly question for many who ask: at most one runs, and at most one waits to run."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

Answer = TypeVar("Answer")


class Shared(Generic[Answer]):
    """Shares the answers of ``work`` among all who ask meanwhile.

    Whoever asks while one is being worked out gets the next one, which begins afterwards: so
    whatever happened before somebody asked is in the answer they get. Who leaves disturbs nobody.
    """

    def __init__(self, work: Callable[[], Awaitable[Answer]]) -> None:
        self._work = work
        self._running: asyncio.Task[Answer] | None = None
        self._next: asyncio.Task[Answer] | None = None

    async def __call__(self) -> Answer:
        """Return an answer that was begun after this was called; raises what ``work`` raises."""
        if self._next is None:
            self._next = asyncio.create_task(self._after(self._running))
            self._next.add_done_callback(_heard)
        return await asyncio.shield(self._next)

    async def _after(self, running: asyncio.Task[Answer] | None) -> Answer:
        if running is not None:
            await asyncio.wait([running])
        self._running, self._next = self._next, None
        return await self._work()

    async def stop(self) -> None:
        """Begin no more, and wait for none."""
        for task in (self._running, self._next):
            if task is not None:
                task.cancel()
                await asyncio.wait([task])


def _heard(task: asyncio.Task[Answer]) -> None:
    """Take the failure of a task that everybody has left, so that nobody calls it forgotten."""
    if not task.cancelled():
        task.exception()
