"""Mistakes in a scenario file are told with their place and with what would be right."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scenarios.language import ScenarioError
from tests.scenarios.playing import play

SITE = "CONFIG provider npl kind=comcetera\n"
CALL = "CALL +447788450450\n"


def refused(directory: Path, text: str) -> str:
    path = directory / "it.scn"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ScenarioError) as caught:
        play(path)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (SITE + "CAL +44\n", "it.scn:2: CAL +44\n    CAL is no verb: did you mean CALL?"),
        ("STEP CALL +44\n", "it.scn:1: STEP CALL +44\n    right would be: STEP 10 CALL"),
        (SITE + CALL + "CHECK colour=red\n", "it.scn:3: CHECK colour=red\n    an answer has no"),
        (SITE + "PROVIDER lnk HANG\n", "no provider is called lnk: npl; right would be: PROVIDER"),
        (SITE + "PROVIDER npl SLEEP\n", "SLEEP is no way to behave (ANSWERS, REPLY"),
        (SITE + "TIME_PASSES soon\n", "seconds is missing or is no number; right would be"),
        (SITE + "CHECK requests nlp=1\n", "no provider is called nlp"),
        (SITE + "CHECK source=live\n", "nobody has called yet"),
        (SITE + CALL + "CONFIG deadline 5\n", "CONFIG lines come before everything else"),
        ("CONFIG deadlin 5\n" + CALL, "what is configured is one of deadline, country"),
        ("CONFIG provider npl kind=npl\n" + CALL, "Input should be 'comcetera', 'lanck'"),
        (SITE + "CONFIG provider a colour=red\n" + CALL, "an account has no setting colour"),
        ("CONFIG route x trunks=nowhere\n" + CALL, "the tables have a fault"),
        (SITE + 'PROVIDER npl BODY "x\n', "close the quotation marks"),
        (SITE, "nobody calls"),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, text: str, told: str) -> None:
    assert told in refused(tmp_path, text)


def test_a_check_that_does_not_hold_tells_what_came(tmp_path: Path) -> None:
    told = refused(tmp_path, SITE + CALL + "CHECK source=memory\n")
    assert "it.scn:3: CHECK source=memory" in told
    assert "source=memory: it is live" in told
    assert "'trunk_1': 'o2'" in told


def test_a_count_that_does_not_hold_tells_the_count(tmp_path: Path) -> None:
    told = refused(tmp_path, SITE + CALL + "WAIT\nCHECK requests npl=2\n")
    assert "npl=2: it is 1" in told


def test_what_happens_is_told_step_by_step(tmp_path: Path) -> None:
    path = tmp_path / "it.scn"
    path.write_text(SITE + "PROVIDER npl HANG\n" + CALL, encoding="utf-8")
    lines: list[str] = []
    play(path, lines.append)
    assert any("700 ms" in line and "'source': 'default'" in line for line in lines)
