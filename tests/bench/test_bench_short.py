"""A short form of the benchmark: everybody commits every call, and the figures are figures."""

from pathlib import Path

import pytest

from tests.bench import (
    matching,
    noc_busy,
    pauses,
    reloading,
    scraping,
    table_bench,
    tables,
    ticks,
    warm,
)
from tests.bench.build import NoCompiler, build
from tests.bench.run import PARTS, Plan, report
from tests.bench.tables import SMALL


@pytest.fixture(autouse=True)
def _compiled() -> None:
    try:
        build("load")
    except NoCompiler as error:
        pytest.skip(str(error))


def test_a_short_benchmark_commits_every_call(tmp_path: Path) -> None:
    size = warm.Size(rounds=1, calls=300, starts=1, numbers=50, cold=100)
    figures = warm.measure(tmp_path, size)
    for loads in (figures.crowd, figures.single):
        assert 5 == len(loads)
        for name, (load,) in loads.items():
            assert (load.calls, 0) == (load.commits, load.errors), name
            assert 0 < load.p50_us <= load.p99_us, name
            assert 0 < load.cpu_us < 100_000, name
    assert 0 == figures.lookups_while_warm
    assert (100, 100, 0) == (figures.cold.calls, figures.cold.commits, figures.cold.errors)
    assert 1 <= figures.cold_lookups <= 100
    assert 0 < figures.starts_s[0] < 20
    assert 16 == len(list(warm.lines(figures, size)))


def test_a_full_router_answers_every_call_while_its_loop_is_watched(tmp_path: Path) -> None:
    seen = pauses.watch(tmp_path / "router", 1_000, 400)
    assert (400, 400, 0) == (seen.load.calls, seen.load.commits, seen.load.errors)
    assert 1_000 == seen.loop["remembered"]
    assert 0 < seen.loop["ticks"]
    assert 0 <= seen.loop["p999_ms"]
    assert 2 <= len(list(pauses.lines([seen])))


def test_every_other_part_prints_its_lines(tmp_path: Path) -> None:
    parts = ("matching", "tables", "hop", "tiers", "ami")
    plan = Plan(parts=parts, entries=(6_000,), seconds=0.1, matches=10, sizes=(SMALL,))
    printed = list(report(tmp_path, plan))
    assert {"warm", "pauses", "reload", "scraping", "noc", *parts} == set(PARTS)
    assert list(parts) == [line.split()[1].strip(":") for line in printed if line[:2] == "=="]
    assert 28 <= len(printed)  # more when a pause had to be listed


def test_calls_beside_a_scraper_are_all_committed(tmp_path: Path) -> None:
    found = scraping.measure(tmp_path, warm.Size(rounds=1, calls=300, numbers=50))
    assert [0, 1, 20] == [one.per_s for one in found]
    assert [(300, 0)] * 3 == [(load.commits, load.errors) for one in found for load in one.loads]
    assert [] == found[0].scrapes_s
    assert found[2].scrapes_s
    assert 6 == len(list(scraping.lines(found)))


def test_noc_keeps_up_with_1_000_calls_a_second(tmp_path: Path) -> None:
    kept = noc_busy.keep_up(tmp_path, rate=1_000, seconds=5.0)
    assert (5_000, 5_000) == (kept.counted, kept.answered)
    assert (0, 0, 0) == (kept.dropped, kept.alarms, kept.left_open)
    assert kept.lags_s
    assert kept.p99_s < 1.0
    assert kept.longest_s < 3.0  # the worst of 45,000 events: a machine may stand still
    assert 0 < kept.cpu < 1


def test_warm_calls_beside_a_busy_noc_are_all_committed(tmp_path: Path) -> None:
    size = warm.Size(rounds=2, calls=1_000, numbers=50)
    kept = noc_busy.keep_up(_folder(tmp_path / "alone"), rate=200, seconds=1.0)
    found = noc_busy.beside(_folder(tmp_path / "beside"), size)
    loads = (*found.without, *found.beside)
    assert [(1_000, 0)] * 4 == [(load.commits, load.errors) for load in loads]
    assert 2 == len(found.p99_moves_ms)
    assert min(found.p99_moves_ms) < 50  # on a machine that others use; make bench has the figure
    assert 6 == len(list(noc_busy.lines(kept, found)))


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


def test_tables_replaced_under_calls_cost_none_of_them(tmp_path: Path) -> None:
    plan = reloading.Plan(SMALL, rate=200, seconds=1.0, rounds=1)
    seen = reloading.measure(tmp_path / "reload", plan)
    assert [200, 200, 200, 200] == [load.commits for (load,) in seen.loads.values()]
    assert 0 == sum(load.errors for (load,) in seen.loads.values())
    assert 2 <= seen.switches
    assert {"little", "large"} == set(seen.ready_s)
    for rss, share in seen.memory.values():
        assert 0 < share <= rss < 2_000
    assert 9 == len(list(reloading.lines(seen, plan)))


def test_what_is_measured_of_a_table_are_figures(tmp_path: Path) -> None:
    found = table_bench.alone(tables.write(tmp_path, SMALL), 100)
    assert (60, 300, 200) == (found["rules"], found["ranges"], found["policy"])
    assert 0 < found["compile_s"] < 60
    assert 0 < found["read_s"] + found["table_s"] < 10
    for spent in found["asked_us"].values():
        assert 0 < spent["p50"] <= spent["p99"]


def test_the_large_table_of_the_benchmark_is_one(tmp_path: Path) -> None:
    table = matching.large(tmp_path / "large")
    assert 2_000 < len(table.rules)
    assert table.dip_matters(matching.BRITISH)
    assert table.dip_matters(matching.AMERICAN)


@pytest.mark.parametrize(
    ("collected", "busy_s", "cause"),
    [
        ([(2, 0.03), (0, 0.001)], 0.04, "garbage collection of generation 2"),
        ([(0, 0.001)], 0.04, "work on the loop"),
        ([], 0.002, "not on a core"),
    ],
)
def test_a_pause_has_a_cause(collected: list[tuple[int, float]], busy_s: float, cause: str) -> None:
    assert cause == ticks.cause(collected, busy_s, 0.05)
