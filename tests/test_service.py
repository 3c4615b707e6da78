"""The service as a user starts it: ready, asked, reloaded, stopped."""

from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from agi import ipc
from agi.asking import Service
from agi.fastagi.client import ask
from tests.fastagi.wire import environment
from tests.service import PROGRAM, Running, Site, sandbox, service

VODAFONE = "07788450450"
PORTED = "07703100200"
ERR1 = "07973100100"


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with sandbox(tmp_path_factory.mktemp("sandbox")) as running:
        yield running


@pytest.fixture
def site(tmp_path: Path, provider: Running) -> Site:
    return Site(tmp_path, provider.url).write()


def test_a_cold_number_is_looked_up_and_a_warm_one_remembered(site: Site) -> None:
    with service(site) as running:
        cold, warm = running.ask(VODAFONE), running.ask("+447788450450")
        assert cold.committed
        assert ("23415", "live", "ok", "vodafone") == told(cold.variables)
        assert ("23415", "memory", "ok", "vodafone") == told(warm.variables)
        assert "+447788450450" == warm.variables["CARRIER_NUMBER_1"]
        assert warm.seconds < cold.seconds


def status(site: Site) -> dict[str, Any]:
    return Service(site.state).status()


def told(variables: dict[str, str]) -> tuple[str, str, str, str]:
    names = ("CARRIER_MCCMNC", "CARRIER_SOURCE", "CARRIER_REASON", "CARRIER_TRUNK_1")
    first, second, third, fourth = (variables[name] for name in names)
    return first, second, third, fourth


def test_a_ported_number_goes_to_the_network_that_serves_it_today(site: Site) -> None:
    with service(site) as running:
        assert ("23415", "live", "ok", "vodafone") == told(running.ask(PORTED).variables)


@pytest.mark.parametrize("code", ["1", "29", "21", "11", "13", "36"])
def test_every_err_code_takes_the_default_route_with_its_reason(site: Site, code: str) -> None:
    number = f"0755511120{code}" if len(code) == 1 else f"075551112{code}"
    with service(site) as running:
        answer = running.ask(number)
        assert ("", "default", f"err{code}", "transit") == told(answer.variables)


def test_a_dead_provider_costs_nothing_but_the_network(tmp_path: Path) -> None:
    with service(Site(tmp_path).write()) as running:
        answer = running.ask(VODAFONE)
        assert ("", "default", "err-other", "transit") == told(answer.variables)


def test_a_hanging_provider_costs_its_deadline_and_no_more(site: Site) -> None:
    """07720123102 never gets an answer from the sandbox."""
    with service(site) as running:
        answer = running.ask("07720123102&d=300")
        assert ("", "default", "timeout", "transit") == told(answer.variables)
        assert 0.2 <= answer.seconds < 0.7


def test_an_answer_about_another_number_is_never_used(site: Site) -> None:
    """A8: the sandbox answers for a neighbour; it is dropped, counted and logged once.

    The number's failure is remembered for a while: the second call asks nobody.
    """
    with service(site) as running:
        for _ in range(2):
            answer = running.ask("07720123105")
            assert ("", "default", "err-other", "transit") == told(answer.variables)
        running.wait_for_log('"event":"answers_for_other_numbers"')
        report = status(site)
        assert 1 == report["providers"][0]["strangers"]
        assert 1 == running.log().count("answers_for_other_numbers")


def test_without_a_provider_the_table_still_routes(tmp_path: Path) -> None:
    with service(Site(tmp_path, extra="enabled = false").write()) as running:
        answer = running.ask(VODAFONE)
        assert ("", "default", "no-provider", "transit") == told(answer.variables)


def test_what_needs_no_lookup_gets_none(site: Site, provider: Running) -> None:
    before = requests(provider)
    with service(site) as running:
        assert "emergency" == running.ask("999").variables["CARRIER_SOURCE"]
        assert "999" == running.ask("999").variables["CARRIER_NUMBER_1"]
        assert "invalid-number" == running.ask("0778845").variables["CARRIER_REASON"]
        assert "nodip" == running.ask("1471").variables["CARRIER_REASON"]
        nodip = running.ask(f"{PORTED}&nodip=1").variables
        assert ("", "skipped", "nodip", "transit") == told(nodip)
        assert before == requests(provider)
        running.ask(PORTED)
        assert "memory" == running.ask(f"{PORTED}&nodip=1").variables["CARRIER_SOURCE"]
        running.ask(f"{PORTED}&age=0")
        assert before + 2 == requests(provider)


