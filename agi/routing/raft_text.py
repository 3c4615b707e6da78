"""The life-raft as a dialplan: contexts that ``carrier-route`` enters when nobody decided.

``carrier-raft,v1,1`` reads ``LOCAL(number)``, ``LOCAL(account)`` and ``LOCAL(keep)`` of
``carrier-route`` and goes back to its label ``rafted`` with ``LOCAL(rule)``, ``reason``, ``cause``,
``list``, ``base`` and ``version``; or to ``own``, where the site's default trunks are.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterable, Iterator
from typing import Final

from agi.routing import raft_plan
from agi.routing.raft import OTHER, UNKNOWN, Course, Item, Raft, Tree
from agi.routing.raft_entry import entry
from agi.routing.raft_plan import LINES

MARK: Final = "; dialdip's life-raft, made from "
"""How a file of ours begins, before the version: nothing else is ever replaced by one."""

_FORM: Final = "1"
"""Of the text: another one makes a start write the raft of the same tables anew."""

_WAYS: Final = "carrier-raft-ways"

# A hang-up or the site's own timer ends the call where it is: carrier-route knows what to do.
_ENDINGS: Final = (
    "exten => h,1,Goto(carrier-route,h,1)",
    "exten => T,1,Goto(carrier-route,T,1)",
)


def text(raft: Raft) -> str:
    """Return the file: ASCII, lines below 2,000 characters.

    Raises:
        ValueError: the country's numbering plan cannot be written for Asterisk.
    """
    return "\n".join(_Writer(raft).lines()) + "\n"


def stamp(version: str, country: str, emergency: Collection[str]) -> str:
    """Return the first line of a raft: what else it is made from is told by a checksum."""
    made_of = " ".join((_FORM, country, *sorted(emergency)))
    return f"{MARK}{version} {zlib.crc32(made_of.encode()):08x}"


class _Writer:
    """Numbers the courses and the trees as they are met: equal ones stand once."""

    def __init__(self, raft: Raft) -> None:
        self.raft: Final = raft
        self.ways: Final[dict[Course, str]] = {}
        self.trees: Final[dict[str, int]] = {}

    def lines(self) -> Iterator[str]:
        raft = self.raft
        numbers = [self.number(tree) for tree in self.in_order()]
        dialled = [row for digits in raft.dialled for row in self.dialled(digits)]
        yield from _head(raft)
        yield entry(raft_plan.home(raft.country), raft.version, raft.accounts, numbers)
        yield from _ENDINGS
        yield from _context("dialled", dialled)
        for body, number in self.trees.items():
            yield from _context(f"t{number}", (body,))
        if raft.uses_lines:
            yield from _context("line", _line_rows())
        yield from _context("ways", self.way_rows())

    def in_order(self) -> Iterator[Tree]:
        for account in (UNKNOWN, OTHER, *self.raft.accounts):
            for line in (None, *LINES):
                yield self.raft.trees[account, line if self.raft.uses_lines else None]

    def number(self, tree: Tree) -> int:
        rows = [self.to(f"_{prefix}!", course) for prefix, course in tree.prefixes.items()]
        others = (("_X!", tree.other), ("short", tree.short), ("odd", tree.odd))
        body = "\n".join((*rows, *(self.to(*one) for one in others)))
        return self.trees.setdefault(body, len(self.trees))

    def to(self, extension: str, course: Course) -> str:
        return f"exten => {extension},1,Goto({_WAYS},{self.way(course)},1)"

    def way(self, course: Course) -> str:
        return self.ways.setdefault(course, f"w{len(self.ways)}")

    def dialled(self, digits: str) -> Iterator[str]:
        exact = self.raft.dialled[digits]
        yield f"exten => {digits},1,Set(LOCAL(base)={exact.number})"
        yield f" same => n,Goto({_WAYS},{self.way(exact.course)},1)"

    def way_rows(self) -> Iterator[str]:
        for course, name in self.ways.items():
            cause = "" if course.cause is None else course.cause
            yield f"exten => {name},1,Set(LOCAL(rule)={course.rule})"
            yield f" same => n,Set(LOCAL(reason)={course.reason})"
            yield f" same => n,Set(LOCAL(cause)={cause})"
            yield f" same => n,Set(LOCAL(list)={','.join(map(_written, course.items))})"
            yield " same => n,Goto(carrier-raft,v1,found)"


def _written(item: Item) -> str:
    return f"{item.tech}/{item.endpoint}:{item.strip}:{item.prepend}:{item.ring_s}"


def _head(raft: Raft) -> Iterator[str]:
    yield stamp(raft.version, raft.country, raft.emergency)
    yield "; Where calls go while nobody decides. An activation replaces this file: do not edit it."
    yield "; Asterisk reads it when it reloads its dialplan."
    left_out = {what: count for what, count in sorted(raft.left_out.items()) if count > 0}
    yield "; Not in here:" if left_out else "; All of the tables is in here."
    for what, count in left_out.items():
        yield f";   {count} {what}"


def _context(name: str, rows: Iterable[str]) -> Iterator[str]:
    yield from ("", f"[carrier-raft-{name}]", *rows, *_ENDINGS)


def _line_rows() -> Iterator[str]:
    for code in raft_plan.calling_codes():
        start = len(str(code))
        before = f"exten => _{code}!,1,"
        for line, pattern in raft_plan.line_patterns(code):
            test = f'${{REGEX("^({pattern})$" ${{EXTEN:{start}}})}}'
            yield f"{before}GotoIf($[0{test}]?carrier-raft,v1,{line})"
            before = " same => n,"
        yield f"{before}Goto(carrier-raft,v1,classed)"
