"""The load generator against servers that do one thing wrong, or right."""

import json
import socket
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.bench.build import NoCompiler, build

NAMES = [
    *("network", "network_script", "request", "channel", "language", "type", "uniqueid"),
    *("version", "callerid", "calleridname", "callingpres", "callingani2", "callington"),
    *("callingtns", "dnid", "rdnis", "context", "extension", "priority", "enhanced"),
    *("accountcode", "threadid"),
]
"""Asterisk 22.10, res_agi.c, setup_env: the order in which the environment is written."""


def load(port: int, folder: Path, *more: str) -> dict[str, Any]:
    try:
        program = build("load")
    except NoCompiler as error:
        pytest.skip(str(error))
    numbers = folder / "numbers.txt"
    numbers.write_text("447788450450\n447810701702\n")
    command = [str(program), "127.0.0.1", str(port), "--numbers", str(numbers), *more]
    done = subprocess.run(command, check=True, capture_output=True, timeout=60)
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


def serve(
    calls: int, answer: Callable[[socket.socket, bytes], None]
) -> tuple[int, Callable[[], list[bytes]]]:
    """Serve so many calls on a free port, one by one; return it and how to get what was heard."""
    listener = socket.create_server(("127.0.0.1", 0))
    heard: list[bytes] = []

    def one() -> None:
        with listener.accept()[0] as connection:
            connection.settimeout(10)
            environment = b""
            while not environment.endswith(b"\n\n"):
                environment += connection.recv(8192)
            answer(connection, environment)
            rest = b""
            while data := connection.recv(8192):
                rest += data
            heard.append(environment + b"|" + rest)

    def every() -> None:
        with listener:
            for _ in range(calls):
                one()

    thread = threading.Thread(target=every, daemon=True)
    thread.start()

    def ended() -> list[bytes]:
        thread.join(20)
        return heard

    return listener.getsockname()[1], ended


def committed(environment: bytes) -> bytes:
    uniqueid = environment.partition(b"agi_uniqueid: ")[2].partition(b"\n")[0]
    return b'SET VARIABLE ARRAY(CARRIER_COUNT,CARRIER_COMMIT) "1,%b"\n' % uniqueid


def commit(connection: socket.socket, environment: bytes) -> None:
    connection.sendall(committed(environment))
    connection.shutdown(socket.SHUT_WR)


@pytest.mark.parametrize("segments", ["1", "2", "8"])
def test_a_call_is_made_as_asterisk_makes_it(tmp_path: Path, segments: str) -> None:
    port, heard = serve(3, commit)
    seen = load(port, tmp_path, "--calls", "3", "--at-once", "1", "--segments", segments)
    assert (3, 3, 0) == (seen["calls"], seen["commits"], seen["errors"])
    assert 0 < seen["p50_us"] <= seen["p99_us"] <= seen["max_us"]
    first, second, third = heard()
    environment, _, rest = first.partition(b"|")
    lines = environment.decode().splitlines()
    assert NAMES == [line.partition(": ")[0].removeprefix("agi_") for line in lines[:-1]]
    assert "agi_network_script: route?n=447788450450&g=1000" == lines[1]
    assert f"agi_request: agi://127.0.0.1:{port}/route?n=447788450450&g=1000" == lines[2]
    assert b"200 result=1\nHANGUP\n" == rest
    assert b"n=447810701702" in second
    assert b"n=447788450450" in third


def test_each_of_several_commands_is_answered_before_the_next(tmp_path: Path) -> None:
    def answer(connection: socket.socket, environment: bytes) -> None:
        connection.sendall(b'SET VARIABLE CARRIER_COUNT "1"\n')
        assert b"200 result=1\n" == connection.recv(100)
        commit(connection, environment)

    port, heard = serve(1, answer)
    assert 1 == load(port, tmp_path, "--calls", "1", "--url", "route")["commits"]
    assert b"agi_network_script: route\n" in heard()[0]


@pytest.mark.parametrize(
    "answer",
    [
        lambda c, _: c.sendall(b'SET VARIABLE CARRIER_COMMIT "1795231889.7"\n'),
        lambda c, e: c.sendall(committed(e)[:-1]),
        lambda c, e: c.sendall(committed(e).replace(b"COMMIT", b"COMIT")),
        lambda _c, _e: None,
    ],
    ids=["another-uniqueid", "a-partial-line", "another-variable", "nothing"],
)
def test_a_call_without_its_own_commit_is_an_error(
    tmp_path: Path, answer: Callable[[socket.socket, bytes], None]
) -> None:
    def answer_and_close(connection: socket.socket, environment: bytes) -> None:
        answer(connection, environment)
        connection.shutdown(socket.SHUT_WR)

    port, _ = serve(1, answer_and_close)
    seen = load(port, tmp_path, "--calls", "1")
    assert (1, 0, 1) == (seen["calls"], seen["commits"], seen["errors"])


def test_a_fixed_line_counts_only_when_asked_to(tmp_path: Path) -> None:
    def answer(connection: socket.socket, _: bytes) -> None:
        connection.sendall(b'SET VARIABLE CARRIER_COMMIT "1.1"\n')
        connection.shutdown(socket.SHUT_WR)

    port, _ = serve(1, answer)
    assert 1 == load(port, tmp_path, "--calls", "1", "--any-commit")["commits"]


def test_a_silent_server_and_a_closed_port_are_errors(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        seen = load(port, tmp_path, "--calls", "2", "--timeout-ms", "150")
        assert (2, 2) == (seen["calls"], seen["errors"])
    seen = load(port, tmp_path, "--calls", "5", "--at-once", "2")
    assert (5, 5) == (seen["calls"], seen["errors"])
