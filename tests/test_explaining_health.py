"""An explanation says how the health of trunks changes a call, and changed one of the past."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from agi import past, views_explain
from agi.explaining import explain
from agi.journal.archive import directory_of
from agi.journal.writer import open_journal
from agi.log import Silence
from agi.model import CallContext, CallRequest, Finding, Source
from agi.past import Missing
from agi.routing.choose import decide
from agi.routing.prospect import Prospect
from agi.routing.standing import Standing, State
from agi.routing.table import Table
from agi.routing.versions.audit import who_is
from agi.routing.versions.store import Store
from agi.settings import Journal as Settings
from tests.explained import PLAN, SATURDAY, compiled

SITE = {
    "trunks.csv": b"trunk,max_calls\na,\nb,\nc,\nd,5\ne,\n",
    "routes.csv": b"rule,trunks,pick\ndefault,a b > c d > e,quality\n",
}
TABLE = Table(compiled(SITE))
CONTEXT = CallContext(PLAN.understand("07788450450"), "", "", SATURDAY)
FINDING = Finding(Source.DEFAULT, "timeout")
STANDINGS = {
    "a": Standing(State.DOWN, quality=0.2, why="5 failures in a row"),
    "b": Standing(State.UP, quality=0.9, why="5 attempts on trial went well"),
    "c": Standing(State.DOWN, pinned=True, why="maintenance"),
    "d": Standing(State.UP, calls=5),
    "e": Standing(State.TRIAL),
}
ID = "9f3a1c2e-000001"


def explained() -> dict[str, Any]:
    return explain(TABLE, CONTEXT, FINDING, prospect=Prospect(STANDINGS))


def test_it_says_how_each_trunk_stands_and_who_is_left_out_for_what() -> None:
    answer = explained()
    assert ["b", "e", "a"] == [hop["trunk"] for hop in answer["decision"]["trunks"]]
    told = {one["trunk"]: one["health"] for tier in answer["tiers"] for one in tier["trunks"]}
    expected = {
        "a": "down, behind the others (5 failures in a row)",
        "b": "",
        "e": "trial, behind the others for most calls",
    }
    assert expected == told
    left = {one["trunk"]: one["why"] for one in answer["left_out"]}
    assert {
        "c": "pinned down: maintenance",
        "d": "it has all the calls that it may have at once",
    } == left
    assert ["quality", "weight"] == [tier["pick"] for tier in answer["tiers"]]


def test_a_trunk_that_stays_where_it_is_though_it_is_down_says_why() -> None:
    standings = {name: Standing(State.DOWN, quality=0.1) for name in "abcde"}
    answer: dict[str, Any] = explain(TABLE, CONTEXT, FINDING, prospect=Prospect(standings))
    told = {one["trunk"]: one["health"] for tier in answer["tiers"] for one in tier["trunks"]}
    assert "down, in its place: half of the rule's trunks are out of theirs" == told["a"]
    assert "down, behind the others" == told["e"]


def test_without_news_nothing_is_said_of_health() -> None:
    answer: dict[str, Any] = explain(TABLE, CONTEXT, FINDING)
    assert {""} == {one["health"] for tier in answer["tiers"] for one in tier["trunks"]}


def test_people_read_it_below_the_trunks(capsys: pytest.CaptureFixture[str]) -> None:
    views_explain.now({**explained(), "since": "", "by": "this test"}, as_json=False)
    out = capsys.readouterr().out
    assert "a: down, behind the others (5 failures in a row)" in out
    assert "left out: c, pinned down: maintenance" in out
    assert "within a tier the best quality goes first" in out


def test_a_call_of_the_past_says_what_health_did_to_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = Store(tmp_path).activate(
        SITE, compiled(SITE), who_is(os.getuid()), "a test", None, SATURDAY
    )
    prospect = Prospect(STANDINGS)
    table = Table(done.compiled)
    made = decide(table, CONTEXT, FINDING, lambda: 0.0, ID, prospect=prospect)
    settings = Settings(retention_days=30)
    journal = open_journal(settings, tmp_path, plan=PLAN, wall=lambda: SATURDAY, log=Silence())
    request = CallRequest("07788450450", "", "", "1795262400.17")
    journal.note(CONTEXT, request, FINDING, made, tuple(prospect.notes))
    journal.close()
    assert list(directory_of(tmp_path).iterdir())
    answer = past.of_id(tmp_path, ID, 30)
    assert not isinstance(answer, Missing)
    record: Any = answer["record"]
    then: Any = answer["then"]
    assert [] == record["closed"]
    notes = {one["trunk"]: one["why"] for one in record["health"]}
    assert {"a": "down", "c": "pinned", "d": "full", "e": "trial"} == notes
    assert ["b", "e", "a"] == [hop["trunk"] for hop in then["decision"]["trunks"]]
    assert (True, True) == (answer["agrees"], answer["same_way"])
    views_explain.then(answer, as_json=False)
    out = capsys.readouterr().out
    assert "a then: down, so it stood behind the others" in out
    assert "d then: it had all the calls that it may have at once" in out
