"""Whether a call would be decided: asked of real routers that are alive, frozen, killed, gone."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from agi import ipc
from agi.web.readiness import decides
from tests.service import Running, Site, service


def ready(address: str, timeout_s: float = 20.0) -> str:
    return asyncio.run(decides(address, timeout_s))


def address_of(running: Running) -> str:
    return running.agi.removeprefix("agi://")


def router(site: Site, index: int = 0) -> int:
    return int(ipc.ask(ipc.path_of(site.state, "router", index), "status")["pid"])


def counts_of(site: Site) -> dict[str, Any]:
    found: dict[str, Any] = ipc.ask(ipc.path_of(site.state, "router"), "status")["counts"]
    return found


def test_f48_ready_is_only_who_decides_calls_now(tmp_path: Path) -> None:
    site = Site(tmp_path).write()
    with service(site) as running:
        address, parent, pid = address_of(running), running.process.pid, router(site)
        assert "" == ready(address)
        os.kill(parent, signal.SIGSTOP)  # else it would replace who is frozen
        try:
            os.kill(pid, signal.SIGSTOP)
            assert "no router is at work" in ready(address, 0.2)
            os.kill(pid, signal.SIGCONT)
            assert "" == ready(address)
            os.kill(pid, signal.SIGKILL)  # the port is open still: it is the parent's too
            assert "no router is at work" in ready(address, 0.2)
        finally:
            os.kill(parent, signal.SIGCONT)
        end = time.monotonic() + 20
        while ready(address, 1.0):
            assert time.monotonic() < end
    assert "Connection refused" in ready(address)


def test_one_of_two_routers_suffices(tmp_path: Path) -> None:
    site = Site(tmp_path, workers=2).write()
    with service(site) as running:
        os.kill(running.process.pid, signal.SIGSTOP)
        pid = router(site, 1)
        try:
            os.kill(pid, signal.SIGSTOP)
            assert {""} == {ready(address_of(running)) for _ in range(5)}
        finally:
            os.kill(pid, signal.SIGCONT)
            os.kill(running.process.pid, signal.SIGCONT)


def test_asking_is_no_call(tmp_path: Path) -> None:
    site = Site(tmp_path).write()
    with service(site) as running:
        assert "" == ready(address_of(running))
        end = time.monotonic() + 10
        while not (counts := counts_of(site))["endings"]:  # counted once the connection is over
            assert time.monotonic() < end
        assert ({"committed": 1}, []) == (counts["endings"], counts["calls"])


def test_a_port_that_does_not_allow_us_is_said_to(tmp_path: Path) -> None:
    site = Site(tmp_path, fastagi='allow = ["192.0.2.0/24"]').write()
    with service(site) as running:
        assert "[fastagi] allow" in ready(address_of(running))


def asked_of(listening: str, said: bytes) -> tuple[str, bytes]:
    """Ask a port that says this; return what is found of it, and what it heard afterwards."""

    async def run() -> tuple[str, bytes]:
        heard: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\n\n")
            writer.write(said)
            writer.write_eof()
            after = await reader.read()
            writer.close()
            await writer.wait_closed()
            heard.set_result(after)

        server = await asyncio.start_server(answer, listening, 0)
        port = server.sockets[0].getsockname()[1]
        found = await decides(
            f"[{listening}]:{port}" if ":" in listening else f"{listening}:{port}", 20
        )
        after = await heard
        server.close()
        await server.wait_closed()
        return found, after

    return asyncio.run(run())


@pytest.mark.parametrize("listening", ["0.0.0.0", "::", "::1"])
def test_a_port_on_every_address_is_asked_on_this_host(listening: str) -> None:
    said = b'SET VARIABLE CARRIER_HEALTH "ok"\n'
    assert ("", b"200 result=1\nHANGUP\n") == asked_of(listening, said)


@pytest.mark.parametrize(
    "said",
    [
        b'SET VARIABLE CARRIER_HEALTH "draining"\n',
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"",
    ],
)
def test_any_other_answer_is_none(said: bytes) -> None:
    found, heard = asked_of("127.0.0.1", said)
    assert "closes without an answer" in found
    assert b"" == heard


def test_a_connection_that_is_reset_says_that_we_may_not_be_allowed() -> None:
    """Whoever closes with unread bytes resets: it is how the port treats who is not allowed."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"

        async def run() -> str:
            asking = asyncio.create_task(decides(address, 20))
            connection, _ = await asyncio.to_thread(server.accept)
            await asyncio.to_thread(connection.recv, 1)
            connection.close()
            return await asking

        assert "[fastagi] allow" in asyncio.run(run())
