"""The policy: longest prefix first, deny before nodip before allow, and never by accident."""

from __future__ import annotations

import random
import time

import pytest

from agi.errors import Fault, TableError
from agi.model import Line
from agi.routing.policy import NO_POLICY, Policy, Verdict, read_policy
from agi.routing.reading.faults import Faults
from agi.routing.reading.policy_rows import PolicyRow, Ruling
from agi.routing.rule import Cell

HEADER = "prefix,account,mccmnc,line,action,comment\n"
SETS = {"uk": ("23415", "23410"), "roam": ("234", "23801")}
NUMBER = "447700900123"
DENY, NODIP, ALLOW = Ruling


def read(rows: str, header: str = HEADER) -> tuple[Policy, Faults]:
    faults = Faults()
    return read_policy("policy.csv", (header + rows).encode(), faults, SETS), faults


def policy(rows: str) -> Policy:
    found, faults = read(rows)
    faults.refuse()
    return found


def faults_of(rows: str, header: str = HEADER) -> tuple[Fault, ...]:
    with pytest.raises(TableError) as caught:
        read(rows, header)[1].refuse()
    return caught.value.faults


def says(
    found: Policy,
    msisdn: str | None = NUMBER,
    account: str = "",
    mccmnc: str | None = None,
    line: Line | None = None,
    *,
    digits: str = "07700900123",
) -> tuple[str, int] | None:
    """Return action and row."""
    verdict = found.verdict(digits, msisdn, account, mccmnc, line)
    return (str(verdict.action), verdict.row) if verdict else None


# What a row matches, and which row wins.


def test_the_longest_prefix_decides() -> None:
    found = policy("44,,,,deny,\n4477,,,,allow,\n447700900,,,,nodip,\n")
    assert ("nodip", 4) == says(found)
    assert ("allow", 3) == says(found, "447711111111")
    assert ("deny", 2) == says(found, "441632960123")
    assert says(found, "33123456789") is None
    assert 3 == len(found)


def test_digits_dialled_exactly_are_longer_than_any_prefix() -> None:
    found = policy("=07700900123,,,,nodip,\n447700900123,,,,deny,\n=*21#,,,,deny,\n")
    assert ("nodip", 2) == says(found)
    assert ("deny", 3) == says(found, digits="00447700900123")
    assert ("deny", 4) == says(found, None, digits="*21#")


def test_digits_dialled_exactly_for_another_account_leave_the_prefix_to_decide() -> None:
    found = policy("=07700900123,acme,,,nodip,\n4477,,,,deny,\n")
    assert ("nodip", 2) == says(found, account="acme")
    assert ("deny", 3) == says(found, account="other")
    assert ("deny", 3) == says(found)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_at_the_same_length_deny_is_before_nodip_and_nodip_before_allow(
    order: tuple[int, ...],
) -> None:
    rows = ["44,acme,,,allow,\n", "44|45,,,mobile,nodip,\n", "44,,234,,deny,\n"]
    found = policy("".join(rows[index] for index in order))
    assert ("deny", 2 + order.index(2)) == says(found, NUMBER, "acme", "23415", Line.MOBILE)
    assert ("nodip", 2 + order.index(1)) == says(found, NUMBER, "acme", None, Line.MOBILE)
    assert ("allow", 2 + order.index(0)) == says(found, NUMBER, "acme")


def test_a_longer_prefix_that_does_not_match_otherwise_hides_nothing() -> None:
    found = policy("4477009,acme,,,allow,\n44,,,,deny,\n")
    assert ("deny", 3) == says(found)
    assert ("allow", 2) == says(found, account="acme")


def test_a_list_counts_with_the_item_that_matched() -> None:
    found = policy("44|4477009,,,,deny,\n4477,,,,allow,\n")
    assert ("deny", 2) == says(found)
    assert ("allow", 3) == says(found, "447711111111")
    assert ("deny", 2) == says(found, "441632960123")


