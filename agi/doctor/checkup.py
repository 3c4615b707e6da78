"""All checks of one Asterisk, in the order of the files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from agi.doctor.dialplan_check import check_dialplan
from agi.doctor.findings import Finding, Severity
from agi.doctor.globals_check import check_globals
from agi.doctor.manager_check import check_manager, true
from agi.doctor.site import Ours, Site, look_at
from agi.doctor.trunks_check import check_trunks

NEEDED: Final = (
    *("res_agi", "app_stack", "app_dial", "app_userevent", "app_verbose", "func_strings"),
    *("func_cut", "func_callerid", "func_channel", "func_timeout", "func_dialplan", "func_cdr"),
)
"""Modules without which our dialplan loses something; its head says what."""

FOR_HEALTH: Final = "res_manager_devicestate"

FOR_PJSIP: Final = ("chan_pjsip", "res_pjsip_header_funcs")


def check(directory: Path, ours: Ours) -> list[Finding]:
    """Read an Asterisk's configuration directory and return every finding, each once."""
    site = look_at(directory)
    found = set(site.complaints())
    found.update(check_dialplan(site, ours))
    if site.extensions.exists:
        found.update(check_globals(site, ours))
    for checks in (check_manager, check_trunks, check_modules):
        found.update(checks(site, ours))
    return sorted(found)


def check_modules(site: Site, ours: Ours) -> Iterator[Finding]:
    """Yield the modules that our dialplan needs and this Asterisk does not load."""
    options = site.options.merged("options")
    if (danger := options.last("live_dangerously")) is not None and true(danger.value):
        what = "live_dangerously: whoever speaks AMI or HTTP gets a shell; set it to no"
        yield Finding(danger.file, danger.line, Severity.WARNING, what)
    if not site.modules.exists:
        return
    modules = site.modules.merged("modules")
    left_out = {_plain(entry.value): entry for entry in modules.all("noload")}
    chosen = {
        _plain(entry.value)
        for name in ("load", "require", "preload", "preload-require")
        for entry in modules.all(name)
    }
    everything = true(modules.get("autoload", "yes"))
    pjsip = any(trunk.tech == "PJSIP" and trunk.enabled for trunk in ours.trunks)
    for name in (*NEEDED, *(FOR_PJSIP if pjsip else ())):
        if name in left_out:
            place = left_out[name]
            what = f"{name} is not loaded, and our dialplan needs it: take this line out"
            yield Finding(place.file, place.line, Severity.ERROR, what)
        elif not everything and name not in chosen:
            what = f"{name} is not loaded, and our dialplan needs it: load = {name}.so"
            yield Finding(modules.file, modules.line, Severity.ERROR, what)
    absent = FOR_HEALTH in left_out or not (everything or FOR_HEALTH in chosen)
    if absent and pjsip and ours.ami_users:
        at = left_out.get(FOR_HEALTH, modules)
        what = f"{FOR_HEALTH} is not loaded: nobody says over AMI which trunk can be reached"
        yield Finding(at.file, at.line, Severity.WARNING, what)


def _plain(value: str) -> str:
    return value.strip().removesuffix(".so")
