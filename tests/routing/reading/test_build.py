"""What only shows when rows are seen together: strangers, doubles, the default, groups, sets."""

from __future__ import annotations

from pathlib import Path

import pytest

from agi.errors import Fault, TableError
from agi.routing.reading.files import load
from agi.routing.rule import Cell, Tier
from tests.routing.making import EMERGENCY, ROUTES, loaded, places, write

# Rows of a test stand from line 3 on: header, emergency row, rows, default.
TWO = "trunk\na\nb\n"


def faults_of(directory: Path, routes: str, trunks: str = TWO, **more: str) -> tuple[Fault, ...]:
    with pytest.raises(TableError) as caught:
        loaded(directory, routes, trunks, **more)
    return caught.value.faults


def faults_of_directory(directory: Path) -> tuple[Fault, ...]:
    with pytest.raises(TableError) as caught:
        load(directory, 1)
    return caught.value.faults


def test_a_rule_that_names_a_faulty_set_is_no_second_default(tmp_path: Path) -> None:
    networks = "set,mccmnc\nee,!23430\n"
    (fault,) = faults_of(tmp_path, "one,,@ee,,,,,a\n", networks=networks)
    assert f"{tmp_path}/networks.csv:2:2" in str(fault)


def test_two_rules_that_tie_are_both_named_with_their_places(tmp_path: Path) -> None:
    (fault,) = faults_of(tmp_path, "one,,23415,,,,,a\ntwo,,234-15,,,,,b\n")
    assert [("routes.csv", 4)] == [place[:2] for place in places([fault])]
    for words in (f"{tmp_path}/routes.csv:3", f"{tmp_path}/routes.csv:4", "one", "two"):
        assert words in str(fault)


def test_ties_are_found_beside_other_faults(tmp_path: Path) -> None:
    faults = faults_of(tmp_path, "one,,23415,,,,,a\ntwo,,23415,,,,,zz\nx,y,,,,,,a\n")
    assert {4, 5} == {fault.line for fault in faults}
    assert 3 == len(faults)


@pytest.mark.parametrize("priority", ["", "5"])
def test_a_second_default_route_is_one_fault_that_names_the_first(
    tmp_path: Path, priority: str
) -> None:
    (fault,) = faults_of(tmp_path, f"other,{priority},,,,,,b\n")
    assert [("routes.csv", 4, 1)] == places([fault])
    assert f"a second default route: 'other' ({tmp_path}/routes.csv:3)" in fault.what
    assert "any call" in fault.what


@pytest.mark.parametrize(
    "other",
    ["1,23415,44,GB,,", ",23410,44,GB,,", ",23415,447,GB,,", ",23415,44,,,", ",23415,,GB,,"],
)
def test_rules_that_differ_in_one_cell_do_not_tie(tmp_path: Path, other: str) -> None:
    table = loaded(tmp_path, f"one,,23415,44,GB,,,a\ntwo,{other},a\n").table
    assert {"one", "two", "sos", "default"} == {rule.name for rule in table.rules}


def test_names_of_rules_and_trunks_stand_once(tmp_path: Path) -> None:
    faults = faults_of(tmp_path, "x,,,1,,,,a\nx,,,2,,,,b\n", "trunk\na\nb\na\n")
    assert [("routes.csv", 4, 1), ("trunks.csv", 4, 1)] == places(faults)
    assert f"{tmp_path}/routes.csv:3" in faults[0].what
    assert f"{tmp_path}/trunks.csv:2" in faults[1].what


def test_f41_an_unknown_trunk_is_named_with_the_nearest_one(tmp_path: Path) -> None:
    (fault,) = faults_of(tmp_path, "x,,,1,,,,vodaphone > a\n", "trunk\na\nvodafone\n")
    assert [("routes.csv", 3, 8)] == places([fault])
    assert "unknown trunk 'vodaphone'; did you mean 'vodafone'?" in fault.what


def test_an_unknown_trunk_of_a_group_is_told_once_where_the_group_stands(tmp_path: Path) -> None:
    rows = "x,,,1,,,,@pool\ny,,,2,,,,@pool\n"
    (fault,) = faults_of(tmp_path, rows, groups="group,trunks\npool,a zz\n")
    assert [("groups.csv", 2, 2)] == places([fault])
    assert "unknown trunk 'zz'" in fault.what


