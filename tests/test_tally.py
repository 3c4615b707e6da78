"""What happens in the lookup, counted always and logged where a person should know."""

from decimal import Decimal
from itertools import pairwise

import pytest

from agi.lookup import events
from agi.metrics import Metrics
from agi.model import Outcome
from agi.tally import Tally
from tests.lookup.making import ONE


class Diary:
    """A log that is kept."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, dict[str, object]]] = []

    def __call__(self, level: str, event: str, **values: object) -> None:
        self.lines.append((level, event, values))

    def later(self, level: str, event: str, values: object) -> None:
        raise AssertionError(f"{level} {event} {values}")

    @property
    def heads(self) -> list[tuple[str, str]]:
        return [(level, event) for level, event, _ in self.lines]


class Desk:
    """A tally with its metrics, its diary and a clock that the test moves."""

    def __init__(self) -> None:
        self.metrics = Metrics()
        self.diary = Diary()
        self.now = 100.0
        self.tally = Tally(self.metrics, self.diary, lambda: self.now)


def told(*those: events.LookupEvent) -> Desk:
    desk = Desk()
    for event in those:
        desk.tally(event)
    return desk


@pytest.mark.parametrize(
    ("event", "key"),
    [
        (events.Hedged("b"), "hedged"),
        (events.Retried("b"), "retried"),
        (events.LateAnswer("b"), "late"),
        (events.Overdue("b", 0.8), "overdue"),
    ],
)
def test_what_is_ordinary_is_counted_and_not_logged(event: events.LookupEvent, key: str) -> None:
    desk = told(event, event)
    assert ({(key, "b"): 2}, []) == (dict(desk.metrics.oddities), desk.diary.lines)


@pytest.mark.parametrize(
    ("event", "key", "line"),
    [
        (events.Quarantined("b", 600.0), "quarantined", ("error", "provider_quarantined")),
        (events.Conflict("b", "a"), "conflict", ("warning", "providers_disagree")),
        (events.Paused("b", 5.0, "GB"), "paused", ("warning", "provider_throttles")),
        (events.BudgetGone("b"), "budget", ("error", "budget_spent")),
        (events.StoreTrouble("b", "full"), "store-full", ("warning", "store_trouble")),
        (
            events.PostbackRefused("b", "unknown"),
            "postback-unknown",
            ("warning", "postback_refused"),
        ),
        (events.NameTrouble("b", "slow"), "name-slow", ("warning", "provider_name")),
        (events.Breaker("b", "open", "reset"), "breaker-open", ("warning", "provider_not_asked")),
        (
            events.Breaker("b", "open", "account", page=True),
            "breaker-open",
            ("error", "provider_refuses_account"),
        ),
        (
            events.Breaker("b", "closed", ""),
            "breaker-closed",
            ("info", "provider_works_again"),
        ),
    ],
)
def test_trouble_is_counted_and_logged(
    event: events.LookupEvent, key: str, line: tuple[str, str]
) -> None:
    desk = told(event)
    assert ({(key, "b"): 1}, [line]) == (dict(desk.metrics.oddities), desk.diary.heads)


def test_a_probe_is_no_news() -> None:
    assert [] == told(events.Breaker("b", "probing", "reset")).diary.lines


def test_the_same_trouble_is_logged_every_ten_seconds_and_counted_always() -> None:
    desk = Desk()
    for now in (100.0, 101.0, 109.9, 110.0, 111.0):
        desk.now = now
        desk.tally(events.PostbackRefused("b", "unknown"))
    desk.tally(events.PostbackRefused("b", "repeated"))
    assert 5 == desk.metrics.oddities["postback-unknown", "b"]
    assert 3 == len(desk.diary.lines)


def test_a_store_counts_what_it_lost() -> None:
    desk = told(events.StoreTrouble("sqlite", "dropped", 7, "disk full"))
    assert 7 == desk.metrics.oddities["store-dropped", "sqlite"]
    assert "disk full" == desk.diary.lines[0][2]["detail"]


def test_answers_that_cannot_be_right_are_counted_together() -> None:
    desk = told(events.Strangers("b", 3), events.Implausible("b"))
    assert 4 == desk.metrics.strangers["b"]
    heads = ["answers_for_other_numbers", "answer_of_another_country"]
    assert heads == [event for _, event in desk.diary.heads]


def test_money_tiers_and_avoided_questions_are_counted() -> None:
    desk = told(
        events.Spent("b", Decimal("0.006"), "EUR"),
        events.Spent("b", Decimal("0.003"), "EUR"),
        events.TierAsked("memory", "hit"),
        events.Avoided("b", "budget"),
        events.NumberAnswered("b", Outcome.NOT_FOUND, 0.1),
    )
    metrics = desk.metrics
    assert Decimal("0.009") == metrics.cost["b", "EUR"]
    assert (1, 1) == (metrics.cache["memory", "hit"], metrics.avoided["budget"])
    assert 1 == metrics.lookups["b", "number-not_found"]
    assert [] == desk.diary.lines


def test_requests_are_counted_timed_and_their_failures_remembered_till_one_succeeds() -> None:
    desk = told(
        events.LookupDone("b", "reset", 0.1, 5, 0, "closed"),
        events.LookupDone("b", "timeout", 0.8, 5, 0, "no bytes"),
        events.LookupDone("b", "shed", 0.0, 1, 0),
    )
    assert {"b": (2, "timeout", "no bytes")} == desk.metrics.failing
    assert [1, 1, 1] == [desk.metrics.lookups["b", word] for word in ("reset", "timeout", "shed")]
    assert 3 == desk.metrics.lookup_of("b").count
    assert ["lookup_failed"] * 2 == [event for _, event in desk.diary.heads]
    desk.tally(events.LookupDone("b", "ok", 0.1, 5, 5))
    assert {} == desk.metrics.failing


def test_a34_nothing_that_is_logged_has_a_number() -> None:
    desk = told(events.LookupDone("b", "reset", 0.1, 1, 0), events.LateAnswer("b"))
    assert ONE not in repr(desk.diary.lines)


def test_a_probes_result_is_counted_always_and_logged_when_it_changes() -> None:
    steps = ["none", "ok", "wrong", "wrong", "missing", "missing", "ok"]
    desk = told(*(events.Probed("npl", now, then) for then, now in pairwise(steps)))
    assert {("npl", "ok"): 2, ("npl", "wrong"): 2, ("npl", "missing"): 2} == desk.metrics.probes
    assert [
        ("error", "provider_answers_wrongly"),
        ("warning", "probe_unanswered"),
        ("info", "probe_answered_rightly"),
    ] == desk.diary.heads
