"""The day's money on disk, and the purse: crashes, full disks, midnight, files nobody can read."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path

import pytest

from agi.lookup.ledger import DAYS_KEPT, Charge, Ledger, Purse
from agi.lookup.money import Budget

TODAY, TOMORROW = "2026-11-21", "2026-11-22"
ONE = Decimal(1)


class Calendar:
    def __init__(self, day: str = TODAY) -> None:
        self.day = day

    def __call__(self) -> str:
        return self.day


class Bank:
    """One process's ledger and purses; to make another one is to start again after a crash."""

    def __init__(self, path: Path, day: str = TODAY) -> None:
        self.calendar = Calendar(day)
        self.ledger = Ledger(path)

    async def purse(
        self, limit: str | None = "1000", price: Decimal = ONE, tick_s: float = 3600.0
    ) -> Purse:
        await self.ledger.open()
        budget = Budget(None if limit is None else Decimal(limit), price)
        purse = Purse("npl", budget, self.ledger, self.calendar, tick_s=tick_s)
        await purse.open()
        return purse


def run(scene: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(20):
            await scene()

    asyncio.run(bounded())


async def spend(purse: Purse, most: int) -> int:
    """Spend one by one, giving the disk time when the purse says no; return how many were had."""
    had = 0
    for _ in range(most):
        async with asyncio.timeout(5):
            while not purse.may_spend():
                if purse.gone:
                    return had
                await asyncio.sleep(0.001)
        purse.spent(1)
        had += 1
    return had


async def until(true: Callable[[], object]) -> None:
    while not true():  # noqa: ASYNC110 - a purse says nothing when the disk has caught up
        await asyncio.sleep(0.001)


def listed(directory: Path) -> dict[str, int]:
    """The names in a directory, and their modes."""
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()}


async def on_disk(path: Path) -> dict[str, Charge]:
    ledger = Ledger(path)
    await ledger.open()
    return ledger.charges("npl")


def test_the_limit_is_spent_to_the_last_unit_and_no_further(tmp_path: Path) -> None:
    async def scene() -> None:
        purse = await Bank(tmp_path / "ledger.json").purse("120")
        assert 120 == await spend(purse, 200)
        assert (Decimal(0), True, Decimal(120)) == (purse.left, purse.gone, purse.today)

    run(scene)


def test_the_first_question_after_the_start_is_allowed(tmp_path: Path) -> None:
    async def scene() -> None:
        purse = await Bank(tmp_path / "ledger.json").purse()
        assert purse.may_spend()

    run(scene)


def test_the_disk_is_ahead_of_every_unit_that_is_allowed(tmp_path: Path) -> None:
    async def scene() -> None:
        path = tmp_path / "ledger.json"
        purse = await Bank(path).purse("1000")
        for had in range(1, 301):
            assert 1 == await spend(purse, 1)
            if had % 10 == 0:
                assert had <= (await on_disk(path))[TODAY].total

    run(scene)


def test_after_a_crash_what_was_reserved_counts_as_spent(tmp_path: Path) -> None:
    async def scene() -> None:
        path = tmp_path / "ledger.json"
        first = await Bank(path).purse("120")
        assert 10 == await spend(first, 10)
        second = await Bank(path).purse("120")
        assert Decimal(50) == second.today  # the portion: 50 units, of which 10 were spent
        assert 70 == await spend(second, 200)

    run(scene)


def test_however_often_it_crashes_the_limit_holds(tmp_path: Path) -> None:
    async def scene() -> None:
        path, total = tmp_path / "ledger.json", 0
        for _ in range(12):
            total += await spend(await Bank(path).purse("500"), 20)
        assert 20 <= total <= 500
        assert 0 == await spend(await Bank(path).purse("500"), 1)

    run(scene)


def test_a_clean_end_gives_back_what_was_not_spent(tmp_path: Path) -> None:
    async def scene() -> None:
        path = tmp_path / "ledger.json"
        first = await Bank(path).purse("120")
        assert 10 == await spend(first, 10)
        await first.close()
        assert Charge(Decimal(10), Decimal(0)) == (await on_disk(path))[TODAY]
        assert Decimal(10) == (await Bank(path).purse("120")).today

    run(scene)


def test_what_is_in_flight_at_the_end_counts_as_spent(tmp_path: Path) -> None:
    async def scene() -> None:
        path = tmp_path / "ledger.json"
        first = await Bank(path).purse("120")
        assert first.may_spend(3)
        await first.close()
        assert Decimal(3) == (await on_disk(path))[TODAY].total

    run(scene)


