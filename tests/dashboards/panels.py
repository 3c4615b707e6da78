"""What a dashboard is made of: panels, rows, and the ways in which queries are written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

HOST: Final = 'instance=~"$instance"'
RATE: Final = "[$__rate_interval]"
Json = dict[str, Any]

LEVELS: Final = {"0": "live", "1": "cache", "2": "range", "3": "default"}
BREAKER: Final = {"0": "closed", "1": "probing", "2": "open"}
UP: Final = {"0": "down", "1": "up"}
YES: Final = {"0": "no", "1": "yes"}


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel. ``queries`` are expressions and their legends; ``words`` names its values."""

    title: str
    what: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    kind: str = "timeseries"
    width: int = 12
    height: int = 8
    stack: bool = False
    words: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Board:
    """One dashboard: its rows of panels, and variables beside ``instance``, by their metric."""

    name: str
    title: str
    what: str
    rows: tuple[tuple[str, tuple[Panel, ...]], ...]
    variables: tuple[tuple[str, str], ...] = ()


# ---- how queries are written -------------------------------------------------------------


def per_s(metric: str, by: str = "", more: str = "") -> str:
    """Return a counter's rate, summed over everything but ``by``."""
    labels = f"{HOST},{more}" if more else HOST
    return f"sum{f' by ({by})' if by else ''} (rate({metric}{{{labels}}}{RATE}))"


def grown(metric: str, by: str, more: str = "") -> str:
    """Return what a counter grew by within the time shown."""
    labels = f"{HOST},{more}" if more else HOST
    return f"sum by ({by}) (increase({metric}{{{labels}}}[$__range]))"


def quantile(share: float, metric: str, by: str = "", more: str = "") -> str:
    """Return a quantile of a histogram."""
    return f"histogram_quantile({share}, {per_s(f'{metric}_bucket', f'le,{by}'.rstrip(','), more)})"


def ratio(part: str, whole: str) -> str:
    """Return a share; nothing where there is nothing to share."""
    return f"{part} / ({whole} > 0)"


def most(metric: str, by: str, more: str = "") -> str:
    """Return a gauge's largest value of each ``by``."""
    return f"max by ({by}) ({metric}{{{HOST}{f',{more}' if more else ''}}})"


def least(metric: str, by: str, more: str = "") -> str:
    """Return a gauge's smallest value of each ``by``: of several hosts, the worst."""
    return most(metric, by, more).replace("max", "min", 1)


def many(*queries: tuple[str, str]) -> tuple[tuple[str, str], ...]:
    """Return several queries of one panel."""
    return queries


def stat(title: str, what: str, unit: str, query: str, words: Json | None = None) -> Panel:
    """Return one large figure."""
    named = tuple((words or {}).items())
    return Panel(title, what, unit, ((query, title),), "stat", 4, 4, words=named)


def states(title: str, what: str, queries: tuple[tuple[str, str], ...], words: Json) -> Panel:
    """Return a band of states over time."""
    return Panel(title, what, "none", queries, "state-timeline", words=tuple(words.items()))
