"""The verbs about lookups: what is known, kept, forgotten, spent; each role by itself."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.test_cli import CLEAN, dialdip
from tests.service import PROGRAM, Site, sandbox, service, started


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A running service with a sandbox behind it."""
    directory = tmp_path_factory.mktemp("site")
    with sandbox(directory) as provider:
        found = Site(directory, provider.url).write()
        with service(found):
            yield found


def test_lookup_takes_several_numbers_and_keeps_their_order(site: Site) -> None:
    numbers = ["07788450450", "1471", "07703100200", "0778845", "07973100100", "07788450450"]
    done = dialdip("--config", str(site.path), "lookup", "--json", *numbers)
    assert 1 == done.returncode  # one of them has no network
    answers = json.loads(done.stdout)
    assert numbers == [answer["dialled"] for answer in answers]
    assert ["23415", None, "23415", None, None, "23415"] == [
        answer.get("mccmnc") for answer in answers
    ]
    assert [True, False, True, False, True, True] == [answer["looked_up"] for answer in answers]
    assert "" == done.stderr


def test_lookup_shows_its_progress_on_a_terminal_only(site: Site) -> None:
    leader, follower = pty.openpty()
    numbers = [f"0778845{index}" for index in range(5000, 5004)]
    process = subprocess.Popen(
        [*PROGRAM, "--config", str(site.path), "lookup", "--json", *numbers],
        stdout=subprocess.PIPE,
        stderr=follower,
        env={**CLEAN, "TERM": "xterm-256color"},
    )
    os.close(follower)
    shown = b""
    try:
        while chunk := os.read(leader, 4096):
            shown += chunk
    except OSError:
        pass  # the end of a terminal, on Linux
    finally:
        os.close(leader)
    told, _ = process.communicate(timeout=30)
    assert b"looking up" in shown
    assert 4 == len(json.loads(told))
    assert "" == dialdip("--config", str(site.path), "lookup", *numbers).stderr


def test_lookup_asks_screens_when_told_to(tmp_path: Path) -> None:
    """07720124201 is fraudulent in the sandbox, 07720124204 on the TPS."""
    with sandbox(tmp_path) as provider:
        base = provider.url.removesuffix("/npl")
        more = (
            f'[[providers]]\nname = "lanck"\nkind = "lanck"\nurl = "{base}/v1"\n'
            'username = "demo"\npassword = "demo"\ntypes = ["fraud"]\n'
            f'[[providers]]\nname = "soap"\nkind = "datasoap"\nurl = "{base}"\n'
            'password = "demo"\ntypes = ["tps"]\n'
        )
        site = Site(tmp_path, provider.url, extra=more).write()
        config = ("--config", str(site.path))
        screens = ("--screen", "fraud", "--screen", "tps")
        with service(site):
            done = dialdip(*config, "lookup", *screens, "07720124201", "07720124204")
            assert "fraudulent, not tps" in done.stdout, done.stdout
            assert "passed, tps" in done.stdout
            told = json.loads(dialdip(*config, "lookup", "--json", "07720124201").stdout)
            assert told[0]["fraud"] is None
            assert ["npl", "lanck", "soap"] == [
                one["provider"]
                for one in json.loads(dialdip(*config, "providers", "--json").stdout)
            ]
        local = dialdip(*config, "lookup", "--local", *screens, "07720124201")
        assert "fraudulent, not tps" in local.stdout


def test_what_is_kept_of_a_number_is_shown_dropped_and_forgotten(site: Site) -> None:
    config = ("--config", str(site.path))
    number = "07810701702"
    assert "nothing is kept" in dialdip(*config, "cache", "get", number).stdout
    assert 1 == dialdip(*config, "cache", "get", number).returncode
    assert 0 == dialdip(*config, "lookup", number).returncode
    kept = json.loads(dialdip(*config, "cache", "get", number, "--json").stdout)
    assert ("23415", "npl") == (kept["memory"]["mccmnc"], kept["memory"]["provider"])
    assert "23415" in dialdip(*config, "cache", "get", "+447810701702").stdout
    assert "memory" in json.loads(dialdip(*config, "cache", "stats", "--json").stdout)
    stats = dialdip(*config, "cache", "stats").stdout
    assert "sqlite" in stats
    assert "{" not in stats
    for verb in (["cache", "drop"], ["forget"]):
        assert 0 == dialdip(*config, "lookup", number).returncode
        first = dialdip(*config, *verb, number)
        assert (0, "forgotten\n") == (first.returncode, first.stdout)
        again = dialdip(*config, *verb, number, "--json")
        nothing = {"forgotten": False, "erased": True}
        assert (1, nothing) == (again.returncode, json.loads(again.stdout))
        assert 1 == dialdip(*config, "cache", "get", number).returncode


