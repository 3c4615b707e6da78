"""Which rule wins: the contract's specificity, cell by cell, against the plain reading."""

from __future__ import annotations

import random
from typing import Any

import pytest

from agi.errors import TableError
from agi.model import Fraud, Line, Live, Mccmnc, Msisdn
from agi.routing.mismatch import mismatch
from agi.routing.rule import Facts, Rule, Span, Tier
from agi.routing.table import Table, Way
from agi.routing.variants import specificity
from tests.routing.making import cell, compiled, ruled, with_rules

CALL = Facts(
    digits="07788450450",
    msisdn=Msisdn("447788450450"),
    country="GB",
    line=Line.MOBILE,
    account="acme",
    caller="442079460000",
    mccmnc=Mccmnc("23415"),
    ported=True,
    live=Live.LIVE,
    fraud=Fraud.PASSED,
    at=1_767_225_600.0,  # 2026-01-01 00:00 UTC, a Thursday
)
FRIDAY = 86_400.0  # 1970-01-02; the time is always known
UNKNOWN = Facts("12", at=FRIDAY)
EMERGENCY = Facts("112", country="GB", caller="442079460000", account="acme", emergency=True)

Cells = dict[str, str]


def winner(facts: Facts, **cells: Cells) -> str:
    return ruled(cells).match(facts).name


# ---- one cell ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "content"),
    [
        ("account", "acme"),
        ("account", "other|acme"),
        ("account", "!other|third"),
        ("mccmnc", "234-15"),
        ("mccmnc", "23410|23415"),
        ("mccmnc", "234"),
        ("mccmnc", "310|234"),
        ("mccmnc", "!23410"),
        ("mccmnc", "!310|23410"),
        ("prefix", "4"),
        ("prefix", "33|4477"),
        ("prefix", "447788450450"),
        ("prefix", "=07788450450"),
        ("prefix", "33|=07788450450"),
        ("prefix", "!33|4478"),
        ("prefix", "!=112"),
        ("from", "4420"),
        ("from", "33|442079460000"),
        ("from", "!33"),
        ("from", "!anonymous"),
        ("from", "!33|anonymous"),
        ("country", "GB"),
        ("country", "FR|GB"),
        ("country", "!FR"),
        ("line", "mobile"),
        ("line", "!landline|voip"),
        ("ported", "yes"),
        ("ported", "!no"),
        ("live", "live|absent"),
        ("live", "!dead"),
        ("fraud", "passed"),
        ("fraud", "!suspicious|fraudulent"),
        ("when", "Thu"),
        ("when", "Mon; 2026-01-01 00:00-00:01"),
    ],
)
def test_a_known_value_matches_its_cell_and_an_unknown_one_none(column: str, content: str) -> None:
    table = ruled({"r": {column: content}})
    assert "r" == table.match(CALL).name
    nobody = UNKNOWN if content != "!=112" else Facts("112", at=FRIDAY)
    assert "default" == table.match(nobody).name


@pytest.mark.parametrize(
    ("column", "content"),
    [
        ("account", "acm|acmee"),
        ("account", "!other|acme"),
        ("mccmnc", "23410"),
        ("mccmnc", "235|310"),
        ("mccmnc", "!23415"),
        ("mccmnc", "!234"),
        ("mccmnc", "!234|23410"),
        ("prefix", "4478"),
        ("prefix", "4477884504501"),
        ("prefix", "=447788450450"),
        ("prefix", "=0778845045|=077884504500"),
        ("prefix", "!33|44"),
        ("prefix", "!=07788450450"),
        ("from", "4421|anonymous"),
        ("from", "4420794600001"),
        ("from", "!33|4420"),
        ("country", "FR|US"),
        ("country", "!FR|GB"),
        ("line", "landline|mobile-or-landline"),
        ("line", "!mobile"),
        ("ported", "no"),
        ("ported", "!yes"),
        ("live", "dead|absent"),
        ("live", "!live"),
        ("fraud", "suspicious"),
        ("fraud", "!passed"),
        ("when", "Fri"),
        ("when", "Thu 00:01-24:00"),
    ],
)
def test_another_value_does_not_match(column: str, content: str) -> None:
    table = ruled({"r": {column: content}})
    assert "default" == table.match(CALL).name
    assert column == mismatch(table.rules[0], CALL)


