"""Which version was in force before which, and which old ones may go."""

from __future__ import annotations

import msgspec

from agi.routing.versions.audit import Act, Entry, stamp
from agi.routing.versions.history import VERSION, in_trouble, one_before, path_to, too_old

NOW = 1_767_268_800.0
DAY = 86_400.0


def name(number: int) -> str:
    return f"{number:06d}-0a1b2c3d"


def past(*changes: int, days_ago: float = 0.0) -> list[Entry]:
    """Return log entries: a version of a new number was activated, any other rolled back to."""
    entries, known = [], set[int]()
    for seq, number in enumerate(changes, 1):
        entries.append(
            Entry(
                seq=seq,
                at=stamp(NOW - days_ago * DAY),
                uid=0,
                user="",
                action=Act.ROLLBACK if number in known else Act.ACTIVATE,
                version=name(number),
                why="",
            )
        )
        known.add(number)
    return entries


def stored(*numbers: int) -> list[str]:
    return [name(number) for number in numbers]


def test_a_versions_name_is_its_number_and_its_hash() -> None:
    assert VERSION.fullmatch("000042-1a2b3c4d")
    for wrong in ("42-1a2b3c4d", "000042-1A2B3C4D", "000042-1a2b3c4d\n", "../042-1a2b3c4d", ""):
        assert not VERSION.fullmatch(wrong)
    assert not VERSION.fullmatch("00004\u0662-1a2b3c4d")


def test_the_one_before_is_what_was_in_force_before() -> None:
    assert name(1) == one_before(past(1, 2), stored(1, 2), name(2))
    assert None is one_before(past(1), stored(1), name(1))
    assert None is one_before([], [], "")


def test_the_one_before_is_never_what_was_rolled_back_from() -> None:
    assert stored(1, 2, 4) == path_to(past(1, 2, 3, 2, 4))
    assert name(2) == one_before(past(1, 2, 3, 2, 4), stored(1, 2, 3, 4), name(4))
    assert name(1) == one_before(past(1, 2, 3, 2), stored(1, 2, 3), name(2))


def test_a_version_that_is_not_stored_any_more_is_passed_over() -> None:
    assert name(1) == one_before(past(1, 2, 3), stored(1, 3), name(3))


def test_without_a_log_the_next_lower_number_is_the_one_before() -> None:
    assert name(5) == one_before([], stored(2, 5, 7, 9), name(7))


def test_f39_in_trouble_what_led_to_the_active_one_comes_before_what_was_given_up() -> None:
    tried = in_trouble(past(1, 2, 3, 2, 4), stored(1, 2, 3, 4), name(4))
    assert stored(4, 2, 1, 3) == tried
    assert stored(3, 2) == in_trouble([], stored(2, 3), name(9))


def test_the_newest_hundred_stay() -> None:
    numbers = range(1, 151)
    gone = too_old(past(*numbers, days_ago=31), stored(*numbers), name(150), NOW)
    assert stored(*range(1, 51)) == list(gone)


def test_what_was_in_force_within_thirty_days_stays() -> None:
    numbers = range(1, 151)
    assert () == too_old(past(*numbers, days_ago=29), stored(*numbers), name(150), NOW)
    entries = past(*numbers, 150, 7, days_ago=31)
    entries[-2] = msgspec.structs.replace(entries[-2], version=name(9), at=stamp(NOW - 29 * DAY))
    gone = too_old(entries, stored(*numbers), name(7), NOW)
    # 7 is active, 6 is the one before, 9 was in force 29 days ago.
    assert stored(*(n for n in range(1, 51) if n not in {6, 7, 9})) == list(gone)


def test_at_most_a_thousand_stay_and_the_active_one_does_in_any_case() -> None:
    numbers = range(1, 1_101)
    entries = [*past(*numbers), *past(1)]
    gone = set(too_old(entries, stored(*numbers), name(1), NOW))
    assert 100 == len(gone)
    assert name(1) not in gone
    assert name(1_100) not in gone
