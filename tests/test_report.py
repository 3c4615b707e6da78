"""What ``dialdip status`` finds wrong, in what the processes say of themselves."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from agi.metrics import Metrics
from agi.report import combine

PROVIDER = {"provider": "npl", "breaker": "closed", "why": "", "trouble": "", "budget_left": None}


def router(metrics: Metrics | None = None, **changed: Any) -> dict[str, Any]:
    return {
        "role": "router",
        "index": 0,
        "pid": 1,
        "uptime_s": 1.0,
        "fastagi": "127.0.0.1:4573",
        "country": "GB",
        "table": "000001-1a2b3c4d",
        "connections": [0, 896],
        "remembered": 0,
        "dipper": "connected",
        "log_dropped": 0,
        "trouble_s": {},
        "counts": (metrics or Metrics()).snapshot(),
        **changed,
    }


def dipper(metrics: Metrics | None = None, **changed: Any) -> dict[str, Any]:
    return {
        "role": "dipper",
        "index": 0,
        "pid": 2,
        "uptime_s": 1.0,
        "table": "000001-1a2b3c4d",
        "routers": 1,
        "remembered": 0,
        "store": "sqlite",
        "log_dropped": 0,
        "providers": [PROVIDER],
        "unasked": [],
        "counts": (metrics or Metrics()).snapshot(),
        **changed,
    }


def troubles(*told: dict[str, Any], **silent: bool) -> list[str]:
    found = combine(told, silent)["troubles"]
    assert isinstance(found, list)
    return found


def test_nothing_wrong_is_nothing_said() -> None:
    assert [] == troubles(router(), router(index=1), dipper())


def ladder(level: int, why: str = "", *, pinned: bool = False) -> dict[str, Any]:
    state = {"level": level, "shown": level, "why": why, "pinned": pinned, "until": None}
    return {"ladder": state}


def test_the_lowest_ladder_of_all_routers_is_said_with_its_reason() -> None:
    assert [] == troubles(router(**ladder(0)), dipper())
    found = troubles(
        router(**ladder(0)), router(index=1, **ladder(1, "37 of 40 lookups failed")), dipper()
    )
    assert ["brown-out, level cache: 37 of 40 lookups failed"] == found
    found = troubles(router(**ladder(3, "the vendor migrates", pinned=True)), dipper())
    assert ["brown-out, level default, pinned: the vendor migrates"] == found
    held = router(**ladder(0, "the vendor migrates", pinned=True))
    assert [] == troubles(held, dipper())
    hints = combine([held, router(index=1, **ladder(0)), dipper()], {})["hints"]
    assert ["the brown-out ladder is pinned at live: the vendor migrates"] == hints


@pytest.mark.parametrize("reason", ["invalid-number", "nodip"])
def test_calls_that_need_no_network_went_out_without_none(reason: str) -> None:
    """A caller that dials nonsense, or rows that say nodip, are no lookup's failure."""
    metrics = Metrics()
    metrics.calls["route", "memory", "ok"] = 30
    metrics.calls["route", "default", reason] = 50
    metrics.calls["route", "default", "timeout"] = 3
    assert [] == troubles(router(metrics), dipper())
    metrics.calls["route", "default", "timeout"] = 4
    found = troubles(router(metrics), dipper())
    assert ["4 of 34 calls went out without a network, mostly: timeout"] == found


def test_a_probe_that_is_right_or_not_there_is_nothing_said() -> None:
    for probe in ("ok", "none"):
        assert [] == troubles(router(), dipper(providers=[{**PROVIDER, "probe": probe}]))


def test_without_a_provider_every_call_is_blind() -> None:
    assert ["no provider is configured: every call goes by prefix or default"] == troubles(
        router(), dipper(providers=[])
    )


@pytest.mark.parametrize(("good", "bad", "said"), [(18, 2, 0), (17, 3, 1), (3, 3, 0)])
def test_too_many_calls_without_a_network_are_said_with_their_commonest_reason(
    good: int, bad: int, said: int
) -> None:
    """More than a tenth of at least twenty calls, of all routers together."""
    one, two = Metrics(), Metrics()
    one.calls["route", "memory", "ok"] = good
    two.calls["route", "default", "timeout"] = bad - 1
    one.calls["reject", "default", "err1"] = 1
    found = troubles(router(one), router(two, index=1), dipper())
    assert said == len(found)
    if said:
        assert "3 of 20 calls went out without a network, mostly: timeout" == found[0]


@pytest.mark.parametrize(
    ("ending", "says"),
    [
        ("failed", "2 calls failed by a fault of dialdip itself"),
        ("no-reply", "2 answers were not confirmed by Asterisk"),
        ("shed", "2 connections were shed"),
    ],
)
def test_calls_that_went_wrong_are_said_for_five_minutes(ending: str, says: str) -> None:
    metrics = Metrics()
    metrics.endings[ending] = 2
    found = troubles(
        router(metrics, trouble_s={ending: 299.0}),
        router(index=1, trouble_s={ending: 1.0}),
        dipper(),
    )
    assert 1 == len(found)
    assert found[0].startswith(says)
    assert found[0].endswith(", the last 1 s ago")
    assert [] == troubles(router(metrics, trouble_s={ending: 300.0}), dipper())