def test_an_empty_or_negative_prefix_has_no_length() -> None:
    found = policy("!44|45,,,,deny,\n33,,,,allow,\n,acme,,,nodip,\n")
    assert ("deny", 2) == says(found, "49301234567")
    assert ("allow", 3) == says(found, "33123456789")
    assert ("nodip", 4) == says(found, account="acme")
    assert says(found) is None
    assert ("deny", 2) == says(found, "49301234567", "acme")


def test_a_negative_prefix_says_nothing_of_a_call_without_a_number() -> None:
    assert says(policy("!44,,,,deny,\n"), None, digits="1471") is None
    assert ("deny", 2) == says(policy("!=1470,,,,deny,\n"), None, digits="1471")
    assert says(policy("!=1471,,,,deny,\n"), None, digits="1471") is None
    assert says(policy("!=1471|44,,,,deny,\n"), None, digits="1470") is None


def test_what_is_unknown_matches_an_empty_cell_only() -> None:
    for cell in ("acme,,", "!acme,,", ",23415,", ",!23415,", ",,mobile", ",,!mobile"):
        assert says(policy(f"44,{cell},deny,\n")) is None
    found = policy("44,!acme,!23415,!mobile,deny,\n")
    assert ("deny", 2) == says(found, NUMBER, "other", "23410", Line.LANDLINE)
    assert says(found, NUMBER, "acme", "23410", Line.LANDLINE) is None
    assert says(found, NUMBER, "other", "23415", Line.LANDLINE) is None
    assert says(found, NUMBER, "other", "23410", Line.MOBILE) is None


def test_a_network_a_country_of_networks_and_a_set_of_both() -> None:
    found = policy("44,,234-15,,deny,\n45,,@roam,,deny,\n46,,!234,,deny,\n")
    assert ("deny", 2) == says(found, "441", mccmnc="23415")
    assert says(found, "441", mccmnc="23410") is None
    assert ("deny", 3) == says(found, "451", mccmnc="23430")
    assert ("deny", 3) == says(found, "451", mccmnc="23801")
    assert says(found, "451", mccmnc="23802") is None
    assert says(found, "461", mccmnc="23430") is None
    assert ("deny", 4) == says(found, "461", mccmnc="24001")


def test_without_rows_nothing_is_said() -> None:
    assert 0 == len(NO_POLICY)
    assert says(NO_POLICY) is None
    assert says(NO_POLICY, None) is None
    assert not NO_POLICY.by_network("07700900123", NUMBER, "acme")


# Whether a lookup may change what the policy says.


@pytest.mark.parametrize(
    ("rows", "waits"),
    [
        ("44,,,,deny,\n", False),
        ("44,,23415,,deny,\n", True),
        ("44,,!23415,,deny,\n", True),
        ("44,,,mobile,deny,\n", True),
        ("45,,23415,,deny,\n", False),
        (",,23415,,deny,\n", True),
        ("44,acme,23415,,deny,\n", True),
        ("44,other,23415,,deny,\n", False),
        ("44,!acme,23415,,deny,\n", False),
        ("44,!other,23415,,deny,\n", True),
        ("!44,,23415,,deny,\n", False),
        ("!45,,23415,,deny,\n", True),
        # A row that is certain hides what is shorter, or as long and weaker.
        ("44,,23415,,deny,\n4477,,,,allow,\n", False),
        ("44,,23415,,deny,\n4477,acme,,,allow,\n", False),
        ("44,,23415,,deny,\n4477,other,,,allow,\n", True),
        ("4477,,23415,,allow,\n4477,,,,deny,\n", False),
        ("4477,,23415,,deny,\n4477,,,,allow,\n", True),
        ("=07700900123,,23415,,deny,\n", True),
        ("=07700900123,,,,allow,\n44,,23415,,deny,\n", False),
    ],
)
def test_a_lookup_matters_where_a_row_that_names_a_network_may_win(rows: str, waits: bool) -> None:
    assert waits is policy(rows).by_network("07700900123", NUMBER, "acme")