def requests(provider: Running) -> int:
    answer = httpx.get(provider.url.replace("/npl", "/_sandbox"), trust_env=False)
    return int(answer.json()["requests"])


def test_a_denied_destination_is_rejected_with_its_cause(site: Site) -> None:
    with service(site) as running:
        variables = running.ask("09098790000").variables
        assert ("reject", "21", "0") == tuple(
            variables[f"CARRIER_{name}"] for name in ("ACTION", "CAUSE", "COUNT")
        )


@pytest.mark.parametrize(
    "number",
    ["+4490123456789012", "00449012345678999999", "09012345678000000", "449012345678999999"],
)
def test_a_denied_destination_is_not_reached_by_dialling_too_many_digits(
    site: Site, number: str
) -> None:
    """Networks ignore surplus digits: premium rate with a tail is still premium rate."""
    with service(site) as running:
        variables = running.ask(number).variables
        assert ("reject", "21", "premium") == tuple(
            variables[f"CARRIER_{name}"] for name in ("ACTION", "CAUSE", "RULE")
        )


def test_an_answer_too_many_is_never_the_answer_to_the_next_question(site: Site) -> None:
    """F26: a second response in the same segment, and the same number asked again."""
    with sandbox(site.directory) as provider:
        site.path.write_text(
            re.sub(r'url = ".*"', f'url = "{provider.url}"', site.path.read_text())
        )
        order(provider, {"fault": "extra-response", "next": 1})
        with service(site) as running:
            for _ in range(3):
                answer = running.ask(f"{VODAFONE}&age=0").variables
                assert "23415" == answer["CARRIER_MCCMNC"]


def order(provider: Running, what: dict[str, object]) -> None:
    url = provider.url.replace("/npl", "/_sandbox/fault")
    httpx.post(url, json=what, trust_env=False).raise_for_status()


def test_a_reload_of_the_provider_keeps_to_the_accounts_connections(site: Site) -> None:
    """Old and new settings are of one account: together they use its one connection."""
    with sandbox(site.directory) as provider:
        site.path.write_text(
            re.sub(r'url = ".*"', f'url = "{provider.url}"', site.path.read_text())
        )
        order(provider, {"fault": "slow:200"})
        with service(site) as running, ThreadPoolExecutor(4) as callers:
            for timeout in (690, 680):
                calls = [
                    callers.submit(running.ask, f"0778845{timeout}{index}") for index in range(4)
                ]
                order(provider, {"fault": "slow:200"})
                text = re.sub(r"timeout_ms = .*\n", "", site.path.read_text())
                site.path.write_text(text + f"timeout_ms = {timeout}\n")
                running.process.send_signal(signal.SIGHUP)
                for call in calls:
                    assert call.result().committed
            running.wait_for_log('"event":"reloaded"', times=2)
        url = provider.url.replace("/npl", "/_sandbox")
        seen = httpx.get(url, trust_env=False).json()
        assert (0, 1) == (seen["refused"], seen["high_water"])


