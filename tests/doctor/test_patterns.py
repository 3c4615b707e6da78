"""Asterisk's extension patterns; the expected values are those of its documentation."""

from __future__ import annotations

import pytest

from agi.doctor.patterns import matches, open_ended


@pytest.mark.parametrize(
    ("pattern", "extension", "expected"),
    [
        ("100", "100", True),
        ("100", "1000", False),
        ("_X.", "112", True),
        ("_X.", "1", False),
        ("_X.", "h", False),
        ("_X!", "1", True),
        ("_.", "h", True),
        ("_.", "", False),
        ("_!", "T", True),
        ("_+X.", "+44", True),
        ("_NXX", "211", True),
        ("_NXX", "111", False),
        ("_ZX", "10", True),
        ("_ZX", "01", False),
        ("_[13-5]X", "40", True),
        ("_[13-5]X", "20", False),
        ("_[a-z]!", "h", True),
        ("_[0-9*#+].", "*21#", True),
        ("_0[1-9]-XXX", "01234", True),
        ("_X./100", "22", True),
        ("_x.", "12", True),
        ("_[]X", "1", False),
        ("_[5-1]", "3", False),
        ("_[", "[", True),
    ],
)
def test_a_pattern_matches_as_documented(pattern: str, extension: str, expected: bool) -> None:
    assert expected == matches(pattern, extension)


def test_only_a_pattern_with_a_point_or_a_mark_at_its_end_is_open() -> None:
    assert [True, True, True, False, False] == [
        open_ended(text) for text in ("_X.", "_X!", "_X./1", "_XX", "10.")
    ]
