"""Each fault that can be ordered, seen from outside through raw sockets."""

import asyncio
import time
import zlib
from http import HTTPStatus

import pytest

from agi.sandbox.delivery import BIG, Framing, retry_after
from agi.sandbox.faults import Order, Trouble
from agi.sandbox.providers import Sandbox
from tests.sandbox.raw import SOUND, Raw, Seen, ordered, play, post


@pytest.mark.parametrize(
    ("trouble", "body"),
    [
        (Trouble.TRUNCATE, SOUND.removesuffix(b"ENDBATCH\n")),
        (Trouble.MISSING_LINE, b"QUERYOK\nENDBATCH\n"),
        (Trouble.WRONG_NUMBER, SOUND.replace(b"450 ", b"451 ")),
        (Trouble.DUPLICATE, SOUND.replace(b"ENDBATCH", SOUND.splitlines()[1] + b"\nENDBATCH")),
        (Trouble.CONFLICT, SOUND.replace(b"ENDBATCH", b"447788450450 23499\nENDBATCH")),
        (Trouble.EXTRA_LINE, SOUND.replace(b"ENDBATCH", b"447788450451 23499\nENDBATCH")),
        (Trouble.LOWER_CASE, SOUND.lower()),
        (Trouble.GARBAGE_CODE, b"QUERYOK\n447788450450 2E4;DROP,,,\x00\nENDBATCH\n"),
        (Trouble.NON_ASCII, "QUERYOK\n447788450450 2341\u0665\nENDBATCH\n".encode()),
        (Trouble.BAD_UTF8, SOUND.replace(b"126\n", b"126\xff\xfe\n")),
        (Trouble.EMPTY, b""),
        (Trouble.MANY_HEADERS, SOUND),
        (Trouble.FAIL_PASSWORD, b"FAIL Invalid password\n"),
        (Trouble.FAIL_CREDIT, b"FAIL Insufficient credit\n"),
        (Trouble.LOCKED, b"ERR ACCOUNT LOCKED - Please arrange payment\n"),
    ],
)
def test_a_spoiled_answer_still_comes_with_status_200(trouble: Trouble, body: bytes) -> None:
    async def scene(raw: Raw) -> None:
        seen = await raw.npl()
        assert HTTPStatus.OK == seen.status
        assert body == seen.body
        assert not seen.reset

    ordered(Order(trouble), scene)


@pytest.mark.parametrize(
    ("order", "status", "header"),
    [
        (Order(Trouble.HTTP_401), 401, b"text/html"),
        (Order(Trouble.HTTP_402), 402, b"HTTP/1.1 402 Payment Required\r\n"),
        (Order(Trouble.HTTP_403), 403, b"text/html"),
        (Order(Trouble.HTTP_429), 429, b"HTTP/1.1 429 Too Many Requests\r\n"),
        (Order(Trouble.HTTP_429, -1), 429, b"\r\nRetry-After: -1\r\n"),
        (Order(Trouble.HTTP_429, 315_360_000), 429, b"\r\nRetry-After: 315360000\r\n"),
        (Order(Trouble.HTTP_429, word="garbage"), 429, b"\r\nRetry-After: soon, I hope\r\n"),
        (Order(Trouble.HTTP_429, word="date"), 429, b" GMT\r\n"),
        (Order(Trouble.HTTP_500), 500, b"Content-Length"),
        (Order(Trouble.HTTP_502), 502, b"Content-Length"),
        (Order(Trouble.HTTP_503), 503, b"Content-Length"),
        (Order(Trouble.HTTP_503, 7), 503, b"\r\nRetry-After: 7\r\n"),
        (Order(Trouble.HTTP_504), 504, b"Content-Length"),
        (Order(Trouble.REDIRECT), 307, b"\r\nLocation: /npl\r\n"),
        (Order(Trouble.REDIRECT, word="host"), 307, b"\r\nLocation: http://sandbox.invalid/\r\n"),
        (Order(Trouble.REDIRECT, word="port"), 307, b"\r\nLocation: http://127.0.0.1:6379/\r\n"),
        (Order(Trouble.REDIRECT, word="file"), 307, b"\r\nLocation: file:///etc/hostname\r\n"),
        (Order(Trouble.HTML), 200, b"Content-Type: text/html\r\n"),
        (Order(Trouble.MANY_HEADERS), 200, b"\r\nX-Padding-9999: xxxxxxxxxxxxxxxxxxxx"),
    ],
)
def test_a_status_or_header_is_as_ordered(order: Order, status: int, header: bytes) -> None:
    async def scene(raw: Raw) -> None:
        seen = await raw.npl()
        assert status == seen.status
        assert header in seen.head
        told = order.trouble is not Trouble.REDIRECT and str(order) != order.trouble
        assert (b"Retry-After" in seen.head) == told
        assert b"QUERYOK" not in seen.body or order.trouble is Trouble.MANY_HEADERS

    ordered(order, scene)


