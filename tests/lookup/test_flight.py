"""Flights: one question for many callers, whoever of them stays."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from agi.errors import ProviderFault
from agi.lookup.flight import Flights
from tests.lookup.making import ONE, TWO, numbers, settle


class Question:
    """A question that the test answers; it counts how often it is begun."""

    def __init__(self) -> None:
        self.begun = 0
        self.answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def __call__(self) -> Coroutine[Any, Any, str]:
        self.begun += 1
        return self._ask()

    async def _ask(self) -> str:
        return await self.answer


def test_a_thousand_callers_begin_one_question_and_all_get_the_answer() -> None:
    async def scene() -> None:
        flights: Flights[str] = Flights()
        question = Question()
        waiters = [flights.join(ONE, question) for _ in range(1000)]
        await settle()
        assert (1, 1000, 1) == (question.begun, flights.waiting(ONE), len(flights))
        question.answer.set_result("here")
        assert ["here"] * 1000 == await asyncio.gather(*waiters)
        assert (0, 0) == (flights.waiting(ONE), len(flights))

    asyncio.run(scene())


def test_the_flight_goes_on_when_its_leader_leaves() -> None:
    async def scene() -> None:
        flights: Flights[str] = Flights()
        question = Question()
        leader, other = flights.join(ONE, question), flights.join(ONE, question)
        await settle()
        leader.cancel()
        assert 1 == flights.waiting(ONE)
        question.answer.set_result("here")
        assert "here" == await other

    asyncio.run(scene())


def test_a_flight_that_everybody_left_still_lands() -> None:
    async def scene() -> None:
        flights: Flights[str] = Flights()
        question = Question()
        flights.join(ONE, question).cancel()
        await settle()
        assert (1, 1) == (question.begun, len(flights))
        question.answer.set_result("here")
        await settle()
        assert 0 == len(flights)

    asyncio.run(scene())


def test_each_waiter_has_its_own_deadline() -> None:
    async def scene() -> None:
        flights: Flights[str] = Flights()
        question = Question()
        patient = flights.join(ONE, question)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(flights.join(ONE, question), 0.01)
        question.answer.set_result("here")
        assert "here" == await patient

    asyncio.run(scene())


def test_a_failure_is_shared_and_the_next_caller_begins_anew() -> None:
    async def scene() -> None:
        flights: Flights[str] = Flights()
        first = Question()
        waiters = [flights.join(ONE, first) for _ in range(3)]
        first.answer.set_exception(ProviderFault("reset"))
        got = await asyncio.gather(*waiters, return_exceptions=True)
        assert ["reset"] * 3 == [str(fault) for fault in got]
        second = Question()
        again = flights.join(ONE, second)
        second.answer.set_result("here")
        assert "here" == await again

    asyncio.run(scene())


def test_numbers_fly_apart() -> None:
    async def scene() -> None:
        flights: Flights[str] = Flights()
        one, two = Question(), Question()
        waiters = flights.join(ONE, one), flights.join(TWO, two)
        one.answer.set_result("one")
        two.answer.set_result("two")
        assert ["one", "two"] == list(await asyncio.gather(*waiters))

    asyncio.run(scene())


def test_one_flight_too_many_is_shed_but_joining_is_not() -> None:
    async def scene() -> None:
        flights: Flights[str] = Flights(max_flights=2)
        question = Question()
        first, second = numbers(2)
        flights.join(first, question)
        flights.join(second, question)
        with pytest.raises(ProviderFault, match="shed"):
            flights.join(TWO, question)
        flights.join(first, question)
        await flights.close()

    asyncio.run(scene())


def test_one_caller_too_many_of_a_flight_is_shed() -> None:
    async def scene() -> None:
        flights: Flights[str] = Flights(max_waiters=4096)
        question = Question()
        waiters = [flights.join(ONE, question) for _ in range(4096)]
        with pytest.raises(ProviderFault, match="shed"):
            flights.join(ONE, question)
        question.answer.set_result("here")
        assert {"here"} == set(await asyncio.gather(*waiters))

    asyncio.run(scene())


def test_closing_tells_who_waits_that_the_call_is_shed() -> None:
    async def scene() -> None:
        flights: Flights[str] = Flights()
        waiter = flights.join(ONE, Question())
        await settle()
        await flights.close()
        with pytest.raises(ProviderFault, match="shed"):
            await waiter
        assert 0 == len(flights)

    asyncio.run(scene())


@pytest.mark.parametrize("leaves", [True, False])
def test_a_programming_error_reaches_the_waiters_or_else_the_loop(*, leaves: bool) -> None:
    async def scene() -> None:
        reported: list[object] = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: reported.append(context["exception"]))
        flights: Flights[str] = Flights()
        question = Question()
        bug = LookupError("a bug")
        waiter = flights.join(ONE, question)
        if leaves:
            waiter.cancel()
        question.answer.set_exception(bug)
        await settle()
        assert ([bug] if leaves else []) == reported
        assert leaves or waiter.exception() is bug

    asyncio.run(scene())


def test_a_failure_that_nobody_looks_at_is_not_reported_as_an_error() -> None:
    async def scene() -> None:
        reported: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, c: reported.append(c))
        flights: Flights[str] = Flights()
        question = Question()
        flights.join(ONE, question)
        question.answer.set_exception(ProviderFault("reset"))
        await settle()
        assert [] == reported

    asyncio.run(scene())
