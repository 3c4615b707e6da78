"""A dialplan as a value: contexts, their extensions and steps, and where a call goes through them.

Only what can be told without running it: a jump to a context that a variable names is not followed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from agi.doctor.patterns import matches
from agi.doctor.reading import Conf, Entry

JUMPS: Final = frozenset(("goto", "gotoif", "gosub", "gosubif", "execif", "gotoiftime", "dial"))
MAX_JUMPS: Final = 40
"""Steps from context to context that are followed, before we stop looking."""

_NOT_CONTEXTS: Final = frozenset(("general", "globals"))
_APPLICATION: Final = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*)\s*(?:\((.*)\))?", re.DOTALL)
_TARGET: Final = re.compile(
    r"([A-Za-z0-9_.-]+)\s*,\s*(\$\{EXTEN\}|[A-Za-z0-9_*#+.-]+)\s*,\s*[A-Za-z0-9_]+"
)
_LOCAL: Final = re.compile(r"Local/(\$\{EXTEN\}|[A-Za-z0-9_*#+-]+)@([A-Za-z0-9_.-]+)")


@dataclass(frozen=True, slots=True)
class Step:
    """One priority: the extension as written, the application in small letters, its arguments."""

    file: str
    line: int
    context: str
    extension: str
    application: str
    arguments: str


@dataclass(slots=True)
class Context:
    """One context, whichever files and sections it is spread over."""

    name: str
    file: str
    line: int
    extensions: dict[str, list[Step]] = field(default_factory=dict)
    includes: list[Entry] = field(default_factory=list)


@dataclass(slots=True)
class Dialplan:
    """All contexts by name, and the global variables that are set at load."""

    path: str
    contexts: dict[str, Context] = field(default_factory=dict)
    globals: dict[str, Entry] = field(default_factory=dict)

    def steps(self) -> Iterator[Step]:
        """Yield every step of every context."""
        for context in self.contexts.values():
            for steps in context.extensions.values():
                yield from steps

    def found(
        self, name: str, extension: str, passed: frozenset[str] = frozenset()
    ) -> list[Step] | None:
        """Return the steps that a dialled extension runs in a context; None: nothing matches.

        The literal extension goes before patterns, the context's own before included ones.
        Among patterns the first of the file is taken, not the most exact one.
        """
        context = self.contexts.get(name)
        if context is None or name in passed:
            return None
        if extension in context.extensions:
            return context.extensions[extension]
        for pattern, steps in context.extensions.items():
            if pattern.startswith("_") and matches(pattern, extension):
                return steps
        for include in context.includes:
            inner = self.found(include.value.partition(",")[0].strip(), extension, passed | {name})
            if inner is not None:
                return inner
        return None

    def reaches(self, name: str, extension: str, goal: str) -> bool:
        """Tell whether an extension dialled in a context comes to the context ``goal``."""
        steps = self.found(name, extension)
        return steps is not None and self.lead(steps, extension, goal)

    def lead(self, steps: list[Step], extension: str, goal: str) -> bool:
        """Tell whether these steps, run for an extension, come to the context ``goal``."""
        waiting, passed = [(steps, extension)], set[tuple[str, str]]()
        while waiting and len(passed) < MAX_JUMPS:
            steps, extension = waiting.pop()
            for context, target in _targets(steps, extension):
                if context == goal:
                    return True
                if (context, target) not in passed:
                    passed.add((context, target))
                    waiting.append((self.found(context, target) or [], target))
        return False


def dialplan(conf: Conf) -> Dialplan:
    """Make a dialplan out of ``extensions.conf`` and what it includes."""
    made = Dialplan(conf.path)
    for section in conf.real():
        if section.name == "globals":
            made.globals.update((entry.name, entry) for entry in section.entries)
        elif section.name not in _NOT_CONTEXTS:
            context = made.contexts.setdefault(
                section.name, Context(section.name, section.file, section.line)
            )
            _fill(context, section.entries)
    return made


def _fill(context: Context, entries: list[Entry]) -> None:
    extension = ""
    for entry in entries:
        kind = entry.name.lower()
        if kind == "include":
            context.includes.append(entry)
        elif kind in {"exten", "same"}:
            rest = entry.value
            if kind == "exten":
                extension, rest = _split_extension(entry.value)
            step = _step(context.name, extension, rest, entry)
            if step is not None:
                context.extensions.setdefault(extension, []).append(step)


def _split_extension(value: str) -> tuple[str, str]:
    """Return the extension and the rest; a comma within brackets does not end a pattern."""
    depth = 0
    for at, sign in enumerate(value):
        depth += (sign == "[") - (sign == "]")
        if sign == "," and depth <= 0:
            return value[:at].strip(), value[at + 1 :]
    return value.strip(), ""


def _step(context: str, extension: str, rest: str, entry: Entry) -> Step | None:
    priority, _, call = rest.partition(",")
    found = _APPLICATION.match(call)
    if found is None or priority.strip().lower() == "hint":
        return None
    arguments = found[2] or ""
    return Step(entry.file, entry.line, context, extension, found[1].lower(), arguments)


def _targets(steps: list[Step], extension: str) -> Iterator[tuple[str, str]]:
    """Yield the contexts and extensions that steps lead to, as far as the text tells."""
    for step in steps:
        if step.application not in JUMPS:
            continue
        if step.application == "dial":
            found = [(context, to) for to, context in _LOCAL.findall(step.arguments)]
        else:
            found = _TARGET.findall(step.arguments)
        for context, to in found:
            yield context, extension if to == "${EXTEN}" else to
