"""Accounts: three screens are in force, what is not yet in force says so."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from agi.errors import Fault, TableError
from agi.routing.reading.accounts import Accounts, read_accounts
from agi.routing.reading.faults import Faults
from agi.routing.screening import IGNORED, NO_SCREENING, Act, Policy, Screening

HEADER = "account,max_price,currency,daily_cap,cps,screen_fraud,screen_tps,screen_unsubscribe\n"


def read(rows: str, header: str = HEADER) -> tuple[Mapping[str, Screening], Faults]:
    found, faults = whole(rows, header)
    return found.screenings, faults


def whole(rows: str, header: str = HEADER) -> tuple[Accounts, Faults]:
    faults = Faults()
    return read_accounts("accounts.csv", (header + rows).encode(), faults), faults


def faults_of(rows: str, header: str = HEADER) -> tuple[Fault, ...]:
    _, faults = read(rows, header)
    with pytest.raises(TableError) as caught:
        faults.refuse()
    return caught.value.faults


@pytest.mark.parametrize(
    ("cell", "policy"),
    [
        ("", IGNORED),
        ("ignore", IGNORED),
        ("flag", Policy(Act.FLAG)),
        ("reject:21", Policy(Act.REJECT, 21)),
        ("reject:21:closed", Policy(Act.REJECT, 21, closed=True)),
        ("reject:127", Policy(Act.REJECT, 127)),
        ("reject:1:closed", Policy(Act.REJECT, 1, closed=True)),
    ],
)
def test_a_screen_ignores_flags_or_rejects_open_or_closed(cell: str, policy: Policy) -> None:
    found, faults = read(f"a,,,,,{cell},,\nb,,,,,,{cell},\nc,,,,,,,{cell}\n")
    assert 0 == len(faults)
    assert () == faults.warnings()
    expected = {
        "a": Screening(fraud=policy),
        "b": Screening(tps=policy),
        "c": Screening(unsubscribe=policy),
    }
    assert expected == found


@pytest.mark.parametrize(
    "cell",
    ["reject", "reject:", "reject:0", "reject:128", "reject:21:open", "reject:21:closed:closed",
     "closed", ":closed", "flag:closed", "Flag", "yes", "reject:21,5"],
)  # fmt: skip
def test_any_other_policy_is_a_fault_in_its_cell(cell: str) -> None:
    (fault,) = faults_of(f'a,,,,,,"{cell}",\n')
    assert (2, 7) == (fault.line, fault.column)
    assert "reject:CAUSE:closed" in fault.what


def test_the_row_without_an_account_is_for_all_others() -> None:
    found, _ = read(",,,,,flag,,\nacme.1,,,,,,,\n")
    assert {"": Screening(fraud=Policy(Act.FLAG)), "acme.1": NO_SCREENING} == found


def test_an_account_stands_once_and_so_does_the_row_for_all() -> None:
    first, second = faults_of("a,,,,,,,\n,,,,,ignore,,\nb,,,,,,,\n,,,,,,flag,\na,,,,,flag,,\n")
    assert [(5, 1), (6, 1)] == [(fault.line, fault.column) for fault in (first, second)]
    assert "every account stands at accounts.csv:3" in first.what
    assert "'a' stands at accounts.csv:2" in second.what


@pytest.mark.parametrize(
    ("row", "column", "what"),
    [
        ("a/b,,,,,,,", 1, "no name"),
        ("x" * 33 + ",,,,,,,", 1, "no name"),
        ('a,"0,05",EUR,,,,,', 2, "a decimal comma: write a decimal point"),
        ("a,cheap,EUR,,,,,", 2, "an amount"),
        ("a,-1,EUR,,,,,", 2, "an amount"),
        ("a,1.2.3,EUR,,,,,", 2, "an amount"),
        ("a,0.05,euro,,,,,", 3, "ISO 4217"),
        ("a,,EUR,1e3,,,,", 4, "spreadsheet"),
        ("a,,,,0,,,", 5, "from 1 to"),
        ("a,,,,1.5,,,", 5, "whole number"),
        ("a,,,,,,,,x", 9, "beyond the header"),
    ],
)
def test_a_mistake_is_told_with_its_place(row: str, column: int, what: str) -> None:
    (fault,) = faults_of(f"{row}\n")
    assert (2, column) == (fault.line, fault.column)
    assert what in fault.what


def test_what_is_not_in_force_is_checked_and_warned_of_once() -> None:
    found, faults = read("a,0.05,EUR,100,,flag,,\nb,0.06,EUR,,,,,\n")
    assert 0 == len(faults)
    assert [(2, 2), (2, 3), (2, 4)] == [(f.line, f.column) for f in faults.warnings()]
    assert all("not used yet" in fault.what for fault in faults.warnings())
    assert "(2 rows fill it)" in faults.warnings()[0].what
    assert Screening(fraud=Policy(Act.FLAG)) == found["a"]


def test_calls_per_second_are_in_force_for_accounts_whose_cell_is_filled() -> None:
    found, faults = whole("a,,,,5,,,\nb,,,,,,,\n,,,,100000,,,\n")
    assert 0 == len(faults)
    assert () == faults.warnings()
    assert {"a": 5, "": 100_000} == found.cps


def test_a_file_of_screens_only_needs_no_other_column() -> None:
    found, faults = read("a,flag\n", "account,screen_tps\n")
    assert 0 == len(faults)
    assert {"a": Screening(tps=Policy(Act.FLAG))} == found


@pytest.mark.parametrize(
    "header", ["account;screen_tps\n", "screen_tps\n", "account,screens\n", ""]
)
def test_a_header_that_cannot_be_used_is_a_fault(header: str) -> None:
    assert faults_of("a,flag\n", header)