def test_a_negative_caller_takes_the_anonymous_one_unless_it_is_listed() -> None:
    anonymous = Facts("12", caller="anonymous")
    assert "r" == winner(anonymous, r={"from": "!44"})
    assert "default" == winner(anonymous, r={"from": "!44|anonymous"})
    assert "r" == winner(anonymous, r={"from": "anonymous"})
    assert "default" == winner(anonymous, r={"from": "44"})


def test_a_negative_prefix_of_e164_digits_needs_an_international_form() -> None:
    assert "default" == winner(Facts("1471"), r={"prefix": "!33"})
    assert "default" == winner(Facts("1471"), r={"prefix": "!33|=112"})
    assert "r" == winner(Facts("1471"), r={"prefix": "!=112"})


def test_a_network_that_is_a_beginning_of_another_is_not_it() -> None:
    call = Facts("12", mccmnc=Mccmnc("310260"))
    table = ruled({"n": {"mccmnc": "310260"}, "m": {"mccmnc": "310"}})
    rules = [
        r if r.name != "n" else Rule(name="n", row=2, mccmnc=cell("31026")) for r in table.rules
    ]
    assert "m" == with_rules(table, rules).match(call).name
    rules = [
        Rule(name="x", row=2, mccmnc=cell("!31026")) if r.name != "default" else r for r in rules
    ]
    assert "x" == with_rules(table, rules[1:]).match(call).name


# ---- specificity -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stronger", "weaker"),
    [
        (
            {"priority": "1", "when": "Thu"},
            {"account": "acme", "mccmnc": "23415", "prefix": "4477"},
        ),
        ({"account": "acme"}, {"mccmnc": "23415", "prefix": "=07788450450"}),
        ({"account": "!other"}, {"mccmnc": "23415"}),
        ({"mccmnc": "23415"}, {"mccmnc": "234", "prefix": "447788450450"}),
        ({"mccmnc": "!23410"}, {"mccmnc": "234", "prefix": "447788450450"}),
        ({"mccmnc": "23415", "prefix": "44"}, {"mccmnc": "23415", "prefix": "4", "from": "4420"}),
        ({"prefix": "=07788450450"}, {"prefix": "447788450450", "mccmnc": "234"}),
        ({"prefix": "44"}, {"prefix": "4", "mccmnc": "234", "from": "442079460000"}),
        ({"prefix": "4"}, {"prefix": "!33", "mccmnc": "234"}),
        ({"prefix": "!33"}, {"mccmnc": "234", "from": "4420"}),
        ({"mccmnc": "234"}, {"from": "442079460000", "country": "GB"}),
        ({"mccmnc": "!235"}, {"from": "442079460000", "country": "GB"}),
        ({"from": "44"}, {"from": "4", "country": "GB", "line": "mobile"}),
        ({"from": "4"}, {"from": "!33", "country": "GB"}),
        ({"from": "!33"}, {"country": "GB", "line": "mobile"}),
        ({"country": "GB"}, {"line": "mobile", "ported": "yes"}),
        ({"line": "mobile"}, {"ported": "yes", "live": "live"}),
        ({"ported": "yes"}, {"live": "live", "fraud": "passed"}),
        ({"live": "live"}, {"fraud": "passed", "when": "Thu"}),
        ({"fraud": "passed"}, {"when": "Thu"}),
        ({"when": "Thu"}, {"priority": "-1", "when": "Thu", "account": "acme"}),
        ({"fraud": "passed", "when": "Thu"}, {"fraud": "passed"}),
    ],
)
def test_the_cell_further_left_decides_whatever_stands_right_of_it(
    stronger: Cells, weaker: Cells
) -> None:
    assert "strong" == winner(CALL, strong=stronger, weak=weaker)
    assert "strong" == winner(CALL, weak=weaker, strong=stronger)


def test_the_anonymous_caller_is_more_specific_than_any_digits() -> None:
    values = [
        specificity(Rule(name="r", row=2, caller=cell(text))) for text in ("anonymous", "4" * 31)
    ]
    assert values[0] > values[1]


