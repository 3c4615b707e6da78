"""noc under load: 1,000 recorded calls a second on one core, and what that costs calls beside it.

First noc alone, which hears a PBX that is not there (``noc_speaker``) and is scraped twice a
second: how late are its figures, is anything dropped, what does it cost. Then a router that answers
warm calls at 1,000 a second, in turn without noc and beside one that hears as many: router, dipper
and noc on CPU 0, load generator and speaker on CPU 1.
"""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.bench import service
from tests.bench.build import HERE
from tests.bench.processes import Process
from tests.bench.scraping import scraping
from tests.bench.warm import Contender, Load, Size, median, warm_up

EVERY_S: Final = 0.5
PATIENCE_S: Final = 20.0
RATE: Final = 1_000

_ASTERISK: Final = """
[[asterisk]]
name = "pbx1"
port = {port}
username = "dialdip"
password = "open-sesame"
"""


@dataclass(frozen=True)
class Kept:
    """How noc kept up.

    ``lags_s``: how long before each scrape was asked for the last call ended that it has. It is
    more than noc's lag by up to ``STEP_S`` of the speaker. ``longest_s`` is noc's own word, of one
    event from the socket to the ledger.
    """

    rate: int
    calls: int
    counted: int
    answered: int
    dropped: int
    alarms: int
    left_open: int
    cpu: float
    lags_s: Sequence[float]
    longest_s: float

    @property
    def p99_s(self) -> float:
        """The 99th percentile of the lags; the worst of fewer than a hundred."""
        lags = sorted(self.lags_s)
        return lags[max(0, -(-len(lags) * 99 // 100) - 1)]


@dataclass(frozen=True)
class Beside:
    """Warm calls of each round, without noc and beside it."""

    without: list[Load] = field(default_factory=list)
    beside: list[Load] = field(default_factory=list)

    @property
    def p99_moves_ms(self) -> list[float]:
        """How much the 99th percentile was higher beside noc, round by round."""
        pairs = zip(self.without, self.beside, strict=True)
        return [(beside.p99_us - without.p99_us) / 1000 for without, beside in pairs]


@contextmanager
def speaking(folder: Path, rate: int, seconds: float) -> Iterator[tuple[int, Path]]:
    """Let a speaker stand ready; yield its port, and the file of its progress."""
    progress = folder / "progress"
    feed = folder / "state" / "run" / "decisions.sock"
    script = str(HERE / "noc_speaker.py")
    command = ["taskset", "-c", "1", sys.executable, script, str(rate), str(seconds)]
    with subprocess.Popen(
        [*command, str(feed), str(progress)], stdout=subprocess.PIPE, text=True
    ) as speaker:
        try:
            assert speaker.stdout is not None
            yield int(speaker.stdout.readline()), progress
        finally:
            speaker.kill()


@contextmanager
def listening(folder: Path, config: Path, port: int, dialdip: Path) -> Iterator[Process]:
    """Run noc, which listens to that port; its address is that of its web pages."""
    own = config.with_name("noc.toml")
    own.write_text(config.read_text() + _ASTERISK.format(port=port))
    own.chmod(0o600)
    command = [str(dialdip), "--config", str(own), "run", "noc"]
    with Process(command, cwd=folder, log=folder / "noc.log") as noc:
        yield noc


def scraped(noc: Process) -> dict[str, float]:
    """Return the sums of all metrics, by name; labels do not matter here."""
    host, port = noc.address
    with urllib.request.urlopen(f"http://{host}:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    found: dict[str, float] = {}
    for name, value in re.findall(r"(?m)^(dialdip_\w+)(?:\{.*\})? (\S+)$", text):
        found[name] = found.get(name, 0.0) + float(value)
    return found


# ---- keeping up --------------------------------------------------------------------------


def keep_up(
    folder: Path, rate: int = RATE, seconds: float = 20.0, dialdip: Path = service.DIALDIP
) -> Kept:
    """Measure noc alone, on CPU 0."""
    config = service.write_config(folder, ("127.0.0.1", 9))
    with (
        speaking(folder, rate, seconds) as (port, progress),
        listening(folder, config, port, dialdip) as noc,
    ):
        return _watch(noc, progress, rate, int(rate * seconds))


def _watch(noc: Process, progress: Path, rate: int, calls: int) -> Kept:
    seen: list[tuple[float, float]] = []
    since, cpu, longest = time.monotonic(), noc.cpu_s(), 0.0
    until = since + calls / rate + PATIENCE_S
    while True:
        asked = time.time()
        now = scraped(noc)
        longest = max(longest, now["dialdip_ami_lag_seconds"])
        seen.append((asked, now.get("dialdip_trunk_attempts_total", 0.0)))
        if seen[-1][1] >= calls or time.monotonic() > until:
            break
        time.sleep(EVERY_S)
    spent = (noc.cpu_s() - cpu) / (time.monotonic() - since)
    return Kept(
        rate,
        calls,
        counted=int(seen[-1][1]),
        answered=int(now.get("dialdip_trunk_answered_total", 0)),
        dropped=int(now["dialdip_ami_dropped_total"]),
        alarms=int(now["dialdip_security_events_total"]),
        left_open=int(now.get("dialdip_trunk_calls", 0)),
        cpu=spent,
        lags_s=_lags(seen, progress),
        longest_s=longest,
    )


def _lags(seen: Sequence[tuple[float, float]], progress: Path) -> list[float]:
    """Return by how much each scrape was behind what had been spoken when it was asked for."""
    told = [
        (float(at), int(ended))
        for at, ended in map(str.split, progress.read_text().split("\n")[:-1])
    ]
    lags = []
    for asked, counted in seen:
        # The first call that ended before the scrape was asked for and is not in it.
        missing = next((at for at, ended in told if ended > counted and at <= asked), asked)
        if told and told[0][0] <= asked:
            lags.append(asked - missing)
    return lags


# ---- calls beside it ---------------------------------------------------------------------


def beside(folder: Path, size: Size) -> Beside:
    """Measure warm calls in turn without noc and beside a busy one."""
    numbers, _ = service.write_numbers(folder, size.numbers)
    found = Beside()
    with ExitStack() as stack:
        provider = stack.enter_context(service.provider(folder))
        config = service.write_config(folder, provider.address)
        one = Contender("dialdip", _router(stack, folder, config, size.dialdip), service.URL)
        warm_up(one, numbers, size)
        for _ in range(size.rounds):
            found.without.append(one.load(numbers, size.calls, 50, size.segments, RATE))
            with _busy(folder, config, size) as web, scraping(web, 1, []):
                found.beside.append(one.load(numbers, size.calls, 50, size.segments, RATE))
    return found


def _router(stack: ExitStack, folder: Path, config: Path, dialdip: Path) -> Process:
    """Start a dipper and a router, each by itself, so that noc can come and go."""
    run = [str(dialdip), "--config", str(config), "run"]
    stack.enter_context(Process([*run, "dipper"], cwd=folder, log=folder / "dipper.log"))
    return stack.enter_context(Process([*run, "router"], cwd=folder, log=folder / "router.log"))


@contextmanager
def _busy(folder: Path, config: Path, size: Size) -> Iterator[str]:
    """Run noc under its full load for as long as the block lasts; yield where it is scraped."""
    seconds = size.calls / RATE + 5
    with (
        speaking(folder, RATE, seconds) as (port, _),
        listening(folder, config, port, size.dialdip) as noc,
    ):
        until = time.monotonic() + PATIENCE_S
        while not scraped(noc).get("dialdip_trunk_attempts_total"):
            if time.monotonic() > until:
                raise TimeoutError("noc counts no call; see noc.log")
            time.sleep(0.1)
        yield "http://{}:{}/metrics".format(*noc.address)


# ---- the report --------------------------------------------------------------------------


def lines(kept: Kept, found: Beside) -> Iterator[str]:
    """Write the report."""
    yield (
        f"{kept.rate} calls/s for {kept.calls / kept.rate:.0f} s: {kept.counted} of {kept.calls} "
        f"counted, {kept.answered} answered, {kept.dropped} events dropped, {kept.left_open} left "
        f"open, {kept.cpu:.0%} of one core"
    )
    yield (
        f"late: p50 {statistics.median(kept.lags_s) * 1000:.0f} ms, p99 {kept.p99_s * 1000:.0f} ms "
        f"over {len(kept.lags_s)} scrapes; the longest of any event {kept.longest_s * 1000:.0f} ms"
        "; aim: under 1,000 ms"
    )
    yield f"{'warm calls at 1,000/s':26}{'p50 us':>9}{'p99 us':>9}{'errors':>8}"
    for title, loads in (("without noc", found.without), ("beside a busy noc", found.beside)):
        cells = "".join(f"{median(loads, name):9.0f}" for name in ("p50_us", "p99_us"))
        yield f"{title:26}{cells}{sum(load.errors for load in loads):8}"
    moves = ", ".join(f"{move:.2f}" for move in found.p99_moves_ms)
    yield (
        f"{'p99 moves by':26}{statistics.median(found.p99_moves_ms):9.2f} ms (round by round: "
        f"{moves}); aim: at most 1"
    )
