"""Frames between routers and the dipper: four bytes of length, then one MessagePack array.

Big-endian length (of what follows, at most 64 KiB), then an array whose first item is the tag of
the frame and whose others are its fields in order (format: msgpack.org's specification). The first
frame of either side is ``Hello``; another version is another protocol: the connection is closed.
Bytes are read as if a stranger had written them: what is not exactly such a frame is a fault.

Deadlines are absolute seconds of CLOCK_MONOTONIC, which is one clock for all processes of a host
(clock_gettime(2)): a frame that waits in a socket grows no older than its call. An event loop's
``time()`` is that clock, on asyncio's own loop and on uvloop.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from agi.errors import DialdipError
from agi.model import (
    Finding,
    Fraud,
    Inquiry,
    Line,
    Live,
    Mccmnc,
    Msisdn,
    NumberInfo,
    Product,
    Source,
    Verdicts,
)

VERSION: Final = 3
MAX_FRAME: Final = 65_536
HEAD: Final = 4

MAX_COUNTS: Final = 512
"""So many counts travel in one frame: at their longest they stay below ``MAX_FRAME``."""

_FAR_S: Final = 1e12
_Id = Annotated[int, Meta(ge=0, le=2**63 - 1)]
_Number = Annotated[str, Meta(pattern=r"\A[0-9]{1,15}\Z")]
_Network = Annotated[str, Meta(pattern=r"\A(?:[2-7][0-9]{4,5}|90[0-9]{3,4})\Z")]
_Country = Annotated[str, Meta(pattern=r"\A[A-Z0-9]{0,3}\Z")]
_Reason = Annotated[str, Meta(pattern=r"\A[a-z0-9_.-]{1,24}\Z")]
_NoReason = Annotated[str, Meta(pattern=r"\A[a-z0-9_.-]{0,24}\Z")]
_Account = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_.-]{0,32}\Z")]
_Seconds = Annotated[float, Meta(ge=0, le=_FAR_S)]  # neither infinite nor NaN
_Meter = Annotated[str, Meta(pattern=r"\A[\x20-\x7e]{1,80}\Z")]
_Amount = Annotated[float, Meta(ge=0, le=_FAR_S)]


class ProtocolFault(DialdipError):
    """The peer wrote what is no frame of this version: close the connection.

    ``kind`` is ``oversize``, ``malformed``, ``version`` or ``unexpected``, fit for a label.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        super().__init__(kind)


class _Frame(msgspec.Struct, frozen=True, gc=False, array_like=True, forbid_unknown_fields=True):
    pass


class Hello(_Frame, frozen=True, gc=False, tag=0):
    """Who speaks; ``generation`` differs between two starts of a process."""

    version: _Id
    pid: _Id
    generation: _Id


class Ask(_Frame, frozen=True, gc=False, tag=1):
    """One ``Inquiry``; ``id`` is the router's, and comes back with the answer."""

    id: _Id
    number: _Number
    deadline: _Seconds
    country: _Country = ""
    line: Line | None = None
    max_age_s: _Seconds | None = None
    network: bool = True
    screens: Annotated[tuple[Product, ...], Meta(max_length=8)] = ()
    unasked: _NoReason = ""

    def inquiry(self) -> Inquiry:
        """Return the value that was sent."""
        return Inquiry(
            Msisdn(self.number),
            self.deadline,
            self.country,
            self.line,
            self.max_age_s,
            self.network,
            self.screens,
            self.unasked,
        )

    def __repr__(self) -> str:
        return f"Ask(id={self.id})"  # the number is nobody's to print


class Found(_Frame, frozen=True, gc=False, tag=2):
    """One ``Finding`` without its rule: the router's own table knows that, by kind and reason."""

    id: _Id
    source: Source
    reason: _Reason
    mccmnc: _Network | None = None
    live: Live | None = None
    ported: bool | None = None
    line: Line | None = None
    age_s: _Seconds | None = None
    provider: _Account = ""
    kind: _Account = ""
    fraud: Fraud | None = None
    tps: bool | None = None
    unsubscribed: bool | None = None

    def finding(self) -> Finding:
        """Return the value that was sent."""
        network = None if self.mccmnc is None else Mccmnc(self.mccmnc)
        return Finding(
            self.source,
            self.reason,
            NumberInfo(network, self.live, self.ported, self.line),
            self.age_s,
            None,
            self.provider,
            self.kind,
            Verdicts(self.fraud, self.tps, self.unsubscribed),
        )