def test_a_list_is_as_specific_as_the_item_that_matched() -> None:
    rules = {
        "long": {"prefix": "447788|33"},
        "mid": {"prefix": "336|4477"},
    }
    assert "long" == winner(CALL, **rules)
    french = Facts("00336", msisdn=Msisdn("33612345678"))
    assert "mid" == winner(french, **rules)
    both = {"net": {"mccmnc": "23415|310"}, "pre": {"prefix": "1|44", "mccmnc": "310|234"}}
    assert "net" == winner(CALL, **both)
    american = Facts("1", msisdn=Msisdn("12025550123"), mccmnc=Mccmnc("310260"))
    assert "pre" == winner(american, **both)


def test_of_several_items_that_match_the_most_specific_one_counts() -> None:
    rules = {"both": {"mccmnc": "234|23415"}, "pre": {"mccmnc": "234", "prefix": "447788450450"}}
    assert "both" == winner(CALL, **rules)
    assert "pre" == winner(CALL, both={"mccmnc": "234|23410"}, pre=rules["pre"])


def test_rules_behind_the_default_never_win() -> None:
    assert "default" == winner(CALL, r={"priority": "-1", "account": "acme", "mccmnc": "23415"})


# ---- emergency ---------------------------------------------------------------------------


def test_an_emergency_call_takes_emergency_rows_only_and_else_the_default() -> None:
    pinned = {"pin": {"priority": "9", "prefix": "=112"}, "gb": {"priority": "9", "country": "GB"}}
    assert "default" == winner(EMERGENCY, **pinned)
    sos = {"line": "emergency"}
    assert "sos" == winner(EMERGENCY, **pinned, sos={"priority": "-9", **sos})
    assert "site" == winner(EMERGENCY, sos=sos, site={"account": "acme", **sos})
    assert "s112" == winner(EMERGENCY, sos=sos, s112={"prefix": "=112|=999", **sos})
    assert "sos" == winner(EMERGENCY, sos=sos, s999={"prefix": "=999", **sos})
    assert "nord" == winner(
        EMERGENCY, sos=sos, nord={"from": "4420", **sos}, fr={"country": "FR", **sos}
    )
    day = Facts("112", at=CALL.at, emergency=True)
    assert "thu" == winner(day, sos=sos, thu={"when": "Thu", **sos})
    assert "sos" == winner(day, sos=sos, fri={"when": "Fri", **sos})


def test_an_emergency_row_is_never_the_rule_of_another_call() -> None:
    sos = {"line": "emergency", "priority": "999"}
    assert "default" == winner(Facts("112", country="GB"), sos=sos, x={"prefix": "=112", **sos})


# ---- trunks ------------------------------------------------------------------------------


def test_a_way_holds_enabled_trunks_and_its_order_where_nothing_is_to_be_chosen() -> None:
    trunks = "trunk,enabled\na,\noff,no\nb,\n"
    rows = "one,,,1,,,,off > a > b off\ntwo,,,2,,,,a:3 b > off\nno,,,3,,,reject:21,\n"
    ways = compiled(rows + "default,,,,,,,off\n", trunks).ways
    assert ["a", "b"] == [t.name for t in ways["one"].fixed or ()]
    assert (("a", 3), ("b", 1)) == tuple((t.name, w) for t, w in ways["two"].tiers[0])
    assert ((), None) == (ways["two"].tiers[1:], ways["two"].fixed)
    assert ["a", "b"] == [t.name for t in ways["two"].trunks]
    assert (21, (), ()) == (ways["no"].cause, ways["no"].tiers, ways["no"].fixed)
    assert ((), ()) == (ways["default"].tiers, ways["default"].fixed)


# ---- the trace ---------------------------------------------------------------------------


def steps(table: Table, facts: Facts) -> list[tuple[str, str]]:
    return [(step.rule.name, step.failed) for step in table.trace(facts)]


def test_the_trace_names_the_first_column_that_refused_each_rule_up_to_the_winner() -> None:
    names = {
        "account": {"account": "other", "mccmnc": "23410"},
        "mccmnc": {"mccmnc": "23410", "prefix": "33"},
        "prefix": {"prefix": "33", "from": "33"},
        "from": {"from": "33", "country": "FR"},
        "country": {"country": "FR", "line": "voip"},
        "line": {"line": "voip", "ported": "no"},
        "ported": {"ported": "no", "live": "dead"},
        "live": {"live": "dead", "fraud": "suspicious"},
        "fraud": {"fraud": "suspicious", "when": "Fri"},
        "when": {"when": "Fri"},
    }
    ranked = {
        name: {"priority": str(20 - at), **row} for at, (name, row) in enumerate(names.items())
    }
    table = ruled({**ranked, "win": {"prefix": "447"}, "late": {"prefix": "44"}})
    expected = [(name, name) for name in names]
    assert [*expected, ("win", "")] == steps(table, CALL)


