"""What stops a call, a lookup or a trunk because there were too many, and what never is stopped."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from agi.brakes import REMEMBERED, Brakes, Refusal
from agi.e164 import NumberingPlan
from agi.metrics import Metrics
from agi.model import Action, CallContext, Decision, Dialled, Hop, Kind, Msisdn, NumberInfo, Source
from agi.routing.table import Table
from tests.routing.making import BRITISH, CONTEXT, DEFAULT, compiled

LIMITS = "account,prefix,level,calls,lookups\n"
CUBAN = CallContext(Dialled("005352123456", Kind.E164, Msisdn("5352123456"), "CU"), "sales")
EMERGENCY = CallContext(Dialled("999", Kind.EMERGENCY), "sales")


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def brakes(table: Table, clock: Clock | None = None) -> Brakes:
    return Brakes(table, Metrics(), clock or Clock())


def limited(rows: str) -> Table:
    return compiled(DEFAULT, limits=LIMITS + rows)


def decision(trunk: str) -> Decision:
    hops = (Hop(trunk, trunk, "PJSIP", "1", 60),)
    route = Action.ROUTE
    return Decision(
        "1", route, hops, None, Source.LIVE, "ok", "r", "t", NumberInfo(), None, "", None
    )


def test_a_table_that_limits_nothing_stops_nothing() -> None:
    free = brakes(compiled(DEFAULT))
    assert [None] * 1_000 == [free.stopped(CUBAN, 0) for _ in range(1_000)]
    assert free.may_dip(CUBAN)
    assert free.spent() is None
    assert [] == free.meters.drain()


def test_a31_a_call_over_a_limit_is_rejected_with_21_and_the_limits_line() -> None:
    one = brakes(limited(",53,block,3,\n"))
    assert [None] * 3 == [one.stopped(CUBAN, 0) for _ in range(3)]
    assert Refusal(21, "velocity", "limits-2") == one.stopped(CUBAN, 0)
    assert one.stopped(CONTEXT, 0) is None


def test_a40_a_call_that_comes_back_is_rejected_with_25_and_an_emergency_never() -> None:
    free = brakes(compiled(DEFAULT))
    assert Refusal(25, "loop") == free.stopped(CUBAN, 1)
    assert Refusal(25, "loop") == free.stopped(CallContext(Dialled("1471", Kind.SHORT)), 9)
    assert free.stopped(EMERGENCY, 9) is None


def test_emergency_and_short_numbers_are_never_counted() -> None:
    one = brakes(limited(",,country,1,\n"))
    short = CallContext(Dialled("1471", Kind.SHORT))
    for context in (EMERGENCY, short):
        assert [None] * 5 == [one.stopped(context, 0) for _ in range(5)]
    assert [] == one.meters.drain()


def test_too_many_digits_do_not_hide_a_number_from_its_limit() -> None:
    one = brakes(limited(",53,country,1,\n"))
    long = CallContext(Dialled("0053521234567890123", Kind.INVALID, Msisdn("53521234567890123")))
    unread = CallContext(Dialled("0000", Kind.INVALID))
    assert one.stopped(long, 0) is None
    assert Refusal(21, "velocity", "limits-2") == one.stopped(long, 0)
    assert one.stopped(unread, 0) is None


def test_a31_a_sign_behind_a_number_does_not_hide_it_from_its_limit() -> None:
    one = brakes(limited(",53,block,3,\n"))
    hidden = Dialled("005352123456#", Kind.INVALID, meant=Msisdn("5352123456"))
    told = [one.stopped(CallContext(hidden, "sales"), 0) for _ in range(4)]
    assert [None, None, None, Refusal(21, "velocity", "limits-2")] == told


def test_a31_digits_that_are_too_many_are_no_other_number_each_time() -> None:
    one, plan = brakes(limited(",33,number,15,\n")), NumberingPlan("GB", ())
    calls = [plan.understand(f"0033612345678{more:06d}") for more in range(200)]
    assert 15 == sum(one.stopped(CallContext(call, "sales"), 0) is None for call in calls)


def test_an_accounts_calls_of_a_second_are_shed_with_42_and_those_of_the_next_are_not() -> None:
    clock = Clock()
    table = compiled(DEFAULT)
    one = Brakes(with_paces(table, {"sales": 2, "": 1}), Metrics(), clock)
    assert [None, None, Refusal(42, "shed")] == [one.stopped(CUBAN, 0) for _ in range(3)]
    assert [None, Refusal(42, "shed")] == [one.stopped(CONTEXT, 0) for _ in range(2)]
    assert one.stopped(EMERGENCY, 0) is None
    clock.now += 1.0
    assert one.stopped(CUBAN, 0) is None


def with_paces(table: Table, cps: dict[str, int]) -> Table:
    return Table(replace(table.compiled, account_cps=cps))


def test_beyond_a_limit_of_lookups_one_in_ten_is_made_and_the_others_are_counted() -> None:
    metrics = Metrics()
    one = Brakes(limited(",53,number,,1\n"), metrics, Clock())
    made = [one.may_dip(CUBAN) for _ in range(21)]
    assert made[0]
    assert 2 == sum(made[1:])
    assert 18 == metrics.avoided["limit"]
    assert one.may_dip(CONTEXT)
    assert one.may_dip(CallContext(Dialled("0000", Kind.INVALID)))


def test_a_trunk_over_its_calls_per_second_is_passed_over_and_named() -> None:
    clock = Clock()
    table = compiled(DEFAULT, trunks="trunk,cps\na,2\nb,\n")
    one = brakes(table, clock)
    for _ in range(2):
        spent = one.spent()
        assert spent is not None
        assert not spent(table.trunks["a"])
        one.take(decision("a"))
    spent = one.spent()
    assert spent is not None
    assert spent(table.trunks["a"])
    assert not spent(table.trunks["b"])
    assert ["a"] == spent.names
    clock.now += 1.0
    later = one.spent()
    assert later is not None
    assert not later(table.trunks["a"])


def test_a_trunk_that_the_table_does_not_know_any_more_is_charged_nothing() -> None:
    one = brakes(compiled(DEFAULT, trunks="trunk,cps\na,2\n"))
    one.take(decision("gone"))
    assert [] == one.meters.drain()


def test_a_reload_changes_the_limits_and_not_the_counts() -> None:
    one = brakes(limited(",53,block,3,\n"))
    for _ in range(4):
        one.stopped(CUBAN, 0)
    one.use(compiled(DEFAULT))
    assert one.stopped(CUBAN, 0) is None
    one.use(limited(",53,block,2,\n"))
    assert Refusal(21, "velocity", "limits-2") == one.stopped(CUBAN, 0)


def test_status_says_which_limit_trips_for_how_many_accounts_and_no_names() -> None:
    clock = Clock()
    one = brakes(limited(",53,block,1,\n,44,number,1,\n"), clock)
    other = CallContext(CUBAN.dialled, "support")
    for context in (CUBAN, CUBAN, CUBAN, other, other):
        one.stopped(context, 0)
    clock.now += 7.0
    expected: dict[str, Any] = {"limit": "limits-2", "level": "block", "accounts": 2, "calls": 3}
    assert [{**expected, "ago_s": 7.0}] == one.tripped()


def test_a29_no_number_of_accounts_makes_the_memory_of_trips_grow() -> None:
    one = brakes(limited(",,country,1,\n"))
    for account in range(REMEMBERED + 10):
        context = CallContext(BRITISH, f"a{account}")
        for _ in range(2):
            one.stopped(context, 0)
    assert [REMEMBERED] == [trip["accounts"] for trip in one.tripped()]
