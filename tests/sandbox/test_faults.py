"""Orders are read, taken in their order of precedence, and spoil only what they concern."""

import pytest

from agi.errors import UsageError
from agi.sandbox.desk import Desk
from agi.sandbox.faults import Line, Order, Trouble, neighbour, parse_order, spoil

HANG = Order(Trouble.HANG)
RESET = Order(Trouble.RESET)
LINES = [Line("447788450450", "23415"), Line("447973100100", "ERR1")]
FIRST = frozenset({"447788450450"})


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("hang", Order(Trouble.HANG)),
        ("slow:3000", Order(Trouble.SLOW, 3000)),
        ("drip", Order(Trouble.DRIP)),
        ("drip:5", Order(Trouble.DRIP, 5)),
        ("http-429:-1", Order(Trouble.HTTP_429, -1)),
        ("http-429:315360000", Order(Trouble.HTTP_429, 315_360_000)),
        ("http-429:date", Order(Trouble.HTTP_429, word="date")),
        ("redirect:file", Order(Trouble.REDIRECT, word="file")),
        ("network:26201", Order(Trouble.NETWORK, word="26201")),
        ("hostile:9", Order(Trouble.HOSTILE, 9)),
    ],
)
def test_an_order_reads_as_a_person_writes_it(text: str, order: Order) -> None:
    assert order == parse_order(text)
    assert text == str(order)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("hnag", "write one of: slow, hang, drip"),
        ("", "write one of"),
        ("hang:3", "hang takes no amount"),
        ("slow", "slow needs its milliseconds: slow:3000"),
        ("slow:", "slow takes a whole number from 0 to 60000"),
        ("slow:60001", "slow takes a whole number from 0 to 60000"),
        ("slow:\u0663", "slow takes a whole number"),
        ("http-429:soon", "or one of: date, garbage"),
        ("redirect:3", "redirect takes one of: host, port, file"),
        ("network", "network needs 5 or 6 digits: network:26201"),
        ("network:x", "network needs 5 or 6 digits"),
        ("hostile:10", "hostile takes a whole number from 0 to 9"),
        ("down", "down needs its seconds: down:5"),
        ("drip:0", "drip takes a whole number from 1 to 1000"),
        ("http-429:10000000000", "http-429 takes a whole number"),
    ],
)
def test_a_wrong_order_says_what_would_be_right(text: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_order(text)
    assert hint in str(caught.value)


def test_an_order_for_the_next_requests_ends_after_so_many() -> None:
    desk = Desk()
    desk.order_next(HANG, 2)
    taken = [desk.take(["1"])[0] for _ in range(3)]
    assert [HANG, HANG, None] == taken


def test_the_next_requests_go_before_all_and_all_before_a_number() -> None:
    desk = Desk({"1": RESET})
    desk.order_all(Order(Trouble.EMPTY))
    desk.order_next(HANG, 1)
    taken = [desk.take(["1"])[0] for _ in range(2)]
    desk.order_all(None)
    taken.append(desk.take(["1"])[0])
    assert [HANG, Order(Trouble.EMPTY), RESET] == taken


def test_a_numbers_order_concerns_only_that_number_of_a_batch() -> None:
    desk = Desk()
    desk.order_number("2", RESET)
    assert (RESET, frozenset({"2"})) == desk.take(["1", "2", "3"])
    assert desk.take(["1", "3"])[0] is None
    desk.order_number("2", None)
    assert desk.take(["2"])[0] is None


def test_clearing_leaves_the_orders_that_the_file_gave() -> None:
    desk = Desk({"1": RESET})
    desk.order_all(HANG)
    desk.order_number("1", HANG)
    desk.order_number("2", HANG)
    desk.clear()
    assert RESET == desk.take(["1"])[0]
    assert desk.take(["2"])[0] is None


def test_the_orders_in_force_are_told_without_numbers() -> None:
    desk = Desk()
    nothing = {"next": None, "left": 0, "all": None, "percent": None, "numbers": 0}
    assert nothing | {"apis": {}} == desk.standing()
    desk.order_next(Order(Trouble.SLOW, 5), 3)
    desk.order_all(HANG)
    desk.order_number("447788450450", RESET)
    expected = {"next": "slow:5", "left": 3, "all": "hang", "percent": 100, "numbers": 1}
    desk.order_next(RESET, 2, "lanck")
    lanck = nothing | {"next": "reset", "left": 2}
    assert expected | {"apis": {"lanck": lanck}} == desk.standing()


def test_a_neighbour_differs_in_its_last_digit_alone() -> None:
    assert "447788450451" == neighbour("447788450450")
    assert "447788450450" == neighbour("447788450459")


@pytest.mark.parametrize(
    ("trouble", "expected"),
    [
        (Trouble.MISSING_LINE, []),
        (Trouble.WRONG_NUMBER, ["447788450451 23415"]),
        (Trouble.EXTRA_LINE, ["447788450450 23415", "447788450451 23499"]),
        (Trouble.DUPLICATE, ["447788450450 23415", "447788450450 23415"]),
        (Trouble.CONFLICT, ["447788450450 23415", "447788450450 23499"]),
        (Trouble.NON_ASCII, ["447788450450 2341\u0665"]),
        (Trouble.BAD_UTF8, ["447788450450 23415\udcff\udcfe"]),
        (Trouble.HANG, ["447788450450 23415"]),
    ],
)
def test_only_the_lines_concerned_are_spoiled(trouble: Trouble, expected: list[str]) -> None:
    lines = spoil(LINES, Order(trouble), FIRST)
    assert [*expected, "447973100100 ERR1"] == [f"{line.number} {line.code}" for line in lines]


def test_nothing_ordered_spoils_nothing() -> None:
    assert LINES == spoil(LINES, None, FIRST)


def test_a_line_shows_no_number() -> None:
    assert "4477" not in repr(LINES)


def test_an_order_for_one_api_leaves_the_others_alone_and_goes_first() -> None:
    desk = Desk()
    desk.order_all(RESET)
    desk.order_all(HANG, "lanck")
    assert [HANG, RESET] == [desk.take(["1"], api)[0] for api in ("lanck", "npl")]
    desk.order_next(Order(Trouble.EMPTY), 1, "npl")
    assert [HANG, Order(Trouble.EMPTY)] == [desk.take(["1"], api)[0] for api in ("lanck", "npl")]
    desk.order_all(None)
    desk.order_all(None, "lanck")
    desk.order_number("1", HANG, "npl")
    assert [None, HANG] == [desk.take(["1"], api)[0] for api in ("lanck", "npl")]
    desk.order_number("1", None, "npl")
    assert desk.take(["1"], "npl")[0] is None


def test_f21_a_percentage_is_spread_evenly() -> None:
    desk = Desk()
    desk.order_all(HANG, percent=30)
    struck = [desk.take(["1"])[0] is HANG for _ in range(20)]
    assert 6 == sum(struck)
    assert 3 == sum(struck[:10])


def test_f24_a_flap_strikes_in_every_second_span() -> None:
    desk = Desk()
    desk.order_all(Order(Trouble.FLAP, 5), "lanck", now=100.0)
    instants = (100.0, 104.9, 105.0, 109.9, 110.0, 115.0)
    struck = [desk.take(["1"], "lanck", now)[0] is not None for now in instants]
    assert [False, False, True, True, False, True] == struck
