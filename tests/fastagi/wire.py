"""What a real Asterisk sends, written down from captures of 22.10 and 16.28, and a model of how
it reads a command: ``parse_args`` of res_agi.c and ``ast_app_separate_args`` of main/app.c."""

from __future__ import annotations

UNIQUEID = "1795231889.102"


def environment(
    script: str = "route?n=447788450450&a=acme&f=442079460123&g=1000",
    *,
    request: str | None = None,
    uniqueid: str = UNIQUEID,
    callerid: bytes = b"442079460123",
    name: bytes = b"Zo\xc3\xab",
    rdnis: bytes = b"unknown",
    extension: bytes = b"s",
    arguments: tuple[bytes, ...] = (),
    drop: tuple[bytes, ...] = (),
) -> bytes:
    """Return an environment as Asterisk 22 writes it, empty values with their trailing blank."""
    lines = [
        (b"agi_network", b"yes"),
        *([(b"agi_network_script", script.encode())] if script else []),
        (b"agi_request", (request or f"agi://127.0.0.1:4573/{script}").encode()),
        (b"agi_channel", b"PJSIP/carol-00000001"),
        (b"agi_language", b"en"),
        (b"agi_type", b"PJSIP"),
        (b"agi_uniqueid", uniqueid.encode()),
        (b"agi_version", b"22.10.1~dfsg+~cs6.15.60671435-1"),
        (b"agi_callerid", callerid),
        (b"agi_calleridname", name),
        (b"agi_callingpres", b"0"),
        (b"agi_callingani2", b"0"),
        (b"agi_callington", b"0"),
        (b"agi_callingtns", b"0"),
        (b"agi_dnid", b"unknown"),
        (b"agi_rdnis", rdnis),
        (b"agi_context", b"carrier-route"),
        (b"agi_extension", extension),
        (b"agi_priority", b"9"),
        (b"agi_enhanced", b"0.0"),
        (b"agi_accountcode", b""),
        (b"agi_threadid", b"140131866031808"),
        *((b"agi_arg_%d" % i, value) for i, value in enumerate(arguments, 1)),
    ]
    return b"".join(k + b": " + v + b"\n" for k, v in lines if k not in drop) + b"\n"


def parse_args(line: str) -> list[str]:  # noqa: C901 - as long as the C it models
    """Split a command line as res_agi.c's parse_args does: blanks, quotes, backslashes."""
    words: list[str] = []
    word: list[str] = []
    quoted = escaped = False
    blank_run = True
    for char in line:
        if escaped:
            word.append(char)
            escaped = blank_run = False
        elif char == "\\":
            escaped = True
            if blank_run and not quoted:
                blank_run = False
        elif char == '"':
            if quoted:
                words.append("".join(word))
                word = []
                blank_run = True
            elif not blank_run:
                msg = "a quote inside a word"
                raise AssertionError(msg)
            quoted = not quoted
        elif char in " \t" and not quoted:
            if not blank_run:
                words.append("".join(word))
                word = []
            blank_run = True
        else:
            word.append(char)
            blank_run = False
    if not blank_run:
        words.append("".join(word))
    return words


def separate_args(text: str) -> list[str]:
    """Split the value of ARRAY as ast_app_separate_args does: commas outside quotes and brackets,
    quotes removed, a backslash removed before whatever it protects."""
    values: list[str] = []
    value: list[str] = []
    depth = brackets = 0
    quoted = False
    chars = iter(text)
    for char in chars:
        if char == "\\":
            value.append(next(chars))
        elif char == '"':
            quoted = not quoted
        elif char == "," and not quoted and depth == 0 and brackets == 0:
            values.append("".join(value))
            value = []
        else:
            depth += {"(": 1, ")": -1 if depth else 0}.get(char, 0)
            brackets += {"[": 1, "]": -1 if brackets else 0}.get(char, 0)
            value.append(char)
    return [*values, "".join(value)]


def variables(line: bytes) -> dict[str, str]:
    """Return what Asterisk would have set after this one line."""
    assert line.endswith(b"\n")
    verb, noun, array, value = parse_args(line[:-1].decode())
    assert ("SET", "VARIABLE") == (verb, noun)
    assert array.startswith("ARRAY(")
    names = array[len("ARRAY(") : -1].split(",")
    values = separate_args(value)
    return dict(zip(names, values, strict=True))