def test_an_end_in_the_middle_of_a_reservation_is_clean_too(tmp_path: Path) -> None:
    async def scene() -> None:
        path = tmp_path / "ledger.json"
        purse = await Bank(path).purse("1000")
        assert purse.may_spend(40)  # of the first 50: the next portion is being written now
        purse.spent(40)
        await purse.close()
        assert Charge(Decimal(40), Decimal(0)) == (await on_disk(path))[TODAY]

    run(scene)


def test_what_was_certainly_not_billed_comes_back(tmp_path: Path) -> None:
    async def scene() -> None:
        purse = await Bank(tmp_path / "ledger.json").purse("50")
        assert purse.may_spend(50)
        assert not purse.may_spend()
        purse.refunded(50)
        assert Decimal(50) == purse.left
        assert purse.may_spend(50)

    run(scene)


def test_a_batch_larger_than_a_portion_is_allowed_a_little_later(tmp_path: Path) -> None:
    async def scene() -> None:
        purse = await Bank(tmp_path / "ledger.json").purse("1000")
        assert (False, False) == (purse.may_spend(400), purse.gone)
        await until(lambda: purse.may_spend(400))

    run(scene)


def test_midnight_brings_new_money(tmp_path: Path) -> None:
    async def scene() -> None:
        bank = Bank(tmp_path / "ledger.json")
        purse = await bank.purse("60")
        assert 60 == await spend(purse, 99)
        bank.calendar.day = TOMORROW
        assert 60 == await spend(purse, 99)

    run(scene)


def test_a_clock_set_back_over_midnight_finds_the_day_as_it_was(tmp_path: Path) -> None:
    async def scene() -> None:
        bank = Bank(tmp_path / "ledger.json")
        purse = await bank.purse("60")
        assert 60 == await spend(purse, 99)
        bank.calendar.day = TOMORROW
        assert 20 == await spend(purse, 20)
        bank.calendar.day = TODAY
        assert 0 == await spend(purse, 20)
        bank.calendar.day = TOMORROW
        assert 40 == await spend(purse, 99)

    run(scene)


def test_the_tick_turns_the_day_before_a_call_has_to(tmp_path: Path) -> None:
    async def scene() -> None:
        bank, path = Bank(tmp_path / "ledger.json"), tmp_path / "ledger.json"
        purse = await bank.purse(tick_s=0.01)
        bank.calendar.day = TOMORROW
        await until(lambda: TOMORROW in path.read_text())
        await until(lambda: purse.left == 1000 and purse.may_spend())
        await purse.close()

    run(scene)


def test_only_the_last_days_are_kept(tmp_path: Path) -> None:
    async def scene() -> None:
        bank, path = Bank(tmp_path / "ledger.json"), tmp_path / "ledger.json"
        purse = await bank.purse()
        for day in range(1, 20):
            bank.calendar.day = f"2026-12-{day:02}"
            assert 1 == await spend(purse, 1)
        await purse.close()
        assert [f"2026-12-{day:02}" for day in range(12, 20)] == sorted(await on_disk(path))
        assert 8 == DAYS_KEPT

    run(scene)


@pytest.mark.parametrize(
    "rubbish",
    [
        b"",
        b"\xff\xfe\x00",
        b'{"form":1,"accounts":{"npl":{"2026-11-21":{"spent":"1"',
        b'{"form":2,"accounts":{}}',
        b'{"form":1,"accounts":{"npl":{"2026-11-21":{"spent":"-1","reserved":"0"}}}}',
        b'{"form":1,"accounts":{"npl":{"2026-11-21":{"spent":"NaN","reserved":"0"}}}}',
        b'{"form":1,"accounts":{},"more":1}',
        b"[]",
    ],
)
def test_a_file_that_is_not_understood_closes_the_day_and_is_kept_aside(
    tmp_path: Path, rubbish: bytes
) -> None:
    async def scene() -> None:
        path = tmp_path / "ledger.json"
        path.write_bytes(rubbish)
        bank = Bank(path)
        purse = await bank.purse("60")
        assert (True, True) == (bank.ledger.corrupt, purse.gone)
        assert not purse.may_spend()
        assert rubbish == (tmp_path / "ledger.json.corrupt").read_bytes()
        again = Bank(path)
        assert (True, False) == ((await again.purse("60")).gone, again.ledger.corrupt)
        assert 60 == await spend(await Bank(path, TOMORROW).purse("60"), 99)

    run(scene)


