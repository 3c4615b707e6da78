"""Every row of the reliability list that is in force has a test that bears its id, or a reason."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PAGE = TESTS / "README.md"

ROWS = [
    *(f"F{number}" for number in (*range(13, 36), *range(37, 43), *range(47, 51))),
    *(f"A{number}" for number in (*range(6, 14), 19, 20, *range(25, 35), 39, 40)),
]
"""What lookups, tables and noc have to hold; the rows of other rooms come with their work."""

NAMED = re.compile(r"^(?:async )?def test_((?:[fa][0-9]+_(?:and_)?)+)", re.MULTILINE)
IN_FILE_NAME = re.compile(r"^((?:[fa][0-9]+_)+)")


def borne() -> dict[str, list[str]]:
    """Return which tests and scenarios bear which id."""
    found: dict[str, list[str]] = {}
    for path in TESTS.rglob("test_*.py"):
        for match in NAMED.finditer(path.read_text()):
            for row in re.findall("[fa][0-9]+", match[1]):
                found.setdefault(row.upper(), []).append(str(path.relative_to(TESTS)))
    for path in (TESTS / "scenarios").rglob("*.scn"):
        if begin := IN_FILE_NAME.match(path.name):
            for row in re.findall("[fa][0-9]+", begin[1]):
                found.setdefault(row.upper(), []).append(str(path.relative_to(TESTS)))
    return found


def reasons() -> set[str]:
    """Return the rows of which the page says why they are not tested here."""
    text = PAGE.read_text().partition("## Not tested here")[2]
    return set(re.findall(r"^- \*\*([FA][0-9]+)", text, re.MULTILINE))


@pytest.mark.parametrize("row", ROWS)
def test_a_row_has_a_test_or_a_reason(row: str) -> None:
    assert row in borne() or row in reasons()


def test_no_reason_is_given_for_what_is_tested() -> None:
    assert set() == reasons() & set(borne())
