"""The batcher over a client double whose requests end when the test says so; time is virtual."""

import asyncio
import gc
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest

from agi.errors import ProviderFault
from agi.lookup.batcher import Batcher
from agi.lookup.events import LookupDone, LookupEvent, NumberAnswered, Overdue, Strangers
from agi.lookup.limits import TokenBucket
from agi.lookup.provider import Answer
from agi.lookup.slots import Slots
from agi.model import Msisdn, Outcome
from tests.lookup.making import ONE, TWO, Desk, account, instant, numbers, ok, play, settle

LONG = 60.0


class Stage:
    """A batcher, its client's desk, and what was observed."""

    def __init__(
        self, *, connections: int = 1, batch_size: int = 1000, rate: float = 0.0, **terms: Any
    ) -> None:
        self.desk = Desk()
        self.events: list[LookupEvent] = []
        self.slots = Slots(connections, TokenBucket(rate, 1), clock=instant)
        self.batch_size = batch_size
        self.terms: dict[str, Any] = {"deadline_s": 0.8} | terms
        self.batcher = self.another()

    def another(self) -> Batcher:
        """Make one more queue on the same connections: another product of the account."""
        return Batcher(
            provider=account(batch_size=self.batch_size),
            client=self.desk,
            slots=self.slots,
            clock=instant,
            observe=self.events.append,
            **self.terms,
        )

    def submit(self, number: Msisdn, within: float = LONG) -> asyncio.Future[Answer]:
        return self.batcher.submit(number, instant() + within)

    def seen(self, kind: type[LookupEvent]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def batches(self) -> list[int]:
        return [len(sent.numbers) for sent in self.desk.sent]


def test_a_number_goes_out_at_once_when_a_slot_is_free() -> None:
    async def scene() -> None:
        stage = Stage()
        future = stage.submit(ONE)
        await settle(2)
        assert [(ONE,)] == [sent.numbers for sent in stage.desk.sent]
        stage.desk.sent[0].answer()
        assert ok(ONE) == await future

    play(scene)


def test_numbers_that_waited_for_the_slot_share_the_next_request() -> None:
    async def scene() -> None:
        stage = Stage()
        first, *others = numbers(200)
        stage.submit(first)
        await settle()
        futures = [stage.submit(number) for number in others]
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
            stage.submit(number)
        await settle()
        assert [50] == stage.batches

    play(scene)


@pytest.mark.parametrize(("count", "batches"), [(3, [1, 1, 1]), (10, [4, 3, 3]), (1, [1])])
def test_free_slots_split_what_comes_in_one_turn(count: int, batches: list[int]) -> None:
    async def scene() -> None:
        stage = Stage(connections=3)
        for number in numbers(count):
            stage.submit(number)
        await settle()
        assert batches == stage.batches

    play(scene)


def test_there_are_never_more_requests_at_once_than_connections() -> None:
    async def scene() -> None:
        stage = Stage(connections=3)
        for number in numbers(20):
            stage.submit(number)
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
            stage.submit(number)
        await settle()
        stage.submit(ONE)
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
            stage.submit(number)
        for index in range(3):
            await settle()
            stage.desk.sent[index].done()
        await settle()
        assert [8, 8, 4] == stage.batches

    play(scene)


def test_each_caller_wakes_when_its_own_answer_comes() -> None:
    async def scene() -> None:
        stage = Stage()
        one, two = stage.submit(ONE), stage.submit(TWO)
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
        one, two = stage.submit(ONE), stage.submit(TWO)
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
        stage.submit(ONE)
        await settle()
        stage.submit(TWO)
        stage.desk.sent[0].fail("reset")
        await settle()
        assert [(ONE,), (TWO,)] == [sent.numbers for sent in stage.desk.sent]

    play(scene)


def test_a_sent_request_is_not_abandoned_when_its_callers_leave() -> None:
    async def scene() -> None:
        stage = Stage()
        future = stage.submit(ONE)
        await settle()
        future.cancel()
        await settle()
        assert (1, False) == (stage.batcher.busy, stage.desk.sent[0].end.cancelled())
        stage.desk.sent[0].answer()
        stage.desk.sent[0].done()
        await settle()
        assert 0 == stage.batcher.busy
        assert [Outcome.OK] == [event.outcome for event in stage.seen(NumberAnswered)]

    play(scene)


def test_a_failure_after_the_callers_left_disturbs_nobody() -> None:
    async def scene() -> None:
        stage = Stage()
        stage.submit(ONE).cancel()
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
        stage.submit(ONE)
        await settle()
        stage.desk.sent.pop().fail("reset")
        await settle()
        gc.collect()
        assert [] == reported

    play(scene)


def test_one_number_too_many_is_shed() -> None:
    async def scene() -> None:
        stage = Stage(max_waiting=2)
        stage.submit(ONE)
        await settle()
        for number in numbers(2):
            stage.submit(number)
        with pytest.raises(ProviderFault, match="shed: too many"):
            stage.submit(TWO)

    play(scene)


def test_a_number_that_the_client_leaves_open_fails_as_malformed() -> None:
    async def scene() -> None:
        stage = Stage()
        future = stage.submit(ONE)
        await settle()
        stage.desk.sent[0].done()
        with pytest.raises(ProviderFault, match="malformed"):
            await future

    play(scene)


def test_answers_for_numbers_that_were_not_asked_are_dropped_and_counted() -> None:
    async def scene() -> None:
        stage = Stage()
        future = stage.submit(ONE)
        await settle()
        stage.desk.sent[0].answer(TWO, ONE, ONE)
        stage.desk.sent[0].done()
        assert ok(ONE) == await future
        await settle()
        assert Strangers("npl", 1) in stage.events

    play(scene)


def test_a_programming_error_fails_its_numbers_and_reaches_the_loop() -> None:
    async def scene() -> None:
        reported: list[object] = []
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: reported.append(context["exception"])
        )
        stage = Stage()
        future = stage.submit(ONE)
        await settle()
        bug = LookupError("a bug")
        stage.desk.sent[0].end.set_exception(bug)
        stage.desk.sent.clear()
        with pytest.raises(ProviderFault, match="malformed"):
            await future
        stage.submit(TWO)
        await settle()
        assert [(TWO,)] == [sent.numbers for sent in stage.desk.sent]
        assert [bug] == reported

    play(scene)


