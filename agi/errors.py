"""One tree of everything that dialdip raises on purpose.

::

    DialdipError
    ├── UsageError              the person at the shell asked for something impossible (exit 2)
    ├── ConfigurationError      the configuration file has faults; carries all of them (exit 2)
    ├── TableError              a directory of tables has faults; carries all of them (exit 1 or 2)
    ├── Unreachable             the service did not answer on its socket (exit 3)
    ├── ProtocolError           bytes on the AGI wire that are not to be obeyed
    │   ├── LocalProtocolError  we were about to write something that must not be written
    │   └── RemoteProtocolError the peer wrote something that must be refused
    └── ProviderFault           a lookup provider failed as a whole, not for one number

None of them carries a phone number, a password or an IMSI in its text: messages reach logs.
"""

from __future__ import annotations

from dataclasses import dataclass


class DialdipError(Exception):
    """The root; raised only through its children."""


class UsageError(DialdipError):
    """The command line or the moment does not fit; one line says what to do."""


class Unreachable(DialdipError):
    """The running service could not be reached; one line says where it was sought."""


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One mistake in a file that a person wrote, with its place.

    ``line`` and ``column`` count from 1; 0 means the file as a whole. ``column`` counts cells in
    a CSV file and characters in a TOML file. ``what`` says what is wrong *and* what would be
    right. ``warning`` marks what is suspicious but does not refuse the file.
    """

    file: str
    line: int
    column: int
    what: str
    warning: bool = False

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{place}: {'warning: ' if self.warning else ''}{self.what}"


class FaultyFile(DialdipError):
    """Files with faults, all of them at once; raised only through its children."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        self.faults = tuple(sorted(faults))
        super().__init__("\n".join(map(str, self.faults)))


class ConfigurationError(FaultyFile):
    """The configuration cannot be used; nothing starts with it."""


class TableError(FaultyFile):
    """A directory of tables cannot be used; the running table stays."""


class ProtocolError(DialdipError):
    """Bytes on the AGI wire that are not to be obeyed; raised only through its children.

    ``kind`` is a short constant, fit for a metric label and a log line.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        super().__init__(kind)


class LocalProtocolError(ProtocolError):
    """Our own answer would break the wire or leave the whitelist: nothing is written."""


class RemoteProtocolError(ProtocolError):
    """The peer's bytes are malformed, forged or misplaced: close without commit."""


class ProviderFault(DialdipError):
    """A provider failed as a whole: no answer, or one that says nothing about a number.

    ``cause`` is one of ``connect``, ``tls``, ``timeout``, ``reset``, ``http``, ``oversize``,
    ``malformed``, ``truncated``, ``account``, ``bad_request``, ``throttled`` (too many requests),
    ``shed`` (our own queue is full or closing, or our own limit would keep the number too long): a
    closed set, fit for a label.
    ``detail`` never holds a number or a secret. ``retry_after_s`` is how long a throttling
    provider asks to be left alone, already clamped; None when it does not say.
    """

    def __init__(self, cause: str, detail: str = "", *, retry_after_s: float | None = None) -> None:
        self.cause = cause
        self.detail = detail
        self.retry_after_s = retry_after_s
        super().__init__(f"{cause}: {detail}" if detail else cause)
