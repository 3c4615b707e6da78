"""What only shows when rows are seen together: ties, strangers, the default, the unreachable."""

from __future__ import annotations

from pathlib import Path

import pytest

from agi.errors import Fault, TableError
from agi.routing.build import least_call
from agi.routing.files import load
from tests.routing.making import DEFAULT, EMERGENCY, ROUTES, compiled, loaded, places, write

# Rows of a test stand from line 3 on: header, emergency row, rows, default.


def faults_of(directory: Path, routes: str, trunks: str = "trunk\na\nb\n") -> tuple[Fault, ...]:
    with pytest.raises(TableError) as caught:
        loaded(directory, routes, trunks)
    return caught.value.faults


def warnings_of(directory: Path, routes: str, trunks: str = "trunk\na\n") -> tuple[Fault, ...]:
    return loaded(directory, routes, trunks).warnings


@pytest.mark.parametrize(
    ("cells", "call"),
    [
        (("0,23415,,,,", ",234-15,,,,"), "a call on network 23415"),
        (("5,234,447788450450,GB,,", "5,234,447788450450,GB,,"), "a call to +447788... on network"),
        ((",,=1471,,,", ",,=1471,,,"), "the dialled digits '1471'"),
        ((",,,GB,,", ",,,GB,,"), "a call in GB"),
        ((",,=112,,emergency,", ",,=112,,emergency,"), "an emergency call"),
    ],
)
def test_two_rules_that_tie_are_both_named_with_their_places_and_a_call(
    tmp_path: Path, cells: tuple[str, str], call: str
) -> None:
    (fault,) = faults_of(tmp_path, f"one,{cells[0]},a\ntwo,{cells[1]},b\n")
    assert [("routes.csv", 4, 1)] == places([fault])
    for words in (f"'one' ({tmp_path}/routes.csv:3)", f"'two' ({tmp_path}/routes.csv:4)", call):
        assert words in fault.what


def test_two_default_routes_tie(tmp_path: Path) -> None:
    (fault,) = faults_of(tmp_path, "other,,,,,,,b\n")
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


def test_an_unknown_trunk_is_named_with_the_nearest_one(tmp_path: Path) -> None:
    (fault,) = faults_of(tmp_path, "x,,,1,,,,vodaphone > a\n", "trunk\na\nvodafone\n")
    assert [("routes.csv", 3, 8)] == places([fault])
    assert "unknown trunk 'vodaphone'; did you mean 'vodafone'?" in fault.what


def test_a_faulty_trunk_row_does_not_make_its_trunk_unknown(tmp_path: Path) -> None:
    faults = faults_of(tmp_path, "x,,,1,,,,b\n", "trunk,ring_s\na,\nb,soon\n")
    assert [("trunks.csv", 3, 2)] == places(faults)


def test_a_faulty_rule_still_has_its_trunks_and_its_name_checked(tmp_path: Path) -> None:
    faults = faults_of(tmp_path, "x,,,1,,,,b:0 c\nx,,,y,,,,a !\n")
    expected = [("routes.csv", 3, 8), ("routes.csv", 3, 8), ("routes.csv", 4, 1)]
    assert [*expected, ("routes.csv", 4, 4), ("routes.csv", 4, 8)] == places(faults)


def test_a_table_without_a_default_route_is_refused(tmp_path: Path) -> None:
    write(tmp_path, trunks="trunk\na\n", routes=ROUTES + EMERGENCY + "gb,,,,GB,,,a\n")
    (fault,) = faults_of_directory(tmp_path)
    assert [("routes.csv", 0, 0)] == places([fault])
    assert "no default route" in fault.what


def test_a_faulty_row_may_have_been_the_default_so_nothing_is_said_of_it(tmp_path: Path) -> None:
    write(tmp_path, trunks="trunk\na\n", routes=ROUTES + EMERGENCY + "default,x,,,,,,a\n")
    assert [("routes.csv", 3, 2)] == places(faults_of_directory(tmp_path))


def faults_of_directory(directory: Path) -> tuple[Fault, ...]:
    with pytest.raises(TableError) as caught:
        load(directory, 1)
    return caught.value.faults


