"""How trunks want their numbers: formats of national numbering plans, then strip, then prepend."""

from __future__ import annotations

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agi.routing.trunk import Trunk, number_form


def sent(msisdn: str, number_format: str = "e164", strip: int = 0, prepend: str = "") -> str | None:
    form = number_form(number_format, strip, prepend)
    return Trunk("t", "t", "PJSIP", 60, enabled=True, form=form).number(msisdn)


@pytest.mark.parametrize(
    ("msisdn", "number_format", "strip", "prepend", "expected"),
    [
        ("447788450450", "e164", 0, "", "447788450450"),
        ("447788450450", "plus", 0, "", "+447788450450"),
        ("447788450450", "00", 0, "", "00447788450450"),
        ("447788450450", "national:GB", 0, "", "07788450450"),
        ("33612345678", "national:GB", 0, "", "0033612345678"),
        ("12125550123", "national:US", 0, "", "12125550123"),
        ("390612345678", "national:IT", 0, "", "0612345678"),
        ("34600123456", "national:ES", 0, "", "600123456"),
        ("36201234567", "national:HU", 0, "", "06201234567"),
        ("447788450450", "e164", 2, "0", "07788450450"),
        ("447788450450", "plus", 1, "99*", "99*447788450450"),
        ("447788450450", "national:GB", 1, "0044", "00447788450450"),
        ("44", "e164", 2, "9", None),
        ("44", "e164", 3, "9", None),
        ("1" * 15, "00", 0, "2" * 15, "2" * 15 + "00" + "1" * 15),
        ("1" * 15, "00", 0, "2" * 16, None),
    ],
)
def test_the_number_is_formatted_then_stripped_then_prepended(
    msisdn: str, number_format: str, strip: int, prepend: str, expected: str | None
) -> None:
    assert expected == sent(msisdn, number_format, strip, prepend)


def test_plain_digits_need_no_form() -> None:
    assert number_form("e164", 0, "") is None


@pytest.mark.parametrize("country", ["GB", "DE", "FR", "AU", "IT", "ES", "HU", "RU", "SG", "PL"])
def test_national_mobile_numbers_are_as_libphonenumber_writes_them(country: str) -> None:
    number = phonenumbers.example_number_for_type(country, phonenumbers.PhoneNumberType.MOBILE)
    assert number is not None
    e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    national = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL)
    assert phonenumbers.normalize_digits_only(national) == sent(e164[1:], f"national:{country}")


@given(
    st.from_regex(r"[1-9][0-9]{0,14}", fullmatch=True),
    st.sampled_from(["e164", "plus", "00", "national:GB", "national:US", "national:IT"]),
    st.integers(0, 32),
    st.from_regex(r"[0-9*#+]{0,16}", fullmatch=True),
)
def test_what_leaves_is_1_to_32_of_the_allowed_characters(
    msisdn: str, number_format: str, strip: int, prepend: str
) -> None:
    number = sent(msisdn, number_format, strip, prepend)
    assert number is None or (1 <= len(number) <= 32 and not set(number) - set("0123456789*#+"))
