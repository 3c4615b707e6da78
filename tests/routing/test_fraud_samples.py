"""The sample policy and limits that a new site begins with: fraud is stopped, people are not."""

from __future__ import annotations

import random
from pathlib import Path

import phonenumbers
import pytest

import agi.routing
from agi.model import Line
from agi.routing.limits import Limits, read_limits
from agi.routing.meters import Meters
from agi.routing.policy import Policy, read_policy
from agi.routing.reading.faults import Faults

SAMPLE = Path(agi.routing.__file__).parent / "sample"
CODES = frozenset(map(str, phonenumbers.COUNTRY_CODE_TO_REGION_CODE))


@pytest.fixture(scope="module")
def policy() -> Policy:
    faults = Faults()
    found = read_policy("policy.csv", (SAMPLE / "policy.csv").read_bytes(), faults, {})
    faults.refuse()
    assert () == faults.warnings()
    return found


@pytest.fixture(scope="module")
def limits() -> Limits:
    faults = Faults()
    found = read_limits("limits.csv", (SAMPLE / "limits.csv").read_bytes(), faults)
    faults.refuse()
    assert () == faults.warnings()
    return found


def denied(policy: Policy, msisdn: str, mccmnc: str | None = None) -> bool:
    verdict = policy.verdict(f"00{msisdn}", msisdn, "acme", mccmnc, None)
    return verdict is not None and verdict.action == "deny"


@pytest.mark.parametrize(
    "msisdn",
    [
        *("870773111111", "881631512345", "881751234567", "882161234567", "883510001234567"),
        *("878101234567", "888123456789", "979112345678", "99112345678"),
        *("5351234567", "37190012345", "6741234567", "67812345", "68212345", "6834123"),
        *("449012345678", "447012345678", "44118500", "19005550123"),
    ],
)
def test_a28_satellite_premium_and_favourites_of_fraud_are_denied(
    policy: Policy, msisdn: str
) -> None:
    assert denied(policy, msisdn)
    # A number that claims to be ported to an ordinary network does not escape.
    assert denied(policy, msisdn, "23415")


def test_a31_every_code_that_no_country_has_is_denied(policy: Policy) -> None:
    for code in map(str, range(100, 1_000)):
        if not any(code.startswith(known) for known in CODES):
            assert denied(policy, code + "5550123"), code


@pytest.mark.parametrize("msisdn", ["4490", "4490123456789012", "87012", "371900", "2105"])
def test_a31_a_number_too_short_or_too_long_does_not_slip_through(
    policy: Policy, msisdn: str
) -> None:
    assert denied(policy, msisdn)


def test_ordinary_numbers_of_every_country_that_people_call_are_not_denied(
    policy: Policy,
) -> None:
    shut = {"CU", "NF", "NR", "PG", "TO", "SB", "VU", "WF", "CK", "NU", "WS", "KI", "TV", "TK"}
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        for kind in (phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE):
            example = phonenumbers.example_number_for_type(region, kind)
            if example is not None:
                msisdn = f"{example.country_code}{example.national_number}"
                assert (region in shut) is denied(policy, msisdn), region


def test_home_numbers_that_only_look_like_premium_ones_are_not_denied(policy: Policy) -> None:
    # Geographic, mobile, 03, 0800, 084 and 087 (Ofcom, National Telephone Numbering Plan).
    for msisdn in ("442079460123", "447700900123", "443069990123", "448081570123", "448450990123"):
        assert not denied(policy, msisdn)


def test_each_row_says_why(policy: Policy) -> None:
    lines = (SAMPLE / "policy.csv").read_text().splitlines()
    rows = [line for line in lines if not line.startswith("#")][1:]
    assert len(policy) == len(rows)
    assert all(line.split(",", 5)[5] for line in rows)


def test_no_lookup_is_bought_for_the_policy(policy: Policy) -> None:
    assert not policy.by_network("07700900123", "447700900123", "acme", Line.MOBILE)


def test_a28_a_burst_to_forty_numbers_of_a_foreign_range_is_stopped_within_twenty_calls(
    limits: Limits,
) -> None:
    dice = random.Random(28)
    meters = Meters()
    numbers = [f"25290712{number:03d}" for number in dice.sample(range(1_000), 40)]
    ordinary = stopped = went = 0
    for tick in range(5_000):
        now = tick / 50
        went += meters.call(limits, "acme", dice.choice(numbers), now) is None
        home = f"447{dice.randrange(10**9):09d}"
        ordinary += 1
        stopped += meters.call(limits, "acme", home, now) is not None
    # 15 at once, and one a minute: 100 s of bursting, during which nothing is forgiven.
    assert went <= 20
    assert 0 == stopped
    assert 5_000 == ordinary


def test_a28_one_foreign_number_again_and_again_is_stopped(limits: Limits) -> None:
    meters = Meters()
    assert 15 == sum(meters.call(limits, "", "37126123456", t / 10) is None for t in range(1_000))


def test_fifty_calls_a_second_to_home_numbers_are_not_touched_for_an_hour(limits: Limits) -> None:
    dice = random.Random(50)
    meters = Meters()
    numbers = [f"447{dice.randrange(10**9):09d}" for _ in range(20_000)]
    for tick in range(0, 3_600 * 50, 10):
        for number in dice.choices(numbers, k=10):
            assert meters.call(limits, "acme", number, tick / 50) is None
