"""Routers and dipper of one service as the shell sees them: killed, frozen, reloaded, erased."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from agi import config, ipc
from agi.asking import Service
from tests.cli.test_cli import dialdip
from tests.service import PROGRAM, Running, Site, sandbox, service

VODAFONE = "07788450450"
PORTED = "07703100200"


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with sandbox(tmp_path_factory.mktemp("sandbox")) as running:
        yield running


@pytest.fixture
def site(tmp_path: Path, provider: Running) -> Site:
    return Site(tmp_path, provider.url, workers=2).write()


def status(site: Site) -> dict[str, Any]:
    return Service(site.state).status()


def pid_of(site: Site, process: str) -> int:
    found = {one["process"]: one["pid"] for one in status(site)["processes"]}
    return int(found[process])


def until(true: Callable[[], object], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)  # or it takes a core from those it waits for


def replace(site: Site, old: str, new: str) -> None:
    text = site.path.read_text()
    assert old in text
    site.path.write_text(text.replace(old, new))


def test_every_process_is_there_and_all_is_well(site: Site) -> None:
    with service(site) as running:
        done = dialdip("--config", str(site.path), "status")
        assert 0 == done.returncode, done.stdout
        for name in ("router-0", "router-1", "dipper-0", "noc-0"):
            assert name in done.stdout
        assert running.process.pid not in {one["pid"] for one in status(site)["processes"]}


@pytest.mark.parametrize("process", ["router-0", "router-1", "dipper-0", "noc-0"])
def test_a_killed_process_is_replaced_and_all_is_well_again(site: Site, process: str) -> None:
    with service(site) as running:
        before = pid_of(site, process)
        os.kill(before, signal.SIGKILL)
        for _ in range(5):
            assert running.ask(VODAFONE).committed
        until(lambda: 4 == len(status(site)["processes"]))
        until(lambda: not status(site)["troubles"])
        assert before != pid_of(site, process)
        done = dialdip("--config", str(site.path), "status")
        assert 0 == done.returncode, done.stdout
        assert "ok" == running.ask(PORTED).variables["CARRIER_REASON"]
    assert '"how":"SIGKILL"' in running.log()


def test_status_says_within_seconds_that_a_router_is_frozen(site: Site) -> None:
    """The parent is stopped as well, or it would kill the frozen one after two seconds."""
    with service(site) as running:
        frozen = pid_of(site, "router-1")
        running.process.send_signal(signal.SIGSTOP)
        os.kill(frozen, signal.SIGSTOP)
        try:
            begun = time.monotonic()
            done = dialdip("--config", str(site.path), "status")
            assert time.monotonic() - begun < 10
        finally:
            os.kill(frozen, signal.SIGCONT)
            running.process.send_signal(signal.SIGCONT)
    assert 1 == done.returncode
    assert "router-1 does not answer: it is frozen" == done.stdout.splitlines()[0]


def test_a_frozen_router_is_killed_and_replaced(site: Site) -> None:
    with service(site) as running:
        frozen = pid_of(site, "router-1")
        os.kill(frozen, signal.SIGSTOP)
        running.wait_for_log('"event":"killed"')
        until(lambda: 4 == len(status(site)["processes"]))
        assert frozen != pid_of(site, "router-1")


def test_status_says_that_there_is_no_dipper_and_calls_go_on(site: Site) -> None:
    with service(site) as running:
        assert "live" == running.ask(VODAFONE).variables["CARRIER_SOURCE"]
        running.process.send_signal(signal.SIGSTOP)  # or it would begin another at once
        try:
            os.kill(pid_of(site, "dipper-0"), signal.SIGKILL)
            until(lambda: any("has no dipper" in one for one in status(site)["troubles"]))
            answer = running.ask(PORTED).variables
            done = dialdip("--config", str(site.path), "status")
        finally:
            running.process.send_signal(signal.SIGCONT)
        assert ("default", "no-dipper", "transit") == tuple(
            answer[f"CARRIER_{name}"] for name in ("SOURCE", "REASON", "TRUNK_1")
        )
        assert 1 == done.returncode
        assert "dipper-0 is gone: it was killed" in done.stdout


def test_what_killed_routers_left_is_cleared_away_at_the_next_start(site: Site) -> None:
    with service(site) as running:
        pids = [one["pid"] for one in status(site)["processes"]]
        for pid in pids:  # or one that outlives the parent would still clear up behind itself
            os.kill(pid, signal.SIGSTOP)
        for pid in (running.process.pid, *pids):
            os.kill(pid, signal.SIGKILL)
        running.process.wait(10)
    assert (site.state / "run/router-1.sock").exists()
    replace(site, "workers = 2", "workers = 1")
    with service(site):
        assert not (site.state / "run/router-1.sock").exists()
        assert 0 == dialdip("--config", str(site.path), "status").returncode


def test_two_services_on_one_state_directory_are_refused(site: Site) -> None:
    with service(site) as running:
        done = subprocess.run(
            [*PROGRAM, "--config", str(site.path), "serve"],
            capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
        assert 2 == done.returncode
        said = done.stderr.splitlines()[-1]
        assert "another dialdip runs with this state directory" in said
        assert "Traceback" not in done.stderr
        assert "" == done.stdout
        assert running.ask(VODAFONE).committed
        assert [] == status(site)["troubles"]


@pytest.mark.parametrize("role", [["router"], ["router", "--index", "1"], ["dipper"], ["noc"]])
def test_a_role_that_runs_already_is_refused(site: Site, role: list[str]) -> None:
    with service(site):
        done = dialdip("--config", str(site.path), "run", *role)
    assert 2 == done.returncode
    assert "another dialdip runs with this state directory" in done.stderr.splitlines()[-1]


# ---- reload ------------------------------------------------------------------------------


def test_a_reload_reaches_every_process(site: Site) -> None:
    with service(site) as running:
        first = status(site)["service"]["table"]
        routes = site.tables / "routes.csv"
        routes.write_text(routes.read_text().replace("vodafone > transit", "o2 > transit"))
        done = dialdip("--config", str(site.path), "reload", "--json")
        assert 0 == done.returncode, done.stderr
        found = {one["table"] for one in status(site)["processes"]}
        assert 1 == len(found)
        assert first not in found
        assert {"o2"} == {running.ask(VODAFONE).variables["CARRIER_TRUNK_1"] for _ in range(8)}


def test_a_sighup_of_the_parent_reloads_every_process(site: Site) -> None:
    with service(site) as running:
        first = status(site)["service"]["table"]
        routes = site.tables / "routes.csv"
        routes.write_text(routes.read_text().replace("vodafone > transit", "o2 > transit"))
        running.process.send_signal(signal.SIGHUP)
        until(lambda: [first] not in [[one["table"]] for one in status(site)["processes"]])
        assert 1 == len({one["table"] for one in status(site)["processes"]})
        assert [] == status(site)["troubles"]


def test_when_one_process_refuses_a_reload_status_says_so_until_it_is_mended(site: Site) -> None:
    """The dipper alone reads the secrets: a lost one is its refusal, and no router switches."""
    secret = site.directory / "npl.password"
    secret.write_text("demo")
    replace(site, 'password = "demo"', 'password = { file = "npl.password" }')
    with service(site) as running:
        secret.unlink()
        before = status(site)["service"]["table"]
        done = dialdip("--config", str(site.path), "reload")
        assert 2 == done.returncode
        assert "npl.password: cannot be read" in done.stderr
        troubled = dialdip("--config", str(site.path), "status")
        assert 1 == troubled.returncode
        assert "a reload was refused" in troubled.stdout
        assert before == status(site)["service"]["table"]
        assert "ok" == running.ask(VODAFONE).variables["CARRIER_REASON"]
        secret.write_text("demo")
        assert 0 == dialdip("--config", str(site.path), "reload").returncode
        assert [] == status(site)["troubles"]


def test_routers_with_different_tables_are_said(site: Site) -> None:
    with service(site) as running:
        routes = site.tables / "routes.csv"
        routes.write_text(routes.read_text().replace("vodafone > transit", "o2 > transit"))
        os.kill(pid_of(site, "router-1"), signal.SIGHUP)
        running.wait_for_log('"event":"reloaded"')
        done = dialdip("--config", str(site.path), "status")
        assert 1 == done.returncode
        assert "the processes have different tables" in done.stdout


def test_a_changed_password_takes_effect_and_no_call_is_lost(site: Site) -> None:
    with service(site) as running:
        replace(site, 'password = "demo"', 'password = "wrong"')
        running.process.send_signal(signal.SIGHUP)
        running.wait_for_log('"event":"dipper_reloaded"')
        assert "default" == running.ask(PORTED).variables["CARRIER_SOURCE"]
        running.wait_for_log('"event":"provider_refuses_account"')
        done = dialdip("--config", str(site.path), "providers")
        assert 1 == done.returncode
        assert "account" in done.stdout
        replace(site, 'password = "wrong"', 'password = "demo"')
        running.process.send_signal(signal.SIGHUP)
        running.wait_for_log('"event":"dipper_reloaded"', times=2)
        # The failure of the refused number may be remembered a moment; another one is fresh.
        answers = [running.ask(f"0778845045{last}") for last in "0123"]
        assert all(answer.committed for answer in answers)
        assert "ok" == answers[0].variables["CARRIER_REASON"]
        assert 0 == dialdip("--config", str(site.path), "providers").returncode


def test_no_call_loses_its_network_by_reloads_of_the_provider(tmp_path: Path) -> None:
    """A question between the store and its queue is taken up by the accounts that follow."""
    with sandbox(tmp_path, "--others", "23415", "--latency-ms", "5") as provider:
        site = Site(tmp_path, provider.url, workers=2).write()
        text = site.path.read_text()
        with service(site) as running, ThreadPoolExecutor(4) as callers:
            calls = [
                callers.submit(running.ask, f"07788{number}") for number in range(500_000, 500_300)
            ]
            for timeout in range(680, 690):
                site.path.write_text(f"{text}timeout_ms = {timeout}\n")
                Service(site.state).reload()
            reasons = {call.result().variables["CARRIER_REASON"] for call in calls}
    assert {"ok"} == reasons


def test_a_reload_with_a_dump_that_has_faults_changes_nothing(site: Site) -> None:
    with service(site) as running:
        (site.directory / "dump.csv").write_text("no;dump;at;all\n")
        good = site.path.read_text()
        dump = '[[providers]]\nname = "dump"\nkind = "file"\npath = "dump.csv"\n'
        site.path.write_text(good + dump)
        done = dialdip("--config", str(site.path), "reload")
        assert 2 == done.returncode
        assert "dump.csv" in done.stderr
        assert ["npl"] == [one["provider"] for one in status(site)["providers"]]
        assert "ok" == running.ask(VODAFONE).variables["CARRIER_REASON"]
        site.path.write_text(good)
        assert 0 == dialdip("--config", str(site.path), "reload").returncode
        assert [] == status(site)["troubles"]


def test_what_a_reload_does_not_reach_of_the_dipper_is_said(site: Site) -> None:
    with service(site):
        site.path.write_text(site.path.read_text() + '[cache]\nstore = "none"\n')
        done = dialdip("--config", str(site.path), "reload")
        assert 0 == done.returncode
        assert "[cache] has changed and is in force only after a restart" in done.stdout


# ---- secrets and screens -----------------------------------------------------------------


def test_a_router_is_given_no_password(site: Site) -> None:
    """What ``serve`` loads before it forks holds none; each verb that runs a router does so."""
    loaded = config.load(site.path, {}, secrets=None)
    assert {} == loaded.passwords
    assert [None] == [one.password for one in loaded.config.providers]


def test_no_verb_shows_a_secret(site: Site, tmp_path: Path) -> None:
    (tmp_path / "own").write_text("the-secret-of-a-file")
    replace(site, 'password = "demo"', 'password = "a-literal-secret"')
    more = (
        '[[providers]]\nname = "other"\nkind = "lanck"\nusername = "u"\n'
        'url = "http://127.0.0.1:9/v1"\npassword = { file = "own" }\n'
        '[cache]\nstore = "redis://user:in-the-url@127.0.0.1:9/0"\nkey = "keykeykeykeykeykey"\n'
    )
    site.path.write_text(site.path.read_text() + more)
    with service(site) as running:
        running.ask(VODAFONE)
        for verb in ("config show", "providers", "status", "cache stats", "config check"):
            for form in ((), ("--json",)):
                if verb == "config show" and form:
                    continue
                done = dialdip("--config", str(site.path), *verb.split(), *form)
                assert done.stdout
                for secret in ("a-literal", "the-secret", "in-the-url", "keykey"):
                    assert secret not in done.stdout + done.stderr, verb
    for secret in ("a-literal", "the-secret", "in-the-url", "keykey"):
        assert secret not in running.log()


ACCOUNTS = "account,screen_fraud,screen_tps\n,flag,\ntelesales,flag,reject:21:closed\n"


def test_a_screen_that_no_provider_is_asked_for_is_said_everywhere(tmp_path: Path) -> None:
    site = Site(tmp_path, files={"accounts.csv": ACCOUNTS}).write()
    with service(site) as running:
        running.wait_for_log('"event":"screen_without_provider"', times=2)
        done = dialdip("--config", str(site.path), "status")
        assert 1 == done.returncode
        tps = "accounts.csv wants the screen tps for telesales, and no enabled provider"
        assert tps in done.stdout
        assert "the screen fraud for every other account, telesales" in done.stdout
        checked = dialdip("--config", str(site.path), "table", "check")
        assert 0 == checked.returncode
        assert tps in checked.stdout
        lanck = (
            '[[providers]]\nname = "lanck"\nkind = "lanck"\nusername = "u"\npassword = "p"\n'
            'url = "http://127.0.0.1:9/v1"\ntypes = ["hlr", "fraud"]\n'
        )
        site.path.write_text(site.path.read_text() + lanck)
        assert 0 == dialdip("--config", str(site.path), "reload").returncode
        assert [tps] == [
            text.partition(" is asked")[0] for text in status(site)["troubles"] if "screen" in text
        ]


# ---- erasure -----------------------------------------------------------------------------


def test_forget_erases_a_number_everywhere(site: Site) -> None:
    """Both routers' memories, the dipper's, and every byte of the store's files."""
    number = b"447788450450"
    with service(site) as running:
        config_ = ("--config", str(site.path))
        while {1} != {told["remembered"] for told in routers(site)}:  # whoever gets the call
            assert running.ask(VODAFONE).committed
        until(lambda: "sqlite" in ipc.ask(dipper(site), "cache_get", number=VODAFONE)["tiers"])
        assert any(number in path.read_bytes() for path in site.state.glob("cache.sqlite*"))
        assert 0 == dialdip(*config_, "forget", VODAFONE).returncode
        for path in site.state.rglob("*"):
            assert not path.is_file() or number not in path.read_bytes(), path
        assert {0} == {told["remembered"] for told in routers(site)}
        assert 1 == dialdip(*config_, "cache", "get", VODAFONE).returncode
        assert 1 == dialdip(*config_, "forget", VODAFONE).returncode
        assert "live" == running.ask(VODAFONE).variables["CARRIER_SOURCE"]


def routers(site: Site) -> list[dict[str, Any]]:
    return [ipc.ask(path, "status") for path in Service(site.state).routers]


def dipper(site: Site) -> Path:
    return Service(site.state).dipper


def test_forget_says_so_when_a_router_cannot_be_asked(site: Site) -> None:
    with service(site) as running:
        running.ask(VODAFONE)
        frozen = pid_of(site, "router-1")
        running.process.send_signal(signal.SIGSTOP)
        os.kill(frozen, signal.SIGSTOP)
        try:
            done = dialdip("--config", str(site.path), "forget", VODAFONE)
        finally:
            os.kill(frozen, signal.SIGCONT)
            running.process.send_signal(signal.SIGCONT)
    assert 2 == done.returncode
    assert "router-1 does not answer and may remember the number: try again" in done.stderr
