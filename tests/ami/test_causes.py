"""How attempts are classed: values as Asterisk 22.10 and 16.28 gave them for SIP answers."""

from __future__ import annotations

import pytest

from agi.ami.causes import Causes, seems_seized
from agi.ami.figures import Outcome
from agi.settings import Kpi


# SIP status of the trunk; DIALSTATUS and HANGUPCAUSE measured, the last four by res_pjsip's table.
@pytest.mark.parametrize(
    ("outcome", "dialstatus", "cause"),
    [
        (Outcome.ANSWERED, "ANSWER", 16),  # 200
        (Outcome.BUSY, "BUSY", 17),  # 486
        (Outcome.NO_ANSWER, "NOANSWER", 19),  # 480
        (Outcome.NUMBER, "CHANUNAVAIL", 1),  # 404
        (Outcome.REJECTED, "CHANUNAVAIL", 21),  # 603
        (Outcome.FAILED, "CONGESTION", 34),  # 503
        (Outcome.FAILED, "CHANUNAVAIL", 38),  # 500
        (Outcome.FAILED, "CHANUNAVAIL", 27),  # 502
        (Outcome.FAILED, "CHANUNAVAIL", 18),  # 408, or nothing at all for 32 s
        (Outcome.NUMBER, "CHANUNAVAIL", 28),  # 484
        (Outcome.NUMBER, "CHANUNAVAIL", 22),  # 410
        (Outcome.FAILED, "CHANUNAVAIL", 58),  # 488
        (Outcome.FAILED, "CHANUNAVAIL", 127),  # other 4xx
    ],
)
def test_an_answer_of_a_trunk_is_classed(outcome: Outcome, dialstatus: str, cause: int) -> None:
    assert outcome is Causes().outcome(dialstatus, cause)


def test_a_caller_who_left_is_nobodys_failure() -> None:
    assert Outcome.CANCELLED is Causes().outcome("CANCEL", 34)
    assert Outcome.CANCELLED is Causes().outcome("CANCEL", 0, seized=False)


def test_f50_a_trunk_that_never_says_a_word_failed_and_one_that_rings_did_not() -> None:
    """Both end as NOANSWER with cause 0 when the ring time is up."""
    assert Outcome.FAILED is Causes().outcome("NOANSWER", 0, silent=True)
    assert Outcome.NO_ANSWER is Causes().outcome("NOANSWER", 0, silent=False)


def test_a_480_comes_without_ringing_and_is_the_users_doing() -> None:
    assert Outcome.NO_ANSWER is Causes().outcome("NOANSWER", 19, silent=True)


@pytest.mark.parametrize("cause", [0, 1, 3, 17, 20, 21])
@pytest.mark.parametrize("dialstatus", ["CHANUNAVAIL", "CONGESTION", "BUSY"])
def test_f50_a_trunk_that_could_not_be_dialled_failed_whatever_the_cause(
    dialstatus: str, cause: int
) -> None:
    assert Outcome.FAILED is Causes().outcome(dialstatus, cause, seized=False)


def test_the_table_is_the_sites() -> None:
    causes = Causes(user=(31,), rejected=(21, 58), number=(1, 3))
    assert Outcome.NO_ANSWER is causes.outcome("CHANUNAVAIL", 31)
    assert Outcome.REJECTED is causes.outcome("CHANUNAVAIL", 58)
    assert Outcome.NUMBER is causes.outcome("CHANUNAVAIL", 3)
    assert Outcome.FAILED is causes.outcome("CHANUNAVAIL", 17)
    assert Outcome.FAILED is causes.outcome("CHANUNAVAIL", 22)


def test_cause_17_is_busy_where_it_is_the_users_doing_and_18_is_always_a_failure() -> None:
    assert Outcome.BUSY is Causes().outcome("CHANUNAVAIL", 17)
    assert Outcome.FAILED is Causes(user=(17, 18)).outcome("CHANUNAVAIL", 18)
    assert Outcome.NUMBER is Causes(user=(), number=(17,)).outcome("CHANUNAVAIL", 17)


def test_the_settings_defaults_are_the_tables_own() -> None:
    kpi = Kpi()
    theirs = Causes(kpi.user_causes, kpi.rejected_causes, kpi.number_causes)
    for cause in range(128):
        assert theirs.outcome("CONGESTION", cause) is Causes().outcome("CONGESTION", cause)


def test_without_a_dial_begin_a_trunk_was_dialled_only_if_somebody_rang_or_talked() -> None:
    assert seems_seized("ANSWER", 16, all_seen=True)
    assert seems_seized("NOANSWER", 0, all_seen=True)
    assert not seems_seized("CHANUNAVAIL", 3, all_seen=True)
    assert not seems_seized("BUSY", 17, all_seen=True)
    assert not seems_seized("CANCEL", 0, all_seen=True)


def test_in_a_gap_a_cause_that_only_a_far_end_gives_says_that_it_was_dialled() -> None:
    assert seems_seized("CHANUNAVAIL", 1, all_seen=False)
    assert seems_seized("CONGESTION", 34, all_seen=False)
    assert not seems_seized("CHANUNAVAIL", 3, all_seen=False)
    assert not seems_seized("CHANUNAVAIL", 0, all_seen=False)