def test_a_sent_request_is_read_to_twice_the_deadline_from_when_it_was_sent() -> None:
    async def scene() -> None:
        stage = Stage(deadline_s=0.8)
        stage.submit(TWO)
        await settle()
        stage.submit(ONE)
        await asyncio.sleep(0.5)
        stage.desk.sent[0].done()
        await settle()
        assert instant() + 1.6 == pytest.approx(stage.desk.sent[1].deadline)

    play(scene)


def test_what_happened_is_observed_without_a_number() -> None:
    async def scene() -> None:
        stage = Stage()
        stage.submit(ONE)
        stage.submit(TWO)
        await settle()
        await asyncio.sleep(0.25)
        stage.desk.sent[0].answer(ONE)
        await asyncio.sleep(0.25)
        stage.desk.sent[0].fail("timeout")
        await settle()
        expected = [
            NumberAnswered("npl", Outcome.OK, 0.25),
            LookupDone("npl", "timeout", 0.5, 2, 1),
        ]
        assert expected == stage.events

    play(scene)


def test_a34_no_event_and_no_fault_of_a_request_holds_a_number() -> None:
    async def scene() -> None:
        stage = Stage()
        future = stage.submit(ONE)
        waiting = stage.submit(TWO)
        await asyncio.sleep(1.0)
        stage.desk.sent[0].answer(Msisdn("447700900999"), ONE)
        stage.desk.sent[0].fail("truncated")
        await settle()
        assert ok(ONE) == await future
        with pytest.raises(ProviderFault) as caught:
            await waiting
        told = (
            repr([*stage.events, caught.value]) + str(caught.value) + repr(stage.desk.sent[0].end)
        )
        assert {Overdue, NumberAnswered, LookupDone, Strangers} == set(map(type, stage.events))
        for number in (ONE, TWO, "447700900999"):
            assert number not in told

    play(scene)


def test_a_number_that_waits_already_is_not_queued_twice_and_the_later_caller_counts() -> None:
    async def scene() -> None:
        stage = Stage()
        stage.submit(TWO)
        await settle()
        first, second = stage.submit(ONE, 0.1), stage.submit(ONE, 0.5)
        assert first is second
        assert 1 == stage.batcher.waiting
        await asyncio.sleep(0.4)
        stage.desk.sent[0].done()
        await settle()
        assert (ONE,) == stage.desk.sent[1].numbers

    play(scene)


