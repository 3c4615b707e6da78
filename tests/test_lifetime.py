"""What a process says of itself lastly, as noc finds it."""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path
from typing import Any

import msgspec

from agi.lifetime import MOST_LEFT, Last, Lifetime
from agi.metrics import Metrics


class Diary:
    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def __call__(self, level: str, event: str, **values: object) -> None:
        del values
        self.lines.append((level, event))

    def later(self, level: str, event: str, values: object) -> None:
        del values
        self.lines.append((level, event))


def report(metrics: Metrics, **more: object) -> dict[str, Any]:
    said = {"role": "router", "index": 0, "uptime_s": 1.5, "log_dropped": 0}
    return {**said, **more, "counts": metrics.snapshot()}


def test_a_report_says_whose_it_is_and_no_two_lives_are_the_same() -> None:
    async def run() -> None:
        metrics = Metrics()
        one, two = (Lifetime("router", 0, metrics, Diary()) for _ in range(2))
        signed = one.sign(report(metrics))
        assert one.generation == signed["generation"] != two.generation
        assert 16 == len(one.generation)
        assert 1.0e9 < signed["started"]
        assert {} == signed["counts"]["dropped"]

    asyncio.run(run())


def test_lines_and_records_that_were_dropped_are_among_the_counts() -> None:
    async def run() -> None:
        metrics = Metrics()
        life = Lifetime("router", 0, metrics, Diary())
        signed = life.sign(report(metrics, log_dropped=3, journal={"dropped": 2}))
        whole = Metrics()
        whole.absorb(signed["counts"])
        assert {"log": 3, "journal": 2} == dict(whole.dropped)

    asyncio.run(run())


def test_at_its_end_a_process_leaves_its_last_counts_for_its_own_user_only(tmp_path: Path) -> None:
    async def run() -> None:
        metrics = Metrics()
        metrics.calls["route", "memory", "ok"] = 7
        (tmp_path / "run").mkdir()
        life = Lifetime("router", 1, metrics, Diary())
        life.begin()
        life.end(tmp_path, life.sign(report(metrics, index=1)))
        (path,) = (tmp_path / "run").iterdir()
        assert f"router-1-{life.generation}.last" == path.name
        assert 0o600 == stat.S_IMODE(path.stat().st_mode)
        last = msgspec.json.decode(path.read_bytes(), type=Last)
        assert ("router", 1, [["route", "memory", "ok", 7]]) == (
            last.role,
            last.index,
            last.counts["calls"],
        )

    asyncio.run(run())


def test_where_nothing_can_be_written_the_end_is_an_end_all_the_same(tmp_path: Path) -> None:
    async def run() -> None:
        diary, metrics = Diary(), Metrics()
        life = Lifetime("dipper", 0, metrics, diary)
        life.end(tmp_path / "gone", life.sign(report(metrics)))
        assert [("warning", "last_counts_not_kept")] == diary.lines

    asyncio.run(run())


def test_where_nobody_takes_them_only_the_latest_files_stay(tmp_path: Path) -> None:
    async def run() -> None:
        folder = tmp_path / "run"
        folder.mkdir()
        for number in range(MOST_LEFT + 5):
            path = folder / f"router-0-{number:04}.last"
            path.touch()
            os.utime(path, (number, number))
        metrics = Metrics()
        life = Lifetime("router", 0, metrics, Diary())
        life.end(tmp_path, life.sign(report(metrics)))
        left = {path.name for path in folder.iterdir()}
        assert MOST_LEFT == len(left)
        assert f"router-0-{life.generation}.last" in left
        assert "router-0-0005.last" not in left
        assert "router-0-0006.last" in left

    asyncio.run(run())
