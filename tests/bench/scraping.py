"""What looking costs calls: warm calls beside nobody, a scrape a second, and twenty a second.

Service and scraper run on CPU 0 with all its processes, the load generator on CPU 1.
"""

from __future__ import annotations

import re
import statistics
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from agi.metrics import Latency, Metrics
from tests.bench import service
from tests.bench.warm import Contender, Load, Size, median, warm_up

PER_SECOND: Final = 1_000
RATES: Final = (0, 1, 20)
NAME: Final = "dialdip"


@dataclass(frozen=True)
class Looked:
    """How often it was scraped, what calls saw meanwhile, and what a scrape took."""

    per_s: int
    loads: list[Load]
    scrapes_s: list[float]


def measure(folder: Path, size: Size) -> list[Looked]:
    """Measure calls at 1,000 a second under each rate of scraping, in turn in every round."""
    numbers, _ = service.write_numbers(folder, size.numbers)
    found = {per_s: Looked(per_s, [], []) for per_s in RATES}
    with service.running(folder, size.dialdip) as warm:
        one = Contender(NAME, warm.process, service.URL)
        warm_up(one, numbers, size)
        web = f"http://{web_of(folder)}/metrics"
        for _ in range(size.rounds):
            for per_s, looked in found.items():
                with scraping(web, per_s, looked.scrapes_s):
                    looked.loads.append(
                        one.load(numbers, size.calls, 50, size.segments, PER_SECOND)
                    )
    return list(found.values())


def web_of(folder: Path) -> str:
    """Return where noc answers, as the service said it."""
    found = re.search(r"web=(\S+)", (folder / "service.log").read_text())
    if found is None or found[1] == "off":
        raise LookupError("the service answers no scrape; see service.log")
    return found[1]


@contextmanager
def scraping(url: str, per_s: int, took_s: list[float]) -> Iterator[None]:
    """Scrape so often for as long as the block lasts."""
    over = threading.Event()

    def scrape() -> None:
        while not over.wait(1 / per_s):
            begun = time.perf_counter()
            with urllib.request.urlopen(url, timeout=10) as answer:
                answer.read()
            took_s.append(time.perf_counter() - begun)

    thread = threading.Thread(target=scrape)
    if per_s:
        thread.start()
    try:
        yield
    finally:
        over.set()
        if per_s:
            thread.join()


def lines(found: list[Looked]) -> Iterator[str]:
    """Write the report."""
    yield f"{'scrapes a second':20}{'p50 us':>9}{'p99 us':>9}{'CPU us':>9}{'scrape ms':>11}"
    for one in found:
        took = statistics.median(one.scrapes_s) * 1000 if one.scrapes_s else 0.0
        cells = "".join(f"{median(one.loads, name):9.0f}" for name in ("p50_us", "p99_us"))
        yield f"{one.per_s:<20}{cells}{median(one.loads, 'cpu_us'):9.1f}{took:11.1f}"
    yield from small()


def small() -> Iterator[str]:
    """Time what a call and a report cost in the process that answers."""
    latency, metrics = Latency(), Metrics()
    for number in range(40):
        metrics.calls["route", "memory", f"err{number}"] += 1
        metrics.lookup["npl", f"o{number}"].observe(0.1)
    yield f"{'one duration counted':30}{each_us(lambda: latency.observe(0.004)):8.2f} us"
    told = each_us(lambda: msgspec.json.encode(metrics.snapshot()), 200)
    yield f"{'one snapshot as JSON':30}{told:8.2f} us"


def each_us(work: object, times: int = 20_000) -> float:
    """Return the microseconds of one of many."""
    assert callable(work)
    begun = time.perf_counter()
    for _ in range(times):
        work()
    return (time.perf_counter() - begun) / times * 1e6
