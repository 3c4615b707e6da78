"""The metrics as Prometheus reads them, from one scene.

No label value is shown that is not a short plain word, or that may be somebody's number; of each
label so many are told apart, all others are ``other`` together. So what a stranger sends can
neither break the text nor fill Prometheus.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import fsum
from typing import Final, NamedTuple

from prometheus_client import CollectorRegistry
from prometheus_client import exposition as text_format
from prometheus_client.core import Metric
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from agi.metrics import Latency
from agi.scene import Scene
from agi.web.catalogue import MOST, MOST_ELSE, PASSING, Entry, Sort
from agi.web.readings import Reading, readings

OTHER: Final = "other"
NONE: Final = "none"
OPENMETRICS: Final = "application/openmetrics-text"

_PLAIN: Final = re.compile(r"[A-Za-z0-9_.+-]{1,64}")
_NUMBER: Final = re.compile(r"\+?[0-9]{7,}")


class Exposed(NamedTuple):
    """One scrape's answer."""

    body: bytes
    content_type: str


class Bounds:
    """Which label values were admitted: first come, first served, so that what was shown stays.

    Counters need that; of the labels that ``PASSING`` names each scrape admits its own.
    """

    def __init__(self) -> None:
        self._admitted: defaultdict[str, set[str]] = defaultdict(set)

    def begin(self) -> None:
        """Begin another scrape."""
        for label in PASSING:
            self._admitted.pop(label, None)

    def fit(self, label: str, value: str) -> str:
        """Return the value if it may be shown, else ``other``."""
        value = value or NONE  # Prometheus takes an empty label for a missing one
        known = self._admitted[label]
        if value in known:
            return value
        if not _PLAIN.fullmatch(value) or _NUMBER.fullmatch(value):
            return OTHER
        if len(known) >= MOST.get(label, MOST_ELSE):
            return OTHER
        known.add(value)
        return value


def exposition(scene: Scene, accept: str = "", bounds: Bounds | None = None) -> Exposed:
    """Return the text format, or OpenMetrics where ``accept`` (the header) asks for it.

    ``bounds`` are kept from one scrape to the next.
    """
    registry = CollectorRegistry()
    registry.register(_Collected(scene, bounds or Bounds()))
    if OPENMETRICS in accept:
        body = openmetrics.generate_latest(registry)  # type: ignore[no-untyped-call] # theirs
        return Exposed(body, openmetrics.CONTENT_TYPE_LATEST)
    return Exposed(text_format.generate_latest(registry), text_format.CONTENT_TYPE_PLAIN_0_0_4)


class _Collected(Collector):
    """One scene, as the library's registry wants it."""

    def __init__(self, scene: Scene, bounds: Bounds) -> None:
        self._scene = scene
        self._bounds = bounds

    def describe(self) -> Iterable[Metric]:
        """Return nothing: names cannot clash in a registry of one."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield every family."""
        self._bounds.begin()
        for entry, rows in readings(self._scene):
            yield _family(entry, self._fitted(entry, rows))

    def _fitted(
        self, entry: Entry, rows: Iterable[tuple[tuple[str, ...], Reading]]
    ) -> Mapping[tuple[str, ...], list[Reading]]:
        fitted: defaultdict[tuple[str, ...], list[Reading]] = defaultdict(list)
        for labels, reading in rows:
            shown = map(self._bounds.fit, entry.labels, labels)
            fitted[tuple(shown)].append(reading)
        return fitted


def _family(entry: Entry, rows: Mapping[tuple[str, ...], Sequence[Reading]]) -> Metric:
    counter = entry.sort is Sort.COUNTER
    family = Metric(
        entry.name.removesuffix("_total") if counter else entry.name, entry.text, entry.sort
    )
    for values, several in rows.items():
        labels = dict(zip(entry.labels, values, strict=True))
        if entry.sort is Sort.HISTOGRAM:
            _buckets(family, labels, [one for one in several if isinstance(one, Latency)])
        else:
            # Rounded once: no order of adding makes a counter go down by the last digit.
            value = fsum(one for one in several if not isinstance(one, Latency))
            family.add_sample(entry.name, labels, value)
    return family


def _buckets(family: Metric, labels: Mapping[str, str], several: Sequence[Latency]) -> None:
    whole = Latency(several[0].bounds)
    for one in several:
        whole.add([*one.buckets, one.total])
    seen = 0
    for bound, count in zip((*whole.bounds, float("inf")), whole.buckets, strict=True):
        seen += count
        le = floatToGoString(bound)  # type: ignore[no-untyped-call] # theirs
        family.add_sample(f"{family.name}_bucket", {**labels, "le": le}, seen)
    family.add_sample(f"{family.name}_sum", dict(labels), whole.total)
    family.add_sample(f"{family.name}_count", dict(labels), seen)
