"""Which rule wins: the contract's specificity, cell by cell and against a slow reference."""

from __future__ import annotations

import random

import pytest

from agi.errors import TableError
from agi.routing.table import Facts, Rule, Table
from tests.routing.making import compiled

CALL = Facts("07788450450", "447788450450", "GB", "23415")
UNKNOWN = Facts("07788450450", "447788450450", "GB", None)
NOBODY = Facts("12", None, "", None)


def winner(routes: str, facts: Facts) -> str:
    return compiled(routes + "default,-999999,,,,,,a\n").match(facts).name


@pytest.mark.parametrize(
    ("stronger", "weaker"),
    [
        ("r,1,,,,,,a", "r,0,23415,4477,GB,,,a"),
        ("r,,23415,,,,,a", "r,,234,447788450450,GB,,,a"),
        ("r,,23415,44,,,,a", "r,,23415,4,GB,,,a"),
        ("r,,,=07788450450,,,,a", "r,,,447788450450,GB,,,a"),
        ("r,,,44,,,,a", "r,,234,4,GB,,,a"),
        ("r,,,4,,,,a", "r,,234,,GB,,,a"),
        ("r,,234,,,,,a", "r,,,,GB,,,a"),
        ("r,,,,GB,,,a", "r,,,,,,,a"),
        ("r,,234,44,GB,,,a", "r,,234,44,,,,a"),
        ("r,,23415,,GB,,,a", "r,,23415,,,,,a"),
        ("r,-1,,,,,,a", "r,-2,23415,447788450450,GB,,,a"),
    ],
)
def test_the_cell_further_left_decides_whatever_stands_right_of_it(
    stronger: str, weaker: str
) -> None:
    both = [f"strong{stronger[1:]}\n", f"weak{weaker[1:]}\n"]
    assert "strong" == winner("".join(both), CALL)
    assert "strong" == winner("".join(reversed(both)), CALL)


@pytest.mark.parametrize("cells", ["234-15,,", "234,,", ",447788450450,", ",4,", ",=12,", ",,GB"])
def test_what_is_not_known_matches_only_an_empty_cell(cells: str) -> None:
    nobody = NOBODY if cells != ",=12," else Facts("13", None, "", None)
    assert "default" == winner(f"r,,{cells},,,a\n", nobody)


@pytest.mark.parametrize(
    ("cells", "facts"),
    [
        ("234-15,,", CALL),
        ("234,,", CALL),
        (",447788450450,", CALL),
        (",4,", CALL),
        (",,GB", CALL),
        (",=07788450450,", CALL),
        (",=12,", NOBODY),
        (",44,GB", UNKNOWN),
    ],
)
def test_a_known_value_matches_its_cell(cells: str, facts: Facts) -> None:
    assert "r" == winner(f"r,,{cells},,,a\n", facts)


@pytest.mark.parametrize(
    ("cells", "facts"),
    [
        ("234-10,,", CALL),
        ("235,,", CALL),
        (",4477884504501,", CALL),
        (",4478,", CALL),
        (",,FR", CALL),
        (",=0778845045,", CALL),
        (",=447788450450,", CALL),
        ("234-15,,", UNKNOWN),
    ],
)
def test_another_value_does_not_match(cells: str, facts: Facts) -> None:
    assert "default" == winner(f"r,,{cells},,,a\n", facts)


def test_without_a_network_the_table_is_still_matched() -> None:
    routes = "net,,23415,44,GB,,,a\ngb,,,44,GB,,,a\n"
    assert "net" == winner(routes, CALL)
    assert "gb" == winner(routes, UNKNOWN)


def test_an_emergency_call_takes_emergency_rows_only_and_else_the_default() -> None:
    emergency = Facts("112", None, "GB", None, emergency=True)
    routes = "pinned,9,,=112,,,,a\ngb,9,,,GB,,,a\n"
    assert "default" == winner(routes, emergency)
    assert "sos" == winner(routes + "sos,-9,,,,emergency,,a\n", emergency)
    assert "sos112" == winner(
        routes + "sos,,,,,emergency,,a\nsos112,,,=112,,emergency,,a\n", emergency
    )


def test_an_emergency_row_is_never_the_rule_of_another_call() -> None:
    ordinary = Facts("112", None, "GB", None)
    assert "default" == winner("sos,999999,,,,emergency,,a\nx,,,=112,,emergency,,a\n", ordinary)


def test_the_same_cells_at_two_priorities_are_no_tie_the_higher_wins() -> None:
    assert "high" == winner("low,1,,44,,,,a\nhigh,2,,44,,,,a\n", CALL)
    assert "high" == winner("high,2,,44,,,,a\nlow,1,,44,,,,a\n", CALL)


