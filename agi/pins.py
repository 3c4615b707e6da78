"""What a person pinned: a trunk's state or the brown-out level, until when, and why.

noc writes it, routers read it at their start: so a pin outlives every process, and ends when it
said that it would.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from agi.errors import UsageError
from agi.routing.standing import State
from agi.routing.versions.disk import Folder

FILE: Final = "pins.json"
MAX_S: Final = 7 * 86_400
"""A pin ends within seven days: what is to stay belongs into the tables."""

_MAX_BYTES: Final = 1 << 20
_DURATION: Final = re.compile(r"([1-9][0-9]{0,5})([smhd])", re.ASCII)
_UNITS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


class TrunkPin(msgspec.Struct, frozen=True):
    """A trunk that is to be taken as it is said here. ``until`` is an epoch in seconds."""

    state: State
    until: float
    why: str


class LevelPin(msgspec.Struct, frozen=True):
    """The brown-out level that is to be kept, 0 (live) to 3 (default), until an epoch in seconds.

    It stands before the ladder's own level, whichever is lower: ``live`` asks in every brown-out.
    """

    level: int
    until: float
    why: str


class Pins(msgspec.Struct, frozen=True):
    """All pins: of trunks by name, and of the ladder."""

    trunks: dict[str, TrunkPin] = {}
    level: LevelPin | None = None

    def at(self, now: float) -> Pins:
        """Return those that have not ended."""
        trunks = {name: pin for name, pin in self.trunks.items() if pin.until > now}
        level = self.level if self.level is not None and self.level.until > now else None
        return Pins(trunks, level)

    def with_trunk(self, name: str, pin: TrunkPin | None) -> Pins:
        """Return these with a trunk pinned, or with its pin taken out."""
        others = {one: held for one, held in self.trunks.items() if one != name}
        return Pins(others if pin is None else {**others, name: pin}, self.level)

    def with_level(self, level: LevelPin | None) -> Pins:
        """Return these with another pin of the ladder, or with none."""
        return Pins(self.trunks, level)

    def told(self) -> dict[str, object]:
        """Return what a router is told of them; see ``Desk.health``."""
        return {
            "standings": {
                name: {"state": pin.state, "pinned": True, "until": pin.until, "why": pin.why}
                for name, pin in self.trunks.items()
            },
            "ladder": told_level(self.level),
        }


def told_level(pin: LevelPin | None) -> Mapping[str, object] | None:
    """Return what a router is told of the ladder's pin; None: there is none."""
    if pin is None:
        return None
    return {"level": pin.level, "until": pin.until, "why": pin.why}


def read(state: Path, now: float) -> Pins:
    """Return the pins of a state directory that have not ended.

    Raises:
        UsageError: they cannot be read; which means that none is in force.
    """
    try:
        with Folder.at(state) as folder:
            data = folder.read(FILE, _MAX_BYTES)
        return msgspec.json.decode(data, type=Pins).at(now)
    except FileNotFoundError:
        return Pins()
    except OSError as bad:
        raise UsageError(f"{state / FILE}: {bad.strerror}: no trunk is pinned") from None
    except msgspec.MsgspecError:
        raise UsageError(f"{state / FILE}: damaged: no trunk is pinned, pin anew") from None


def write(state: Path, pins: Pins) -> None:
    """Put pins in the place of those before, whole and durable.

    Raises:
        UsageError: it cannot be written; what was there still is.
    """
    try:
        with Folder.at(state) as folder:
            folder.replace(FILE, msgspec.json.format(msgspec.json.encode(pins)) + b"\n")
    except OSError as bad:
        raise UsageError(f"{state / FILE}: {bad.strerror}") from None


def seconds_of(text: str) -> int:
    """Return how long a pin is to last: a number and s, m, h or d, at most seven days.

    >>> seconds_of("30m")
    1800

    Raises:
        UsageError: it is no such duration.
    """
    found = _DURATION.fullmatch(text)
    seconds = int(found[1]) * _UNITS[found[2]] if found else 0
    if not 0 < seconds <= MAX_S:
        raise UsageError("--for: give a number and s, m, h or d, at most 7d, for example 30m")
    return seconds


def seconds_words(seconds: float) -> str:
    """Return a time that is left, in its two biggest units.

    >>> seconds_words(5_430)
    '1h 30m'
    """
    left, words = max(0, round(seconds)), []
    for unit, length in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        count, left = divmod(left, length)
        if count:
            words.append(f"{count}{unit}")
    return " ".join(words[:2]) or "0s"
