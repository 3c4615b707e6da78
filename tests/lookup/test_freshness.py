"""What a call gets from an entry of a given age, and what is worth keeping."""

import pytest

from agi.lookup.freshness import Freshness, found
from agi.lookup.provider import Answer
from agi.lookup.tiers.memory import Kept, Said
from agi.model import ErrorRule, Finding, Live, Mccmnc, NumberInfo, Outcome, Source
from tests.lookup.making import NETWORK, ONE, RULES, ok, rule

BARE = NumberInfo(Mccmnc("23415"))
FRESH = Freshness(1000.0, 10.0)
LIVE = NumberInfo(live=Live.LIVE)
DEAD = NumberInfo(live=Live.DEAD)


def network(age_s: float) -> Kept:
    return Kept(age_s, Said(NETWORK, BARE, "comcetera", ""))


def refused(age_s: float, code: str = "err1") -> Kept:
    return Kept(age_s, Said(DEAD, NumberInfo(), "comcetera", code))


@pytest.mark.parametrize(
    ("age_s", "shown"),
    [
        (0.0, Finding(Source.MEMORY, "ok", NETWORK, 0.0)),
        (10.0, Finding(Source.MEMORY, "ok", NETWORK, 10.0)),
        (10.1, Finding(Source.MEMORY, "ok", BARE, 10.1)),
        (1000.0, Finding(Source.MEMORY, "ok", BARE, 1000.0)),
        (1000.1, None),
    ],
)
def test_the_network_outlives_the_liveness(age_s: float, shown: Finding | None) -> None:
    assert shown == FRESH.shown(network(age_s), rule, None)


@pytest.mark.parametrize(("max_age_s", "is_shown"), [(4, False), (5, True), (6, True), (0, False)])
def test_a_call_may_ask_for_a_younger_answer(max_age_s: int, is_shown: bool) -> None:
    assert is_shown == (FRESH.shown(network(5.0), rule, max_age_s) is not None)
    assert is_shown == (FRESH.shown(refused(5.0), rule, max_age_s) is not None)


@pytest.mark.parametrize(("age_s", "is_shown"), [(0.0, True), (3600.0, True), (3600.1, False)])
def test_a_refusal_lives_as_long_as_its_row_says(age_s: float, is_shown: bool) -> None:
    expected = Finding(Source.DEFAULT, "err1", DEAD, None, RULES["err1"]) if is_shown else None
    assert expected == FRESH.shown(refused(age_s), rule, None)


def test_a_refusal_whose_row_is_gone_is_asked_again() -> None:
    assert None is FRESH.shown(refused(0.0, "err77"), rule, None)


@pytest.mark.parametrize(("age_s", "is_shown"), [(10.0, True), (10.1, False)])
def test_an_answer_without_a_network_lives_as_long_as_liveness(
    age_s: float, is_shown: bool
) -> None:
    kept = Kept(age_s, Said(LIVE, NumberInfo(), "comcetera", ""))
    expected = Finding(Source.DEFAULT, "ok", LIVE) if is_shown else None
    assert expected == FRESH.shown(kept, rule, None)


NOT_FOUND = Answer(ONE, Outcome.NOT_FOUND, DEAD, "err1")
ABSENT = Answer(ONE, Outcome.ABSENT, NumberInfo(live=Live.ABSENT), "err29")
FAILED = Answer(ONE, Outcome.TEMPORARY, None, "err36")
SILENT = Answer(ONE, Outcome.TEMPORARY)
NAMED = Answer(ONE, Outcome.OK, LIVE)


@pytest.mark.parametrize(
    ("answer", "kept", "keeps"),
    [
        (ok(ONE), None, True),
        (ok(ONE), network(1.0), True),
        (ok(ONE), refused(1.0), True),
        (NAMED, None, True),
        (NAMED, network(1.0), False),
        (NAMED, network(2000.0), True),
        (NOT_FOUND, None, True),
        (NOT_FOUND, network(1.0), True),
        (ABSENT, None, True),
        (ABSENT, network(1.0), False),
        (ABSENT, network(2000.0), True),
        (ABSENT, refused(1.0), True),
        (FAILED, None, False),
        (FAILED, network(1.0), False),
        (SILENT, None, False),
        (SILENT, refused(1.0), False),
    ],
)
def test_what_is_kept_in_place_of_what(answer: Answer, kept: Kept | None, keeps: bool) -> None:
    assert keeps == FRESH.keeps(answer, kept, rule("comcetera", answer.code))


@pytest.mark.parametrize(
    ("answer", "row", "finding"),
    [
        (ok(ONE), None, Finding(Source.LIVE, "ok", NETWORK, 0.0)),
        (NAMED, None, Finding(Source.DEFAULT, "ok", LIVE)),
        (NOT_FOUND, RULES["err1"], Finding(Source.DEFAULT, "err1", DEAD, None, RULES["err1"])),
        (NOT_FOUND, None, Finding(Source.DEFAULT, "err-other", DEAD)),
        (FAILED, RULES["err36"], Finding(Source.DEFAULT, "err36", rule=RULES["err36"])),
        (SILENT, None, Finding(Source.DEFAULT, "err-other")),
    ],
)
def test_what_a_call_gets_from_a_new_answer(
    answer: Answer, row: ErrorRule | None, finding: Finding
) -> None:
    assert finding == found(answer, row)
