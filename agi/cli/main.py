"""The command ``dialdip``: verbs for the author of the dialplan, the admin and the NOC.

What a verb returns is its exit status; how it ends otherwise is the business of ``agi.exits``.
"""

from __future__ import annotations

import copy
import os
import signal
from importlib.metadata import version
from pathlib import Path
from typing import Final

import click

from agi import exits
from agi.cli import doctor, explain, files, noc, questions, tables, top
from agi.cli.options import loaded, pass_context, with_config
from agi.errors import UsageError


def main() -> None:
    """Run one verb and exit with its status."""
    exits.run(dialdip)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(version("dialdip"), prog_name="dialdip", message="%(prog)s %(version)s")
@with_config
def dialdip() -> None:
    """Carrier routing for Asterisk: which network serves a number today, which trunk reaches it."""


VERBS: Final = (
    *(questions.ask, questions.lookup, explain.explain, questions.status),
    *(questions.providers, questions.cache, questions.forget, questions.reload),
    *(noc.trunk, noc.pin, tables.table, files.config_, doctor.doctor, files.install, top.top),
)
for verb in VERBS:
    dialdip.add_command(verb)
for verb in tables.ALSO_PLAIN:
    plain = copy.copy(verb)
    plain.hidden = True  # --help shows them once, under `table`
    dialdip.add_command(plain)


@dialdip.command()
@with_config
@click.option("--demo", is_flag=True, help="Embedded defaults against the built-in sandbox.")
@pass_context
def serve(context: click.Context, *, demo: bool) -> int:
    """Answer calls until SIGTERM; SIGHUP reloads the tables and the configuration."""
    from agi import serve as service

    # A reload asked for while the service is starting is what its start does anyway.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    if demo:
        from agi.demo import serve_demo

        serve_demo()
    else:
        service.serve(loaded(context, secrets=None), os.environ)
    return exits.YES


@dialdip.command("run")
@with_config
@click.argument("role", type=click.Choice(["router", "dipper", "noc"]))
@click.option(
    "--index",
    type=click.IntRange(0, 63),
    default=0,
    show_default=True,
    help="Which router, where several share a port.",
)
@pass_context
def run_(context: click.Context, *, role: str, index: int) -> int:
    """Run one role by itself, as systemd's units do; `serve` runs them all."""
    from agi import serve as service

    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    if role == "router":
        service.run_router(loaded(context, secrets=None), os.environ, index)
    elif index:
        raise UsageError(f"--index: there is one {role} on a host")
    elif role == "dipper":
        service.run_dipper(loaded(context, secrets=True), os.environ)
    else:
        service.run_noc(loaded(context, secrets=True, holder="noc"), os.environ)
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
    "--others",
    default="",
    metavar="MCCMNC",
    help="The network of every number that is not in the CSV; else they are unknown.",
)
@click.option(
    "--latency-ms",
    type=click.IntRange(0, 60_000),
    default=50,
    show_default=True,
    help="Of an ordinary answer.",
)
def sandbox(
    *, port: int, subscribers: Path | None, connections: int, others: str, latency_ms: int
) -> int:
    """Serve all the providers' APIs on one loopback port, with faults to order."""
    from agi.demo import run_sandbox

    if others and not (others.isascii() and others.isdigit() and len(others) in {5, 6}):
        raise UsageError("--others: give 5 or 6 digits, country first, for example 23415")
    run_sandbox(port, subscribers, connections=connections, others=others, latency_ms=latency_ms)
    return exits.YES
