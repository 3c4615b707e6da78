"""Sets of networks and groups of trunks: spelt out, and their mistakes with places."""

from __future__ import annotations

import pytest

from agi.errors import Fault, TableError
from agi.routing.reading.faults import Faults
from agi.routing.reading.set_rows import MAX_DEPTH, Groups, NetworkSets, read_groups, read_sets

SETS = "set,mccmnc\n"
GROUPS = "group,trunks\n"


def told(faults: Faults) -> tuple[Fault, ...]:
    try:
        faults.refuse()
    except TableError as error:
        return error.faults
    return ()


def sets(rows: str) -> tuple[NetworkSets, tuple[Fault, ...]]:
    faults = Faults()
    return read_sets("networks.csv", (SETS + rows).encode(), faults), told(faults)


def groups(rows: str) -> tuple[Groups, tuple[Fault, ...]]:
    faults = Faults()
    return read_groups("groups.csv", (GROUPS + rows).encode(), faults), told(faults)


def test_a_set_has_many_rows_of_networks_and_mccs_and_lists_of_both() -> None:
    found, faults = sets("uk,234-15\nfr,208\nuk,23410|235\n")
    assert () == faults
    assert {"uk": ("23415", "23410", "235"), "fr": ("208",)} == found.networks
    assert {"uk": 2, "fr": 3} == {name: place.line for name, place in found.places.items()}


@pytest.mark.parametrize(
    ("row", "column", "words"),
    [
        (",234", 1, "empty: 1 to 32"),
        ("a b,234", 1, "is no name"),
        ("uk,", 2, "empty: write MCC and MNC"),
        ("uk,!234", 2, "no '!'"),
        ("uk,@fr", 2, "no other set"),
        ("uk,234|@fr", 2, "no other set"),
        ("uk,2341", 2, "E.212"),
        ("uk,234,x", 3, "beyond the header"),
    ],
)
def test_a_wrong_row_of_a_set_is_a_fault_at_its_place(row: str, column: int, words: str) -> None:
    _, faults = sets(row + "\n")
    assert [(2, column)] == [(f.line, f.column) for f in faults]
    assert words in faults[0].what


def test_a_network_stands_once_in_a_set() -> None:
    _, (fault,) = sets("uk,234-15\nfr,23415\nuk,23415\n")
    assert (4, 2) == (fault.line, fault.column)
    assert "23415 stands in 'uk' at networks.csv:2 already" in fault.what


def test_groups_within_groups_are_spelt_out_with_the_weights_of_their_own_rows() -> None:
    found, faults = groups("all,@eu us:2\neu,a:3 @south b\nsouth,it:7\n")
    assert () == faults
    assert (("a", 3), ("it", 7), ("b", 1)) == found.members["eu"]
    assert (("a", 3), ("it", 7), ("b", 1), ("us", 2)) == found.members["all"]
    assert {"a", "b", "it", "us"} == found.trunk_names()


@pytest.mark.parametrize(
    ("rows", "place", "words"),
    [
        ("a,b\na,c\n", (3, 1), "the group 'a' stands at groups.csv:2 already"),
        ("a,\n", (2, 2), "empty: name the group's trunks"),
        ("a,b > c\n", (2, 2), "tiers"),
        ("a,b!\n", (2, 2), "tiers"),
        ("a,b b\n", (2, 2), "'b' stands twice"),
        ("a,@c b\nc,b\n", (2, 2), "'b' stands twice in the group, once by another one"),
        ("a,@cx\ncc,b\n", (2, 2), "unknown group 'cx'; did you mean 'cc'?"),
        ("a,@b:3\nb,c\n", (2, 2), "a group has no weight"),
        ("a,b:0\n", (2, 2), "from 1 to 1000"),
        ('a,"b,c"\n', (2, 2), "parted by blanks"),
        (",b\n", (2, 1), "empty"),
    ],
)
def test_a_wrong_group_is_one_fault_at_its_place(
    rows: str, place: tuple[int, int], words: str
) -> None:
    _, faults = groups(rows)
    assert [place] == [(f.line, f.column) for f in faults]
    assert words in faults[0].what


def test_f41_a_loop_of_groups_is_a_fault_that_names_its_chain() -> None:
    found, (fault,) = groups("a,x @b\nb,@c y\nc,z @a\n")
    assert (4, 2) == (fault.line, fault.column)
    assert "a loop of groups: a > b > c > a" in fault.what
    assert {"a", "b", "c"} == found.members.keys()
    _, (fault,) = groups("a,@a\n")
    assert "a loop of groups: a > a" in fault.what


def test_a27_a_chain_of_ten_thousand_groups_and_doubling_ones_are_refused_quickly() -> None:
    rows = "".join(f"g{number},t{number} @g{number + 1}\n" for number in range(9_000))
    _, faults = groups(rows + "g9000,t\n")
    assert faults
    assert f"more than {MAX_DEPTH} deep" in faults[0].what
    doubling = "".join(f"d{n},@d{n + 1} @e{n + 1}\ne{n},@d{n + 1} @e{n + 1}\n" for n in range(14))
    _, faults = groups(doubling + "d14,x\ne14,y\n")
    assert "'x' stands twice in the group" in faults[0].what
    _, faults = groups("big," + " ".join(f"t{number}" for number in range(600)) + "\n")
    assert () == faults
    wide = "".join(f"g{n}," + " ".join(f"t{n}x{m}" for m in range(300)) + "\n" for n in range(4))
    _, (fault,) = groups(wide + "all,@g0 @g1 @g2 @g3\n")
    assert "1200 trunks in a group: at most 1000" in fault.what


def test_a27_sets_have_a_limit_of_networks_together() -> None:
    networks = [f"{mcc}{mnc:02d}" for mcc in range(202, 210) for mnc in range(100)]
    some = "|".join(networks[:600])
    _, faults = sets("".join(f"s{number},{some}\n" for number in range(1_000)))
    assert ["more than 200000 networks in all sets: drop rows"] == [fault.what for fault in faults]
    assert [336] == [fault.line for fault in faults]


def test_a_file_without_a_usable_header_gives_nothing() -> None:
    assert ({}, {}) == (
        read_sets("f", b"", Faults()).networks,
        read_groups("f", b"x", Faults()).members,
    )
