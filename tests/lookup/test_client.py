"""The HTTP client against a raw loopback server and every way in which a provider can misbehave."""

import asyncio
import gc
import gzip
import resource
import socket
import ssl
import time
import warnings
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from agi.errors import ProviderFault
from agi.lookup.client import CAUSES, Client, cause_of
from agi.lookup.events import LookupEvent, Retried, Strangers
from agi.lookup.provider import Answer, HttpRequest, Reading
from agi.lookup.resolver import Resolver
from agi.model import Msisdn, Product
from tests.lookup.making import ONE, TWO, account, instant, numbers, ok
from tests.lookup.web import (
    HEAD,
    Authority,
    Script,
    Talk,
    Web,
    answered,
    faithful,
    serving,
    sized,
)


class Seen:
    """What one test got out of the client."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.events: list[LookupEvent] = []
        self.cause = ""
        self.fault: ProviderFault | None = None
        self.took = 0.0


async def ask(client: Client, url: str, asked: list[Msisdn], seen: Seen, within: float) -> None:
    started = time.monotonic()
    try:
        await client.ask(account(url), asked, instant() + within, seen.answers.append)
    except ProviderFault as fault:
        seen.cause, seen.fault = fault.cause, fault
    seen.took = time.monotonic() - started


def play(
    script: Script, *, asked: list[Msisdn] | None = None, within: float = 5.0, times: int = 1
) -> tuple[Seen, Web]:
    """Ask a server that follows ``script``, ``times`` times over one client."""

    async def scene() -> tuple[Seen, Web]:
        seen = Seen()
        client = Client(connections=1, observe=seen.events.append)
        async with serving(script) as web:
            for _ in range(times):
                await ask(client, web.url, asked or [ONE], seen, within)
            await client.close()
        return seen, web

    return asyncio.run(scene())


def respond(data: bytes) -> Script:
    async def script(talk: Talk) -> None:
        await talk.request()
        await talk.send(data)

    return script


def test_a_good_answer_arrives() -> None:
    seen, web = play(faithful, asked=[ONE, TWO])
    assert ([ok(ONE), ok(TWO)], "") == (seen.answers, seen.cause)
    assert "447788450450,447810701702" == web.requests[0]["msisdn"]


def test_the_head_that_is_sent_says_identity_and_our_name() -> None:
    heads = []

    async def script(talk: Talk) -> None:
        form = await talk.request()
        heads.append(talk.head.lower())
        await talk.send(sized(answered(form)))

    play(script)
    lines = heads[0].split(b"\r\n")
    assert b"post /npl http/1.1" == lines[0]
    assert b"accept-encoding: identity" in lines
    assert b"user-agent: dialdip" in lines
    assert b"content-type: application/x-www-form-urlencoded" in lines


def test_an_answer_that_ends_with_the_connection_is_read() -> None:
    assert [ok(ONE)] == play(respond(HEAD + b"\r\nQUERYOK\n447788450450 23415\nENDBATCH\n"))[
        0
    ].answers


def test_an_answer_is_handed_over_before_the_body_ends() -> None:
    async def scene() -> None:
        more = asyncio.Event()

        async def script(talk: Talk) -> None:
            await talk.request()
            await talk.send(HEAD + b"\r\nQUERYOK\n447788450450 23415\n")
            await more.wait()
            await talk.send(b"447810701702 23415\nENDBATCH\n")

        got: asyncio.Queue[Answer] = asyncio.Queue()
        client = Client(connections=1)
        async with serving(script) as web:
            asking = asyncio.create_task(
                client.ask(account(web.url), [ONE, TWO], instant() + 5, got.put_nowait)
            )
            assert ok(ONE) == await got.get()
            assert not asking.done()
            more.set()
            assert ok(TWO) == await got.get()
            await asking
            await client.close()

    asyncio.run(scene())


def test_a_kept_connection_is_used_again() -> None:
    seen, web = play(faithful, times=3)
    assert (1, 3) == (web.connections, len(seen.answers))


async def hang(talk: Talk) -> None:
    await talk.request()
    await talk.gone()


async def slow_head(talk: Talk) -> None:
    await talk.request()
    await talk.send(b"HTTP/1.1 200 OK\r\nX: ")
    while True:
        await talk.send(b"x")
        await asyncio.sleep(0.1)


async def drip(talk: Talk) -> None:
    form = await talk.request()
    await talk.send(HEAD + b"\r\n")
    for byte in answered(form):
        await talk.send(bytes([byte]))
        await asyncio.sleep(0.1)


@pytest.mark.parametrize("script", [hang, slow_head, drip], ids=["hang", "slow-head", "drip"])
def test_f15_a_deadline_is_around_everything_not_around_each_read(script: Script) -> None:
    seen, _ = play(script, within=0.4)
    assert "timeout" == seen.cause
    assert 0.39 < seen.took < 1.0


def test_a_deadline_that_has_passed_sends_nothing() -> None:
    seen, web = play(faithful, within=-1.0)
    assert ("timeout", []) == (seen.cause, web.requests)


def test_f13_a_refused_connection_is_a_connect_fault() -> None:
    async def scene() -> Seen:
        async with serving(faithful) as web:
            url = web.url
        seen = Seen()
        client = Client(connections=1)
        await ask(client, url, [ONE], seen, 5.0)
        await client.close()
        return seen

    assert "connect" == asyncio.run(scene()).cause


def test_f13_a_peer_that_does_not_speak_tls_is_a_tls_fault() -> None:
    async def script(talk: Talk) -> None:
        await talk.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async def scene() -> Seen:
        seen = Seen()
        client = Client(connections=1)
        async with serving(script) as web:
            await ask(client, web.url.replace("http:", "https:"), [ONE], seen, 5.0)
        await client.close()
        return seen

    assert "tls" == asyncio.run(scene()).cause


def test_f13_a_tls_handshake_that_hangs_ends_at_the_deadline() -> None:
    async def scene() -> Seen:
        seen = Seen()
        client = Client(connections=1)
        async with serving(Talk.gone) as web:
            await ask(client, web.url.replace("http:", "https:"), [ONE], seen, 0.3)
        await client.close()
        return seen

    seen = asyncio.run(scene())
    assert "timeout" == seen.cause
    assert seen.took < 1.0


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_tls_handshakes_that_hang_leave_no_descriptor_behind() -> None:
    async def scene() -> tuple[int, int]:
        seen = Seen()
        client = Client(connections=1)
        async with serving(Talk.gone) as web:
            url = web.url.replace("http:", "https:")
            await ask(client, url, [ONE], seen, 0.05)
            before = descriptors()
            gc.disable()
            for _ in range(5):
                await ask(client, url, [ONE], seen, 0.05)
            after = descriptors()
            gc.enable()
        await client.close()
        return before, after

    before, after = asyncio.run(scene())
    assert after < before + 5


class Elsewhere:
    """A provider whose address cannot be asked."""

    name = "npl"
    kind = "comcetera"
    product = Product.NETWORK
    batch_size = 1

    def __init__(self, url: str) -> None:
        self._url = url

    def request(self, numbers: Sequence[Msisdn]) -> HttpRequest:
        del numbers
        return HttpRequest("POST", self._url)

    def parse(self, status: int, numbers: Sequence[Msisdn]) -> Reading:
        return account().parse(status, numbers)


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/npl", "/npl", "http://127.0.0.1:no/npl"])
def test_a_url_that_cannot_be_asked_is_our_own_bad_request(url: str) -> None:
    async def scene() -> str:
        client = Client(connections=1)
        with pytest.raises(ProviderFault) as caught:
            await client.ask(Elsewhere(url), [ONE], instant() + 5, lambda _: None)
        await client.close()
        return caught.value.cause

    assert "bad_request" == asyncio.run(scene())


async def reset_at_once(talk: Talk) -> None:
    await talk.request()
    talk.reset()


async def reset_in_the_body(talk: Talk) -> None:
    await talk.request()
    await talk.send(HEAD + b"\r\nQUERYOK\n")
    talk.reset()


async def close_at_once(talk: Talk) -> None:
    await talk.request()


GOOD = b"QUERYOK\n447788450450 23415\nENDBATCH\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("script", "cause"),
    [
        (reset_at_once, "reset"),
        (reset_in_the_body, "reset"),
        (close_at_once, "reset"),
        (respond(b"HTTP/1.1 200 OK\r\nConte"), "reset"),
        (respond(HEAD + b"Content-Length: 900\r\n\r\nQUERYOK\n"), "truncated"),
        (respond(HEAD + CHUNKED + b"8\r\nQUERYOK\n\r\n"), "truncated"),
        (respond(HEAD + CHUNKED + b"zz\r\n"), "malformed"),
        (respond(HEAD + b"\r\nQUERYOK\n"), "truncated"),
        (respond(HEAD + b"\r\n<html>\n"), "malformed"),
        (respond(sized(b"")), "malformed"),
        (respond(b"\x16\x03\x01 no HTTP at all\r\n\r\n"), "malformed"),
        (respond(HEAD + b"Bad Header\r\n\r\n"), "malformed"),
        (respond(sized(GOOD, HEAD + b"Content-Encoding: gzip\r\n")), "malformed"),
        (respond(sized(gzip.compress(GOOD), HEAD + b"Content-Encoding: gzip\r\n")), "malformed"),
        (respond(sized(b"FAIL Invalid password\n")), "account"),
        (respond(sized(b"FAIL Request too long\n")), "bad_request"),
        (respond(sized(b"ERR ACCOUNT LOCKED - Please arrange payment\n")), "account"),
        (respond(sized(GOOD, b"HTTP/1.1 500 Oops\r\n")), "http"),
        (respond(sized(GOOD, b"HTTP/1.1 429 Later\r\nRetry-After: 1\r\n")), "throttled"),
        (respond(sized(GOOD, b"HTTP/1.1 403 No\r\n")), "account"),
    ],
)
def test_f16_each_misbehaviour_has_its_cause(script: Script, cause: str) -> None:
    seen, web = play(script)
    assert (cause, []) == (seen.cause, seen.answers)
    assert 1 == len(web.requests)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "location", ["/elsewhere", "http://127.0.0.1:6379/", "file:///etc/passwd", "//other.example/"]
)
def test_a11_a_redirect_is_not_followed(status: int, location: str) -> None:
    head = f"HTTP/1.1 {status} Go\r\nLocation: {location}\r\n".encode()
    seen, web = play(respond(sized(b"", head)))
    assert ("http", 1, []) == (seen.cause, len(web.requests), seen.answers)


async def fifty_megabytes(talk: Talk) -> None:
    await talk.request()
    await talk.send(HEAD + b"Content-Length: 50000000\r\n\r\nQUERYOK\n447788450450 23415\n")
    line = b"447810701702 23415\n" * 500
    for _ in range(5300):
        await talk.send(line)
        talk.web.sent += len(line)


async def endless_chunks(talk: Talk) -> None:
    await talk.request()
    await talk.send(HEAD + CHUNKED + b"1b\r\nQUERYOK\n447788450450 23415\n\r\n")
    while True:
        await talk.send(b"400\r\n" + b"447810701702 234\n" * 60 + b"1234\r\n\r\n")
        talk.web.sent += 1024


@pytest.mark.parametrize("script", [fifty_megabytes, endless_chunks])
def test_f17_a_body_is_cut_at_64_kib_while_it_streams(script: Script) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seen, web = play(script)
    assert seen.cause in ("oversize", "malformed")
    assert [ok(ONE)] == seen.answers
    assert web.sent < 20_000_000  # what fits into the sockets' buffers, of 50 MB
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 30_000  # KiB


def test_f17_a_gzip_bomb_is_never_decoded() -> None:
    bomb = gzip.compress(b"\0" * 50_000_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seen, _ = play(respond(sized(bomb, HEAD + b"Content-Encoding: gzip\r\n")))
    assert "malformed" == seen.cause
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 30_000  # KiB


@pytest.mark.parametrize(
    ("count", "causes"), [(700, ("oversize",)), (10_000, ("oversize", "malformed"))]
)
def test_f17_too_many_headers_are_refused(count: int, causes: tuple[str, ...]) -> None:
    head = HEAD + b"".join(b"X-%05d: %020d\r\n" % (index, index) for index in range(count))
    seen, _ = play(respond(sized(GOOD, head)))
    assert seen.cause in causes
    assert [] == seen.answers


def ends_before_reuse(close: Callable[[Talk], None]) -> Script:
    async def script(talk: Talk) -> None:
        await talk.send(sized(answered(await talk.request())))
        if talk.nth == 1:
            await talk.request()
            close(talk)
            return
        await talk.send(sized(answered(await talk.request())))

    return script


@pytest.mark.parametrize("close", [lambda talk: talk.writer.close(), Talk.reset])
def test_f25_a_kept_connection_that_was_dead_is_retried_once_on_a_fresh_one(
    close: Callable[[Talk], None],
) -> None:
    seen, web = play(ends_before_reuse(close), times=2)
    assert ("", [ok(ONE)] * 2) == (seen.cause, seen.answers)
    assert (2, 3) == (web.connections, len(web.requests))
    assert [Retried("npl")] == seen.events


def test_f25_the_retry_does_not_take_another_kept_connection_that_may_be_dead_too() -> None:
    async def scene() -> tuple[Seen, Web]:
        both = asyncio.Barrier(2)

        async def script(talk: Talk) -> None:
            form = await talk.request()
            if talk.nth <= 2:
                await both.wait()
                await talk.send(sized(answered(form)))
                await talk.request()
                return
            await talk.send(sized(answered(form)))

        seen = Seen()
        client = Client(connections=2)
        async with serving(script) as web:
            pair = [ask(client, web.url, [number], seen, 5.0) for number in (ONE, TWO)]
            await asyncio.gather(*pair)
            await ask(client, web.url, [ONE], seen, 5.0)
            await client.close()
        return seen, web

    seen, web = asyncio.run(scene())
    assert ("", 3, 3) == (seen.cause, len(seen.answers), web.connections)


async def only_once_then_dead(talk: Talk) -> None:
    if talk.nth == 1:
        await talk.send(sized(answered(await talk.request())))
    await talk.request()


def test_f25_the_retry_is_the_last() -> None:
    seen, web = play(only_once_then_dead, times=2)
    assert ("reset", [ok(ONE)]) == (seen.cause, seen.answers)
    assert (2, 3) == (web.connections, len(web.requests))


def test_a_fresh_connection_that_dies_is_not_retried() -> None:
    seen, web = play(close_at_once)
    assert ("reset", 1, []) == (seen.cause, len(web.requests), seen.events)


def test_f25_a_retry_keeps_the_first_deadline() -> None:
    async def script(talk: Talk) -> None:
        if talk.nth == 1:
            await talk.send(sized(answered(await talk.request())))
            await talk.request()
            await asyncio.sleep(0.2)
            return
        await hang(talk)

    seen, _ = play(script, times=2, within=0.4)
    assert "timeout" == seen.cause
    assert 0.39 < seen.took < 0.9


def test_f26_a10_an_extra_response_in_the_same_segment_never_answers_another_number() -> None:
    async def script(talk: Talk) -> None:
        while True:
            form = await talk.request()
            extra = sized(b"QUERYOK\n447000000000 26201\nENDBATCH\n")
            await talk.send(sized(answered(form)) + extra)

    async def scene() -> tuple[list[Answer], list[LookupEvent]]:
        answers: list[Answer] = []
        events: list[LookupEvent] = []
        client = Client(connections=1, observe=events.append)
        async with serving(script) as web:
            for number in numbers(20):
                await client.ask(account(web.url), [number], instant() + 5, answers.append)
        await client.close()
        return answers, events

    answers, events = asyncio.run(scene())
    assert numbers(20) == [answer.number for answer in answers]
    networks = {answer.info.mccmnc for answer in answers if answer.info}
    assert {"23415"} == networks
    assert Strangers("npl", 1) in events


def test_f26_a10_a_late_response_on_an_idle_connection_makes_it_fall_out_of_use() -> None:
    async def scene() -> tuple[Seen, int]:
        idle, late = asyncio.Event(), asyncio.Event()

        async def script(talk: Talk) -> None:
            await talk.send(sized(answered(await talk.request())))
            await idle.wait()
            if talk.nth == 1:
                await talk.send(sized(b"QUERYOK\n447810701702 26201\nENDBATCH\n"))
                late.set()
                await talk.gone()

        seen = Seen()
        client = Client(connections=1)
        async with serving(script) as web:
            await ask(client, web.url, [ONE], seen, 5.0)
            idle.set()
            await late.wait()
            await ask(client, web.url, [TWO], seen, 5.0)
            await client.close()
        return seen, web.connections

    seen, connections = asyncio.run(scene())
    assert ([ok(ONE), ok(TWO)], 2) == (seen.answers, connections)


def test_numbers_that_were_not_asked_are_reported() -> None:
    seen, _ = play(respond(sized(b"QUERYOK\n447000000000 26201\nENDBATCH\n")))
    assert [Strangers("npl", 1)] == seen.events
    assert [None] == [answer.info for answer in seen.answers]


def test_a_cancelled_question_frees_its_connection() -> None:
    async def scene() -> None:
        client = Client(connections=1)
        async with serving(hang) as web:
            asking = asyncio.create_task(
                client.ask(account(web.url), [ONE], instant() + 30, lambda _: None)
            )
            await web.came.wait()
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
        async with serving(faithful) as web:
            answers: list[Answer] = []
            await client.ask(account(web.url), [ONE], instant() + 5, answers.append)
            assert [ok(ONE)] == answers
        await client.close()

    asyncio.run(scene())


def test_a_fault_holds_neither_password_nor_number_nor_the_request() -> None:
    seen, _ = play(respond(HEAD + b"Content-Length: 900\r\n\r\nQUERYOK\n"))
    assert seen.fault is not None
    assert seen.fault.__suppress_context__
    assert seen.fault.__cause__ is None
    assert "RemoteProtocolError" == seen.fault.detail


def kinds(base: type[httpx.RequestError]) -> Iterator[type[httpx.RequestError]]:
    yield base
    for child in base.__subclasses__():
        yield from kinds(child)


def test_every_failure_that_httpx_knows_has_a_cause() -> None:
    known = {kind for kind in kinds(httpx.RequestError) if kind.__module__.startswith("httpx")}
    assert set() == known - set(CAUSES)
    assert len(known) > 15


def test_a_failure_that_httpx_may_grow_is_malformed() -> None:
    class Novelty(httpx.TransportError):
        pass

    assert "malformed" == cause_of(Novelty("new"))


def test_an_expired_certificate_anywhere_in_the_chain_is_a_tls_fault() -> None:
    error = httpx.ConnectError("no")
    error.__cause__ = OSError("below")
    error.__cause__.__cause__ = ssl.SSLCertVerificationError("expired")
    assert "tls" == cause_of(error)
    assert "connect" == cause_of(httpx.ConnectError("no"))


NAME = "npl.example"


def pinned(*addresses: str) -> Resolver:
    """A resolver to which the name has these addresses."""

    def resolve(host: str, port: int, **terms: Any) -> list[tuple[Any, ...]]:
        del terms
        assert NAME == host
        return [(socket.AF_INET, 1, 6, "", (address, port)) for address in addresses]

    return Resolver(NAME, 443, allow_private=True, clock=instant, resolve=resolve, every_s=60)


@asynccontextmanager
async def client_to(*addresses: str, **terms: Any) -> AsyncIterator[Client]:
    resolver = pinned(*addresses)
    await resolver.start()
    client = Client(connections=1, resolver=resolver, **terms)
    try:
        yield client
    finally:
        resolver.stop()
        await client.close()


def play_name(
    script: Script,
    *addresses: str,
    tls: ssl.SSLContext | None = None,
    within: float = 5.0,
    **terms: Any,
) -> tuple[Seen, Web]:
    """Ask a server by a name that no resolver of this machine knows."""

    async def scene() -> tuple[Seen, Web]:
        seen = Seen()
        async with serving(script, tls) as web, client_to(*addresses, **terms) as client:
            url = web.url.replace("127.0.0.1", NAME)
            for _ in range(2):
                await ask(client, url, [ONE], seen, within)
        return seen, web

    return asyncio.run(scene())


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def test_f28_a_name_is_reached_at_the_address_that_is_pinned() -> None:
    heads = []

    async def script(talk: Talk) -> None:
        while True:
            form = await talk.request()
            heads.append(talk.head)
            await talk.send(sized(answered(form)))

    seen, web = play_name(script, "127.0.0.1")
    assert ("", [ok(ONE)] * 2, 1) == (seen.cause, seen.answers, web.connections)
    host = f"host: {NAME}:{web.port}".encode()
    assert [True, True] == [host in head.lower().split(b"\r\n") for head in heads]
    assert all(1 == head.lower().count(b"\r\nhost:") for head in heads)


def test_a12_the_certificate_is_the_names_and_not_the_addresss(authority: Authority) -> None:
    names = []
    tls = authority.server(NAME)
    tls.sni_callback = lambda _ssl, name, _context: names.append(name)
    seen, _ = play_name(faithful, "127.0.0.1", tls=tls, verify=authority.trusted())
    assert ("", [ok(ONE)] * 2, [NAME]) == (seen.cause, seen.answers, names)


@pytest.mark.parametrize(
    "name", ["other.example", "example", "*.npl.example", "npl.example.evil.example"]
)
def test_f13_a12_a_certificate_of_another_name_is_refused(authority: Authority, name: str) -> None:
    tls = authority.server(name)
    seen, web = play_name(faithful, "127.0.0.1", tls=tls, verify=authority.trusted())
    assert ("tls", []) == (seen.cause, web.requests)


def test_f13_an_expired_certificate_is_refused(authority: Authority) -> None:
    tls = authority.server(NAME, days=-1)
    seen, web = play_name(faithful, "127.0.0.1", tls=tls, verify=authority.trusted())
    assert ("tls", []) == (seen.cause, web.requests)


def test_a12_a_self_signed_certificate_is_refused(authority: Authority) -> None:
    tls = authority.self_signed(NAME)
    seen, web = play_name(faithful, "127.0.0.1", tls=tls, verify=authority.trusted())
    assert ("tls", []) == (seen.cause, web.requests)


def test_a12_an_authority_that_is_not_the_worlds_is_refused(authority: Authority) -> None:
    seen, web = play_name(faithful, "127.0.0.1", tls=authority.server(NAME))
    assert ("tls", []) == (seen.cause, web.requests)


def weak(context: ssl.SSLContext) -> ssl.SSLContext:
    """Allow everything down to TLS 1.0, as OpenSSL 3 does at security level 0 only."""
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        context.minimum_version = ssl.TLSVersion.TLSv1
    return context


@pytest.mark.parametrize(
    ("version", "cause"),
    [
        (ssl.TLSVersion.TLSv1, "tls"),
        (ssl.TLSVersion.TLSv1_1, "tls"),
        (ssl.TLSVersion.TLSv1_2, ""),
    ],
)
def test_a12_no_tls_below_1_2_is_spoken_even_when_the_context_would(
    authority: Authority, version: ssl.TLSVersion, cause: str
) -> None:
    tls = weak(authority.server(NAME))
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        tls.maximum_version = version
    seen, _ = play_name(faithful, "127.0.0.1", tls=tls, verify=weak(authority.trusted()))
    assert cause == seen.cause


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_the_control_a_client_without_our_floor_does_speak_it(
    authority: Authority, version: ssl.TLSVersion
) -> None:
    async def scene() -> str | None:
        tls = weak(authority.server(NAME))
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
            tls.maximum_version = version
        async with serving(Talk.gone, tls) as web:
            _, writer = await asyncio.open_connection(
                "127.0.0.1", web.port, ssl=weak(authority.trusted()), server_hostname=NAME
            )
            spoken: str | None = writer.get_extra_info("ssl_object").version()
            writer.close()
            await writer.wait_closed()
        return spoken

    assert version.name.replace("_", ".") == (asyncio.run(scene()) or "").replace("TLSv1_", "TLSv1")


def test_f13_when_one_address_refuses_the_next_is_asked_at_once() -> None:
    seen, web = play_name(faithful, "127.0.0.2", "127.0.0.1")
    assert ("", [ok(ONE)] * 2) == (seen.cause, seen.answers)
    assert (1, 2) == (web.connections, len(web.requests))


def test_f13_when_every_address_refuses_it_is_a_connect_fault() -> None:
    seen, web = play_name(faithful, "127.0.0.2", "127.0.0.3", "127.0.0.4")
    assert ("connect", 0) == (seen.cause, web.connections)


def test_f13_a_single_address_that_refuses_is_a_connect_fault() -> None:
    seen, _ = play_name(faithful, "127.0.0.2")
    assert "connect" == seen.cause


def test_f28_a_name_that_never_had_an_address_is_a_connect_fault() -> None:
    seen, web = play_name(faithful)
    assert ("connect", 0) == (seen.cause, web.connections)


def test_a11_with_a_pinned_name_no_other_host_is_asked() -> None:
    async def scene() -> tuple[Seen, Web]:
        seen = Seen()
        async with serving(faithful) as web, client_to("127.0.0.1") as client:
            await ask(client, web.url, [ONE], seen, 5.0)
        return seen, web

    seen, web = asyncio.run(scene())
    assert ("bad_request", 0) == (seen.cause, web.connections)


def test_a_literal_address_is_asked_as_it_is() -> None:
    async def scene() -> Seen:
        seen = Seen()
        resolver = Resolver("127.0.0.1", 80, clock=instant)
        client = Client(connections=1, resolver=resolver)
        async with serving(faithful) as web:
            await ask(client, web.url, [ONE], seen, 5.0)
        await client.close()
        return seen

    assert [ok(ONE)] == asyncio.run(scene()).answers


def black_hole() -> tuple[socket.socket, list[socket.socket]]:
    """A port whose backlog is full, so that Linux drops every further SYN."""
    hole = socket.socket()
    hole.bind(("127.0.0.1", 0))
    hole.listen(0)
    waiting = []
    for _ in range(3):
        one = socket.socket()
        one.setblocking(False)
        one.connect_ex(hole.getsockname())
        waiting.append(one)
    return hole, waiting


def test_f14_a_black_hole_ends_at_the_cap_of_the_connection() -> None:
    hole, waiting = black_hole()

    async def scene() -> Seen:
        seen = Seen()
        client = Client(connections=1, connect_s=0.15)
        await ask(client, f"http://127.0.0.1:{hole.getsockname()[1]}/npl", [ONE], seen, 5.0)
        await client.close()
        return seen

    seen = asyncio.run(scene())
    for one in (hole, *waiting):
        one.close()
    assert ("connect", "ConnectTimeout") == (seen.cause, seen.fault and seen.fault.detail)
    assert 0.14 < seen.took < 1.0


def test_f14_the_cap_holds_for_tcp_and_tls_together() -> None:
    async def scene() -> Seen:
        seen = Seen()
        client = Client(connections=1, connect_s=0.15)
        async with serving(Talk.gone) as web:
            await ask(client, web.url.replace("http:", "https:"), [ONE], seen, 5.0)
        await client.close()
        return seen

    seen = asyncio.run(scene())
    assert "connect" == seen.cause
    assert 0.14 < seen.took < 1.0


def test_f13_a_reset_inside_the_tls_handshake_is_a_connect_fault() -> None:
    async def script(talk: Talk) -> None:
        await talk.reader.read(1)
        talk.reset()

    async def scene() -> Seen:
        seen = Seen()
        client = Client(connections=1)
        async with serving(script) as web:
            await ask(client, web.url.replace("http:", "https:"), [ONE], seen, 5.0)
        await client.close()
        return seen

    assert "connect" == asyncio.run(scene()).cause


def test_f14_the_cap_is_not_for_an_answer_that_takes_its_time() -> None:
    async def script(talk: Talk) -> None:
        form = await talk.request()
        await asyncio.sleep(0.3)
        await talk.send(sized(answered(form)))

    seen, _ = play_name(script, "127.0.0.1", connect_s=0.1)
    assert ("", [ok(ONE)] * 2) == (seen.cause, seen.answers)


def test_f14_after_a_black_hole_the_next_address_is_asked_inside_the_deadline() -> None:
    hole, waiting = black_hole()
    port = hole.getsockname()[1]

    async def scene() -> tuple[Seen, int]:
        seen, came = Seen(), 0

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal came
            came += 1
            await reader.readuntil(b"\r\n\r\n")
            writer.write(sized(GOOD))
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.2", port)
        async with server, client_to("127.0.0.1", "127.0.0.2", connect_s=0.1) as client:
            await ask(client, f"http://{NAME}:{port}/npl", [ONE], seen, 5.0)
        return seen, came

    seen, came = asyncio.run(scene())
    for one in (hole, *waiting):
        one.close()
    assert ("", [ONE], 1) == (seen.cause, [answer.number for answer in seen.answers], came)
    assert seen.took < 1.0


# RFC 9110, section 10.2.3; "now" is 2026-11-21 08:00:00 UTC.
NOW = 1_795_248_000.0


@pytest.mark.parametrize(
    ("status", "header", "pause"),
    [
        (429, "Retry-After: 17", 17.0),
        (429, "Retry-After: Sat, 21 Nov 2026 08:00:20 GMT", 20.0),
        (429, "Retry-After: 315360000", 60.0),
        (429, "Retry-After: -5", 1.0),
        (429, "X: y", 1.0),
        (503, "Retry-After: 9", 9.0),
        (503, "X: y", None),
        (500, "Retry-After: 9", None),
    ],
)
def test_f18_a_provider_that_asks_for_quiet_says_how_long(
    status: int, header: str, pause: float | None
) -> None:
    async def scene() -> Seen:
        seen = Seen()
        client = Client(connections=1, wall=lambda: NOW)
        head = f"HTTP/1.1 {status} Later\r\n{header}\r\n".encode()
        async with serving(respond(sized(b"", head))) as web:
            await ask(client, web.url, [ONE], seen, 5.0)
        await client.close()
        return seen

    fault = asyncio.run(scene()).fault
    assert fault is not None
    assert (pause, "throttled" if status == 429 else "http") == (fault.retry_after_s, fault.cause)


def test_a_body_cap_of_ones_own_holds() -> None:
    async def scene(most: int) -> Seen:
        seen = Seen()
        client = Client(connections=1, max_body=most)
        async with serving(respond(sized(GOOD))) as web:
            await ask(client, web.url, [ONE], seen, 5.0)
        await client.close()
        return seen

    assert "" == asyncio.run(scene(len(GOOD))).cause
    assert "oversize" == asyncio.run(scene(len(GOOD) - 1)).cause
