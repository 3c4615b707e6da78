"""The AGI wire without I/O: bytes to events, commands to bytes.

Facts that bind this module (res_agi.c of Asterisk; measured on Asterisk 16.28 and 22.10):

* The environment is a fixed list of lines in a fixed order, ended by a blank line. Everything
  before ``agi_callerid`` is Asterisk's own word; everything after it may be a stranger's: a SIP
  user part with ``%0A`` in it becomes lines of its own. So the order is the grammar, whatever
  deviates is refused, and only the first part is ever read.
* ``HANGUP`` is not a reply. It may come at any moment, before a reply that is still due as well.
* A command is one line of at most 2,047 bytes with its LF (the buffer of Asterisk 16 and 18).
  Unescaped line ends would be commands, a NUL stops the reader for good: both are refused.
* ``SET VARIABLE ARRAY(A,B) "a,b"`` sets all variables or none. Its value is unescaped twice: by
  AGI's argument parser and by the splitter of ``ARRAY``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from agi.errors import LocalProtocolError, RemoteProtocolError

MAX_ENVIRONMENT_LINES: Final = 64
MAX_ENVIRONMENT_BYTES: Final = 16 * 1024
MAX_COMMAND_BYTES: Final = 2047
MAX_REPLY_LINE_BYTES: Final = 8 * 1024
MAX_USAGE_LINES: Final = 64
MAX_ARRAY_NAMES: Final = 99

_OPENING: Final = b"agi_network: yes\n"
_HANGUP: Final = b"HANGUP\n"

# Asterisk's own word: printable ASCII (a channel, a version, a unique id).
_TRUSTED: Final = rb"[\x20-\x7e]*"
# Anybody's word: tolerated whatever it holds, never read.
_ANYTHING: Final = rb"[^\n\x00]*"
_TRUSTED_KEYS: Final = (b"channel", b"language", b"type", b"uniqueid", b"version")
_OTHER_KEYS: Final = (
    *(b"callerid", b"calleridname", b"callingpres", b"callingani2", b"callington"),
    *(b"callingtns", b"dnid", b"rdnis", b"context", b"extension", b"priority", b"enhanced"),
    *(b"accountcode", b"threadid"),
)
_KNOWN_KEYS: Final = frozenset(
    b"agi_" + key
    for key in (b"network", b"network_script", b"request", *_TRUSTED_KEYS, *_OTHER_KEYS)
)

_ENVIRONMENT: Final = re.compile(
    _OPENING
    + rb"(?:agi_network_script: (?P<script>" + _TRUSTED + rb")\n)?"
    + rb"agi_request: (?P<request>" + _TRUSTED + rb")\n"
    + b"".join(rb"agi_" + key + rb": " + _TRUSTED + rb"\n" for key in _TRUSTED_KEYS[:3])
    + rb"agi_uniqueid: (?P<uniqueid>" + _TRUSTED + rb")\n"
    + rb"agi_version: " + _TRUSTED + rb"\n"
    + b"".join(rb"agi_" + key + rb": " + _ANYTHING + rb"\n" for key in _OTHER_KEYS)
    + rb"(?P<arguments>(?:agi_arg_[0-9]{1,3}: [^\n\x00]*\n)*)\n"
)  # fmt: skip
_ARGUMENT: Final = re.compile(rb"agi_arg_([0-9]{1,3}): ([^\n]*)\n")


class Environment(NamedTuple):
    """What Asterisk itself says of the call before it asks anything.

    ``script`` is everything after the first ``/`` of the URL, query included and not decoded;
    empty when the URL had none. ``arguments`` are ``agi_arg_1`` and so on, whole and undecoded:
    they come last in the environment and so may be forged. ``hangup`` tells that the caller left
    while the environment was still being read.
    """

    script: str
    request: str
    uniqueid: str
    arguments: tuple[bytes, ...]
    hangup: bool


class EnvironmentReader:
    """Collects an environment from any number of segments."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Environment | None:
        """Take the next bytes; return the environment once its blank line is there.

        Raises:
            RemoteProtocolError: the bytes are no environment, or a forged one. Its kind is one of
                ``not-agi``, ``too-large``, ``too-many-lines``, ``nul``, ``duplicate``,
                ``unknown-order``, ``no-threadid``, ``trailing-bytes``, ``arguments``.
        """
        buffer = self._buffer
        seen = len(buffer)
        buffer += data
        end = buffer.find(b"\n\n", seen - 1 if seen else 0) + 2
        if len(buffer) > MAX_ENVIRONMENT_BYTES:
            raise RemoteProtocolError("too-large")
        if end < 2:
            if not buffer.startswith(_OPENING[: len(buffer)]):
                # An HTTP request, a TLS hello, a port scan: no need to wait for its end.
                raise RemoteProtocolError("not-agi")
            return None
        if end == len(buffer):
            return _read_environment(buffer, hangup=False)
        if not _HANGUP.startswith(buffer[end:]):
            raise RemoteProtocolError("trailing-bytes")
        return _read_environment(buffer[:end], hangup=True)


