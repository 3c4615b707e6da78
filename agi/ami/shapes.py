"""The exact shapes of the manager events that we use, as Asterisk writes them.

Headers, their order and their end were measured on Asterisk 22.10.1 and 16.28.0; that a snapshot
of a channel is written in this order, and ``ChanVariable`` behind it, is main/manager_channels.c
(ast_manager_build_channel_state_string_prefix), what may stand before it main/manager.c.

Callers write some of the values: a shape allows no line more, none less, and no other order.
"""

from __future__ import annotations

import re
from typing import Final

SNAPSHOT: Final = (
    *(b"Channel", b"ChannelState", b"ChannelStateDesc", b"CallerIDNum", b"CallerIDName"),
    *(b"ConnectedLineNum", b"ConnectedLineName", b"Language", b"AccountCode", b"Context"),
    *(b"Exten", b"Priority", b"Uniqueid", b"Linkedid"),
)
"""The headers that describe one channel, in Asterisk's order."""

_LINE = rb"[^\r\n]*"
_ID = rb"[^\r\n]{1,150}"
_EPOCH = rb"[0-9]{1,12}(?:\.[0-9]{1,9})?"


def _snapshot(prefix: bytes = b"", **kept: bytes) -> bytes:
    """Return the lines of one channel; ``kept`` gives the value's pattern for headers we read."""
    lines = [prefix + name + b": " + kept.get(name.decode(), _LINE) + rb"\r\n" for name in SNAPSHOT]
    return b"".join(lines) + rb"(?:" + prefix + rb"ChanVariable: " + _LINE + rb"\r\n)*"


def _event(name: bytes, privilege: bytes, *rest: bytes) -> re.Pattern[bytes]:
    """Return the shape of an event that Asterisk sends by itself."""
    head = (
        rb"Event: " + name + rb"\r\nPrivilege: " + privilege + rb"\r\n"
        rb"(?:Timestamp: (?P<at>" + _EPOCH + rb")\r\n)?"
        rb"(?:SequenceNumber: [0-9]+\r\nFile: " + _LINE + rb"\r\nLine: [0-9]+\r\n"
        rb"Func: " + _LINE + rb"\r\n)?(?:SystemName: " + _LINE + rb"\r\n)?"
    )
    return re.compile(head + b"".join(rest))


def _listed(name: bytes, *rest: bytes) -> re.Pattern[bytes]:
    """Return the shape of one line of a list that we asked for."""
    head = rb"Event: " + name + rb"\r\nActionID: (?P<action>[A-Za-z0-9]{1,64})\r\n"
    return re.compile(head + b"".join(rest))


_CALLER = rb"(?:" + _snapshot(Uniqueid=rb"(?P<uniqueid>" + _ID + rb")") + rb")?"
_DEST = _snapshot(
    b"Dest",
    Channel=rb"(?P<channel>" + _ID + rb")",
    Uniqueid=rb"(?P<dest>" + _ID + rb")",
)
_STATUS = rb"DialStatus: (?P<status>[A-Z]{1,20})(?:\r\nForward: " + _LINE + rb")?"

DIAL_BEGIN: Final = _event(b"DialBegin", b"call,all", _CALLER, _DEST, rb"DialString: " + _LINE)
DIAL_STATE: Final = _event(b"DialState", b"call,all", _CALLER, _DEST, _STATUS)
DIAL_END: Final = _event(b"DialEnd", b"call,all", _CALLER, _DEST, _STATUS)
HANGUP: Final = _event(
    b"Hangup",
    b"call,all",
    _snapshot(
        Channel=rb"(?P<channel>" + _ID + rb")",
        Uniqueid=rb"(?P<uniqueid>" + _ID + rb")",
    ),
    rb"Cause: (?P<cause>[0-9]{1,3})\r\nCause-txt: " + _LINE,
    rb"(?:\r\nTechCause: " + _LINE + rb")?",
)
ATTEMPT: Final = _event(
    b"UserEvent",
    b"user,all",
    _snapshot(Uniqueid=rb"(?P<uniqueid>" + _ID + rb")"),
    rb"UserEvent: CarrierAttempt\r\n",
    rb"ID: (?P<id>[A-Za-z0-9_.+-]{0,32})\r\n",
    rb"Trunk: (?P<trunk>[A-Za-z0-9_.-]{1,40})\r\n",
    rb"Index: (?P<index>[1-9])\r\n",
    rb"DialStatus: (?P<status>[A-Z]{0,20})\r\n",
    rb"HangupCause: (?P<cause>[0-9]{0,3})",
    rb"(?:\r\nAsked: (?P<asked>(?:" + _EPOCH + rb")?)\r\nTold: (?P<told>(?:" + _EPOCH + rb")?))?",
)
CHANNEL: Final = _listed(
    b"CoreShowChannel",
    _snapshot(
        Channel=rb"(?P<channel>" + _ID + rb")",
        ChannelState=rb"(?P<state>[0-9]{1,2})",
        Uniqueid=rb"(?P<uniqueid>" + _ID + rb")",
        Linkedid=rb"(?P<linkedid>" + _ID + rb")",
    ),
    rb"Application: " + _LINE + rb"\r\nApplicationData: " + _LINE + rb"\r\n",
    rb"Duration: (?P<h>[0-9]{1,6}):(?P<m>[0-9]{2}):(?P<s>[0-9]{2})\r\nBridgeId: " + _LINE,
)
DEVICE: Final = _listed(
    b"DeviceStateChange",
    rb"Device: (?P<device>[^\r\n]{1,200})\r\nState: (?P<state>[A-Z_+]{1,20})",
)
COMPLETE: Final = _listed(
    rb"(?:CoreShowChannels|DeviceStateList)Complete",
    rb"EventList: Complete\r\nListItems: (?P<items>[0-9]{1,9})",
)


class Unfinished:
    """Follows the lines of a stream through snapshots, to tell one that breaks off.

    Asterisk writes an event whole. One that ends inside a snapshot was ended by a stranger's empty
    line, and what follows is the stranger's until the missing lines have come.
    """

    def __init__(self) -> None:
        self._prefix = b""
        self._next = 0

    def __bool__(self) -> bool:
        """Tell whether lines of a snapshot are missing."""
        return self._next > 0

    def follow(self, block: bytes) -> None:
        """Read on; lines between those that are missing are passed over."""
        for line in block.split(b"\r\n"):
            name = line.partition(b": ")[0]
            if self._next:
                if name == self._prefix + SNAPSHOT[self._next]:
                    self._next = (self._next + 1) % len(SNAPSHOT)
            elif name.endswith(b"Channel") and len(name) < 32:
                self._prefix = name.removesuffix(b"Channel")
                self._next = 1
