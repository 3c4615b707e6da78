"""The verbs about files: the configuration, and what is shipped."""

from __future__ import annotations

import os
from pathlib import Path

import click

from agi import config, exits
from agi.cli.options import as_json, loaded, pass_context, path_of, with_config
from agi.errors import ConfigurationError, Fault


@click.group("config")
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
    from agi.accounts import crowded_out

    path = file or path_of(context)
    try:
        good = config.load(path, os.environ, secrets=False)
    except ConfigurationError as faulty:
        views.faults(faulty.faults, f"{path}: refused", as_json=as_json)
        return exits.NO
    late = crowded_out(good.config.providers, good.config.fastagi.deadline_ms)
    warnings = (*good.warnings, *(Fault(str(path), 0, 0, what, warning=True) for what in late))
    views.faults(warnings, f"{path}: good", as_json=as_json)
    return exits.YES


@config_.command("show")
@with_config
@pass_context
def config_show(context: click.Context) -> int:
    """Print what is in force, defaults included and secrets left out, as JSON."""
    from agi.console import document

    settings = loaded(context).config.model_dump(mode="json")
    settings["cache"]["store"] = config.shown_store(settings["cache"]["store"])
    document(settings)
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


@click.command()
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
