"""What a router goes by: the last news of trunks, for as long as they are news."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from agi.desk import Desk
from agi.errors import UsageError
from agi.model import Action, Decision
from agi.outlook import Outlook, Rung, Stood, news_of
from agi.routing.choose import decide
from agi.routing.prospect import Prospect
from agi.routing.standing import Standing, State
from agi.routing.table import Table
from tests.routing.making import CONTEXT, NOTHING_FOUND, compiled
from tests.test_router import Rig as RouterRig

WALL = 1_795_000_000.0
TRUNKS = "trunk,max_calls\na,\nb,3\n"
PLAIN = compiled("default,,,,,,,a > b\n")
LIMITED = compiled("default,,,,,,,a > b\n", TRUNKS)
PICKING = compiled("default,a b,quality\n", header="rule,trunks,pick\n")


class Rig:
    """An outlook with a clock of the test's own."""

    def __init__(self, table: Table = PLAIN) -> None:
        self.now = 1_000.0
        self.outlook = Outlook(clock=lambda: self.now, wall=lambda: WALL + self.now)
        self.outlook.use(table)

    def heard(self, **standings: Stood) -> None:
        self.outlook.heard(standings)

    def standing(self, trunk: str) -> Standing | None:
        prospect = self.outlook.prospect()
        return None if prospect is None else prospect.standing(trunk)


def went(table: Table, prospect: Prospect | None) -> Decision:
    return decide(table, CONTEXT, NOTHING_FOUND, lambda: 0.0, "id", prospect=prospect)


def test_while_every_trunk_is_up_no_call_asks() -> None:
    rig = Rig()
    assert (False, None) == (rig.outlook.busy, rig.outlook.prospect())
    rig.heard(a=Stood(State.UP, quality=0.9, calls=3), b=Stood(State.UP))
    assert (False, None) == (rig.outlook.busy, rig.outlook.prospect())
    rig.heard(a=Stood(State.DEGRADED), b=Stood(State.UP))
    assert rig.outlook.busy
    assert Standing(State.DEGRADED) == rig.standing("a")
    rig.heard()
    assert not rig.outlook.busy


@pytest.mark.parametrize("table", [LIMITED, PICKING])
def test_a_table_that_limits_or_picks_by_quality_asks_as_soon_as_there_are_news(
    table: Table,
) -> None:
    rig = Rig(table)
    assert not rig.outlook.busy
    rig.heard(a=Stood(State.UP, quality=0.9, calls=3))
    assert Standing(State.UP, quality=0.9, calls=3) == rig.standing("a")
    rig.outlook.use(PLAIN)
    assert not rig.outlook.busy
    rig.outlook.use(table)
    assert rig.outlook.busy


def test_old_news_are_no_news() -> None:
    rig = Rig(LIMITED)
    rig.heard(a=Stood(State.DOWN), b=Stood(State.UP, calls=3))
    rig.now += 14.9
    assert rig.standing("a") is not None
    rig.now += 0.1
    assert None is rig.standing("a")
    assert not rig.outlook.busy


def test_a_pin_outlives_its_news_and_ends_when_it_says() -> None:
    rig = Rig(LIMITED)
    ends = WALL + rig.now + 60
    rig.heard(
        a=Stood(State.DOWN, pinned=True, quality=0.4, calls=7, why="works", until=ends),
        b=Stood(State.DOWN),
    )
    assert Standing(State.DOWN, pinned=True, quality=0.4, calls=7, why="works") == rig.standing("a")
    rig.now += 59.9
    # What was counted a minute ago is no count any more.
    assert Standing(State.DOWN, pinned=True, why="works") == rig.standing("a")
    assert None is rig.standing("b")
    rig.now += 0.1
    assert (None, False) == (rig.outlook.prospect(), rig.outlook.busy)


def test_a_pin_ends_in_time_while_news_still_count() -> None:
    rig = Rig()
    rig.heard(a=Stood(State.DOWN, pinned=True, until=WALL + rig.now + 5), b=Stood(State.TRIAL))
    rig.now += 5
    assert [None, Standing(State.TRIAL)] == [rig.standing("a"), rig.standing("b")]


def test_a_pin_without_an_end_lasts_while_news_come() -> None:
    rig = Rig()
    rig.heard(a=Stood(State.DOWN, pinned=True))
    rig.now += 14
    assert rig.standing("a") is not None
    rig.now += 1
    assert None is rig.standing("a")


def test_an_end_belongs_to_a_pin_only() -> None:
    rig = Rig()
    rig.heard(a=Stood(State.DOWN, until=WALL + rig.now + 600))
    rig.now += 15
    assert None is rig.outlook.prospect()


def test_calls_sent_since_the_last_news_fill_a_trunk() -> None:
    table = compiled("default,,,,,,,b > a\n", TRUNKS)
    rig = Rig(table)
    rig.heard(b=Stood(State.UP, calls=1))
    for expected in ("b", "b", "a", "a"):
        made = went(table, rig.outlook.prospect())
        assert expected == made.hops[0].trunk
        rig.outlook.sent(made)
    rig.heard(b=Stood(State.UP, calls=2))
    assert "b" == went(table, rig.outlook.prospect()).hops[0].trunk


