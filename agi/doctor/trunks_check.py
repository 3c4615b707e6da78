"""Checks of trunks: whether Asterisk has those that we send calls to, and what they let in.

Defaults are those of Asterisk's ``pjsip.conf.sample``: no qualify, overlap dialling allowed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from agi.doctor.findings import Finding, Severity
from agi.doctor.globals_check import default_trunks
from agi.doctor.manager_check import true
from agi.doctor.reading import Conf, Entry, Section
from agi.doctor.site import Ours, Site

ANYBODY: Final = "anonymous"
"""Takes the calls that no other endpoint is known for (res_pjsip_endpoint_identifier_anonymous)."""

_EVERYWHERE: Final = ("0.0.0.0/0", "0.0.0.0/0.0.0.0", "::/0")
_FILES: Final = {"SIP": "sip.conf", "IAX2": "iax.conf"}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One PJSIP endpoint: where it stands, the context of its calls, its section's own options.

    ``qualified`` None: it has no address of record that could tell.
    """

    section: Section
    context: str
    qualified: bool | None


def check_trunks(site: Site, ours: Ours) -> Iterator[Finding]:
    """Yield what hurts in the trunks of our tables, the default trunks and the endpoints."""
    endpoints = _endpoints(site.pjsip) | _wizards(site.wizard)
    used = _used(site, ours)
    for tech, endpoint, who in used:
        yield from _check_there(site, endpoints, tech, endpoint, who)
    names = {endpoint for tech, endpoint, _ in used if tech == "PJSIP"}
    for name in sorted(names & endpoints.keys()):
        yield from _check_silent(name, endpoints[name])
    yield from _check_host(ours, [endpoints[name] for name in sorted(names & endpoints.keys())])
    yield from _check_doors(site, endpoints, names)


def _used(site: Site, ours: Ours) -> list[tuple[str, str, str]]:
    """Return technology, endpoint and who names it, each pair once."""
    table = [
        (t.tech, t.endpoint, f"trunk {t.name} of our tables") for t in ours.trunks if t.enabled
    ]
    defaults = [(*pair, "CARRIER_DEFAULT_TRUNKS") for pair in default_trunks(site)]
    named = {(tech, endpoint): who for tech, endpoint, who in reversed((*table, *defaults))}
    return [(tech, endpoint, who) for (tech, endpoint), who in sorted(named.items())]


def _realtime(site: Site) -> bool:
    """Tell whether endpoints may come from a database, which no file tells."""
    settings = site.others[2].merged("settings")
    return any(entry.name.lower().startswith(("ps_", "sippeers")) for entry in settings.entries)


def _check_there(
    site: Site, endpoints: Mapping[str, Endpoint], tech: str, endpoint: str, who: str
) -> Iterator[Finding]:
    severity = Severity.NOTE if _realtime(site) else Severity.ERROR
    hurt = f"{who} leads to {tech}/{endpoint}, and Asterisk has no such "
    if tech == "PJSIP" and endpoint not in endpoints:
        yield Finding(site.pjsip.path, 0, severity, f"{hurt}endpoint: every call there fails")
    elif tech == "Local" and endpoint not in site.plan.contexts:
        yield Finding(site.plan.path, 0, Severity.ERROR, f"{hurt}context: every call there fails")
    elif tech in _FILES:
        conf = site.others[0 if tech == "SIP" else 1]
        if not any(section.name == endpoint for section in conf.real()):
            yield Finding(conf.path, 0, severity, f"{hurt}peer: every call there fails")


def _endpoints(conf: Conf) -> dict[str, Endpoint]:
    sections = list(conf.real())
    aors = {s.name: s for s in sections if s.get("type").lower() == "aor"}
    found = {}
    for section in sections:
        if section.get("type").lower() == "endpoint":
            named = [name.strip() for name in section.get("aors").split(",") if name.strip()]
            watched = [_watches(aors[name], "qualify_frequency") for name in named if name in aors]
            qualified = all(watched) if watched else None
            found[section.name] = Endpoint(section, section.get("context", "default"), qualified)
    return found


def _wizards(conf: Conf) -> dict[str, Endpoint]:
    """Return the endpoints that ``pjsip_wizard.conf`` makes."""
    return {
        section.name: Endpoint(
            section,
            section.get("endpoint/context", "default"),
            _watches(section, "aor/qualify_frequency"),
        )
        for section in conf.real()
        if section.get("type").lower() == "wizard"
    }


def _watches(section: Section, name: str) -> bool:
    return section.get(name, "0").strip() not in {"", "0"}


def _check_silent(name: str, endpoint: Endpoint) -> Iterator[Finding]:
    section = endpoint.section
    if endpoint.qualified is None:
        what = f"[{name}] has no aor of this file: Dial() finds no address to send a call to"
        yield Finding(section.file, section.line, Severity.ERROR, what)
    elif not endpoint.qualified:
        what = (
            f"[{name}] is not watched: a trunk that answers nothing costs each call 32 s, and the "
            "next one is not tried; qualify_frequency = 30 in its aor"
        )
        yield Finding(section.file, section.line, Severity.WARNING, what)


def _check_host(ours: Ours, trunks: list[Endpoint]) -> Iterator[Finding]:
    """Asterisk seeks its own address by its host's name, for each call (``ast_find_ourip``).

    5 s a call, measured on Asterisk 22.10 with a resolver that does not answer.
    """
    if ours.unresolved and not all(_bound(trunk.section) for trunk in trunks):
        what = (
            f"{ours.unresolved}, the name of this host, does not resolve: calls may wait 5 s each "
            "while Asterisk seeks its own address; write it here, or give each endpoint "
            "media_address and bind_rtp_to_media_address = yes"
        )
        yield Finding("/etc/hosts", 0, Severity.WARNING, what)


def _bound(section: Section) -> bool:
    def option(name: str) -> str:
        return section.get(name) or section.get(f"endpoint/{name}")

    return bool(option("media_address")) and true(option("bind_rtp_to_media_address"))


def _check_doors(
    site: Site, endpoints: Mapping[str, Endpoint], trunks: set[str]
) -> Iterator[Finding]:
    wide = _wide_open(site.pjsip)
    for name, endpoint in sorted(endpoints.items()):
        section = endpoint.section
        if not (name == ANYBODY or name in trunks or name in wide):
            continue
        place: Section | Entry = section.last("context") or section
        if site.dials_out(endpoint.context):
            whose = "strangers" if name == ANYBODY or name in wide else "a carrier's calls"
            what = (
                f"[{name}] lets {whose} into [{endpoint.context}], from where they dial out at "
                "your cost (and a call may go round): give it a context without outward patterns"
            )
            yield Finding(place.file, place.line, Severity.ERROR, what)
            if true(section.get("allow_overlap", "no")):
                what = f"[{name}] allow_overlap: numbers are taken in pieces; allow_overlap = no"
                overlap = section.last("allow_overlap") or place
                yield Finding(overlap.file, overlap.line, Severity.NOTE, what)


def _wide_open(conf: Conf) -> set[str]:
    """Return the endpoints that are identified by every address there is."""
    return {
        section.get("endpoint")
        for section in conf.real()
        if section.get("type").lower() == "identify"
        and any(entry.value.replace(" ", "") in _EVERYWHERE for entry in section.all("match"))
    }