def test_a_line_that_the_plan_is_sure_of_needs_no_lookup() -> None:
    found = policy("44,,,premium,deny,\n45,,23801,mobile,deny,\n")
    assert not found.by_network("07700900123", NUMBER, "", Line.MOBILE)
    assert not found.by_network("09012345678", "449012345678", "", Line.PREMIUM)
    assert found.by_network("07700900123", NUMBER, "", Line.MOBILE_OR_LANDLINE)
    assert found.by_network("07700900123", NUMBER, "")
    assert found.by_network("004512345678", "4512345678", "", Line.MOBILE)
    assert not found.by_network("004512345678", "4512345678", "", Line.LANDLINE)


# The file.


@pytest.mark.parametrize("good", ["", "33,,,,deny,\n"])
@pytest.mark.parametrize(
    ("row", "column", "what"),
    [
        ("+447,,,,deny,", 1, "without '+'"),
        ("07700,,,,deny,", 1, "country code"),
        ("4.477E+11,,,,deny,", 1, "spreadsheet"),
        ("44!45,,,,deny,", 1, "1 to 15 digits"),
        ("447,a b,,,deny,", 2, "letters, digits"),
        ("447,,@ukk,,deny,", 3, "did you mean 'uk'?"),
        ("447,,99,,deny,", 3, "MCC"),
        ("447,,,mobil,deny,", 4, "did you mean 'mobile'?"),
        ("447,,,,dney,", 5, "did you mean 'deny'?"),
        ("447,,,,,", 5, "empty: write deny, nodip, allow"),
        ("447,,,,deny,because,x", 7, "beyond the header"),
    ],
)
def test_a_mistake_is_told_with_its_place_and_what_would_be_right(
    good: str, row: str, column: int, what: str
) -> None:
    (fault,) = faults_of(f"{good}{row}\n")
    assert ("policy.csv", 3 if good else 2, column) == (fault.file, fault.line, fault.column)
    assert what in fault.what


@pytest.mark.parametrize(
    "row",
    ["44,acme,23415,mobile,deny,", "44,acme,234-15,mobile,allow,other", "44,!b|a,@uk,,deny,"],
)
def test_two_rows_with_the_same_cells_are_a_fault_that_names_the_first(row: str) -> None:
    rows = "44,acme,23415,mobile,deny,\n44,!a|b,23410|23415,,deny,\n"
    (fault,) = faults_of(f"{rows}{row}\n")
    assert 4 == fault.line
    assert "policy.csv:" in fault.what


def test_lists_in_another_order_are_the_same_cells() -> None:
    (fault,) = faults_of("44|45,,,,deny,\n45|44,,,,allow,\n")
    assert (3, 1) == (fault.line, fault.column)


@pytest.mark.parametrize(
    ("rows", "line", "what"),
    [
        ("44,acme,,,deny,\n44,,,,deny,\n", 0, ""),
        ("44,,,,deny,\n44,acme,,,deny,\n", 3, "line 2 (deny)"),
        ("44,acme,,,allow,\n44,,,,deny,\n", 2, "line 3 (deny)"),
        ("44,,23415,,allow,\n44,,234,,deny,\n", 0, ""),
        ("44,,23415,,allow,\n44,,23415|23410,,deny,\n", 2, "line 3 (deny)"),
        ("44,,!23415|23410,,allow,\n44,,!23415,,deny,\n", 2, "line 3 (deny)"),
        ("44,,!23415,,allow,\n44,,!23415|23410,,deny,\n", 0, ""),
        ("44|45,,,,allow,\n44,,,,deny,\n", 0, ""),
        ("44|45,,,,allow,\n44,,,,deny,\n45,,,,nodip,\n", 2, "line 3 (deny)"),
        ("!44,acme,,,allow,\n!44,,,,deny,\n", 2, "line 3 (deny)"),
        ("!44,acme,,,allow,\n!45,,,,deny,\n", 0, ""),
        ("44,,,emergency,deny,\n", 2, "emergency"),
        (",,,,deny,everything\n", 2, "every call"),
    ],
)
def test_a_row_that_never_wins_is_warned_of(rows: str, line: int, what: str) -> None:
    _, faults = read(rows)
    faults.refuse()
    warnings = faults.warnings()
    assert ([line] if line else []) == [warning.line for warning in warnings]
    assert all(what in warning.what for warning in warnings)


