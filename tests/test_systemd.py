"""systemd's side: sockets, readiness, the watchdog, and the shipped units."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from agi import shipped, systemd

# Run as a service would be: descriptor 3 is a listening socket, LISTEN_PID is this process.
CHILD = """
import os
os.environ["LISTEN_PID"] = str(os.getpid())
from agi.systemd import inherited
sockets = inherited(os.environ)
print(len(sockets), sockets[0].getsockname()[1], os.get_inheritable(sockets[0].fileno()))
"""


def test_a_listening_socket_is_inherited() -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        shell = f"exec 3<&{sock.fileno()}; exec {sys.executable} -c '{CHILD}'"
        done = subprocess.run(
            ["bash", "-c", shell],
            env={**os.environ, "LISTEN_FDS": "1"},
            pass_fds=[sock.fileno()],
            capture_output=True,
            text=True,
            check=True,
        )
        assert f"1 {sock.getsockname()[1]} False" == done.stdout.strip()


def test_sockets_for_another_process_are_left_alone() -> None:
    assert [] == systemd.inherited({"LISTEN_PID": "1", "LISTEN_FDS": "1"})
    assert [] == systemd.inherited({})


@pytest.mark.parametrize("abstract", [False, True])
def test_readiness_is_one_datagram(tmp_path: Path, *, abstract: bool) -> None:
    name = f"\0dialdip-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(name)
        shown = name.replace("\0", "@")
        assert systemd.notify({"NOTIFY_SOCKET": shown}, "READY=1", "STATUS=x")
        assert b"READY=1\nSTATUS=x" == manager.recv(100)


def test_without_a_manager_nobody_is_told() -> None:
    assert not systemd.notify({}, "READY=1")


def test_the_watchdog_is_fed_at_half_its_time() -> None:
    assert 2.5 == systemd.watchdog_s({"WATCHDOG_USEC": "5000000"})
    mine = {"WATCHDOG_USEC": "5000000", "WATCHDOG_PID": str(os.getpid())}
    assert 2.5 == systemd.watchdog_s(mine)
    assert systemd.watchdog_s({"WATCHDOG_USEC": "5000000", "WATCHDOG_PID": "1"}) is None
    assert systemd.watchdog_s({}) is None


needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None and os.environ.get("CI") != "true",
    reason="needs systemd-analyze (Debian package systemd)",
)


def units(suffix: str) -> list[str]:
    return sorted(path.name for path in shipped.directory("systemd").glob(f"*{suffix}"))


def settings(name: str, key: str) -> list[str]:
    """Return the values of one key of a unit, in their order."""
    lines = (shipped.directory("systemd") / name).read_text().splitlines()
    return [line.removeprefix(f"{key}=") for line in lines if line.startswith(f"{key}=")]


@needs_systemd
@pytest.mark.parametrize("name", units(".service"))
def test_a_service_is_hardened_to_an_exposure_of_1_5_at_most(name: str) -> None:
    unit = shipped.directory("systemd") / name
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=15", "--no-pager", unit],
        capture_output=True,
        text=True,
        check=False,
    )
    assert 0 == done.returncode, done.stdout[-300:] + done.stderr
    assert "Overall exposure level" in done.stdout


@needs_systemd
def test_the_units_are_understood_by_systemd(tmp_path: Path) -> None:
    """A copy whose program exists, since verify insists on it."""
    source = shipped.directory("systemd")
    for name in units(""):
        text = (source / name).read_text().replace("/opt/dialdip/bin/dialdip", "/bin/true")
        (tmp_path / name).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", *sorted(map(str, tmp_path.iterdir()))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "dialdip" not in done.stderr, done.stderr


def test_only_who_asks_providers_is_given_their_passwords() -> None:
    holders = {name for name in units(".service") if settings(name, "LoadCredential")}
    assert {"dialdip-agi.service", "dialdip-dipper.service"} == holders


def test_a_socket_starts_a_service_that_takes_it() -> None:
    """Else systemd would start a second way to run with the first call of a running one."""
    for name in units(".socket"):
        named = settings(name, "Service") or [name.replace(".socket", ".service")]
        taker = named[0].replace("@0.", "@.")
        takes = settings(taker, "Sockets") or [taker.replace(".service", ".socket")]
        assert [name] == takes


def test_both_ways_to_run_open_one_port_and_exclude_each_other() -> None:
    assert ["dialdip-agi.socket", "dialdip-router.socket"] == units(".socket")
    ports = {tuple(settings(name, "ListenStream")) for name in units(".socket")}
    assert {("127.0.0.1:4573",)} == ports
    assert "dialdip-router.socket" in settings("dialdip-agi.socket", "Conflicts")[0]
    parts = ("dialdip-router@.service", "dialdip-dipper.service", "dialdip-noc.service")
    for name in (*parts, "dialdip.target"):
        assert "dialdip-agi.service" in settings(name, "Conflicts")[0].split()


def test_the_target_wants_every_process_and_the_simple_way_excludes_them() -> None:
    wanted = " ".join(settings("dialdip.target", "Wants")).split()
    assert {"dialdip-dipper.service", "dialdip-noc.service", "dialdip-router@0.service"} < set(
        wanted
    )
    excluded = settings("dialdip-agi.service", "Conflicts")[0].split()
    assert {"dialdip-dipper.service", "dialdip-noc.service", "dialdip.target"} < set(excluded)


def test_nobody_waits_for_noc_and_it_goes_first_when_memory_is_short() -> None:
    for name in units(".service"):
        assert "dialdip-noc.service" not in " ".join(settings(name, "Requires"))
    scores = {name: int(settings(name, "OOMScoreAdjust")[0]) for name in units(".service")}
    assert "dialdip-noc.service" == max(scores, key=lambda name: scores[name])


def test_all_services_share_one_state_directory_as_one_user() -> None:
    for name in units(".service"):
        assert ["yes"] == settings(name, "DynamicUser")
        assert ["dialdip"] == settings(name, "User")
        assert ["dialdip"] == settings(name, "StateDirectory")
