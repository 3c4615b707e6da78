"""An account's connections and its pace: who is refused is woken, in the order of asking."""

import asyncio
from collections.abc import Callable

import pytest

from agi.lookup.limits import TokenBucket
from agi.lookup.slots import Slots
from tests.lookup.making import instant, play


def slots(connections: int, rate: float = 0.0) -> Slots:
    return Slots(connections, TokenBucket(rate, 1), clock=instant)


class Wakes:
    """Who was woken, in order."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.calls: dict[str, Callable[[], None]] = {}

    def __call__(self, name: str) -> Callable[[], None]:
        return self.calls.setdefault(name, lambda: self.names.append(name))


def test_there_are_as_many_connections_as_the_account_allows() -> None:
    async def scene() -> None:
        two, wake = slots(2), Wakes()
        assert [True, True, False] == [two.take(wake(name)) for name in "abc"]
        assert (2, 2) == (two.busy, two.connections)

    play(scene)


def test_who_was_refused_is_woken_once_when_a_connection_is_given_back() -> None:
    async def scene() -> None:
        one, wake = slots(1), Wakes()
        one.take(wake("a"))
        for name in ("b", "c", "b"):
            assert not one.take(wake(name))
        one.release()
        assert ["b", "c"] == wake.names
        assert one.take(wake("b"))
        one.release()
        assert ["b", "c"] == wake.names

    play(scene)


def test_the_pace_wakes_who_it_refused_when_a_request_may_go() -> None:
    async def scene() -> None:
        paced, wake = slots(9, rate=4), Wakes()
        assert paced.take(wake("a"))
        assert [False, False] == [paced.take(wake("b")), paced.take(wake("c"))]
        assert 1 == paced.busy
        await asyncio.sleep(0.24)
        assert [] == wake.names
        await asyncio.sleep(0.02)
        assert ["b", "c"] == wake.names
        assert paced.take(wake("b"))

    play(scene)


@pytest.mark.parametrize(("ahead", "waits"), [(0, 0.25), (1, 0.5), (3, 1.0)])
def test_it_tells_how_long_the_pace_makes_one_wait(ahead: int, waits: float) -> None:
    async def scene() -> None:
        paced = slots(9, rate=4)
        paced.take(Wakes()("a"))
        assert waits == pytest.approx(paced.wait_s(ahead))

    play(scene)


def test_without_a_pace_nobody_waits_for_it() -> None:
    async def scene() -> None:
        assert 0.0 == slots(1).wait_s(1000)

    play(scene)


def test_nobody_is_woken_after_the_end() -> None:
    async def scene() -> None:
        paced, wake = slots(2, rate=4), Wakes()
        paced.take(wake("a"))
        paced.take(wake("b"))
        paced.close()
        await asyncio.sleep(1)
        paced.release()
        slots(1).close()
        assert [] == wake.names

    play(scene)