def test_a_full_port_names_its_router() -> None:
    found = troubles(router(), router(index=1, connections=[890, 896]), dipper())
    assert ["router-1: 890 of 896 connections are in use"] == found


def test_lost_log_lines_are_added_up() -> None:
    found = troubles(router(log_dropped=7), router(index=1), dipper(log_dropped=3))
    assert ["10 log lines were dropped: the log's reader is too slow"] == found


@pytest.mark.parametrize("role", ["router", "dipper"])
def test_a_refused_reload_of_any_process_is_said(role: str) -> None:
    metrics = Metrics()
    metrics.reload_refused = True
    said = [router(metrics), dipper()] if role == "router" else [router(), dipper(metrics)]
    found = troubles(*said)
    assert ["a reload was refused"] == [text.partition(":")[0] for text in found]


def test_a_frozen_process_and_a_killed_one_are_told_apart() -> None:
    found = troubles(router(), dipper(), **{"router-1": True, "router-2": False})
    assert "router-1 does not answer: it is frozen" == found[0]
    assert found[1].startswith("router-2 is gone: it was killed")
    assert 2 == len(found)


def test_without_a_dipper_it_is_said_what_calls_go_by() -> None:
    found = troubles(router(dipper="gone"))
    assert [
        "no dipper runs: calls go by memory, stale, range or default",
        "router-0 has no dipper: it is gone",
    ] == found
    frozen = troubles(router(dipper="gone"), **{"dipper-0": True})
    assert "dipper-0 does not answer: it is frozen" == frozen[0]
    assert not [text for text in frozen if text.startswith("no dipper")]


def test_without_a_router_calls_take_the_dialplans_default() -> None:
    assert ["no router answers: calls take the dialplan's default"] == troubles(dipper())


@pytest.mark.parametrize(
    ("times", "cause", "detail", "said"),
    [
        (1, "timeout", "", None),
        (3, "timeout", "", "provider npl fails, 3 in a row, lastly: timeout"),
        (1, "account", "account locked",
         "provider npl fails, 1 in a row, lastly: account account locked"),
    ],
)  # fmt: skip
def test_a_provider_that_fails_is_said_and_an_account_at_once(
    times: int, cause: str, detail: str, said: str | None
) -> None:
    metrics = Metrics()
    metrics.failing["npl"] = (times, cause, detail)
    assert [said] * (said is not None) == troubles(router(), dipper(metrics))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"breaker": "open", "why": "timeout"}, "provider npl is not asked: open (timeout)"),
        ({"breaker": "closed quarantined"}, "provider npl is not asked: closed quarantined"),
        ({"breaker": "closed paused"}, "provider npl is not asked: closed paused"),
        ({"trouble": "its name does not resolve"}, "provider npl: its name does not resolve"),
        ({"budget_left": "0.00 EUR"}, "provider npl: the money of the day is spent"),
        (
            {"probe": "wrong"},
            "provider npl answers wrongly: its probe is known to be in another network",
        ),
        ({"probe": "missing"}, "provider npl has no answer for its probe"),
        ({"budget_left": "0.01 EUR"}, None),
    ],
)
def test_a_provider_that_is_not_asked_is_said_and_why(
    changed: dict[str, object], said: str | None
) -> None:
    state = {**PROVIDER, **changed}
    assert [said] * (said is not None) == troubles(router(), dipper(providers=[state]))


@pytest.mark.parametrize(
    ("what", "said"),
    [("store-corrupt", "the sqlite store: corrupt, 2 times, the last 9 s ago"),
     ("store-write", "the sqlite store: write, 2 times, the last 9 s ago"),
     ("store-failed", "the sqlite store: failed, 2 times, the last 9 s ago"),
     ("store-not-erased", "the sqlite store: not-erased, 2 times, the last 9 s ago"),
     ("hedged", None)],
)  # fmt: skip
def test_a_store_in_trouble_is_said(what: str, said: str | None) -> None:
    metrics = Metrics()
    metrics.oddities[what, "sqlite"] = 2
    ago = {f"{what} sqlite": 9.0}
    assert [said] * (said is not None) == troubles(router(), dipper(metrics, trouble_s=ago))


def test_a_stores_trouble_is_said_for_five_minutes_and_what_was_not_erased_for_ever() -> None:
    metrics = Metrics()
    metrics.oddities["store-write", "sqlite"] = metrics.oddities["store-not-erased", "sqlite"] = 1
    ago = {"store-write sqlite": 301.0, "store-not-erased sqlite": 301.0}
    assert ["the sqlite store: not-erased, 1 times, the last 301 s ago"] == troubles(
        router(), dipper(metrics, trouble_s=ago)
    )