@pytest.mark.parametrize(
    "setting", ['url = "http://127.0.0.1:99999/npl"', "economy = false", 'url = "http://[::1/x"']
)
def test_a_provider_that_cannot_be_is_a_fault_at_its_line(site: Site, setting: str) -> None:
    """And a reload with it changes nothing."""
    with service(site) as running:
        good = site.path.read_text()
        name = setting.partition(" ")[0]
        bad = re.sub(r'url = ".*"', setting, good) if name == "url" else good + setting + "\n"
        site.path.write_text(bad)
        running.process.send_signal(signal.SIGHUP)
        running.wait_for_log('"event":"reload_refused"')
        assert "23415" == running.ask(VODAFONE).variables["CARRIER_MCCMNC"]
    done = subprocess.run(
        [*PROGRAM, "--config", str(site.path), "serve"],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert 2 == done.returncode
    line = 1 + next(i for i, text in enumerate(bad.splitlines()) if setting in text)
    assert f"dialdip.toml:{line}:1: " in done.stderr


def test_health_is_asked_over_the_same_port(site: Site) -> None:
    with service(site) as running:
        answer = ask(running.agi, "health", uniqueid="1.1")
        assert {"CARRIER_HEALTH": "ok"} == answer.variables


def test_refusals_are_counted_and_each_kind_logged_once(site: Site) -> None:
    with service(site) as running:
        for _ in range(3):
            for query in ("h", "i", "t", "T", "44&PJSIP/x"):
                assert not running.ask(query).committed
        running.wait_for_log('"kind":"misrouted_pattern"')
        running.wait_for_log('"kind":"bad-url"')
        report = status(site)
        assert {"misrouted_pattern": 12, "bad-url": 3} == report["refused"]
        assert 1 == running.log().count('"kind":"misrouted_pattern"')
        assert 1 == running.log().count('"kind":"bad-url"')


FORGED_TAIL = (
    b"x\nagi_context: c\nagi_extension: s\nagi_priority: 1\nagi_enhanced: 0.0\n"
    b"agi_accountcode: \nagi_threadid: 1\nagi_arg_1: 31337\n\n"
)


@pytest.mark.parametrize(
    ("wire", "kind"),
    [
        (environment("route?n=447\n\n200 result=1 (TRUSTED)"), "trailing-bytes"),
        (environment(callerid=b"100\nagi_arg_1: EVIL"), "unknown-order"),
        (environment(rdnis=FORGED_TAIL), "trailing-bytes"),
        (environment(name=b"a\x00b"), "nul"),
        (b"GET / HTTP/1.1\r\n\r\n", "not-agi"),
    ],
    ids=["A1", "A2", "Diversion", "NUL", "HTTP"],
)
def test_an_injection_is_refused_without_commit_counted_and_logged_once(
    site: Site, wire: bytes, kind: str
) -> None:
    with service(site) as running:
        host, port = running.agi.removeprefix("agi://").split(":")
        for _ in range(3):
            with socket.create_connection((host, int(port))) as sock:
                sock.sendall(wire)
                with contextlib.suppress(ConnectionResetError):
                    assert b"" == sock.recv(4096)
        running.wait_for_log(f'"kind":"{kind}"')
        assert running.ask(VODAFONE).committed
        report = status(site)
        assert {kind: 3} == report["refused"]
        assert 1 == running.log().count(f'"kind":"{kind}"')


def descriptors(site: Site) -> int:
    """Return how many all processes of the service hold, but for those that ask them."""
    pids = [one["pid"] for one in status(site)["processes"]]
    return sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in pids)


def test_f9_two_hundred_calls_of_an_asterisk_that_died_leave_nothing(site: Site) -> None:
    """F9: every session ends at once; the descriptors are back where they were."""
    with service(site) as running:
        running.ask(VODAFONE)
        noc = ipc.path_of(site.state, "noc")
        until = time.monotonic() + 30.0
        # The files of the journal, the router's line to noc, and noc's to the others stay open.
        journal = site.state / "journal"
        while not (list(journal.glob("*-wal")) and ipc.ask(noc, "status")["told"]):
            assert time.monotonic() < until
            time.sleep(0.01)
        ipc.ask(noc, "overview")
        before = descriptors(site)
        host, port = running.agi.removeprefix("agi://").split(":")
        calls = [socket.create_connection((host, int(port))) for _ in range(200)]
        for call in calls:
            call.sendall(environment("route?n=07720123102"))  # the provider hangs on it
        for call in calls:
            call.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
            call.close()
        until = time.monotonic() + 1.0
        while not status(site)["service"]["connections"].startswith("0 of"):
            assert time.monotonic() < until
        # The provider's connection goes last: what was asked is read to its end, twice 0.8 s.
        until = time.monotonic() + 30.0
        while descriptors(site) > before:
            assert time.monotonic() < until
            time.sleep(0.01)
        assert '"level":"error"' not in running.log()


def refused(host: str, port: int, until: float) -> bool:
    while time.monotonic() < until:
        try:
            socket.create_connection((host, port)).close()
        except ConnectionRefusedError:
            return True
    return False


def test_while_a_call_drains_new_ones_are_refused_at_once_and_not_left_waiting(site: Site) -> None:
    with service(site) as running:
        host, port = running.agi.removeprefix("agi://").split(":")
        with socket.create_connection((host, int(port))) as call:
            call.sendall(environment("route?n=07720123102"))  # the provider hangs on it
            until = time.monotonic() + 0.5
            while not status(site)["service"]["connections"].startswith("1 of"):
                assert time.monotonic() < until
            running.process.send_signal(signal.SIGTERM)
            assert refused(host, int(port), until)
            assert ([], [], []) == select.select([call], [], [], 0)
            assert b"CARRIER_COMMIT" in call.recv(65_536)
            call.sendall(b"200 result=1\n")
        assert 0 == running.stop()