def _read_environment(block: bytes | bytearray, *, hangup: bool) -> Environment:
    match = _ENVIRONMENT.fullmatch(block)
    if match is None or block.count(b"\n") > MAX_ENVIRONMENT_LINES:
        raise RemoteProtocolError(_diagnose(block))
    script, request, uniqueid, arguments = match.groups()
    return Environment(
        "" if script is None else script.decode("ascii"),
        request.decode("ascii"),
        uniqueid.decode("ascii"),
        _read_arguments(arguments) if arguments else (),
        hangup,
    )


def _read_arguments(block: bytes) -> tuple[bytes, ...]:
    found = _ARGUMENT.findall(block)
    if [int(number) for number, _ in found] != list(range(1, len(found) + 1)):
        raise RemoteProtocolError("arguments")
    return tuple(value for _, value in found)


def _diagnose(block: bytes | bytearray) -> str:
    """Name what is wrong with an environment that the grammar refused."""
    lines = block[:-2].split(b"\n")
    keys = [line.partition(b": ")[0] for line in lines]
    if not block.startswith(_OPENING):
        return "not-agi"
    if b"\x00" in block:
        return "nul"
    if block.count(b"\n") > MAX_ENVIRONMENT_LINES:
        return "too-many-lines"
    known = [bytes(key) for key in keys if bytes(key) in _KNOWN_KEYS or key.startswith(b"agi_arg_")]
    if len(known) != len(set(known)):
        return "duplicate"
    if b"agi_threadid" not in keys:
        return "no-threadid"
    return "unknown-order"


class Query(NamedTuple):
    """The script part of an AGI URL: ``route?n=1&a=b`` is ``route`` and its arguments."""

    script: str
    arguments: dict[str, str]


def read_url(environment: Environment) -> Query:
    """Return the script and its arguments, which Asterisk passes on undecoded.

    The positional arguments of the dialplan's ``AGI()``, where there are any, must equal ``n``,
    ``a`` and ``f``: they travel in the part of the environment that a stranger can forge, so they
    may confirm but never say anything.

    Raises:
        RemoteProtocolError: kind ``bad-url`` (an argument without a name, or named twice, or a
            request line that is not the script's) or ``arguments`` (they disagree).
    """
    text = environment.script
    if not environment.request.endswith("/" + text if text else ""):
        raise RemoteProtocolError("bad-url")
    script, mark, query = text.partition("?")
    arguments: dict[str, str] = {}
    if mark:
        for item in query.split("&"):
            name, equals, value = item.partition("=")
            if not equals or not name or name in arguments:
                raise RemoteProtocolError("bad-url")
            arguments[name] = value
    if environment.arguments:
        said = [arguments.get(name, "").encode("ascii") for name in ("n", "a", "f")]
        if list(environment.arguments) != said[: len(environment.arguments)]:
            raise RemoteProtocolError("arguments")
    return Query(script, arguments)


class Reply(NamedTuple):
    """One answer of Asterisk to one command.

    ``code`` is 200 (done), 100 (still busy: not the last word), 503 (out of memory), 510 (unknown
    command), 511 (dead channel) or 520 (bad syntax). ``result`` is the number behind ``result=``
    as text, empty where the code has none; ``data`` what follows, without its brackets.
    """

    code: int
    result: str
    data: str


class Hangup(NamedTuple):
    """The out-of-band line: the caller left, or the AGI session is at its end."""


_RESULT: Final = re.compile(rb"(200|100|503) result=(-?[0-9]+)(?: (.*))?", re.DOTALL)
_REFUSAL: Final = re.compile(rb"(510|511|520)( |-)(.*)", re.DOTALL)
_USAGE_END: Final = b"520 End of proper usage."


