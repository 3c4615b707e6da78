"""Checks of the dialplan around ours: patterns, jumps, AGI by hand, and whether ours is there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from agi.doctor.dialplan import Context, Step
from agi.doctor.findings import Finding, Severity
from agi.doctor.patterns import SPECIAL, matches, open_ended
from agi.doctor.site import DIALLED, ENTRY, OURS, Ours, Site

OUR_FILE: Final = "extensions_carrier.conf"

_STRANGER: Final = re.compile(
    r"\$\{(?:CALLERID|REDIRECTING|CONNECTEDLINE|PJSIP_HEADER|SIP_HEADER|SIPCALLID|URIDECODE|"
    r"BASE64_DECODE|CURL|SHELL)\(",
)
_OWN_AGI: Final = re.compile(r"\$\{CARRIER_AGI\}|agi://[^,]*/route")


def check_dialplan(site: Site, ours: Ours) -> Iterator[Finding]:
    """Yield what hurts in ``extensions.conf`` and what it includes."""
    plan = site.plan
    if not site.extensions.exists:
        yield Finding(plan.path, 0, Severity.ERROR, "not there: no call can be routed")
        return
    yield from _check_ours(site, ours)
    for context in plan.contexts.values():
        if context.name not in OURS:
            yield from _check_patterns(site, context)
            yield from _check_timers(site, context)
    for step in plan.steps():
        if step.context not in OURS:
            yield from _check_step(site, step)
    yield from _check_open_dials(plan.steps())


def _check_ours(site: Site, ours: Ours) -> Iterator[Finding]:
    plan = site.plan
    entry = plan.contexts.get(ENTRY)
    if entry is None:
        what = f"[{ENTRY}] is missing: #include {OUR_FILE} (dialdip install --dialplan DIR)"
        yield Finding(plan.path, 0, Severity.ERROR, what)
        return
    home = entry.file
    named = [site.plan.contexts[name] for name in sorted(OURS) if name in plan.contexts]
    foreign = [step for context in named for step in _all(context) if step.file != home]
    for step in foreign:
        what = (
            f"[{step.context}] is dialdip's: a line added here overwrites ours ({step.extension}), "
            "and guard or hang-up handling may be lost; use a context of your own"
        )
        yield Finding(step.file, step.line, Severity.ERROR, what)
    if site.extensions.files.count(home) > 1:
        yield Finding(home, 0, Severity.ERROR, "included twice: include it once")
    elif ours.shipped and not foreign and _code_of(site, home) != _lines(ours.shipped):
        what = "not the file of this dialdip: dialdip install --dialplan DIR --force writes it"
        yield Finding(home, 0, Severity.WARNING, what)


def _code_of(site: Site, path: str) -> list[str]:
    found = next(site.directory.glob(path.removeprefix(f"{site.directory}/")), None)
    return [] if found is None else _lines(found.read_text(encoding="utf-8", errors="replace"))


def _lines(text: str) -> list[str]:
    """Return a dialplan's lines without comments, empty lines and outer blanks."""
    stripped = (line.strip() for line in text.splitlines())
    return [line for line in stripped if line and not line.startswith(";")]


def _all(context: Context) -> Iterable[Step]:
    return (step for steps in context.extensions.values() for step in steps)


def _check_patterns(site: Site, context: Context) -> Iterator[Finding]:
    for pattern, steps in context.extensions.items():
        if not pattern.startswith("_"):
            continue
        caught = [
            name
            for name in SPECIAL
            if name not in context.extensions
            and matches(pattern, name)
            and site.plan.lead(steps, name, ENTRY)
        ]
        at = steps[0]
        if caught:
            what = (
                f"{pattern} also matches {', '.join(caught)}: a call comes to dialdip again when "
                "it ends, and your own ends never run; write _X. and _+X."
            )
            yield Finding(at.file, at.line, Severity.ERROR, what)
        elif pattern.partition("/")[0].endswith("!") and _dials(site, steps, pattern):
            what = f"{pattern} takes a number before all of it is dialled: end it with a point"
            yield Finding(at.file, at.line, Severity.NOTE, what)


