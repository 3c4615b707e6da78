"""``dialdip explain`` as people use it: of now, of a call just made, of one long gone."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from agi.journal.archive import Archive, directory_of
from tests.service import PROGRAM, Site, service

CLEAN = {k: v for k, v in os.environ.items() if k not in {"DIALDIP_CONFIG", "STATE_DIRECTORY"}}


def dialdip(site: Site, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, "--config", str(site.path), *arguments],
        env=CLEAN, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60,
        check=False,
    )  # fmt: skip


def explained(site: Site, *arguments: str) -> dict[str, Any]:
    done = dialdip(site, "explain", *arguments, "--json")
    assert 0 == done.returncode, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_a_call_is_explained_by_its_id_and_its_channel_while_the_service_runs_and_after(
    tmp_path: Path,
) -> None:
    site = Site(tmp_path).write()
    with service(site) as running:
        told = running.ask("07788450450&nodip=1", uniqueid="a.1").variables
        # At once: the record may not be written yet.
        answer = explained(site, "--id", told["CARRIER_ID"])
        assert (told["CARRIER_RULE"], told["CARRIER_TABLE"], "a.1") == (
            answer["record"]["rule"], answer["record"]["table"], answer["record"]["uniqueid"],
        )  # fmt: skip
        assert answer["agrees"] is True
        (site.tables / "routes.csv").write_text("rule,prefix,action,trunks\nno,44,reject:21,\n"
                                                "default,,,transit\n")  # fmt: skip
        assert 0 == dialdip(site, "reload").returncode
    answer = explained(site, "--call", "a.1")
    assert ("transit", "route") == (
        answer["record"]["trunks"][0]["trunk"], answer["then"]["decision"]["action"],
    )  # fmt: skip
    assert ("reject", False) == (answer["now"]["decision"]["action"], answer["same_way"])
    done = dialdip(site, "explain", "--call", "a.1")
    assert "the call would go another way now" in done.stdout
    unknown = dialdip(site, "explain", "--call", "a.2")
    assert 1 == unknown.returncode
    assert "no decision for a channel with this unique id: this host's journal" in unknown.stdout
    assert "" == unknown.stderr


def test_a_limit_that_stops_calls_now_is_explained(tmp_path: Path) -> None:
    site = Site(tmp_path).write()
    (site.tables / "limits.csv").write_text("prefix,level,calls\n44,number,2\n33,number,9\n")
    with service(site) as running:
        assert 0 == dialdip(site, "reload").returncode
        question = "07788450450&nodip=1"
        told = [running.ask(question).variables["CARRIER_REASON"] for _ in range(3)]
        assert "velocity" == told[-1]
        for _ in range(2):  # asking counts nothing
            done = dialdip(site, "explain", "07788450450")
            assert "limits.csv line 2 (number 447788450450): " in done.stdout
            assert " of 2 calls: the next one is rejected" in done.stdout
        assert "limits.csv" not in dialdip(site, "explain", "+33142345678").stdout


def test_a34_forgetting_a_number_reaches_the_journal(tmp_path: Path) -> None:
    site = Site(tmp_path).write()
    with service(site) as running:
        running.ask("07788450450&nodip=1", uniqueid="a.1")
        running.ask("07733200300&f=07788450450&nodip=1", uniqueid="a.2")
        running.ask("07733200300&nodip=1", uniqueid="a.3")
        assert 0 == dialdip(site, "forget", "07788450450").returncode
        archive = Archive(directory_of(site.state))
        left = [len(archive.by_call(one).records) for one in ("a.1", "a.2", "a.3")]
        assert [0, 0, 1] == left
        for path in archive.directory.iterdir():
            assert b"7788450450" not in path.read_bytes()


def test_without_a_journal_nothing_is_written_and_explain_says_so(tmp_path: Path) -> None:
    site = Site(tmp_path, extra="[journal]\nretention_days = 0\n").write()
    with service(site) as running:
        told = running.ask("07788450450&nodip=1").variables
        done = dialdip(site, "explain", "--id", told["CARRIER_ID"])
    assert 1 == done.returncode
    assert "retention_days = 0, so no record is kept" in done.stdout
    assert not directory_of(site.state).exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "give one of NUMBER, --id ID and --call UNIQUEID"),
        (["1", "--id", "x"], "give one of NUMBER"),
        (["--id", "x", "--call", "y"], "give one of NUMBER"),
        (["--id", "x", "--from", "1", "--lookup"], "--from, --lookup: what was known then is in"),
        (["1", "--at", "noon"], "--at: give a date and a time"),
        (["1", "--lookup", "--mccmnc", "23415"], "the other supposes it"),
    ],
)
def test_wrong_usage_is_one_line(tmp_path: Path, arguments: list[str], says: str) -> None:
    done = dialdip(Site(tmp_path).write(), "explain", *arguments)
    assert 2 == done.returncode
    assert says in done.stderr
    assert 1 == done.stderr.count("\n")


def test_suppositions_and_times_reach_the_tables_of_a_running_service(tmp_path: Path) -> None:
    routes = "rule,account,from,live,when,trunks\n"
    routes += "late,acme,4420,dead,Mon 20:00-08:00,o2\ndefault,,,,,transit\n"
    site = Site(tmp_path, files={"routes.csv": routes}).write()
    asked = ("07788450450", "--account", "acme", "--from", "02079460123", "--live", "dead")
    with service(site):
        monday, tuesday = "2026-11-24T07:59", "2026-11-24T08:00"
        for at, rule in ((monday, "late"), (tuesday, "default")):
            answer = explained(site, *asked, "--at", at)
            assert (rule, "the running service") == (answer["decision"]["rule"], answer["by"])
            assert answer["since"]
    answer = explained(site, *asked, "--at", "2026-11-24T07:59+00:00")
    assert "late" == answer["decision"]["rule"]
    assert "the tables on disk" in answer["by"]