def test_a_guard_that_is_not_above_the_deadline_is_warned_of_once(site: Site) -> None:
    with service(site) as running:
        for _ in range(2):
            assert running.ask(f"{VODAFONE}&g=800").committed
        assert running.ask(f"{VODAFONE}&g=801").committed
        running.wait_for_log('"event":"call"', times=3)
        assert 1 == running.log().count("guard_not_above_deadline")


def test_what_a_reload_does_not_reach_is_said(site: Site) -> None:
    with service(site) as running:
        text = site.path.read_text()
        site.path.write_text(text.replace("workers = 1", "workers = 2\ndeadline_ms = 700"))
        running.process.send_signal(signal.SIGHUP)
        running.wait_for_log('"event":"reloaded"')
        assert '"event":"restart_needed","section":"fastagi"' in running.log()


def test_a_reload_switches_and_a_bad_one_changes_nothing(site: Site) -> None:
    with service(site) as running:
        first = running.ask(VODAFONE).variables["CARRIER_TABLE"]
        routes = site.tables / "routes.csv"
        good = routes.read_text()
        routes.write_text(good.replace("vodafone > transit", "o2 > transit"))
        running.process.send_signal(signal.SIGHUP)
        running.wait_for_log('"event":"reloaded"')
        second = running.ask(VODAFONE).variables
        assert "o2" == second["CARRIER_TRUNK_1"]
        assert first != second["CARRIER_TABLE"]
        routes.write_text(good.replace("transit\n", "nowhere\n"))
        running.process.send_signal(signal.SIGHUP)
        running.wait_for_log('"event":"reload_refused"')
        assert second["CARRIER_TABLE"] == running.ask(VODAFONE).variables["CARRIER_TABLE"]
        assert "routes.csv:" in running.log()
        routes.write_text(good)
        site.path.write_text(site.path.read_text() + "\nunknown_key = 1\n")
        running.process.send_signal(signal.SIGHUP)
        running.wait_for_log('"event":"reload_refused"', times=2)
        assert second["CARRIER_TABLE"] == running.ask(VODAFONE).variables["CARRIER_TABLE"]


