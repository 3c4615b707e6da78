"""Warnings about tables that only the wire and the configuration can give."""

from __future__ import annotations

from pathlib import Path

from agi.checking import longest_answer, suspicious
from tests.routing.making import compiled

NAMES = [letter * 40 for letter in "abcdefghij"]
TRUNKS = "trunk,tech\n" + "".join(f"{name},DAHDI\n" for name in NAMES)


def test_nine_of_the_longest_endpoints_fit_and_a_tenth_never_leaves() -> None:
    routes = f"nine,,,1,,,,{' > '.join(NAMES[:9])},\n" + f"ten,,,2,,,,{' > '.join(NAMES)},\n"
    table = compiled(f"{routes}default,,,,,,,{NAMES[0]},\n", trunks=TRUNKS)
    assert longest_answer(table) <= 2_047
    assert () == suspicious(Path("t"), table, None)


def test_a_rule_whose_answer_would_be_cut_off_is_named_at_its_line() -> None:
    routes = f"short,,,1,,,,{NAMES[0]},\nlong,,,2,,,,{' > '.join(NAMES[:9])},\n"
    table = compiled(f"{routes}default,,,,,,,{NAMES[0]},\n", trunks=TRUNKS)
    (warning,) = suspicious(Path("t"), table, None, longest_answer(table) - 1)
    assert ("t/routes.csv", 3, True) == (warning.file, warning.line, warning.warning)
    assert "give fewer trunks" in warning.what