def test_the_trace_names_the_first_column_that_refused_each_rule_up_to_the_winner() -> None:
    table = compiled(
        "n,5,23410,44,GB,,,a\np,4,,=99,,,,a\nq,3,,33,,,,a\nm,2,235,44,FR,,,a\nc,1,,44,FR,,,a\n"
        "win,,,447,,,,a\nlate,,,44,,,,a\nsos,,,,,emergency,,a\ndefault,,,,,,,a\n"
    )
    steps = [(step.rule.name, step.failed) for step in table.trace(CALL)]
    expected = [("n", "mccmnc"), ("p", "prefix"), ("q", "prefix"), ("m", "mccmnc")]
    assert [*expected, ("c", "country"), ("win", "")] == steps


def test_the_trace_of_an_emergency_call_ends_with_the_default() -> None:
    table = compiled("sos,,,=999,,emergency,,a\ngb,,,,GB,,,a\ndefault,,,,,,,a\n")
    steps = table.trace(Facts("112", None, "GB", None, emergency=True))
    assert [("sos", "prefix"), ("default", "")] == [(s.rule.name, s.failed) for s in steps]


def test_neither_facts_nor_rules_show_a_number() -> None:
    table = compiled("pin,,,447788450450,,,,a\ndig,,,=07788450450,,,,a\ndefault,,,,,,,a\n")
    shown = repr((CALL, table.rules))
    assert "7788450450" not in shown


# The reference: every rule, sorted by the contract's words, its cells checked one by one.


def slow_match(rules: list[Rule], call: Facts) -> Rule:
    for rule in sorted(rules, key=contract_order, reverse=True):
        if cells_match(rule, call):
            return rule
    return next(rule for rule in rules if contract_order(rule)[1:] == (0, 0, 0, 0))


def contract_order(rule: Rule) -> tuple[int, int, int, int, int]:
    prefix = 1000 if rule.digits else len(rule.prefix)
    return (
        rule.priority,
        1 if rule.network else 0,
        prefix,
        1 if rule.mcc else 0,
        1 if rule.country else 0,
    )


def cells_match(rule: Rule, call: Facts) -> bool:
    if rule.emergency is not call.emergency:
        return False
    if rule.network and call.mccmnc != rule.network:
        return False
    if rule.mcc and (call.mccmnc is None or call.mccmnc[:3] != rule.mcc):
        return False
    if rule.digits and call.digits != rule.digits:
        return False
    if rule.prefix and (call.msisdn is None or not call.msisdn.startswith(rule.prefix)):
        return False
    return not rule.country or call.country == rule.country


NETWORKS = ("23415", "23410", "23430", "310260", "310410", "20801", None)
COUNTRIES = ("GB", "GB", "US", "FR", "")


def random_number(dice: random.Random) -> str:
    return dice.choice(("44", "447", "1", "33")) + "".join(dice.choices("01", k=dice.randint(1, 5)))


def random_rules(dice: random.Random) -> str:
    seen = {("0", "", "", "", "")}
    rows = ["default,,,,,,,a"]
    for number in range(dice.randint(0, 40)):
        network = dice.choice((*NETWORKS[:-1], "234", "310", "", "", ""))
        prefix = dice.choice(("", "", f"={random_number(dice)}", random_number(dice)[:6]))
        country = dice.choice(("", "GB", "US", "FR"))
        line = dice.choice(("", "", "", "", "emergency"))
        if line:
            network, prefix = "", prefix if prefix.startswith("=") else ""
        cells = (dice.choice(("0", "0", "0", "1", "-1")), network, prefix, country, line)
        if cells not in seen:
            seen.add(cells)
            rows.append(f"r{number},{','.join(cells)},,a")
    dice.shuffle(rows)
    return "\n".join(rows) + "\n"


def random_call(dice: random.Random) -> Facts:
    number = random_number(dice)
    known = dice.random() < 0.9
    return Facts(
        number if dice.random() < 0.5 else "0" + number,
        number if known else None,
        dice.choice(COUNTRIES),
        dice.choice(NETWORKS),
        dice.random() < 0.1,
    )


def test_the_fast_match_equals_the_slow_one_on_twenty_thousand_calls() -> None:
    dice = random.Random(20_260)
    names: set[str] = set()
    for _ in range(400):
        table = compiled(random_rules(dice))
        for _ in range(50):
            call = random_call(dice)
            expected = slow_match(list(table.rules), call)
            assert expected is table.match(call), (table.rules, call)
            assert expected is table.trace(call)[-1].rule
            names.add(expected.name)
    assert 30 < len(names)


def test_a_table_that_failed_to_load_leaves_the_old_one_as_it_was() -> None:
    table = compiled("gb,,,44,,,,a\ndefault,,,,,,,a\n")
    before = (table.version, table.rules, table.match(CALL))
    with pytest.raises(TableError):
        compiled("gb,,,44,,,,nobody\n")
    assert before == (table.version, table.rules, table.match(CALL))
    with pytest.raises(AttributeError):
        table.other = 1  # type: ignore[attr-defined]  # slots: nothing can be added


def test_an_unlisted_code_has_no_error_rule() -> None:
    assert compiled("default,,,,,,,a\n").error_rule("comcetera", "err1") is None
    assert isinstance(compiled("default,,,,,,,a\n"), Table)
