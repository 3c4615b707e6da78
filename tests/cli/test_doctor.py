"""The verb doctor: its lines, its JSON, its exit status."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from agi import exits
from agi.cli.doctor import doctor
from agi.errors import ConfigurationError, UsageError

DIALPLAN = Path(__file__).parents[2] / "dialplan"
CONFIGURATION = """
state_directory = "state"
[numbers]
emergency = ["112", "999"]
[tables]
directory = "tables"
"""


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    """Return the shipped samples as one Asterisk's directory, beside a configuration of ours."""
    (tmp_path / "dialdip.toml").write_text(CONFIGURATION)
    tables = tmp_path / "tables"
    tables.mkdir()
    (tables / "trunks.csv").write_text("trunk\ngw1\ngw2\n")
    (tables / "routes.csv").write_text("rule,action,trunks\ndefault,,gw1 gw2\n")
    made = tmp_path / "asterisk"
    made.mkdir()
    shutil.copy(DIALPLAN / "extensions_carrier.conf", made)
    shutil.copy(DIALPLAN / "extensions_sample.conf", made / "extensions.conf")
    shutil.copy(DIALPLAN / "pjsip_carrier.conf", made / "pjsip.conf")
    return made


def ask(etc: Path, *arguments: str) -> tuple[object, str]:
    """Return the verb's status and what it printed."""
    config = ["--config", str(etc.parent / "dialdip.toml")]
    result = CliRunner().invoke(
        doctor, [*config, "--asterisk-etc", str(etc), *arguments], standalone_mode=False
    )
    if result.exception is not None:
        raise result.exception
    return result.return_value, result.stdout


def test_a_healthy_asterisk_is_told_so_and_the_status_is_0(etc: Path) -> None:
    status, said = ask(etc)
    assert exits.YES == status
    assert "nothing would hurt, 0 notes" in said
    assert "working copy" in said


def test_a_note_alone_is_no_failure(etc: Path) -> None:
    with (etc / "extensions.conf").open("a") as file:
        file.write("[own]\nexten => _X.,1,Dial(PJSIP/${EXTEN}@gw1)\n")
    status, said = ask(etc)
    assert (exits.YES, True) == (status, "nothing would hurt, 1 note\n" in said)


def test_what_hurts_is_one_line_with_its_place_and_the_status_is_1(etc: Path) -> None:
    with (etc / "extensions.conf").open("a") as file:
        file.write("[own]\nexten => _.,1,Gosub(carrier-route,s,1(${EXTEN}))\n")
    line = len((etc / "extensions.conf").read_text().splitlines())
    status, said = ask(etc)
    assert exits.NO == status
    assert said.startswith(f"{etc}/extensions.conf:{line}: error: _. also matches h")
    assert "1 would hurt" in said


def test_json_is_one_document(etc: Path) -> None:
    (etc / "pjsip.conf").unlink()
    status, said = ask(etc, "--json")
    found = json.loads(said)
    assert exits.NO == status
    assert str(etc) == found["asterisk_etc"]
    assert {"file", "line", "severity", "what"} == set(found["findings"][0])
    assert {"error"} == {finding["severity"] for finding in found["findings"]}


def test_a_directory_that_is_not_there_is_wrong_usage(etc: Path) -> None:
    with pytest.raises(UsageError, match="--asterisk-etc"):
        ask(etc, "--asterisk-etc", str(etc / "gone"))


def test_no_configuration_is_wrong_usage(etc: Path) -> None:
    (etc.parent / "dialdip.toml").unlink()
    with pytest.raises(ConfigurationError, match="config init"):
        ask(etc)
