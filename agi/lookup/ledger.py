"""The day's money on disk: one small file, written whole, and the purse that spends from it.

The file says, for each account and day, what is spent and what is reserved beyond it. It is
replaced atomically and flushed to the disk before a reservation counts, in a thread of its own,
so neither a crash nor a slow disk lets an account spend twice or an event loop wait. It is JSON
because a person may have to read it. A missing file is an empty one. A file that is not understood
is moved aside, and every account with a daily budget counts as spent out for the day: it may have
been; deleting the new file gives the money back, and so does midnight.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Final

import msgspec

from agi.lookup.money import NOTHING, ONE, Budget, Units
from agi.lookup.owner import leave_to_owner

DAYS_KEPT: Final = 8
"""Days kept of each account: for people, and for a clock that is set back over midnight."""

TICK_S: Final = 1.0
"""Seconds between two looks at the calendar, and between two tries at a disk that fails."""

_FORM: Final = 1


class Charge(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One account's day, in money: settled, and reserved beyond that."""

    spent: Decimal
    reserved: Decimal

    def __post_init__(self) -> None:
        for amount in (self.spent, self.reserved):
            if not amount.is_finite() or amount < 0:
                raise ValueError("an amount is a finite number from 0")

    @property
    def total(self) -> Decimal:
        """What counts as spent when nobody knows better: after a crash."""
        return self.spent + self.reserved


class _Book(msgspec.Struct, forbid_unknown_fields=True):
    form: int
    accounts: dict[str, dict[str, Charge]]

    def __post_init__(self) -> None:
        if self.form != _FORM:
            raise ValueError("another version's file")


class Ledger:
    """The file; one for all accounts of a process, and one process for each file.

    ``corrupt`` says after ``open`` that what was there could not be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._accounts: dict[str, dict[str, Charge]] = {}
        self._thread = ThreadPoolExecutor(1, "ledger")
        self.corrupt = False

    async def open(self) -> None:
        """Read the file."""
        loop = asyncio.get_running_loop()
        self._accounts, self.corrupt = await loop.run_in_executor(self._thread, _read, self._path)

    def charges(self, account: str) -> dict[str, Charge]:
        """Return the days known of an account, as they were when the file was opened."""
        return dict(self._accounts.get(account, {}))

    def write(self, account: str, day: str, charge: Charge) -> asyncio.Future[None]:
        """Begin to write one day of an account; the future ends when the disk has it.

        Fails with ``OSError`` when the file cannot be written.
        """
        loop = asyncio.get_running_loop()
        return loop.run_in_executor(self._thread, self._put, account, day, charge)

    async def close(self) -> None:
        """Wait for what is being written, and end the thread."""
        await asyncio.get_running_loop().run_in_executor(self._thread, int)
        self._thread.shutdown(wait=False)

    def _put(self, account: str, day: str, charge: Charge) -> None:
        days = {**self._accounts.get(account, {}), day: charge}
        late = sorted(days)[-DAYS_KEPT:]
        self._accounts = {**self._accounts, account: {key: days[key] for key in {*late, day}}}
        _replace(self._path, msgspec.json.encode(_Book(_FORM, self._accounts), order="sorted"))


def _read(path: Path) -> tuple[dict[str, dict[str, Charge]], bool]:
    """Return what the file says, and whether it says nothing that can be understood."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Book).accounts, False
    except FileNotFoundError:
        return {}, False
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        with suppress(OSError):  # what cannot be moved cannot be written either: no money then
            path.replace(path.with_name(f"{path.name}.corrupt"))
        return {}, True


