"""Calls through a pretended Asterisk: what truly happens, event by event, for the ledger's tests.

It knows nothing of the ledger. A call goes through the trunks of a decision in their order, as the
dialplan does, and each step is a burst of events that Asterisk sends within milliseconds.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from agi.ami.decided import Decided, Hopped
from agi.ami.events import (
    Attempted,
    ChannelSeen,
    DialBegan,
    DialEnded,
    DialMoved,
    Event,
    HungUp,
)
from agi.ami.figures import Outcome

TRUNKS = (
    Hopped("uk-a", "ported", "PJSIP"),
    Hopped("uk-b", "second", "PJSIP"),
    Hopped("shop", "to-shop", "Local"),
    Hopped("iax", "peer-1", "IAX2"),
)
TWIN = Hopped("uk-a-00", "ported", "PJSIP")
"""Another trunk with the same endpoint: another form of the number, say."""

# What a trunk does: DialEnd's status, DIALSTATUS, HANGUPCAUSE, the outcome, whether it rings, and
# whether the dialplan goes on to the next. As measured on Asterisk 22.10 and 16.28.
DOES: dict[str, tuple[str, str, int, Outcome, bool, bool]] = {
    "answers": ("ANSWER", "ANSWER", 16, Outcome.ANSWERED, True, False),
    "answers at once": ("ANSWER", "ANSWER", 16, Outcome.ANSWERED, False, False),
    "busy": ("BUSY", "BUSY", 17, Outcome.BUSY, False, False),
    "rings": ("NOANSWER", "NOANSWER", 0, Outcome.NO_ANSWER, True, False),
    "silent": ("NOANSWER", "NOANSWER", 0, Outcome.FAILED, False, False),
    "silent for 32 s": ("NOANSWER", "CHANUNAVAIL", 18, Outcome.FAILED, False, True),
    "503": ("CONGESTION", "CONGESTION", 34, Outcome.FAILED, False, True),
    "404": ("NOANSWER", "CHANUNAVAIL", 1, Outcome.NUMBER, False, False),
    "603": ("NOANSWER", "CHANUNAVAIL", 21, Outcome.REJECTED, False, False),
    "not dialable": ("", "CHANUNAVAIL", 3, Outcome.FAILED, False, True),
    "the caller leaves": ("CANCEL", "CANCEL", 0, Outcome.CANCELLED, True, False),
}


@dataclass
class Truth:
    """One attempt as it truly was; times are epochs."""

    decision: str
    index: int
    trunk: str
    outcome: Outcome
    cause: int
    seized: bool
    first: float  # when the channel got its first decision
    pdd_s: float | None = None
    talk_s: float | None = None
    over: float | None = None  # when its last event came


@dataclass
class Pretended:
    """Asterisks and their calls. ``now`` is moved by whoever plays with it."""

    now: float
    dice: random.Random
    ids: int = 0
    records: list[Decided] = field(default_factory=list)
    truths: list[Truth] = field(default_factory=list)
    up: dict[str, dict[str, ChannelSeen]] = field(default_factory=dict)
    dialled: dict[str, dict[str, str]] = field(default_factory=dict)  # open legs: dest, decision

    def new(self) -> str:
        """Return a uniqueid."""
        self.ids += 1
        return f"1795286128.{self.ids}"

    def decide(self, uniqueid: str, hops: tuple[Hopped, ...]) -> Decided:
        """Make a decision."""
        self.ids += 1
        record = Decided(f"f00d-{self.ids:06x}", uniqueid, self.now, 0.002, "GB", "23415", hops)
        self.records.append(record)
        return record

    def call(self, pbx: str, plans: list[list[tuple[Hopped, str]]]) -> Iterator[list[Event]]:
        """Yield the bursts of one call, that asks as often as there are plans."""
        caller = self.new()
        channel = f"PJSIP/caller-{self.ids:08x}"
        self._rise(pbx, caller, caller, channel)
        first = self.now
        for number, plan in enumerate(plans, 1):
            record = self.decide(caller, tuple(hop for hop, _ in plan))
            yield []
            last: list[Event] = []
            for index, (_, does) in enumerate(plan, 1):
                for burst in self._leg(pbx, record, index, does, first):
                    yield [*last, *burst]
                    last = []
                if not DOES[does][5]:
                    break
            if number == len(plans):
                self._fall(pbx, caller)
                yield [HungUp(self.now, caller, channel, 16)]

    def _leg(
        self, pbx: str, record: Decided, index: int, does: str, first: float
    ) -> Iterator[list[Event]]:
        end, status, cause, outcome, rings, _ = DOES[does]
        hop = record.hops[index - 1]
        seized = does != "not dialable"
        truth = Truth(record.id, index, hop.trunk, outcome, cause, seized, first)
        self.truths.append(truth)
        if not truth.seized:
            truth.over, truth.talk_s = self.now, 0.0
            yield [self._report(record, index, status, cause)]
            return
        dest = self.new()
        channel = _channel(hop, self.ids)
        began = self.now
        self._rise(pbx, dest, record.uniqueid, channel)
        self.dialled.setdefault(pbx, {})[dest] = record.id
        yield [DialBegan(self.now, record.uniqueid, dest, channel), *self._beyond(hop)]
        if rings:
            truth.pdd_s = self.now - began
            yield [DialMoved(self.now, dest, self.dice.choice(("RINGING", "PROGRESS")))]
        answered = self.now
        if outcome is Outcome.ANSWERED:
            truth.pdd_s = self.now - began if truth.pdd_s is None else truth.pdd_s
            yield [DialEnded(self.now, dest, end)]
        last: list[Event] = [
            self._report(record, index, status, cause),
            HungUp(self.now, dest, channel, cause),
        ]
        self.dice.shuffle(last)
        if outcome is not Outcome.ANSWERED:
            last.insert(0, DialEnded(self.now, dest, end))
        truth.talk_s = self.now - answered if outcome is Outcome.ANSWERED else 0.0
        truth.over = self.now
        del self.dialled[pbx][dest]
        self._fall(pbx, dest)
        yield last

    def _beyond(self, hop: Hopped) -> list[Event]:
        """Return what a Local channel's far half dials: it is no attempt of ours."""
        if hop.tech != "Local":
            return []
        far, dest = self.new(), self.new()
        channel = "PJSIP/ported-0000ffff"
        return [
            DialBegan(self.now, far, dest, channel),
            DialEnded(self.now, dest, "CONGESTION"),
            HungUp(self.now, dest, channel, 34),
        ]

    def _report(self, record: Decided, index: int, status: str, cause: int) -> Attempted:
        endpoint = record.hops[index - 1].endpoint
        return Attempted(self.now, record.uniqueid, record.id, endpoint, index, status, cause)

    def _rise(self, pbx: str, uniqueid: str, linkedid: str, channel: str) -> None:
        seen = ChannelSeen(uniqueid, linkedid, channel, 5, 1.0)
        self.up.setdefault(pbx, {})[uniqueid] = seen

    def _fall(self, pbx: str, uniqueid: str) -> None:
        del self.up[pbx][uniqueid]


def _channel(hop: Hopped, number: int) -> str:
    match hop.tech:
        case "Local":
            return f"Local/4420@{hop.endpoint}-{number:08x};1"
        case "IAX2":
            return f"IAX2/{hop.endpoint}-{number}"
    return f"{hop.tech}/{hop.endpoint}-{number:08x}"
