"""A call of the past, decided again: by the tables of then, and beside them by those of now."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from agi import past
from agi.brownout.ladder import Ladder, Level
from agi.journal.archive import directory_of
from agi.journal.writer import open_journal
from agi.log import Silence
from agi.model import (
    CallContext,
    CallRequest,
    Decision,
    ErrorRule,
    Finding,
    Mccmnc,
    NumberInfo,
    Outcome,
    Source,
)
from agi.past import Missing
from agi.routing.choose import decide, refusal
from agi.routing.table import Table
from agi.routing.versions.audit import who_is
from agi.routing.versions.store import Store
from agi.settings import Journal as Settings
from tests.explained import PLAN, SATURDAY, SITE, compiled

WHO = who_is(os.getuid())
VODAFONE = Finding(Source.LIVE, "ok", NumberInfo(Mccmnc("23415")), 0.1, provider="npl")
MOVED = {**SITE, "routes.csv": SITE["routes.csv"].replace(b"uk-c > uk-a:7 uk-b:3", b"uk-b")}
RENAMED = {**SITE, "routes.csv": SITE["routes.csv"].replace(b"voda,", b"vodafone,")}
CALL = CallContext(PLAN.understand("07788450450"), "beta", "", SATURDAY)


def activate(state: Path, contents: Mapping[str, bytes]) -> Table:
    """Put tables in force; return them."""
    done = Store(state).activate(contents, compiled(contents), WHO, "a test", None, SATURDAY)
    return Table(done.compiled)


def call(
    state: Path,
    table: Table,
    number: int = 1,
    *,
    finding: Finding = VODAFONE,
    closed: tuple[str, ...] = (),
    context: CallContext = CALL,
    roll: float = 0.0,
    uniqueid: str = "1795262400.17",
) -> Decision:
    """Decide a call as a router does, and write it down."""
    made = decide(
        table, context, finding, lambda: roll, f"9f3a1c2e-{number:06x}",
        lambda trunk: trunk.name in closed,
    )  # fmt: skip
    write(state, made, finding, closed, context, uniqueid=uniqueid)
    return made


def write(
    state: Path,
    made: Decision,
    finding: Finding = VODAFONE,
    closed: tuple[str, ...] = (),
    context: CallContext = CALL,
    *,
    refused: bool = False,
    uniqueid: str = "1795262400.17",
) -> None:
    settings = Settings(retention_days=30)
    journal = open_journal(settings, state, plan=PLAN, wall=lambda: SATURDAY, log=Silence())
    request = CallRequest(context.dialled.digits, context.account, "", uniqueid)
    journal.note(context, request, finding, made, closed, refused)
    journal.close()


def told(state: Path, number: int = 1) -> dict[str, Any]:
    answer = past.of_id(state, f"9f3a1c2e-{number:06x}", 30)
    assert not isinstance(answer, Missing), answer
    assert answer == msgspec.json.decode(msgspec.json.encode(answer))
    return answer


def test_a_call_is_decided_again_by_the_table_in_force_still(tmp_path: Path) -> None:
    table = activate(tmp_path, SITE)
    call(tmp_path, table)
    answer = told(tmp_path)
    record = answer["record"]
    assert ("9f3a1c2e-000001", "1795262400.17", "voda", "route") == (
        record["id"], record["uniqueid"], record["rule"], record["action"],
    )  # fmt: skip
    assert ["uk-a", "uk-b", "long"] == [hop["trunk"] for hop in record["trunks"]]
    assert "2026-11-21T12:00:00.000+00:00" == record["at"]
    assert (True, True) == (answer["agrees"], answer["same_way"])
    assert "voda" == answer["then"]["steps"][-1]["rule"]
    assert table.version == answer["now"]["decision"]["table"]


def test_dice_that_fell_otherwise_are_the_same_decision(tmp_path: Path) -> None:
    table = activate(tmp_path, SITE)
    made = call(tmp_path, table, roll=0.99)
    assert "uk-b" == made.hops[0].trunk
    assert told(tmp_path)["agrees"] is True


def test_the_table_of_then_answers_beside_that_of_now(tmp_path: Path) -> None:
    old = activate(tmp_path, SITE)
    call(tmp_path, old)
    new = activate(tmp_path, MOVED)
    answer = told(tmp_path)
    assert [old.version, new.version] == [
        answer[when]["decision"]["table"] for when in ("then", "now")
    ]
    assert (True, False) == (answer["agrees"], answer["same_way"])
    assert "uk-b" == answer["now"]["tiers"][0]["trunks"][0]["trunk"]


def test_another_name_for_the_same_trunks_is_the_same_way(tmp_path: Path) -> None:
    call(tmp_path, activate(tmp_path, SITE))
    activate(tmp_path, RENAMED)
    answer = told(tmp_path)
    assert "vodafone" == answer["now"]["decision"]["rule"]
    assert answer["same_way"] is True


def test_the_call_keeps_its_own_time(tmp_path: Path) -> None:
    """A window that was shut then is shut in the explanation, whenever that is asked for."""
    sunday = replace(CALL, at=SATURDAY + 86_400)
    table = activate(tmp_path, SITE)
    call(tmp_path, table, finding=Finding(Source.DEFAULT, "timeout"), context=sunday)
    answer = told(tmp_path)
    assert "night" == answer["then"]["decision"]["rule"]
    assert "2026-11-22T12:00:00+00:00" == answer["then"]["at"]


def test_a_trunk_that_was_full_then_is_left_out_again(tmp_path: Path) -> None:
    table = activate(tmp_path, SITE)
    call(tmp_path, table, closed=("uk-b",))
    answer = told(tmp_path)
    assert answer["agrees"] is True
    assert ["uk-b"] == answer["record"]["closed"]
    left = {one["trunk"]: one["why"] for one in answer["then"]["left_out"]}
    assert {"uk-c": "disabled", "uk-b": "over its calls per second"} == left


def test_an_error_code_means_what_each_table_says_of_it(tmp_path: Path) -> None:
    code = ErrorRule("comcetera", "err1", Outcome.NOT_FOUND, False, 300, "default")
    header = b"provider,code,class,retry_elsewhere,negative_ttl_s,route\n"
    errors = header + b"comcetera,err1,not_found,no,300,default\n"
    table = activate(tmp_path, {**SITE, "errors.csv": errors})
    call(tmp_path, table, finding=Finding(Source.LIVE, "err1", rule=code, kind="comcetera"))
    activate(tmp_path, {**SITE, "errors.csv": errors.replace(b"default", b"reject:1")})
    answer = told(tmp_path)
    assert ("default", "route") == (
        answer["then"]["decision"]["rule"], answer["then"]["decision"]["action"],
    )  # fmt: skip
    assert ("errors.csv", 1) == (answer["now"]["decided_by"], answer["now"]["decision"]["cause"])
    assert (True, False) == (answer["agrees"], answer["same_way"])


def test_a_call_that_was_to_have_no_network_is_decided_again_without_one(tmp_path: Path) -> None:
    ranges = {**SITE, "ranges.csv": b"prefix,mccmnc\n44,23415\n"}
    table = activate(tmp_path, ranges)
    ladder = Ladder(lambda: 0.0, lambda: 0.0, wall=lambda: SATURDAY)
    ladder.pin(Level.DEFAULT, SATURDAY + 60, "answers are wrong")
    assert ladder.held is not None
    made = call(tmp_path, table, finding=ladder.held)
    answer = told(tmp_path)
    assert (made.rule, None) == (answer["then"]["decision"]["rule"], made.info.mccmnc)
    assert answer["agrees"] is True


def test_a_refused_call_was_no_tables_decision(tmp_path: Path) -> None:
    table = activate(tmp_path, SITE)
    made = refusal(table, CALL, 21, "velocity", "limits-2", "9f3a1c2e-000001")
    write(tmp_path, made, Finding(Source.POLICY, "nodip"), refused=True)
    answer = told(tmp_path)
    assert answer["record"]["refused"] is True
    assert ("reject", 21, "velocity", "limits-2") == tuple(
        answer["record"][name] for name in ("action", "cause", "reason", "rule")
    )
    assert answer["agrees"] is None


def test_a_record_that_its_table_contradicts_is_named(tmp_path: Path) -> None:
    table = activate(tmp_path, SITE)
    made = decide(table, CALL, VODAFONE, lambda: 0.0, "9f3a1c2e-000001")
    write(tmp_path, replace(made, hops=made.hops[:1]))
    assert told(tmp_path)["agrees"] is False
    write(tmp_path, replace(made, id="9f3a1c2e-000002", rule="default"))
    assert told(tmp_path, 2)["agrees"] is False


def test_a_table_that_was_deleted_is_named_and_the_one_of_now_still_answers(
    tmp_path: Path,
) -> None:
    old = activate(tmp_path, SITE)
    call(tmp_path, old)
    activate(tmp_path, MOVED)
    shutil.rmtree(tmp_path / "tables" / "versions" / old.version)
    answer = told(tmp_path)
    assert old.version in answer["then"]["why"]
    assert (None, None) == (answer["agrees"], answer["same_way"])
    assert "voda" == answer["now"]["decision"]["rule"]


def test_a_channel_that_asked_twice_shows_its_last_decision_and_names_the_other(
    tmp_path: Path,
) -> None:
    table = activate(tmp_path, SITE)
    call(tmp_path, table, 1, uniqueid="a.1")
    call(tmp_path, table, 2, uniqueid="a.1", context=replace(CALL, at=SATURDAY + 1))
    answer = past.of_call(tmp_path, "a.1", 30)
    assert not isinstance(answer, Missing)
    assert "9f3a1c2e-000002" == dict(answer)["record"]["id"]  # type: ignore[index] # JSON
    assert ["9f3a1c2e-000001"] == answer["earlier"]


def test_what_is_not_there_is_said_with_the_reasons_that_there_may_be(tmp_path: Path) -> None:
    assert "is empty" in why(tmp_path)
    call(tmp_path, activate(tmp_path, SITE), 7)
    assert "holds 2026-11-21 to 2026-11-21, of 30 days at most; another host" in why(tmp_path)
    (directory_of(tmp_path) / "2026-11-20.sqlite").write_bytes(b"damaged" * 99)
    assert "not readable: 2026-11-20.sqlite" in why(tmp_path)
    missing = past.of_call(tmp_path, "b.1", 30)
    assert isinstance(missing, Missing)
    assert missing.why.startswith("no decision for a channel with this unique id: ")
    assert "no record is kept" in why(tmp_path, days=0)


def why(state: Path, days: int = 30) -> str:
    missing = past.of_id(state, "9f3a1c2e-000001", days)
    assert isinstance(missing, Missing)
    assert missing.why.startswith("no decision with this id: ")
    return missing.why


def test_since_when_a_version_is_in_force_is_known_of_the_active_one_only(tmp_path: Path) -> None:
    assert "" == past.active_since(tmp_path, "000001-00000000")
    first = activate(tmp_path, SITE).version
    assert past.active_since(tmp_path, first).startswith("2026-11-21T12:00")
    activate(tmp_path, MOVED)
    assert "" == past.active_since(tmp_path, first)


@pytest.mark.parametrize("roll", [0.0, 0.5, 0.99])
def test_nine_of_eleven_trunks_by_dice_are_no_contradiction(tmp_path: Path, roll: float) -> None:
    names = [f"t{n}" for n in range(11)]
    table = activate(tmp_path, {
        "trunks.csv": ("trunk\n" + "\n".join(names) + "\n").encode(),
        "routes.csv": f"rule,trunks\ndefault,{' '.join(names)}\n".encode(),
    })  # fmt: skip
    made = call(tmp_path, table, roll=roll)
    assert 9 == len(made.hops)
    assert told(tmp_path)["agrees"] is True


def test_a_comment_stands_beside_the_policys_row(tmp_path: Path) -> None:
    table = activate(tmp_path, SITE)
    satellite = replace(CALL, dialled=PLAN.understand("00881612345678"))
    call(tmp_path, table, finding=Finding(Source.SKIPPED, "nodip"), context=satellite)
    answer = told(tmp_path)
    denied = {"action": "deny", "line": 2, "comment": "satellite"}
    assert {"before": denied, "after": denied} == answer["then"]["policy"]
    plain = {**answer["then"], "decision": {**answer["then"]["decision"], "table": "0-0"}}
    assert plain == past.with_comments(tmp_path, plain)
