"""A short form of the benchmark: everybody commits every call, and the figures are figures."""

from pathlib import Path

import pytest

from tests.bench.build import NoCompiler, build
from tests.bench.run import Size, lines, measure


def test_a_short_benchmark_commits_every_call(tmp_path: Path) -> None:
    try:
        build("load")
    except NoCompiler as error:
        pytest.skip(str(error))
    size = Size(rounds=1, calls=300, starts=1, numbers=50)
    figures = measure(tmp_path, size)
    for loads in (figures.crowd, figures.single):
        assert 4 == len(loads)
        for name, (load,) in loads.items():
            assert (load.calls, 0) == (load.commits, load.errors), name
            assert 0 < load.p50_us <= load.p99_us, name
            assert 0 < load.cpu_us < 100_000, name
    assert 0 == figures.lookups_while_warm
    assert 0 < figures.starts_s[0] < 20
    assert 14 == len(list(lines(figures, size)))
