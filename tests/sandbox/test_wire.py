"""What is no sound request still gets an end, seen from outside through raw sockets."""

import pytest

from agi.sandbox.providers import Sandbox
from tests.sandbox.raw import SOUND, Raw, Seen, play, post


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"hello\r\n\r\n", 400),
        (b"GET /elsewhere HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404),
        (b"PUT /npl HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 405),
        (b"GET /npl HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 200_000 + b"\r\n\r\n", 431),
        (
            b"POST /npl HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n\r\n" + b"a" * 300_000,
            413,
        ),
    ],
)
def test_a_request_that_is_none_gets_its_status(request_: bytes, status: int) -> None:
    async def scene(sandbox: Sandbox, raw: Raw) -> None:
        reader, writer = await raw.open(request_)
        assert f"HTTP/1.1 {status} ".encode() in await reader.readline()
        writer.close()
        assert 0 == sandbox.counters.requests

    play(scene)


def test_a_client_that_asks_first_may_go_on() -> None:
    async def scene(_sandbox: Sandbox, raw: Raw) -> None:
        head, _, body = post().partition(b"\r\n\r\n")
        reader, writer = await raw.open(head + b"\r\nExpect: 100-continue\r\n\r\n")
        assert b"HTTP/1.1 100 \r\n" == await reader.readline()
        writer.write(body)
        assert (await reader.read()).endswith(SOUND)
        writer.close()

    play(scene)


def test_a_silent_connection_is_closed_and_a_quick_goodbye_harms_nobody() -> None:
    async def scene(_sandbox: Sandbox, raw: Raw) -> None:
        assert Seen(b"", b"", reset=False) == await raw.exchange(b"")
        _, writer = await raw.open(b"")
        writer.close()
        assert SOUND == (await raw.npl()).body

    play(scene, patience_s=0.3)
