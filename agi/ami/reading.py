"""What one block of the manager's stream says: an event we use, nothing, or somebody's forgery.

A caller can write into the stream: ``%0D%0A`` in the user of a From header ends a line of a
genuine event, and an empty line the event itself; what follows looks like Asterisk's own events
(measured on Asterisk 22.10 and 16.28 with PJSIP, which keeps 79 bytes of it). So a block counts
only if it has its event's exact shape; one that breaks off casts suspicion on what follows until
its missing lines have come; and a block that begins as none does betrays the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

import msgspec

from agi.ami import shapes
from agi.ami.events import Attempted, ChannelSeen, DialBegan, DialEnded, DialMoved, Event, HungUp

LONGEST_SUSPICION: Final = 256
"""Blocks. What is missing after so many does not come any more."""


class Listed(msgspec.Struct, frozen=True, gc=False):
    """One channel of the list that was asked for by this action."""

    action: str
    channel: ChannelSeen


class Device(msgspec.Struct, frozen=True, gc=False):
    """One device's state, of the list that was asked for by this action."""

    action: str
    device: str
    state: str


class ListEnd(msgspec.Struct, frozen=True, gc=False):
    """A list is complete; Asterisk wrote so many items."""

    action: str
    items: int


class Hint(msgspec.Struct, frozen=True, gc=False):
    """Somebody says that a contact changed: a reason to ask, not to believe."""


class Alarm(msgspec.Struct, frozen=True, gc=False):
    """A stranger's text stood in the stream.

    ``spoils``: where it began is not known, so what was read a moment ago may be a stranger's too.
    """

    spoils: bool


Read = Event | Listed | Device | ListEnd | Hint | Alarm

_HINTS: Final = frozenset((b"ContactStatus", b"PeerStatus", b"FullyBooted"))
_HINT: Final = Hint()


class Reader:
    """Reads the blocks of one connection, in their order.

    ``doubted`` counts blocks that were not believed, ``odd`` those of an event we use whose shape
    we do not know and that nobody seems to have forged: another Asterisk's, perhaps.
    """

    def __init__(self) -> None:
        self.doubted = 0
        self.odd = 0
        self._missing = shapes.Unfinished()
        self._since = 0

    def read(self, block: bytes, heard: float) -> Read | None:
        """Return what a block says; None for what we do not use. ``heard``: an epoch, when."""
        if self._missing:
            return self._suspect(block)
        if not block.startswith(b"Event: "):
            return None if block.startswith(b"Response: ") else self._orphan()
        name = block[7 : block.find(b"\r", 7)]
        shape = _SHAPES.get(name)
        if shape is not None:
            pattern, meaning = shape
            match = pattern.fullmatch(block)
            return self._other(name, block) if match is None else meaning(match, heard)
        if block.count(b"ChannelStateDesc: ") != block.count(b"Linkedid: "):
            return self._broken(block)
        return _HINT if name in _HINTS else None

    def _other(self, name: bytes, block: bytes) -> Alarm | None:
        """Judge a block that has not the shape of its name."""
        if name == b"UserEvent" and b"\r\nUserEvent: CarrierAttempt\r\n" not in block:
            if block.count(b"ChannelStateDesc: ") == block.count(b"Linkedid: "):
                return None  # a site's own, whatever it holds
        elif name == b"DeviceStateChange" and b"\r\nActionID: " not in block:
            return None  # tells of calls, mostly; contacts have events of their own
        return self._broken(block)

    def _broken(self, block: bytes) -> Alarm | None:
        self._missing.follow(block)
        if not self._missing and not _forged_lines(block):
            self.odd += 1
            return None
        self.doubted += 1
        return Alarm(spoils=False)

    def _orphan(self) -> Alarm:
        self.doubted += 1
        return Alarm(spoils=True)

    def _suspect(self, block: bytes) -> Alarm | None:
        """Drop a block that may be a stranger's."""
        self.doubted += 1
        self._since += 1
        self._missing.follow(block)
        if not self._missing:
            self._since = 0
        elif self._since > LONGEST_SUSPICION:
            self._missing = shapes.Unfinished()
            self._since = 0
            return Alarm(spoils=True)
        return None


def _forged_lines(block: bytes) -> bool:
    """Tell whether a header stands there twice, or a line holds half a line's end."""
    lines = block.split(b"\r\n")
    names = [line.partition(b": ")[0] for line in lines]
    once = [name for name in names if not name.endswith(b"ChanVariable")]
    halves = any(b"\r" in line or b"\n" in line for line in lines)
    return halves or len(once) != len(set(once))


def _text(match: re.Match[bytes], name: str) -> str:
    value = match[name]
    return "" if value is None else value.decode("latin-1")


def _epoch(match: re.Match[bytes], name: str) -> float | None:
    value = match[name]
    return float(value) if value else None


def _at(match: re.Match[bytes], heard: float) -> float:
    value = match["at"]
    return heard if value is None else float(value)


def _dial_began(m: re.Match[bytes], heard: float) -> DialBegan:
    return DialBegan(_at(m, heard), _text(m, "uniqueid"), _text(m, "dest"), _text(m, "channel"))


def _dial_moved(m: re.Match[bytes], heard: float) -> DialMoved:
    return DialMoved(_at(m, heard), _text(m, "dest"), _text(m, "status"))


def _dial_ended(m: re.Match[bytes], heard: float) -> DialEnded:
    return DialEnded(_at(m, heard), _text(m, "dest"), _text(m, "status"))


def _hung_up(m: re.Match[bytes], heard: float) -> HungUp:
    return HungUp(_at(m, heard), _text(m, "uniqueid"), _text(m, "channel"), int(m["cause"]))


def _attempted(m: re.Match[bytes], heard: float) -> Attempted:
    return Attempted(
        _at(m, heard),
        _text(m, "uniqueid"),
        id=_text(m, "id"),
        endpoint=_text(m, "trunk"),
        index=int(m["index"]),
        dialstatus=_text(m, "status"),
        cause=int(m["cause"] or 0),
        asked=_epoch(m, "asked"),
        told=_epoch(m, "told"),
    )


def _listed(m: re.Match[bytes], _: float) -> Listed:
    seconds = int(m["h"]) * 3600 + int(m["m"]) * 60 + int(m["s"])
    return Listed(
        _text(m, "action"),
        ChannelSeen(
            _text(m, "uniqueid"),
            _text(m, "linkedid"),
            _text(m, "channel"),
            int(m["state"]),
            float(seconds),
        ),
    )


def _device(m: re.Match[bytes], _: float) -> Device:
    return Device(_text(m, "action"), _text(m, "device"), _text(m, "state"))


def _list_end(m: re.Match[bytes], _: float) -> ListEnd:
    return ListEnd(_text(m, "action"), int(m["items"]))


_SHAPES: Final[dict[bytes, tuple[re.Pattern[bytes], Callable[[re.Match[bytes], float], Read]]]] = {
    b"DialBegin": (shapes.DIAL_BEGIN, _dial_began),
    b"DialState": (shapes.DIAL_STATE, _dial_moved),
    b"DialEnd": (shapes.DIAL_END, _dial_ended),
    b"Hangup": (shapes.HANGUP, _hung_up),
    b"UserEvent": (shapes.ATTEMPT, _attempted),
    b"CoreShowChannel": (shapes.CHANNEL, _listed),
    b"DeviceStateChange": (shapes.DEVICE, _device),
    b"CoreShowChannelsComplete": (shapes.COMPLETE, _list_end),
    b"DeviceStateListComplete": (shapes.COMPLETE, _list_end),
}