def test_calls_are_counted_only_where_a_table_asks_for_it() -> None:
    rig = Rig(LIMITED)
    only_b = compiled("default,,,,,,,b\n", TRUNKS)
    rig.heard(b=Stood(State.UP, calls=2))
    rig.outlook.use(PLAIN)
    rig.outlook.sent(went(only_b, None))
    rig.outlook.use(only_b)
    assert Action.ROUTE is went(only_b, rig.outlook.prospect()).action
    rig.outlook.sent(went(only_b, None))
    rejected = went(only_b, rig.outlook.prospect())
    assert Action.REJECT is rejected.action
    rig.outlook.sent(rejected)


def test_the_state_says_what_is_not_as_usual_and_how_old_the_news_are() -> None:
    rig = Rig()
    assert {"heard_s": None, "fresh": False, "trunks": {}} == rig.outlook.state()
    rig.heard(a=Stood(State.DOWN, why="5 failures in a row"), b=Stood(State.UP))
    rig.now += 2
    trouble = {"state": "down", "pinned": False, "why": "5 failures in a row"}
    assert {"heard_s": 2.0, "fresh": True, "trunks": {"a": trouble}} == rig.outlook.state()
    rig.now += 20
    assert {"heard_s": 22.0, "fresh": False, "trunks": {}} == rig.outlook.state()


def test_news_are_read_as_they_come_over_the_control_socket() -> None:
    said = {
        "peer": 0,
        "standings": {
            "a": {
                "state": "down",
                "pinned": True,
                "quality": 0.5,
                "calls": 3,
                "why": "x",
                "until": 9,
            },
            "b": {"state": "up"},
        },
        "ladder": {"level": 2, "until": 17.5, "why": "y"},
    }
    news = news_of(said)
    assert Stood(State.DOWN, True, 0.5, 3, "x", 9.0) == news.standings["a"]
    assert Standing(State.UP) == news.standings["b"].standing()
    assert Rung(2, 17.5, "y") == news.ladder
    assert None is news_of({"standings": {}, "ladder": None}).ladder


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"standings": {"a": {"state": "gone"}}},
        {"standings": {"a": {"state": "up", "quality": 1.5}}},
        {"standings": {"a": {"state": "up", "calls": -1}}},
        {"standings": {"a": {"state": "up", "color": "red"}}},
        {"standings": {}, "ladder": {"level": 4, "until": 1.0, "why": ""}},
        {"standings": {}, "ladder": {"level": 1}},
    ],
)
def test_what_cannot_be_news_is_refused_and_changes_nothing(said: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="no news of trunks"):
        news_of(said)


# The router, and what people ask it.


def test_a_router_goes_by_the_news_and_notes_what_they_did() -> None:
    rig = RouterRig(compiled("default,,,,,,,a > b > c\n"))
    assert "abc" == "".join(hop.trunk for hop in rig.call("07788450450").hops)
    assert () == rig.desk.noted[-1].closed
    rig.router.heed(
        news_of(
            {
                "standings": {
                    "a": {"state": "down", "why": "5 failures in a row"},
                    "b": {"state": "down", "pinned": True, "until": 1_795_000_100.0},
                }
            }
        )
    )
    assert "ca" == "".join(hop.trunk for hop in rig.call("07788450450").hops)
    assert {"a=down", "b=pinned"} == set(rig.desk.noted[-1].closed)
    rig.router.heed(news_of({"standings": {}}))
    assert "abc" == "".join(hop.trunk for hop in rig.call("07788450450").hops)


def test_a_router_keeps_a_trunk_within_its_calls_at_once_and_its_calls_per_second() -> None:
    trunks = "trunk,max_calls,cps\na,2,\nb,,1\nc,,\n"
    rig = RouterRig(compiled("default,,,,,,,a > b > c\n", trunks))
    rig.router.heed(news_of({"standings": {"a": {"state": "up", "calls": 1}}}))
    went_to = [rig.call("07788450450").hops[0].trunk for _ in range(4)]
    assert ["a", "b", "c", "c"] == went_to
    assert {"a=full", "b"} == set(rig.desk.noted[-1].closed)


def test_the_ladders_pin_comes_and_goes_with_the_news() -> None:
    rig = RouterRig(compiled("default,,,,,,,a\n"))
    pin = {"level": 2, "until": 1_795_000_100.0, "why": "wrong answers"}
    rig.router.heed(news_of({"standings": {}, "ladder": pin}))
    assert 2 == rig.router.ladder.level
    rig.router.heed(news_of({"standings": {}, "ladder": None}))
    assert 0 == rig.router.ladder.level


def test_the_control_socket_takes_news_and_explains_by_them() -> None:
    rig = RouterRig(compiled("default,,,,,,,a > b\n"))
    desk = Desk(rig.router, clock=rig.clock, report=dict, reload=_never, switch=_never)
    pushed = {"peer": 0, "standings": {"a": {"state": "down", "why": "5 failures in a row"}}}
    assert desk.health == desk.handlers["health"]
    assert {} == asyncio.run(desk.health(pushed))
    asked = {"number": "07788450450", "peer": 0}
    answer: Any = asyncio.run(desk.explain(asked))
    assert ["b", "a"] == [hop["trunk"] for hop in answer["decision"]["trunks"]]
    first_tier = answer["tiers"][0]["trunks"][0]
    assert "down, behind the others (5 failures in a row)" == first_tier["health"]


async def _never(*_: object) -> dict[str, object]:
    raise AssertionError