def test_a_rule_of_several_variants_stands_in_the_trace_once_where_it_matches() -> None:
    table = ruled(
        {"long": {"prefix": "4477884|3"}, "mid": {"prefix": "336"}, "no": {"prefix": "5|77|8888"}}
    )
    french = Facts("00336", msisdn=Msisdn("33612345678"))
    assert [("no", "prefix"), ("mid", "")] == steps(table, french)
    other = Facts("0034", msisdn=Msisdn("34"))
    assert [("no", "prefix"), ("mid", "prefix"), ("long", "")] == steps(table, other)


def test_the_trace_of_an_emergency_call_ends_with_the_default() -> None:
    table = ruled({"sos": {"prefix": "=999", "line": "emergency"}, "gb": {"country": "GB"}})
    assert [("sos", "prefix"), ("default", "")] == steps(table, EMERGENCY)
    assert [("gb", "")] == steps(table, CALL)


# ---- the plain reading: every rule, sorted by the contract's words, its cells one by one --


def slow_match(rules: tuple[Rule, ...], facts: Facts) -> str:
    matching = [
        (max(order for order in weights(rule, facts)), -rule.row, rule.name)
        for rule in rules
        if rule.emergency == facts.emergency and not mismatch(rule, facts)
    ]
    return max(matching)[2] if matching else next(r.name for r in rules if r.is_default)


def weights(rule: Rule, facts: Facts) -> list[tuple[float, ...]]:
    """Return the specificity of each pair of items that match."""
    found = []
    for network, mcc in networks(rule, facts):
        for prefix in prefixes(rule, facts):
            for caller in callers(rule, facts):
                cells = (rule.country, rule.line, rule.ported, rule.live, rule.fraud)
                rest = [1 if c.items else 0 for c in cells]
                account = 1 if rule.account.items else 0
                order = (rule.priority, account, network, prefix, mcc, caller, *rest)
                found.append((*order, 1 if rule.when else 0))
    return found


def networks(rule: Rule, facts: Facts) -> list[tuple[int, int]]:
    items, code = rule.mccmnc.items, facts.mccmnc or ""
    if not items:
        return [(0, 0)]
    if rule.mccmnc.negative:
        return [(1, 0)] if any(len(i) > 3 for i in items) else [(0, 1)]
    return [(1, 0) if len(i) > 3 else (0, 1) for i in items if i in {code, code[:3]}]


def prefixes(rule: Rule, facts: Facts) -> list[float]:
    cell_, number = rule.prefix, facts.msisdn or ""
    if not cell_.items:
        return [0]
    if cell_.negative:
        return [0.5]
    exact = [100.0 for i in cell_.items if i == f"={facts.digits}"]
    return exact + [float(len(i)) for i in cell_.items if number.startswith(i)]


def callers(rule: Rule, facts: Facts) -> list[float]:
    cell_ = rule.caller
    if not cell_.items:
        return [0]
    if cell_.negative:
        return [0.5]
    known = [float(len(i)) for i in cell_.items if i.isdigit() and facts.caller.startswith(i)]
    return known + [32.0 for i in cell_.items if i == facts.caller == "anonymous"]


POOLS = {
    "account": ("acme", "beta", "gamma"),
    "mccmnc": ("23415", "23410", "234", "310260", "310", "20801", "208"),
    "prefix": ("4", "44", "447", "4470", "33", "331", "1", "=12", "=447", "=0447", "44700"),
    "caller": ("4", "44", "441", "33", "anonymous"),
    "country": ("GB", "FR", "US"),
    "line": ("mobile", "landline", "voip"),
    "ported": ("yes", "no"),
    "live": ("live", "absent", "dead"),
    "fraud": ("passed", "suspicious"),
}
TRUNK = (Tier((("a", 1),)),)
NIGHT = (Span((0, 1, 2), (), 1320, 360, "UTC"),)
NEW_YEAR = (Span((), ("2026-01-01",), 0, 1440, "Europe/London"), *NIGHT)