def test_a_number_whose_only_caller_left_is_queued_anew_for_the_next() -> None:
    async def scene() -> None:
        stage = Stage()
        stage.submit(TWO)
        await settle()
        stage.submit(ONE).cancel()
        assert not stage.submit(ONE).cancelled()
        assert 1 == stage.batcher.waiting

    play(scene)


def test_a_number_that_was_not_sent_in_time_is_not_sent_at_all() -> None:
    async def scene() -> None:
        stage = Stage()
        stage.submit(TWO)
        await settle()
        late, good = stage.submit(ONE, 0.3), stage.submit(numbers(1)[0], 0.5)
        await asyncio.sleep(0.4)
        stage.desk.sent[0].done()
        with pytest.raises(ProviderFault, match="timeout: never sent"):
            await late
        await settle()
        assert tuple(numbers(1)) == stage.desk.sent[1].numbers
        assert not good.done()

    play(scene)


def test_a_connection_is_given_back_when_nothing_that_waited_is_worth_sending() -> None:
    async def scene() -> None:
        stage = Stage()
        stage.submit(TWO)
        await settle()
        stage.submit(ONE, 0.3)
        await asyncio.sleep(0.4)
        stage.desk.sent[0].done()
        await settle()
        assert (0, 0, [1]) == (stage.slots.busy, stage.batcher.waiting, stage.batches)

    play(scene)


def test_a_number_that_the_pace_would_keep_too_long_is_shed_at_once() -> None:
    async def scene() -> None:
        stage = Stage(rate=2, batch_size=1, connections=9)
        stage.submit(ONE)
        stage.submit(TWO)  # its token comes after 0.5 s
        with pytest.raises(ProviderFault, match="shed: the account's own pace"):
            stage.submit(numbers(1)[0], 0.8)  # and this one's after 1.0 s
        stage.submit(numbers(1)[0], 1.1)

    play(scene)


def test_the_pace_goes_on_while_requests_take_long() -> None:
    """Ten a second, every request hangs: the tokens of 0.0, 0.1 and 0.2 s are all used."""

    async def scene() -> None:
        stage = Stage(rate=10, batch_size=1, connections=5)
        for number in numbers(3):
            stage.submit(number)
        await asyncio.sleep(0.5)
        began = stage.desk.sent[0].at
        assert [0.0, 0.1, 0.2] == pytest.approx([s.at - began for s in stage.desk.sent], abs=0.01)

    play(scene)


def test_two_products_share_the_accounts_connections_in_turn() -> None:
    async def scene() -> None:
        stage = Stage()
        other = stage.another()
        stage.submit(ONE)
        await settle()
        other.submit(TWO, instant() + LONG)
        stage.submit(numbers(1)[0])
        await settle()
        assert [1] == stage.batches
        stage.desk.sent[0].done()
        await settle()
        assert (TWO,) == stage.desk.sent[1].numbers
        stage.desk.sent[1].done()
        await settle()
        assert (3, 1) == (len(stage.desk.sent), stage.desk.most)

    play(scene)


def test_a_request_longer_than_any_call_is_reported_once_and_read_on() -> None:
    async def scene() -> None:
        stage = Stage(deadline_s=0.8)
        future = stage.submit(ONE)
        await asyncio.sleep(0.79)
        assert [] == stage.events
        await asyncio.sleep(0.5)
        assert [Overdue("npl", 0.8)] == stage.events
        stage.desk.sent[0].answer()
        stage.desk.sent[0].done()
        assert ok(ONE) == await future

    play(scene)


def test_a_request_in_time_is_not_reported_as_overdue() -> None:
    async def scene() -> None:
        stage = Stage()
        stage.submit(ONE)
        await settle()
        stage.desk.sent[0].answer()
        stage.desk.sent[0].done()
        await asyncio.sleep(5)
        assert [] == stage.seen(Overdue)

    play(scene)


def test_an_open_breaker_fails_what_waits_but_not_what_is_on_its_way() -> None:
    async def scene() -> None:
        stage = Stage()
        sent = stage.submit(ONE)
        await settle()
        waiting = stage.submit(TWO)
        stage.batcher.clear(ProviderFault("breaker"))
        with pytest.raises(ProviderFault, match="breaker"):
            await waiting
        assert (0, False) == (stage.batcher.waiting, sent.done())
        stage.desk.sent[0].answer()
        assert ok(ONE) == await sent

    play(scene)