def _replace(path: Path, data: bytes) -> None:
    fresh = path.with_name(f"{path.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        leave_to_owner(descriptor, path.parent)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)  # the new name, not only the new bytes
    finally:
        os.close(directory)


class Purse:
    """One account's money at work: hot questions answered from memory, the disk always ahead.

    ``day`` returns today's key, an ISO date in the tables' time zone; it is asked for every
    question. An account without a limit only counts and never touches the disk, nor needs a
    ``ledger``. ``trouble`` is the last error of the disk for people, empty when it works.

    Raises:
        ValueError: a limit, and no ledger to keep it in.
    """

    def __init__(
        self,
        account: str,
        budget: Budget,
        ledger: Ledger | None,
        day: Callable[[], str],
        *,
        tick_s: float = TICK_S,
    ) -> None:
        if budget.limit is not None and ledger is None:
            raise ValueError("a budget with a limit needs a ledger")
        self._account = account
        self._budget = budget
        self._ledger = ledger if budget.limit is not None else None
        self._day = day
        self._tick_s = tick_s
        self._known: dict[str, Decimal] = {}
        self._writing: asyncio.Task[None] | None = None
        self._ticking: asyncio.Task[None] | None = None
        self._resting = False  # after an error of the disk until the next tick, and at the end
        self.trouble = ""

    @property
    def left(self) -> Decimal | None:
        """What may still be spent today, in money; None without a limit."""
        return self._budget.left

    @property
    def today(self) -> Decimal:
        """What was spent today, in money; after a crash with what may have been."""
        return self._budget.spent

    @property
    def gone(self) -> bool:
        """Whether today's money is spent: asked again tomorrow."""
        return self._budget.gone

    @property
    def short(self) -> bool:
        """Whether there is money, but the disk, which is being written, does not know of it yet."""
        return self._writing is not None and not self.gone

    async def secured(self, within_s: float) -> None:
        """Wait until the disk knows of more, or failed; no longer than this."""
        if self._writing is not None:
            await asyncio.wait([self._writing], timeout=max(0.0, within_s))

    async def open(self) -> None:
        """Take up what is known of today, and secure the first portion. The ledger is open."""
        if self._ledger is None:
            self._budget.turn(self._day())
            return
        charges = self._ledger.charges(self._account)
        self._known = {day: charge.total for day, charge in charges.items()}
        if self._ledger.corrupt and self._budget.limit is not None:
            self._known[self._day()] = self._budget.limit
        self._turn()
        target = self._budget.target() or self._budget.spent
        await self._write(self._ledger, self._budget.day, target)
        self._ticking = asyncio.create_task(self._tick())

    async def revise(self, budget: Budget, ledger: Ledger) -> None:
        """Go on with another limit or price: what was spent today stays spent."""
        before, self._budget = self._budget, budget
        budget.turn(before.day or self._day(), before.spent)
        if budget.price == before.price:
            budget.held = before.held
        self._ledger = ledger if budget.limit is not None else None
        if self._ledger is None:
            return
        await self._write(ledger, budget.day, budget.target() or budget.spent)
        if self._ticking is None:
            self._ticking = asyncio.create_task(self._tick())

    def may_spend(self, units: Units = ONE) -> bool:
        """Hold ``units`` and say True; each must then be ``spent`` or ``refunded``.

        False: the day's money is gone, or the disk is not so far yet (``gone`` tells which).
        """
        self._turn()
        allowed = self._budget.may(self._budget.day, units)
        self._secure()
        return allowed

    def spent(self, units: Units, held: Units | None = None) -> None:
        """Count ``units`` as paid; ``held`` says how many were held for them, if not as many.

        What may or may not have been billed (a timeout after sending) counts as paid.
        """
        self._turn()
        self._budget.settle(units, held)
        self._secure()

    def refunded(self, units: Units) -> None:
        """Give back held ``units``: the request certainly was not billed."""
        self._budget.refund(units)

    async def close(self) -> None:
        """Write what was really spent; what is still in flight counts as spent."""
        if self._ticking is not None:
            self._ticking.cancel()
            await asyncio.gather(self._ticking, return_exceptions=True)
        self._resting = True
        if self._writing is not None:
            await asyncio.wait([self._writing])
        if self._ledger is not None:
            total = self._budget.spent + self._budget.held
            await self._write(self._ledger, self._budget.day, total)

    def _turn(self) -> None:
        """Begin a new day, or go back to the one before when the clock was set back."""
        day = self._day()
        if day == self._budget.day:
            return
        if self._budget.day:
            self._known[self._budget.day] = self._budget.spent
        self._budget.turn(day, self._known.pop(day, NOTHING))
        for old in sorted(self._known)[:-DAYS_KEPT]:
            del self._known[old]

    def _secure(self) -> None:
        if self._ledger is None or self._writing is not None or self._resting:
            return
        target = self._budget.target()
        if target is None:
            return
        writing = self._write(self._ledger, self._budget.day, target)
        self._writing = asyncio.create_task(writing)
        self._writing.add_done_callback(self._written)

    def _written(self, task: asyncio.Task[None]) -> None:
        self._writing = None
        if not task.cancelled():
            self._secure()

    async def _write(self, ledger: Ledger, day: str, total: Decimal) -> None:
        """Put ``total`` of ``day`` on disk; only then may it be spent."""
        spent = min(self._budget.spent, total)
        try:
            await ledger.write(self._account, day, Charge(spent, total - spent))
        except OSError as error:
            self.trouble = error.strerror or type(error).__name__
            self._resting = True
        else:
            self.trouble = ""
            self._budget.secure(day, total)

    async def _tick(self) -> None:
        """Turn the day before a call has to, and try a disk again that failed."""
        while True:
            await asyncio.sleep(self._tick_s)
            self._resting = False
            self._turn()
            self._secure()
