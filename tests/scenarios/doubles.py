"""What is not real on the stage: dice, log, disk, store and ledger, all in this process's memory.

A real SQLite and a real ledger have threads, and threads do not live in virtual time. Records
still pass through their real bytes, times are kept to the millisecond as the real stores do.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from agi.lookup.ledger import Charge, Ledger
from agi.lookup.record import read, written
from agi.lookup.store import Stored
from agi.model import Msisdn, Product


class Even(Random):
    """Dice that always fall in the middle: a spread of 20 % is then none."""

    def random(self) -> float:
        """Return a half."""
        return 0.5


class Lines:
    """Takes the log, for checks."""

    def __init__(self) -> None:
        self.said: Counter[str] = Counter()

    def __call__(self, level: str, event: str, **values: object) -> None:
        """Count one line."""
        del level, values
        self.said[event] += 1

    def later(self, level: str, event: str, values: object) -> None:
        """Count one line."""
        del level, values
        self.said[event] += 1


@dataclass
class Disk:
    """What outlives every process of the host."""

    answers: dict[tuple[Msisdn, Product], tuple[bytes, float, float]] = field(default_factory=dict)
    money: dict[str, dict[str, Charge]] = field(default_factory=dict)
    store_ms: float = 0.0
    store_works: bool = True
    wall_shift_s: float = 0.0


class DictStore:
    """The seam ``Store`` on a dictionary; records pass through their real bytes."""

    kind = "sqlite"

    def __init__(self, disk: Disk, wall: Callable[[], float]) -> None:
        self._disk = disk
        self._wall = wall

    async def open(self) -> None:
        """Nothing to open."""

    async def get(self, number: Msisdn, product: Product = Product.NETWORK) -> Stored | None:
        """Return the entry, after as long as the disk takes."""
        if self._disk.store_ms:
            await asyncio.sleep(self._disk.store_ms / 1000)
        record = self._disk.answers.get((number, product)) if self._disk.store_works else None
        if record is None:
            return None
        said = read(record[0])
        return None if said is None else Stored(said, record[1])

    def put(
        self, number: Msisdn, stored: Stored, keep_s: float, product: Product = Product.NETWORK
    ) -> None:
        """Keep the bytes, to the millisecond as the real stores do."""
        if self._disk.store_works:
            obtained = round(stored.obtained, 3)
            record = written(stored.said), obtained, obtained + keep_s
            self._disk.answers[number, product] = record

    async def drop(self, number: Msisdn) -> bool:
        """Forget a number."""
        keys = [key for key in self._disk.answers if key[0] == number]
        for key in keys:
            del self._disk.answers[key]
        return bool(keys)

    async def purge(self, provider: str, since: float) -> None:
        """Forget what an account wrote since an epoch."""
        for key, (record, obtained, _) in list(self._disk.answers.items()):
            said = read(record)
            if said is not None and said.provider == provider and obtained >= since:
                del self._disk.answers[key]

    async def stats(self) -> dict[str, object]:
        """Return little."""
        return {"entries": len(self._disk.answers)}

    async def close(self) -> None:
        """Nothing to close."""


class DictLedger(Ledger):
    """The ledger without its thread; a write is on disk when it is asked for."""

    def __init__(self, disk: Disk) -> None:
        super().__init__(Path("budget.json"))
        self._disk = disk

    async def open(self) -> None:
        """Take what the disk has."""
        self._accounts = {name: dict(days) for name, days in self._disk.money.items()}

    def write(self, account: str, day: str, charge: Charge) -> asyncio.Future[None]:
        """Put one day on disk."""
        self._disk.money.setdefault(account, {})[day] = charge
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    async def close(self) -> None:
        """Nothing to close."""
