"""The only place that speaks HTTP to providers: one deadline, one map of foreign errors.

What httpx 0.28 (httpcore 1.0, h11) does on a kept connection, measured: bytes that arrive while
it is idle make it discard the connection; a second response in the *same* read stays in its
buffer and is taken for the answer to the next request, and no public call shows that it is there.
The safety is that every answer names its number: a reading drops and counts what was not asked,
so no number gets another one's answer.

Names are not resolved here: with a ``Resolver`` the connection goes to its address, while the Host
field, the TLS server name and the certificate are the name's. Connecting has a cap of its own, TLS
included, and when no connection comes the next address is tried: nothing was sent by then.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Protocol

import httpx

from agi.errors import ProviderFault
from agi.lookup.events import Observer, Retried, Strangers, ignore
from agi.lookup.limits import retry_after
from agi.lookup.provider import Answer, HttpRequest, Provider, Reading
from agi.lookup.resolver import Resolver
from agi.model import Msisdn

MAX_BODY: Final = 65_536
"""Bytes of one answer's body, at most; 1,000 numbers of NPL v2.4 take about 48,000."""

MAX_HEADERS: Final = 16_384
"""Bytes of one answer's header fields, at most; httpcore itself stops at 102,400."""

CONNECT_S: Final = 0.4
"""Seconds for one connection, TCP and TLS together: a black hole must not eat a call's time."""

CAUSES: Final[Mapping[type[httpx.RequestError], str]] = MappingProxyType(
    {
        httpx.RequestError: "malformed",
        httpx.TransportError: "connect",
        httpx.TimeoutException: "timeout",
        httpx.ConnectTimeout: "connect",
        httpx.ReadTimeout: "timeout",
        httpx.WriteTimeout: "timeout",
        httpx.PoolTimeout: "timeout",
        httpx.NetworkError: "reset",
        httpx.ConnectError: "connect",
        httpx.ReadError: "reset",
        httpx.WriteError: "reset",
        httpx.CloseError: "reset",
        httpx.ProxyError: "connect",
        httpx.UnsupportedProtocol: "bad_request",
        httpx.ProtocolError: "malformed",
        httpx.LocalProtocolError: "bad_request",
        httpx.RemoteProtocolError: "malformed",
        httpx.DecodingError: "malformed",
        httpx.TooManyRedirects: "http",
    }
)
"""Every way in which httpx fails a request, and the cause it is to us."""

_UNCONNECTED: Final = (httpx.ConnectError, httpx.ConnectTimeout)
_WAITING: Final = (ssl.SSLWantReadError, ssl.SSLWantWriteError)
_WORDS: Final = (("Server disconnected", "reset"), ("peer closed connection", "truncated"))


def cause_of(error: httpx.RequestError) -> str:
    """Return the ``ProviderFault`` cause of an httpx failure.

    httpx folds TLS failures into ``ConnectError`` and both early ends into
    ``RemoteProtocolError``: the chain and the message tell them apart.
    """
    cause = CAUSES.get(type(error), "malformed")
    if cause == "connect" and _has_tls(error):
        return "tls"
    if isinstance(error, httpx.RemoteProtocolError):
        return next((known for words, known in _WORDS if str(error).startswith(words)), cause)
    return cause


def _has_tls(error: BaseException | None) -> bool:
    while error is not None:
        # A handshake that still waits for bytes leaves one of the two in the chain of any failure.
        if isinstance(error, ssl.SSLError) and not isinstance(error, _WAITING):
            return True
        error = error.__cause__ or error.__context__
    return False


class _Trace:
    """What httpcore tells of one attempt: whether it had to connect, and its socket then.

    ``cap`` runs while it connects, and only then.
    """

    def __init__(self, connect_s: float) -> None:
        self._connect_s = connect_s
        self.begin()

    def begin(self) -> None:
        """Forget the attempt before."""
        self.connected = False
        self.cap = asyncio.timeout(None)
        self._socket: _Closable | None = None

    async def __call__(self, event: str, info: Mapping[str, Any]) -> None:
        if event == "connection.connect_tcp.started":
            self.connected = True
            self.cap.reschedule(asyncio.get_running_loop().time() + self._connect_s)
        elif event == "connection.connect_tcp.complete":
            self._socket = info["return_value"]
        elif event == "http11.send_request_headers.started":
            self.cap.reschedule(None)

    async def abandon(self) -> None:
        """Close the socket: httpcore 1.0 forgets it when a TLS handshake is cancelled."""
        if self._socket is not None:
            await self._socket.aclose()


