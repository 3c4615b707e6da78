"""Write grafana/*.json: four dashboards, made of the same parts so that they are alike.

Usage: python -m tests.dashboards.make
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from tests.dashboards import calls, lookups, money, trunks
from tests.dashboards.panels import Board, Panel

TARGET: Final = Path(__file__).parent.parent.parent / "grafana"
BOARDS: Final = (calls.BOARD, lookups.BOARD, trunks.BOARD, money.BOARD)
WIDTH: Final = 24
SCHEMA: Final = 39
"""Grafana 10.4 and newer read it; older ones say that it is newer than they are."""

SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
COLOURS: Final = ("red", "orange", "yellow", "green")
Json = dict[str, Any]


def written(board: Board) -> str:
    """Return a dashboard as its file holds it."""
    return json.dumps(_board(board), indent=1, ensure_ascii=True) + "\n"


def _board(board: Board) -> Json:
    return {
        "uid": f"dialdip-{board.name}",
        "title": board.title,
        "description": board.what,
        "tags": ["dialdip"],
        "schemaVersion": SCHEMA,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "browser",
        "links": [_others()],
        "annotations": {"list": []},
        "templating": {"list": [*_variables(board)]},
        "panels": [*_panels(board)],
    }


def _others() -> Json:
    return {
        "title": "dialdip",
        "type": "dashboards",
        "tags": ["dialdip"],
        "asDropdown": False,
        "includeVars": True,
        "keepTime": True,
    }


def _variables(board: Board) -> Iterator[Json]:
    yield {
        "name": "datasource",
        "label": "Prometheus",
        "type": "datasource",
        "query": "prometheus",
        "current": {},
    }
    yield _variable("instance", "label_values(dialdip_processes, instance)")
    for name, metric in board.variables:
        yield _variable(name, f'label_values({metric}{{instance=~"$instance"}}, {name})')


def _variable(name: str, query: str) -> Json:
    return {
        "name": name,
        "label": name,
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": query, "refId": name},
        "definition": query,
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }


def _panels(board: Board) -> Iterator[Json]:
    number = y = 0
    for title, panels in board.rows:
        number += 1
        place = {"h": 1, "w": WIDTH, "x": 0, "y": y}
        yield {"id": number, "type": "row", "title": title, "gridPos": place, "panels": []}
        x, y, tallest = 0, y + 1, 0
        for panel in panels:
            if x + panel.width > WIDTH:
                x, y, tallest = 0, y + tallest, 0
            number += 1
            yield _panel(panel, number, {"h": panel.height, "w": panel.width, "x": x, "y": y})
            x, tallest = x + panel.width, max(tallest, panel.height)
        y += tallest


def _panel(panel: Panel, number: int, place: Json) -> Json:
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.what,
        "datasource": SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
        "options": _options(panel),
        "targets": [*_targets(panel)],
    }


def _targets(panel: Panel) -> Iterator[Json]:
    now = panel.kind in {"stat", "bargauge", "table"}
    shape = {"table": "table", "heatmap": "heatmap"}.get(panel.kind, "time_series")
    for index, (query, legend) in enumerate(panel.queries):
        yield {
            "refId": "ABCDEFGH"[index],
            "datasource": SOURCE,
            "expr": query,
            "legendFormat": legend or "__auto",
            "format": shape,
            "instant": now,
            "range": not now,
        }


def _defaults(panel: Panel) -> Json:
    found: Json = {"unit": panel.unit, "mappings": [*_mappings(panel)]}
    if panel.unit != "percentunit" or panel.kind == "timeseries":
        found["min"] = 0
    if panel.unit == "percentunit":
        found["max"] = 1
    if panel.kind == "timeseries":
        found["custom"] = {
            "fillOpacity": 25 if panel.stack else 5,
            "showPoints": "never",
            "stacking": {"mode": "normal" if panel.stack else "none", "group": "A"},
        }
    return found


def _mappings(panel: Panel) -> Iterator[Json]:
    """Name the values; the colours go from what is well to what is not."""
    if not panel.words:
        return
    well = panel.words[0][1] in {"live", "closed"}  # the first word is the best one
    colours = COLOURS[-len(panel.words) :] if len(panel.words) > len("no") else ("red", "green")
    ordered = tuple(reversed(colours)) if well else colours
    options = {
        value: {"text": word, "color": colour, "index": index}
        for index, ((value, word), colour) in enumerate(zip(panel.words, ordered, strict=True))
    }
    yield {"type": "value", "options": options}


def _options(panel: Panel) -> Json:
    latest = {"calcs": ["lastNotNull"], "fields": "", "values": False}
    match panel.kind:
        case "timeseries":
            return {
                "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
                "tooltip": {"mode": "multi", "sort": "desc"},
            }
        case "stat":
            return {"reduceOptions": latest, "colorMode": "value", "graphMode": "area"}
        case "bargauge":
            return {"reduceOptions": latest, "orientation": "horizontal", "displayMode": "basic"}
        case "state-timeline":
            return {"mergeValues": True, "showValue": "auto", "rowHeight": 0.9}
        case "heatmap":
            return {"calculate": False, "yAxis": {"unit": panel.unit}}
        case _:
            return {}


def main() -> None:
    """Write all four."""
    for board in BOARDS:
        (TARGET / f"{board.name}.json").write_text(written(board))


if __name__ == "__main__":
    main()