def test_what_is_held_is_sent_when_released() -> None:
    async def scene() -> None:
        stage = Stage(connections=2, batch_size=2)
        stage.batcher.hold()
        for number in numbers(5):
            stage.submit(number)
        await settle()
        assert ([], 5) == (stage.batches, stage.batcher.waiting)
        stage.batcher.release()
        await settle()
        assert ([2, 2], 1) == (stage.batches, stage.batcher.waiting)

    play(scene)


def test_closing_fails_what_waits_and_what_is_on_its_way() -> None:
    async def scene() -> None:
        stage = Stage()
        sent = stage.submit(ONE)
        await settle()
        waiting = stage.submit(TWO)
        await stage.batcher.close()
        for future in (sent, waiting):
            with pytest.raises(ProviderFault, match="shed"):
                await future
        with pytest.raises(ProviderFault, match="shed: closing"):
            stage.submit(ONE)
        await settle()
        assert (0, [1]) == (stage.batcher.busy, stage.batches)
        assert [LookupDone("npl", "shed", 0.0, 1, 0, "cut off")] == stage.events

    play(scene)


# ---- answers that come by postback ----------------------------------------------------------


class Post:
    """What waits for postbacks: the test settles its futures."""

    def __init__(self) -> None:
        self.expected: dict[str, asyncio.Future[Answer]] = {}
        self.submissions = 0

    def expect(self, job: str, number: Msisdn, provider: str) -> asyncio.Future[Answer]:
        assert (ONE, "npl") == (number, provider)
        early = self.expected.get(job)
        if early is None:
            early = self.expected[job] = asyncio.get_running_loop().create_future()
        return early

    def submitting(self) -> AbstractContextManager[None]:
        self.submissions += 1
        return nullcontext()


RECEIPT = Answer(ONE, Outcome.TEMPORARY, job="j1")


async def posting(post: Post) -> tuple[Stage, asyncio.Future[Answer]]:
    """Submit ONE and receive a receipt for it; the request itself is over."""
    stage = Stage(postbacks=post)
    future = stage.submit(ONE)
    await settle()
    stage.desk.sent[0].on_answer(RECEIPT)
    stage.desk.sent[0].done()
    await settle()
    return stage, future


def test_a_receipt_is_no_answer_and_its_postback_is() -> None:
    async def scene() -> None:
        post = Post()
        stage, future = await posting(post)
        assert (False, 1, 0) == (future.done(), stage.batcher.busy, stage.slots.busy)
        await asyncio.sleep(0.3)
        post.expected["j1"].set_result(ok(ONE))
        assert ok(ONE) == await future
        await settle()
        (answered,) = stage.seen(NumberAnswered)
        assert 0.3 == pytest.approx(answered.seconds)
        assert (0, 1) == (stage.batcher.busy, post.submissions)

    play(scene)


def test_a_postback_that_came_before_its_receipt_counts() -> None:
    async def scene() -> None:
        post = Post()
        post.expect("j1", ONE, "npl").set_result(ok(ONE))
        _, future = await posting(post)
        assert ok(ONE) == await future

    play(scene)


def test_a_postback_is_waited_for_to_twice_the_deadline_and_then_given_up() -> None:
    async def scene() -> None:
        post = Post()
        began = instant()
        _, future = await posting(post)
        with pytest.raises(ProviderFault, match="timeout: no postback"):
            await future
        assert 1.6 == pytest.approx(instant() - began)
        assert post.expected["j1"].cancelled()  # who comes now is late, not lost

    play(scene)


def test_a_postback_that_refuses_the_account_is_the_accounts_fault() -> None:
    async def scene() -> None:
        post = Post()
        stage, future = await posting(post)
        post.expected["j1"].set_result(Answer(ONE, Outcome.ACCOUNT, code="e13"))
        with pytest.raises(ProviderFault, match="account: e13"):
            await future
        done = [(event.outcome, event.detail) for event in stage.seen(LookupDone)]
        assert [("ok", ""), ("account", "e13")] == done

    play(scene)


def test_a_postback_that_fails_fails_the_number() -> None:
    async def scene() -> None:
        post = Post()
        _, future = await posting(post)
        post.expected["j1"].set_exception(ProviderFault("shed", "closing"))
        with pytest.raises(ProviderFault, match="shed"):
            await future

    play(scene)


def test_closing_ends_who_waits_for_a_postback() -> None:
    async def scene() -> None:
        stage, future = await posting(Post())
        await stage.batcher.close()
        with pytest.raises(ProviderFault, match="shed: cut off"):
            await future
        assert 0 == stage.batcher.busy

    play(scene)
