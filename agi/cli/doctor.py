"""The verb ``doctor``: what in an Asterisk's files would hurt the calls that we route."""

from __future__ import annotations

import os
import socket
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from agi import exits
from agi.cli.options import as_json, loaded, pass_context, with_config
from agi.errors import UsageError

if TYPE_CHECKING:
    from agi.config import Loaded
    from agi.doctor.findings import Finding
    from agi.doctor.site import Ours
    from agi.routing.trunk import Trunk

HERE: Final = Path("/etc/asterisk")
"""Where the Asterisk of this host has its files."""


@click.command()
@with_config
@click.option(
    "--asterisk-etc",
    type=click.Path(path_type=Path),
    default=HERE,
    show_default=True,
    metavar="DIR",
    help="Where the Asterisk's .conf files are.",
)
@as_json
@pass_context
def doctor(context: click.Context, *, asterisk_etc: Path, as_json: bool) -> int:
    """Check an Asterisk's dialplan, manager.conf and trunks against our tables and deadlines.

    Reads the files only; a running Asterisk is not asked. Exits 1 when something would hurt.
    """
    from agi.doctor.checkup import check

    settings = loaded(context)
    if not asterisk_etc.is_dir():
        raise UsageError(f"{asterisk_etc} is not a directory: give --asterisk-etc DIR")
    ours, tables = _ours(settings, asterisk_etc)
    findings = check(asterisk_etc, ours)
    _show(asterisk_etc, tables, findings, as_json=as_json)
    return exits.NO if any(finding.hurts for finding in findings) else exits.YES


def _unresolved(asterisk_etc: Path) -> str:
    """Return this host's name if it does not resolve; another directory may be another host's."""
    if asterisk_etc != HERE:
        return ""
    name = socket.gethostname()
    try:
        socket.getaddrinfo(name, None)
    except OSError:
        return name
    return ""


def _ours(settings: Loaded, asterisk_etc: Path) -> tuple[Ours, str]:
    """Return our side, and which tables it was taken from."""
    from agi import shipped
    from agi.doctor.site import Ours

    trunks, tables = _trunks(settings)
    config = settings.config
    dialplan = shipped.directory("dialplan") / "extensions_carrier.conf"
    ours = Ours(
        listen=config.fastagi.listen,
        deadline_ms=config.fastagi.deadline_ms,
        emergency=config.numbers.emergency,
        trunks=trunks,
        ami_users=tuple((block.username, block.port) for block in config.asterisk),
        unresolved=_unresolved(asterisk_etc),
        shipped=dialplan.read_text(encoding="utf-8"),
    )
    return ours, tables


def _trunks(settings: Loaded) -> tuple[tuple[Trunk, ...], str]:
    """Return the trunks of the active version; before the first one, of the working copy.

    Raises:
        TableError: there is no active version, and the working copy has faults.
    """
    from agi import tables
    from agi.routing.reading import files

    try:
        table = tables.in_force(settings.state(os.environ, root=os.geteuid() == 0)).table
    except UsageError:
        timezone = settings.config.tables.timezone
        table = files.load(settings.tables, 0, timezone).table
        return tuple(table.trunks.values()), f"working copy {settings.tables}"
    return tuple(table.trunks.values()), f"version {table.version}"


def _show(directory: Path, tables: str, findings: list[Finding], *, as_json: bool) -> None:
    from agi.console import Screen, counted, document

    hurting = sum(finding.hurts for finding in findings)
    if as_json:
        listed = [asdict(finding) for finding in findings]
        document({"asterisk_etc": str(directory), "tables": tables} | {"findings": listed})
        return
    screen = Screen()
    tones = {"error": "bad", "warning": "odd", "note": "dim"}
    for finding in findings:
        screen.line(str(finding), tones[finding.severity])
    notes = counted(len(findings) - hurting, "note")
    verdict = f"{hurting} would hurt" if hurting else "nothing would hurt"
    screen.line(f"{directory} against {tables}: {verdict}, {notes}", "bad" if hurting else "good")
