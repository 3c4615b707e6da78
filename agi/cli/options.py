"""What several verbs share: the configuration's place, --json, and where the service answers."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from agi import config
from agi.asking import Service
from agi.errors import Unreachable

F = TypeVar("F", bound=Callable[..., Any])


def remember(context: click.Context, _: click.Parameter, value: str | None) -> None:
    """Keep what ``--config`` says, wherever it stood."""
    if value is not None:
        context.ensure_object(dict)["config"] = value


def with_config(verb: F) -> F:
    """Let ``--config`` stand behind a verb as well as before it."""
    option = click.option(
        "--config",
        metavar="FILE",
        expose_value=False,
        callback=remember,
        help="Configuration; else $DIALDIP_CONFIG, else /etc/dialdip/dialdip.toml.",
    )
    return option(verb)


as_json: Final = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
pass_context: Final = click.pass_context


def path_of(context: click.Context) -> Path:
    """Return the configuration file that a verb uses."""
    return config.find(context.ensure_object(dict).get("config"), os.environ)


def loaded(
    context: click.Context, *, secrets: bool | None = False, holder: config.Holder = "dipper"
) -> config.Loaded:
    """Return the configuration that a verb uses; see ``config.load``."""
    return config.load(path_of(context), os.environ, secrets=secrets, holder=holder)


def service(context: click.Context) -> Service:
    """Return the running service of a configuration, whatever else is wrong with the file."""
    root = os.geteuid() == 0
    return Service(config.state_in_spite_of_faults(path_of(context), os.environ, root=root))


def fastagi(context: click.Context) -> str:
    """Return where the service really listens, which port 0 leaves open; else where it should."""
    try:
        return str(service(context).status()["service"]["fastagi"])
    except Unreachable:
        return loaded(context).config.fastagi.listen
