"""Every query that a dashboard asks, from its file, with its variables put in as Grafana does."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from tests.dashboards.make import TARGET

INTERVALS: Final = {"__rate_interval": "10s", "__range": "30s"}


@dataclass(frozen=True)
class Query:
    """One query of one panel."""

    board: str
    panel: str
    expression: str

    def __str__(self) -> str:
        return f"{self.board}: {self.panel}: {self.expression}"


def queries() -> Iterator[Query]:
    """Yield the queries of all panels, and those that fill the variables."""
    for path in sorted(TARGET.glob("*.json")):
        board = json.loads(path.read_text())
        for panel in board["panels"]:
            for target in panel.get("targets", []):
                yield Query(path.stem, panel["title"], _filled(target["expr"]))
        for variable in board["templating"]["list"]:
            if variable["type"] == "query":
                found = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["definition"])
                assert found, variable
                expression = f"count by ({found[2]}) ({_filled(found[1])})"
                yield Query(path.stem, f"variable {variable['name']}", expression)


def _filled(expression: str) -> str:
    """Put in "All" for every variable that is not an interval."""
    return re.sub(r"\$(\w+)", lambda found: INTERVALS.get(found[1], ".*"), expression)


def values(found: list[dict[str, Any]]) -> list[float]:
    """Return the numbers of an answer; NaN is none."""
    numbers = [float(sample["value"][1]) for sample in found]
    return [number for number in numbers if number == number]  # noqa: PLR0124 - NaN is not itself