def test_a_screen_that_nobody_is_asked_for_is_said() -> None:
    assert ["accounts.csv wants tps"] == troubles(
        router(), dipper(unasked=["accounts.csv wants tps"])
    )


def test_counts_and_money_of_all_processes_are_added_up() -> None:
    one, two, three = Metrics(), Metrics(), Metrics()
    one.calls["route", "memory", "ok"] = 2
    two.calls["route", "memory", "ok"] = 3
    two.calls["route", "live", "ok"] = 1
    one.endings["committed"], two.endings["committed"] = 2, 4
    one.decision.observe(0.0004)
    two.decision.observe(0.4)
    three.cost["npl", "EUR"] += Decimal("0.006")
    one.saved["EUR"] += Decimal("0.5")
    two.saved["EUR"] += Decimal("0.25")
    three.lookup["npl", "timeout"].observe(3.0)
    three.lookups["npl", "timeout"] = 1
    three.lookups["npl", "number-ok"] = 9
    report: dict[str, Any] = combine([router(one), router(two, index=1), dipper(three)], {})
    assert [(["route", "memory", "ok"], 5), (["route", "live", "ok"], 1)] == [
        (list(row["labels"]), row["count"]) for row in report["calls"]
    ]
    assert (6, 6) == (report["service"]["calls"], report["service"]["committed"])
    assert (0.5, 400.0) == (
        report["service"]["decision_p50_ms"],
        report["service"]["decision_p99_ms"],
    )
    assert "0 of 1792" == report["service"]["connections"]
    assert {
        "spent at npl": "0.006 EUR",
        "not spent (same route), EUR": "0.75",
    } == report["money"]
    assert [(1, "timeout=1")] == [(one["asked"], one["answers"]) for one in report["providers"]]
    assert [("router-0", 2), ("router-1", 4), ("dipper-0", 0)] == [
        (one["process"], one["calls"]) for one in report["processes"]
    ]


def test_processes_with_different_tables_are_named() -> None:
    (said,) = troubles(router(), router(index=1, table="000002-aaaaaaaa"), dipper())
    assert said.startswith(
        "the processes have different tables (router-0 000001-1a2b3c4d, "
        "router-1 000002-aaaaaaaa, dipper-0 000001-1a2b3c4d)"
    )
    service = combine([router(), router(index=1, table="000002-aaaaaaaa")], {})["service"]
    assert isinstance(service, dict)
    assert "000001-1a2b3c4d and 000002-aaaaaaaa" == service["table"]


def standing(**said: str) -> dict[str, Any]:
    return {"active": "000001-1a2b3c4d", "copy": "same", **said}


def test_a_version_that_is_active_and_runs_nowhere_is_a_trouble() -> None:
    told = dipper(tables=standing(active="000002-bbbbbbbb"))
    (said,) = troubles(router(), told)
    assert "version 000002-bbbbbbbb is active, and 000001-1a2b3c4d runs" in said


def test_a_working_copy_that_differs_is_a_hint_and_no_trouble() -> None:
    found = combine([router(), dipper(tables=standing(copy="differs"))], {})
    assert [] == found["troubles"]
    assert ["the tables' working copy differs from what runs: dialdip table diff active"] == (
        found["hints"]
    )
    unreadable = combine([router(), dipper(tables=standing(copy="unreadable"))], {})["hints"]
    assert "cannot be read" in str(unreadable)
    assert [] == combine([router(), dipper(tables=standing())], {})["hints"]


def test_f39_what_is_damaged_in_the_store_is_said_once_for_all_processes() -> None:
    alarm = "000002-bbbbbbbb: its snapshot is damaged, it was compiled anew"
    assert [alarm] == troubles(router(alarms=[alarm]), dipper(alarms=[alarm]))
    assert ["the store cannot be read"] == troubles(
        router(), dipper(tables=standing(active="", copy="", store="the store cannot be read"))
    )


def trip(**changed: Any) -> dict[str, Any]:
    return {"limit": "limits-4", "level": "block", "accounts": 1, "calls": 7, "ago_s": 3, **changed}


def test_a31_a_limit_that_stops_calls_is_a_trouble_while_it_lasts() -> None:
    told = [router(limits=[trip()]), router(index=1, limits=[trip(accounts=2)]), dipper()]
    assert ["limits.csv line 4 (block) stops calls: 14 so far, of 2 accounts"] == troubles(*told)
    assert [] == troubles(router(limits=[trip(ago_s=61)]), dipper())


def test_decisions_that_are_not_in_the_journal_are_said_and_why() -> None:
    journal = {"written": 1, "dropped": 3, "waiting": 0, "trouble": "No space left on device"}
    assert ["3 decisions are not in the journal: No space left on device"] == troubles(
        router(journal=journal), dipper()
    )
    assert [] == troubles(router(journal={**journal, "dropped": 0}), dipper())
