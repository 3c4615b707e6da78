"""The control socket: one JSON line asks, one answers."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from agi.errors import Unreachable, UsageError
from agi.ipc import Control, ask, path_of


async def echo(asked: dict[str, Any]) -> object:
    return asked


async def refuse(asked: dict[str, Any]) -> object:
    raise UsageError(f"no {asked['x']}")


def serving(path: Path, test: Callable[[Control], Awaitable[None]]) -> None:
    async def main() -> None:
        control = Control(path, {"echo": echo, "refuse": refuse})
        await control.start()
        try:
            await test(control)
        finally:
            await control.stop()

    asyncio.run(main())


def test_a_question_is_answered_and_a_refusal_says_why(tmp_path: Path) -> None:
    path = path_of(tmp_path, "router")

    async def test(_: Control) -> None:
        told = await asyncio.to_thread(ask, path, "echo", x=1, peer=-1)
        assert {"x": 1, "peer": os.getuid()} == told
        with pytest.raises(UsageError, match="no thing"):
            await asyncio.to_thread(ask, path, "refuse", x="thing")
        with pytest.raises(UsageError, match="another version"):
            await asyncio.to_thread(ask, path, "unknown")

    serving(path, test)
    assert not path.exists()


def test_only_the_services_own_user_may_ask(tmp_path: Path) -> None:
    path = path_of(tmp_path, "router")

    async def test(_: Control) -> None:
        assert 0o600 == stat.S_IMODE(path.stat().st_mode)
        assert 0o700 == stat.S_IMODE(path.parent.stat().st_mode)

    serving(path, test)


def test_two_services_do_not_share_a_state_directory(tmp_path: Path) -> None:
    path = path_of(tmp_path, "router")

    async def test(_: Control) -> None:
        with pytest.raises(UsageError, match="another dialdip runs"):
            await Control(path, {}).start()

    serving(path, test)


def test_a_socket_left_behind_by_a_killed_service_is_taken_over(tmp_path: Path) -> None:
    path = path_of(tmp_path, "router")
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))

    async def test(_: Control) -> None:
        assert {"peer": os.getuid()} == await asyncio.to_thread(ask, path, "echo")

    serving(path, test)


def test_a_path_that_no_socket_can_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="too long"):
        asyncio.run(Control(tmp_path / ("x" * 120), {}).start())
    (tmp_path / "run").write_text("a file")
    with pytest.raises(UsageError, match="state_directory"):
        asyncio.run(Control(path_of(tmp_path, "router"), {}).start())


def test_nobody_there_is_unreachable(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="No such file"):
        ask(tmp_path / "none.sock", "status")


def test_what_is_no_question_gets_an_error_and_the_socket_goes_on(tmp_path: Path) -> None:
    path = path_of(tmp_path, "router")

    async def test(_: Control) -> None:
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(b"nonsense\n")
        assert b"not understood" in await reader.readline()
        writer.write(b'{"v":1,"op":"echo"}\n')
        assert f'{{"v":1,"answer":{{"peer":{os.getuid()}}}}}\n'.encode() == await reader.readline()
        writer.close()
        await writer.wait_closed()

    serving(path, test)


def test_a_service_that_closes_without_an_answer_is_unreachable(tmp_path: Path) -> None:
    path = tmp_path / "s.sock"

    async def main() -> None:
        async def close(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.close()

        server = await asyncio.start_unix_server(close, str(path))
        with pytest.raises(Unreachable, match=r"without an answer|reset|pipe"):
            await asyncio.to_thread(ask, path, "status")
        server.close()

    asyncio.run(main())