def test_a_doubtful_spelling_is_warned_of_once_not_for_each_row() -> None:
    _, faults = read("".join(f"447{number:03d},,234015,,deny,\n" for number in range(500)))
    (warning,) = faults.warnings()
    assert "234015 is read as 23415" in warning.what


def test_no_message_shows_a_whole_number() -> None:
    (fault,) = faults_of("44770090012345678,,,,deny,\n")
    assert "447700900" not in fault.what


@pytest.mark.parametrize("header", ["prefix;action\n", "prefix,account\n", "action\n", ""])
def test_a_header_that_cannot_be_used_is_one_fault_or_more(header: str) -> None:
    assert faults_of("44,,,,deny,\n", header)


def test_columns_stand_in_any_order_and_others_may_be_missing() -> None:
    found, faults = read("deny,44\nallow,45\n", "action,prefix\n")
    faults.refuse()
    assert ("deny", 2) == says(found)
    assert ("allow", 3) == says(found, "4512345678")


# Against a slow reference, and stored.


def fits(cell: Cell, value: str | None, *more: str) -> bool:
    if cell.empty:
        return True
    if not value:
        return False
    return any(item in (value, *more) for item in cell.items) is not cell.negative


def lengths(cell: Cell, digits: str, msisdn: str | None) -> list[int]:
    """Return the lengths that a prefix cell matches with."""
    if cell.empty:
        return [0]
    found = [100 for item in cell.items if item == f"={digits}"]
    found += [len(i) for i in cell.items if i[0] != "=" and msisdn and msisdn.startswith(i)]
    if not cell.negative:
        return found
    unknown = msisdn is None and any(item[0] != "=" for item in cell.items)
    return [] if found or unknown else [0]


def slowly(
    rows: list[PolicyRow], call: tuple[str, str | None, str, str | None, Line | None]
) -> Verdict | None:
    digits, msisdn, account, mccmnc, line = call
    matching = [
        (-max(lengths(row.prefix, digits, msisdn)), list(Ruling).index(row.ruling), row.row)
        for row in rows
        if lengths(row.prefix, digits, msisdn)
        and fits(row.account, account)
        and fits(row.mccmnc, mccmnc, (mccmnc or "")[:3])
        and fits(row.line, line)
    ]
    if not matching:
        return None
    _, rank, line_of_file = min(matching)
    return Verdict(list(Ruling)[rank], line_of_file)


def a_cell(dice: random.Random, items: list[str]) -> Cell:
    if dice.random() < 0.4:
        return Cell()
    chosen = tuple(dice.sample(items, dice.randint(1, min(3, len(items)))))
    return Cell(chosen, dice.random() < 0.25)


PREFIXES = ["4", "44", "447", "4477", "44770", "45", "451", "=07", "=112", "=44", "33"]
NETWORKS = ["23415", "23410", "234", "238", "23801"]
LINES = [Line.MOBILE, Line.LANDLINE, Line.MOBILE_OR_LANDLINE]


def some_rows(dice: random.Random) -> list[PolicyRow]:
    return [
        PolicyRow(
            number + 2,
            dice.choice(list(Ruling)),
            a_cell(dice, PREFIXES),
            a_cell(dice, ["a", "b", "c"]) if dice.random() < 0.5 else Cell(),
            a_cell(dice, NETWORKS) if dice.random() < 0.5 else Cell(),
            a_cell(dice, list(map(str, LINES))) if dice.random() < 0.3 else Cell(),
        )
        for number in range(dice.randint(0, 40))
    ]


def a_call(dice: random.Random) -> tuple[str, str | None, str, str | None, Line | None]:
    return (
        dice.choice(["07", "112", "44", "0"]),
        dice.choice([None, "44", "447701", "4477", "4512", "33", "1"]),
        dice.choice(["", "a", "b", "z"]),
        dice.choice([None, "23415", "23410", "23499", "23801", "26201"]),
        dice.choice([None, *LINES]),
    )


