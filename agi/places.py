"""Where each key of a TOML file stands: readers of TOML forget it, and every fault has its line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from pydantic import ValidationError

from agi.errors import Fault

_WORDS: Final = {
    "tuple_type": "give a list in brackets",
    "model_type": "give a section of its own",
    "model_attributes_type": "give a section of its own",
    "string_pattern_mismatch": "only letters, digits, dot, dash and underscore, 1 to 32 of them",
}

_HEADER: Final = re.compile(r"\s*(\[\[?)\s*([A-Za-z0-9_.\-]+)\s*\]\]?")
_KEY: Final = re.compile(r"(\s*)([A-Za-z0-9_\-]+)\s*[=.]")


class Places:
    """Where each key stands. TOML readers forget it, and faults need it."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self._at: dict[tuple[str | int, ...], tuple[int, int]] = {}
        table: tuple[str | int, ...] = ()
        counts: dict[str, int] = {}
        for number, line in enumerate(text.splitlines(), 1):
            if header := _HEADER.match(line):
                key = header[2]
                table = tuple(key.split("."))
                if header[1] == "[[":
                    table = (*table, counts.setdefault(key, 0))
                    counts[key] += 1
                self._at.setdefault(table, (number, header.start(2) + 1))
            elif found := _KEY.match(line):
                self._at.setdefault((*table, found[2]), (number, found.start(2) + 1))

    def fault(self, location: tuple[str | int, ...], what: str, *, warning: bool = False) -> Fault:
        """Return a fault at the nearest known place of a key or of what holds it."""
        for end in range(len(location), 0, -1):
            if location[:end] in self._at:
                line, column = self._at[location[:end]]
                return Fault(self.name, line, column, what, warning)
        return Fault(self.name, 0, 0, what, warning)

    def faults(self, invalid: ValidationError) -> Iterator[Fault]:
        """Translate the checker's findings into one fault for each place."""
        seen = set()
        for error in invalid.errors(include_url=False, include_input=False, include_context=False):
            location = error["loc"]
            fault = self.fault(location, f"{_dotted(location)}: {_plain(error)}")
            if (fault.line, fault.column) not in seen:
                seen.add((fault.line, fault.column))
                yield fault


def _dotted(location: tuple[str | int, ...]) -> str:
    return ".".join(map(str, location))


def _plain(error: Any) -> str:  # noqa: ANN401 - a TypedDict of the library
    kind = error["type"]
    if kind == "extra_forbidden":
        return "unknown key; dialdip config init lists the known ones"
    if kind == "missing":
        return "is required"
    return _WORDS.get(kind) or str(error["msg"]).removeprefix("Value error, ")
