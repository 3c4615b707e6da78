"""A portability dump in a file, asked like a provider, but answered from memory and for nothing."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from agi.lookup.dump import Dump, Mark, mark_of
from agi.lookup.provider import Answer
from agi.model import Msisdn, Outcome, Product


class FileProvider:
    """One dump. It needs no client: ``answer`` is a few microseconds of memory.

    Until ``refresh`` has read the file once, every answer is TEMPORARY.
    """

    kind = "file"
    product = Product.NETWORK

    def __init__(self, name: str, path: Path, dump: Dump | None = None) -> None:
        self.name = name
        self.path = path
        self.dump = dump
        self._tried: Mark | None = dump.mark if dump else None

    def answer(self, number: Msisdn) -> Answer:
        """Return what the dump says; UNSUPPORTED when it knows neither number nor range."""
        if self.dump is None:
            return Answer(number, Outcome.TEMPORARY, units=0.0)
        info = self.dump.find(number)
        outcome = Outcome.UNSUPPORTED if info is None else Outcome.OK
        return Answer(number, outcome, info, units=0.0)

    def changed(self) -> bool:
        """Say whether the file is another one than that which was read last, faulty or not.

        A file that cannot be seen is no change: what was read stays.
        """
        now = mark_of(self.path)
        return now is not None and now != self._tried

    async def refresh(self) -> bool:
        """Read the file in a thread if it has changed; say whether a new dump is in force.

        Calls meanwhile get the old one. A faulty file is not read again until it changes.

        Raises:
            TableError: the new file is refused; the old dump stays in force.
        """
        seen = mark_of(self.path)
        if seen is None and self.dump is not None:
            return False
        if seen is not None and seen == self._tried:
            return False
        self._tried = seen
        self.dump = await asyncio.to_thread(Dump.load, self.path, _breathe)
        self._tried = self.dump.mark
        return True


def _breathe() -> None:
    """Let the event loop have its turn; without it each turn waits 5 ms for the interpreter."""
    time.sleep(0.0001)
