"""The verbs about tables as people use them: checked, compared, activated, rolled back."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agi.asking import Service
from tests.cli.test_cli import dialdip
from tests.service import PROGRAM, ROUTES, Site, service

MOVED = ROUTES.replace("vodafone > transit", "o2 > transit")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A site whose service does not run and whose tables were activated once."""
    found = Site(tmp_path, extra="enabled = false").write()
    done = verb(found, "table", "activate", "--why", "the first", "--yes")
    assert 0 == done.returncode, done.stderr
    return found


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A running service of two routers."""
    found = Site(tmp_path_factory.mktemp("site"), workers=2).write()
    with service(found):
        yield found


def verb(site: Site, *arguments: str) -> subprocess.CompletedProcess[str]:
    return dialdip("--config", str(site.path), *arguments)


def routes(site: Site, text: str) -> None:
    (site.tables / "routes.csv").write_text(text)


def active(site: Site) -> str:
    told: list[dict[str, Any]] = json.loads(verb(site, "table", "versions", "--json").stdout)
    return next(str(one["version"]) for one in told if one["active"])


def test_activate_stores_a_version_and_the_next_start_serves_it(site: Site) -> None:
    assert active(site).startswith("000001-")
    with service(site) as running:
        assert active(site) == running.ask("07788450450").variables["CARRIER_TABLE"]


def test_activate_shows_what_moves_and_has_every_process_switch(running: Site) -> None:
    routes(running, MOVED)
    done = verb(running, "table", "activate", "--why", "o2 is cheaper", "--yes")
    assert 0 == done.returncode, done.stderr
    assert "routes.csv:2 vodafone changed trunks vodafone > transit -> o2 > transit" in done.stdout
    assert "on 23415" in done.stdout
    assert "in force in 4 processes" in done.stdout
    served = {one["table"] for one in Service(running.state).status()["processes"]}
    assert {active(running)} == served
    again = verb(running, "activate", "--why", "once more", "--yes")
    assert 0 == again.returncode
    assert "is active already: nothing was changed" in again.stdout


def test_rollback_goes_back_under_the_versions_own_name(running: Site) -> None:
    first = active(running)
    routes(running, ROUTES + "# another one\n" if first.startswith("000001") else ROUTES)
    assert 0 == verb(running, "activate", "--why", "a try", "--yes").returncode
    second = active(running)
    assert first != second
    told = json.loads(
        verb(running, "table", "rollback", "--why", "it was wrong", "--yes", "--json").stdout
    )
    assert (first, second, True) == (told["version"], told["before"], told["changed"])
    assert {"router-0", "router-1", "dipper-0", "noc-0"} == set(told["processes"])
    assert {first} == {one["table"] for one in Service(running.state).status()["processes"]}
    by_number = verb(running, "rollback", str(int(second[:6])), "--why", "no, right", "--yes")
    assert 0 == by_number.returncode, by_number.stderr
    assert second == active(running)


def test_status_hints_at_a_working_copy_that_differs_and_is_well(running: Site) -> None:
    (running.tables / "groups.csv").write_text("group,trunks\nall,vodafone o2\n")
    try:
        done = verb(running, "status")
        assert 0 == done.returncode, done.stdout
        assert "all well" in done.stdout
        assert "the tables' working copy differs from what runs" in done.stdout
    finally:
        (running.tables / "groups.csv").unlink()


def test_off_a_terminal_nobody_can_be_asked(site: Site) -> None:
    routes(site, MOVED)
    before = active(site)
    for form in ((), ("--json",)):
        done = verb(site, "table", "activate", "--why", "x", *form)
        assert 2 == done.returncode
        assert "give --yes" in done.stderr
    assert before == active(site)


@pytest.mark.parametrize(("typed", "status"), [("y\n", 0), ("n\n", 1), ("\n", 1)])
def test_on_a_terminal_a_person_is_asked(site: Site, typed: str, status: int) -> None:
    routes(site, MOVED)
    before = active(site)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*PROGRAM, "--config", str(site.path), "table", "activate", "--why", "x"],
        stdin=theirs, stdout=theirs, stderr=theirs, close_fds=True,
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    while b"[y/N]" not in shown:
        shown += os.read(ours, 4_096)
    os.write(ours, typed.encode())
    try:
        while data := os.read(ours, 4_096):
            shown += data
    except OSError:
        pass  # the terminal's other end is closed: that is how it ends
    assert status == process.wait(30), shown
    os.close(ours)
    assert (before == active(site)) is (status != 0)


@pytest.mark.parametrize(
    ("why", "says"),
    [("", "why? say it"), ("  ", "why? say it"), ("x" * 201, "201 characters"), ("a\nb", "print")],
)
def test_a_reason_that_cannot_be_logged_is_refused_before_anything_is_read(
    site: Site, why: str, says: str
) -> None:
    routes(site, "rule,trunks\n")
    for what in (("activate",), ("rollback",)):
        done = verb(site, "table", *what, "--why", why, "--yes")
        assert 2 == done.returncode
        assert says in done.stderr


def test_faulty_tables_are_never_activated(site: Site) -> None:
    """F41: every fault at its place, exit 1, and what was active still is."""
    before = active(site)
    routes(site, "rule,mccmnc,trunks\na,x,nowhere\na,,transit\n")
    done = verb(site, "table", "activate", "--why", "x", "--yes")
    assert 1 == done.returncode
    assert f"{site.tables}/routes.csv:2:2: " in done.stdout
    assert f"{site.tables}/routes.csv:2:3: " in done.stdout
    assert before == active(site)
    told = json.loads(verb(site, "activate", "--why", "x", "--yes", "--json").stdout)
    assert {"file", "line", "column", "what", "warning"} == set(told["faults"][0])


def test_f42_who_expects_another_version_is_told_and_nothing_changes(site: Site) -> None:
    first = active(site)
    routes(site, MOVED)
    assert 0 == verb(site, "activate", "--why", "mine", "--yes").returncode
    second = active(site)
    routes(site, ROUTES)
    done = verb(site, "activate", "--why", "yours", "--yes", "--expect", first)
    assert 1 == done.returncode
    assert f"{second} is active by now, not {first}" in done.stderr
    assert second == active(site)
    assert 0 == verb(site, "activate", "--why", "yours", "--yes", "--expect", second).returncode


def test_versions_say_when_who_and_why(site: Site) -> None:
    done = verb(site, "table", "versions")
    assert 0 == done.returncode
    assert "the first" in done.stdout
    (one,) = json.loads(verb(site, "versions", "--json").stdout)
    assert (os.getuid(), True, "the first") == (one["uid"], one["active"], one["why"])


def test_before_the_first_version_each_verb_says_so(tmp_path: Path) -> None:
    bare = Site(tmp_path).write()
    assert "no version yet" in verb(bare, "table", "versions").stdout
    for arguments in (["rollback", "--why", "x", "--yes"], ["diff"], ["export", str(tmp_path)]):
        done = verb(bare, "table", *arguments)
        assert 2 == done.returncode, done.stdout
        assert "Traceback" not in done.stderr
        assert 1 == done.stderr.count("\n")


def test_there_is_nothing_before_the_first_version(site: Site) -> None:
    done = verb(site, "table", "rollback", "--why", "x", "--yes")
    assert 2 == done.returncode
    assert "no version before this one" in done.stderr


@pytest.mark.parametrize("wrong", ["7", "000007", "000001-ffffffff"])
def test_a_version_that_is_not_stored_is_named(site: Site, wrong: str) -> None:
    for arguments in (["rollback", wrong, "--why", "x", "--yes"], ["diff", wrong],
                      ["export", "/tmp", "--version", wrong]):  # fmt: skip
        done = verb(site, "table", *arguments)
        assert 2 == done.returncode
        assert f"there is no version {wrong}" in done.stderr


def test_diff_compares_versions_numbers_and_directories(site: Site, tmp_path: Path) -> None:
    first = active(site)
    assert "no row differs" in verb(site, "table", "diff").stdout
    routes(site, MOVED)
    assert "vodafone changed" in verb(site, "diff").stdout
    assert 0 == verb(site, "activate", "--why", "x", "--yes").returncode
    other = tmp_path / "other"
    shutil.copytree(site.tables, other)
    for a, b in ((first, "active"), ("1", "2"), ("000001", str(other)), (first, str(site.tables))):
        told = json.loads(verb(site, "table", "diff", a, b, "--json").stdout)
        (row,) = told["rows"]
        columns = [{"column": "trunks", "before": "vodafone > transit", "after": "o2 > transit"}]
        assert ("routes.csv", "vodafone", "changed") == (row["file"], row["row"], row["what"])
        assert columns == row["columns"]
        assert ["o2"] == list({move["after"] for move in told["moves"]})


def test_export_is_byte_for_byte_and_replaces_nothing_unasked(site: Site, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert 0 == verb(site, "table", "export", str(out)).returncode
    names = {path.name for path in site.tables.iterdir()}
    assert names == {path.name for path in out.iterdir()}
    for name in names:
        assert (site.tables / name).read_bytes() == (out / name).read_bytes()
    assert 0 == verb(site, "table", "export", str(out)).returncode
    done = verb(site, "activate", str(out), "--why", "back again", "--yes")
    assert "is active already" in done.stdout
    (out / "routes.csv").write_text("mine\n")
    (out / "ranges.csv").write_text("prefix,mccmnc,line\n")
    (out / "notes.txt").write_text("of a person\n")
    refused = verb(site, "export", str(out))
    assert 2 == refused.returncode
    assert "routes.csv, ranges.csv would be replaced or removed" in refused.stderr
    assert "mine\n" == (out / "routes.csv").read_text()
    assert 0 == verb(site, "export", str(out), "--force").returncode
    assert (site.tables / "routes.csv").read_bytes() == (out / "routes.csv").read_bytes()
    assert {*names, "notes.txt"} == {path.name for path in out.iterdir()}


def test_a_damaged_active_version_is_repaired_by_activate_and_by_rollback(site: Site) -> None:
    first = active(site)
    routes(site, MOVED)
    assert 0 == verb(site, "activate", "--why", "second", "--yes").returncode
    second = active(site)
    meta = site.state / "tables" / "versions" / second / "meta.json"
    good = meta.read_bytes()
    meta.write_bytes(b"X" * len(good))
    done = verb(site, "rollback", "--why", "damaged", "--yes")
    assert 0 == done.returncode, done.stderr
    assert f"{second} is damaged" in done.stdout
    assert first == active(site)
    (site.state / "tables" / "versions" / first / "routes.csv").write_bytes(b"X")
    done = verb(site, "activate", "--why", "damaged", "--yes")
    assert 0 == done.returncode, done.stderr
    assert active(site).startswith("000003-")


def test_a_log_that_was_cut_is_told_to_who_activates(site: Site) -> None:
    (site.state / "tables" / "audit.jsonl").write_bytes(b"")
    routes(site, MOVED)
    done = verb(site, "activate", "--why", "x", "--yes")
    assert 0 == done.returncode
    assert "dialdip: the audit log was cut or edited" in done.stderr


def test_verify_says_of_which_version_the_log_tells_nothing(site: Site) -> None:
    (site.state / "tables" / "audit.jsonl").write_bytes(b"")
    done = verb(site, "verify")
    assert 1 == done.returncode
    assert "meta.json: no sound line of the audit log tells its hash" in done.stdout
    assert "another hash" not in done.stdout


def test_a_broken_configuration_does_not_lead_to_another_store(site: Site) -> None:
    before = verb(site, "versions").stdout
    site.path.write_text(site.path.read_text() + "\n= broken\n")
    assert before == verb(site, "versions").stdout


def test_what_is_expected_and_no_version_was_no_quicker_colleague(site: Site) -> None:
    done = verb(site, "activate", "--why", "x", "--yes", "--expect", "tuesday")
    assert 2 == done.returncode
    assert '"tuesday" is no version' in done.stderr


def test_a_state_directory_that_cannot_be_looked_into_is_named(tmp_path: Path) -> None:
    path = tmp_path / "dialdip.toml"
    path.write_text(f'state_directory = "/{"x" * 300}"\n')
    done = dialdip("--config", str(path), "verify")
    assert 2 == done.returncode
    assert f"dialdip: /{'x' * 300}" in done.stderr
    assert "cannot write" not in done.stderr


def test_export_names_the_place_that_cannot_be_written(site: Site) -> None:
    done = verb(site, "export", str(site.path))
    assert 2 == done.returncode
    assert f"dialdip: {site.path}: cannot be written as a directory" in done.stderr


def test_verify_finds_an_edited_version(site: Site) -> None:
    good = verb(site, "table", "verify")
    assert 0 == good.returncode, good.stdout
    stored = site.state / "tables/versions" / active(site) / "routes.csv"
    stored.write_text(stored.read_text().replace("vodafone > transit", "o2 > transit"))
    bad = verb(site, "verify", "--json")
    assert 1 == bad.returncode
    assert any(active(site) in fault["file"] for fault in json.loads(bad.stdout)["faults"])


def test_help_shows_the_verbs_once_under_table() -> None:
    top = dialdip("--help").stdout
    for name in ("activate", "rollback", "versions", "export", "verify"):
        assert f"  {name} " not in top
        assert f"  {name} " in dialdip("table", "--help").stdout
        assert 0 == dialdip(name, "--help").returncode
    assert "take" not in dialdip("table", "--help").stdout


def test_check_warns_of_a_deadline_that_the_dialplan_does_not_wait_for(tmp_path: Path) -> None:
    late = Site(tmp_path, fastagi="deadline_ms = 1000").write()
    done = verb(late, "table", "check")
    assert 0 == done.returncode
    assert "deadline_ms = 1000 is not below the 1000 ms" in done.stdout
    in_time = Site(tmp_path / "b", fastagi="deadline_ms = 999")
    in_time.directory.mkdir()
    assert "deadline_ms" not in verb(in_time.write(), "table", "check").stdout
