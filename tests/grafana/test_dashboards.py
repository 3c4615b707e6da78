"""The dashboards: what their script writes, and whole: described, with units, one data source."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.dashboards.make import BOARDS, TARGET, written

FILES = sorted(TARGET.glob("*.json"))
# Grafana's own words for units that are used here.
UNITS = {"s", "cps", "reqps", "percentunit", "none", "short"}


def panels(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text())["panels"]
    return [panel for panel in found if panel["type"] != "row"]


PANELS = [
    pytest.param(one, id=f"{path.stem}: {one['title']}") for path in FILES for one in panels(path)
]


def test_there_are_four() -> None:
    assert ["calls", "lookups", "money", "trunks"] == [path.stem for path in FILES]


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
def test_a_file_is_what_the_script_writes(board: Any) -> None:
    kept = (TARGET / f"{board.name}.json").read_text()
    assert written(board) == kept, "run: python -m tests.dashboards.make"


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_says_what_it_shows_in_which_unit(panel: dict[str, Any]) -> None:
    assert re.fullmatch(r"[A-Z].{15,}\.", panel["description"])
    assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
    assert panel["targets"]
    for target in panel["targets"]:
        assert "${datasource}" == target["datasource"]["uid"]
        assert 'instance=~"$instance"' in target["expr"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_panels_lie_beside_and_below_each_other(path: Path) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(path.read_text())["panels"]:
        place = panel["gridPos"]
        cells = {
            (place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_ids_and_titles_are_there_once(path: Path) -> None:
    board = json.loads(path.read_text())
    ids = [panel["id"] for panel in board["panels"]]
    titles = [panel["title"] for panel in board["panels"]]
    assert sorted(set(ids)) == ids
    assert len(set(titles)) == len(titles)
    assert f"dialdip-{path.stem}" == board["uid"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_variable_of_a_query_is_declared(path: Path) -> None:
    board = json.loads(path.read_text())
    declared = {one["name"] for one in board["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(board["panels"])))
    assert used <= declared | {"__rate_interval", "__range"}
