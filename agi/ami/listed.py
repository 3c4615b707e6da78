"""What a resync found to be up on one Asterisk: which channels belong to which call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from agi.ami.events import ChannelSeen


class Listed:
    """The channels of the last resync that are up still, by the call that links them.

    ``gone`` are names of channels that ended while the list was made, by uniqueid.
    """

    def __init__(
        self,
        channels: Sequence[ChannelSeen] = (),
        gone: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        up = [seen for seen in channels if gone.get(seen.uniqueid) != seen.channel]
        self._links = {seen.uniqueid: seen.linkedid for seen in up}
        self._groups: dict[str, list[ChannelSeen]] = {}
        for seen in up:
            self._groups.setdefault(seen.linkedid, []).append(seen)

    def __contains__(self, uniqueid: str) -> bool:
        """Say whether the channel was up then."""
        return uniqueid in self._links

    def beside(self, uniqueid: str) -> Iterator[ChannelSeen]:
        """Yield the other channels of this channel's call.

        A call's ``linkedid`` is the uniqueid of its oldest channel, which need not be the one that
        asked us: so its own is looked up first.
        """
        linkedid = self._links.get(uniqueid, uniqueid)
        return (seen for seen in self._groups.get(linkedid, ()) if seen.uniqueid != uniqueid)

    def ended(self, uniqueid: str, channel: str) -> None:
        """Take note that a channel of this name is no longer up."""
        group = self._groups.get(self._links.get(uniqueid, ""))
        if group is not None:
            over = (uniqueid, channel)
            group[:] = [seen for seen in group if (seen.uniqueid, seen.channel) != over]

    def channels(self) -> Iterator[str]:
        """Yield the uniqueids of all channels that were up."""
        return iter(self._links)
