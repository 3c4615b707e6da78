"""The command ``dialdip``: verbs for the author of the dialplan, the admin and the NOC.

What a verb returns is its exit status; how it ends otherwise is the business of ``agi.exits``.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from agi import config, exits, ipc
from agi.errors import ConfigurationError, TableError, Unreachable, UsageError

F = TypeVar("F", bound=Callable[..., Any])


def main() -> None:
    """Run one verb and exit with its status."""
    exits.run(dialdip)


def _remember(context: click.Context, _: click.Parameter, value: str | None) -> None:
    if value is not None:
        context.ensure_object(dict)["config"] = value


def with_config(verb: F) -> F:
    """Let ``--config`` stand behind a verb as well as before it."""
    option = click.option(
        "--config",
        metavar="FILE",
        expose_value=False,
        callback=_remember,
        help="Configuration; else $DIALDIP_CONFIG, else /etc/dialdip/dialdip.toml.",
    )
    return option(verb)


as_json: Final = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
pass_context: Final = click.pass_context


def _path(context: click.Context) -> Path:
    return config.find(context.ensure_object(dict).get("config"), os.environ)


def _loaded(context: click.Context, *, secrets: bool = False) -> config.Loaded:
    return config.load(_path(context), os.environ, secrets=secrets)


def _socket(context: click.Context) -> Path:
    root = os.geteuid() == 0
    state = config.state_in_spite_of_faults(_path(context), os.environ, root=root)
    return ipc.path_of(state, "router")


def _fastagi(context: click.Context) -> str:
    """Return where the service really listens, which port 0 leaves open; else where it should."""
    try:
        return str(ipc.ask(_socket(context), "status")["service"]["fastagi"])
    except Unreachable:
        return _loaded(context).config.fastagi.listen


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(version("dialdip"), prog_name="dialdip", message="%(prog)s %(version)s")
@with_config
def dialdip() -> None:
    """Carrier routing for Asterisk: which network serves a number today, which trunk reaches it."""


# ---- the service -------------------------------------------------------------------------


@dialdip.command()
@with_config
@click.option("--demo", is_flag=True, help="Embedded defaults against the built-in sandbox.")
@pass_context
def serve(context: click.Context, *, demo: bool) -> int:
    """Answer calls until SIGTERM; SIGHUP reloads the tables and the configuration."""
    from agi import log
    from agi import serve as service

    # A reload asked for while the service is starting is what its start does anyway.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    if demo:
        from agi.demo import serve_demo

        writer = log.to_stderr("masked")
        try:
            serve_demo(writer)
        finally:
            writer.close()
        return exits.YES
    loaded = _loaded(context, secrets=True)
    writer = log.to_stderr(loaded.config.log.numbers)
    try:
        for fault in loaded.warnings:
            writer("warning", "configuration", fault=str(fault))
        service.serve(loaded, os.environ, writer)
    finally:
        writer.close()
    return exits.YES


@dialdip.command()
def demo() -> int:
    """Place a handful of calls against the sandbox and print what the dialplan would get."""
    from agi.demo import run_demo

    return run_demo()


@dialdip.command()
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8025,
    show_default=True,
    help="Loopback port; 0 takes a free one.",
)
@click.option("--subscribers", type=click.Path(path_type=Path), help="CSV of numbers and faults.")
@click.option(
    "--connections",
    type=click.IntRange(1, 1000),
    default=1,
    show_default=True,
    help="The account's limit.",
)
@click.option(
    "--latency-ms",
    type=click.IntRange(0, 60_000),
    default=50,
    show_default=True,
    help="Of an ordinary answer.",
)
def sandbox(port: int, subscribers: Path | None, connections: int, latency_ms: int) -> int:
    """Serve the provider's API on one loopback port, with faults to order."""
    from agi.demo import run_sandbox

    run_sandbox(port, subscribers, connections=connections, latency_ms=latency_ms)
    return exits.YES


# ---- questions ---------------------------------------------------------------------------


