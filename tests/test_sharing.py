"""One costly question for many: who shares which answer, who leaves, who fails."""

from __future__ import annotations

import asyncio

import pytest

from agi.sharing import Shared


class Work:
    """Answers with the number of the run; each run waits until it is let go."""

    def __init__(self) -> None:
        self.begun = 0
        self.gate = asyncio.Event()
        self.started = asyncio.Event()

    async def __call__(self) -> int:
        self.begun += 1
        run = self.begun
        self.started.set()
        await self.gate.wait()
        return run


def test_who_asks_while_one_runs_gets_the_next_one_and_all_of_them_the_same() -> None:
    async def run() -> None:
        work = Work()
        shared = Shared(work)
        first = asyncio.create_task(shared())
        await work.started.wait()
        later = [asyncio.create_task(shared()) for _ in range(50)]
        await asyncio.sleep(0)
        work.gate.set()
        assert 1 == await first
        assert {2} == set(await asyncio.gather(*later))
        assert 2 == work.begun

    asyncio.run(run())


def test_who_asks_at_the_same_time_shares_one() -> None:
    async def run() -> None:
        work = Work()
        work.gate.set()
        shared = Shared(work)
        assert {1} == set(await asyncio.gather(shared(), shared(), shared()))
        assert 2 == await shared()

    asyncio.run(run())


def test_who_leaves_takes_the_answer_from_nobody() -> None:
    async def run() -> None:
        work = Work()
        shared = Shared(work)
        impatient = asyncio.create_task(shared())
        patient = asyncio.create_task(shared())
        await work.started.wait()
        impatient.cancel()
        await asyncio.wait([impatient])
        work.gate.set()
        assert 1 == await patient

    asyncio.run(run())


def test_a_failure_is_told_to_all_who_waited_and_ends_nothing() -> None:
    async def fails() -> int:
        raise OSError("no")

    async def run() -> None:
        shared = Shared(fails)
        for _ in range(2):
            found = await asyncio.gather(shared(), shared(), return_exceptions=True)
            assert [OSError, OSError] == [type(one) for one in found]

    asyncio.run(run())


def test_stopped_it_leaves_no_task_behind() -> None:
    async def run() -> None:
        work = Work()
        shared = Shared(work)
        running = asyncio.create_task(shared())
        await work.started.wait()
        waiting = asyncio.create_task(shared())
        await asyncio.sleep(0)
        await shared.stop()
        for task in (running, waiting):
            with pytest.raises(asyncio.CancelledError):
                await task
        assert {asyncio.current_task()} == asyncio.all_tasks()

    asyncio.run(run())
