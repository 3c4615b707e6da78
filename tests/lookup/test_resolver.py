"""A provider's name beside the calls: hangs, lies, private addresses, and who goes first."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from typing import Any

import pytest

from agi.lookup.resolver import MOST, Resolver, literal, routable

# Public addresses of the IANA root servers a, b and c: nobody's private network.
A, B, C = "198.41.0.4", "170.247.170.2", "192.33.4.12"
A6 = "2001:503:ba3e::2:30"


class Names:
    """A resolver double: what it says next, how often it was asked, and a gate to hang at."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses
        self.fault: Exception | None = None
        self.gate = threading.Event()
        self.gate.set()
        self.asked = 0
        self.now = 0
        self.most = 0

    def __call__(self, host: str, port: int, **terms: Any) -> list[tuple[Any, ...]]:
        assert ("npl.example", 443, {"type": socket.SOCK_STREAM}) == (host, port, terms)
        self.asked += 1
        self.now += 1
        self.most = max(self.most, self.now)
        self.gate.wait(10)
        self.now -= 1
        if self.fault is not None:
            raise self.fault
        kind = socket.SOCK_STREAM
        return [(socket.AF_INET, kind, 6, "", (address, port)) for address in self.addresses]


def made(names: Names, every_s: float = 3600.0, **terms: Any) -> Resolver:
    known: dict[str, Any] = {"clock": asyncio.get_running_loop().time, "roll": lambda: 0.5}
    return Resolver("npl.example", 443, resolve=names, every_s=every_s, **(known | terms))