def _dials(site: Site, steps: list[Step], pattern: str) -> bool:
    return any(matches(pattern, n) and site.plan.lead(steps, n, ENTRY) for n in DIALLED)


def _check_timers(site: Site, context: Context) -> Iterator[Finding]:
    """A site's own TIMEOUT(absolute) around ours needs a T, or the call just ends."""
    back = site.plan.globals.get("CARRIER_CONTEXT")
    home = back.value.strip() if back and back.value.strip() else context.name
    for pattern, steps in context.extensions.items():
        timed = [s for s in steps if "timeout(absolute)" in s.arguments.lower()]
        called = any(s.application == "gosub" and _names_ours(s.arguments) for s in steps)
        if timed and called and site.plan.found(home, "T") is None:
            what = (
                f"{pattern} sets TIMEOUT(absolute) around dialdip, and [{home}] has no T "
                "extension: the call ends without a word when the time is over"
            )
            yield Finding(timed[0].file, timed[0].line, Severity.WARNING, what)


def _names_ours(arguments: str) -> bool:
    return re.match(r"\s*carrier-(?:route|dial)\s*,", arguments) is not None


def _check_step(site: Site, step: Step) -> Iterator[Finding]:
    at = (step.file, step.line)
    if step.application == "goto" and _names_ours(step.arguments):
        what = "Goto into dialdip's subroutine: it returns to nobody and the call ends; use Gosub"
        yield Finding(*at, Severity.ERROR, what)
    if step.application in {"agi", "eagi", "deadagi"} and _OWN_AGI.search(step.arguments):
        yield from _check_own_agi(site, step)
    if step.application == "dial" and _STRANGER.search(step.arguments):
        what = (
            "Dial() of what a caller wrote: & and , in it dial other trunks or run other contexts; "
            "take only FILTER(0-9*#+,...) of it"
        )
        if "${FILTER(" not in step.arguments.partition(",")[0]:
            yield Finding(*at, Severity.WARNING, what)


def _check_own_agi(site: Site, step: Step) -> Iterator[Finding]:
    context = site.plan.contexts[step.context]
    steps = context.extensions[step.extension]
    said = " ".join(other.arguments for other in steps).lower()
    lacking = [
        name
        for name, there in (
            ("TIMEOUT(absolute)", "timeout(absolute)=" in said),
            ("AGIEXITONHANGUP=yes", "agiexitonhangup=yes" in said),
            ("a T extension in this context", "T" in context.extensions),
            ("a test of CARRIER_COMMIT", "carrier_commit" in said),
        )
        if not there
    ]
    what = "AGI() to dialdip by hand: use Gosub(carrier-route,s,1(${EXTEN}))"
    if lacking:
        lost = f"; it lacks {', '.join(lacking)}: a frozen service holds calls without end"
        yield Finding(step.file, step.line, Severity.ERROR, what + lost)
    else:
        yield Finding(step.file, step.line, Severity.NOTE, what)


def _check_open_dials(steps: Iterable[Step]) -> Iterator[Finding]:
    """Say once for the whole dialplan what Asterisk's README-SERIOUSLY says of every such line."""
    found = [
        step
        for step in steps
        if step.application == "dial"
        and step.context not in OURS
        and open_ended(step.extension)
        and re.match(r"[A-Za-z0-9]+/[^,]*\$\{EXTEN[:}]", step.arguments)
    ]
    if found:
        first = found[0]
        more = f", and {len(found) - 1} more like it" if len(found) > 1 else ""
        what = (
            f"Dial() of an EXTEN that {first.extension} lets be anything{more}: a SIP caller can "
            "write & into it (README-SERIOUSLY of Asterisk); FILTER() it first"
        )
        yield Finding(first.file, first.line, Severity.NOTE, what)
