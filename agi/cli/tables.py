"""The verbs about the routing tables: check, compare, put in force, go back, take out."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agi import exits
from agi.cli.options import as_json, loaded, pass_context, service, with_config
from agi.errors import ConfigurationError, TableError, UsageError

if TYPE_CHECKING:
    from agi.comparing import Difference
    from agi.config import Loaded
    from agi.routing.versions.store import Activated, Store

a_why = click.option("--why", required=True, metavar="TEXT", help="Goes into the audit log.")
a_yes = click.option("--yes", is_flag=True, help="Do not ask; needed off a terminal.")
an_expect = click.option(
    "--expect", metavar="VERSION", help="Only if this version is active: nobody else was quicker."
)


@click.group()
def table() -> None:
    """The routing tables."""


def _settings(context: click.Context) -> Loaded | None:
    """Return the configuration if there is a good one: a directory can be looked at without."""
    with suppress(UsageError, ConfigurationError):
        return loaded(context)
    return None


def _zone(settings: Loaded | None) -> str:
    return "UTC" if settings is None else settings.config.tables.timezone


@table.command()
@with_config
@click.argument("directory", required=False, type=click.Path(path_type=Path))
@as_json
@pass_context
def check(context: click.Context, *, directory: Path | None, as_json: bool) -> int:
    """Check a directory of tables: every fault at once at file:line:column."""
    from agi import views, views_tables
    from agi.checking import suspicious
    from agi.routing.reading import files

    settings = _settings(context) if directory else loaded(context)
    path = directory or loaded(context).tables
    try:
        tables = files.load(path, 0, _zone(settings))
    except TableError as faulty:
        views.faults(faulty.faults, f"{path}: refused", as_json=as_json)
        return exits.NO
    more = suspicious(path, tables.table, settings)
    views_tables.checked(path, tables, more, as_json=as_json)
    return exits.YES


@table.command()
@with_config
@click.argument("before", default="active", metavar="[A]")
@click.argument("after", default="", metavar="[B]")
@as_json
@pass_context
def diff(context: click.Context, *, before: str, after: str, as_json: bool) -> int:
    """Show which rows differ, and which destinations' first choice moves.

    A and B are "active", a version, its number, or a directory; the active version and the working
    copy when they are left out.
    """
    from agi import comparing, views_tables

    settings = loaded(context)
    state, zone = service(context).state, _zone(settings)
    old = comparing.side(state, before, zone)
    new = comparing.side(state, after or str(settings.tables), zone)
    views_tables.compared(comparing.difference(old, new, time.time()), as_json=as_json)
    return exits.YES


@table.command()
@with_config
@click.argument("directory", required=False, type=click.Path(path_type=Path))
@a_why
@a_yes
@an_expect
@as_json
@pass_context
def activate(  # noqa: PLR0913 - one for each option
    context: click.Context,
    *,
    directory: Path | None,
    why: str,
    yes: bool,
    expect: str | None,
    as_json: bool,
) -> int:
    """Put a directory of tables (else the working copy) in force: checked, stored, audited."""
    from agi import comparing, tables, views
    from agi.checking import suspicious
    from agi.routing.reading import files
    from agi.routing.versions.audit import reason
    from agi.routing.versions.store import Store
    from agi.routing.versions.stored import ConflictError

    reason(why)
    settings = loaded(context)
    path, state = directory or settings.tables, service(context).state
    try:
        copy = files.load(path, 0, _zone(settings))
    except TableError as faulty:
        views.faults(faulty.faults, f"{path}: refused, nothing was changed", as_json=as_json)
        return exits.NO
    warnings = (*copy.warnings, *suspicious(path, copy.table, settings))
    store = Store(state)
    old = comparing.active_side(store)
    seen = old.name if expect is None else _named(store, expect)
    new = comparing.Side(str(path), copy.table, copy.contents)
    difference = comparing.difference(old, new, time.time())
    if not as_json:
        views.faults(warnings, f"{path}: good", as_json=False)
    if not _agreed(difference, yes=yes, as_json=as_json):
        return exits.NO
    try:
        done = tables.activate(state, copy, tables.myself(), why, seen)
    except ConflictError as conflict:
        return _beaten(conflict)
    return _in_force(context, done, difference, as_json=as_json, settings=settings)


@table.command()
@with_config
@click.argument("version", required=False)
@a_why
@a_yes
@as_json
@pass_context
def rollback(
    context: click.Context, *, version: str | None, why: str, yes: bool, as_json: bool
) -> int:
    """Put a stored version in force again: the one before, if none is given."""
    from agi import comparing, tables
    from agi.routing.versions.audit import reason
    from agi.routing.versions.store import Store
    from agi.routing.versions.stored import ConflictError

    reason(why)
    store = Store(service(context).state)
    old = comparing.active_side(store)
    name = tables.one_back(store) if version is None else _named(store, version)
    difference = comparing.difference(old, comparing.side_of(store, name), time.time())
    if not _agreed(difference, yes=yes, as_json=as_json):
        return exits.NO
    try:
        done = tables.go_back(store, name, tables.myself(), why, old.name)
    except ConflictError as conflict:
        return _beaten(conflict)
    settings = _settings(context)
    status = _in_force(context, done, difference, as_json=as_json, settings=settings)
    _warn_of_copy(context)
    return status


def _named(store: Store, text: str) -> str:
    """Return the version that a person names.

    Raises:
        UsageError: there is no such version.
    """
    from agi import comparing

    name = comparing.version_named(store, text)
    if name is None:
        raise UsageError(f'"{text}" is no version: dialdip table versions lists them')
    return name


def _warn_of_copy(context: click.Context) -> None:
    """Say that a reload would put the working copy in force again, if it would."""
    from agi import tables

    with suppress(TableError, ConfigurationError):
        settings = loaded(context, secrets=None)
        if tables.differs(settings, service(context).state):
            sys.stderr.write(
                f"dialdip: {settings.tables} holds other tables, and a reload or SIGHUP puts them "
                "in force: mend them, or take these with dialdip table export\n"
            )


def _agreed(difference: Difference, *, yes: bool, as_json: bool) -> bool:
    """Show what moves and ask; off a terminal nobody can be asked.

    Raises:
        UsageError: nobody is there to agree.
        Abort: the person leaves.
    """
    from agi import views_tables
    from agi.console import Screen

    if not as_json:
        views_tables.moved(Screen(), difference)
    if yes:
        return True
    if as_json or not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("nothing was changed: give --yes where nobody can be asked")
    agreed = click.confirm("Put it in force?")
    if not agreed:
        sys.stderr.write("dialdip: nothing was changed\n")
    return agreed


def _beaten(conflict: Exception) -> int:
    sys.stderr.write(f"dialdip: {conflict}\n")
    return exits.NO


def _in_force(
    context: click.Context,
    done: Activated,
    difference: Difference,
    *,
    as_json: bool,
    settings: Loaded | None,
) -> int:
    """Have the running service switch, and show where the version is in force."""
    from agi import raft, views_tables
    from agi.console import document

    running = service(context)
    served: Mapping[str, str] = running.switch(done.version) if running.alive else {}
    adrift = raft.keep(settings, done.compiled) if settings else ""
    alarms = [*done.alarms, *([adrift] if adrift else [])]
    if as_json:
        said = views_tables.told(difference)
        said |= {"version": done.version, "before": done.before, "changed": done.changed}
        said |= {"processes": served, "alarms": alarms}
        document(said)
    else:
        views_tables.activated(done.version, done.before, served, changed=done.changed)
        for alarm in alarms:
            sys.stderr.write(f"dialdip: {alarm}\n")
    return exits.YES


@table.command()
@with_config
@as_json
@pass_context
def versions(context: click.Context, *, as_json: bool) -> int:
    """List the stored versions: when, who and why."""
    from agi import views_tables
    from agi.routing.versions.store import Store
    from agi.tables import plainly

    with plainly():
        found = Store(service(context).state).versions()
    views_tables.versions(found, as_json=as_json)
    return exits.YES


@table.command()
@with_config
@click.argument("directory", required=False, type=click.Path(path_type=Path))
@click.option(
    "--dialplan",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the life-raft: what Asterisk goes by while nobody answers it.",
)
@click.option("--version", default="active", metavar="VERSION", help="Else the active one.")
@click.option("--force", is_flag=True, help="Replace files that differ, remove tables too many.")
@as_json
@pass_context
def export(  # noqa: PLR0913 - one for each option
    context: click.Context,
    *,
    directory: Path | None,
    dialplan: Path | None,
    version: str,
    force: bool,
    as_json: bool,
) -> int:
    """Write a stored version's files into a directory, byte for byte; or its life-raft."""
    from agi import raft, tables
    from agi.console import document
    from agi.routing.versions.store import Store

    if directory is None and dialplan is None:
        raise click.UsageError("give a directory, or --dialplan FILE", ctx=context)
    store = Store(service(context).state)
    name = _named(store, version)
    written: list[Path] = []
    if directory is not None:
        written += tables.export(store, name, directory, force=force)
    if dialplan is not None:
        with tables.plainly():
            compiled = store.compiled(name)
        raft.write(dialplan, raft.content(loaded(context), compiled), force=force)
        written.append(dialplan)
    if as_json:
        document({"version": name, "written": [str(path) for path in written]})
        return exits.YES
    for path in written:
        click.echo(f"wrote {path}")
    return exits.YES


@table.command()
@with_config
@as_json
@pass_context
def verify(context: click.Context, *, as_json: bool) -> int:
    """Check the stored versions and the audit log: edits, deletions, damage."""
    from agi import views_tables
    from agi.routing.versions.store import Store
    from agi.tables import plainly

    with plainly():
        found = Store(service(context).state).verify()
    views_tables.verified(found, as_json=as_json)
    return exits.YES if all(fault.warning for fault in found) else exits.NO


@table.command(hidden=True)
@with_config
@click.option("--state", required=True, type=click.Path(path_type=Path))
@click.option("--uid", required=True, type=click.IntRange(0))
@pass_context
def take(context: click.Context, *, state: Path, uid: int) -> int:
    """Be the process in which a reload compiles; see ``agi.tables``."""
    from agi import tables
    from agi.console import document

    document(tables.taken(loaded(context, secrets=None), state, uid))
    return exits.YES


ALSO_PLAIN = (check, diff, activate, rollback, versions, export, verify)
"""Verbs that may be written without ``table`` as well."""
