"""The batcher over a client double whose requests end when the test says so."""

import asyncio
import gc
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from agi.errors import ProviderFault
from agi.lookup.batcher import Batcher
from agi.lookup.events import LookupDone, LookupEvent, NumberAnswered, Strangers
from agi.model import Outcome
from tests.lookup.making import ONE, TWO, Desk, account, numbers, ok, settle


class Stage:
    """A batcher, its client's desk, a clock that the test moves, and what was observed."""

    def __init__(self, **terms: Any) -> None:
        self.desk = Desk()
        self.now = 100.0
        self.events: list[LookupEvent] = []
        batch_size = terms.pop("batch_size", 1000)
        known = {"connections": 1, "deadline_s": 0.8} | terms
        self.batcher = Batcher(
            provider=account(batch_size=batch_size),
            client=self.desk,
            clock=lambda: self.now,
            observe=self.events.append,
            **known,
        )

    @property
    def batches(self) -> list[int]:
        return [len(sent.numbers) for sent in self.desk.sent]


def play(scene: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(scene())


def test_a_number_goes_out_at_once_when_a_slot_is_free() -> None:
    async def scene() -> None:
        stage = Stage()
        future = stage.batcher.submit(ONE)
        await settle(2)
        assert [(ONE,)] == [sent.numbers for sent in stage.desk.sent]
        stage.desk.sent[0].answer()
        assert ok(ONE) == await future

    play(scene)


def test_numbers_that_waited_for_the_slot_share_the_next_request() -> None:
    async def scene() -> None:
        stage = Stage()
        first, *others = numbers(200)
        stage.batcher.submit(first)
        await settle()
        futures = [stage.batcher.submit(number) for number in others]
        await settle()
        assert ([1], 199) == (stage.batches, stage.batcher.waiting)
        stage.desk.sent[0].answer()
        stage.desk.sent[0].done()
        await settle()
        assert ([1, 199], 0) == (stage.batches, stage.batcher.waiting)
        stage.desk.sent[1].answer()
        assert list(map(ok, others)) == await asyncio.gather(*futures)
        assert 1 == stage.desk.most

    play(scene)


def test_numbers_of_one_loop_turn_share_a_request() -> None:
    async def scene() -> None:
        stage = Stage()
        for number in numbers(50):
            stage.batcher.submit(number)
        await settle()
        assert [50] == stage.batches

    play(scene)


@pytest.mark.parametrize(("count", "batches"), [(3, [1, 1, 1]), (10, [4, 3, 3]), (1, [1])])
def test_free_slots_split_what_comes_in_one_turn(count: int, batches: list[int]) -> None:
    async def scene() -> None:
        stage = Stage(connections=3)
        for number in numbers(count):
            stage.batcher.submit(number)
        await settle()
        assert batches == stage.batches

    play(scene)


def test_there_are_never_more_requests_at_once_than_connections() -> None:
    async def scene() -> None:
        stage = Stage(connections=3)
        for number in numbers(20):
            stage.batcher.submit(number)
            await settle(2)
        assert ([1, 1, 1], 17) == (stage.batches, stage.batcher.waiting)
        for _ in range(4):
            for sent in stage.desk.sent:
                if not sent.end.done():
                    sent.done()
            await settle()
        assert (3, 20) == (stage.desk.most, sum(stage.batches))

    play(scene)


def test_two_slots_that_become_free_together_send_one_waiting_number_once() -> None:
    async def scene() -> None:
        stage = Stage(connections=2)
        for number in numbers(2):
            stage.batcher.submit(number)
        await settle()
        stage.batcher.submit(ONE)
        for sent in stage.desk.sent:
            sent.done()
        await settle()
        assert ([1, 1, 1], 1) == (stage.batches, stage.batcher.busy)
        assert (ONE,) == stage.desk.sent[2].numbers

    play(scene)


def test_a_request_holds_at_most_batch_size_numbers() -> None:
    async def scene() -> None:
        stage = Stage(batch_size=8)
        for number in numbers(20):
            stage.batcher.submit(number)
        for index in range(3):
            await settle()
            stage.desk.sent[index].done()
        await settle()
        assert [8, 8, 4] == stage.batches

    play(scene)


def test_each_caller_wakes_when_its_own_answer_comes() -> None:
    async def scene() -> None:
        stage = Stage()
        one, two = stage.batcher.submit(ONE), stage.batcher.submit(TWO)
        await settle()
        stage.desk.sent[0].answer(TWO)
        assert ok(TWO) == await two
        assert not one.done()
        stage.desk.sent[0].answer(ONE)
        assert ok(ONE) == await one

    play(scene)


def test_a_failed_request_fails_only_the_numbers_without_an_answer() -> None:
    async def scene() -> None:
        stage = Stage()
        one, two = stage.batcher.submit(ONE), stage.batcher.submit(TWO)
        await settle()
        stage.desk.sent[0].answer(ONE)
        stage.desk.sent[0].fail("truncated")
        assert ok(ONE) == await one
        with pytest.raises(ProviderFault, match="truncated"):
            await two

    play(scene)


def test_the_slot_of_a_failed_request_is_used_again() -> None:
    async def scene() -> None:
        stage = Stage()
        stage.batcher.submit(ONE)
        await settle()
        stage.batcher.submit(TWO)
        stage.desk.sent[0].fail("reset")
        await settle()
        assert [(ONE,), (TWO,)] == [sent.numbers for sent in stage.desk.sent]

    play(scene)


def test_a_sent_request_is_read_to_twice_the_deadline_from_when_it_was_sent() -> None:
    async def scene() -> None:
        stage = Stage(deadline_s=0.8)
        stage.batcher.submit(ONE)
        stage.now = 107.0
        await settle()
        assert 108.6 == pytest.approx(stage.desk.sent[0].deadline)

    play(scene)


def test_a_sent_request_is_not_abandoned_when_its_callers_leave() -> None:
    async def scene() -> None:
        stage = Stage()
        future = stage.batcher.submit(ONE)
        await settle()
        future.cancel()
        await settle()
        assert (1, False) == (stage.batcher.busy, stage.desk.sent[0].end.cancelled())
        stage.desk.sent[0].answer()
        stage.desk.sent[0].done()
        await settle()
        assert 0 == stage.batcher.busy
        assert NumberAnswered("npl", Outcome.OK, 0.0) in stage.events

    play(scene)


def test_a_failure_after_the_callers_left_disturbs_nobody() -> None:
    async def scene() -> None:
        stage = Stage()
        stage.batcher.submit(ONE).cancel()
        await settle()
        stage.desk.sent[0].fail("reset")
        await settle()
        assert 0 == stage.batcher.busy

    play(scene)


def test_a_failure_that_nobody_looks_at_is_not_reported_as_an_error() -> None:
    async def scene() -> None:
        reported: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, c: reported.append(c))
        stage = Stage()
        stage.batcher.submit(ONE)
        await settle()
        stage.desk.sent.pop().fail("reset")
        await settle()
        gc.collect()
        assert [] == reported

    play(scene)