@dialdip.command()
@with_config
@click.argument("number")
@click.option("--from", "caller", default="", metavar="N", help="The caller's number.")
@click.option("--account", default="", metavar="A", help="The account that calls.")
@click.option("--agi", metavar="URL", help="agi://HOST:PORT; else [fastagi] listen.")
@click.option("--no-dip", is_flag=True, help="Spend no lookup.")
@as_json
@pass_context
def ask(  # noqa: PLR0913 - one for each option
    context: click.Context,
    *,
    number: str,
    caller: str,
    account: str,
    agi: str | None,
    no_dip: bool,
    as_json: bool,
) -> int:
    """Ask a running router as Asterisk does. May spend a paid lookup; --no-dip spends none."""
    from agi import views
    from agi.fastagi import client, script

    url = agi or f"agi://{_fastagi(context)}"
    for what, value, allowed, words in (
        ("NUMBER", number, script.NUMBER, "1 to 32 of 0-9 * #, without blanks, a + before them"),
        ("--account", account, script.ACCOUNT, "at most 32 of A-Z a-z 0-9 . _ -"),
        ("--from", caller, script.CALLER, 'at most 32 digits, a + before them, or "anonymous"'),
    ):
        if not allowed.fullmatch(value):
            raise UsageError(f"{what}: give {words}")
    query = f"route?n={number}&a={account}&f={caller}" + ("&nodip=1" if no_dip else "")
    told = client.ask(url, query, uniqueid=f"{int(time.time())}.{os.getpid()}")
    views.told(told, url, as_json=as_json, dips=not no_dip)
    return exits.YES if told.committed else exits.NO


@dialdip.command()
@with_config
@click.argument("numbers", nargs=-1, required=True)
@click.option("--fresh", is_flag=True, help="Ask the provider whatever is remembered.")
@click.option("--local", is_flag=True, help="In this process; refused while the service runs.")
@as_json
@pass_context
def lookup(
    context: click.Context, *, numbers: tuple[str, ...], fresh: bool, local: bool, as_json: bool
) -> int:
    """Look numbers up through the running service: network, liveness, source, age."""
    from agi import views

    if local:
        from agi.local import lookup_locally

        answers = lookup_locally(
            _loaded(context, secrets=True), _socket(context), numbers, fresh=fresh
        )
    else:
        path = _socket(context)
        answers = [
            ipc.ask(path, "lookup", number=number, fresh=fresh, timeout_s=10) for number in numbers
        ]
    views.lookups(answers, as_json=as_json)
    return exits.YES if all(answer.get("mccmnc") for answer in answers) else exits.NO


@dialdip.command()
@with_config
@click.argument("number")
@click.option("--from", "caller", metavar="N", help="The caller; no column asks for it yet.")
@click.option("--account", metavar="A", help="The account; no column asks for it yet.")
@click.option("--mccmnc", metavar="NETWORK", help="Suppose that this network serves it.")
@click.option("--lookup", "paid", is_flag=True, help="Ask the provider; may cost money.")
@as_json
@pass_context
def explain(  # noqa: PLR0913 - one for each option
    context: click.Context,
    *,
    number: str,
    caller: str | None,
    account: str | None,
    mccmnc: str | None,
    paid: bool,
    as_json: bool,
) -> int:
    """Say which rule wins for a number, which lose, and why. Spends nothing unless asked."""
    del caller, account  # accepted so that scripts need not change when the columns come
    if paid and mccmnc is not None:
        raise UsageError("--lookup and --mccmnc: one asks for the network, the other supposes it")
    from agi import views

    try:
        answer = ipc.ask(
            _socket(context), "explain", number=number, mccmnc=mccmnc, lookup=paid, timeout_s=10
        )
        by = "the running service"
    except Unreachable:
        if paid:
            raise
        from agi.local import explain_locally

        answer = explain_locally(_loaded(context), number, mccmnc)
        by = "the tables on disk: the service does not run"
    views.explanation(answer, by, as_json=as_json)
    return exits.YES