def test_a_reset_is_an_rst_before_or_after_the_headers() -> None:
    async def scene(sandbox: Sandbox, raw: Raw) -> None:
        sandbox.desk.order_next(Order(Trouble.RESET), 1)
        assert Seen(b"", b"", reset=True) == await raw.npl()
        sandbox.desk.order_next(Order(Trouble.RESET_AFTER_HEADERS), 1)
        reader, writer = await raw.open(post())
        assert b"HTTP/1.1 200 OK\r\n" == await reader.readline()
        with pytest.raises(ConnectionResetError):
            await reader.readuntil(b"QUERYOK")
        writer.close()

    play(scene)


def test_an_early_close_is_a_fin_short_of_the_length_announced() -> None:
    async def scene(sandbox: Sandbox, raw: Raw) -> None:
        sandbox.desk.order_next(Order(Trouble.CLOSE), 1)
        assert Seen(b"", b"", reset=False) == await raw.npl()
        sandbox.desk.order_next(Order(Trouble.CLOSE_EARLY), 1)
        seen = await raw.npl()
        assert f"Content-Length: {len(SOUND)}".encode() in seen.head
        assert SOUND[: len(SOUND) // 2] == seen.body

    play(scene)


def test_a_drip_comes_byte_by_byte() -> None:
    async def scene(raw: Raw) -> None:
        reader, writer = await raw.open(post())
        pieces = []
        while piece := await reader.read(1000):
            pieces.append(piece)
        assert b"".join(pieces).endswith(SOUND)
        assert len(b"".join(pieces)) / 2 < len(pieces)
        writer.close()

    ordered(Order(Trouble.DRIP, 1), scene)


def test_a_drip_ends_when_the_client_goes() -> None:
    async def scene(sandbox: Sandbox, raw: Raw) -> None:
        sandbox.desk.order_next(Order(Trouble.DRIP), 1)
        reader, writer = await raw.open(post())
        assert b"H" == await reader.readexactly(1)
        writer.close()
        await sandbox.until(lambda counters: not counters.busy)
        assert SOUND == (await raw.npl()).body

    play(scene)


def test_a_hang_says_nothing_and_ends_by_itself() -> None:
    async def scene(raw: Raw) -> None:
        since = time.monotonic()
        assert Seen(b"", b"", reset=False) == await raw.npl()
        assert 0.3 <= time.monotonic() - since

    ordered(Order(Trouble.HANG), scene, patience_s=0.3)


def test_a_slow_order_adds_its_milliseconds() -> None:
    async def scene(raw: Raw) -> None:
        since = time.monotonic()
        assert SOUND == (await raw.npl()).body
        assert 0.15 <= time.monotonic() - since

    ordered(Order(Trouble.SLOW, 150), scene)


@pytest.mark.parametrize(
    ("trouble", "filler"),
    [(Trouble.OVERSIZE, b"440000000000 23499\n"), (Trouble.LONG_LINE, b"0" * 1000)],
)
def test_an_oversize_body_has_fifty_megabytes(trouble: Trouble, filler: bytes) -> None:
    async def scene(raw: Raw) -> None:
        seen = await raw.npl()
        assert seen.body.startswith(SOUND.removesuffix(b"\nENDBATCH\n"))
        assert seen.body.endswith(filler)
        assert 0.99 * BIG < len(seen.body) < 1.01 * BIG

    ordered(Order(trouble), scene)


def test_an_oversize_body_stops_for_a_client_that_does_not_read() -> None:
    async def scene(sandbox: Sandbox, raw: Raw) -> None:
        sandbox.desk.order_next(Order(Trouble.OVERSIZE), 1)
        reader, writer = await asyncio.open_connection(*raw._address, limit=1000)
        writer.write(post())
        await reader.readexactly(10)
        await sandbox.until(lambda counters: not counters.busy)
        assert SOUND == (await raw.npl()).body
        writer.close()

    play(scene, patience_s=0.5)


def test_a_gzip_bomb_is_small_until_it_goes_off() -> None:
    async def scene(raw: Raw) -> None:
        seen = await raw.npl()
        assert b"Content-Encoding: gzip" in seen.head
        assert len(seen.body) < 100_000
        blown = zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(seen.body)
        assert blown.startswith(SOUND)
        assert 0.99 * BIG < len(blown)

    ordered(Order(Trouble.GZIP_BOMB), scene)


def test_a_second_response_comes_in_the_same_segment_and_the_connection_stays() -> None:
    async def scene(sandbox: Sandbox, raw: Raw) -> None:
        sandbox.desk.order_next(Order(Trouble.EXTRA_RESPONSE), 1)
        reader, writer = await raw.open(post())
        first = await reader.read(10_000)
        assert first.endswith(b"\r\n\r\nQUERYOK\n447788450450 23499\nENDBATCH\n")
        assert 2 == first.count(b"HTTP/1.1 200 OK\r\n")
        writer.write(post())
        assert (await reader.read()).endswith(SOUND)
        writer.close()

    play(scene)


def test_f26_a_late_response_comes_on_the_idle_connection() -> None:
    async def scene(sandbox: Sandbox, raw: Raw) -> None:
        sandbox.desk.order_next(Order(Trouble.EXTRA_LATE, 20), 1)
        reader, writer = await raw.open(post())
        assert (await reader.readuntil(b"ENDBATCH\n")).endswith(SOUND)
        late = await reader.readuntil(b"ENDBATCH\n")
        assert late.startswith(b"HTTP/1.1 200 OK\r\n")
        assert late.endswith(b"\r\n\r\nQUERYOK\n447788450450 23499\nENDBATCH\n")
        writer.write(post())
        assert (await reader.read()).endswith(SOUND)
        writer.close()

    play(scene)


def test_f17_chunks_go_on_until_the_client_goes() -> None:
    async def scene(sandbox: Sandbox, raw: Raw) -> None:
        sandbox.desk.order_next(Order(Trouble.ENDLESS), 1)
        reader, writer = await raw.open(post())
        assert b"Transfer-Encoding: chunked" in await reader.readuntil(b"\r\n\r\n")
        for _ in range(10):
            size = int(await reader.readline(), 16)
            assert len(await reader.readexactly(size + 2)) == size + 2
        writer.close()
        await sandbox.until(lambda counters: not counters.busy)
        assert SOUND == (await raw.npl()).body

    play(scene)


def test_a_date_is_two_minutes_ahead_in_the_form_of_http() -> None:
    """The form is that of RFC 9110, 5.6.7; the instant is its own example, less two minutes."""
    order = Order(Trouble.HTTP_429, word="date")
    assert "Sun, 06 Nov 1994 08:49:37 GMT" == retry_after(order, 784111777 - 120)


def test_an_answer_of_announced_length_keeps_the_connection() -> None:
    async def scene(sandbox: Sandbox, raw: Raw) -> None:
        reader, writer = await raw.open(post() + post("447973100100"))
        assert b"ERR1" in await reader.readuntil(b"ERR1\nENDBATCH\n")
        writer.write(post().replace(b"Host: x", b"Host: x\r\nConnection: close"))
        assert (await reader.read()).endswith(SOUND)
        writer.close()
        assert 3 == sandbox.counters.requests

    play(scene, framing=Framing.LENGTH)


def test_an_answer_in_chunks_is_marked_by_its_last_chunk() -> None:
    async def scene(_sandbox: Sandbox, raw: Raw) -> None:
        reader, writer = await raw.open(post())
        text = await reader.readuntil(b"0\r\n\r\n")
        assert text.endswith(b"\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(SOUND), SOUND))
        writer.close()

    play(scene, framing=Framing.CHUNKED)


def test_lines_end_in_cr_lf_when_asked_to() -> None:
    async def scene(_sandbox: Sandbox, raw: Raw) -> None:
        assert SOUND.replace(b"\n", b"\r\n") == (await raw.npl()).body

    play(scene, crlf=True)