def test_a_reload_may_change_the_provider(site: Site, tmp_path: Path) -> None:
    with service(site) as running:
        assert "ok" == running.ask(VODAFONE).variables["CARRIER_REASON"]
        site.path.write_text(site.path.read_text().replace('password = "demo"', 'password = "x"'))
        running.process.send_signal(signal.SIGHUP)
        running.wait_for_log('"event":"dipper_reloaded"')
        assert "memory" == running.ask(VODAFONE).variables["CARRIER_SOURCE"]
        assert "err-other" == running.ask(PORTED).variables["CARRIER_REASON"]
        running.wait_for_log('"outcome":"account"')
    assert tmp_path


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("dialdip.toml", "[fastagi]\nport = 1\n", "dialdip.toml:2:1: fastagi.port: unknown key"),
        ("tables/routes.csv", "rule,trunks\nx,nowhere\n", "routes.csv:2:"),
    ],
)
def test_a_faulty_file_at_start_is_exit_2_with_its_place(
    site: Site, name: str, text: str, says: str
) -> None:
    (site.directory / name).write_text(text)
    done = subprocess.run(
        [*PROGRAM, "--config", str(site.path), "serve"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert 2 == done.returncode
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_a_taken_port_is_exit_2_and_says_so(site: Site) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        site.path.write_text(site.path.read_text().replace("127.0.0.1:0", f"127.0.0.1:{port}"))
        done = subprocess.run(
            [*PROGRAM, "--config", str(site.path), "serve"],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    assert 2 == done.returncode
    assert f"listen = 127.0.0.1:{port}: Address already in use" in done.stderr


def test_a_caller_who_leaves_warms_the_cache_for_the_next(site: Site) -> None:
    """F8: HANGUP during the lookup; the answer is kept, the log holds no error."""
    slow = "07720123100"  # 400 ms in the sandbox
    with service(site) as running:
        host, port = running.agi.removeprefix("agi://").split(":")
        with socket.create_connection((host, int(port))) as sock:
            sock.sendall(environment(f"route?n={slow}") + b"")
            sock.sendall(b"HANGUP\n")
            assert b"" == sock.recv(100)
        answer = running.ask(slow)
        assert ("23415", "ok") == (
            answer.variables["CARRIER_MCCMNC"],
            answer.variables["CARRIER_REASON"],
        )
        assert '"level":"error"' not in running.log()


def test_no_number_and_no_secret_is_in_the_log(site: Site) -> None:
    with service(site) as running:
        for number in (VODAFONE, PORTED, ERR1, "07720123106", "07720123107", "0778845"):
            running.ask(f"{number}&f=442079460123")
        running.wait_for_log('"event":"call"', times=6)
        for secret in ("7788450450", "7703100200", "7973100100", "772012310", "2079460123", "demo"):
            assert secret not in running.log()


def test_sigterm_ends_it_cleanly(site: Site) -> None:
    with service(site) as running:
        running.ask(VODAFONE)
        assert 0 == running.stop()
        assert '"event":"stopped"' in running.log()
        assert [] == list((site.directory / "state" / "run").glob("*.sock"))


def test_every_address_of_the_socket_unit_is_served(site: Site) -> None:
    """A drop-in with a second ListenStream: calls there must not be swallowed."""
    with socket.socket() as one, socket.socket() as two:
        for sock in (one, two):
            sock.bind(("127.0.0.1", 0))
            sock.listen()
        script = site.directory / "inherit.py"
        script.write_text(INHERITING)
        shell = f'exec 8<&{one.fileno()} 9<&{two.fileno()}; exec 3<&8 4<&9; exec "$@"'
        process = subprocess.Popen(
            ["bash", "-c", shell, "-", sys.executable, str(script), "--config", str(site.path),
             "serve"],
            env={**os.environ, "LISTEN_FDS": "2"},
            pass_fds=[one.fileno(), two.fileno()],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            assert process.stdout is not None
            assert b"ready" in process.stdout.readline()
            for sock in (one, two):
                url = "agi://{}:{}".format(*sock.getsockname())
                assert ask(url, f"route?n={VODAFONE}", uniqueid="1.1").committed
            process.stdout.close()
        finally:
            process.terminate()
            process.wait(15)


INHERITING = """
import os, sys
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.executable, [sys.executable, "-m", "agi", *sys.argv[1:]])
"""


def test_under_systemd_it_takes_the_socket_says_ready_and_feeds_the_watchdog(site: Site) -> None:
    """The protocol of systemd, spoken by a stand-in: socket at 3, notify datagrams, watchdog."""
    notify = site.directory / "notify"
    with (
        socket.socket() as sock,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager,
    ):
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        manager.bind(str(notify))
        manager.settimeout(15)
        script = site.directory / "inherit.py"
        script.write_text(INHERITING)
        process = subprocess.Popen(
            ["bash", "-c", f'exec 3<&{sock.fileno()}; exec "$@"', "-", sys.executable,
             str(script), "--config", str(site.path), "serve"],
            env={**os.environ, "LISTEN_FDS": "1", "NOTIFY_SOCKET": str(notify),
                 "WATCHDOG_USEC": "200000"},
            pass_fds=[sock.fileno()],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            assert b"READY=1" == manager.recv(100)
            assert [b"WATCHDOG=1"] * 3 == [manager.recv(100) for _ in range(3)]
            host, port = sock.getsockname()
            assert ask(f"agi://{host}:{port}", f"route?n={VODAFONE}", uniqueid="1.1").committed
            process.terminate()
            while (state := manager.recv(100)) != b"STOPPING=1":
                assert b"WATCHDOG=1" == state
            assert 0 == process.wait(15)
        finally:
            process.kill()
            process.wait(5)


def test_the_soft_limit_of_descriptors_is_raised_and_calls_stay_below(site: Site) -> None:
    with service(site):
        report = status(site)
        limit = int(report["service"]["connections"].split()[-1])
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        assert limit < min(hard, 65_536)


def test_the_log_is_json_lines(site: Site) -> None:
    with service(site) as running:
        running.ask(VODAFONE)
        running.wait_for_log('"event":"call"')
        lines = [json.loads(line) for line in running.log().splitlines()]
        call = next(line for line in lines if line["event"] == "call")
        assert "0778*****50" == call["number"]
        assert "committed" == call["ending"]