@dialdip.command()
@with_config
@as_json
@pass_context
def status(context: click.Context, *, as_json: bool) -> int:
    """Show in ten seconds what is wrong."""
    from agi import views

    report = ipc.ask(_socket(context), "status")
    views.status(report, as_json=as_json)
    return exits.YES if not report["troubles"] else exits.NO


@dialdip.command()
@with_config
@as_json
@pass_context
def reload(context: click.Context, *, as_json: bool) -> int:
    """Read configuration and tables anew, as SIGHUP does, and say what came of it."""
    from agi import views

    views.reloaded(ipc.ask(_socket(context), "reload", timeout_s=120), as_json=as_json)
    return exits.YES


# ---- tables and configuration ------------------------------------------------------------


@dialdip.group()
def table() -> None:
    """The routing tables."""


@table.command("check")
@with_config
@click.argument("directory", required=False, type=click.Path(path_type=Path))
@as_json
@pass_context
def table_check(context: click.Context, *, directory: Path | None, as_json: bool) -> int:
    """Check a directory of tables: every fault at once at file:line:column."""
    from agi import views
    from agi.routing import files

    path = directory or _loaded(context).tables
    try:
        loaded = files.load(path, 0)
    except TableError as faulty:
        views.faults(faulty.faults, f"{path}: refused", as_json=as_json)
        return exits.NO
    views.checked(path, loaded, as_json=as_json)
    return exits.YES


@dialdip.group("config")
def config_() -> None:
    """The configuration file."""


@config_.command("check")
@with_config
@click.argument("file", required=False, type=click.Path(path_type=Path))
@as_json
@pass_context
def config_check(context: click.Context, *, file: Path | None, as_json: bool) -> int:
    """Check a file: every fault at once with its line."""
    from agi import views

    path = file or _path(context)
    try:
        loaded = config.load(path, os.environ, secrets=False)
    except ConfigurationError as faulty:
        views.faults(faulty.faults, f"{path}: refused", as_json=as_json)
        return exits.NO
    views.faults(loaded.warnings, f"{path}: good", as_json=as_json)
    return exits.YES


@config_.command("show")
@with_config
@pass_context
def config_show(context: click.Context) -> int:
    """Print what is in force, defaults included and secrets left out, as JSON."""
    from agi.console import document

    document(_loaded(context).config.model_dump(mode="json"))
    return exits.YES


@config_.command("init")
@click.argument("directory", required=False, type=click.Path(path_type=Path))
def config_init(directory: Path | None) -> int:
    """Print a commented sample, or write it and sample tables into a new DIRECTORY."""
    from agi import shipped

    if directory is None:
        click.echo(shipped.CONFIGURATION.read_text(encoding="utf-8"), nl=False)
        return exits.YES
    for path in shipped.begin(directory):
        click.echo(f"wrote {path}")
    return exits.YES


@dialdip.command()
@click.option("--dialplan", type=click.Path(path_type=Path), metavar="DIR", help="For Asterisk.")
@click.option("--units", type=click.Path(path_type=Path), metavar="DIR", help="For systemd.")
@click.option("--tables", type=click.Path(path_type=Path), metavar="DIR", help="Sample tables.")
@click.option("--force", is_flag=True, help="Replace files that differ.")
@pass_context
def install(
    context: click.Context,
    *,
    dialplan: Path | None,
    units: Path | None,
    tables: Path | None,
    force: bool,
) -> int:
    """Write the shipped dialplan, systemd units or sample tables into a directory."""
    from agi import shipped

    wanted = [
        (source, target)
        for source, target in (
            (shipped.directory("dialplan"), dialplan),
            (shipped.directory("systemd"), units),
            (shipped.TABLES, tables),
        )
        if target is not None
    ]
    if not wanted:
        raise click.UsageError("give --dialplan, --units or --tables", ctx=context)
    for source, target in wanted:
        for path in shipped.install(source, target, force=force):
            click.echo(f"wrote {path}")
    return exits.YES