def test_a_number_that_waits_already_is_not_queued_twice() -> None:
    async def scene() -> None:
        stage = Stage()
        stage.batcher.submit(TWO)
        await settle()
        first, second = stage.batcher.submit(ONE), stage.batcher.submit(ONE)
        assert first is second
        first.cancel()
        assert not stage.batcher.submit(ONE).cancelled()
        assert 1 == stage.batcher.waiting

    play(scene)


def test_one_number_too_many_is_shed() -> None:
    async def scene() -> None:
        stage = Stage(max_waiting=2)
        stage.batcher.submit(ONE)
        await settle()
        for number in numbers(2):
            stage.batcher.submit(number)
        with pytest.raises(ProviderFault, match="shed: too many"):
            stage.batcher.submit(TWO)

    play(scene)


def test_a_number_that_the_client_leaves_open_fails_as_malformed() -> None:
    async def scene() -> None:
        stage = Stage()
        future = stage.batcher.submit(ONE)
        await settle()
        stage.desk.sent[0].done()
        with pytest.raises(ProviderFault, match="malformed"):
            await future

    play(scene)


def test_answers_for_numbers_that_were_not_asked_are_dropped_and_counted() -> None:
    async def scene() -> None:
        stage = Stage()
        future = stage.batcher.submit(ONE)
        await settle()
        stage.desk.sent[0].answer(TWO, ONE, ONE)
        stage.desk.sent[0].done()
        assert ok(ONE) == await future
        await settle()
        assert Strangers("npl", 1) in stage.events

    play(scene)


def test_what_happened_is_observed_without_a_number() -> None:
    async def scene() -> None:
        stage = Stage()
        stage.batcher.submit(ONE)
        stage.batcher.submit(TWO)
        await settle()
        stage.now = 100.25
        stage.desk.sent[0].answer(ONE)
        stage.now = 100.5
        stage.desk.sent[0].fail("timeout")
        await settle()
        expected = [
            NumberAnswered("npl", Outcome.OK, 0.25),
            LookupDone("npl", "timeout", 0.5, 2, 1),
        ]
        assert expected == stage.events

    play(scene)


def test_closing_fails_what_waits_and_what_is_on_its_way() -> None:
    async def scene() -> None:
        stage = Stage()
        sent = stage.batcher.submit(ONE)
        await settle()
        waiting = stage.batcher.submit(TWO)
        await stage.batcher.close()
        for future in (sent, waiting):
            with pytest.raises(ProviderFault, match="shed"):
                await future
        with pytest.raises(ProviderFault, match="shed: closing"):
            stage.batcher.submit(ONE)
        await settle()
        assert (0, [1]) == (stage.batcher.busy, stage.batches)
        assert [LookupDone("npl", "shed", 0.0, 1, 0)] == stage.events

    play(scene)


def test_a_programming_error_fails_its_numbers_and_reaches_the_loop() -> None:
    async def scene() -> None:
        reported: list[object] = []
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: reported.append(context["exception"])
        )
        stage = Stage()
        future = stage.batcher.submit(ONE)
        await settle()
        bug = LookupError("a bug")
        stage.desk.sent[0].end.set_exception(bug)
        stage.desk.sent.clear()
        with pytest.raises(ProviderFault, match="malformed"):
            await future
        stage.batcher.submit(TWO)
        await settle()
        assert [(TWO,)] == [sent.numbers for sent in stage.desk.sent]
        assert [bug] == reported

    play(scene)
