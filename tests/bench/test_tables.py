"""The tables that are made for measuring: what was asked for, and always the same."""

from __future__ import annotations

import csv
import hashlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from agi.routing.reading import files
from tests.bench import tables
from tests.bench.tables import SMALL

ROOT = Path(__file__).resolve().parents[2]


def rows(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(data.decode().splitlines()))


def test_the_same_seed_makes_the_same_bytes_and_another_one_others() -> None:
    first = tables.made(SMALL)
    assert first == tables.made(SMALL)
    other = tables.made(replace(SMALL, seed=2))
    assert first["routes.csv"] != other["routes.csv"]


def test_the_bytes_do_not_depend_on_the_process(tmp_path: Path) -> None:
    """Hashes of text differ from process to process: no set's order may show."""
    command = [sys.executable, "-m", "tests.bench.tables", str(tmp_path / "a"), "--rules", "60"]
    sizes = ["--networks", "60", "--ranges", "300", "--policy", "200", "--trunks", "12"]
    subprocess.run([*command, *sizes], check=True, cwd=ROOT, timeout=60)
    expected = {name: hashlib.sha256(data).hexdigest() for name, data in tables.made(SMALL).items()}
    assert expected == {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (tmp_path / "a").iterdir()
    }


def test_there_are_as_many_of_each_as_were_asked_for() -> None:
    made = tables.made(SMALL)
    assert {"routes.csv": 60, "ranges.csv": 300, "policy.csv": 200, "trunks.csv": 12} == {
        name: len(rows(made[name]))
        for name in ("routes.csv", "ranges.csv", "policy.csv", "trunks.csv")
    }
    assert 60 == len({row["mccmnc"] for row in rows(made["networks.csv"])})


def test_more_ranges_leave_the_rules_as_they_are() -> None:
    few, many = tables.made(SMALL), tables.made(replace(SMALL, ranges=400))
    assert few["ranges.csv"] != many["ranges.csv"]
    assert few["routes.csv"] == many["routes.csv"]


@pytest.mark.parametrize("seed", range(5))
def test_what_is_made_has_no_fault(tmp_path: Path, seed: int) -> None:
    size = replace(SMALL, rules=300, networks=150, seed=seed)
    loaded = files.load(tables.write(tmp_path, size), 1)
    assert 300 == len(loaded.table.rules)
    assert (300, 200) == (len(loaded.table.ranges), len(loaded.table.policy))


def test_each_change_is_another_version_that_only_sends_the_default_route_elsewhere(
    tmp_path: Path,
) -> None:
    tables.write(tmp_path, SMALL)
    before = rows((tmp_path / "routes.csv").read_bytes())
    seen = {files.load(tmp_path, 1).compiled.version}
    for number in range(3):
        tables.change(tmp_path, number)
        after = rows((tmp_path / "routes.csv").read_bytes())
        assert before[:-1] == after[:-1]
        assert "default" == after[-1]["rule"]
        seen.add(files.load(tmp_path, 1).compiled.version)
    assert 4 == len(seen)
