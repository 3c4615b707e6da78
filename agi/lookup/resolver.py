"""Where a provider's name points, found out beside the calls and never in their way.

``getaddrinfo`` has no time limit, and a few hung ones starve every other user of a shared thread
pool (measured: six on two cores, with Python 3.11; cpython#112169). So each name has a thread of
its own, at most one at a time, on a timer; calls take the address that was good last. A name that
stops to resolve, or suddenly points into this host's or a private network, changes nothing.
"""

from __future__ import annotations

import asyncio
import random
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any, Final

EVERY_S: Final = 60.0
"""Seconds between two resolutions, give or take ``JITTER``."""

HURRY_S: Final = 5.0
"""Seconds until the next one while there is no address, or none that works."""

JITTER: Final = 0.1

FIRST_S: Final = 2.0
"""Seconds that a start waits for the first resolution."""

MOST: Final = 16
"""Addresses kept of one name."""

_NAT64: Final = IPv6Network("64:ff9b::/96")  # RFC 6052, section 2.1

Resolve = Callable[..., Sequence[tuple[Any, ...]]]
"""The form of ``socket.getaddrinfo(host, port, type=...)``."""


def routable(address: IPv4Address | IPv6Address) -> bool:
    """Say whether an address is a public one of one host, by the IANA special-purpose registries.

    Private, loopback, link-local, shared (RFC 6598), multicast, reserved and unspecified ones are
    not; what is hidden in an IPv6 address (RFC 4291 mapped, RFC 3056 6to4, RFC 6052 NAT64) is
    judged as the IPv4 address that it reaches.
    """
    if isinstance(address, IPv6Address):
        inner = _inner(address)
        if inner is not None:
            return routable(inner)
        if address.is_site_local:
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def _inner(address: IPv6Address) -> IPv4Address | None:
    if address in _NAT64:
        return IPv4Address(address.packed[-4:])
    return address.ipv4_mapped or address.sixtofour


class Resolver:
    """The addresses of one provider's name; a literal address is its own.

    A private address is refused unless ``allow_private`` is set or the name is ``localhost``.
    ``trouble`` is the last failure in a word, for people: ``unresolved``, ``slow``, ``refused`` (a
    private address), or empty; ``observe`` is called with it when it comes. ``clock`` is monotonic,
    in seconds; ``roll`` returns 0 up to 1.
    """

    def __init__(  # noqa: PLR0913 - what the world is, by keyword
        self,
        host: str,
        port: int,
        *,
        allow_private: bool = False,
        clock: Callable[[], float],
        resolve: Resolve = socket.getaddrinfo,
        observe: Callable[[str], None] = lambda _: None,
        roll: Callable[[], float] = random.random,
        every_s: float = EVERY_S,
        hurry_s: float = HURRY_S,
    ) -> None:
        self.host = host
        self.trouble = ""
        self._port = port
        self._any = allow_private or host.lower() == "localhost"
        self._clock = clock
        self._resolve = resolve
        self._observe = observe
        self._roll = roll
        self._every_s = every_s
        self._hurry_s = min(hurry_s, every_s)
        self._good: list[str] = [host] if literal(host) else []
        self._failed: set[str] = set()
        self._since = clock()
        self._wake = asyncio.Event()
        self._pending: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def age_s(self) -> float:
        """Seconds since the addresses were last confirmed, or since the beginning."""
        return self._clock() - self._since

    async def start(self, within_s: float = FIRST_S) -> None:
        """Resolve, for at most so many seconds; then go on beside everything else."""
        if literal(self.host):
            return
        await self._look(within_s)
        self._task = asyncio.create_task(self._keep())

    def stop(self) -> None:
        """End; a hung resolution ends by itself and is not heard."""
        if self._task is not None:
            self._task.cancel()

    def address(self) -> str | None:
        """Return the address to use now; None: there never was a good one."""
        return self._good[0] if self._good else None

    def failed(self, address: str) -> None:
        """Take note that an address could not be connected to: the others go first now."""
        if address not in self._good or literal(self.host):
            return
        self._failed.add(address)
        if self._failed.issuperset(self._good):
            self._failed.clear()
            self._wake.set()
        self._good.remove(address)
        self._good.append(address)

    async def _keep(self) -> None:
        while True:
            pause = self._every_s if self._good else self._hurry_s
            pause *= 1 + JITTER * (2 * self._roll() - 1)
            self._wake.clear()
            await asyncio.sleep(min(self._hurry_s, pause))
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, pause - self._hurry_s)):
                    await self._wake.wait()
            await self._look(self._hurry_s)

    async def _look(self, within_s: float) -> None:
        """Resolve once; a resolution that still hangs is waited for again, not joined by more."""
        pending = self._pending = self._pending or self._begin()
        done, _ = await asyncio.wait([pending], timeout=within_s)
        if not done:
            self._say("slow")

    def _begin(self) -> asyncio.Future[None]:
        loop = asyncio.get_running_loop()
        pending = loop.create_future()

        def land(found: list[str]) -> None:
            self._pending = None
            self._take(found)
            if not pending.done():
                pending.set_result(None)

        def run() -> None:
            found = self._ask()
            with suppress(RuntimeError):  # the loop has closed: nobody wants to know
                loop.call_soon_threadsafe(land, found)

        # A daemon: the interpreter would wait for a hung thread of an executor at its end.
        threading.Thread(target=run, name="resolver", daemon=True).start()
        return pending

    def _ask(self) -> list[str]:
        try:
            found = self._resolve(self.host, self._port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):  # the latter: a label that IDNA refuses
            return []
        return [str(entry[4][0]) for entry in found]

    def _take(self, found: list[str]) -> None:
        """Believe an answer, keeping the order in which known addresses stand."""
        allowed = [address for address in dict.fromkeys(found) if self._may(address)]
        if not allowed:
            self._say("refused" if found else "unresolved")
            return
        self._say("refused" if len(allowed) < len(set(found)) else "")
        self._failed.intersection_update(allowed)
        fresh = [address for address in allowed if address not in self._failed]
        late = [address for address in allowed if address in self._failed]
        self._good = [*fresh, *late][:MOST]
        self._since = self._clock()

    def _may(self, text: str) -> bool:
        try:
            address = ip_address(text)
        except ValueError:
            return False
        if self._any:
            return not address.is_multicast and not address.is_unspecified
        return routable(address)

    def _say(self, trouble: str) -> None:
        if trouble and trouble != self.trouble:
            self._observe(trouble)
        self.trouble = trouble


def literal(host: str) -> bool:
    """Say whether a host is an address, without brackets, and no name."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