def test_a_faulty_trunk_row_does_not_make_its_trunk_unknown(tmp_path: Path) -> None:
    faults = faults_of(tmp_path, "x,,,1,,,,b\n", "trunk,ring_s\na,\nb,soon\n")
    assert [("trunks.csv", 3, 2)] == places(faults)


def test_a_faulty_rule_still_has_its_trunks_and_its_name_checked(tmp_path: Path) -> None:
    faults = faults_of(tmp_path, "x,,,1,,,,b:0 c\nx,,,y,,,,a !!\n")
    expected = [("routes.csv", 3, 8), ("routes.csv", 3, 8), ("routes.csv", 4, 1)]
    assert [*expected, ("routes.csv", 4, 4), ("routes.csv", 4, 8)] == places(faults)


def test_f41_a_table_without_a_default_route_is_refused(tmp_path: Path) -> None:
    write(tmp_path, trunks="trunk\na\n", routes=ROUTES + EMERGENCY + "gb,,,,GB,,,a\n")
    (fault,) = faults_of_directory(tmp_path)
    assert [("routes.csv", 0, 0)] == places([fault])
    assert "no default route" in fault.what


def test_a_faulty_row_may_have_been_the_default_so_nothing_is_said_of_it(tmp_path: Path) -> None:
    write(tmp_path, trunks="trunk\na\n", routes=ROUTES + EMERGENCY + "default,x,,,,,,a\n")
    assert [("routes.csv", 3, 2)] == places(faults_of_directory(tmp_path))


def test_an_emergency_rule_needs_an_enabled_trunk(tmp_path: Path) -> None:
    (fault,) = faults_of(tmp_path, "x,,,=112,,emergency,,off\n", "trunk,enabled\na,yes\noff,no\n")
    assert [("routes.csv", 3, 8)] == places([fault])


def test_sets_groups_and_calendars_are_spelt_out(tmp_path: Path) -> None:
    header = "rule,mccmnc,when,trunks\n"
    write(
        tmp_path,
        trunks="trunk,cps\na,3\nb,\n",
        networks="set,mccmnc\nuk,234-15\nuk,235\nspare,208\n",
        groups="group,trunks\nall,@some\nsome,b:2\nidle,a\n",
        calendars="calendar,date\nbank,2026-12-25\nold,2026-12-25\n",
        routes=header + "x,@uk,@bank,a > @all!\ndefault,,,a\n",
    )
    found = load(tmp_path, 7, "Europe/London")
    assert ("Europe/London", "000007-") == (found.compiled.timezone, found.compiled.version[:7])
    rule = next(rule for rule in found.compiled.rules if rule.name == "x")
    assert Cell(("23415", "235")) == rule.mccmnc
    assert ("2026-12-25",) == rule.when[0].dates
    assert (Tier((("a", 1),)), Tier((("b", 2),), last_resort=True)) == rule.tiers
    assert {"a": 3, "b": 0} == {trunk.name: trunk.cps for trunk in found.compiled.trunks}
    unused = {(Path(w.file).name, w.line) for w in found.warnings if "uses the" in w.what}
    assert {("networks.csv", 4), ("groups.csv", 4), ("calendars.csv", 3)} == unused


def test_a_set_that_only_the_policy_names_is_used(tmp_path: Path) -> None:
    found = loaded(
        tmp_path,
        "b,,,1,,,,b c d\n",
        networks="set,mccmnc\nuk,234-15\n",
        policy="prefix,mccmnc,action\n44,@uk,nodip\n",
    )
    assert not any("the set 'uk'" in warning.what for warning in found.warnings)


def test_a_calendar_of_the_past_is_told_when_the_day_is_known(tmp_path: Path) -> None:
    write(
        tmp_path,
        trunks="trunk\na\n",
        calendars="calendar,date\nbank,2026-12-25\n",
        routes="rule,when,line,trunks\nx,@bank,,a\nsos,,emergency,a\ndefault,,,a\n",
    )
    assert not any("past" in warning.what for warning in load(tmp_path, 1).warnings)
    assert any("past" in w.what for w in load(tmp_path, 1, "UTC", "2027-01-01").warnings)
