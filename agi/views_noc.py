"""How trunks, the brown-out ladder and pins look on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, Final

from agi.console import Screen, document
from agi.pins import seconds_words

Answer = Mapping[str, Any]

LEVELS: Final = ("live", "cache", "range", "default")
_TONES: Final = {"up": "good", "down": "bad"}


def trunks(told: Answer, *, as_json: bool) -> None:
    """Show how every trunk stands, those in trouble first."""
    if as_json:
        document(told)
        return
    rows = [
        [
            one["trunk"] if one["enabled"] else f"{one['trunk']} (disabled)",
            (_state(one, told["at"]), _TONES.get(one["state"], "odd")),
            _calls(one),
            str(one["attempts"]),
            _share(one["asr"]),
            _share(one["ner"]),
            _share(one["quality"]),
            one["why"] or "-",
        ]
        for one in sorted(told["trunks"], key=lambda one: (one["state"] == "up", one["trunk"]))
    ]
    headings = ("trunk", "state", "calls", "in 5 min", "ASR", "NER", "quality", "why")
    screen = Screen()
    for trouble in told["troubles"]:
        screen.line(trouble, "bad")
    screen.table(headings, rows)


def ladder(told: Answer, *, as_json: bool) -> None:
    """Show where the routers stand, and who said so."""
    if as_json:
        document(told)
        return
    screen, pin = Screen(), told["pin"]
    if pin is not None:
        left = seconds_words(pin["until"] - told["at"])
        screen.line(f"pinned at {LEVELS[pin['level']]} for {left} more: {pin['why']}", "odd")
    rows = [
        [
            one["router"],
            (LEVELS[one["shown"]], "bad" if one["shown"] else "good"),
            one["why"] or "-",
        ]
        for one in told["routers"]
    ]
    screen.table(("router", "level", "why"), rows)


def pinned(what: str, done: Answer, *, as_json: bool) -> None:
    """Say what a pin came to; what could not be written goes to stderr."""
    if as_json:
        document(done)
        return
    if done["changed"]:
        Screen().line(what, "good")
    else:
        Screen().line("nothing was pinned there", "good")
    for alarm in done["alarms"]:
        sys.stderr.write(f"dialdip: {alarm}\n")


def _state(one: Answer, at: float) -> str:
    if not one["pinned"]:
        return str(one["state"])
    left = "" if one["until"] is None else f", {seconds_words(one['until'] - at)} more"
    return f"{one['state']} (pinned{left})"


def _calls(one: Answer) -> str:
    calls = "-" if one["calls"] is None else str(one["calls"])
    return calls if one["max_calls"] is None else f"{calls} of {one['max_calls']}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"