class Purge(_Frame, frozen=True, gc=False, tag=3):
    """Forget what this account said in the last ``seconds_ago``: it is not to be trusted."""

    provider: _Account
    seconds_ago: _Seconds


class Drop(_Frame, frozen=True, gc=False, tag=4):
    """Forget one number."""

    number: _Number

    def __repr__(self) -> str:
        return "Drop()"


class Ping(_Frame, frozen=True, gc=False, tag=5):
    """Is the dipper's event loop alive?"""


class Pong(_Frame, frozen=True, gc=False, tag=6):
    """It is."""


class Gossip(_Frame, frozen=True, gc=False, tag=7):
    """What a router counted against limits since it last said so; the dipper tells the others."""

    counts: Annotated[tuple[tuple[_Meter, _Amount], ...], Meta(max_length=MAX_COUNTS)]

    def __repr__(self) -> str:
        return f"Gossip({len(self.counts)})"  # a meter's name may hold a number


Frame = Hello | Ask | Found | Purge | Drop | Ping | Pong | Gossip

_decoder: Final[msgspec.msgpack.Decoder[Frame]] = msgspec.msgpack.Decoder(Frame)
_encoder: Final = msgspec.msgpack.Encoder()


def asked(number: int, inquiry: Inquiry) -> Ask:
    """Return the frame of one question, under this id."""
    max_age_s = inquiry.max_age_s
    return Ask(
        number,
        inquiry.number,
        _bounded(inquiry.deadline),
        inquiry.country,
        inquiry.line,
        None if max_age_s is None else _bounded(max_age_s),
        inquiry.network,
        inquiry.screens,
        inquiry.unasked,
    )


def found(number: int, finding: Finding) -> Found:
    """Return the frame of the answer to the question of this id."""
    info, verdicts, age_s = finding.info, finding.verdicts, finding.age_s
    return Found(
        number,
        finding.source,
        finding.reason,
        info.mccmnc,
        info.live,
        info.ported,
        info.line,
        None if age_s is None else _bounded(age_s),
        finding.provider,
        finding.kind,
        verdicts.fraud,
        verdicts.tps,
        verdicts.unsubscribed,
    )


def gossip(counts: Sequence[tuple[str, float]]) -> Iterator[Gossip]:
    """Yield the frames that tell these counts: names of 1 to 80 printable ASCII characters."""
    for start in range(0, len(counts), MAX_COUNTS):
        some = counts[start : start + MAX_COUNTS]
        yield Gossip(tuple((name, _bounded(count)) for name, count in some))


def _bounded(seconds: float) -> float:
    return min(max(seconds, 0.0), _FAR_S)


def write(buffer: bytearray, frame: Frame) -> None:
    """Append one frame to what is about to be sent."""
    start = len(buffer)
    buffer += b"\0\0\0\0"
    _encoder.encode_into(frame, buffer, -1)
    buffer[start : start + HEAD] = (len(buffer) - start - HEAD).to_bytes(HEAD, "big")


class FrameReader:
    """Bytes in, frames out, one connection long."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> list[Frame]:
        """Take the next bytes; return the frames that became complete, in order.

        Raises:
            ProtocolFault: these are no frames; nothing more is to be read from this peer.
        """
        if self._held:
            data = self._held + data
        frames: list[Frame] = []
        at, size = 0, len(data)
        while size - at >= HEAD:
            start = at + HEAD
            end = start + int.from_bytes(data[at:start], "big")
            if end - start > MAX_FRAME:
                raise ProtocolFault("oversize")
            if end > size:
                break
            frames.append(_decoded(data[start:end]))
            at = end
        self._held = data[at:]
        return frames


def _decoded(body: bytes) -> Frame:
    try:
        return _decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        # Not chained: the library's message may quote what the frame held.
        raise ProtocolFault("malformed") from None
