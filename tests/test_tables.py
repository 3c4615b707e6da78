"""Which tables a service serves: the active version, whatever became of the working copy."""

from __future__ import annotations

import gc
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agi import config, tables
from agi.asking import Service
from agi.errors import TableError, UsageError
from agi.model import Msisdn
from agi.routing.reading import files
from agi.routing.rule import Facts
from agi.routing.versions.store import Store
from tests.bench import tables as big
from tests.cli.test_cli import dialdip
from tests.service import PROGRAM, ROUTES, Site, service

MOVED = ROUTES.replace("vodafone > transit", "o2 > transit")
NUMBER = "07788450450"
FACTS = Facts(NUMBER, Msisdn("447788450450"), "GB")
LARGE = big.Size(rules=1_000, networks=300, ranges=2_000, policy=1_000, trunks=50)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path, extra="enabled = false", workers=2).write()


def loaded(site: Site) -> config.Loaded:
    return config.load(site.path, {}, secrets=None)


def audit(site: Site) -> list[dict[str, Any]]:
    lines = (site.state / "tables/audit.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_the_first_start_activates_the_working_copy_and_the_audit_log_says_so(site: Site) -> None:
    first = tables.first_in_force(loaded(site), site.state)
    assert first.table.version.startswith("000001-")
    (entry,) = audit(site)
    assert ("activate", "first start", os.getuid()) == (
        entry["action"],
        entry["why"],
        entry["uid"],
    )
    assert first.table.version == tables.first_in_force(loaded(site), site.state).table.version
    assert 1 == len(audit(site))


def test_a_first_start_with_faulty_tables_is_refused_and_nothing_is_stored(site: Site) -> None:
    (site.tables / "routes.csv").write_text("rule,trunks\nx,nowhere\n")
    with pytest.raises(TableError):
        tables.first_in_force(loaded(site), site.state)
    assert Store(site.state).active() is None


@pytest.mark.parametrize("became", ["gone", "faulty"])
def test_f44_a_service_starts_whatever_became_of_the_working_copy(site: Site, became: str) -> None:
    version = tables.first_in_force(loaded(site), site.state).table.version
    if became == "gone":
        shutil.rmtree(site.tables)
    else:
        (site.tables / "routes.csv").write_text("\0")
    with service(site) as running:
        assert version == running.ask(NUMBER).variables["CARRIER_TABLE"]
        told = Service(site.state).status()
        wanted = "cannot be read" if became == "gone" else "differs from what runs"
        assert any(wanted in hint for hint in told["hints"])


def test_f39_a_service_starts_with_a_damaged_snapshot_and_it_is_mended(site: Site) -> None:
    version = tables.first_in_force(loaded(site), site.state).table.version
    snapshot = site.state / "tables/versions" / version / "snapshot"
    data = bytearray(snapshot.read_bytes())
    data[len(data) // 2] ^= 1
    snapshot.write_bytes(data)
    found = tables.first_in_force(loaded(site), site.state)
    assert (version, ()) == (found.table.version, found.alarms)
    assert ["activate", "mended"] == [entry["action"] for entry in audit(site)]


def test_what_runs_already_is_not_loaded_again(site: Site) -> None:
    version = tables.first_in_force(loaded(site), site.state).table.version
    assert tables.newer(site.state, version) is None
    other = tables.newer(site.state, "000000-00000000")
    assert other is not None
    assert version == other.table.version


def test_loading_leaves_the_collector_and_the_threads_as_they_were(site: Site) -> None:
    before = (gc.isenabled(), sys.getswitchinterval())
    tables.first_in_force(loaded(site), site.state)
    assert before == (gc.isenabled(), sys.getswitchinterval())
    shutil.rmtree(site.state / "tables")
    with pytest.raises(UsageError):
        tables.newer(site.state, "000000-00000000")
    assert before == (gc.isenabled(), sys.getswitchinterval())


def test_whoever_loads_can_be_interrupted_early_and_collects_no_garbage(site: Site) -> None:
    """CPython keeps others waiting for 5 ms, unless it is told otherwise."""
    tables.first_in_force(loaded(site), site.state)
    seen: set[tuple[bool, bool]] = set()
    tables.in_force(site.state, lambda: seen.add((gc.isenabled(), sys.getswitchinterval() < 0.001)))
    assert {(False, True)} == seen


def test_a_table_that_is_let_go_still_answers_whoever_holds_it(site: Site) -> None:
    table = tables.first_in_force(loaded(site), site.state).table
    before = [step.rule.name for step in table.trace(FACTS)]
    pieces = table.pieces()
    tables.let_go(pieces)
    assert [] == pieces
    assert before == [step.rule.name for step in table.trace(FACTS)]


def test_the_pieces_of_a_table_hold_every_rule_and_way_in_small_parts(tmp_path: Path) -> None:
    table = files.load(big.write(tmp_path, LARGE), 1).table
    parts = [piece for piece in table.pieces() if isinstance(piece, list)]
    assert 128 >= max(map(len, parts))
    assert 2 * LARGE.rules == sum(map(len, parts))


def test_without_a_store_nothing_can_be_in_force(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no tables are active yet"):
        tables.in_force(tmp_path)


def test_how_the_working_copy_stands_to_what_runs(site: Site) -> None:
    assert {"active": "", "copy": "differs"} == tables.standing(loaded(site), site.state)
    version = tables.first_in_force(loaded(site), site.state).table.version
    assert {"active": version, "copy": "same"} == tables.standing(loaded(site), site.state)
    (site.tables / "routes.csv").write_text(MOVED)
    assert {"active": version, "copy": "differs"} == tables.standing(loaded(site), site.state)
    shutil.rmtree(site.tables)
    assert {"active": version, "copy": "unreadable"} == tables.standing(loaded(site), site.state)


def test_the_same_files_in_another_time_zone_are_another_working_copy(site: Site) -> None:
    tables.first_in_force(loaded(site), site.state)
    site.path.write_text(site.path.read_text() + '[tables]\ntimezone = "Asia/Tokyo"\n')
    assert tables.differs(loaded(site), site.state)


def test_a_reload_is_an_audited_activation_by_whoever_asked(site: Site) -> None:
    with service(site) as running:
        first = running.ask(NUMBER).variables["CARRIER_TABLE"]
        (site.tables / "routes.csv").write_text(MOVED)
        assert 0 == dialdip("--config", str(site.path), "reload").returncode
        second = running.ask(NUMBER).variables["CARRIER_TABLE"]
        assert (first[:6], second[:6]) == ("000001", "000002")
        assert 0 == dialdip("--config", str(site.path), "reload").returncode
    entry = audit(site)[-1]
    assert ("reload", os.getuid(), second, first) == (
        entry["why"],
        entry["uid"],
        entry["version"],
        entry["before"],
    )
    assert 2 == len(audit(site))


def test_f41_a_hangup_with_faulty_tables_changes_nothing_and_logs_every_fault(site: Site) -> None:
    with service(site) as running:
        before = running.ask(NUMBER).variables["CARRIER_TABLE"]
        (site.tables / "routes.csv").write_text("rule,mccmnc,trunks\na,x,nowhere\na,,transit\n")
        running.process.send_signal(signal.SIGHUP)
        running.wait_for_log('"event":"reload_refused"', times=2)
        assert "routes.csv:2:2: " in running.log()
        assert "routes.csv:2:3: " in running.log()
        assert before == running.ask(NUMBER).variables["CARRIER_TABLE"]
    assert 1 == len(audit(site))


def test_processes_that_reload_at_once_make_one_version_of_one_working_copy(site: Site) -> None:
    tables.first_in_force(loaded(site), site.state)
    (site.state / "run").mkdir(exist_ok=True)
    (site.tables / "routes.csv").write_text(MOVED)
    take = ["table", "take", "--state", str(site.state), "--uid", "0"]
    started = [
        subprocess.Popen(
            [*PROGRAM, "--config", str(site.path), *take], stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    told = [json.loads(one.communicate()[0])["faults"] for one in started]
    assert [False, False, True] == sorted(map(bool, told))  # one did it, with warnings
    assert all(fault["warning"] for faults in told for fault in faults)
    assert 2 == len(audit(site))


def test_a_reload_whose_process_fails_says_why(site: Site) -> None:
    tables.first_in_force(loaded(site), site.state)
    (site.tables / "routes.csv").write_text(MOVED)
    settings = loaded(site)
    site.path.write_text("nonsense = 1\n")
    with pytest.raises(UsageError, match=r"were not compiled: .*1 fault"):
        tables.take_copy(settings, site.state, 0)


def test_a_router_that_is_replaced_serves_the_version_of_now(site: Site) -> None:
    with service(site) as running:
        (site.tables / "routes.csv").write_text(MOVED)
        done = dialdip("--config", str(site.path), "activate", "--why", "x", "--yes")
        assert 0 == done.returncode, done.stderr
        report = Service(site.state).status()
        pids = {one["process"]: one["pid"] for one in report["processes"]}
        os.kill(pids["router-1"], signal.SIGKILL)
        running.wait_for_log('"event":"ready"', times=3)
        assert 1 == len({one["table"] for one in Service(site.state).status()["processes"]})


LIMITS = "account,prefix,level,calls\n,44,number,20\n"


def test_a31_two_routers_hold_one_limit_between_them(site: Site) -> None:
    """Each counts 20 of its own before the other hears of it, at most; 20 and little more go."""
    (site.tables / "limits.csv").write_text(LIMITS)
    with service(site) as running:
        answers = [running.ask(NUMBER).variables for _ in range(60)]
        going = [one for one in answers if one["CARRIER_ACTION"] == "route"]
        assert 20 <= len(going) <= 40
        assert {("21", "policy", "velocity", "limits-2")} == {
            tuple(one[f"CARRIER_{name}"] for name in ("CAUSE", "SOURCE", "REASON", "RULE"))
            for one in answers
            if one not in going
        }
        assert running.ask("999").variables["CARRIER_ACTION"] == "route"
        troubles = Service(site.state).status()["troubles"]
        assert any("limits.csv line 2 (number) stops calls" in trouble for trouble in troubles)
        assert "7788450450" not in " ".join(troubles)
