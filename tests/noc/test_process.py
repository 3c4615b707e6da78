"""noc as people and routers have it: a real service, its port, its verbs, killed and restarted."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from agi import ipc
from agi.asking import Service
from agi.errors import UsageError
from agi.fastagi.client import Told
from agi.routing.versions.store import Store
from tests.ami.manager import PASSWORD, Manager, Session, usual
from tests.cli.test_cli import dialdip
from tests.service import Running, Site, service, started

NUMBER = "07788450450"
TWO = {
    "trunks.csv": "trunk,endpoint\nuk-a,ep-a\nuk-b,ep-b\n",
    "routes.csv": "rule,trunks\ndefault,uk-a > uk-b\n",
}


def web(running: Running) -> str:
    found = re.search(r"web=(\S+)", running.first_line)
    assert found, running.first_line
    return found[1]


def get(address: str, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read().decode()


def until(true: Callable[[], object], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)  # or it takes a core from those it waits for


def of_noc(site: Site) -> dict[str, Any]:
    return dict(ipc.ask(Service(site.state).noc, "status"))


def states(site: Site) -> dict[str, tuple[str, bool]]:
    told = ipc.ask(Service(site.state).noc, "trunks")["trunks"]
    return {one["trunk"]: (one["state"], one["pinned"]) for one in told}


def first_trunks(running: Running, calls: int = 6) -> set[str]:
    return {running.ask(NUMBER).variables["CARRIER_TRUNK_1"] for _ in range(calls)}


def verb(site: Site, *arguments: str) -> Any:
    return dialdip("--config", str(site.path), *arguments)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site(tmp_path_factory.mktemp("site"), workers=2, files=TWO).write()


@pytest.fixture(scope="module")
def running(site: Site) -> Iterator[Running]:
    with service(site) as begun:
        yield begun


def test_without_an_asterisk_it_is_alive_ready_and_measured(running: Running) -> None:
    assert (200, "ok\n") == get(web(running), "/healthz")
    assert (200, "ok\n") == get(web(running), "/readyz")
    running.ask(NUMBER)
    status, text = get(web(running), "/metrics")
    assert 200 == status
    assert "dialdip_calls_total{" in text
    assert 404 == get(web(running), "/v1/route")[0]


def test_every_call_that_was_answered_is_told_to_noc(site: Site, running: Running) -> None:
    for _ in range(10):
        assert running.ask(NUMBER).committed

    def calls() -> int:  # those of the tests before, too; one is counted just after its answer
        return int(Service(site.state).status()["service"]["calls"])

    until(lambda: of_noc(site)["told"] == calls() >= 10)
    assert 2 == of_noc(site)["routers"]


def test_every_call_answered_before_a_scrape_is_in_it(running: Running) -> None:
    def counted() -> float:
        text = get(web(running), "/metrics")[1]
        return sum(float(n) for n in re.findall(r"(?m)^dialdip_calls_total\{.*\} (\S+)$", text))

    before = counted()
    for _ in range(7):
        running.ask(NUMBER)
    assert before + 7 == counted()


@pytest.mark.usefixtures("running")
def test_the_overview_is_one_document(site: Site) -> None:
    told = ipc.ask(Service(site.state).noc, "overview")
    assert [] == told["troubles"], told["troubles"]
    assert {"uk-a", "uk-b"} == {one["trunk"] for one in told["trunks"]}


# ---- verbs -------------------------------------------------------------------------------


@pytest.mark.usefixtures("running")
def test_trunk_shows_how_every_trunk_stands(site: Site) -> None:
    done = verb(site, "trunk")
    assert 0 == done.returncode, done.stderr
    assert ["uk-a", "uk-b"] == [line.split()[0] for line in done.stdout.splitlines()[1:3]]
    told = json.loads(verb(site, "trunk", "--json").stdout)
    assert ["up", "up"] == [one["state"] for one in told["trunks"]]


@pytest.fixture
def unpinned(site: Site) -> Iterator[None]:
    """Whatever a test pins of the service that all share, its end takes down."""
    yield
    ipc.ask(Service(site.state).noc, "trunk_unpin", trunk="uk-a", why="the test is over")
    ipc.ask(Service(site.state).noc, "ladder_unpin", why="the test is over")


@pytest.mark.usefixtures("unpinned")
def test_a_trunk_pinned_down_gets_no_first_call_any_more(site: Site, running: Running) -> None:
    assert {"ep-a"} == first_trunks(running)
    done = verb(site, "trunk", "down", "uk-a", "--for", "30m", "--why", "the carrier's mast")
    assert (0, "uk-a is pinned down for 30m\n") == (done.returncode, done.stdout), done.stderr
    until(lambda: first_trunks(running) == {"ep-b"})  # within 50 ms, on a machine at rest
    assert ("down", True) == states(site)["uk-a"]
    # 29m and some seconds; 30m within the first half second.
    assert re.search(r"pinned, (30m|29m [0-9]+s) more", verb(site, "trunk").stdout)
    hints = Service(site.state).status()["hints"]
    assert ["trunk uk-a is pinned down: the carrier's mast"] == hints
    line = Store(site.state).history()[-1]
    assert ("pinned", os.getuid(), "the carrier's mast") == (line.action, line.uid, line.why)
    assert line.what.startswith("trunk uk-a down until 2")
    done = verb(site, "trunk", "auto", "uk-a", "--why", "mended")
    assert 0 == done.returncode, done.stderr
    until(lambda: first_trunks(running) == {"ep-a"})
    assert ("unpinned", "trunk uk-a") == (
        (last := Store(site.state).history()[-1]).action,
        last.what,
    )
    assert "nothing was pinned there\n" == verb(site, "trunk", "auto", "uk-a", "--why", "x").stdout
    assert [] == Store(site.state).verify()


@pytest.mark.usefixtures("unpinned")
def test_the_ladder_is_pinned_for_a_while_and_shown(site: Site, running: Running) -> None:
    assert "live" in verb(site, "pin").stdout
    done = verb(site, "pin", "default", "--for", "10m", "--why", "wrong answers")
    assert "the ladder is pinned at default for 10m\n" == done.stdout, done.stderr
    again = verb(site, "pin", "default", "--for", "10m", "--why", "wrong answers", "--json")
    assert {"changed": True, "alarms": []} == json.loads(again.stdout)
    until(lambda: running.ask(NUMBER).variables["CARRIER_SOURCE"] == "default")
    shown = verb(site, "pin").stdout
    assert "pinned at default" in shown
    assert "wrong answers" in shown
    until(
        lambda: (
            [3, 3]
            == [one["level"] for one in json.loads(verb(site, "pin", "--json").stdout)["routers"]]
        )
    )
    assert 0 == verb(site, "pin", "auto", "--why", "right again").returncode
    assert json.loads(verb(site, "pin", "--json").stdout)["pin"] is None
    assert ["unpinned", "level"] == [
        (line := Store(site.state).history()[-1]).action,
        line.what,
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("trunk down nobody --for 30m --why x", 'no trunk is named "nobody"'),
        ("trunk auto nobody --why x", 'no trunk is named "nobody"'),
        ("trunk down uk-a --for 30 --why x", "--for: give a number and s, m, h or d"),
        ("trunk down uk-a --for 8d --why x", "at most 7d"),
        ("trunk down uk-a --for 30m", "--why"),
        ("trunk down uk-a --why x", "--for"),
        ("trunk sideways uk-a --for 30m --why x", "sideways"),
        ("pin cache --for 10m", "--why"),
        ("pin cache --why x", "--for"),
        ("pin mud --for 10m --why x", "live, cache, range, default"),
        ("pin --why x", "LEVEL"),
        ("pin auto --for 10m --why x", "--for"),
    ],
)
@pytest.mark.usefixtures("running")
def test_what_cannot_be_pinned_is_one_line_and_exit_2(
    site: Site, arguments: str, words: str
) -> None:
    done = verb(site, *arguments.split())
    assert 2 == done.returncode
    assert 1 == len(done.stderr.splitlines()), done.stderr
    assert words in done.stderr
    assert {("up", False)} == set(states(site).values())


@pytest.mark.usefixtures("running")
def test_a_reason_that_does_not_print_is_refused(site: Site) -> None:
    done = verb(site, "trunk", "down", "uk-a", "--for", "30m", "--why", "a\x1b[31m")
    assert 2 == done.returncode
    assert "do not print" in done.stderr


@pytest.mark.parametrize(
    "asked",
    [
        {"op": "trunk_pin", "trunk": "uk-a", "state": "sideways", "seconds": 60, "why": "x"},
        {"op": "trunk_pin", "trunk": "uk-a", "state": "down", "seconds": "60", "why": "x"},
        {"op": "trunk_pin", "trunk": "uk-a", "state": "down", "seconds": True, "why": "x"},
        {"op": "trunk_pin", "trunk": "uk-a", "state": "down", "seconds": 604_801, "why": "x"},
        {"op": "trunk_pin", "trunk": "uk-a", "state": "down", "seconds": -1, "why": "x"},
        {"op": "trunk_pin", "trunk": "uk-a", "state": "down", "seconds": 60, "why": " "},
        {"op": "ladder_pin", "level": "mud", "seconds": 60, "why": "x"},
        {"op": "ladder_unpin"},
    ],
)
@pytest.mark.usefixtures("running")
def test_the_socket_refuses_what_the_verbs_would_not_ask(site: Site, asked: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        ipc.ask(Service(site.state).noc, asked.pop("op"), **asked)


def test_without_a_service_the_verbs_say_so_and_exit_3(tmp_path: Path) -> None:
    lonely = Site(tmp_path, files=TWO).write()
    for arguments in ("trunk", "pin", "trunk down uk-a --for 1m --why x"):
        done = verb(lonely, *arguments.split())
        assert 3 == done.returncode
        assert 1 == len(done.stderr.splitlines())


# ---- killed, restarted, in the way -------------------------------------------------------


def test_pins_outlive_a_kill_of_everything_and_end_by_their_time(tmp_path: Path) -> None:
    site = Site(tmp_path, files=TWO).write()
    with service(site) as running:
        assert 0 == verb(site, "trunk", "down", "uk-a", "--for", "1h", "--why", "x").returncode
        pids = [one["pid"] for one in Service(site.state).status()["processes"]]
        for pid in (running.process.pid, *pids):
            os.kill(pid, signal.SIGSTOP)
        for pid in (running.process.pid, *pids):
            os.kill(pid, signal.SIGKILL)
        running.process.wait(10)
    with service(site) as running:
        assert {"ep-b"} == first_trunks(running)  # from the very first call on
        assert ("down", True) == states(site)["uk-a"]
    held = json.loads((site.state / "pins.json").read_text())
    held["trunks"]["uk-a"]["until"] = time.time() - 1
    (site.state / "pins.json").write_text(json.dumps(held))
    with service(site) as running:
        assert {"ep-a"} == first_trunks(running)


def test_calls_go_on_without_noc_and_the_next_one_knows_them_all(tmp_path: Path) -> None:
    site = Site(tmp_path, files=TWO).write()
    with service(site) as running:
        for _ in range(3):
            running.ask(NUMBER)
        until(lambda: of_noc(site)["told"] == 3)
        running.process.send_signal(signal.SIGSTOP)  # or it would begin another at once
        try:
            os.kill(of_noc(site)["pid"], signal.SIGKILL)
            for _ in range(4):
                assert running.ask(NUMBER).committed
            troubles = Service(site.state).status()["troubles"]
            assert any(one.startswith("no noc runs") for one in troubles), troubles
        finally:
            running.process.send_signal(signal.SIGCONT)
        until(lambda: ipc.alive(Service(site.state).noc))
        until(lambda: of_noc(site)["told"] == 7)
        until(lambda: of_noc(site)["web"] != "off")
        text = get(of_noc(site)["web"], "/metrics")[1]
        counts = re.findall(r"(?m)^dialdip_calls_total\{.*\} (\S+)$", text)
        assert 7 == sum(map(float, counts))


def test_a_port_that_is_taken_costs_the_metrics_until_it_is_free(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        site = Site(tmp_path, files=TWO).write()
        text = site.path.read_text()
        site.path.write_text(
            text.replace('[web]\nlisten = "127.0.0.1:0"', f'[web]\nlisten = "127.0.0.1:{port}"')
        )
        with service(site) as running:
            assert "off" == web(running)
            assert running.ask(NUMBER).committed
            troubles = Service(site.state).status()["troubles"]
            assert [
                f"no metrics: [web] listen = 127.0.0.1:{port}: Address already in use"
            ] == troubles
            taken.close()
            running.wait_for_log('"event":"port_for_people"')
            assert 200 == get(f"127.0.0.1:{port}", "/healthz")[0]
            assert [] == Service(site.state).status()["troubles"]


def test_noc_alone_is_alive_and_not_ready(tmp_path: Path) -> None:
    site = Site(tmp_path, files=TWO).write()
    with started(site.directory, "--config", str(site.path), "run", "noc") as running:
        assert running.first_line.startswith("ready noc web=127.0.0.1:")
        assert 200 == get(web(running), "/healthz")[0]
        status, text = get(web(running), "/readyz")
        assert 503 == status
        assert 503 == json.loads(text)["status"]
        assert 200 == get(web(running), "/metrics")[0]
        assert 2 == dialdip("--config", str(site.path), "run", "noc", "--index", "1").returncode


def test_activations_and_reloads_reach_noc(tmp_path: Path) -> None:
    site = Site(tmp_path, files=TWO).write()
    with service(site) as running:
        first = of_noc(site)["table"]
        (site.tables / "trunks.csv").write_text("trunk,endpoint\nuk-a,ep-a\nuk-b,ep-b\nuk-c,ep-c\n")
        done = verb(site, "table", "activate", "--yes", "--why", "a third")
        assert 0 == done.returncode, done.stderr
        assert {"uk-a", "uk-b", "uk-c"} == set(states(site))
        assert first != of_noc(site)["table"]
        (site.tables / "trunks.csv").write_text(TWO["trunks.csv"])
        assert 0 == verb(site, "reload").returncode
        assert {"uk-a", "uk-b"} == set(states(site))
        (site.tables / "trunks.csv").write_text("trunk\n")
        running.process.send_signal(signal.SIGHUP)
        running.wait_for_log('"event":"noc_reload_refused"')
        assert {"uk-a", "uk-b"} == set(states(site))
        (site.tables / "trunks.csv").write_text(TWO["trunks.csv"])
        site.path.write_text(site.path.read_text() + "[health]\ndown_row = 7\n")
        done = verb(site, "reload")
        assert "[health] has changed and is in force only after a restart" in done.stdout


def test_damaged_pins_are_said_and_hold_nobody_up(tmp_path: Path) -> None:
    site = Site(tmp_path, files=TWO).write()
    site.state.mkdir(mode=0o700)
    (site.state / "pins.json").write_text("{")
    with service(site) as running:
        assert {"ep-a"} == first_trunks(running)
        troubles = Service(site.state).status()["troubles"]
        assert any("pins.json: damaged" in one for one in troubles), troubles
        assert 0 == verb(site, "trunk", "down", "uk-a", "--for", "1h", "--why", "x").returncode
        assert [] == [one for one in Service(site.state).status()["troubles"] if "pins" in one]


def test_a_pin_that_cannot_be_kept_is_in_force_and_says_so(tmp_path: Path) -> None:
    site = Site(tmp_path, files=TWO).write()
    with service(site) as running:
        (site.state / "pins.json").mkdir()
        done = verb(site, "trunk", "down", "uk-a", "--for", "1h", "--why", "x")
        assert 0 == done.returncode
        assert "the pins in force are not kept" in done.stderr
        until(lambda: first_trunks(running) == {"ep-b"})
        assert any("not kept" in one for one in Service(site.state).status()["troubles"])


# ---- a PBX -------------------------------------------------------------------------------


def with_pbx(directory: Path, port: int, password: str = PASSWORD) -> Site:
    pbx = (
        f'[[asterisk]]\nname = "pbx1"\nport = {port}\nusername = "dialdip"\n'
        'password = { file = "ami" }\n'
    )
    (directory / "ami").write_text(password)
    return Site(directory, workers=2, files=TWO, extra=pbx).write()


def test_a_lost_password_of_a_pbx_is_said_before_anything_starts(tmp_path: Path) -> None:
    site = with_pbx(tmp_path, 1)
    (tmp_path / "ami").unlink()
    done = dialdip("--config", str(site.path), "serve")
    assert 2 == done.returncode
    assert "ami: cannot be read" in done.stderr
    assert "" == done.stdout


def test_a_pbx_that_is_not_there_is_a_trouble_and_nothing_else(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    site = with_pbx(tmp_path, port)
    with service(site) as running:
        assert running.ask(NUMBER).committed
        troubles = Service(site.state).status()["troubles"]
        assert 1 == len(troubles)
        assert troubles[0].startswith("Asterisk pbx1 is not heard")
        refused = "Asterisk pbx1 is not heard: not connected: Connection refused"
        until(lambda: [refused] == Service(site.state).status()["troubles"])
        assert refused == verb(site, "trunk").stdout.splitlines()[0]
        assert 200 == get(web(running), "/healthz")[0]
        assert PASSWORD not in running.log()


SNAPSHOT = (
    *("Channel", "ChannelState", "ChannelStateDesc", "CallerIDNum", "CallerIDName"),
    *("ConnectedLineNum", "ConnectedLineName", "Language", "AccountCode", "Context"),
    *("Exten", "Priority", "Uniqueid", "Linkedid"),
)


def snapshot(channel: str, unique: str, linked: str, prefix: str = "") -> list[str]:
    """Return one channel's headers, in Asterisk's order."""
    known = {"Channel": channel, "Uniqueid": unique, "Linkedid": linked, "ChannelState": "6"}
    return [f"{prefix}{name}: {known.get(name, 'x')}" for name in SNAPSHOT]


def event(name: str, privilege: str, *rest: str) -> bytes:
    return "\r\n".join((f"Event: {name}", f"Privilege: {privilege},all", *rest)).encode()


def attempt(
    told: Told, unique: str, number: int, *, index: int = 1, cause: int = 34
) -> list[bytes]:
    """Return what Asterisk says of one attempt that the trunk refuses with 503."""
    endpoint = told.variables[f"CARRIER_TRUNK_{index}"]
    caller = snapshot(f"PJSIP/phone-{number:08x}", unique, unique)
    channel, dest = f"PJSIP/{endpoint}-{number:08x}", f"{unique}.{index}"
    other = snapshot(channel, dest, unique, "Dest")
    return [
        event("DialBegin", "call", *caller, *other, f"DialString: {endpoint}"),
        event("DialEnd", "call", *caller, *other, "DialStatus: CONGESTION"),
        event(
            "Hangup", "call", *snapshot(channel, dest, unique), f"Cause: {cause}", "Cause-txt: x"
        ),
        event(
            "UserEvent", "user", *caller, "UserEvent: CarrierAttempt",
            f"ID: {told.variables['CARRIER_ID']}", f"Trunk: {endpoint}", f"Index: {index}",
            "DialStatus: CONGESTION", f"HangupCause: {cause}", "Asked: ", "Told: ",
        ),
    ]  # fmt: skip


class Heard:
    """A service that hears a PBX which this test plays."""

    def __init__(self, site: Site, running: Running, manager: Manager) -> None:
        self.site = site
        self.running = running
        self.manager = manager
        self._calls = 0

    async def call(self) -> Told:
        """Have one call decided, and its first attempt fail."""
        self._calls += 1
        unique = f"1795231889.{self._calls}"
        told = await asyncio.to_thread(self.running.ask, NUMBER, unique)
        assert told.committed
        await self.session.send(*attempt(told, unique, self._calls))
        return told

    @property
    def session(self) -> Session:
        return self.manager.sessions[-1]

    async def until(self, true: Callable[[], object], seconds: float = 30.0) -> None:
        await asyncio.to_thread(until, true, seconds)

    async def states(self) -> dict[str, tuple[str, bool]]:
        return await asyncio.to_thread(states, self.site)


def devices(**reached: str) -> Callable[[Session, dict[str, str]], Any]:
    """Return replies of a PBX whose endpoints are in these states."""

    def reply(session: Session, action: dict[str, str]) -> Any:
        if action["Action"] != "DeviceStateList":
            return usual(session, action)
        own = f"ActionID: {action['ActionID']}"
        listed = [
            f"Event: DeviceStateChange\r\n{own}\r\nDevice: PJSIP/{name}\r\nState: {state}"
            for name, state in reached.items()
        ]
        end = f"Event: DeviceStateListComplete\r\n{own}\r\nEventList: Complete\r\nListItems: "
        blocks = [f"Response: Success\r\n{own}\r\nEventList: start", *listed]
        return [block.encode() for block in (*blocks, f"{end}{len(listed)}")]

    return reply


@asynccontextmanager
async def heard(directory: Path, manager: Manager) -> AsyncIterator[Heard]:
    await manager.start()
    site = with_pbx(directory, manager.port)
    begun = service(site)
    running = await asyncio.to_thread(begun.__enter__)
    try:
        await asyncio.to_thread(until, lambda: of_noc(site)["asterisks"]["pbx1"]["connected"])
        yield Heard(site, running, manager)
    finally:
        await asyncio.to_thread(begun.__exit__, None, None, None)
        await manager.stop()


def test_f50_a_trunk_that_starts_to_fail_loses_its_first_choice_and_is_tried_last(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        async with heard(tmp_path, Manager()) as here:
            for _ in range(5):
                assert "ep-a" == (await here.call()).variables["CARRIER_TRUNK_1"]
            await here.until(lambda: states(here.site)["uk-a"][0] == "down")
            await here.until(lambda: first_trunks(here.running) == {"ep-b"})
            told = await asyncio.to_thread(here.running.ask, NUMBER)
            assert "ep-a" == told.variables["CARRIER_TRUNK_2"]  # tried last, not never
            trunks = Service(here.site.state).status()["troubles"]
            assert ["trunk uk-a is down: 5 failures in a row, cause 34"] == trunks
            text = await asyncio.to_thread(get, web(here.running), "/metrics")
            assert 'dialdip_trunk_attempts_total{outcome="failed",trunk="uk-a"} 5.0' in text[1]

    asyncio.run(main())


def test_a25_what_a_stranger_says_of_a_trunk_moves_one_counter(tmp_path: Path) -> None:
    async def main() -> None:
        async with heard(tmp_path, Manager()) as here:
            told = await asyncio.to_thread(here.running.ask, NUMBER)
            told.variables["CARRIER_ID"] = "0badc0de-000001"
            for number in range(10):
                await here.session.send(*attempt(told, f"9.{number}", number))
            await here.until(
                lambda: (
                    'dialdip_security_events_total{kind="ami-attempt"} 10.0'
                    in get(web(here.running), "/metrics")[1]
                )
            )
            assert {("up", False)} == set((await here.states()).values())
            text = (await asyncio.to_thread(get, web(here.running), "/metrics"))[1]
            assert [] == re.findall(r"(?m)^dialdip_trunk_\w+_total\{.*\} [1-9].*$", text)

    asyncio.run(main())


def test_a_trunk_out_of_the_pbxs_reach_is_passed_over(tmp_path: Path) -> None:
    states_of = devices(**{"ep-a": "UNAVAILABLE", "ep-b": "NOT_INUSE"})

    async def main() -> None:
        async with heard(tmp_path, Manager(states_of)) as here:
            await here.until(lambda: states(here.site)["uk-a"][0] == "down")
            await here.until(lambda: first_trunks(here.running) == {"ep-b"})

    asyncio.run(main())


def test_a_changed_password_of_a_pbx_is_used_after_a_reload(tmp_path: Path) -> None:
    async def main() -> None:
        async with heard(tmp_path, Manager()) as here:
            (tmp_path / "ami").write_text("wrong")
            before = len(here.manager.sessions)
            await asyncio.to_thread(verb, here.site, "reload")
            await here.manager.until(lambda: len(here.manager.sessions) > before)
            await here.until(lambda: not of_noc(here.site)["asterisks"]["pbx1"]["connected"])
            (tmp_path / "ami").write_text(PASSWORD)
            await asyncio.to_thread(verb, here.site, "reload")
            await here.until(lambda: of_noc(here.site)["asterisks"]["pbx1"]["connected"])
            sessions = len(here.manager.sessions)
            await asyncio.to_thread(verb, here.site, "reload")
            assert sessions == len(here.manager.sessions)  # what has not changed is left alone

    asyncio.run(main())