@pytest.mark.parametrize(
    ("routes", "trunks", "place", "words"),
    [
        ("", "trunk\na\nidle\n", ("trunks.csv", 3, 1), "no rule uses"),
        ("x,,,1,,,,off\n", "trunk,enabled\na,\noff,no\n", ("routes.csv", 3, 8), "are disabled"),
        ("x,,,1,,,,a > a\n", "trunk\na\n", ("routes.csv", 3, 8), "in several tiers"),
        ("low,1,,447,,,,a\nhi,2,,447,,,,a\n", "trunk\na\n", ("routes.csv", 3, 1), "never reached"),
        ("low,1,23415,447,,,,a\nhi,2,,44,,,,a\n", "trunk\na\n", ("routes.csv", 3, 1), "'hi' (line"),
        ("low,1,23415,,,,,a\nhi,2,234,,,,,a\n", "trunk\na\n", ("routes.csv", 3, 1), "'hi'"),
        ("low,-1,23415,,,,,a\n", "trunk\na\n", ("routes.csv", 3, 1), "'default'"),
        ("x,,,44,FR,,,a\n", "trunk\na\n", ("routes.csv", 3, 5), "FR begin with 33"),
        ("x,,,999,,,,a\n", "trunk\na\n", ("routes.csv", 3, 4), "no country calling code"),
    ],
)
def test_what_is_legal_and_probably_not_meant_is_a_warning(
    tmp_path: Path, routes: str, trunks: str, place: tuple[str, int, int], words: str
) -> None:
    (warning,) = warnings_of(tmp_path, routes, trunks)
    assert [place] == places([warning])
    assert warning.warning
    assert words in warning.what


@pytest.mark.parametrize(
    "routes",
    [
        "low,1,23415,,,,,a\nhi,2,,44,,,,a\n",
        "low,1,,44,,,,a\nhi,2,,447,,,,a\n",
        "low,1,234,,,,,a\nhi,2,23415,,,,,a\n",
        "low,1,,=1471,,,,a\nhi,2,,1471,,,,a\n",
        "x,,,4,GB,,,a\ny,,,447,GB,,,a\n",
        "x,,,12,US,,,a\ny,,,7,KZ,,,a\n",
        "x,,,88213,,,,a\n",
    ],
)
def test_rules_that_can_still_win_a_call_are_not_warned_of(tmp_path: Path, routes: str) -> None:
    assert () == warnings_of(tmp_path, routes)


def test_more_than_nine_trunks_are_a_warning(tmp_path: Path) -> None:
    names = [f"t{number}" for number in range(10)]
    trunks = "trunk\na\n" + "\n".join(names)
    (warning,) = warnings_of(tmp_path, f"x,,,1,,,,{' '.join(names)}\n", trunks)
    assert "10 trunks" in warning.what
    (warning,) = warnings_of(tmp_path, f"x,,,1,,,,{' '.join(names[1:])}\n", trunks)
    assert "no rule uses the trunk 't0'" == warning.what


@pytest.mark.parametrize(
    ("emergency", "default", "words"),
    [
        ("", DEFAULT, "emergency calls take the default route"),
        ("sos,,,=112,,emergency,,a\n", DEFAULT, "other emergency calls take"),
        ("gb,,,,GB,,,a\n", "default,,,,,,reject:21,\n", "REJECTS them"),
    ],
)
def test_emergency_calls_without_a_row_of_their_own_are_a_warning(
    tmp_path: Path, emergency: str, default: str, words: str
) -> None:
    write(tmp_path, trunks="trunk\na\n", routes=ROUTES + emergency + default)
    (warning,) = load(tmp_path, 1).warnings
    assert words in warning.what


def test_an_emergency_rule_needs_an_enabled_trunk(tmp_path: Path) -> None:
    (fault,) = faults_of(tmp_path, "x,,,=112,,emergency,,off\n", "trunk,enabled\na,yes\noff,no\n")
    assert [("routes.csv", 3, 8)] == places([fault])


def test_the_least_call_of_a_rule_is_matched_by_it() -> None:
    rows = "n,,23415,447,GB,,,a\nm,,234,44,,,,a\nd,,,=12,,,,a\ne,,,=9,,emergency,,a\n" + DEFAULT
    for rule in compiled(rows).rules:
        assert "" == rule.mismatch(least_call(rule))


def test_disabled_trunks_leave_the_tiers_and_single_members_leave_no_choice() -> None:
    table = compiled(
        "x,,,1,,,,a off > off > b\ny,,,2,,,,a b > off\ndefault,,,,,,,a\n",
        "trunk,enabled\na,\nb,\noff,no\n",
    )
    by_name = {rule.name: rule for rule in table.rules}
    assert ["a", "b"] == [trunk.name for trunk in by_name["x"].fixed or ()]
    assert by_name["y"].fixed is None
    assert ["a", "b"] == [trunk.name for trunk in by_name["y"].trunks]