def test_a_number_that_a_dead_store_may_keep_is_not_said_to_be_forgotten(tmp_path: Path) -> None:
    with sandbox(tmp_path) as provider:
        cache = '[cache]\nstore = "redis://127.0.0.1:9/0"\nkey = "0123456789abcdef"\n'
        site = Site(tmp_path, provider.url, extra=cache).write()
        with service(site):
            assert 0 == dialdip("--config", str(site.path), "lookup", "07788450450").returncode
            done = dialdip("--config", str(site.path), "forget", "07788450450")
            assert (1, True) == (done.returncode, "forget it again later" in done.stdout)
            status = dialdip("--config", str(site.path), "status").stdout
            assert "the redis store: not-erased" in status
            assert "the redis store: failed" in status


@pytest.mark.parametrize("verb", [["cache", "get"], ["cache", "drop"], ["forget"]])
@pytest.mark.parametrize("number", ["1471", "999", "h", "4 4", ""])
def test_nothing_is_kept_under_what_is_no_number(site: Site, verb: list[str], number: str) -> None:
    done = dialdip("--config", str(site.path), *verb, number)
    assert 2 == done.returncode
    assert done.stderr.startswith("dialdip: no E.164 number, so nothing is kept under it (")
    assert 1 == done.stderr.count("\n")


def test_every_verb_that_asks_prints_one_document(site: Site) -> None:
    config = ("--config", str(site.path))
    number = "07788450450"
    for verb in (
        *("status", "providers", "cache stats", f"cache get {number}", "reload"),
        *(f"cache drop {number}", f"forget {number}", f"lookup {number}", f"explain {number}"),
        *(f"ask {number}", "table check", "config check"),
    ):
        done = dialdip(*config, *verb.split(), "--json")
        assert done.returncode in {0, 1}, done.stderr
        json.loads(done.stdout)
        assert "" == done.stderr


def test_providers_says_what_is_left_and_that_money_is_gone(tmp_path: Path) -> None:
    with sandbox(tmp_path) as provider:
        money = 'price = "0.006"\ndaily_budget = "0.012"\n'
        site = Site(tmp_path, provider.url, extra=money).write()
        config = ("--config", str(site.path))
        with service(site) as running:
            assert "ok" == running.ask("07788450450").variables["CARRIER_REASON"]
            said = dialdip(*config, "providers").stdout
            assert "npl: closed" in said
            assert "0.006 EUR" in said
            assert "ok" == running.ask("07810701702").variables["CARRIER_REASON"]
            third = running.ask("07703100200").variables
            assert ("default", "budget") == (third["CARRIER_SOURCE"], third["CARRIER_REASON"])
            done = dialdip(*config, "status")
            assert 1 == done.returncode
            assert "provider npl: the money of the day is spent" in done.stdout
            assert "spent at npl" in done.stdout


def test_status_says_that_a_breaker_is_open_and_providers_why(tmp_path: Path) -> None:
    site = Site(tmp_path).write()  # nobody listens at its provider's address
    config = ("--config", str(site.path))
    with service(site) as running:
        for index in range(20):
            running.ask(f"077884507{index:02d}")
        done = dialdip(*config, "status")
        assert 1 == done.returncode
        assert "provider npl is not asked: " in done.stdout
        shown = dialdip(*config, "providers")
        assert 1 == shown.returncode
        assert "connect" in shown.stdout


def test_run_starts_each_role_by_itself(tmp_path: Path) -> None:
    with sandbox(tmp_path) as provider:
        site = Site(tmp_path, provider.url).write()
        config = ("--config", str(site.path), "run")
        with started(tmp_path, *config, "dipper") as dipper:
            assert "ready dipper\n" == dipper.first_line
            with started(tmp_path, *config, "router") as router:
                assert router.first_line.startswith("ready fastagi=127.0.0.1:")
                assert "live" == router.ask("07788450450").variables["CARRIER_SOURCE"]
                done = dialdip("--config", str(site.path), "status")
                assert (1, "no noc runs") == (done.returncode, done.stdout[:11])
                with started(tmp_path, *config, "noc") as noc:
                    assert noc.first_line.startswith("ready noc web=127.0.0.1:")
                    done = dialdip("--config", str(site.path), "status")
                    assert 0 == done.returncode, done.stdout
                assert 0 == dipper.stop()
                assert "memory" == router.ask("07788450450").variables["CARRIER_SOURCE"]
                assert "no-dipper" == router.ask("07703100200").variables["CARRIER_REASON"]
                done = dialdip("--config", str(site.path), "status")
                assert 1 == done.returncode
                assert "no dipper runs" in done.stdout


def test_the_sandbox_knows_everybody_when_told_to(tmp_path: Path) -> None:
    with sandbox(tmp_path, "--others", "23430") as provider:
        site = Site(tmp_path, provider.url).write()
        done = dialdip("--config", str(site.path), "lookup", "--local", "07788999999", "--json")
    assert "23430" == json.loads(done.stdout)[0]["mccmnc"]
