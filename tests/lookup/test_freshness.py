"""What a call gets from an entry of a given age, and what is worth keeping."""

import pytest

from agi.lookup.freshness import Freshness, found
from agi.lookup.provider import Answer
from agi.lookup.record import Kept
from agi.model import ErrorRule, Finding, Live, NumberInfo, Outcome, Product, Source
from tests.lookup.making import BARE, NETWORK, ONE, RULES, coded, ok, rule, said

FRESH = Freshness(network_s=1000.0, liveness_s=10.0, stale_s=500.0)
LIVE = NumberInfo(live=Live.LIVE)
DEAD = NumberInfo(live=Live.DEAD)


def network(age_s: float) -> Kept:
    return Kept(age_s, said())


def refused(age_s: float, code: str = "err1") -> Kept:
    return Kept(age_s, said(DEAD, code=code))


def memory(info: NumberInfo, age_s: float) -> Finding:
    return Finding(Source.MEMORY, "ok", info, age_s, None, "npl", "comcetera")


def default(
    reason: str, info: NumberInfo, age_s: float | None, row: ErrorRule | None = None
) -> Finding:
    return Finding(Source.DEFAULT, reason, info, age_s, row, "npl", "comcetera")


@pytest.mark.parametrize(
    ("age_s", "shown"),
    [
        (0.0, memory(NETWORK, 0.0)),
        (10.0, memory(NETWORK, 10.0)),
        (10.1, memory(BARE, 10.1)),
        (1000.0, memory(BARE, 1000.0)),
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
    expected = default("err1", DEAD, age_s, RULES["err1"]) if is_shown else None
    assert expected == FRESH.shown(refused(age_s), rule, None)


def test_a_refusal_whose_row_is_gone_is_asked_again() -> None:
    assert None is FRESH.shown(refused(0.0, "err77"), rule, None)


@pytest.mark.parametrize(("age_s", "is_shown"), [(10.0, True), (10.1, False)])
def test_an_answer_without_a_network_lives_as_long_as_liveness(
    age_s: float, is_shown: bool
) -> None:
    kept = Kept(age_s, said(LIVE))
    expected = default("ok", LIVE, age_s) if is_shown else None
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
        (ok(ONE), None, Finding(Source.LIVE, "ok", NETWORK, 0.0, None, "npl", "comcetera")),
        (NAMED, None, default("ok", LIVE, 0.0)),
        (NOT_FOUND, RULES["err1"], default("err1", DEAD, 0.0, RULES["err1"])),
        (NOT_FOUND, None, default("err-other", DEAD, None)),
        (FAILED, RULES["err36"], default("err36", NumberInfo(), 0.0, RULES["err36"])),
        (SILENT, None, default("err-other", NumberInfo(), None)),
    ],
)
def test_what_a_call_gets_from_a_new_answer(
    answer: Answer, row: ErrorRule | None, finding: Finding
) -> None:
    assert finding == found(answer, row, "npl", "comcetera")


def test_f22_an_answer_that_is_still_pending_is_neither_positive_nor_kept() -> None:
    pending = Answer(ONE, Outcome.TEMPORARY, None, "pending")
    assert "err-other" == found(pending, None, "npl", "comcetera").reason
    assert not FRESH.keeps(pending, None, None)


@pytest.mark.parametrize(("age_s", "is_shown"), [(59.0, True), (60.0, True), (60.1, False)])
def test_an_absent_subscriber_with_a_network_is_routable_while_the_code_lives(
    age_s: float, *, is_shown: bool
) -> None:
    away = NumberInfo(BARE.mccmnc, Live.ABSENT)
    expected = memory(away, age_s) if is_shown else None
    assert expected == FRESH.shown(Kept(age_s, said(away, code="err29")), rule)


def test_a_reload_that_shortens_a_lifetime_counts_for_old_entries_too() -> None:
    assert None is Freshness(network_s=4.0).shown(network(5.0), rule)


def test_what_a_store_knew_says_so() -> None:
    shown = FRESH.shown(network(5.0), rule, None, Source.STORE)
    assert shown is not None
    assert Source.STORE is shown.source


@pytest.mark.parametrize(
    ("kept", "max_age_s", "is_shown"),
    [
        (network(0.0), None, True),
        (network(1500.0), None, True),
        (network(1500.1), None, False),
        (network(1200.0), 1200.0, True),
        (network(1200.0), 1199.0, False),
        (network(1.0), 0.0, False),
        (refused(1.0), None, False),
        (Kept(1.0, said(LIVE)), None, False),
        (None, None, False),
    ],
)
def test_only_a_network_is_ever_stale_and_only_so_long(
    kept: Kept | None, max_age_s: float | None, *, is_shown: bool
) -> None:
    stale = FRESH.stale(kept, "timeout", max_age_s)
    if not is_shown or kept is None:
        assert None is stale
        return
    expected = Finding(Source.STALE, "timeout", BARE, kept.age_s, None, "npl", "comcetera")
    assert expected == stale  # without its liveness, whatever its age


@pytest.mark.parametrize(
    ("answer", "row", "kept_s"),
    [
        (ok(ONE), None, 1500.0),
        (NOT_FOUND, RULES["err1"], 3600.0),
        (ABSENT, RULES["err29"], 60.0),
        (NAMED, None, 10.0),
        (coded(ONE, "err29", NETWORK), RULES["err29"], 1500.0),
    ],
)
def test_how_long_a_store_keeps_what(answer: Answer, row: ErrorRule | None, kept_s: float) -> None:
    assert kept_s == FRESH.kept_for(answer, row)


@pytest.mark.parametrize(
    ("product", "lives_s"),
    [(Product.FRAUD, 3600.0), (Product.TPS, 86_400.0), (Product.UNSUBSCRIBE, 86_400.0)],
)
def test_how_long_a_verdict_counts(product: Product, lives_s: float) -> None:
    assert lives_s == Freshness().of_screen(product)


def test_a_network_is_kept_for_its_fresh_and_its_stale_time() -> None:
    assert 604_800 + 259_200 == Freshness().keep_s
