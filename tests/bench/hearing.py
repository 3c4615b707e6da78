"""How many recorded calls a second the AMI listener hears on one core, and how late it tells them.

A process of its own speaks as Asterisk does, calls as they were recorded, each event with the time
of its sending; the listener is the real one, over loopback.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from agi.ami.blocks import Blocks
from agi.ami.events import ChannelSeen, Event
from agi.ami.listener import AmiListener
from agi.ami.reading import Reader
from tests.ami.manager import PASSWORD, Manager, Place
from tests.ami.recordings import GREETING, blocks, stream

STEP_S: Final = 0.01
STREAMS: Final = {
    "with event filters": "filtered",
    "without event filters": "answered",
}
HEARD_A_CALL: Final = 6
"""Events of an answered call that are passed on."""


@dataclass(slots=True)
class _Sink:
    """Keeps how late each event came."""

    lags: list[float] = field(default_factory=list)
    alarms: int = 0
    synced: asyncio.Event = field(default_factory=asyncio.Event)

    def heard(self, asterisk: str, event: Event) -> None:
        del asterisk
        self.lags.append(time.time() - event.at)

    def lost(self, asterisk: str, at: float) -> None:
        """Nothing to count."""

    def resynced(self, asterisk: str, channels: Sequence[ChannelSeen], at: float) -> None:
        del asterisk, channels, at
        self.synced.set()

    def reachable(self, asterisk: str, states: Mapping[str, bool], at: float) -> None:
        """Nothing to count."""

    def security(self, kind: str, count: int = 1) -> None:
        del kind
        self.alarms += count


@dataclass(frozen=True, slots=True)
class Heard:
    """What a run gave. ``cpu`` is the share of one core; lags in seconds."""

    stream: str
    rate: int
    calls: int
    heard: int
    blocks: int
    dropped: int
    cpu: float
    p50_s: float
    p99_s: float


async def speak(rate: int, seconds: float, name: str) -> None:
    """Speak so many calls a second to the first who has asked for the channels; print the port."""
    manager = Manager()
    await manager.start()
    print(manager.port, flush=True)
    await manager.until(lambda: any("CoreShowChannels" in s.names() for s in manager.sessions), 30)
    session = manager.sessions[-1]
    pieces = re.split(rb"(?<=Timestamp: )[0-9.]+", stream("22", name))
    spoken, began = 0, time.monotonic()
    while spoken < rate * seconds:
        due = min(int((time.monotonic() - began) * rate) + 1, int(rate * seconds))
        for call in range(spoken, due):
            text = (b"%.6f" % time.time()).join(pieces)
            await session.raw(text.replace(b"id: 17", b"id: %d." % call))
        spoken = due
        await asyncio.sleep(STEP_S)
    await asyncio.Event().wait()  # until whoever started us has heard enough


async def hear(port: int, calls: int, within_s: float) -> tuple[_Sink, AmiListener, float, float]:
    """Listen until all was heard; return CPU and wall time of it too."""
    sink = _Sink()
    ear = AmiListener(
        Place(port),
        PASSWORD,
        sink,
        clock=time.monotonic,
        wall=time.time,
        dice=lambda: 0.5,
        log=lambda *_, **__: None,
    )
    ear.start()
    await asyncio.wait_for(sink.synced.wait(), 20)
    cpu, began = time.process_time(), time.monotonic()
    wanted = calls * HEARD_A_CALL
    # Waking somebody at each event would be part of what is measured.
    while len(sink.lags) < wanted and time.monotonic() - began < within_s:  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    spent, took = time.process_time() - cpu, time.monotonic() - began
    await ear.stop()
    return sink, ear, spent, took


def measure(rate: int = 1_000, seconds: float = 5.0) -> Iterator[Heard]:
    """Measure each kind of stream."""
    for said, name in STREAMS.items():
        command = [sys.executable, __file__, str(rate), str(seconds), name]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as speaker:
            try:
                assert speaker.stdout is not None
                port = int(speaker.stdout.readline())
                calls = int(rate * seconds)
                sink, ear, cpu, wall = asyncio.run(hear(port, calls, seconds * 4 + 10))
            finally:
                speaker.kill()
        marks = quantiles(sink.lags, n=100)
        seen = ear.seen()
        yield Heard(
            *(said, rate, calls, len(sink.lags), seen.events, seen.dropped, cpu / wall),
            *(marks[49], marks[98]),
        )


def parse(seconds: float = 1.0) -> Iterator[tuple[str, int, float, float]]:
    """Cut and read recorded streams as fast as it goes: blocks a second, megabytes a second."""
    for said, name in STREAMS.items():
        data = stream("22", name) * 50
        cut, reader = Blocks(), Reader()
        cut.feed(GREETING)
        count, size, began = 0, 0, time.perf_counter()
        while time.perf_counter() - began < seconds:
            for block in cut.feed(data):
                reader.read(block, 1.0)
                count += 1
            size += len(data)
        took = time.perf_counter() - began
        yield said, len(blocks(stream("22", name))), count / took, size / took / 1e6


def lines(seconds: float = 5.0, rate: int = 1_000) -> Iterator[str]:
    """Yield the lines of the report."""
    for said, each, count, size in parse(min(1.0, seconds)):
        yield f"{said}: {each} events a call, {count:,.0f} events/s read, {size:.0f} MB/s"
    for run in measure(rate, seconds):
        yield (
            f"{run.stream}: {run.rate} calls/s, {run.heard} of {run.calls * HEARD_A_CALL} heard, "
            f"{run.dropped} dropped, {run.cpu:.0%} of one core, "
            f"late p50 {run.p50_s * 1e3:.0f} ms, p99 {run.p99_s * 1e3:.0f} ms"
        )


if __name__ == "__main__":
    if len(sys.argv) == 4:
        asyncio.run(speak(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3]))
    else:
        for line in lines():
            print(line)
