"""How answers look: for people in tables, for scripts as one JSON document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from agi.console import Screen, counted, document
from agi.errors import Fault
from agi.fastagi.client import Told

Answer = Mapping[str, Any]


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        value = " ".join(f"{name}={one}" for name, one in value.items())
    return "-" if value is None or value == "" else str(value)


def told(answer: Told, url: str, *, as_json: bool, dips: bool) -> None:
    """Show what a router answered."""
    milliseconds = round(answer.seconds * 1000, 2)
    if as_json:
        document({"committed": answer.committed, "ms": milliseconds, "variables": answer.variables})
        return
    screen = Screen()
    if not answer.committed:
        screen.line(f"{url} answered no decision: the dialplan takes its own default", "bad")
    screen.facts([(name, value) for name, value in answer.variables.items() if value])
    live = answer.variables.get("CARRIER_SOURCE") == "live"
    spent = ", a lookup was paid for" if live else "" if dips else ", no lookup spent"
    screen.line(f"{milliseconds} ms{spent}", "dim")


def lookups(answers: Sequence[Answer], *, as_json: bool) -> None:
    """Show what is known of numbers."""
    if as_json:
        document(answers)
        return
    rows = []
    for answer in answers:
        network = answer.get("mccmnc")
        tone = "good" if network else "odd"
        rows.append(
            [
                answer["dialled"],
                (_shown(network), tone),
                _shown(answer.get("live")),
                _screens(answer),
                _shown(answer["country"]),
                _shown(answer["line"]),
                _shown(answer.get("source")),
                (_shown(answer["reason"]), "" if answer["reason"] == "ok" else "odd"),
                _shown(answer.get("age_s")),
                _shown(answer.get("cost")),
            ]
        )
    headings = (
        *("number", "network", "live", "screens", "country", "line", "source", "reason"),
        *("age s", "cost"),
    )
    Screen().table(headings, rows)


def _screens(answer: Answer) -> str:
    said = [str(answer["fraud"])] if answer.get("fraud") else []
    lists = [name for name in ("tps", "unsubscribed") if answer.get(name) is not None]
    said += [name if answer[name] else f"not {name}" for name in lists]
    return _shown(", ".join(said))


def reloaded(answer: Answer, *, as_json: bool) -> None:
    """Show what runs after a reload, and what of the file has to wait for a restart."""
    if as_json:
        document(answer)
        return
    screen = Screen()
    screen.line(f"running {answer['table']}", "good")
    for section in answer["restart_needed"]:
        screen.line(f"[{section}] has changed and is in force only after a restart", "odd")


def status(report: Answer, *, as_json: bool) -> None:
    """Show what is wrong first, then what runs."""
    if as_json:
        document(report)
        return
    screen = Screen()
    for trouble in report["troubles"]:
        screen.line(trouble, "bad")
    if not report["troubles"]:
        screen.line("all well", "good")
    for hint in report["hints"]:
        screen.line(hint, "odd")
    screen.facts([(name, _shown(value)) for name, value in report["service"].items()])
    if report["calls"]:
        screen.table(
            ("action", "source", "reason", "calls"),
            [[*call["labels"], str(call["count"])] for call in report["calls"]],
        )
    _rows(screen, report["providers"])
    for heading in ("cache", "avoided", "money", "oddities", "refused"):
        if report[heading]:
            rows = [[what, str(count)] for what, count in report[heading].items()]
            screen.table((heading, ""), rows)
    _rows(screen, report["processes"])


def _rows(screen: Screen, found: Sequence[Answer]) -> None:
    if found:
        headings = tuple(found[0])
        screen.table(headings, [[_shown(one.get(name)) for name in headings] for one in found])


def providers(states: Sequence[Answer], *, as_json: bool) -> None:
    """Show each account: whether it is asked, how fast it is, what is left of its money."""
    if as_json:
        document(states)
        return
    screen = Screen()
    if not states:
        screen.line("no provider is configured", "odd")
    for state in states:
        tone = "good" if state["breaker"] == "closed" else "bad"
        screen.line(f"{state['provider']}: {state['breaker']}", tone)
        hidden = ("provider", "breaker")
        screen.facts([(name, _shown(one)) for name, one in state.items() if name not in hidden])


def tiers(found: Mapping[str, Answer], *, as_json: bool) -> None:
    """Show what each tier holds of one number."""
    if as_json:
        document(found)
        return
    screen = Screen()
    if not found:
        screen.line("nothing is kept of this number", "odd")
    _rows(screen, [{"tier": name, **entry} for name, entry in found.items()])


def cache(stats: Answer, *, as_json: bool) -> None:
    """Show how full the tiers are."""
    if as_json:
        document(stats)
        return
    screen = Screen()
    screen.facts([("memory entries", _shown(stats["memory"]["entries"]))])
    store = stats["store"]
    facts = [("store", "none")] if store is None else [(k, _shown(v)) for k, v in store.items()]
    screen.facts(facts)


def forgotten(*, known: bool, erased: bool, as_json: bool) -> None:
    """Show whether there was anything to forget, and whether the store has forgotten it too."""
    if as_json:
        document({"forgotten": known, "erased": erased})
        return
    screen = Screen()
    if not erased:
        screen.line("the store does not work, it may keep the number: forget it again later", "bad")
    elif known:
        screen.line("forgotten", "good")
    else:
        screen.line("nothing was kept of this number", "good")


def faults(found: Sequence[Fault], closing: str, *, as_json: bool) -> None:
    """Show faults, one a line, and what follows from them."""
    if as_json:
        document({"result": closing, "faults": [asdict(fault) for fault in found]})
        return
    screen = Screen()
    for fault in found:
        screen.line(str(fault), "odd" if fault.warning else "bad")
    wrong = sum(not fault.warning for fault in found)
    screen.line(
        f"{closing}; {counted(wrong, 'fault')}, {counted(len(found) - wrong, 'warning')}",
        "bad" if wrong else "good",
    )
