"""Checks of the site's globals: who is asked, how long, and where calls go when nobody answers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Final

from agi.doctor.findings import Finding, Severity
from agi.doctor.reading import Entry
from agi.doctor.site import OURS, Ours, Site

GUARD_S: Final = (0.002, 5.0)
DEFAULT_GUARD_S: Final = 1.0
DEFAULT_EMERGENCY: Final = ("112", "911", "999")
MAX_TRUNKS: Final = 9
TECHS: Final = ("PJSIP", "SIP", "IAX2", "DAHDI", "Local")

_BASE: Final = re.compile(r"agi://(\[[^\]]+\]|[^/:\s]+)(?::([0-9]+))?(?:/(?:route/?)?)?")
_TRUNK: Final = re.compile(
    r"([A-Za-z0-9]+)/([A-Za-z0-9_.-]{1,40})(?::([0-9]*)(?::([0-9*#+]{0,16}))?)?"
)


def check_globals(site: Site, ours: Ours) -> Iterator[Finding]:
    """Yield what hurts in CARRIER_AGI, _GUARD, _DEFAULT_TRUNKS, _CONTEXT and _EMERGENCY."""
    yield from _check_hosts(site, ours)
    yield from _check_guard(site, ours)
    yield from _check_defaults(site)
    yield from _check_context(site)
    yield from _check_emergency(site, ours)


def default_trunks(site: Site) -> list[tuple[str, str]]:
    """Return technology and endpoint of each well-formed default trunk."""
    found = map(_TRUNK.fullmatch, _items(site, "CARRIER_DEFAULT_TRUNKS"))
    return [(item[1], item[2]) for item in found if item is not None and item[1] in TECHS]


def _at(site: Site, name: str, severity: Severity, what: str) -> Finding:
    entry = site.plan.globals.get(name) or Entry(site.plan.path, 0, name, "")
    return Finding(entry.file, entry.line, severity, f"{name}: {what}")


def _value(site: Site, name: str) -> str:
    entry = site.plan.globals.get(name)
    return entry.value.strip() if entry else ""


def _items(site: Site, name: str) -> list[str]:
    return [item.strip() for item in _value(site, name).split(",") if item.strip()]


def _check_hosts(site: Site, ours: Ours) -> Iterator[Finding]:
    name = "CARRIER_AGI"
    hosts = _items(site, name)
    if not hosts:
        what = f"not set in [globals], so nobody is asked: write {name}=agi://{ours.listen}"
        yield _at(site, name, Severity.ERROR, what)
    if len(hosts) > 2:
        yield _at(site, name, Severity.WARNING, "a third host is never asked: name two at most")
    relayed = [host for host in hosts[:2] if host.endswith(".agi")]
    places = [place for host in hosts[:2] if host not in relayed for place in [_place(host)]]
    for place in places:
        if isinstance(place, str):
            yield _at(site, name, Severity.ERROR, place)
    known = [place for place in places if not isinstance(place, str)]
    yield from _check_ports(site, ours, known, relayed=bool(relayed))


def _place(host: str) -> tuple[str, int] | str:
    """Return the address and port of one base URL, or what is wrong with it."""
    found = _BASE.fullmatch(host)
    if found is None:
        return "not of the form agi://ADDRESS:PORT, so this host is never reached"
    address = found[1].strip("[]")
    try:
        ip_address(address)
    except ValueError:
        return (
            f"{address!r} is a name: Asterisk waits without limit for a name server, and the guard "
            "cannot stop it; write the address"
        )
    return address, int(found[2] or 4573)


def _check_ports(
    site: Site, ours: Ours, places: list[tuple[str, int]], *, relayed: bool
) -> Iterator[Finding]:
    host, _, port_text = ours.listen.rpartition(":")
    port, listening = int(port_text), ip_address(host.strip("[]"))
    if port == 0 or relayed or not places:
        return
    same_host = [p for a, p in places if ip_address(a).is_loopback or ip_address(a) == listening]
    if port not in [p for _, p in places]:
        what = f"dialdip's [fastagi] listen is {ours.listen}: no host here has this port"
        yield _at(site, "CARRIER_AGI", Severity.ERROR, what)
    elif same_host and port not in same_host:
        what = f"on this host dialdip listens at {ours.listen}, not at the port named here"
        yield _at(site, "CARRIER_AGI", Severity.ERROR, what)


def _check_guard(site: Site, ours: Ours) -> Iterator[Finding]:
    text = _value(site, "CARRIER_GUARD")
    guard = float(text) if re.fullmatch(r"[0-9]*\.?[0-9]+|[0-9]+\.", text) else 0.0
    if text and not GUARD_S[0] <= guard <= GUARD_S[1]:
        what = "not a number of seconds from 0.002 to 5 with a point: 1.0 is used, and logged"
        yield _at(site, "CARRIER_GUARD", Severity.WARNING, what)
        guard = DEFAULT_GUARD_S
    guard = guard or DEFAULT_GUARD_S
    if guard * 1000 <= ours.deadline_ms:
        what = (
            f"Asterisk stops waiting after {guard * 1000:g} ms, no later than dialdip's [fastagi] "
            f"deadline_ms = {ours.deadline_ms}: late answers are lost, and their lookups paid; "
            "let the guard of every host be above it"
        )
        yield _at(site, "CARRIER_GUARD", Severity.ERROR, what)


def _check_defaults(site: Site) -> Iterator[Finding]:
    name = "CARRIER_DEFAULT_TRUNKS"
    items = _items(site, name)
    if not items:
        what = "not set in [globals]: while the service is down every call ends with cause 34"
        yield _at(site, name, Severity.ERROR, what)
    if len(items) > MAX_TRUNKS:
        yield _at(site, name, Severity.WARNING, "trunks after the ninth are never tried")
    for number, item in enumerate(items[:MAX_TRUNKS], 1):
        found = _TRUNK.fullmatch(item)
        if found is None:
            what = f"item {number} is not TECH/endpoint[:strip[:prepend]] and is passed over"
            yield _at(site, name, Severity.ERROR, what)
        elif found[1] not in TECHS:
            what = f"item {number}: write PJSIP, SIP, IAX2, DAHDI or Local, in these letters"
            yield _at(site, name, Severity.ERROR, what)


def _check_context(site: Site) -> Iterator[Finding]:
    name = "CARRIER_CONTEXT"
    context = _value(site, name)
    if not context:
        return
    if context.startswith("carrier-"):
        what = "a context whose name begins with carrier- is passed over: no h of yours runs"
        yield _at(site, name, Severity.ERROR, what)
    elif context not in site.plan.contexts:
        what = f"there is no context [{context}]: no h of yours runs when a call ends"
        yield _at(site, name, Severity.ERROR, what)
    elif site.plan.found(context, "h") is None:
        what = f"[{context}] has no h: nothing of yours runs when a call ends here"
        yield _at(site, name, Severity.NOTE, what)


def _check_emergency(site: Site, ours: Ours) -> Iterator[Finding]:
    named = _items(site, "CARRIER_EMERGENCY") or list(DEFAULT_EMERGENCY)
    changed = any(re.search(r":0*[1-9]|::?[0-9]*:[0-9*#+]", t) for t in _trunk_texts(site))
    entries = [name for name in site.plan.contexts if name not in OURS and site.dials_out(name)]
    for number in ours.emergency:
        if number not in named:
            what = (
                f"{number} is an emergency number of dialdip's [numbers] and not named here: "
                "while the service is down strip and prepend change it, and a loop stops it"
            )
            severity = Severity.ERROR if changed else Severity.WARNING
            yield _at(site, "CARRIER_EMERGENCY", severity, what)
        if entries and not any(site.plan.found(name, number) for name in entries):
            what = f"no context that dials out has a pattern for the emergency number {number}"
            yield Finding(site.plan.path, 0, Severity.ERROR, what)


def _trunk_texts(site: Site) -> list[str]:
    return _items(site, "CARRIER_DEFAULT_TRUNKS")
