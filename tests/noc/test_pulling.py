"""Asking all processes at once: those that answer, are frozen, gone, replaced, or talk nonsense."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvloop

from agi.ipc import Control, Handler, path_of
from agi.noc.pulling import MAX_ANSWER, Puller, pull

LOOPS = pytest.mark.parametrize("factory", [None, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
Factory = Callable[[], asyncio.AbstractEventLoop] | None

ALONE = """
import asyncio, sys
from pathlib import Path
from agi.ipc import Control

async def status(asked):
    return {"role": "router", "index": 1}

async def main():
    await Control(Path(sys.argv[1]), {"status": status}).start()
    print("ready", flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def run(test: Callable[[], Awaitable[None]], factory: Factory = None) -> None:
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(test())  # type: ignore[arg-type] # every test here is a coroutine function


class Answering:
    """A process that counts; each answer says how much it had counted."""

    def __init__(self, role: str = "router", index: int = 0) -> None:
        self.role, self.index = role, index
        self.counted = 0
        self.asked = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def status(self, asked: dict[str, Any]) -> object:
        del asked
        self.asked += 1
        counted = self.counted
        await self.gate.wait()
        return {"role": self.role, "index": self.index, "counted": counted}


@asynccontextmanager
async def listening(state: Path, *processes: Answering) -> AsyncIterator[None]:
    controls = [
        Control(path_of(state, one.role, one.index), {"status": one.status}) for one in processes
    ]
    for control in controls:
        await control.start()
    try:
        yield
    finally:
        for control in controls:
            await control.stop()


@LOOPS
def test_all_that_run_are_asked_and_what_is_not_there_is_nobody(
    tmp_path: Path, factory: Factory
) -> None:
    async def test() -> None:
        async with listening(tmp_path, Answering(), Answering(index=1), Answering("dipper")):
            told, silent = await pull(tmp_path, 10)
        assert [("router", 0), ("router", 1), ("dipper", 0)] == [
            (one["role"], one["index"]) for one in told
        ]
        assert {} == silent

    run(test, factory)


def test_where_nothing_runs_nobody_is_silent(tmp_path: Path) -> None:
    async def test() -> None:
        assert ((), {}) == await pull(tmp_path)

    run(test)


@LOOPS
def test_a_socket_that_a_killed_process_left_is_of_nobody(tmp_path: Path, factory: Factory) -> None:
    async def test() -> None:
        async with listening(tmp_path, Answering()):
            with socket.socket(socket.AF_UNIX) as left:
                left.bind(str(path_of(tmp_path, "router", 1)))
            told, silent = await pull(tmp_path, 10)
        assert (1, {"router-1": False}) == (len(told), silent)

    run(test, factory)


@LOOPS
def test_one_whose_queue_is_full_is_there_and_silent(tmp_path: Path, factory: Factory) -> None:
    async def test() -> None:
        async with listening(tmp_path, Answering()):
            path = str(path_of(tmp_path, "router", 1))
            with socket.socket(socket.AF_UNIX) as busy, socket.socket(socket.AF_UNIX) as first:
                busy.bind(path)
                busy.listen(0)
                first.connect(path)
                told, silent = await pull(tmp_path, 0.5)
            assert (1, {"router-1": True}) == (len(told), silent)

    run(test, factory)


@LOOPS
def test_a_frozen_process_costs_its_patience_once_and_is_asked_once(
    tmp_path: Path, factory: Factory
) -> None:
    async def test() -> None:
        frozen, well = Answering(), Answering(index=1)
        async with listening(tmp_path, frozen, well):
            puller = Puller(tmp_path, timeout_s=0.2)
            frozen.gate.clear()
            for _ in range(5):
                begun = time.monotonic()
                told, silent = await puller.pull()
                assert 3.0 > time.monotonic() - begun
                assert ([1], {"router-0": True}) == ([one["index"] for one in told], silent)
            assert (1, 5) == (frozen.asked, well.asked)
            frozen.counted = 7
            frozen.gate.set()
            told, silent = await puller.pull()
            assert ([7, 0], {}) == ([one["counted"] for one in told], silent)
            await puller.close()

    run(test, factory)


def test_a_process_that_the_kernel_has_stopped_is_heard_again_when_it_goes_on(
    tmp_path: Path,
) -> None:
    (tmp_path / "run").mkdir(mode=0o700)
    command = [sys.executable, "-c", ALONE, str(path_of(tmp_path, "router", 1))]

    async def test() -> None:
        puller = Puller(tmp_path, timeout_s=0.5)
        try:
            assert 1 == len((await puller.pull()).told)
            process.send_signal(signal.SIGSTOP)
            for _ in range(3):
                assert ((), {"router-1": True}) == await puller.pull()
            process.send_signal(signal.SIGCONT)
            patient = Puller(tmp_path, timeout_s=10)
            assert 1 == len((await patient.pull()).told)
            await patient.close()
            process.kill()
            await asyncio.to_thread(process.wait)
            assert ((), {"router-1": False}) == await puller.pull()
        finally:
            await puller.close()

    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert b"ready\n" == process.stdout.readline()
            run(test)
        finally:
            process.kill()


@LOOPS
def test_the_successor_of_a_process_is_asked_in_the_same_pull(
    tmp_path: Path, factory: Factory
) -> None:
    async def test() -> None:
        puller = Puller(tmp_path, timeout_s=10)
        async with listening(tmp_path, Answering()):
            await puller.pull()
        later = Answering()
        later.counted = 3
        async with listening(tmp_path, later):
            told, silent = await puller.pull()
            assert ([3], {}) == ([one["counted"] for one in told], silent)
        assert ((), {}) == await puller.pull()
        await puller.close()

    run(test, factory)


@LOOPS
def test_the_successor_of_a_frozen_process_is_asked(tmp_path: Path, factory: Factory) -> None:
    async def test() -> None:
        puller = Puller(tmp_path, timeout_s=0.5)
        frozen, later = Answering(), Answering()
        async with listening(tmp_path, frozen):
            frozen.gate.clear()
            assert {"router-0": True} == (await puller.pull()).silent
        async with listening(tmp_path, later):
            assert 1 == len((await puller.pull()).told)
        frozen.gate.set()
        await puller.close()

    run(test, factory)


@LOOPS
def test_whatever_happened_before_a_pull_is_in_its_answer(tmp_path: Path, factory: Factory) -> None:
    async def test() -> None:
        process = Answering()
        async with listening(tmp_path, process):
            puller = Puller(tmp_path, timeout_s=30)
            for number in range(50):
                process.counted = number
                earlier = asyncio.create_task(puller.pull())
                await asyncio.sleep(0)  # it may have been asked already, or not
                process.counted = number + 1000
                pulled = await puller.pull()
                assert number + 1000 == pulled.told[0]["counted"]
                await earlier
            await puller.close()

    run(test, factory)


def nonsense(answer: object) -> Handler:
    async def status(asked: dict[str, Any]) -> object:
        del asked
        return answer

    return status


@LOOPS
@pytest.mark.parametrize(
    "answer", [{}, [], "x" * MAX_ANSWER, {"no": "role"}], ids=["empty", "list", "huge", "roleless"]
)
def test_what_is_no_report_is_silence(tmp_path: Path, factory: Factory, answer: object) -> None:
    async def test() -> None:
        control = Control(path_of(tmp_path, "router"), {"status": nonsense(answer)})
        await control.start()
        puller = Puller(tmp_path, timeout_s=0.5)
        for _ in range(2):
            assert ((), {"router-0": True}) == await puller.pull()
        await puller.close()
        await control.stop()

    run(test, factory)


def test_a_service_of_another_version_is_silent(tmp_path: Path) -> None:
    async def test() -> None:
        control = Control(path_of(tmp_path, "router"), {})
        await control.start()
        assert ((), {"router-0": True}) == await pull(tmp_path)
        await control.stop()

    run(test)


def test_bytes_that_are_no_json_are_silence(tmp_path: Path) -> None:
    async def test() -> None:
        ended = asyncio.Event()

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while await reader.readline():
                writer.write(b"hello\n")
            writer.close()
            ended.set()

        (tmp_path / "run").mkdir()
        server = await asyncio.start_unix_server(talk, path_of(tmp_path, "router"))
        assert ((), {"router-0": True}) == await pull(tmp_path)
        await ended.wait()
        server.close()
        await server.wait_closed()

    run(test)
