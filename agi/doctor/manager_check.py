"""Checks of ``manager.conf``: who may speak AMI from where, and what dialdip's user may do.

Defaults are those of Asterisk's ``manager.c`` and ``manager.conf.sample``: off, and all addresses
when it is on without a ``bindaddr``.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from typing import Final

from agi.doctor.findings import Finding, Severity
from agi.doctor.reading import Entry, Section
from agi.doctor.site import Ours, Site

DEFAULT_PORT: Final = 5038
MIN_SECRET: Final = 12
KNOWN_SECRETS: Final = frozenset(
    (
        *("amp111", "admin", "secret", "password", "mysecret", "secret5", "asterisk", "change-me"),
        *("manager", "123456", "12345678", "changeme", "elastix456", "phpagi"),
    )
)
"""Passwords of samples, distributions and how-tos, in small letters."""

NEEDED_RIGHTS: Final = frozenset(("call", "user", "system"))
"""To read: FullyBooted is sent only to who may read system (measured on Asterisk 16.28, 22.10)."""

FLOOD: Final = frozenset(("all", "dialplan", "agi", "verbose"))
DANGER: Final = frozenset(
    ("all", "system", "command", "originate", "config", "call", "agent", "user", "dialplan", "agi")
)
"""To write: each of these changes calls or the PBX; ``originate`` and ``system`` are a shell."""

USED: Final = ("DialBegin", "DialState", "DialEnd", "Hangup", "CarrierAttempt")
"""What the figures of trunks are made of: a filter has to let them through."""

_TRUE: Final = frozenset(("yes", "true", "y", "t", "1", "on"))
_EVERYWHERE: Final = ("0.0.0.0/0", "0.0.0.0/0.0.0.0", "0/0", "::/0")


def true(text: str) -> bool:
    """Tell what Asterisk takes for yes (``ast_true``)."""
    return text.strip().lower() in _TRUE


def check_manager(site: Site, ours: Ours) -> Iterator[Finding]:
    """Yield what hurts in ``manager.conf``."""
    general = site.manager.merged("general")
    on = site.manager.exists and true(general.get("enabled", "no"))
    if not on:
        if ours.ami_users:
            what = "AMI is off, and [[asterisk]] of our configuration wants it: enabled = yes"
            yield Finding(general.file, general.line, Severity.WARNING, what)
        return
    yield from _check_address(general)
    users = {s.name: s for s in site.manager.real() if s.name != "general"}
    for user in users.values():
        yield from _check_user(user)
    yield from _check_ours(general, users, ours)


def _at(section: Section, name: str, severity: Severity, what: str) -> Finding:
    place: Section | Entry = section.last(name) or section
    return Finding(place.file, place.line, severity, f"[{section.name}] {what}")


def _check_address(general: Section) -> Iterator[Finding]:
    address = general.get("bindaddr").strip("[]").split("]")[0]
    try:
        open_to_all = not address or ip_address(address).is_unspecified
    except ValueError:
        open_to_all = False
    if open_to_all:
        which = "bindaddr is every address" if address else "without bindaddr AMI is on every one"
        what = f"{which}: AMI without encryption is open to the network; bindaddr = 127.0.0.1"
        yield _at(general, "bindaddr", Severity.WARNING, what)


def _check_user(user: Section) -> Iterator[Finding]:
    secret = user.get("secret")
    if not secret:
        return  # Asterisk lets nobody in without one
    if secret.lower() in KNOWN_SECRETS or secret.lower() == user.name.lower():
        what = "its secret is one that everybody tries: openssl rand -hex 24"
        yield _at(user, "secret", Severity.ERROR, what)
    elif len(secret) < MIN_SECRET:
        what = f"its secret is shorter than {MIN_SECRET} characters: openssl rand -hex 24"
        yield _at(user, "secret", Severity.WARNING, what)
    permitted = [entry.value.replace(" ", "") for entry in user.all("permit")]
    denied = [entry.value.replace(" ", "") for entry in user.all("deny")]
    limited = any(value in _EVERYWHERE for value in denied)
    if user.get("acl"):
        return
    if not limited or not permitted or any(value in _EVERYWHERE for value in permitted):
        what = "may log in from anywhere: deny = 0.0.0.0/0.0.0.0, then permit only who needs it"
        yield _at(user, "permit", Severity.WARNING, what)


def _rights(user: Section, name: str) -> set[str]:
    return {right.strip().lower() for right in user.get(name).split(",") if right.strip()}


def _check_ours(general: Section, users: dict[str, Section], ours: Ours) -> Iterator[Finding]:
    port = general.get("port", str(DEFAULT_PORT)).strip()
    for name, wanted_port in ours.ami_users:
        user = users.get(name)
        if user is None:
            what = f"has no user [{name}], which our [[asterisk]] logs in as: manager_carrier.conf"
            yield Finding(general.file, 0, Severity.WARNING, what)
        if str(wanted_port) != port:
            what = f"AMI listens on port {port}, and our [[asterisk]] asks {wanted_port}"
            yield _at(general, "port", Severity.WARNING, what)
    named = {"dialdip", *(name for name, _ in ours.ami_users)} & users.keys()
    for name in named:
        yield from _check_rights(users[name])
        yield from _check_filters(users[name])
    if named and not true(general.get("timestampevents", "no")):
        what = (
            "events without their time: post-dial delay is then that of reading them; "
            "timestampevents = yes"
        )
        yield _at(general, "timestampevents", Severity.NOTE, what)


def _check_rights(user: Section) -> Iterator[Finding]:
    reads, writes = _rights(user, "read"), _rights(user, "write")
    missing = sorted(NEEDED_RIGHTS - reads) if "all" not in reads else []
    if missing:
        what = f"cannot read {', '.join(missing)}: read = call,user,system"
        yield _at(user, "read", Severity.WARNING, what)
    if flood := sorted(FLOOD & reads):
        what = f"reads {', '.join(flood)}: hundreds of events a call; read = call,user,system"
        yield _at(user, "read", Severity.WARNING, what)
    if danger := sorted(DANGER & writes):
        what = (
            f"may write {', '.join(danger)}, which dialdip does not need and a stolen password "
            "makes a shell of; write = reporting"
        )
        yield _at(user, "write", Severity.WARNING, what)
    if not {"reporting", "all"} & writes:
        what = (
            "may not list channels nor devices: after a pause of AMI calls stay marked, and "
            "nobody says which trunk can be reached; write = reporting"
        )
        yield _at(user, "write", Severity.WARNING, what)


def _check_filters(user: Section) -> Iterator[Finding]:
    """A filter that forgets an event is worse than none: the figures are then wrong in silence."""
    filters = [entry for entry in user.entries if entry.name.lower().startswith("eventfilter")]
    if not filters:
        what = (
            "without eventfilter: 29 events a call, of which 6 are used; "
            "manager_carrier.conf has the lines"
        )
        yield _at(user, "eventfilter", Severity.NOTE, what)
        return
    text = [entry.name + entry.value for entry in filters if not _takes_away(entry)]
    missing = [name for name in USED if not any(name in one for one in text)]
    if text and missing:
        place = filters[0]
        what = (
            f"[{user.name}] its eventfilter lets no {', '.join(missing)} through: figures and "
            "health of trunks are wrong; take the lines of manager_carrier.conf"
        )
        yield Finding(place.file, place.line, Severity.WARNING, what)


def _takes_away(entry: Entry) -> bool:
    return entry.value.lstrip().startswith("!") or "action(exclude)" in entry.name.lower()