def test_a_person_who_deletes_the_file_gives_the_money_back(tmp_path: Path) -> None:
    async def scene() -> None:
        path = tmp_path / "ledger.json"
        path.write_bytes(b"rubbish")
        assert (await Bank(path).purse("60")).gone
        path.unlink()
        assert 60 == await spend(await Bank(path).purse("60"), 99)

    run(scene)


def test_a_disk_that_fails_allows_what_is_reserved_and_no_more(tmp_path: Path) -> None:
    async def scene() -> None:
        directory = tmp_path / "state"
        directory.mkdir()
        purse = await Bank(directory / "ledger.json").purse("1000", tick_s=0.01)
        directory.rename(tmp_path / "away")
        assert [True] * 50 + [False] * 5 == [purse.may_spend() for _ in range(55)]
        await until(lambda: purse.trouble)
        assert "No such file or directory" == purse.trouble
        assert not purse.may_spend()
        (tmp_path / "away").rename(directory)
        await until(purse.may_spend)
        assert "" == purse.trouble
        await purse.close()

    run(scene)


class Counting(Ledger):
    writes = 0

    def write(self, account: str, day: str, charge: Charge) -> asyncio.Future[None]:
        self.writes += 1
        return super().write(account, day, charge)


def test_a_disk_that_fails_is_tried_once_a_tick(tmp_path: Path) -> None:
    async def scene() -> None:
        bank = Bank(tmp_path / "absent" / "ledger.json")
        bank.ledger = ledger = Counting(tmp_path / "absent" / "ledger.json")
        purse = await bank.purse("1000", tick_s=0.02)
        loop = asyncio.get_running_loop()
        end = loop.time() + 0.2
        while loop.time() < end:
            assert not purse.may_spend()
            await asyncio.sleep(0.001)
        assert 2 <= ledger.writes <= 12  # about ten ticks; 200 questions
        await purse.close()

    run(scene)


def test_after_the_end_nothing_is_reserved_any_more(tmp_path: Path) -> None:
    async def scene() -> None:
        bank = Bank(tmp_path / "ledger.json")
        bank.ledger = ledger = Counting(tmp_path / "ledger.json")
        purse = await bank.purse("1000")
        await purse.close()
        writes = ledger.writes
        for _ in range(60):
            purse.may_spend()
        await asyncio.sleep(0)
        assert writes == ledger.writes

    run(scene)


def test_a_disk_that_fails_from_the_start_allows_nothing(tmp_path: Path) -> None:
    async def scene() -> None:
        purse = await Bank(tmp_path / "absent" / "ledger.json").purse("1000")
        assert (False, False) == (purse.may_spend(), purse.gone)
        assert "No such file or directory" == purse.trouble

    run(scene)


def test_a_path_that_cannot_be_read_closes_the_day(tmp_path: Path) -> None:
    async def scene() -> None:
        (tmp_path / "ledger.json").mkdir()
        assert (await Bank(tmp_path / "ledger.json").purse("60")).gone

    run(scene)


def test_without_a_limit_it_counts_by_the_day_and_leaves_the_disk_alone(tmp_path: Path) -> None:
    async def scene() -> None:
        bank = Bank(tmp_path / "ledger.json")
        purse = await bank.purse(None, Decimal("0.006"))
        assert purse.may_spend(1000)
        purse.spent(1000)
        assert (Decimal("6.000"), None, False) == (purse.today, purse.left, purse.gone)
        bank.calendar.day = TOMORROW
        assert purse.may_spend()
        assert Decimal(0) == purse.today
        await purse.close()
        assert {} == listed(tmp_path)

    run(scene)


def test_a_limit_without_a_ledger_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a ledger"):
        Purse("npl", Budget(ONE, ONE), None, Calendar())


def test_accounts_share_one_file(tmp_path: Path) -> None:
    async def scene() -> None:
        bank = Bank(tmp_path / "ledger.json")
        npl = await bank.purse("1000")
        other = Purse("lanck", Budget(Decimal(9), ONE), bank.ledger, bank.calendar)
        await other.open()
        assert (5, 3) == (await spend(npl, 5), await spend(other, 3))
        await npl.close()
        await other.close()
        await bank.ledger.close()
        again = Ledger(tmp_path / "ledger.json")
        await again.open()
        spent = [again.charges(name)[TODAY].total for name in ("npl", "lanck")]
        assert [Decimal(5), Decimal(3)] == spent

    run(scene)


def test_the_file_is_for_its_owner_only_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    async def scene() -> None:
        purse = await Bank(tmp_path / "ledger.json").purse()
        await purse.close()
        assert {"ledger.json": 0o600} == listed(tmp_path)

    run(scene)
