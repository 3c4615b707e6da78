r"""Read Asterisk's ``.conf`` files as it does: includes, templates, comments, appended values.

The grammar is that of Asterisk's ``main/config.c`` (read in branch 22): ``;`` ends a line unless
written ``\;``; ``;--`` to ``--;`` is a comment over lines, ``;---`` is not; ``[name](!)`` is a
template, ``[name](a,b)`` inherits, ``[name](+)`` goes on with an earlier section; ``=`` and ``=>``
mean the same, ``+=`` adds to a value. ``#exec`` is never run. Everything is bounded: a directory
that somebody prepared costs time and memory, but not without end.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from glob import iglob
from itertools import islice
from pathlib import Path
from typing import Final

from agi.doctor.findings import Finding, Severity

MAX_DEPTH: Final = 10
"""Includes within includes: ``MAX_INCLUDE_LEVEL`` of Asterisk's ``main/config.c``."""

MAX_FILES: Final = 2_000
MAX_BYTES: Final = 64 << 20
"""Of all files of one configuration together."""

USUAL: Final = "/etc/asterisk/"
"""Includes by this path are sought in the directory that is read, which may be a copy of it."""

_SECTION: Final = re.compile(r"\[([^\]]*)\](?:\s*\(([^)]*)\))?")
_DIRECTIVE: Final = re.compile(r"#\s*(include|tryinclude|exec)\s+(.*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Entry:
    """One ``name = value`` with its place. Values may be secrets."""

    file: str
    line: int
    name: str
    value: str = field(repr=False)


@dataclass(slots=True)
class Section:
    """One ``[name]``, what it inherited before its own entries."""

    file: str
    line: int
    name: str
    template: bool = False
    entries: list[Entry] = field(default_factory=list)

    def last(self, name: str) -> Entry | None:
        """Return the entry of this name that holds: the last one, whatever its case."""
        wanted = name.lower()
        found = [entry for entry in self.entries if entry.name.lower() == wanted]
        return found[-1] if found else None

    def get(self, name: str, default: str = "") -> str:
        """Return the value of this name that holds."""
        found = self.last(name)
        return default if found is None else found.value

    def all(self, name: str) -> list[Entry]:
        """Return all entries of this name, in order."""
        return [entry for entry in self.entries if entry.name.lower() == name.lower()]


@dataclass(slots=True)
class Conf:
    """One configuration with all that it includes. ``exists``: the first file could be read."""

    path: str
    exists: bool = False
    sections: list[Section] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def real(self) -> Iterator[Section]:
        """Yield the sections that are no templates."""
        return (section for section in self.sections if not section.template)

    def merged(self, name: str) -> Section:
        """Return all sections of this name as one."""
        same = [section for section in self.real() if section.name == name]
        first = same[0] if same else Section(self.path, 0, name)
        entries = [entry for section in same for entry in section.entries]
        return Section(first.file, first.line, name, entries=entries)


def read(directory: Path, name: str) -> Conf:
    """Read a configuration file and what it includes. A missing file is an empty configuration."""
    reader = _Reader(directory, str(directory / name))
    reader.conf.exists = reader.file(directory / name, 0)
    return reader.conf


class _Reader:
    """Reads one configuration, file within file, into its sections."""

    def __init__(self, directory: Path, path: str) -> None:
        self.conf = Conf(path)
        self._directory = directory
        self._bytes = 0
        self._current: Section | None = None

    def file(self, path: Path, depth: int) -> bool:
        """Read one file; False if it is not there."""
        shown = str(path)
        if len(self.conf.files) >= MAX_FILES or self._bytes >= MAX_BYTES:
            self._say(shown, 0, Severity.WARNING, "not read: there is too much to read; see what")
            return True
        try:
            data = _regular(path, MAX_BYTES - self._bytes)
        except FileNotFoundError:
            return False
        except OSError as bad:
            what = f"cannot be read ({bad.strerror}), so nothing of it is checked: run as root"
            self._say(shown, 0, Severity.WARNING, what)
            return True
        self._bytes += len(data)
        self.conf.files.append(shown)
        for number, line in enumerate(_code(data.decode(errors="replace")), 1):
            if line:
                self._line(shown, number, line, depth)
        return True

    def _line(self, file: str, number: int, line: str, depth: int) -> None:
        if line[0] == "[":
            self._section(file, number, line)
        elif line[0] == "#":
            self._directive(file, number, line, depth)
        elif self._current is not None and "=" in line:
            self._entry(self._current, file, number, line)

    def _section(self, file: str, number: int, line: str) -> None:
        found = _SECTION.match(line)
        if found is None:
            self._say(file, number, Severity.WARNING, "a section without its bracket: write [name]")
            return
        name, options = found[1], [part.strip() for part in (found[2] or "").split(",")]
        earlier = self._earlier(name, options)
        if earlier is not None:
            self._current = earlier
        else:
            self._current = Section(file, number, name, "!" in options)
            self.conf.sections.append(self._current)
        for template in options:
            base = None if template[:1] in {"", "!", "+"} else self._known(template)
            if base is not None:
                self._current.entries.extend(base.entries)

    def _earlier(self, name: str, options: list[str]) -> Section | None:
        """Return the section that ``(+)`` or ``(+name=value)`` goes on with: the first."""
        added = next((option[1:] for option in options if option.startswith("+")), None)
        if added is None:
            return None
        wanted = [part.partition("=")[::2] for part in added.split("&") if part]
        return next(
            (
                section
                for section in self.conf.sections
                if section.name == name and all(section.get(a) == b for a, b in wanted)
            ),
            None,
        )

    def _known(self, name: str) -> Section | None:
        return next((s for s in reversed(self.conf.sections) if s.name == name), None)

    def _entry(self, section: Section, file: str, number: int, line: str) -> None:
        name, _, value = line.partition("=")
        added, name = name.endswith("+"), name.removesuffix("+").strip()
        earlier = section.last(name) if added else None
        if earlier is None:
            value = value.removeprefix(">").strip()
            section.entries.append(Entry(file, number, name, value))
        else:
            # In place, and with the blanks between: "b += c" makes "a c" of "b = a".
            at = section.entries.index(earlier)
            section.entries[at] = Entry(file, number, name, earlier.value + value)

    def _directive(self, file: str, number: int, line: str, depth: int) -> None:
        found = _DIRECTIVE.match(line)
        if found is None:
            return
        kind, target = found[1].lower(), found[2].strip().strip("<>\"'")
        if kind == "exec":
            self._say(file, number, Severity.NOTE, "#exec is not run: what it prints is unchecked")
        elif depth + 1 >= MAX_DEPTH:
            what = f"includes go deeper than the {MAX_DEPTH} that Asterisk reads: the rest is lost"
            self._say(file, number, Severity.ERROR, what)
        else:
            self._include(file, number, target, depth, needed=kind == "include")

    def _include(self, file: str, number: int, target: str, depth: int, *, needed: bool) -> None:
        inside = target.removeprefix(USUAL)
        pattern = str(self._directory / inside)
        # Not Path.glob: an include may be absolute.
        several = islice(iglob(pattern), MAX_FILES)  # noqa: PTH207 - see above
        paths = sorted(several) if _magic(target) else [pattern]
        current = self._current
        read_any = [self._inner(Path(path), depth, current) for path in paths]
        self._current = current
        if needed and not any(read_any) and not _magic(target):
            what = "the included file is not there: Asterisk refuses the whole configuration then"
            self._say(file, number, Severity.ERROR, what)

    def _inner(self, path: Path, depth: int, current: Section | None) -> bool:
        """Read one included file; it goes on with our section, and we do so after it."""
        self._current = current
        return self.file(path, depth + 1)

    def _say(self, file: str, line: int, severity: Severity, what: str) -> None:
        self.conf.findings.append(Finding(file, line, severity, what))


def _magic(target: str) -> bool:
    return any(sign in target for sign in "*?[")


def _regular(path: Path, limit: int) -> bytes:
    """Return what a regular file holds, up to a limit; a FIFO must not stop us for ever."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(0, "not a regular file")
        return stream.read(limit)


def _code(text: str) -> Iterator[str]:
    """Yield each line without its comments and outer blanks; empty lines too, to keep count."""
    depth = 0
    for line in text.split("\n"):
        kept, depth = _uncommented(line, depth)
        yield kept.strip()


def _uncommented(line: str, depth: int) -> tuple[str, int]:
    """Return what is left of a line, and in how many block comments the next one begins."""
    kept, at = "", 0
    while at < len(line):
        sign = line.find("--;" if depth else ";", at)
        if sign < 0:
            break
        if depth:
            depth, at = depth - 1, sign + 3
        elif sign and line[sign - 1] == "\\":
            kept, at = kept + line[at : sign - 1] + ";", sign + 1
        elif line.startswith(";--", sign) and not line.startswith(";---", sign):
            kept, at, depth = kept + line[at:sign], sign + 3, depth + 1
        else:
            return kept + line[at:sign], depth
    return (kept if depth else kept + line[at:]), depth
