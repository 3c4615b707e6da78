"""What verdicts do to a call: the contract's words for each policy, one by one."""

from __future__ import annotations

import pytest

from agi.model import Fraud, Product, Verdicts
from agi.routing.screening import IGNORED, NO_SCREENING, Act, Policy, Screening

FLAG = Policy(Act.FLAG)
OPEN = Policy(Act.REJECT, 21)
CLOSED = Policy(Act.REJECT, 21, closed=True)
NONE = Verdicts()


def test_only_screens_that_are_not_ignored_are_asked() -> None:
    assert () == NO_SCREENING.asked
    assert (Product.FRAUD,) == Screening(fraud=FLAG).asked
    assert (Product.TPS, Product.UNSUBSCRIBE) == Screening(IGNORED, OPEN, CLOSED).asked
    assert (Product.FRAUD, Product.TPS, Product.UNSUBSCRIBE) == Screening(OPEN, FLAG, FLAG).asked


@pytest.mark.parametrize(
    ("policy", "fraud", "rejection", "flag"),
    [
        (IGNORED, Fraud.FRAUDULENT, None, ""),
        (FLAG, Fraud.FRAUDULENT, None, "fraud"),
        (FLAG, Fraud.SUSPICIOUS, None, "fraud"),
        (FLAG, Fraud.NOT_MOBILE, None, ""),
        (FLAG, Fraud.PASSED, None, ""),
        (FLAG, None, None, ""),
        (OPEN, Fraud.FRAUDULENT, (21, "fraud"), ""),
        (OPEN, Fraud.SUSPICIOUS, None, ""),
        (OPEN, Fraud.NOT_MOBILE, None, ""),
        (OPEN, Fraud.PASSED, None, ""),
        (OPEN, None, None, ""),
        (CLOSED, Fraud.FRAUDULENT, (21, "fraud"), ""),
        (CLOSED, Fraud.SUSPICIOUS, None, ""),
        (CLOSED, Fraud.NOT_MOBILE, None, ""),
        (CLOSED, Fraud.PASSED, None, ""),
        (CLOSED, None, (21, "fraud"), ""),
    ],
)
def test_a_fraud_check_rejects_the_fraudulent_and_flags_the_suspicious_too(
    policy: Policy, fraud: Fraud | None, rejection: tuple[int, str] | None, flag: str
) -> None:
    screening, verdicts = Screening(fraud=policy), Verdicts(fraud=fraud)
    assert rejection == screening.rejection(verdicts)
    assert flag == screening.flag(verdicts)


@pytest.mark.parametrize(
    ("policy", "listed", "rejects", "flags"),
    [
        (IGNORED, True, False, False),
        (FLAG, True, False, True),
        (FLAG, False, False, False),
        (FLAG, None, False, False),
        (OPEN, True, True, False),
        (OPEN, False, False, False),
        (OPEN, None, False, False),
        (CLOSED, True, True, False),
        (CLOSED, False, False, False),
        (CLOSED, None, True, False),
    ],
)
def test_a_list_rejects_or_flags_who_stands_on_it(
    policy: Policy, listed: bool | None, rejects: bool, flags: bool
) -> None:
    cases = (
        ("tps", Screening(tps=policy), Verdicts(tps=listed)),
        ("unsubscribed", Screening(unsubscribe=policy), Verdicts(unsubscribed=listed)),
    )
    for reason, screening, verdicts in cases:
        assert ((21, reason) if rejects else None) == screening.rejection(verdicts)
        assert (reason if flags else "") == screening.flag(verdicts)


def test_fraud_comes_before_tps_and_tps_before_unsubscribe() -> None:
    bad = Verdicts(Fraud.FRAUDULENT, True, True)
    one, two, three = (Policy(Act.REJECT, cause) for cause in (1, 2, 3))
    assert (1, "fraud") == Screening(one, two, three).rejection(bad)
    assert (2, "tps") == Screening(FLAG, two, three).rejection(bad)
    assert (3, "unsubscribed") == Screening(FLAG, FLAG, three).rejection(bad)
    assert "tps" == Screening(IGNORED, FLAG, FLAG).flag(bad)


def test_a_screen_that_fails_closed_does_not_speak_for_another_that_answered() -> None:
    screening = Screening(CLOSED, CLOSED, CLOSED)
    assert screening.rejection(Verdicts(Fraud.PASSED, False, False)) is None
    assert (21, "unsubscribed") == screening.rejection(Verdicts(Fraud.PASSED, False, None))
    assert (21, "fraud") == screening.rejection(NONE)
