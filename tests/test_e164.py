"""Dialled digits are read as phonenumbers reads them, only sooner, and nothing ever raises."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterator

import phonenumbers
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from phonenumbers import PhoneMetadata, PhoneNumber, PhoneNumberFormat, PhoneNumberType

from agi.e164 import NumberingPlan
from agi.model import Dialled, Kind, Line

GB = NumberingPlan("GB", ["112", "999"])
COUNTRIES = re.findall("..", "GBUSITESDEBRARMXFRRUAUHUSGGGFIJP")
PLANS = {country: NumberingPlan(country, []) for country in COUNTRIES}
CODES = tuple(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)
LINES = {
    PhoneNumberType.MOBILE: Line.MOBILE,
    PhoneNumberType.FIXED_LINE: Line.LANDLINE,
    PhoneNumberType.FIXED_LINE_OR_MOBILE: Line.MOBILE_OR_LANDLINE,
    PhoneNumberType.TOLL_FREE: Line.TOLLFREE,
    PhoneNumberType.PREMIUM_RATE: Line.PREMIUM,
    PhoneNumberType.VOIP: Line.VOIP,
}


def parsed(text: str, country: str) -> Dialled | None:
    """Return what phonenumbers itself makes of the text, if it is a valid number."""
    try:
        number = phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException:
        return None
    digits = phonenumbers.format_number(number, PhoneNumberFormat.E164)[1:]
    if not phonenumbers.is_valid_number(number) or len(digits) > 15:
        return None
    region = phonenumbers.region_code_for_number(number) or ""
    line = LINES.get(phonenumbers.number_type(number), Line.OTHER)
    return Dialled(text, Kind.E164, digits, "" if region == "001" else region, line)  # type: ignore[arg-type]  # a str is an Msisdn here


def is_short(digits: str, country: str) -> bool:
    zeros = len(digits) - len(digits[:-1].lstrip("0") + digits[-1])
    number = PhoneNumber(
        country_code=phonenumbers.country_code_for_region(country),
        national_number=int(digits),
        italian_leading_zero=zeros > 0,
        number_of_leading_zeros=zeros,
    )
    return phonenumbers.is_valid_short_number_for_region(
        number, country
    ) or phonenumbers.is_emergency_number(digits, country)


def plain(text: str, country: str) -> Dialled | None:
    """Return the documented order of interpretation, by phonenumbers alone; None if invalid."""
    found = parsed(text, country)
    if found is not None or text.startswith("+"):
        return found
    if is_short(text, country):
        return Dialled(text, Kind.SHORT, None, country)
    home = PhoneMetadata.metadata_for_region(country)
    assert home is not None
    assert home.general_desc is not None
    idd = re.match(home.international_prefix or "(?!)", text)
    if idd and text[idd.end() :][:1] not in ("", "0"):
        return None
    if len(text) in home.general_desc.possible_length_local_only:
        return None
    return parsed("+" + text, country)


def difference(text: str, country: str, plan: NumberingPlan) -> str:
    """Return what differs, with enough to find the cause; empty if nothing does."""
    ours, theirs = plan.understand(text), plain(text, country)
    if theirs is None:
        return "" if ours.kind is Kind.INVALID else f"{country} {text}: {ours}, not valid"
    same = (ours.kind, ours.msisdn, ours.country, ours.line) == (
        theirs.kind,
        theirs.msisdn,
        theirs.country,
        theirs.line,
    )
    return "" if same else f"{country} {text}: {ours}, not {theirs}"


def examples(regions: Iterator[str] | list[str]) -> Iterator[PhoneNumber]:
    for region in regions:
        for kind in sorted(phonenumbers.supported_types_for_region(region)):
            number = phonenumbers.example_number_for_type(region, kind)
            if number is not None:
                yield number


def mutated(dice: random.Random, digits: str, first: int) -> str:
    """Change up to three digits from ``first`` on, or the length by one, or nothing."""
    text = list(digits)
    for _ in range(dice.choice((0, 1, 1, 2, 3))):
        text[dice.randrange(first, len(text))] = dice.choice("0123456789")
    if dice.random() < 0.2:
        at = dice.randrange(first, len(text))
        text[at : at + 1] = dice.choice(([], [text[at], dice.choice("0123456789")]))
    return "".join(text)


def digits_of(number: PhoneNumber) -> str:
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)[1:]


def forms(dice: random.Random, country: str) -> Iterator[str]:
    """Yield one example number of the country in every form, and foreign and random digits."""
    home = PhoneMetadata.metadata_for_region(country)
    assert home is not None
    regular = home.international_prefix or ""
    several = {"BR": "0015", "AU": "0011", "SG": "001", "FI": "00", "HU": "00"}
    idd = regular if regular.isdigit() else several.get(country, "00")
    foreign = list(examples(["GB", "US", "DE", "FR", "IT", "CN", "JE", "SH"]))
    own = list(examples([country]))
    for number in own * (360 // len(own)):
        national = phonenumbers.format_number(number, PhoneNumberFormat.NATIONAL)
        code = str(number.country_code)
        dialled = re.sub(r"\D", "", national)
        full = mutated(dice, digits_of(number), len(code))
        yield mutated(dice, dialled, min(1, len(dialled) - 1))
        yield full[len(code) :] or "0"
        yield "+" + full
        yield idd + full
        yield full
    for _ in range(300):
        full = mutated(dice, digits_of(dice.choice(foreign)), 2)
        yield full
        yield idd + full
        yield "".join(dice.choices("0123456789", k=dice.randint(1, 17)))
        yield "".join(dice.choices("0123456789", weights=[4, 4] + [1] * 8, k=dice.randint(1, 7)))


def test_a_hundred_thousand_numbers_are_what_phonenumbers_says() -> None:
    dice = random.Random(164)
    drawn: list[tuple[str, str]] = []
    for number in examples(sorted(phonenumbers.SUPPORTED_REGIONS)):
        digits, code = digits_of(number), str(number.country_code)
        drawn += [("GB", "+" + mutated(dice, digits, len(code))) for _ in range(28)]
    for code_number in CODES:
        for _ in range(150):
            rest = "".join(dice.choices("0123456789", k=dice.randint(1, 13)))
            drawn.append(("GB", f"+{code_number}{rest}"))
    for country in COUNTRIES:
        drawn += [(country, text) for text in forms(dice, country)]
    assert len(drawn) >= 100_000
    differences = (difference(text, country, PLANS[country]) for country, text in drawn)
    assert [] == list(filter(None, differences))[:20]
    valid = sum(PLANS[country].understand(text).kind is Kind.E164 for country, text in drawn)
    assert 0.2 < valid / len(drawn) < 0.8  # both answers are well represented


def test_five_times_as_quick_as_phonenumbers_on_the_same_numbers() -> None:
    dice = random.Random(5)
    many = ["+" + digits_of(n) for n in examples(["GB", "US", "DE", "FR", "IT", "ES"])]
    many += ["07400123456", "02079460018", "00442083661177", "442083661177"]
    drawn = dice.choices(many, k=2000)
    ours, theirs = [], []
    for _ in range(3):
        start = time.process_time()
        for text in drawn:
            GB.understand(text)
        middle = time.process_time()
        for text in drawn:
            parsed(text, "GB")
        ours.append(middle - start)
        theirs.append(time.process_time() - middle)
    assert min(theirs) >= 5 * min(ours)


@pytest.mark.parametrize("country", COUNTRIES)
def test_the_daily_forms_of_a_country_do_not_need_the_parser(country: str) -> None:
    number = phonenumbers.example_number_for_type(country, PhoneNumberType.MOBILE)
    assert number is not None
    digits = digits_of(number)
    plan = NumberingPlan(country, [])
    plan._understand_slowly = None  # type: ignore[assignment,method-assign]  # calling it fails
    assert digits == plan.understand("+" + digits).msisdn


@pytest.mark.parametrize(
    ("dialled", "msisdn", "country", "line"),
    [
        # 020 7946 0xxx: Ofcom, "Telephone numbers for use in TV and radio drama programmes".
        ("02079460018", "442079460018", "GB", Line.LANDLINE),
        ("2079460018", "442079460018", "GB", Line.LANDLINE),
        ("+442079460018", "442079460018", "GB", Line.LANDLINE),
        ("00442079460018", "442079460018", "GB", Line.LANDLINE),
        ("442079460018", "442079460018", "GB", Line.LANDLINE),
        # ITU-T, list of E.164 country codes: 800 is international freephone, of no country.
        ("+80012345678", "80012345678", "", Line.TOLLFREE),
        # Jersey shares +44: Ofcom, National Telephone Numbering Plan, 01534.
        ("01534456789", "441534456789", "JE", Line.LANDLINE),
        ("0033612345678", "33612345678", "FR", Line.MOBILE),
        ("33612345678", "33612345678", "FR", Line.MOBILE),
        # The Holy See's numbers are Roman ones, and keep the zero.
        ("+390669812345", "390669812345", "VA", Line.LANDLINE),
        ("+4402079460018", "442079460018", "GB", Line.LANDLINE),  # "+44 (0)20": a common habit
    ],
)
def test_a_number_dialled_in_britain_is_read_in_all_its_forms(
    dialled: str, msisdn: str, country: str, line: Line
) -> None:
    assert (dialled, Kind.E164, msisdn, country, line) == (
        (found := GB.understand(dialled)).digits,
        found.kind,
        found.msisdn,
        found.country,
        found.line,
    )


@pytest.mark.parametrize(
    ("country", "dialled", "msisdn"),
    [
        ("US", "2015550123", "12015550123"),
        ("US", "12015550123", "12015550123"),
        ("US", "011442079460018", "442079460018"),
        ("IT", "0212345678", "390212345678"),  # the zero belongs to the number in Italy
        ("IT", "3912345678", "393912345678"),  # a mobile number that begins like the code
        ("ES", "612345678", "34612345678"),  # no national prefix
        ("AR", "0111523456789", "5491123456789"),  # 15 becomes 9 in front (metadata's transform)
        ("RU", "89123456789", "79123456789"),
        ("HU", "06201234567", "36201234567"),
        ("AU", "0011442079460018", "442079460018"),
    ],
)
def test_each_country_reads_its_own_forms(country: str, dialled: str, msisdn: str) -> None:
    found = PLANS[country].understand(dialled)
    assert (Kind.E164, msisdn) == (found.kind, found.msisdn)


@pytest.mark.parametrize("dialled", ["112", "999"])
def test_an_emergency_number_is_known_by_its_exact_digits(dialled: str) -> None:
    assert Dialled(dialled, Kind.EMERGENCY, None, "GB", Line.EMERGENCY) == GB.understand(dialled)


@pytest.mark.parametrize("dialled", ["+44112", "112#", "0112", "+112", "00112", "1120", "112*"])
def test_a32_what_only_resembles_an_emergency_number_is_none(dialled: str) -> None:
    assert Kind.INVALID == GB.understand(dialled).kind


def test_an_emergency_number_may_be_a_valid_number_too() -> None:
    plan = NumberingPlan("GB", ["02079460018"])
    assert Kind.EMERGENCY == plan.understand("02079460018").kind


@pytest.mark.parametrize(
    ("country", "dialled"),
    [
        ("US", "911"),  # emergency in the metadata, but not configured here
        ("DE", "116117"),  # European Commission decision 2007/116/EC, the 116 range
        ("GB", "116123"),
        ("FR", "15"),
    ],
)
def test_a_short_code_is_recognised_and_has_no_international_form(
    country: str, dialled: str
) -> None:
    assert Dialled(dialled, Kind.SHORT, None, country) == PLANS[country].understand(dialled)


@pytest.mark.parametrize(
    ("dialled", "msisdn", "country"),
    [
        ("+44112", "44112", ""),  # +44 serves four countries
        ("+33112", "33112", "FR"),
        ("0033112", "33112", "FR"),
        ("0112", "44112", ""),
        ("+999123", "999123", ""),  # a code that is not assigned
        ("+123456789012345", "123456789012345", ""),
        # E.164 ends at 15 digits; networks ignore what is too much, so prefix rules must see it.
        ("+1234567890123456", "1234567890123456", ""),
        ("+4490123456789012", "4490123456789012", ""),
        ("00449012345678999999", "449012345678999999", ""),
        ("09012345678000000", "449012345678000000", ""),
        ("449012345678999999", "449012345678999999", ""),
        ("+0123", None, ""),  # no code begins with 0
        ("+80099", "80099", ""),
        ("000441", None, ""),
        ("00", None, ""),
        ("0", None, ""),
        ("+", None, ""),
        ("", None, ""),
        ("12345678", None, ""),
        ("*21*2079460018#", None, ""),
        ("+44*2079460018", None, ""),
    ],
)
def test_an_invalid_number_keeps_its_international_form_if_there_is_one(
    dialled: str, msisdn: str | None, country: str
) -> None:
    found = GB.understand(dialled)
    assert (Kind.INVALID, msisdn, country, None) == (
        found.kind,
        found.msisdn,
        found.country,
        found.line,
    )


@pytest.mark.parametrize(
    ("dialled", "meant"),
    [
        ("0088216123456789#", "88216123456789"),  # ends the dialling on many a network
        ("0088216123456789#1", "88216123456789"),
        ("*31#0088216123456789", "88216123456789"),  # hides the caller (3GPP TS 22.030, 4.5.4)
        ("09011234567*", "449011234567"),
        ("*21*2079460018#", "442079460018"),
        ("+00449012345678999999", "449012345678"),
        ("112#", None),
        ("1471#", None),
        ("*98", None),
        ("+44*99", None),
        ("12345678", None),  # nothing was dropped, nothing is guessed
        ("#", None),
        ("", None),
    ],
)
def test_what_a_network_may_make_of_an_unreadable_number_is_known(
    dialled: str, meant: str | None
) -> None:
    found = GB.understand(dialled)
    assert (Kind.INVALID, None, meant) == (found.kind, found.msisdn, found.meant)


@pytest.mark.parametrize(
    ("dialled", "meant"),
    [
        ("+33612345678901234", "33612345678"),  # nine digits and no more, Arcep's numbering plan
        ("003361234567890", "33612345678"),
        ("0778845045012345", "447788450450"),
        ("+3309999999999999", "33099999999"),  # none that is valid: as long as one would be
        ("+33112", None),
        ("+999123456789012345", None),
    ],
)
def test_digits_that_are_too_many_are_the_number_that_was_complete_before_them(
    dialled: str, meant: str | None
) -> None:
    found = GB.understand(dialled)
    assert (Kind.INVALID, meant) == (found.kind, found.meant)
    assert found.msisdn is not None


def test_what_is_understood_means_no_other_number() -> None:
    for dialled in ("112", "1471", "07788450450", "+33612345678"):
        assert GB.understand(dialled).meant is None


def test_digits_as_long_as_a_local_number_are_not_taken_for_a_foreign_one() -> None:
    # 29022158 is a number of Saint Helena, and eight digits are a London number without its 020.
    assert Kind.E164 == GB.understand("+29022158").kind
    assert Kind.INVALID == GB.understand("29022158").kind


@pytest.mark.parametrize(
    "dialled",
    [
        "\u0660\u0667\u0664\u0660\u0660\u0661\u0662\u0663\u0664\u0665\u0666",  # Arabic-Indic
        "+\u0664\u0664\u0662\u0660\u0667\u0669\u0664\u0666\u0660\u0660\u0661\u0668",
        "07400\uff1123456",  # a full-width digit
        "02079460018\n",
        " 02079460018",
        "+44 20 7946 0018",
        "++442079460018",
        "447&PJSIP/x",
        "${SHELL(id)}",
        "1-800-FLOWERS",
        "1" * 33,
        "9" * 300,
        "\x00",
        "\ud800",
    ],
)
def test_anything_but_ascii_digits_is_invalid_and_has_no_number(dialled: str) -> None:
    assert Dialled(dialled, Kind.INVALID) == GB.understand(dialled)


@example("01000000000000")  # Finland: too long for E.164, so INVALID, with its digits
@given(
    st.text() | st.from_regex(r"\A\+?[0-9*#]{1,32}\Z") | st.text("+0123456789*#٣１", max_size=40)
)
def test_nothing_raises_and_whatever_is_valid_has_an_e164_number(dialled: str) -> None:
    for plan in PLANS.values():
        found = plan.understand(dialled)
        assert dialled == found.digits
        # A number of impossible length keeps its digits, for the rules that deny its prefix.
        most = 31 if found.kind is Kind.INVALID else 14
        assert found.msisdn is None or re.fullmatch(f"[1-9][0-9]{{0,{most}}}", found.msisdn)
        assert (found.kind is Kind.E164) == (found.line is not None)


@pytest.mark.parametrize("country", ["gb", "GBR", "", "XX", "001", "UK"])
def test_an_unknown_country_is_refused(country: str) -> None:
    with pytest.raises(ValueError, match="alpha-2"):
        NumberingPlan(country, [])


@pytest.mark.parametrize("emergency", ["112", ["+112"], [""], ["1 1 2"], ["\u0663"], ["1" * 33]])
def test_emergency_numbers_must_be_a_list_of_digits(emergency: str | list[str]) -> None:
    with pytest.raises(ValueError, match="emergency"):
        NumberingPlan("GB", emergency)


@pytest.mark.parametrize("country", sorted(phonenumbers.SUPPORTED_REGIONS))
def test_every_country_reads_its_own_numbers_in_every_form(country: str) -> None:
    dice = random.Random(country)
    plan = NumberingPlan(country, [])
    drawn = list(forms(dice, country))
    chosen = dice.sample(drawn, k=min(len(drawn), 100))
    assert "" == "\n".join(filter(None, (difference(text, country, plan) for text in chosen)))
