"""How a verb ends: its exit status, and one line on stderr for a mistake, never a traceback.

0 done; 1 the answer is "no"; 2 wrong usage, or a verb that cannot start for its configuration;
3 the service could not be reached. A file with faults gets a line for each of them.
"""

from __future__ import annotations

import os
import sys
from typing import Final, NoReturn

import click

from agi.console import counted
from agi.errors import FaultyFile, Unreachable, UsageError

YES: Final = 0
NO: Final = 1
WRONG: Final = 2
GONE: Final = 3
INTERRUPTED: Final = 130


def run(command: click.Group) -> NoReturn:
    """Run the verb that the command line names, and exit."""
    try:
        status = _status(command)
        sys.stdout.flush()
    except SystemExit as ended:
        # rich makes an exit of its own out of a reader that left.
        if isinstance(ended.__context__, BrokenPipeError):
            _reader_left()
        raise
    except BrokenPipeError:
        _reader_left()
    except OSError as bad:
        # Not even what is left in the buffer can be written.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        where = "cannot write" if bad.filename is None else bad.filename
        status = _say(WRONG, f"{where}: {bad.strerror}")
    sys.exit(status)


def _status(command: click.Group) -> int:  # noqa: PLR0911 - one for each way to end
    try:
        if not all(map(_encodable, sys.argv)):
            return _say(WRONG, "an argument is not UTF-8")
        # Not click's own main(): it makes a failure out of a reader that had enough.
        with command.make_context("dialdip", sys.argv[1:]) as context:
            return command.invoke(context) or YES  # a verb's status is its return value
    except click.exceptions.Exit as ended:
        return ended.exit_code  # --help and --version
    except click.exceptions.NoArgsIsHelpError as shown:
        sys.stderr.write(shown.format_message() + "\n")
        return WRONG
    except click.ClickException as wrong:
        where = getattr(wrong, "ctx", None)
        hint = f" (see {where.command_path} --help)" if where is not None else ""
        return _say(WRONG, " ".join(wrong.format_message().split()) + hint)
    except FaultyFile as faulty:
        for fault in faulty.faults:
            sys.stderr.write(f"{fault}\n")
        return _say(WRONG, f"{counted(len(faulty.faults), 'fault')}, nothing was changed")
    except UsageError as wrong:
        return _say(WRONG, str(wrong))
    except Unreachable as gone:
        return _say(GONE, str(gone))
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED


def _say(status: int, text: str) -> int:
    sys.stderr.write(f"dialdip: {text}\n")
    return status


def _reader_left() -> NoReturn:
    """End well: that the reader of our output had enough is nobody's error."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os._exit(YES)


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
