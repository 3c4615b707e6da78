"""The language of scenario files: lines to values, every mistake with its place. Pure.

One step a line: a verb in capitals, words, and options ``key=value``. ``#`` begins a comment.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Final, NoReturn

VERBS: Final[Mapping[str, str]] = {
    "CONFIG": "CONFIG deadline|provider|dump|route|range|error|screen|fresh|stale|store|... ...",
    "PROVIDER": "PROVIDER NAME [FOR NUMBER|PRODUCT] ANSWERS 23415|REPLY CODE|HANG|... [AFTER ms]",
    "CALL": "CALL NUMBER [n=] [distinct=] [account=] [max_age=] [deadline=] [router=] [as=] ...",
    "LOAD": "LOAD PER_SECOND FOR SECONDS FROM NUMBER [numbers=] [account=] [as=]",
    "CHECK": "CHECK source=live reason=ok ... | CHECK requests|spent|event|breaker|... NAME=VALUE",
    "WAIT": "WAIT",
    "TIME_PASSES": "TIME_PASSES SECONDS",
    "WALL_CLOCK": "WALL_CLOCK +SECONDS",
    "RESTART": "RESTART [dipper|routers]",
    "CRASH": "CRASH [dipper]",
    "DIPPER": "DIPPER gone|back",
    "STORE": "STORE empty|dead|works|slow MILLISECONDS",
    "FORGET": "FORGET NUMBER",
    "RELOAD": "RELOAD provider NAME key=value ... | RELOAD fresh|stale key=value ...",
    "COUNT_FROM_HERE": "COUNT_FROM_HERE",
}
"""Every verb, and how it is written."""

_OPTION: Final = re.compile(r"([A-Za-z0-9_.-]+)(<=|>=|=)(.*)")
_COMMENT: Final = re.compile(r"(^|\s)#.*$")


class ScenarioError(AssertionError):
    """A mistake in a file, or a check that does not hold; its text begins with ``file:line:``."""


@dataclass(frozen=True, slots=True)
class Option:
    """``key=value``, or with ``<=`` or ``>=`` between them."""

    key: str
    relation: str
    value: str

    def __str__(self) -> str:
        return f"{self.key}{self.relation}{self.value}"


@dataclass(frozen=True, slots=True)
class Step:
    """One line: its place, its verb, its words and its options."""

    place: str
    text: str
    verb: str
    words: tuple[str, ...]
    options: tuple[Option, ...] = field(default=())

    def fail(self, what: str) -> NoReturn:
        """Raise, naming the line.

        Raises:
            ScenarioError: always.
        """
        raise ScenarioError(f"{self.place}: {self.text}\n    {what}")

    def wrong(self, what: str) -> NoReturn:
        """Raise: the line is not written as it should be."""
        self.fail(f"{what}; right would be: {VERBS[self.verb]}")

    def settings(self, *allowed: str) -> dict[str, str]:
        """Return the options with ``=``; any other one is a mistake."""
        for option in self.options:
            if option.relation != "=" or (allowed and option.key not in allowed):
                hint = f" ({', '.join(allowed)})" if allowed else ""
                self.wrong(f"{option} is no setting here{hint}")
        return {option.key: option.value for option in self.options}

    def number(self, index: int, what: str) -> float:
        """Return a word as a number of seconds, milliseconds or the like."""
        try:
            return float(self.words[index])
        except (IndexError, ValueError):
            self.wrong(f"{what} is missing or is no number")


def read(file: str, text: str) -> list[Step]:
    """Return the steps of a file.

    Raises:
        ScenarioError: a line is no step.
    """
    steps = []
    for count, line in enumerate(text.splitlines(), 1):
        bare = _COMMENT.sub("", line).strip()
        if bare:
            steps.append(_step(f"{file}:{count}", bare))
    return steps


def _step(place: str, bare: str) -> Step:
    try:
        tokens = shlex.split(bare)
    except ValueError as bad:
        raise ScenarioError(f"{place}: {bare}\n    {bad}: close the quotation marks") from None
    if tokens[0] == "STEP":
        tokens = _labelled(place, bare, tokens)
    verb = tokens[0]
    if verb not in VERBS:
        near = get_close_matches(verb.upper(), VERBS, 1)
        hint = f"did you mean {near[0]}?" if near else f"the verbs are {', '.join(VERBS)}"
        raise ScenarioError(f"{place}: {bare}\n    {verb} is no verb: {hint}")
    words, options = [], []
    for token in tokens[1:]:
        match = _OPTION.fullmatch(token)
        if match:
            options.append(Option(*match.groups()))
        else:
            words.append(token)
    return Step(place, bare, verb, tuple(words), tuple(options))


def _labelled(place: str, bare: str, tokens: list[str]) -> list[str]:
    """Leave out ``STEP 10``: a label for people."""
    if len(tokens) < 3 or not tokens[1].isdigit():
        raise ScenarioError(f"{place}: {bare}\n    right would be: STEP 10 CALL +447700900123")
    return tokens[2:]
