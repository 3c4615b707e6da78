"""What a change does: rows by value, and destinations whose first choice moves."""

from __future__ import annotations

from pathlib import Path

import pytest

from agi.routing.moves import Move, RowChange, moves, rows_changed
from agi.routing.reading.files import Loaded, load

TRUNKS = "trunk\na\nb\nc\n"
ROUTES = """rule,priority,mccmnc,prefix,country,account,from,line,live,when,action,trunks,comment
sos,,,,,,,emergency,,,,a,
voda,,23415,,,,,,,,,a > b,
gb,,,,GB,,,,,,,a:3 b:1,
dear,100,,449,,,,,,,reject:21,,premium
default,,,,,,,,,,,c,
"""
NOW = 1_795_231_889.0  # a Saturday in November 2026


def table(directory: Path, name: str, routes: str = ROUTES, **files: str) -> Loaded:
    folder = directory / name
    folder.mkdir()
    for file, text in {"trunks": TRUNKS, "routes": routes, **files}.items():
        (folder / f"{file}.csv").write_text(text)
    return load(folder, 1, "UTC")


def moved(old: Loaded, new: Loaded) -> list[Move]:
    changes = rows_changed(old.contents, new.contents)
    return list(moves(old.table, new.table, NOW, changes).moves)


def test_the_same_table_moves_nothing(tmp_path: Path) -> None:
    old, new = table(tmp_path, "old"), table(tmp_path, "new")
    assert () == rows_changed(old.contents, new.contents)
    assert [] == moved(old, new)


def test_order_quotes_comments_and_empty_columns_are_no_change(tmp_path: Path) -> None:
    old = table(tmp_path, "old")
    lines = ROUTES.splitlines()
    shuffled = [lines[0] + ",pick", "# a remark", *reversed(lines[1:])]
    quoted = [line.replace("premium", '"premium"') for line in shuffled]
    new = table(tmp_path, "new", "\r\n".join(quoted) + "\r\n")
    assert () == rows_changed(old.contents, new.contents)
    assert [] == moved(old, new)


def test_a_changed_row_is_named_with_its_cells_and_lines(tmp_path: Path) -> None:
    old = table(tmp_path, "old")
    new = table(tmp_path, "new", ROUTES.replace("23415,,,,,,,,,a > b", "23415,,,,,,,,,b > a"))
    expected = RowChange("routes.csv", "voda", 3, 3, (("trunks", "a > b", "b > a"),))
    assert (expected,) == rows_changed(old.contents, new.contents)
    assert [Move("any number, on 23415", "a", "b")] == moved(old, new)


def test_a_second_choice_that_changes_moves_no_first_choice(tmp_path: Path) -> None:
    old = table(tmp_path, "old")
    new = table(tmp_path, "new", ROUTES.replace("a > b", "a > c"))
    assert 1 == len(rows_changed(old.contents, new.contents))
    assert [] == moved(old, new)


def test_other_odds_are_a_move(tmp_path: Path) -> None:
    old = table(tmp_path, "old")
    new = table(tmp_path, "new", ROUTES.replace("a:3 b:1", "a:1 b:3"))
    assert [Move("any number, in GB", "a 75.0%, b 25.0%", "b 75.0%, a 25.0%")] == moved(old, new)


def test_the_same_odds_written_otherwise_are_none(tmp_path: Path) -> None:
    old = table(tmp_path, "old")
    new = table(tmp_path, "new", ROUTES.replace("a:3 b:1", "b:100 a:300"))
    assert [] == moved(old, new)


def test_a_rule_that_goes_moves_its_calls_to_whoever_takes_them_then(tmp_path: Path) -> None:
    old = table(tmp_path, "old")
    new = table(tmp_path, "new", ROUTES.replace("dear,100,,449,,,,,,,reject:21,,premium\n", ""))
    found = moved(old, new)
    assert Move("+449...", "reject 21", "c") in found
    assert Move("+449..., in GB", "reject 21", "a 75.0%, b 25.0%") in found
    assert Move("+449..., on 23415", "reject 21", "a") in found


def test_a_rule_that_comes_takes_only_what_it_wins(tmp_path: Path) -> None:
    old = table(tmp_path, "old")
    new = table(tmp_path, "new", ROUTES + "fr,,,33,,,,,,,,b,\n")
    found = moved(old, new)
    assert Move("+33...", "c", "b") in found
    assert all("449" not in move.destination for move in found)


def test_a_disabled_trunk_moves_every_rule_that_began_with_it(tmp_path: Path) -> None:
    old = table(tmp_path, "old")
    routes = ROUTES.replace("emergency,,,,a", "emergency,,,,a > c")
    new = table(tmp_path, "new", routes, trunks="trunk,enabled\na,no\nb,\nc,\n")
    found = moved(old, new)
    assert Move("emergency calls", "a", "c") in found
    assert Move("any number, on 23415", "a", "b") in found
    assert Move("any number, in GB", "a 75.0%, b 25.0%", "b") in found


def test_another_endpoint_of_the_same_trunk_is_a_move(tmp_path: Path) -> None:
    old = table(tmp_path, "old")
    new = table(tmp_path, "new", trunks="trunk,endpoint\na,gw1\nb,\nc,\n")
    assert Move("any number, on 23415", "a", "a (gw1)") in moved(old, new)


@pytest.mark.parametrize(
    ("row", "destination"),
    [
        ("x,,,,,shop,,,,,,b,", "any number, account shop"),
        ("x,,,,,,44,,,,,b,", "any number, from 44"),
        ("x,,,,,,anonymous,,,,,b,", "any number, from anonymous"),
        ("x,,,,,,,mobile,,,,b,", "any number, line mobile"),
        ("x,,,,,,,,dead,,reject:1,,", "any number, live dead"),
        ("x,,,=1471,,,,,,,,b,", "dialled 1471"),
        ("x,,234,,,,,,,,,b,", "any number, on 234"),
    ],
)
def test_every_cell_names_its_calls(tmp_path: Path, row: str, destination: str) -> None:
    old, new = table(tmp_path, "old"), table(tmp_path, "new", f"{ROUTES}{row}\n")
    assert destination in [move.destination for move in moved(old, new)]


def test_a_window_is_compared_when_it_is_open(tmp_path: Path) -> None:
    old = table(tmp_path, "old")
    new = table(tmp_path, "new", ROUTES + "work,,,,,,,,,Mon-Fri 08:00-18:00,,b,\n")
    assert Move("any number", "c", "b") in moved(old, new)


def test_denied_prefixes_are_moves(tmp_path: Path) -> None:
    old = table(tmp_path, "old")
    new = table(tmp_path, "new", policy="prefix,action\n881,deny\n")
    assert Move("+881...", "c", "denied by policy") in moved(old, new)


def test_a_range_that_changes_hands_is_a_move(tmp_path: Path) -> None:
    ranges = "prefix,mccmnc\n447700,23410\n"
    old = table(tmp_path, "old", ranges=ranges)
    new = table(tmp_path, "new", ranges=ranges.replace("23410", "23415"))
    # The one table sends the range by its default, the other by the network's rule.
    found = moves(old.table, new.table, NOW, rows_changed(old.contents, new.contents))
    assert 1 == len(rows_changed(old.contents, new.contents))
    assert [Move("+447700..., without a lookup", "c", "a")] == list(found.moves)