class ReplyReader:
    """Collects replies from any number of segments; hang-up lines are events beside them."""

    __slots__ = ("_buffer", "_usage")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._usage = 0  # lines of a multi-line 520 read so far, its first included

    def feed(self, data: bytes) -> list[Reply | Hangup]:
        """Take the next bytes; return what they completed, in order.

        Raises:
            RemoteProtocolError: kind ``bad-reply`` (a line that is no reply) or ``too-large``.
        """
        self._buffer += data
        return list(self._events())

    def _events(self) -> Iterator[Reply | Hangup]:
        while (end := self._buffer.find(b"\n")) >= 0:
            line = bytes(self._buffer[:end])
            del self._buffer[: end + 1]
            event = self._in_usage(line) if self._usage else self._read_line(line)
            if event is not None:
                yield event
        if len(self._buffer) > MAX_REPLY_LINE_BYTES:
            raise RemoteProtocolError("too-large")

    def _read_line(self, line: bytes) -> Reply | Hangup | None:
        if line == b"HANGUP":
            return Hangup()
        if match := _RESULT.fullmatch(line):
            code, result, data = match.groups()
            return Reply(int(code), result.decode("ascii"), _unbracket(data or b""))
        if match := _REFUSAL.fullmatch(line):
            code, mark, text = match.groups()
            if code == b"520" and mark == b"-":
                self._usage = 1
                return None
            if mark == b" ":
                return Reply(int(code), "", text.decode("utf-8", "replace"))
        raise RemoteProtocolError("bad-reply")

    def _in_usage(self, line: bytes) -> Reply | None:
        # A hang-up line inside the block cannot be told from usage text: the block goes first.
        self._usage += 1
        if line == _USAGE_END:
            self._usage = 0
            return Reply(520, "", "")
        if self._usage > MAX_USAGE_LINES:
            raise RemoteProtocolError("too-large")
        return None


def _unbracket(data: bytes) -> str:
    text = data.decode("utf-8", "replace")
    return text[1:-1] if text[:1] == "(" and text[-1:] == ")" else text


_NAME: Final = re.compile(r"[A-Z_][A-Z0-9_]{0,39}")
_PLAIN: Final = re.compile(r"[A-Za-z0-9_.*#+-]*")
_FORBIDDEN: Final = re.compile(r"[\x00\r\n]")
_SPLITTER_SPECIAL: Final = re.compile(r'([\\,"()\[\]])')
_ARGUMENT_SPECIAL: Final = re.compile(r'([\\"])')


def escape(value: str) -> str:
    r"""Escape one value for its way through AGI's argument parser and the splitter of ``ARRAY``.

    >>> print(escape('a,b'))
    a\\,b

    Raises:
        LocalProtocolError: kind ``unsafe-value``: CR, LF and NUL cannot be escaped.
    """
    if _PLAIN.fullmatch(value):
        return value
    if _FORBIDDEN.search(value):
        raise LocalProtocolError("unsafe-value")
    return _ARGUMENT_SPECIAL.sub(r"\\\1", _SPLITTER_SPECIAL.sub(r"\\\1", value))


def set_array(pairs: Sequence[tuple[str, str]]) -> bytes:
    """Return the one line that sets all these variables, in this order, or none of them.

    Raises:
        LocalProtocolError: kind ``unsafe-name``, ``unsafe-value`` (CR, LF, NUL, not encodable) or
            ``too-long`` (over 2,047 bytes or 99 names). Nothing must be written then.
    """
    if not 1 <= len(pairs) <= MAX_ARRAY_NAMES:
        raise LocalProtocolError("too-long")
    for name, _ in pairs:
        if not _NAME.fullmatch(name):
            raise LocalProtocolError("unsafe-name")
    names = ",".join(name for name, _ in pairs)
    values = ",".join(escape(value) for _, value in pairs)
    return command(f'SET VARIABLE ARRAY({names}) "{values}"')


def command(text: str) -> bytes:
    """Return a whole command line whose values are escaped already.

    Raises:
        LocalProtocolError: kind ``unsafe-value`` (CR, LF, NUL, not encodable) or ``too-long``.
    """
    if _FORBIDDEN.search(text):
        raise LocalProtocolError("unsafe-value")
    return proven(text)


def proven(text: str) -> bytes:
    """Return a command line every part of which a grammar has passed already; else ``command``.

    Raises:
        LocalProtocolError: kind ``unsafe-value`` (not encodable) or ``too-long``.
    """
    try:
        line = text.encode() + b"\n"
    except UnicodeEncodeError:
        raise LocalProtocolError("unsafe-value") from None
    if len(line) > MAX_COMMAND_BYTES:
        raise LocalProtocolError("too-long")
    return line
