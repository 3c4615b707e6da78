"""How Data Soap's answer comes back: an HTTP POST to the PostbackUrl, or what was ordered of it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from agi.sandbox.datasoap import is_local
from agi.sandbox.exchange import Errand
from agi.sandbox.faults import Order, Trouble


class Runner:
    """Runs errands in tasks of their own; ``sent`` is told of each postback: was it taken?

    A postback is taken when it is answered with a status from 200 to 299 within ``patience_s``.
    """

    def __init__(self, sent: Callable[[bool], None], patience_s: float) -> None:
        self._sent = sent
        self._patience_s = patience_s
        self._tasks: set[asyncio.Task[None]] = set()

    async def before_receipt(self, errand: Errand, order: Order | None) -> None:
        """Run what comes before the receipt: the whole postback, if that was ordered."""
        if order is not None and order.trouble is Trouble.POSTBACK_EARLY:
            await self._send(errand, errand.job)

    def after_receipt(self, errand: Errand, order: Order | None, delay_s: float) -> None:
        """Run what comes after the receipt, ``delay_s`` later or as ordered."""
        trouble = order.trouble if order else None
        if trouble in {Trouble.POSTBACK_NEVER, Trouble.POSTBACK_EARLY}:
            return
        jobs = [str(uuid.uuid4()) if trouble is Trouble.POSTBACK_WRONG_JOB else errand.job]
        if order is not None and trouble is Trouble.POSTBACK_LATE:
            delay_s += (order.amount or 0) / 1000
        if trouble is Trouble.POSTBACK_TWICE:
            jobs *= 2
        self._start(self._later(errand, jobs, delay_s))

    async def stop(self) -> None:
        """Drop what is on its way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self, errand: Awaitable[None]) -> None:
        task = asyncio.ensure_future(errand)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _later(self, errand: Errand, jobs: list[str], delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        for job in jobs:
            await self._send(errand, job)

    async def _send(self, errand: Errand, job: str) -> None:
        try:
            async with asyncio.timeout(self._patience_s):
                self._sent(200 <= await _post(errand.url, errand.document(job)) < 300)
        except (OSError, TimeoutError, ValueError):
            # Nobody at the door, or no HTTP there: the postback is lost, and counted as such.
            self._sent(False)


async def _post(url: str, body: bytes) -> int:
    """POST a JSON document to this machine itself; return the status of the answer.

    Raises:
        OSError: nobody listens, or the connection broke.
        ValueError: what came is not HTTP; or the URL is not of this machine.
    """
    if not is_local(url):
        raise ValueError("not a URL of this machine")
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port or 80)
    try:
        head = (
            f"POST {target} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        writer.write(head.encode("ascii") + body)
        line = await reader.readline()
        return int(line.split(b" ", 2)[1]) if line.startswith(b"HTTP/1.") else 0
    finally:
        writer.close()