def run(scene: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(20):
            await scene()

    asyncio.run(bounded())


async def until(true: Callable[[], bool]) -> None:
    while not true():  # noqa: ASYNC110 - a resolver tells nobody that it has looked
        await asyncio.sleep(0.002)


def test_a_name_has_an_address_after_the_start() -> None:
    async def scene() -> None:
        resolver = made(Names(A, B))
        assert resolver.address() is None
        await resolver.start()
        assert (A, "") == (resolver.address(), resolver.trouble)
        resolver.stop()

    run(scene)


def test_a_literal_address_is_its_own_and_never_resolved() -> None:
    async def scene() -> None:
        names = Names()
        resolver = Resolver("10.0.0.7", 443, clock=lambda: 0.0, resolve=names)
        await resolver.start()
        resolver.failed("10.0.0.7")
        assert ("10.0.0.7", 0) == (resolver.address(), names.asked)
        resolver.stop()

    run(scene)


def test_localhost_may_be_this_host() -> None:
    async def scene() -> None:
        resolver = Resolver("localhost", 80, clock=lambda: 0.0)
        await resolver.start()
        assert resolver.address() in ("127.0.0.1", "::1")
        resolver.stop()

    run(scene)


def test_a_failed_address_goes_behind_the_others_and_stays_there() -> None:
    async def scene() -> None:
        names = Names(A, B, C)
        resolver = made(names, 0.01)
        await resolver.start()
        resolver.failed(A)
        assert B == resolver.address()
        await until(lambda: names.asked > 3)
        assert B == resolver.address()
        resolver.failed(B)
        assert C == resolver.address()
        resolver.stop()

    run(scene)


def test_when_every_address_has_failed_the_first_gets_another_chance() -> None:
    async def scene() -> None:
        resolver = made(Names(A, B))
        await resolver.start()
        resolver.failed(A)
        resolver.failed(B)
        assert A == resolver.address()
        resolver.stop()

    run(scene)


def test_when_every_address_has_failed_the_name_is_resolved_soon() -> None:
    async def scene() -> None:
        names = Names(A, B)
        resolver = made(names, 3600.0, hurry_s=0.01)
        await resolver.start()
        resolver.failed(A)
        names.addresses = (C,)
        await asyncio.sleep(0.05)
        assert 1 == names.asked
        resolver.failed(B)
        await until(lambda: resolver.address() == C)
        resolver.stop()

    run(scene)


def test_failures_are_remembered_anew_after_every_address_has_failed() -> None:
    async def scene() -> None:
        names = Names(A, B)
        resolver = made(names, 0.01)
        await resolver.start()
        for address in (A, B, A):
            resolver.failed(address)
        asked = names.asked
        await until(lambda: names.asked > asked + 2)
        assert B == resolver.address()
        resolver.stop()

    run(scene)


def test_without_any_address_the_name_is_resolved_soon() -> None:
    async def scene() -> None:
        names = Names()
        resolver = made(names, 3600.0, hurry_s=0.01)
        await resolver.start()
        names.addresses = (A,)
        await until(lambda: resolver.address() == A)
        resolver.stop()

    run(scene)


def test_an_address_that_is_not_in_use_cannot_fail() -> None:
    async def scene() -> None:
        resolver = made(Names(A, B))
        await resolver.start()
        resolver.failed(C)
        assert A == resolver.address()
        resolver.stop()

    run(scene)


def test_a_new_address_is_taken_up_by_itself() -> None:
    async def scene() -> None:
        names = Names(A)
        resolver = made(names, 0.01)
        await resolver.start()
        names.addresses = (B,)
        await until(lambda: resolver.address() == B)
        resolver.stop()

    run(scene)


NXDOMAIN = socket.gaierror(socket.EAI_NONAME, "Name or service not known")


@pytest.mark.parametrize("fault", [NXDOMAIN, OSError("no"), UnicodeError("label too long")])
def test_f28_a_name_that_stops_to_resolve_keeps_its_last_good_address(fault: Exception) -> None:
    async def scene() -> None:
        names, heard = Names(A), list[str]()
        resolver = made(names, 0.01, observe=heard.append)
        await resolver.start()
        names.fault = fault
        await until(lambda: names.asked > 4)
        assert (A, "unresolved", ["unresolved"]) == (resolver.address(), resolver.trouble, heard)
        names.fault = None
        await until(lambda: resolver.trouble == "")
        resolver.stop()

    run(scene)


def test_f28_a_resolution_that_hangs_keeps_the_last_good_address_and_one_thread() -> None:
    async def scene() -> None:
        names = Names(A)
        resolver = made(names, 0.01)
        await resolver.start()
        names.gate.clear()
        names.addresses = (B,)
        await until(lambda: resolver.trouble == "slow")
        asked, threads = names.asked, threading.active_count()
        await asyncio.sleep(0.1)  # ten periods
        assert (A, asked, 1) == (resolver.address(), names.asked, names.most)
        assert threads == threading.active_count()
        names.gate.set()
        await until(lambda: resolver.address() == B)
        assert "" == resolver.trouble
        resolver.stop()

    run(scene)


def test_f28_hung_resolutions_leave_the_shared_threads_alone() -> None:
    async def scene() -> None:
        names = Names(A)
        names.gate.clear()
        resolvers = [made(names) for _ in range(12)]
        await asyncio.gather(*(resolver.start(0.01) for resolver in resolvers))
        assert 12 == names.now
        found = await asyncio.get_running_loop().getaddrinfo("localhost", 80)
        assert found
        names.gate.set()
        for resolver in resolvers:
            resolver.stop()

    run(scene)


def test_f28_a_first_resolution_that_hangs_bounds_the_start_and_is_taken_up_later() -> None:
    async def scene() -> None:
        names = Names(A)
        names.gate.clear()
        resolver = made(names)
        before = asyncio.get_running_loop().time()
        await resolver.start(0.05)
        assert asyncio.get_running_loop().time() - before < 1.0
        assert (None, "slow") == (resolver.address(), resolver.trouble)
        names.gate.set()
        await until(lambda: resolver.address() == A)
        resolver.stop()

    run(scene)


def test_f28_a_name_that_changes_to_this_host_changes_nothing() -> None:
    async def scene() -> None:
        names, heard = Names(A), list[str]()
        resolver = made(names, 0.01, observe=heard.append)
        await resolver.start()
        names.addresses = ("127.0.0.1", "::1", "10.1.2.3")
        await until(lambda: resolver.trouble == "refused")
        assert (A, ["refused"]) == (resolver.address(), heard)
        resolver.stop()

    run(scene)


def test_f28_private_addresses_among_public_ones_are_left_out() -> None:
    async def scene() -> None:
        resolver = made(Names("127.0.0.1", A, "not an address"))
        await resolver.start()
        resolver.failed(A)
        assert (A, "refused") == (resolver.address(), resolver.trouble)
        resolver.stop()

    run(scene)


def test_f28_private_addresses_are_taken_when_they_are_allowed() -> None:
    async def scene() -> None:
        resolver = made(Names("0.0.0.0", "224.0.0.1", "10.1.2.3"), allow_private=True)
        await resolver.start()
        assert "10.1.2.3" == resolver.address()
        resolver.stop()

    run(scene)


def test_only_so_many_addresses_are_kept() -> None:
    async def scene() -> None:
        resolver = made(Names(*(f"198.41.0.{last}" for last in range(1, 200))))
        await resolver.start()
        used = set()
        for _ in range(MOST + 5):
            used.add(address := resolver.address())
            resolver.failed(address or "")
        assert 16 == len(used)
        resolver.stop()

    run(scene)


def test_the_age_of_the_answer_is_known() -> None:
    async def scene() -> None:
        now = [100.0]
        names = Names(A)
        resolver = made(names, clock=lambda: now[0])
        now[0] = 200.0
        assert 100.0 == resolver.age_s
        await resolver.start()
        assert 0.0 == resolver.age_s
        now[0] = 290.0
        assert 90.0 == resolver.age_s
        resolver.stop()

    run(scene)


def test_an_answer_after_the_end_of_everything_is_nobodys() -> None:
    names = Names(A)
    names.gate.clear()

    async def scene() -> None:
        resolver = made(names)
        await resolver.start(0.01)
        resolver.stop()

    run(scene)
    thread = next(thread for thread in threading.enumerate() if thread.name == "resolver")
    names.gate.set()
    thread.join(5)
    assert not thread.is_alive()


# From the IANA IPv4 and IPv6 Special-Purpose Address Registries, and RFC 5771 and 4291.
@pytest.mark.parametrize(
    "text",
    [
        *("0.0.0.0", "10.0.0.1", "100.64.0.1", "127.0.0.1", "169.254.169.254", "172.16.0.1"),
        *("192.0.2.1", "192.168.0.1", "198.18.0.1", "224.0.0.1", "239.1.1.1", "240.0.0.1"),
        *("255.255.255.255", "::", "::1", "::7f00:1", "fe80::1", "fe80::1%eth0", "fc00::1"),
        *("fec0::1", "ff02::1", "2001:db8::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1"),
        *("64:ff9b::7f00:1", "64:ff9b::a00:1", "2002:7f00:1::", "2001:0:1::"),
    ],
)
def test_an_address_that_is_not_of_the_public_internet_is_not_routable(text: str) -> None:
    assert routable(ip_address(text)) is False


@pytest.mark.parametrize("text", [A, B, C, A6, f"::ffff:{A}", "64:ff9b::c629:4", "2002:c629:4::1"])
def test_a_public_address_is_routable(text: str) -> None:
    assert routable(ip_address(text)) is True


def test_an_address_is_literal_and_a_name_is_not() -> None:
    assert [True, True, False, False] == [
        literal(host) for host in ("127.0.0.1", "::1", "npl.example", "127.1")
    ]
