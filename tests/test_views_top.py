"""The screen of ``dialdip top``: whole on 80 by 24, the worst first, figures never cut."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from rich.console import Console

from agi.overview import overview
from agi.routing.standing import Standing, State
from agi.views_top import once, picture
from tests.scenes import made, provider, windows

NOW, BEFORE = overview(made(160)), overview(made(100))


def lines(now: Any = NOW, before: Any = BEFORE, **options: Any) -> list[str]:
    width, height = options.get("width", 80), options.get("height", 24)
    console = Console(width=width, height=height, file=io.StringIO(), force_terminal=False)
    console.print(picture(now, before, **options))
    shown = console.file.getvalue()  # type: ignore[attr-defined]  # the StringIO above
    return [line.rstrip() for line in shown.splitlines()]


def row(name: str, found: list[str]) -> list[str]:
    return next(line.split() for line in found if line.startswith(f"{name} "))


def test_troubles_stand_above_everything_but_the_head() -> None:
    found = lines()
    assert found[0].startswith("dialdip 0.1.0  table 000042-1a2b3c4d  up 2 min 40 s  19:50:14 UTC")
    assert NOW["troubles"] == found[1:5]


def test_calls_of_the_last_minute() -> None:
    found = lines()
    calls = "calls  100/s  6000 (60 rejected)  p50 0.5 ms  p99 800 ms  Asterisk's p95 3 ms"
    assert calls in found
    sources = "last 60 s: memory 80 %  live 12 %  store 5 %  range 2 %  policy 1 %"
    assert sources in found


def test_the_first_picture_says_that_its_figures_are_old() -> None:
    assert any(line.startswith("since the start: memory") for line in lines(before=None))


def test_a_trunk_has_calls_tries_and_its_four_figures() -> None:
    """600 tries a minute: 3,000 in five minutes, ASR 70 %, NER 99 %, ACD 182 s, PDD p95 3.2 s."""
    found = row("uk-a", lines())
    assert ["uk-a", "up", "112", "3000", "70", "%", "99", "%", "182", "s", "3.2", "s"] == found


def test_the_window_of_the_trunks_can_be_chosen() -> None:
    assert "600" == row("uk-a", lines(window_s=60))[3]
    assert "36000" == row("uk-a", lines(window_s=3600))[3]
    assert lines(window_s=3600)[-1].endswith("(now 1 h)")


def test_a_provider_has_its_breaker_and_its_answers_of_late() -> None:
    npl, lanck = row("npl", lines()), row("lanck", lines())
    assert ["npl", "closed", "720", "100", "%", "38", "ms", "71.5", "ms", "ok"] == npl[:10]
    assert ["lanck", "open", "120", "0", "%", "-", "-"] == lanck[:7]


def test_the_ladder_and_the_pbxs_are_one_line() -> None:
    wanted = "ladder live  heard  pbx1 22.10.0 1 gaps, 12 s  pbx2 NOT AT ALL 2 gaps, 31 s"
    assert wanted in lines()


def test_a_pinned_ladder_says_so() -> None:
    now = overview(made(100, level=2, pinned=True, level_why="works"))
    assert any(line.startswith("ladder range (pinned)") for line in lines(now, None))


@pytest.mark.parametrize(("width", "height"), [(80, 24), (132, 43), (200, 60)])
@pytest.mark.parametrize("trunks", [0, 1, 9, 200])
def test_it_fits_whatever_there_is(width: int, height: int, trunks: int) -> None:
    names = [f"carrier-with-a-long-name-{n:03}" for n in range(trunks)]
    scene = made(
        100,
        standing={name: Standing(State.DOWN, why="x" * 300) for name in names},
        trunks={name: windows(60_000, 10_000) for name in names},
        open_calls=dict.fromkeys(names, 10_000),
    )
    scene.told[2]["providers"].extend(provider(f"provider-{n}") for n in range(20))
    found = lines(overview(scene), None, width=width, height=height)
    assert len(found) <= height
    assert max(map(len, found)) <= width
    assert not any(line[:1] == " " for line in found), "a line was folded"


def test_what_does_not_fit_is_counted() -> None:
    names = [f"trunk-{n:02}" for n in range(30)]
    scene = made(100, standing={name: Standing(State.UP) for name in names}, trunks={})
    found = lines(overview(made(100, standing=scene.standing, trunks={}, open_calls={})), None)
    (said,) = [line for line in found if line.startswith("and ") and "of them up" in line]
    shown = sum(line.startswith("trunk-") for line in found)
    assert f"and {30 - shown} more, {30 - shown} of them up" == said


def test_figures_stand_whole_where_words_are_cut() -> None:
    found = lines()
    assert "5 failures in a.." in next(line for line in found if line.startswith("uk-b "))
    wide = lines(width=140)
    assert next(line for line in wide if line.startswith("uk-b ")).endswith("cause 34")


def test_a_trunk_that_the_tables_no_longer_have_is_not_up() -> None:
    former = overview(made(100, standing={}))
    row = next(line for line in lines(former, None) if line.startswith("uk-a "))
    assert "gone" == row.split()[1]


def test_a_service_that_stopped_to_answer_is_said_first() -> None:
    assert "noc has not answered for 12 s: what stands here is old" == lines(lost_s=12.3)[1]


def test_without_an_asterisk_it_says_why_trunks_are_silent() -> None:
    found = lines(overview(made(100, asterisks={})), None)
    assert any("no Asterisk is configured" in line for line in found)


def test_printed_once_it_is_whole_and_plain(capsys: pytest.CaptureFixture[str]) -> None:
    once(NOW, as_json=False)
    shown = capsys.readouterr().out
    assert NOW["troubles"] == shown.splitlines()[:4]
    assert "5 failures in a row, cause 34" in shown
    assert "\x1b" not in shown
    assert "last 5 min" in shown


def test_printed_as_json_it_is_the_moment_itself(capsys: pytest.CaptureFixture[str]) -> None:
    once(NOW, as_json=True)
    assert NOW == json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s"), (59, "59 s"), (3_600, "1 h"), (100_000, "1 d 3 h"), (61.9, "1 min 1 s")],
)
def test_a_span_is_its_two_largest_units(seconds: float, said: str) -> None:
    now = {**NOW, "service": {**NOW["service"], "uptime_s": seconds}}
    assert f"  up {said}  " in lines(now)[0]