def test_the_search_equals_trying_every_row() -> None:
    dice = random.Random(4)
    for _ in range(300):
        rows = some_rows(dice)
        made = Policy.of(rows)
        again = Policy.unpacked({name: memoryview(d) for name, d in made.packed().items()})
        for _ in range(40):
            call = a_call(dice)
            assert slowly(rows, call) == made.verdict(*call) == again.verdict(*call)


def test_no_lookup_changes_the_verdict_where_none_is_said_to_matter() -> None:
    dice = random.Random(44)
    spared = 0
    for _ in range(300):
        rows = some_rows(dice)
        made = Policy.of(rows)
        for _ in range(10):
            digits, msisdn, account, _, plan = a_call(dice)
            if made.by_network(digits, msisdn, account, plan):
                continue
            spared += 1
            fixed = plan is not None and plan is not Line.MOBILE_OR_LANDLINE
            answers = {
                slowly(rows, (digits, msisdn, account, mccmnc, line))
                for mccmnc in (None, "23415", "23410", "23499", "23801", "26201")
                for line in ((plan,) if fixed else (None, *LINES))
            }
            assert 1 == len(answers)
    assert spared > 1_000


def test_the_same_rows_are_the_same_bytes_again() -> None:
    made = policy("44,,,,deny,\n=112,acme,,,allow,\n!33,,23415,,nodip,\n")
    again = Policy.unpacked(made.packed())
    assert made.packed() == again.packed()
    assert 3 == len(again)
    with pytest.raises(KeyError):
        Policy.unpacked({})
    with pytest.raises(ValueError, match="JSON"):
        Policy.unpacked(dict(made.packed()) | {"placed": b"x"})


# Many rows.


def test_a27_a_hundred_thousand_prefixes_are_read_and_searched_quickly() -> None:
    dice = random.Random(27)
    made = {"4" + "".join(dice.choices("0123456789", k=dice.randint(5, 8))) for _ in range(130_000)}
    prefixes = sorted(made)[:100_000]
    rows = "".join(f"{prefix},,,,deny,because\n" for prefix in prefixes)
    before = time.process_time()
    found = policy(rows)
    # Measured: 0.65 s.
    assert time.process_time() - before < 6
    assert 100_000 == len(found)
    before = time.process_time()
    for prefix in prefixes[:10_000]:
        assert found.verdict("", prefix + "12", "", None, None) is not None
    # Measured: 0.7 us each.
    assert time.process_time() - before < 10_000 * 30e-6


def test_a27_ten_thousand_rows_of_one_prefix_are_not_tried_one_by_one() -> None:
    cells = [(Cell((f"a{n}",)), Cell((f"{n:05d}",))) for n in range(20_000, 30_000)]
    rows = [PolicyRow(n, DENY, Cell(("44",)), *pair) for n, pair in enumerate(cells, 2)]
    found = Policy.of(rows)
    assert ("deny", 7) == says(found, account="a20005", mccmnc="20005")
    before = time.process_time()
    for _ in range(1_000):
        assert says(found, account="a20005", mccmnc="20006") is None
        assert says(found, account="nobody", mccmnc="20006") is None
    # Measured: 4 us each.
    assert time.process_time() - before < 2_000 * 100e-6


def test_a27_a_list_of_many_accounts_and_networks_takes_no_square_of_memory() -> None:
    accounts = Cell(tuple(f"a{n}" for n in range(400)))
    networks = Cell(tuple(f"{n:05d}" for n in range(20_000, 25_000)))
    found = Policy.of([PolicyRow(2, ALLOW, Cell(("44",)), accounts, networks)])
    assert ("allow", 2) == says(found, account="a399", mccmnc="24999")
    assert says(found, account="a400", mccmnc="24999") is None
    assert says(found, account="a399", mccmnc="25000") is None
    assert found.by_network("07700900123", NUMBER, "a399")
    assert not found.by_network("07700900123", NUMBER, "a400")


def test_the_actions_are_the_words_of_the_file() -> None:
    assert ["deny", "nodip", "allow"] == list(Ruling)
    assert DENY == "deny"
    assert NODIP == "nodip"
