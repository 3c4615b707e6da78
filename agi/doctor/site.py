"""What the doctor looks at: one Asterisk's files, read, and what our own side says of itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agi.doctor.dialplan import Dialplan, dialplan
from agi.doctor.findings import Finding
from agi.doctor.reading import Conf, read
from agi.routing.trunk import Trunk

ENTRY: Final = "carrier-route"
"""The context that a call is decided in."""

OURS: Final = frozenset(
    ("carrier-route", "carrier-dial", "carrier-ended", "carrier-hop", "carrier-incoming")
)
"""The contexts of our own file."""

DIALLED: Final = ("447700900123", "+447700900123", "00447700900123", "07700900123", "12025550123")
"""Numbers as people dial them, from ranges that nobody has: what dials out takes one of these."""


@dataclass(frozen=True, slots=True)
class Ours:
    """Our side: what the configuration and the tables say.

    ``ami_users`` are the users of ``[[asterisk]]`` with their hosts' ports. ``shipped`` is the text
    of the dialplan that came with this version. ``listen`` is ``[fastagi] listen``. ``unresolved``
    is the name of Asterisk's host if it does not resolve there; empty if it does, or nobody knows.
    """

    listen: str
    deadline_ms: int
    emergency: tuple[str, ...]
    trunks: tuple[Trunk, ...]
    ami_users: tuple[tuple[str, int], ...] = ()
    shipped: str = ""
    unresolved: str = ""


@dataclass(frozen=True, slots=True)
class Site:
    """One Asterisk's files. A file that is not there is an empty one."""

    directory: Path
    extensions: Conf
    plan: Dialplan
    manager: Conf
    pjsip: Conf
    wizard: Conf
    modules: Conf
    options: Conf
    others: tuple[Conf, ...]

    def confs(self) -> Iterator[Conf]:
        """Yield all that was read."""
        yield from (self.extensions, self.manager, self.pjsip, self.wizard, self.modules)
        yield from (self.options, *self.others)

    def complaints(self) -> Iterator[Finding]:
        """Yield what could not be read as it was meant."""
        for conf in self.confs():
            yield from conf.findings

    def dials_out(self, context: str) -> bool:
        """Tell whether a call that comes in at this context can reach our trunks."""
        return any(self.plan.reaches(context, number, ENTRY) for number in DIALLED)


def look_at(directory: Path) -> Site:
    """Read an Asterisk's configuration directory."""
    extensions = read(directory, "extensions.conf")
    return Site(
        directory,
        extensions,
        dialplan(extensions),
        read(directory, "manager.conf"),
        read(directory, "pjsip.conf"),
        read(directory, "pjsip_wizard.conf"),
        read(directory, "modules.conf"),
        read(directory, "asterisk.conf"),
        tuple(read(directory, name) for name in ("sip.conf", "iax.conf", "extconfig.conf")),
    )
