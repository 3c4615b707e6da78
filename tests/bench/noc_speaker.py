"""A whole PBX that is not there: recorded manager events and the decisions that they belong to.

usage: noc_speaker.py RATE SECONDS DECISIONS_SOCKET PROGRESS; prints its manager interface's port.

It speaks as Asterisk does over AMI and as a router does over the decisions feed, RATE calls a
second from the moment that somebody listens. A call rings and is answered at once and talks for two
seconds. Which calls ended when goes to PROGRESS: an epoch and a number a line.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import msgspec

from agi.ami.decided import Decided, Hopped
from agi.feed import LENGTH, PREAMBLE
from tests.ami.manager import Manager, Session
from tests.ami.recordings import stream

STEP_S: Final = 0.01
TALK_S: Final = 2.0
TRUNK: Final = Hopped("ported", "ported", "PJSIP")
OTHER: Final = Hopped("gw-d", "gw-d", "PJSIP")
COUNTRIES: Final = (("GB", "23415"), ("GB", "23410"), ("DE", "26201"), ("FR", "20801"))


class Recording:
    """One recorded call, in two parts: until it is answered, and its end."""

    def __init__(self) -> None:
        text = stream("22", "filtered").replace(b"d-1", b"@ID@").replace(b"id: 17", b"id: @CALL@.")
        begins, _, ends = text.partition(b"Event: UserEvent")
        self._begin, self._end = map(_timeless, (begins, b"Event: UserEvent" + ends))

    def begin(self, call: int) -> bytes:
        """Return what is heard until the answer."""
        return _filled(self._begin, call)

    def end(self, call: int) -> bytes:
        """Return what is heard at the end."""
        return _filled(self._end, call)


def _timeless(text: bytes) -> bytes:
    lines = text.split(b"\r\n")
    return b"\r\n".join(
        b"Timestamp: @NOW@" if one.startswith(b"Timestamp: ") else one for one in lines
    )


def _filled(text: bytes, call: int) -> bytes:
    number = b"%d" % call
    now = b"%.6f" % time.time()
    return text.replace(b"@NOW@", now).replace(b"@CALL@", number).replace(b"@ID@", b"d-" + number)


def decided(call: int) -> Decided:
    """Return the decision of a call."""
    country, network = COUNTRIES[call % len(COUNTRIES)]
    uniqueid = f"{call}.95286676.0"
    return Decided(f"d-{call}", uniqueid, time.time(), 0.0004, country, network, (TRUNK, OTHER))


async def speak(rate: int, seconds: float, feed: Path, progress: Path) -> None:
    """Speak; then stay until whoever started us has heard enough."""
    manager = Manager()
    await manager.start()
    print(manager.port, flush=True)
    await manager.until(lambda: any("DeviceStateList" in s.names() for s in manager.sessions), 30)
    _, telling = await asyncio.open_unix_connection(feed)
    telling.write(PREAMBLE)
    with progress.open("w", buffering=1) as told, contextlib.suppress(ConnectionError):
        await _calls(manager.sessions[-1], telling, told.write, rate=rate, seconds=seconds)
    await asyncio.Event().wait()


async def _calls(
    session: Session,
    telling: asyncio.StreamWriter,
    told: Callable[[str], object],
    *,
    rate: int,
    seconds: float,
) -> None:
    recording = Recording()
    total, begun, ended, since = int(rate * seconds), 0, 0, time.monotonic()
    while ended < total:
        passed = time.monotonic() - since
        begin = min(int(passed * rate) + 1, total)
        end = min(max(0, int((passed - TALK_S) * rate)), begun)
        if begin > begun:
            batch = msgspec.msgpack.encode([decided(call) for call in range(begun, begin)])
            telling.write(LENGTH.pack(len(batch)) + batch)
        calls = [recording.begin(call) for call in range(begun, begin)]
        calls += [recording.end(call) for call in range(ended, end)]
        if calls:
            await session.raw(b"".join(calls))
        if end > ended:
            told(f"{time.time():.6f} {end}\n")
        begun, ended = begin, end
        await asyncio.sleep(STEP_S)


if __name__ == "__main__":
    asyncio.run(speak(int(sys.argv[1]), float(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4])))