class _Closable(Protocol):
    async def aclose(self) -> None: ...


@dataclass(frozen=True, slots=True)
class _Pin:
    """Where one request goes: the address in its url, the name in its Host field and in TLS."""

    url: httpx.URL
    headers: tuple[tuple[str, str], ...] = ()
    extensions: Mapping[str, str] = field(default_factory=dict)
    address: str | None = None


class Client:
    """HTTP for one account: at most ``connections`` at once, kept alive for ``keepalive_s``.

    It never logs, follows no redirect, takes no proxy or password from the environment, speaks
    no TLS below 1.2, and decodes nothing: a compressed body is refused, so ``max_body`` is what
    memory sees. ``resolver`` pins the account's host; another host is refused then. ``wall`` is the
    wall clock, for dates in Retry-After.
    """

    def __init__(  # noqa: PLR0913 - each is a limit of its own, by keyword
        self,
        *,
        connections: int,
        max_body: int = MAX_BODY,
        max_headers: int = MAX_HEADERS,
        keepalive_s: float = 30.0,
        connect_s: float = CONNECT_S,
        resolver: Resolver | None = None,
        verify: ssl.SSLContext | None = None,
        wall: Callable[[], float] = time.time,
        observe: Observer = ignore,
    ) -> None:
        tls = verify or httpx.create_ssl_context(trust_env=False)
        tls.minimum_version = max(tls.minimum_version, ssl.TLSVersion.TLSv1_2)
        self._kept = _http(tls, connections, connections, keepalive_s)
        self._fresh = _http(tls, connections, 0, keepalive_s)
        self._max_body = max_body
        self._max_headers = max_headers
        self._connect_s = connect_s
        self._resolver = resolver
        self._host = httpx.URL(scheme="https", host=resolver.host).raw_host if resolver else b""
        self._wall = wall
        self._observe = observe

    async def ask(
        self,
        provider: Provider,
        numbers: Sequence[Msisdn],
        deadline: float,
        on_answer: Callable[[Answer], None],
    ) -> None:
        """Ask ``provider`` for ``numbers``; hand over each answer as its bytes arrive.

        ``deadline`` is an instant of the loop's clock around everything: connecting, TLS, the
        whole body. Answers handed over before a fault stay good.

        Raises:
            ProviderFault: with what httpx or the provider said, as one of its causes.
        """
        try:
            async with asyncio.timeout_at(deadline):
                await self._ask(provider, numbers, on_answer)
        except TimeoutError:
            raise ProviderFault("timeout") from None
        except httpx.InvalidURL:
            raise ProviderFault("bad_request", "the url") from None
        except httpx.RequestError as error:
            # The request inside the error holds the password and the numbers.
            raise ProviderFault(cause_of(error), type(error).__name__) from None

    async def close(self) -> None:
        """Close every connection."""
        await self._kept.aclose()
        await self._fresh.aclose()

    async def _ask(
        self,
        provider: Provider,
        numbers: Sequence[Msisdn],
        on_answer: Callable[[Answer], None],
    ) -> None:
        async with self._send(provider, provider.request(numbers)) as response:
            reading = self._begin(provider, response, numbers)
            self._check_head(response)
            try:
                await self._read(response, reading, on_answer)
            finally:
                if reading.strangers:
                    self._observe(Strangers(provider.name, reading.strangers))

    @asynccontextmanager
    async def _send(
        self, provider: Provider, request: HttpRequest
    ) -> AsyncIterator[httpx.Response]:
        """Send once; once more, on a fresh connection, when the kept one was dead already.

        httpx does not tell a peer that closed before the head's first byte from one that closed
        inside the head; both count as "no answer came".
        """
        trace = _Trace(self._connect_s)
        try:
            response = await self._start(self._kept, request, trace)
        except (httpx.NetworkError, httpx.RemoteProtocolError):
            if trace.connected:
                raise
            self._observe(Retried(provider.name))
            response = await self._start(self._fresh, request, trace)
        try:
            yield response
        finally:
            await response.aclose()

    async def _start(
        self, http: httpx.AsyncClient, request: HttpRequest, trace: _Trace
    ) -> httpx.Response:
        """Send to the address that works; when no connection comes, once more to the next one."""
        built, address = self._build(http, request, trace)
        try:
            return await _start(http, built, trace)
        except _UNCONNECTED:
            if self._resolver is None or address is None:
                raise
            self._resolver.failed(address)
            if self._resolver.address() == address:
                raise
        return await _start(http, self._build(http, request, trace)[0], trace)

    def _build(
        self, http: httpx.AsyncClient, request: HttpRequest, trace: _Trace
    ) -> tuple[httpx.Request, str | None]:
        """Return the request as httpx wants it, and the address that it is pinned to, if any."""
        pin = self._pin(httpx.URL(request.url))
        built = http.build_request(
            request.method,
            pin.url,
            headers=[*pin.headers, *request.headers],
            content=request.body,
            extensions={"trace": trace, **pin.extensions},
        )
        return built, pin.address

    def _pin(self, url: httpx.URL) -> _Pin:
        if self._resolver is None:
            return _Pin(url)
        if url.raw_host != self._host:
            raise ProviderFault("bad_request", "another host than the account's")
        address = self._resolver.address()
        if address is None:
            raise ProviderFault("connect", "the provider's name has no address yet")
        if address == self._resolver.host:
            return _Pin(url)
        name = {"sni_hostname": url.raw_host.decode()}
        host = (("Host", url.netloc.decode()),)
        return _Pin(url.copy_with(host=address), host, name, address)

    def _begin(
        self, provider: Provider, response: httpx.Response, numbers: Sequence[Msisdn]
    ) -> Reading:
        try:
            return provider.parse(response.status_code, numbers)
        except ProviderFault as fault:
            asked = response.headers.get("retry-after")
            if response.status_code == 429 or (response.status_code == 503 and asked):
                fault.retry_after_s = retry_after(asked, self._wall())
            raise

    def _check_head(self, response: httpx.Response) -> None:
        raw = response.headers.raw
        if sum(len(name) + len(value) for name, value in raw) > self._max_headers:
            raise ProviderFault("oversize", f"more than {self._max_headers} bytes of headers")
        if response.headers.get("content-encoding", "identity") != "identity":
            raise ProviderFault("malformed", "a compressed body")

    async def _read(
        self, response: httpx.Response, reading: Reading, on_answer: Callable[[Answer], None]
    ) -> None:
        total = 0
        async for chunk in response.aiter_raw():
            total += len(chunk)
            if total > self._max_body:
                raise ProviderFault("oversize", f"more than {self._max_body} bytes")
            for answer in reading.feed(chunk):
                on_answer(answer)
        for answer in reading.close():
            on_answer(answer)


def _http(tls: ssl.SSLContext, most: int, kept: int, keepalive_s: float) -> httpx.AsyncClient:
    limits = httpx.Limits(
        max_connections=most, max_keepalive_connections=kept, keepalive_expiry=keepalive_s
    )
    timeout = httpx.Timeout(None)  # httpx counts per read; the deadline is around everything
    return httpx.AsyncClient(
        verify=tls, limits=limits, timeout=timeout, follow_redirects=False, trust_env=False
    )


async def _start(http: httpx.AsyncClient, built: httpx.Request, trace: _Trace) -> httpx.Response:
    trace.begin()
    try:
        async with trace.cap:
            return await http.send(built, stream=True)
    except TimeoutError:
        await trace.abandon()
        raise httpx.ConnectTimeout("no connection in time", request=built) from None
    except asyncio.CancelledError:
        await trace.abandon()
        raise
