"""The command as people use it: right, wrong, piped; one line for a mistake, never a traceback."""

from __future__ import annotations

import json
import os
import pty
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service import PROGRAM, Site, sandbox, service, started

CLEAN = {k: v for k, v in os.environ.items() if k not in {"DIALDIP_CONFIG", "STATE_DIRECTORY"}}


def dialdip(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, *arguments],
        env={**CLEAN, **environ},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
        check=False,
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A running service with a sandbox behind it."""
    directory = tmp_path_factory.mktemp("site")
    with sandbox(directory) as provider:
        found = Site(directory, provider.url).write()
        with service(found):
            yield found


@pytest.fixture
def still(tmp_path: Path) -> Site:
    """A site whose service does not run."""
    return Site(tmp_path).write()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nonsense"], "No such command"),
        (["--nonsense"], "No such option"),
        (["ask"], "Missing argument"),
        (["ask", "1", "2"], "unexpected extra argument"),
        (["lookup"], "Missing argument"),
        (["install"], "give --dialplan"),
        (["sandbox", "--port", "x"], "not a valid integer"),
        (["sandbox", "--subscribers", "/nonexistent.csv"], "nonexistent.csv: cannot be read"),
        (["ask", "1", "--agi", "http://x"], "no AGI URL"),
        (["ask", "4 4", "--agi", "agi://127.0.0.1:9"], "without blanks"),
        (["ask", "1&nodip=1", "--agi", "agi://127.0.0.1:9"], "NUMBER: give"),
        (["ask", "h", "--agi", "agi://127.0.0.1:9"], "NUMBER: give"),
        (["ask", "1", "--account", "a b", "--agi", "agi://127.0.0.1:9"], "--account: give"),
        (["ask", "1", "--from", "bob", "--agi", "agi://127.0.0.1:9"], "--from: give"),
        (["explain", "1", "--lookup", "--mccmnc", "23415"], "the other supposes"),
        (["explain", "\udcff"], "not UTF-8"),
        (["sandbox", "--port", "99999"], "99999"),
        (["sandbox", "--others", "x"], "--others: give 5 or 6 digits"),
        (["sandbox", "--others", "\u0661" * 5], "--others: give 5 or 6 digits"),
        (["sandbox", "--connections", "0"], "--connections"),
        (["run"], "Missing argument"),
        (["run", "web"], "'web' is not one of 'router', 'dipper', 'noc'"),
        (["run", "router", "--index", "64"], "64 is not in the range"),
        (["run", "dipper", "--index", "1"], "there is one dipper"),
        (["lookup", "1", "--screen", "tpss"], "'tpss' is not one of"),
        (["cache", "get"], "Missing argument"),
        (["cache", "drop", "1", "2"], "unexpected extra argument"),
        (["cache", "nonsense"], "No such command"),
        (["forget"], "Missing argument"),
        (["providers", "npl"], "unexpected extra argument"),
    ],
)
def test_wrong_usage_is_exit_2_and_one_line(arguments: list[str], says: str) -> None:
    done = dialdip(*arguments)
    assert 2 == done.returncode
    assert says in done.stderr
    assert "" == done.stdout
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") <= 2


@pytest.mark.parametrize(
    "arguments",
    [["serve"], ["status"], ["ask", "1"], ["lookup", "1"], ["explain", "1"], ["config", "check"],
     ["table", "check"], ["config", "show"], ["reload"], ["providers"], ["forget", "1"],
     ["cache", "get", "1"], ["cache", "drop", "1"], ["cache", "stats"], ["run", "router"],
     ["run", "dipper"]],
)  # fmt: skip
def test_without_a_configuration_the_three_places_are_named(arguments: list[str]) -> None:
    if Path("/etc/dialdip/dialdip.toml").exists():
        pytest.skip("this machine has a configuration of its own")
    done = dialdip(*arguments)
    assert 2 == done.returncode
    for place in ("--config", "$DIALDIP_CONFIG", "/etc/dialdip/dialdip.toml"):
        assert place in done.stderr
    assert 1 == done.stderr.count("\n")


@pytest.mark.parametrize(
    "arguments",
    [["status"], ["lookup", "1"], ["lookup", "1", "2", "3"], ["reload"], ["providers"],
     ["explain", "--lookup", "1"], ["cache", "get", "1"], ["cache", "drop", "1"],
     ["cache", "stats"], ["forget", "1"]],
)  # fmt: skip
def test_a_service_that_does_not_run_is_exit_3(still: Site, arguments: list[str]) -> None:
    done = dialdip("--config", str(still.path), *arguments)
    assert 3 == done.returncode
    router = arguments[0] in {"status", "explain"}
    assert ("router-0.sock" if router else "dipper-0.sock") in done.stderr
    assert "is dialdip serve running with this configuration?" in done.stderr
    assert 1 == done.stderr.count("\n")


@pytest.mark.parametrize("verb", [["status"], ["providers"], ["forget", "1"], ["reload"]])
def test_a_configuration_that_is_not_there_is_exit_2(tmp_path: Path, verb: list[str]) -> None:
    """Not exit 3 for a service at a default place that nobody meant."""
    done = dialdip("--config", str(tmp_path / "typo.toml"), *verb)
    assert 2 == done.returncode
    assert "typo.toml: cannot be read" in done.stderr


def test_a_port_where_nobody_listens_is_exit_3() -> None:
    done = dialdip("ask", "07788450450", "--agi", "agi://127.0.0.1:9")
    assert 3 == done.returncode
    assert "agi://127.0.0.1:9: Connection refused" in done.stderr


def test_no_verb_shows_the_help_on_stderr() -> None:
    done = dialdip()
    assert 2 == done.returncode
    assert "Usage:" in done.stderr
    assert 0 == dialdip("--help").returncode
    assert "dialdip 0.1.0\n" == dialdip("--version").stdout


def test_the_demo_prints_one_table_and_exits_0() -> None:
    done = dialdip("demo")
    assert 0 == done.returncode, done.stderr
    lines = done.stdout.splitlines()
    assert 9 == len(lines)
    for line, words in zip(
        lines[1:],
        [("23415", "live", "ok"), ("23415", "memory", "ok"), ("23415", "live", "ported"),
         ("default", "err1"), ("reject, cause 21",), ("emergency", "999"), ("invalid-number",),
         ("default", "timeout")],
        strict=True,
    ):  # fmt: skip
        for word in words:
            assert word in line, line
    assert "\x1b" not in done.stdout


def test_ask_shows_what_the_dialplan_gets(site: Site) -> None:
    done = dialdip("--config", str(site.path), "ask", "07788450450")
    assert 0 == done.returncode
    assert "CARRIER_TRUNK_1   vodafone" in done.stdout
    told = json.loads(dialdip("ask", "07788450450", "--config", str(site.path), "--json").stdout)
    assert told["committed"]
    assert "memory" == told["variables"]["CARRIER_SOURCE"]


def test_ask_finds_the_configuration_in_the_environment(site: Site) -> None:
    assert 0 == dialdip("ask", "999", "--no-dip", DIALDIP_CONFIG=str(site.path)).returncode


def test_lookup_shows_networks_and_says_no_with_its_status(site: Site) -> None:
    config = ("--config", str(site.path))
    done = dialdip(*config, "lookup", "07703100200", "+393351234567")
    assert 0 == done.returncode
    assert "23415" in done.stdout
    assert "22201" in done.stdout
    unknown = dialdip(*config, "lookup", "07973100100", "--json")
    assert 1 == unknown.returncode
    (answer,) = json.loads(unknown.stdout)
    assert ("err1", None, "dead") == (answer["reason"], answer["mccmnc"], answer["live"])
    fresh = json.loads(dialdip(*config, "lookup", "07703100200", "--fresh", "--json").stdout)
    assert "live" == fresh[0]["source"]


def test_lookup_in_the_shells_own_process_waits_for_the_account(site: Site) -> None:
    done = dialdip("--config", str(site.path), "lookup", "07703100200", "--local")
    assert 2 == done.returncode
    assert "holds the account" in done.stderr


def test_lookup_in_the_shells_own_process_works_without_a_service(tmp_path: Path) -> None:
    with sandbox(tmp_path) as provider:
        site = Site(tmp_path, provider.url).write()
        done = dialdip("--config", str(site.path), "lookup", "--local", "07703100200", "1471")
    assert "23415" in done.stdout
    assert "short number" in done.stdout
    assert 1 == done.returncode


def test_explain_names_the_winner_and_why_the_others_lost(site: Site) -> None:
    config = ("--config", str(site.path))
    done = dialdip(*config, "explain", "07788450450", "--mccmnc", "234-10")
    assert 0 == done.returncode
    assert "mccmnc 23415" in done.stdout
    assert "network  23410" in done.stdout
    assert "o2" in done.stdout
    assert "by the running service" in done.stdout
    told = json.loads(dialdip(*config, "explain", "09098790000", "--json").stdout)
    assert ("reject", 21, "premium") == tuple(
        told["decision"][name] for name in ("action", "cause", "rule")
    )
    paid = json.loads(dialdip(*config, "explain", "07733200300", "--lookup", "--json").stdout)
    assert "23430" == paid["mccmnc"]
    wrong = dialdip(*config, "explain", "07788450450", "--mccmnc", "x")
    assert 2 == wrong.returncode
    assert "no MCC and MNC" in wrong.stderr


def test_explain_works_by_the_tables_on_disk_when_nothing_runs(still: Site) -> None:
    done = dialdip("--config", str(still.path), "explain", "07788450450", "--mccmnc", "23415")
    assert 0 == done.returncode
    assert "tables on disk" in done.stdout
    assert "vodafone" in done.stdout


def test_status_says_all_well_and_what_is_not(site: Site, tmp_path: Path) -> None:
    done = dialdip("--config", str(site.path), "status")
    assert 0 == done.returncode
    assert "all well" in done.stdout
    blind = Site(tmp_path).write()
    with service(blind) as running:
        for index in range(25):
            running.ask(f"077884504{index:02}")
        running.wait_for_log('"event":"call"', times=25)
        troubled = dialdip("--config", str(blind.path), "status")
    assert 1 == troubled.returncode
    assert "25 of 25 calls went out without a network, mostly: " in troubled.stdout
    assert "in a row, lastly: connect ConnectError" in troubled.stdout
    assert "provider npl is not asked: " in troubled.stdout


def test_reload_says_what_runs_and_what_is_wrong(site: Site) -> None:
    config = ("--config", str(site.path))
    assert "running 0000" in dialdip(*config, "reload").stdout
    routes = site.tables / "routes.csv"
    good = routes.read_text()
    routes.write_text("rule,trunks\n")
    try:
        done = dialdip(*config, "reload")
        assert 2 == done.returncode
        assert "routes.csv" in done.stderr
    finally:
        routes.write_text(good)
    assert 0 == dialdip(*config, "reload").returncode


def test_a_service_is_reached_although_its_file_has_a_typo(tmp_path: Path) -> None:
    site = Site(tmp_path).write()
    with service(site) as running:
        site.path.write_text(site.path.read_text() + "\ntypo = 1\n")
        assert 0 == dialdip("--config", str(site.path), "status").returncode
        refused = dialdip("--config", str(site.path), "reload")
        assert 2 == refused.returncode
        assert "unknown key" in refused.stderr
        troubled = dialdip("--config", str(site.path), "status")
        assert "a reload was refused" in troubled.stdout
        site.path.write_text(site.path.read_text().replace("\ntypo = 1\n", ""))
        text = site.path.read_text()
        site.path.write_text(text.replace("workers = 1", 'workers = 1\nallow = ["127.0.0.1/32"]'))
        good = dialdip("--config", str(site.path), "reload")
        assert 0 == good.returncode, good.stderr
        assert "[fastagi] has changed and is in force only after a restart" in good.stdout
        assert "all well" in dialdip("--config", str(site.path), "status").stdout
        assert running.ask("999").committed


def test_a_site_may_reject_by_a_code_and_explain_says_that_it_did(tmp_path: Path) -> None:
    errors = "provider,code,class,retry_elsewhere,negative_ttl_s,route\n"
    row = "comcetera,err1,not_found,no,60,reject:1\n"
    with sandbox(tmp_path) as provider:
        site = Site(tmp_path, provider.url, files={"errors.csv": errors + row}).write()
        with service(site) as running:
            assert "1" == running.ask("07973100100").variables["CARRIER_CAUSE"]
            done = dialdip("--config", str(site.path), "explain", "07973100100")
    assert "errors.csv comcetera err1: rejected with cause 1 (err1)" in done.stdout


def test_table_check_lists_every_fault_with_its_place(still: Site) -> None:
    good = dialdip("table", "check", str(still.tables))
    assert 0 == good.returncode, good.stdout
    assert "of 2047 bytes" in good.stdout
    (still.tables / "routes.csv").write_text("rule,mccmnc,trunks\na,x,nowhere\na,,transit\n")
    bad = dialdip("table", "check", str(still.tables))
    assert 1 == bad.returncode
    assert f"{still.tables}/routes.csv:2:2: " in bad.stdout
    assert f"{still.tables}/routes.csv:2:3: " in bad.stdout
    told = json.loads(dialdip("table", "check", str(still.tables), "--json").stdout)
    assert {"file", "line", "column", "what", "warning"} == set(told["faults"][0])
    by_config = dialdip("--config", str(still.path), "table", "check")
    assert 1 == by_config.returncode


def test_config_init_begins_a_site_that_checks_good(tmp_path: Path) -> None:
    target = tmp_path / "etc"
    done = dialdip("config", "init", str(target))
    assert 0 == done.returncode
    assert 0o644 == (target / "dialdip.toml").stat().st_mode & 0o777
    checked = dialdip("config", "check", str(target / "dialdip.toml"))
    assert 0 == checked.returncode, checked.stdout
    assert "credential npl" in checked.stdout  # only the service sees it: a warning here
    assert 0 == dialdip("table", "check", str(target / "tables")).returncode
    again = dialdip("config", "init", str(target))
    assert 2 == again.returncode
    assert "is there already" in again.stderr
    assert "[fastagi]" in dialdip("config", "init").stdout


def test_config_show_leaves_secrets_out(still: Site) -> None:
    done = dialdip("--config", str(still.path), "config", "show")
    shown = json.loads(done.stdout)
    assert 800 == shown["fastagi"]["deadline_ms"]
    assert "demo" != shown["providers"][0]["password"]


def test_config_check_lists_faults(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text("a = 1\n[fastagi]\nb = 2\n")
    done = dialdip("config", "check", str(path))
    assert 1 == done.returncode
    assert [f"{path}:1:1", f"{path}:3:1"] == [
        ":".join(line.split(":")[:3]) for line in done.stdout.splitlines()[:2]
    ]


def test_install_writes_what_is_shipped_and_spares_what_differs(tmp_path: Path) -> None:
    done = dialdip("install", "--dialplan", str(tmp_path / "a"), "--units", str(tmp_path / "u"),
                   "--tables", str(tmp_path / "t"))  # fmt: skip
    assert 0 == done.returncode
    assert (tmp_path / "a/extensions_carrier.conf").read_text().strip()
    assert os.access(tmp_path / "a/carrier-route.agi", os.X_OK)
    assert (tmp_path / "u/dialdip-agi.socket").exists()
    assert (tmp_path / "t/routes.csv").exists()
    (tmp_path / "t/routes.csv").write_text("mine")
    spared = dialdip("install", "--tables", str(tmp_path / "t"))
    assert 2 == spared.returncode
    assert "routes.csv" in spared.stderr
    assert "mine" == (tmp_path / "t/routes.csv").read_text()
    assert 0 == dialdip("install", "--tables", str(tmp_path / "t"), "--force").returncode
    assert "mine" != (tmp_path / "t/routes.csv").read_text()
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert 2 == dialdip("install", "--tables", str(blocked)).returncode
    assert 2 == dialdip("config", "init", str(blocked)).returncode


def test_a_narrow_terminal_folds_no_number(site: Site) -> None:
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [*PROGRAM, "--config", str(site.path), "lookup", "+447788450450"],
        stdout=follower,
        stderr=subprocess.DEVNULL,
        env={**CLEAN, "TERM": "dumb", "COLUMNS": "72"},
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
    assert 0 == process.wait(30)
    assert b"+447788450450" in shown


def test_a_terminal_gets_colour_and_a_pipe_none(site: Site) -> None:
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [*PROGRAM, "--config", str(site.path), "status"],
        stdout=follower,
        stderr=subprocess.DEVNULL,
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
    assert 0 == process.wait(30)
    assert b"\x1b[" in shown
    assert "\x1b" not in dialdip("--config", str(site.path), "status").stdout


@pytest.mark.parametrize("verb", ["status", "status --json", "--help"])
def test_a_reader_that_leaves_early_is_no_error(site: Site, verb: str) -> None:
    command = " ".join([*PROGRAM, "--config", str(site.path), verb, "|", "true"])
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"],
        capture_output=True,
        text=True,
        env=CLEAN,
        check=False,
    )
    assert "" == done.stderr
    assert 0 == done.returncode


def test_a_full_disk_is_one_line(site: Site) -> None:
    done = subprocess.run(
        ["bash", "-c", f"{' '.join(PROGRAM)} --config {site.path} config show >/dev/full"],
        capture_output=True,
        text=True,
        env=CLEAN,
        check=False,
    )
    assert 2 == done.returncode
    assert "dialdip: cannot write: No space left on device\n" == done.stderr


def test_the_demo_service_answers_on_the_default_port(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", 4573))
        except OSError:
            pytest.skip("port 4573 is in use on this machine")
    with started(tmp_path, "serve", "--demo") as running:
        # Another program's port 8080 costs the metrics, not the calls.
        assert running.first_line in {
            f"ready fastagi=127.0.0.1:4573 web={web}\n" for web in ("127.0.0.1:8080", "off")
        }
        assert "23415" == running.ask("07788450450").variables["CARRIER_MCCMNC"]
