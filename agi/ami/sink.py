"""The seam between the listeners and whoever makes sense of what Asterisk says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from agi.ami.events import ChannelSeen, Event

INJECTION = "ami-injection"
"""A kind of security event: a stranger's text stood in the stream as if Asterisk had said it."""


class Sink(Protocol):
    """Takes what the listeners hear. ``asterisk`` is the PBX's name, ``at`` an epoch in seconds."""

    def heard(self, asterisk: str, event: Event) -> None:
        """Take one event, in the order of the stream; also while a gap is open."""

    def lost(self, asterisk: str, at: float) -> None:
        """Take note that events since ``at`` may be missing: a gap begins."""

    def resynced(self, asterisk: str, channels: Sequence[ChannelSeen], at: float) -> None:
        """Take the complete list of channels: the gap ends."""

    def reachable(self, asterisk: str, states: Mapping[str, bool], at: float) -> None:
        """Take whether each endpoint can be reached: Asterisk's own answer to our question."""

    def security(self, kind: str, count: int = 1) -> None:
        """Count what somebody tried."""