def random_cell(dice: random.Random, column: str) -> str:
    pool = POOLS[column]
    if dice.random() > (0.35 if column in {"mccmnc", "prefix"} else 0.2):
        return ""
    items = dice.sample(pool, dice.choice((1, 1, 1, 2, min(4, len(pool)))))
    return ("!" if dice.random() < 0.25 else "") + "|".join(items)


def random_rules(dice: random.Random) -> list[Rule]:
    """Return rules of which equal ones differ in priority, so that none tie but by row."""
    rules = [Rule(name="default", row=1, tiers=TRUNK)]
    for row in range(2, dice.randint(3, 40)):
        cells: dict[str, Any] = {c: cell(random_cell(dice, c)) for c in POOLS}
        emergency = dice.random() < 0.1
        when = dice.choice(((), (), (), NIGHT, NEW_YEAR))
        priority = dice.choice((0, 0, 0, 0, 1, -1))
        rule = Rule(
            name=f"r{row}",
            row=row,
            priority=priority,
            when=when,
            emergency=emergency,
            tiers=TRUNK,
            **cells,
        )
        if not rule.is_default:
            rules.append(rule)
    dice.shuffle(rules)
    return rules


def random_facts(dice: random.Random) -> Facts:
    number = dice.choice(("44", "447", "4470", "1", "33")) + "".join(
        dice.choices("01", k=dice.randint(0, 4))
    )
    return Facts(
        digits=dice.choice((number, "0" + number, "12", "447")),
        msisdn=Msisdn(number) if dice.random() < 0.9 else None,
        country=dice.choice(("GB", "FR", "US", "")),
        line=dice.choice((Line.MOBILE, Line.LANDLINE, Line.OTHER, None)),
        account=dice.choice(("acme", "beta", "other", "")),
        caller=dice.choice(("441", "44", "332", "7", "anonymous", "")),
        mccmnc=dice.choice(
            (Mccmnc("23415"), Mccmnc("23410"), Mccmnc("310260"), Mccmnc("99999"), None)
        ),
        ported=dice.choice((True, False, None)),
        live=dice.choice((*Live, None)),
        fraud=dice.choice((Fraud.PASSED, Fraud.SUSPICIOUS, Fraud.FRAUDULENT, None)),
        at=1_767_225_600.0 + dice.randrange(7 * 96) * 900.0,
        emergency=dice.random() < 0.1,
    )


def test_the_index_equals_the_plain_reading_on_twenty_thousand_calls() -> None:
    dice = random.Random(20_260)
    base = ruled({})
    names: set[str] = set()
    for _ in range(400):
        table = with_rules(base, random_rules(dice))
        for _ in range(50):
            call = random_facts(dice)
            expected = slow_match(table.compiled.rules, call)
            assert expected == table.match(call).name, (table.rules, call)
            last = table.trace(call)[-1]
            assert (expected, "") == (last.rule.name, last.failed)
            names.add(expected)
    assert 30 < len(names)


def test_a_table_that_failed_to_load_leaves_the_old_one_as_it_was() -> None:
    table = compiled("gb,,,44,,,,a\ndefault,,,,,,,a\n")
    before = (table.version, table.rules, table.match(CALL))
    with pytest.raises(TableError):
        compiled("gb,,,44,,,,nobody\n")
    assert before == (table.version, table.rules, table.match(CALL))
    with pytest.raises(AttributeError):
        table.other = 1  # type: ignore[attr-defined]  # slots: nothing can be added


def test_what_calls_ask_of_a_table_is_said_once() -> None:
    plain = ruled({})
    assert (False, False, False) == (plain.uses_caller, plain.uses_time, plain.has_cps)
    assert ruled({"r": {"from": "44"}}).uses_caller
    assert ruled({"r": {"when": "Mon"}}).uses_time
    assert compiled("default,,,,,,,a\n", "trunk,cps\na,5\n").has_cps
    assert (False, False, False) == (plain.has_ranges, plain.has_screens, plain.has_policy)
    assert plain.error_rule("comcetera", "err1") is None
    assert 0 == plain.account_cps("acme")
    assert isinstance(plain.match(CALL), Way)
    assert "450450" not in repr(ruled({"r": {"prefix": "447788450450"}}).match(CALL))
